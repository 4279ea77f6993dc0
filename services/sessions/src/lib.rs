//! Owns customers' sessions, one-time codes that prove their addresses, hand-over between devices, and API keys.
//!
//! - A session starts as a guest's, keeps its id over every change of token, and is tied to a profile by proof. Its row here is
//!   the truth; the live copy that gateway and services read is written after each commit and loaded again when it is lost.
//! - A session that is handed over stays the source's: the claimer gets one of its own, at level LINKED, with cart and journey.
//! - Sends `SessionStarted`, `SessionIdentified`, `SessionEnded`, `HandoffClaimed`, `VerificationRequested` and
//!   `ContactVerified`. Hears of customers from profiles: a session of one who is erased ends and is forgotten.
//! - Calls profiles (whose identifier is it?) and carts (the guest's cart becomes the customer's).

mod bootstrap;
mod domain;
mod endings;
mod error;
mod events;
mod rpc;
mod settings;
pub mod store;
mod sweep;

use std::sync::Arc;

use omnimesh_kit::{
    auth::oidc::Oidc,
    config::{self, IssuerKind},
    inbox::Consumer,
    ratelimit::RateLimiter,
    service::{Deps, Module},
    store::Migrations,
};
use omnimesh_proto::sessions::v1::{
    api_key_service_server::ApiKeyServiceServer, handoff_service_server::HandoffServiceServer,
    session_service_server::SessionServiceServer,
};
use tonic::service::Routes;

pub use bootstrap::{BootstrapKeys, bootstrap_keys, create_key};
pub use domain::api_key::KeySpec;
pub use settings::SessionsSettings;

/// The service's name.
pub const NAME: &str = "sessions";

/// Its schema.
pub const MIGRATIONS: Migrations = Migrations {
    service: NAME,
    postgres: &[
        (100, "sessions", include_str!("../migrations/postgres/100_sessions.sql")),
        (101, "handoffs", include_str!("../migrations/postgres/101_handoffs.sql")),
        (102, "sources", include_str!("../migrations/postgres/102_sources.sql")),
    ],
    sqlite: &[
        (100, "sessions", include_str!("../migrations/sqlite/100_sessions.sql")),
        (101, "handoffs", include_str!("../migrations/sqlite/101_handoffs.sql")),
        (102, "sources", include_str!("../migrations/sqlite/102_sources.sql")),
    ],
};

/// Builds the service. To be called within a Tokio runtime.
///
/// # Errors
/// If its section of the settings, or a customer issuer, can't be used.
pub fn build(deps: Deps) -> Result<Module, config::Error> {
    let settings: SessionsSettings = deps.settings.section(NAME)?;
    settings.check()?;
    let issuers = deps.settings.oidc.iter().filter(|issuer| issuer.kind == IssuerKind::Customer);
    let oidc = Oidc::new(issuers, deps.clock.clone()).map_err(|error| config::Error::at("oidc", error.to_string()))?;
    let limits = match &deps.settings.redis_url {
        Some(url) => RateLimiter::redis(url.expose(), deps.clock.clone())
            .map_err(|error| config::Error::at("redis_url", error.to_string()))?,
        None => RateLimiter::memory(deps.clock.clone()),
    };
    let app = rpc::App(Arc::new(rpc::Inner { settings, oidc, limits, deps }));
    app.deps.lifecycle.spawn("sessions.sweep", sweep::run(app.deps.db.clone(), app.deps.lifecycle.token()));
    let ending = endings::run(app.deps.db.clone(), app.deps.sessions.clone(), app.deps.lifecycle.token());
    app.deps.lifecycle.spawn("sessions.endings", ending);
    let customers = Consumer { group: NAME, producer: "profiles", handler: Arc::new(events::Customers) };
    let routes = Routes::new(SessionServiceServer::new(app.clone()))
        .add_service(HandoffServiceServer::new(app.clone()))
        .add_service(ApiKeyServiceServer::new(app));
    Ok(Module { name: NAME, routes, consumers: vec![customers] })
}
