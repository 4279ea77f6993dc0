//! Carries events from relays to consumers, in this process or over Redis Streams. It keeps nothing that the outbox does not.

mod memory;
mod redis_streams;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

/// A bus that can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver's error.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
}

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which of the keys that were asked for.
    pub key: usize,
    /// The entry's id: the event's position.
    pub position: i64,
    /// The encoded event.
    pub body: Bytes,
}

/// The bus. Raw operations only; everything else is written once above them. Cheap to clone.
#[derive(Clone)]
pub enum Bus {
    /// Within this process.
    Memory(Arc<memory::Memory>),
    /// Redis Streams.
    Redis(redis_streams::Redis),
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "Bus::Memory",
            Self::Redis(_) => "Bus::Redis",
        })
    }
}

impl Bus {
    /// A bus within this process. Streams keep about `keep` entries.
    #[must_use]
    pub fn memory(keep: usize) -> Self {
        Self::Memory(Arc::new(memory::Memory::new(keep)))
    }

    /// A bus over Redis. Streams keep about `keep` entries. Connects when first used, and again when the connection is lost.
    ///
    /// # Errors
    /// If the URL is not one of Redis.
    pub fn redis(url: &str, keep: usize) -> Result<Self, Error> {
        Ok(Self::Redis(redis_streams::Redis::new(url, keep)?))
    }

    /// Adds entries to a stream, in the order of their positions. Those that are not above its last position are refused
    /// silently: they were sent before.
    ///
    /// # Errors
    /// If the bus can't be reached; some entries may have been added.
    pub async fn publish(&self, key: &str, entries: &[(i64, Bytes)]) -> Result<(), Error> {
        match self {
            Self::Memory(memory) => memory.publish(key, entries),
            Self::Redis(redis) => redis.publish(key, entries).await?,
        }
        Ok(())
    }

    /// The last position in each stream; 0 where it has none.
    ///
    /// # Errors
    /// If the bus can't be reached.
    pub async fn last(&self, keys: &[String]) -> Result<Vec<i64>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.last(keys)),
            Self::Redis(redis) => redis.last(keys).await,
        }
    }

    /// Empties the in-process bus, as a restart of the process does; leaves Redis alone.
    pub fn clear(&self) {
        if let Self::Memory(memory) = self {
            memory.clear();
        }
    }

    /// A reader with a connection of its own: blocking reads would hold up everything on a shared one.
    #[must_use]
    pub fn reader(&self) -> Reader {
        match self {
            Self::Memory(memory) => Reader::Memory(Arc::clone(memory)),
            Self::Redis(redis) => Reader::Redis(Box::new(redis.reader())),
        }
    }
}

/// Reads streams.
pub enum Reader {
    /// Within this process.
    Memory(Arc<memory::Memory>),
    /// Redis Streams.
    Redis(Box<redis_streams::RedisReader>),
}

impl Reader {
    /// Entries of those streams after those positions; waits up to `block` for the first. At most some hundred per stream.
    ///
    /// # Errors
    /// If the bus can't be reached.
    pub async fn read(&mut self, keys: &[(String, i64)], block: Duration) -> Result<Vec<Entry>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.read(keys, block).await),
            Self::Redis(redis) => redis.read(keys, block).await,
        }
    }
}

/// The key of a service's stream: `omnimesh:{orders:07}`. The braces are the hash tag of Redis Cluster.
#[must_use]
pub fn stream_key(service: &str, partition: u32) -> String {
    format!("omnimesh:{{{service}:{partition:02}}}")
}
