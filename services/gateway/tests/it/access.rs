//! Who is let in, with what, and from where.

use std::time::Duration;

use omnimesh_kit::{auth::LinkedScope, ids::JourneyId, session::SessionToken};
use omnimesh_proto::{
    access::v1::Audience,
    catalog::v1::GetProductRequest,
    common::v1::{ActorKind, Channel},
    sessions::v1::{ApiKeyKind, GetSessionRequest, HandoffScope, Session, SessionLevel},
};
use serde_json::Value;
use tonic::Code;

use crate::{
    fakes::SOURCE,
    world::{GET_PRODUCT, GET_SESSION, IMPORT_PRODUCTS, START_SESSION, WATCH, World, json_reason, reason},
};

async fn refusal(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, json_reason(&response.json::<Value>().await.unwrap_or_default()))
}

#[tokio::test]
async fn each_kind_of_key_is_its_audience() {
    let world = World::new().await;
    for (kind, audience) in [
        (ApiKeyKind::Publishable, Audience::Anonymous),
        (ApiKeyKind::Secret, Audience::Service),
        (ApiKeyKind::Partner, Audience::Partner),
        (ApiKeyKind::Admin, Audience::Admin),
    ] {
        let key = world.key(kind, |key| {
            key.channels = vec![Channel::Web.into()];
            key.account_id = "account_1".into();
        });
        world.catalog(&key).await.get_product(GetProductRequest { sku: "a".into() }).await.unwrap();
        let (_, call) = world.fakes.last_seen();
        assert_eq!((call.identity().audience(), call.identity().channel()), (audience, Channel::Web));
        assert_eq!(call.identity().account.as_deref(), Some("account_1"));
    }
}

#[tokio::test]
async fn audiences_and_scopes_are_checked_before_the_service() {
    let world = World::new().await;
    let publishable = world.key(ApiKeyKind::Publishable, |_| {});
    let secret = world.key(ApiKeyKind::Secret, |key| key.scopes = vec!["catalog.read".into()]);
    let refused = |key: &str, path: &str| refusal(world.post_as(key, path, "application/json", "{}"));
    assert_eq!(refused(&publishable, GET_SESSION).await, (403, "AUDIENCE_DENIED".into()));
    assert_eq!(refused(&world.admin, GET_SESSION).await, (403, "AUDIENCE_DENIED".into()));
    let (_, token) = world.session().await;
    assert_eq!(refused(&token, START_SESSION).await, (403, "AUDIENCE_DENIED".into()));
    let mut catalog = world.catalog(&secret).await;
    let status = catalog.import_products(tokio_stream::iter([])).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    let response = world
        .post_as(&publishable, WATCH, "application/connect+json", crate::world::frame(0, b"{}"))
        .send()
        .await
        .unwrap();
    let end = crate::world::frames(&response.bytes().await.unwrap());
    assert_eq!(json_reason(&serde_json::from_slice::<Value>(&end[0].1).unwrap()["error"]), "AUDIENCE_DENIED");
    assert!(IMPORT_PRODUCTS.ends_with("ImportProducts") && world.fakes.calls() == 0, "a service was called");
}

#[tokio::test]
async fn a_wrong_credential_is_not_a_missing_one() {
    let world = World::new().await;
    let known = world.key(ApiKeyKind::Admin, |_| {});
    let expired =
        world.key(ApiKeyKind::Admin, |key| key.expire_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 }));
    let another = format!("{}{}", &known[..known.len() - 3], if known.ends_with("aaa") { "bbb" } else { "aaa" });
    for wrong in [another.as_str(), &expired, "junk", "a.b.c", "oms_x"] {
        let told = refusal(world.post_as(wrong, GET_PRODUCT, "application/json", "{}")).await;
        assert_eq!(told, (401, "CREDENTIAL_INVALID".into()), "{wrong}");
    }
    let ended = SessionToken::generate(omnimesh_kit::ids::SessionId::new(omnimesh_kit::clock::Clock::System.now()));
    let told = refusal(world.post_as(ended.reveal(), GET_SESSION, "application/json", "{}")).await;
    assert_eq!(told, (401, "SESSION_EXPIRED".into()));
    world.revoke(&known);
    assert_eq!(refusal(world.post_as(&known, GET_PRODUCT, "application/json", "{}")).await.0, 401);
}

#[tokio::test]
async fn a_revoked_key_is_refused_soon_after() {
    let world = World::new().await;
    let key = world.key(ApiKeyKind::Secret, |_| {});
    let call = || world.post_as(&key, GET_PRODUCT, "application/json", "{}").send();
    assert_eq!(call().await.unwrap().status(), 200);
    world.revoke(&key);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while call().await.unwrap().status() != 401 {
        assert!(tokio::time::Instant::now() < deadline, "the key still works");
    }
}

