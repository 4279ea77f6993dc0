//! Traces, metrics and log lines, one language for all of them.

pub mod names;
mod propagation;

pub use propagation::{current_traceparent, extract, inject, link_to};
