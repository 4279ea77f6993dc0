//! Phone numbers in whatever spelling: the end that every spelling shares, masks, and what is no phone at all.

use serde::{Deserialize, Serialize};

/// How many digits at the end tell subscribers apart: what is left of all common plans without calling code and trunk prefix.
const SUBSCRIBER: usize = 9;

/// A phone number as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phone {
    /// The last nine digits.
    #[serde(rename = "n")]
    Number(String),
    /// What a mask leaves of the end.
    #[serde(rename = "m")]
    Masked(String),
}

impl Phone {
    /// `None` for dummies, relays of marketplaces (0850 and other non-geographic prefixes) and what is no number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains(['*', '•', '#']) || text.to_lowercase().contains("xx") {
            let tail = text.rsplit(['*', '•', '#', 'x', 'X']).next().unwrap_or_default();
            let tail = digits(tail);
            return (2..=SUBSCRIBER).contains(&tail.len()).then_some(Self::Masked(tail));
        }
        let all = digits(text);
        let national = all.trim_start_matches('0');
        if national.len() < 7 || is_dummy(national) || is_relay(&all) {
            return None;
        }
        let start = national.len().saturating_sub(SUBSCRIBER);
        national.get(start..).map(|end| Self::Number(end.to_owned()))
    }
}

/// ASCII digits of a text.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// 1111111111, 05000000000, 1234567890, 0000: somebody had to type something. By shape, so that no list runs behind.
fn is_dummy(national: &str) -> bool {
    let bytes = national.as_bytes();
    let tail = |length: usize| bytes.get(bytes.len().saturating_sub(length)..).unwrap_or_default();
    let all_same = |part: &[u8]| part.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    let step = |by: u8| tail(7).windows(2).all(|p| matches!(p, [a, b] if (b + 10 - a) % 10 == by));
    all_same(tail(7)) || step(1) || step(9)
}

/// Numbers of services, not of people: a marketplace forwards calls through them. Turkey: 0800, 0850, 0900, 0444.
fn is_relay(all: &str) -> bool {
    let national = all.strip_prefix("0090").or_else(|| all.strip_prefix("90").filter(|rest| rest.len() == 10));
    let national = national.or_else(|| all.strip_prefix('0')).unwrap_or(all);
    national.len() == 10 && ["800", "850", "900", "444"].iter().any(|prefix| national.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_spellings_are_one_number() {
        for spelling in [
            "+905324182763",
            "05324182763",
            "5324182763",
            "0532 418 27 63",
            "(0532) 418-27-63",
            "90 532 4182763",
            "+90 532 418 27 63",
            "00905324182763",
            "905324182763",
        ] {
            assert_eq!(Phone::parse(spelling), Some(Phone::Number("324182763".into())), "{spelling}");
        }
        for spelling in ["+61 485 681 618", "0061485681618", "0485681618"] {
            assert_eq!(Phone::parse(spelling), Some(Phone::Number("485681618".into())), "{spelling}");
        }
    }

    #[test]
    fn dummies_relays_and_masks() {
        for nothing in [
            "1111111111",
            "05000000000",
            "5555555555",
            "1234567890",
            "0000",
            "08507939054",
            "+90 850 793 90 54",
            "",
            "yok",
        ] {
            assert_eq!(Phone::parse(nothing), None, "{nothing}");
        }
        assert_eq!(Phone::parse("5** *** 76 46"), Some(Phone::Masked("7646".into())));
        assert_eq!(Phone::parse("5** *** ** **"), None);
    }
}
