//! Goods that come back: over the counter of any store, by parcel, for money and for the same goods again.

use omnimesh_kit::{args, call::Call, store::Sql, testing::BACKENDS};
use omnimesh_proto::orders::v1::{
    self as proto, FulfillmentMethod, FulfillmentState, OrderState, PaymentEventKind, PaymentState, ReturnChanged,
    ReturnCondition, ReturnState,
};
use prost::{Message as _, Name as _};
use tonic::Status;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::world::{World, admin, clerk, customer, group, lira, partner, staff, told, world};

fn pieces(line: &str, quantity: i64) -> Vec<proto::LineQuantity> {
    vec![proto::LineQuantity { line_id: line.to_owned(), quantity }]
}

fn named(found: &proto::Return) -> Option<proto::ReturnRef> {
    let request_id = Uuid::new_v4().to_string();
    Some(proto::ReturnRef { return_id: found.return_id.clone(), expected_version: 0, request_id })
}

impl World {
    /// An order that the customer has: three mugs and a lamp for 279.00.
    async fn collected(&self) -> proto::Order {
        let order = self.ready(&self.paid().await).await;
        let code = self.code(&order).await;
        self.collect(&order, &code.code).await.unwrap()
    }

    async fn ask_back(
        &self,
        call: &Call,
        order: &proto::Order,
        lines: Vec<proto::LineQuantity>,
        location: &str,
    ) -> Result<proto::Return, Status> {
        let request = proto::RequestReturnRequest {
            order_id: order.order_id.clone(),
            lines,
            reason: "Ada says it is too small".to_owned(),
            location_id: location.to_owned(),
            request_id: Uuid::new_v4().to_string(),
        };
        Ok(self.returns(call).request_return(request).await?.into_inner().order_return.unwrap())
    }

    async fn approve(&self, call: &Call, found: &proto::Return) -> Result<proto::Return, Status> {
        let request = proto::ApproveReturnRequest { return_ref: named(found) };
        Ok(self.returns(call).approve_return(request).await?.into_inner().order_return.unwrap())
    }

    async fn receive(
        &self,
        call: &Call,
        found: &proto::Return,
        location: &str,
        lines: &[(&str, i64, ReturnCondition)],
    ) -> Result<proto::Return, Status> {
        let line = |(line, quantity, condition): &(&str, i64, ReturnCondition)| proto::ReceivedLine {
            line_id: (*line).to_owned(),
            quantity: *quantity,
            condition: (*condition).into(),
        };
        let request = proto::ReceiveReturnRequest {
            return_ref: named(found),
            location_id: location.to_owned(),
            lines: lines.iter().map(line).collect(),
        };
        Ok(self.returns(call).receive_return(request).await?.into_inner().order_return.unwrap())
    }

    async fn refund(&self, call: &Call, found: &proto::Return) -> Result<proto::RefundReturnResponse, Status> {
        let request = proto::RefundReturnRequest { return_ref: named(found), lines: vec![], refund_shipping: true };
        Ok(self.returns(call).refund_return(request).await?.into_inner())
    }

    async fn replace(
        &self,
        call: &Call,
        found: &proto::Return,
        location: &str,
    ) -> Result<proto::ReplaceReturnResponse, Status> {
        let request = proto::ReplaceReturnRequest {
            return_ref: named(found),
            lines: Vec::new(),
            location_id: location.to_owned(),
        };
        Ok(self.returns(call).replace_return(request).await?.into_inner())
    }

    async fn get_return(&self, call: &Call, found: &proto::Return) -> Result<proto::Return, Status> {
        let request = proto::GetReturnRequest { return_id: found.return_id.clone() };
        Ok(self.returns(call).get_return(request).await?.into_inner().order_return.unwrap())
    }

