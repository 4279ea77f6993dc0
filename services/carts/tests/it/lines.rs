//! Adding, changing and removing lines, coupons, prices that run out, repeated requests.

use std::time::Duration;

use omnimesh_kit::ids::ProfileId;
use omnimesh_proto::carts::v1::{AddLineRequest, ApplyCouponRequest, ChangeLineRequest, RemoveLineRequest};

use crate::{
    on_both,
    world::{World, customer, guest, pieces, reason, request_id, session_of, total},
};

async fn a_cart_is_created_and_grows(world: &World) {
    let me = guest();
    assert_eq!(reason(&world.get(&me, "").await.unwrap_err()), "NOT_FOUND");
    let cart = world.add(&me, "mug", 1).await;
    assert_eq!((cart.version, cart.currency_code.as_str(), cart.lines.len()), (1, "TRY", 1));
    assert_eq!(world.fakes.state.lock().unwrap().attached, [(session_of(&me), cart.cart_id.clone())]);
    world.add(&me, "mug", 2).await;
    let cart = world.add(&me, "pen", 3).await;
    // 3 x 100 + round(3 x 0.335): the tax is not known before the country is.
    assert_eq!((cart.version, total(&cart).as_str()), (3, "301.01"));
    assert_eq!(cart.lines[0].quantity, 3);
    assert_eq!(world.get(&me, "").await.unwrap(), cart);
    assert_eq!(world.get(&me, &cart.cart_id).await.unwrap(), cart);
    assert_eq!(world.fakes.state.lock().unwrap().price_calls, 2, "a price that stands is not asked for again");

    let line_id = cart.lines[1].line_id.clone();
    let change = ChangeLineRequest { line_id, quantity: 10, expected_version: 3, ..ChangeLineRequest::default() };
    let cart = world.carts(&me).change_line(change).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(total(&cart), "303.35");
    let line_id = cart.lines[0].line_id.clone();
    let remove = RemoveLineRequest { line_id, expected_version: 4, ..RemoveLineRequest::default() };
    let cart = world.carts(&me).remove_line(remove).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((cart.version, total(&cart).as_str()), (5, "3.35"));
    let events = world.events(&cart.cart_id).await;
    let expected = ["CartCreated", "CartLineAdded", "CartLineAdded", "CartLineAdded", "CartChanged", "CartChanged"];
    assert_eq!(events, expected);
}

