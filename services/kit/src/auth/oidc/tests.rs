//! Forged, stale and misdirected tokens are refused; what an issuer really signed is accepted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::clock::Timestamp;

const ISSUER: &str = "https://login.example";
const NOW: i64 = 1_800_000_000;

struct World {
    key: SigningKey,
    file: tempfile::NamedTempFile,
    clock: Clock,
    oidc: Oidc,
}

fn jwk(key: &SigningKey, id: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode(key.verifying_key().as_bytes()), "kid": id, "alg": "EdDSA", "use": "sig"})
}

fn issuer() -> OidcIssuer {
    serde_json::from_value(json!({"issuer": ISSUER, "audience": ["shop"], "kind": "customer"})).unwrap()
}

fn world() -> World {
    let key = SigningKey::from_bytes(&[3; 32]);
    let file = tempfile::NamedTempFile::new().unwrap();
    // One key of a kind that is not understood must not spoil the others.
    let keys = json!({"keys": [{"kty": "new", "alg": "ML-DSA-44", "kid": "q"}, jwk(&key, "k1")]});
    std::fs::write(file.path(), keys.to_string()).unwrap();
    let trusted = OidcIssuer {
        audience: vec!["shop".to_owned(), "app".to_owned()],
        jwks_file: Some(file.path().to_owned()),
        ..issuer()
    };
    let clock = Clock::manual(Timestamp::from_micros(NOW * 1_000_000));
    let oidc = Oidc::new(&[trusted], clock.clone()).unwrap();
    World { key, file, clock, oidc }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "shop", "sub": "ada", "exp": NOW + 300, "iat": NOW, "roles": ["associate", "manager"]})
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()))
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let input = signing_input(header, claims);
    format!("{input}.{}", B64.encode(key.sign(input.as_bytes()).to_bytes()))
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"})
}

