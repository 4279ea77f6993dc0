//! The store: both databases answer alike.

use futures::future::join_all;
use omnimesh_kit::{
    args,
    clock::{Clock, Timestamp},
    customers, idempotency, inbox, outbox,
    store::{Db, Error, Migrations, Sql, lease},
    testing::{self, BACKENDS, Backend, START},
};
use uuid::Uuid;

use crate::fixture::{self, PRODUCER, happen, sql};

const TYPED: Migrations = Migrations {
    service: "typed",
    postgres: &[(
        100,
        "types",
        "CREATE TABLE types (id UUID PRIMARY KEY, flag BOOLEAN, number BIGINT, text TEXT, bytes BYTEA, at BIGINT)",
    )],
    sqlite: &[(
        100,
        "types",
        "CREATE TABLE types (id BLOB PRIMARY KEY, flag BOOLEAN, number BIGINT, text TEXT, bytes BLOB, at BIGINT)",
    )],
};
const INSERT: Sql =
    Sql::portable("INSERT INTO types (id, flag, number, text, bytes, at) VALUES ($1, $2, $3, $4, $5, $6)");
const BY_ID: Sql = Sql::portable("SELECT id, flag, number, text, bytes, at FROM types WHERE id = $1");
const BY_IDS: Sql = Sql {
    postgres: "SELECT id FROM types WHERE id = ANY($1)",
    sqlite: "SELECT id FROM types WHERE id IN (SELECT unhex(value) FROM json_each($1))",
};
const OPTIONAL: Sql =
    Sql::portable("SELECT id FROM types WHERE ($1 IS NULL OR text = $1) AND ($2 IS NULL OR number >= $2)");

