//! gRPC through generated clients, with the services in this process and in another.

use omnimesh_proto::{
    catalog::v1::{GetProductRequest, ImportProductsRequest, Product},
    sessions::v1::{GetSessionRequest, LoadSessionRequest, StartSessionRequest, WatchVerificationsRequest},
};
use prost::Message as _;
use tonic::{Code, Request};

use crate::world::{GET_PRODUCT, Plan, World, frame, reason};

async fn both() -> [World; 2] {
    let remote = Plan { remote: true, ..Plan::default() };
    [World::new().await, World::of(remote).await]
}

fn product(sku: &str) -> ImportProductsRequest {
    ImportProductsRequest { product: Some(Product { sku: sku.into(), ..Default::default() }) }
}

#[tokio::test]
async fn every_kind_of_call_passes() {
    for world in both().await {
        let mut catalog = world.catalog(&world.admin).await;
        let response = catalog.get_product(GetProductRequest { sku: "fes".into() }).await.unwrap();
        assert_eq!(response.metadata().get("omnimesh-replayed").unwrap(), "true");
        assert_eq!(response.into_inner().product.unwrap().sku, "fes");

        let mut watch = world
            .sessions(&world.admin)
            .await
            .watch_verifications(WatchVerificationsRequest {})
            .await
            .unwrap()
            .into_inner();
        for code in ["0", "1", "2"] {
            assert_eq!(watch.message().await.unwrap().unwrap().code, code);
        }

        // An answer per message, while the stream is still open.
        let (send, messages) = tokio::sync::mpsc::channel(1);
        let mut answers =
            catalog.import_products(tokio_stream::wrappers::ReceiverStream::new(messages)).await.unwrap().into_inner();
        for sku in ["a", "b"] {
            send.send(product(sku)).await.unwrap();
            assert_eq!(answers.message().await.unwrap().unwrap().sku, sku);
        }
        drop(send);
        assert!(answers.message().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn errors_arrive_with_their_details() {
    for world in both().await {
        let mut catalog = world.catalog(&world.admin).await;
        for code in 1..=16 {
            let status = catalog.get_product(GetProductRequest { sku: format!("fail:{code}") }).await.unwrap_err();
            assert_eq!((i32::from(status.code()), status.message()), (code, "as asked: ğ"));
            assert_eq!(reason(&status), "ILLEGAL_TRANSITION");
        }
        let status = catalog.get_product(GetProductRequest { sku: "panic".into() }).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"));
    }
}

#[tokio::test]
async fn a_deadline_is_kept() {
    for world in both().await {
        // By hand: a generated client would stop waiting by itself.
        let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
        let body = frame(0, &GetProductRequest { sku: "slow".into() }.encode_to_vec());
        let request = client.post(world.url(GET_PRODUCT)).bearer_auth(&world.admin).body(body);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let response = request.header("grpc-timeout", "150m").send().await.unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_in_whatever_it_comes() {
    for world in both().await {
        let mut catalog = world.catalog(&world.admin).await;
        let before = world.fakes.calls();
        let status = catalog.get_product(GetProductRequest { sku: "x".repeat(20_000) }).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        assert_eq!(world.fakes.calls(), before, "the service was called");
        let large = tokio_stream::iter([product("a"), product(&"x".repeat(20_000))]);
        let ended = match catalog.import_products(large).await {
            Ok(answers) => {
                let mut answers = answers.into_inner();
                loop {
                    match answers.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("the stream ended well"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        assert_eq!((ended.code(), reason(&ended).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        assert!(catalog.get_product(GetProductRequest { sku: "fes".into() }).await.is_ok());
    }
}

#[tokio::test]
async fn what_a_client_says_under_internal_names_is_not_believed() {
    for world in both().await {
        let (id, token) = world.session().await;
        let mut request = Request::new(GetSessionRequest {});
        for (name, value) in [
            ("omnimesh-identity", "omi1.forged.forged"),
            ("omnimesh-target", "catalog"),
            ("omnimesh-anything", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("cookie", "a=b"),
            ("x-mine", "kept"),
        ] {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let session = world.sessions(&token).await.get_session(request).await.unwrap().into_inner().session.unwrap();
        assert_eq!(session.session_id, id.to_string());
        let (metadata, call) = world.fakes.last_seen();
        assert_eq!(metadata.get("x-mine").unwrap(), "kept");
        for name in ["authorization", "cookie", "x-forwarded-for", "omnimesh-anything"] {
            assert!(metadata.get(name).is_none(), "{name} was passed on");
        }
        assert_eq!(call.caller.service, None);
        assert_eq!(call.session().unwrap().id, id);
    }
}

#[tokio::test]
async fn an_internal_rpc_is_as_unknown_as_one_that_is_not() {
    let world = World::new().await;
    let internal = world.sessions(&world.admin).await.load_session(LoadSessionRequest::default()).await.unwrap_err();
    assert_eq!((internal.code(), reason(&internal).as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"));
    for (path, known) in [
        ("/omnimesh.sessions.v1.SessionService/NoSuch", false),
        ("/omnimesh.sessions.v1.SessionService/getsession", false),
        ("/omnimesh.events.v1.EventLogService/EventsSince", false),
        ("//omnimesh.sessions.v1.SessionService/GetSession", false),
        ("/omnimesh.sessions.v1.SessionService/GetSession", true),
    ] {
        let mut client = tonic::client::Grpc::new(world.channel().await);
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetSessionRequest, GetSessionRequest>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let status = client.unary(Request::new(GetSessionRequest {}), path.clone(), codec).await.unwrap_err();
        let expected = if known { "CREDENTIAL_MISSING" } else { "UNKNOWN_METHOD" };
        assert_eq!(reason(&status), expected, "{path}");
        if !known {
            assert_eq!(status.message(), internal.message());
        }
    }
    assert_eq!(world.fakes.calls(), 0);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let world = World::new().await;
    let mut carts = omnimesh_proto::carts::v1::cart_service_client::CartServiceClient::new(world.channel().await);
    let (_, token) = world.session().await;
    let mut request = Request::new(omnimesh_proto::carts::v1::GetCartRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert_eq!(carts.get_cart(request).await.unwrap_err().code(), Code::Unavailable);
    let mut none = world.sessions("").await;
    let status = none.start_session(StartSessionRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIAL_MISSING"));
    assert!(status.message().contains("StartSession"), "{}", status.message());
}