    async fn list_returns(&self, call: &Call, request: &proto::ListReturnsRequest) -> Vec<String> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = proto::ListReturnsRequest { page_size: 1, page_token, ..request.clone() };
            let page = self.returns(call).list_returns(request).await.unwrap().into_inner();
            assert!(page.returns.len() <= 1);
            all.extend(page.returns.into_iter().map(|found| found.return_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    async fn find(&self, call: &Call, order: &proto::Order, by_number: bool) -> Result<proto::Order, Status> {
        use proto::get_order_request::Key;
        let key = if by_number { Key::Number(order.number.clone()) } else { Key::OrderId(order.order_id.clone()) };
        let answer = self.orders(call).get_order(proto::GetOrderRequest { key: Some(key) }).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    async fn last_change(&self) -> ReturnChanged {
        let last = Sql::portable("SELECT type, payload FROM outbox ORDER BY ordinal DESC LIMIT 1");
        let mut conn = self.db.read().await.unwrap();
        let row = conn.fetch_one(last, args![]).await.unwrap();
        assert_eq!(row.get::<String>("type").unwrap(), ReturnChanged::full_name());
        ReturnChanged::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap()
    }
}

#[tokio::test]
async fn bought_online_and_returned_at_another_store() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.collected().await;
        let (izmir, other) = (clerk("izmir"), clerk("depot"));
        // The clerk has the number from the customer; nothing else shows the order of another store.
        assert_eq!(told(world.find(&izmir, &order, false).await), "NotFound NOT_FOUND");
        assert_eq!(told(world.find(&staff("izmir"), &order, true).await), "NotFound NOT_FOUND");
        assert_eq!(world.find(&izmir, &order, true).await.unwrap(), order);
        let ask = |location: &'static str| world.ask_back(&izmir, &order, pieces("line_a", 2), location);
        assert_eq!(told(ask("").await), "NotFound NOT_FOUND");
        assert_eq!(told(ask("kadikoy").await), "PermissionDenied STORE_DENIED");
        let found = ask("izmir").await.unwrap();
        assert_eq!((found.state(), found.version, found.location_id.as_str()), (ReturnState::Requested, 1, "izmir"));
        assert!(world.find(&izmir, &order, false).await.is_ok(), "it is at their store now");
        assert_eq!(told(world.get_return(&other, &found).await), "NotFound NOT_FOUND");
        assert_eq!(told(world.approve(&other, &found).await), "NotFound NOT_FOUND");
        assert_eq!(told(world.approve(&clerk("kadikoy"), &found).await), "PermissionDenied STORE_DENIED");
        world.approve(&izmir, &found).await.unwrap();
        let elsewhere = world.receive(&izmir, &found, "kadikoy", &[("line_a", 1, ReturnCondition::Sellable)]).await;
        assert_eq!(told(elsewhere), "PermissionDenied STORE_DENIED");
        let part = [("line_a", 1, ReturnCondition::Unspecified)];
        let received = world.receive(&izmir, &found, "izmir", &part).await.unwrap();
        assert_eq!((received.state(), received.lines[0].restocked_quantity), (ReturnState::PartiallyReceived, 1));
        let told_others = world.last_change().await;
        assert_eq!((told_others.location_id.as_str(), told_others.restocked.len()), ("izmir", 1));
        assert_eq!((told_others.restocked[0].sku.as_str(), told_others.restocked[0].quantity), ("mug", 1));
        let summary = told_others.order.unwrap();
        assert_eq!((summary.open_return_count, summary.state()), (1, OrderState::Completed));
        // 89.00 for three: 29.67, 29.66, 29.67.
        let first = world.refund(&izmir, &found).await.unwrap();
        assert_eq!(
            (first.amount.clone(), first.order_return.unwrap().state()),
            (Some(lira("29.67")), ReturnState::Refunded)
        );
        world.db.clock.advance(std::time::Duration::from_secs(1));
        let part = [("line_a", 1, ReturnCondition::Damaged)];
        let received = world.receive(&izmir, &found, "izmir", &part).await.unwrap();
        assert_eq!((received.state(), received.lines[0].restocked_quantity), (ReturnState::Received, 1));
        assert!(world.last_change().await.restocked.is_empty());
        let second = world.refund(&izmir, &found).await.unwrap();
        let tasks = world.refund_tasks().await;
        let ids: Vec<_> = tasks.iter().map(|task| task.refund_task_id.clone()).collect();
        assert_eq!(ids, [first.refund_task_id, second.refund_task_id]);
        // The till pays, and reports it.
        world.pay(&order.order_id, "back", PaymentEventKind::Refunded, "29.67").await.unwrap();
        let Some(rest) = second.amount else { panic!() };
        let request = proto::RecordPaymentRequest {
            order_id: order.order_id.clone(),
            provider: "till".to_owned(),
            provider_event_id: "rest".to_owned(),
            kind: PaymentEventKind::Refunded.into(),
            amount: Some(rest),
            occur_time: None,
        };
        let after = world.payments(&izmir).record_payment(request).await.unwrap().into_inner().order.unwrap();
        assert_eq!((after.state(), after.payment_state()), (OrderState::Completed, PaymentState::PartiallyRefunded));
        assert!(world.refund_tasks().await.is_empty());
        assert_eq!(after.totals.unwrap().total, Some(lira("279.00")), "the order is the record of what was bought");
        let close = proto::CloseReturnRequest { return_ref: named(&found), reason: "done".to_owned() };
        let closed = world.returns(&izmir).close_return(close).await.unwrap().into_inner().order_return.unwrap();
        assert_eq!((closed.state(), closed.refunded, closed.version), (ReturnState::Closed, Some(lira("59.33")), 7));
        assert_eq!(told(world.refund(&izmir, &found).await), "FailedPrecondition ILLEGAL_TRANSITION");
        let events = world.events(&order.order_id).await;
        let returns = events.iter().filter(|event| event.starts_with("ReturnChanged"));
        assert_eq!(returns.count(), 7);
        let request = proto::ListOrderEventsRequest { order_id: order.order_id.clone(), ..Default::default() };
        let log = world.orders(&admin()).list_order_events(request).await.unwrap().into_inner().events;
        let asked = log.iter().find(|event| event.return_id == found.return_id).unwrap();
        assert_eq!((asked.state.as_str(), asked.actor.as_ref().unwrap().id.as_str()), ("REQUESTED", "ayse"));
        assert_eq!(asked.reason, "Ada says it is too small");
        // What people typed is in no event.
        let mut conn = world.db.read().await.unwrap();
        for row in conn.fetch_all(Sql::portable("SELECT payload FROM outbox LIMIT 99"), args![]).await.unwrap() {
            assert!(!String::from_utf8_lossy(&row.get::<Vec<u8>>("payload").unwrap()).contains("Ada"));
        }
    }
}

#[tokio::test]
async fn a_customer_sends_goods_back() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.paid().await;
        let early = world.ask_back(&world.customer, &order, pieces("line_a", 1), "").await;
        let details = early.clone().unwrap_err().get_details_error_info().unwrap();
        assert_eq!(
            (told(early).as_str(), details.metadata["returnable"].as_str()),
            ("FailedPrecondition NOT_RETURNABLE", "0")
        );
        let ready = world.ready(&order).await;
        let code = world.code(&ready).await;
        let order = world.collect(&ready, &code.code).await.unwrap();
        let all = [pieces("line_a", 3), pieces("line_b", 1)].concat();
        assert_eq!(told(world.ask_back(&customer(), &order, all.clone(), "").await), "NotFound NOT_FOUND");
        assert_eq!(
            told(world.ask_back(&partner("x"), &order, all.clone(), "").await),
            "PermissionDenied SCOPE_MISSING"
        );
        let request = proto::RequestReturnRequest {
            order_id: order.order_id.clone(),
            lines: all.clone(),
            reason: "no".to_owned(),
            location_id: String::new(),
            request_id: Uuid::new_v4().to_string(),
        };
        let calls = (0..4).map(|_| {
            let (mut returns, request) = (world.returns(&world.customer), request.clone());
            async move { returns.request_return(request).await.unwrap().into_inner().order_return.unwrap() }
        });
        let answers = futures::future::join_all(calls).await;
        let found = answers[0].clone();
        assert!(answers.iter().all(|answer| *answer == found), "once per request id");
        let again = world.ask_back(&world.customer, &order, pieces("line_b", 1), "").await;
        assert_eq!(told(again), "FailedPrecondition NOT_RETURNABLE");
        assert_eq!(told(world.approve(&world.customer, &found).await), "PermissionDenied AUDIENCE_DENIED");
        // No store has it yet: whoever takes returns may allow it.
        world.approve(&clerk("izmir"), &found).await.unwrap();
        let ship = |tracking: &str| proto::ShipReturnRequest {
            return_ref: named(&found),
            carrier: "Aras".to_owned(),
            tracking_number: tracking.to_owned(),
        };
        assert_eq!(told(world.returns(&customer()).ship_return(ship("1")).await), "NotFound NOT_FOUND");
        let shipped = world.returns(&world.customer).ship_return(ship("1Z")).await.unwrap().into_inner();
        let shipped = shipped.order_return.unwrap();
        assert_eq!((shipped.state(), shipped.tracking_number.as_str()), (ReturnState::InTransit, "1Z"));
        let stale = proto::ReturnRef { expected_version: 1, ..named(&found).unwrap() };
        let request = proto::CloseReturnRequest { return_ref: Some(stale), reason: "lost".to_owned() };
        assert_eq!(told(world.returns(&admin()).close_return(request).await), "Aborted VERSION_MISMATCH");
        // It arrives at a store that nobody named.
        let lines = [("line_a", 3, ReturnCondition::Sellable), ("line_b", 1, ReturnCondition::Sellable)];
        world.receive(&clerk("depot"), &found, "depot", &lines).await.unwrap();
        assert_eq!(told(world.refund(&clerk("izmir"), &found).await), "NotFound NOT_FOUND");
        let root = admin();
        let refunds = (0..4).map(|_| world.refund(&root, &found));
        let refunds: Vec<_> = futures::future::join_all(refunds).await.into_iter().filter_map(Result::ok).collect();
        assert_eq!((refunds.len(), refunds[0].amount.clone()), (1, Some(lira("279.00"))));
        assert_eq!(world.refund_tasks().await.len(), 1);
        let paid = world.pay(&order.order_id, "r", PaymentEventKind::Refunded, "279.00").await.unwrap().order.unwrap();
        assert_eq!((paid.state(), paid.payment_state()), (OrderState::Completed, PaymentState::Refunded));
        assert_eq!(world.get_return(&world.customer, &found).await.unwrap().refunded, Some(lira("279.00")));
    }
}

