//! A second device sees a change at once.

use std::time::Duration;

use omnimesh_kit::{call::Call, ids::ProfileId};
use omnimesh_proto::carts::v1::{Cart, ClaimCartRequest, WatchCartRequest, WatchCartResponse};
use tonic::Streaming;

use crate::{
    on_both,
    world::{World, customer, guest, pieces, reason, session_of},
};

async fn watch(world: &World, call: &Call, cart_id: &str) -> Streaming<WatchCartResponse> {
    let request = WatchCartRequest { cart_id: cart_id.to_owned() };
    world.carts(call).watch_cart(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<WatchCartResponse>) -> Cart {
    let message = tokio::time::timeout(Duration::from_secs(20), stream.message());
    message.await.unwrap().unwrap().unwrap().cart.unwrap()
}

async fn every_change_is_seen(world: &World) {
    let profile = ProfileId::new(world.clock.now());
    let (phone, laptop) = (customer(profile), customer(profile));
    let cart = world.add(&phone, "mug", 1).await;
    let mut stream = watch(world, &laptop, &cart.cart_id).await;
    assert_eq!(next(&mut stream).await, cart);
    let changed = world.add(&phone, "tea", 1).await;
    assert_eq!(next(&mut stream).await, changed);
    let refused = world.carts(&guest()).watch_cart(WatchCartRequest { cart_id: cart.cart_id }).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
}

async fn a_cart_to_come_is_seen_and_followed(world: &World) {
    let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
    let mut stream = watch(world, &web, "").await;
    // Somebody else's cart is none of its business.
    world.add(&guest(), "pen", 1).await;
    let cart = world.add(&web, "mug", 1).await;
    assert_eq!(next(&mut stream).await, cart);

    let own = world.add(&customer(profile), "tea", 1).await;
    let request = ClaimCartRequest {
        session_id: session_of(&web),
        profile_id: profile.to_string(),
        handed_cart_id: String::new(),
    };
    world.carts_from("sessions", &web).claim_cart(request).await.unwrap();
    let merged = next(&mut stream).await;
    assert_eq!((&merged.cart_id, pieces(&merged)), (&own.cart_id, [("mug", 1), ("tea", 1)].into()));
    let changed = world.add(&customer(profile), "pen", 1).await;
    assert_eq!(next(&mut stream).await, changed);
}

on_both!(every_change_is_seen, a_cart_to_come_is_seen_and_followed);
