//! Guests who become customers: claiming.

use omnimesh_kit::{call::Call, ids::ProfileId};
use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{AddLineRequest, Cart, CartState, ClaimCartRequest, FreezeCartRequest, MergeCartsRequest},
};

use crate::{
    on_both,
    world::{World, call, customer, guest, identified, pieces, reason, session_of},
};

async fn claim(world: &World, session: &Call, profile: ProfileId) -> Option<Cart> {
    let request = ClaimCartRequest {
        session_id: session_of(session),
        profile_id: profile.to_string(),
        handed_cart_id: String::new(),
    };
    world.carts_from("sessions", session).claim_cart(request).await.unwrap().into_inner().cart
}

async fn a_guests_cart_becomes_the_customers(world: &World) {
    let (me, profile) = (guest(), ProfileId::new(world.clock.now()));
    assert_eq!(claim(world, &me, profile).await, None);
    let cart = world.add(&me, "mug", 1).await;
    let claimed = claim(world, &me, profile).await.unwrap();
    assert_eq!((&claimed.cart_id, claimed.profile_id), (&cart.cart_id, profile.to_string()));
    assert_eq!(claim(world, &me, profile).await.unwrap().version, claimed.version, "claiming twice is claiming once");
    assert_eq!(world.get(&identified(&me, profile), "").await.unwrap().cart_id, cart.cart_id);
    assert_eq!(world.get(&customer(profile), "").await.unwrap().cart_id, cart.cart_id, "on every device");
    assert_eq!(world.get(&me, "").await.unwrap().cart_id, cart.cart_id, "a token from a moment ago still works");
    let stranger = customer(ProfileId::new(world.clock.now()));
    assert_eq!(reason(&world.get(&stranger, &cart.cart_id).await.unwrap_err()), "NOT_FOUND");
}

async fn two_carts_become_one(world: &World) {
    let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
    let app = customer(profile);
    let own = world.add(&app, "mug", 1).await;
    world.add(&web, "mug", 3).await;
    let from_web = world.add(&web, "tea", 1).await;
    let merged = claim(world, &web, profile).await.unwrap();
    assert_eq!((&merged.cart_id, pieces(&merged)), (&own.cart_id, [("mug", 3), ("tea", 1)].into()));
    assert_eq!(claim(world, &web, profile).await.unwrap(), merged);
    // A client that holds the old id and the old token goes on as if nothing had happened.
    let add =
        AddLineRequest { cart_id: from_web.cart_id, sku: "pen".to_owned(), quantity: 1, ..AddLineRequest::default() };
    let added = world.carts(&web).add_line(add).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&added.cart_id, added.lines.len()), (&own.cart_id, 3));
    assert_eq!(world.get(&web, "").await.unwrap(), added);
}

async fn a_cart_made_while_identifying_is_not_left_behind(world: &World) {
    let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
    world.add(&customer(profile), "mug", 1).await;
    claim(world, &web, profile).await;
    // The claim came first, the guest's line after it.
    world.add(&web, "tea", 1).await;
    let cart = world.get(&identified(&web, profile), "").await.unwrap();
    assert_eq!(pieces(&cart), [("mug", 1), ("tea", 1)].into());
}

async fn a_guest_whose_merged_cart_was_ordered_gets_a_new_one(world: &World) {
    let (one, two) = (guest(), guest());
    let source = world.add(&one, "mug", 1).await;
    let target = world.add(&two, "tea", 1).await;
    let staff = call(Audience::Staff, None);
    let merge = MergeCartsRequest {
        source_cart_id: source.cart_id.clone(),
        target_cart_id: target.cart_id.clone(),
        ..MergeCartsRequest::default()
    };
    let merged = world.carts(&staff).merge_carts(merge).await.unwrap().into_inner().cart.unwrap();
    let merged = world.ship(&two, &merged).await.unwrap();
    crate::freeze::order(world, &two, &merged).await;
    let new = world.add(&one, "pen", 1).await;
    assert_eq!((new.version, pieces(&new)), (1, [("pen", 1)].into()));
    assert_eq!(world.get(&one, &source.cart_id).await.unwrap().state(), CartState::Ordered);
}

async fn currencies_are_claimed_one_by_one(world: &World) {
    let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
    let own = world.add(&customer(profile), "mug", 1).await;
    let add = AddLineRequest {
        sku: "tea".to_owned(),
        quantity: 1,
        currency_code: "EUR".to_owned(),
        ..AddLineRequest::default()
    };
    let euro = world.carts(&web).add_line(add).await.unwrap().into_inner().cart.unwrap();
    claim(world, &web, profile).await.unwrap();
    let claimed = world.get(&customer(profile), &euro.cart_id).await.unwrap();
    assert_eq!((claimed.state(), pieces(&claimed)), (CartState::Active, [("tea", 1)].into()));
    assert_eq!(pieces(&world.get(&customer(profile), &own.cart_id).await.unwrap()), [("mug", 1)].into());
}

async fn a_frozen_cart_is_not_merged(world: &World) {
    let (web, profile) = (guest(), ProfileId::new(world.clock.now()));
    let own = world.add(&customer(profile), "mug", 1).await;
    let cart = world.add(&web, "tea", 1).await;
    let cart = world.ship(&web, &cart).await.unwrap();
    let freeze = FreezeCartRequest { expected_version: cart.version, ..FreezeCartRequest::default() };
    let frozen = world.carts(&web).freeze_cart(freeze).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(claim(world, &web, profile).await.unwrap(), own);
    assert_eq!(world.get(&web, &frozen.cart_id).await.unwrap(), frozen, "it is at the till");
    world.clock.advance(std::time::Duration::from_secs(900));
    let merged = world.get(&identified(&web, profile), "").await.unwrap();
    assert_eq!(pieces(&merged), [("mug", 1), ("tea", 1)].into(), "once it thawed it is claimed");
}

on_both!(
    a_guests_cart_becomes_the_customers,
    two_carts_become_one,
    a_cart_made_while_identifying_is_not_left_behind,
    a_guest_whose_merged_cart_was_ordered_gets_a_new_one,
    currencies_are_claimed_one_by_one,
    a_frozen_cart_is_not_merged,
);
