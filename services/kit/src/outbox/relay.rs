//! Gives committed events their places and sends them on, in that order. One relay of a service works at a time, by lease.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{PARTITIONS, event_of, heads, since, sql, waiting::Waiting};
use crate::{
    args,
    bus::{Bus, stream_key},
    fault, idempotency,
    store::{
        Db, Error,
        lease::{Lease, Terms},
    },
};

/// How long events are kept.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

const LEASE: &str = "relay";
const BATCH: i64 = 500;
// After a batch, so that under load one commit of the relay, and one of each consumer, does for the events of several calls.
// The first event after a quiet moment does not wait.
const GATHER: Duration = Duration::from_millis(10);
// Between looks whether the bus still has what it was sent.
const CHECK: Duration = Duration::from_secs(5);
const PRUNE: Duration = Duration::from_secs(3600);

/// Runs the relay of a service until the token is cancelled. One task per service and process; idle, it asks one question at
/// a time of an empty index. It also forgets old events and replies.
pub async fn relay(db: Db, bus: Bus, token: CancellationToken) {
    let terms = Terms::of(&db);
    let mut waiting = Waiting::new(db.clone(), bus.clone());
    let mut relay = Relay::new(db, bus, terms);
    let mut pruned: Option<Instant> = None;
    while !token.is_cancelled() {
        waiting.observe_if_due().await;
        if let Err(error) = relay.db.purge_if_due().await {
            tracing::debug!(cause = %error, "old pages are not purged yet");
        }
        let pause = match relay.step().await {
            Ok(Step::Worked) => {
                token.run_until_cancelled(tokio::time::sleep(GATHER)).await;
                continue;
            }
            Ok(Step::Idle) => terms.poll,
            Ok(Step::Waiting) => terms.renewal.min(Duration::from_secs(3)),
            Err(error) => {
                tracing::warn!(service = relay.db.service(), cause = %error, "the relay could not reach its database");
                Duration::from_secs(1)
            }
        };
        if relay.lease.is_some() && pruned.is_none_or(|at| at.elapsed() > PRUNE) {
            pruned = Some(Instant::now());
            if let Err(error) = prune(&relay.db).await {
                tracing::warn!(service = relay.db.service(), cause = %error, "old events were not forgotten");
            }
        }
        tokio::select! {
            () = token.cancelled() => break,
            // Whoever does not hold the lease leaves its row in peace.
            () = relay.db.appended().notified(), if relay.lease.is_some() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Some(lease) = relay.lease.take()
        && let Err(error) = lease.release(&relay.db).await
    {
        tracing::debug!(service = relay.db.service(), cause = %error, "the relay's lease was not given back: it runs out");
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It gave places: there may be more to do.
    Worked,
    /// There was nothing to do.
    Idle,
    /// Another relay holds the lease.
    Waiting,
}

/// One relay. [`relay`] drives it; tests step it by hand.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    bus: Bus,
    terms: Terms,
    holder: Uuid,
    lease: Option<Lease>,
    renewed: Instant,
    // When the bus is to be compared with the log; at once after a failure to send.
    check: Instant,
    started: bool,
}

impl Relay {
    /// A relay that holds nothing yet.
    #[must_use]
    pub fn new(db: Db, bus: Bus, terms: Terms) -> Self {
        let now = Instant::now();
        Self { db, bus, terms, holder: Uuid::new_v4(), lease: None, renewed: now, check: now, started: false }
    }

    /// Takes the lease if need be, gives places to one batch of events and sends them.
    ///
    /// # Errors
    /// Whatever the database says. A bus that can't be reached is no error: what was not sent is sent later.
    pub async fn step(&mut self) -> Result<Step, Error> {
        if self.lease.is_none() {
            // An SQLite file belongs to this process: who holds the lease is its own past.
            let seize = self.db.is_sqlite() && !std::mem::replace(&mut self.started, true);
            self.lease = Lease::take(&self.db, LEASE, self.holder, self.terms.lasts, seize).await?;
            self.renewed = Instant::now();
            self.check = Instant::now();
            if self.lease.is_some() {
                fault::point(fault::RELAY_TAKEN).await;
            }
        }
        let Some(lease) = self.lease.clone() else { return Ok(Step::Waiting) };
        match self.work(&lease).await {
            Err(Error::LeaseLost) => {
                tracing::info!(service = self.db.service(), "another relay took over");
                self.lease = None;
                Ok(Step::Waiting)
            }
            done => done,
        }
    }

    async fn work(&mut self, lease: &Lease) -> Result<Step, Error> {
        if Instant::now() >= self.check {
            self.check = Instant::now() + CHECK;
            self.refill().await?;
        }
        let waiting = self.db.read().await?.fetch_optional(sql::WAITING, args![]).await?;
        if waiting.is_none() {
            if self.renewed.elapsed() >= self.terms.renewal {
                lease.renew(&self.db).await?;
                self.renewed = Instant::now();
            }
            return Ok(Step::Idle);
        }
        let events = self.assign(lease).await?;
        fault::point(fault::RELAY_ASSIGNED).await;
        self.renewed = Instant::now();
        for (partition, events) in by_partition(events) {
            self.send(partition, &events).await;
            fault::point(fault::RELAY_SENT).await;
        }
        Ok(Step::Worked)
    }

    /// Gives places to a batch of committed events. Their rows are found by having none, so that a late commit is never
    /// skipped; the lease's row is locked first, so that no other relay gives the same places.
    async fn assign(&self, lease: &Lease) -> Result<Vec<Event>, Error> {
        let mut tx = self.db.begin().await?;
        lease.hold(&mut tx).await?;
        let rows = tx.fetch_all(sql::ASSIGN, args![BATCH]).await?;
        let producer = self.db.service();
        let mut events = rows.iter().map(|row| event_of(producer, row)).collect::<Result<Vec<_>, _>>()?;
        events.sort_by_key(|event| (event.partition, event.position));
        let heads: BTreeMap<u32, i64> = events.iter().map(|event| (event.partition, event.position)).collect();
        for (partition, head) in heads {
            tx.execute(sql::ADVANCE_HEAD, args![partition, head]).await?;
        }
        tx.commit().await?;
        Ok(events)
    }

    async fn send(&mut self, partition: u32, events: &[Event]) {
        let key = stream_key(self.db.service(), partition);
        let entries: Vec<(i64, Bytes)> =
            events.iter().map(|event| (event.position, event.encode_to_vec().into())).collect();
        if let Err(error) = self.bus.publish(&key, &entries).await {
            self.bus_failed(&error);
        }
    }

    /// Sends what the bus lacks: what was given its place but not sent, and after a loss of the bus the last event of each
    /// partition, from which consumers see the gap and read the log.
    async fn refill(&mut self) -> Result<(), Error> {
        let producer = self.db.service().to_owned();
        let keys: Vec<String> = (0..PARTITIONS).map(|partition| stream_key(&producer, partition)).collect();
        let sent = match self.bus.last(&keys).await {
            Ok(sent) => sent,
            Err(error) => {
                self.bus_failed(&error);
                return Ok(());
            }
        };
        let mut conn = self.db.read().await?;
        let heads = heads(&mut conn).await?;
        for ((partition, head), sent) in heads.into_iter().zip(sent) {
            let mut after = if sent == 0 { head - 1 } else { sent };
            while after < head {
                let events = since(&mut conn, &producer, partition, after, BATCH).await?;
                // Pruned: too old for anyone to miss it now.
                let Some(last) = events.last() else { break };
                after = last.position;
                self.send(partition, &events).await;
            }
        }
        Ok(())
    }

    fn bus_failed(&mut self, error: &crate::bus::Error) {
        tracing::warn!(service = self.db.service(), cause = %error, "events were not sent: consumers read the log until the bus is back");
        self.check = Instant::now() + Duration::from_secs(1);
    }
}

/// Forgets events older than [`KEPT`] and replies older than [`idempotency::KEPT`]; gives how many events.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(db: &Db) -> Result<u64, Error> {
    idempotency::prune(db).await?;
    let mut pruned = 0;
    loop {
        let mut tx = db.begin().await?;
        let before = tx.now().minus(KEPT);
        let count = tx.execute(sql::PRUNE, args![before]).await?;
        tx.commit().await?;
        pruned += count;
        if count == 0 {
            return Ok(pruned);
        }
    }
}

fn by_partition(events: Vec<Event>) -> BTreeMap<u32, Vec<Event>> {
    let mut parts: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
    for event in events {
        parts.entry(event.partition).or_default().push(event);
    }
    parts
}
