//! The bus within one process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Entry;

const PAGE: usize = 256;

type Streams = HashMap<String, VecDeque<(i64, Bytes)>>;

/// Streams in memory.
pub struct Memory {
    keep: usize,
    streams: Mutex<Streams>,
    published: Notify,
}

impl Memory {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep: keep.max(1), streams: Mutex::default(), published: Notify::new() }
    }

    pub(super) fn publish(&self, key: &str, entries: &[(i64, Bytes)]) {
        let mut streams = self.streams();
        let stream = streams.entry(key.to_owned()).or_default();
        for (position, body) in entries {
            if stream.back().is_none_or(|(last, _)| last < position) {
                stream.push_back((*position, body.clone()));
            }
        }
        stream.drain(..stream.len().saturating_sub(self.keep));
        drop(streams);
        self.published.notify_waiters();
    }

    pub(super) fn last(&self, keys: &[String]) -> Vec<i64> {
        let streams = self.streams();
        keys.iter().map(|key| streams.get(key).and_then(|stream| stream.back()).map_or(0, |(last, _)| *last)).collect()
    }

    pub(super) async fn read(&self, keys: &[(String, i64)], block: Duration) -> Vec<Entry> {
        let deadline = tokio::time::Instant::now() + block;
        loop {
            let mut published = std::pin::pin!(self.published.notified());
            // Listening before looking: what comes in between wakes.
            published.as_mut().enable();
            let found = self.after(keys);
            if !found.is_empty() || tokio::time::timeout_at(deadline, published).await.is_err() {
                return found;
            }
        }
    }

    fn after(&self, keys: &[(String, i64)]) -> Vec<Entry> {
        let streams = self.streams();
        let mut found = Vec::new();
        for (key, (name, after)) in keys.iter().enumerate() {
            let Some(stream) = streams.get(name) else { continue };
            let start = stream.partition_point(|(position, _)| position <= after);
            found.extend(stream.range(start..).take(PAGE).map(|(position, body)| Entry {
                key,
                position: *position,
                body: body.clone(),
            }));
        }
        found
    }

    /// Empties all streams, as a restart does.
    pub(super) fn clear(&self) {
        self.streams().clear();
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
