//! From confirmation to hand-over, with the money beside it.

use omnimesh_kit::{args, store::Sql, testing::BACKENDS};
use omnimesh_proto::orders::v1::{
    self as proto, FulfillmentState, OrderState, PaymentEventKind, PaymentMethod, PaymentState,
};
use uuid::Uuid;

use super::world::{World, admin, customer, group, lira, staff, told, world};
use crate::domain::{OrderId, Payment, PaymentEvent};

impl World {
    pub(super) async fn ready(&self, order: &proto::Order) -> proto::Order {
        let staff = staff("kadikoy");
        let mut fulfillment = self.fulfillment(&staff);
        fulfillment.accept(proto::AcceptRequest { group: group(order) }).await.unwrap();
        fulfillment.pack(proto::PackRequest { group: group(order), short_lines: Vec::new() }).await.unwrap();
        let ready = fulfillment.mark_ready(proto::MarkReadyRequest { group: group(order) }).await.unwrap();
        ready.into_inner().order.unwrap()
    }

    pub(super) async fn collect(&self, order: &proto::Order, code: &str) -> Result<proto::Order, tonic::Status> {
        let request = proto::ConfirmPickupRequest { group: group(order), code: code.to_owned() };
        let answer = self.fulfillment(&staff("kadikoy")).confirm_pickup(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub(super) async fn code(&self, order: &proto::Order) -> proto::GetPickupCodeResponse {
        let request = proto::GetPickupCodeRequest { order_id: order.order_id.clone(), group_id: String::new() };
        self.orders(&self.customer).get_pickup_code(request).await.unwrap().into_inner()
    }

    pub(super) async fn refund_tasks(&self) -> Vec<proto::RefundTask> {
        let answer = self.payments(&admin()).list_refund_tasks(proto::ListRefundTasksRequest::default()).await;
        answer.unwrap().into_inner().refund_tasks
    }
}

#[tokio::test]
async fn an_order_is_collected_with_its_code() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.ready(&world.paid().await).await;
        assert_eq!(order.groups[0].state(), FulfillmentState::ReadyForPickup);
        let code = world.code(&order).await;
        assert_eq!((code.code.len(), code.expire_time), (8, order.groups[0].pickup_expire_time));
        let done =
            world.collect(&order, &format!("{}-{}", &code.code[..4], code.code[4..].to_lowercase())).await.unwrap();
        assert_eq!((done.state(), done.groups[0].state()), (OrderState::Completed, FulfillmentState::PickedUp));
        let expected = [
            "OrderPlaced PLACED",
            "PaymentRecorded CAPTURED",
            "OrderConfirmed CONFIRMED",
            "FulfillmentChanged ACCEPTED",
            "FulfillmentChanged PACKED",
            "FulfillmentChanged READY_FOR_PICKUP",
            "FulfillmentChanged PICKED_UP",
            "OrderCompleted COMPLETED",
        ];
        assert_eq!(world.events(&order.order_id).await, expected);
        // The code stands in no event.
        let mut conn = world.db.read().await.unwrap();
        let rows = conn.fetch_all(Sql::portable("SELECT payload FROM outbox LIMIT 99"), args![]).await.unwrap();
        for payload in rows.iter().map(|row| row.get::<Vec<u8>>("payload").unwrap()) {
            assert!(!payload.windows(8).any(|window| window == code.code.as_bytes()));
        }
        assert_eq!(rows.len(), expected.len());
    }
}

#[tokio::test]
async fn five_wrong_codes_lock_it() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.ready(&world.paid().await).await;
        let code = world.code(&order).await;
        for _ in 0..5 {
            assert_eq!(told(world.collect(&order, "00000000").await), "InvalidArgument CODE_WRONG");
        }
        assert_eq!(told(world.collect(&order, &code.code).await), "FailedPrecondition CODE_EXPIRED");
        assert_eq!(world.order(&order.order_id).await.groups[0].state(), FulfillmentState::ReadyForPickup);
    }
}

