//! Pure rules: no database, no network, time and randomness come in as arguments.

pub(crate) mod identifier;
pub(crate) mod timeline;
