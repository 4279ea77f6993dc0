//! Messages as JSON and back, by the contract's descriptors.

use std::io::Read as _;

use bytes::Bytes;
use omnimesh_kit::error::Fault;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};

use crate::{
    frames::{malformed, too_large},
    protocol::Codec,
};

/// Fields that the contract does not have are refused: a misspelt one would be lost silently.
const STRICT: DeserializeOptions = DeserializeOptions::new().deny_unknown_fields(true);

/// A message of a client, as protobuf. JSON deeper than 128 levels is refused by its parser.
pub(crate) fn read(codec: Codec, kind: &MessageDescriptor, data: Bytes, limit: usize) -> Result<Bytes, Fault> {
    match codec {
        Codec::Proto => Ok(data),
        Codec::Json => {
            let message = read_json(kind, &data)?.encode_to_vec();
            // A JSON text may be short and its message long only in theory; the limit holds for both.
            if message.len() > limit { Err(too_large(limit)) } else { Ok(message.into()) }
        }
    }
}

fn read_json(kind: &MessageDescriptor, data: &[u8]) -> Result<DynamicMessage, Fault> {
    if data.is_empty() {
        return Err(malformed("the body is empty: an empty message is {} in JSON"));
    }
    let mut parser = serde_json::Deserializer::from_slice(data);
    let read = DynamicMessage::deserialize_with_options(kind.clone(), &mut parser, &STRICT);
    read.and_then(|message| parser.end().map(|()| message)).map_err(|error| {
        // What serde says names the field, the expected form and the place.
        malformed(format!("the JSON is not a {}: {error}", kind.full_name()))
            .metadata("line", error.line().to_string())
            .metadata("column", error.column().to_string())
    })
}

/// A message of a service, as the client reads it.
pub(crate) fn write(codec: Codec, kind: &MessageDescriptor, data: Bytes) -> Result<Bytes, Fault> {
    match codec {
        Codec::Proto => Ok(data),
        Codec::Json => {
            let message = DynamicMessage::decode(kind.clone(), data).map_err(Fault::internal)?;
            serde_json::to_vec(&message).map(Bytes::from).map_err(Fault::internal)
        }
    }
}

/// Unpacks gzip, never beyond `limit`.
pub(crate) fn gunzip(data: &[u8], limit: usize) -> Result<Bytes, Fault> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(data)
        .take(most)
        .read_to_end(&mut plain)
        .map_err(|error| malformed(format!("the message is not gzip: {error}")))?;
    if plain.len() > limit { Err(too_large(limit)) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use omnimesh_kit::auth::rule;
    use omnimesh_proto::common::v1::ErrorReason;
    use proptest::prelude::*;

    use super::*;

    fn start_session() -> MessageDescriptor {
        rule("/omnimesh.sessions.v1.SessionService/StartSession").unwrap().input.clone()
    }

    fn read_text(text: &str) -> Result<Bytes, Fault> {
        read(Codec::Json, &start_session(), Bytes::copy_from_slice(text.as_bytes()), 1_000)
    }

    #[test]
    fn json_goes_there_and_back() {
        let read = read_text(r#"{"channel": "CHANNEL_WEB", "deviceClass": 2, "locale": "tr-TR"}"#).unwrap();
        let json = write(Codec::Json, &start_session(), read).unwrap();
        assert_eq!(json, r#"{"channel":"CHANNEL_WEB","deviceClass":"DEVICE_CLASS_MOBILE","locale":"tr-TR"}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            (r#"{"chanel": 1}"#, "chanel"),
            (r#"{"channel": "CHANNEL_MOON"}"#, "CHANNEL_MOON"),
            (r#"{"channel": 1"#, "line 1 column 13"),
            (r#"{} {}"#, "trailing characters"),
            ("", "empty"),
        ] {
            let fault = read_text(text).unwrap_err();
            assert_eq!(fault.reason(), ErrorReason::MalformedMessage, "{text}");
            assert!(fault.message().contains(expected), "{text}: {}", fault.message());
        }
    }

    #[test]
    fn depth_and_size_are_limited() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read_text(&deep).is_err());
        assert!(read_text(&format!(r#"{{"channel": {deep}}}"#)).is_err());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &vec![b' '; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(gunzip(&packed, 99_999).unwrap_err().reason(), ErrorReason::MessageTooLarge);
        assert_eq!(gunzip(&packed, 100_000).unwrap().len(), 100_000);
        assert_eq!(gunzip(b"plain", 10).unwrap_err().reason(), ErrorReason::MalformedMessage);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:a-zA-Z0-9_ .+-]{0,60}") {
            for rule in omnimesh_kit::auth::rules() {
                drop(read(Codec::Json, &rule.input, Bytes::from(text.clone().into_bytes()), 1_000));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for rule in omnimesh_kit::auth::rules() {
                drop(read(Codec::Json, &rule.input, Bytes::from(bytes.clone()), 1_000));
                drop(gunzip(&bytes, 1_000));
            }
        }
    }
}
