//! Who sees which orders, in pages, exports and watches.

use std::{collections::BTreeSet, time::Duration};

use futures::stream;
use omnimesh_kit::{call::Call, testing::BACKENDS};
use omnimesh_proto::orders::v1::{self as proto, OrderFilter, OrderState};

use super::world::{World, admin, customer, group, lira, partner, staff, told, world};

impl World {
    async fn list(&self, call: &Call, filter: OrderFilter) -> Vec<String> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = proto::ListOrdersRequest { filter: Some(filter.clone()), page_size: 2, page_token };
            let page = self.orders(call).list_orders(request).await.unwrap().into_inner();
            assert!(page.orders.len() <= 2);
            all.extend(page.orders.into_iter().map(|order| order.number));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// Five orders of the customer, a minute apart; oldest first.
    async fn five(&self) -> Vec<proto::Order> {
        let mut orders = Vec::new();
        for _ in 0..5 {
            self.fakes.state().cart = super::world::cart();
            orders.push(self.place(&self.request()).await.unwrap());
            self.db.clock.advance(Duration::from_secs(60));
        }
        orders
    }
}

#[tokio::test]
async fn everybody_lists_their_own_newest_first() {
    for backend in BACKENDS {
        let world = world(backend).await;
        for on_hand in world.fakes.state().shelf.values_mut() {
            *on_hand = 100;
        }
        let orders = world.five().await;
        let newest: Vec<_> = orders.iter().rev().map(|order| order.number.clone()).collect();
        let all = OrderFilter::default;
        // One draft that failed: in no list.
        let failing = proto::PlaceOrderRequest { cart_version: 1, ..world.request() };
        world.fakes.state().cart = super::world::cart();
        world.place(&failing).await.unwrap_err();
        for call in [&world.customer, &admin(), &staff("kadikoy"), &staff("*")] {
            assert_eq!(world.list(call, all()).await, newest);
        }
        for call in [&customer(), &staff("izmir"), &partner("shop-7")] {
            assert!(world.list(call, all()).await.is_empty());
        }
        let second = orders[1].place_time;
        let filters: [(OrderFilter, usize); 8] = [
            (OrderFilter { start_time: second, ..all() }, 4),
            (OrderFilter { end_time: second, ..all() }, 1),
            (OrderFilter { states: vec![OrderState::Placed.into()], ..all() }, 5),
            (OrderFilter { states: vec![OrderState::Confirmed.into(), OrderState::Expired.into()], ..all() }, 0),
            (OrderFilter { channels: vec![1], ..all() }, 5),
            (OrderFilter { channels: vec![2], ..all() }, 0),
            (OrderFilter { location_id: "kadikoy".into(), ..all() }, 5),
            (OrderFilter { location_id: "izmir".into(), ..all() }, 0),
        ];
        for (filter, expected) in filters {
            assert_eq!(world.list(&admin(), filter.clone()).await.len(), expected, "{filter:?}");
            let mut export = world
                .streams(&admin())
                .export_orders(proto::ExportOrdersRequest { filter: Some(filter) })
                .await
                .unwrap()
                .into_inner();
            let mut seen = Vec::new();
            while let Some(message) = export.message().await.unwrap() {
                seen.push(message.order.unwrap().order_id);
            }
            assert!(seen.len() == expected && seen.is_sorted());
        }
        // A token is for its caller and its filter.
        let page = |call: &Call, filter: OrderFilter, page_token: String| {
            let mut orders = world.orders(call);
            async move {
                orders.list_orders(proto::ListOrdersRequest { filter: Some(filter), page_size: 1, page_token }).await
            }
        };
        let token = page(&admin(), all(), String::new()).await.unwrap().into_inner().next_page_token;
        assert!(page(&admin(), all(), token.clone()).await.is_ok());
        let other = OrderFilter { channels: vec![1], ..all() };
        assert_eq!(told(page(&admin(), other, token.clone()).await), "InvalidArgument INVALID_PAGE_TOKEN");
        assert_eq!(told(page(&world.customer, all(), token).await), "InvalidArgument INVALID_PAGE_TOKEN");
    }
}

#[tokio::test]
async fn a_guest_finds_the_order_by_number_and_proof() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let order = world.place(&world.request()).await.unwrap();
        let typed = order.number.to_lowercase().replace('-', " ");
        let ask = |call: &Call| {
            let key = Some(proto::get_order_request::Key::Number(typed.clone()));
            let mut orders = world.orders(call);
            async move { orders.get_order(proto::GetOrderRequest { key }).await }
        };
        let stranger = customer();
        assert_eq!(ask(&world.customer).await.unwrap().into_inner().order.unwrap(), order);
        assert_eq!(told(ask(&stranger).await), "NotFound NOT_FOUND");
        world.fakes.state().verified = true;
        assert_eq!(ask(&stranger).await.unwrap().into_inner().order.unwrap(), order);
        assert_eq!(told(ask(&staff("izmir")).await), "NotFound NOT_FOUND");
    }
}

#[tokio::test]
async fn a_watch_misses_nothing_over_a_break() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.live();
        for on_hand in world.fakes.state().shelf.values_mut() {
            *on_hand = 100;
        }
        let watch = |resume_token: String| {
            let mut orders = world.streams(&world.customer);
            async move {
                let request = proto::WatchOrdersRequest { filter: None, resume_token };
                orders.watch_orders(request).await.unwrap().into_inner()
            }
        };
        let mut first = watch(String::new()).await;
        let start = first.message().await.unwrap().unwrap();
        assert!(start.order.is_none());
        // An order of somebody else is not shown.
        let document = proto::ImportDocument {
            account_id: "till".into(),
            channel_order_id: "1".into(),
            kind: 1,
            mode: 1,
            currency_code: "TRY".into(),
            place_time: Some(omnimesh_kit::testing::START.to_proto()),
            lines: vec![proto::OrderLine { quantity: 1, unit_price: Some(lira("1")), ..Default::default() }],
            ..Default::default()
        };
        let import = stream::iter([proto::ImportOrdersRequest { document: Some(document) }]);
        let mut answers = world.streams(&admin()).import_orders(import).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();

        world.five().await;
        let seen = first.message().await.unwrap().unwrap();
        assert_eq!(seen.event.as_ref().unwrap().r#type, "OrderPlaced");
        let paid = seen.order.unwrap();
        let mut ids = BTreeSet::from([paid.order_id.clone()]);
        drop(first);
        world.pay(&paid.order_id, "p", proto::PaymentEventKind::Captured, "279.00").await.unwrap();
        world.fulfillment(&admin()).accept(proto::AcceptRequest { group: group(&paid) }).await.unwrap();
        // Four more placings, the payment, the confirmation and the acceptance.
        let mut second = watch(seen.resume_token).await;
        let mut types = Vec::new();
        while types.len() < 7 {
            let message = tokio::time::timeout(Duration::from_secs(20), second.message()).await;
            let message = message.expect("an event is missing").unwrap().unwrap();
            let Some(event) = message.event else { continue };
            types.push(event.r#type);
            ids.insert(message.order.unwrap().order_id);
        }
        types.sort();
        let placed = ["OrderPlaced"; 4];
        assert_eq!(types[..2], ["FulfillmentChanged", "OrderConfirmed"]);
        assert_eq!(types[2..6], placed);
        assert_eq!((types[6].as_str(), ids.len()), ("PaymentRecorded", 5));
    }
}
