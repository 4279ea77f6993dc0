//! The commands, one file each. Most talk to a running mesh, as any client does.

mod events;
mod export;
mod import;
mod key;
mod report;

pub use events::events;
pub use export::export_orders;
pub use import::import;
pub use key::key;
pub use report::report_sales;
