//! The rules of the catalog, pure: no database, no clock, no network.

pub mod allocation;
pub mod check;
pub mod geo;
pub mod hours;
pub mod location;
pub mod price;
pub mod product;
pub mod reservation;
pub mod span;
pub mod stock;
