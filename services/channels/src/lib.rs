//! Marketplaces in sync with the order book, over their connectors.
//!
//! - Owns accounts with their credentials, cursors, what marketplaces have of each order (units), what they are told (actions),
//!   and what needs a person (dead letters). Keeps no personal data.
//! - Calls connectors, and orders (import, read, cancel). Hears orders: a changed order is read and compared with what its
//!   marketplace was told.
//!
//! | question | module |
//! | --- | --- |
//! | how does an order come in? | `pull` |
//! | what has to be told to its marketplace? | `look` |
//! | how is it told, exactly once? | `act` |
//! | how does one RPC work? | `rpc`, one file each |
//!
//! Nothing is lost by a crash: a cursor moves in the transaction that keeps its page, after the order book has it; an action is
//! noted as sent before it is sent, and one whose answer is missing is settled by what the next pull reads.

mod act;
mod app;
pub mod domain;
mod error;
mod events;
mod look;
mod pull;
mod rpc;
mod settings;
pub mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use omnimesh_kit::{
    config,
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::channels::v1::channel_service_server::ChannelServiceServer;
use tonic::service::Routes;

use crate::app::App;
pub use crate::settings::ChannelsSettings;

/// The service's name.
pub const NAME: &str = "channels";

/// Its schema.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[(100, "channels", include_str!("../migrations/postgres/100_channels.sql"))],
    sqlite: &[(100, "channels", include_str!("../migrations/sqlite/100_channels.sql"))],
};

/// Builds the service and starts its tasks.
///
/// # Errors
/// If the section `[channels]` of the settings is wrong.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let settings: ChannelsSettings = deps.settings.section(NAME)?;
    settings.check()?;
    let app = Arc::new(App { settings, deps });
    app.deps.lifecycle.spawn("channels pull", pull::work(app.clone()));
    app.deps.lifecycle.spawn("channels look", look::work(app.clone()));
    app.deps.lifecycle.spawn("channels act", act::work(app.clone()));
    let orders = Consumer { group: NAME, producer: "orders", handler: Arc::new(events::Orders) };
    Ok(Module { name: NAME, routes: routes(&app), consumers: vec![orders] })
}

fn routes(app: &Arc<App>) -> Routes {
    Routes::new(ChannelServiceServer::new(rpc::Channels(app.clone())))
}