#[tokio::test]
async fn everybody_lists_the_returns_they_may_see() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.collected().await;
        let at = |location: &'static str| world.ask_back(&world.customer, &order, pieces("line_a", 1), location);
        let (none, izmir, depot) = (at("").await.unwrap(), at("izmir").await.unwrap(), at("depot").await.unwrap());
        let reject = proto::RejectReturnRequest { return_ref: named(&izmir), reason: "worn".to_owned() };
        let rejected =
            world.returns(&clerk("izmir")).reject_return(reject).await.unwrap().into_inner().order_return.unwrap();
        assert_eq!((rejected.state(), rejected.decision_reason.as_str()), (ReturnState::Rejected, "worn"));
        let sorted = |ids: &[&proto::Return]| {
            let mut ids: Vec<_> = ids.iter().map(|found| found.return_id.clone()).collect();
            ids.sort();
            ids.reverse();
            ids
        };
        let all = proto::ListReturnsRequest::default;
        let three = sorted(&[&none, &izmir, &depot]);
        for call in [&world.customer, &admin(), &clerk("kadikoy"), &clerk("*")] {
            assert_eq!(world.list_returns(call, &all()).await, three);
        }
        assert_eq!(world.list_returns(&clerk("izmir"), &all()).await, sorted(&[&none, &izmir]));
        assert_eq!(world.list_returns(&clerk("ankara"), &all()).await, sorted(&[&none]));
        assert!(world.list_returns(&customer(), &all()).await.is_empty());
        let filters = [
            (proto::ListReturnsRequest { states: vec![ReturnState::Rejected.into()], ..all() }, sorted(&[&izmir])),
            (proto::ListReturnsRequest { location_id: "depot".to_owned(), ..all() }, sorted(&[&depot])),
            (proto::ListReturnsRequest { order_id: order.order_id.clone(), ..all() }, three),
            (
                proto::ListReturnsRequest {
                    order_id: crate::domain::OrderId::new(omnimesh_kit::testing::START).to_string(),
                    ..all()
                },
                Vec::new(),
            ),
        ];
        for (filter, expected) in filters {
            assert_eq!(world.list_returns(&world.customer, &filter).await, expected, "{filter:?}");
        }
        for wrong in [
            proto::ListReturnsRequest { states: vec![77], ..all() },
            proto::ListReturnsRequest { order_id: "return_1".to_owned(), ..all() },
            proto::ListReturnsRequest { page_token: "junk".to_owned(), ..all() },
        ] {
            assert!(told(world.returns(&admin()).list_returns(wrong).await).starts_with("InvalidArgument"));
        }
    }
}

