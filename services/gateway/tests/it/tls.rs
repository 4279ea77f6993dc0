//! TLS at the edge. The certificate and its key are of this test alone.

use std::{path::Path, time::Duration};

use omnimesh_gateway::{Error, GatewaySettings};
use omnimesh_kit::config::Tls;
use serde_json::Value;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::world::{GET_PRODUCT, Plan, World};

fn plan(key: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut plan = Plan::default();
    plan.mesh.tls = Some(Tls { cert_file: folder.join("localhost.pem"), key_file: folder.join(key) });
    plan
}

#[tokio::test]
async fn alpn_offers_both_versions_of_http() {
    let world = World::of(plan("localhost.key")).await;
    let certificate = reqwest::Certificate::from_pem(include_bytes!("../fixtures/localhost.pem")).unwrap();
    let builder = || reqwest::Client::builder().no_proxy().tls_certs_only([certificate.clone()]);
    for (client, version) in [
        (builder().build().unwrap(), reqwest::Version::HTTP_2),
        (builder().http1_only().build().unwrap(), reqwest::Version::HTTP_11),
    ] {
        let url = format!("https://localhost:{}{GET_PRODUCT}", world.address.port());
        let request = client.post(url).bearer_auth(&world.admin).header("content-type", "application/json");
        let response = request.body(r#"{"sku": "fes"}"#).send().await.unwrap();
        assert_eq!(response.version(), version);
        assert_eq!(response.json::<Value>().await.unwrap()["product"]["sku"], "fes");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let mut plan = plan("localhost.key");
    plan.gateway = GatewaySettings { header_timeout_ms: 200, ..plan.gateway };
    let world = World::of(plan).await;
    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_key_that_is_none_is_named() {
    let Err(Error::Tls(error)) = World::try_of(plan("localhost.pem")).await else { panic!("accepted") };
    assert!(error.to_string().contains("localhost.pem"), "{error}");
}
