//! Profiles that are found to be one customer, and found not to be.

use std::time::Duration;

use futures::future::join_all;
use omnimesh_kit::{
    call::Call,
    ids::ProfileId,
    testing::{self, Backend},
};
use omnimesh_proto::{
    carts::v1::{
        AddLineRequest, ApplyCouponRequest, Cart, CartParted, CartState, ChangeLineRequest, ClaimCartRequest,
        FreezeCartRequest, ThawCartRequest, WatchCartRequest,
    },
    profiles::v1::{ClusterMember, ProfileSplit, ProfilesMerged},
};
use prost::Message as _;

use crate::{
    freeze, on_both,
    world::{World, customer, guest, pieces, reason, session_of, total},
};

pub(crate) fn new_profile(world: &World) -> ProfileId {
    // Ids of one moment sort as they are made.
    world.clock.advance(Duration::from_millis(1));
    ProfileId::new(world.clock.now())
}

fn member(profile: ProfileId, root: ProfileId, generation: i64) -> ClusterMember {
    ClusterMember { profile_id: profile.to_string(), root_profile_id: root.to_string(), generation }
}

pub(crate) async fn merge(world: &World, root: ProfileId, others: &[ProfileId], generation: i64) {
    let all = [root].into_iter().chain(others.iter().copied());
    let merged = ProfilesMerged {
        profile_id: root.to_string(),
        members: all.map(|profile| member(profile, root, generation)).collect(),
        merge_id: String::new(),
    };
    world.hear("profiles", &root.to_string(), &merged).await;
}

pub(crate) async fn split(world: &World, root: ProfileId, leaving: &[ProfileId], generation: i64) {
    let gone = leaving.iter().map(|profile| member(*profile, *profile, generation));
    let split = ProfileSplit {
        profile_id: root.to_string(),
        members: [member(root, root, generation)].into_iter().chain(gone).collect(),
    };
    world.hear("profiles", &root.to_string(), &split).await;
}

/// Two customers with a cart each: the first has mugs and tea, the second mugs and pens.
async fn two(world: &World) -> ([ProfileId; 2], [Call; 2], [Cart; 2]) {
    let profiles = [new_profile(world), new_profile(world)];
    let calls = profiles.map(customer);
    world.add(&calls[0], "mug", 1).await;
    let first = world.add(&calls[0], "tea", 3).await;
    world.clock.advance(Duration::from_secs(1));
    world.add(&calls[1], "mug", 2).await;
    let second = world.add(&calls[1], "pen", 4).await;
    (profiles, calls, [first, second])
}

/// But for versions and times.
fn content(cart: &Cart) -> Cart {
    Cart { version: 0, update_time: None, ..cart.clone() }
}

async fn body(world: &World, cart_id: &str) -> String {
    let id: omnimesh_carts::domain::CartId = cart_id.parse().unwrap();
    let sql = omnimesh_kit::store::Sql::portable("SELECT body FROM carts WHERE id = $1");
    let row = world.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![id.0]).await.unwrap();
    row.get("body").unwrap()
}

async fn change(world: &World, call: &Call, cart: &Cart, sku: &str, quantity: i64) -> Cart {
    let line = cart.lines.iter().find(|line| line.sku == sku).unwrap();
    let request = ChangeLineRequest {
        cart_id: cart.cart_id.clone(),
        line_id: line.line_id.clone(),
        quantity,
        expected_version: cart.version,
        ..ChangeLineRequest::default()
    };
    world.carts(call).change_line(request).await.unwrap().into_inner().cart.unwrap()
}

