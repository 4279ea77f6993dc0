//! The real stores of one mesh: a database of its own on the Postgres server of the tests, and a Redis server of its own.

use std::{env, net::SocketAddr, path::Path, process::Command, sync::Mutex, thread};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{ports, process::Process, wait::eventually};

const POSTGRES_URL: &str = "OMNIMESH_TEST_POSTGRES_URL";

/// Stores that live as long as their mesh.
#[derive(Debug)]
pub(crate) struct Stores {
    server: String,
    database: String,
    redis_url: String,
    redis_address: SocketAddr,
    redis: Mutex<Process>,
    folder: TempDir,
}

impl Stores {
    /// On that Postgres server, or on that of the environment.
    pub(crate) async fn start(server: Option<String>) -> Self {
        let server = server.or_else(|| env::var(POSTGRES_URL).ok()).unwrap_or_else(|| {
            panic!("{POSTGRES_URL} is not set: tests/run starts a server and sets it, or name one of yours")
        });
        let database = format!("mesh_{}", Uuid::new_v4().simple());
        execute(&server, format!("CREATE DATABASE {database}")).await;
        let folder = tempfile::tempdir().unwrap();
        let redis_address = ports::free();
        let redis = Mutex::new(start_redis(redis_address, folder.path()).await);
        Self { server, database, redis_url: format!("redis://{redis_address}"), redis_address, redis, folder }
    }

    /// Kills Redis. What was in it is gone.
    pub(crate) fn kill_redis(&self) {
        self.redis.lock().unwrap().kill();
    }

    /// Starts Redis again after [`Self::kill_redis`], where it was and empty.
    pub(crate) async fn start_redis(&self) {
        let redis = start_redis(self.redis_address, self.folder.path()).await;
        *self.redis.lock().unwrap() = redis;
    }

    pub(crate) fn database_url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a URL that ends in a database's name");
        format!("{base}/{}", self.database)
    }

    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.database));
        // A test's own runtime can't wait while it drops.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(&server, sql));
        });
        drop(dropped.join());
    }
}

async fn start_redis(address: SocketAddr, folder: &Path) -> Process {
    let redis = Process::start(
        "redis-server",
        Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(folder),
    );
    eventually("redis-server listens", async || TcpStream::connect(address).await.ok()).await;
    redis
}

async fn execute(server: &str, sql: String) {
    let mut connection =
        PgConnection::connect(server).await.unwrap_or_else(|error| panic!("{POSTGRES_URL} does not answer: {error}"));
    // The name in it is made here.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}
