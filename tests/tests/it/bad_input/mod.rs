//! Whatever is wrong with a call has its code, its reason and its details, over gRPC and over Connect alike, and the mesh
//! lives on.

mod cases;

use bytes::Bytes;
use omnimesh_kit::auth::{rule, rules};
use omnimesh_proto::{common::v1::Channel, sessions::v1::EndSessionRequest};
use omnimesh_tests::{
    Device, Mesh, Mode, Setup,
    customer::{address, shipping},
    raw::{RawGrpc, connect_json, encode},
};
use tonic::Code;

use crate::demo::TEA;
use cases::{World, cases};

#[tokio::test]
async fn each_wrong_call_has_its_code_reason_and_details() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    device.add(TEA, 1).await;
    let cart = device.deliver(shipping(&device, address()).await).await;
    let order = device.order(Device::order_of(&cart, "a@example.com")).await;
    // Twice, so that there is an older version.
    device.add(TEA, 1).await;
    let cart = device.add(TEA, 1).await;
    let ended = Device::start(&mesh, Channel::Web).await;
    let end = EndSessionRequest { session_id: String::new() };
    ended.sessions().end_session(ended.client.request(end)).await.unwrap();
    let mut identified = Device::start(&mesh, Channel::App).await;
    identified.identify(&mesh, "b@example.com").await;
    let world = World {
        customer: device.token.clone(),
        ended: ended.token,
        admin: mesh.admin_key(),
        publishable: mesh.publishable_key(),
        line_id: cart.lines[0].line_id.clone(),
        order_line_id: order.lines[0].line_id.clone(),
        order_id: order.order_id,
        profile_id: identified.session.profile_id,
    };

    let raw = RawGrpc::new(&mesh.url());
    let mut wrong = Vec::new();
    for case in cases(&world) {
        let bearer = case.credential.as_ref().map(|credential| format!("Bearer {credential}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let message = encode(rule(case.path).unwrap().input.clone(), &case.body);
        let grpc = raw.call(case.path, &headers, message).await;
        let connect = connect_json(&mesh.url(), case.path, case.credential.as_deref(), case.body.to_string()).await;
        wrong.extend(case.judge("gRPC", grpc.map(|_| ())));
        wrong.extend(case.judge("Connect", connect.map(|_| ())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let after = device.cart().await.unwrap();
    assert_eq!((after.version, after.lines), (cart.version, cart.lines), "nothing of it had an effect");
    mesh.assert_no_defect();
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_as_such() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    let bearer = format!("Bearer {}", device.token);
    let raw = RawGrpc::new(&mesh.url());
    let add = "/omnimesh.carts.v1.CartService/AddLine";
    let headers = [("authorization", bearer.as_str())];

    let malformed = raw.call(add, &headers, Bytes::from_static(b"\xff\xff\xff\xff\xff")).await.unwrap_err();
    assert_eq!((malformed.code, malformed.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    let not_utf8 = raw.call(add, &headers, Bytes::from_static(b"\x12\x02\xff\xfe")).await.unwrap_err();
    assert_eq!((not_utf8.code, not_utf8.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    let large = raw.call(add, &headers, Bytes::from(vec![0; 5 << 20])).await.unwrap_err();
    assert_eq!((large.code, large.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));

    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for body in ["", "{", "[]", "nonsense", r#"{"quantity": "many"}"#, r#"{"noSuchField": 1}"#, "{}{}", &deep] {
        let refused = connect_json(&mesh.url(), add, Some(&device.token), body.to_owned()).await.unwrap_err();
        let shown = body.get(..20).unwrap_or(body);
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"), "{shown}");
    }
    let large = format!(r#"{{"sku": "{}"}}"#, "x".repeat(5 << 20));
    let refused = connect_json(&mesh.url(), add, Some(&device.token), large).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    device.add(TEA, 1).await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn junk_paths_lead_nowhere() {
    let mesh = Mesh::start_empty(Setup::new(Mode::Embedded)).await;
    let raw = RawGrpc::new(&mesh.url());
    let (admin, http) = (format!("Bearer {}", mesh.admin_key()), reqwest::Client::new());
    for path in [
        "/",
        "//",
        "/omnimesh.carts.v1.CartService",
        "/omnimesh.carts.v1.CartService/",
        "/omnimesh.carts.v1.CartService/addline",
        "/omnimesh.carts.v1.CartService/AddLine/",
        "/omnimesh.carts.v1.CartService/AddLine/..",
        "/omnimesh.carts.v1.CartService%2FAddLine",
        "/../../etc/passwd",
        "/omnimesh.carts.v1.CartService/AddLine%00",
        "/no.such.Service/Method",
    ] {
        let refused = raw.call(path, &[("authorization", &admin)], Bytes::new()).await.unwrap_err();
        assert_eq!(refused.code, Code::Unimplemented, "{path}: {refused:?}");
        let got = http.get(format!("{}{path}", mesh.url())).send().await.unwrap().status();
        let posted = http.post(format!("{}{path}", mesh.url())).body("x").send().await.unwrap().status();
        assert!(got.is_client_error() && posted.is_client_error(), "{path}: GET {got}, POST {posted}");
    }
    mesh.assert_no_defect();
}

/// Noise of every kind against every RPC: a code that says whose fault it is, never a defect.
#[tokio::test]
async fn noise_is_never_the_meshs_fault() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    let raw = RawGrpc::new(&mesh.url());
    let noise: [&[u8]; 6] = [
        b"",
        b"\x0a\x00",
        // A text of every kind of id, an absurd number, and one that is not UTF-8.
        b"\x0a\x1fcart_01k00000000000000000000000",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x04\xf0\x9f\x92\xa9\x12\x04\xf0\x9f\x92\xa9\x18\xff\xff\xff\xff\x07",
        b"\x0a\x03\xff\xff\xff",
    ];
    let mut wrong = Vec::new();
    for credential in [&device.token, &mesh.admin_key()] {
        let bearer = format!("Bearer {credential}");
        for rule in rules().filter(|rule| rule.is_public()) {
            for bytes in noise {
                let answer = raw.call(&rule.path, &[("authorization", &bearer)], Bytes::from_static(bytes)).await;
                if let Err(refusal) = answer
                    && matches!(refusal.code, Code::Internal | Code::Unknown | Code::Unavailable | Code::DataLoss)
                {
                    wrong.push(format!("{} {bytes:?}: {refusal:?}", rule.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    mesh.assert_no_defect();
}
