//! The stores of a bench: a database and an empty Redis database of its own on the servers that it was given.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, bail};
use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _, postgres::PgPoolOptions};

use super::{args::BenchArgs, process, statements::Snapshot};

/// In every statement of the bench's own, so that it is not counted.
pub(super) const MARK: &str = "omnimesh_bench";
/// How many numbered databases a Redis server has, unless it was told otherwise.
const REDIS_DATABASES: u32 = 16;

/// Stores that a mesh of this bench has to itself.
#[derive(Clone, Debug)]
pub(super) struct Stores {
    server: String,
    database: String,
    pub(super) database_url: String,
    pub(super) redis_url: String,
    pub(super) pool: PgPool,
    /// Why statements can't be counted, if they can't.
    pub(super) uncounted: Option<String>,
}

impl Stores {
    /// Makes a database, and finds an empty Redis database.
    pub(super) async fn make(args: &BenchArgs) -> Result<Self> {
        let missing = |flag: &str, variable: &str, example: &str| {
            format!("this mode needs {flag} (or {variable}), such as {example}; --mode embedded needs none")
        };
        let server = args.postgres.as_ref().with_context(|| {
            missing("--postgres", "OMNIMESH_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
        })?;
        let redis =
            args.redis.as_ref().with_context(|| missing("--redis", "OMNIMESH_REDIS_URL", "redis://127.0.0.1:6379"))?;
        let redis_url = empty_redis(redis.expose()).await?;
        let server = server.expose().clone();
        let (base, _) = server
            .rsplit_once('/')
            .filter(|(base, _)| base.contains('@') || base.matches('/').count() > 1)
            .context("--postgres: postgres://user:password@host/database is accepted")?;
        let database = format!("{MARK}_{}", uuid_v7(Clock::System.now()).simple());
        let database_url = format!("{base}/{database}");
        execute(&server, format!("CREATE DATABASE {database}"))
            .await
            .context("a database can't be made for the bench")?;
        let pool = PgPoolOptions::new().max_connections(2).connect(&database_url).await?;
        let uncounted = extend(&pool).await.err().map(|error| {
            format!("statements are not counted ({error}): set shared_preload_libraries = 'pg_stat_statements' and restart Postgres")
        });
        Ok(Self { server, database, database_url, redis_url, pool, uncounted })
    }

    /// Removes both.
    pub(super) async fn remove(self) -> Result<()> {
        self.pool.close().await;
        execute(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.database)).await?;
        redis(&self.redis_url, "FLUSHDB").await.map(drop)
    }

    /// Every statement so far with its calls; none if they are not counted.
    pub(super) async fn statements(&self) -> Result<Option<Snapshot>> {
        if self.uncounted.is_some() {
            return Ok(None);
        }
        let rows = sqlx::query(
            "SELECT query, calls FROM omnimesh_bench.pg_stat_statements AS omnimesh_bench WHERE toplevel \
             AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let mut counts = Vec::with_capacity(rows.len());
        for row in rows {
            let calls: i64 = row.try_get("calls")?;
            counts.push((row.try_get::<String, _>("query")?, u64::try_from(calls)?));
        }
        Ok(Some(Snapshot::new(counts)))
    }

    /// CPU time of the Postgres processes that serve the mesh, if they run on this machine.
    pub(super) async fn cpu(&self) -> Result<Option<Duration>> {
        let rows = sqlx::query("SELECT pid FROM pg_stat_activity AS omnimesh_bench WHERE datname = current_database()");
        let mut sum = None;
        for row in rows.fetch_all(&self.pool).await? {
            if let Some(cpu) = process::cpu_of(row.try_get("pid")?, "postgres") {
                sum = Some(sum.unwrap_or_default() + cpu);
            }
        }
        Ok(sum)
    }

    /// The server, for the report.
    pub(super) async fn settings(&self) -> Result<String> {
        let row = sqlx::query(
            "SELECT current_setting('server_version') || ', fsync ' || current_setting('fsync') || ', synchronous_commit ' \
             || current_setting('synchronous_commit') || ', shared_buffers ' || current_setting('shared_buffers') AS omnimesh_bench",
        );
        Ok(format!("Postgres {}", row.fetch_one(&self.pool).await?.try_get::<String, _>("omnimesh_bench")?))
    }

    /// How many events have not had all their effects yet.
    pub(super) async fn lag(&self, services: &[&str]) -> Result<i64> {
        let known = self.schemas().await?;
        let mut terms = vec!["0".to_owned()];
        for service in services.iter().filter(|service| known.contains(**service)) {
            terms.push(format!("(SELECT count(*) FROM {service}.outbox WHERE position IS NULL)"));
            for producer in services.iter().filter(|producer| known.contains(**producer)) {
                terms.push(format!(
                    "(SELECT coalesce(sum(h.position - c.position), 0) FROM {service}.checkpoints AS c \
                     JOIN {producer}.outbox_heads AS h ON h.partition = c.partition WHERE c.producer = '{producer}')"
                ));
            }
        }
        let sql = format!("SELECT ({})::bigint AS omnimesh_bench", terms.join(" + "));
        // Made of names that are in this program.
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(&self.pool).await?.try_get("omnimesh_bench")?)
    }

