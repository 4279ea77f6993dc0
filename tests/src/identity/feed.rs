//! Feeds records to a mesh and asks whose they are.

use std::time::{Duration, Instant};

use omnimesh_proto::profiles::v1::{AssertionOutcome, GetProfileRequest, profile_service_client::ProfileServiceClient};

use super::Labelled;
use crate::Client;

/// What became of records that were fed.
#[derive(Clone, Debug, Default)]
pub struct Fed {
    /// The profile that each record's profile leads to, asked when all were fed.
    pub profiles: Vec<String>,
    /// How long each record took, call and answer, sorted.
    pub times: Vec<Duration>,
    /// How many records made a profile, and how many changed nothing.
    pub created: usize,
    /// How many changed nothing.
    pub unchanged: usize,
}

/// Feeds the records in their order, one after the other; `done` is told of each.
pub async fn feed(client: &Client, records: &[Labelled], mut done: impl FnMut()) -> Fed {
    let mut profiles = ProfileServiceClient::new(client.channel());
    let mut fed = Fed::default();
    let mut recorded = Vec::with_capacity(records.len());
    for record in records {
        let request = client.request(record.request.clone());
        let start = Instant::now();
        let answer = profiles.record_assertions(request).await.expect("a record is taken").into_inner();
        fed.times.push(start.elapsed());
        match answer.outcome() {
            AssertionOutcome::Created => fed.created += 1,
            AssertionOutcome::Unchanged => fed.unchanged += 1,
            _ => {}
        }
        recorded.push(answer.recorded_profile_id);
        done();
    }
    fed.times.sort_unstable();
    for profile_id in recorded {
        let request = client.request(GetProfileRequest { profile_id });
        let profile = profiles.get_profile(request).await.expect("a profile is found by any id it had").into_inner();
        fed.profiles.push(profile.profile.expect("the profile").profile_id);
    }
    fed
}

/// Brings items into another order: the same for the same seed (Fisher and Yates, with SplitMix64).
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let place = mixed % (last as u64 + 1);
        items.swap(last, usize::try_from(place).expect("not over last"));
    }
}
