//! Puts a process together: its services, the ways between them, the bus, and the sockets.

use std::{fs::DirBuilder, net::SocketAddr, os::unix::fs::DirBuilderExt as _, sync::Arc};

use anyhow::{Context as _, Result};
use omnimesh_connector_sdk::ConnectorDeps;
use omnimesh_gateway::Gateway;
use omnimesh_kit::{
    auth::TokenKey,
    bus::Bus,
    clock::Clock,
    config::Settings,
    inbox::{self, Consumer},
    lifecycle::Lifecycle,
    links::{self, Links},
    outbox::{self, EventLog},
    ratelimit::RateLimiter,
    secrets::Secrets,
    server::{Server, ServerSettings, Stack},
    service::{Deps, Module},
    session::LiveSessions,
    store::{Db, Migrations, StoreSettings},
    tail::Tail,
    tls::MutualTls,
};
use omnimesh_proto::events::v1::event_log_service_server::EventLogServiceServer;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::targets::{CONNECTORS, Connector, SERVICES, Target};

/// How much of the event streams the bus keeps; consumers that are further behind read the producers' logs.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BusSettings {
    /// Entries per stream.
    keep: usize,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { keep: 10_000 }
    }
}

/// A process of the mesh, running.
pub struct Mesh {
    /// Where the gateway listens, if it runs here.
    pub gateway: Option<SocketAddr>,
    /// Where the services listen for other processes, if there are any.
    pub internal: Option<SocketAddr>,
    /// The database of the sessions service, if it runs here: the first start makes keys in it.
    pub sessions: Option<Db>,
    /// The links of this process.
    pub links: Links,
}

impl Mesh {
    /// Starts the targets of the settings as tasks of the lifecycle, and is ready when it returns.
    ///
    /// # Errors
    /// If a store can't be reached, a setting is wrong, or an address is taken.
    pub async fn start(settings: Arc<Settings>, lifecycle: &Lifecycle) -> Result<Self> {
        let shared = Shared::new(settings, lifecycle)?;
        let settings = &shared.settings;
        // Sockets first: an address that is taken should be said before anything else happens.
        let gateway = match settings.runs(omnimesh_gateway::NAME) {
            true => Some(listen(settings.listen, "--listen").await?),
            false => None,
        };
        let internal = match settings.runs_all() {
            true => None,
            false => Some(listen(settings.internal_listen, "--internal-listen").await?),
        };

        let (mut stacks, mut sessions) = (Vec::new(), None);
        for target in SERVICES.iter().filter(|target| settings.runs(target.name)) {
            let (stack, db) = shared.start(target).await.with_context(|| format!("{} can't start", target.name))?;
            if target.name == omnimesh_sessions::NAME {
                sessions = Some(db);
            }
            stacks.push(stack);
        }
        for connector in CONNECTORS.iter().filter(|connector| settings.runs(connector.name)) {
            stacks.push(shared.connect(connector).with_context(|| format!("{} can't start", connector.name))?);
        }

        let mut mesh = Self { gateway: None, internal: None, sessions, links: shared.links.clone() };
        if let Some(listener) = internal {
            mesh.internal = Some(listener.local_addr()?);
            shared.server.serve(listener, stacks);
        }
        if let Some(listener) = gateway {
            mesh.gateway = Some(listener.local_addr()?);
            shared.gateway()?.serve(listener);
        }
        lifecycle.set_ready();
        Ok(mesh)
    }
}

/// Brings every database up to date.
///
/// # Errors
/// If one can't be reached or a migration fails.
pub async fn migrate(settings: &Settings) -> Result<()> {
    for target in &SERVICES {
        open(settings, target.migrations).await?.close().await;
    }
    Ok(())
}

/// Opens a service's database, up to date.
///
/// # Errors
/// If it can't be reached or a migration fails.
pub async fn open(settings: &Settings, migrations: &Migrations) -> Result<Db> {
    let db = Db::open(&store_settings(settings)?, migrations, Clock::System).await;
    db.with_context(|| format!("the database of {} can't be opened", migrations.service))
}

/// What a service hears, and its database, without running it.
///
/// # Errors
/// As [`Mesh::start`].
pub async fn consumers(settings: Settings, target: &Target, lifecycle: &Lifecycle) -> Result<(Db, Vec<Consumer>)> {
    let shared = Shared::new(Arc::new(settings), lifecycle)?;
    let (module, db, _) = shared.build(target).await?;
    Ok((db, module.consumers))
}

