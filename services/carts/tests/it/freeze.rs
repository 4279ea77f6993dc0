//! A cart at the till, and what becomes of it by its order.

use std::time::Duration;

use omnimesh_kit::{call::Call, clock::Timestamp, testing};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, Cart, CartState, FreezeCartRequest, ThawCartRequest},
    orders::v1::{OrderCancelled, OrderExpired, OrderPlaced},
};
use prost::{Message, Name};
use tonic::Status;

use crate::{
    on_both,
    world::{World, guest, reason, total},
};

pub(crate) const ORDER: &str = "order_01k0000000e008000000000000";

async fn ready(world: &World, me: &Call) -> Cart {
    let cart = world.add(me, "mug", 1).await;
    world.ship(me, &cart).await.unwrap()
}

pub(crate) async fn freeze_for(world: &World, call: &Call, cart: &Cart, order: &str) -> Result<Cart, Status> {
    let request = FreezeCartRequest {
        cart_id: cart.cart_id.clone(),
        expected_version: cart.version,
        order_id: order.to_owned(),
        ..FreezeCartRequest::default()
    };
    let mut carts = if order.is_empty() { world.carts(call) } else { world.carts_from("orders", call) };
    carts.freeze_cart(request).await.map(|reply| reply.into_inner().cart.unwrap())
}

async fn thaw_for(world: &World, call: &Call, cart: &Cart, order: &str) -> Result<Cart, Status> {
    let request =
        ThawCartRequest { cart_id: cart.cart_id.clone(), order_id: order.to_owned(), ..ThawCartRequest::default() };
    let mut carts = if order.is_empty() { world.carts(call) } else { world.carts_from("orders", call) };
    carts.thaw_cart(request).await.map(|reply| reply.into_inner().cart.unwrap())
}

pub(crate) async fn heard<E: Message + Name>(world: &World, payload: &E) {
    world.hear("orders", ORDER, payload).await;
}

/// The cart becomes an order.
pub(crate) async fn order(world: &World, me: &Call, cart: &Cart) {
    freeze_for(world, me, cart, ORDER).await.unwrap();
    heard(world, &OrderPlaced { order_id: ORDER.to_owned(), ..OrderPlaced::default() }).await;
}

async fn a_customers_freeze_ends_by_itself(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    let frozen = freeze_for(world, &me, &cart, "").await.unwrap();
    assert_eq!((frozen.state(), frozen.version), (CartState::Frozen, 3));
    let until = frozen.freeze_expire_time.as_ref().and_then(Timestamp::from_proto).unwrap();
    assert_eq!(until.since(world.clock.now()), Duration::from_secs(900));
    let add = AddLineRequest { sku: "mug".to_owned(), quantity: 1, ..AddLineRequest::default() };
    assert_eq!(reason(&world.carts(&me).add_line(add).await.unwrap_err()), "CART_FROZEN");
    world.set_price("mug", Some(999_000_000));
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(total(&world.get(&me, "").await.unwrap()), total(&cart), "frozen prices do not move");
    world.clock.advance(Duration::from_secs(1));
    let thawed = world.get(&me, "").await.unwrap();
    assert_eq!(thawed.state(), CartState::Active);
    // Whoever follows the events learns it too.
    testing::eventually("the end of the freeze is an event", async || {
        world.last_summary(&cart.cart_id).await.state() == CartState::Active
    })
    .await;
    assert_eq!(world.add(&me, "mug", 1).await.lines[0].quantity, 2);
}

async fn the_next_line_does_not_wait_for_the_orders_event(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    freeze_for(world, &me, &cart, ORDER).await.unwrap();
    let add = AddLineRequest { sku: "tea".to_owned(), quantity: 1, ..AddLineRequest::default() };
    let mut carts = world.carts(&me);
    let placed = OrderPlaced { order_id: ORDER.to_owned(), ..OrderPlaced::default() };
    let (added, ()) = tokio::join!(carts.add_line(add.clone()), heard(world, &placed));
    let added = added.unwrap().into_inner().cart.unwrap();
    assert_ne!(added.cart_id, cart.cart_id);
    let added = world.ship(&me, &added).await.unwrap();
    freeze_for(world, &me, &added, &ORDER.replace("01k", "01m")).await.unwrap();
    assert_eq!(reason(&world.carts(&me).add_line(add).await.unwrap_err()), "CART_FROZEN", "nobody placed that one");
}

