//! Rate limits by key, shared by every process: the generic cell rate algorithm. It keeps one moment per key, allows the
//! whole amount at once, and then lets it grow back evenly, so that no window's edge can be used to get twice as much.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use redis::{RedisError, Script, aio::ConnectionManager};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Timestamp},
    config::Settings,
    error::Fault,
    redis_connection,
};

/// So many requests in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u32,
}

impl Limit {
    /// So many requests in so many seconds.
    #[must_use]
    pub const fn new(requests: u32, seconds: u32) -> Self {
        Self { requests, seconds }
    }

    /// The whole window, in microseconds.
    fn window(self) -> i64 {
        i64::from(self.seconds) * 1_000_000
    }

    /// What so many requests take out of the window, in microseconds, rounded up. More than the limit never fits.
    fn price(self, cost: u32) -> i64 {
        let window = i128::from(self.window());
        let price = (window * i128::from(cost) + i128::from(self.requests) - 1) / i128::from(self.requests.max(1));
        i64::try_from(price).unwrap_or(i64::MAX)
    }
}

/// What a limit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Within the limit, and counted.
    Allowed,
    /// Over the limit, and not counted.
    Limited {
        /// When the same request would be allowed, if nothing else comes.
        retry_after: Duration,
    },
}

/// A store of limits that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the store of rate limits does not answer: {0}")]
pub struct Error(#[from] RedisError);

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        tracing::warn!(error = %error.0, "the store of rate limits does not answer");
        Self::unavailable("rate limits can't be checked at the moment")
    }
}

/// Counts by key, in this process or in Redis. Cheap to clone; clones share the counts.
#[derive(Clone)]
pub struct RateLimiter {
    store: Store,
    clock: Clock,
}

#[derive(Clone)]
enum Store {
    Memory(Arc<Mutex<Memory>>),
    Redis(ConnectionManager),
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.store {
            Store::Memory(_) => "RateLimiter::Memory",
            Store::Redis(_) => "RateLimiter::Redis",
        })
    }
}

impl RateLimiter {
    /// Limits where the settings say: in Redis if it is configured, otherwise in this process.
    ///
    /// # Errors
    /// If the URL is not one of Redis.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        match &settings.redis_url {
            Some(url) => Self::redis(url.expose(), clock),
            None => Ok(Self::memory(clock)),
        }
    }

    /// Limits of this process.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self { store: Store::Memory(Arc::default()), clock }
    }

    /// Limits that every process shares. Connects when first used. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// If the URL is not one of Redis.
    pub fn redis(url: &str, clock: Clock) -> Result<Self, Error> {
        Ok(Self { store: Store::Redis(redis_connection::lazy(url)?), clock })
    }

    /// Counts `cost` requests of a key, unless that would be over the limit. A cost of 0 only asks. The key must hold no
    /// personal data: hash an address or a contact.
    ///
    /// # Errors
    /// If the store does not answer. Whoever guards guesses refuses then; whoever guards load may let pass.
    pub async fn check(&self, key: &str, limit: Limit, cost: u32) -> Result<Decision, Error> {
        self.check_leaving(key, limit, cost, 0).await
    }

    /// Like [`Self::check`], for callers who can wait: it lets pass only what leaves so many requests of the limit to those who
    /// can't.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn check_leaving(&self, key: &str, limit: Limit, cost: u32, left: u32) -> Result<Decision, Error> {
        let (price, now) = (limit.price(cost), self.clock.now().micros());
        let window = limit.window() - limit.price(left);
        // More than the whole window: it would never be allowed.
        if limit.requests < cost.saturating_add(left) || limit.requests == 0 {
            let whole = u64::try_from(limit.window()).unwrap_or(0);
            return Ok(Decision::Limited { retry_after: Duration::from_micros(whole) });
        }
        let wait = match &self.store {
            Store::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).take(key, price, window, now)
            }
            Store::Redis(connection) => {
                let mut call = TAKE.key(format!("omnimesh:{{limit:{key}}}"));
                call.arg(price).arg(window).arg(now).invoke_async(&mut connection.clone()).await?
            }
        };
        Ok(match u64::try_from(wait) {
            Ok(0) | Err(_) => Decision::Allowed,
            Ok(wait) => Decision::Limited { retry_after: Duration::from_micros(wait) },
        })
    }

    /// Takes back what [`Self::check`] counted, for attempts of which only the failures count: paying first and getting it
    /// back on success lets no burst through, as asking first and paying afterwards would.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn give_back(&self, key: &str, limit: Limit, cost: u32) -> Result<(), Error> {
        let (price, now) = (limit.price(cost), self.clock.now().micros());
        match &self.store {
            Store::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).give_back(key, price, now);
            }
            Store::Redis(connection) => {
                let mut call = GIVE_BACK.key(format!("omnimesh:{{limit:{key}}}"));
                call.arg(price).arg(now).invoke_async::<()>(&mut connection.clone()).await?;
            }
        }
        Ok(())
    }

    /// Takes so much that the next request is allowed after that time: whoever the limit belongs to has said so.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn exhaust(&self, key: &str, limit: Limit, wait: Duration) -> Result<(), Error> {
        let now = self.clock.now();
        let empty_at = now.plus(wait).micros().saturating_add(limit.window() - limit.price(1));
        match &self.store {
            Store::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).exhaust(key, empty_at);
            }
            Store::Redis(connection) => {
                let mut call = EXHAUST.key(format!("omnimesh:{{limit:{key}}}"));
                call.arg(empty_at).arg(now.micros()).invoke_async::<()>(&mut connection.clone()).await?;
            }
        }
        Ok(())
    }

    /// Like [`Self::check`] for one request, as the caller of an RPC is told.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED with the time to wait; UNAVAILABLE if the store does not answer.
    pub async fn enforce(&self, key: &str, limit: Limit, what: &str) -> Result<(), Fault> {
        match self.check(key, limit, 1).await? {
            Decision::Allowed => Ok(()),
            Decision::Limited { retry_after } => {
                let Limit { requests, seconds } = limit;
                let message = format!("too many {what}: at most {requests} in {seconds} seconds are accepted");
                Err(Fault::rate_limited(message, retry_after))
            }
        }
    }
}