#[tokio::test]
async fn a_session_that_the_shared_store_lost_is_loaded() {
    let world = World::new().await;
    let now = omnimesh_kit::clock::Clock::System.now();
    let id = omnimesh_kit::ids::SessionId::new(now);
    let token = SessionToken::generate(id);
    let session = Session {
        session_id: id.to_string(),
        journey_id: JourneyId::new(now).to_string(),
        level: SessionLevel::Guest.into(),
        channel: Channel::Kiosk.into(),
        ..Session::default()
    };
    world.fakes.sessions.lock().unwrap().insert(token.hash().to_vec(), session);
    let mut sessions = world.sessions(token.reveal()).await;
    let answer = sessions.get_session(GetSessionRequest {}).await.unwrap().into_inner();
    assert_eq!(answer.session.unwrap().session_id, id.to_string());
    let (_, call) = world.fakes.last_seen();
    assert_eq!((call.identity().channel(), call.session().unwrap().id), (Channel::Kiosk, id));
    assert_eq!((&call.session().unwrap().linked, call.identity().actor().kind()), (&None, ActorKind::Customer));
}

#[tokio::test]
async fn what_was_handed_over_survives_the_loss_of_the_shared_store() {
    let world = World::new().await;
    let now = omnimesh_kit::clock::Clock::System.now();
    let token = SessionToken::generate(omnimesh_kit::ids::SessionId::new(now));
    let session = |scope: HandoffScope, assisted_by: &str| Session {
        session_id: token.session_id().to_string(),
        journey_id: JourneyId::new(now).to_string(),
        level: SessionLevel::Linked.into(),
        linked_scope: scope.into(),
        cart_id: "cart_1".into(),
        assisted_by: assisted_by.into(),
        ..Session::default()
    };
    for (scope, associate) in [(HandoffScope::Edit, Some("ayse")), (HandoffScope::Read, None)] {
        let stored = session(scope, associate.unwrap_or_default());
        world.fakes.sessions.lock().unwrap().insert(token.hash().to_vec(), stored);
        world.sessions(token.reveal()).await.get_session(GetSessionRequest {}).await.unwrap();
        let (_, call) = world.fakes.last_seen();
        let edit = scope == HandoffScope::Edit;
        let source = Some(SOURCE.parse().unwrap());
        let linked = LinkedScope { cart: Some("cart_1".into()), owner: None, edit, source };
        assert_eq!(call.session().unwrap().linked, Some(linked));
        let actor = call.identity().actor();
        assert_eq!((actor.kind() == ActorKind::Associate, associate), (associate.is_some(), associate));
        assert!(associate.is_none_or(|associate| actor.id == associate));
    }
}

#[tokio::test]
async fn a_key_of_a_web_page_is_good_from_its_own_origin() {
    let world = World::new().await;
    let key = world.key(ApiKeyKind::Publishable, |key| key.origins = vec!["https://shop.example".into()]);
    let call = |origin: Option<&'static str>| {
        let request = world.post_as(&key, START_SESSION, "application/json", "{}");
        origin.map_or(world.post_as(&key, START_SESSION, "application/json", "{}"), |origin| {
            request.header("origin", origin)
        })
    };
    assert_eq!(call(Some("https://shop.example")).send().await.unwrap().status(), 200);
    for wrong in [Some("https://evil.example"), Some("null"), None] {
        assert_eq!(refusal(call(wrong)).await, (403, "ORIGIN_DENIED".into()), "{wrong:?}");
    }
}

#[tokio::test]
async fn browsers_of_admitted_origins_may_call() {
    let mut plan = crate::world::Plan::default();
    plan.mesh.cors.allowed_origins = vec!["https://shop.example".into()];
    let world = World::of(plan).await;
    let preflight = |origin: &'static str| {
        world
            .http
            .request(reqwest::Method::OPTIONS, world.url(GET_PRODUCT))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-mine")
            .send()
    };
    let allowed = preflight("https://shop.example").await.unwrap();
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "authorization,content-type,x-mine");
    for other in ["https://evil.example", "http://localhost:3000"] {
        let refused = preflight(other).await.unwrap();
        assert_eq!(refused.status(), 403);
        assert!(!refused.headers().contains_key("access-control-allow-origin"));
    }
    // Errors are read as well: the page must be able to tell why.
    for (body, status) in [("{}", 200), ("{]", 400)] {
        let request = world.post(GET_PRODUCT, "application/json", body).header("origin", "https://shop.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "omnimesh-replayed", "omnimesh-trace-id"]
        {
            assert!(exposed.contains(name), "{name}");
        }
    }
}
