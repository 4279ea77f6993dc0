//! One cart across channels: what a customer is about to buy, wherever the customer is.
//!
//! It owns carts, coupons and shipping methods. It asks catalog what lines cost, tells sessions of new carts, sends
//! `CartCreated`, `CartLineAdded`, `CartChanged`, `CartMerged` and `CartParted`, hears from orders what becomes of frozen carts,
//! and from profiles which of them are one customer, and whom to forget.

mod customers;
pub mod demo;
pub mod domain;
mod erase;
mod error;
mod events;
mod rpc;
pub mod store;
mod tasks;

use std::sync::Arc;

use omnimesh_kit::{
    config,
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::carts::v1::{
    cart_service_server::CartServiceServer, coupon_service_server::CouponServiceServer,
    shipping_service_server::ShippingServiceServer,
};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

/// The target, the schema and the producer of its events.
pub const NAME: &str = "carts";

/// Its tables.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[
        (100, "carts", include_str!("../migrations/postgres/100_carts.sql")),
        (101, "customers", include_str!("../migrations/postgres/101_customers.sql")),
        (102, "guests", include_str!("../migrations/postgres/102_guests.sql")),
    ],
    sqlite: &[
        (100, "carts", include_str!("../migrations/sqlite/100_carts.sql")),
        (101, "customers", include_str!("../migrations/sqlite/101_customers.sql")),
        (102, "guests", include_str!("../migrations/sqlite/102_guests.sql")),
    ],
};

/// The section `carts` of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CartsSettings {
    /// The currency of a cart that is created without one: ISO 4217.
    pub default_currency: String,
}

impl Default for CartsSettings {
    fn default() -> Self {
        Self { default_currency: "TRY".to_owned() }
    }
}

/// Builds the service.
///
/// # Errors
/// If its settings are wrong.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let settings = deps.settings.section::<CartsSettings>(NAME)?;
    let default_currency = settings
        .default_currency
        .parse()
        .map_err(|problem| config::Error::at("carts.default_currency", format!("{problem}")))?;
    let carts = rpc::Carts { deps, default_currency };
    carts.deps.lifecycle.spawn("carts tasks", tasks::work(carts.deps.clone()));
    let routes = Routes::new(CartServiceServer::new(carts.clone()))
        .add_service(ShippingServiceServer::new(carts.clone()))
        .add_service(CouponServiceServer::new(carts));
    let orders = Consumer { group: NAME, producer: "orders", handler: Arc::new(events::Orders) };
    let profiles = Consumer { group: NAME, producer: "profiles", handler: Arc::new(events::Profiles) };
    Ok(Module { name: NAME, routes, consumers: vec![orders, profiles] })
}
