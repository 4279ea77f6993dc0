//! The carts service over real databases: every use case on SQLite and on Postgres, races on Postgres. Catalog and sessions are
//! stood in for by small servers of their generated traits.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bad_input;
mod customers;
mod delivery;
mod erasure;
mod fakes;
mod freeze;
mod identity;
mod lines;
mod linked;
mod merge;
mod races;
mod settings;
mod store;
mod watch;
mod world;

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::world::World::on(omnimesh_kit::testing::Backend::Sqlite).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::world::World::on(omnimesh_kit::testing::Backend::Postgres).await).await;
            })+
        }
    };
}

use on_both;
