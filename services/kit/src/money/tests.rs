use proptest::prelude::*;

use super::*;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn money(text: &str, code: &str) -> Money {
    Money::parse_decimal(text, currency(code)).unwrap()
}

#[test]
fn decimals_are_exact() {
    for (text, micros) in [
        ("2.55", 2_550_000),
        ("-2.55", -2_550_000),
        ("+0.001", 1_000),
        ("0", 0),
        ("-0", 0),
        ("007", 7_000_000),
        ("1.2345670000", 1_234_567),
        ("-9223372036854.775808", i64::MIN),
    ] {
        assert_eq!(money(text, "TRY").micros, micros, "{text}");
    }
    for (text, error) in [
        ("", MoneyError::NotDecimal),
        (".5", MoneyError::NotDecimal),
        ("5.", MoneyError::NotDecimal),
        ("--5", MoneyError::NotDecimal),
        ("1,5", MoneyError::NotDecimal),
        ("1e3", MoneyError::NotDecimal),
        (" 1", MoneyError::NotDecimal),
        ("٣", MoneyError::NotDecimal),
        ("0.0000001", MoneyError::TooFine),
        ("9223372036854.775808", MoneyError::Overflow),
        ("99999999999999999999", MoneyError::Overflow),
    ] {
        assert_eq!(Money::parse_decimal(text, currency("TRY")), Err(error), "{text}");
    }
}

#[test]
fn decimals_show_at_least_the_minor_digits() {
    for (micros, jpy, lira, kwd) in [
        (2_500_000, "2.5", "2.50", "2.500"),
        (3_000_000, "3", "3.00", "3.000"),
        (-1, "-0.000001", "-0.000001", "-0.000001"),
    ] {
        assert_eq!(Money::from_micros(currency("JPY"), micros).to_decimal_string(), jpy);
        assert_eq!(Money::from_micros(currency("TRY"), micros).to_decimal_string(), lira);
        assert_eq!(Money::from_micros(currency("KWD"), micros).to_decimal_string(), kwd);
    }
    assert_eq!(money("1234.5", "TRY").to_string(), "1234.50 TRY");
}

#[test]
fn rounds_half_away_from_zero() {
    for (text, code, rounded) in [
        ("2.005", "TRY", "2.01"),
        ("-2.005", "TRY", "-2.01"),
        ("2.004999", "TRY", "2.00"),
        ("0.5", "JPY", "1"),
        ("-0.5", "JPY", "-1"),
        ("0.499999", "JPY", "0"),
        ("1.0005", "KWD", "1.001"),
    ] {
        assert_eq!(money(text, code).round_to_minor().unwrap().to_decimal_string(), rounded, "{text} {code}");
    }
    assert_eq!(Money::from_micros(currency("JPY"), i64::MAX).round_to_minor(), Err(MoneyError::Overflow));
}

#[test]
fn rates_are_rounded_once() {
    // 18 % of 99.99 and the 18 % contained in 117.99.
    assert_eq!(money("99.99", "TRY").rate_to_minor(180_000).unwrap(), money("18.00", "TRY"));
    assert_eq!(money("117.99", "TRY").included_rate_to_minor(180_000).unwrap(), money("18.00", "TRY"));
    assert_eq!(money("99", "JPY").rate_to_minor(100_000).unwrap(), money("10", "JPY"));
    // 0.004999999: over micro-units it would be 0.005 and then 0.01.
    assert_eq!(Money::from_micros(currency("TRY"), 4_999_999).rate_to_minor(1_000).unwrap(), money("0", "TRY"));
    assert_eq!(money("1", "TRY").ratio_to_minor(1, 0), Err(MoneyError::Overflow));
}

#[test]
fn currencies_do_not_mix() {
    let mismatch = MoneyError::CurrencyMismatch(currency("TRY"), currency("JPY"));
    assert_eq!(money("1", "TRY").checked_add(money("1", "JPY")), Err(mismatch));
    assert_eq!(money("1", "TRY").checked_sub(money("1", "JPY")), Err(mismatch));
    assert_eq!(Fault::from(mismatch).reason(), ErrorReason::WrongCurrency);
}

