//! Watching one's own stream: what a service streams to its clients as it happens, resumable from positions.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::Stream;
use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::{Bus, stream_key},
    outbox,
    store::{Db, Error},
};

const BUFFER: usize = 1024;
const PAGE: i64 = 200;

/// The service's own events, live. Cheap to clone.
#[derive(Clone)]
pub struct Tail {
    db: Db,
    sender: broadcast::Sender<Arc<Event>>,
    // The last position that was sent, by partition; changed together with sending.
    sent: Arc<Mutex<BTreeMap<u32, i64>>>,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("service", &self.db.service()).finish()
    }
}

impl Tail {
    /// The tail of the service's own log. It is live while [`Tail::run`] runs.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, sender: broadcast::Sender::new(BUFFER), sent: Arc::default() }
    }

    /// The last position of each partition. Take them before reading the state that the stream goes on from.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<BTreeMap<u32, i64>, Error> {
        let mut conn = self.db.read().await?;
        outbox::heads(&mut conn).await
    }

    /// Events from now on, of all partitions; in order per partition, none left out. The stream ends when the database fails.
    pub fn subscribe(&self) -> impl Stream<Item = Arc<Event>> + Send + use<> {
        self.follow(None)
    }

    /// Events after those positions: from the log first, then live, without a gap. Partitions that are not named start at the
    /// first event that is kept. The stream ends when the database fails.
    pub fn resume(&self, positions: BTreeMap<u32, i64>) -> impl Stream<Item = Arc<Event>> + Send + use<> {
        self.follow(Some(positions))
    }

    fn follow(&self, positions: Option<BTreeMap<u32, i64>>) -> impl Stream<Item = Arc<Event>> + Send + use<> {
        // Subscribed at once, and to what comes after the positions: nothing that happens from here on is missed.
        let sent = self.sent();
        let live = self.sender.subscribe();
        let positions = positions.or_else(|| (!sent.is_empty()).then(|| sent.clone()));
        drop(sent);
        let state = Follower {
            tail: self.clone(),
            live,
            positions: BTreeMap::new(),
            start: Some(positions),
            ready: VecDeque::new(),
            behind: Vec::new(),
        };
        futures::stream::unfold(state, |mut state| async move {
            match state.next().await {
                Ok(event) => event.map(|event| (event, state)),
                Err(error) => {
                    tracing::warn!(service = state.tail.db.service(), cause = %error, "a watch ended: its log can't be read");
                    None
                }
            }
        })
    }

    fn sent(&self) -> MutexGuard<'_, BTreeMap<u32, i64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds the watchers from the bus until the token is cancelled. One task per service and process.
    pub async fn run(self, bus: Bus, token: CancellationToken) {
        let mut reader = bus.reader();
        let mut keys: Vec<(String, i64)> = Vec::new();
        loop {
            let step = async {
                if keys.is_empty() {
                    let heads = self.positions().await?;
                    self.sent().clone_from(&heads);
                    keys = heads.into_iter().map(|(n, head)| (stream_key(self.db.service(), n), head)).collect();
                }
                let entries = reader.read(&keys, Duration::from_secs(5)).await?;
                for entry in entries {
                    if let Some((_, after)) = keys.get_mut(entry.key) {
                        *after = entry.position;
                    }
                    if let Ok(event) = Event::decode(entry.body) {
                        let mut sent = self.sent();
                        sent.insert(event.partition, event.position);
                        // No receiver is no error: nobody watches.
                        drop(self.sender.send(Arc::new(event)));
                    }
                }
                Ok::<_, crate::inbox::BoxError>(())
            };
            tokio::select! {
                () = token.cancelled() => return,
                done = step => if let Err(error) = done {
                    tracing::debug!(service = self.db.service(), cause = %error, "the tail waits for the bus");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

struct Follower {
    tail: Tail,
    live: broadcast::Receiver<Arc<Event>>,
    positions: BTreeMap<u32, i64>,
    start: Option<Option<BTreeMap<u32, i64>>>,
    ready: VecDeque<Arc<Event>>,
    // Partitions to read from the log until it has nothing newer.
    behind: Vec<u32>,
}

impl Follower {
    async fn next(&mut self) -> Result<Option<Arc<Event>>, Error> {
        match self.start.take() {
            Some(Some(positions)) => {
                self.positions = positions;
                self.behind = (0..outbox::PARTITIONS).collect();
            }
            Some(None) => self.positions = self.tail.positions().await?,
            None => {}
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.positions.insert(event.partition, event.position);
                return Ok(Some(event));
            }
            if let Some(partition) = self.behind.last().copied() {
                let after = self.positions.get(&partition).copied().unwrap_or(0);
                let mut conn = self.tail.db.read().await?;
                let page = outbox::since(&mut conn, self.tail.db.service(), partition, after, PAGE).await?;
                if page.is_empty() {
                    self.behind.pop();
                }
                self.ready.extend(page.into_iter().map(Arc::new));
                continue;
            }
            match self.live.recv().await {
                Ok(event) => {
                    let last = self.positions.get(&event.partition).copied().unwrap_or(0);
                    if event.position == last + 1 {
                        self.ready.push_back(event);
                    } else if event.position > last {
                        self.behind.push(event.partition);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = (0..outbox::PARTITIONS).collect(),
                Err(broadcast::error::RecvError::Closed) => return Ok(None),
            }
        }
    }
}
