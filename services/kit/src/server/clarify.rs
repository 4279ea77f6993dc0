//! Gives the answers that tonic itself makes before a service is reached the mesh's form.

use http::Response;
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status, body::Body};

use super::handler::refuse;
use crate::error::Fault;

/// Messages of requests larger than this are refused: tonic's own default, which every server keeps.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// The same answer, but a clear one where tonic could not read the request. Faults of services have details and pass.
#[must_use]
pub fn clarify(response: Response<Body>) -> Response<Body> {
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
        // By the letter of gRPC these are INTERNAL too, but it is the client who wrote them.
        Code::Internal if message.starts_with("protocol error: received message with") => Some(Fault::new(
            Code::InvalidArgument,
            ErrorReason::MalformedMessage,
            "a message begins with flags that do not fit: 0, or 1 where grpc-encoding says how it is compressed",
        )),
        Code::Internal if message.starts_with("Error decompressing") => Some(Fault::new(
            Code::InvalidArgument,
            ErrorReason::MalformedMessage,
            "the message can't be read: it is not compressed as grpc-encoding says",
        )),
        Code::Internal if message == "Unexpected EOF decoding stream." => Some(Fault::new(
            Code::InvalidArgument,
            ErrorReason::MalformedMessage,
            "the request ends in the middle of a message",
        )),
        Code::Internal if message == "Missing request message." => {
            Some(Fault::new(Code::InvalidArgument, ErrorReason::MalformedMessage, "the request has no message"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_wrong_is_not_the_meshs_fault() {
        for text in [
            "failed to decode Protobuf message: buffer underflow",
            "protocol error: received message with compressed-flag but no grpc-encoding was specified",
            "protocol error: received message with invalid compression flag: 9 (valid flags are 0 and 1), while sending request",
            "Error decompressing: corrupt deflate stream, while sending request",
            "Unexpected EOF decoding stream.",
            "Missing request message.",
        ] {
            let clear = clarify(Status::internal(text).into_http());
            let status = Status::from_header_map(clear.headers()).unwrap();
            assert_eq!(status.code(), Code::InvalidArgument, "{text}");
            assert!(!status.details().is_empty(), "{text}");
        }
        let other = Status::from_header_map(clarify(Status::internal("a defect").into_http()).headers()).unwrap();
        assert_eq!(other.code(), Code::Internal);
    }
}
