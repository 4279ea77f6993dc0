//! Customers who are joined and parted: nothing is lost, and joining then parting changes nothing.

use std::collections::BTreeMap;

use omnimesh_kit::ids::ProfileId;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    Cart, CartId, Line, LineId, State,
    coupon::Coupon,
    customer::{Outcome, Roots, arrange},
    freeze, joined, lines,
    tests::{NOW, cart_in, line, percent, price, quantities, shipped},
};

const PEOPLE: usize = 4;
const SKUS: u8 = 5;

type Carts = BTreeMap<CartId, Cart>;

fn profile(number: usize) -> ProfileId {
    ProfileId(Uuid::from_u128(0xa000 + number as u128))
}

/// Who is one with whom, as the number of the survivor of each.
fn roots(sides: &[usize]) -> Roots {
    let survivor = |side: usize| sides.iter().position(|other| *other == side).unwrap();
    sides.iter().enumerate().map(|(who, side)| (profile(who), profile(survivor(*side)))).collect()
}

fn settle(carts: &mut Carts, roots: &Roots) -> Vec<Outcome> {
    let arrangement = arrange(carts, roots, NOW).unwrap();
    assert!(arrangement.waits.is_empty());
    let mut outcomes = Vec::new();
    for (mut cart, outcome) in arrangement.carts {
        cart.version += 1;
        carts.insert(cart.id, cart);
        outcomes.push(outcome);
    }
    assert_eq!(arrange(carts, roots, NOW).unwrap().carts, [], "twice is once");
    let live: Vec<_> = carts.values().filter(|cart| cart.state.is_live()).map(|cart| cart.profile.unwrap()).collect();
    let mut owners: Vec<_> = live.iter().map(|owner| roots[owner]).collect();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), live.len(), "one live cart per customer");
    for cart in carts.values().filter(|cart| cart.state.is_live()) {
        let mut ids: Vec<_> = cart.body.lines.iter().map(|line| line.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), cart.body.lines.len());
    }
    outcomes
}

/// What somebody does to the cart that is theirs now.
#[derive(Clone, Debug)]
enum Step {
    Add { who: usize, sku: u8, quantity: i64 },
    Change { who: usize, place: usize, quantity: i64 },
    Remove { who: usize, place: usize },
    Coupon { who: usize, code: u8 },
    Deliver { who: usize },
}

impl Step {
    fn who(&self) -> usize {
        match self {
            Self::Add { who, .. }
            | Self::Change { who, .. }
            | Self::Remove { who, .. }
            | Self::Coupon { who, .. }
            | Self::Deliver { who } => *who,
        }
    }
}

fn cart_of<'a>(carts: &'a mut Carts, roots: &Roots, who: usize) -> Option<&'a mut Cart> {
    carts.values_mut().find(|cart| cart.state.is_live() && roots[&cart.profile.unwrap()] == roots[&profile(who)])
}

fn write(carts: &mut Carts, roots: &Roots, step: &Step, number: u128) {
    let Some(cart) = cart_of(carts, roots, step.who()) else { return };
    let before = cart.body.clone();
    let at = |cart: &Cart, place: usize| cart.body.lines.get(place % cart.body.lines.len().max(1)).map(|line| line.id);
    match step {
        Step::Add { sku, quantity, .. } => {
            let id = LineId(Uuid::from_u128(0xb000_0000 + number));
            let sku = format!("sku-{sku}");
            let addition = lines::Addition { id, sku, quantity: *quantity, options: BTreeMap::new(), channel: 1 };
            lines::add(cart, &addition).unwrap();
        }
        Step::Change { place, quantity, .. } => {
            if let Some(id) = at(cart, *place) {
                lines::change(cart, id, *quantity).unwrap();
            }
        }
        Step::Remove { place, .. } => {
            if let Some(id) = at(cart, *place) {
                lines::remove(cart, id).unwrap();
            }
        }
        Step::Coupon { code, .. } => {
            let code = format!("C-{code}");
            let had = cart.body.coupons.len();
            cart.body.coupons.retain(|coupon| coupon.code != code);
            if cart.body.coupons.len() == had {
                cart.body.coupons.push(percent(&code, 1_000));
            }
        }
        Step::Deliver { who } => {
            cart.body.delivery = Some(shipped(cart.currency, 1_000_000 * (1 + *who as i64), None));
        }
    }
    joined::note(&before, &mut cart.body, cart.profile, Some(profile(step.who())));
    cart.quote(NOW).unwrap();
}

