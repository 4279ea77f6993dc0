//! Metadata between Connect's headers and gRPC's.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE},
};
use omnimesh_kit::error::Fault;
use serde_json::{Map, Value};
use tonic::Status;

const VERSION: &str = "connect-protocol-version";
const TIMEOUT: &str = "connect-timeout-ms";
const STREAM_ENCODING: &str = "connect-content-encoding";
const STREAM_ACCEPT_ENCODING: &str = "connect-accept-encoding";
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// How a request's messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Identity,
    Gzip,
}

/// Turns a Connect request's headers into those of gRPC.
pub(super) fn to_grpc(headers: &mut HeaderMap, streams: bool) -> Result<Compression, Fault> {
    if let Some(version) = headers.remove(VERSION)
        && version != "1"
    {
        return Err(Fault::invalid(VERSION, "must be 1"));
    }
    let encoding = headers.remove(if streams { STREAM_ENCODING } else { CONTENT_ENCODING.as_str() });
    let compression = match encoding.as_ref().map(HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Compression::Identity,
        Some(b"gzip") => Compression::Gzip,
        // The protocol's own code for an encoding that a server does not know.
        Some(_) => {
            return Err(Fault::new(
                tonic::Code::Unimplemented,
                omnimesh_proto::common::v1::ErrorReason::InvalidRequest,
                "unknown compression: supported encodings are gzip and identity",
            ));
        }
    };
    // A client has no say in gRPC's own headers here.
    for name in [GRPC_TIMEOUT, "grpc-encoding", "grpc-accept-encoding", STREAM_ACCEPT_ENCODING] {
        headers.remove(name);
    }
    for name in [ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    if let Some(timeout) = headers.remove(TIMEOUT) {
        headers.insert(GRPC_TIMEOUT, timeout_value(&timeout)?);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Ok(compression)
}

/// `Connect-Timeout-Ms`, at most ten digits, as `grpc-timeout`, which takes eight.
fn timeout_value(value: &HeaderValue) -> Result<HeaderValue, Fault> {
    let wrong = || Fault::invalid(TIMEOUT, "must be milliseconds: 1 to 10 digits");
    let text = value.to_str().map_err(|_| wrong())?;
    if !(1..=10).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let millis: u64 = text.parse().map_err(|_| wrong())?;
    let written = if millis < 100_000_000 {
        format!("{millis}m")
    } else {
        format!("{}S", Duration::from_millis(millis).as_secs())
    };
    HeaderValue::try_from(written).map_err(|_| wrong())
}

/// Takes gRPC's own words out of headers or trailers: what is left is metadata.
pub(super) fn without_grpc(headers: &mut HeaderMap) {
    for name in
        [&Status::GRPC_STATUS, &Status::GRPC_MESSAGE, &Status::GRPC_STATUS_DETAILS, &CONTENT_TYPE, &CONTENT_LENGTH]
    {
        headers.remove(name);
    }
    for name in ["grpc-encoding", "grpc-accept-encoding"] {
        headers.remove(name);
    }
}

/// Trailers as headers of a unary answer.
pub(super) fn as_trailer_headers(trailers: HeaderMap, into: &mut HeaderMap) {
    let mut last = None;
    for (name, value) in trailers {
        last = name.or(last);
        if let Some(name) = last.as_ref().and_then(|name| HeaderName::try_from(format!("trailer-{name}")).ok()) {
            into.append(name, value);
        }
    }
}

/// Trailers as the metadata of an end-of-stream message. Values that are not text have no form in it.
pub(super) fn as_json(trailers: &HeaderMap) -> Map<String, Value> {
    let values = |name: &HeaderName| -> Vec<Value> {
        trailers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(Value::from).collect()
    };
    trailers.keys().map(|name| (name.as_str().to_owned(), values(name).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn connects_own_headers_become_grpcs() {
        let mut given = headers(&[
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", "2500"),
            ("content-encoding", "gzip"),
            ("content-length", "12"),
            ("grpc-timeout", "1H"),
            ("x-mine", "kept"),
        ]);
        assert_eq!(to_grpc(&mut given, false).unwrap(), Compression::Gzip);
        let expected =
            [("content-type", "application/grpc"), ("grpc-timeout", "2500m"), ("te", "trailers"), ("x-mine", "kept")];
        assert_eq!(given, headers(&expected));
    }

    #[test]
    fn wrong_ones_are_refused() {
        for pair in [
            ("connect-protocol-version", "2"),
            ("connect-timeout-ms", "-1"),
            ("connect-timeout-ms", "12345678901"),
            ("connect-timeout-ms", ""),
            ("content-encoding", "br"),
        ] {
            assert!(to_grpc(&mut headers(&[pair]), false).is_err(), "{pair:?}");
        }
        let mut long = headers(&[("connect-timeout-ms", "9999999999")]);
        to_grpc(&mut long, false).unwrap();
        assert_eq!(long.get("grpc-timeout").unwrap(), "9999999S");
    }
}
