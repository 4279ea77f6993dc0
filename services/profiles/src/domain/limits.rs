//! Veto: two customers who were proved different ones of what a person has one of are two people.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::identifier::Identifier;

/// What a customer was proved of the types that a person has a limited number of: by type and realm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limited(BTreeMap<(i32, String), BTreeSet<Uuid>>);

impl Limited {
    /// Notes one.
    pub(crate) fn add(&mut self, kind: i32, value: &str, hash: Uuid) {
        self.0.entry((kind, Identifier::realm(kind, value).to_owned())).or_default().insert(hash);
    }

    /// Takes in another customer's.
    pub(crate) fn join(&mut self, other: Self) {
        for (key, hashes) in other.0 {
            self.0.entry(key).or_default().extend(hashes);
        }
    }

    /// Whether the two can't be one person. What one of them has too many of already (somebody decided so) says nothing anew.
    pub(crate) fn vetoes(&self, other: &Self, limit: impl Fn(i32) -> Option<usize>) -> bool {
        self.0.iter().any(|(key, own)| {
            let Some(others) = other.0.get(key) else { return false };
            let most = limit(key.0).unwrap_or(usize::MAX).max(own.len()).max(others.len());
            own.union(others).count() > most
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(kind: i32, value: &str) -> Uuid {
        let mut bytes = [0; 16];
        for (slot, byte) in bytes.iter_mut().zip(format!("{kind} {value}").bytes().rev()) {
            *slot = byte;
        }
        Uuid::from_bytes(bytes)
    }

    fn limited(all: &[(i32, &str)]) -> Limited {
        let mut limited = Limited::default();
        for (kind, value) in all {
            limited.add(*kind, value, hash(*kind, value));
        }
        limited
    }

    #[test]
    fn different_ones_of_a_kind_veto() {
        // 3 is an OIDC subject, 4 a loyalty card, 5 a login.
        for (one, other, vetoes) in [
            (&[(4, "A")][..], &[(4, "B")][..], true),
            (&[(4, "A")], &[(4, "A")], false),
            (&[(4, "A")], &[(3, "https://x a")], false),
            (&[], &[(4, "A")], false),
            (&[(3, "https://x a")], &[(3, "https://y a")], false),
            (&[(3, "https://x a")], &[(3, "https://x b")], true),
            (&[(5, "WEB 1")], &[(5, "WEB 2")], false),
            // Somebody decided that A and B are one's.
            (&[(4, "A"), (4, "B")], &[(4, "B")], false),
            (&[(4, "A"), (4, "B")], &[(4, "C")], true),
        ] {
            let limit = |kind| (kind != 5).then_some(1);
            assert_eq!(limited(one).vetoes(&limited(other), limit), vetoes, "{one:?} {other:?}");
            assert_eq!(limited(other).vetoes(&limited(one), limit), vetoes, "{other:?} {one:?}");
        }
    }
}
