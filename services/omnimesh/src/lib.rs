//! The binary of the mesh: targets, command line and wiring. The only crate that knows all the others.

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
#[cfg(test)]
mod test_data;
pub mod tour;