#[tokio::test]
async fn goods_are_replaced_if_there_are_any() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.collected().await;
        let izmir = clerk("izmir");
        let found = world.ask_back(&izmir, &order, pieces("line_b", 1), "izmir").await.unwrap();
        world.approve(&izmir, &found).await.unwrap();
        world.receive(&izmir, &found, "izmir", &[("line_b", 1, ReturnCondition::Damaged)]).await.unwrap();
        let shelf = world.shelf();
        // There is none in that store, and nothing changes.
        assert_eq!(told(world.replace(&izmir, &found, "kadikoy").await), "PermissionDenied STORE_DENIED");
        let before = world.order(&order.order_id).await;
        assert_eq!(told(world.replace(&izmir, &found, "izmir").await), "FailedPrecondition OUT_OF_STOCK");
        assert_eq!((world.order(&order.order_id).await, world.shelf()), (before.clone(), shelf));
        world.fakes.state().shelf.insert(("lamp".to_owned(), "izmir".to_owned()), 2);
        // Catalog breaks off, before and after it had its effect: what was reserved comes back.
        for name in ["reserve", "confirm"] {
            for after in [false, true] {
                world.fakes.state().failures.insert(name, (1, after));
                assert_eq!(told(world.replace(&izmir, &found, "izmir").await), "Unavailable UNAVAILABLE");
                assert_eq!((world.order(&order.order_id).await, world.shelf()), (before.clone(), shelf + 2));
            }
        }
        let tries = (0..4).map(|_| world.replace(&izmir, &found, "izmir"));
        let answers = futures::future::join_all(tries).await;
        let mut replaced: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
        world.db.clock.advance(std::time::Duration::from_secs(120));
        world.run_tasks().await;
        assert_eq!((replaced.len(), world.shelf()), (1, shelf + 1), "one group has its lamp, whoever else tried");
        let replaced = replaced.remove(0);
        let (found, after) = (replaced.order_return.unwrap(), replaced.order.unwrap());
        assert_eq!((found.state(), after.state()), (ReturnState::Replaced, OrderState::Completed));
        let new = after.groups.iter().find(|group| group.group_id == found.replacement_group_id).unwrap();
        assert_eq!(
            (new.method(), new.state(), new.location_id.as_str()),
            (FulfillmentMethod::Pickup, FulfillmentState::Open, "izmir")
        );
        assert_eq!(new.store.as_ref().unwrap().name, "Store izmir");
        assert_eq!(after.totals, before.totals);
        assert!(world.refund_tasks().await.is_empty());
        // It goes its way as any group, on an order that is complete, and can come back itself.
        let group = || Some(proto::GroupRef { group_id: new.group_id.clone(), ..group(&after).unwrap() });
        let mut fulfillment = world.fulfillment(&izmir);
        fulfillment.accept(proto::AcceptRequest { group: group() }).await.unwrap();
        fulfillment.pack(proto::PackRequest { group: group(), short_lines: Vec::new() }).await.unwrap();
        fulfillment.mark_ready(proto::MarkReadyRequest { group: group() }).await.unwrap();
        let code = proto::GetPickupCodeRequest { order_id: order.order_id.clone(), group_id: new.group_id.clone() };
        let code = world.orders(&world.customer).get_pickup_code(code).await.unwrap().into_inner();
        let request = proto::ConfirmPickupRequest { group: group(), code: code.code };
        let done = fulfillment.confirm_pickup(request).await.unwrap().into_inner().order.unwrap();
        assert_eq!((done.state(), done.payment_state()), (OrderState::Completed, PaymentState::Captured));
        let again = world.ask_back(&world.customer, &order, pieces("line_b", 1), "izmir").await.unwrap();
        world.approve(&izmir, &again).await.unwrap();
        world.receive(&izmir, &again, "izmir", &[("line_b", 1, ReturnCondition::Sellable)]).await.unwrap();
        assert_eq!(world.refund(&izmir, &again).await.unwrap().amount, Some(lira("190.00")));
    }
}

