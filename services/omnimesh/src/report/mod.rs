//! `omnimesh report sales`: what was sold, returned and earned, computed from the documents that the order book exports.

mod rfm;
mod sales;
mod view;

pub use rfm::Rfm;
pub use sales::{Sales, SalesReport};
pub use view::{to_json, to_table};
