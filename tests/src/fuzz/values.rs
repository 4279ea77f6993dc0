//! Values that people type: what was made regular stays as it is, and amounts are exact.

use omnimesh_kit::{
    contact::Contact,
    locale::Locale,
    money::{Currency, Money},
    text::{fold, nfc},
};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    texts(text);
    contacts(text);
    if let Ok(locale) = text.parse::<Locale>() {
        assert_eq!(locale.as_str().parse::<Locale>().unwrap(), locale);
        assert!(locale.region().is_none_or(|region| region.len() == 2));
    }
    amounts(text);
}

fn texts(text: &str) {
    assert_eq!(nfc(&nfc(text)), nfc(text));
    assert_eq!(fold(&fold(text)), fold(text), "folding twice is folding once");
    assert_eq!(fold(&nfc(text)), fold(text));
}

fn contacts(text: &str) {
    if let Ok(email) = Contact::email(text) {
        assert_eq!(Contact::email(email.expose()).as_ref(), Ok(&email));
        assert!(email.expose().len() <= 254);
        again(&email);
    }
    for country in [None, Some("TR"), Some("DE"), Some("US"), Some("IT")] {
        if let Ok(phone) = Contact::phone(text, country) {
            // E.164 means the same everywhere.
            for other in [None, Some("TR"), Some("US")] {
                assert_eq!(Contact::phone(phone.expose(), other).as_ref(), Ok(&phone));
            }
            let digits = phone.expose().strip_prefix('+').expect("E.164");
            assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()), "{digits}");
            again(&phone);
        }
    }
}

fn again(contact: &Contact) {
    assert_eq!(Contact::parse(&contact.to_proto(), None).as_ref(), Ok(contact));
    assert!(!format!("{contact:?}").contains(contact.expose()));
    assert!(contact.masked().contains("***"));
}

fn amounts(text: &str) {
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.code().parse::<Currency>().unwrap(), currency);
    }
    for code in ["TRY", "JPY", "KWD"] {
        let currency: Currency = code.parse().unwrap();
        let Ok(money) = Money::parse_decimal(text, currency) else { continue };
        assert_eq!(Money::parse_decimal(&money.to_decimal_string(), currency).unwrap(), money);
        assert_eq!(Money::from_proto(&money.to_proto()).unwrap(), money);
        if let Ok(rounded) = money.round_to_minor() {
            assert!(rounded.is_on_minor());
            assert_eq!(rounded.round_to_minor().unwrap(), rounded);
            assert!(rounded.micros.abs_diff(money.micros) <= currency.minor_micros().unsigned_abs() / 2);
        }
        if let (Ok(sum), Ok(twice)) = (money.checked_add(money), money.checked_mul_int(2)) {
            assert_eq!(sum, twice);
        }
    }
}
