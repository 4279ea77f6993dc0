//! Partners: what one does with its orders, and that nobody else's can be told from what does not exist.

use std::{collections::BTreeSet, time::Duration};

use omnimesh_kit::{call::Call, testing::BACKENDS};
use omnimesh_proto::orders::v1::{self as proto, FulfillmentState, ImportMode, ImportOutcome};
use tonic::Streaming;

use super::{
    importing::document,
    world::{World, group, partner, told, world},
};

/// Another key of the same account, as after a rotation.
fn next_key(account: &str) -> Call {
    let mut call = partner(account);
    call.caller.identity.subject = format!("next-key-{account}");
    call
}

fn own(account: &str) -> proto::OrderFilter {
    proto::OrderFilter { account_id: account.to_owned(), ..Default::default() }
}

impl World {
    /// Two live orders of a partner, with their stock reserved.
    async fn live_orders(&self, call: &Call) -> Vec<proto::Order> {
        let documents = vec![document("1", ImportMode::Live, 1), document("2", ImportMode::Live, 1)];
        let answers = self.import(call, documents).await;
        assert!(answers.iter().all(|answer| answer.outcome() == ImportOutcome::Created), "{answers:?}");
        self.run_tasks().await;
        let mut orders = Vec::new();
        for answer in answers {
            orders.push(self.order(&answer.order_id).await);
        }
        orders
    }

    async fn watch(
        &self,
        call: &Call,
        resume_token: &str,
    ) -> Result<Streaming<proto::WatchOrdersResponse>, tonic::Status> {
        let request = proto::WatchOrdersRequest { filter: None, resume_token: resume_token.to_owned() };
        Ok(self.streams(call).watch_orders(request).await?.into_inner())
    }

    async fn page(&self, call: &Call, page_token: &str) -> Result<proto::ListOrdersResponse, tonic::Status> {
        let request = proto::ListOrdersRequest { filter: None, page_size: 1, page_token: page_token.to_owned() };
        Ok(self.orders(call).list_orders(request).await?.into_inner())
    }

    /// Every way in which a partner changes a group.
    async fn change(
        &self,
        call: &Call,
        step: &str,
        group: Option<proto::GroupRef>,
    ) -> Result<proto::Order, tonic::Status> {
        let mut groups = self.fulfillment(call);
        let order = match step {
            "accept" => groups.accept(proto::AcceptRequest { group }).await?.into_inner().order,
            "reject" => {
                groups.reject(proto::RejectRequest { group, reason: "OUT_OF_STOCK".into() }).await?.into_inner().order
            }
            "pack" => groups.pack(proto::PackRequest { group, short_lines: vec![] }).await?.into_inner().order,
            "ship" => {
                let request = proto::ShipRequest { group, carrier: "Yurtiçi".into(), tracking_number: "TR-1".into() };
                groups.ship(request).await?.into_inner().order
            }
            _ => groups.deliver(proto::DeliverRequest { group }).await?.into_inner().order,
        };
        Ok(order.unwrap())
    }
}

#[tokio::test]
async fn a_partner_acknowledges_and_ships_its_own_orders() {
    use FulfillmentState::{Accepted, Delivered, Packed, Shipped};
    for backend in BACKENDS {
        let world = world(backend).await;
        let shop = partner("shop-7");
        let order = world.live_orders(&shop).await.remove(0);
        for (step, state) in [("accept", Accepted), ("pack", Packed), ("ship", Shipped), ("deliver", Delivered)] {
            let again = group(&order);
            for _ in 0..2 {
                let order = world.change(&shop, step, again.clone()).await.unwrap();
                assert_eq!(order.groups[0].state(), state, "{step}");
            }
        }
        let refused = world.change(&shop, "reject", group(&order)).await;
        assert_eq!(told(refused), "FailedPrecondition ILLEGAL_TRANSITION");
    }
}

