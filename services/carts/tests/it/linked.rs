//! Sessions that were handed over.

use omnimesh_kit::{
    auth::{LinkedScope, SessionLevel},
    call::Call,
    ids::ProfileId,
};
use omnimesh_proto::{
    carts::v1::{
        AddLineRequest, ApplyCouponRequest, Cart, CartState, ClaimCartRequest, FreezeCartRequest, MergeCartsRequest,
        WatchCartRequest,
    },
    common::v1::{Actor, ActorKind, Channel},
};
use prost::Message as _;
use tonic::Code;

use crate::{
    customers::{merge, new_profile},
    on_both,
    world::{World, customer, guest, identified, pieces, reason, session_of},
};

fn linked(cart: Option<&Cart>, owner: Option<ProfileId>, edit: bool) -> Call {
    let mut call = guest();
    call.caller.identity.channel = Channel::App.into();
    let session = call.caller.identity.session.as_mut().unwrap();
    session.level = SessionLevel::Linked;
    session.linked = Some(LinkedScope { cart: cart.map(|cart| cart.cart_id.clone()), owner, edit, source: None });
    call
}

fn line(sku: &str) -> AddLineRequest {
    AddLineRequest { sku: sku.to_owned(), quantity: 1, ..AddLineRequest::default() }
}

async fn who_may_only_see_sees_the_goods(world: &World) {
    let profile = new_profile(world);
    let owner = customer(profile);
    let cart = world.add(&owner, "mug", 1).await;
    let cart = world.ship(&owner, &cart).await.unwrap();
    let other = world.add(&guest(), "mug", 1).await;
    let phone = linked(Some(&cart), Some(profile), false);
    for id in ["", &cart.cart_id] {
        let seen = world.get(&phone, id).await.unwrap();
        let shipping = seen.delivery.as_ref().unwrap().shipping.as_ref().unwrap();
        assert_eq!((shipping.address.as_ref(), seen.profile_id.as_str()), (None, ""));
        assert_eq!((seen.lines, seen.totals), (cart.lines.clone(), cart.totals.clone()));
    }
    let mut stream = world.carts(&phone).watch_cart(WatchCartRequest::default()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().cart.unwrap();
    assert_eq!(first.delivery.unwrap().shipping.unwrap().address, None);
    assert_eq!(reason(&world.get(&phone, &other.cart_id).await.unwrap_err()), "NOT_FOUND");
    let coupon = |code: &str| ApplyCouponRequest {
        code: code.to_owned(),
        expected_version: cart.version,
        ..ApplyCouponRequest::default()
    };
    let freeze = FreezeCartRequest { expected_version: cart.version, ..FreezeCartRequest::default() };
    let refused = [
        world.carts(&phone).add_line(line("tea")).await.unwrap_err(),
        world.carts(&phone).apply_coupon(coupon("WELCOME10")).await.unwrap_err(),
        world.carts(&phone).apply_coupon(coupon("NOSUCH")).await.unwrap_err(),
        world.carts(&phone).freeze_cart(freeze.clone()).await.unwrap_err(),
        world.carts_from("orders", &phone).freeze_cart(freeze).await.unwrap_err(),
        world.ship(&phone, &cart).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "NOT_HANDED_OVER"));
    }
    assert_eq!(world.get(&owner, "").await.unwrap(), cart, "nothing of it had an effect");
}

