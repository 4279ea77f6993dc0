//! The section `[profiles]` of the settings.

use omnimesh_kit::config;
use serde::{Deserialize, Serialize};

/// How customers are told apart, and what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSettings {}

impl ProfilesSettings {
    pub(crate) fn check(&self) -> Result<(), config::Error> {
        Ok(())
    }
}
