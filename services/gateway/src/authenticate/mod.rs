//! Who calls: the one bearer token says so, whichever of three kinds it is.

mod key;
mod session;
mod staff;

use http::{HeaderMap, header::AUTHORIZATION};
use omnimesh_kit::{
    auth::Identity,
    clock::Clock,
    config::OidcIssuer,
    error::Fault,
    links::Links,
    private::Private,
    session::{LiveSessions, SessionToken},
};
use omnimesh_proto::common::v1::ErrorReason;

use self::{
    key::{Keys, PresentedKey},
    session::Sessions,
    staff::Staff,
};
use crate::{gateway::Error, settings::GatewaySettings};

const SESSION_PREFIX: &str = "oms_";
const KEY_PREFIX: &str = "omk_";

/// What a caller shows.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Session(SessionToken),
    Key(PresentedKey),
    Staff(Private<String>),
}

/// A caller who is known, with what they showed, so that a stream can ask again.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) identity: Identity,
    pub(crate) credential: Credential,
}

impl Credential {
    /// The credential of a request; `None` if it carries none.
    ///
    /// # Errors
    /// UNAUTHENTICATED if there is something that is not a credential.
    pub(crate) fn in_headers(headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let mut said = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (said.next(), said.next()) else {
            return Err(invalid("more than one authorization header"));
        };
        let Some(value) = value else { return Ok(None) };
        let text = value.to_str().map_err(|_| invalid(EXPECTED))?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(invalid(EXPECTED)),
        };
        if token.starts_with(SESSION_PREFIX) {
            token
                .parse()
                .map(Self::Session)
                .map(Some)
                .map_err(|_| invalid("not a session token: it is oms_, 26 characters, _ and 43 characters"))
        } else if token.starts_with(KEY_PREFIX) {
            PresentedKey::parse(token)
                .map(Self::Key)
                .map(Some)
                .ok_or_else(|| invalid("not an API key: it is omk_<id>_<secret>"))
        } else if token.split('.').count() == 3 {
            Ok(Some(Self::Staff(Private::new(token.to_owned()))))
        } else {
            Err(invalid(EXPECTED))
        }
    }

    /// UNAUTHENTICATED, with the way to a credential.
    pub(crate) fn missing() -> Fault {
        Fault::unauthenticated(
            ErrorReason::CredentialMissing,
            "no credential: send `authorization: Bearer <token>` with a session token (SessionService/StartSession gives one \
             for an API key), an API key (`omnimesh key create` makes one) or a staff member's OIDC token",
        )
    }
}

const EXPECTED: &str = "the authorization header must be `Bearer <token>` with a session token (oms_…), an API key (omk_…) \
                        or a staff member's OIDC token";

fn invalid(text: &str) -> Fault {
    Fault::unauthenticated(ErrorReason::CredentialInvalid, text)
}

/// Knows who holds which credential.
#[derive(Debug)]
pub(crate) struct Authenticator {
    sessions: Sessions,
    keys: Keys,
    staff: Staff,
}

impl Authenticator {
    pub(crate) fn new(
        issuers: &[OidcIssuer],
        settings: &GatewaySettings,
        clock: Clock,
        links: Links,
        live: LiveSessions,
    ) -> Result<Self, Error> {
        Ok(Self {
            sessions: Sessions::new(live, links.clone()),
            keys: Keys::new(links, clock.clone(), std::time::Duration::from_millis(settings.key_cache_ms)),
            staff: Staff::new(issuers, clock)?,
        })
    }

    /// Who shows that credential.
    ///
    /// # Errors
    /// UNAUTHENTICATED, PERMISSION_DENIED for a key from a wrong origin, UNAVAILABLE if nobody can say.
    pub(crate) async fn authenticate(&self, credential: Credential, headers: &HeaderMap) -> Result<Principal, Fault> {
        let identity = match &credential {
            Credential::Session(token) => self.sessions.identify(token).await?,
            Credential::Key(key) => self.keys.identify(key, headers).await?,
            Credential::Staff(token) => self.staff.identify(token.expose()).await?,
        };
        Ok(Principal { identity, credential })
    }

    /// Whether the credential of an open stream still holds. Nobody being able to say is no reason to end it.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub(crate) async fn recheck(&self, credential: &Credential) -> Result<(), Fault> {
        let still = match credential {
            Credential::Session(token) => self.sessions.identify(token).await.map(drop),
            Credential::Key(key) => self.keys.load(key).await.map(drop),
            Credential::Staff(token) => self.staff.identify(token.expose()).await.map(drop),
        };
        match still {
            Err(fault) if fault.code() == tonic::Code::Unauthenticated => Err(fault),
            Err(fault) => {
                tracing::warn!(error = %fault, "an open stream's caller can't be checked at the moment");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Credential>, Fault> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        Credential::in_headers(&headers)
    }

    #[test]
    fn the_prefix_says_which_kind_it_is() {
        let secret = "s".repeat(43);
        let session = format!("Bearer oms_01h455vb4pex5vsknk084sn02q_{secret}");
        assert!(matches!(read(&[&session]), Ok(Some(Credential::Session(_)))));
        assert!(matches!(read(&[&format!("bearer omk_shop1_{secret}")]), Ok(Some(Credential::Key(_)))));
        assert!(matches!(read(&["Bearer a.b.c"]), Ok(Some(Credential::Staff(_)))));
        assert!(matches!(read(&[]), Ok(None)));
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let short = format!("Bearer omk_x_{}", "s".repeat(42));
        for lines in [
            &["Basic dXNlcjpwYXNz"][..],
            &["Bearer"],
            &["Bearer secret"],
            &["Bearer oms_1"],
            &[&short],
            &["Bearer a.b.c", "Bearer a.b.c"],
        ] {
            let fault = read(lines).unwrap_err();
            assert_eq!(fault.reason(), ErrorReason::CredentialInvalid, "{lines:?}");
            assert!(!fault.message().contains("dXNlcjpwYXNz") && !fault.message().contains("ssss"), "{fault}");
        }
    }
}