#[tokio::test]
async fn a_genuine_token_says_who_it_is() {
    let world = world();
    let token = signed(&world.key, &header(), &claims());
    assert!(Oidc::looks_like_token(&token));
    let said = world.oidc.verify(&token).await.unwrap();
    assert_eq!((said.issuer.as_str(), said.subject.as_str()), (ISSUER, "ada"));
    assert_eq!(said.texts("roles"), ["associate", "manager"]);
    assert!(!format!("{said:?}").contains("ada"), "a subject is personal data");
    // One audience of several is enough, and a key id may be missing when the choice is clear.
    let mut several = claims();
    several["aud"] = json!(["other", "app"]);
    world.oidc.verify(&signed(&world.key, &json!({"alg": "EdDSA"}), &several)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_genuine_is_refused() {
    let world = world();
    let with = |claim: &str, value: Value| {
        let mut claims = claims();
        claims[claim] = value;
        signed(&world.key, &header(), &claims)
    };
    let without = |claim: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        signed(&world.key, &header(), &claims)
    };
    let none = format!("{}.", signing_input(&json!({"alg": "none"}), &claims()));
    let input = signing_input(&json!({"alg": "HS256", "kid": "k1"}), &claims());
    let mac = |secret: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(input.as_bytes());
        format!("{input}.{}", B64.encode(mac.finalize().into_bytes()))
    };
    let other = SigningKey::from_bytes(&[4; 32]);
    let mut embedded = header();
    embedded["jwk"] = jwk(&other, "k1");
    let genuine = signed(&world.key, &header(), &claims());
    let (front, _) = genuine.rsplit_once('.').unwrap();
    let forged = [
        ("alg none", none),
        ("alg none with a signature", signed(&world.key, &json!({"alg": "none", "kid": "k1"}), &claims())),
        ("HS256 with the public key's bytes", mac(world.key.verifying_key().as_bytes())),
        ("HS256 with the public key's text", mac(B64.encode(world.key.verifying_key().as_bytes()).as_bytes())),
        ("RS256 named over an Ed25519 key", signed(&world.key, &json!({"alg": "RS256", "kid": "k1"}), &claims())),
        ("not allowed though asymmetric", signed(&world.key, &json!({"alg": "ES384", "kid": "k1"}), &claims())),
        ("another's signature", signed(&other, &header(), &claims())),
        ("a key in the token's header", signed(&other, &embedded, &claims())),
        ("no signature", format!("{front}.")),
        ("changed claims", {
            let mut claims = claims();
            claims["sub"] = json!("eve");
            let (_, signature) = genuine.rsplit_once('.').unwrap();
            format!("{}.{signature}", signing_input(&header(), &claims))
        }),
        ("unknown key id", signed(&world.key, &json!({"alg": "EdDSA", "kid": "k9"}), &claims())),
        ("critical extension", signed(&world.key, &json!({"alg": "EdDSA", "kid": "k1", "crit": ["b64"]}), &claims())),
        ("expired", with("exp", json!(NOW - 31))),
        ("expiry as text", with("exp", json!("tomorrow"))),
        ("no expiry", without("exp")),
        ("not yet valid", with("nbf", json!(NOW + 60))),
        ("issued in the future", with("iat", json!(NOW + 60))),
        ("another audience", with("aud", json!("bank"))),
        ("no audience", without("aud")),
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("issuer with a slash more", with("iss", json!("https://login.example/"))),
        ("no issuer", without("iss")),
        ("no subject", without("sub")),
        ("empty subject", with("sub", json!(""))),
        ("subject as number", with("sub", json!(7))),
        ("long", format!("{genuine}{}", "x".repeat(20_000))),
        ("junk", "a.b.c".to_owned()),
        ("empty", String::new()),
    ];
    for (name, token) in forged {
        let refused = world.oidc.verify(&token).await;
        assert!(matches!(refused, Err(OidcError::Invalid(_))), "{name}: {refused:?}");
        assert!(matches!(Fault::from(refused.unwrap_err()).reason(), ErrorReason::CredentialInvalid), "{name}");
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_forgotten() {
    let world = world();
    let old = signed(&world.key, &header(), &claims());
    world.oidc.verify(&old).await.unwrap();
    let next = SigningKey::from_bytes(&[5; 32]);
    std::fs::write(world.file.path(), json!({"keys": [jwk(&next, "k2")]}).to_string()).unwrap();
    let mut claims = claims();
    claims["exp"] = json!(NOW + 100_000);
    let new = signed(&next, &json!({"alg": "EdDSA", "kid": "k2"}), &claims);
    // Just looked: made-up key ids must not make the mesh hammer the issuer.
    assert!(world.oidc.verify(&new).await.is_err());
    world.clock.advance(Duration::from_secs(31));
    world.oidc.verify(&new).await.unwrap();
    assert!(world.oidc.verify(&old).await.is_err(), "the withdrawn key still counts");
    // The issuer is gone: its keys serve for a day, then nothing is known any more.
    std::fs::write(world.file.path(), "gone").unwrap();
    world.clock.advance(Duration::from_secs(2 * 3600));
    world.oidc.verify(&new).await.unwrap();
    world.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(world.oidc.verify(&new).await, Err(OidcError::Unavailable));
}

#[test]
fn settings_that_would_weaken_it_are_refused() {
    let base = OidcIssuer { jwks_url: Some("https://login.example/jwks".to_owned()), ..issuer() };
    let try_new = |change: &dyn Fn(&mut OidcIssuer)| {
        let mut issuer = base.clone();
        change(&mut issuer);
        Oidc::new(&[issuer], Clock::System)
    };
    assert!(try_new(&|_| ()).is_ok());
    assert!(try_new(&|issuer| issuer.jwks_url = Some("http://127.0.0.1:9/jwks".to_owned())).is_ok());
    assert!(try_new(&|issuer| issuer.jwks_url = Some("http://login.example/jwks".to_owned())).is_err());
    assert!(try_new(&|issuer| issuer.jwks_url = None).is_err());
    assert!(try_new(&|issuer| issuer.jwks_file = Some("keys".into())).is_err());
    assert!(try_new(&|issuer| issuer.audience.clear()).is_err());
    for weak in ["HS256", "none", "es256"] {
        assert!(try_new(&|issuer| issuer.algorithms.push(weak.to_owned())).is_err(), "{weak}");
    }
}
