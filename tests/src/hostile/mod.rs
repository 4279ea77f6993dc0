//! Hostile clients against a running mesh: malformed calls by the million, and crowds that are slow, silent, restless or
//! enormous; and a customer who does nothing wrong in between.

mod call;
mod crowd;
mod dice;
mod malformed;
mod message;
mod wire;
mod witness;

use std::net::SocketAddr;

pub use crowd::{Crowd, Kind};
pub use malformed::{Outcome, malformed};
pub use witness::{Seen, Witness};

use crate::Mesh;

/// The gateway's socket.
#[must_use]
pub fn address(mesh: &Mesh) -> SocketAddr {
    let url = mesh.url();
    url.trim_start_matches("http://").parse().expect("the gateway has an address")
}