#[tokio::test]
async fn every_type_comes_back_as_it_went_in() {
    for backend in BACKENDS {
        let db = testing::db(&TYPED, backend).await;
        let (full, empty) = (Uuid::now_v7(), Uuid::now_v7());
        let mut tx = db.begin().await.unwrap();
        tx.execute(INSERT, args![full, true, i64::MIN, "Çağrı", vec![0u8, 255], START]).await.unwrap();
        let nothing = args![empty, None::<bool>, None::<i64>, None::<String>, None::<Vec<u8>>, None::<Timestamp>];
        tx.execute(INSERT, nothing).await.unwrap();
        tx.commit().await.unwrap();

        let mut conn = db.read().await.unwrap();
        let row = conn.fetch_one(BY_ID, args![full]).await.unwrap();
        assert_eq!(row.get::<Uuid>("id").unwrap(), full);
        assert!(row.get::<bool>("flag").unwrap());
        assert_eq!(row.get::<i64>("number").unwrap(), i64::MIN);
        assert!(matches!(row.get::<i32>("number"), Err(Error::Column { .. })), "{backend:?} cut a number");
        assert_eq!(row.get::<String>("text").unwrap(), "Çağrı");
        assert_eq!(row.get::<Option<Vec<u8>>>("bytes").unwrap(), Some(vec![0, 255]));
        assert_eq!(row.get::<Timestamp>("at").unwrap(), START);
        let row = conn.fetch_one(BY_ID, args![empty]).await.unwrap();
        assert_eq!(row.get::<Option<bool>>("flag").unwrap(), None);
        assert_eq!(row.get::<Option<Timestamp>>("at").unwrap(), None);
        assert!(row.get::<String>("text").is_err(), "{backend:?} made a text of NULL");

        assert_eq!(conn.fetch_all(BY_IDS, args![vec![full, Uuid::now_v7()]]).await.unwrap().len(), 1);
        assert_eq!(conn.fetch_all(OPTIONAL, args![None::<String>, None::<i64>]).await.unwrap().len(), 2);
        assert_eq!(conn.fetch_all(OPTIONAL, args!["Çağrı", 0i64]).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn every_statement_prepares_on_both() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        for statements in [
            customers::sql::STATEMENTS,
            idempotency::sql::STATEMENTS,
            inbox::sql::STATEMENTS,
            outbox::sql::STATEMENTS,
            lease::sql::STATEMENTS,
            sql::STATEMENTS,
        ] {
            testing::prepare_all(&db, statements).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_committed_never_was() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let mut tx = db.begin().await.unwrap();
        tx.execute(sql::INSERT_EFFECT, args!["dropped", 1i64]).await.unwrap();
        drop(tx);
        let failed: Result<(), fixture::Error> = omnimesh_kit::transaction!(db, tx => {
            tx.execute(sql::INSERT_EFFECT, args!["failed", 1i64]).await?;
            tx.execute(Sql::portable("INSERT INTO effects (ordinal, aggregate, seq) VALUES (1, NULL, 1)"), args![]).await?;
            Ok(())
        });
        assert!(failed.is_err());
        assert_eq!(fixture::effects(&db).await, []);
        // A reader of SQLite can't write: every change is in a transaction.
        if backend == Backend::Sqlite {
            assert!(db.read().await.unwrap().execute(sql::INSERT_EFFECT, args!["read", 1i64]).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_is_never_committed_over_in_silence() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let mut tx = db.begin().await.unwrap();
        tx.execute(sql::NEW_COUNTER, args!["kept"]).await.unwrap();
        let twice = Sql::portable("INSERT INTO counters (name, value) VALUES ($1, 0)");
        assert!(tx.execute(twice, args!["kept"]).await.unwrap_err().is_unique_violation());
        let committed = tx.commit().await.is_ok();
        let kept = db.read().await.unwrap().fetch_optional(sql::COUNTER, args!["kept"]).await.unwrap();
        assert_eq!(kept.is_some(), committed, "{backend:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_of_one_row_all_get_through() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let all = join_all((0..16).map(|_| async {
            for _ in 0..5 {
                happen(&db, "same").await.unwrap();
            }
        }));
        all.await;
        let row = db.read().await.unwrap().fetch_one(sql::COUNTER, args!["same"]).await.unwrap();
        assert_eq!(row.get::<i64>("value").unwrap(), 80, "{backend:?}");
    }
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let db = testing::db(&PRODUCER, Backend::Postgres).await;
    for name in ["a", "b"] {
        let mut tx = db.begin().await.unwrap();
        tx.execute(sql::NEW_COUNTER, args![name]).await.unwrap();
        tx.commit().await.unwrap();
    }
    // Each takes one row, waits until the other has its own, then wants the other's: on the first try that is a deadlock.
    let both = tokio::sync::Barrier::new(2);
    let cross = async |first: &'static str, second: &'static str| {
        let tried = std::sync::atomic::AtomicU32::new(0);
        let done: Result<(), Error> = omnimesh_kit::transaction!(db, tx => {
            tx.execute(sql::MOVE_COUNTER, args![first]).await?;
            if tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                both.wait().await;
            }
            tx.execute(sql::MOVE_COUNTER, args![second]).await?;
            Ok(())
        });
        done.unwrap();
        tried.into_inner()
    };
    let (one, two) = tokio::join!(cross("a", "b"), cross("b", "a"));
    assert_eq!(one + two, 3, "one of them was tried twice");
    let row = db.read().await.unwrap().fetch_one(sql::COUNTER, args!["a"]).await.unwrap();
    assert_eq!(row.get::<i64>("value").unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_open_one_empty_database() {
    let store = testing::store(Backend::Postgres).await;
    let all = join_all((0..6).map(|_| Db::open(&store.settings, &PRODUCER, Clock::System))).await;
    for db in all {
        db.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_migration_refuses_to_start() {
    const CHANGED: Migrations = Migrations {
        service: "orders",
        postgres: &[(100, "tables", "CREATE TABLE other (n BIGINT)")],
        sqlite: &[(100, "tables", "CREATE TABLE other (n BIGINT)")],
    };
    const LOW: Migrations = Migrations { service: "orders", postgres: &[(99, "x", "")], sqlite: &[(99, "x", "")] };
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let again = Db::open(&db.store.settings, &PRODUCER, Clock::System).await;
        assert!(again.is_ok(), "{:?}", again.err());
        let error = Db::open(&db.store.settings, &CHANGED, Clock::System).await.unwrap_err().to_string();
        assert!(error.contains("migration 100 was changed after it was applied"), "{error}");
        let error = Db::open(&db.store.settings, &LOW, Clock::System).await.unwrap_err().to_string();
        assert!(error.contains("1 to 99 are kit's"), "{error}");
    }
}

#[tokio::test]
async fn another_number_of_partitions_refuses_to_start() {
    for backend in BACKENDS {
        let db = testing::db(&PRODUCER, backend).await;
        let mut tx = db.begin().await.unwrap();
        tx.execute(Sql::portable("UPDATE kit_facts SET value = 32"), args![]).await.unwrap();
        tx.commit().await.unwrap();
        let error = Db::open(&db.store.settings, &PRODUCER, Clock::System).await.unwrap_err().to_string();
        assert!(error.contains("32 event partitions"), "{error}");
    }
}
