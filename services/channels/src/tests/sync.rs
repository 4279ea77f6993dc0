//! Orders come in once, and what happens to them is told once.

use omnimesh_kit::{
    call::Call,
    inbox::EventHandler as _,
    testing::{BACKENDS, Backend},
    transaction,
};
use omnimesh_proto::{
    channels::v1::{ActionState, DeadLetter, ListDeadLettersRequest, ReplayDeadLetterRequest},
    connectors::v1::{ChannelOrderState as State, VendorErrorKind as Kind, outcome},
    events::v1::Event,
    orders::v1::{FulfillmentChanged, ImportMode, OrderState},
};
use prost::{Message as _, Name as _};
use tonic::Status;

use super::{
    fakes::error,
    world::{World, world},
};
use crate::{act, error::Error, events::Orders, look, pull, store};

impl World {
    /// Orders says that an order changed.
    async fn hear(&self, order_id: &str) {
        let changed = FulfillmentChanged { order_id: order_id.to_owned(), ..FulfillmentChanged::default() };
        let event = Event {
            r#type: FulfillmentChanged::full_name(),
            payload: changed.encode_to_vec().into(),
            ..Event::default()
        };
        transaction!(self.db, tx => {
            Orders.handle(&mut tx, &event).await.unwrap();
            Ok::<_, Error>(())
        })
        .unwrap();
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let request = ListDeadLettersRequest::default();
        self.channels().list_dead_letters(request).await.unwrap().into_inner().dead_letters
    }

    async fn states(&self, order_id: &str) -> Vec<ActionState> {
        self.actions(order_id).await.iter().map(|action| action.state()).collect()
    }
}

#[tokio::test]
async fn an_order_comes_in_once_and_is_acknowledged_and_shipped_once() {
    for backend in BACKENDS {
        let world = world(backend).await;
        for id in ["p1", "p2", "p3"] {
            world.place(id);
        }
        world.pass(1).await;
        let imported = world.book.0.get().documents.clone();
        assert_eq!(imported.keys().collect::<Vec<_>>(), ["p1", "p2", "p3"]);
        let document = &imported["p1"].1;
        assert_eq!((document.mode(), document.account_id.as_str()), (ImportMode::Live, &*world.account.account_id));
        assert_eq!(document.lines[0].tax.as_ref().unwrap().units, 10, "a sixth of 60.00");
        assert_eq!(world.market.log(), ["acknowledge p1", "acknowledge p2", "acknowledge p3"]);

        // The same pages again and again.
        for _ in 0..3 {
            world.pass(60).await;
        }
        assert!(world.market.0.get().pulls >= 4);
        assert_eq!((world.book.0.get().imports, world.market.log().len()), (3, 3));

        let order = world.book.order_of("p2");
        world.ship(&order, &[("p2-a", 2), ("p2-b", 1)]);
        for _ in 0..2 {
            world.hear(&order).await;
            world.pass(1).await;
        }
        assert_eq!(world.market.log().last().unwrap(), "ship p2: 2xp2-a 1xp2-b");
        assert_eq!(world.market.log().len(), 4);
        assert_eq!(world.states(&order).await, [ActionState::Confirmed; 2]);
        let sync = world.seen().await.sync.unwrap();
        assert_eq!((sync.units, sync.pending_actions, sync.dead_letters), (3, 0, 0));
        assert!(world.dead_letters().await.is_empty());
    }
}

#[tokio::test]
async fn a_shipment_whose_event_came_before_the_order_was_known_is_told() {
    let world = world(Backend::Sqlite).await;
    world.place("p1");
    // The order book has it, and whoever asked for it has died before it kept the page.
    let page = omnimesh_proto::connectors::v1::PullOrdersResponse {
        orders: vec![world.market.order("p1")],
        next_cursor: b"x".to_vec(),
        ..Default::default()
    };
    let claimed = transaction!(world.db, tx => {
        store::accounts::claim(&mut tx, std::time::Duration::from_secs(1)).await.map_err(Error::from)
    });
    let mut account = claimed.unwrap().unwrap();
    account.cursor = b"moved by somebody else".to_vec();
    assert!(!pull::keep(&world.app, &Call::system("channels"), &account, page).await.unwrap());
    let order = world.book.order_of("p1");
    world.ship(&order, &[("p1-a", 2), ("p1-b", 1)]);
    world.hear(&order).await;
    assert!(!look::next(&world.app).await, "nothing is known of it here");

    world.pass(60).await;
    assert_eq!(world.book.0.get().orders.len(), 1);
    assert_eq!(world.market.log(), ["acknowledge p1", "ship p1: 2xp1-a 1xp1-b"]);
}