async fn one_customer_has_one_cart(world: &World) {
    let ([a, b], [one, two], [first, second]) = two(world).await;
    let stranger = customer(new_profile(world));
    assert_eq!(reason(&world.get(&two, &first.cart_id).await.unwrap_err()), "NOT_FOUND");
    merge(world, a, &[b], 1).await;
    let joined = world.get(&one, "").await.unwrap();
    assert_eq!((&joined.cart_id, pieces(&joined)), (&first.cart_id, [("mug", 2), ("tea", 3), ("pen", 4)].into()));
    assert_eq!(total(&joined), "277.84", "2 x 100.00 + 3 x 25.50 + 4 x 0.335");
    for id in ["", &second.cart_id, &first.cart_id] {
        assert_eq!(world.get(&two, id).await.unwrap(), joined, "{id}");
    }
    assert_eq!(reason(&world.get(&stranger, &second.cart_id).await.unwrap_err()), "NOT_FOUND");
    let pen = joined.lines.iter().find(|line| line.sku == "pen").unwrap();
    assert_eq!((&pen.origin_cart_id, &pen.line_id), (&second.cart_id, &second.lines[1].line_id));
    assert_eq!(world.events(&second.cart_id).await.last().unwrap(), "CartMerged");
    assert_eq!(world.last_summary(&second.cart_id).await, world.last_summary(&first.cart_id).await);
    assert_eq!(world.last_summary(&first.cart_id).await.version, joined.version);
    // Heard again, or an older one late: nothing happens.
    merge(world, a, &[b], 1).await;
    split(world, a, &[b], 0).await;
    assert_eq!(world.get(&two, "").await.unwrap(), joined);
    // Both write into the one.
    let more = world.add(&two, "tea", 1).await;
    assert_eq!((&more.cart_id, pieces(&more)["tea"]), (&first.cart_id, 4));
}

async fn joining_then_parting_changes_nothing(world: &World) {
    let ([a, b], [one, two], carts) = two(world).await;
    let cart = world.ship(&one, &carts[0]).await.unwrap();
    let coupon = |cart: &Cart| ApplyCouponRequest {
        code: "WELCOME10".to_owned(),
        expected_version: cart.version,
        ..ApplyCouponRequest::default()
    };
    let second = world.carts(&two).apply_coupon(coupon(&carts[1])).await.unwrap().into_inner().cart.unwrap();
    let before = [body(world, &cart.cart_id).await, body(world, &second.cart_id).await];
    merge(world, a, &[b], 1).await;
    let joined = world.get(&one, "").await.unwrap();
    assert_eq!((joined.coupons.len(), joined.coupons[0].applies), (1, true));
    split(world, a, &[b], 2).await;
    split(world, a, &[b], 2).await;
    assert_eq!([body(world, &cart.cart_id).await, body(world, &second.cart_id).await], before, "byte by byte");
    assert_eq!(content(&world.get(&one, "").await.unwrap()), content(&cart));
    assert_eq!(content(&world.get(&two, "").await.unwrap()), content(&second));
    assert_eq!(content(&world.get(&two, &second.cart_id).await.unwrap()), content(&second), "old ids lead there");
    assert_eq!(reason(&world.get(&two, &cart.cart_id).await.unwrap_err()), "NOT_FOUND");
    assert_eq!(reason(&world.get(&one, &second.cart_id).await.unwrap_err()), "NOT_FOUND");
    assert_eq!(world.events(&second.cart_id).await.last().unwrap(), "CartParted");
    let summary = world.last_summary(&second.cart_id).await;
    assert_eq!((summary.state(), summary.line_count, summary.profile_id), (CartState::Active, 2, b.to_string()));
}

