//! gRPC-Web by hand, as a browser sends it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omnimesh_proto::catalog::v1::{GetProductRequest, GetProductResponse};
use prost::Message as _;

use crate::world::{GET_PRODUCT, World, frame, frames};

fn request(sku: &str) -> Vec<u8> {
    frame(0, &GetProductRequest { sku: sku.into() }.encode_to_vec())
}

fn check(body: &[u8]) {
    let found = frames(body);
    assert_eq!(found.iter().map(|(flags, _)| *flags).collect::<Vec<_>>(), [0, 0x80]);
    let product = GetProductResponse::decode(found[0].1.as_slice()).unwrap().product.unwrap();
    assert_eq!(product.sku, "fes");
    let trailers = String::from_utf8(found[1].1.clone()).unwrap();
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
}

#[tokio::test]
async fn binary() {
    let world = World::new().await;
    for kind in ["application/grpc-web", "application/grpc-web+proto"] {
        let response = world.post(GET_PRODUCT, kind, request("fes")).header("x-grpc-web", "1").send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_11));
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/grpc-web"));
        check(&response.bytes().await.unwrap());
    }
}

#[tokio::test]
async fn text() {
    let world = World::new().await;
    let body = STANDARD.encode(request("fes"));
    let response = world.post(GET_PRODUCT, "application/grpc-web-text", body).send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/grpc-web-text"));
    let text = response.text().await.unwrap();
    // Each part is padded for itself.
    let mut bytes = Vec::new();
    for part in text.split_inclusive('=').flat_map(|part| if part == "=" { None } else { Some(part) }) {
        let padded =
            format!("{}{}", part.trim_end_matches('='), "=".repeat((4 - part.trim_end_matches('=').len() % 4) % 4));
        bytes.extend(STANDARD.decode(padded).unwrap());
    }
    check(&bytes);
}

#[tokio::test]
async fn what_can_not_be_read_is_an_error_and_not_silence() {
    let world = World::new().await;
    let too_large = request(&"x".repeat(20_000));
    for (kind, body, code) in [
        ("application/grpc-web-text", b"!!!!not base64".to_vec(), "3"),
        ("application/grpc-web", b"\x00\x00".to_vec(), "3"),
        ("application/grpc-web", b"\x09\x00\x00\x00\x00".to_vec(), "3"),
        ("application/grpc-web", frame(0, b"\xff\xff"), "3"),
        ("application/grpc-web", too_large, "8"),
    ] {
        let response = world.post(GET_PRODUCT, kind, body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let status = response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        assert_eq!(status.as_deref(), Some(code), "{kind} {:?}", &body[..body.len().min(12)]);
        assert!(response.headers().contains_key("grpc-status-details-bin"));
    }
}
