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
            Same => (-80, 85),
            Similar => (-180, 85),
            SameWithoutMiddle => (-390, 85),
            VerySimilar => (-410, 85),
            MiddleDiffers => (-570, 65),
            Handle => (-180, 85),
            GivenAndInitial => (230, 50),
            InitialAndSurname => (270, 40),
            GivenOnly => (90, 50),
            SurnameOnly => (-70, 40),
            Initials => (280, 0),
            GivenDiffers => (-660, 0),
            SurnameDiffers => (-330, 45),
            Different => (-1220, 0),
            _ => (0, 0),
        },
        TermKind::Phone => match level {
            Same => (1040, 0),
            Similar => (740, 0),
            MaskAgrees => (770, 0),
            MaskDiffers => (-750, 0),
            Different => (-770, 0),
            _ => (0, 0),
        },
        TermKind::Email => match level {
            Same => (800, 0),
            SameCommon => (650, 0),
            Similar => (190, 0),
            AliasSame => (1300, 0),
            AliasDiffers => (-500, 0),
            MaskAgrees => (240, 0),
            MaskDiffers => (-440, 0),
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
            OtherStreet => (-290, 0),
            SamePlace => (200, 0),
            OtherPlace => (-540, 0),
            _ => (0, 0),
        },
        TermKind::BirthDate => match level {
            Same => (950, 0),
            Swapped => (900, 0),
            Similar => (510, 0),
            Different => (-600, 0),
            _ => (0, 0),
        },
        TermKind::Card => match level {
            Same => (1350, 0),
            Similar => (1300, 0),
            Different => (-1500, 0),
            _ => (0, 0),
        },
        TermKind::Account => match level {
            Same => (1640, 0),
            Different => (-400, 0),
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
        (TermKind::Phone, Same) => 300,
        (TermKind::Email, Same | SameCommon) => 600,
        // The one thing that members of a household don't share.
        (TermKind::BirthDate, Same) => -900,
        (TermKind::Address, SameHome | SameHouse | SameStreet | OtherHome) => 100,
        _ => 0,
    }
}

/// Evidence against any two records being one person's: the more people, the rarer it is. Not wholly as rare, since the more
/// records there are the more customers have one already.
pub(super) fn prior(records: u64) -> i32 {
    -750 - (bits(records.saturating_add(1000)) - bits(5000)) * 90 / 100
}