/// Per key the moment at which its window is empty again.
#[derive(Debug, Default)]
struct Memory {
    empty_at: HashMap<String, Timestamp>,
    sweep_at: usize,
}

impl Memory {
    /// Zero if taken, otherwise how many microseconds to wait. The same as `take.lua`.
    fn take(&mut self, key: &str, price: i64, window: i64, now: i64) -> i64 {
        let empty_at = self.empty_at.get(key).map_or(now, |at| at.micros().max(now)).saturating_add(price);
        let wait = empty_at - now - window;
        if wait > 0 {
            return wait;
        }
        if price > 0 {
            // Forgets empty windows whenever the map has doubled: a constant cost per request.
            if self.empty_at.len() >= self.sweep_at {
                self.empty_at.retain(|_, at| at.micros() > now);
                self.sweep_at = (self.empty_at.len() * 2).max(1_024);
            }
            self.empty_at.insert(key.to_owned(), Timestamp::from_micros(empty_at));
        }
        0
    }

    fn exhaust(&mut self, key: &str, empty_at: i64) {
        let held = self.empty_at.entry(key.to_owned()).or_insert(Timestamp::from_micros(empty_at));
        *held = (*held).max(Timestamp::from_micros(empty_at));
    }

    fn give_back(&mut self, key: &str, price: i64, now: i64) {
        if let Some(empty_at) = self.empty_at.get_mut(key) {
            *empty_at = Timestamp::from_micros(empty_at.micros().saturating_sub(price));
            if empty_at.micros() <= now {
                self.empty_at.remove(key);
            }
        }
    }
}

/// KEYS: the limit's key. ARGV: price, window and now in microseconds. Answers zero if taken, else microseconds to wait.
/// Microseconds of this millennium are exact in Lua's numbers.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local price, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + price
local wait = empty_at - now - window
if wait > 0 then
  return wait
end
if price > 0 then
  local left = math.ceil((empty_at - now) / 1000)
  redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', string.format('%.0f', math.max(left, 1)))
end
return 0",
    )
});

/// KEYS: the limit's key. ARGV: the moment at which its window is to be empty again, and now, in microseconds.
static EXHAUST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local empty_at, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if empty_at > math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) then
  redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', string.format('%.0f', math.ceil((empty_at - now) / 1000)))
end",
    )
});