#[tokio::test]
async fn each_wrong_request_about_a_return_is_told_what_is_wrong() {
    let world = world(omnimesh_kit::testing::Backend::Sqlite).await;
    let order = world.collected().await;
    let mut returns = world.returns(&admin());
    let sound = proto::RequestReturnRequest {
        order_id: order.order_id.clone(),
        lines: pieces("line_a", 1),
        reason: "x".to_owned(),
        ..Default::default()
    };
    let twice = [pieces("line_a", 1), pieces("line_a", 1)].concat();
    for request in [
        proto::RequestReturnRequest { order_id: "x".to_owned(), ..sound.clone() },
        proto::RequestReturnRequest { lines: Vec::new(), ..sound.clone() },
        proto::RequestReturnRequest { lines: twice, ..sound.clone() },
        proto::RequestReturnRequest { lines: pieces("line_a", 0), ..sound.clone() },
        proto::RequestReturnRequest { reason: String::new(), ..sound.clone() },
        proto::RequestReturnRequest { reason: "x".repeat(501), ..sound.clone() },
        proto::RequestReturnRequest { request_id: "1".to_owned(), ..sound.clone() },
    ] {
        let shown = format!("{request:?}");
        assert_eq!(told(returns.request_return(request).await), "InvalidArgument INVALID_REQUEST", "{shown}");
    }
    let unknown = proto::RequestReturnRequest { lines: pieces("line_z", 1), ..sound.clone() };
    assert_eq!(told(returns.request_return(unknown).await), "FailedPrecondition NOT_RETURNABLE");
    let found = returns.request_return(sound).await.unwrap().into_inner().order_return.unwrap();
    let nobodys = proto::Return {
        return_id: crate::domain::ReturnId::new(omnimesh_kit::testing::START).to_string(),
        ..found.clone()
    };
    assert_eq!(told(world.approve(&admin(), &nobodys).await), "NotFound NOT_FOUND");
    assert_eq!(told(world.get_return(&admin(), &nobodys).await), "NotFound NOT_FOUND");
    let none = proto::ApproveReturnRequest { return_ref: None };
    assert_eq!(told(returns.approve_return(none).await), "InvalidArgument INVALID_REQUEST");
    let refused = world.refund(&admin(), &found).await.unwrap_err();
    let details = refused.get_details_error_info().unwrap();
    assert_eq!(
        (details.metadata["state"].as_str(), details.metadata["allowed"].as_str()),
        ("REQUESTED", "APPROVED, REJECTED")
    );
    world.approve(&admin(), &found).await.unwrap();
    type Arrived = &'static [(&'static str, i64, ReturnCondition)];
    let wrong: [(&str, Arrived); 4] = [
        ("", &[("line_a", 1, ReturnCondition::Sellable)]),
        ("izmir", &[]),
        ("izmir", &[("line_a", 2, ReturnCondition::Sellable)]),
        ("izmir", &[("line_b", 1, ReturnCondition::Sellable)]),
    ];
    for (location, lines) in wrong {
        assert_eq!(told(world.receive(&admin(), &found, location, lines).await), "InvalidArgument INVALID_REQUEST");
    }
    let reject = proto::RejectReturnRequest { return_ref: named(&found), reason: String::new() };
    assert_eq!(told(returns.reject_return(reject).await), "InvalidArgument INVALID_REQUEST");
    let ship = proto::ShipReturnRequest { return_ref: named(&found), ..Default::default() };
    assert_eq!(told(returns.ship_return(ship).await), "InvalidArgument INVALID_REQUEST");
    world.receive(&admin(), &found, "izmir", &[("line_a", 1, ReturnCondition::Sellable)]).await.unwrap();
    let request =
        proto::RefundReturnRequest { return_ref: named(&found), lines: pieces("line_a", 2), refund_shipping: false };
    assert_eq!(told(returns.refund_return(request).await), "InvalidArgument INVALID_REQUEST");
    assert_eq!(told(world.replace(&admin(), &found, "").await), "InvalidArgument INVALID_REQUEST");
}

