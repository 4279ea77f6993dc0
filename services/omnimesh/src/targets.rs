//! The services and connectors that the binary holds. A new one is a row here and a dependency.

use std::path::PathBuf;

use omnimesh_connector_sdk::ConnectorDeps;
use omnimesh_kit::{
    config::{self, Flags, Sources},
    service::{Deps, Module},
    store::Migrations,
};
use tonic::service::Routes;

/// A service that the binary can run.
pub struct Target {
    /// Its name: `--target`, the schema, the producer of its events.
    pub name: &'static str,
    /// Its schema.
    pub migrations: &'static Migrations,
    /// How it is built.
    pub build: fn(Deps) -> Result<Module, config::Error>,
}

/// Every service with data of its own.
pub const SERVICES: [Target; 6] = [
    Target {
        name: omnimesh_sessions::NAME,
        migrations: &omnimesh_sessions::MIGRATIONS,
        build: omnimesh_sessions::build,
    },
    Target {
        name: omnimesh_profiles::NAME,
        migrations: &omnimesh_profiles::MIGRATIONS,
        build: omnimesh_profiles::build,
    },
    Target { name: omnimesh_catalog::NAME, migrations: &omnimesh_catalog::MIGRATIONS, build: omnimesh_catalog::build },
    Target { name: omnimesh_carts::NAME, migrations: &omnimesh_carts::MIGRATIONS, build: omnimesh_carts::build },
    Target { name: omnimesh_orders::NAME, migrations: &omnimesh_orders::MIGRATIONS, build: omnimesh_orders::build },
    Target {
        name: omnimesh_channels::NAME,
        migrations: &omnimesh_channels::MIGRATIONS,
        build: omnimesh_channels::build,
    },
];

/// A connector that the binary can run.
pub struct Connector {
    /// Its vendor's name: `--target`, and its section of the settings.
    pub name: &'static str,
    /// How it is built.
    pub build: fn(ConnectorDeps) -> Result<Routes, config::Error>,
}

/// Every connector. They hold no data.
pub const CONNECTORS: [Connector; 1] = [Connector { name: omnimesh_trendyol::NAME, build: omnimesh_trendyol::build }];

/// The gateway and the services.
#[must_use]
pub fn names() -> Vec<&'static str> {
    std::iter::once(omnimesh_gateway::NAME).chain(SERVICES.iter().map(|target| target.name)).collect()
}

/// Where a process of this binary has its settings from.
#[must_use]
pub fn sources(file: Option<PathBuf>, flags: Flags) -> Sources {
    Sources::of_process(file, flags, &names(), &CONNECTORS.map(|connector| connector.name))
}