    async fn schemas(&self) -> Result<BTreeSet<String>> {
        let rows =
            sqlx::query("SELECT nspname::text AS omnimesh_bench FROM pg_namespace").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok(row.try_get("omnimesh_bench")?)).collect()
    }

    /// Takes every relay's lease, so that no event goes out until it is given back: what callers cause is then alone.
    pub(super) async fn hold_relays(&self, services: &[&str], hold: bool) -> Result<()> {
        let until = if hold { "(extract(epoch FROM now()) * 1e6)::bigint + 3600000000" } else { "0" };
        for service in services {
            // The mark is for the eye: it is how these are told from the mesh's own.
            let sql = format!(
                "UPDATE {service}.leases AS omnimesh_bench SET token = token + 1, expires_at = {until}, \
                 holder = gen_random_uuid() WHERE name = 'relay'"
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&self.pool).await?;
        }
        Ok(())
    }
}

async fn extend(pool: &PgPool) -> Result<()> {
    sqlx::query("CREATE SCHEMA omnimesh_bench").execute(pool).await?;
    sqlx::query("CREATE EXTENSION pg_stat_statements SCHEMA omnimesh_bench").execute(pool).await?;
    sqlx::query("SELECT 1 AS omnimesh_bench FROM omnimesh_bench.pg_stat_statements LIMIT 1").execute(pool).await?;
    Ok(())
}

async fn execute(server: &str, sql: String) -> Result<()> {
    let mut connection = PgConnection::connect(server).await.context("the Postgres server does not answer")?;
    // The name in it is made here.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// The last of the numbered databases that holds nothing.
async fn empty_redis(server: &str) -> Result<String> {
    let base = server.trim_end_matches('/');
    // A database that was named is meant.
    let (base, named) = match base.rsplit_once('/') {
        Some((rest, number)) if number.parse::<u32>().is_ok() => (rest, number.parse().ok()),
        _ => (base, None),
    };
    let candidates: Vec<u32> = named.map_or_else(|| (1..REDIS_DATABASES).rev().collect(), |number| vec![number]);
    for number in candidates {
        let url = format!("{base}/{number}");
        if redis(&url, "DBSIZE").await.context("the Redis server does not answer")? == 0 {
            return Ok(url);
        }
    }
    bail!("--redis: no numbered database of that server is empty, and the bench empties what it uses")
}

async fn redis(url: &str, command: &str) -> Result<i64> {
    let mut connection = ::redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let answer: ::redis::Value = ::redis::cmd(command).query_async(&mut connection).await?;
    Ok(match answer {
        ::redis::Value::Int(number) => number,
        _ => 0,
    })
}
