//! What happened to an order: its own log, and the events for other services, in one transaction.

use omnimesh_kit::{
    args,
    call::Call,
    outbox,
    store::{Conn, Error, Row, Tx},
    trace,
};
use omnimesh_proto::{
    common::v1::Actor,
    orders::v1::{self as proto, OrderEvent},
};
use prost::{Message, Name};

use crate::domain::{Change, Goods, Order, OrderChange, OrderId, OrderState};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// Something that happened.
        INSERT = "INSERT INTO order_events (order_id, sequence, occurred_at, type, group_id, state, reason, actor, trace_id) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        /// What happened to an order after an event.
        AFTER = "SELECT sequence, occurred_at, type, group_id, state, reason, actor, trace_id FROM order_events \
            WHERE order_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        /// One event of an order.
        ONE = "SELECT sequence, occurred_at, type, group_id, state, reason, actor, trace_id FROM order_events \
            WHERE order_id = $1 AND sequence = $2";
    }
}

/// Writes the changes of an order, numbered on from `last`.
pub(super) async fn append(
    tx: &mut Tx,
    call: &Call,
    order: &Order,
    last: i64,
    changes: &[Change],
) -> Result<(), Error> {
    let order_id = order.id.to_string();
    for (sequence, change) in (last + 1..).zip(changes) {
        match &change.what {
            OrderChange::Order(state) => match state {
                OrderState::Placed => send(tx, call, order, sequence, change, "", &placed(order)).await?,
                OrderState::Confirmed => {
                    send(tx, call, order, sequence, change, "", &proto::OrderConfirmed { order_id: order_id.clone() })
                        .await?;
                }
                OrderState::Completed => {
                    send(tx, call, order, sequence, change, "", &proto::OrderCompleted { order_id: order_id.clone() })
                        .await?;
                }
                OrderState::Cancelled => send(tx, call, order, sequence, change, "", &cancelled(order)).await?,
                OrderState::Expired => {
                    send(tx, call, order, sequence, change, "", &proto::OrderExpired { order_id: order_id.clone() })
                        .await?;
                }
                // Drafts are nobody's business yet.
                OrderState::Draft => {}
            },
            OrderChange::Imported(mode) => {
                let event = proto::OrderImported { order_id: order_id.clone(), mode: mode.to_proto().into() };
                send(tx, call, order, sequence, change, "", &event).await?;
            }
            OrderChange::Payment(state) => {
                let event =
                    proto::PaymentRecorded { order_id: order_id.clone(), payment_state: state.to_proto().into() };
                send(tx, call, order, sequence, change, "", &event).await?;
            }
            OrderChange::Group { id, location_id, state, goods, released } => {
                let event = proto::FulfillmentChanged {
                    order_id: order_id.clone(),
                    group_id: id.to_string(),
                    location_id: location_id.clone(),
                    state: state.to_proto().into(),
                    reason: change.cause.reason.clone(),
                    goods: goods.iter().map(goods_of).collect(),
                    released: released.iter().map(goods_of).collect(),
                };
                send(tx, call, order, sequence, change, &event.group_id, &event).await?;
            }
        }
    }
    Ok(())
}

async fn send<P: Message + Name>(
    tx: &mut Tx,
    call: &Call,
    order: &Order,
    sequence: i64,
    change: &Change,
    group_id: &str,
    payload: &P,
) -> Result<(), Error> {
    let state = match &change.what {
        OrderChange::Order(state) => state.as_str(),
        OrderChange::Payment(state) => state.as_str(),
        OrderChange::Group { state, .. } => state.as_str(),
        OrderChange::Imported(_) => order.state.as_str(),
    };
    let traceparent = trace::current_traceparent();
    let trace_id = traceparent.split('-').nth(1).unwrap_or_default();
    let actor = change.cause.actor.encode_to_vec();
    let values =
        args![order.id.0, sequence, change.cause.at, P::NAME, group_id, state, &change.cause.reason, actor, trace_id,];
    tx.execute(sql::INSERT, values).await?;
    outbox::append(tx, call, &order.id.to_string(), sequence, payload).await
}

fn placed(order: &Order) -> proto::OrderPlaced {
    proto::OrderPlaced {
        order_id: order.id.to_string(),
        cart_id: order.cart.as_ref().map(|cart| cart.id.clone()).unwrap_or_default(),
        profile_id: order.profile.map(|profile| profile.to_string()).unwrap_or_default(),
        channel: order.channel,
    }
}

fn cancelled(order: &Order) -> proto::OrderCancelled {
    proto::OrderCancelled {
        order_id: order.id.to_string(),
        cart_id: order.cart.as_ref().map(|cart| cart.id.clone()).unwrap_or_default(),
        reason: order.cancel_reason.clone(),
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

fn event_of(row: &Row) -> Result<OrderEvent, Error> {
    let actor: Vec<u8> = row.get("actor")?;
    Ok(OrderEvent {
        sequence: row.get("sequence")?,
        occur_time: Some(row.get::<omnimesh_kit::clock::Timestamp>("occurred_at")?.to_proto()),
        r#type: row.get("type")?,
        group_id: row.get("group_id")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        actor: Some(Actor::decode(actor.as_slice()).unwrap_or_default()),
        trace_id: row.get("trace_id")?,
    })
}
