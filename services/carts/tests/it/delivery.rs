//! Shipping and pickup: checks, fees, promises, tax.

use omnimesh_proto::{
    carts::v1::{DeliveryKind, PickupChoice, SetDeliveryRequest, ShippingChoice, set_delivery_request::Choice},
    common::v1::Address,
};
use tonic_types::StatusExt as _;

use crate::{
    on_both,
    world::{World, address, guest, reason, total},
};

async fn shipping_has_a_fee_a_promise_and_tax(world: &World) {
    let me = guest();
    let cart = world.add(&me, "mug", 3).await;
    let cart = world.ship(&me, &cart).await.unwrap();
    assert_eq!(total(&cart), "349.90");
    let delivery = cart.delivery.as_ref().unwrap();
    assert_eq!(delivery.kind(), DeliveryKind::Ship);
    assert_eq!(delivery.shipping.as_ref().unwrap().address, Some(address()));
    assert_eq!(delivery.tax.as_ref().unwrap().nanos, 320_000_000, "the tax in 49.90 at 20 % is 8.32");
    let promise =
        [&delivery.promise_start_time, &delivery.promise_end_time].map(|time| time.as_ref().unwrap().to_string());
    assert_eq!(promise, ["2026-01-03T00:00:00Z", "2026-01-05T23:59:59Z"]);
    assert_eq!(cart.lines[0].tax_rate_ppm, 200_000, "the country decides the tax");
    let cart = world.add(&me, "mug", 5).await;
    assert_eq!(total(&cart), "800.00", "free from 750.00 on");
}

async fn net_prices_get_their_tax_on_top(world: &World) {
    world.fakes.state.lock().unwrap().include_tax = false;
    let me = guest();
    let cart = world.add(&me, "mug", 3).await;
    let cart = world.ship(&me, &cart).await.unwrap();
    // 300.00 + 60.00 and 49.90 + 9.98.
    assert_eq!(total(&cart), "419.88");
}

async fn pickup_needs_a_store_that_offers_it(world: &World) {
    let me = guest();
    let cart = world.add(&me, "mug", 1).await;
    let pickup = |location_id: &str| SetDeliveryRequest {
        expected_version: cart.version,
        choice: Some(Choice::Pickup(PickupChoice { location_id: location_id.to_owned() })),
        ..SetDeliveryRequest::default()
    };
    for id in ["depot", "nowhere"] {
        let refused = world.carts(&me).set_delivery(pickup(id)).await.unwrap_err();
        assert_eq!(reason(&refused), "DELIVERY_UNAVAILABLE", "{id}");
    }
    let cart = world.carts(&me).set_delivery(pickup("kadikoy")).await.unwrap().into_inner().cart.unwrap();
    let delivery = cart.delivery.as_ref().unwrap();
    assert_eq!((delivery.kind(), total(&cart).as_str()), (DeliveryKind::Pickup, "100.00"));
    assert_eq!(delivery.pickup.as_ref().unwrap().location_id, "kadikoy");
    assert_eq!(cart.lines[0].tax_rate_ppm, 200_000);
}

async fn addresses_are_checked_by_country(world: &World) {
    let me = guest();
    let cart = world.add(&me, "mug", 1).await;
    let ask = |address: Address, method: &str| {
        let shipping_method_id = method.to_owned();
        let choice = Choice::Shipping(ShippingChoice { address: Some(address), shipping_method_id });
        let request = SetDeliveryRequest {
            expected_version: cart.version,
            choice: Some(choice),
            ..SetDeliveryRequest::default()
        };
        let mut carts = world.carts(&me);
        async move { carts.set_delivery(request).await.unwrap_err() }
    };
    let us = |region: &str| Address {
        country_code: "US".to_owned(),
        postal_code: "94105".to_owned(),
        region: region.to_owned(),
        ..address()
    };
    let wrong = [
        (Address { postal_code: "3471".to_owned(), ..address() }, vec!["postal_code"]),
        (Address { country_code: "XX".to_owned(), ..address() }, vec!["country_code"]),
        (Address { recipient: " ".to_owned(), lines: Vec::new(), ..address() }, vec!["recipient", "lines"]),
        (Address { phone: "0212 123 45 67".to_owned(), ..address() }, vec!["phone"]),
        (us(""), vec!["region"]),
    ];
    for (address, fields) in wrong {
        let refused = ask(address, "standard").await;
        assert_eq!(reason(&refused), "INVALID_REQUEST");
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = violations.iter().map(|v| v.field.trim_start_matches("shipping.address.")).collect();
        assert_eq!(named, fields);
        assert!(!format!("{refused:?}").contains("Lovelace"));
    }
    assert_eq!(reason(&ask(us("CA"), "standard").await), "DELIVERY_UNAVAILABLE", "not served");
    assert_eq!(reason(&ask(address(), "drone").await), "DELIVERY_UNAVAILABLE", "no such method");
}

on_both!(
    shipping_has_a_fee_a_promise_and_tax,
    net_prices_get_their_tax_on_top,
    pickup_needs_a_store_that_offers_it,
    addresses_are_checked_by_country,
);