prop_compose! {
    fn step(among: usize)(kind in 0u8..5, who in 0..among, sku in 0..SKUS, place in 0usize..8, quantity in 1i64..40) -> Step {
        match kind {
            0 => Step::Add { who, sku, quantity },
            1 => Step::Change { who, place, quantity },
            2 => Step::Remove { who, place },
            3 => Step::Coupon { who, code: sku },
            _ => Step::Deliver { who },
        }
    }
}

prop_compose! {
    /// A cart each, of lines that may repeat, as they do after a KEEP_BOTH.
    fn people(repeat: bool)(
        held in prop::collection::vec((prop::collection::vec((0..SKUS, 1i64..20), 0..5), prop::collection::btree_set(0u8..3, 0..2), any::<bool>()), PEOPLE)
    ) -> Carts {
        let carts = held.into_iter().enumerate().map(|(who, (lines, coupons, ships))| {
            let mut cart = cart_in("TRY");
            cart.id = CartId(Uuid::from_u128(0xc000 + who as u128));
            cart.version = 1;
            cart.profile = Some(profile(who));
            for (number, (sku, quantity)) in lines.into_iter().enumerate() {
                let line = line((who * 100 + number) as u128, &format!("sku-{sku}"), quantity);
                if repeat || cart.body.lines.iter().all(|own| own.key() != line.key()) {
                    cart.body.lines.push(line);
                }
            }
            for line in &cart.body.lines {
                let known = price(cart.currency, 10_000_000, 200_000);
                cart.body.prices.skus.insert(line.sku.clone(), known);
            }
            cart.body.prices.expires_at = Some(NOW.plus(std::time::Duration::from_secs(600 + who as u64)));
            cart.body.coupons = coupons.into_iter().map(|n| percent(&format!("C-{n}"), 1_000)).collect();
            if ships { cart.body.delivery = Some(shipped(cart.currency, 1_000_000 * (1 + who as i64), None)); }
            cart.quote(NOW).unwrap();
            (cart.id, cart)
        });
        carts.collect()
    }
}

fn sides() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..PEOPLE, PEOPLE)
}

/// Everything but versions.
fn contents(carts: &Carts) -> Carts {
    carts.iter().map(|(id, cart)| (*id, Cart { version: 0, ..cart.clone() })).collect()
}

/// What customers see: bookkeeping for the way back is not part of it.
fn seen(carts: &Carts) -> Vec<(CartId, State, Vec<Line>, Vec<Coupon>)> {
    let bare = |line: &Line| Line { edited: None, origin: None, ..line.clone() };
    let seen = carts.values().filter(|cart| cart.state.is_live()).map(|cart| {
        let mut lines: Vec<_> = cart.body.lines.iter().map(bare).collect();
        lines.sort_by_key(|line| line.id);
        let mut coupons = cart.body.coupons.clone();
        coupons.sort_by_key(|coupon| coupon.code.clone());
        (cart.id, cart.state.clone(), lines, coupons)
    });
    seen.collect()
}

/// Pieces per key in all live carts.
fn pieces(carts: &Carts) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    for cart in carts.values().filter(|cart| cart.state.is_live()) {
        for ((sku, _), quantity) in quantities(&cart.body) {
            *found.entry(sku).or_insert(0) += quantity;
        }
    }
    found
}

