//! What can go wrong here, and the one place that decides what a caller is told.

use omnimesh_kit::{error::Fault, store};
use tonic::Status;

/// An error of the channels service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("no such account")]
    NoSuchAccount,
    #[error("no such dead letter")]
    NoSuchDeadLetter,
    #[error("the order is at no marketplace")]
    NoSuchOrder,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Fault(fault) => fault,
            Error::NoSuchAccount => Self::not_found("account", ""),
            Error::NoSuchDeadLetter => Self::not_found("dead letter", ""),
            Error::NoSuchOrder => Self::not_found("order of a marketplace", ""),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
