//! The store's own cost: one row, put or replaced, by the mesh's own access to its database.

use std::path::Path;

use anyhow::Result;
use omnimesh_kit::{
    args,
    clock::Clock,
    store::{Db, Error, Migrations, StoreSettings},
};

const TABLE: &str = "CREATE TABLE omnimesh_bench_rows (id BIGINT PRIMARY KEY, value TEXT NOT NULL)";
const MIGRATIONS: Migrations =
    Migrations { service: "omnimesh_bench_upsert", postgres: &[(100, "rows", TABLE)], sqlite: &[(100, "rows", TABLE)] };

mod sql {
    omnimesh_kit::statements! {
        /// Puts a row.
        PUT = "INSERT INTO omnimesh_bench_rows (id, value) VALUES ($1, $2) \
            ON CONFLICT (id) DO UPDATE SET value = excluded.value";
    }
}

/// Opens a schema of its own beside the mesh's, with the pool that a service has.
pub(super) async fn open(database_url: Option<String>, folder: &Path) -> Result<Db> {
    let settings = StoreSettings { database_url, data_dir: folder.to_owned(), ..StoreSettings::default() };
    Ok(Db::open(&settings, &MIGRATIONS, Clock::System).await?)
}

/// Puts a row and commits: on Postgres in one statement.
pub(super) async fn once(db: &Db, row: i64) -> Result<(), Error> {
    let value = "a row as long as a short sentence, and no longer";
    if db.is_sqlite() {
        let mut tx = db.begin().await?;
        tx.execute(sql::PUT, args![row, value]).await?;
        tx.commit().await
    } else {
        db.read().await?.execute(sql::PUT, args![row, value]).await.map(drop)
    }
}
