//! The connection that live sessions and limits share the shape of: multiplexed, made when first used, and again when lost.

use std::time::Duration;

use redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

/// A connection that does not exist until it is used. Must be called within a Tokio runtime.
pub(crate) fn lazy(url: &str) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(Duration::from_secs(2)))
        .set_connection_timeout(Some(Duration::from_secs(2)))
        .set_number_of_retries(1);
    Client::open(url)?.get_connection_manager_lazy(config)
}

/// Where the tests find Redis. Without it they fail: a skipped test proves nothing.
#[cfg(test)]
pub(crate) fn test_url() -> String {
    std::env::var("OMNIMESH_TEST_REDIS_URL")
        .expect("OMNIMESH_TEST_REDIS_URL names the Redis of this test, such as redis://127.0.0.1:6379")
}
