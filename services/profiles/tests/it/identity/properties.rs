//! What holds whatever is said, in whatever order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use omnimesh_kit::{
    auth::SessionLevel,
    testing::{BACKENDS, Backend},
};
use omnimesh_proto::common::v1::Channel::{Marketplace, Web};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{ALL, hubs::word, id, partner, said, sessions};
use crate::world::{World, customer, service, settings, world, world_with};

/// How many cases: Postgres is asked less, because each of its commits waits for the disk.
fn cases(backend: Backend) -> u32 {
    if backend == Backend::Sqlite { 24 } else { 6 }
}

/// Runs a property against worlds that stay: each case has its own number, which keeps cases apart.
fn check<S: Strategy>(
    setting: &[(&str, &str)],
    strategy: S,
    property: impl AsyncFn(&World, u32, S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: std::fmt::Debug,
{
    for backend in BACKENDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(async { world_with(backend, settings(setting)).await });
        world.register("sessions", sessions::routes());
        let case = std::cell::Cell::new(0);
        let config =
            Config { cases: cases(backend), max_shrink_iters: 50, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&strategy, |value| {
            case.set(case.get() + 1);
            runtime.block_on(property(&world, case.get(), value))
        });
        run.unwrap();
    }
}

/// Which sources are one customer.
async fn clusters(world: &World, nodes: &BTreeMap<usize, String>) -> BTreeSet<BTreeSet<usize>> {
    let mut clusters: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (source, node) in nodes {
        clusters.entry(world.root(node).await).or_default().insert(*source);
    }
    clusters.into_values().collect()
}

#[test]
fn the_order_of_proofs_does_not_matter() {
    let records = vec((0..6_usize, 0..6_u32), 1..12);
    let shuffled = records.prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle()));
    check(&[], shuffled, async |world, case, (records, shuffled)| {
        let mut found = Vec::new();
        for (round, records) in [records, shuffled].into_iter().enumerate() {
            let mut nodes = BTreeMap::new();
            for (source, login) in records {
                world.db.clock.advance(Duration::from_secs(1));
                let said = said(Web, &format!("{case}-{round}-{source}")).login(&format!("{case}-{round}-{login}"));
                nodes.insert(source, world.record(said).await.recorded_profile_id);
            }
            found.push(clusters(world, &nodes).await);
        }
        prop_assert_eq!(&found[0], &found[1]);
        Ok(())
    });
}

#[test]
fn a_merge_that_is_undone_was_not() {
    let merges = (vec((0..5_usize, 0..5_usize), 0..4), (0..5_usize, 0..5_usize));
    check(&[], merges, async |world, case, (before, (one, other))| {
        let mut nodes = BTreeMap::new();
        for source in 0..5 {
            world.db.clock.advance(Duration::from_secs(1));
            let mut said = said(Web, &format!("{case}-{source}")).name(&format!("P{source}"));
            if source % 2 == 0 {
                said = said.login(&format!("{case}-{source}"));
            }
            nodes.insert(source, world.record(said).await.recorded_profile_id);
        }
        for (one, other) in before {
            world.merge(&nodes[&one], &nodes[&other]).await.unwrap();
        }
        let mut all = Vec::new();
        for node in nodes.values() {
            all.push(world.get(node).await.unwrap());
        }
        let (merged, merge) = world.merge(&nodes[&one], &nodes[&other]).await.unwrap();
        if !merge.is_empty() {
            world.split(&merged.profile_id, &[], &merge).await.unwrap();
        }
        for (node, before) in nodes.values().zip(all) {
            let after = world.get(node).await.unwrap();
            let lasting =
                omnimesh_proto::profiles::v1::Profile { version: before.version, splits: Vec::new(), ..after };
            prop_assert_eq!(lasting, before);
        }
        Ok(())
    });
}

/// Who claims what about whom.
#[derive(Clone, Debug)]
struct Claim {
    who: u32,
    of: [bool; 5],
    about: [bool; 2],
    again: bool,
}

