//! Owns customers' profiles with what they are known by, and the timeline of what every channel did with them.
//!
//! - Sends `ProfileCreated`, `IdentifierVerified`, `ConsentRecorded` and `InteractionRecorded`, and says which profiles are one
//!   customer and who has to be forgotten: `ProfilesMerged`, `ProfileSplit`, `ProfileErased`.
//! - Hears sessions, carts and orders: each becomes an interaction, attached to the profile once one is known; carts and orders
//!   are followed for the customer view.
//! - Each profile is a node that keeps what came to it; merges join nodes to customers, splits part them again.

mod domain;
mod error;
mod events;
mod identity;
mod projection;
pub mod registry;
mod rpc;
mod settings;
pub mod store;

use std::sync::Arc;

use omnimesh_kit::{
    auth::oidc::Oidc,
    config::{self, IssuerKind},
    inbox::Consumer,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::profiles::v1::{
    consent_service_server::ConsentServiceServer, customer_view_service_server::CustomerViewServiceServer,
    profile_service_server::ProfileServiceServer, timeline_service_server::TimelineServiceServer,
};
use tonic::service::Routes;

pub use settings::ProfilesSettings;

/// The service's name.
pub const NAME: &str = "profiles";

/// Its schema.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[
        (100, "profiles", include_str!("../migrations/postgres/100_profiles.sql")),
        (101, "identity", include_str!("../migrations/postgres/101_identity.sql")),
        (102, "view", include_str!("../migrations/postgres/102_view.sql")),
        (103, "holders", include_str!("../migrations/postgres/103_holders.sql")),
        (104, "splits", include_str!("../migrations/postgres/104_splits.sql")),
        (105, "continued", include_str!("../migrations/postgres/105_continued.sql")),
    ],
    sqlite: &[
        (100, "profiles", include_str!("../migrations/sqlite/100_profiles.sql")),
        (101, "identity", include_str!("../migrations/sqlite/101_identity.sql")),
        (102, "view", include_str!("../migrations/sqlite/102_view.sql")),
        (103, "holders", include_str!("../migrations/sqlite/103_holders.sql")),
        (104, "splits", include_str!("../migrations/sqlite/104_splits.sql")),
        (105, "continued", include_str!("../migrations/sqlite/105_continued.sql")),
    ],
};

/// Builds the service. To be called within a Tokio runtime.
///
/// # Errors
/// If its section of the settings, or a customer issuer, can't be used.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let settings: ProfilesSettings = deps.settings.section(NAME)?;
    settings.check()?;
    let issuers = deps.settings.oidc.iter().filter(|issuer| issuer.kind == IssuerKind::Customer);
    let oidc = Oidc::new(issuers, deps.clock.clone()).map_err(|error| config::Error::at("oidc", error.to_string()))?;
    let registry = registry::Registry::of(&settings.consents)?;
    let app = rpc::App(Arc::new(rpc::Inner { settings, oidc, registry, records: Default::default(), deps }));
    let routes = Routes::new(ProfileServiceServer::new(app.clone()))
        .add_service(ConsentServiceServer::new(app.clone()))
        .add_service(CustomerViewServiceServer::new(app.clone()))
        .add_service(TimelineServiceServer::new(app));
    let consumers = ["sessions", "carts", "orders"]
        .map(|producer| Consumer { group: NAME, producer, handler: Arc::new(events::Timeline) })
        .into();
    Ok(Module { name: NAME, routes, consumers })
}
