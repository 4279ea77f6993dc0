//! One active cart per customer and currency, whatever profiles the customer turns out to be made of.
//!
//! The rule is of the state, not of the event: given all carts that have to do with some profiles, and which profiles are one
//! customer now, it says what has to become of them. So an event that is heard twice, late, or between others changes nothing
//! more.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{clock::Timestamp, ids::ProfileId};

use super::{
    Cart, CartId, LineId, Refusal, State,
    joined::{adopt_prices, join, note, part},
    merge::{Mode, merge},
};

/// Which profiles lead to which survivor.
pub type Roots = BTreeMap<ProfileId, ProfileId>;

/// What became of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new: for what somebody wrote who had brought no cart.
    Created,
    /// It holds something else now.
    Changed,
    /// It went into that cart.
    Merged(CartId),
    /// It was taken out of the cart it had gone into.
    Parted {
        /// That cart.
        from: CartId,
        /// Lines that it has back.
        returned: usize,
        /// Lines that stay with who edited them.
        kept: Vec<LineId>,
    },
}

/// What has to become of carts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The carts that change, those that end first: their places are free before others take them.
    pub carts: Vec<(Cart, Outcome)>,
    /// Whose carts at the till something has to wait for: they are neither merged nor taken apart before their freeze ends.
    pub waits: BTreeSet<ProfileId>,
}

/// Says what has to become of these carts: the live ones of some profiles, and all carts that are joined in those.
///
/// # Errors
/// If an amount is out of range.
pub fn arrange(carts: &BTreeMap<CartId, Cart>, roots: &Roots, now: Timestamp) -> Result<Arrangement, Refusal> {
    let root = |profile: ProfileId| roots.get(&profile).copied().unwrap_or(profile);
    let mut all = Arrangement::default();
    let currencies: BTreeSet<_> = carts.values().map(|cart| cart.currency.code()).collect();
    for currency in currencies {
        let of_currency = carts.values().filter(|cart| cart.currency.code() == currency);
        let (mut at_till, mut heads) = (Vec::new(), Vec::new());
        for cart in of_currency.filter(|cart| cart.profile.is_some()) {
            let now_is = cart.clone().at(now);
            match now_is.state {
                State::Active => heads.push(now_is),
                State::Frozen { .. } => at_till.push(now_is),
                _ => {}
            }
        }
        let apart = |cart: &Cart| people(cart, carts).into_iter().map(root).collect::<BTreeSet<_>>().len() > 1;
        let split = heads.iter().chain(&at_till).any(apart);
        if split {
            all.waits.extend(at_till.iter().filter_map(|cart| cart.profile));
        }

        let mut after: BTreeMap<CartId, Cart> = BTreeMap::new();
        let mut kept: BTreeMap<CartId, (CartId, Vec<LineId>)> = BTreeMap::new();
        let mut sides: BTreeMap<Option<ProfileId>, Vec<Cart>> = BTreeMap::new();
        while let Some(cart) = heads.pop() {
            if !at_till.is_empty() || !apart(&cart) {
                sides.entry(cart.profile.map(root)).or_default().push(cart);
                continue;
            }
            let inside = cart.body.joined.as_ref().map(|joined| joined.carts.clone()).unwrap_or_default();
            let sources = inside.iter().filter_map(|id| carts.get(id)).cloned().collect();
            let owner = cart.profile;
            for part in part(cart, sources, &|one, two| root(one) == root(two), now)? {
                let mut cart = part.cart;
                if cart.id != part.from {
                    kept.insert(cart.id, (part.from, part.kept));
                }
                cart.profile = cart.profile.or(owner);
                heads.push(cart);
            }
        }
        for (side, mut group) in sides {
            let at_till = at_till.iter().filter_map(|cart| cart.profile);
            all.waits.extend(at_till.filter(|owner| Some(root(*owner)) == side));
            group.sort_by_key(|cart| (cart.profile != side, cart.created_at, cart.id));
            let mut group = group.into_iter();
            let Some(mut survivor) = group.next() else { continue };
            for mut other in group {
                if other.version == 0 {
                    // Never stored: what was written goes where its writer has a cart.
                    let before = survivor.body.clone();
                    merge(&mut survivor.body, &other.body, survivor.id, Mode::Max);
                    note(&before, &mut survivor.body, survivor.profile, other.profile);
                    adopt_prices(&mut survivor, &other, now);
                    survivor.quote(now)?;
                    continue;
                }
                join(&mut survivor, &mut other, now)?;
                after.insert(other.id, other);
            }
            after.insert(survivor.id, survivor);
        }
        for (id, cart) in after {
            let Some(before) = carts.get(&id) else {
                all.carts.push((cart, Outcome::Created));
                continue;
            };
            let same = before.state == cart.state || before.clone().at(now).state == cart.state;
            if same && before.body == cart.body && before.profile == cart.profile {
                continue;
            }
            let outcome = match (&before.state, &cart.state) {
                (_, State::Merged { into }) if before.state != cart.state => Outcome::Merged(*into),
                (State::Merged { .. }, State::Active) => {
                    let (from, kept) = kept.remove(&id).unwrap_or((id, Vec::new()));
                    let has = |line: &&super::Line| cart.body.lines.iter().any(|now| now.id == line.id);
                    Outcome::Parted { from, returned: before.body.lines.iter().filter(has).count(), kept }
                }
                _ => Outcome::Changed,
            };
            all.carts.push((cart, outcome));
        }
    }
    all.carts.sort_by_key(|(cart, _)| (cart.state == State::Active, cart.id));
    Ok(all)
}

/// The profiles whose carts are joined in that one, its own included, and those that wrote into it.
fn people(cart: &Cart, carts: &BTreeMap<CartId, Cart>) -> BTreeSet<ProfileId> {
    let mut found = BTreeSet::new();
    let mut next = vec![cart];
    let mut seen = BTreeSet::new();
    while let Some(cart) = next.pop() {
        if seen.insert(cart.id) {
            found.extend(cart.profile);
            found.extend(cart.body.writers());
            next.extend(cart.body.joined.iter().flat_map(|joined| &joined.carts).filter_map(|id| carts.get(id)));
        }
    }
    found
}
