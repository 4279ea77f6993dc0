//! The binary of the mesh: targets, command line and wiring. The only crate that knows all the others.

pub mod cli;
pub mod client;
pub mod commands;
pub mod import;
pub mod report;
#[cfg(test)]
mod test_data;
