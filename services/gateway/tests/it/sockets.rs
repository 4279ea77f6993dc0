//! Clients that are slow, silent, or talk nonsense, on bare sockets.

use std::time::Duration;

use omnimesh_gateway::GatewaySettings;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{GET_PRODUCT, Plan, World};

const SOON: Duration = Duration::from_secs(5);

/// What comes until the gateway closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    drop(tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the connection is still open"));
    bytes
}

#[tokio::test]
async fn who_does_not_send_a_head_is_cut() {
    let world = World::new().await;
    for begun in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET /healthz HTTP/1.1\r\nx-slow: a long beginning"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let said = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
}

#[tokio::test]
async fn who_does_not_send_the_body_is_answered_and_not_waited_for() {
    let world = World::new().await;
    for (kind, body, expected) in
        [("application/json", "{\"sku\"", "deadline_exceeded"), ("application/grpc-web", "\0\0\0", "grpc-status: 4")]
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST {GET_PRODUCT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n\
             content-length: 100\r\nconnection: close\r\n\r\n{body}",
            world.admin
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let said = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
        assert!(said.contains(expected), "{kind}: {said}");
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    drop(stream.write_all(head.as_bytes()).await);
    let said = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    let response = world.http.get(world.url("/healthz")).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_full_house_takes_nobody_until_somebody_leaves() {
    let gateway = GatewaySettings { max_connections: 1, header_timeout_ms: 60_000, ..GatewaySettings::default() };
    let world = World::of(Plan { gateway, ..Plan::default() }).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = TcpStream::connect(world.address).await.unwrap();
    first.write_all(request).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = TcpStream::connect(world.address).await.unwrap();
    second.write_all(request).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), second.read_exact(&mut byte)).await.is_err());
    drop(first);
    tokio::time::timeout(SOON, second.read_exact(&mut byte)).await.unwrap().unwrap();
}
