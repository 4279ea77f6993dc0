//! What other services did becomes the customer's timeline, in whatever order it is heard.

use futures::future::join_all;
use omnimesh_kit::{auth::SessionLevel, clock::Timestamp, ids::ProfileId, testing::START, transaction};
use omnimesh_proto::{
    carts::v1::CartLineAdded,
    common::v1::{Actor, Channel},
    events::v1::Event,
    orders::v1::{FulfillmentChanged, FulfillmentState, OrderPlaced, PaymentRecorded},
    profiles::v1::{InteractionKind as Kind, ListInteractionsRequest},
    sessions::v1::{SessionIdentified, SessionStarted},
};
use prost::{Message, Name};

use crate::world::{World, customer, reason, service, worlds};

const SESSION: &str = "session_a";
const ORDER: &str = "order_1";

fn profile(n: u128) -> ProfileId {
    ProfileId(uuid::Uuid::from_u128(n))
}

/// An event of second `at`, sent within a session or, with an empty one, without.
fn event<P: Message + Name>(producer: &str, at: i64, session: &str, payload: &P) -> Event {
    let occurred = Timestamp::from_micros(START.micros() + at * 1_000_000);
    Event {
        id: omnimesh_kit::ids::uuid_v7(occurred).as_bytes().to_vec().into(),
        producer: producer.to_owned(),
        r#type: P::full_name(),
        occurred_at: Some(occurred.to_proto()),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        session_id: session.to_owned(),
        journey_id: "journey_1".to_owned(),
        actor: Some(Actor { channel: Channel::Store.into(), ..Actor::default() }),
        payload: payload.encode_to_vec().into(),
        ..Event::default()
    }
}

fn started(at: i64) -> Event {
    event("sessions", at, "", &SessionStarted { session_id: SESSION.to_owned(), channel: Channel::Web.into() })
}

fn identified(at: i64, profile: ProfileId) -> Event {
    let (session_id, profile_id) = (SESSION.to_owned(), profile.to_string());
    event("sessions", at, SESSION, &SessionIdentified { session_id, profile_id, channel: Channel::App.into() })
}

fn added(at: i64) -> Event {
    event("carts", at, SESSION, &CartLineAdded { cart_id: "cart_1".to_owned(), ..Default::default() })
}

fn placed(at: i64, session: &str, profile_id: &str) -> Event {
    let placed = OrderPlaced {
        order_id: ORDER.to_owned(),
        profile_id: profile_id.to_owned(),
        channel: Channel::App.into(),
        ..Default::default()
    };
    event("orders", at, session, &placed)
}

fn ready(at: i64) -> Event {
    let mut changed = FulfillmentChanged { order_id: ORDER.to_owned(), ..Default::default() };
    changed.set_state(FulfillmentState::ReadyForPickup);
    event("orders", at, "", &changed)
}

async fn hear(world: &World, event: &Event) {
    let consumer = world.consumers.iter().find(|consumer| consumer.producer == event.producer).unwrap();
    transaction!(world.db.db, tx => {
        consumer.handler.handle(&mut tx, event).await.unwrap();
        Ok::<_, omnimesh_kit::store::Error>(())
    })
    .unwrap();
}

async fn kinds(world: &World, profile: ProfileId) -> Vec<Kind> {
    world.interactions(profile).await.iter().map(|interaction| interaction.kind()).collect()
}

