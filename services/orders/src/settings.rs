//! The section `[orders]` of the settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long things wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdersSettings {
    /// Minutes in which an order must be paid or authorized; then it expires.
    pub payment_minutes: u64,
    /// Days for which goods wait in the store.
    pub pickup_days: u64,
    /// Seconds for which a draft belongs to the call that made it; then the sweeper drives it on.
    pub draft_seconds: u64,
    /// Seconds after which a draft that can't be driven on is cancelled.
    pub draft_abandon_seconds: u64,
    /// Seconds between two rounds of the sweeper.
    pub sweep_seconds: u64,
}

impl Default for OrdersSettings {
    fn default() -> Self {
        Self { payment_minutes: 30, pickup_days: 7, draft_seconds: 30, draft_abandon_seconds: 300, sweep_seconds: 5 }
    }
}

impl OrdersSettings {
    /// How long an order waits for its payment.
    #[must_use]
    pub const fn payment_time(&self) -> Duration {
        Duration::from_secs(self.payment_minutes * 60)
    }

    /// How long goods wait in the store.
    #[must_use]
    pub const fn pickup_time(&self) -> Duration {
        Duration::from_secs(self.pickup_days * 86_400)
    }

    /// How long a draft belongs to its driver.
    #[must_use]
    pub const fn draft_time(&self) -> Duration {
        Duration::from_secs(self.draft_seconds)
    }
}
