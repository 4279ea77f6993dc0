//! The sessions service behind the stack that guards it in the mesh, on both databases and both live stores.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod fakes;
mod keys;
mod safety;
mod sessions;
mod watch;
mod world;