/// KEYS: the limit's key. ARGV: price and now in microseconds.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local price, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty_at = tonumber(redis.call('GET', KEYS[1]) or '0') - price
if empty_at <= now then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', string.format('%.0f', math.ceil((empty_at - now) / 1000)))
end",
    )
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::random_token;

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_micros(1_800_000_000_000_000))
    }

    fn limited(wait: Duration) -> Decision {
        Decision::Limited { retry_after: wait }
    }

    async fn allows_the_amount_then_grows_back(limiter: RateLimiter, clock: Clock) {
        let key = random_token("test");
        let limit = Limit::new(3, 30);
        for _ in 0..3 {
            assert_eq!(limiter.check(&key, limit, 0).await.unwrap(), Decision::Allowed);
            assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        }
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(10)));
        assert_eq!(limiter.check(&random_token("test"), limit, 3).await.unwrap(), Decision::Allowed);
        clock.advance(Duration::from_secs(4));
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(6)));
        clock.advance(Duration::from_secs(6));
        assert_eq!(limiter.check(&key, limit, 2).await.unwrap(), limited(Duration::from_secs(10)));
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        assert_eq!(limiter.check(&key, limit, 4).await.unwrap(), limited(Duration::from_secs(30)));
        let fault = limiter.enforce(&key, limit, "guesses").await.unwrap_err();
        assert_eq!(fault.code(), tonic::Code::ResourceExhausted);
    }

    async fn what_is_given_back_can_be_taken_again(limiter: RateLimiter, clock: Clock) {
        let key = random_token("test");
        let limit = Limit::new(3, 30);
        limiter.give_back(&key, limit, 1).await.unwrap();
        for _ in 0..3 {
            assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        }
        limiter.give_back(&key, limit, 1).await.unwrap();
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(10)));
        // More than was taken gives no credit.
        limiter.give_back(&key, limit, 3).await.unwrap();
        limiter.give_back(&key, limit, 3).await.unwrap();
        assert_eq!(limiter.check(&key, limit, 3).await.unwrap(), Decision::Allowed);
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(30));
        assert_eq!(limiter.check(&key, limit, 3).await.unwrap(), Decision::Allowed);
    }

    async fn who_can_wait_leaves_some_to_the_others(limiter: RateLimiter, clock: Clock) {
        let (key, limit) = (random_token("test"), Limit::new(4, 40));
        for _ in 0..2 {
            assert_eq!(limiter.check_leaving(&key, limit, 1, 2).await.unwrap(), Decision::Allowed);
        }
        assert_eq!(limiter.check_leaving(&key, limit, 1, 2).await.unwrap(), limited(Duration::from_secs(10)));
        for _ in 0..2 {
            assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        }
        assert_eq!(limiter.check_leaving(&key, limit, 1, 4).await.unwrap(), limited(Duration::from_secs(40)));
        // Whoever the limit belongs to says to wait: longer than our own count of it, or shorter and it stays.
        limiter.exhaust(&key, limit, Duration::from_secs(5)).await.unwrap();
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(10)));
        limiter.exhaust(&key, limit, Duration::from_secs(60)).await.unwrap();
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(60)));
        clock.advance(Duration::from_secs(60));
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), Decision::Allowed);
        assert_eq!(limiter.check(&key, limit, 1).await.unwrap(), limited(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn memory_leaves_some_to_the_others() {
        let clock = clock();
        who_can_wait_leaves_some_to_the_others(RateLimiter::memory(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn redis_leaves_some_to_the_others() {
        let clock = clock();
        who_can_wait_leaves_some_to_the_others(redis(clock.clone()), clock).await;
    }

    async fn concurrent_requests_share_one_amount(limiter: RateLimiter) {
        let key = random_token("test");
        let tries = (0..64).map(|_| limiter.check(&key, Limit::new(10, 60), 1));
        let decisions = futures::future::try_join_all(tries).await.unwrap();
        assert_eq!(decisions.iter().filter(|decision| **decision == Decision::Allowed).count(), 10);
    }

    #[tokio::test]
    async fn memory_allows_the_amount_then_grows_back() {
        let clock = clock();
        allows_the_amount_then_grows_back(RateLimiter::memory(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn memory_gives_back() {
        let clock = clock();
        what_is_given_back_can_be_taken_again(RateLimiter::memory(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn redis_gives_back() {
        let clock = clock();
        what_is_given_back_can_be_taken_again(redis(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn memory_shares_one_amount() {
        concurrent_requests_share_one_amount(RateLimiter::memory(clock())).await;
    }

    #[tokio::test]
    async fn redis_allows_the_amount_then_grows_back() {
        let clock = clock();
        allows_the_amount_then_grows_back(redis(clock.clone()), clock).await;
    }

    #[tokio::test]
    async fn redis_shares_one_amount() {
        concurrent_requests_share_one_amount(redis(clock())).await;
    }

    fn redis(clock: Clock) -> RateLimiter {
        RateLimiter::redis(&redis_connection::test_url(), clock).unwrap()
    }

    #[test]
    fn empty_windows_are_forgotten() {
        let mut memory = Memory::default();
        for second in 0..100_000 {
            memory.take(&format!("{second}"), 1, 10, second * 1_000);
        }
        assert!(memory.empty_at.len() <= 2_048, "{}", memory.empty_at.len());
    }

    proptest! {
        /// Over any stretch of time, at most the amount at once and what grew back since.
        #[test]
        fn never_more_than_the_limit(
            requests in 1u32..20,
            seconds in 1u32..100,
            steps in prop::collection::vec((0i64..5_000_000, 1u32..4), 1..200),
        ) {
            let limit = Limit::new(requests, seconds);
            let mut memory = Memory::default();
            let (mut now, mut taken) = (0i64, 0i128);
            for (step, cost) in steps {
                now += step;
                if cost <= requests && memory.take("k", limit.price(cost), limit.window(), now) == 0 {
                    taken += i128::from(cost);
                }
                let most = i128::from(requests) + i128::from(now) * i128::from(requests) / i128::from(limit.window());
                prop_assert!(taken <= most, "{taken} of {most} at {now}");
            }
        }
    }
}
