//! Evidence that is not a key: how likely two records are of one person, after Fellegi and Sunter ("A Theory for Record
//! Linkage", 1969).
//!
//! Each record is resolved when it comes, against what came before: its index keys lead to candidates, each field of which is
//! compared, and the degrees of agreement add up to evidence in bits. Pure: the store keeps features, postings and counts.

mod address;
mod birth_date;
mod compare;
mod decide;
mod email;
mod frequency;
mod keys;
mod level;
mod name;
mod person;
mod phone;
mod score;
mod text;
mod weights;

pub(crate) use decide::{Candidate, Decision, Link, Rules, decide};
pub(crate) use frequency::Frequencies;
pub(crate) use keys::Key;
pub(crate) use level::{Level, Term, TermKind};
pub(crate) use person::{Features, Person};
pub(crate) use score::contradict;
