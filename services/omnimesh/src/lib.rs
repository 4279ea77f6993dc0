//! The binary of the mesh: targets, command line and wiring. The only crate that knows all the others.

pub mod bench;
pub mod bytes_codec;
pub mod cli;
pub mod client;
pub mod commands;
pub mod demo;
pub mod first_start;
pub mod import;
pub mod mesh;
pub mod report;
pub mod serve;
pub mod targets;
#[cfg(any(test, feature = "testing"))]
pub mod test_data;
pub mod tour;

/// The edge without sockets, for tests and fuzzing.
#[cfg(feature = "testing")]
pub use omnimesh_gateway::testing as edge;

/// A line for the person at the terminal, apart from what a command prints for programs.
#[expect(clippy::print_stderr, reason = "the command line talks to a person")]
pub fn say(line: &str) {
    eprintln!("{line}");
}
