//! Products, prices, taxes, locations, stock and reservations.
//!
//! Sends `ProductChanged` (aggregate `product:<sku>`) and `StockChanged` (aggregate `stock:<sku>:<location>`). Hears orders:
//! fulfilment takes reserved goods from the shelf or gives them back, returns put goods on a shelf.

pub mod demo;
pub mod domain;
mod error;
mod events;
mod ledger;
mod rpc;
pub mod store;
mod sweep;

use std::sync::Arc;

use omnimesh_kit::{
    config,
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::catalog::v1::{
    catalog_service_server::CatalogServiceServer, location_service_server::LocationServiceServer,
    stock_service_server::StockServiceServer,
};
use tonic::service::Routes;

/// The service's name: its target, its schema and the producer of its events.
pub const NAME: &str = "catalog";

/// The service's tables.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[
        (100, "catalog", include_str!("../migrations/postgres/100_catalog.sql")),
        (101, "restocks", include_str!("../migrations/postgres/101_restocks.sql")),
    ],
    sqlite: &[
        (100, "catalog", include_str!("../migrations/sqlite/100_catalog.sql")),
        (101, "restocks", include_str!("../migrations/sqlite/101_restocks.sql")),
    ],
};

/// Builds the service and starts its sweeper.
///
/// # Errors
/// None so far: the catalog has no settings of its own.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let Deps { clock, secrets, db, links, lifecycle, .. } = deps;
    lifecycle.spawn("catalog.sweep", sweep::run(db.clone(), lifecycle.token()));
    let api = rpc::Api(Arc::new(rpc::State { db, clock, secrets, links }));
    let routes = Routes::new(CatalogServiceServer::new(api.clone()))
        .add_service(LocationServiceServer::new(api.clone()))
        .add_service(StockServiceServer::new(api));
    let orders = Consumer { group: NAME, producer: "orders", handler: Arc::new(events::Orders) };
    Ok(Module { name: NAME, routes, consumers: vec![orders] })
}
