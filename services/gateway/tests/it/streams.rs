//! Open streams end when their caller is no longer welcome, and when the process stops.

use std::time::Duration;

use omnimesh_proto::{
    catalog::v1::{ImportProductsRequest, Product},
    sessions::v1::{ApiKeyKind, WatchVerificationsRequest},
};
use serde_json::Value;
use tonic::Code;

use crate::world::{Plan, WATCH, World, frame, frames, json_reason, reason};

const SOON: Duration = Duration::from_secs(10);

fn watcher(world: &World) -> String {
    world.key(ApiKeyKind::Secret, |key| key.scopes = vec!["verifications.deliver".into(), "catalog.write".into()])
}

#[tokio::test]
async fn a_revoked_key_ends_its_streams() {
    for remote in [false, true] {
        let world = World::of(Plan { remote, ..Plan::default() }).await;
        let key = watcher(&world);
        let mut stream =
            world.sessions(&key).await.watch_verifications(WatchVerificationsRequest {}).await.unwrap().into_inner();
        let connect = world.post_as(&key, WATCH, "application/connect+json", frame(0, b"{}")).send().await.unwrap();
        let web = world.post_as(&key, WATCH, "application/grpc-web", frame(0, b"")).send().await.unwrap();
        for _ in 0..3 {
            assert!(stream.message().await.unwrap().is_some());
        }
        // Several looks later it is still open.
        assert!(tokio::time::timeout(Duration::from_millis(350), stream.message()).await.is_err());
        world.revoke(&key);
        let status = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));

        let body = tokio::time::timeout(SOON, connect.bytes()).await.unwrap().unwrap();
        let (flags, end) = frames(&body).pop().unwrap();
        let end: Value = serde_json::from_slice(&end).unwrap();
        assert_eq!((flags, end["error"]["code"].as_str()), (2, Some("unauthenticated")));
        assert_eq!(json_reason(&end["error"]), "CREDENTIAL_INVALID");

        let body = tokio::time::timeout(SOON, web.bytes()).await.unwrap().unwrap();
        let (flags, trailers) = frames(&body).pop().unwrap();
        assert_eq!(flags, 0x80);
        assert!(String::from_utf8(trailers).unwrap().contains("grpc-status:16"));
    }
}

#[tokio::test]
async fn a_client_that_streams_is_cut_as_well() {
    let world = World::new().await;
    let key = watcher(&world);
    let (send, messages) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let mut answers = world.catalog(&key).await.import_products(messages).await.unwrap().into_inner();
    let product = Some(Product { sku: "a".into(), ..Default::default() });
    send.send(ImportProductsRequest { product }).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sku, "a");
    world.revoke(&key);
    let status = tokio::time::timeout(SOON, answers.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_ended_session_ends_nothing_of_others() {
    let world = World::new().await;
    let (mine, other) = (watcher(&world), watcher(&world));
    let mut stream =
        world.sessions(&mine).await.watch_verifications(WatchVerificationsRequest {}).await.unwrap().into_inner();
    for _ in 0..3 {
        stream.message().await.unwrap();
    }
    world.revoke(&other);
    assert!(tokio::time::timeout(Duration::from_millis(400), stream.message()).await.is_err());
}

#[tokio::test]
async fn when_the_process_stops_streams_are_told_and_calls_finish() {
    for remote in [false, true] {
        let world = World::of(Plan { remote, ..Plan::default() }).await;
        let mut stream = world
            .sessions(&world.admin)
            .await
            .watch_verifications(WatchVerificationsRequest {})
            .await
            .unwrap()
            .into_inner();
        for _ in 0..3 {
            stream.message().await.unwrap();
        }
        let stopping = world.lifecycle.clone();
        let stopped = async { stopping.shutdown(SOON).await };
        let (status, clean) = tokio::join!(tokio::time::timeout(SOON, stream.message()), stopped);
        assert_eq!(status.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(clean, "connections were cut");
        assert!(tokio::net::TcpStream::connect(world.address).await.is_err(), "the socket is still open");
    }
}
