//! What can go wrong here, and the one place that decides what a caller is told.

use omnimesh_kit::{
    error::Fault,
    session,
    store::{self},
};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::Status;

/// An error of the sessions service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Live(#[from] session::Error),
    /// The session ended or expired.
    #[error("the session has ended")]
    SessionOver,
    /// The session changed between reading and writing it.
    #[error("the session changed meanwhile")]
    SessionChanged,
    /// The code expired, was used or was tried too often.
    #[error("the code can't be used any more")]
    CodeOver,
    /// The offer expired, was claimed or taken back, or its session is over.
    #[error("the hand-over can't be claimed any more")]
    HandoffOver,
    /// A session that was handed over asks for more than that.
    #[error("not handed over: {0}")]
    NotHandedOver(&'static str),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault,
            Error::Store(error) => error.into(),
            Error::Live(error) => error.into(),
            Error::SessionOver => Self::unauthenticated(
                ErrorReason::SessionExpired,
                "the session has ended: StartSession gives a new one",
            ),
            Error::SessionChanged => Self::new(
                tonic::Code::Aborted,
                ErrorReason::Contention,
                "the session was changed at the same time: try again",
            ),
            Error::HandoffOver => Self::precondition(
                ErrorReason::CodeExpired,
                "the code expired, was claimed or taken back: the other device shows a new one",
            ),
            Error::NotHandedOver(message) => Self::denied(ErrorReason::NotHandedOver, message),
            Error::CodeOver => Self::precondition(
                ErrorReason::CodeExpired,
                "the code expired, was used or had too many wrong tries: StartVerification sends a new one",
            ),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
