//! What other services did becomes the customer's timeline, in whatever order it is heard.

use futures::future::join_all;
use omnimesh_kit::{auth::SessionLevel, clock::Timestamp, ids::ProfileId, testing::START, transaction};
use omnimesh_proto::{
    carts::v1::CartLineAdded,
    common::v1::{Actor, Channel},
    events::v1::Event,
    orders::v1::{FulfillmentChanged, FulfillmentState, OrderPlaced, PaymentRecorded, ReturnChanged, ReturnState},
    profiles::v1::{Interaction, InteractionKind as Kind, ListInteractionsRequest, RecordInteractionRequest},
    sessions::v1::{HandoffClaimed, SessionIdentified, SessionStarted},
};
use prost::{Message, Name};

use crate::world::{World, customer, reason, service, worlds};

const SESSION: &str = "session_a";
const ORDER: &str = "order_1";

fn profile(n: u128) -> ProfileId {
    ProfileId(uuid::Uuid::from_u128(n))
}

/// An event of second `at`, sent within a session or, with an empty one, without.
pub(crate) fn event<P: Message + Name>(producer: &str, at: i64, session: &str, payload: &P) -> Event {
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

pub(crate) async fn hear(world: &World, event: &Event) {
    let consumer = world.consumers.iter().find(|consumer| consumer.producer == event.producer).unwrap();
    transaction!(world.db.db, tx => {
        consumer.handler.handle(&mut tx, event).await.unwrap();
        Ok::<_, omnimesh_kit::store::Error>(())
    })
    .unwrap();
}

/// Worlds with the profiles 1 and 2.
async fn peopled() -> Vec<World> {
    let worlds = worlds().await;
    for world in &worlds {
        world.has(&[profile(1), profile(2)]).await;
    }
    worlds
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
        for world in peopled().await {
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
    for world in peopled().await {
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
    for world in peopled().await {
        let events: Vec<_> = (0..10).map(added).chain([identified(20, profile(1))]).collect();
        join_all(events.iter().map(|event| hear(&world, event))).await;
        assert_eq!(world.interactions(profile(1)).await.len(), 11);
    }
}

#[tokio::test]
async fn pages_are_for_who_asked() {
    for world in peopled().await {
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

#[tokio::test]
async fn returns_and_hand_overs_are_shown() {
    for world in peopled().await {
        let returned = |at: i64, state: ReturnState| {
            let (order_id, return_id) = (ORDER.to_owned(), "return_1".to_owned());
            event("orders", at, "", &ReturnChanged { order_id, return_id, state: state.into(), ..Default::default() })
        };
        let handed = |at: i64, claimed_by_associate: bool| {
            let claimed = HandoffClaimed {
                handoff_id: format!("handoff_{at}"),
                source_session_id: SESSION.to_owned(),
                session_id: "session_b".to_owned(),
                channel: Channel::App.into(),
                claimed_by_associate,
                ..Default::default()
            };
            event("sessions", at, SESSION, &claimed)
        };
        for event in [
            placed(1, SESSION, &profile(1).to_string()),
            returned(2, ReturnState::Requested),
            returned(3, ReturnState::Approved),
            returned(4, ReturnState::InTransit),
            returned(5, ReturnState::PartiallyReceived),
            returned(6, ReturnState::Refunded),
            returned(7, ReturnState::Closed),
            // An associate took over from the customer's session; a phone took over from it is the customer's own.
            handed(8, true),
            handed(9, false),
            identified(10, profile(1)),
        ] {
            hear(&world, &event).await;
        }
        use Kind::{
            HandedOver, Identified, OrderPlaced, ReturnDecided, ReturnReceived, ReturnRequested, ReturnSettled,
        };
        let shown =
            [Identified, HandedOver, ReturnSettled, ReturnReceived, ReturnDecided, ReturnRequested, OrderPlaced];
        assert_eq!(kinds(&world, profile(1)).await, shown);
        let interactions = world.interactions(profile(1)).await;
        let resources: Vec<_> = interactions.iter().map(|interaction| interaction.resource_id.as_str()).collect();
        assert_eq!(resources[1..3], ["handoff_8", "return_1"]);
        assert_eq!((interactions[1].channel(), interactions[1].session_id.as_str()), (Channel::App, SESSION));
        // The phone is identified in turn.
        let phone = SessionIdentified {
            session_id: "session_b".to_owned(),
            profile_id: profile(1).to_string(),
            ..Default::default()
        };
        hear(&world, &event("sessions", 11, "session_b", &phone)).await;
        assert_eq!(kinds(&world, profile(1)).await[..3], [Identified, Identified, HandedOver]);
    }
}

fn told(of: ProfileId, source_id: &str) -> RecordInteractionRequest {
    RecordInteractionRequest {
        profile_id: of.to_string(),
        source: "pbx".to_owned(),
        source_id: source_id.to_owned(),
        channel: Channel::CallCenter.into(),
        kind: Kind::Call.into(),
        summary: "asked where the order is\ncalls again".to_owned(),
        resource_id: "order_1".to_owned(),
        ..Default::default()
    }
}

impl World {
    async fn tell(&self, request: RecordInteractionRequest) -> Result<Interaction, tonic::Status> {
        let reply = self.timeline(&service(&["profiles.write"])).record_interaction(request).await?;
        Ok(reply.into_inner().interaction.unwrap())
    }
}

#[tokio::test]
async fn a_source_records_each_of_its_ids_once() {
    for world in peopled().await {
        let first = world.tell(told(profile(1), "call 1")).await.unwrap();
        world.db.clock.advance(std::time::Duration::from_secs(5));
        assert_eq!(world.tell(told(profile(1), "call 1")).await.unwrap(), first);
        for other in [
            told(profile(2), "call 1"),
            RecordInteractionRequest { summary: "something else".to_owned(), ..told(profile(1), "call 1") },
            RecordInteractionRequest { kind: Kind::Visit.into(), ..told(profile(1), "call 1") },
        ] {
            assert_eq!(reason(world.tell(other).await), "ALREADY_EXISTS");
        }
        // The same id of another source, and an id that only looks the same put together, are others.
        world.tell(RecordInteractionRequest { source: "pbx2".to_owned(), ..told(profile(1), "call 1") }).await.unwrap();
        world.tell(RecordInteractionRequest { source: "pbxc".to_owned(), ..told(profile(1), "all 1") }).await.unwrap();
        let known = world.interactions(profile(1)).await;
        assert_eq!(known.len(), 3);
        assert_eq!(known[2], first);
        assert!(world.interactions(profile(2)).await.is_empty());
        assert_eq!(reason(world.tell(told(profile(7), "call 9")).await), "NOT_FOUND");
        // What was refused was not kept.
        world.has(&[profile(7)]).await;
        world.tell(told(profile(7), "call 9")).await.unwrap();
        for bad in [
            RecordInteractionRequest { kind: Kind::OrderPlaced.into(), ..told(profile(1), "x") },
            RecordInteractionRequest { kind: 0, ..told(profile(1), "x") },
            RecordInteractionRequest { source: String::new(), ..told(profile(1), "x") },
            RecordInteractionRequest { source_id: "x".repeat(201), ..told(profile(1), "x") },
            RecordInteractionRequest { channel: 0, ..told(profile(1), "x") },
            RecordInteractionRequest { summary: "x".repeat(2_001), ..told(profile(1), "x") },
            RecordInteractionRequest {
                occur_time: Some(Timestamp::from_micros(START.micros() + 3_600_000_000).to_proto()),
                ..told(profile(1), "x")
            },
        ] {
            assert_eq!(reason(world.tell(bad).await), "INVALID_REQUEST");
        }
        let without = world.timeline(&service(&[])).record_interaction(told(profile(1), "x")).await;
        assert_eq!(reason(without), "SCOPE_MISSING");
    }
}

#[tokio::test]
async fn sixteen_at_once_record_one() {
    for world in peopled().await {
        let told = join_all((0..16).map(|_| world.tell(told(profile(1), "call 1")))).await;
        let ids: std::collections::HashSet<_> = told.into_iter().map(|one| one.unwrap().interaction_id).collect();
        assert_eq!((ids.len(), world.interactions(profile(1)).await.len()), (1, 1));
    }
}

#[tokio::test]
async fn lists_are_filtered() {
    for world in peopled().await {
        for event in [started(0), added(1), identified(2, profile(1)), added(3)] {
            hear(&world, &event).await;
        }
        let at = |second: i64| Some(Timestamp::from_micros(START.micros() + second * 1_000_000).to_proto());
        world.db.clock.advance(std::time::Duration::from_secs(60));
        let call = RecordInteractionRequest { occur_time: at(2), ..told(profile(1), "call 1") };
        world.tell(call).await.unwrap();
        let own = customer(Some(profile(1)), SessionLevel::Identified);
        let list = async |request: ListInteractionsRequest| {
            let page = world.timeline(&own).list_interactions(request).await.unwrap().into_inner();
            page.interactions.iter().map(Interaction::kind).collect::<Vec<_>>()
        };
        use Kind::{Call, CartLineAdded, Identified, SessionStarted};
        let all = ListInteractionsRequest::default();
        assert_eq!(list(all.clone()).await, [CartLineAdded, Call, Identified, CartLineAdded, SessionStarted]);
        let kinds = vec![Call.into(), SessionStarted.into()];
        assert_eq!(list(ListInteractionsRequest { kinds, ..all.clone() }).await, [Call, SessionStarted]);
        let channels = vec![Channel::App.into(), Channel::CallCenter.into()];
        assert_eq!(list(ListInteractionsRequest { channels, ..all.clone() }).await, [Call, Identified]);
        let times = ListInteractionsRequest { start_time: at(1), end_time: at(3), ..all.clone() };
        assert_eq!(list(times.clone()).await, [Call, Identified, CartLineAdded]);
        let none = ListInteractionsRequest { kinds: vec![SessionStarted.into()], ..times.clone() };
        assert_eq!(list(none).await, []);
        // A page goes on in its own filter alone.
        let first = ListInteractionsRequest { page_size: 2, ..times.clone() };
        let first = world.timeline(&own).list_interactions(first).await.unwrap();
        let page_token = first.into_inner().next_page_token;
        assert_eq!(list(ListInteractionsRequest { page_token: page_token.clone(), ..times }).await, [CartLineAdded]);
        let other = world.timeline(&own).list_interactions(ListInteractionsRequest { page_token, ..all.clone() }).await;
        assert_eq!(reason(other), "INVALID_PAGE_TOKEN");
        let unknown = world.timeline(&own).list_interactions(ListInteractionsRequest { kinds: vec![99], ..all }).await;
        assert_eq!(reason(unknown), "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn one_customers_timelines_are_one_until_they_part() {
    for world in peopled().await {
        let (ada, bob) = (profile(1), profile(2));
        world.tell(told(ada, "1")).await.unwrap();
        world.db.clock.advance(std::time::Duration::from_secs(1));
        world.tell(told(bob, "2")).await.unwrap();
        world.cluster(1, &[(ada, ada), (bob, ada)]).await;
        for (asked, session) in [(ada, ada), (bob, bob), (ada, bob)] {
            let own = customer(Some(session), SessionLevel::Identified);
            let ask = ListInteractionsRequest { profile_id: asked.to_string(), ..Default::default() };
            let page = world.timeline(&own).list_interactions(ask).await.unwrap().into_inner();
            let filed: Vec<_> = page.interactions.iter().map(|one| one.profile_id.clone()).collect();
            assert_eq!(
                filed,
                [bob.to_string(), ada.to_string()],
                "newest first, each with the profile it is filed under"
            );
        }
        world.cluster(2, &[(ada, ada), (bob, bob)]).await;
        let filed: Vec<_> = world.interactions(bob).await.into_iter().map(|one| one.profile_id).collect();
        assert_eq!(filed, [bob.to_string()]);
    }
}

#[tokio::test]
async fn what_a_guest_did_at_a_kiosk_is_whose_goes_on_from_it() {
    use Kind::{CartLineAdded, HandedOver, Identified, SessionStarted};
    let (ada, bob) = (profile(1), profile(2));
    let handed = |change: &dyn Fn(&mut HandoffClaimed)| {
        let mut claimed = HandoffClaimed {
            handoff_id: "handoff_1".to_owned(),
            source_session_id: SESSION.to_owned(),
            session_id: "session_b".to_owned(),
            source_ended: true,
            ..Default::default()
        };
        change(&mut claimed);
        event("sessions", 2, "session_b", &claimed)
    };
    let phone = |at: i64, profile: ProfileId| {
        let (session_id, profile_id) = ("session_b".to_owned(), profile.to_string());
        event("sessions", at, "session_b", &SessionIdentified { session_id, profile_id, ..Default::default() })
    };
    let events = [started(0), added(1), handed(&|_| ()), phone(4, ada), phone(6, bob)];
    // Whatever is heard first: sessions and carts are two producers, and hand-over and session two aggregates.
    for order in [[0, 1, 2, 3, 4], [2, 0, 3, 4, 1], [3, 4, 2, 1, 0], [1, 3, 0, 4, 2], [0, 3, 1, 2, 4]] {
        for world in peopled().await {
            for index in order {
                hear(&world, &events[index]).await;
                hear(&world, &events[index]).await;
            }
            assert_eq!(kinds(&world, ada).await, [Identified, HandedOver, CartLineAdded, SessionStarted], "{order:?}");
            assert_eq!(kinds(&world, bob).await, [Identified], "whoever comes after, {order:?}");
        }
    }
    // A session that goes on by itself, an associate's, and one that was somebody's already: each keeps what it did.
    let others: [&dyn Fn(&mut HandoffClaimed); 3] =
        [&|claimed| claimed.source_ended = false, &|claimed| claimed.claimed_by_associate = true, &|claimed| {
            claimed.profile_id = bob.to_string()
        }];
    for change in others {
        for world in peopled().await {
            for event in [started(0), added(1), handed(change), phone(4, ada)] {
                hear(&world, &event).await;
            }
            assert!(!kinds(&world, ada).await.contains(&CartLineAdded));
        }
    }
    // Had it been identified itself, it is whose it was.
    for world in peopled().await {
        for event in [added(0), identified(1, bob), handed(&|_| ()), phone(4, ada)] {
            hear(&world, &event).await;
        }
        assert_eq!(kinds(&world, bob).await, [Identified, CartLineAdded]);
    }
}