fn claim() -> impl Strategy<Value = Claim> {
    (0..4_u32, any::<[bool; 5]>(), any::<[bool; 2]>(), any::<bool>()).prop_map(|(who, of, about, again)| Claim {
        who,
        of,
        about,
        again,
    })
}

#[test]
fn no_untrusted_word_makes_one_of_two() {
    let eager = [("OMNIMESH_PROFILES__AUTO_MERGE_ABOVE", "1000"), ("OMNIMESH_PROFILES__SUGGEST_ABOVE", "0")];
    for setting in [&eager[..], &[]] {
        check(setting, vec(claim(), 1..12), async |world, case, claims| {
            // Two verified customers with much in common with whom liars claim to be.
            let mut own = Vec::new();
            for n in 0..2 {
                world.db.clock.advance(Duration::from_secs(1));
                let known = person(said(Web, &format!("{case}-{n}")), case, n, [true; 5]).login(&format!("{case}-{n}"));
                own.push(id(&world.record(known).await));
            }
            for (number, claim) in claims.iter().enumerate() {
                world.db.clock.advance(Duration::from_secs(1));
                let number = if claim.again { 0 } else { number };
                let reference = if claim.who < 2 { format!("{case}-x{number}") } else { String::new() };
                let channel = if claim.who == 0 || claim.who == 1 { Marketplace } else { Web };
                let mut said = said(channel, &reference);
                for n in (0..2).filter(|n| claim.about[*n]) {
                    said = person(said, case, n, claim.of).login(&format!("{case}-{n}"));
                }
                if said.0.claims == Some(Default::default()) {
                    said = said.name("Nobody");
                }
                let call = match claim.who {
                    0 => partner("mp_a"),
                    1 => service(ALL),
                    2 => customer(None, SessionLevel::Guest),
                    _ => customer(Some(own[0].parse().unwrap()), SessionLevel::Identified),
                };
                world.record_as(&call, said).await.unwrap();
            }
            let roots = [world.root(&own[0]).await, world.root(&own[1]).await];
            prop_assert_ne!(&roots[0], &roots[1]);
            Ok(())
        });
    }
}

fn person(said: super::Said, case: u32, n: usize, of: [bool; 5]) -> super::Said {
    let mut said = said;
    // Nobody of another case is anything like them.
    let number = usize::try_from(case).unwrap() * 2 + n;
    let (given, family) = (word(number), word(number + 5_000));
    if of[0] {
        said = said.name(&format!("{given} {family}"));
    }
    if of[1] {
        said = said.email(&format!("{given}.{family}@shop.example"));
    }
    if of[2] {
        said = said.phone(&format!("+90532{:07}", 1_000_000 + number * 7_919));
    }
    if of[3] {
        said = said.lives(&format!("{} Sk. No:{number}", word(number + 9_000)), &word(number + 12_000));
    }
    if of[4] {
        said = said.born(&format!("{}-{:02}-{:02}", 1940 + number % 60, 1 + number % 12, 1 + number % 28));
    }
    said
}

#[tokio::test]
async fn fifty_wrong_merges_come_apart_for_good() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let mut stream = Vec::new();
        for n in 0..50 {
            // A wrong card once, read at somebody else's till.
            stream.push(said(Web, &format!("A{n}")).login(&format!("a{n}")).card(&format!("C00{n:04}")));
            stream.push(said(Web, &format!("B{n}")).login(&format!("b{n}")).card(&format!("C00{n:04}")));
        }
        let mut nodes = Vec::new();
        for said in &stream {
            world.db.clock.advance(Duration::from_secs(1));
            nodes.push(world.record(said.clone()).await.recorded_profile_id);
        }
        for pair in nodes.chunks(2) {
            assert_eq!(world.root(&pair[1]).await, pair[0]);
            world.split(&pair[0], &[&pair[1]], "").await.unwrap();
        }
        for said in stream {
            world.record(said.clone()).await;
            world.record(said.phone("+905321234567")).await;
        }
        for node in &nodes {
            assert_eq!(world.root(node).await, *node);
        }
    }
}
