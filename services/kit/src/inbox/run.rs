//! Runs one consumer: one task for all its partitions, reading the bus, and the producer's log where the bus has a gap.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    BoxError, Consumer, LogSource,
    effect::{Effect, Effects},
    lag::Lag,
    share::Shares,
};
use crate::{
    bus::{Bus, Reader, stream_key},
    fault,
    outbox::PARTITIONS,
    store::{Db, lease::Terms},
};

/// How often an event is tried before its aggregate is parked.
pub const TRIES: u32 = 5;
/// How many events of a partition have their effects in one transaction at the most.
pub const BATCH: usize = 100;

const BLOCK: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);
// How long the checkpoint may stay behind events that were passed over: after a crash they are passed over again.
const NOTING: Duration = Duration::from_secs(1);

/// Runs a consumer until the token is cancelled. One task per consumer and process.
pub async fn run(consumer: Consumer, db: Db, bus: Bus, log: Arc<dyn LogSource>, token: CancellationToken) {
    let terms = Terms::of(&db);
    let mut reading = Reading::new(consumer, db, &bus, log, terms, token.clone());
    while !token.is_cancelled() {
        // The database's work is never cut in the middle: only waiting is.
        reading.renew_if_due().await;
        reading.read_logs().await;
        reading.note_if_due().await;
        reading.lag.observe_if_due().await;
        let entries = tokio::select! {
            () = token.cancelled() => break,
            entries = reading.wait() => entries,
        };
        reading.take_in(entries).await;
    }
    reading.note().await;
    reading.shares.leave().await;
}

/// What is known of a partition that this process holds.
#[derive(Debug)]
struct Held {
    token: i64,
    position: i64,
    // How far the checkpoint says that it is.
    noted: i64,
    // The bus has a gap, or had none of it yet: the log is read until it has nothing newer.
    behind: bool,
    // Nothing is tried before that.
    pause: Option<Instant>,
    // The position of an event that failed, and how often.
    failing: Option<(i64, u32)>,
    // Up to that position a batch failed: its events go one by one, so that each answers for itself.
    alone: i64,
}

impl Held {
    fn new(token: i64, position: i64) -> Self {
        Self { token, position, noted: position, behind: false, pause: None, failing: None, alone: 0 }
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause.is_some_and(|until| until > now)
    }

    fn failures(&self, position: i64) -> u32 {
        self.failing.filter(|(failing, _)| *failing == position).map_or(0, |(_, times)| times)
    }
}

struct Reading {
    consumer: Consumer,
    effects: Effects,
    shares: Shares,
    reader: Reader,
    log: Arc<dyn LogSource>,
    lag: Lag,
    terms: Terms,
    held: BTreeMap<u32, Held>,
    renewal: Instant,
    // When the checkpoints follow; `None` while they are where the partitions are.
    noting: Option<Instant>,
    stop: CancellationToken,
}

type Entries = BTreeMap<u32, Vec<Event>>;

