//! What the gateway is made of.

use std::{fmt, sync::Arc};

use ipnet::IpNet;
use omnimesh_kit::{
    clock::Clock, config::Settings, lifecycle::Lifecycle, links::Links, ratelimit::RateLimiter, secrets::Secrets,
    server::Room, session::LiveSessions,
};
use tokio::sync::Semaphore;

use crate::{
    authenticate::Authenticator, cors::Cors, health::Health, limits::Limits, reflection::Reflection, serve::TlsError,
    settings::GatewaySettings,
};

/// What the gateway is given.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The mesh's settings.
    pub settings: Arc<Settings>,
    /// The time.
    pub clock: Clock,
    /// The process's links; the gateway takes its own from them.
    pub links: Links,
    /// The mesh's secrets.
    pub secrets: Secrets,
    /// The live sessions that all services share.
    pub sessions: LiveSessions,
    /// Counts calls, where all gateways count.
    pub rate_limiter: RateLimiter,
    /// The process's room for calls.
    pub room: Room,
    /// Where its tasks live.
    pub lifecycle: Lifecycle,
}

/// Why a gateway can't be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] omnimesh_kit::config::Error),
    /// A value of the gateway's own section.
    #[error("{0}: {1}")]
    Value(&'static str, &'static str),
    /// An issuer of staff tokens.
    #[error(transparent)]
    Oidc(#[from] omnimesh_kit::auth::oidc::OidcError),
    /// Reflection of the contract.
    #[error("the contract can't be reflected: {0}")]
    Reflection(String),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The edge of the mesh. Clones share it.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    pub(crate) settings: GatewaySettings,
    pub(crate) message_bytes: usize,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) links: Links,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) authenticator: Authenticator,
    pub(crate) limits: Limits,
    pub(crate) cors: Cors,
    pub(crate) reflection: Reflection,
    pub(crate) health: Health,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(crate) room: Room,
    pub(crate) calls: Semaphore,
    pub(crate) connections: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway of these settings.
    ///
    /// # Errors
    /// If a setting is wrong, a certificate can't be read, or an issuer can't be used.
    pub fn new(deps: Deps) -> Result<Self, Error> {
        let settings = deps.settings.section(crate::NAME)?;
        Self::with_settings(deps, settings)
    }

    /// A gateway whose own section is given: see [`Self::new`].
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_settings(deps: Deps, settings: GatewaySettings) -> Result<Self, Error> {
        let Deps { settings: mesh, clock, links, secrets, sessions, rate_limiter, room, lifecycle } = deps;
        if let Some((key, problem)) = settings.problems().first() {
            return Err(Error::Value(key, problem));
        }
        let links = links.of(crate::NAME);
        let shared = Shared {
            authenticator: Authenticator::new(&mesh.oidc, &settings, clock, links.clone(), sessions)?,
            limits: Limits::new(&mesh.limits, rate_limiter, secrets),
            cors: Cors::new(&mesh.cors.allowed_origins, mesh.is_development()),
            reflection: Reflection::new()?,
            health: Health::new(links.clone(), lifecycle.clone()),
            tls: mesh.tls.as_ref().map(crate::serve::acceptor).transpose()?,
            room,
            calls: Semaphore::new(settings.max_concurrent_calls.min(Semaphore::MAX_PERMITS)),
            connections: Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS))),
            message_bytes: mesh.limits.message_bytes,
            trusted_proxies: mesh.trusted_proxies.clone(),
            settings,
            links,
            lifecycle,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}
