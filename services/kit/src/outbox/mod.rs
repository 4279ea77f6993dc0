//! The log of a service's events. An event commits with its change; the relay gives it its place and sends it on.

mod relay;
mod server;
pub mod sql;
mod waiting;

use std::collections::BTreeMap;

use omnimesh_proto::{common::v1::Actor, events::v1::Event};
use prost::{Message, Name};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use relay::{KEPT, Relay, Step, prune, relay};
pub use server::EventLog;

use crate::{
    args,
    call::Call,
    clock::Timestamp,
    ids,
    store::{Conn, Db, Error, Row, Tx},
};

/// How many partitions events are spread over. Fixed at install: another number would break the order per aggregate.
pub const PARTITIONS: u32 = 16;

/// The partition of an aggregate: the first eight bytes of its id's SHA-256, modulo [`PARTITIONS`].
#[must_use]
pub fn partition_of(aggregate_id: &str) -> u32 {
    let hash: [u8; 32] = Sha256::digest(aggregate_id).into();
    // 16 divides 256, so the last of those bytes decides alone.
    let [_, _, _, _, _, _, _, byte, ..] = hash;
    u32::from(byte) % PARTITIONS
}

/// So many events are written with one statement.
const WRITTEN_AT_ONCE: usize = 500;

/// Appends an event in the caller's transaction. `aggregate_seq` is the aggregate's own count of its events, from 1, assigned
/// under the check of the aggregate's version. Events are written many at a time, at the latest when the transaction commits.
///
/// # Errors
/// Whatever the database says of the events that are written; when they are, and so perhaps at the commit, a unique violation
/// if the aggregate has an event of that number.
pub async fn append<P: Message + Name>(
    tx: &mut Tx,
    call: &Call,
    aggregate_id: &str,
    aggregate_seq: i64,
    payload: &P,
) -> Result<(), Error> {
    let now = tx.now();
    let session = call.session();
    let entry = Entry {
        id: ids::uuid_v7(now).simple().to_string(),
        r#type: P::full_name(),
        aggregate_id: aggregate_id.to_owned(),
        aggregate_seq,
        partition: partition_of(aggregate_id),
        occurred_at: now.micros(),
        traceparent: crate::trace::current_traceparent(),
        journey_id: session.map(|session| session.journey.to_string()).unwrap_or_default(),
        session_id: session.map(|session| session.id.to_string()).unwrap_or_default(),
        actor: call.actor().encode_to_vec(),
        payload: payload.encode_to_vec(),
    };
    let unwritten = tx.unwritten();
    unwritten.push(entry);
    if unwritten.len() < WRITTEN_AT_ONCE { Ok(()) } else { write(tx).await }
}

/// An event that its transaction has not written yet.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    id: String,
    r#type: String,
    aggregate_id: String,
    aggregate_seq: i64,
    partition: u32,
    occurred_at: i64,
    traceparent: String,
    journey_id: String,
    session_id: String,
    #[serde(with = "hex")]
    actor: Vec<u8>,
    #[serde(with = "hex")]
    payload: Vec<u8>,
}

/// Writes what was appended and not written yet.
///
/// # Errors
/// Whatever the database says; a unique violation if an aggregate has an event of a number.
pub(crate) async fn write(tx: &mut Tx) -> Result<(), Error> {
    let entries = std::mem::take(tx.unwritten());
    if entries.is_empty() {
        return Ok(());
    }
    let entries = serde_json::to_string(&entries)
        .map_err(|error| Error::Column { column: "payload".to_owned(), problem: error.to_string() })?;
    tx.execute(sql::APPEND, args![entries]).await?;
    tx.mark_appended();
    Ok(())
}

/// Events of a partition after a position, oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn since(
    conn: &mut Conn,
    producer: &str,
    partition: u32,
    position: i64,
    limit: i64,
) -> Result<Vec<Event>, Error> {
    let rows = conn.fetch_all(sql::SINCE, args![partition, position, limit]).await?;
    rows.iter().map(|row| event_of(producer, row)).collect()
}

/// The last position of each partition.
///
/// # Errors
/// Whatever the database says.
pub async fn heads(conn: &mut Conn) -> Result<BTreeMap<u32, i64>, Error> {
    let rows = conn.fetch_all(sql::HEADS, args![]).await?;
    rows.iter().map(|row| Ok((row.get("partition")?, row.get("position")?))).collect()
}

pub(crate) async fn check_partitions(db: &Db) -> Result<(), Error> {
    const FACT: &str = "partitions";
    let known = db.read().await?.fetch_optional(sql::FACT, args![FACT]).await?;
    let known = match known {
        Some(row) => row.get::<i64>("value")?,
        None => {
            let mut tx = db.begin().await?;
            tx.execute(sql::KEEP_FACT, args![FACT, PARTITIONS]).await?;
            let known = tx.fetch_one(sql::FACT, args![FACT]).await?.get("value")?;
            tx.commit().await?;
            known
        }
    };
    if known == i64::from(PARTITIONS) {
        return Ok(());
    }
    let service = db.service();
    Err(Error::Settings(format!(
        "{service} was installed with {known} event partitions, this version uses {PARTITIONS}: start a version that uses {known}"
    )))
}

fn event_of(producer: &str, row: &Row) -> Result<Event, Error> {
    let actor = row.get::<Vec<u8>>("actor")?;
    Ok(Event {
        id: row.get::<Uuid>("id")?.as_bytes().to_vec().into(),
        producer: producer.to_owned(),
        r#type: row.get("type")?,
        aggregate_id: row.get("aggregate_id")?,
        aggregate_seq: row.get("aggregate_seq")?,
        partition: row.get("partition")?,
        position: row.get("position")?,
        occurred_at: Some(row.get::<Timestamp>("occurred_at")?.to_proto()),
        traceparent: row.get("traceparent")?,
        journey_id: row.get("journey_id")?,
        session_id: row.get("session_id")?,
        actor: Some(Actor::decode(actor.as_slice()).unwrap_or_default()),
        payload: row.get::<Vec<u8>>("payload")?.into(),
    })
}
