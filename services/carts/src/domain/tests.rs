//! Properties of quotes and merges, in currencies of 0, 2 and 3 decimals.

use std::collections::BTreeMap;

use omnimesh_kit::{
    clock::Timestamp,
    money::{Currency, Money},
    private::Private,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    Body, Cart, CartId, Line, LineId, Refusal, State,
    address::Address,
    coupon::{Benefit, Coupon},
    delivery::{Delivery, ShippingMethod},
    freeze, lines,
    merge::{Mode, merge},
    price::SkuPrice,
    quote::Quote,
};

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);

pub(super) fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

pub(super) fn cart_in(code: &str) -> Cart {
    Cart::new(NOW, currency(code), 1, None, None)
}

pub(super) fn line(number: u128, sku: &str, quantity: i64) -> Line {
    Line {
        id: LineId(Uuid::from_u128(number)),
        sku: sku.to_owned(),
        quantity,
        options: BTreeMap::new(),
        added_in: 1,
        origin: None,
        edited: None,
    }
}

pub(super) fn percent(code: &str, ppm: i64) -> Coupon {
    Coupon {
        code: code.to_owned(),
        benefit: Benefit::PercentPpm(ppm),
        minimum: None,
        skus: [].into(),
        channels: [].into(),
        starts_at: None,
        ends_at: None,
        combinable: true,
    }
}

pub(super) fn price(currency: Currency, micros: i64, rate_ppm: i64) -> SkuPrice {
    let unit_price = Some(Money::from_micros(currency, micros));
    SkuPrice { name: "a thing".to_owned(), unit_price, rate_ppm, refusal: None }
}

pub(super) fn shipped(currency: Currency, fee: i64, free_from: Option<i64>) -> Delivery {
    let money = |micros| (currency.code().to_owned(), Money::from_micros(currency, micros));
    let address = Address {
        recipient: "Ada".to_owned(),
        organization: String::new(),
        lines: vec!["Street 1".to_owned()],
        city: "Istanbul".to_owned(),
        region: String::new(),
        postal_code: "34710".to_owned(),
        country: "TR".to_owned(),
        phone: String::new(),
    };
    let method = ShippingMethod {
        id: "standard".to_owned(),
        name: "Standard".to_owned(),
        countries: ["TR".to_owned()].into(),
        fees: [money(fee)].into(),
        free_from: free_from.map(money).into_iter().collect(),
        min_days: 2,
        max_days: 4,
        tax_category: "standard".to_owned(),
        discontinued: false,
    };
    Delivery::Ship { address: Private::new(address), method }
}

prop_compose! {
    fn priced_cart()(
        code in prop::sample::select(vec!["JPY", "TRY", "KWD"]),
        include_tax in any::<bool>(),
        lines in prop::collection::vec((0usize..6, 1i64..=10_000, any::<bool>()), 0..12),
        prices in prop::collection::vec((0i64..50_000_000_000, prop::sample::select(vec![0i64, 10_000, 80_000, 200_000]), any::<bool>()), 6),
        coupons in prop::collection::vec((any::<bool>(), 1i64..=1_000_000, 0i64..1_000_000, 0usize..7, any::<bool>()), 0..4),
        ship in any::<bool>(),
        fee in 0i64..1_000,
    ) -> Cart {
        let mut cart = cart_in(code);
        let currency = cart.currency;
        let minor = currency.minor_micros();
        for (number, (sku, quantity, option)) in lines.into_iter().enumerate() {
            let mut line = line(number as u128, &format!("sku-{sku}"), quantity);
            if option { line.options.insert("engraving".to_owned(), "x".to_owned()); }
            cart.body.lines.push(line);
        }
        for (sku, (micros, rate, sellable)) in prices.into_iter().enumerate() {
            let mut price = price(currency, micros, rate);
            if !sellable && sku % 2 == 0 { price.refusal = Some("withdrawn".to_owned()); }
            cart.body.prices.skus.insert(format!("sku-{sku}"), price);
        }
        for (number, (amount, ppm, off, sku, combinable)) in coupons.into_iter().enumerate() {
            let benefit = if amount { Benefit::Amount(Money::from_micros(currency, off * minor)) } else { Benefit::PercentPpm(ppm) };
            let skus = if sku < 6 { [format!("sku-{sku}")].into() } else { [].into() };
            cart.body.coupons.push(Coupon { benefit, skus, combinable, ..percent(&format!("C-{number}"), 1) });
        }
        cart.body.prices.include_tax = include_tax;
        cart.body.prices.delivery_rate_ppm = 200_000;
        if ship { cart.body.delivery = Some(shipped(currency, fee * minor, Some(1_000 * minor))); }
        cart
    }
}

