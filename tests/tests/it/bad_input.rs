//! Whatever is wrong with a call has its code, its reason and its details, over gRPC and over Connect alike, and the mesh
//! lives on.

use bytes::Bytes;
use omnimesh_kit::auth::rules;
use omnimesh_proto::{common::v1::Channel, sessions::v1::EndSessionRequest};
use omnimesh_tests::{
    Device, Mesh, Mode,
    customer::{address, request_id, shipping},
    raw::{RawGrpc, Refusal, connect_json, encode},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::demo::TEA;

const CARTS: &str = "/omnimesh.carts.v1.CartService";
const ORDERS: &str = "/omnimesh.orders.v1.OrderService";
const PAYMENTS: &str = "/omnimesh.orders.v1.PaymentService";
const SESSIONS: &str = "/omnimesh.sessions.v1.SessionService";
const CATALOG: &str = "/omnimesh.catalog.v1.CatalogService";
const STOCK: &str = "/omnimesh.catalog.v1.StockService";

/// A call that is wrong, and what it must come to.
struct Case {
    what: &'static str,
    path: String,
    credential: Option<String>,
    body: Value,
    code: Code,
    reason: &'static str,
    /// The field that BadRequest names, where the reason is about fields.
    field: Option<&'static str>,
    /// A key of the reason's metadata.
    metadata: Option<&'static str>,
}

struct Credentials {
    device: String,
    ended: String,
    admin: String,
    publishable: String,
}

#[tokio::test]
async fn each_wrong_call_has_its_code_reason_and_details() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    device.add(TEA, 1).await;
    let cart = device.deliver(shipping(&device, address()).await).await;
    let order = device.order(Device::order_of(&cart, "a@example.com")).await;
    for _ in 0..2 {
        // Twice, so that there is an older version.
        device.add(TEA, 1).await;
    }
    let ended = Device::start(&mesh, Channel::Web).await;
    let end = EndSessionRequest { session_id: String::new() };
    ended.sessions().end_session(ended.client.request(end)).await.unwrap();

    let credentials = Credentials {
        device: device.token.clone(),
        ended: ended.token,
        admin: mesh.admin_key(),
        publishable: mesh.publishable_key(),
    };
    let line = device.cart().await.unwrap().lines[0].line_id.clone();
    let raw = RawGrpc::new(&mesh.url());
    let mut wrong = Vec::new();
    for case in cases(&credentials, &line, &order.order_id) {
        let rule = omnimesh_kit::auth::rule(&case.path).unwrap();
        let bearer = case.credential.as_ref().map(|credential| format!("Bearer {credential}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let grpc = raw.call(&case.path, &headers, encode(rule.input.clone(), &case.body)).await;
        let connect = connect_json(&mesh.url(), &case.path, case.credential.as_deref(), case.body.to_string()).await;
        wrong.extend(case.judge("gRPC", grpc.map(|_| ())));
        wrong.extend(case.judge("Connect", connect.map(|_| ())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(device.cart().await.unwrap().lines[0].quantity, 2, "nothing of it had an effect");
    mesh.assert_no_defect();
}

impl Case {
    fn judge(&self, protocol: &str, answer: Result<(), Refusal>) -> Option<String> {
        let Err(refusal) = answer else { return Some(format!("{protocol}: {}: it was let through", self.what)) };
        let right = refusal.code == self.code
            && refusal.reason == self.reason
            && self.field.is_none_or(|field| refusal.fields.iter().any(|name| name == field))
            && self.metadata.is_none_or(|key| refusal.metadata.iter().any(|(name, _)| name == key));
        (!right).then(|| {
            let expected = (self.code, self.reason, self.field, self.metadata);
            format!("{protocol}: {}: expected {expected:?}, was {refusal:?}", self.what)
        })
    }
}

fn cases(credentials: &Credentials, line: &str, order: &str) -> Vec<Case> {
    let customer = Some(credentials.device.as_str());
    let admin = Some(credentials.admin.as_str());
    let case = |what, rpc: (&str, &str), credential: Option<&str>, body, code, reason| Case {
        what,
        path: format!("{}/{}", rpc.0, rpc.1),
        credential: credential.map(str::to_owned),
        body,
        code,
        reason,
        field: None,
        metadata: None,
    };
    let field = |case: Case, field| Case { field: Some(field), ..case };
    let about = |case: Case, key| Case { metadata: Some(key), ..case };
    let (add, change, place) = ((CARTS, "AddLine"), (CARTS, "ChangeLine"), (ORDERS, "PlaceOrder"));
    let (pay, get_session) = ((PAYMENTS, "RecordPayment"), (SESSIONS, "GetSession"));
    let unknown_cart = "cart_01k00000000000000000000000";
    let lira = |units: i64| json!({"currencyCode": "TRY", "units": units.to_string()});
    let payment = |amount: Value, id: &str| json!({"orderId": id, "provider": "p", "providerEventId": request_id(), "kind": "PAYMENT_EVENT_KIND_CAPTURED", "amount": amount});
    let invalid = Code::InvalidArgument;
    vec![
        case("no credential", get_session, None, json!({}), Code::Unauthenticated, "CREDENTIAL_MISSING"),
        case(
            "a key that is none",
            get_session,
            Some("omk_no_key"),
            json!({}),
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        ),
        case(
            "another kind of credential",
            get_session,
            Some(&credentials.publishable),
            json!({}),
            Code::PermissionDenied,
            "AUDIENCE_DENIED",
        ),
        case(
            "an ended session",
            get_session,
            Some(&credentials.ended),
            json!({}),
            Code::Unauthenticated,
            "SESSION_EXPIRED",
        ),
        case(
            "an unknown cart",
            (CARTS, "GetCart"),
            customer,
            json!({"cartId": unknown_cart}),
            Code::NotFound,
            "NOT_FOUND",
        ),
        field(
            case(
                "an id that is none",
                (CARTS, "GetCart"),
                customer,
                json!({"cartId": "cart_'; DROP TABLE carts"}),
                invalid,
                "INVALID_REQUEST",
            ),
            "cart_id",
        ),
        field(
            case(
                "an id of another kind",
                (CARTS, "GetCart"),
                customer,
                json!({"cartId": order}),
                invalid,
                "INVALID_REQUEST",
            ),
            "cart_id",
        ),
        field(
            case(
                "a negative quantity",
                add,
                customer,
                json!({"sku": TEA, "quantity": "-1"}),
                invalid,
                "INVALID_REQUEST",
            ),
            "quantity",
        ),
        field(case("no quantity", add, customer, json!({"sku": TEA}), invalid, "INVALID_REQUEST"), "quantity"),
        field(
            case(
                "far too many",
                add,
                customer,
                json!({"sku": TEA, "quantity": i64::MAX.to_string()}),
                invalid,
                "INVALID_REQUEST",
            ),
            "quantity",
        ),
        field(case("no SKU", add, customer, json!({"quantity": "1"}), invalid, "INVALID_REQUEST"), "sku"),
        field(
            case(
                "a SKU with a NUL",
                add,
                customer,
                json!({"sku": "a\0b", "quantity": "1"}),
                invalid,
                "INVALID_REQUEST",
            ),
            "sku",
        ),
        field(
            case(
                "a request id that is none",
                add,
                customer,
                json!({"sku": TEA, "quantity": "1", "requestId": "7"}),
                invalid,
                "INVALID_REQUEST",
            ),
            "request_id",
        ),
        field(
            case(
                "a currency that is none",
                add,
                customer,
                json!({"sku": TEA, "quantity": "1", "currencyCode": "QQQ"}),
                invalid,
                "INVALID_REQUEST",
            ),
            "currency_code",
        ),
        case(
            "an unknown SKU",
            add,
            customer,
            json!({"sku": "NO-SUCH", "quantity": "1", "currencyCode": "TRY"}),
            Code::FailedPrecondition,
            "NOT_SELLABLE",
        ),
        about(
            case(
                "a stale version",
                change,
                customer,
                json!({"lineId": line, "quantity": "9", "expectedVersion": "1"}),
                Code::Aborted,
                "VERSION_MISMATCH",
            ),
            "current_version",
        ),
        case(
            "an order of a cart that changed",
            place,
            customer,
            json!({"cartVersion": "1", "expectedTotal": lira(1), "contact": {"email": "a@example.com"}, "paymentMethod": "PAYMENT_METHOD_ONLINE", "requestId": request_id()}),
            Code::Aborted,
            "VERSION_MISMATCH",
        ),
        field(
            case(
                "no contact",
                place,
                customer,
                json!({"cartVersion": "1", "expectedTotal": lira(1), "paymentMethod": "PAYMENT_METHOD_ONLINE", "requestId": request_id()}),
                invalid,
                "INVALID_REQUEST",
            ),
            "contact",
        ),
        field(
            case(
                "an address that is none",
                (SESSIONS, "StartVerification"),
                customer,
                json!({"contact": {"email": "not an address"}}),
                invalid,
                "INVALID_REQUEST",
            ),
            "contact",
        ),
        case(
            "an unknown product",
            (CATALOG, "GetProduct"),
            customer,
            json!({"sku": "NO-SUCH"}),
            Code::NotFound,
            "NOT_FOUND",
        ),
        case(
            "an unknown order",
            (ORDERS, "GetOrder"),
            customer,
            json!({"orderId": "order_01k00000000000000000000000"}),
            Code::NotFound,
            "NOT_FOUND",
        ),
        case(
            "a page token that is none",
            (ORDERS, "ListOrders"),
            customer,
            json!({"pageToken": "nonsense"}),
            invalid,
            "INVALID_PAGE_TOKEN",
        ),
        case(
            "a payment of another currency",
            pay,
            admin,
            payment(json!({"currencyCode": "EUR", "units": "1"}), order),
            Code::FailedPrecondition,
            "PAYMENT_MISMATCH",
        ),
        case(
            "a payment of more than the total",
            pay,
            admin,
            payment(lira(1_000_000), order),
            Code::FailedPrecondition,
            "PAYMENT_MISMATCH",
        ),
        field(
            case(
                "an amount finer than can be kept",
                pay,
                admin,
                payment(json!({"currencyCode": "TRY", "nanos": 1}), order),
                invalid,
                "INVALID_REQUEST",
            ),
            "amount",
        ),
        case(
            "less than there is",
            (STOCK, "AdjustStock"),
            admin,
            json!({"sku": TEA, "locationId": "istanbul-kadikoy", "delta": "-1000000", "reason": "damage"}),
            Code::FailedPrecondition,
            "OUT_OF_STOCK",
        ),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_as_such() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let device = Device::start(&mesh, Channel::Web).await;
    let bearer = format!("Bearer {}", device.token);
    let raw = RawGrpc::new(&mesh.url());
    let add = format!("{CARTS}/AddLine");
    let headers = [("authorization", bearer.as_str())];

    let malformed = raw.call(&add, &headers, Bytes::from_static(b"\xff\xff\xff\xff\xff")).await.unwrap_err();
    assert_eq!((malformed.code, malformed.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    let not_utf8 = raw.call(&add, &headers, Bytes::from_static(b"\x12\x02\xff\xfe")).await.unwrap_err();
    assert_eq!((not_utf8.code, not_utf8.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    let large = raw.call(&add, &headers, Bytes::from(vec![0; 5 << 20])).await.unwrap_err();
    assert_eq!((large.code, large.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));

    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for body in ["", "{", "[]", "nonsense", r#"{"quantity": "many"}"#, r#"{"noSuchField": 1}"#, "{}{}", &deep] {
        let refused = connect_json(&mesh.url(), &add, Some(&device.token), body.to_owned()).await.unwrap_err();
        let shown = body.get(..20).unwrap_or(body);
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"), "{shown}");
    }
    let large = format!(r#"{{"sku": "{}"}}"#, "x".repeat(5 << 20));
    let refused = connect_json(&mesh.url(), &add, Some(&device.token), large).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    device.add(TEA, 1).await;
    mesh.assert_no_defect();
}

#[tokio::test]
async fn junk_paths_lead_nowhere() {
    let mesh = Mesh::start_empty(omnimesh_tests::Setup::new(Mode::Embedded)).await;
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
