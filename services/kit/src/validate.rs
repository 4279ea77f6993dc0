//! Checks of a request's fields: every violation is collected, then one INVALID_ARGUMENT names them all.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use omnimesh_proto::common::v1::{self, ErrorReason};
use tonic::Code;

use crate::{
    clock::Timestamp,
    error::Fault,
    money::{Currency, Money, MoneyError},
    text::nfc,
};

/// Details travel in trailers, which are small: more violations than this are counted, not named.
const NAMED: usize = 12;

/// The violations found so far.
///
/// ```
/// # use omnimesh_kit::{error::Fault, ids::SessionId, validate::Violations};
/// # fn check(session: &str, quantity: i64) -> Result<(SessionId, i64), Fault> {
/// let mut v = Violations::new();
/// let session = v.parse::<SessionId>("session", session);
/// let quantity = v.range("quantity", quantity, 1..=10_000);
/// v.finish_with((session, quantity))
/// # }
/// # assert!(check("session_nonsense", 0).is_err());
/// ```
#[derive(Debug, Default)]
pub struct Violations {
    named: Vec<(String, String)>,
    wrong_currency: bool,
    more: usize,
}

impl Violations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a violation; `description` says what would be accepted.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.named.len() < NAMED {
            self.named.push((field.into(), description.into()));
        } else {
            self.more += 1;
        }
    }

    /// Records a violation unless `ok`.
    pub fn check(&mut self, field: impl Into<String>, ok: bool, description: impl Into<String>) {
        if !ok {
            self.add(field, description);
        }
    }

    /// An id or another value with a text form.
    pub fn parse<T>(&mut self, field: &str, text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let parsed = text.parse();
        self.accept(field, parsed)
    }

    /// Like [`Self::parse`], where the empty text means that nothing was given: `Some(None)`.
    pub fn parse_optional<T>(&mut self, field: &str, text: &str) -> Option<Option<T>>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        if text.is_empty() { Some(None) } else { self.parse(field, text).map(Some) }
    }

    /// A number within a range.
    pub fn range(&mut self, field: &str, value: impl Into<i64>, range: RangeInclusive<i64>) -> Option<i64> {
        let value = value.into();
        if range.contains(&value) {
            return Some(value);
        }
        self.add(field, format!("must be from {} to {}", range.start(), range.end()));
        None
    }

    /// A text of that many characters in NFC, without control characters.
    pub fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) -> Option<String> {
        let text = nfc(text);
        if text.chars().any(char::is_control) {
            self.add(field, "must not have control characters");
            return None;
        }
        if length.contains(&text.chars().count()) {
            return Some(text);
        }
        self.add(field, format!("must have {} to {} characters", length.start(), length.end()));
        None
    }

    /// A field that must be given.
    pub fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "must be given");
        }
        value
    }

    /// A value of an enum other than UNSPECIFIED.
    pub fn choice<E: TryFrom<i32>>(&mut self, field: &str, value: i32) -> Option<E> {
        let known = if value == 0 { None } else { E::try_from(value).ok() };
        if known.is_none() {
            self.add(field, "must be a known value other than unspecified");
        }
        known
    }

    /// A currency code.
    pub fn currency(&mut self, field: &str, code: &str) -> Option<Currency> {
        self.parse(field, code)
    }

    /// An amount that must be given.
    pub fn money(&mut self, field: &str, money: Option<&v1::Money>) -> Option<Money> {
        let money = self.required(field, money)?;
        self.accept(field, Money::from_proto(money))
    }

    /// An amount that must be given, in that currency.
    pub fn money_in(&mut self, field: &str, money: Option<&v1::Money>, currency: Currency) -> Option<Money> {
        let money = self.money(field, money)?;
        if money.currency == currency {
            return Some(money);
        }
        self.wrong_currency = true;
        self.add(field, MoneyError::CurrencyMismatch(money.currency, currency).to_string());
        None
    }

    /// A moment that must be given.
    pub fn timestamp(&mut self, field: &str, timestamp: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
        let timestamp = self.required(field, timestamp)?;
        let moment = Timestamp::from_proto(timestamp);
        self.check(field, moment.is_some(), "must be a moment of the years 1 to 9999");
        moment
    }

    /// The value of a check made elsewhere; its error is the violation's description.
    pub fn accept<T, E: fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation.
    pub fn finish(self) -> Result<(), Fault> {
        let Some((field, description)) = self.named.first() else { return Ok(()) };
        let others = self.named.len() - 1 + self.more;
        let message = match others {
            0 => format!("{field}: {description}"),
            1 => format!("{field}: {description}; and one other field is wrong"),
            _ => format!("{field}: {description}; and {others} other fields are wrong"),
        };
        let only_currency = self.wrong_currency && others == 0;
        let reason = if only_currency { ErrorReason::WrongCurrency } else { ErrorReason::InvalidRequest };
        let fault = Fault::new(Code::InvalidArgument, reason, message);
        Err(self.named.into_iter().fold(fault, |fault, (field, description)| fault.field(field, description)))
    }

    /// Ends the checks and gives the checked values: a tuple of the `Option`s that the checks returned.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every violation.
    pub fn finish_with<C: Checked>(self, values: C) -> Result<C::Values, Fault> {
        self.finish()?;
        values.values().ok_or_else(|| Fault::internal("a checked value is missing without a recorded violation"))
    }
}

