//! What happened to an order: its own log, and the events for other services, in one transaction.

use omnimesh_kit::{
    args,
    call::Call,
    clock::Timestamp,
    outbox,
    store::{Conn, Error, Row, Tx},
    trace,
};
use omnimesh_proto::{
    common::v1::Actor,
    orders::v1::{self as proto, OrderEvent},
};
use prost::{Message, Name};
use serde::Serialize;

use crate::domain::{Change, Goods, Group, Order, OrderChange, OrderId, OrderState, public_reason};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// What happened, in its order.
        INSERT = {
            postgres: "INSERT INTO order_events (order_id, sequence, occurred_at, type, group_id, return_id, state, reason, actor, \
                    trace_id) \
                SELECT $1, n.sequence, n.occurred_at, n.type, n.group_id, n.return_id, n.state, n.reason, \
                    decode(n.actor, 'hex'), n.trace_id \
                FROM json_to_recordset(CAST($2 AS JSON)) AS n (sequence BIGINT, occurred_at BIGINT, type TEXT, group_id TEXT, \
                    return_id TEXT, state TEXT, reason TEXT, actor TEXT, trace_id TEXT)",
            sqlite: "INSERT INTO order_events (order_id, sequence, occurred_at, type, group_id, return_id, state, reason, actor, \
                    trace_id) \
                SELECT $1, n.value ->> 'sequence', n.value ->> 'occurred_at', n.value ->> 'type', n.value ->> 'group_id', \
                    n.value ->> 'return_id', n.value ->> 'state', n.value ->> 'reason', unhex(n.value ->> 'actor'), \
                    n.value ->> 'trace_id' \
                FROM json_each($2) AS n",
        };
        /// What happened to an order after an event.
        AFTER = "SELECT sequence, occurred_at, type, group_id, return_id, state, reason, actor, trace_id FROM order_events \
            WHERE order_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        /// One event of an order.
        ONE = "SELECT sequence, occurred_at, type, group_id, return_id, state, reason, actor, trace_id FROM order_events \
            WHERE order_id = $1 AND sequence = $2";
        /// Which reasons stand in the log of an order.
        REASONS = "SELECT DISTINCT reason FROM order_events WHERE order_id = $1 AND reason <> '' LIMIT 10000";
        /// Forgets a reason that somebody typed.
        BLANK_REASON = "UPDATE order_events SET reason = '' WHERE order_id = $1 AND reason = $2";
    }
}

/// Writes the changes of an order, numbered on from `last`. Each event carries the order as it is after all of them.
pub(super) async fn append(
    tx: &mut Tx,
    call: &Call,
    order: &Order,
    last: i64,
    changes: &[Change],
) -> Result<(), Error> {
    let order_id = order.id.to_string();
    let summary = || Some(summary_of(order));
    let mut entries = Vec::new();
    for (sequence, change) in (last + 1..).zip(changes) {
        let mut log = Log { tx: &mut *tx, call, order, sequence, change, entries: &mut entries };
        let order_id = order_id.clone();
        match &change.what {
            OrderChange::Order(state) => match state {
                OrderState::Placed => log.send(&placed(order)).await?,
                OrderState::Confirmed => log.send(&proto::OrderConfirmed { order_id, order: summary() }).await?,
                OrderState::Completed => log.send(&proto::OrderCompleted { order_id, order: summary() }).await?,
                OrderState::Cancelled => log.send(&cancelled(order)).await?,
                OrderState::Expired => log.send(&proto::OrderExpired { order_id, order: summary() }).await?,
                // Drafts are nobody's business yet.
                OrderState::Draft => {}
            },
            OrderChange::Imported(mode) => {
                log.send(&proto::OrderImported { order_id, mode: mode.to_proto().into(), order: summary() }).await?;
            }
            OrderChange::Payment(state) => {
                let payment_state = state.to_proto().into();
                log.send(&proto::PaymentRecorded { order_id, payment_state, order: summary() }).await?;
            }
            OrderChange::Group { id, location_id, state, goods, released } => {
                let event = proto::FulfillmentChanged {
                    order_id,
                    group_id: id.to_string(),
                    location_id: location_id.clone(),
                    state: state.to_proto().into(),
                    reason: public_reason(&change.cause.reason).to_owned(),
                    goods: goods.iter().map(goods_of).collect(),
                    released: released.iter().map(goods_of).collect(),
                    order: summary(),
                };
                log.send(&event).await?;
            }
            OrderChange::Return { id, state, location_id, restocked, unstocked } => {
                let event = proto::ReturnChanged {
                    order_id,
                    return_id: id.to_string(),
                    state: state.to_proto().into(),
                    location_id: location_id.clone(),
                    restocked: restocked.iter().map(goods_of).collect(),
                    not_stocked: unstocked.iter().map(goods_of).collect(),
                    reason: public_reason(&change.cause.reason).to_owned(),
                    order: summary(),
                };
                log.send(&event).await?;
            }
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    let entries = serde_json::to_string(&entries)
        .map_err(|error| Error::Column { column: "order_events".to_owned(), problem: error.to_string() })?;
    tx.execute(sql::INSERT, args![order.id.0, entries]).await.map(drop)
}

/// An entry of the order's own log.
#[derive(Serialize)]
struct Entry {
    sequence: i64,
    occurred_at: i64,
    r#type: &'static str,
    group_id: String,
    return_id: String,
    state: &'static str,
    reason: String,
    #[serde(with = "hex")]
    actor: Vec<u8>,
    trace_id: String,
}

/// Where a change is written.
struct Log<'a> {
    tx: &'a mut Tx,
    call: &'a Call,
    order: &'a Order,
    sequence: i64,
    change: &'a Change,
    entries: &'a mut Vec<Entry>,
}

impl Log<'_> {
    async fn send<P: Message + Name>(&mut self, payload: &P) -> Result<(), Error> {
        let Self { order, change, sequence, .. } = self;
        let (state, group_id, return_id) = match &change.what {
            OrderChange::Order(state) => (state.as_str(), String::new(), String::new()),
            OrderChange::Payment(state) => (state.as_str(), String::new(), String::new()),
            OrderChange::Group { id, state, .. } => (state.as_str(), id.to_string(), String::new()),
            OrderChange::Return { id, state, .. } => (state.as_str(), String::new(), id.to_string()),
            OrderChange::Imported(_) => (order.state.as_str(), String::new(), String::new()),
        };
        let reason = change.cause.reason.as_str();
        let reason = if order.erased { public_reason(reason) } else { reason };
        let traceparent = trace::current_traceparent();
        self.entries.push(Entry {
            sequence: *sequence,
            occurred_at: change.cause.at.micros(),
            r#type: P::NAME,
            group_id,
            return_id,
            state,
            reason: reason.to_owned(),
            actor: change.cause.actor.encode_to_vec(),
            trace_id: traceparent.split('-').nth(1).unwrap_or_default().to_owned(),
        });
        outbox::append(self.tx, self.call, &self.order.id.to_string(), self.sequence, payload).await
    }
}

