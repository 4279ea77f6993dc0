//! Units.

use omnimesh_kit::{
    args,
    store::{Conn, Error, Row, Tx},
};
use omnimesh_proto::connectors::v1::ChannelOrderState;
use uuid::Uuid;

use super::malformed;
use crate::domain::{
    AccountId, OrderId,
    unit::{Mode, Unit},
};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A unit as it was seen now. What is older than what is known changes nothing.
        UPSERT = "INSERT INTO units (account_id, native_id, group_id, order_id, mode, state, raw_state, dedupe_key, updated_at, seen_at, \
            ship_by_at, has_carrier, lines) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
            ON CONFLICT (account_id, native_id) DO UPDATE SET state = excluded.state, raw_state = excluded.raw_state, \
            dedupe_key = excluded.dedupe_key, updated_at = excluded.updated_at, seen_at = excluded.seen_at, \
            ship_by_at = excluded.ship_by_at, has_carrier = excluded.has_carrier, lines = excluded.lines, \
            order_id = COALESCE(units.order_id, excluded.order_id) WHERE units.updated_at <= excluded.updated_at";
        /// Those of an account that are known.
        KNOWN = {
            postgres: "SELECT * FROM units WHERE account_id = $1 AND native_id = ANY($2)",
            sqlite: "SELECT * FROM units WHERE account_id = $1 AND native_id IN (SELECT value FROM json_each($2))"
        };
        /// Those of an order, the oldest change first.
        OF_ORDER = "SELECT * FROM units WHERE order_id = $1 ORDER BY updated_at, native_id";
        /// What is seen of it next is news, whatever it is.
        FORGET = "UPDATE units SET dedupe_key = '' WHERE account_id = $1 AND native_id = $2 RETURNING order_id";
        /// Whether an order has any.
        HAS_ORDER = "SELECT 1 AS one FROM units WHERE order_id = $1 LIMIT 1";
    }
}

pub(crate) async fn upsert(tx: &mut Tx, unit: &Unit) -> Result<(), Error> {
    let lines = serde_json::to_string(&unit.lines).map_err(|_| malformed("lines"))?;
    let values = args![
        unit.account.0,
        &unit.native_id,
        &unit.group_id,
        unit.order.map(|order| order.0),
        unit.mode.as_str(),
        i64::from(i32::from(unit.state)),
        &unit.raw_state,
        &unit.dedupe_key,
        unit.updated_at,
        unit.seen_at,
        unit.ship_by_at,
        unit.has_carrier,
        lines
    ];
    tx.execute(sql::UPSERT, values).await.map(drop)
}

pub(crate) async fn known(conn: &mut Conn, account: AccountId, native_ids: Vec<String>) -> Result<Vec<Unit>, Error> {
    conn.fetch_all(sql::KNOWN, args![account.0, native_ids]).await?.iter().map(unit_of).collect()
}

pub(crate) async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Unit>, Error> {
    conn.fetch_all(sql::OF_ORDER, args![order.0]).await?.iter().map(unit_of).collect()
}

pub(crate) async fn has_order(conn: &mut Conn, order: Uuid) -> Result<bool, Error> {
    Ok(conn.fetch_optional(sql::HAS_ORDER, args![order]).await?.is_some())
}

/// Takes what is seen of it next as news; its order, if it has one.
pub(crate) async fn forget(tx: &mut Tx, account: AccountId, native_id: &str) -> Result<Option<Uuid>, Error> {
    let row = tx.fetch_optional(sql::FORGET, args![account.0, native_id]).await?;
    row.map_or(Ok(None), |row| row.get("order_id"))
}

fn unit_of(row: &Row) -> Result<Unit, Error> {
    Ok(Unit {
        account: AccountId(row.get("account_id")?),
        native_id: row.get("native_id")?,
        group_id: row.get("group_id")?,
        order: row.get::<Option<Uuid>>("order_id")?.map(OrderId),
        mode: Mode::of(&row.get::<String>("mode")?).ok_or_else(|| malformed("mode"))?,
        state: ChannelOrderState::try_from(row.get::<i32>("state")?).unwrap_or_default(),
        raw_state: row.get("raw_state")?,
        dedupe_key: row.get("dedupe_key")?,
        updated_at: row.get("updated_at")?,
        seen_at: row.get("seen_at")?,
        ship_by_at: row.get("ship_by_at")?,
        has_carrier: row.get("has_carrier")?,
        lines: serde_json::from_str(&row.get::<String>("lines")?).map_err(|_| malformed("lines"))?,
    })
}
