//! The raw operations: read a record, and change it under conditions, in one step. Memory and Redis do the same.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use redis::{AsyncCommands, RedisError, Script, aio::ConnectionManager};

use crate::{
    clock::{Clock, Timestamp},
    ids::SessionId,
};

pub(super) type Fields = BTreeMap<&'static str, String>;
pub(super) type Record = HashMap<String, String>;

/// What must hold of a stored field before anything is written.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// The field is that text.
    Is(&'static str, String),
    /// The field is a number below that; a missing field is 0.
    Below(&'static str, i64),
    /// The field is that number at most; a missing field is 0.
    AtMost(&'static str, i64),
}

/// One conditional write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Whether a missing record is written too; conditions don't apply to it.
    pub(super) create: bool,
    /// Whether what is not set is dropped.
    pub(super) replace: bool,
    pub(super) conditions: Vec<Condition>,
    pub(super) set: Fields,
    /// Set where the stored number is smaller.
    pub(super) raise: Vec<(&'static str, i64)>,
    /// When the record may be forgotten.
    pub(super) expire_at: Option<Timestamp>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
    Missing,
}

#[derive(Clone)]
pub(super) enum Store {
    Memory(Arc<Mutex<Memory>>),
    Redis(ConnectionManager),
}

impl Store {
    pub(super) async fn read(&self, id: SessionId, clock: &Clock) -> Result<Option<Record>, RedisError> {
        match self {
            Self::Memory(memory) => Ok(lock(memory).read(id, clock.now())),
            Self::Redis(connection) => {
                let record: Record = connection.clone().hgetall(key(id)).await?;
                Ok((!record.is_empty()).then_some(record))
            }
        }
    }

    pub(super) async fn change(&self, id: SessionId, change: Change, clock: &Clock) -> Result<Outcome, RedisError> {
        match self {
            Self::Memory(memory) => Ok(lock(memory).change(id, change, clock.now())),
            Self::Redis(connection) => redis_change(connection.clone(), id, &change).await,
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> std::sync::MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The records of this process.
#[derive(Debug, Default)]
pub(super) struct Memory {
    records: HashMap<SessionId, (Record, Option<Timestamp>)>,
    sweep_at: usize,
}

impl Memory {
    fn read(&mut self, id: SessionId, now: Timestamp) -> Option<Record> {
        let (record, expire_at) = self.records.get(&id)?;
        if expire_at.is_some_and(|at| at <= now) {
            self.records.remove(&id);
            return None;
        }
        Some(record.clone())
    }

    fn change(&mut self, id: SessionId, change: Change, now: Timestamp) -> Outcome {
        match self.read(id, now) {
            None if !change.create => return Outcome::Missing,
            Some(stored) if !change.conditions.iter().all(|condition| condition.holds(&stored)) => {
                return Outcome::Refused;
            }
            _ => {}
        }
        self.sweep(now);
        let (record, expire_at) = self.records.entry(id).or_default();
        if change.replace {
            record.clear();
        }
        record.extend(change.set.into_iter().map(|(field, value)| (field.to_owned(), value)));
        for (field, value) in change.raise {
            if number(record, field) < value {
                record.insert(field.to_owned(), value.to_string());
            }
        }
        *expire_at = change.expire_at.or(*expire_at);
        Outcome::Done
    }

    /// Forgets what expired whenever the map has doubled: a constant cost per write, whatever the size.
    fn sweep(&mut self, now: Timestamp) {
        if self.records.len() >= self.sweep_at {
            self.records.retain(|_, (_, expire_at)| expire_at.is_none_or(|at| now < at));
            self.sweep_at = (self.records.len() * 2).max(1_024);
        }
    }
}

impl Condition {
    fn holds(&self, record: &Record) -> bool {
        match self {
            Self::Is(field, text) => record.get(*field) == Some(text),
            Self::Below(field, value) => number(record, field) < *value,
            Self::AtMost(field, value) => number(record, field) <= *value,
        }
    }
}

fn number(record: &Record, field: &str) -> i64 {
    record.get(field).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// One key per session, so that a script never needs two: the token names the session.
fn key(id: SessionId) -> String {
    format!("omnimesh:{{session:{id}}}")
}

static CHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("change.lua")));

async fn redis_change(
    mut connection: ConnectionManager,
    id: SessionId,
    change: &Change,
) -> Result<Outcome, RedisError> {
    let mut call = CHANGE.key(key(id));
    call.arg(change.create).arg(change.replace);
    // A negative time is in the past too, but the script takes it for none.
    call.arg(change.expire_at.map_or(-1, |at| at.millis().max(0)));
    call.arg(change.conditions.len()).arg(change.set.len()).arg(change.raise.len());
    for condition in &change.conditions {
        match condition {
            Condition::Is(field, text) => call.arg(*field).arg("is").arg(text),
            Condition::Below(field, value) => call.arg(*field).arg("below").arg(*value),
            Condition::AtMost(field, value) => call.arg(*field).arg("at_most").arg(*value),
        };
    }
    for (field, value) in &change.set {
        call.arg(*field).arg(value);
    }
    for (field, value) in &change.raise {
        call.arg(*field).arg(*value);
    }
    Ok(match call.invoke_async::<i64>(&mut connection).await? {
        1 => Outcome::Done,
        0 => Outcome::Refused,
        _ => Outcome::Missing,
    })
}
