//! Weighing what agrees: the sum of all terms is the evidence.

use super::{
    compare::Findings,
    frequency::Rarity,
    level::{Evidence, Level, Term, TermKind},
    person::Features,
    weights,
};

/// Whether a record counts for the new one's name or one like it.
pub(super) fn is_named(level: Level) -> bool {
    matches!(level, Level::Same | Level::Similar | Level::VerySimilar | Level::SameWithoutMiddle | Level::Handle)
}

/// Evidence for two records being of one person.
#[must_use]
#[cfg(test)]
pub(crate) fn score(new: &Features, other: &Features, frequencies: &super::frequency::Frequencies) -> Evidence {
    let findings = Findings::of(new, other);
    let own = u64::from(is_named(findings.level(TermKind::Name)));
    evidence(&findings, frequencies.rarity(new).without(own), frequencies.records())
}

pub(super) fn evidence(findings: &Findings, rarity: Rarity, records: u64) -> Evidence {
    let mut terms =
        vec![Term { kind: TermKind::Prior, level: Level::Different, rarity: 0, weight: weights::prior(records) }];
    let household = matches!(findings.level(TermKind::Name), Level::GivenDiffers | Level::Different);
    terms.extend(findings.0.iter().filter(|(_, level)| *level != Level::Missing).map(|(kind, level)| {
        let mut term = term(*kind, *level, rarity);
        if household {
            term.weight -= weights::household_discount(*kind, *level);
        }
        term
    }));
    Evidence::new(terms)
}

impl Findings {
    /// Takes of each field the level that weighs more.
    pub(super) fn improve(&mut self, other: &Self, rarity: Rarity) {
        for ((kind, level), (_, other)) in self.0.iter_mut().zip(other.0) {
            let better = term(*kind, other, rarity).weight > term(*kind, *level, rarity).weight;
            if other != Level::Missing && (*level == Level::Missing || better) {
                *level = other;
            }
        }
    }
}

fn term(kind: TermKind, level: Level, rarity: Rarity) -> Term {
    let rarity = if kind == TermKind::Name { weights::rarity_of(level, rarity) } else { 0 };
    Term { kind, level, rarity, weight: weights::weight(kind, level, rarity) }
}

/// Whether two records can't be one person though an identifier of both is equal: a card lent out or typed wrong. By the name,
/// where both have one, unless date of birth, phone or e-mail agree.
#[must_use]
pub(crate) fn contradict(a: &Features, b: &Features) -> bool {
    let findings = Findings::of(a, b);
    let agrees = |kind| matches!(findings.level(kind), Level::Same | Level::SameCommon | Level::Similar);
    matches!(findings.level(TermKind::Name), Level::GivenDiffers | Level::Different)
        && ![TermKind::BirthDate, TermKind::Phone, TermKind::Email].into_iter().any(agrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::matching::{Frequencies, Person};

    #[test]
    fn evidence_is_told_term_by_term_and_adds_up() {
        let of = |name: &str| {
            Features::of(&Person {
                name: name.into(),
                phones: vec!["0532 418 27 63".into()],
                address: "Gazi Mah. Okul Sk. No:12/3".into(),
                ..Person::default()
            })
        };
        let (a, b) = (of("Ayşe Kaya"), of("Ali Kaya"));
        let evidence = score(&a, &b, &Frequencies::new(5000));
        let level = |kind| evidence.terms.iter().find(|term| term.kind == kind).map(|term| term.level);
        assert_eq!(level(TermKind::Name), Some(Level::GivenDiffers));
        assert_eq!((level(TermKind::Phone), level(TermKind::Address)), (Some(Level::Same), Some(Level::SameHome)));
        assert_eq!(evidence.terms.iter().map(|term| term.weight).sum::<i32>(), evidence.total);
    }
}
