//! What is for the mesh alone stays with the mesh: internal RPCs, identities, and the sockets between processes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use omnimesh_kit::{
    auth::{Caller, IDENTITY_HEADER, Identity, TokenKey, rules},
    clock::Clock,
    secrets::Secrets,
};
use omnimesh_proto::common::v1::Channel;
use omnimesh_tests::{
    Device, Mesh, Mode,
    mesh::TARGETS,
    raw::{RawGrpc, connect_json},
};
use serde_json::json;
use tonic::Code;

const GET_SESSION: &str = "/omnimesh.sessions.v1.SessionService/GetSession";
const LIST_KEYS: &str = "/omnimesh.sessions.v1.ApiKeyService/ListApiKeys";

/// A token as the gateway or a service signs one.
async fn identity(secret: [u8; 32], service: Option<&str>, target: &str) -> String {
    let keys = TokenKey::new(&Secrets::from_root(secret), Clock::System);
    let identity = Identity::system(service.unwrap_or("gateway"));
    let caller = Caller { identity, service: service.map(str::to_owned) };
    keys.issue(&caller, target).await.unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn internal_rpcs_do_not_exist_for_the_world() {
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Embedded)).await;
    let raw = RawGrpc::new(&mesh.url());
    let admin = mesh.admin_key();
    let bearer = format!("Bearer {admin}");
    let internal: Vec<_> = rules().filter(|rule| !rule.is_public()).collect();
    assert!(internal.len() >= 5, "the contract has internal RPCs");
    for rule in internal {
        let refused = raw.call(&rule.path, &[("authorization", &bearer)], "".into()).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"), "{}", rule.path);
        let refused = connect_json(&mesh.url(), &rule.path, Some(&admin), "{}".to_owned()).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"), "{}", rule.path);
    }
}

#[tokio::test]
async fn an_identity_that_a_client_sends_counts_for_nothing() {
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Split)).await;
    let raw = RawGrpc::new(&mesh.url());
    let device = Device::start(&mesh, Channel::Web).await;
    let publishable = format!("Bearer {}", mesh.publishable_key());
    let guest = format!("Bearer {}", device.token);
    // Even one that the mesh itself could have signed.
    let genuine = identity(mesh.secret(), Some("gateway"), "sessions").await;
    for forged in ["omi1.e30.e30", "nonsense", &genuine] {
        for header in [IDENTITY_HEADER, "Omnimesh-Identity"] {
            let header = header.to_lowercase();
            let call = async |path: &str, credential: Option<&str>| {
                let mut headers = vec![(header.as_str(), forged)];
                headers.extend(credential.map(|credential| ("authorization", credential)));
                raw.call(path, &headers, "".into()).await
            };
            assert_eq!(call(LIST_KEYS, None).await.unwrap_err().reason, "CREDENTIAL_MISSING");
            assert_eq!(call(LIST_KEYS, Some(&publishable)).await.unwrap_err().reason, "AUDIENCE_DENIED");
            assert_eq!(call(LIST_KEYS, Some(&guest)).await.unwrap_err().reason, "AUDIENCE_DENIED");
            let own = call(GET_SESSION, Some(&guest)).await.unwrap().unwrap();
            assert!(String::from_utf8_lossy(&own).contains(&device.session.session_id), "one's own credential counts");
        }
    }
    mesh.assert_no_defect();
}

#[tokio::test]
async fn a_service_lets_nobody_in_without_the_meshs_token() {
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Split)).await;
    let customer = format!("Bearer {}", Device::start(&mesh, Channel::Web).await.token);
    let admin = format!("Bearer {}", mesh.admin_key());
    for target in TARGETS.into_iter().filter(|target| *target != "gateway") {
        let raw = RawGrpc::new(&mesh.internal_url(target));
        let stranger = identity([9; 32], Some("gateway"), target).await;
        let misdirected = identity(mesh.secret(), Some("gateway"), "elsewhere").await;
        let served = rules().filter(|rule| rule.target.as_deref().is_none_or(|served| served == target));
        for rule in served {
            // Every service has the event log: who calls it names the service.
            let named = ("omnimesh-target", target);
            for (name, value) in [
                ("x-nothing", "x"),
                ("authorization", customer.as_str()),
                ("authorization", admin.as_str()),
                (IDENTITY_HEADER, stranger.as_str()),
                (IDENTITY_HEADER, misdirected.as_str()),
            ] {
                let refused = raw.call(&rule.path, &[named, (name, value)], "".into()).await.unwrap_err();
                assert_eq!(refused.code, Code::Unauthenticated, "{target} {} with {name}: {refused:?}", rule.path);
            }
            // A service of the mesh may do what the contract lets it do, and no more.
            let intruder = identity(mesh.secret(), Some("intruder"), target).await;
            let refused = raw.call(&rule.path, &[named, (IDENTITY_HEADER, &intruder)], "".into()).await.unwrap_err();
            assert_eq!(refused.code, Code::PermissionDenied, "{target} {}: {refused:?}", rule.path);
        }
        // The right token is let in, or all the above proves nothing.
        let consumer = identity(mesh.secret(), Some("profiles"), target).await;
        let path = "/omnimesh.events.v1.EventLogService/EventsSince";
        raw.call(path, &[("omnimesh-target", target), (IDENTITY_HEADER, &consumer)], "".into())
            .await
            .expect("profiles may read the log");
    }
    mesh.assert_no_defect();
}

