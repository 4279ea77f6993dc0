//! Many at once over the running mesh, on Postgres with 16 connections. The services' own suites have further races.

use omnimesh_tests::{
    Mesh,
    races::{Race, run, setup},
};

/// `tests/run --races` has 10,000 buyers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_buys_what_is_not_there_over_three_channels() {
    let mesh = Mesh::start_with(setup()).await;
    let race = Race { buyers: 300, pieces: 60, at_once: 100 };
    let outcome = run(&mesh, race).await;
    let problems = outcome.problems(race);
    assert!(problems.is_empty(), "{problems:#?}");
    mesh.assert_no_defect();
}
