//! The saga: what is placed, and what stays whole when a step fails.

use std::time::Duration;

use omnimesh_kit::testing::{BACKENDS, Backend, prepare_all};
use omnimesh_proto::{
    carts::v1::{CartState, DeliveryKind},
    common::v1::{Contact, contact::Value},
    orders::v1::{self as proto, OrderState, PaymentMethod},
};
use tonic_types::StatusExt as _;

use super::world::{World, lira, told, world};
use crate::{domain, rpc::place_until, saga::Step, store::STATEMENTS};

#[tokio::test]
async fn every_statement_prepares() {
    for backend in BACKENDS {
        let world = world(backend).await;
        for statements in STATEMENTS {
            prepare_all(&world.db, statements).await;
        }
    }
}

#[tokio::test]
async fn an_order_is_placed_once_per_request() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let request = world.request();
        let order = world.place(&request).await.unwrap();
        assert_eq!((order.state(), order.version), (OrderState::Placed, 2));
        let snapshot = order.groups[0].store.as_ref().unwrap();
        assert_eq!((order.groups.len(), snapshot.name.as_str()), (1, "Store kadikoy"));
        assert_eq!(snapshot.opening_hours[0], "Monday 09:00-18:00");
        assert_eq!(order.totals.as_ref().unwrap().total, Some(lira("279.00")));
        assert!(order.number.parse::<domain::OrderNumber>().is_ok());
        assert_eq!(world.shelf(), 36);
        assert_eq!(world.cart_state(), CartState::Frozen);

        let again = world.orders(&world.customer).place_order(request.clone()).await.unwrap();
        assert_eq!(again.metadata().get("omnimesh-replayed").unwrap(), "true");
        assert_eq!(again.into_inner().order.unwrap(), order);
        let other = proto::PlaceOrderRequest { cart_version: 9, ..request };
        assert_eq!(told(world.place(&other).await), "InvalidArgument REQUEST_ID_REUSED");
        assert_eq!(world.events(&order.order_id).await, ["OrderPlaced PLACED"]);
    }
}

#[tokio::test]
async fn the_same_request_at_once_places_one_order() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let request = world.request();
        let calls = (0..8).map(|_| world.place(&request));
        let orders: Vec<_> = futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert!(orders.iter().all(|order| order.order_id == orders[0].order_id && order.state() == OrderState::Placed));
        world.only_order().await;
        assert_eq!(world.shelf(), 36);
    }
}

#[tokio::test]
async fn paid_in_the_store_is_confirmed_at_once() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let request = proto::PlaceOrderRequest { payment_method: PaymentMethod::InStore.into(), ..world.request() };
        assert_eq!(world.place(&request).await.unwrap().state(), OrderState::Confirmed);
    }
}

