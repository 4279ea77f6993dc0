//! The harness: starts the real binary in every way it can be run, and talks to it as clients do.
//!
//! It panics where something is not as a test needs it: a test fails by panicking, and what the mesh said is printed then.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and prints what helps to see why"
)]

pub mod answer;
mod binary;
pub mod collector;
pub mod customer;
pub mod data;
pub mod desk;
pub mod fire;
pub mod fuzz;
pub mod hostile;
pub mod identity;
pub mod kept;
pub mod mesh;
pub mod overload;
mod ports;
mod process;
pub mod races;
pub mod raw;
pub mod sandbox;
pub mod staff;
mod stores;
mod wait;

pub use customer::Device;
pub use desk::Desk;
pub use mesh::{Mesh, Mode, Setup};
pub use omnimesh::client::Client;
pub use staff::Issuer;
pub use wait::{PATIENCE, eventually};