fn quoted(cart: &Cart) -> Quote {
    Quote::of(&cart.body, cart.currency, cart.channel, NOW).unwrap()
}

fn total_of(amounts: impl IntoIterator<Item = Money>) -> i64 {
    amounts.into_iter().map(|amount| amount.micros).sum()
}

proptest! {
    #[test]
    fn parts_sum_exactly(cart in priced_cart()) {
        let quote = quoted(&cart);
        let delivery = quote.delivery.fee.micros + if cart.body.prices.include_tax { 0 } else { quote.delivery.tax.micros };
        prop_assert_eq!(total_of(quote.lines.iter().map(|line| line.total)) + delivery, quote.total.micros);
        prop_assert_eq!(total_of(quote.lines.iter().map(|line| line.subtotal)), quote.subtotal.micros);
        prop_assert_eq!(total_of(quote.lines.iter().map(|line| line.discount)), quote.discount.micros);
        prop_assert_eq!(total_of(quote.coupons.iter().map(|coupon| coupon.discount)), quote.discount.micros);
        prop_assert_eq!(total_of(quote.lines.iter().map(|line| line.tax)) + quote.delivery.tax.micros, quote.tax.micros);
        let taxed = if cart.body.prices.include_tax { 0 } else { quote.tax.micros };
        prop_assert_eq!(
            quote.subtotal.micros - quote.discount.micros + quote.delivery.fee.micros + taxed,
            quote.total.micros
        );
    }

    #[test]
    fn discounts_never_exceed_and_nothing_is_negative(cart in priced_cart()) {
        let quote = quoted(&cart);
        for (line, cost) in cart.body.lines.iter().zip(&quote.lines) {
            prop_assert!(cost.discount.micros <= cost.subtotal.micros, "{cost:?}");
            for amount in [cost.subtotal, cost.discount, cost.tax, cost.total] {
                prop_assert!(!amount.is_negative() && amount.is_on_minor(), "{cost:?}");
            }
            if cart.body.prices.skus[&line.sku].refusal.is_some() {
                prop_assert_eq!(cost.total.micros, 0);
            }
        }
        prop_assert!(quote.total.is_on_minor() && !quote.total.is_negative());
        let applied: Vec<_> = cart.body.coupons.iter().zip(&quote.coupons).filter(|(_, c)| c.refusal.is_none()).collect();
        prop_assert!(applied.len() < 2 || applied.iter().all(|(coupon, _)| coupon.combinable));
    }

    #[test]
    fn adding_commutes(skus in prop::collection::vec((0u8..4, 1i64..100), 1..10), seed in any::<u64>()) {
        let add = |order: &[(u8, i64)]| {
            let mut cart = cart_in("TRY");
            for (number, (sku, quantity)) in order.iter().enumerate() {
                let id = LineId(Uuid::from_u128(number as u128));
                let (sku, quantity) = (format!("sku-{sku}"), *quantity);
                lines::add(&mut cart, &lines::Addition { id, sku, quantity, options: BTreeMap::new(), channel: 1 }).unwrap();
            }
            quantities(&cart.body)
        };
        let mut other = skus.clone();
        other.rotate_left(usize::try_from(seed % skus.len() as u64).unwrap());
        prop_assert_eq!(add(&skus), add(&other));
    }
}

/// Pieces per key.
pub(super) fn quantities(body: &Body) -> BTreeMap<(String, BTreeMap<String, String>), i64> {
    let mut found = BTreeMap::new();
    for line in &body.lines {
        *found.entry((line.sku.clone(), line.options.clone())).or_insert(0) += line.quantity;
    }
    found
}

const MODES: [Mode; 4] = [Mode::Max, Mode::Sum, Mode::GuestWins, Mode::KeepBoth];

prop_compose! {
    /// A cart's lines; `keep` says whether keys may repeat, as they do after a KEEP_BOTH.
    fn holding(first_id: u128)(
        held in prop::collection::vec((0u8..5, 0u8..2, 1i64..50), 0..8),
        coupons in prop::collection::btree_set(0u8..4, 0..3),
    ) -> Body {
        let mut body = cart_in("TRY").body;
        for (number, (sku, option, quantity)) in held.into_iter().enumerate() {
            let mut line = line(first_id + number as u128, &format!("sku-{sku}"), quantity);
            if option == 1 { line.options.insert("size".to_owned(), "L".to_owned()); }
            body.lines.push(line);
        }
        body.coupons = coupons.into_iter().map(|n| percent(&format!("C-{n}"), 1_000)).collect();
        body
    }
}