#[tokio::test]
async fn what_is_in_doubt_is_read_back_and_never_sent_blindly() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.market.answer(Ok(error(Kind::UnknownOutcome)));
        world.market.answer(Err(Status::unavailable("the connector is gone")));
        world.place("p1");
        world.place("p2");
        world.pass(1).await;
        let (first, second) = (world.book.order_of("p1"), world.book.order_of("p2"));
        assert_eq!(world.states(&first).await, [ActionState::InDoubt]);
        assert_eq!(world.states(&second).await, [ActionState::InDoubt]);
        assert_eq!(world.seen().await.sync.unwrap().actions_in_doubt, 2);
        // The first had its effect.
        world.change("p1", |order| order.set_state(State::Acknowledged));
        world.pass(2).await;
        assert_eq!(world.market.log().len(), 2, "nothing was read since that it could have shown in");
        world.pass(60).await;
        world.pass(2).await;
        assert_eq!(world.states(&first).await, [ActionState::Confirmed]);
        assert_eq!(world.states(&second).await, [ActionState::Confirmed]);
        assert_eq!(world.market.log(), ["acknowledge p1", "acknowledge p2", "acknowledge p2"]);
    }
}

#[tokio::test]
async fn an_action_whose_sender_died_is_in_doubt() {
    let world = world(Backend::Postgres).await;
    world.place("p1");
    while pull::next(&world.app).await {}
    let taken = transaction!(world.db, tx => {
        let mut action = store::actions::claim(&mut tx, std::time::Duration::from_secs(60)).await?.unwrap();
        action.native_id = "p1".to_owned();
        assert!(store::actions::send(&mut tx, &action).await?);
        assert!(!store::actions::send(&mut tx, &action).await?, "once");
        Ok::<_, Error>(action)
    });
    let action = taken.unwrap();
    assert!(!act::next(&world.app).await, "it is the sender's");
    // It reached the marketplace, and nobody was there to hear so.
    world.change("p1", |order| order.set_state(State::Acknowledged));
    world.pass(61).await;
    world.pass(60).await;
    assert_eq!(world.states(&action.order.to_string()).await, [ActionState::Confirmed]);
    assert_eq!(world.market.log(), Vec::<String>::new());
}

#[tokio::test]
async fn what_had_no_effect_is_sent_again_in_sequence() {
    let world = world(Backend::Sqlite).await;
    world.market.answer(Ok(error(Kind::RateLimited)));
    world.market.answer(Ok(error(Kind::Temporary)));
    world.place("p1");
    world.pass(0).await;
    let order = world.book.order_of("p1");
    world.ship(&order, &[("p1-a", 2), ("p1-b", 1)]);
    world.hear(&order).await;
    world.pass(0).await;
    assert_eq!(world.states(&order).await, [ActionState::Pending; 2]);
    assert_eq!(world.market.log(), ["acknowledge p1"], "the shipment waits for the acknowledgement");
    world.pass(1).await;
    world.pass(2).await;
    assert_eq!(world.states(&order).await, [ActionState::Confirmed; 2]);
    let log = world.market.log();
    assert_eq!(log, ["acknowledge p1", "acknowledge p1", "acknowledge p1", "ship p1: 2xp1-a 1xp1-b"]);
}

#[tokio::test]
async fn a_refused_action_is_a_dead_letter_until_it_is_replayed() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.market.answer(Ok(error(Kind::Invalid)));
        world.place("p1");
        world.pass(1).await;
        let order = world.book.order_of("p1");
        assert_eq!(world.states(&order).await, [ActionState::Rejected]);
        let [letter] = world.dead_letters().await.try_into().unwrap();
        assert_eq!((letter.native_id.as_str(), letter.problem.as_str()), ("p1", "INVALID: no"));
        world.pass(600).await;
        assert_eq!(world.market.log().len(), 1);
        let replay = ReplayDeadLetterRequest { dead_letter_id: letter.dead_letter_id };
        world.channels().replay_dead_letter(replay).await.unwrap();
        world.pass(1).await;
        assert_eq!(world.states(&order).await, [ActionState::Confirmed]);
        assert!(world.dead_letters().await.is_empty());
    }
}

#[tokio::test]
async fn what_the_connector_can_not_do_was_never_sent() {
    let world = world(Backend::Sqlite).await;
    world.market.answer(Err(Status::unimplemented("this vendor has no acknowledge_order")));
    world.place("p1");
    world.pass(1).await;
    assert_eq!(world.states(&world.book.order_of("p1")).await, [ActionState::Rejected]);
    let [letter] = world.dead_letters().await.try_into().unwrap();
    assert!(letter.problem.contains("acknowledge_order"), "{letter:?}");
}

#[tokio::test]
async fn an_order_that_is_refused_waits_as_a_dead_letter_and_keeps_no_other_out() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.book.0.get().refusal = "lines[0].sku: 1 to 200 characters are accepted".to_owned();
        world.place("p1");
        world.pass(1).await;
        world.book.0.get().refusal.clear();
        world.place("p2");
        // Not what it was told so far: the page of the first is not pulled again by itself.
        world.market.0.get().orders.remove("p1");
        world.pass(60).await;
        assert_eq!(world.book.0.get().documents.keys().collect::<Vec<_>>(), ["p2"]);
        let [letter] = world.dead_letters().await.try_into().unwrap();
        assert!(letter.problem.contains("sku"), "{letter:?}");
        world.place("p1");
        let replay = ReplayDeadLetterRequest { dead_letter_id: letter.dead_letter_id };
        world.channels().replay_dead_letter(replay).await.unwrap();
        world.pass(1).await;
        assert_eq!(world.book.0.get().documents.len(), 2);
        assert!(world.dead_letters().await.is_empty());
    }
}

