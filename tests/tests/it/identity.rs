//! One profile for one customer: records of many channels, fed one by one, come to the people they are about.

use std::path::{Path, PathBuf};

use omnimesh_tests::{
    Mesh, Mode, Setup,
    identity::{
        Labelled, feed, labelled,
        score::{Measure, score},
        shuffle,
    },
};

/// As the README recommends, in thousandths of a bit.
const THRESHOLD: &str = "1500";

fn small() -> Vec<Labelled> {
    labelled(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/identity-small.csv"), None).unwrap()
}

async fn start(mode: Mode, threshold: Option<&str>) -> Mesh {
    let setup = Setup::new(mode);
    Mesh::start_empty(match threshold {
        Some(threshold) => setup.variable("OMNIMESH_PROFILES__AUTO_MERGE_ABOVE", threshold),
        None => setup,
    })
    .await
}

#[test]
fn the_score_knows_right_from_wrong() {
    let truth = ["a", "a", "a", "b", "c"];
    let perfect = score(&[1, 1, 1, 2, 3], &truth);
    for measure in [perfect.pairwise, perfect.cluster, perfect.b3] {
        assert_eq!(measure, Measure { precision: 1.0, recall: 1.0 });
    }
    // Two pairs found, one right, of three; two clusters of four exact.
    let mixed = score(&[1, 1, 2, 2, 3], &truth);
    assert_eq!(mixed.pairwise, Measure { precision: 1.0 / 2.0, recall: 1.0 / 3.0 });
    assert_eq!(mixed.cluster, Measure { precision: 1.0 / 3.0, recall: 1.0 / 3.0 });
    // Records: 1, 1, 1/2, 1/2, 1 of their clusters; 2/3, 2/3, 1/3, 1, 1 of their customers.
    assert!((mixed.b3.precision - 4.0 / 5.0).abs() < 1e-9, "{mixed:?}");
    assert!((mixed.b3.recall - (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 2.0) / 5.0).abs() < 1e-9, "{mixed:?}");
    let nothing = score(&[1, 2, 3, 4, 5], &truth);
    assert_eq!(nothing.pairwise, Measure { precision: 1.0, recall: 0.0 });
    assert_eq!(nothing.pairwise.f1(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_apart_in_whatever_order_they_come_and_twice_is_once() {
    for mode in [Mode::Embedded, Mode::Stores] {
        for seed in [None, Some(7)] {
            let mesh = start(mode, Some(THRESHOLD)).await;
            let client = mesh.admin().await;
            let mut records = small();
            if let Some(seed) = seed {
                shuffle(&mut records, seed);
            }
            let fed = feed(&client, &records, || {}).await;
            let truth: Vec<_> = records.iter().map(|record| record.customer.as_str()).collect();
            let found = score(&fed.profiles, &truth);
            let told = format!("{mode:?} {seed:?}: {found:?}");
            assert_eq!(found.pairwise.precision, 1.0, "{told}: nobody is taken for somebody else");
            assert!(found.pairwise.recall > 0.9, "{told}");

            let again = feed(&client, &records, || {}).await;
            assert_eq!((again.created, again.unchanged), (0, records.len()), "{told}");
            assert_eq!(again.profiles, fed.profiles, "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_only_keys_merge() {
    let mesh = start(Mode::Embedded, None).await;
    let records = small();
    let fed = feed(&mesh.admin().await, &records, || {}).await;
    let truth: Vec<_> = records.iter().map(|record| record.customer.as_str()).collect();
    let found = score(&fed.profiles, &truth);
    assert_eq!(found.pairwise.precision, 1.0, "{found:?}");
    // The web login of s01 and s20, the card of s02 and s05.
    assert_eq!(found.found, records.len() - 2, "{found:?}");
}

/// The file of records, where it is at hand.
fn public() -> Option<PathBuf> {
    omnimesh::test_data::folder().map(|folder| folder.join("identity-public.csv"))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_records_come_to_their_people() {
    let Some(file) = public() else { return };
    let mesh = start(Mode::Embedded, Some(THRESHOLD)).await;
    let records = labelled(&file, None).unwrap();
    let fed = feed(&mesh.admin().await, &records, || {}).await;
    let truth: Vec<_> = records.iter().map(|record| record.customer.as_str()).collect();
    let found = score(&fed.profiles, &truth);
    assert!(found.pairwise.precision >= 0.95, "{found:?}");
    assert!(found.pairwise.f1() >= 0.81, "{found:?}");
}