/// A token whose claims are `change` of a genuine one's, signed with the mesh's own key.
fn resigned(secret: [u8; 32], genuine: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let claims = genuine.split('.').nth(1).unwrap();
    let mut claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    change(&mut claims);
    let signed = format!("omi1.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = Secrets::from_root(secret).identity_key().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Tokens that are almost right, at the socket of every service.
#[tokio::test]
async fn a_forged_identity_opens_no_service() {
    const MINUTE: i64 = 60_000_000;
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Split)).await;
    let secret = mesh.secret();
    let path = "/omnimesh.events.v1.EventLogService/EventsSince";
    for target in TARGETS.into_iter().filter(|target| *target != "gateway") {
        let raw = RawGrpc::new(&mesh.internal_url(target));
        let genuine = identity(secret, Some("profiles"), target).await;
        let (head, signature) = genuine.rsplit_once('.').unwrap();
        let (_, claims) = head.split_once('.').unwrap();
        let exp = |by: i64| {
            resigned(secret, &genuine, |claims| claims["exp"] = (claims["exp"].as_i64().unwrap() + by).into())
        };
        let other = identity(secret, Some("sessions"), target).await;
        let other = other.rsplit_once('.').unwrap().0;
        let forged = [
            ("no signature", format!("{head}.")),
            ("an empty signature", head.to_owned()),
            ("a signature of zeros", format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
            ("another's claims under it", format!("{other}.{signature}")),
            ("another algorithm", format!("omi2.{claims}.{signature}")),
            ("no algorithm", format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#))),
            ("a MAC for a signature", format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#))),
            ("expired", exp(-2 * MINUTE)),
            ("good for an hour", exp(60 * MINUTE)),
            ("another issuer", resigned(secret, &genuine, |claims| claims["iss"] = "somebody".into())),
            ("for another service", resigned(secret, &genuine, |claims| claims["aud"] = "gateway".into())),
            ("for every service", resigned(secret, &genuine, |claims| claims["aud"] = "*".into())),
            ("a claim too many", resigned(secret, &genuine, |claims| claims["admin"] = true.into())),
            ("another mesh's key", resigned([9; 32], &genuine, |_| ())),
        ];
        let call = async |token: &str| {
            raw.call(path, &[("omnimesh-target", target), (IDENTITY_HEADER, token)], "".into()).await
        };
        for (what, token) in forged {
            let refused = call(&token).await.expect_err(what);
            let told = (refused.code, refused.reason.as_str());
            assert_eq!(told, (Code::Unauthenticated, "CREDENTIAL_INVALID"), "{target}: {what}");
        }
        // Signed anew and otherwise as it was it is let in: what was refused was refused for what was changed.
        call(&resigned(secret, &genuine, |_| ())).await.expect("a genuine token");
        // The very same token is worth nothing elsewhere.
        for elsewhere in TARGETS.into_iter().filter(|other| ![target, "gateway"].contains(other)) {
            let raw = RawGrpc::new(&mesh.internal_url(elsewhere));
            let replayed = [("omnimesh-target", elsewhere), (IDENTITY_HEADER, genuine.as_str())];
            let refused = raw.call(path, &replayed, "".into()).await.unwrap_err();
            assert_eq!(refused.code, Code::Unauthenticated, "{target}'s at {elsewhere}");
        }
    }
    mesh.assert_no_defect();
}

#[tokio::test]
async fn what_is_in_the_body_makes_nobody_else() {
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Embedded)).await;
    let device = Device::start(&mesh, Channel::Web).await;
    // JSON with a field that the message does not have is refused, not ignored.
    let body = json!({"identity": {"audience": "AUDIENCE_ADMIN"}}).to_string();
    let refused = connect_json(&mesh.url(), GET_SESSION, Some(&device.token), body).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
}
