//! The token of a session: it names its session, so that one key of the shared store is enough to find it.

use std::{fmt, str::FromStr};

use crate::{
    ids::{self, SessionId},
    private::Private,
    secrets::{hash_token, random_token},
};

const PREFIX: &str = "oms";
const ID_LENGTH: usize = 26;
/// 256 bits in URL-safe base64 without padding.
const SECRET_LENGTH: usize = 43;

/// A session's token: `oms_`, the 26 characters of the session's id, `_`, and 256 random bits in 43 characters of URL-safe
/// base64. Only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    id: SessionId,
    text: Private<String>,
}

/// A text that is not a session token. It does not say what was wrong with it: the text is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session token: it begins with oms_ and is what StartSession or IdentifySession returned")]
pub struct ParseTokenError;

impl SessionToken {
    /// A new token of that session.
    #[must_use]
    pub fn generate(id: SessionId) -> Self {
        let name = id.to_string();
        let suffix = name.rsplit('_').next().unwrap_or_default();
        Self { id, text: Private::new(random_token(&format!("{PREFIX}_{suffix}"))) }
    }

    /// The session it claims to belong to; its hash proves it.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.id
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash_token(self.text.expose())
    }

    /// The token itself: for the answer that hands it out, once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.expose()
    }
}

impl FromStr for SessionToken {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(ParseTokenError)?;
        let (suffix, secret) = rest.split_at_checked(ID_LENGTH).ok_or(ParseTokenError)?;
        let secret = secret.strip_prefix('_').ok_or(ParseTokenError)?;
        let well_formed = secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if secret.len() != SECRET_LENGTH || !well_formed {
            return Err(ParseTokenError);
        }
        let id =
            ids::decode(SessionId::PREFIX, &format!("{}_{suffix}", SessionId::PREFIX)).map_err(|_| ParseTokenError)?;
        Ok(Self { id: SessionId(id), text: Private::new(text.to_owned()) })
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({}, ***)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn names_its_session_and_hides_its_secret() {
        let id = SessionId::new(Timestamp::from_micros(1_700_000_000_000_000));
        for _ in 0..50 {
            let token = SessionToken::generate(id);
            let parsed: SessionToken = token.reveal().parse().unwrap();
            assert_eq!(parsed, token);
            assert_eq!((parsed.session_id(), parsed.hash()), (id, token.hash()));
            assert_eq!(format!("{token:?}"), format!("SessionToken({id}, ***)"));
        }
    }

    proptest! {
        #[test]
        fn junk_is_refused_without_a_panic(junk in any::<String>(), cut in 0usize..74) {
            prop_assert!(junk.parse::<SessionToken>().is_err());
            let prefixed = format!("oms_{junk}");
            prop_assert!(prefixed.parse::<SessionToken>().is_err());
            let token = SessionToken::generate(SessionId(uuid::Uuid::from_u128(7)));
            prop_assert!(token.reveal()[..cut].parse::<SessionToken>().is_err());
            let longer = format!("{}A", token.reveal());
            prop_assert!(longer.parse::<SessionToken>().is_err());
        }
    }
}