async fn who_may_change_changes_that_cart_alone(world: &World) {
    let profile = new_profile(world);
    let owner = customer(profile);
    let cart = world.add(&owner, "mug", 1).await;
    let mut tablet = linked(Some(&cart), Some(profile), true);
    tablet.caller.identity.session.as_mut().unwrap().assisted_by = Some("anna".to_owned());
    let added = world.carts(&tablet).add_line(line("tea")).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&added.cart_id, pieces(&added)), (&cart.cart_id, [("mug", 1), ("tea", 1)].into()));
    assert_eq!(added.lines[1].added_in(), Channel::App);
    let sql = omnimesh_kit::store::Sql::portable(
        "SELECT actor FROM outbox WHERE aggregate_id = $1 ORDER BY aggregate_seq DESC LIMIT 1",
    );
    let row = world.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![&cart.cart_id]).await.unwrap();
    let actor = Actor::decode(row.get::<Vec<u8>>("actor").unwrap().as_slice()).unwrap();
    assert_eq!((actor.kind(), actor.id.as_str()), (ActorKind::Associate, "anna"));
    let shipped = world.ship(&tablet, &added).await.unwrap();
    assert_eq!(shipped.delivery.unwrap().shipping.unwrap().address, None, "not even its own words");
    let own = world.get(&owner, "").await.unwrap();
    assert!(own.delivery.as_ref().unwrap().shipping.as_ref().unwrap().address.is_some());
    let asked = omnimesh_proto::carts::v1::GetCartRequest::default();
    let service = world.carts_from("orders", &tablet).get_cart(asked).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(service, own, "who places the order needs to know where to");
    let merge = MergeCartsRequest {
        source_cart_id: world.add(&guest(), "mug", 1).await.cart_id,
        target_cart_id: cart.cart_id.clone(),
        ..MergeCartsRequest::default()
    };
    assert_eq!(reason(&world.carts(&tablet).merge_carts(merge).await.unwrap_err()), "NOT_HANDED_OVER");
    let euro = AddLineRequest { currency_code: "EUR".to_owned(), ..line("tea") };
    assert_eq!(reason(&world.carts(&tablet).add_line(euro).await.unwrap_err()), "WRONG_CURRENCY");
    let freeze = FreezeCartRequest { expected_version: own.version, ..FreezeCartRequest::default() };
    let frozen = world.carts(&tablet).freeze_cart(freeze).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(frozen.state(), CartState::Frozen);
}

async fn the_scope_ends_when_the_cart_is_somebody_elses(world: &World) {
    let (web, profile) = (guest(), new_profile(world));
    let cart = world.add(&web, "mug", 1).await;
    let phone = linked(Some(&cart), None, true);
    assert_eq!(world.get(&phone, "").await.unwrap().lines, cart.lines);
    let claim =
        ClaimCartRequest { session_id: session_of(&web), profile_id: profile.to_string(), ..Default::default() };
    world.carts_from("sessions", &web).claim_cart(claim).await.unwrap();
    for id in ["", &cart.cart_id] {
        assert_eq!(reason(&world.get(&phone, id).await.unwrap_err()), "NOT_FOUND");
    }
    assert_eq!(reason(&world.carts(&phone).add_line(line("tea")).await.unwrap_err()), "NOT_FOUND", "nor a new one");
    // A customer who turns out to be two profiles is still the same.
    let other = new_profile(world);
    let older = world.add(&customer(other), "tea", 1).await;
    let phone = linked(Some(&cart), Some(profile), true);
    merge(world, other, &[profile], 1).await;
    assert_eq!(world.get(&phone, &cart.cart_id).await.unwrap().cart_id, older.cart_id);
}

async fn a_cart_that_comes_to_be_is_the_customers(world: &World) {
    let profile = new_profile(world);
    let (owner, phone) = (customer(profile), linked(None, Some(profile), true));
    let seen = linked(None, Some(profile), false);
    assert_eq!(reason(&world.get(&phone, "").await.unwrap_err()), "NOT_FOUND");
    assert_eq!(reason(&world.carts(&seen).add_line(line("tea")).await.unwrap_err()), "NOT_HANDED_OVER");
    let cart = world.carts(&phone).add_line(line("tea")).await.unwrap().into_inner().cart.unwrap();
    let own = world.get(&owner, "").await.unwrap();
    assert_eq!((&own.cart_id, own.profile_id.as_str()), (&cart.cart_id, profile.to_string().as_str()));
    assert_eq!(world.get(&seen, "").await.unwrap().cart_id, cart.cart_id);
    // Whoever the phone turns out to be, the cart stays whose it is.
    let somebody = new_profile(world);
    let mut known = identified(&phone, somebody);
    known.caller.identity.session.as_mut().unwrap().linked = None;
    assert_eq!(reason(&world.get(&known, "").await.unwrap_err()), "NOT_FOUND");
    assert_eq!(reason(&world.get(&known, &cart.cart_id).await.unwrap_err()), "NOT_FOUND");
}

/// A session that a guest's was handed over to before there was a cart.
fn linked_to(source: &Call, edit: bool) -> Call {
    let mut call = linked(None, None, edit);
    let scope = call.caller.identity.session.as_mut().unwrap().linked.as_mut().unwrap();
    scope.source = Some(source.session().unwrap().id);
    call
}