impl Reading {
    fn new(
        consumer: Consumer,
        db: Db,
        bus: &Bus,
        log: Arc<dyn LogSource>,
        terms: Terms,
        stop: CancellationToken,
    ) -> Self {
        Self {
            effects: Effects { consumer: consumer.clone(), db: db.clone(), lasts: terms.lasts },
            lag: Lag::new(&consumer, db.clone(), bus.clone()),
            shares: Shares::new(&consumer, db, terms.lasts),
            consumer,
            reader: bus.reader(),
            log,
            terms,
            held: BTreeMap::new(),
            renewal: Instant::now(),
            noting: None,
            stop,
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
                    self.held.entry(partition).or_insert(Held::new(token, position));
                }
            }
            Err(error) => {
                tracing::warn!(group = self.consumer.group, producer = self.consumer.producer, cause = %error, "leases were not renewed");
                self.renewal = Instant::now() + OUTAGE_PAUSE;
            }
        }
    }

    async fn note_if_due(&mut self) {
        if self.noting.is_some_and(|due| due <= Instant::now()) {
            self.note().await;
        }
    }

    /// Lets the checkpoints follow to where only events that have no effect here were passed over.
    async fn note(&mut self) {
        self.noting = None;
        let behind = self.held.iter().filter(|(_, held)| held.noted < held.position);
        let reached: Vec<_> = behind.map(|(partition, held)| (*partition, held.token, held.position)).collect();
        if reached.is_empty() {
            return;
        }
        match self.effects.note(&reached).await {
            Ok(lost) => {
                self.held.values_mut().for_each(|held| held.noted = held.position);
                lost.into_iter().for_each(|partition| self.let_go(partition));
            }
            Err(error) => {
                tracing::debug!(group = self.consumer.group, producer = self.consumer.producer, cause = %error, "checkpoints can't follow");
                self.noting = Some(Instant::now() + OUTAGE_PAUSE);
            }
        }
    }

    fn let_go(&mut self, partition: u32) {
        self.held.remove(&partition);
        self.renewal = self.renewal.min(Instant::now() + OUTAGE_PAUSE);
    }

    /// Reads on from the producer's log wherever the bus has a gap, page by page until it has nothing newer.
    async fn read_logs(&mut self) {
        let now = Instant::now();
        let behind: Vec<u32> =
            self.held.iter().filter(|(_, held)| held.behind && !held.is_paused(now)).map(|(n, _)| *n).collect();
        for partition in behind {
            // One page at a time, so that leases are renewed and other partitions go on.
            self.renew_if_due().await;
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
                    self.take(partition, &events).await;
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
        let mut due = self.renewal.min(self.noting.unwrap_or(now + BLOCK)).min(now + BLOCK);
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
            return Ok(Entries::new());
        }
        let entries = self.reader.read(&keys, due.saturating_duration_since(now)).await?;
        let mut events = Entries::new();
        for entry in entries {
            // An entry that is no event leaves a gap, which is read from the log.
            if let (Some(partition), Ok(event)) = (partitions.get(entry.key), Event::decode(entry.body)) {
                events.entry(*partition).or_default().push(event);
            }
        }
        Ok(events)
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
        for (partition, mut events) in entries {
            self.renew_if_due().await;
            let Some(held) = self.held.get_mut(&partition) else { continue };
            if held.behind || held.is_paused(Instant::now()) {
                continue;
            }
            events.retain(|event| event.position > held.position);
            let dense =
                events.iter().zip(held.position + 1..).take_while(|(event, next)| event.position == *next).count();
            held.behind = dense < events.len();
            events.truncate(dense);
            self.take(partition, &events).await;
        }
    }

    /// Gives the events of a partition their effects, as far as it goes.
    async fn take(&mut self, partition: u32, mut events: &[Event]) {
        // What is left when the process stops is taken by whoever comes next.
        while let Some(first) = events.first().filter(|_| !self.stop.is_cancelled()) {
            let Some(held) = self.held.get_mut(&partition) else { return };
            let passed = events.iter().take_while(|event| !self.consumer.handler.heeds(event)).count();
            if let Some(last) = events.get(..passed).and_then(<[Event]>::last) {
                held.position = last.position;
                self.noting.get_or_insert(Instant::now() + NOTING);
                events = events.get(passed..).unwrap_or_default();
                continue;
            }
            let size = if first.position <= held.alone { 1 } else { events.len().min(BATCH) };
            let (batch, after) = events.split_at(size);
            fault::point(fault::CONSUMER_READ).await;
            let failures = held.failures(first.position);
            let last = size == 1 && failures + 1 >= TRIES;
            let effect = self.effects.of(held.token, batch, last).await;
            let pause = match effect {
                Effect::Done(done) => {
                    held.position =
                        batch.get(..done).and_then(<[Event]>::last).map_or(held.position, |event| event.position);
                    held.noted = held.position;
                    let reached = held.position;
                    held.failing = held.failing.filter(|(failing, _)| *failing > reached);
                    held.pause = None;
                    events = events.get(done..).unwrap_or(after);
                    continue;
                }
                Effect::LeaseLost => return self.let_go(partition),
                Effect::Failed(position) => {
                    let failures = held.failures(position);
                    held.failing = Some((position, failures + 1));
                    // What comes before it has not failed, and need not wait.
                    if position > first.position { Duration::ZERO } else { FIRST_PAUSE * 2u32.saturating_pow(failures) }
                }
                Effect::Contended => FIRST_PAUSE,
                Effect::Unavailable => OUTAGE_PAUSE,
            };
            held.alone = batch.last().map_or(held.alone, |event| event.position);
            if !pause.is_zero() {
                held.pause = Some(Instant::now() + pause);
                return;
            }
        }
    }
}

const _: () = assert!(PARTITIONS == 16, "migration 1 makes sixteen heads");
