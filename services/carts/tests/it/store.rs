//! The SQL means something to both databases.

use crate::{on_both, world::World};

async fn every_statement_prepares(world: &World) {
    omnimesh_kit::testing::prepare_all(&world.db, omnimesh_carts::store::STATEMENTS).await;
}

on_both!(every_statement_prepares);