fn merged(target: &Body, source: &Body, mode: Mode) -> Body {
    let mut into = target.clone();
    merge(&mut into, source, CartId(Uuid::from_u128(9)), mode);
    into
}

proptest! {
    #[test]
    fn no_line_is_lost(target in holding(0), source in holding(1_000), mode in prop::sample::select(MODES.to_vec())) {
        let after = merged(&target, &source, mode);
        let (before, theirs, after_all) = (quantities(&target), quantities(&source), quantities(&after));
        for key in before.keys().chain(theirs.keys()) {
            let (own, their) = (before.get(key).copied(), theirs.get(key).copied());
            let expected = match (mode, own, their) {
                (_, Some(only), None) | (_, None, Some(only)) => only,
                (Mode::Max, Some(own), Some(their)) => own.max(their),
                (Mode::Sum | Mode::KeepBoth, Some(own), Some(their)) => own + their,
                (Mode::GuestWins, _, Some(their)) => their,
                (_, None, None) => unreachable!(),
            };
            prop_assert_eq!(after_all[key], expected, "{:?} {:?}", mode, key);
        }
        for coupon in target.coupons.iter().chain(&source.coupons) {
            prop_assert_eq!(after.coupons.iter().filter(|kept| kept.code == coupon.code).count(), 1);
        }
        let mut ids: Vec<_> = after.lines.iter().map(|line| line.id).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), after.lines.len());
    }

    #[test]
    fn merging_twice_is_merging_once(target in holding(0), source in holding(1_000), mode in prop::sample::select(vec![Mode::Max, Mode::GuestWins, Mode::KeepBoth])) {
        let once = merged(&target, &source, mode);
        prop_assert_eq!(&merged(&once, &source, mode), &once);
    }

    #[test]
    fn max_commutes(target in holding(0), source in holding(1_000)) {
        let (one, other) = (merged(&target, &source, Mode::Max), merged(&source, &target, Mode::Max));
        prop_assert_eq!(quantities(&one), quantities(&other));
    }

    #[test]
    fn merged_lines_know_where_they_came_from(target in holding(0), source in holding(1_000)) {
        for line in merged(&target, &source, Mode::KeepBoth).lines {
            let came = source.lines.iter().any(|theirs| theirs.id == line.id);
            prop_assert_eq!(line.origin.is_some(), came);
        }
    }
}

#[test]
fn amounts_by_hand() {
    let mut cart = cart_in("TRY");
    cart.body.lines = vec![line(1, "a", 3), line(2, "b", 1), line(3, "gone", 5)];
    // 0.335 x 3 = 1.005, rounded once to 1.01.
    cart.body.prices.skus.insert("a".to_owned(), price(cart.currency, 335_000, 200_000));
    cart.body.prices.skus.insert("b".to_owned(), price(cart.currency, 98_990_000, 10_000));
    let gone = SkuPrice { refusal: Some("withdrawn".to_owned()), ..price(cart.currency, 1_000_000, 0) };
    cart.body.prices.skus.insert("gone".to_owned(), gone);
    cart.body.prices.include_tax = false;
    cart.body.prices.delivery_rate_ppm = 200_000;
    cart.body.coupons = vec![percent("TEN", 100_000)];
    cart.body.delivery = Some(shipped(cart.currency, 49_900_000, Some(100_000_000)));
    let texts = |quote: &Quote| {
        [quote.subtotal, quote.discount, quote.delivery.fee, quote.tax, quote.total].map(Money::to_decimal_string)
    };

    // Goods of exactly 100.00 ship free; tax is on top of 0.91 at 20 % and 89.09 at 1 %.
    let quote = quoted(&cart);
    assert_eq!(texts(&quote), ["100.00", "10.00", "0.00", "1.07", "91.07"]);
    let dates = quote.delivery.promise.map(|(from, to)| (from.to_string(), to.to_string()));
    assert_eq!(dates, Some(("2026-01-03T00:00:00Z".to_owned(), "2026-01-05T23:59:59Z".to_owned())));

    cart.body.prices.include_tax = true;
    cart.body.lines.remove(1);
    // 1.01 - 0.10 + 49.90; the tax in 0.91 is 0.15, in 49.90 it is 8.32.
    assert_eq!(texts(&quoted(&cart)), ["1.01", "0.10", "49.90", "8.47", "50.81"]);
}

