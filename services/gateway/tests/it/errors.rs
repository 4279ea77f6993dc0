//! Every code of a service, as each protocol tells it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omnimesh_proto::catalog::v1::GetProductRequest;
use prost::Message as _;
use serde_json::Value;

use crate::world::{GET_PRODUCT, World, frame, frames, json_reason};

const TABLE: [(&str, u16); 16] = [
    ("canceled", 499),
    ("unknown", 500),
    ("invalid_argument", 400),
    ("deadline_exceeded", 504),
    ("not_found", 404),
    ("already_exists", 409),
    ("permission_denied", 403),
    ("resource_exhausted", 429),
    ("failed_precondition", 400),
    ("aborted", 409),
    ("out_of_range", 400),
    ("unimplemented", 501),
    ("internal", 500),
    ("unavailable", 503),
    ("data_loss", 500),
    ("unauthenticated", 401),
];

#[tokio::test]
async fn connect_has_a_name_and_a_status_for_each() {
    let world = World::new().await;
    for (code, (name, status)) in (1..).zip(TABLE) {
        let body = format!(r#"{{"sku": "fail:{code}"}}"#);
        let response = world.post(GET_PRODUCT, "application/json", body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let error: Value = response.json().await.unwrap();
        assert_eq!((error["code"].as_str(), error["message"].as_str()), (Some(name), Some("as asked: ğ")));
        assert_eq!(json_reason(&error), "ILLEGAL_TRANSITION");
        assert_eq!(error["details"][0]["debug"]["metadata"]["state"], "packed");
    }
}

#[tokio::test]
async fn grpc_web_has_the_code_itself() {
    let world = World::new().await;
    for code in 1..=16 {
        let body = frame(0, &GetProductRequest { sku: format!("fail:{code}") }.encode_to_vec());
        for (kind, body) in
            [("application/grpc-web", body.clone()), ("application/grpc-web-text", STANDARD.encode(&body).into_bytes())]
        {
            let response = world.post(GET_PRODUCT, kind, body).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let head = response.headers().get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
            let body = response.bytes().await.unwrap();
            let told = head.unwrap_or_else(|| {
                let body = if kind.contains("text") { STANDARD.decode(&body).unwrap() } else { body.to_vec() };
                let (flags, trailers) = frames(&body).pop().unwrap();
                assert_eq!(flags, 0x80);
                let trailers = String::from_utf8(trailers).unwrap();
                trailers.lines().find_map(|line| line.strip_prefix("grpc-status:")).unwrap().trim().to_owned()
            });
            assert_eq!(told, code.to_string(), "{kind}");
        }
    }
}
