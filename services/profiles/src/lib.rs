//! Owns customers' profiles with what they are known by, and the timeline of what every channel did with them.
//!
//! - Sends `ProfileCreated` and `IdentifierVerified`.
//! - Hears sessions, carts and orders: each becomes an interaction, attached to the profile once one is known.
//! - One profile per proved identifier. Several identifiers of one call that belong to several profiles resolve to the oldest
//!   of these; nothing is merged yet.

mod domain;
mod error;
mod events;
mod rpc;
pub mod store;

use std::sync::Arc;

use omnimesh_kit::{
    config,
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::profiles::v1::{
    profile_service_server::ProfileServiceServer, timeline_service_server::TimelineServiceServer,
};
use tonic::service::Routes;

/// The service's name.
pub const NAME: &str = "profiles";

/// Its schema.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[(100, "profiles", include_str!("../migrations/postgres/100_profiles.sql"))],
    sqlite: &[(100, "profiles", include_str!("../migrations/sqlite/100_profiles.sql"))],
};

/// Builds the service.
///
/// # Errors
/// None at present: it has no settings of its own.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let app = rpc::App(Arc::new(deps));
    let routes = Routes::new(ProfileServiceServer::new(app.clone())).add_service(TimelineServiceServer::new(app));
    let consumers = ["sessions", "carts", "orders"]
        .map(|producer| Consumer { group: NAME, producer, handler: Arc::new(events::Timeline) })
        .into();
    Ok(Module { name: NAME, routes, consumers })
}
