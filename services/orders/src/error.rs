//! What can go wrong in orders, and the one place that says what the caller is told.

use omnimesh_kit::{error::Fault, store};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status};

use crate::domain::{Refusal, Refused};

/// A failed use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A fault that is made already: a wrong request, or another service's answer.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The domain refuses.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No such order, or none of the caller's.
    #[error("no such order")]
    NoSuchOrder,
    /// No such return, or none of the caller's.
    #[error("no such return")]
    NoSuchReturn,
    /// The order or return changed since the caller saw it.
    #[error("the order changed")]
    Changed {
        /// What changed.
        id: String,
        /// Its version now.
        current: i64,
    },
    /// Somebody else changed the row at the same time.
    #[error("too many changes of the order at once")]
    Contention,
    /// The location is not one of the staff member's.
    #[error("the store is not one of the caller's")]
    StoreDenied,
    /// The draft was refused, now or when the request was made first.
    #[error("{}", .0.message)]
    Placing(Refusal),
    /// A wrong pickup code.
    #[error("the code is wrong")]
    WrongCode {
        /// Tries left.
        left: i64,
    },
    /// No code that may be tried.
    #[error("the code is locked")]
    LockedCode,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Fault(fault) => fault,
            Error::Refused(refused) => of_domain(refused),
            Error::NoSuchOrder => Self::not_found("order", ""),
            Error::NoSuchReturn => Self::not_found("return", ""),
            Error::Changed { id, current } => Self::version_mismatch(id, current),
            Error::Contention => {
                Self::new(Code::Aborted, ErrorReason::Contention, "too many changes of the order at once: try again")
            }
            Error::StoreDenied => {
                Self::denied(ErrorReason::StoreDenied, "the location is not one of the caller's stores")
            }
            Error::Placing(refusal) => {
                let reason = ErrorReason::try_from(refusal.reason).unwrap_or(ErrorReason::Internal);
                let fault = Self::new(Code::from_i32(refusal.code), reason, refusal.message);
                refusal.metadata.into_iter().fold(fault, |fault, (key, value)| fault.metadata(&key, value))
            }
            Error::WrongCode { left } => {
                let message = format!("the code is wrong: {left} more tries, then it is locked");
                Self::new(Code::InvalidArgument, ErrorReason::CodeWrong, message)
                    .metadata("tries_left", left.to_string())
            }
            Error::LockedCode => {
                let message = "the code was tried wrong too often: the store has to check who collects, and cancel or hand over otherwise";
                Self::precondition(ErrorReason::CodeExpired, message)
            }
        }
    }
}

fn of_domain(refused: Refused) -> Fault {
    let message = refused.to_string();
    match refused {
        Refused::Illegal { subject, state, asked, allowed } => {
            Fault::illegal_transition(subject, state, asked, &allowed)
        }
        Refused::NoSuchGroup => Fault::not_found("fulfilment group", ""),
        Refused::GroupNotNamed(_) => Fault::invalid("group.group_id", message),
        Refused::NotHeld { .. } => Fault::invalid("short_lines", message),
        Refused::NoSuchReturn => Fault::not_found("return", ""),
        Refused::NotReturnable { line_id, left } => Fault::precondition(ErrorReason::NotReturnable, message)
            .metadata("line_id", line_id)
            .metadata("returnable", left.to_string()),
        Refused::NothingSold => Fault::precondition(ErrorReason::NotReturnable, message),
        Refused::NotInReturn { .. } => Fault::invalid("lines", message),
        Refused::PaymentMismatch(_) | Refused::NotPaid(_) => Fault::precondition(ErrorReason::PaymentMismatch, message),
        Refused::TooLateForCustomer => Fault::precondition(ErrorReason::IllegalTransition, message),
        Refused::Money(error) => error.into(),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}

/// A fault of the mesh as it is kept with a draft.
#[must_use]
pub fn refusal_of(status: &Status) -> Refusal {
    use tonic_types::StatusExt as _;
    let info = status.get_details_error_info();
    let reason = info.as_ref().and_then(|info| ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason)));
    Refusal {
        code: status.code().into(),
        reason: reason.unwrap_or(ErrorReason::Internal).into(),
        message: status.message().to_owned(),
        metadata: info.map(|info| info.metadata.into_iter().collect()).unwrap_or_default(),
    }
}
