//! What the gateway says of the mesh: reflection, health, and plain HTTP.

use std::collections::BTreeSet;

use omnimesh_proto::sessions::v1::ApiKeyKind;
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use crate::world::{GET_PRODUCT, Plan, World};

async fn ask(world: &World, credential: &str, what: MessageRequest) -> Result<MessageResponse, tonic::Status> {
    let asked = ServerReflectionRequest { host: String::new(), message_request: Some(what) };
    let mut request = Request::new(tokio_stream::iter([asked]));
    if !credential.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
    }
    let mut answers =
        ServerReflectionClient::new(world.channel().await).server_reflection_info(request).await?.into_inner();
    Ok(answers.message().await?.unwrap().message_response.unwrap())
}

async fn services(world: &World, credential: &str) -> BTreeSet<String> {
    match ask(world, credential, MessageRequest::ListServices(String::new())).await.unwrap() {
        MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|service| service.name).collect(),
        other => panic!("{other:?}"),
    }
}

async fn has(world: &World, credential: &str, symbol: &str) -> bool {
    let answer = ask(world, credential, MessageRequest::FileContainingSymbol(symbol.into())).await.unwrap();
    matches!(answer, MessageResponse::FileDescriptorResponse(_))
}

#[tokio::test]
async fn reflection_shows_each_what_concerns_them() {
    let world = World::new().await;
    let publishable = world.key(ApiKeyKind::Publishable, |_| {});
    let open = services(&world, "").await;
    assert!(open.contains("omnimesh.catalog.v1.CatalogService") && open.contains("grpc.health.v1.Health"));
    assert!(!open.contains("omnimesh.orders.v1.PaymentService"));
    assert_eq!(services(&world, &publishable).await, open);
    let all = services(&world, &world.admin).await;
    assert!(all.contains("omnimesh.orders.v1.PaymentService") && all.contains("omnimesh.sessions.v1.ApiKeyService"));
    assert!(!all.contains("omnimesh.events.v1.EventLogService"), "internal");

    let start = "omnimesh.sessions.v1.SessionService.StartSession";
    let end = "omnimesh.sessions.v1.SessionService.EndSession";
    let load = "omnimesh.sessions.v1.SessionService.LoadSession";
    for (credential, symbol, expected) in [
        ("", start, true),
        ("", end, false),
        ("", load, false),
        (world.admin.as_str(), end, true),
        (world.admin.as_str(), load, false),
        (world.admin.as_str(), "omnimesh.sessions.v1.LoadSessionRequest", false),
    ] {
        let found = match ask(&world, credential, MessageRequest::FileContainingSymbol(symbol.into())).await {
            Ok(MessageResponse::FileDescriptorResponse(_)) => true,
            Ok(_) | Err(_) => false,
        };
        assert_eq!(found, expected, "{symbol}");
    }
    assert!(has(&world, &world.admin, "omnimesh.catalog.v1.Product").await);
    let wrong = ask(&world, "junk", MessageRequest::ListServices(String::new())).await.unwrap_err();
    assert_eq!(wrong.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn reflection_speaks_its_older_form_too() {
    let world = World::new().await;
    let asked = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(world.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
}

#[tokio::test]
async fn health_is_what_each_target_says() {
    for remote in [false, true] {
        let world = World::of(Plan { remote, ..Plan::default() }).await;
        let mut client = HealthClient::new(world.channel().await);
        let mut check = async |service: &str| {
            client
                .check(HealthCheckRequest { service: service.into() })
                .await
                .map(|answer| answer.into_inner().status())
        };
        for name in ["", "catalog", "omnimesh.catalog.v1.CatalogService", "omnimesh.sessions.v1.SessionService"] {
            assert_eq!(check(name).await.unwrap(), ServingStatus::Serving, "{name} remote: {remote}");
        }
        assert_eq!(check("omnimesh.carts.v1.CartService").await.unwrap(), ServingStatus::NotServing);
        for unknown in ["nothing", "omnimesh.events.v1.EventLogService"] {
            assert_eq!(check(unknown).await.unwrap_err().code(), Code::NotFound);
        }
        let watched = HealthCheckRequest { service: "catalog".into() };
        let mut watch = HealthClient::new(world.channel().await).watch(watched).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    }
}

#[tokio::test]
async fn plain_http_says_how_it_is_and_what_there_is() {
    let world = World::new().await;
    let get = |path: &'static str| world.http.get(world.url(path)).send();
    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    assert_eq!(get("/readyz").await.unwrap().text().await.unwrap(), "ready\n");
    for junk in ["/", "/favicon.ico", "/omnimesh.catalog.v1.CatalogService/", "/%2e%2e/etc/passwd", "/a//b?x=1"] {
        let response = get(junk).await.unwrap();
        assert_eq!(response.status(), 404, "{junk}");
        assert!(response.text().await.unwrap().contains("/package.Service/Method"));
    }
    let response = world.post(GET_PRODUCT, "application/grpc", vec![0; 5]).send().await.unwrap();
    assert_eq!(response.status(), 505, "gRPC over HTTP/1.1");
}