async fn what_was_edited_stays_with_its_editor(world: &World) {
    let ([a, b], [one, two], [first, second]) = two(world).await;
    merge(world, a, &[b], 1).await;
    let joined = world.get(&one, "").await.unwrap();
    let joined = change(world, &one, &joined, "pen", 9).await;
    let joined = change(world, &two, &joined, "mug", 7).await;
    let joined = world.ship(&two, &joined).await.unwrap();
    // Asked for by a back-end: nobody's, so it stays where it is.
    let add = AddLineRequest {
        cart_id: joined.cart_id.clone(),
        sku: "tea".to_owned(),
        quantity: 1,
        options: [("wrapped".to_owned(), "yes".to_owned())].into(),
        ..AddLineRequest::default()
    };
    world.carts(&crate::world::call(omnimesh_proto::access::v1::Audience::Admin, None)).add_line(add).await.unwrap();
    split(world, a, &[b], 2).await;
    let (own, theirs) = (world.get(&one, "").await.unwrap(), world.get(&two, "").await.unwrap());
    assert_eq!((&own.cart_id, pieces(&own)), (&first.cart_id, [("mug", 1), ("tea", 4), ("pen", 9)].into()));
    assert_eq!((&theirs.cart_id, pieces(&theirs)), (&second.cart_id, [("mug", 7)].into()));
    assert!(own.delivery.is_none() && theirs.delivery.is_some(), "an address goes with who gave it");
    let sql = omnimesh_kit::store::Sql::portable(
        "SELECT payload FROM outbox WHERE aggregate_id = $1 ORDER BY aggregate_seq DESC LIMIT 1",
    );
    let row = world.db.read().await.unwrap().fetch_one(sql, omnimesh_kit::args![&second.cart_id]).await.unwrap();
    let parted = CartParted::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap();
    assert_eq!(parted.kept_line_ids, [second.lines[1].line_id.clone()]);
    assert_eq!((parted.from_cart_id, parted.returned_line_count), (first.cart_id.clone(), 1));
    let stored = body(world, &first.cart_id).await + &body(world, &second.cart_id).await;
    assert!(!stored.contains("joined") && !stored.contains("edited"), "{stored}");
}

async fn a_cart_of_the_moment_in_between_is_found(world: &World) {
    let (a, b) = (new_profile(world), new_profile(world));
    let (one, two) = (customer(a), customer(b));
    let first = world.add(&one, "mug", 1).await;
    merge(world, a, &[b], 1).await;
    // It was created by a call that had looked before the event was heard.
    let mut cart = omnimesh_carts::domain::Cart::new(world.clock.now(), "TRY".parse().unwrap(), 1, None, Some(b));
    cart.version = 1;
    let body = serde_json::to_string(&cart.body).unwrap();
    let sql = omnimesh_kit::store::Sql::portable(
        "INSERT INTO carts (id, version, events, state, currency, profile_id, channel, created_at, updated_at, body) \
         VALUES ($1, 1, 0, 'ACTIVE', 'TRY', $2, 1, $3, $3, $4)",
    );
    let mut tx = world.db.begin().await.unwrap();
    tx.execute(sql, omnimesh_kit::args![cart.id.0, b.0, world.clock.now(), body]).await.unwrap();
    tx.commit().await.unwrap();
    let late = cart.id.to_string();
    assert_eq!(world.get(&two, "").await.unwrap().cart_id, first.cart_id);
    assert_eq!(world.get(&two, &late).await.unwrap().cart_id, first.cart_id);
    let more = world.add(&two, "tea", 1).await;
    assert_eq!((&more.cart_id, pieces(&more)), (&first.cart_id, [("mug", 1), ("tea", 1)].into()));
}

