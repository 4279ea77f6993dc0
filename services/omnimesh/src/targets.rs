//! The services that the binary holds. A new one is a row here and a dependency.

use omnimesh_kit::{
    config,
    service::{Deps, Module},
    store::Migrations,
};

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
pub const SERVICES: [Target; 5] = [
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
];

/// The names that `--target` accepts: the gateway and the services.
#[must_use]
pub fn names() -> Vec<&'static str> {
    std::iter::once(omnimesh_gateway::NAME).chain(SERVICES.iter().map(|target| target.name)).collect()
}
