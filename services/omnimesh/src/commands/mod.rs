//! The commands that talk to a running mesh, one file each.

mod export;
mod import;
mod key;
mod report;

pub use export::export_orders;
pub use import::import;
pub use key::key;
pub use report::report_sales;
