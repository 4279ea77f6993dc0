//! A cart that holds the carts of several profiles, because they were found to be one customer; and its way back, should they
//! be found not to be.
//!
//! Nothing is copied away: a cart that came in keeps its own body, and the cart that goes on keeps what it held itself. What is
//! written since is marked with its writer. So taking them apart gives everybody back what they brought, and the writer what
//! they wrote: a line that was edited stays with its editor.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{clock::Timestamp, ids::ProfileId};
use serde::{Deserialize, Serialize};

use super::{
    Body, Cart, CartId, Line, LineId, Refusal, State,
    merge::{Mode, merge},
};

/// Who wrote something since the carts are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The profile of the writer's session; none for associates and back-ends, whose writing stays where it is.
    pub by: Option<ProfileId>,
}

/// How a line was edited since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// By whom, at last.
    pub written: Written,
    /// How many pieces the editor wanted. A cart that comes in later may raise the line, and takes that away again.
    pub quantity: i64,
}

/// A coupon that was put on or taken off since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// By whom, at last.
    pub written: Written,
    /// Whether it was put on.
    pub on: bool,
}

/// A line that was removed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The line as it was.
    pub line: Line,
    /// Who removed it.
    pub written: Written,
}

/// What came together in a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// What the cart held itself.
    pub own: Body,
    /// The carts that came in, in that order.
    pub carts: Vec<CartId>,
    /// Lines removed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// Who chose another delivery since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Written>,
    /// Coupons put on or taken off since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub coupons: BTreeMap<String, Put>,
}

impl Joined {
    fn of(own: Body) -> Box<Self> {
        Box::new(Self { own, carts: Vec::new(), removed: Vec::new(), delivery: None, coupons: BTreeMap::new() })
    }
}

impl Body {
    /// Whether it holds something else than another, whatever that costs.
    fn is_held_otherwise(&self, other: &Self) -> bool {
        self.lines != other.lines || self.delivery != other.delivery || self.coupons != other.coupons
    }

    /// Who wrote something since carts are joined in it.
    #[must_use]
    pub fn writers(&self) -> BTreeSet<ProfileId> {
        let Some(joined) = &self.joined else { return BTreeSet::new() };
        let edits = self.lines.iter().filter_map(|line| Some(line.edited?.written));
        let removed = joined.removed.iter().map(|gone| gone.written);
        let coupons = joined.coupons.values().map(|put| put.written);
        edits.chain(removed).chain(coupons).chain(joined.delivery).filter_map(|written| written.by).collect()
    }
}

/// Marks what a change wrote into a joined cart, or into one of another profile's. To be called before prices are read anew,
/// which nobody writes.
pub fn note(before: &Body, after: &mut Body, owner: Option<ProfileId>, by: Option<ProfileId>) {
    let foreign = owner.is_some() && by.is_some() && owner != by && before.is_held_otherwise(after);
    let Some(mut joined) = after.joined.take().or_else(|| foreign.then(|| Joined::of(before.clone()))) else { return };
    let written = Written { by };
    for line in &mut after.lines {
        if find(&before.lines, line.id).is_none_or(|old| old.quantity != line.quantity) {
            line.edited = Some(Edited { written, quantity: line.quantity });
        }
    }
    let gone = before.lines.iter().filter(|old| find(&after.lines, old.id).is_none());
    joined.removed.extend(gone.map(|old| Removed { line: old.clone(), written }));
    if before.delivery != after.delivery {
        joined.delivery = Some(written);
    }
    let [old, new] = [&before.coupons, &after.coupons]
        .map(|coupons| coupons.iter().map(|coupon| coupon.code.clone()).collect::<BTreeSet<_>>());
    let put = |code: &String| (code.clone(), Put { written, on: new.contains(code) });
    joined.coupons.extend(old.symmetric_difference(&new).map(put));
    after.joined = Some(joined);
}

/// Puts what one cart of the customer holds into another, of which equal lines take the larger quantity. Prices known in both
/// stand; what can't be compared is asked for at the next reading.
///
/// # Errors
/// If an amount is out of range.
pub fn join(target: &mut Cart, source: &mut Cart, now: Timestamp) -> Result<(), Refusal> {
    let mut joined = target.body.joined.take().unwrap_or_else(|| Joined::of(target.body.clone()));
    joined.carts.push(source.id);
    let held: BTreeSet<_> = target.body.lines.iter().map(|line| line.id).collect();
    merge(&mut target.body, &source.body, source.id, Mode::Max);
    for line in target.body.lines.iter_mut().filter(|line| !held.contains(&line.id)) {
        line.edited = None;
    }
    target.body.joined = Some(joined);
    adopt_prices(target, source, now);
    target.quote(now)?;
    source.state = State::Merged { into: target.id };
    Ok(())
}

