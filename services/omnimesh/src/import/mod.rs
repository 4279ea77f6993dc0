//! `omnimesh import`: CSV files into the mesh, through its RPCs. Nothing is dropped silently, and a broken-off import goes on
//! where it stopped.

mod checkpoint;
mod mapping;
mod orders;
mod products;
mod profiles;
mod rows;
mod send;
#[cfg(feature = "testing")]
mod testing;
mod times;

pub use mapping::{Kind, Mapping};
pub use orders::import_orders;
pub use products::import_products;
pub use profiles::{Record, import_profiles, records};
pub use rows::Refusal;
pub use send::Summary;
#[cfg(feature = "testing")]
pub use testing::{Outline, outline};

use std::path::PathBuf;

/// What to import, and what with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The CSV file, or CSV compressed as .gz.
    pub file: PathBuf,
    /// The mapping file; `None` chooses a built-in one by the header.
    pub mapping: Option<PathBuf>,
    /// Where checkpoints are kept.
    pub checkpoints: PathBuf,
}
