//! What fuzzing runs holds for every input that it ever found worth keeping.

use std::{fs, path::Path};

use omnimesh_tests::fuzz::{TARGETS, run};

/// Runs what a target's folder holds.
fn replay(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 10, "{} has {} seeds", folder.display(), seeds.len());
    for seed in seeds {
        // So that a failure names its seed.
        eprintln!("{}", seed.display());
        run(target, &fs::read(&seed).unwrap());
    }
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    for (name, _) in TARGETS {
        let program = format!("fuzz/fuzz_targets/{name}.rs");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&program).is_file(), "{program} is missing");
    }
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")).unwrap();
    assert_eq!(folders.count(), TARGETS.len(), "a corpus that nothing replays");
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*
    };
}

replayed!(connect_json grpc_web ids import request tokens values);