/// What all targets of a process share.
struct Shared {
    settings: Arc<Settings>,
    clock: Clock,
    secrets: Secrets,
    store: StoreSettings,
    bus: Bus,
    sessions: LiveSessions,
    links: Links,
    server: Server,
    lifecycle: Lifecycle,
}

impl Shared {
    fn new(settings: Arc<Settings>, lifecycle: &Lifecycle) -> Result<Self> {
        let clock = Clock::System;
        // The stores in it hold personal data: nobody else looks in.
        let folder = &settings.data_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("can't create {}", folder.display()))?;
        let secrets = settings.secrets()?;
        let keep = settings.section::<BusSettings>("bus")?.keep;
        let bus = match &settings.redis_url {
            Some(url) => Bus::redis(url.expose(), keep)?,
            None => Bus::memory(keep),
        };
        let sessions = LiveSessions::open(&settings, clock.clone())?;
        let keys = TokenKey::new(&secrets, clock.clone());
        let tls = settings.internal_tls.as_ref().map(MutualTls::load).transpose()?;
        let server = Server::new(settings.section::<ServerSettings>("server")?, keys.clone(), lifecycle.clone())
            .with_tls(tls.clone());
        let links = Links::new(keys, links::addresses(&settings)?, lifecycle.clone()).with_tls(tls);
        let store = store_settings(&settings)?;
        Ok(Self { settings, clock, secrets, store, bus, sessions, links, server, lifecycle: lifecycle.clone() })
    }

    /// Builds one service on its database.
    async fn build(&self, target: &Target) -> Result<(Module, Db, Tail)> {
        let db = Db::open(&self.store, target.migrations, self.clock.clone()).await?;
        let tail = Tail::new(db.clone());
        let module = (target.build)(Deps {
            settings: Arc::clone(&self.settings),
            clock: self.clock.clone(),
            secrets: self.secrets.clone(),
            db: db.clone(),
            sessions: self.sessions.clone(),
            links: self.links.of(target.name),
            tail: tail.clone(),
            lifecycle: self.lifecycle.clone(),
        })?;
        Ok((module, db, tail))
    }

    /// Starts one service: its RPCs, the relay of its events and what it hears.
    async fn start(&self, target: &Target) -> Result<(Stack, Db)> {
        let (module, db, tail) = self.build(target).await?;
        let log = EventLogServiceServer::new(EventLog::new(db.clone()));
        let stack = self.server.stack(target.name, module.routes.add_service(log));
        self.links.register_local(stack.clone());

        let token = self.lifecycle.token();
        self.lifecycle.spawn("checkpoint", db.clone().checkpoint(token.clone()));
        self.lifecycle.spawn("relay", outbox::relay(db.clone(), self.bus.clone(), token.clone()));
        self.lifecycle.spawn("tail", tail.run(self.bus.clone(), token.clone()));
        for consumer in module.consumers {
            let log = Arc::new(self.links.of(target.name));
            let run = inbox::run(consumer, db.clone(), self.bus.clone(), log, token.clone());
            self.lifecycle.spawn("consumer", run);
        }
        Ok((stack, db))
    }

    /// Starts one connector: its RPCs, and nothing else.
    fn connect(&self, connector: &Connector) -> Result<Stack> {
        let routes = (connector.build)(ConnectorDeps {
            settings: Arc::clone(&self.settings),
            clock: self.clock.clone(),
            lifecycle: self.lifecycle.clone(),
            links: self.links.of(connector.name),
        })?;
        let stack = self.server.stack(connector.name, routes);
        self.links.register_local(stack.clone());
        Ok(stack)
    }

    fn gateway(&self) -> Result<Gateway> {
        Ok(Gateway::new(omnimesh_gateway::Deps {
            settings: Arc::clone(&self.settings),
            clock: self.clock.clone(),
            secrets: self.secrets.clone(),
            links: self.links.clone(),
            sessions: self.sessions.clone(),
            rate_limiter: RateLimiter::open(&self.settings, self.clock.clone())?,
            room: self.server.room(),
            lifecycle: self.lifecycle.clone(),
        })?)
    }
}

fn store_settings(settings: &Settings) -> Result<StoreSettings> {
    Ok(StoreSettings {
        database_url: settings.database_url.as_ref().map(|url| url.expose().clone()),
        data_dir: settings.data_dir.clone(),
        ..settings.section("store")?
    })
}

async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}: is it taken? {flag} names another address"))
}

#[cfg(test)]
mod tests;
