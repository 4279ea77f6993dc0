//! Pure rules: no database, no network, time and randomness come in as arguments.

pub(crate) mod consent;
pub(crate) mod forest;
pub(crate) mod identifier;
pub(crate) mod limits;
pub(crate) mod matching;
pub(crate) mod record;
pub(crate) mod search;
pub(crate) mod terms;
pub(crate) mod timeline;
