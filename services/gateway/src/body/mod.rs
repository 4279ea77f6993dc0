//! The bodies that pass the gateway: requests are watched, answers always end with a status.

mod settled;
mod watched;

use std::sync::{Arc, OnceLock};

use omnimesh_kit::error::Fault;

pub(crate) use settled::{Recheck, code_in, refuse, settle};
pub(crate) use watched::{Watched, broken, too_slow};

/// What the gateway found wrong with a request while it passed. It wins over whatever the service made of the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<OnceLock<Fault>>);

impl Verdict {
    /// The first one stands.
    pub(crate) fn set(&self, fault: Fault) -> Fault {
        self.0.get_or_init(|| fault).clone()
    }

    pub(crate) fn get(&self) -> Option<Fault> {
        self.0.get().cloned()
    }
}
