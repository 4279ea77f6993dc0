//! What every connector shares, so that a vendor is its own JSON and its own rules and nothing else.
//!
//! A vendor implements [`Vendor`]: pure steps that build a request and read a reply ([`Flow`]), one for each capability. The
//! rest is here: the one HTTP client with its budgets, retries and time limits, credentials, signatures, and the gRPC server
//! ([`routes`]) that makes any vendor a `ConnectorService`. Connectors keep no state.

mod account;
mod amount;
mod budget;
mod client;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod cursor;
mod error;
mod flow;
mod request;
pub mod sandbox;
mod server;
pub mod signature;
mod webhook;

pub use account::{Account, Accounts, Fields};
pub use amount::{Exact, amount, decimal};
pub use budget::{Bucket, Budget};
pub use client::Client;
pub use error::{Failure, Kind};
pub use flow::{
    AcknowledgeOrder, ApproveReturn, CancelLines, Flow, GetOperation, Limits, Manifest, Operation, Page, Pull,
    PullOrders, PullReturns, PushPrice, PushShipment, PushStock, Refund, RejectReturn, Vendor, done, partial, pending,
};
pub use request::{Effect, Reply, Request};
pub use server::{ConnectorDeps, routes};
pub use webhook::{Delivered, Received, Webhook};