/// The order as other services see it: nothing of it is personal.
fn summary_of(order: &Order) -> proto::OrderSummary {
    let group = |group: &Group| proto::GroupSummary {
        group_id: group.id.to_string(),
        location_id: group.location_id.clone(),
        method: group.method.to_proto().into(),
        state: group.state.to_proto().into(),
    };
    proto::OrderSummary {
        order_id: order.id.to_string(),
        number: order.number.clone(),
        profile_id: order.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        session_id: order.session.map(|session| session.to_string()).unwrap_or_default(),
        version: order.version,
        state: order.state.to_proto().into(),
        payment_state: order.payment_state().to_proto().into(),
        channel: order.channel,
        place_time: order.placed_at.map(Timestamp::to_proto),
        total: Some(order.money(order.totals.total).to_proto()),
        line_count: i32::try_from(order.lines.len()).unwrap_or(i32::MAX),
        groups: order.groups.iter().map(group).collect(),
        open_return_count: i32::try_from(order.open_returns()).unwrap_or(i32::MAX),
    }
}

fn placed(order: &Order) -> proto::OrderPlaced {
    proto::OrderPlaced {
        order_id: order.id.to_string(),
        cart_id: order.cart.as_ref().map(|cart| cart.id.clone()).unwrap_or_default(),
        profile_id: order.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        channel: order.channel,
        order: Some(summary_of(order)),
    }
}

fn cancelled(order: &Order) -> proto::OrderCancelled {
    proto::OrderCancelled {
        order_id: order.id.to_string(),
        cart_id: order.cart.as_ref().map(|cart| cart.id.clone()).unwrap_or_default(),
        reason: public_reason(&order.cancel_reason).to_owned(),
        order: Some(summary_of(order)),
    }
}

fn goods_of(goods: &Goods) -> proto::OrderedGoods {
    proto::OrderedGoods {
        line_id: goods.line_id.clone(),
        sku: goods.sku.clone(),
        location_id: goods.location_id.clone(),
        quantity: goods.quantity,
    }
}

/// What happened to an order after that event, oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn after(conn: &mut Conn, id: OrderId, sequence: i64, limit: i64) -> Result<Vec<OrderEvent>, Error> {
    let rows = conn.fetch_all(sql::AFTER, args![id.0, sequence, limit]).await?;
    rows.iter().map(event_of).collect()
}

/// One event of an order.
///
/// # Errors
/// Whatever the database says.
pub async fn one(conn: &mut Conn, id: OrderId, sequence: i64) -> Result<Option<OrderEvent>, Error> {
    conn.fetch_optional(sql::ONE, args![id.0, sequence]).await?.as_ref().map(event_of).transpose()
}

/// Forgets the reasons that people typed: they may name somebody.
///
/// # Errors
/// Whatever the database says.
pub async fn blank_reasons(tx: &mut Tx, id: OrderId) -> Result<(), Error> {
    for row in tx.fetch_all(sql::REASONS, args![id.0]).await? {
        let reason: String = row.get("reason")?;
        if public_reason(&reason).is_empty() {
            tx.execute(sql::BLANK_REASON, args![id.0, reason]).await?;
        }
    }
    Ok(())
}

fn event_of(row: &Row) -> Result<OrderEvent, Error> {
    let actor: Vec<u8> = row.get("actor")?;
    Ok(OrderEvent {
        sequence: row.get("sequence")?,
        occur_time: Some(row.get::<Timestamp>("occurred_at")?.to_proto()),
        r#type: row.get("type")?,
        group_id: row.get("group_id")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        actor: Some(Actor::decode(actor.as_slice()).unwrap_or_default()),
        trace_id: row.get("trace_id")?,
        return_id: row.get("return_id")?,
    })
}
