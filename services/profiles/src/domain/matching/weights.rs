//! What each degree of agreement weighs.

use super::{
    keys::Rarity,
    level::{Level, Level::*, TermKind},
};

/// A name's agreement counts by what agrees of it: its rarity is the Fellegi-Sunter frequency adjustment.
pub(super) fn rarity_of(level: Level, rarity: Rarity) -> i32 {
    match level {
        Same | Similar | VerySimilar | SameWithoutMiddle | MiddleDiffers | Handle => rarity.whole,
        GivenAndInitial | GivenOnly | SurnameDiffers => rarity.given,
        InitialAndSurname | SurnameOnly => rarity.surname,
        _ => 0,
    }
}

/// Centibits for or against.
pub(super) fn weight(kind: TermKind, level: Level, rarity: i32) -> i32 {
    let (base, percent) = match kind {
        TermKind::Name => match level {
            Same => (-280, 105),
            Similar => (-360, 105),
            SameWithoutMiddle => (-550, 105),
            VerySimilar => (-470, 105),
            MiddleDiffers => (-720, 85),
            Handle => (-890, 105),
            GivenAndInitial => (-30, 90),
            InitialAndSurname => (340, 30),
            GivenOnly => (-70, 90),
            SurnameOnly => (190, 30),
            Initials => (300, 0),
            GivenDiffers => (-650, 0),
            SurnameDiffers => (-140, 30),
            Different => (-1150, 0),
            _ => (0, 0),
        },
        TermKind::Phone => match level {
            Same => (900, 0),
            Similar => (840, 0),
            MaskAgrees => (630, 0),
            MaskDiffers => (-1090, 0),
            Different => (-780, 0),
            _ => (0, 0),
        },
        TermKind::Email => match level {
            Same => (630, 0),
            SameCommon => (650, 0),
            Similar => (30, 0),
            AliasSame => (1300, 0),
            AliasDiffers => (-500, 0),
            MaskAgrees => (340, 0),
            MaskDiffers => (-430, 0),
            Different => (-270, 0),
            _ => (0, 0),
        },
        TermKind::Address => match level {
            SameHome => (470, 0),
            SameHouse => (520, 0),
            SameStreet => (310, 0),
            SimilarStreet => (500, 0),
            SameStreetElsewhere => (300, 0),
            OtherHome => (200, 0),
            OtherHouse => (100, 0),
            OtherStreet => (-250, 0),
            SamePlace => (280, 0),
            OtherPlace => (-600, 0),
            _ => (0, 0),
        },
        TermKind::BirthDate => match level {
            Same => (920, 0),
            Swapped => (890, 0),
            Similar => (500, 0),
            Different => (-750, 0),
            _ => (0, 0),
        },
        TermKind::Card => match level {
            Same => (1230, 0),
            Similar => (1300, 0),
            Different => (-1500, 0),
            _ => (0, 0),
        },
        TermKind::Account => match level {
            Same => (1610, 0),
            Different => (-380, 0),
            _ => (0, 0),
        },
        TermKind::OtherId => match level {
            Same => (2300, 0),
            Similar => (1500, 0),
            Different => (-50, 0),
            _ => (0, 0),
        },
        TermKind::Prior => (0, 0),
    };
    base + rarity * percent / 100
}

/// What a household shares says less of two people with different given names than it says otherwise.
pub(super) fn household_discount(kind: TermKind, level: Level) -> i32 {
    match (kind, level) {
        (TermKind::Phone, Same) => 190,
        (TermKind::BirthDate, Same) => -500,
        (TermKind::Address, SameHome | SameHouse | SameStreet | OtherHome) => 100,
        _ => 0,
    }
}

/// Evidence against any two records being one person's: the more people, the rarer it is.
pub(super) fn prior(records: u64) -> i32 {
    -630 - super::keys::bits(records.saturating_add(1000)) + super::keys::bits(5000)
}
