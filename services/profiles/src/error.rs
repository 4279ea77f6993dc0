//! What can go wrong here, and the one place that decides what a caller is told.

use omnimesh_kit::{error::Fault, store};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status};

/// An error of the profiles service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Another call took one of the identifiers between asking and writing.
    #[error("the identifier was taken meanwhile")]
    Raced,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault,
            Error::Store(error) => error.into(),
            Error::Raced => Self::new(
                Code::Aborted,
                ErrorReason::Contention,
                "the same person is being resolved elsewhere: try again",
            ),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