#[tokio::test]
async fn guesses_at_the_same_time_count_each() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.ready(&world.paid().await).await;
        let guesses = (0..16).map(|_| world.collect(&order, "00000000"));
        let answers: Vec<_> = futures::future::join_all(guesses).await.into_iter().map(told).collect();
        let wrong = answers.iter().filter(|answer| answer.ends_with("CODE_WRONG")).count();
        assert_eq!(wrong, 5, "{answers:?}");
    }
}

#[tokio::test]
async fn goods_to_be_paid_in_the_store_are_paid_first_and_that_costs_no_try() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let request = proto::PlaceOrderRequest { payment_method: PaymentMethod::InStore.into(), ..world.request() };
        let order = world.ready(&world.place(&request).await.unwrap()).await;
        let code = world.code(&order).await;
        for _ in 0..6 {
            assert_eq!(told(world.collect(&order, &code.qr_token).await), "FailedPrecondition PAYMENT_MISMATCH");
        }
        let paid = proto::RecordPaymentRequest {
            order_id: order.order_id.clone(),
            provider: "till".to_owned(),
            provider_event_id: "77".to_owned(),
            kind: PaymentEventKind::Captured.into(),
            amount: Some(lira("279.00")),
            occur_time: None,
        };
        assert_eq!(told(world.payments(&staff("izmir")).record_payment(paid.clone()).await), "NotFound NOT_FOUND");
        world.payments(&staff("kadikoy")).record_payment(paid).await.unwrap();
        let request = proto::ConfirmPickupRequest { group: group(&order), code: code.qr_token.clone() };
        let mut fulfillment = world.fulfillment(&admin());
        let done = fulfillment.confirm_pickup(request.clone()).await.unwrap();
        assert_eq!(done.into_inner().order.unwrap().state(), OrderState::Completed);
        let again = fulfillment.confirm_pickup(request).await.unwrap();
        assert_eq!(again.metadata().get("omnimesh-replayed").unwrap(), "true");
        assert_eq!(told(world.collect(&order, &code.code).await), "FailedPrecondition ILLEGAL_TRANSITION");
    }
}

#[tokio::test]
async fn what_is_short_is_not_paid() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.paid().await;
        let mut fulfillment = world.fulfillment(&admin());
        fulfillment.accept(proto::AcceptRequest { group: group(&order) }).await.unwrap();
        let short = proto::LineQuantity { line_id: "line_a".to_owned(), quantity: 1 };
        let too_much = proto::LineQuantity { quantity: 4, ..short.clone() };
        let request = proto::PackRequest { group: group(&order), short_lines: vec![too_much] };
        assert_eq!(told(fulfillment.pack(request).await), "InvalidArgument INVALID_REQUEST");
        let request = proto::PackRequest { group: group(&order), short_lines: vec![short] };
        let packed = fulfillment.pack(request.clone()).await.unwrap().into_inner().order.unwrap();
        // A third of 90.00 less 1.00: 60.00 - 0.67 stay.
        assert_eq!(packed.lines[0].total, Some(lira("59.33")));
        assert_eq!((packed.lines[0].cancelled_quantity, packed.groups[0].lines[0].quantity), (1, 2));
        assert_eq!(packed.totals.as_ref().unwrap().total, Some(lira("249.33")));
        let tasks = world.refund_tasks().await;
        assert_eq!((tasks.len(), tasks[0].amount.clone()), (1, Some(lira("29.67"))));
        fulfillment.pack(request).await.unwrap();
        assert_eq!(world.refund_tasks().await.len(), 1);
        // The refund takes the task off the list.
        world.pay(&order.order_id, "r1", PaymentEventKind::Refunded, "20.00").await.unwrap();
        assert_eq!(world.refund_tasks().await[0].amount, Some(lira("9.67")));
        let paid = world.pay(&order.order_id, "r2", PaymentEventKind::Refunded, "9.67").await.unwrap();
        assert!(world.refund_tasks().await.is_empty());
        assert_eq!(paid.order.unwrap().payment_state(), PaymentState::PartiallyRefunded);
    }
}

