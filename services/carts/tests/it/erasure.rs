//! Customers who are forgotten.

use omnimesh_kit::{call::Call, customers::Held};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, Cart, CartState, ClaimCartRequest, SetDeliveryRequest, set_delivery_request::Choice},
    common::v1::Address,
    events::v1::ErasureApplied,
    orders::v1::{OrderPlaced, OrderSummary},
    profiles::v1::ProfileErased,
};
use prost::{Message as _, Name as _};

use crate::{
    customers::{merge, new_profile},
    freeze, on_both,
    world::{World, address, customer, guest, pieces, request_id, session_of},
};

const CANARY: &str = "Kanarya";

fn personal(text: &str) -> Address {
    let said = format!("{CANARY} {text}");
    Address { recipient: said.clone(), lines: vec![said.clone()], city: said.clone(), organization: said, ..address() }
}

/// A line with an engraving and an address, asked for with request ids.
async fn filled(world: &World, call: &Call, text: &str) -> Cart {
    let add = AddLineRequest {
        sku: "mug".to_owned(),
        quantity: 1,
        options: [("engraving".to_owned(), format!("{CANARY} {text}"))].into(),
        request_id: request_id(),
        ..AddLineRequest::default()
    };
    let cart = world.carts(call).add_line(add).await.unwrap().into_inner().cart.unwrap();
    let shipping = omnimesh_proto::carts::v1::ShippingChoice {
        address: Some(personal(text)),
        shipping_method_id: "standard".to_owned(),
    };
    let request = SetDeliveryRequest {
        expected_version: cart.version,
        choice: Some(Choice::Shipping(shipping)),
        request_id: request_id(),
        ..SetDeliveryRequest::default()
    };
    world.carts(call).set_delivery(request).await.unwrap().into_inner().cart.unwrap()
}

/// Everything in the tables that holds the text.
async fn holders(world: &World, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut conn = world.db.read().await.unwrap();
    let tables = [
        ("carts", omnimesh_kit::store::Sql::portable("SELECT body FROM carts"), "body"),
        ("requests", omnimesh_kit::store::Sql::portable("SELECT reply FROM requests"), "reply"),
        ("outbox", omnimesh_kit::store::Sql::portable("SELECT payload FROM outbox"), "payload"),
    ];
    for (table, sql, column) in tables {
        for row in conn.fetch_all(sql, omnimesh_kit::args![]).await.unwrap() {
            let bytes = match table {
                "carts" => row.get::<String>(column).unwrap().into_bytes(),
                _ => row.get::<Vec<u8>>(column).unwrap(),
            };
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(table.to_owned());
            }
        }
    }
    found
}

async fn nothing_personal_is_left(world: &World) {
    let [a, b, other] = [(); 3].map(|()| new_profile(world));
    let (one, two, web, stranger) = (customer(a), customer(b), guest(), customer(other));
    // One that is an order by now, one each of two profiles, a guest's that was claimed.
    let ordered = filled(world, &one, "ordered").await;
    freeze::freeze_for(world, &one, &ordered, freeze::ORDER).await.unwrap();
    let placed = OrderPlaced { order_id: freeze::ORDER.to_owned(), ..Default::default() };
    freeze::heard(world, &placed).await;
    let first = filled(world, &one, "first").await;
    let second = filled(world, &two, "second").await;
    merge(world, a, &[b], 1).await;
    let guests = filled(world, &web, "guest").await;
    let claim = ClaimCartRequest { session_id: session_of(&web), profile_id: b.to_string(), ..Default::default() };
    world.carts_from("sessions", &web).claim_cart(claim).await.unwrap();
    let theirs = filled(world, &stranger, "stranger").await;
    let before = holders(world, CANARY).await;
    assert!(["carts", "requests"].iter().all(|table| before.iter().any(|found| found == table)), "{before:?}");
    let kept = holders(world, "Kanarya stranger").await.len();

    let erased = ProfileErased {
        erasure_id: "erasure_01k0000000e008000000000000".to_owned(),
        profile_ids: vec![a.to_string(), b.to_string()],
        ..ProfileErased::default()
    };
    world.hear("profiles", &erased.erasure_id, &erased).await;
    for what in ["ordered", "first", "second", "guest"] {
        assert_eq!(holders(world, &format!("{CANARY} {what}")).await, [""; 0], "{what}");
    }
    assert_eq!(holders(world, "Kanarya stranger").await.len(), kept);
    assert_eq!(world.get(&stranger, "").await.unwrap(), theirs, "nobody else's");
    for id in [&first.cart_id, &second.cart_id, &guests.cart_id] {
        let empty = world.get(&one, id).await.unwrap();
        assert!(empty.lines.is_empty() && empty.delivery.is_none() && empty.coupons.is_empty());
    }
    let order = world.get(&one, &ordered.cart_id).await.unwrap();
    assert_eq!((order.state(), pieces(&order)), (CartState::Ordered, [("mug", 1)].into()), "the goods stay");
    assert_eq!(order.totals, ordered.totals);
    assert_eq!(world.last_summary(&first.cart_id).await.line_count, 0);
    let sql = omnimesh_kit::store::Sql::portable("SELECT payload FROM outbox WHERE type = $1");
    let mut conn = world.db.read().await.unwrap();
    let row = conn.fetch_one(sql, omnimesh_kit::args![ErasureApplied::full_name()]).await.unwrap();
    let applied = ErasureApplied::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap();
    assert_eq!((applied.erasure_id, applied.service.as_str()), (erased.erasure_id, "carts"));
}

async fn a_guests_order_is_forgotten_with_who_they_turned_out_to_be(world: &World) {
    let (web, other) = (guest(), guest());
    let cart = filled(world, &web, "mine").await;
    freeze::order(world, &web, &cart).await;
    // One that somebody ordered to whom it had been handed over is theirs, and not its first guest's.
    let theirs = filled(world, &other, "theirs").await;
    let lent = filled(world, &guest(), "lent").await;
    let (lent_order, session_id) = (freeze::ORDER.replace("01k", "01m"), session_of(&web));
    freeze::freeze_for(world, &web, &lent, &lent_order).await.unwrap();
    let order = Some(OrderSummary { session_id, ..OrderSummary::default() });
    let placed = OrderPlaced { order_id: lent_order, order, ..OrderPlaced::default() };
    freeze::heard(world, &placed).await;
    let held = Held { session: web.session().unwrap().id, from: None, until: None };
    let erased = ProfileErased {
        erasure_id: "erasure_01k0000000e008000000000000".to_owned(),
        profile_ids: vec![new_profile(world).to_string()],
        sessions: vec![held.to_proto()],
        ..ProfileErased::default()
    };
    assert!(holders(world, "Kanarya mine").await.iter().any(|table| table == "carts"));
    world.hear("profiles", &erased.erasure_id, &erased).await;
    for what in ["mine", "lent"] {
        assert_eq!(holders(world, &format!("{CANARY} {what}")).await, [""; 0], "{what}");
    }
    let order = world.get(&web, &cart.cart_id).await.unwrap();
    assert_eq!((order.state(), pieces(&order)), (CartState::Ordered, [("mug", 1)].into()), "the goods stay");
    assert_eq!(world.get(&other, "").await.unwrap(), theirs, "nobody else's");
}

on_both!(nothing_personal_is_left, a_guests_order_is_forgotten_with_who_they_turned_out_to_be);