/// Prices of SKUs that came from another cart.
pub(super) fn adopt_prices(cart: &mut Cart, from: &Cart, now: Timestamp) {
    let country = cart.body.delivery.as_ref().map_or("", |delivery| delivery.country());
    let theirs = &from.body.prices;
    let comparable = from.channel == cart.channel && theirs.country == country && cart.body.prices.country == country;
    let prices = &mut cart.body.prices;
    let mut adopted = false;
    for line in &cart.body.lines {
        if let Some(price) = theirs.skus.get(&line.sku)
            && !prices.skus.contains_key(&line.sku)
            && (theirs.include_tax == prices.include_tax || prices.skus.is_empty())
        {
            if prices.skus.is_empty() {
                prices.include_tax = theirs.include_tax;
            }
            prices.skus.insert(line.sku.clone(), price.clone());
            adopted = true;
        }
    }
    if !comparable {
        // They are shown as prices that ran out, and read anew before anything else.
        prices.expires_at = Some(prices.expires_at.map_or(now, |end| end.min(now)));
    } else if adopted {
        prices.expires_at = prices.expires_at.into_iter().chain(theirs.expires_at).min();
    }
    let lines = &cart.body.lines;
    prices.skus.retain(|sku, _| lines.iter().any(|line| line.sku == *sku));
}

/// A cart that was taken out of a joined one, or what was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The cart: active, with what it brought and what its people wrote since.
    pub cart: Cart,
    /// The joined cart.
    pub from: CartId,
    /// Lines that it brought and somebody else edited: they stay with the editor.
    pub kept: Vec<LineId>,
}

/// Takes a joined cart apart, one step: `sources` are the carts that came into it. The first part is the cart itself.
/// `is_one` says whether two profiles are one customer; a cart without a profile counts as the joined one's.
///
/// # Errors
/// If an amount is out of range.
pub fn part(
    mut joined: Cart,
    sources: Vec<Cart>,
    is_one: &dyn Fn(ProfileId, ProfileId) -> bool,
    now: Timestamp,
) -> Result<Vec<Part>, Refusal> {
    let writers = joined.body.writers();
    let Some(together) = joined.body.joined.take() else {
        let from = joined.id;
        return Ok(vec![Part { cart: joined, from, kept: Vec::new() }]);
    };
    let was = Cart { body: joined.body.clone(), ..joined.clone() };
    let Joined { own, removed, delivery, coupons, .. } = *together;
    joined.body = own;
    let owner = joined.profile;
    let active = |cart| Part { cart: Cart { state: State::Active, ..cart }, from: was.id, kept: Vec::new() };
    let mut parts: Vec<_> = [joined].into_iter().chain(sources).map(active).collect();
    for writer in writers {
        // Who brought nothing gets a cart for what they wrote.
        if !parts.iter().any(|part| part.cart.profile.or(owner).is_some_and(|it| is_one(it, writer))) {
            let cart = Cart::new(now, was.currency, was.channel, None, Some(writer));
            parts.push(Part { cart, from: was.id, kept: Vec::new() });
        }
    }
    let brought: Vec<_> = parts.iter().map(|part| part.cart.body.clone()).collect();

    let same = |one: Option<ProfileId>, two: Option<ProfileId>| match (one.or(owner), two.or(owner)) {
        (Some(one), Some(two)) => is_one(one, two),
        (one, two) => one == two,
    };
    // The parts of a writer's customer, the writer's own first. What nobody known wrote stays with the cart it was written in.
    let sides = |parts: &[Part], written: Written| {
        let exact = parts.iter().position(|part| part.cart.profile.or(owner) == written.by.or(owner));
        let home = exact.or_else(|| parts.iter().position(|part| same(part.cart.profile, written.by))).unwrap_or(0);
        let profile = parts.get(home).and_then(|part| part.cart.profile);
        let all = (0..parts.len()).filter(|place| parts.get(*place).is_some_and(|p| same(p.cart.profile, profile)));
        (home, all.collect::<Vec<_>>())
    };

    let mut done: Vec<(Vec<usize>, Line)> = Vec::new();
    let touched = was.body.lines.iter().filter_map(|line| Some((line, line.edited?.written)));
    for (line, written) in touched.chain(removed.iter().map(|gone| (&gone.line, gone.written))) {
        let (home, side) = sides(&parts, written);
        if done.iter().any(|(other, of)| *other == side && of.key() == line.key()) {
            continue;
        }
        done.push((side.clone(), line.clone()));
        // All of this side's lines of the key, as they are now.
        let wanted = was.body.lines.iter().filter(|now| now.key() == line.key()).filter(|now| match now.edited {
            Some(edited) => sides(&parts, edited.written).1 == side,
            None => brought_by(&brought, &side, now.id),
        });
        let quantity = |now: &Line| now.edited.map_or(now.quantity, |edited| edited.quantity);
        let wanted: Vec<_> = wanted.map(|now| Line { quantity: quantity(now), edited: None, ..now.clone() }).collect();
        give(&mut parts, &brought, (home, &side), line, &wanted, written);
    }
    if let Some(written) = delivery {
        for place in sides(&parts, written).1 {
            change(&mut parts, place, written, |body| body.delivery.clone_from(&was.body.delivery));
        }
    }
    for (code, put) in &coupons {
        let now = was.body.coupons.iter().find(|coupon| put.on && coupon.code == *code);
        for place in sides(&parts, put.written).1 {
            change(&mut parts, place, put.written, |body| {
                body.coupons.retain(|coupon| coupon.code != *code);
                body.coupons.extend(now.cloned());
            });
        }
    }
    for (part, brought) in parts.iter_mut().zip(&brought) {
        if part.cart.body != *brought {
            adopt_prices(&mut part.cart, &was, now);
            part.cart.quote(now)?;
        }
    }
    Ok(parts)
}

