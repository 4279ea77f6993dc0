//! Many at once, on Postgres with 16 connections: nothing is lost, nothing happens twice.

use futures::future::join_all;
use omnimesh_kit::{ids::ProfileId, testing::Backend};
use omnimesh_proto::carts::v1::{AddLineRequest, ChangeLineRequest, ClaimCartRequest, FreezeCartRequest};

use crate::world::{World, customer, guest, identified, pieces, reason, session_of};

#[tokio::test(flavor = "multi_thread")]
async fn adding_at_once_loses_nothing() {
    let world = World::on(Backend::Postgres).await;
    let me = guest();
    for round in 1..=3 {
        let adds = (0..16).map(|number| {
            let sku = ["mug", "tea", "pen"][number % 3].to_owned();
            let request = AddLineRequest { sku, quantity: 1, ..AddLineRequest::default() };
            let mut carts = world.carts(&me);
            async move { carts.add_line(request).await.unwrap() }
        });
        join_all(adds).await;
        let cart = world.get(&me, "").await.unwrap();
        assert_eq!(pieces(&cart).values().sum::<i64>(), 16 * round);
        assert_eq!(cart.version, 16 * round);
        assert_eq!(world.events(&cart.cart_id).await.len(), usize::try_from(16 * round + 1).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claiming_while_adding_loses_nothing() {
    let world = World::on(Backend::Postgres).await;
    for round in 0..8 {
        let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
        world.add(&customer(profile), "tea", 1).await;
        if round % 2 == 0 {
            world.add(&web, "pen", 1).await;
        }
        let adds = (0..12).map(|_| {
            let request = AddLineRequest { sku: "mug".to_owned(), quantity: 1, ..AddLineRequest::default() };
            let mut carts = world.carts(&web);
            async move { carts.add_line(request).await.map(drop).unwrap() }
        });
        let claims = (0..4).map(|_| {
            let request = ClaimCartRequest {
                session_id: session_of(&web),
                profile_id: profile.to_string(),
                handed_cart_id: String::new(),
            };
            let mut carts = world.carts_from("sessions", &web);
            async move { carts.claim_cart(request).await.map(drop).unwrap() }
        });
        tokio::join!(join_all(adds), join_all(claims));
        let cart = world.get(&identified(&web, profile), "").await.unwrap();
        assert_eq!(pieces(&cart).get("mug"), Some(&12), "round {round}: {:?}", pieces(&cart));
        assert_eq!(pieces(&cart).get("tea"), Some(&1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cart_is_the_one_that_was_seen() {
    let world = World::on(Backend::Postgres).await;
    for _ in 0..8 {
        let me = guest();
        let cart = world.add(&me, "mug", 1).await;
        let cart = world.ship(&me, &cart).await.unwrap();
        let changes = (2..10).map(|quantity| {
            let request = ChangeLineRequest {
                line_id: cart.lines[0].line_id.clone(),
                quantity,
                expected_version: cart.version,
                ..ChangeLineRequest::default()
            };
            let mut carts = world.carts(&me);
            async move { carts.change_line(request).await.map(|reply| reply.into_inner().cart.unwrap()) }
        });
        let freezes = (0..8).map(|_| {
            let request = FreezeCartRequest { expected_version: cart.version, ..FreezeCartRequest::default() };
            let mut carts = world.carts(&me);
            async move { carts.freeze_cart(request).await.map(|reply| reply.into_inner().cart.unwrap()) }
        });
        let (changed, frozen) = tokio::join!(join_all(changes), join_all(freezes));
        let mut won = changed.into_iter().chain(frozen).filter_map(|outcome| match outcome {
            Ok(cart) => Some(cart),
            Err(status) => {
                let lost = reason(&status);
                assert!(["VERSION_MISMATCH", "CART_FROZEN"].contains(&lost.as_str()), "{status:?}");
                None
            }
        });
        let winner = won.next().unwrap();
        assert_eq!(won.next(), None, "one wins");
        assert_eq!(world.get(&me, "").await.unwrap(), winner);
    }
}