async fn guests_who_had_no_cart_yet_share_the_one_that_is_begun(world: &World) {
    // Begun by the claimer.
    let web = guest();
    let (phone, seen) = (linked_to(&web, true), linked_to(&web, false));
    assert_eq!(reason(&world.get(&phone, "").await.unwrap_err()), "NOT_FOUND");
    assert_eq!(reason(&world.carts(&seen).add_line(line("tea")).await.unwrap_err()), "NOT_HANDED_OVER");
    let cart = world.carts(&phone).add_line(line("tea")).await.unwrap().into_inner().cart.unwrap();
    for call in [&web, &phone, &seen] {
        for id in ["", &cart.cart_id] {
            assert_eq!(world.get(call, id).await.unwrap().cart_id, cart.cart_id);
        }
    }
    let added = world.add(&web, "mug", 1).await;
    assert_eq!((&added.cart_id, pieces(&added)), (&cart.cart_id, [("mug", 1), ("tea", 1)].into()));
    // Begun by the one who handed over.
    let web = guest();
    let phone = linked_to(&web, true);
    let cart = world.add(&web, "mug", 1).await;
    let added = world.carts(&phone).add_line(line("tea")).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&added.cart_id, pieces(&added)), (&cart.cart_id, [("mug", 1), ("tea", 1)].into()));
    // Whoever of the two says who they are has it alone.
    let profile = new_profile(world);
    let claim = ClaimCartRequest {
        session_id: session_of(&web),
        profile_id: profile.to_string(),
        ..ClaimCartRequest::default()
    };
    world.carts_from("sessions", &web).claim_cart(claim).await.unwrap();
    for id in ["", &cart.cart_id] {
        assert_eq!(reason(&world.get(&phone, id).await.unwrap_err()), "NOT_FOUND", "{id}");
    }
    let own = world.get(&identified(&web, profile), "").await.unwrap();
    assert_eq!((&own.cart_id, pieces(&own)), (&cart.cart_id, pieces(&added)));
    // Others have nothing of it.
    for call in [guest(), linked_to(&guest(), true)] {
        assert_eq!(reason(&world.get(&call, &cart.cart_id).await.unwrap_err()), "NOT_FOUND");
    }
}

async fn a_guests_cart_goes_along_to_who_is_identified(world: &World) {
    let (kiosk, profile) = (guest(), new_profile(world));
    let own = world.add(&customer(profile), "tea", 1).await;
    let cart = world.add(&kiosk, "mug", 2).await;
    let phone = linked(Some(&cart), None, true);
    let claim = |cart: &Cart| ClaimCartRequest {
        session_id: session_of(&phone),
        profile_id: profile.to_string(),
        handed_cart_id: cart.cart_id.clone(),
    };
    let mut sessions = world.carts_from("sessions", &phone);
    let claimed = sessions.claim_cart(claim(&cart)).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&claimed.cart_id, pieces(&claimed)), (&own.cart_id, [("tea", 1), ("mug", 2)].into()));
    assert_eq!(sessions.claim_cart(claim(&cart)).await.unwrap().into_inner().cart.unwrap(), claimed, "twice is once");
    // The kiosk must not look into the customer's cart by the one it gave away.
    for id in ["", &cart.cart_id, &own.cart_id] {
        assert_eq!(reason(&world.get(&kiosk, id).await.unwrap_err()), "NOT_FOUND", "{id}");
    }
    let next = world.add(&kiosk, "pen", 1).await;
    assert_eq!(pieces(&next), [("pen", 1)].into());

    // A customer's cart is never taken, whatever was handed over.
    let theirs = world.add(&customer(new_profile(world)), "pen", 5).await;
    let claimed = sessions.claim_cart(claim(&theirs)).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(claimed.cart_id, own.cart_id);
    assert_eq!(pieces(&claimed), [("tea", 1), ("mug", 2)].into());
    // Without a cart of their own the guest's becomes theirs.
    let (kiosk, somebody) = (guest(), new_profile(world));
    let cart = world.add(&kiosk, "mug", 1).await;
    let claim = ClaimCartRequest { profile_id: somebody.to_string(), ..claim(&cart) };
    let claimed = sessions.claim_cart(claim).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&claimed.cart_id, claimed.profile_id), (&cart.cart_id, somebody.to_string()));
    assert_eq!(reason(&world.get(&kiosk, "").await.unwrap_err()), "NOT_FOUND");
    world.add(&kiosk, "pen", 1).await;
}

on_both!(
    who_may_only_see_sees_the_goods,
    who_may_change_changes_that_cart_alone,
    the_scope_ends_when_the_cart_is_somebody_elses,
    a_cart_that_comes_to_be_is_the_customers,
    guests_who_had_no_cart_yet_share_the_one_that_is_begun,
    a_guests_cart_goes_along_to_who_is_identified,
);
