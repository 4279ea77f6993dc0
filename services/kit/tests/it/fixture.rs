//! A service with one table of effects, and calls to it.

use omnimesh_kit::{
    args,
    call::Call,
    error::Fault,
    store::{self, Db, Migrations, Tx},
};
use omnimesh_proto::common::v1::Actor;

const TABLES: &str = "CREATE TABLE effects (ordinal BIGINT NOT NULL, aggregate TEXT NOT NULL, seq BIGINT NOT NULL);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);";

pub(crate) const PRODUCER: Migrations =
    Migrations { service: "orders", postgres: &[(100, "tables", TABLES)], sqlite: &[(100, "tables", TABLES)] };
pub(crate) const CONSUMER: Migrations =
    Migrations { service: "catalog", postgres: &[(100, "tables", TABLES)], sqlite: &[(100, "tables", TABLES)] };

pub(crate) mod sql {
    omnimesh_kit::statements! {
        /// Notes an effect.
        INSERT_EFFECT = "INSERT INTO effects (ordinal, aggregate, seq) SELECT COUNT(*), $1, $2 FROM effects";
        /// All effects in order.
        EFFECTS = "SELECT aggregate, seq FROM effects ORDER BY ordinal, aggregate, seq";
        /// Makes a counter.
        NEW_COUNTER = "INSERT INTO counters (name, value) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        /// Moves a counter from a known value.
        MOVE_COUNTER = "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value";
        /// A counter's value.
        COUNTER = "SELECT value FROM counters WHERE name = $1";
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "what went wrong shows in a failed test's output")]
pub(crate) enum Error {
    Store(store::Error),
    Fault(Fault),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub(crate) fn call() -> Call {
    Call::system("orders")
}

pub(crate) fn payload(id: impl Into<String>) -> Actor {
    Actor { id: id.into(), ..Actor::default() }
}

/// The next event of an aggregate, as a use case appends it: the number comes from a row that the transaction locks.
pub(crate) async fn happen(db: &Db, aggregate: &str) -> Result<i64, Error> {
    omnimesh_kit::transaction!(db, tx => { happen_in(&mut tx, aggregate).await })
}

pub(crate) async fn happen_in(tx: &mut Tx, aggregate: &str) -> Result<i64, Error> {
    tx.execute(sql::NEW_COUNTER, args![aggregate]).await?;
    let seq = tx.fetch_one(sql::MOVE_COUNTER, args![aggregate]).await?.get("value")?;
    omnimesh_kit::outbox::append(tx, &call(), aggregate, seq, &payload(aggregate)).await?;
    Ok(seq)
}

pub(crate) async fn effects(db: &Db) -> Vec<(String, i64)> {
    let rows = db.read().await.unwrap().fetch_all(sql::EFFECTS, args![]).await.unwrap();
    rows.iter().map(|row| (row.get("aggregate").unwrap(), row.get("seq").unwrap())).collect()
}
