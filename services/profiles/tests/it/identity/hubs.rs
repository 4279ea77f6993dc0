//! What many people share leads nowhere, and slows nobody.

use std::time::{Duration, Instant};

use omnimesh_kit::testing::{BACKENDS, Backend};
use omnimesh_proto::{
    common::v1::Channel::{CallCenter, Web},
    profiles::v1::{AssertionOutcome::Created, IdentifierStrength},
};

use super::{outcome, said};
use crate::world::{settings, world_with};

#[tokio::test]
async fn a_hub_of_thousands_stays_capped() {
    for backend in BACKENDS {
        let world = world_with(backend, settings(&[("OMNIMESH_PROFILES__AUTO_MERGE_ABOVE", "5000")])).await;
        let many = if backend == Backend::Sqlite { 5_000 } else { 500 };
        let mut slow = Vec::new();
        let mut suggested = 0;
        for n in 0..many {
            world.db.clock.advance(Duration::from_millis(100));
            let (given, surname) = (word(n), word(n + 77_777));
            let said =
                said(CallCenter, &format!("C-{n}")).name(&format!("{given} {surname}")).phone("+90 212 444 00 00");
            let began = Instant::now();
            let reply = world.record(said).await;
            slow.push(began.elapsed());
            assert_eq!(outcome(&reply), Created, "{n}");
            suggested += reply.suggestion_ids.len();
        }
        let last = world.record(said(CallCenter, "C-x").name("Ada Yılmaz").phone("+90 212 444 00 00")).await;
        assert_eq!(last.profile.unwrap().identifiers[0].strength(), IdentifierStrength::Shared);
        assert!(last.suggestion_ids.is_empty());
        assert!(suggested < 100, "{suggested}");
        // The last of them took no longer than the first.
        let (early, late) = (median(&mut slow[50..300].to_vec()), median(&mut slow[many - 250..].to_vec()));
        assert!(late < early * 3 + Duration::from_millis(5), "{early:?} {late:?}");
        // Who has another phone is found by it as ever.
        world
            .record(said(Web, "W-1").name("Can Er").phone("05327654321").email("can.er77@shop.example").login("1"))
            .await;
        let found = world
            .record(said(CallCenter, "C-y").name("Can Er").phone("05327654321").email("can.er77@shop.example"))
            .await;
        assert!(found.profile.unwrap().merges.len() == 1 || found.suggestion_ids.len() == 1);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap()
}

/// Words that are different enough not to be slips of each other.
pub(super) fn word(n: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "ze"];
    let mut n = n.wrapping_mul(2_654_435_761) % 65_536;
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(SYLLABLES.get(n % 16).unwrap());
        n /= 16;
    }
    word
}
