//! What can go wrong in the catalog, and the one place that says how callers see it.

use omnimesh_kit::{error::Fault, store};
use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status};

/// Violations that are named; the details of an answer travel in trailers, which are small.
const NAMED: usize = 8;

/// A SKU of which there is too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The SKU.
    pub sku: String,
    /// How many were asked for.
    pub asked: i64,
    /// How many there are.
    pub available: i64,
}

/// Any failure of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A check of the request, the caller or kit failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Nothing has that id.
    #[error("no such {0}: {1}")]
    NotFound(&'static str, String),
    /// A row changed since the caller saw it.
    #[error("{id} has version {current}")]
    Stale {
        /// What changed.
        id: String,
        /// Its version now; 0 if there is none.
        current: i64,
    },
    /// A staff member's token does not name that store.
    #[error("{0} is not one of the caller's stores")]
    ForeignStore(String),
    /// Not enough stock.
    #[error("out of stock")]
    OutOfStock(Vec<Lack>),
    /// The reservation ran out or was given back.
    #[error("the reservation of {0} is gone")]
    ReservationLost(String),
    /// The owner has a reservation of other lines.
    #[error("{0} has another reservation")]
    ReservationDiffers(String),
    /// An order's confirmed reservation belongs to orders.
    #[error("only orders releases what is confirmed for an order")]
    ConfirmedForOrder,
    /// Stock changed between planning and reserving; tried again by the use case.
    #[error("stock changed while it was being reserved")]
    PlanStale,
    /// Reservations that ran out are in the way; the use case sweeps them and tries again.
    #[error("reservations that ran out are in the way")]
    SweepFirst,
    /// Another service refused.
    #[error("another service refused: {0}")]
    Upstream(#[from] Status),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let fault = match error {
            Error::Fault(fault) => fault,
            Error::Store(error) => error.into(),
            Error::NotFound(kind, id) => Fault::not_found(kind, id),
            Error::Stale { id, current } => Fault::version_mismatch(id, current),
            Error::ForeignStore(_) => {
                Fault::denied(ErrorReason::StoreDenied, "the location is not one of the caller's stores")
            }
            Error::OutOfStock(lacks) => out_of_stock(&lacks),
            Error::ReservationLost(_) => Fault::precondition(
                ErrorReason::ReservationLost,
                "the reservation expired or was released: reserve anew",
            ),
            Error::ReservationDiffers(owner) => Fault::new(
                Code::AlreadyExists,
                ErrorReason::AlreadyExists,
                "the owner has a reservation of other lines: release it first, or reserve for another owner",
            )
            .metadata("owner_id", owner),
            Error::ConfirmedForOrder => {
                let message = "what is confirmed for an order is released by the orders service: cancel the order";
                Fault::denied(ErrorReason::AudienceDenied, message)
            }
            Error::PlanStale | Error::SweepFirst => {
                let message = "too many reservations of the same stock at once: try again";
                Fault::new(Code::Aborted, ErrorReason::Contention, message)
            }
            // It carries code, reason and details of its own.
            Error::Upstream(status) => return status,
        };
        fault.into()
    }
}

fn out_of_stock(lacks: &[Lack]) -> Fault {
    let others = lacks.len().saturating_sub(NAMED);
    let message = match (lacks, others) {
        ([lack], _) => format!("not enough stock: {} of {} available", lack.available, lack.asked),
        (_, 0) => format!("not enough stock of {} SKUs", lacks.len()),
        _ => format!("not enough stock of {} SKUs, {NAMED} of which are named", lacks.len()),
    };
    lacks.iter().take(NAMED).fold(Fault::precondition(ErrorReason::OutOfStock, message), |fault, lack| {
        let description = format!("asked {}, available {}", lack.asked, lack.available);
        fault.violation("OUT_OF_STOCK", lack.sku.clone(), description)
    })
}