#[test]
fn the_wire_form_is_checked() {
    let proto = |units, nanos| v1::Money { currency_code: "TRY".to_owned(), units, nanos };
    assert_eq!(Money::from_proto(&proto(-2, -550_000_000)).unwrap(), money("-2.55", "TRY"));
    assert_eq!(Money::from_proto(&proto(1, -1_000)), Err(MoneyError::MalformedProto));
    assert_eq!(Money::from_proto(&proto(0, i32::MIN)), Err(MoneyError::MalformedProto));
    assert_eq!(Money::from_proto(&proto(0, 1)), Err(MoneyError::TooFine));
    assert_eq!(Money::from_proto(&proto(i64::MAX, 0)), Err(MoneyError::Overflow));
    assert_eq!(Money::from_proto(&v1::Money::default()), Err(MoneyError::UnknownCurrency));
}

#[test]
fn splits_by_largest_remainder() {
    let split = |text, code, weights: &[i64]| {
        let parts = split_by_largest_remainder(money(text, code), weights).unwrap();
        parts.into_iter().map(Money::to_decimal_string).collect::<Vec<_>>()
    };
    assert_eq!(split("10", "TRY", &[1, 1, 1]), ["3.34", "3.33", "3.33"]);
    assert_eq!(split("-10", "TRY", &[1, 1, 1]), ["-3.34", "-3.33", "-3.33"]);
    assert_eq!(split("10", "JPY", &[1, 1, 1]), ["4", "3", "3"]);
    assert_eq!(split("1", "KWD", &[2, 1, 0]), ["0.667", "0.333", "0.000"]);
    assert_eq!(split("0.000001", "TRY", &[1, 5]), ["0.00", "0.000001"]);
    assert_eq!(split("0", "TRY", &[0, 0]), ["0.00", "0.00"]);
    assert_eq!(split_by_largest_remainder(money("1", "TRY"), &[0, 0]), Err(MoneyError::BadWeights));
    assert_eq!(split_by_largest_remainder(money("1", "TRY"), &[]), Err(MoneyError::BadWeights));
    assert_eq!(split_by_largest_remainder(money("1", "TRY"), &[-1, 2]), Err(MoneyError::BadWeights));
}

fn currencies() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec![currency("JPY"), currency("TRY"), currency("KWD")])
}

proptest! {
    #[test]
    fn wire_and_text_lose_nothing(currency in currencies(), micros in any::<i64>()) {
        let amount = Money::from_micros(currency, micros);
        prop_assert_eq!(Money::from_proto(&amount.to_proto()), Ok(amount));
        prop_assert_eq!(Money::parse_decimal(&amount.to_decimal_string(), currency), Ok(amount));
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), amount);
    }

    #[test]
    fn rounding_moves_by_half_a_minor_unit_at_most(currency in currencies(), micros in -1_000_000_000_000i64..1_000_000_000_000) {
        let amount = Money::from_micros(currency, micros);
        let rounded = amount.round_to_minor().unwrap();
        prop_assert!(rounded.is_on_minor());
        prop_assert!((rounded.micros - micros).abs() * 2 <= currency.minor_micros());
        prop_assert_eq!(amount.checked_neg().unwrap().round_to_minor().unwrap(), rounded.checked_neg().unwrap());
    }

    #[test]
    fn parts_sum_exactly(
        currency in currencies(),
        micros in any::<i64>(),
        on_minor in any::<bool>(),
        weights in prop::collection::vec(prop_oneof![0..10i64, 0..i64::MAX / 16], 1..12),
    ) {
        let micros = if on_minor { micros - micros % currency.minor_micros() } else { micros };
        let total = Money::from_micros(currency, micros);
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let parts = split_by_largest_remainder(total, &weights).unwrap();
        prop_assert_eq!(parts.len(), weights.len());
        prop_assert_eq!(parts.iter().map(|part| i128::from(part.micros)).sum::<i128>(), i128::from(micros));
        let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        let unit = if total.is_on_minor() { currency.minor_micros() } else { 1 };
        for (part, weight) in parts.iter().zip(&weights) {
            prop_assert!(part.micros % unit == 0);
            prop_assert!(*weight > 0 || part.is_zero());
            // Within one unit of the exact share.
            let off = i128::from(part.micros) * sum - i128::from(micros) * i128::from(*weight);
            prop_assert!(off.abs() < i128::from(unit) * sum);
        }
    }
}
