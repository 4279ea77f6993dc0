//! Whose claims are: how records become profiles, and profiles customers.
//!
//! Each profile is a node that keeps what came to it; a merge is an edge; what hangs together is a customer, which the oldest
//! verified profile of it stands for. All functions here work within the caller's transaction.

pub(crate) mod erased;
pub(crate) mod evidence;
pub(crate) mod file;
pub(crate) mod fold;
pub(crate) mod join;
pub(crate) mod split;
pub(crate) mod suggestions;
mod values;

use uuid::Uuid;

use crate::{domain::identifier::Identifier, rpc::Inner};

/// How often to begin anew when others changed meanwhile what was read.
pub(crate) const TRIES: u32 = 6;

/// [`omnimesh_kit::once!`], begun anew when others changed meanwhile what was read.
macro_rules! settle {
    ($db:expr, $once:expr, $tx:ident => $body:block) => {{
        let mut left = $crate::identity::TRIES;
        loop {
            left -= 1;
            let reply: Result<omnimesh_kit::idempotency::Reply<_>, $crate::error::Error> =
                omnimesh_kit::once!($db, $once, $tx => $body);
            match reply {
                Err($crate::error::Error::Raced) if left > 0 => {}
                done => break done,
            }
        }
    }};
}
pub(crate) use settle;

impl Inner {
    /// By what an identifier is found: a keyed hash.
    pub(crate) fn hash(&self, identifier: &Identifier) -> Uuid {
        self.keyed("identifier", &[&identifier.kind.to_be_bytes(), identifier.value.as_bytes()])
    }

    /// The first 16 bytes of a keyed hash.
    pub(crate) fn keyed(&self, purpose: &'static str, parts: &[&[u8]]) -> Uuid {
        let hash = self.secrets.mac(purpose, parts);
        Uuid::from_slice(hash.get(..16).unwrap_or_default()).unwrap_or_default()
    }
}