#[tokio::test]
async fn what_is_anothers_does_not_exist() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let shops = [partner("shop-7"), partner("shop-8")];
        let orders = [world.live_orders(&shops[0]).await, world.live_orders(&shops[1]).await];
        for (one, other, account) in [(0, 1, "shop-7"), (1, 0, "shop-8")] {
            let (shop, foreign) = (&shops[one], &orders[other][0]);
            let steps = ["accept", "reject", "pack", "ship", "deliver"];
            for step in steps {
                let named = proto::GroupRef { group_id: foreign.groups[0].group_id.clone(), ..group(foreign).unwrap() };
                for reference in [group(foreign), Some(named)] {
                    assert_eq!(told(world.change(shop, step, reference).await), "NotFound NOT_FOUND", "{step}");
                }
            }
            // The group of another's order is not found in one's own either.
            let mixed =
                proto::GroupRef { group_id: foreign.groups[0].group_id.clone(), ..group(&orders[one][0]).unwrap() };
            assert_eq!(told(world.change(shop, "accept", Some(mixed)).await), "NotFound NOT_FOUND");
            let key = Some(proto::get_order_request::Key::OrderId(foreign.order_id.clone()));
            assert_eq!(told(world.orders(shop).get_order(proto::GetOrderRequest { key }).await), "NotFound NOT_FOUND");
            let key = Some(proto::get_order_request::Key::Number(foreign.number.clone()));
            assert_eq!(told(world.orders(shop).get_order(proto::GetOrderRequest { key }).await), "NotFound NOT_FOUND");
            let events = proto::ListOrderEventsRequest { order_id: foreign.order_id.clone(), ..Default::default() };
            assert_eq!(told(world.orders(shop).list_order_events(events).await), "NotFound NOT_FOUND");
            // Whatever account is asked for, it is one's own that is listed.
            for asked in ["shop-7", "shop-8", ""] {
                let request = proto::ListOrdersRequest { filter: Some(own(asked)), ..Default::default() };
                let listed = world.orders(shop).list_orders(request).await.unwrap().into_inner().orders;
                assert_eq!(listed.len(), 2);
                assert!(listed.iter().all(|order| order.source.as_ref().unwrap().account_id == account));
            }
        }
    }
}

#[tokio::test]
async fn tokens_and_request_ids_are_each_accounts_own() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.live();
        let shops = [partner("shop-7"), partner("shop-8")];
        let orders = [world.live_orders(&shops[0]).await, world.live_orders(&shops[1]).await];
        let mut pages = Vec::new();
        let mut watches = Vec::new();
        for shop in &shops {
            pages.push(world.page(shop, "").await.unwrap().next_page_token);
            let first = world.watch(shop, "").await.unwrap().message().await.unwrap().unwrap();
            watches.push(first.resume_token);
        }
        for (one, other, account) in [(0, 1, "shop-7"), (1, 0, "shop-8")] {
            assert!(world.page(&shops[one], &pages[one]).await.is_ok());
            assert_eq!(told(world.page(&shops[one], &pages[other]).await), "InvalidArgument INVALID_PAGE_TOKEN");
            assert_eq!(told(world.watch(&shops[one], &watches[other]).await), "InvalidArgument INVALID_PAGE_TOKEN");
            // The next key of an account goes on where the last one stopped.
            assert!(world.page(&next_key(account), &pages[one]).await.is_ok());
            assert!(world.watch(&next_key(account), &watches[one]).await.is_ok());
        }
        // The same request id at both is two requests, each about its own order.
        let request_id = uuid::Uuid::new_v4().to_string();
        let asked =
            |order: &proto::Order| Some(proto::GroupRef { request_id: request_id.clone(), ..group(order).unwrap() });
        for (shop, orders) in shops.iter().zip(&orders) {
            let changed = world.change(shop, "accept", asked(&orders[0])).await.unwrap();
            assert_eq!(changed.order_id, orders[0].order_id);
        }
        let again = world.change(&next_key("shop-7"), "accept", asked(&orders[0][0])).await.unwrap();
        assert_eq!(again.order_id, orders[0][0].order_id);
    }
}

#[tokio::test]
async fn a_watch_shows_each_of_a_partners_changes_once_over_cuts() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.live();
        let (shop, rival) = (partner("shop-7"), partner("shop-8"));
        let mut token = world.watch(&shop, "").await.unwrap().message().await.unwrap().unwrap().resume_token;
        let theirs = world.live_orders(&rival).await;
        let mine = world.live_orders(&shop).await;
        for order in mine.iter().chain(&theirs) {
            let call = if mine.contains(order) { &shop } else { &rival };
            for step in ["accept", "pack", "ship"] {
                world.change(call, step, group(order)).await.unwrap();
            }
        }
        let mut expected = BTreeSet::new();
        for order in &mine {
            let many = i64::try_from(world.events(&order.order_id).await.len()).unwrap();
            expected.extend((1..=many).map(|sequence| (order.order_id.clone(), sequence)));
        }
        // Cut after each change.
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let mut stream = world.watch(&shop, &token).await.unwrap();
            loop {
                let message = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
                let message = message.expect("a change is missing").unwrap().unwrap();
                token = message.resume_token;
                let Some(event) = message.event else { continue };
                let order = message.order.unwrap();
                assert_eq!(order.source.unwrap().account_id, "shop-7");
                seen.push((order.order_id, event.sequence));
                break;
            }
        }
        assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), expected);
        assert_eq!(seen.len(), expected.len(), "none twice");
    }
}
