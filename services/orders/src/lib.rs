//! The order book: placing, importing, payment, fulfilment and returns.
//!
//! Owns orders and documents (one row each, with their returns), payments, refund tasks, pickup codes. Sends the events of
//! `orders_events.proto`; hears profiles (who is one customer, and who is erased). Calls carts (freeze, thaw), catalog (reserve, confirm, release, locations) and sessions (whether a guest has
//! proved an order's contact).
//!
//! | question | module |
//! | --- | --- |
//! | what may happen to an order? | [`domain`] |
//! | how is an order placed, whatever fails? | `saga`, `sweeper` |
//! | what happens at other services afterwards? | `tasks` |
//! | who may see an order? | `access` |
//! | what becomes of an erased customer's orders? | `events` |
//! | how does one RPC work? | `rpc`, one file each |

mod access;
mod app;
pub mod domain;
pub mod error;
mod events;
mod pickup;
mod rpc;
mod saga;
pub mod settings;
pub mod store;
mod sweeper;
mod tasks;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use omnimesh_kit::{
    config,
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::orders::v1::{
    fulfillment_service_server::FulfillmentServiceServer, order_service_server::OrderServiceServer,
    payment_service_server::PaymentServiceServer, return_service_server::ReturnServiceServer,
};
use tonic::service::Routes;

use crate::{app::App, settings::OrdersSettings};

/// The service's name: target, schema, producer of its events.
pub const NAME: &str = "orders";

/// The schema.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[
        (100, "orders", include_str!("../migrations/postgres/100_orders.sql")),
        (101, "returns", include_str!("../migrations/postgres/101_returns.sql")),
        (102, "erasure", include_str!("../migrations/postgres/102_erasure.sql")),
    ],
    sqlite: &[
        (100, "orders", include_str!("../migrations/sqlite/100_orders.sql")),
        (101, "returns", include_str!("../migrations/sqlite/101_returns.sql")),
        (102, "erasure", include_str!("../migrations/sqlite/102_erasure.sql")),
    ],
};

/// Builds the service and starts its tasks.
///
/// # Errors
/// If the section `[orders]` of the settings is wrong.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let settings: OrdersSettings = deps.settings.section(NAME)?;
    let app = App::new(deps, settings);
    app.deps.lifecycle.spawn("orders sweeper", sweeper::work(app.clone()));
    app.deps.lifecycle.spawn("orders tasks", tasks::work(app.clone()));
    let profiles = Consumer { group: NAME, producer: "profiles", handler: Arc::new(events::Profiles) };
    Ok(Module { name: NAME, routes: routes(&app), consumers: vec![profiles] })
}

fn routes(app: &Arc<App>) -> Routes {
    let mut routes = Routes::builder();
    routes
        .add_service(OrderServiceServer::new(rpc::Orders(app.clone())))
        .add_service(FulfillmentServiceServer::new(rpc::Fulfillment(app.clone())))
        .add_service(PaymentServiceServer::new(rpc::Payments(app.clone())))
        .add_service(ReturnServiceServer::new(rpc::Returns(app.clone())));
    routes.routes()
}