async fn a_cart_at_the_till_is_left_alone(world: &World) {
    let ([a, b], [one, two], [first, second]) = two(world).await;
    let ready = world.ship(&one, &first).await.unwrap();
    freeze::freeze_for(world, &one, &ready, freeze::ORDER).await.unwrap();
    merge(world, a, &[b], 1).await;
    let till = world.get(&one, "").await.unwrap();
    assert_eq!((till.state(), pieces(&till)), (CartState::Frozen, [("mug", 1), ("tea", 3)].into()));
    let other = world.get(&two, "").await.unwrap();
    assert_eq!((&other.cart_id, other.version), (&second.cart_id, second.version), "who has a cart goes on with it");
    freeze::heard(
        world,
        &omnimesh_proto::orders::v1::OrderCancelled { order_id: freeze::ORDER.to_owned(), ..Default::default() },
    )
    .await;
    let joined = world.get(&two, "").await.unwrap();
    assert_eq!((&joined.cart_id, pieces(&joined)), (&first.cart_id, [("mug", 2), ("tea", 3), ("pen", 4)].into()));

    // And it is taken apart only afterwards, also when the customer's own freeze just runs out.
    let freeze = FreezeCartRequest { expected_version: joined.version, ..FreezeCartRequest::default() };
    world.carts(&one).freeze_cart(freeze).await.unwrap();
    split(world, a, &[b], 2).await;
    assert_eq!(pieces(&world.get(&one, "").await.unwrap())["pen"], 4);
    let seen = world.get(&two, &second.cart_id).await.unwrap();
    assert_eq!(
        (seen.state(), pieces(&seen)),
        (CartState::Merged, [("mug", 2), ("pen", 4)].into()),
        "never the other's"
    );
    world.clock.advance(Duration::from_secs(1));
    let new = world.add(&two, "tea", 1).await;
    assert!(![&first.cart_id, &second.cart_id].contains(&&new.cart_id));
    world.clock.advance(Duration::from_secs(900));
    testing::eventually("both have their carts", async || world.get(&two, "").await.unwrap().cart_id == second.cart_id)
        .await;
    assert_eq!(pieces(&world.get(&one, "").await.unwrap()), [("mug", 1), ("tea", 3)].into());
    let back = world.get(&two, &new.cart_id).await.unwrap();
    assert_eq!((&back.cart_id, pieces(&back)), (&second.cart_id, [("mug", 2), ("pen", 4), ("tea", 1)].into()));
    let thaw = ThawCartRequest::default();
    assert_eq!(world.carts(&one).thaw_cart(thaw).await.unwrap().into_inner().cart.unwrap().state(), CartState::Active);
}

async fn a_guests_cart_is_claimed_for_the_right_profile(world: &World) {
    let (a, b) = (new_profile(world), new_profile(world));
    let (one, two, web) = (customer(a), customer(b), guest());
    let first = world.add(&one, "mug", 1).await;
    merge(world, a, &[b], 1).await;
    let guests = world.add(&web, "tea", 2).await;
    let request = ClaimCartRequest { session_id: session_of(&web), profile_id: b.to_string(), ..Default::default() };
    let claimed = world.carts_from("sessions", &web).claim_cart(request).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&claimed.cart_id, pieces(&claimed)), (&first.cart_id, [("mug", 1), ("tea", 2)].into()));
    assert_eq!(world.get(&two, &guests.cart_id).await.unwrap(), claimed);
    split(world, a, &[b], 2).await;
    let back = world.get(&two, "").await.unwrap();
    assert_eq!((&back.cart_id, pieces(&back)), (&guests.cart_id, [("tea", 2)].into()));
    assert_eq!(back.profile_id, b.to_string());
    assert_eq!(pieces(&world.get(&one, "").await.unwrap()), [("mug", 1)].into());
}

async fn prices_of_other_channels_are_asked_anew(world: &World) {
    let ([a, b], [one, mut two], _) = two(world).await;
    two.caller.identity.channel = omnimesh_proto::common::v1::Channel::Store.into();
    let add =
        AddLineRequest { sku: "tea".to_owned(), quantity: 1, currency_code: "EUR".to_owned(), ..Default::default() };
    world.carts(&two).add_line(add.clone()).await.unwrap();
    let pen = AddLineRequest { sku: "pen".to_owned(), ..add };
    let own = world.carts(&one).add_line(pen).await.unwrap().into_inner().cart.unwrap();
    world.set_price("tea", Some(30_000_000));
    merge(world, a, &[b], 1).await;
    let joined = world.get(&one, &own.cart_id).await.unwrap();
    assert_eq!((pieces(&joined), total(&joined).as_str()), ([("pen", 1), ("tea", 1)].into(), "30.34"));
}

