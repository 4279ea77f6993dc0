//! A customer is erased: no session, code or offer of theirs is left.

use omnimesh_kit::{args, customers, idempotency::sql::FIND, session::Found, store::Sql, testing::eventually};
use omnimesh_proto::{
    events::v1::{ErasureApplied, Event},
    profiles::v1::{ClusterMember, ProfileErased, ProfilesMerged},
    sessions::v1::{CreateHandoffRequest, HandoffScope, identify_session_request::Proof},
};
use prost::{Message, Name};

use crate::world::{World, anonymous, reason, worlds};

const ADA: &str = "ada@shop.example";
const BOB: &str = "bob@shop.example";

async fn hear<P: Message + Name>(world: &World, payload: &P) {
    let event = Event { r#type: P::full_name(), payload: payload.encode_to_vec().into(), ..Event::default() };
    let mut tx = world.db.begin().await.unwrap();
    world.customers.handle(&mut tx, &event).await.unwrap();
    tx.commit().await.unwrap();
}

async fn count(world: &World, table: &'static str) -> i64 {
    let sql = match table {
        "sessions" => "SELECT count(*) AS n FROM sessions",
        "verifications" => "SELECT count(*) AS n FROM verifications",
        "handoffs" => "SELECT count(*) AS n FROM handoffs",
        _ => "SELECT count(*) AS n FROM endings",
    };
    world.db.read().await.unwrap().fetch_one(Sql::portable(sql), args![]).await.unwrap().get("n").unwrap()
}

#[tokio::test]
async fn an_erased_customer_leaves_nothing_behind() {
    for world in worlds().await {
        // Ada on two devices; a phone that she was handed over to; a guest's session that proved her address and went away.
        let web = world.identify_by_email(&world.guest().await, ADA).await;
        let app = world.identify_by_email(&world.guest().await, ADA).await;
        let phone = world.linked(&anonymous(&[]), &world.offer(&web, HandoffScope::Edit).await).await;
        let request_id = uuid::Uuid::new_v4();
        let create = CreateHandoffRequest { scope: HandoffScope::Read.into(), request_id: request_id.to_string() };
        world.handoffs(web.call()).create_handoff(create.clone()).await.unwrap();
        let passing = world.guest().await;
        world.prove(&passing, ADA).await;
        world.ask_code(&app, "ada@work.example").await.unwrap();
        // A guest who handed over to her tablet, and somebody who took her place in a session that still offered hers.
        let guest = world.guest().await;
        let tablet = world.linked(&anonymous(&[]), &world.offer(&guest, HandoffScope::Edit).await).await;
        let tablet = world.identify_by_email(&tablet, ADA).await;
        let lent = world.identify_by_email(&world.guest().await, ADA).await;
        world.offer(&lent, HandoffScope::Read).await;
        world.identify_by_email(&lent, "carol@shop.example").await;
        // Bob has her phone's hand-over behind him, and a proof of his own.
        let friend = world.linked(&anonymous(&[]), &world.offer(&app, HandoffScope::Edit).await).await;
        let bob = world.identify_by_email(&friend, BOB).await;
        let bobs = world.prove(&bob, BOB).await;

        let profile_ids = vec![web.session.profile_id.clone()];
        let erased = ProfileErased { erasure_id: "erasure_1".to_owned(), profile_ids, ..ProfileErased::default() };
        hear(&world, &erased).await;
        for gone in [&web, &app, &phone, &tablet] {
            assert_eq!(reason(world.load(&gone.token).await), "SESSION_EXPIRED");
            let live = || async { world.live.authenticate(&gone.token).await.unwrap() };
            eventually("the live session ends", || async { live().await == Found::Ended }).await;
            assert_eq!(world.events(&gone.session.session_id).await.last().unwrap(), "SessionEnded");
        }
        assert_eq!(count(&world, "sessions").await, 4, "the passer-by's, the guest's, bob's and carol's");
        assert_eq!(count(&world, "verifications").await, 3, "bob's and carol's");
        assert_eq!(count(&world, "handoffs").await, 0);
        eventually("nothing is left to end", || async { count(&world, "endings").await == 0 }).await;

        // The reply that named her is empty, and what is done is said once.
        let principal = web.call().principal();
        let key = args![principal, "sessions.v1.HandoffService/CreateHandoff", request_id];
        let row = world.db.read().await.unwrap().fetch_one(FIND, key).await.unwrap();
        assert_eq!(row.get::<Vec<u8>>("reply").unwrap(), b"");
        assert_eq!(world.events("erasure_1").await, ["ErasureApplied"]);
        let sql = Sql::portable("SELECT payload FROM outbox WHERE aggregate_id = $1");
        let row = world.db.read().await.unwrap().fetch_one(sql, args!["erasure_1"]).await.unwrap();
        let applied = ErasureApplied::decode(row.get::<Vec<u8>>("payload").unwrap().as_slice()).unwrap();
        assert_eq!((applied.erasure_id.as_str(), applied.service.as_str()), ("erasure_1", "sessions"));

        // Others go on, with what is theirs.
        assert!(world.customer(passing.token.reveal()).await.is_some());
        let again = world.identify(bob.call(), "", Proof::VerificationId(bobs), "").await.unwrap().into_inner();
        assert!(world.customer(&again.token).await.is_some());
    }
}

#[tokio::test]
async fn an_end_that_was_not_made_known_is_made_up_for() {
    for world in worlds().await {
        // As after a crash between the commit and the write: the row has ended, the live store knows nothing of it.
        let guest = world.guest().await;
        let id: omnimesh_kit::ids::SessionId = guest.session.session_id.parse().unwrap();
        let mut tx = world.db.begin().await.unwrap();
        let sql = Sql::portable("INSERT INTO endings (session_id, version) VALUES ($1, $2)");
        tx.execute(sql, args![id.0, 2i64]).await.unwrap();
        tx.commit().await.unwrap();
        eventually("the session ends", || async { world.customer(guest.token.reveal()).await.is_none() }).await;
        eventually("it is noted as done", || async { count(&world, "endings").await == 0 }).await;
    }
}

#[tokio::test]
async fn a_merge_rewrites_no_session_and_joins_what_the_customer_sees() {
    for world in worlds().await {
        let web = world.identify_by_email(&world.guest().await, ADA).await;
        let app = world.identify_by_email(&world.guest().await, BOB).await;
        let handoff_id = world.offer(&web, HandoffScope::Read).await.handoff.unwrap().handoff_id;
        let request = omnimesh_proto::sessions::v1::GetHandoffRequest { handoff_id };
        assert_eq!(reason(world.handoffs(app.call()).get_handoff(request.clone()).await), "NOT_FOUND");
        let member = |id: &str| ClusterMember {
            profile_id: id.to_owned(),
            root_profile_id: web.session.profile_id.clone(),
            generation: 1,
        };
        let merged = ProfilesMerged {
            profile_id: web.session.profile_id.clone(),
            members: vec![member(&web.session.profile_id), member(&app.session.profile_id)],
            merge_id: "merge_1".to_owned(),
        };
        hear(&world, &merged).await;
        world.handoffs(app.call()).get_handoff(request).await.unwrap();
        for customer in [&web, &app] {
            assert_eq!(world.customer(customer.token.reveal()).await.unwrap().session, customer.session);
        }
        // Once they are one, the cart of either is the customer's.
        let mut conn = world.db.read().await.unwrap();
        let ids = [&web, &app].map(|customer| customer.session.profile_id.parse().unwrap());
        assert!(customers::are_one(&mut conn, ids[0], ids[1]).await.unwrap());
    }
}
