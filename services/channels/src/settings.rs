//! The section `[channels]` of the settings.

use std::time::Duration;

use omnimesh_kit::config;
use serde::{Deserialize, Serialize};

/// How often marketplaces are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelsSettings {
    /// Seconds from one pull of an account to the next.
    pub pull_seconds: u64,
    /// Seconds after which a marketplace shows what it was told: what is in doubt is settled by a pull that began later.
    pub settle_seconds: u64,
}

impl Default for ChannelsSettings {
    fn default() -> Self {
        Self { pull_seconds: 60, settle_seconds: 15 }
    }
}

impl ChannelsSettings {
    pub(crate) fn check(&self) -> Result<(), config::Error> {
        let numbers = [("pull_seconds", self.pull_seconds), ("settle_seconds", self.settle_seconds)];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((name, _)) => Err(config::Error::at(format!("channels.{name}"), "must be at least 1")),
            None => Ok(()),
        }
    }

    pub(crate) const fn pull_every(&self) -> Duration {
        Duration::from_secs(self.pull_seconds)
    }

    pub(crate) const fn settle_after(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }
}
