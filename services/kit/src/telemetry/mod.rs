//! Traces, metrics and log lines, one language for all of them.

mod init;
mod lines;
pub mod names;
mod propagation;

pub use init::{Telemetry, TelemetryError, init};
pub use propagation::{extract, inject};

pub use crate::trace::{current_traceparent, link as link_to};

/// How often gauges ask the stores: often enough to alert on, rarely enough to cost nothing.
pub(crate) const OBSERVE_EVERY: std::time::Duration = std::time::Duration::from_secs(10);