#[test]
fn a_coupon_says_why_it_does_not_apply() {
    let mut cart = cart_in("TRY");
    cart.body.lines = vec![line(1, "a", 1)];
    cart.body.prices.skus.insert("a".to_owned(), price(cart.currency, 10_000_000, 0));
    let money = |text, code| Some(Money::parse_decimal(text, currency(code)).unwrap());
    let base = percent("X-1", 500_000);
    let cases = [
        (
            Coupon { starts_at: Some(NOW.plus(std::time::Duration::from_micros(1))), ..base.clone() },
            "it is not valid yet",
        ),
        (Coupon { ends_at: Some(NOW), ..base.clone() }, "it is no longer valid"),
        (Coupon { channels: [2].into(), ..base.clone() }, "it is not valid in this channel"),
        (Coupon { minimum: money("10.01", "TRY"), ..base.clone() }, "it needs goods of at least 10.01 TRY"),
        (Coupon { minimum: money("1", "EUR"), ..base.clone() }, "it is for carts in EUR"),
        (Coupon { skus: ["b".to_owned()].into(), ..base.clone() }, "the cart has no goods that it is for"),
    ];
    for (coupon, reason) in cases {
        cart.body.coupons = vec![coupon];
        assert_eq!(quoted(&cart).coupons[0].refusal.as_deref(), Some(reason));
    }
    cart.body.coupons = vec![base.clone(), Coupon { combinable: false, ..percent("X-2", 1) }];
    let quote = quoted(&cart);
    assert_eq!(quote.coupons[0].refusal, None);
    assert_eq!(quote.coupons[1].refusal.as_deref(), Some("it can't be combined with another coupon"));
}

#[test]
fn freezing_and_what_follows() {
    let mut cart = cart_in("TRY");
    cart.version = 3;
    assert_eq!(freeze::freeze(&mut cart, 2, None, NOW), Err(Refusal::Version { id: cart.id, current: 3 }));
    assert_eq!(freeze::freeze(&mut cart, 3, None, NOW), Ok(true));
    assert_eq!(lines::remove(&mut cart, LineId(Uuid::nil())), Err(Refusal::Frozen));
    assert_eq!(cart.clone().at(NOW.plus(freeze::FREEZE_STANDS)).state, State::Active, "it thaws by itself");

    // The customer's freeze passes to the order; for the same order it is asked in vain, for another refused.
    assert_eq!(freeze::freeze(&mut cart, 3, Some("order_1"), NOW), Ok(true));
    assert_eq!(freeze::freeze(&mut cart, 1, Some("order_1"), NOW), Ok(false));
    assert_eq!(freeze::freeze(&mut cart, 3, Some("order_2"), NOW), Err(Refusal::Frozen));
    let late = cart.clone().at(NOW.plus(freeze::FREEZE_STANDS * 100));
    assert_eq!(late.state, cart.state, "an order's freeze lasts");
    assert_eq!(freeze::thaw(&mut cart, None), Err(Refusal::Frozen));
    assert!(!freeze::close(&mut cart, "order_2"));
    assert_eq!(freeze::thaw(&mut cart.clone(), Some("order_1")), Ok(true));
    assert!(freeze::close(&mut cart, "order_1"));
    assert_eq!(freeze::freeze(&mut cart, 1, Some("order_1"), NOW), Ok(false));
    assert_eq!(freeze::thaw(&mut cart, Some("order_1")), Err(Refusal::Closed("ORDERED")));
}

#[test]
fn gaps_name_what_is_missing() {
    let mut cart = cart_in("TRY");
    let kinds = |cart: &Cart| freeze::gaps(cart).into_iter().map(|gap| gap.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&cart), ["LINES", "DELIVERY"]);
    cart.body.lines = vec![line(1, "a", 1)];
    cart.body.coupons = vec![Coupon { ends_at: Some(NOW), ..percent("OLD", 1) }];
    cart.body.delivery = Some(shipped(currency("EUR"), 1_000_000, None));
    cart.body.quote = quoted(&cart);
    assert_eq!(kinds(&cart), ["LINE", "DELIVERY", "COUPON"]);
    cart.body.prices.skus.insert("a".to_owned(), price(cart.currency, 1_000_000, 0));
    cart.body.coupons.clear();
    cart.body.delivery = Some(shipped(cart.currency, 1_000_000, None));
    cart.body.quote = quoted(&cart);
    assert_eq!(kinds(&cart), [""; 0]);
}

#[test]
fn a_cart_does_not_print_addresses_but_keeps_them() {
    let mut cart = cart_in("TRY");
    cart.body.delivery = Some(shipped(cart.currency, 0, None));
    let text = format!("{cart:?}");
    assert!(!text.contains("Ada") && !text.contains("34710"), "{text}");
    let stored = serde_json::to_string(&cart.body).unwrap();
    assert_eq!(serde_json::from_str::<Body>(&stored).unwrap(), cart.body);
}
