//! What is refused, with which code and reason.

use omnimesh_proto::{
    access::v1::Audience,
    carts::v1::{AddLineRequest, ChangeLineRequest, FreezeCartRequest, MergeCartsRequest, MergeMode, ThawCartRequest},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    on_both,
    world::{World, call, guest, reason},
};

const UNKNOWN_CART: &str = "cart_01k0000000e008000000000000";

async fn bad_input_is_told_so(world: &World) {
    let (me, other) = (guest(), guest());
    let cart = world.add(&me, "mug", 1).await;
    let theirs = world.add(&other, "mug", 1).await;
    let add = AddLineRequest { sku: "mug".to_owned(), quantity: 1, ..AddLineRequest::default() };
    let change = ChangeLineRequest {
        line_id: cart.lines[0].line_id.clone(),
        quantity: 2,
        expected_version: cart.version,
        ..ChangeLineRequest::default()
    };
    let merge = MergeCartsRequest {
        source_cart_id: cart.cart_id.clone(),
        target_cart_id: theirs.cart_id.clone(),
        ..MergeCartsRequest::default()
    };
    let mut carts = world.carts(&me);
    let mut cases: Vec<(&str, Status, Code, &str)> = Vec::new();
    macro_rules! refused {
        ($what:literal, $call:expr, $code:ident, $reason:literal) => {
            cases.push(($what, $call.await.err().unwrap_or(Status::ok("")), Code::$code, $reason));
        };
    }
    refused!("an unknown cart", world.get(&me, UNKNOWN_CART), NotFound, "NOT_FOUND");
    refused!("a foreign cart", world.get(&me, &theirs.cart_id), NotFound, "NOT_FOUND");
    refused!("not a cart id", world.get(&me, "order_1"), InvalidArgument, "INVALID_REQUEST");
    let into = AddLineRequest { cart_id: theirs.cart_id.clone(), ..add.clone() };
    refused!("a line into a foreign cart", carts.add_line(into), NotFound, "NOT_FOUND");
    let none = AddLineRequest { quantity: -1, ..add.clone() };
    refused!("a negative quantity", carts.add_line(none), InvalidArgument, "INVALID_REQUEST");
    let much = AddLineRequest { quantity: 10_000, ..add.clone() };
    refused!("10,001 pieces in a line", carts.add_line(much), InvalidArgument, "INVALID_REQUEST");
    let sku = AddLineRequest { sku: "no-such".to_owned(), ..add.clone() };
    refused!("an unknown sku", carts.add_line(sku), FailedPrecondition, "NOT_SELLABLE");
    let currency = AddLineRequest { currency_code: "lira".to_owned(), ..add.clone() };
    refused!("not a currency", carts.add_line(currency), InvalidArgument, "INVALID_REQUEST");
    let euro = AddLineRequest { cart_id: cart.cart_id.clone(), currency_code: "EUR".to_owned(), ..add.clone() };
    refused!("another currency", carts.add_line(euro), InvalidArgument, "WRONG_CURRENCY");
    let options = (0..21).map(|n| (format!("o{n}"), String::new())).collect();
    refused!(
        "21 options",
        carts.add_line(AddLineRequest { options, ..add.clone() }),
        InvalidArgument,
        "INVALID_REQUEST"
    );
    let id = AddLineRequest { request_id: "1".to_owned(), ..add.clone() };
    refused!("a request id that is no UUID", carts.add_line(id), InvalidArgument, "INVALID_REQUEST");
    let staff = call(Audience::Staff, None);
    refused!("staff without a cart id", world.carts(&staff).add_line(add.clone()), InvalidArgument, "INVALID_REQUEST");
    let stale = ChangeLineRequest { expected_version: 7, ..change.clone() };
    refused!("a stale version", carts.change_line(stale), Aborted, "VERSION_MISMATCH");
    let unseen = ChangeLineRequest { expected_version: 0, ..change.clone() };
    refused!("no version", carts.change_line(unseen), InvalidArgument, "INVALID_REQUEST");
    let line_id = theirs.lines[0].line_id.clone();
    refused!("a foreign line", carts.change_line(ChangeLineRequest { line_id, ..change }), NotFound, "NOT_FOUND");
    refused!("a merge into a foreign cart", carts.merge_carts(merge.clone()), NotFound, "NOT_FOUND");
    let own = MergeCartsRequest { target_cart_id: cart.cart_id.clone(), ..merge.clone() };
    refused!("a merge with itself", carts.merge_carts(own), InvalidArgument, "INVALID_REQUEST");
    let sum = MergeCartsRequest { mode: MergeMode::Sum.into(), ..merge };
    refused!("SUM without a request id", carts.merge_carts(sum), InvalidArgument, "INVALID_REQUEST");
    let freeze = FreezeCartRequest { expected_version: cart.version, ..FreezeCartRequest::default() };
    refused!("freezing an incomplete cart", carts.freeze_cart(freeze.clone()), FailedPrecondition, "CART_INCOMPLETE");
    let order_id = "order_01k0000000e008000000000000".to_owned();
    let ordered = FreezeCartRequest { order_id: order_id.clone(), ..freeze };
    refused!("a customer's order", carts.freeze_cart(ordered), PermissionDenied, "AUDIENCE_DENIED");
    let thaw = ThawCartRequest { order_id, ..ThawCartRequest::default() };
    refused!("thawing for an order", carts.thaw_cart(thaw), PermissionDenied, "AUDIENCE_DENIED");

    for (what, status, code, expected) in &cases {
        assert_eq!((status.code(), reason(status).as_str()), (*code, *expected), "{what}: {}", status.message());
    }
    let (_, mismatch, ..) = cases.iter().find(|(what, ..)| *what == "a stale version").unwrap();
    let metadata = mismatch.get_details_error_info().unwrap().metadata;
    assert_eq!((metadata["id"].as_str(), metadata["current_version"].as_str()), (cart.cart_id.as_str(), "1"));
    let (_, gaps, ..) = cases.iter().find(|(what, ..)| *what == "freezing an incomplete cart").unwrap();
    let gaps = gaps.get_details_precondition_failure().unwrap().violations;
    assert_eq!(gaps.iter().map(|gap| gap.r#type.as_str()).collect::<Vec<_>>(), ["DELIVERY"]);
    assert_eq!(world.get(&me, "").await.unwrap(), cart, "nothing of it had an effect");
}

async fn staff_may_serve_any_cart(world: &World) {
    let cart = world.add(&guest(), "mug", 1).await;
    for audience in [Audience::Staff, Audience::Service, Audience::Admin] {
        assert_eq!(world.get(&call(audience, None), &cart.cart_id).await.unwrap(), cart);
    }
    // A service that asks on behalf of a customer sees what the customer sees.
    let asked = world
        .carts_from("orders", &guest())
        .get_cart(omnimesh_proto::carts::v1::GetCartRequest { cart_id: cart.cart_id })
        .await;
    assert_eq!(reason(&asked.unwrap_err()), "NOT_FOUND");
}

on_both!(bad_input_is_told_so, staff_may_serve_any_cart);
