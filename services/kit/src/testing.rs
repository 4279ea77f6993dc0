//! Databases for tests: every test has its own, on both back-ends. A test that needs a server it was not given fails.

use std::{env, sync::Arc, time::Duration};

use async_trait::async_trait;
use omnimesh_proto::events::v1::Event;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    bus::Bus,
    clock::{Clock, Timestamp},
    inbox::{BoxError, LogSource},
    outbox,
    store::{Db, Migrations, Sql, StoreSettings},
};

/// The environment variable with the URL of a Postgres server, as a user who may create databases.
pub const POSTGRES_URL: &str = "OMNIMESH_TEST_POSTGRES_URL";
/// The environment variable with the URL of a Redis server.
pub const REDIS_URL: &str = "OMNIMESH_TEST_REDIS_URL";

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// An SQLite file in a temporary folder.
    Sqlite,
    /// A database of its own on the server of [`POSTGRES_URL`].
    Postgres,
}

/// Both kinds: suites run on each.
pub const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// A database that lives as long as the test.
#[derive(Debug)]
pub struct TestStore {
    /// Opens it, again and as often as wanted.
    pub settings: StoreSettings,
    _folder: TempDir,
}

/// A database with a service's schema, at a clock's time.
#[derive(Debug)]
pub struct TestDb {
    /// The database.
    pub db: Db,
    /// What it lives in.
    pub store: TestStore,
    /// The clock, which only moves when told to.
    pub clock: Clock,
}

impl std::ops::Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// 2026-01-01T12:00:00Z: where the clocks of tests stand at first.
pub const START: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);

/// An empty database. Postgres databases go with the server that `tests/run` starts.
///
/// # Panics
/// If the server of the environment is missing or refuses.
#[expect(clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]
pub async fn store(backend: Backend) -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut settings = StoreSettings { data_dir: folder.path().to_owned(), ..StoreSettings::default() };
    if backend == Backend::Postgres {
        let url = variable(POSTGRES_URL);
        let name = format!("omnimesh_test_{}", Uuid::new_v4().simple());
        let (server, _) = url.rsplit_once('/').unwrap_or_else(|| panic!("{POSTGRES_URL}: {url} names no database"));
        create_database(&url, &name).await;
        settings.database_url = Some(format!("{server}/{name}"));
    }
    TestStore { settings, _folder: folder }
}

/// A database with that schema and a clock at [`START`].
///
/// # Panics
/// If it can't be made.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub async fn db(migrations: &Migrations, backend: Backend) -> TestDb {
    let store = store(backend).await;
    let clock = Clock::manual(START);
    let db = Db::open(&store.settings, migrations, clock.clone()).await.expect("the database opens");
    TestDb { db, store, clock }
}

/// Has the database prepare every statement of a list.
///
/// # Panics
/// If it does not understand one; names it.
#[expect(clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]
pub async fn prepare_all(db: &Db, statements: &[(&str, Sql)]) {
    let mut conn = db.read().await.expect("a connection");
    for (name, sql) in statements {
        if let Err(error) = conn.prepare(*sql).await {
            panic!("{name} does not prepare (sqlite: {}): {error}", db.is_sqlite());
        }
    }
}

/// A bus over the Redis server of [`REDIS_URL`].
///
/// # Panics
/// If there is none.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
#[must_use]
pub fn redis_bus() -> Bus {
    Bus::redis(&variable(REDIS_URL), 1_000).expect("a Redis URL")
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not within 20 seconds; says what was waited for.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Reads logs straight from the producers' databases.
#[derive(Clone, Debug, Default)]
pub struct DirectLog(pub Vec<Arc<Db>>);

#[async_trait]
impl LogSource for DirectLog {
    async fn events_since(&self, producer: &str, partition: u32, position: i64) -> Result<Vec<Event>, BoxError> {
        let db = self.0.iter().find(|db| db.service() == producer).ok_or("no such producer")?;
        let mut conn = db.read().await?;
        Ok(outbox::since(&mut conn, producer, partition, position, 500).await?)
    }
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: tests/run starts the servers and sets it"))
}

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
async fn create_database(url: &str, name: &str) {
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
    let mut connection = PgConnection::connect(url).await.expect("the Postgres server of the tests answers");
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database of the test's own");
    connection.close().await.ok();
}
