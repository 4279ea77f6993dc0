//! Who is no longer welcome hears nothing more: open streams end within 30 seconds, with the settings that everybody has.

use std::time::{Duration, Instant};

use omnimesh_proto::{
    carts::v1::WatchCartRequest,
    common::v1::Channel,
    sessions::v1::{
        ApiKeyKind, CreateApiKeyRequest, EndSessionRequest, RevokeApiKeyRequest, WatchVerificationsRequest,
        api_key_service_client::ApiKeyServiceClient, session_service_client::SessionServiceClient,
    },
};
use omnimesh_tests::{Device, Mesh, Mode, customer::request_id, desk::create_key};
use tonic::{Code, Streaming};

use crate::demo::TEA;

const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn streams_of_revoked_keys_and_ended_sessions_end_within_thirty_seconds() {
    let mesh = Mesh::start(Mode::Split).await;
    let request = CreateApiKeyRequest {
        kind: ApiKeyKind::Secret.into(),
        scopes: vec!["verifications.deliver".into()],
        ..CreateApiKeyRequest::default()
    };
    let (key_id, secret) = create_key(&mesh, request).await;
    let back_end = mesh.client(&secret).await;
    let (ending, staying) = (Device::start(&mesh, Channel::Web).await, Device::start(&mesh, Channel::App).await);
    for device in [&ending, &staying] {
        device.add(TEA, 1).await;
    }
    let watch = WatchVerificationsRequest {};
    let codes = SessionServiceClient::new(back_end.channel()).watch_verifications(back_end.request(watch)).await;
    let mut codes = codes.unwrap().into_inner();
    let mut carts = Vec::new();
    for device in [&ending, &staying] {
        let watch = device.client.request(WatchCartRequest { cart_id: String::new() });
        let mut stream = device.carts().watch_cart(watch).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("the cart as it is");
        carts.push(stream);
    }

    let start = Instant::now();
    let admin = mesh.admin().await;
    let mut keys = ApiKeyServiceClient::new(admin.channel());
    keys.revoke_api_key(admin.request(RevokeApiKeyRequest { key_id, request_id: request_id() })).await.unwrap();
    let end = EndSessionRequest { session_id: String::new() };
    ending.sessions().end_session(ending.client.request(end)).await.unwrap();

    let mut kept = carts.pop().unwrap();
    let (code, cart) = tokio::join!(last(&mut codes, start), last(&mut carts[0], start));
    assert_eq!((code, cart), (Code::Unauthenticated, Code::Unauthenticated));
    // Nobody else's.
    staying.add(TEA, 1).await;
    kept.message().await.expect("the other's stream is open").expect("the change");
    mesh.assert_no_defect();
}

/// How a stream ends, which must be in time.
async fn last<T>(stream: &mut Streaming<T>, since: Instant) -> Code {
    let left = WITHIN.saturating_sub(since.elapsed());
    let end = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    };
    tokio::time::timeout(left, end).await.expect("the stream ends in time")
}
