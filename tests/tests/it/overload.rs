//! More is asked of a mesh than it can do: what matters least is refused, clearly, and nothing is left of it afterwards.
//! `tests/run --overload` measures the same.

use std::{sync::Arc, time::Duration};

use omnimesh_tests::{
    Mesh, Mode, Setup,
    overload::{
        calls::{Calls, Kind},
        load::{Noted, closed},
    },
};

/// Far more callers than there are places.
const CALLERS: usize = 64;
const MEMORY: u64 = 256 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_matters_least_is_shed_first_and_calm_returns() {
    let setup = Setup::new(Mode::Embedded).settings("[server]\nmax_concurrent_calls = 20\n");
    let mesh = Mesh::start_with(setup).await;
    let calls = Arc::new(Calls::prepare(&mesh).await);
    let before = mesh.memory();

    // As many of each kind, so that what is kept up is comparable.
    let tally = closed(&calls, CALLERS, Duration::from_secs(6), |number| Kind::ALL[number % Kind::ALL.len()]).await;
    for noted in tally.values() {
        assert!(noted.wrong.is_empty(), "{:#?}", noted.wrong.first());
    }
    let kept: Vec<_> = tally.values().map(Noted::accepted_of_thousand).collect();
    let [checkout, cart, read, batch] = kept[..] else { panic!("every kind was called") };
    assert!(checkout > cart && cart > read && read >= batch, "accepted of 1000: {kept:?}");
    assert!(read < 900 && checkout > 0, "there was no overload: {kept:?}");
    assert!(mesh.memory() < before + MEMORY, "memory rose from {before} to {} bytes", mesh.memory());

    for kind in Kind::ALL {
        for _ in 0..5 {
            calls.call(kind).await.expect("there is room again");
        }
    }
    mesh.assert_no_defect();
}
