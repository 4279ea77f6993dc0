//! The profiles service behind the stack that guards it in the mesh, on both databases.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod consents;
mod export;
mod identity;
mod resolve;
mod search;
mod timeline;
mod view;
mod world;
