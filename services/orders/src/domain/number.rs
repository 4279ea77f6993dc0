//! Order numbers: short, for the telephone, not to be guessed, and a slip of the tongue is noticed.
//!
//! `K7QX-2M9P`: seven random characters of Crockford's base32 (35 bits, so that numbers tell nothing of one another) and a
//! check character. The eight are a code word over GF(32): with `a` a primitive element, the sum of digit times `a^place`
//! is zero. One wrong character and two swapped neighbours are always noticed, because the powers of `a` differ.

use std::{fmt, str::FromStr};

use omnimesh_kit::secrets::{crockford_code, normalize_code};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;

/// A text that is not an order number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an order number: 8 letters and digits such as K7QX-2M9P are accepted, and the last one checks the others")]
pub struct InvalidNumber;

/// An order number in its canonical form, with the hyphen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(String);

impl OrderNumber {
    /// A new random number.
    #[must_use]
    pub fn random() -> Self {
        Self::of(&crockford_code(LENGTH - 1))
    }

    /// The number of seven characters of the alphabet.
    fn of(seven: &str) -> Self {
        let check = fold(seven).map_or(b'0', |sum| symbol(times_a(sum)));
        let mut number: String = seven.chars().take(4).collect();
        number.push('-');
        number.extend(seven.chars().skip(4));
        number.push(char::from(check));
        Self(number)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As people type it: in either case, with or without hyphen and spaces, O for 0 and I or L for 1.
impl FromStr for OrderNumber {
    type Err = InvalidNumber;

    fn from_str(typed: &str) -> Result<Self, InvalidNumber> {
        let bare = normalize_code(typed);
        let valid = bare.len() == LENGTH && fold(&bare) == Some(0);
        if !valid {
            return Err(InvalidNumber);
        }
        Ok(Self(bare.split_at_checked(4).map(|(left, right)| format!("{left}-{right}")).ok_or(InvalidNumber)?))
    }
}

/// Horner's scheme: the sum of digit times `a^place`, the last digit at place 0.
fn fold(text: &str) -> Option<u8> {
    text.bytes().try_fold(0, |sum, byte| Some(times_a(sum) ^ digit(byte)?))
}

fn digit(byte: u8) -> Option<u8> {
    ALPHABET.iter().position(|known| *known == byte).and_then(|place| u8::try_from(place).ok())
}

fn symbol(digit: u8) -> u8 {
    ALPHABET.get(usize::from(digit)).copied().unwrap_or(b'0')
}

/// Times `a` in GF(32) with the primitive polynomial x^5 + x^2 + 1.
const fn times_a(digit: u8) -> u8 {
    let shifted = digit << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_has_order_31() {
        let mut power = 1;
        for _ in 1..31 {
            power = times_a(power);
            assert_ne!(power, 1);
        }
        assert_eq!(times_a(power), 1);
    }

    #[test]
    fn reads_what_people_type() {
        let number = OrderNumber::of("K7QX01A");
        let text = number.to_string();
        for typed in
            [text.clone(), text.to_lowercase(), text.replace('-', " "), text.replace('0', "o").replace('1', "l")]
        {
            assert_eq!(typed.parse(), Ok(number.clone()), "{typed}");
        }
        for junk in ["", "K7QX", "K7QX-01A", "K7QX-01AA0", "ĞÜŞİÖÇIğ", "U7QX-01AA"] {
            assert_eq!(junk.parse::<OrderNumber>(), Err(InvalidNumber), "{junk}");
        }
    }

    proptest! {
        #[test]
        fn notices_one_wrong_character_and_swapped_neighbours(seven in "[0-9A-HJKMNP-TV-Z]{7}", place in 0usize..8, other in 0usize..32) {
            let number = OrderNumber::of(&seven);
            prop_assert_eq!(number.as_str().parse(), Ok(number.clone()));
            let bare: Vec<char> = number.as_str().chars().filter(|c| *c != '-').collect();
            let mut wrong = bare.clone();
            wrong[place] = char::from(ALPHABET[other]);
            if wrong != bare {
                prop_assert!(wrong.iter().collect::<String>().parse::<OrderNumber>().is_err());
            }
            let mut swapped = bare.clone();
            swapped.swap(place % 7, place % 7 + 1);
            if swapped != bare {
                prop_assert!(swapped.iter().collect::<String>().parse::<OrderNumber>().is_err());
            }
        }
    }
}