proptest! {
    #[test]
    fn joining_and_parting_changes_nothing(before in people(true), through in prop::collection::vec(sides(), 1..4)) {
        let mut carts = before.clone();
        for sides in through {
            settle(&mut carts, &roots(&sides));
        }
        settle(&mut carts, &roots(&[0, 1, 2, 3]));
        prop_assert_eq!(contents(&carts), contents(&before));
    }

    #[test]
    fn joining_keeps_the_largest_quantity_of_each(before in people(false), sides in sides()) {
        let mut carts = before.clone();
        let roots = roots(&sides);
        settle(&mut carts, &roots);
        for who in 0..PEOPLE {
            let now = quantities(&cart_of(&mut carts, &roots, who).unwrap().body);
            let members = before.values().filter(|cart| roots[&cart.profile.unwrap()] == roots[&profile(who)]);
            let mut expected = BTreeMap::new();
            for (key, quantity) in members.flat_map(|cart| quantities(&cart.body)) {
                let largest: &mut i64 = expected.entry(key).or_insert(0);
                *largest = (*largest).max(quantity);
            }
            prop_assert_eq!(now, expected);
        }
    }

    #[test]
    fn what_was_decided_before_a_merge_stands_after_its_split(
        before in people(false),
        steps in prop::collection::vec(step(2), 0..6),
    ) {
        // 0 and 1 are one customer who writes; then 2 and 3 come and go again, and nobody writes.
        let mut carts = before;
        settle(&mut carts, &roots(&[0, 0, 2, 3]));
        for (number, step) in steps.iter().enumerate() {
            write(&mut carts, &roots(&[0, 0, 2, 3]), step, number as u128);
        }
        let was = seen(&carts);
        settle(&mut carts, &roots(&[2, 2, 2, 2]));
        settle(&mut carts, &roots(&[0, 0, 2, 2]));
        settle(&mut carts, &roots(&[0, 0, 2, 3]));
        prop_assert_eq!(seen(&carts), was);
    }

    #[test]
    fn no_piece_is_lost_when_people_wrote(
        before in people(false),
        sides in sides(),
        steps in prop::collection::vec(step(PEOPLE), 0..8),
        after in sides(),
    ) {
        let mut carts = before.clone();
        let joined = roots(&sides);
        settle(&mut carts, &joined);
        for (number, step) in steps.iter().enumerate() {
            write(&mut carts, &joined, step, number as u128);
        }
        let together = pieces(&carts);
        // Everybody alone, then some together: what was there is there.
        let alone = roots(&[0, 1, 2, 3]);
        let outcomes = settle(&mut carts, &alone);
        let apart = pieces(&carts);
        for (key, quantity) in &together {
            prop_assert!(apart.get(key) >= Some(quantity), "{key}: {quantity}, now {apart:?}");
        }
        // What nobody touched is exactly where it was.
        let wrote: Vec<_> = steps.iter().map(Step::who).collect();
        for who in (0..PEOPLE).filter(|who| wrote.iter().all(|writer| joined[&profile(*writer)] != joined[&profile(*who)])) {
            let id = CartId(Uuid::from_u128(0xc000 + who as u128));
            prop_assert_eq!(&carts[&id].body, &before[&id].body);
        }
        for outcome in &outcomes {
            if let Outcome::Parted { kept, .. } = outcome {
                for line in kept {
                    let holders = carts.values().filter(|cart| cart.state.is_live() && cart.body.lines.iter().any(|own| own.id == *line));
                    prop_assert_eq!(holders.count(), 1, "a kept line is in its editor's cart");
                }
            }
        }
        // A line is in one cart.
        let mut ids: Vec<_> = carts.values().flat_map(|cart| &cart.body.lines).map(|line| line.id).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
        settle(&mut carts, &roots(&after));
        for key in together.keys() {
            prop_assert!(pieces(&carts).contains_key(key));
        }
    }
}

fn two() -> Carts {
    let cart = |who: usize, lines: Vec<Line>| {
        let mut cart = cart_in("TRY");
        cart.id = CartId(Uuid::from_u128(0xc000 + who as u128));
        cart.version = 1;
        cart.profile = Some(profile(who));
        cart.body.lines = lines;
        (cart.id, cart)
    };
    [cart(0, vec![line(1, "mug", 1), line(2, "tea", 3)]), cart(1, vec![line(11, "mug", 2), line(12, "pen", 4)])].into()
}

fn held(carts: &Carts, who: usize) -> BTreeMap<String, i64> {
    let cart = &carts[&CartId(Uuid::from_u128(0xc000 + who as u128))];
    assert!(cart.state.is_live());
    quantities(&cart.body).into_iter().map(|((sku, _), quantity)| (sku, quantity)).collect()
}

fn expect(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(sku, quantity)| ((*sku).to_owned(), *quantity)).collect()
}

const ONE: [usize; 4] = [0, 0, 2, 3];
const APART: [usize; 4] = [0, 1, 2, 3];