#[tokio::test]
async fn what_the_marketplace_cancels_is_cancelled_and_what_was_over_is_a_record() {
    for backend in BACKENDS {
        let world = world(backend).await;
        world.place("p1");
        world.place("p2");
        world.change("p2", |order| order.set_state(State::Delivered));
        world.place("p3");
        world.change("p3", |order| order.set_state(State::Cancelled));
        world.place("p4");
        world.change("p4", |order| order.set_state(State::Awaiting));
        world.pass(1).await;
        let documents = world.book.0.get().documents.clone();
        assert_eq!(documents.keys().collect::<Vec<_>>(), ["p1", "p2"]);
        assert_eq!(documents["p2"].1.mode(), ImportMode::Historical);
        assert_eq!(world.market.log(), ["acknowledge p1"]);

        world.pass(1).await;
        world.change("p1", |order| order.set_state(State::Cancelled));
        world.pass(60).await;
        assert!(world.book.0.get().cancelled.is_empty(), "what is left of it may be on the next page");
        world.pass(60).await;
        world.pass(60).await;
        let order = world.book.order_of("p1");
        assert_eq!(world.book.0.get().cancelled, [order]);
        assert_eq!(world.market.log(), ["acknowledge p1"], "the marketplace knows");
    }
}

#[tokio::test]
async fn what_can_not_be_supplied_is_told_and_what_is_left_is_the_same_order() {
    let world = world(Backend::Sqlite).await;
    world.place("p1");
    world.pass(1).await;
    let order = world.book.order_of("p1");
    world.book.0.get().orders.get_mut(&order).unwrap().lines[1].cancelled_quantity = 1;
    world.hear(&order).await;
    world.pass(1).await;
    assert_eq!(world.market.log().last().unwrap(), "cancel p1: 1xp1-b");
    // The marketplace puts a unit of what is left in its place.
    let mut rest = world.market.order("p1");
    rest.native_id = "p2".to_owned();
    rest.replaces = vec!["p1".to_owned()];
    rest.lines.truncate(1);
    rest.set_state(State::Acknowledged);
    rest.dedupe_key = "p2".to_owned();
    world.market.show(rest);
    world.change("p1", |order| order.set_state(State::Cancelled));
    for _ in 0..3 {
        world.pass(60).await;
    }
    assert_eq!(world.book.0.get().orders.len(), 1);
    assert!(world.book.0.get().cancelled.is_empty());
    world.ship(&order, &[("p1-a", 2)]);
    world.hear(&order).await;
    world.pass(1).await;
    assert_eq!(world.market.log().last().unwrap(), "ship p2: 2xp1-a");

    // An order that is cancelled here is cancelled there.
    world.place("p5");
    world.pass(60).await;
    let other = world.book.order_of("p5");
    world.book.0.get().orders.get_mut(&other).unwrap().set_state(OrderState::Cancelled);
    world.hear(&other).await;
    world.pass(1).await;
    assert_eq!(world.market.log().last().unwrap(), "cancel p5: 2xp5-a 1xp5-b");
}

#[tokio::test]
async fn a_part_is_shipped_once_it_is_a_unit_of_its_own() {
    let world = world(Backend::Sqlite).await;
    world.place("p1");
    world.pass(1).await;
    let order = world.book.order_of("p1");
    let pending = outcome::Result::Pending(outcome_pending("split:p1"));
    world.market.answer(Ok(pending));
    world.ship(&order, &[("p1-b", 1)]);
    world.hear(&order).await;
    world.pass(1).await;
    assert_eq!(world.market.log().last().unwrap(), "split p1: 1xp1-b");
    world.pass(5).await;
    world.pass(5).await;
    assert_eq!(world.market.log().len(), 2, "it waits for the units: it does not split again");
    for (id, keep) in [("p2", 0), ("p3", 1)] {
        let mut part = world.market.order("p1");
        part.native_id = id.to_owned();
        part.replaces = vec!["p1".to_owned()];
        part.lines = vec![part.lines[keep].clone()];
        part.dedupe_key = id.to_owned();
        part.set_state(State::Acknowledged);
        world.market.show(part);
    }
    world.change("p1", |order| order.set_state(State::Replaced));
    world.pass(60).await;
    world.pass(5).await;
    assert_eq!(world.market.log().last().unwrap(), "ship p3: 1xp1-b");
    assert_eq!(world.market.log().len(), 3);
    assert_eq!(world.book.0.get().orders.len(), 1);
    assert!(world.dead_letters().await.is_empty());
}

fn outcome_pending(operation_id: &str) -> outcome::Pending {
    outcome::Pending { operation_id: operation_id.to_owned() }
}
