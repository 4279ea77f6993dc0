//! How often anyone may call.

use omnimesh_kit::ratelimit::Limit;
use omnimesh_proto::sessions::v1::ApiKeyKind;
use serde_json::Value;

use crate::world::{GET_PRODUCT, GET_SESSION, Plan, START_SESSION, World, json_reason};

async fn told(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let json: Value = response.json().await.unwrap();
    let retry =
        json["details"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "google.rpc.RetryInfo"));
    assert_eq!(retry, status == 429, "{json}");
    (status, json_reason(&json))
}

#[tokio::test]
async fn keys_and_sessions_are_counted_each_for_itself() {
    let mut plan = Plan::default();
    plan.mesh.limits.per_key = Limit::new(3, 3_600);
    plan.mesh.limits.per_session = Limit::new(2, 3_600);
    let world = World::of(plan).await;
    let other = world.key(ApiKeyKind::Secret, |_| {});
    for _ in 0..3 {
        assert_eq!(told(world.post(GET_PRODUCT, "application/json", "{}")).await.0, 200);
    }
    assert_eq!(told(world.post(GET_PRODUCT, "application/json", "{}")).await, (429, "RATE_LIMITED".into()));
    assert_eq!(told(world.post_as(&other, GET_PRODUCT, "application/json", "{}")).await.0, 200);
    let (_, token) = world.session().await;
    for _ in 0..2 {
        assert_eq!(told(world.post_as(&token, GET_SESSION, "application/json", "{}")).await.0, 200);
    }
    assert_eq!(told(world.post_as(&token, GET_SESSION, "application/json", "{}")).await.0, 429);
}

#[tokio::test]
async fn addresses_are_counted_where_codes_could_be_guessed() {
    let mut plan = Plan::default();
    plan.mesh.limits.per_address = Limit::new(2, 3_600);
    plan.mesh.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::of(plan).await;
    let start = |address: &'static str| {
        told(world.post(START_SESSION, "application/json", "{}").header("x-forwarded-for", address))
    };
    let seen = || world.fakes.last_seen().1.identity().client.clone();
    assert_eq!(start("198.51.100.1").await.0, 200);
    let first = seen().expect("services count by the address too");
    assert!(!first.contains("198"), "a hash, and not the address");
    assert_eq!(start("198.51.100.1").await.0, 200);
    assert_eq!(seen().as_ref(), Some(&first));
    // What stands before the proxy's own word is the client's invention.
    assert_eq!(start("203.0.113.7, 198.51.100.1").await, (429, "RATE_LIMITED".into()));
    assert_eq!(start("198.51.100.2").await.0, 200);
    assert_ne!(seen(), Some(first));
    assert_eq!(
        told(world.post(GET_PRODUCT, "application/json", "{}").header("x-forwarded-for", "198.51.100.1")).await.0,
        200
    );
    assert_eq!(seen(), None, "where nothing can be guessed, nobody is told");
}

#[tokio::test]
async fn an_untrusted_peer_can_not_choose_its_address() {
    let mut plan = Plan::default();
    plan.mesh.limits.per_address = Limit::new(1, 3_600);
    let world = World::of(plan).await;
    let start = |address: &'static str| {
        told(world.post(START_SESSION, "application/json", "{}").header("x-forwarded-for", address))
    };
    assert_eq!(start("198.51.100.1").await.0, 200);
    assert_eq!(start("198.51.100.2").await.0, 429);
}
