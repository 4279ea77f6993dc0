//! One effect per request id.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use omnimesh_kit::{
    args,
    call::Call,
    error::Fault,
    idempotency::{self, Once, Reply},
    store::Db,
    testing::{self, BACKENDS},
};
use omnimesh_proto::common::v1::{Actor, ErrorReason};
use uuid::Uuid;

use crate::fixture::{Error, PRODUCER, call, effects, payload, sql};

const METHOD: &str = "orders.v1.OrderService/Place";

async fn place(db: &Db, call: &Call, request_id: &str, request: &Actor) -> Result<Reply<Actor>, Error> {
    let once = Once::new(call, METHOD, request_id, request)?;
    omnimesh_kit::once!(db, once, tx => {
        tx.execute(sql::INSERT_EFFECT, args![&request.id, 1i64]).await?;
        Ok::<_, Error>(payload(format!("reply to {}", request.id)))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_eight_times_at_once_has_one_effect() {
    for backend in BACKENDS {
        let db = Arc::new(testing::db(&PRODUCER, backend).await);
        let id = Uuid::now_v7().to_string();
        // Tasks of their own, which also shows that the macro's future is Send.
        let tasks = join_all((0..8).map(|_| {
            let (db, id) = (Arc::clone(&db), id.clone());
            #[expect(clippy::disallowed_methods, reason = "the test waits for its tasks")]
            tokio::spawn(async move { place(&db, &call(), &id, &payload("a")).await.unwrap() })
        }));
        let replies: Vec<_> = tasks.await.into_iter().map(Result::unwrap).collect();
        assert!(replies.iter().all(|reply| reply.message.id == "reply to a"));
        assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1, "{backend:?}");
        assert_eq!(effects(&db).await, [("a".to_owned(), 1)], "{backend:?}");
        let response = place(&db, &call(), &id, &payload("a")).await.unwrap().into_response();
        assert_eq!(response.metadata().get("omnimesh-replayed").unwrap(), "true");
    }
}

#[tokio::test]
async fn other_callers_bodies_and_empty_ids_are_other_requests() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let id = Uuid::now_v7().to_string();
        place(&db, &call(), &id, &payload("a")).await.unwrap();
        let Err(Error::Fault(fault)) = place(&db, &call(), &id, &payload("b")).await else { panic!("taken") };
        assert_eq!(fault.reason(), ErrorReason::RequestIdReused);
        assert!(!place(&db, &Call::system("other"), &id, &payload("c")).await.unwrap().replayed);
        for _ in 0..2 {
            assert!(!place(&db, &call(), "", &payload("d")).await.unwrap().replayed);
        }
        let Err(Error::Fault(fault)) = place(&db, &call(), "1", &payload("e")).await else { panic!("taken") };
        assert_eq!(fault.reason(), ErrorReason::InvalidRequest);
        let names: Vec<_> = effects(&db).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "c", "d", "d"]);
    }
}

#[tokio::test]
async fn a_repeated_request_does_not_fail_on_its_own_effect() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let (id, request) = (Uuid::now_v7().to_string(), payload("cart"));
        let mut replies = Vec::new();
        for _ in 0..2 {
            let once = Once::new(&call(), METHOD, &id, &request).unwrap();
            let reply: Result<Reply<Actor>, Error> = omnimesh_kit::once!(db, once, tx => {
                if tx.execute(sql::NEW_COUNTER, args!["cart"]).await? == 0 {
                    return Err(Fault::precondition(ErrorReason::CartFrozen, "the cart is frozen").into());
                }
                Ok(payload("token and secret"))
            }, stored = |reply| payload(reply.id.replace(" and secret", "")));
            replies.push(reply.unwrap());
        }
        assert_eq!((replies[0].message.id.as_str(), replies[0].replayed), ("token and secret", false));
        assert_eq!((replies[1].message.id.as_str(), replies[1].replayed), ("token", true));
    }
}

#[tokio::test]
async fn replies_are_forgotten_after_a_week() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let id = Uuid::now_v7().to_string();
        place(&db, &call(), &id, &payload("a")).await.unwrap();
        db.clock.advance(idempotency::KEPT);
        assert_eq!(idempotency::prune(&db).await.unwrap(), 0);
        db.clock.advance(Duration::from_secs(1));
        assert_eq!(idempotency::prune(&db).await.unwrap(), 1);
        assert!(!place(&db, &call(), &id, &payload("a")).await.unwrap().replayed);
    }
}
