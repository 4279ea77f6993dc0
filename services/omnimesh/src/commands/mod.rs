//! The commands, one file each. Most talk to a running mesh, as any client does.

mod channel;
mod events;
mod export;
mod import;
mod key;
mod profile;
mod report;
mod sandbox;

pub use channel::channel;
pub use events::events;
pub use export::export_orders;
pub use import::import;
pub use key::key;
pub use profile::profile;
pub use report::report_sales;
pub use sandbox::sandbox;
