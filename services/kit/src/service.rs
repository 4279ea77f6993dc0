//! What a service is built from, and what it is once built.

use std::{fmt, sync::Arc};

use tonic::service::Routes;

use crate::{
    clock::Clock, config::Settings, inbox::Consumer, lifecycle::Lifecycle, links::Links, secrets::Secrets,
    session::LiveSessions, store::Db, tail::Tail,
};

/// What a service is given.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The settings; a service reads its own section.
    pub settings: Arc<Settings>,
    /// The time.
    pub clock: Clock,
    /// The installation's secrets.
    pub secrets: Secrets,
    /// The service's own database.
    pub db: Db,
    /// The live sessions that every service shares.
    pub sessions: LiveSessions,
    /// The way to the other services, as this one.
    pub links: Links,
    /// The service's own events, live.
    pub tail: Tail,
    /// Where its tasks live.
    pub lifecycle: Lifecycle,
}

/// A built service.
pub struct Module {
    /// Its name: the target, the schema, the producer of its events.
    pub name: &'static str,
    /// Its gRPC servers, without the event log, which the host adds.
    pub routes: Routes,
    /// What it hears.
    pub consumers: Vec<Consumer>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("name", &self.name).finish_non_exhaustive()
    }
}