#[tokio::test]
async fn goods_that_go_to_no_stock_are_received_and_said() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.collected().await;
        let izmir = clerk("izmir");
        let both = [pieces("line_a", 3), pieces("line_b", 1)].concat();
        let found = world.ask_back(&izmir, &order, both, "izmir").await.unwrap();
        world.approve(&izmir, &found).await.unwrap();
        let stocked = |found: &proto::Return| -> Vec<(i64, i64)> {
            found.lines.iter().map(|line| (line.restocked_quantity, line.not_stocked_quantity)).collect()
        };
        let goods = |goods: Vec<proto::OrderedGoods>| -> Vec<(String, i64)> {
            goods.into_iter().map(|goods| (goods.sku, goods.quantity)).collect()
        };
        // The mug has left the assortment meanwhile; the lamp has not.
        world.fakes.state().unknown = vec!["mug".to_owned()];
        let arrived = [("line_a", 1, ReturnCondition::Sellable), ("line_b", 1, ReturnCondition::Sellable)];
        let received = world.receive(&izmir, &found, "izmir", &arrived).await.unwrap();
        assert_eq!(stocked(&received), [(1, 1), (1, 0)]);
        let told_others = world.last_change().await;
        assert_eq!(goods(told_others.restocked), [("lamp".to_owned(), 1)]);
        assert_eq!(goods(told_others.not_stocked), [("mug".to_owned(), 1)]);
        // What can't be sold again is no question of stock.
        let damaged = [("line_a", 1, ReturnCondition::Damaged)];
        assert_eq!(stocked(&world.receive(&izmir, &found, "izmir", &damaged).await.unwrap()), [(1, 1), (1, 0)]);
        assert_eq!(world.last_change().await.not_stocked, []);
        // Nor does a location go that only the clerk's credential names.
        world.fakes.state().unknown = vec!["izmir".to_owned()];
        let last = proto::ReceiveReturnRequest {
            return_ref: named(&found),
            location_id: "izmir".to_owned(),
            lines: vec![proto::ReceivedLine { line_id: "line_a".to_owned(), quantity: 1, condition: 1 }],
        };
        let received = world.returns(&izmir).receive_return(last.clone()).await.unwrap().into_inner();
        assert_eq!(stocked(received.order_return.as_ref().unwrap()), [(2, 2), (1, 0)]);
        assert_eq!(goods(world.last_change().await.not_stocked), [("mug".to_owned(), 1)]);
        assert_eq!(world.get_return(&izmir, &found).await.unwrap(), received.order_return.clone().unwrap());
        // The same again needs nobody else's answer.
        world.fakes.state().failures.insert("get_location", (1, false));
        assert_eq!(world.returns(&izmir).receive_return(last).await.unwrap().into_inner(), received);
        let amount = world.refund(&izmir, &found).await.unwrap().amount;
        assert!(amount.is_some(), "it is settled like all that arrived");
    }
}
