//! Whatever comes, the answer is well formed and the process goes on.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{GET_PRODUCT, IMPORT_PRODUCTS, Plan, START_SESSION, WATCH, World, frames};

const KINDS: [&str; 9] = [
    "application/grpc",
    "application/grpc-web",
    "application/grpc-web-text",
    "application/json",
    "application/proto",
    "application/connect+json",
    "application/connect+proto",
    "text/html",
    "",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..60);
    // Frames that begin well, envelopes and JSON that nearly are, and plain noise.
    prop_oneof![
        bytes(),
        (0u8..4, bytes()).prop_map(|(flags, data)| crate::world::frame(flags, &data)),
        (0u8..4, 0u32..200, bytes())
            .prop_map(|(flags, length, data)| { [&[flags][..], &length.to_be_bytes(), &data].concat() }),
        "[\\[\\]{}\",:a-z0-9 ]{0,40}".prop_map(String::into_bytes),
        "\\{\"sku\": ?(\"[a-z]{0,5}\"|[0-9]{0,3}|null|\\[\\])\\}?".prop_map(String::into_bytes),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![GET_PRODUCT, START_SESSION, IMPORT_PRODUCTS, WATCH]).prop_map(str::to_owned),
        1 => "/[a-zA-Z0-9._/%-]{0,40}",
    ]
}

/// The answer's form, by what it says it is.
async fn check(response: reqwest::Response) {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let grpc = response.headers().get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
    let body = response.bytes().await.unwrap();
    assert_ne!(status, 500, "{}", String::from_utf8_lossy(&body));
    match kind.as_str() {
        "application/json" => {
            let json: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json.get("code").is_some(), status != 200, "{json}");
        }
        "application/connect+json" | "application/connect+proto" => {
            let found = frames(&body);
            let (last, before) = found.split_last().unwrap();
            assert!(last.0 == 2 && before.iter().all(|(flags, _)| *flags == 0));
            serde_json::from_slice::<Value>(&last.1).unwrap();
        }
        kind if kind.starts_with("application/grpc-web") && !kind.contains("text") => {
            let ends = frames(&body).last().is_some_and(|(flags, _)| *flags == 0x80);
            assert!(ends || grpc.is_some(), "no status");
        }
        kind if kind.starts_with("application/grpc-web-text") => assert!(grpc.is_some() || !body.is_empty()),
        "application/proto" => assert_eq!(status, 200),
        kind => assert!(kind.starts_with("text/plain"), "{kind}"),
    }
}

#[test]
fn any_request_has_a_well_formed_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::of({
        let mut plan = Plan::default();
        plan.gateway.body_timeout_ms = 30_000;
        plan
    }));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() });
    let kinds = prop::sample::select(KINDS.to_vec());
    runner
        .run(&(path(), kinds, body()), |(path, kind, body)| {
            runtime.block_on(async {
                let response = world.post(&path, kind, body).header("x-mode", "end").send().await.unwrap();
                check(response).await;
            });
            Ok(())
        })
        .unwrap();
    assert_eq!(runtime.block_on(world.http.get(world.url("/healthz")).send()).unwrap().status(), 200);
}

#[test]
fn noise_on_the_socket_harms_nobody() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() });
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let noise = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..200));
    runner
        .run(&noise, |(http2, bytes)| {
            runtime.block_on(async {
                let mut stream = TcpStream::connect(world.address).await.unwrap();
                let all = if http2 { [preface.clone(), bytes].concat() } else { bytes };
                drop(stream.write_all(&all).await);
                drop(stream.shutdown().await);
                let mut answer = Vec::new();
                let ended =
                    tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
                assert!(ended.is_ok(), "the connection is still open");
            });
            Ok(())
        })
        .unwrap();
    assert_eq!(runtime.block_on(world.http.get(world.url("/healthz")).send()).unwrap().status(), 200);
}
