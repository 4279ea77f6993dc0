//! Field by field: how far two records agree.

use super::{
    email::Email,
    level::{Level, TermKind},
    person::Features,
    phone::Phone,
};

/// What was found on each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Findings(pub(super) [(TermKind, Level); 8]);

impl Findings {
    /// Compares two records.
    pub(super) fn of(a: &Features, b: &Features) -> Self {
        Self([
            (TermKind::Name, name(a, b)),
            (TermKind::Phone, best(&a.phones, &b.phones, phone)),
            (TermKind::Email, email(a, b)),
            (TermKind::Address, a.address.compare(&b.address)),
            (TermKind::BirthDate, birth_date(a, b)),
            (TermKind::Card, best(&a.cards, &b.cards, |a, b| number(a, b))),
            (TermKind::Account, account(a, b)),
            (TermKind::OtherId, best(&a.other_ids, &b.other_ids, |a, b| number(a, b))),
        ])
    }

    /// Changes the level of a field.
    pub(super) fn set(&mut self, kind: TermKind, level: Level) {
        self.0.iter_mut().filter(|(of, _)| *of == kind).for_each(|(_, of)| *of = level);
    }

    /// The level of a field.
    pub(super) fn level(&self, kind: TermKind) -> Level {
        self.0.iter().find(|(of, _)| *of == kind).map_or(Level::Missing, |(_, level)| *level)
    }
}

fn name(a: &Features, b: &Features) -> Level {
    let level = a.name.compare(&b.name);
    let weak = matches!(
        level,
        Level::Missing
            | Level::GivenOnly
            | Level::SurnameOnly
            | Level::Initials
            | Level::GivenAndInitial
            | Level::InitialAndSurname
    );
    // Handles say nothing new of two full names.
    let spelled = |a: &Features, b: &Features| a.handles.iter().any(|letters| b.name.agrees_with_letters(letters));
    if weak && (spelled(a, b) || spelled(b, a)) { Level::Handle } else { level }
}

fn phone(a: &Phone, b: &Phone) -> Level {
    match (a, b) {
        (Phone::Number(a), Phone::Number(b)) if a == b => Level::Same,
        (Phone::Number(a), Phone::Number(b)) if a.len() == b.len() && strsim::osa_distance(a, b) <= 1 => Level::Similar,
        (Phone::Number(_), Phone::Number(_)) => Level::Different,
        (Phone::Number(number), Phone::Masked(end)) | (Phone::Masked(end), Phone::Number(number)) => {
            if number.ends_with(end.as_str()) { Level::MaskAgrees } else { Level::MaskDiffers }
        }
        (Phone::Masked(a), Phone::Masked(b)) => {
            if a.ends_with(b.as_str()) || b.ends_with(a.as_str()) {
                Level::MaskAgrees
            } else {
                Level::MaskDiffers
            }
        }
    }
}

fn email(a: &Features, b: &Features) -> Level {
    best(&a.emails, &b.emails, |x, y| match (x, y) {
        (Email::Address { local, domain }, Email::Address { local: other, domain: other_domain }) => {
            let same_domain = domain == other_domain;
            if local == other && same_domain {
                return if [a, b].iter().any(|f| f.name.agrees_with_letters(local)) {
                    Level::SameCommon
                } else {
                    Level::Same
                };
            }
            let slip = local.len().min(other.len()) >= 6 && strsim::osa_distance(local, other) <= 1;
            if (same_domain && slip) || (local == other && local.len() >= 6) {
                Level::Similar
            } else {
                Level::Different
            }
        }
        (Email::Masked { start, domain }, Email::Address { local, domain: other })
        | (Email::Address { local, domain: other }, Email::Masked { start, domain }) => {
            if domain == other && local.starts_with(start.as_str()) { Level::MaskAgrees } else { Level::MaskDiffers }
        }
        (Email::Masked { start, domain }, Email::Masked { start: other, domain: other_domain }) => {
            if domain == other_domain && start == other { Level::MaskAgrees } else { Level::MaskDiffers }
        }
        (Email::Alias(x), Email::Alias(y)) if a.source == b.source => {
            if x == y {
                Level::AliasSame
            } else {
                Level::AliasDiffers
            }
        }
        (Email::Alias(_), _) | (_, Email::Alias(_)) => Level::Missing,
    })
}

fn birth_date(a: &Features, b: &Features) -> Level {
    let (Some(a), Some(b)) = (a.birth_date, b.birth_date) else { return Level::Missing };
    match () {
        () if a == b => Level::Same,
        () if a == b.swapped() => Level::Swapped,
        () if a.is_near(b) => Level::Similar,
        () => Level::Different,
    }
}

fn account(a: &Features, b: &Features) -> Level {
    if a.account.is_empty() || b.account.is_empty() || a.source != b.source {
        return Level::Missing;
    }
    if a.account == b.account { Level::Same } else { Level::Different }
}

fn number(a: &str, b: &str) -> Level {
    match () {
        () if a == b => Level::Same,
        () if strsim::osa_distance(a, b) <= 1 => Level::Similar,
        () => Level::Different,
    }
}

/// The best of all pairs, in the order of the vocabulary of values; missing if one side has none.
fn best<T>(a: &[T], b: &[T], compare: impl Fn(&T, &T) -> Level) -> Level {
    let rank = |level: &Level| match level {
        Level::Same => 0,
        Level::SameCommon | Level::AliasSame => 1,
        Level::Similar => 2,
        Level::MaskAgrees => 3,
        Level::Missing => 6,
        Level::MaskDiffers | Level::AliasDiffers => 5,
        _ => 4,
    };
    a.iter()
        .flat_map(|x| b.iter().map(|y| compare(x, y)).collect::<Vec<_>>())
        .min_by_key(rank)
        .unwrap_or(Level::Missing)
}
