//! Pure rules: no database, no network, time and randomness come in as arguments.

pub(crate) mod api_key;
pub(crate) mod handoff;
pub(crate) mod session;
pub(crate) mod verification;
