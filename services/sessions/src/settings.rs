//! The section `[sessions]` of the settings.

use omnimesh_kit::{config, ratelimit::Limit};
use serde::{Deserialize, Serialize};

/// How long sessions last and how many codes are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsSettings {
    /// Hours until a session on a customer's own device ends.
    pub personal_hours: u32,
    /// Hours until a session on a shared device ends.
    pub shared_hours: u32,
    /// Seconds without use after which a session on a kiosk or store tablet ends.
    pub shared_idle_seconds: u32,
    /// Seconds without use after which a session at a till ends: an associate may be packing.
    pub till_idle_seconds: u32,
    /// One-time codes to one address.
    pub codes_per_address: Limit,
    /// One-time codes that one session may ask for.
    pub codes_per_session: Limit,
    /// Offers to hand over that one session may make.
    pub handoffs_per_session: Limit,
    /// Failed claims of one claimer, after which it has to wait.
    pub claim_failures_per_claimer: Limit,
    /// Failed claims by typed codes of all claimers together, after which all have to wait.
    pub claim_failures_in_all: Limit,
}

impl Default for SessionsSettings {
    fn default() -> Self {
        Self {
            personal_hours: 30 * 24,
            shared_hours: 12,
            shared_idle_seconds: 60,
            till_idle_seconds: 15 * 60,
            codes_per_address: Limit::new(5, 3_600),
            codes_per_session: Limit::new(10, 3_600),
            handoffs_per_session: Limit::new(20, 3_600),
            claim_failures_per_claimer: Limit::new(5, 600),
            // With 10,000 offers open, this finds one in 20 years.
            claim_failures_in_all: Limit::new(100, 600),
        }
    }
}

impl SessionsSettings {
    pub(crate) fn check(&self) -> Result<(), config::Error> {
        let least = |limit: Limit| limit.requests.min(limit.seconds);
        let numbers = [
            ("personal_hours", self.personal_hours),
            ("shared_hours", self.shared_hours),
            ("shared_idle_seconds", self.shared_idle_seconds),
            ("till_idle_seconds", self.till_idle_seconds),
            ("codes_per_address", least(self.codes_per_address)),
            ("codes_per_session", least(self.codes_per_session)),
            ("handoffs_per_session", least(self.handoffs_per_session)),
            ("claim_failures_per_claimer", least(self.claim_failures_per_claimer)),
            ("claim_failures_in_all", least(self.claim_failures_in_all)),
        ];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((name, _)) => Err(config::Error::at(format!("sessions.{name}"), "must be at least 1")),
            None => Ok(()),
        }
    }
}
