//! Connect, as curl and connect-web speak it.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use omnimesh_proto::{
    catalog::v1::{GetProductRequest, GetProductResponse},
    sessions::v1::WatchVerificationsResponse,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{
    GET_PRODUCT, GET_SESSION, IMPORT_PRODUCTS, LOAD_SESSION, Plan, WATCH, World, frame, frames, json_reason,
};

#[tokio::test]
async fn one_message_as_json() {
    for remote in [false, true] {
        let world = World::of(Plan { remote, ..Plan::default() }).await;
        let request =
            world.post(GET_PRODUCT, "application/json", r#"{"sku": "fes-1"}"#).header("connect-protocol-version", "1");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["omnimesh-replayed"], "true");
        assert!(!response.headers().contains_key("grpc-status"));
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"product": {"sku": "fes-1", "name": "Fes"}}));
    }
}

#[tokio::test]
async fn one_message_as_protobuf_over_http2() {
    let world = World::new().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let body = GetProductRequest { sku: "fes".into() }.encode_to_vec();
    let response = client
        .post(world.url(GET_PRODUCT))
        .bearer_auth(&world.admin)
        .header("content-type", "application/proto")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
    assert_eq!(response.headers()["content-type"], "application/proto");
    let answer = GetProductResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.product.unwrap().sku, "fes");
}

