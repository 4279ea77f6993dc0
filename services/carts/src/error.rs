//! What can go wrong in carts, and how callers are told.

use omnimesh_kit::{error::Fault, store};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status};

use crate::domain::{CartId, Refusal};

/// What can go wrong in carts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Said already as the caller is told.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The cart's own rules.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Another change came first: read again and try again.
    #[error("the cart changed in between")]
    Conflict,
    /// No such cart, or none of the caller's.
    #[error("no such cart")]
    NoCart(Option<CartId>),
    /// Another service's answer.
    #[error("{0} answered: {1}")]
    Upstream(&'static str, Status),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Fault(fault) => fault,
            Error::Refusal(refusal) => told(refusal),
            Error::Conflict => {
                Self::new(Code::Aborted, ErrorReason::Contention, "too many changes of the cart at once: try again")
            }
            Error::NoCart(Some(id)) => Self::not_found("cart", id.to_string()),
            Error::NoCart(None) => Self::not_found("cart", ""),
            Error::Upstream(service, status) => match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
                    Self::unavailable(format!("{service} does not answer at the moment"))
                }
                _ => Self::internal(format!("{service} answered {:?}: {}", status.code(), status.message())),
            },
        }
    }
}

fn told(refusal: Refusal) -> Fault {
    let message = refusal.to_string();
    match refusal {
        Refusal::Version { id, current } => Fault::version_mismatch(id, current),
        Refusal::Frozen => Fault::precondition(ErrorReason::CartFrozen, message),
        Refusal::Closed(state) => Fault::illegal_transition("the cart", state, "changed", &[]),
        Refusal::WrongCurrency(_) => Fault::new(Code::InvalidArgument, ErrorReason::WrongCurrency, message),
        Refusal::NoLine(id) => Fault::not_found("line", id.to_string()),
        Refusal::Full => Fault::invalid("sku", message),
        Refusal::TooMany => Fault::invalid("quantity", message),
        Refusal::NotSellable(_) => Fault::precondition(ErrorReason::NotSellable, message),
        Refusal::Coupon(_) => Fault::precondition(ErrorReason::CouponInvalid, message),
        Refusal::Delivery(_) => Fault::precondition(ErrorReason::DeliveryUnavailable, message),
        Refusal::Incomplete(gaps) => {
            // Details travel in trailers, which are small.
            let named = gaps.into_iter().take(12);
            named.fold(Fault::precondition(ErrorReason::CartIncomplete, message), |fault, gap| {
                fault.violation(gap.kind, gap.subject, gap.description)
            })
        }
        Refusal::Money(error) => error.into(),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Fault::from(error).into()
    }
}
