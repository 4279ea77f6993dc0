//! The projection of customers, and what erasing one leaves behind.

use omnimesh_kit::{
    bus::Bus,
    call::Call,
    clock::Timestamp,
    customers::{self, Change, Held},
    error::Fault,
    idempotency::{Once, Reply},
    ids::{ProfileId, SessionId},
    lifecycle::Lifecycle,
    outbox,
    testing::{self, BACKENDS, Backend, TestDb},
};
use omnimesh_proto::{
    common::v1::{Actor, ErrorReason},
    events::v1::{ErasureApplied, Event},
    profiles::v1::{ClusterMember, ProfileErased, ProfileSplit, ProfilesMerged},
};
use prost::{Message, Name};
use tokio_util::sync::DropGuard;
use uuid::Uuid;

use crate::fixture::{Error, PRODUCER};

fn profile(n: u128) -> ProfileId {
    ProfileId(Uuid::from_u128(n))
}

fn member(n: u128, root: u128, generation: i64) -> ClusterMember {
    ClusterMember { profile_id: profile(n).to_string(), root_profile_id: profile(root).to_string(), generation }
}

fn event<T: Message + Name>(payload: &T) -> Event {
    Event { r#type: T::full_name(), payload: payload.encode_to_vec().into(), ..Event::default() }
}

async fn hear(db: &TestDb, event: Event) -> Option<Change> {
    let mut tx = db.begin().await.unwrap();
    let change = customers::hear(&mut tx, &event).await.unwrap();
    tx.commit().await.unwrap();
    change
}

#[tokio::test]
async fn merges_and_splits_stand_in_whatever_order_they_are_heard() {
    for backend in BACKENDS {
        let merged = event(&ProfilesMerged {
            profile_id: profile(1).to_string(),
            members: vec![member(1, 1, 1), member(2, 1, 1), member(3, 1, 1)],
            merge_id: String::new(),
        });
        let split = event(&ProfileSplit {
            profile_id: profile(1).to_string(),
            members: vec![member(1, 1, 2), member(2, 2, 2), member(3, 1, 2)],
        });
        for late in [false, true] {
            let db = testing::db(&PRODUCER, backend).await;
            if late {
                hear(&db, split.clone()).await;
            }
            let change = hear(&db, merged.clone()).await;
            let all = vec![profile(1), profile(2), profile(3)];
            assert_eq!(change, Some(Change::Merged { root: profile(1), members: all.clone() }));
            let mut conn = db.read().await.unwrap();
            if !late {
                assert_eq!(customers::members(&mut conn, profile(3)).await.unwrap(), all);
                assert_eq!(customers::root(&mut conn, profile(2)).await.unwrap(), profile(1));
                drop(conn);
                hear(&db, split.clone()).await;
                conn = db.read().await.unwrap();
            }
            assert_eq!(customers::members(&mut conn, profile(1)).await.unwrap(), [profile(1), profile(3)], "{late}");
            assert!(!customers::are_one(&mut conn, profile(1), profile(2)).await.unwrap(), "{late}");
            assert!(customers::are_one(&mut conn, profile(1), profile(3)).await.unwrap(), "{late}");
            // Somebody nobody spoke of stands alone.
            assert_eq!(customers::members(&mut conn, profile(9)).await.unwrap(), [profile(9)]);
        }
    }
}

/// Runs the relay for as long as the result lives.
fn relay(db: &TestDb) -> DropGuard {
    let life = Lifecycle::new();
    life.spawn("relay", outbox::relay(db.db.clone(), Bus::memory(10), life.token()));
    life.token().drop_guard()
}

async fn log(db: &TestDb) -> Vec<Event> {
    let mut conn = db.read().await.unwrap();
    let mut log = Vec::new();
    for partition in 0..outbox::PARTITIONS {
        log.extend(outbox::since(&mut conn, "orders", partition, 0, 10).await.unwrap());
    }
    log
}

async fn place(db: &TestDb, request_id: &str, about: &str) -> Result<Reply<Actor>, Error> {
    let request = Actor { id: about.to_owned(), ..Actor::default() };
    let once = Once::new(&Call::system("test"), "test.v1.Test/Place", request_id, &request)?;
    let reply = Actor { id: format!("the canary of {about}"), ..Actor::default() };
    omnimesh_kit::once!(db, once, tx => {
        // A statement of its own: the transaction is a write on both databases.
        customers::write(&mut tx, &[]).await.map_err(Fault::internal)?;
        Ok::<_, Error>(reply.clone())
    })
}

#[tokio::test]
async fn replies_about_the_erased_are_emptied_and_others_stay() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let [erased, other] = [profile(1), profile(2)].map(|profile| profile.to_string());
        let [first, second] = [(); 2].map(|()| Uuid::now_v7().to_string());
        place(&db, &first, &erased).await.unwrap();
        place(&db, &second, &other).await.unwrap();
        let guests = Held { session: SessionId(Uuid::now_v7()), from: None, until: Some(testing::START) };
        assert!(guests.covers(Timestamp::from_micros(0)) && !guests.covers(testing::START));
        let request = ProfileErased {
            erasure_id: "erasure_1".to_owned(),
            profile_ids: vec![erased.clone()],
            sessions: vec![guests.to_proto()],
            ..ProfileErased::default()
        };
        let mut tx = db.begin().await.unwrap();
        let change = customers::hear(&mut tx, &event(&request)).await.unwrap();
        let (erasure_id, profiles, sessions) = ("erasure_1".to_owned(), vec![profile(1)], vec![guests]);
        assert_eq!(change, Some(Change::Erased { erasure_id, profiles, sessions }));
        customers::forgotten(&mut tx, "erasure_1", std::slice::from_ref(&erased)).await.unwrap();
        tx.commit().await.unwrap();

        let Err(Error::Fault(fault)) = place(&db, &first, &erased).await else { panic!("the reply is there") };
        assert_eq!(fault.reason(), ErrorReason::Erased, "{backend:?}");
        assert!(place(&db, &second, &other).await.unwrap().replayed, "{backend:?}");

        let _life = relay(&db);
        testing::eventually("the relay places the event", || async { !log(&db).await.is_empty() }).await;
        let log = log(&db).await;
        let applied: Vec<_> =
            log.iter().map(|event| ErasureApplied::decode(event.payload.clone()).unwrap().erasure_id).collect();
        assert_eq!(applied, ["erasure_1"]);
    }
}

#[tokio::test]
async fn sqlite_files_hold_nothing_of_the_erased() {
    let db = testing::db(&PRODUCER, Backend::Sqlite).await;
    let erased = profile(1).to_string();
    place(&db, &Uuid::now_v7().to_string(), &erased).await.unwrap();
    let folder = db.store.settings.data_dir.clone();
    let found = || {
        std::fs::read_dir(&folder).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(10).any(|window| window == b"the canary")
        })
    };
    assert!(found(), "the test looks at the wrong files");
    let mut tx = db.begin().await.unwrap();
    customers::forgotten(&mut tx, "erasure_1", std::slice::from_ref(&erased)).await.unwrap();
    tx.commit().await.unwrap();
    let _life = relay(&db);
    testing::eventually("the canary is gone", || async { !found() }).await;
}
