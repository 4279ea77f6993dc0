//! Many buyers of few units at once, on Postgres with its whole pool.

use std::sync::Arc;

use omnimesh_catalog::demo::{ANKARA, ISTANBUL, IZMIR, WAREHOUSE};
use omnimesh_kit::testing::Backend;

use crate::mesh::{line, reason, stocked};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_buys_what_is_not_there() {
    const BUYERS: usize = 48;
    let mesh = Arc::new(stocked(Backend::Postgres).await);
    // 20 units of tea over four locations, 12 of coffee over two: two lines each, in both orders, so that locks cross.
    for (sku, location, units) in [
        ("TEA-RIZE-500", WAREHOUSE, 8),
        ("TEA-RIZE-500", ISTANBUL, 7),
        ("TEA-RIZE-500", ANKARA, 4),
        ("TEA-RIZE-500", IZMIR, 1),
        ("COFFEE-250", WAREHOUSE, 12),
        ("COFFEE-250", ISTANBUL, 18),
        ("COFFEE-250", ANKARA, 0),
        ("COFFEE-250", IZMIR, 0),
    ] {
        mesh.set(sku, location, units).await;
    }
    let buyers = (0..BUYERS).map(|buyer| {
        let mesh = mesh.clone();
        async move {
            let mut lines = vec![line("1", "TEA-RIZE-500", 1, ""), line("2", "COFFEE-250", 1, "")];
            if buyer % 2 == 0 {
                lines.reverse();
            }
            // Contention that outlasts the retries is answered with "try again", as clients do.
            loop {
                match mesh.reserve(&format!("order_{buyer}"), &lines).await {
                    Ok(_) => return true,
                    Err(refused) if reason(&refused) == "OUT_OF_STOCK" => return false,
                    Err(refused) => assert_eq!(reason(&refused), "CONTENTION", "{refused:?}"),
                }
            }
        }
    });
    let bought = futures::future::join_all(buyers).await.into_iter().filter(|bought| *bought).count();
    assert_eq!(bought, 20);
    for (location, units) in [(WAREHOUSE, 8), (ISTANBUL, 7), (ANKARA, 4), (IZMIR, 1)] {
        assert_eq!(mesh.parts("TEA-RIZE-500", location).await, (units, units, 0, 0), "{location}");
    }
    let (_, warehouse, ..) = mesh.parts("COFFEE-250", WAREHOUSE).await;
    let (_, istanbul, ..) = mesh.parts("COFFEE-250", ISTANBUL).await;
    assert_eq!(warehouse + istanbul, 20);
}
