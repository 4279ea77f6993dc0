//! Connect's JSON: an RPC's path without its slash on the first line, then the body.

use bytes::Bytes;
use http::Request;
use omnimesh::edge::{self, Edge, MESSAGE_BYTES};
use omnimesh_kit::auth::{RpcRule, rule};
use omnimesh_proto::common::v1::ErrorReason;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::Code;

use super::{first_line, said, with_edge};
use crate::answer::Said;

/// What was written may be longer than what was read: names of fields, quotes.
const ROOM: usize = 1 << 24;

pub(super) fn run(data: &[u8]) {
    let (path, body) = first_line(data);
    let Some(rule) = std::str::from_utf8(path).ok().and_then(|path| rule(&format!("/{path}"))) else { return };
    let body = Bytes::copy_from_slice(body);
    let read = edge::read_json(&rule.input, body.clone(), MESSAGE_BYTES);
    match &read {
        Ok(message) => {
            let decoded =
                DynamicMessage::decode(rule.input.clone(), message.clone()).expect("what was read is a message");
            let json = edge::write_json(&rule.input, message.clone()).expect("what was read can be written");
            let again = edge::read_json(&rule.input, json.clone(), ROOM).expect("what was written can be read");
            let again = DynamicMessage::decode(rule.input.clone(), again).unwrap();
            let same = again == decoded || serde_json::from_slice::<Value>(&json).unwrap() == written(rule, &again);
            assert!(same, "{} came back as {again}", String::from_utf8_lossy(&json));
        }
        Err(fault) => {
            let expected = match fault.code() {
                Code::ResourceExhausted => ErrorReason::MessageTooLarge,
                Code::InvalidArgument => ErrorReason::MalformedMessage,
                other => panic!("{other:?}"),
            };
            assert_eq!(fault.reason(), expected);
        }
    }
    // Whatever is no JSON may still be protobuf or gzip.
    drop(edge::write_json(&rule.input, body.clone()));
    drop(edge::unpack(&body, MESSAGE_BYTES));
    if rule.is_public() {
        with_edge(|edge| through(edge, rule, &body, read.ok()));
    }
}

fn written(rule: &RpcRule, message: &DynamicMessage) -> Value {
    use prost::Message as _;
    let json = edge::write_json(&rule.input, message.encode_to_vec().into()).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// Over the gateway: a service hears exactly the messages that can be read.
fn through(edge: &Edge, rule: &RpcRule, body: &Bytes, read: Option<Bytes>) {
    let (kind, body) =
        if rule.is_unary() { ("application/json", body.clone()) } else { ("application/connect+json", framed(body)) };
    let fits = body.len() <= MESSAGE_BYTES;
    let request = Request::post(&rule.path)
        .header("content-type", kind)
        .header("authorization", format!("Bearer {}", edge.key))
        .body(vec![body])
        .unwrap();
    let answer = edge.call(request);
    let said = said(&answer);
    if matches!(said, Said::Rpc(Code::PermissionDenied)) {
        assert!(answer.heard.is_none());
        return;
    }
    match read {
        Some(message) if fits => {
            assert_eq!(said, Said::Rpc(Code::Ok));
            let heard = answer.heard.and_then(|heard| heard.body).expect("a service hears what can be read");
            let of = |bytes: Bytes| DynamicMessage::decode(rule.input.clone(), bytes).unwrap().to_string();
            assert_eq!(of(heard.slice(5..)), of(message));
        }
        _ => {
            assert!(matches!(said, Said::Rpc(Code::InvalidArgument | Code::ResourceExhausted)), "{said:?}");
            assert!(answer.heard.is_none_or(|heard| heard.body.is_none()));
        }
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame.into()
}