async fn who_brought_no_cart_takes_along_what_they_wrote(world: &World) {
    let (a, b) = (new_profile(world), new_profile(world));
    let (one, two) = (customer(a), customer(b));
    let first = world.add(&one, "mug", 1).await;
    merge(world, a, &[b], 1).await;
    world.add(&two, "tea", 2).await;
    split(world, a, &[b], 2).await;
    assert_eq!(content(&world.get(&one, "").await.unwrap()), content(&first));
    let own = world.get(&two, "").await.unwrap();
    assert_eq!((pieces(&own), total(&own).as_str()), ([("tea", 2)].into(), "51.00"));
    assert_eq!((own.profile_id.as_str(), own.version), (b.to_string().as_str(), 1));
    assert_eq!(world.events(&own.cart_id).await, ["CartCreated"]);
}

async fn a_watch_follows_its_customer(world: &World) {
    let ([a, b], [_, two], [first, second]) = two(world).await;
    let request = WatchCartRequest::default();
    let mut stream = world.carts(&two).watch_cart(request).await.unwrap().into_inner();
    let mut next = async || {
        let message = tokio::time::timeout(Duration::from_secs(20), stream.message());
        message.await.unwrap().unwrap().unwrap().cart.unwrap()
    };
    assert_eq!(next().await.cart_id, second.cart_id);
    merge(world, a, &[b], 1).await;
    assert_eq!(next().await.cart_id, first.cart_id);
    split(world, a, &[b], 2).await;
    let back = next().await;
    assert_eq!((&back.cart_id, pieces(&back)), (&second.cart_id, [("mug", 2), ("pen", 4)].into()));
}

on_both!(
    one_customer_has_one_cart,
    joining_then_parting_changes_nothing,
    what_was_edited_stays_with_its_editor,
    a_cart_of_the_moment_in_between_is_found,
    a_cart_at_the_till_is_left_alone,
    a_guests_cart_is_claimed_for_the_right_profile,
    prices_of_other_channels_are_asked_anew,
    who_brought_no_cart_takes_along_what_they_wrote,
    a_watch_follows_its_customer,
);

#[tokio::test(flavor = "multi_thread")]
async fn adding_while_profiles_meet_and_part_loses_nothing() {
    let world = World::on(Backend::Postgres).await;
    for round in 0..6 {
        let (a, b) = (new_profile(&world), new_profile(&world));
        let calls = [customer(a), customer(b)];
        if round % 2 == 0 {
            world.add(&calls[1], "mug", 1).await;
        }
        let adds = (0..16).map(|number| {
            // A line each, so that the larger quantity of equal lines is not what is tested.
            let request = AddLineRequest {
                sku: "tea".to_owned(),
                quantity: 1,
                options: [("number".to_owned(), number.to_string())].into(),
                ..AddLineRequest::default()
            };
            let mut carts = world.carts(&calls[number % 2]);
            async move { carts.add_line(request).await.map(drop).unwrap() }
        });
        let events = async {
            merge(&world, a, &[b], 1).await;
            split(&world, a, &[b], 2).await;
            merge(&world, a, &[b], 3).await;
        };
        tokio::join!(join_all(adds), events);
        let cart = world.get(&calls[0], "").await.unwrap();
        assert_eq!(pieces(&cart)["tea"], 16, "round {round}");
        assert_eq!(world.get(&calls[1], "").await.unwrap(), cart);
        split(&world, a, &[b], 4).await;
        for (place, call) in calls.iter().enumerate() {
            let cart = world.get(call, "").await.unwrap();
            let numbers: Vec<usize> =
                cart.lines.iter().filter(|l| l.sku == "tea").map(|l| l.options["number"].parse().unwrap()).collect();
            assert_eq!(numbers.len(), 8, "round {round}");
            assert!(numbers.iter().all(|number| number % 2 == place), "round {round}: {numbers:?}");
        }
    }
}
