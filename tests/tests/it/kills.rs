//! Processes, stores and callers die while orders are placed; the books balance. In full: `tests/run --fire`.

use omnimesh_tests::{
    Mode,
    fire::{Fire, run},
};

async fn survives(fire: Fire) {
    let report = run(fire, |_, _| {}).await;
    eprintln!("{report}");
    assert!(report.problems.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_dies_and_no_order_is_lost_or_doubled() {
    let fire = Fire {
        mode: Mode::Split,
        orders: 150,
        buyers: 8,
        kills: 6,
        redis_kills: 1,
        postgres_restarts: 1,
        every_point: false,
        seed: 4,
    };
    survives(fire).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_process_dies_and_no_order_is_lost_or_doubled() {
    let fire = Fire {
        mode: Mode::Embedded,
        orders: 80,
        buyers: 8,
        kills: 3,
        redis_kills: 0,
        postgres_restarts: 0,
        every_point: true,
        seed: 4,
    };
    survives(fire).await;
}