#[tokio::test]
async fn a_payment_is_recorded_once_for_ever() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.place(&world.request()).await.unwrap();
        let id = &order.order_id;
        let pays = (0..6).map(|_| world.pay(id, "e1", PaymentEventKind::Authorized, "279.00"));
        for answer in futures::future::join_all(pays).await {
            assert_eq!(answer.unwrap().order.unwrap().payment_state(), PaymentState::Authorized);
        }
        assert_eq!(world.order(id).await.state(), OrderState::Confirmed);
        assert_eq!(world.events(id).await.len(), 3);
        assert_eq!(
            told(world.pay(id, "e1", PaymentEventKind::Captured, "279.00").await),
            "AlreadyExists ALREADY_EXISTS"
        );
        assert_eq!(
            told(world.pay(id, "e2", PaymentEventKind::Captured, "279.01").await),
            "FailedPrecondition PAYMENT_MISMATCH"
        );
        world.pay(id, "e3", PaymentEventKind::Captured, "100.00").await.unwrap();
        world.pay(id, "e4", PaymentEventKind::Captured, "179.00").await.unwrap();
        // The order's payment is the fold of the ledger.
        let mut conn = world.db.read().await.unwrap();
        let id: OrderId = id.parse().unwrap();
        let ledger = crate::store::payments::ledger(&mut conn, id).await.unwrap();
        let stored = crate::store::orders::find(&mut conn, id).await.unwrap().unwrap();
        let folded = ledger.iter().fold(Payment::default(), |payment, (kind, amount, _)| {
            let kind = crate::domain::PaymentEventKind::ALL.iter().find(|known| known.as_str() == kind).unwrap();
            let event = PaymentEvent { kind: *kind, amount: stored.money(*amount), occurred_at: stored.created_at };
            payment.record(&event, stored.money(stored.totals.charged)).unwrap()
        });
        assert_eq!((ledger.len(), folded), (3, stored.payment));
    }
}

#[tokio::test]
async fn parts_are_captured_of_what_is_authorized_only() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.place(&world.request()).await.unwrap();
        let id = &order.order_id;
        let pay = |event: &'static str, kind, amount: &'static str| world.pay(id, event, kind, amount);
        let part = pay("1", PaymentEventKind::Captured, "100.00").await;
        assert_eq!(told(part), "FailedPrecondition PAYMENT_MISMATCH");
        assert_eq!(world.order(id).await.payment_state(), PaymentState::Pending);
        pay("2", PaymentEventKind::Authorized, "279.00").await.unwrap();
        pay("3", PaymentEventKind::Captured, "100.00").await.unwrap();
        pay("4", PaymentEventKind::Voided, "179.00").await.unwrap();
        // What is left of the whole is taken at once.
        let part = pay("5", PaymentEventKind::Captured, "178.99").await;
        assert_eq!(told(part), "FailedPrecondition PAYMENT_MISMATCH");
        let paid = pay("6", PaymentEventKind::Captured, "179.00").await.unwrap().order.unwrap();
        assert_eq!(paid.payment_state(), PaymentState::Captured);
    }
}

