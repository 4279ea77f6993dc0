//! The edge for tests and fuzzing: a gateway without sockets in front of a mesh that only listens, and the parts of it that
//! read what clients write.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod echo;
mod edge;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::HeaderMap;
use ipnet::IpNet;
use omnimesh_kit::error::Fault;
use prost_reflect::MessageDescriptor;

use crate::{
    authenticate::Credential,
    client::Client,
    connect::{gunzip, read, write},
    frames::{Meter, Splitter},
    protocol::Codec,
};

pub use echo::Heard;
pub use edge::{Answer, Edge, MESSAGE_BYTES};

/// A Connect client's JSON as protobuf.
///
/// # Errors
/// INVALID_ARGUMENT and RESOURCE_EXHAUSTED.
pub fn read_json(kind: &MessageDescriptor, json: Bytes, limit: usize) -> Result<Bytes, Fault> {
    read(Codec::Json, kind, json, limit)
}

/// A service's protobuf as JSON.
///
/// # Errors
/// INTERNAL if it is not such a message.
pub fn write_json(kind: &MessageDescriptor, message: Bytes) -> Result<Bytes, Fault> {
    write(Codec::Json, kind, message)
}

/// Unpacks a compressed message.
///
/// # Errors
/// INVALID_ARGUMENT and RESOURCE_EXHAUSTED.
pub fn unpack(packed: &[u8], limit: usize) -> Result<Bytes, Fault> {
    gunzip(packed, limit)
}

/// The frames in what arrived piece by piece: flags and message; and whether nothing is left over.
///
/// # Errors
/// RESOURCE_EXHAUSTED.
pub fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Result<(Vec<(u8, Bytes)>, bool), Fault> {
    let (mut splitter, mut found) = (Splitter::new(limit), Vec::new());
    for piece in pieces {
        splitter.push(piece);
        while let Some(frame) = splitter.next()? {
            found.push((frame.flags, frame.data));
        }
    }
    Ok((found, splitter.is_empty()))
}

/// Whether what passes piece by piece is frames of gRPC.
///
/// # Errors
/// INVALID_ARGUMENT and RESOURCE_EXHAUSTED.
pub fn measure<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Result<(), Fault> {
    let mut meter = Meter::new(limit);
    pieces.into_iter().try_for_each(|piece| meter.observe(piece))?;
    meter.finish()
}

/// Which kind of credential the headers carry.
///
/// # Errors
/// UNAUTHENTICATED.
pub fn credential(headers: &HeaderMap) -> Result<Option<&'static str>, Fault> {
    Ok(Credential::in_headers(headers)?.map(|credential| match credential {
        Credential::Session(_) => "session",
        Credential::Key(_) => "key",
        Credential::Staff(_) => "staff",
    }))
}

/// Whose request it is, and what limits count.
#[must_use]
pub fn address(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> (IpAddr, IpAddr) {
    let client = Client::of(peer, headers, trusted);
    (client.address, client.bucket())
}
