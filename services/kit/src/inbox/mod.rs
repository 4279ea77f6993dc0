//! The other end of the log: each event of a producer has its effect once, in order per aggregate.

mod effect;
mod lag;
mod run;
mod share;
pub mod sql;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use omnimesh_proto::events::v1::Event;
use prost::Name;

pub use effect::{Parked, parked, replay};
pub use run::{BATCH, TRIES, run};

use crate::store::Tx;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a service does with the events of one producer.
#[derive(Clone)]
pub struct Consumer {
    /// The name under which progress is kept: the consuming service, or it and a purpose.
    pub group: &'static str,
    /// The service whose events they are.
    pub producer: &'static str,
    /// What to do with each.
    pub handler: Arc<dyn EventHandler>,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("group", &self.group).field("producer", &self.producer).finish()
    }
}

/// Gives an event its effect.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Whether an event can have an effect here. Those that cannot are passed over without a transaction: most events of a busy
    /// producer are news to few of its consumers.
    fn heeds(&self, _event: &Event) -> bool {
        true
    }

    /// Effects go through `tx` only: it commits with the group's progress, so each event has its effect once. No RPC in here; work
    /// that needs one becomes a row that a lifecycle task drives. Events of other types than the service knows are `Ok`.
    /// Several events share a transaction while they come in fast, so that an event is tried again also because of another.
    ///
    /// # Errors
    /// The event is tried again, five times in all, then its aggregate is parked until it is replayed.
    async fn handle(&self, tx: &mut Tx, event: &Event) -> Result<(), BoxError>;
}

/// Whether an event is of that type.
#[must_use]
pub fn is<T: Name>(event: &Event) -> bool {
    // Its full name, in parts: nothing is allocated.
    event.r#type.strip_prefix(T::PACKAGE).and_then(|rest| rest.strip_prefix('.')) == Some(T::NAME)
}

/// Reads the log of a producer, wherever it runs: over a link, or from its database in tests and tools.
#[async_trait]
pub trait LogSource: Send + Sync {
    /// Events of a partition after a position, oldest first; empty if there is nothing newer.
    ///
    /// # Errors
    /// If the producer can't be reached; asked again later.
    async fn events_since(&self, producer: &str, partition: u32, position: i64) -> Result<Vec<Event>, BoxError>;
}