#[tokio::test]
async fn a_cancelled_order_gives_stock_and_money_back() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.paid().await;
        let request = proto::CancelOrderRequest {
            order_id: order.order_id.clone(),
            reason: "changed my mind".to_owned(),
            expected_version: order.version,
            request_id: Uuid::new_v4().to_string(),
        };
        let stale = proto::CancelOrderRequest { expected_version: 1, request_id: String::new(), ..request.clone() };
        assert_eq!(told(world.orders(&world.customer).cancel_order(stale).await), "Aborted VERSION_MISMATCH");
        assert_eq!(told(world.orders(&customer()).cancel_order(request.clone()).await), "NotFound NOT_FOUND");
        world.fakes.state().failures.insert("release", (1, true));
        let cancelled = world.orders(&world.customer).cancel_order(request.clone()).await.unwrap();
        let cancelled = cancelled.into_inner().order.unwrap();
        assert_eq!(
            (cancelled.state(), cancelled.groups[0].state()),
            (OrderState::Cancelled, FulfillmentState::Cancelled)
        );
        world.db.clock.advance(std::time::Duration::from_secs(5));
        world.run_tasks().await;
        assert_eq!(world.shelf(), 40);
        assert_eq!(world.refund_tasks().await[0].amount, Some(lira("279.00")));
        let again = world.orders(&world.customer).cancel_order(request).await.unwrap();
        assert_eq!(again.into_inner().order.unwrap(), cancelled);
        assert_eq!(world.refund_tasks().await.len(), 1);
    }
}

#[tokio::test]
async fn staff_act_for_their_own_stores_and_nobody_comes() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.paid().await;
        let accept = || proto::AcceptRequest { group: group(&order) };
        assert_eq!(told(world.fulfillment(&staff("izmir")).accept(accept()).await), "NotFound NOT_FOUND");
        assert_eq!(told(world.fulfillment(&world.customer).accept(accept()).await), "PermissionDenied AUDIENCE_DENIED");
        let mut ship = proto::ShipRequest { group: group(&order), carrier: "Aras".to_owned(), ..Default::default() };
        assert_eq!(told(world.fulfillment(&admin()).ship(ship.clone()).await), "FailedPrecondition ILLEGAL_TRANSITION");
        ship.carrier.clear();
        assert_eq!(told(world.fulfillment(&admin()).ship(ship).await), "InvalidArgument INVALID_REQUEST");
        let order = world.ready(&order).await;
        let request = proto::MarkNoShowRequest { group: group(&order) };
        let ended =
            world.fulfillment(&staff("kadikoy")).mark_no_show(request).await.unwrap().into_inner().order.unwrap();
        assert_eq!((ended.state(), ended.groups[0].state()), (OrderState::Cancelled, FulfillmentState::NoShow));
        world.run_tasks().await;
        assert_eq!((world.shelf(), world.refund_tasks().await[0].amount.clone()), (40, Some(lira("279.00"))));
    }
}

#[tokio::test]
async fn an_order_ships_and_arrives() {
    for backend in BACKENDS {
        let world = world(backend).await;
        {
            let mut state = world.fakes.state();
            let delivery = state.cart.delivery.as_mut().unwrap();
            delivery.set_kind(omnimesh_proto::carts::v1::DeliveryKind::Ship);
            // Nowhere is enough for all: one group per location.
            state.shelf = [
                (("mug".into(), "depot".into()), 2),
                (("mug".into(), "kadikoy".into()), 5),
                (("lamp".into(), "depot".into()), 1),
            ]
            .into();
        }
        let order = world.paid().await;
        assert_eq!(order.groups.len(), 2);
        for part in &order.groups {
            let group = || Some(proto::GroupRef { group_id: part.group_id.clone(), ..group(&order).unwrap() });
            let mut fulfillment = world.fulfillment(&staff(&part.location_id));
            fulfillment.accept(proto::AcceptRequest { group: group() }).await.unwrap();
            fulfillment.pack(proto::PackRequest { group: group(), short_lines: Vec::new() }).await.unwrap();
            let request = proto::ShipRequest { group: group(), carrier: "Aras".into(), tracking_number: "1Z".into() };
            let shipped = fulfillment.ship(request).await.unwrap().into_inner().order.unwrap();
            assert!(shipped.groups.iter().any(|group| group.tracking_number == "1Z"));
            fulfillment.deliver(proto::DeliverRequest { group: group() }).await.unwrap();
        }
        assert_eq!(world.order(&order.order_id).await.state(), OrderState::Completed);
        let first = proto::AcceptRequest { group: group(&order) };
        assert_eq!(told(world.fulfillment(&admin()).accept(first).await), "InvalidArgument INVALID_REQUEST");
    }
}
