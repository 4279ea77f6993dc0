//! Traces, metrics and log lines, one language for all of them.

mod init;
mod lines;
pub mod names;
mod propagation;

pub use init::{Telemetry, TelemetryError, init};
pub use propagation::{extract, inject};

pub use crate::trace::{current_traceparent, link as link_to};