/// Tuples of checked values.
pub trait Checked {
    /// The values themselves.
    type Values;

    /// The values, if all are there.
    fn values(self) -> Option<Self::Values>;
}

macro_rules! checked {
    ($($name:ident),+) => {
        impl<$($name),+> Checked for ($(Option<$name>,)+) {
            type Values = ($($name,)+);

            #[expect(non_snake_case, reason = "the type parameters double as names")]
            fn values(self) -> Option<Self::Values> {
                let ($($name,)+) = self;
                Some(($($name?,)+))
            }
        }
    };
}

checked!(A);
checked!(A, B);
checked!(A, B, C);
checked!(A, B, C, D);
checked!(A, B, C, D, E);
checked!(A, B, C, D, E, F);
checked!(A, B, C, D, E, F, G);
checked!(A, B, C, D, E, F, G, H);

#[cfg(test)]
mod tests {
    use omnimesh_proto::common::v1::Channel;
    use tonic_types::StatusExt;

    use super::*;
    use crate::ids::SessionId;

    #[test]
    fn collects_every_violation() {
        let mut v = Violations::new();
        assert_eq!(v.parse::<SessionId>("session", "cart_x"), None);
        assert_eq!(v.range("quantity", 0, 1..=5), None);
        assert_eq!(v.text("sku", "a\u{0}b", 1..=9), None);
        assert_eq!(v.choice::<Channel>("channel", 0), None);
        assert_eq!(v.choice::<Channel>("channel", 999), None);
        let status = tonic::Status::from(v.finish().unwrap_err());
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("session: not a session id"), "{}", status.message());
        assert!(status.message().ends_with("and 4 other fields are wrong"), "{}", status.message());
        let fields: Vec<_> = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<_> = fields.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["session", "quantity", "sku", "channel", "channel"]);
    }

    #[test]
    fn gives_the_values() {
        let mut v = Violations::new();
        let sku = v.text("sku", "e\u{301}", 1..=1);
        let quantity = v.range("quantity", 3, 1..=5);
        let parent = v.parse_optional::<SessionId>("parent", "");
        assert_eq!(v.finish_with((sku, quantity, parent)).unwrap(), ("é".to_owned(), 3, None));
    }

    #[test]
    fn details_stay_small_enough_for_trailers() {
        let mut v = Violations::new();
        for _ in 0..500 {
            v.add("lines.variant_id", "must have 1 to 64 characters, none of them a control character");
        }
        let status = tonic::Status::from(v.finish().unwrap_err());
        assert!(status.message().contains("499 other fields"));
        assert!(status.details().len() < 2_048, "{}", status.details().len());
    }

    #[test]
    fn a_wrong_currency_has_its_own_reason() {
        let mut v = Violations::new();
        let yen = v1::Money { currency_code: "JPY".to_owned(), units: 1, nanos: 0 };
        assert_eq!(v.money_in("total", Some(&yen), "TRY".parse().unwrap()), None);
        assert_eq!(v.finish().unwrap_err().reason(), ErrorReason::WrongCurrency);
    }
}
