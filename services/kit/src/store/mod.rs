//! A service's own database: a schema in Postgres, or an SQLite file. One SQL text runs on both.

mod conn;
mod error;
pub mod lease;
mod migrate;
mod retry;
mod row;
mod sql;
mod value;

use std::{
    fmt,
    path::PathBuf,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use conn::{Conn, Trouble, Tx};
pub use error::Error;
pub use migrate::{Migrations, Step};
pub use retry::{Attempts, settle};
pub use row::{Column, Row};
pub use sql::Sql;
pub use value::Value;

use crate::{args, clock::Clock, outbox};

/// Where a service keeps its data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `postgres://…`; every service has its own schema in it. Absent: SQLite files in `data_dir`.
    pub database_url: Option<String>,
    /// The folder of `<service>.sqlite3`, made if missing.
    pub data_dir: PathBuf,
    /// Postgres connections of each service in each process.
    pub max_connections: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { database_url: None, data_dir: PathBuf::from("data"), max_connections: 16 }
    }
}

impl fmt::Debug for StoreSettings {
    // The URL may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("database_url", &self.database_url.as_ref().map(|_| "***"))
            .field("data_dir", &self.data_dir)
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

const PURGE: Sql = Sql::portable("PRAGMA wal_checkpoint(TRUNCATE)");
const CHECKPOINT: Sql = Sql::portable("PRAGMA wal_checkpoint(PASSIVE)");
/// How often the write-ahead log of an SQLite file that is written to is brought into the file.
const CHECKPOINTS: Duration = Duration::from_millis(250);
/// A commit does it itself when the log has so many pages (64 MiB): nobody else came to it.
const PAGES_AT_MOST: &str = "16384";

/// A service's database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    clock: Clock,
    pools: Pools,
    appended: Notify,
    // SQLite keeps old pages in its write-ahead log. True at the start: whoever ran before may have been cut off.
    purge_due: AtomicBool,
    // Something was written since the last checkpoint.
    written: Notify,
}

enum Pools {
    Postgres(PgPool),
    // SQLite has one writer at a time anyway: queueing for one connection beats fighting for the file's lock.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("service", &self.inner.service).field("sqlite", &self.is_sqlite()).finish()
    }
}

impl Db {
    /// Opens the service's database and brings its schema up to date.
    ///
    /// # Errors
    /// If it can't be reached, a migration fails or was changed after it was applied, or events are spread over another
    /// number of partitions than this version uses.
    pub async fn open(settings: &StoreSettings, migrations: &Migrations, clock: Clock) -> Result<Self, Error> {
        let service = migrations.service;
        if service.is_empty() || !service.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(Error::Settings(format!("service name {service:?}: lower-case letters and _ are accepted")));
        }
        let pools = match &settings.database_url {
            Some(url) => Self::open_postgres(url, settings, migrations).await?,
            None => Self::open_sqlite(settings, migrations).await?,
        };
        let inner = Inner {
            service: service.to_owned(),
            clock,
            pools,
            appended: Notify::new(),
            purge_due: AtomicBool::new(true),
            written: Notify::new(),
        };
        let db = Self { inner: Arc::new(inner) };
        outbox::check_partitions(&db).await?;
        Ok(db)
    }

    async fn open_postgres(url: &str, settings: &StoreSettings, migrations: &Migrations) -> Result<Pools, Error> {
        let service = migrations.service;
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| {
                Error::Settings("database_url: postgres://user:password@host/database is accepted".to_owned())
            })?
            .application_name(&format!("omnimesh-{service}"))
            .options([("search_path", service)]);
        migrate::postgres(&options, migrations).await?;
        // Nobody waits for ever behind a lock or a transaction that was forgotten open.
        let options = options.options([("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "60s")]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections.max(2))
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(Duration::from_secs(300))
            .connect_with(options)
            .await?;
        Ok(Pools::Postgres(pool))
    }

    async fn open_sqlite(settings: &StoreSettings, migrations: &Migrations) -> Result<Pools, Error> {
        std::fs::create_dir_all(&settings.data_dir)
            .map_err(|error| Error::Settings(format!("data_dir {}: {error}", settings.data_dir.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(settings.data_dir.join(format!("{}.sqlite3", migrations.service)))
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Deleted content is overwritten: an erased customer is not to be found in the file either.
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        let written = options.clone().pragma("wal_autocheckpoint", PAGES_AT_MOST);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(written)
            .await?;
        migrate::sqlite(&writer, migrations).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(Duration::from_secs(60))
            .max_lifetime(None)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Pools::Sqlite { writer, readers })
    }

    /// A connection for questions. On SQLite it can't write.
    ///
    /// # Errors
    /// If none is free within five seconds, or the database can't be reached.
    pub async fn read(&self) -> Result<Conn, Error> {
        Ok(match &self.inner.pools {
            Pools::Postgres(pool) => Conn::postgres(pool.acquire().await?),
            Pools::Sqlite { readers, .. } => Conn::sqlite(readers.acquire().await?),
        })
    }

    /// Begins a transaction. On SQLite it holds the write lock from its start. No RPC, HTTP or Redis call while it is open.
    ///
    /// # Errors
    /// If no connection is free in time, or the database can't be reached.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(match &self.inner.pools {
            Pools::Postgres(pool) => Tx::postgres(pool.begin().await?, self.clone()),
            Pools::Sqlite { writer, .. } => Tx::sqlite(writer.begin_with("BEGIN IMMEDIATE").await?, self.clone()),
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read().await?.fetch_one(Sql::portable("SELECT 1 AS one"), args![]).await.map(drop)
    }

    /// Closes all connections; waits for those in use.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// The service whose database it is.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.inner.service
    }

    /// The clock that the database's times are taken from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Whether it is an SQLite file, which belongs to one process alone.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.inner.pools, Pools::Sqlite { .. })
    }

    /// Empties the write-ahead log if something was erased, so that its old pages hold nothing of it.
    ///
    /// # Errors
    /// Whatever the database says. While somebody reads, it stays due.
    pub(crate) async fn purge_if_due(&self) -> Result<(), Error> {
        let Pools::Sqlite { writer, .. } = &self.inner.pools else { return Ok(()) };
        if !self.inner.purge_due.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let done = async {
            let row = Conn::sqlite(writer.acquire().await?).fetch_one(PURGE, args![]).await?;
            Ok::<bool, Error>(row.get::<i64>("busy")? == 0)
        }
        .await;
        if !matches!(done, Ok(true)) {
            self.purge_soon();
        }
        done.map(drop)
    }

    /// Brings what was committed from the write-ahead log into the file, now and then, until the token is cancelled: beside
    /// the writer, which would keep the caller waiting whose commit fills the log. On Postgres there is nothing to do.
    pub async fn checkpoint(self, token: CancellationToken) {
        let Pools::Sqlite { readers, .. } = &self.inner.pools else { return };
        while token.run_until_cancelled(self.inner.written.notified()).await.is_some() {
            if token.run_until_cancelled(tokio::time::sleep(CHECKPOINTS)).await.is_none() {
                return;
            }
            let done = async {
                // Who may only read may do this too.
                Conn::sqlite(readers.acquire().await?).fetch_one(CHECKPOINT, args![]).await
            };
            if let Err(error) = done.await {
                tracing::debug!(cause = %error, "the write-ahead log is not in the file yet");
            }
        }
    }

    fn note_written(&self) {
        self.inner.written.notify_one();
    }

    fn purge_soon(&self) {
        self.inner.purge_due.store(true, Ordering::Relaxed);
    }

    pub(crate) fn appended(&self) -> &Notify {
        &self.inner.appended
    }
}
