//! Kit's modules over real databases and buses: every suite runs on SQLite and Postgres, in memory and over Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod customers;
mod events;
mod fixture;
mod idempotency;
mod store;
mod throughput;
