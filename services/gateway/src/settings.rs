//! The gateway's own section of the settings: `[gateway]`, `OMNIMESH_GATEWAY__*`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the edge treats connections and calls. What callers may use stands in the mesh's `limits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Connections at the same time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Calls at the same time on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Calls at the same time in this process, those included whose message is still on its way; streams count until their
    /// answer begins. How many are handled at the same time the load decides, see `server.max_concurrent_calls`.
    pub max_concurrent_calls: usize,
    /// The largest head of a request, in bytes; at least 8192.
    pub max_header_bytes: u32,
    /// Milliseconds in which a client must have sent the head of its request, and finished its TLS handshake.
    pub header_timeout_ms: u64,
    /// Milliseconds in which a client must have sent its message, unless the client streams.
    pub body_timeout_ms: u64,
    /// Milliseconds between two looks at whether the caller of an open stream is still welcome. With the time a look takes
    /// a revocation ends streams within 30 s.
    pub recheck_ms: u64,
    /// Milliseconds for which a loaded API key is believed; at most 10000. Revocation is seen that much later.
    pub key_cache_ms: u64,
    /// Seconds between two pings on an HTTP/2 connection.
    pub keepalive_seconds: u64,
    /// Whether the `traceparent` that clients send is continued. Otherwise each call is a trace of its own, linked to it.
    pub trust_trace_context: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_streams_per_connection: 200,
            max_concurrent_calls: 4_096,
            max_header_bytes: 16 * 1024,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            recheck_ms: 25_000,
            key_cache_ms: 5_000,
            keepalive_seconds: 20,
            trust_trace_context: false,
        }
    }
}

impl GatewaySettings {
    /// What is wrong with the values: the key and what would be accepted.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let checks = [
            (self.max_connections > 0, "gateway.max_connections", "must be at least 1"),
            (self.max_streams_per_connection > 0, "gateway.max_streams_per_connection", "must be at least 1"),
            (self.max_concurrent_calls > 0, "gateway.max_concurrent_calls", "must be at least 1"),
            (
                (8_192..=1 << 20).contains(&self.max_header_bytes),
                "gateway.max_header_bytes",
                "must be from 8192 to 1048576",
            ),
            (self.header_timeout_ms > 0, "gateway.header_timeout_ms", "must be at least 1"),
            (self.body_timeout_ms > 0, "gateway.body_timeout_ms", "must be at least 1"),
            (self.recheck_ms > 0, "gateway.recheck_ms", "must be at least 1"),
            (self.key_cache_ms <= 10_000, "gateway.key_cache_ms", "must be at most 10000"),
            (self.keepalive_seconds > 0, "gateway.keepalive_seconds", "must be at least 1"),
        ];
        checks.into_iter().filter(|(fine, ..)| !fine).map(|(_, key, text)| (key, text)).collect()
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) fn recheck(&self) -> Duration {
        Duration::from_millis(self.recheck_ms)
    }
}
