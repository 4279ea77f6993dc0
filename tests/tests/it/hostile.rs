//! Hostile clients: the mesh stays up, stays small, answers each in a form they can read, and goes on serving everybody else.
//! `tests/run --hostile` does the same for long, and measures.

use std::{sync::atomic::Ordering, time::Duration};

use omnimesh_tests::{
    Mesh, Mode,
    hostile::{Crowd, Kind, Witness, address, malformed},
};

use crate::demo::TEA;

/// What the mesh may hold more than before, bytes: a debug build has large frames, and stores have caches.
const GROWTH: u64 = 200 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_calls_are_refused_in_form() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let before = mesh.memory();
    let outcome = malformed(&mesh, 20_000, 7, |_| {}).await;
    assert_eq!(outcome.wrong_count, 0, "{:#?}", outcome.wrong);
    assert!(outcome.answered() > 15_000, "{outcome:?}");
    assert!(outcome.answers.len() > 8, "hardly any variety: {outcome:?}");
    mesh.assert_no_defect();
    let after = mesh.memory();
    assert!(after < before + GROWTH, "{} MB before, {} MB after", before >> 20, after >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_keep_nobody_from_being_served() {
    let mesh = Mesh::start(Mode::Embedded).await;
    let witness = Witness::start(&mesh, TEA).await;
    let before = mesh.memory();
    for (kind, connections) in [(Kind::Slow, 60), (Kind::Idle, 200), (Kind::Resets, 2), (Kind::Large, 4)] {
        let crowd = Crowd {
            gateway: address(&mesh),
            token: witness.token().to_owned(),
            connections,
            done: std::sync::Arc::default(),
        };
        let seen = tokio::select! {
            () = crowd.run(kind) => unreachable!("a crowd never ends"),
            seen = witness.watch(Duration::from_secs(4)) => seen,
        };
        assert!(crowd.done.load(Ordering::Relaxed) >= 4, "{kind:?}: the crowd did not come");
        assert!(seen.failed.is_empty(), "{kind:?}: {:#?}", seen.failed);
        assert!(seen.times.len() > 5, "{kind:?}: only {} calls were answered", seen.times.len());
    }
    mesh.assert_no_defect();
    let after = mesh.memory();
    assert!(after < before + GROWTH, "{} MB before, {} MB after", before >> 20, after >> 20);
}
