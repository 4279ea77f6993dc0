//! How often anyone may call: per key, per session, and per address where codes could be guessed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_kit::{auth::Identity, config, error::Fault, ratelimit::RateLimiter, secrets::Secrets};
use omnimesh_proto::access::v1::Audience;
use tonic::Code;

use crate::client::Client;

/// The limits of the settings, counted where all gateways count.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    limits: config::Limits,
    counts: RateLimiter,
    secrets: Secrets,
}

impl Limits {
    pub(crate) fn new(limits: &config::Limits, counts: RateLimiter, secrets: Secrets) -> Self {
        Self { limits: limits.clone(), counts, secrets }
    }

    /// Counts a call that starts a session or tries a code.
    ///
    /// Gives by what services count the guesses of this address themselves.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED, and UNAVAILABLE if nobody can count: guesses are not let through uncounted.
    pub(crate) async fn address(&self, client: Client) -> Result<String, Fault> {
        let hash = self.hash(client);
        let key = format!("gateway:address:{hash}");
        self.counts.enforce(&key, self.limits.per_address, "attempts from this address").await?;
        Ok(hash)
    }

    /// Counts a call of a key, a session or a staff member. Load is not refused for want of a counter.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED.
    pub(crate) async fn principal(&self, identity: &Identity) -> Result<(), Fault> {
        let (limit, what) = match identity.audience() {
            Audience::Customer => (self.limits.per_session, "calls of this session"),
            Audience::Staff => (self.limits.per_session, "calls of this staff member"),
            _ => (self.limits.per_key, "calls of this key"),
        };
        let key = format!("gateway:caller:{}:{}", identity.audience, identity.subject);
        match self.counts.enforce(&key, limit, what).await {
            Err(fault) if fault.code() == Code::Unavailable => {
                tracing::warn!("calls are not counted");
                Ok(())
            }
            counted => counted,
        }
    }

    /// Addresses are personal data: only their keyed hash leaves this process.
    fn hash(&self, client: Client) -> String {
        URL_SAFE_NO_PAD.encode(self.secrets.mac("gateway-address-limit", &[client.bucket().to_string().as_bytes()]))
    }
}
