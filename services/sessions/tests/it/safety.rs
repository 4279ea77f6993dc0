//! What somebody tries who wants another's account.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer as _, SigningKey};
use futures::future::join_all;
use omnimesh_kit::testing::{self, Backend};
use omnimesh_proto::sessions::v1::{SessionLevel, identify_session_request::Proof};
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::world::{reason, world, worlds};

const ADA: &str = "ada@shop.example";

fn wrong(code: &str) -> String {
    let last = code.chars().last().unwrap();
    let other = if last == '0' { '1' } else { '0' };
    format!("{}{other}", &code[..5])
}

#[tokio::test]
async fn guesses_are_counted_although_they_fail() {
    for world in worlds().await {
        let guest = world.guest().await;
        let verification = world.ask_code(&guest, ADA).await.unwrap();
        let code = world.delivered(&verification).await.unwrap();
        for _ in 0..5 {
            assert_eq!(reason(world.complete(&guest, &verification, &wrong(&code)).await), "CODE_WRONG");
        }
        assert_eq!(reason(world.complete(&guest, &verification, &code).await), "CODE_EXPIRED", "the sixth try");
        assert_eq!(world.delivered(&verification).await, None, "a dead code is not delivered");
    }
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_five() {
    for world in worlds().await {
        let guest = world.guest().await;
        let verification = world.ask_code(&guest, ADA).await.unwrap();
        let wrong = wrong(&world.delivered(&verification).await.unwrap());
        let tries = join_all((0..16).map(|_| world.complete(&guest, &verification, &wrong))).await;
        let reasons: Vec<_> = tries.into_iter().map(reason).collect();
        assert_eq!(reasons.iter().filter(|reason| *reason == "CODE_WRONG").count(), 5, "{reasons:?}");
    }
}

#[tokio::test]
async fn a_code_serves_its_session_once_and_in_time() {
    for world in worlds().await {
        let (guest, thief) = (world.guest().await, world.guest().await);
        let verification = world.ask_code(&guest, ADA).await.unwrap();
        let code = world.delivered(&verification).await.unwrap();
        let proof = |verification: &str| Proof::VerificationId(verification.to_owned());
        assert_eq!(reason(world.complete(&thief, &verification, &code).await), "NOT_FOUND");
        let early = world.identify(guest.call(), "", proof(&verification), "").await;
        assert_eq!(early.unwrap_err().code(), Code::FailedPrecondition);
        world.complete(&guest, &verification, &code).await.unwrap();
        assert_eq!(reason(world.complete(&guest, &verification, &code).await), "CODE_EXPIRED", "completed twice");
        let stolen = world.identify(thief.call(), "", proof(&verification), "").await;
        assert_eq!(reason(stolen), "NOT_FOUND", "another session's proof");
        let foreign = world.identify(thief.call(), &guest.session.session_id, proof(&verification), "").await;
        assert_eq!(reason(foreign), "NOT_FOUND", "another's session");
        let reply = world.identify(guest.call(), "", proof(&verification), "").await.unwrap().into_inner();
        let customer = world.customer(&reply.token).await.unwrap();
        let replayed = world.identify(customer.call(), "", proof(&verification), "").await;
        assert_eq!(reason(replayed), "CODE_EXPIRED", "a used proof");

        let late = world.ask_code(&customer, ADA).await.unwrap();
        let code = world.delivered(&late).await.unwrap();
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(reason(world.complete(&customer, &late, &code).await), "CODE_EXPIRED");
        let stale = world.prove(&customer, ADA).await;
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(reason(world.identify(customer.call(), "", proof(&stale), "").await), "CODE_EXPIRED");
    }
}

#[tokio::test]
async fn a_planted_session_is_worth_nothing_after_identification() {
    for world in worlds().await {
        // The attacker starts a session and has the victim identify it: the attacker's token dies.
        let planted = world.guest().await;
        let victim = world.identify_by_email(&planted, ADA).await;
        assert!(world.customer(planted.token.reveal()).await.is_none());
        assert_eq!(reason(world.load(&planted.token).await), "SESSION_EXPIRED");
        // Each rise takes the token before it, and two at once leave one.
        let proofs = [world.prove(&victim, ADA).await, world.prove(&victim, ADA).await];
        let rises = proofs.map(|proof| world.identify(victim.call(), "", Proof::VerificationId(proof), ""));
        let mut alive = 0;
        for rise in join_all(rises).await {
            let Ok(reply) = rise else { continue };
            alive += usize::from(world.customer(&reply.into_inner().token).await.is_some());
        }
        assert_eq!(alive, 1);
        assert!(world.customer(victim.token.reveal()).await.is_none());
    }
}

#[tokio::test]
async fn codes_are_limited_by_address_and_by_session() {
    for world in worlds().await {
        // Addresses of this run: Redis keeps the counts of the last one.
        let address = format!("{}@shop.example", uuid::Uuid::new_v4().simple());
        for _ in 0..5 {
            world.ask_code(&world.guest().await, &address).await.unwrap();
        }
        let over = world.ask_code(&world.guest().await, &address.to_uppercase()).await.unwrap_err();
        assert_eq!(over.code(), Code::ResourceExhausted);
        assert!(over.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::from_secs(60));
        let guest = world.guest().await;
        for n in 0..10 {
            world.ask_code(&guest, &format!("{n}{address}")).await.unwrap();
        }
        assert_eq!(reason(world.ask_code(&guest, &format!("x{address}")).await), "RATE_LIMITED");
    }
}

#[tokio::test]
async fn only_a_customer_issuers_token_identifies() {
    let signing = SigningKey::from_bytes(&[3; 32]);
    let x = B64.encode(signing.verifying_key().as_bytes());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "alg": "EdDSA"}]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks.to_string()).unwrap();
    let issuer =
        |kind: &str, name: &str| json!({"issuer": name, "audience": ["shop"], "jwks_file": file.path(), "kind": kind});
    let world = world(Backend::Sqlite, |settings| {
        settings.oidc = serde_json::from_value(json!([
            issuer("customer", "https://login.example"),
            issuer("staff", "https://staff.example"),
        ]))
        .unwrap();
    })
    .await;
    let exp = testing::START.micros() / 1_000_000 + 300;
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({"iss": "https://login.example", "aud": "shop", "sub": "ada", "exp": exp});
        change(&mut claims);
        claims
    };
    let token = |header: Value, claims: Value| {
        let input = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        format!("{input}.{}", B64.encode(signing.sign(input.as_bytes()).to_bytes()))
    };
    let header = || json!({"alg": "EdDSA", "kid": "k1"});
    let guest = world.guest().await;
    for forged in [
        token(json!({"alg": "none"}), claims(&|_| ())),
        token(json!({"alg": "HS256", "kid": "k1"}), claims(&|_| ())),
        token(header(), claims(&|c| c["exp"] = json!(exp - 1_000))),
        token(header(), claims(&|c| c["aud"] = json!("bank"))),
        token(header(), claims(&|c| c["iss"] = json!("https://staff.example"))),
        "x".to_owned(),
    ] {
        assert_eq!(reason(world.identify(guest.call(), "", Proof::OidcToken(forged), "").await), "INVALID_REQUEST");
    }
    let genuine = Proof::OidcToken(token(header(), claims(&|_| ())));
    let reply = world.identify(guest.call(), "", genuine, "").await.unwrap().into_inner();
    assert_eq!(reply.session.unwrap().level(), SessionLevel::Identified);
}
