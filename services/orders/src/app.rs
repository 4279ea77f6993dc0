//! What every use case is given.

use std::sync::Arc;

use omnimesh_kit::{call::Call, clock::Timestamp, links::BoundLink, service::Deps};
use tokio::sync::Notify;

use crate::settings::OrdersSettings;

/// The service's parts. One per process.
pub(crate) struct App {
    pub(crate) deps: Deps,
    pub(crate) settings: OrdersSettings,
    /// Wakes the driver of tasks.
    pub(crate) wake: Notify,
}

impl App {
    pub(crate) fn new(deps: Deps, settings: OrdersSettings) -> Arc<Self> {
        Arc::new(Self { deps, settings, wake: Notify::new() })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// A link for calls that repeat safely: all calls of this service are idempotent by the order's id.
    pub(crate) fn link(&self, target: &str, call: &Call) -> BoundLink {
        self.deps.links.to(target, call).idempotent()
    }
}
