//! The catalog as its callers see it: every suite runs on SQLite and on Postgres, through the same stack as in the mesh.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bad_input;
mod events;
mod locations;
mod mesh;
mod partners;
mod prices;
mod products;
mod race;
mod reservations;
mod stock;

use omnimesh_catalog::{MIGRATIONS, store::STATEMENTS};
use omnimesh_kit::testing;

#[tokio::test]
async fn every_statement_prepares_on_both_databases() {
    for backend in testing::BACKENDS {
        let db = testing::db(&MIGRATIONS, backend).await;
        for statements in STATEMENTS {
            testing::prepare_all(&db, statements).await;
        }
    }
}
