//! Typed, sortable ids: TypeID (<https://github.com/jetify-com/typeid>, spec 0.3) over UUIDv7. `cart_01k…` on the wire, 16
//! bytes in the database.

use uuid::{NoContext, Uuid};

use crate::clock::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is not an id of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {prefix} id: expected {prefix}_ and 26 characters of lower-case base32")]
pub struct ParseIdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

/// A new UUIDv7 of that moment.
#[must_use]
pub fn uuid_v7(now: Timestamp) -> Uuid {
    let micros = u64::try_from(now.micros()).unwrap_or(0);
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos))
}

/// `prefix_` and the 26 characters of the id.
#[must_use]
pub fn encode(prefix: &str, id: Uuid) -> String {
    let mut bits = id.as_u128();
    let mut suffix = [b'0'; 26];
    for slot in suffix.iter_mut().rev() {
        let digit = usize::try_from(bits & 31).unwrap_or(0);
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        bits >>= 5;
    }
    let mut text = String::with_capacity(prefix.len() + 27);
    text.push_str(prefix);
    text.push('_');
    text.extend(suffix.iter().map(|byte| char::from(*byte)));
    text
}

/// The id in `text`, if it is one of `prefix`.
///
/// # Errors
/// If the prefix differs, the length is not 26, a character is not in the alphabet or the number is over 128 bits.
pub fn decode(prefix: &'static str, text: &str) -> Result<Uuid, ParseIdError> {
    let error = ParseIdError { prefix };
    let suffix = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or(error.clone())?;
    // The first character carries only three bits: above '7' the number would not fit.
    if suffix.len() != 26 || suffix.as_bytes().first().is_none_or(|first| *first > b'7') {
        return Err(error);
    }
    let mut bits = 0u128;
    for byte in suffix.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte).ok_or(error.clone())?;
        bits = (bits << 5) | digit as u128;
    }
    Ok(Uuid::from_u128(bits))
}

/// Declares a typed id: `typed_id!(/// A cart's id. CartId, "cart");`
#[macro_export]
macro_rules! typed_id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub ::uuid::Uuid);

        impl $name {
            /// The prefix of the id's text.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, sortable by that moment.
            #[must_use]
            pub fn new(now: $crate::clock::Timestamp) -> Self {
                Self($crate::ids::uuid_v7(now))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&$crate::ids::encode($prefix, self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::ids::ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::ids::decode($prefix, text).map(Self)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A session's id: the lineage that survives identification and every change of token.
    SessionId, "session");
typed_id!(
    /// A customer profile's id.
    ProfileId, "profile");
typed_id!(
    /// A journey's id: stable for days, over channels and sessions.
    JourneyId, "journey");