#[tokio::test]
async fn every_order_of_hearing_gives_the_same_timeline() {
    let (ada, bob) = (profile(1), profile(2));
    let events = [
        started(0),
        added(1),
        identified(2, ada),
        added(3),
        identified(4, bob),
        added(5),
        placed(6, SESSION, ""),
        ready(7),
    ];
    // What one producer says of one aggregate is heard in order; the rest may come in any.
    let sessions = [0, 2, 4];
    let carts = [1, 3, 5];
    let orders = [6, 7];
    let mut heard = Vec::new();
    for [first, second, third] in [
        [&sessions[..], &carts[..], &orders[..]],
        [&sessions[..], &orders[..], &carts[..]],
        [&carts[..], &sessions[..], &orders[..]],
        [&carts[..], &orders[..], &sessions[..]],
        [&orders[..], &carts[..], &sessions[..]],
        [&orders[..], &sessions[..], &carts[..]],
    ] {
        heard.push([first, second, third].concat());
    }
    for order in heard {
        for world in worlds().await {
            for index in &order {
                hear(&world, &events[*index]).await;
                // At least once is how it is delivered when a checkpoint was lost.
                hear(&world, &events[*index]).await;
            }
            use Kind::{CartLineAdded, Identified, OrderPlaced, ReadyForPickup, SessionStarted};
            let (of_ada, of_bob) = (kinds(&world, ada).await, kinds(&world, bob).await);
            assert_eq!(of_ada, [CartLineAdded, Identified, CartLineAdded, SessionStarted], "{order:?}");
            assert_eq!(of_bob, [ReadyForPickup, OrderPlaced, CartLineAdded, Identified], "{order:?}");
        }
    }
}

#[tokio::test]
async fn an_identified_customers_order_stays_hers() {
    let (ada, bob) = (profile(1), profile(2));
    for world in worlds().await {
        for event in [
            started(0),
            identified(1, ada),
            // The payment was heard first: a producer that was parked and replayed.
            event("orders", 3, "", &PaymentRecorded { order_id: ORDER.to_owned(), ..Default::default() }),
            placed(2, SESSION, &ada.to_string()),
            identified(4, bob),
            ready(5),
        ] {
            hear(&world, &event).await;
        }
        use Kind::{Identified, OrderPlaced, ReadyForPickup, SessionStarted};
        assert_eq!(
            kinds(&world, ada).await,
            [ReadyForPickup, Kind::PaymentRecorded, OrderPlaced, Identified, SessionStarted]
        );
        assert_eq!(kinds(&world, bob).await, [Identified]);
        let newest = world.interactions(ada).await.swap_remove(0);
        assert_eq!(newest.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((newest.resource_id.as_str(), newest.session_id.as_str()), (ORDER, ""));
        assert_eq!((newest.channel(), newest.journey_id.as_str()), (Channel::Store, "journey_1"));
    }
}

#[tokio::test]
async fn two_producers_at_once_miss_nothing() {
    for world in worlds().await {
        let events: Vec<_> = (0..10).map(added).chain([identified(20, profile(1))]).collect();
        join_all(events.iter().map(|event| hear(&world, event))).await;
        assert_eq!(world.interactions(profile(1)).await.len(), 11);
    }
}

#[tokio::test]
async fn pages_are_for_who_asked() {
    for world in worlds().await {
        for event in (0..7).map(added).chain([identified(20, profile(1))]) {
            hear(&world, &event).await;
        }
        let own = customer(Some(profile(1)), SessionLevel::Identified);
        let ask = |page_token: &str| ListInteractionsRequest {
            page_size: 3,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let (mut times, mut token) = (Vec::new(), String::new());
        loop {
            let page = world.timeline(&own).list_interactions(ask(&token)).await.unwrap().into_inner();
            times.extend(page.interactions.into_iter().map(|interaction| interaction.occur_time.unwrap().seconds));
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
        }
        assert_eq!(times.len(), 8);
        assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
        let named = ListInteractionsRequest { profile_id: profile(1).to_string(), ..ask(&token) };
        assert_eq!(
            reason(world.timeline(&service(&["profiles.read"])).list_interactions(named.clone()).await),
            "INVALID_PAGE_TOKEN"
        );
        let other = customer(Some(profile(2)), SessionLevel::Identified);
        assert_eq!(reason(world.timeline(&other).list_interactions(named).await), "NOT_FOUND");
        let guest = customer(None, SessionLevel::Guest);
        assert_eq!(reason(world.timeline(&guest).list_interactions(ask("")).await), "NOT_IDENTIFIED");
    }
}
