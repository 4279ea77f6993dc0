use omnimesh_kit::{auth::TokenKey, call::Call, config::Flags};
use omnimesh_proto::connectors::v1::{PullOrdersRequest, connector_service_client::ConnectorServiceClient};
use omnimesh_trendyol::sandbox::{API_KEY, API_SECRET, SELLER, Sandbox};
use tonic::Code;

use super::*;
use crate::targets;

const SECRET: [u8; 32] = *b"secret-secret-secret-secret-32by";

#[tokio::test]
async fn a_connector_is_a_process_of_its_own_without_a_database() {
    let (sandbox, lifecycle, folder) = (Sandbox::default(), Lifecycle::new(), tempfile::tempdir().unwrap());
    let vendor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let variable = |name: &str, value: &str| (format!("OMNIMESH_{name}"), value.to_owned());
    let account = |name: &str, value: &str| variable(&format!("TRENDYOL__ACCOUNTS__MAIN__{name}"), value);
    let mut sources = targets::sources(None, Flags::default());
    sources.flags.data_dir = Some(folder.path().to_owned());
    sources.flags.targets = vec![omnimesh_trendyol::NAME.to_owned()];
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    sources.flags.internal_listen = Some(port);
    sources.variables = vec![
        variable("REDIS_URL", &std::env::var("OMNIMESH_TEST_REDIS_URL").expect("tests/run starts a Redis and sets it")),
        variable("SECRET", &base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET)),
        account("BASE_URL", &format!("http://{}", vendor.local_addr().unwrap())),
        account("SELLER_ID", SELLER),
        account("API_KEY", API_KEY),
        account("API_SECRET", API_SECRET),
    ];
    let serving = sandbox.clone();
    lifecycle.spawn("sandbox", async move { serving.serve(vendor, None).await.unwrap() });
    let mesh = Mesh::start(Arc::new(Settings::load(&sources).unwrap()), &lifecycle).await.unwrap();
    assert!(mesh.gateway.is_none() && mesh.sessions.is_none());

    // Another process of the mesh.
    let address = format!("http://{}", mesh.internal.unwrap()).parse().unwrap();
    let addresses = [(omnimesh_trendyol::NAME.to_owned(), vec![address])].into();
    let links = Links::new(TokenKey::new(&Secrets::from_root(SECRET), Clock::System), addresses, lifecycle.clone());
    let connector = |service: &str| {
        let call = Call::system(service);
        ConnectorServiceClient::new(links.of(service).to(omnimesh_trendyol::NAME, &call))
    };
    let package = sandbox.place();
    let request = PullOrdersRequest { credentials_ref: "main".to_owned(), ..PullOrdersRequest::default() };
    let mut pages = connector("channels").pull_orders(request.clone()).await.unwrap().into_inner();
    let page = pages.message().await.unwrap().unwrap();
    assert_eq!((page.error, page.orders.len()), (None, 1));
    assert_eq!(page.orders[0].native_id, package.id.to_string());
    let denied = connector("orders").pull_orders(request).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    lifecycle.shutdown(std::time::Duration::from_secs(5)).await;
}
