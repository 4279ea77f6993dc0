//! The sessions service behind the stack that guards it in the mesh, on both databases and both live stores.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod erasure;
mod fakes;
mod handoff;
mod keys;
mod safety;
mod sessions;
mod takeover;
mod watch;
mod world;
