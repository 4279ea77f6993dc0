//! The Connect protocol (<https://connectrpc.com/docs/protocol>) in front of gRPC: unary calls as plain HTTP, streams in
//! envelopes, messages as JSON or protobuf.

mod codec;
mod error;
mod headers;
mod stream;
mod unary;

#[cfg(feature = "testing")]
pub(crate) use codec::{gunzip, read, write};
pub(crate) use error::{refuse_stream, refuse_unary, unknown_method};
pub(crate) use stream::stream;
pub(crate) use unary::{Bounds, unary};
