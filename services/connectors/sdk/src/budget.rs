//! What a vendor lets one account ask, shared by every replica, and spent by urgency: who can wait leaves some of it to who
//! can't.

use std::{collections::BTreeMap, time::Duration};

use omnimesh_kit::ratelimit::{Decision, Limit, RateLimiter};
use omnimesh_proto::connectors::v1::Lane;

use crate::{Failure, Kind};

/// One of the vendor's limits: so many requests of a kind in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name: the key of its counts, and of its entry in the settings.
    pub name: &'static str,
    /// The limit, unless the settings say otherwise.
    pub limit: Limit,
}

impl Bucket {
    /// So many requests in so many seconds.
    #[must_use]
    pub const fn new(name: &'static str, requests: u32, seconds: u32) -> Self {
        Self { name, limit: Limit::new(requests, seconds) }
    }
}

/// The budgets of a vendor's accounts.
#[derive(Clone, Debug)]
pub struct Budget {
    vendor: &'static str,
    limiter: RateLimiter,
    limits: BTreeMap<String, Limit>,
}

impl Budget {
    /// Budgets that are counted by `limiter`. `limits` are those of the settings, by the bucket's name: vendors change theirs
    /// without telling.
    #[must_use]
    pub fn new(vendor: &'static str, limiter: RateLimiter, limits: BTreeMap<String, Limit>) -> Self {
        Self { vendor, limiter, limits }
    }

    /// Takes one request out of each of the buckets. Otherwise nothing is taken, and the answer is how long to wait.
    ///
    /// # Errors
    /// TEMPORARY if the counts can't be reached: uncounted requests would exceed what all replicas have together.
    pub async fn take(&self, seller: &str, buckets: &[Bucket], lane: Lane) -> Result<Option<Duration>, Failure> {
        for (index, bucket) in buckets.iter().enumerate() {
            let limit = self.limit(bucket);
            let left = share_left(lane, limit);
            let decision = self.limiter.check_leaving(&self.key(seller, bucket), limit, 1, left).await;
            if let Decision::Limited { retry_after } = decision.map_err(unreachable)? {
                for taken in buckets.iter().take(index) {
                    let given = self.limiter.give_back(&self.key(seller, taken), self.limit(taken), 1).await;
                    given.map_err(unreachable)?;
                }
                return Ok(Some(retry_after));
            }
        }
        Ok(None)
    }

    /// The vendor says that it is too much: no replica asks before the wait is over.
    ///
    /// # Errors
    /// TEMPORARY if the counts can't be reached.
    pub async fn exhaust(&self, seller: &str, buckets: &[Bucket], wait: Duration) -> Result<(), Failure> {
        for bucket in buckets {
            let told = self.limiter.exhaust(&self.key(seller, bucket), self.limit(bucket), wait).await;
            told.map_err(unreachable)?;
        }
        Ok(())
    }

    fn limit(&self, bucket: &Bucket) -> Limit {
        self.limits.get(bucket.name).copied().unwrap_or(bucket.limit)
    }

    fn key(&self, seller: &str, bucket: &Bucket) -> String {
        format!("vendor:{}:{seller}:{}", self.vendor, bucket.name)
    }
}

fn unreachable(error: omnimesh_kit::ratelimit::Error) -> Failure {
    tracing::warn!(error = %error, "budgets can't be counted: the vendor is not asked");
    Failure::new(Kind::Temporary, "budgets can't be counted at the moment")
}

/// How many requests of a limit a lane leaves to the more urgent ones. At least one is its own.
fn share_left(lane: Lane, limit: Limit) -> u32 {
    let percent = match lane {
        Lane::Unspecified | Lane::Ship => 0,
        Lane::Stock => 10,
        Lane::Price => 20,
        Lane::Import => 30,
        Lane::Backfill => 50,
    };
    (u64::from(limit.requests) * percent)
        .div_ceil(100)
        .try_into()
        .unwrap_or(u32::MAX)
        .min(limit.requests.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use omnimesh_kit::clock::{Clock, Timestamp};

    use super::*;

    const ORDERS: Bucket = Bucket::new("orders", 10, 100);
    const BOTH: [Bucket; 2] = [ORDERS, Bucket::new("all", 4, 40)];

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_micros(1_800_000_000_000_000))
    }

    fn redis(clock: Clock) -> RateLimiter {
        let url =
            std::env::var("OMNIMESH_TEST_REDIS_URL").expect("OMNIMESH_TEST_REDIS_URL names the Redis of this test");
        RateLimiter::redis(&url, clock).unwrap()
    }

    async fn lanes(limiter: RateLimiter, clock: Clock) {
        let seller = omnimesh_kit::secrets::random_token("seller");
        // Two replicas.
        let budgets = [limiter.clone(), limiter].map(|limiter| Budget::new("v", limiter, BTreeMap::new()));
        let take = async |lane| budgets[0].take(&seller, &[ORDERS], lane).await.unwrap();
        for (lane, passes) in
            [(Lane::Backfill, 5), (Lane::Import, 2), (Lane::Price, 1), (Lane::Stock, 1), (Lane::Ship, 1)]
        {
            for _ in 0..passes {
                assert_eq!(take(lane).await, None, "{lane:?}");
            }
            assert_eq!(take(lane).await, Some(Duration::from_secs(10)), "{lane:?}");
        }
        assert!(budgets[1].take(&seller, &[ORDERS], Lane::Ship).await.unwrap().is_some(), "the replica knows");
        budgets[1].exhaust(&seller, &[ORDERS], Duration::from_secs(30)).await.unwrap();
        assert_eq!(take(Lane::Ship).await, Some(Duration::from_secs(30)));
        assert_eq!(budgets[0].take("another", &[ORDERS], Lane::Import).await.unwrap(), None, "a seller's own");
        clock.advance(Duration::from_secs(30));
        assert_eq!(take(Lane::Ship).await, None);
    }

    #[tokio::test]
    async fn urgent_calls_find_some_left() {
        let clock = clock();
        lanes(RateLimiter::memory(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn replicas_share_through_redis() {
        let clock = clock();
        lanes(redis(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn what_one_bucket_refuses_no_other_counts() {
        let limits = [("orders".to_owned(), Limit::new(5, 50))].into();
        let budget = Budget::new("v", RateLimiter::memory(clock()), limits);
        for _ in 0..4 {
            assert_eq!(budget.take("s", &BOTH, Lane::Ship).await.unwrap(), None);
        }
        for _ in 0..3 {
            assert!(budget.take("s", &BOTH, Lane::Ship).await.unwrap().is_some());
        }
        assert_eq!(budget.take("s", &[ORDERS], Lane::Ship).await.unwrap(), None, "the fifth, of the settings");
        assert!(budget.take("s", &[ORDERS], Lane::Ship).await.unwrap().is_some());
        assert_eq!(share_left(Lane::Backfill, Limit::new(1, 1)), 0);
    }
}
