//! A call that no honest client makes: a protocol, headers and a body, each right or wrong by chance.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use omnimesh_kit::auth::{RpcRule, rules};

use super::{
    dice::Dice,
    message::{json, mutate, protobuf},
};

/// Who the hostile clients are, besides nobody.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) session: String,
    pub(super) publishable: String,
    pub(super) admin: String,
}

/// What is called.
#[derive(Clone, Debug)]
pub(super) struct Target(Vec<&'static RpcRule>);

/// The calls that would end the caller's own session, after which all is refused for that reason alone.
const NOT_CALLED: [&str; 1] = ["EndSession"];

impl Target {
    /// Every RPC, those that only services may call included.
    pub(super) fn all() -> Self {
        let mut rules: Vec<_> =
            rules().filter(|rule| !NOT_CALLED.iter().any(|name| rule.path.ends_with(name))).collect();
        rules.sort_by_key(|rule| &rule.path);
        Self(rules)
    }
}

const TYPES: [&str; 8] = [
    "application/grpc",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/json",
    "application/proto",
    "application/connect+json",
    "application/connect+proto",
    "text/html",
];
const PATHS: [&str; 14] = [
    "/",
    "//",
    "/healthz",
    "/readyz",
    "/webhooks/0123456789abcdef0123456789abcdef",
    "/webhooks/",
    "/../../etc/passwd",
    "/omnimesh.carts.v1.CartService",
    "/omnimesh.carts.v1.CartService/addline",
    "/omnimesh.carts.v1.CartService%2FAddLine",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/%00",
    "/?x=1",
];
const ODD_HEADERS: [(&str, &[u8]); 22] = [
    ("grpc-timeout", b"99999999H"),
    ("grpc-timeout", b"0n"),
    ("grpc-timeout", b"-1S"),
    ("connect-timeout-ms", b"1"),
    ("connect-timeout-ms", b"99999999999"),
    ("connect-protocol-version", b"9"),
    ("content-encoding", b"gzip"),
    ("content-encoding", b"br"),
    ("connect-content-encoding", b"gzip"),
    ("grpc-encoding", b"gzip"),
    ("grpc-encoding", b"snappy"),
    ("grpc-accept-encoding", b"\xff"),
    ("omnimesh-identity", b"omi1.e30.AAAA"),
    ("omnimesh-target", b"orders"),
    ("x-forwarded-for", b"1.2.3.4, ::1, nonsense"),
    ("traceparent", b"00-00000000000000000000000000000000-0000000000000000-00"),
    ("traceparent", b"00-\xc3\xa9"),
    ("baggage", b"a=b;c=\"d"),
    ("origin", b"https://evil.example"),
    ("x-data-bin", b"!!not base64!!"),
    ("cookie", b"a=b; c"),
    ("user-agent", b"\x80\x81"),
];

/// The next call, and whether it needs HTTP/2.
pub(super) fn call(target: &Target, who: &Credentials, dice: &mut Dice) -> (Request<Full<Bytes>>, bool) {
    let rule = dice.pick(&target.0);
    let streams = !rule.is_unary();
    // Mostly a protocol that can make that call.
    let kind = match dice.below(20) {
        0 => dice.pick(&TYPES),
        1..=6 => "application/grpc",
        7..=10 => dice.pick(&["application/grpc-web+proto", "application/grpc-web-text"]),
        _ if streams => dice.pick(&["application/connect+json", "application/connect+proto"]),
        _ => dice.pick(&["application/json", "application/json", "application/proto"]),
    };
    let body = body(rule, kind, dice);
    let path = if dice.percent(4) { dice.pick(&PATHS) } else { &rule.path };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() =
        if dice.percent(2) { dice.pick(&[&Method::GET, &Method::PUT, &Method::OPTIONS]).clone() } else { Method::POST };
    *request.uri_mut() = path.parse().expect("a path");
    let headers = request.headers_mut();
    let mut add = |name: &'static str, value: &[u8]| {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    };
    add("host", b"mesh.example");
    add("content-type", kind.as_bytes());
    if let Some(bearer) = bearer(who, dice) {
        add("authorization", &bearer);
    }
    if kind == "application/grpc" {
        add("te", b"trailers");
    }
    if streams {
        // One that has nothing to say stays open: it is not waited for.
        add(
            if kind.starts_with("application/connect") { "connect-timeout-ms" } else { "grpc-timeout" },
            if kind.starts_with("application/connect") { b"50" } else { b"50m" },
        );
    }
    while dice.percent(15) {
        let (name, value) = dice.pick(&ODD_HEADERS);
        add(name, value);
    }
    if dice.percent(1) {
        add("x-large", "x".repeat(dice.below(40_000)).as_bytes());
    }
    (request, kind == "application/grpc")
}

fn bearer(who: &Credentials, dice: &mut Dice) -> Option<Vec<u8>> {
    let token = match dice.below(20) {
        0 => return None,
        1 => return Some(dice.bytes(30)),
        2 => return Some(b"Basic dXNlcjpwYXNz".to_vec()),
        3 => return Some([b"Bearer ".to_vec(), mutate(who.session.clone().into_bytes(), dice)].concat()),
        4 => return Some([b"Bearer ".to_vec(), mutate(who.admin.clone().into_bytes(), dice)].concat()),
        5 => "eyJhbGciOiJub25lIn0.e30.",
        6 => &who.publishable,
        7..=11 => &who.admin,
        _ => &who.session,
    };
    Some(format!("Bearer {token}").into_bytes())
}

fn body(rule: &RpcRule, kind: &str, dice: &mut Dice) -> Vec<u8> {
    let as_json = kind.ends_with("json");
    let one = |dice: &mut Dice| if as_json { json(&rule.input, dice) } else { protobuf(&rule.input, dice) };
    if matches!(kind, "application/json" | "application/proto" | "text/html") {
        let message = one(dice);
        return if dice.percent(3) { gzip(&message) } else { message };
    }
    let mut body = Vec::new();
    let count = if dice.percent(90) { 1 } else { dice.below(4) };
    for _ in 0..count {
        let message = one(dice);
        body.extend(frame(&message, dice));
    }
    if dice.percent(10) {
        body = mutate(body, dice);
    }
    if kind.starts_with("application/grpc-web-text") {
        body = STANDARD.encode(&body).into_bytes();
        if dice.percent(10) {
            body = mutate(body, dice);
        }
    }
    body
}

fn frame(message: &[u8], dice: &mut Dice) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    let (flags, length) = match dice.below(20) {
        0 => (dice.byte(), length),
        1 => (0, dice.pick(&[0, 1, length.wrapping_sub(1), length + 1, 5 << 20, u32::MAX])),
        2 => (1, length),
        _ => (0, length),
    };
    let message = if flags == 1 && dice.percent(50) { gzip(message) } else { message.to_vec() };
    [&[flags][..], &length.to_be_bytes(), &message].concat()
}

/// Packed; what is packed may unpack to far more than it may.
pub(super) fn gzip(message: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(message).expect("memory is written to");
    packed.finish().expect("memory is written to")
}
