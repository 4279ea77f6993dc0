//! Actions.

use std::time::Duration;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Tx},
};
use uuid::Uuid;

use super::malformed;
use crate::domain::{
    AccountId, ActionId, OrderId,
    action::{Action, ActionKind, ActionState, Body},
};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// An action after those of the order that there are, unless it is one of them.
        INSERT = "INSERT INTO actions (id, account_id, order_id, sequence, kind, subject, body, state, native_id, operation_id, tries, \
            problem, deadline_at, due_at, created_at, updated_at) \
            SELECT $1, $2, $3, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM actions WHERE order_id = $3), $4, $5, $6, 'PENDING', '', '', 0, \
            '', $7, $8, $8, $8 WHERE NOT EXISTS (SELECT 1 FROM actions WHERE order_id = $3 AND kind = $4 AND subject = $5) \
            ON CONFLICT (order_id, kind, subject) DO NOTHING";
        /// Takes the next that is due and first of its order, for a while.
        CLAIM = {
            postgres: "UPDATE actions SET due_at = $2 WHERE id = (SELECT a.id FROM actions a JOIN accounts c ON c.id = a.account_id \
                WHERE a.due_at <= $1 AND c.state = 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM actions b WHERE b.order_id = a.order_id \
                AND b.sequence < a.sequence AND b.due_at IS NOT NULL) ORDER BY a.due_at LIMIT 1 FOR UPDATE OF a SKIP LOCKED) RETURNING *",
            sqlite: "UPDATE actions SET due_at = $2 WHERE id = (SELECT a.id FROM actions a JOIN accounts c ON c.id = a.account_id \
                WHERE a.due_at <= $1 AND c.state = 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM actions b WHERE b.order_id = a.order_id \
                AND b.sequence < a.sequence AND b.due_at IS NOT NULL) ORDER BY a.due_at LIMIT 1) RETURNING *"
        };
        /// It is about to be sent, by the one who has it.
        SEND = "UPDATE actions SET state = 'SENT', native_id = $3, body = $4, tries = tries + 1, sent_at = $5, updated_at = $5 \
            WHERE id = $1 AND tries = $2 AND state = 'PENDING'";
        /// What became of it, if nobody else has noted something since.
        NOTE = "UPDATE actions SET state = $3, body = $4, operation_id = $5, problem = $6, due_at = $7, updated_at = $8 \
            WHERE id = $1 AND tries = $2 AND due_at IS NOT NULL";
        /// A rejected one is sent anew.
        REPLAY = "UPDATE actions SET state = 'PENDING', tries = 0, operation_id = '', due_at = $2, updated_at = $2 \
            WHERE id = $1 AND state = 'REJECTED'";
        /// Those of an order, in sequence.
        OF_ORDER = "SELECT * FROM actions WHERE order_id = $1 ORDER BY sequence, id";
    }
}

/// A new action, unless there is one like it.
#[derive(Clone, Debug)]
pub(crate) struct NewAction {
    pub(crate) account: AccountId,
    pub(crate) order: OrderId,
    pub(crate) kind: ActionKind,
    pub(crate) subject: String,
    pub(crate) body: Body,
    pub(crate) deadline_at: Option<Timestamp>,
}

pub(crate) async fn add(tx: &mut Tx, new: &NewAction) -> Result<(), Error> {
    let now = tx.now();
    let NewAction { account, order, kind, subject, body, deadline_at } = new;
    let id = ActionId::new(now);
    let values = args![id.0, account.0, order.0, kind.as_str(), subject, text(body)?, *deadline_at, now];
    tx.execute(sql::INSERT, values).await.map(drop)
}

pub(crate) async fn claim(tx: &mut Tx, lease: Duration) -> Result<Option<Action>, Error> {
    let now = tx.now();
    tx.fetch_optional(sql::CLAIM, args![now, now.plus(lease)]).await?.map(|row| action_of(&row)).transpose()
}

/// `false` if somebody else has it.
pub(crate) async fn send(tx: &mut Tx, action: &Action) -> Result<bool, Error> {
    let now = tx.now();
    let values = args![action.id.0, action.tries, &action.native_id, text(&action.body)?, now];
    Ok(tx.execute(sql::SEND, values).await? == 1)
}

/// Keeps state, body, operation and problem of an action; `due` is absent once it is over. `false` if somebody else has it.
pub(crate) async fn note(tx: &mut Tx, action: &Action, due: Option<Timestamp>) -> Result<bool, Error> {
    let now = tx.now();
    let Action { id, tries, state, body, operation_id, problem, .. } = action;
    let values = args![id.0, *tries, state.as_str(), text(body)?, operation_id, problem, due, now];
    Ok(tx.execute(sql::NOTE, values).await? == 1)
}

pub(crate) async fn replay(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    let now = tx.now();
    tx.execute(sql::REPLAY, args![id, now]).await.map(drop)
}

pub(crate) async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Vec<Action>, Error> {
    conn.fetch_all(sql::OF_ORDER, args![order.0]).await?.iter().map(action_of).collect()
}

fn text(body: &Body) -> Result<String, Error> {
    serde_json::to_string(body).map_err(|_| malformed("body"))
}

fn action_of(row: &Row) -> Result<Action, Error> {
    Ok(Action {
        id: ActionId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        order: OrderId(row.get("order_id")?),
        kind: ActionKind::of(&row.get::<String>("kind")?).ok_or_else(|| malformed("kind"))?,
        subject: row.get("subject")?,
        body: serde_json::from_str(&row.get::<String>("body")?).map_err(|_| malformed("body"))?,
        state: ActionState::of(&row.get::<String>("state")?).ok_or_else(|| malformed("state"))?,
        native_id: row.get("native_id")?,
        operation_id: row.get("operation_id")?,
        tries: row.get("tries")?,
        problem: row.get("problem")?,
        deadline_at: row.get("deadline_at")?,
        sent_at: row.get("sent_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
