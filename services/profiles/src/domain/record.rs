//! Claims, read and weighed, before it is known whose they are.

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::profiles::v1::{Claims, IdentifierStrength};
use prost::Message as _;
use uuid::Uuid;

use super::{identifier::Identifier, matching::Person};

/// An identifier as a record holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// A keyed hash of type and value; of masked ones also of the account they are good within.
    pub(crate) hash: Uuid,
    pub(crate) identifier: Identifier,
    pub(crate) strength: IdentifierStrength,
}

impl Held {
    /// Whether it decides whose a record is.
    pub(crate) fn is_proved(&self) -> bool {
        self.strength == IdentifierStrength::VerifiedUnique
    }
}

/// How far a record's source is trusted, for what a profile shows first. Stored: the order counts, and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Trust {
    /// Guests, partners and marketplaces.
    Anyone = 0,
    /// Systems of the retailer's own that pass on what people said.
    Own = 1,
    /// Systems of the retailer's own that know whom they speak of.
    Asserted = 2,
    /// The customer.
    Customer = 3,
}

/// Claims of one source.
#[derive(Clone)]
pub(crate) struct Record {
    /// A keyed hash of all of it: the same content is recorded once.
    pub(crate) content: Uuid,
    /// A keyed hash of channel, account and reference; `None` without a reference.
    pub(crate) source: Option<Uuid>,
    pub(crate) channel: i32,
    pub(crate) account_id: String,
    pub(crate) customer_ref: String,
    /// The contract's form, encoded.
    pub(crate) claims: Vec<u8>,
    pub(crate) trust: Trust,
    pub(crate) occurred_at: Timestamp,
    /// Sorted by hash, each once.
    pub(crate) held: Vec<Held>,
    pub(crate) person: Person,
    /// E-mail addresses and phones of the person, as written, with their hashes.
    pub(crate) said: Vec<(String, Uuid)>,
    /// Whether evidence may merge what it says with others, where that is switched on. Not what customers say of themselves:
    /// whoever types another's name and address would be let in.
    pub(crate) may_merge: bool,
    /// The customers themselves proved it: they come back after an erasure.
    pub(crate) by_customer: bool,
}

impl Record {
    /// What was claimed.
    pub(crate) fn said_of(&self) -> Claims {
        Claims::decode(self.claims.as_slice()).unwrap_or_default()
    }
}