#[test]
fn a_line_stays_with_its_editor() {
    // The pen came from 1; 0 edits it: it stays with 0. The mug met: 1 raises it and keeps that, 0 has its own back.
    let mut carts = two();
    settle(&mut carts, &roots(&ONE));
    assert_eq!(held(&carts, 0), expect(&[("mug", 2), ("tea", 3), ("pen", 4)]));
    write(&mut carts, &roots(&ONE), &Step::Change { who: 0, place: 2, quantity: 9 }, 0);
    write(&mut carts, &roots(&ONE), &Step::Add { who: 1, sku: 0, quantity: 1 }, 0);
    write(&mut carts, &roots(&ONE), &Step::Change { who: 1, place: 0, quantity: 7 }, 0);
    let outcomes = settle(&mut carts, &roots(&APART));
    assert_eq!(held(&carts, 0), expect(&[("mug", 1), ("tea", 3), ("pen", 9)]));
    assert_eq!(held(&carts, 1), expect(&[("mug", 7), ("sku-0", 1)]));
    let from = CartId(Uuid::from_u128(0xc000));
    let pen = LineId(Uuid::from_u128(12));
    let mug = LineId(Uuid::from_u128(11));
    assert!(outcomes.contains(&Outcome::Parted { from, returned: 1, kept: vec![pen] }), "{outcomes:?}");
    let back = &carts[&CartId(Uuid::from_u128(0xc001))];
    assert_eq!(back.body.lines[0].id, mug, "its own line carries what its owner wrote");
}

#[test]
fn a_line_that_another_removed_comes_back_to_its_owner() {
    let mut carts = two();
    settle(&mut carts, &roots(&ONE));
    write(&mut carts, &roots(&ONE), &Step::Remove { who: 0, place: 2 }, 0);
    write(&mut carts, &roots(&ONE), &Step::Remove { who: 1, place: 0 }, 0);
    settle(&mut carts, &roots(&APART));
    assert_eq!(held(&carts, 0), expect(&[("mug", 1), ("tea", 3)]));
    assert_eq!(held(&carts, 1), expect(&[("pen", 4)]));
}

#[test]
fn an_address_goes_with_who_gave_it() {
    let mut carts = two();
    settle(&mut carts, &roots(&ONE));
    write(&mut carts, &roots(&ONE), &Step::Deliver { who: 1 }, 0);
    settle(&mut carts, &roots(&APART));
    let [own, theirs] = [0xc000, 0xc001].map(|id| &carts[&CartId(Uuid::from_u128(id))].body);
    assert!(own.delivery.is_none() && theirs.delivery.is_some());
    // One that came along goes back too.
    settle(&mut carts, &roots(&ONE));
    assert!(carts[&CartId(Uuid::from_u128(0xc000))].body.delivery.is_some());
    settle(&mut carts, &roots(&APART));
    assert!(carts[&CartId(Uuid::from_u128(0xc000))].body.delivery.is_none());
}

#[test]
fn a_cart_at_the_till_waits() {
    let mut carts = two();
    let (first, second) = (CartId(Uuid::from_u128(0xc000)), CartId(Uuid::from_u128(0xc001)));
    freeze::freeze(carts.get_mut(&first).unwrap(), 1, Some("order_1"), NOW).unwrap();
    let waiting = arrange(&carts, &roots(&ONE), NOW).unwrap();
    assert_eq!((waiting.carts, waiting.waits), (Vec::new(), [profile(0)].into()));
    assert!(arrange(&carts, &roots(&APART), NOW).unwrap().waits.is_empty(), "they have nothing to do with each other");
    freeze::thaw(carts.get_mut(&first).unwrap(), Some("order_1")).unwrap();
    settle(&mut carts, &roots(&ONE));
    freeze::freeze(carts.get_mut(&first).unwrap(), 2, None, NOW).unwrap();
    let waiting = arrange(&carts, &roots(&APART), NOW).unwrap();
    assert_eq!((waiting.carts, waiting.waits), (Vec::new(), [profile(0)].into()));
    let later = arrange(&carts, &roots(&APART), NOW.plus(freeze::FREEZE_STANDS)).unwrap();
    assert!(later.waits.is_empty());
    let states: Vec<_> = later.carts.iter().map(|(cart, _)| (cart.id, cart.state.clone())).collect();
    assert_eq!(states, [(first, State::Active), (second, State::Active)]);
}

#[test]
fn currencies_stay_apart() {
    let mut carts = two();
    let second = carts.get_mut(&CartId(Uuid::from_u128(0xc001))).unwrap();
    second.currency = "EUR".parse().unwrap();
    let outcomes = arrange(&carts, &roots(&ONE), NOW).unwrap();
    assert_eq!(outcomes.carts, []);
}