/// Gives a side its lines of a key as they are now; `line` was written by `written`. The lines go to its home; a line that came
/// from another side leaves its cart, unless the side has one of its own to carry the quantity.
fn give(
    parts: &mut [Part],
    brought: &[Body],
    (home, side): (usize, &[usize]),
    line: &Line,
    wanted: &[Line],
    written: Written,
) {
    let own = |id: LineId| brought_by(brought, side, id);
    // The side's lines that went up in somebody else's line of the same key.
    let mut carriers = side
        .iter()
        .filter_map(|place| brought.get(*place))
        .flat_map(|body| &body.lines)
        .filter(|own| own.key() == line.key() && find(wanted, own.id).is_none())
        .cloned();
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    for want in wanted {
        // It was brought by this side, or added since.
        if own(want.id) || brought.iter().all(|body| find(&body.lines, want.id).is_none()) {
            given.push(want.clone());
        } else if let Some(carrier) = carriers.next() {
            given.push(Line { quantity: want.quantity, edited: None, ..carrier });
        } else {
            taken.push(want.id);
            given.push(want.clone());
        }
    }
    for (place, part) in parts.iter_mut().enumerate() {
        if !side.contains(&place) && part.cart.body.lines.iter().any(|line| taken.contains(&line.id)) {
            part.kept.extend(part.cart.body.lines.iter().map(|line| line.id).filter(|id| taken.contains(id)));
            edit(part, written, |body| body.lines.retain(|line| !taken.contains(&line.id)));
        }
    }
    for place in side {
        change(parts, *place, written, |body| {
            if *place != home {
                body.lines.retain(|own| own.key() != line.key());
                return;
            }
            body.lines.retain(|own| own.key() != line.key() || find(&given, own.id).is_some());
            for want in &given {
                match body.lines.iter_mut().find(|own| own.id == want.id) {
                    Some(own) => own.quantity = want.quantity,
                    None => body.lines.push(want.clone()),
                }
            }
        });
    }
}

fn change(parts: &mut [Part], place: usize, written: Written, change: impl FnOnce(&mut Body)) {
    if let Some(part) = parts.get_mut(place) {
        edit(part, written, change);
    }
}

/// Changes a part that may be joined itself.
fn edit(part: &mut Part, written: Written, change: impl FnOnce(&mut Body)) {
    let before = part.cart.body.clone();
    change(&mut part.cart.body);
    if part.cart.body.joined.is_some() {
        note(&before, &mut part.cart.body, None, written.by);
    }
}

fn brought_by(brought: &[Body], side: &[usize], id: LineId) -> bool {
    side.iter().filter_map(|place| brought.get(*place)).any(|body| find(&body.lines, id).is_some())
}

fn find(lines: &[Line], id: LineId) -> Option<&Line> {
    lines.iter().find(|line| line.id == id)
}
