//! Each wrong request gets its code and reason.

use omnimesh_kit::testing::{Backend, START};
use omnimesh_proto::{
    common::v1 as common,
    orders::v1::{self as proto, get_order_request::Key},
};

use super::world::{admin, group, lira, told, world};

#[tokio::test]
async fn each_wrong_request_is_told_what_is_wrong() {
    let world = world(Backend::Sqlite).await;
    let order = world.paid().await;
    let sound = world.request();
    let mut yen = lira("279.00");
    yen.currency_code = "YEN".to_owned();
    let phone = common::contact::Value::Phone("call me".to_owned());
    let places = [
        proto::PlaceOrderRequest { request_id: String::new(), ..sound.clone() },
        proto::PlaceOrderRequest { request_id: "1".into(), ..sound.clone() },
        proto::PlaceOrderRequest { cart_version: 0, ..sound.clone() },
        proto::PlaceOrderRequest { expected_total: None, ..sound.clone() },
        proto::PlaceOrderRequest { expected_total: Some(yen), ..sound.clone() },
        proto::PlaceOrderRequest { contact: None, ..sound.clone() },
        proto::PlaceOrderRequest { contact: Some(common::Contact { value: Some(phone) }), ..sound.clone() },
        proto::PlaceOrderRequest { payment_method: 0, ..sound.clone() },
        proto::PlaceOrderRequest { payment_method: 7, ..sound.clone() },
    ];
    for request in places {
        let shown = format!("{request:?}");
        assert_eq!(told(world.place(&request).await), "InvalidArgument INVALID_REQUEST", "{shown}");
    }
    let unknown = proto::PlaceOrderRequest { cart_id: "cart_01k00000000000000000000001".into(), ..sound };
    assert_eq!(told(world.place(&unknown).await), "NotFound NOT_FOUND");

    let id = order.order_id.clone();
    let nobody = crate::domain::OrderId::new(START).to_string();
    for (key, expected) in [
        (None, "InvalidArgument INVALID_REQUEST"),
        (Some(Key::OrderId("cart_1".into())), "InvalidArgument INVALID_REQUEST"),
        (Some(Key::OrderId(nobody.clone())), "NotFound NOT_FOUND"),
        (Some(Key::Number("K7QX-01AB".into())), "InvalidArgument INVALID_REQUEST"),
        (Some(Key::Number(crate::domain::OrderNumber::random().to_string())), "NotFound NOT_FOUND"),
    ] {
        let answer = world.orders(&admin()).get_order(proto::GetOrderRequest { key: key.clone() }).await;
        assert_eq!(told(answer), expected, "{key:?}");
    }

    let sound = proto::RecordPaymentRequest {
        order_id: id.clone(),
        provider: "till".into(),
        provider_event_id: "x".into(),
        kind: 2,
        amount: Some(lira("1")),
        occur_time: None,
    };
    let mut euro = lira("1");
    euro.currency_code = "EUR".to_owned();
    for (request, expected) in [
        (proto::RecordPaymentRequest { order_id: nobody, ..sound.clone() }, "NotFound NOT_FOUND"),
        (proto::RecordPaymentRequest { provider: String::new(), ..sound.clone() }, "InvalidArgument INVALID_REQUEST"),
        (
            proto::RecordPaymentRequest { provider_event_id: "x".repeat(201), ..sound.clone() },
            "InvalidArgument INVALID_REQUEST",
        ),
        (proto::RecordPaymentRequest { kind: 0, ..sound.clone() }, "InvalidArgument INVALID_REQUEST"),
        (proto::RecordPaymentRequest { amount: None, ..sound.clone() }, "InvalidArgument INVALID_REQUEST"),
        (
            proto::RecordPaymentRequest { amount: Some(lira("-1")), ..sound.clone() },
            "FailedPrecondition PAYMENT_MISMATCH",
        ),
        (proto::RecordPaymentRequest { amount: Some(euro), ..sound }, "FailedPrecondition PAYMENT_MISMATCH"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(told(world.payments(&admin()).record_payment(request).await), expected, "{shown}");
    }

    let mut fulfillment = world.fulfillment(&admin());
    assert_eq!(told(fulfillment.accept(proto::AcceptRequest { group: None }).await), "InvalidArgument INVALID_REQUEST");
    let wrong = proto::GroupRef { group_id: crate::domain::GroupId::new(START).to_string(), ..group(&order).unwrap() };
    assert_eq!(told(fulfillment.accept(proto::AcceptRequest { group: Some(wrong) }).await), "NotFound NOT_FOUND");
    let stale = proto::GroupRef { expected_version: 1, ..group(&order).unwrap() };
    assert_eq!(told(fulfillment.accept(proto::AcceptRequest { group: Some(stale) }).await), "Aborted VERSION_MISMATCH");
    let reject = proto::RejectRequest { group: group(&order), reason: String::new() };
    assert_eq!(told(fulfillment.reject(reject).await), "InvalidArgument INVALID_REQUEST");
    let deliver = fulfillment.deliver(proto::DeliverRequest { group: group(&order) }).await;
    assert_eq!(told(deliver), "FailedPrecondition ILLEGAL_TRANSITION");
    let pickup = proto::ConfirmPickupRequest { group: group(&order), code: String::new() };
    assert_eq!(told(fulfillment.confirm_pickup(pickup).await), "InvalidArgument INVALID_REQUEST");

    let mut orders = world.orders(&admin());
    let cancel = proto::CancelOrderRequest { order_id: id.clone(), ..Default::default() };
    assert_eq!(told(orders.cancel_order(cancel).await), "InvalidArgument INVALID_REQUEST");
    let code = proto::GetPickupCodeRequest { order_id: id.clone(), group_id: String::new() };
    assert_eq!(told(orders.get_pickup_code(code).await), "FailedPrecondition ILLEGAL_TRANSITION");
    let events = proto::ListOrderEventsRequest { order_id: id, page_size: -1, page_token: String::new() };
    assert_eq!(told(orders.list_order_events(events).await), "InvalidArgument INVALID_REQUEST");
    let filter =
        proto::OrderFilter { states: vec![99], channels: vec![0], profile_id: "x".into(), ..Default::default() };
    let list = proto::ListOrdersRequest { filter: Some(filter), ..Default::default() };
    assert_eq!(told(orders.list_orders(list).await), "InvalidArgument INVALID_REQUEST");
    let watch = proto::WatchOrdersRequest { filter: None, resume_token: "junk".into() };
    assert_eq!(told(orders.watch_orders(watch).await.map(drop)), "InvalidArgument INVALID_PAGE_TOKEN");
}