#[tokio::test]
async fn a_refused_step_leaves_cart_and_stock_as_they_were() {
    type Spoil = fn(&World, &mut proto::PlaceOrderRequest);
    let cases: [(Spoil, &str); 7] = [
        (|_, request| request.expected_total = Some(lira("278.99")), "FailedPrecondition TOTAL_CHANGED"),
        (|_, request| request.cart_version = 3, "Aborted VERSION_MISMATCH"),
        (|world, _| world.fakes.state().shelf.clear(), "FailedPrecondition OUT_OF_STOCK"),
        (|world, _| world.fakes.state().cart.lines[1].sellable = false, "FailedPrecondition NOT_SELLABLE"),
        (|world, _| world.fakes.state().cart.lines.clear(), "FailedPrecondition CART_INCOMPLETE"),
        (|world, _| world.fakes.state().cart.delivery = None, "FailedPrecondition CART_INCOMPLETE"),
        (
            |world, request| {
                world.fakes.state().cart.delivery.as_mut().unwrap().set_kind(DeliveryKind::Ship);
                request.payment_method = PaymentMethod::InStore.into();
            },
            "FailedPrecondition CART_INCOMPLETE",
        ),
    ];
    for backend in BACKENDS {
        for (spoil, expected) in cases {
            let world = world(backend).await;
            let mut request = world.request();
            spoil(&world, &mut request);
            let stock = world.shelf();
            let first = world.place(&request).await;
            assert_eq!(told(first.clone()), expected);
            // The refusal is the answer for ever, and the draft is in nobody's list.
            assert_eq!(told(world.place(&request).await), expected);
            if expected.contains("TOTAL_CHANGED") {
                let info = first.unwrap_err().get_details_error_info().unwrap();
                assert_eq!(info.metadata["current_total"], "279.00");
            }
            let draft = world.only_order().await;
            assert_eq!((draft.state, draft.placed_at), (domain::OrderState::Cancelled, None));
            assert_eq!((world.cart_state(), world.shelf()), (CartState::Active, stock), "{expected}");
            // And the customer can go on.
            {
                let mut state = world.fakes.state();
                (state.cart, state.shelf) = (
                    super::world::cart(),
                    [(("mug".into(), "kadikoy".into()), 9), (("lamp".into(), "kadikoy".into()), 9)].into(),
                );
            }
            assert!(world.place(&world.request()).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_crash_after_any_step_is_driven_on() {
    for backend in BACKENDS {
        for last in [Step::Freeze, Step::Reserve, Step::Confirm] {
            let world = world(backend).await;
            let request = world.request();
            place_until(&world.app, &world.customer, &request, last).await;
            assert_eq!(world.only_order().await.state, domain::OrderState::Draft);
            world.sweep().await.unwrap();
            assert_eq!(world.only_order().await.state, domain::OrderState::Draft, "it is still its driver's");
            world.db.clock.advance(Duration::from_secs(31));
            world.sweep().await.unwrap();
            let order = world.only_order().await;
            assert_eq!((order.state, order.groups.len()), (domain::OrderState::Placed, 1), "{last:?}");
            assert_eq!((world.shelf(), world.cart_state()), (36, CartState::Frozen));
            assert_eq!(world.place(&request).await.unwrap().order_id, order.id.to_string());
        }
    }
}

#[tokio::test]
async fn a_crash_is_cancelled_if_it_cannot_go_on() {
    for backend in BACKENDS {
        for last in [Step::Freeze, Step::Reserve, Step::Confirm] {
            let world = world(backend).await;
            place_until(&world.app, &world.customer, &world.request(), last).await;
            // Catalog stays away: the draft is tried for five minutes, then given up; the stock comes back when catalog does.
            for name in ["reserve", "release"] {
                world.fakes.state().failures.insert(name, (u32::MAX, false));
            }
            for _ in 0..12 {
                world.db.clock.advance(Duration::from_secs(31));
                world.sweep().await.unwrap();
            }
            assert_eq!(world.only_order().await.state, domain::OrderState::Cancelled);
            assert_eq!(world.cart_state(), CartState::Active);
            world.fakes.state().failures.clear();
            world.db.clock.advance(Duration::from_secs(600));
            world.run_tasks().await;
            assert_eq!(world.shelf(), 40, "{last:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_only_delays() {
    for backend in BACKENDS {
        for name in ["get_cart", "freeze_cart", "reserve", "confirm", "get_location"] {
            for after in [false, true] {
                let world = world(backend).await;
                world.fakes.state().failures.insert(name, (1, after));
                let request = world.request();
                assert_eq!(told(world.place(&request).await), "Unavailable UNAVAILABLE", "{name}");
                let order = world.place(&request).await.unwrap();
                assert_eq!((order.state(), world.shelf()), (OrderState::Placed, 36), "{name} {after}");
            }
        }
    }
}

#[tokio::test]
async fn an_unpaid_order_expires_and_a_late_payment_is_kept() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.place(&world.request()).await.unwrap();
        world.db.clock.advance(Duration::from_secs(29 * 60));
        world.sweep().await.unwrap();
        assert_eq!(world.order(&order.order_id).await.state(), OrderState::Placed);
        world.db.clock.advance(Duration::from_secs(60));
        world.fakes.state().failures.insert("release", (1, false));
        world.sweep().await.unwrap();
        world.run_tasks().await;
        assert_eq!((world.order(&order.order_id).await.state(), world.shelf()), (OrderState::Expired, 36));
        world.db.clock.advance(Duration::from_secs(5));
        world.run_tasks().await;
        assert_eq!(world.shelf(), 40);
        let late = world.pay(&order.order_id, "late", proto::PaymentEventKind::Captured, "279.00").await.unwrap();
        assert_eq!(late.order.unwrap().state(), OrderState::Expired);
        assert_eq!(late.refund_task.unwrap().amount, Some(lira("279.00")));
    }
}

#[tokio::test]
async fn a_contact_is_kept_in_the_form_it_is_reached_by() {
    let world = world(Backend::Sqlite).await;
    let contact = |value| Some(Contact { value: Some(value) });
    for (said, kept) in [
        (Value::Phone("0532 123 45 67".to_owned()), Value::Phone("+905321234567".to_owned())),
        (Value::Email(" Ada@Example.COM".to_owned()), Value::Email("ada@example.com".to_owned())),
    ] {
        world.fakes.state().cart = super::world::cart();
        let order = world.place(&proto::PlaceOrderRequest { contact: contact(said), ..world.request() }).await.unwrap();
        assert_eq!(order.contact, contact(kept));
    }
    for wrong in
        [Value::Phone("12345".to_owned()), Value::Email("ada@".to_owned()), Value::Email("a@b@c.de".to_owned())]
    {
        let request = proto::PlaceOrderRequest { contact: contact(wrong), ..world.request() };
        assert_eq!(told(world.place(&request).await), "InvalidArgument INVALID_REQUEST");
    }
}
