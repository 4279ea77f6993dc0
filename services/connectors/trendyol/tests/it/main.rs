//! The connector against its stand-in: what every connector does, and what is Trendyol's own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod own;
mod stage;

use stage::Stand;

omnimesh_connector_sdk::conformance!(Stand, omnimesh_trendyol::NAME, omnimesh_trendyol::build);
