//! Runs one consumer: one task for all its partitions, reading the bus, and the producer's log where the bus has a gap.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    BoxError, Consumer, LogSource,
    effect::{Effect, Effects},
    share::Shares,
};
use crate::{
    bus::{Bus, Reader, stream_key},
    outbox::PARTITIONS,
    store::{Db, lease::Terms},
};

/// How often an event is tried before its aggregate is parked.
pub const TRIES: u32 = 5;

const BLOCK: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Runs a consumer until the token is cancelled. One task per consumer and process.
pub async fn run(consumer: Consumer, db: Db, bus: Bus, log: Arc<dyn LogSource>, token: CancellationToken) {
    let terms = Terms::of(&db);
    let mut reading = Reading::new(consumer, db, &bus, log, terms);
    while !token.is_cancelled() {
        // The database's work is never cut in the middle: only waiting is.
        reading.renew_if_due().await;
        reading.read_logs().await;
        let entries = tokio::select! {
            () = token.cancelled() => break,
            entries = reading.wait() => entries,
        };
        reading.take_in(entries).await;
    }
    reading.shares.leave().await;
}

/// What is known of a partition that this process holds.
#[derive(Debug)]
struct Held {
    token: i64,
    position: i64,
    // The bus has a gap, or had none of it yet: the log is read until it has nothing newer.
    behind: bool,
    // Nothing is tried before that.
    pause: Option<Instant>,
    failures: u32,
}

impl Held {
    fn is_paused(&self, now: Instant) -> bool {
        self.pause.is_some_and(|until| until > now)
    }
}

struct Reading {
    consumer: Consumer,
    effects: Effects,
    shares: Shares,
    reader: Reader,
    log: Arc<dyn LogSource>,
    terms: Terms,
    held: BTreeMap<u32, Held>,
    renewal: Instant,
}

type Entries = Vec<(u32, Event)>;

impl Reading {
    fn new(consumer: Consumer, db: Db, bus: &Bus, log: Arc<dyn LogSource>, terms: Terms) -> Self {
        Self {
            effects: Effects { consumer: consumer.clone(), db: db.clone(), lasts: terms.lasts },
            shares: Shares::new(&consumer, db, terms.lasts),
            consumer,
            reader: bus.reader(),
            log,
            terms,
            held: BTreeMap::new(),
            renewal: Instant::now(),
        }
    }

    async fn renew_if_due(&mut self) {
        if Instant::now() < self.renewal {
            return;
        }
        match self.shares.renew().await {
            Ok(shares) => {
                self.renewal = Instant::now() + self.terms.renewal.min(self.shares.next());
                self.held
                    .retain(|partition, held| shares.get(partition).is_some_and(|(token, _)| *token == held.token));
                for (partition, (token, position)) in shares {
                    self.held.entry(partition).or_insert(Held {
                        token,
                        position,
                        behind: false,
                        pause: None,
                        failures: 0,
                    });
                }
            }
            Err(error) => {
                tracing::warn!(group = self.consumer.group, producer = self.consumer.producer, cause = %error, "leases were not renewed");
                self.renewal = Instant::now() + OUTAGE_PAUSE;
            }
        }
    }

    /// Reads on from the producer's log wherever the bus has a gap, page by page until it has nothing newer.
    async fn read_logs(&mut self) {
        let now = Instant::now();
        let behind: Vec<u32> =
            self.held.iter().filter(|(_, held)| held.behind && !held.is_paused(now)).map(|(n, _)| *n).collect();
        for partition in behind {
            // One page at a time, so that leases are renewed and other partitions go on.
            let Some(held) = self.held.get_mut(&partition) else { continue };
            match self.log.events_since(self.consumer.producer, partition, held.position).await {
                Ok(events) if events.is_empty() => held.behind = false,
                Ok(events) => {
                    let first = events.first().map_or(0, |event| event.position);
                    if held.position > 0 && first > held.position + 1 {
                        let (group, producer, missing) =
                            (self.consumer.group, self.consumer.producer, held.position + 1);
                        tracing::error!(
                            group,
                            producer,
                            partition,
                            missing,
                            first,
                            "events are no longer kept: effects are missing"
                        );
                    }
                    for event in events {
                        if !self.take(partition, event).await {
                            break;
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(group = self.consumer.group, producer = self.consumer.producer, cause = %error, "the log can't be read");
                    held.pause = Some(Instant::now() + OUTAGE_PAUSE);
                }
            }
        }
    }

    /// Waits for the bus, at most until something else is due.
    async fn wait(&mut self) -> Result<Entries, BoxError> {
        let now = Instant::now();
        let mut due = self.renewal.min(now + BLOCK);
        let mut keys = Vec::new();
        let mut partitions = Vec::new();
        for (partition, held) in &self.held {
            match held.pause {
                Some(until) if until > now => due = due.min(until),
                _ if held.behind => due = now,
                _ => {
                    keys.push((stream_key(self.consumer.producer, *partition), held.position));
                    partitions.push(*partition);
                }
            }
        }
        if keys.is_empty() {
            tokio::time::sleep_until(due).await;
            return Ok(Vec::new());
        }
        let entries = self.reader.read(&keys, due.saturating_duration_since(now)).await?;
        let events = entries.into_iter().filter_map(|entry| {
            let partition = partitions.get(entry.key).copied()?;
            // An entry that is no event leaves a gap, which is read from the log.
            Some((partition, Event::decode(entry.body).ok()?))
        });
        Ok(events.collect())
    }

    async fn take_in(&mut self, entries: Result<Entries, BoxError>) {
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let (group, producer) = (self.consumer.group, self.consumer.producer);
                tracing::debug!(group, producer, cause = %error, "the bus can't be read: going on from the log");
                self.held.values_mut().for_each(|held| held.behind = true);
                // The log is asked once per pause, not as fast as the bus fails.
                tokio::time::sleep(OUTAGE_PAUSE).await;
                return;
            }
        };
        for (partition, event) in entries {
            let Some(held) = self.held.get_mut(&partition) else { continue };
            if held.behind || held.is_paused(Instant::now()) || event.position <= held.position {
                continue;
            }
            if event.position > held.position + 1 {
                held.behind = true;
            } else {
                self.take(partition, event).await;
            }
        }
    }

    /// Gives one event its effect; says whether the partition's next may follow.
    async fn take(&mut self, partition: u32, event: Event) -> bool {
        let Some(held) = self.held.get_mut(&partition) else { return false };
        let span = self.effects.span(&event);
        let effect = self.effects.of(held.token, &event, held.failures + 1 >= TRIES).instrument(span).await;
        let pause = match effect {
            Effect::Done => {
                held.position = event.position;
                held.failures = 0;
                held.pause = None;
                return true;
            }
            Effect::LeaseLost => {
                self.held.remove(&partition);
                self.renewal = self.renewal.min(Instant::now() + OUTAGE_PAUSE);
                return false;
            }
            Effect::Failed => {
                held.failures += 1;
                FIRST_PAUSE * 2u32.saturating_pow(held.failures - 1)
            }
            Effect::Contended => FIRST_PAUSE,
            Effect::Unavailable => OUTAGE_PAUSE,
        };
        held.pause = Some(Instant::now() + pause);
        false
    }
}

const _: () = assert!(PARTITIONS == 16, "migration 1 makes sixteen heads");
