//! The gateway over real sockets, in front of small services that implement the contract's own traits.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod connect;
mod errors;
mod fakes;
mod grpc;
mod grpc_web;
mod junk;
mod limits;
mod overview;
mod sockets;
mod streams;
mod tls;
mod traces;
mod world;
