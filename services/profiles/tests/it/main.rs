//! The profiles service behind the stack that guards it in the mesh, on both databases.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod resolve;
mod timeline;
mod world;
