//! What a service is built from, and what it is once built.

use tonic::service::Routes;

use crate::{clock::Clock, lifecycle::Lifecycle, links::Links, secrets::Secrets};

/// What a service is given.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The time.
    pub clock: Clock,
    /// The installation's secrets.
    pub secrets: Secrets,
    /// The way to the other services, as this one.
    pub links: Links,
    /// Where its tasks live.
    pub lifecycle: Lifecycle,
}

/// A built service.
pub struct Module {
    /// Its name: the target, the schema, the producer of its events.
    pub name: &'static str,
    /// Its gRPC servers, without the event log, which the host adds.
    pub routes: Routes,
}