#[tokio::test]
async fn a_packed_message_is_unpacked_and_other_packings_are_refused() {
    let world = World::new().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(br#"{"sku": "fes"}"#).unwrap();
    let packed = packer.finish().unwrap();
    let request = world.post(GET_PRODUCT, "application/json", packed.clone()).header("content-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let request = world.post(GET_PRODUCT, "application/json", packed).header("content-encoding", "br");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 501);
    assert!(response.text().await.unwrap().contains("gzip and identity"));
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 5_000_000]).unwrap();
    let request =
        world.post(GET_PRODUCT, "application/json", bomb.finish().unwrap()).header("content-encoding", "gzip");
    assert_eq!(request.send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn what_can_not_be_read_is_named() {
    let world = World::new().await;
    for (body, expected) in [
        (r#"{"skew": 1}"#, "skew"),
        (r#"{"sku": 1}"#, "line 1 column"),
        (r#"{"sku": "a""#, "line 1 column 11"),
        ("[]", "line 1 column"),
        ("", "empty"),
    ] {
        let response = world.post(GET_PRODUCT, "application/json", body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(
            (error["code"].as_str(), json_reason(&error).as_str()),
            (Some("invalid_argument"), "MALFORMED_MESSAGE")
        );
        assert!(error["message"].as_str().unwrap().contains(expected), "{body}: {error}");
    }
    let response = world.post(GET_PRODUCT, "application/proto", &b"\xff\xff\xff"[..]).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(json_reason(&response.json().await.unwrap()), "MALFORMED_MESSAGE");
    let long = json!({ "sku": "x".repeat(20_000) }).to_string();
    let response = world.post(GET_PRODUCT, "application/json", long).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(json_reason(&response.json().await.unwrap()), "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_stream_in_envelopes() {
    for remote in [false, true] {
        let world = World::of(Plan { remote, ..Plan::default() }).await;
        let json = world
            .post(WATCH, "application/connect+json", frame(0, b"{}"))
            .header("x-mode", "end")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (json.status().as_u16(), &json.headers()["content-type"]),
            (200, &"application/connect+json".parse().unwrap())
        );
        let found = frames(&json.bytes().await.unwrap());
        let texts: Vec<_> = found.iter().map(|(flags, data)| (*flags, std::str::from_utf8(data).unwrap())).collect();
        assert_eq!(texts, [(0, r#"{"code":"0"}"#), (0, r#"{"code":"1"}"#), (0, r#"{"code":"2"}"#), (2, "{}")]);

        let proto = world
            .post(WATCH, "application/connect+proto", frame(0, b""))
            .header("x-mode", "fail")
            .send()
            .await
            .unwrap();
        assert_eq!(proto.status(), 200);
        let found = frames(&proto.bytes().await.unwrap());
        let codes: Vec<_> = found[..3]
            .iter()
            .map(|(_, data)| WatchVerificationsResponse::decode(data.as_slice()).unwrap().code)
            .collect();
        assert_eq!(codes, ["0", "1", "2"]);
        let end: Value = serde_json::from_slice(&found[3].1).unwrap();
        assert_eq!((found.len(), found[3].0, end["error"]["code"].as_str()), (4, 2, Some("failed_precondition")));
        assert_eq!(json_reason(&end["error"]), "ILLEGAL_TRANSITION");
    }
}

#[tokio::test]
async fn a_client_may_stream_as_well() {
    let world = World::new().await;
    let mut body = frame(0, br#"{"product": {"sku": "a"}}"#);
    body.extend(frame(0, br#"{"product": {"sku": "b"}}"#));
    let response = world.post(IMPORT_PRODUCTS, "application/connect+json", body).send().await.unwrap();
    let found = frames(&response.bytes().await.unwrap());
    let answers: Vec<Value> = found.iter().map(|(_, data)| serde_json::from_slice(data).unwrap()).collect();
    assert_eq!(answers, [json!({"sku": "a"}), json!({"index": "1", "sku": "b"}), json!({})]);
}

#[tokio::test]
async fn envelopes_that_are_wrong_end_the_stream_with_an_error() {
    let world = World::new().await;
    let long = frame(0, json!({ "product": { "sku": "x".repeat(20_000) } }).to_string().as_bytes());
    for (body, code, reason) in [
        (frame(0, b"{]"), "invalid_argument", "MALFORMED_MESSAGE"),
        (frame(1, b"{}"), "invalid_argument", "MALFORMED_MESSAGE"),
        (frame(2, b"{}"), "invalid_argument", "MALFORMED_MESSAGE"),
        (frame(0, b"{}")[..6].to_vec(), "invalid_argument", "MALFORMED_MESSAGE"),
        (long, "resource_exhausted", "MESSAGE_TOO_LARGE"),
    ] {
        let response = world.post(IMPORT_PRODUCTS, "application/connect+json", body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let found = frames(&response.bytes().await.unwrap());
        let end: Value = serde_json::from_slice(&found.last().unwrap().1).unwrap();
        assert_eq!(
            (end["error"]["code"].as_str(), json_reason(&end["error"]).as_str()),
            (Some(code), reason),
            "{body:?}"
        );
    }
}

#[tokio::test]
async fn a_timeout_is_kept() {
    let world = World::new().await;
    let slow = || world.post(GET_PRODUCT, "application/json", r#"{"sku": "slow"}"#);
    let response = slow().header("connect-timeout-ms", "100").send().await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "deadline_exceeded");
    for wrong in ["", "-1", "1.5", "12345678901"] {
        assert_eq!(slow().header("connect-timeout-ms", wrong).send().await.unwrap().status(), 400, "{wrong}");
    }
    assert_eq!(slow().header("connect-protocol-version", "2").send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn the_wrong_shape_for_an_rpc_is_refused() {
    let world = World::new().await;
    for (path, kind) in [
        (GET_PRODUCT, "application/connect+json"),
        (WATCH, "application/json"),
        (GET_PRODUCT, "text/plain"),
        (GET_PRODUCT, "application/xml"),
    ] {
        let response = world.post(path, kind, "{}").send().await.unwrap();
        assert_eq!(response.status(), 415, "{kind}");
        assert!(response.headers().contains_key("accept-post"));
    }
    let response = world.http.get(world.url(GET_PRODUCT)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST, OPTIONS".parse().unwrap()));
}

#[tokio::test]
async fn unknown_and_internal_rpcs_are_not_implemented() {
    let world = World::new().await;
    for path in ["/omnimesh.catalog.v1.CatalogService/NoSuch", LOAD_SESSION, "/junk", "/"] {
        let response = world.post(path, "application/json", "{}").send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let error: Value = response.json().await.unwrap();
        assert_eq!((error["code"].as_str(), json_reason(&error).as_str()), (Some("unimplemented"), "UNKNOWN_METHOD"));
    }
    assert_eq!(world.fakes.calls(), 0);
}

#[tokio::test]
async fn errors_carry_details_for_programs_and_for_people() {
    let world = World::new().await;
    let response = world
        .http
        .post(world.url(GET_SESSION))
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let trace_safe = response.headers().contains_key("vary");
    let error: Value = response.json().await.unwrap();
    assert!(trace_safe && json_reason(&error) == "CREDENTIAL_MISSING", "{error}");
    let value = STANDARD_NO_PAD.decode(error["details"][0]["value"].as_str().unwrap()).unwrap();
    assert_eq!(tonic_types::pb::ErrorInfo::decode(value.as_slice()).unwrap().reason, "CREDENTIAL_MISSING");
}
