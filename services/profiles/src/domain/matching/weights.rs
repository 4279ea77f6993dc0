//! What each degree of agreement weighs.
//!
//! Weights are logarithms of odds (to base 2, in hundredths: Fellegi and Sunter's log(m/u)), fitted together rather than one by
//! one, since fields depend on each other: by logistic regression over pairs of a record and a customer that an index key led to,
//! with one indicator a level, a slope for the rarity of names, and a ridge towards estimates made by hand. The pairs come from
//! 5,000 labelled synthetic records of Turkish and Australian customers over nine channels and from FEBRL's data set 2. Levels
//! with few examples were then put in order by hand (a flat says no less than a house, a house no less than a street), and so were
//! the numbers beyond loyalty cards, of which only FEBRL has any.

use super::{
    frequency::{Rarity, bits},
    level::{Level, Level::*, TermKind},
};

/// A name's agreement counts by what agrees of it: its rarity is the Fellegi-Sunter frequency adjustment.
pub(super) fn rarity_of(level: Level, rarity: Rarity) -> i32 {
    match level {
        Same | SameWithoutMiddle | MiddleDiffers | Handle => rarity.whole(),
        Similar | VerySimilar => rarity.alike(),
        GivenAndInitial | GivenOnly | SurnameDiffers => rarity.given,
        InitialAndSurname | SurnameOnly => rarity.surname,
        _ => 0,
    }
}

/// Centibits for or against: a base, and so many percent of the name's rarity.
pub(super) fn weight(kind: TermKind, level: Level, rarity: i32) -> i32 {
    let (base, percent) = match kind {
        TermKind::Name => match level {
            Same => (-140, 85),
            Similar => (-230, 85),
            SameWithoutMiddle => (-440, 85),
            VerySimilar => (-430, 85),
            MiddleDiffers => (-530, 65),
            Handle => (-240, 85),
            GivenAndInitial => (160, 50),
            InitialAndSurname => (320, 20),
            GivenOnly => (60, 50),
            SurnameOnly => (100, 20),
            Initials => (370, 0),
            GivenDiffers => (-700, 0),
            SurnameDiffers => (-400, 55),
            Different => (-1220, 0),
            _ => (0, 0),
        },
        TermKind::Phone => match level {
            Same => (980, 0),
            Similar => (930, 0),
            MaskAgrees => (780, 0),
            MaskDiffers => (-1210, 0),
            Different => (-770, 0),
            _ => (0, 0),
        },
        TermKind::Email => match level {
            Same => (700, 0),
            SameCommon => (610, 0),
            Similar => (60, 0),
            AliasSame => (1300, 0),
            AliasDiffers => (-500, 0),
            MaskAgrees => (270, 0),
            MaskDiffers => (-530, 0),
            Different => (-240, 0),
            _ => (0, 0),
        },
        TermKind::Address => match level {
            SameHome => (520, 0),
            SameHouse => (520, 0),
            SameStreet => (450, 0),
            SimilarStreet => (400, 0),
            SameStreetElsewhere => (300, 0),
            OtherHome => (250, 0),
            OtherHouse => (250, 0),
            OtherStreet => (-300, 0),
            SamePlace => (200, 0),
            OtherPlace => (-570, 0),
            _ => (0, 0),
        },
        TermKind::BirthDate => match level {
            Same => (950, 0),
            Swapped => (890, 0),
            Similar => (500, 0),
            Different => (-600, 0),
            _ => (0, 0),
        },
        TermKind::Card => match level {
            Same => (1200, 0),
            Similar => (1300, 0),
            Different => (-1500, 0),
            _ => (0, 0),
        },
        TermKind::Account => match level {
            Same => (1660, 0),
            Different => (-410, 0),
            _ => (0, 0),
        },
        TermKind::OtherId => match level {
            Same => (2800, 0),
            Similar => (1600, 0),
            Different => (0, 0),
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
        (TermKind::Email, Same | SameCommon) => 400,
        // The one thing that members of a household don't share.
        (TermKind::BirthDate, Same) => -900,
        (TermKind::Address, SameHome | SameHouse | SameStreet | OtherHome) => 100,
        _ => 0,
    }
}

/// Evidence against any two records being one person's: the more people, the rarer it is. Not wholly as rare, since the more
/// records there are the more customers have one already.
pub(super) fn prior(records: u64) -> i32 {
    -690 - (bits(records.saturating_add(1000)) - bits(5000)) * 90 / 100
}