async fn options_make_lines(world: &World) {
    let me = customer(ProfileId::new(world.clock.now()));
    let add = |text: &str| AddLineRequest {
        sku: "mug".to_owned(),
        quantity: 1,
        options: [("engraving".to_owned(), text.to_owned())].into(),
        ..AddLineRequest::default()
    };
    for text in ["Ada", "Grace", "Ada"] {
        world.carts(&me).add_line(add(text)).await.unwrap();
    }
    let cart = world.get(&me, "").await.unwrap();
    assert_eq!(cart.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(cart.profile_id, me.identity().profile().unwrap().to_string());
}

async fn currencies_have_carts_of_their_own(world: &World) {
    let me = guest();
    let lira = world.add(&me, "mug", 1).await;
    let add = AddLineRequest {
        sku: "mug".to_owned(),
        quantity: 1,
        currency_code: "EUR".to_owned(),
        ..AddLineRequest::default()
    };
    let euro = world.carts(&me).add_line(add.clone()).await.unwrap().into_inner().cart.unwrap();
    assert_ne!(lira.cart_id, euro.cart_id);
    let wrong = AddLineRequest { cart_id: lira.cart_id, ..add };
    assert_eq!(reason(&world.carts(&me).add_line(wrong).await.unwrap_err()), "WRONG_CURRENCY");
}

async fn a_repeated_request_has_one_effect(world: &World) {
    let me = guest();
    let add =
        AddLineRequest { sku: "mug".to_owned(), quantity: 1, request_id: request_id(), ..AddLineRequest::default() };
    let first = world.carts(&me).add_line(add.clone()).await.unwrap();
    let again = world.carts(&me).add_line(add.clone()).await.unwrap();
    assert!(again.metadata().contains_key("omnimesh-replayed") && !first.metadata().contains_key("omnimesh-replayed"));
    assert_eq!(first.into_inner(), again.into_inner());
    let other = AddLineRequest { quantity: 2, ..add };
    assert_eq!(reason(&world.carts(&me).add_line(other).await.unwrap_err()), "REQUEST_ID_REUSED");

    // Its own effect makes the version stale: the stored reply is the answer all the same.
    let cart = world.get(&me, "").await.unwrap();
    let remove = RemoveLineRequest {
        line_id: cart.lines[0].line_id.clone(),
        expected_version: cart.version,
        request_id: request_id(),
        ..RemoveLineRequest::default()
    };
    let first = world.carts(&me).remove_line(remove.clone()).await.unwrap().into_inner();
    assert_eq!(world.carts(&me).remove_line(remove).await.unwrap().into_inner(), first);
    assert_eq!(world.get(&me, "").await.unwrap().version, 2);
}

async fn prices_stand_and_then_move(world: &World) {
    let me = guest();
    world.add(&me, "mug", 2).await;
    world.add(&me, "tea", 1).await;
    world.set_price("mug", Some(120_000_000));
    world.set_price("tea", None);
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(total(&world.get(&me, "").await.unwrap()), "225.50");
    world.clock.advance(Duration::from_secs(1));
    // The reply has new prices, the stored cart has not; the next write stores them.
    let cart = world.get(&me, "").await.unwrap();
    assert_eq!((cart.version, total(&cart).as_str()), (2, "240.00"));
    assert!(!cart.lines[1].sellable && cart.lines[1].not_sellable_reason == "it is not known");
    world.fakes.state.lock().unwrap().down = true;
    assert_eq!(total(&world.get(&me, "").await.unwrap()), "225.50", "catalog is down: the old prices, which say so");
    world.fakes.state.lock().unwrap().down = false;
    let cart = world.add(&me, "pen", 1).await;
    assert_eq!((cart.version, total(&cart).as_str()), (3, "240.34"));
    assert_eq!(world.get(&me, "").await.unwrap(), cart);
}

async fn coupons_come_and_go(world: &World) {
    let me = guest();
    let cart = world.add(&me, "mug", 2).await;
    let apply = |code: &str, expected_version| ApplyCouponRequest {
        code: code.to_owned(),
        expected_version,
        ..ApplyCouponRequest::default()
    };
    let cart =
        world.carts(&me).apply_coupon(apply("welcome10", cart.version)).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((cart.coupons[0].code.as_str(), total(&cart).as_str()), ("WELCOME10", "180.00"));
    for (code, why) in [
        ("TRY50", "it can't be combined with another coupon"),
        ("NOSUCH", "there is no such coupon"),
        ("!", "there is no such coupon"),
    ] {
        let refused = world.carts(&me).apply_coupon(apply(code, cart.version)).await.unwrap_err();
        assert_eq!(reason(&refused), "COUPON_INVALID", "{code}");
        assert!(refused.message().ends_with(why), "{}", refused.message());
    }
    let cart = world.carts(&me).apply_coupon(apply("", cart.version)).await.unwrap().into_inner().cart.unwrap();
    let refused = world.carts(&me).apply_coupon(apply("TRY50", cart.version)).await.unwrap_err();
    assert!(refused.message().ends_with("it needs goods of at least 300.00 TRY"), "{}", refused.message());
    let cart = world.add(&me, "mug", 1).await;
    let cart = world.carts(&me).apply_coupon(apply("try50", cart.version)).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(total(&cart), "250.00");
    // It stays listed when the goods do not suffice any more.
    let line_id = cart.lines[0].line_id.clone();
    let less =
        ChangeLineRequest { line_id, quantity: 1, expected_version: cart.version, ..ChangeLineRequest::default() };
    let cart = world.carts(&me).change_line(less).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((cart.coupons[0].applies, total(&cart).as_str()), (false, "100.00"));
    assert_eq!(pieces(&cart), [("mug", 1)].into());
}

on_both!(
    a_cart_is_created_and_grows,
    options_make_lines,
    currencies_have_carts_of_their_own,
    a_repeated_request_has_one_effect,
    prices_stand_and_then_move,
    coupons_come_and_go,
);
