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
        }
    }
}

impl SessionsSettings {
    pub(crate) fn check(&self) -> Result<(), config::Error> {
        let numbers = [
            ("personal_hours", self.personal_hours),
            ("shared_hours", self.shared_hours),
            ("shared_idle_seconds", self.shared_idle_seconds),
            ("till_idle_seconds", self.till_idle_seconds),
            ("codes_per_address", self.codes_per_address.requests.min(self.codes_per_address.seconds)),
            ("codes_per_session", self.codes_per_session.requests.min(self.codes_per_session.seconds)),
        ];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((name, _)) => Err(config::Error::at(format!("sessions.{name}"), "must be at least 1")),
            None => Ok(()),
        }
    }
}
