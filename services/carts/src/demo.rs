//! What a first start has to show: shipping methods and coupons, as the messages that create them.

use omnimesh_proto::{
    carts::v1::{Coupon, ShippingMethod, coupon::Benefit},
    common::v1::Money,
};

/// Three ways of shipping, in lira and euro.
#[must_use]
pub fn shipping_methods() -> Vec<ShippingMethod> {
    let method = |id: &str, name: &str, fees: [i64; 2], free_from: Option<[i64; 2]>, days: [i32; 2]| ShippingMethod {
        shipping_method_id: id.to_owned(),
        name: name.to_owned(),
        country_codes: COUNTRIES.map(str::to_owned).to_vec(),
        fees: amounts(fees),
        free_from: free_from.map(amounts).unwrap_or_default(),
        min_days: days[0],
        max_days: days[1],
        tax_category: "standard".to_owned(),
        discontinued: false,
    };
    vec![
        method("standard", "Standard delivery", [4_990, 490], Some([75_000, 5_000]), [2, 4]),
        method("express", "Express delivery", [12_990, 1_290], None, [1, 1]),
        method("economy", "Economy delivery", [2_490, 290], Some([50_000, 3_500]), [4, 8]),
    ]
}

/// Ten percent for everybody, and an amount off from a minimum on.
#[must_use]
pub fn coupons() -> Vec<Coupon> {
    vec![
        Coupon {
            code: "WELCOME10".to_owned(),
            benefit: Some(Benefit::PercentPpm(100_000)),
            combinable: true,
            ..Coupon::default()
        },
        Coupon {
            code: "TRY50".to_owned(),
            benefit: Some(Benefit::Amount(cents("TRY", 5_000))),
            minimum: Some(cents("TRY", 30_000)),
            ..Coupon::default()
        },
    ]
}

const COUNTRIES: [&str; 8] = ["TR", "DE", "FR", "NL", "AT", "BE", "IT", "GB"];

fn amounts([lira, euro]: [i64; 2]) -> Vec<Money> {
    vec![cents("TRY", lira), cents("EUR", euro)]
}

fn cents(currency: &str, cents: i64) -> Money {
    let nanos = i32::try_from(cents % 100).unwrap_or_default() * 10_000_000;
    Money { currency_code: currency.to_owned(), units: cents / 100, nanos }
}
