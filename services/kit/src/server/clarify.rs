//! Gives the answers that tonic itself makes before a service is reached the mesh's form.

use http::Response;
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status, body::Body};

use super::handler::refuse;
use crate::error::Fault;

/// Messages of requests larger than this are refused: tonic's own default, which every server keeps.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// The same answer, but a clear one where tonic could not read the request. Faults of services have details and pass.
pub(super) fn clarify(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()).as_ref().and_then(explain) {
        Some(fault) => refuse(fault),
        None => response,
    }
}

/// The same status, but a clear one where tonic could not read a message of a stream.
#[must_use]
pub fn clear(status: Status) -> Status {
    explain(&status).map_or(status, Status::from)
}

fn explain(status: &Status) -> Option<Fault> {
    if !status.details().is_empty() {
        return None;
    }
    let message = status.message();
    match status.code() {
        Code::OutOfRange if message.contains("message length too large") => Some(Fault::new(
            Code::ResourceExhausted,
            ErrorReason::MessageTooLarge,
            format!("the message is larger than {MAX_REQUEST_BYTES} bytes"),
        )),
        Code::Internal if message.starts_with("failed to decode Protobuf message") => Some(Fault::new(
            Code::InvalidArgument,
            ErrorReason::MalformedMessage,
            "the message can't be read: it is not what the contract describes",
        )),
        Code::Internal if message == "Missing request message." => {
            Some(Fault::new(Code::InvalidArgument, ErrorReason::MalformedMessage, "the request has no message"))
        }
        _ => None,
    }
}