async fn a_customer_may_think_again(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    freeze_for(world, &me, &cart, "").await.unwrap();
    assert_eq!(thaw_for(world, &me, &cart, "").await.unwrap().state(), CartState::Active);
    assert_eq!(thaw_for(world, &me, &cart, "").await.unwrap().version, 4, "thawing twice is thawing once");
}

async fn an_orders_freeze_ends_with_the_order(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    let frozen = freeze_for(world, &me, &cart, ORDER).await.unwrap();
    assert_eq!((frozen.state(), frozen.order_id.as_str()), (CartState::Frozen, ORDER));
    // The saga asks again, with the version it knew: nothing changes.
    assert_eq!(freeze_for(world, &Call::system("orders"), &cart, ORDER).await.unwrap(), frozen);
    let other = ORDER.replace("01k", "01m");
    assert_eq!(reason(&freeze_for(world, &me, &frozen, &other).await.unwrap_err()), "CART_FROZEN");
    assert_eq!(reason(&thaw_for(world, &me, &cart, "").await.unwrap_err()), "CART_FROZEN");
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.get(&me, "").await.unwrap(), frozen, "however long it takes");

    heard(world, &OrderPlaced { order_id: ORDER.to_owned(), cart_id: cart.cart_id.clone(), ..OrderPlaced::default() })
        .await;
    let ordered = world.get(&me, &cart.cart_id).await.unwrap();
    assert_eq!((ordered.state(), ordered.order_id.as_str()), (CartState::Ordered, ORDER));
    heard(world, &OrderCancelled { order_id: ORDER.to_owned(), ..OrderCancelled::default() }).await;
    assert_eq!(world.get(&me, &cart.cart_id).await.unwrap(), ordered, "it was an order: it stays closed");
    assert_eq!(reason(&thaw_for(world, &me, &cart, ORDER).await.unwrap_err()), "ILLEGAL_TRANSITION");
    assert_eq!(reason(&world.get(&me, "").await.unwrap_err()), "NOT_FOUND");
    assert_ne!(world.add(&me, "tea", 1).await.cart_id, cart.cart_id);
}

async fn a_draft_that_fails_gives_the_cart_back(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    freeze_for(world, &me, &cart, ORDER).await.unwrap();
    heard(world, &OrderCancelled { order_id: ORDER.to_owned(), ..OrderCancelled::default() }).await;
    let back = world.get(&me, "").await.unwrap();
    assert_eq!((back.state(), back.order_id.as_str(), back.version), (CartState::Active, "", 4));
    freeze_for(world, &me, &back, ORDER).await.unwrap();
    heard(world, &OrderExpired { order_id: ORDER.to_owned(), ..OrderExpired::default() }).await;
    heard(world, &OrderExpired { order_id: ORDER.to_owned(), ..OrderExpired::default() }).await;
    let back = world.get(&me, "").await.unwrap();
    assert_eq!((back.state(), back.version), (CartState::Active, 6));
    let frozen = freeze_for(world, &me, &back, ORDER).await.unwrap();
    assert_eq!(thaw_for(world, &Call::system("orders"), &frozen, ORDER).await.unwrap().state(), CartState::Active);
}

async fn what_can_not_be_sold_blocks_the_order(world: &World) {
    let me = guest();
    let cart = ready(world, &me).await;
    world.set_price("mug", None);
    world.clock.advance(Duration::from_secs(900));
    let refused = freeze_for(world, &me, &cart, "").await.unwrap_err();
    assert_eq!(reason(&refused), "CART_INCOMPLETE");
    assert_eq!(world.get(&me, "").await.unwrap().lines.len(), 1, "the line stays");
}

on_both!(
    a_customers_freeze_ends_by_itself,
    the_next_line_does_not_wait_for_the_orders_event,
    a_customer_may_think_again,
    an_orders_freeze_ends_with_the_order,
    a_draft_that_fails_gives_the_cart_back,
    what_can_not_be_sold_blocks_the_order,
);
