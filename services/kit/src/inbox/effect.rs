//! The effects of events: the handler's changes, the group's progress and the fencing check in one transaction.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tracing::{Instrument as _, Span, field::Empty};

use super::{BoxError, Consumer, sql};
use crate::{
    args,
    clock::Timestamp,
    fault, outbox,
    store::{Conn, Db, Error, Trouble, Tx},
    telemetry::names,
    trace,
};

/// How long a transaction takes up further events: whoever waits for the database is not held up much longer.
const LONGEST: Duration = Duration::from_millis(50);

pub(super) struct Effects {
    pub(super) consumer: Consumer,
    pub(super) db: Db,
    pub(super) lasts: Duration,
}

/// What became of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// So many events, from the first, have their effects or are parked.
    Done(usize),
    /// The partition has passed to another process; nothing was changed.
    LeaseLost,
    /// The handler refused the event of that position; nothing was changed.
    Failed(i64),
    /// Others were in the way; nothing was changed.
    Contended,
    /// The database can't be reached.
    Unavailable,
}

enum Outcome {
    Store(Error),
    Handler { position: i64, problem: BoxError, trouble: Option<Trouble> },
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Effects {
    /// Gives consecutive events of a partition their effects: all that it says are done, or none. `last` says that a failure
    /// parks the aggregate of the one event. It is a new trace, in which the span of each event is linked to the one in which
    /// it was sent.
    pub(super) async fn of(&self, token: i64, events: &[Event], last: bool) -> Effect {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let span = match events {
            [event] => self.event_span(None, event),
            events => tracing::info_span!(
                parent: None,
                "consume_batch",
                otel.name = format!("consume batch {producer}"),
                otel.kind = "consumer",
                otel.status_code = Empty,
                { names::MESSAGING_SYSTEM } = "omnimesh",
                { names::MESSAGING_OPERATION } = "consume",
                { names::MESSAGING_DESTINATION } = producer,
                { names::EVENT_GROUP } = group,
                { names::BATCH_COUNT } = events.len(),
            ),
        };
        let effect = self.try_to(token, events, last).instrument(span.clone()).await;
        if !matches!(effect, Effect::Done(_)) {
            span.record("otel.status_code", "ERROR");
        }
        effect
    }

    fn event_span(&self, parent: Option<&Span>, event: &Event) -> Span {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let span = tracing::info_span!(
            parent: parent.and_then(Span::id),
            "consume",
            otel.name = format!("consume {producer}"),
            otel.kind = "consumer",
            otel.status_code = Empty,
            { names::MESSAGING_SYSTEM } = "omnimesh",
            { names::MESSAGING_OPERATION } = "consume",
            { names::MESSAGING_DESTINATION } = producer,
            { names::MESSAGING_PARTITION } = event.partition,
            { names::EVENT_GROUP } = group,
            { names::EVENT_POSITION } = event.position,
            { names::EVENT_TYPE } = event.r#type,
            { names::AGGREGATE_ID } = event.aggregate_id,
            { names::JOURNEY_ID } = event.journey_id,
        );
        trace::link(&span, &event.traceparent);
        span
    }

    async fn try_to(&self, token: i64, events: &[Event], last: bool) -> Effect {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let (position, problem) = match self.attempt(token, events).await {
            Ok(done) => return Effect::Done(done),
            Err(Outcome::Store(error)) => return Self::store_effect(&error),
            Err(Outcome::Handler { trouble: Some(Trouble::Contention), .. }) => return Effect::Contended,
            Err(Outcome::Handler { trouble: Some(Trouble::Unavailable), .. }) => return Effect::Unavailable,
            Err(Outcome::Handler { position, problem, trouble: None }) => (position, problem),
        };
        let Some(event) = events.iter().find(|event| event.position == position) else {
            return Effect::Failed(position);
        };
        let (aggregate, r#type) = (event.aggregate_id.as_str(), event.r#type.as_str());
        if !last {
            tracing::warn!(group, producer, aggregate, r#type, cause = %problem, "an event failed: trying again");
            return Effect::Failed(position);
        }
        match self.park(token, event, &problem.to_string()).await {
            Ok(()) => {
                tracing::error!(group, producer, aggregate, r#type, cause = %problem, "an event keeps failing: its aggregate is parked until it is replayed");
                Effect::Done(1)
            }
            Err(error) => Self::store_effect(&error),
        }
    }

    async fn attempt(&self, token: i64, events: &[Event]) -> Result<usize, Outcome> {
        let mut tx = self.db.begin().await?;
        match self.fill(&mut tx, token, events).await {
            Ok(done) => {
                fault::point(fault::CONSUMER_HANDLED).await;
                tx.commit().await.map_err(|error| match (error, events) {
                    // Its handler went on as if nothing had happened.
                    (problem @ Error::Refused, [event]) => {
                        Outcome::Handler { position: event.position, problem: problem.into(), trouble: None }
                    }
                    (error, _) => Outcome::Store(error),
                })?;
                fault::point(fault::CONSUMER_DONE).await;
                Ok(done)
            }
            Err(outcome) => {
                // At once: the next try wants the same locks.
                tx.rollback().await;
                Err(outcome)
            }
        }
    }

    /// Says how many of the events it took up.
    async fn fill(&self, tx: &mut Tx, token: i64, events: &[Event]) -> Result<usize, Outcome> {
        let started = Instant::now();
        let batch = Span::current();
        // Holding the checkpoint comes before everything else, so that nobody else works on the partition or replays.
        let Some(first) = events.first() else { return Ok(0) };
        let some_parked = self.advance(tx, first.partition, token, first.position).await?;
        fault::point(fault::CONSUMER_ADVANCED).await;
        let mut done = 0;
        for event in events {
            if done > 0 && started.elapsed() > LONGEST {
                break;
            }
            done += 1;
            if !self.consumer.handler.heeds(event) {
                continue;
            }
            let span = if events.len() == 1 { batch.clone() } else { self.event_span(Some(&batch), event) };
            let effect = self.effect(tx, some_parked, event).instrument(span.clone()).await;
            if let Err(outcome) = effect {
                span.record("otel.status_code", "ERROR");
                return Err(outcome);
            }
        }
        if let Some(last) = events.get(1..done).and_then(<[Event]>::last) {
            self.advance(tx, last.partition, token, last.position).await?;
        }
        Ok(done)
    }

    async fn effect(&self, tx: &mut Tx, some_parked: bool, event: &Event) -> Result<(), Outcome> {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        if some_parked
            && tx.fetch_optional(sql::IS_PARKED, args![group, producer, &event.aggregate_id]).await?.is_some()
        {
            return Ok(self.insert_parked(tx, event, "follows a parked event").await?);
        }
        let done = match handle(&self.consumer, tx, event).await {
            // An event that can't be sent is this one's fault, not the batch's.
            Ok(()) => outbox::write(tx).await.map_err(BoxError::from),
            failed => failed,
        };
        done.map_err(|problem| Outcome::Handler { position: event.position, problem, trouble: tx.trouble() })
    }

    async fn park(&self, token: i64, event: &Event, problem: &str) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        self.advance(&mut tx, event.partition, token, event.position).await?;
        self.insert_parked(&mut tx, event, problem).await?;
        tx.commit().await
    }

    /// Moves the checkpoints of partitions, each with its token, to positions up to which nothing was to be done. Gives the
    /// partitions that have passed to another process.
    pub(super) async fn note(&self, reached: &[(u32, i64, i64)]) -> Result<Vec<u32>, Error> {
        let mut tx = self.db.begin().await?;
        let mut lost = Vec::new();
        for (partition, token, position) in reached {
            match self.advance(&mut tx, *partition, *token, *position).await {
                Ok(_) => {}
                Err(Error::LeaseLost) => lost.push(*partition),
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        Ok(lost)
    }

    /// Moves the checkpoint to the position, under the fencing token; says whether anything of the partition is parked.
    async fn advance(&self, tx: &mut Tx, partition: u32, token: i64, position: i64) -> Result<bool, Error> {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let until = tx.now().plus(self.lasts);
        let values = args![group, producer, partition, token, position, until];
        let row = tx.fetch_optional(sql::ADVANCE, values).await?.ok_or(Error::LeaseLost)?;
        Ok(row.get::<i64>("parked")? > 0)
    }

    async fn insert_parked(&self, tx: &mut Tx, event: &Event, problem: &str) -> Result<(), Error> {
        let now = tx.now();
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let (partition, position) = (event.partition, event.position);
        let body = event.encode_to_vec();
        let values = args![group, producer, partition, position, &event.aggregate_id, body, problem, now];
        tx.execute(sql::PARK, values).await?;
        tx.execute(sql::COUNT_PARKED, args![group, producer, partition, 1]).await.map(drop)
    }

    fn store_effect(error: &Error) -> Effect {
        match error {
            Error::LeaseLost => Effect::LeaseLost,
            error if error.is_retryable() => Effect::Contended,
            error => {
                tracing::warn!(cause = %error, "an event's transaction failed");
                Effect::Unavailable
            }
        }
    }
}

async fn handle(consumer: &Consumer, tx: &mut Tx, event: &Event) -> Result<(), BoxError> {
    // A panic is a poison event like any other: it must not end the consumer.
    match AssertUnwindSafe(consumer.handler.handle(tx, event)).catch_unwind().await {
        Ok(done) => done,
        Err(_) => Err("the handler panicked".into()),
    }
}

/// An aggregate whose events wait for a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The group that could not take the event.
    pub group: String,
    /// Who sent it.
    pub producer: String,
    /// The aggregate.
    pub aggregate_id: String,
    /// The first event that waits.
    pub position: i64,
    /// Why it failed.
    pub problem: String,
    /// Since when.
    pub since: Timestamp,
}

/// The parked aggregates of all groups of a service, longest first.
///
/// # Errors
/// Whatever the database says.
pub async fn parked(conn: &mut Conn) -> Result<Vec<Parked>, Error> {
    let rows = conn.fetch_all(sql::PARKED, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Parked {
                group: row.get("consumer")?,
                producer: row.get("producer")?,
                aggregate_id: row.get("aggregate_id")?,
                position: row.get("position")?,
                problem: row.get("problem")?,
                since: row.get("parked_at")?,
            })
        })
        .collect()
}

/// Gives an aggregate's parked events their effects, in order; gives how many. Then the aggregate goes on as before.
///
/// # Errors
/// The first failure; what was replayed before it stays done, the rest stays parked.
pub async fn replay(db: &Db, consumer: &Consumer, aggregate_id: &str) -> Result<u64, BoxError> {
    let (group, producer) = (consumer.group, consumer.producer);
    let mut replayed = 0;
    loop {
        let mut tx = db.begin().await?;
        let first = tx.fetch_optional(sql::FIRST_PARKED, args![group, producer, aggregate_id]).await?;
        let Some(row) = first else { return Ok(replayed) };
        let (partition, position) = (row.get::<u32>("partition")?, row.get::<i64>("position")?);
        // Under the checkpoint's lock: the consumer parks nothing behind this event while it is replayed.
        tx.execute(sql::COUNT_PARKED, args![group, producer, partition, -1]).await?;
        if tx.execute(sql::UNPARK, args![group, producer, partition, position]).await? == 0 {
            continue;
        }
        let event = Event::decode(row.get::<Vec<u8>>("event")?.as_slice())?;
        handle(consumer, &mut tx, &event).await?;
        tx.commit().await?;
        replayed += 1;
    }
}
