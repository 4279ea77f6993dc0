//! One event's effect: the handler's changes, the group's progress and the fencing check in one transaction.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use omnimesh_proto::events::v1::Event;
use prost::Message as _;
use tracing::Span;

use super::{BoxError, Consumer, sql};
use crate::{
    args,
    clock::Timestamp,
    store::{Conn, Db, Error, Trouble, Tx},
    trace,
};

pub(super) struct Effects {
    pub(super) consumer: Consumer,
    pub(super) db: Db,
    pub(super) lasts: Duration,
}

/// What became of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The event has its effect, or is parked.
    Done,
    /// The partition has passed to another process; nothing was changed.
    LeaseLost,
    /// The handler refused the event.
    Failed,
    /// Others were in the way.
    Contended,
    /// The database can't be reached.
    Unavailable,
}

enum Outcome {
    Store(Error),
    Handler(BoxError, Option<Trouble>),
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Effects {
    /// A new trace, linked to the one in which the event was sent.
    pub(super) fn span(&self, event: &Event) -> Span {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let span = tracing::info_span!(
            parent: None,
            "consume",
            otel.name = format!("consume {producer}"),
            otel.kind = "consumer",
            messaging.system = "omnimesh",
            messaging.operation.name = "consume",
            messaging.destination.name = producer,
            messaging.consumer.group.name = group,
            messaging.destination.partition.id = event.partition,
            omnimesh.event.position = event.position,
            omnimesh.event.r#type = event.r#type,
            omnimesh.aggregate.id = event.aggregate_id,
            omnimesh.journey.id = event.journey_id,
        );
        trace::link(&span, &event.traceparent);
        span
    }

    /// Gives the event its effect. `last` says that a failure parks its aggregate.
    pub(super) async fn of(&self, token: i64, event: &Event, last: bool) -> Effect {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let problem = match self.attempt(token, event).await {
            Ok(()) => return Effect::Done,
            Err(Outcome::Store(error)) => return Self::store_effect(&error),
            Err(Outcome::Handler(_, Some(Trouble::Contention))) => return Effect::Contended,
            Err(Outcome::Handler(_, Some(Trouble::Unavailable))) => return Effect::Unavailable,
            Err(Outcome::Handler(problem, None)) => problem,
        };
        let (aggregate, r#type) = (event.aggregate_id.as_str(), event.r#type.as_str());
        if !last {
            tracing::warn!(group, producer, aggregate, r#type, cause = %problem, "an event failed: trying again");
            return Effect::Failed;
        }
        match self.park(token, event, &problem.to_string()).await {
            Ok(()) => {
                tracing::error!(group, producer, aggregate, r#type, cause = %problem, "an event keeps failing: its aggregate is parked until it is replayed");
                Effect::Done
            }
            Err(error) => Self::store_effect(&error),
        }
    }

    async fn attempt(&self, token: i64, event: &Event) -> Result<(), Outcome> {
        let mut tx = self.db.begin().await?;
        if self.advance(&mut tx, token, event).await? {
            self.insert_parked(&mut tx, event, "follows a parked event").await?;
        } else {
            handle(&self.consumer, &mut tx, event).await.map_err(|error| Outcome::Handler(error, tx.trouble()))?;
        }
        Ok(tx.commit().await?)
    }

    async fn park(&self, token: i64, event: &Event, problem: &str) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        self.advance(&mut tx, token, event).await?;
        self.insert_parked(&mut tx, event, problem).await?;
        tx.commit().await
    }

    async fn advance(&self, tx: &mut Tx, token: i64, event: &Event) -> Result<bool, Error> {
        let (group, producer) = (self.consumer.group, self.consumer.producer);
        let until = tx.now().plus(self.lasts);
        let values = args![group, producer, event.partition, token, event.position, until, &event.aggregate_id];
        let row = tx.fetch_optional(sql::ADVANCE, values).await?.ok_or(Error::LeaseLost)?;
        if row.get::<i64>("parked")? == 0 {
            return Ok(false);
        }
        Ok(tx.fetch_optional(sql::IS_PARKED, args![group, producer, &event.aggregate_id]).await?.is_some())
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
