//! Credentials and tokens: none can be guessed, none is shown again, and those that were given out are good.

use std::{cell::LazyCell, collections::BTreeMap};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use omnimesh::edge;
use omnimesh_kit::{
    auth::{TokenKey, oidc::Oidc},
    clock::{Clock, Timestamp},
    page::PageToken,
    secrets::{Secrets, normalize_code},
    session::SessionToken,
    trace::parse_traceparent,
};
use omnimesh_proto::common::v1::{Cursor, ErrorReason};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::Code;

use crate::staff::Issuer;

/// What knows the tokens.
struct Lock {
    runtime: Runtime,
    secrets: Secrets,
    keys: TokenKey,
    oidc: Oidc,
    issuer: Issuer,
    _folder: TempDir,
}

thread_local! {
    static LOCK: LazyCell<Lock> = const { LazyCell::new(Lock::new) };
}

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    credentials(&text);
    LOCK.with(|lock| {
        lock.pages(&text);
        lock.identities(&text);
    });
    let code = normalize_code(&text);
    assert_eq!(normalize_code(&code), code);
    drop(parse_traceparent(&text));
}

fn credentials(text: &str) {
    if let Ok(token) = text.parse::<SessionToken>() {
        assert_eq!(token.reveal(), text);
        let secret = text.rsplit_at_most(43);
        assert!(!format!("{token:?}").contains(secret));
    }
    let Ok(value) = HeaderValue::try_from(format!("Bearer {text}")) else { return };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    match edge::credential(&headers) {
        Ok(kind) => assert!(matches!(kind, Some("session" | "key" | "staff"))),
        Err(fault) => {
            assert_eq!((fault.code(), fault.reason()), (Code::Unauthenticated, ErrorReason::CredentialInvalid));
            assert!(text.len() < 12 || !fault.message().contains(text), "a refusal repeats the credential");
        }
    }
}

impl Lock {
    fn new() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::new(folder.path());
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        let secrets = Secrets::from_root([7; 32]);
        let keys = TokenKey::new(&secrets, clock.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let oidc = Oidc::new([&Issuer::staff(folder.path())], clock).unwrap();
        Self { runtime, secrets, keys, oidc, issuer, _folder: folder }
    }

    fn pages(&self, text: &str) {
        let open =
            |principal: &str, filter: &[u8], token: &str| PageToken::open(&self.secrets, principal, filter, token);
        match open("1:a", b"filter", text) {
            Ok(cursor) => assert!(text.is_empty() && cursor == Cursor::default(), "a page token was guessed"),
            Err(fault) => assert_eq!(fault.reason(), ErrorReason::InvalidPageToken),
        }
        let cursor = Cursor { keys: vec![text.to_owned()], positions: BTreeMap::new().into_iter().collect() };
        let token = PageToken::seal(&self.secrets, text, text.as_bytes(), &cursor);
        assert_eq!(open(text, text.as_bytes(), &token).unwrap(), cursor);
        assert!(open(&format!("{text}1"), text.as_bytes(), &token).is_err());
        let sealed = self.secrets.sealer("fuzz").seal(b"aad", text.as_bytes());
        assert_eq!(self.secrets.sealer("fuzz").open(b"aad", &sealed).unwrap(), text.as_bytes());
        assert!(self.secrets.sealer("fuzz").open(b"aad", text.as_bytes()).is_err());
    }

    fn identities(&self, text: &str) {
        self.runtime.block_on(async {
            if let Ok(value) = HeaderValue::from_str(text) {
                assert!(self.keys.verify(&value, "carts").await.is_err(), "an internal identity was guessed");
            }
            assert!(self.oidc.verify(text).await.is_err(), "an OIDC token was guessed");
            // Truly signed, but claims of any kind.
            let (header, claims) = text.split_once('\n').unwrap_or((Issuer::HEADER, text));
            let signed = self.issuer.sign_text(header, claims);
            if let Ok(token) = self.oidc.verify(&signed).await {
                assert!(!token.subject.is_empty());
            }
        });
    }
}

/// The end of a text.
trait End {
    fn rsplit_at_most(&self, length: usize) -> &str;
}

impl End for str {
    fn rsplit_at_most(&self, length: usize) -> &str {
        self.get(self.len().saturating_sub(length)..).unwrap_or(self)
    }
}
