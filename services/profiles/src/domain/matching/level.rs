//! The vocabulary of evidence: which fields were compared and how far they agree.

use serde::{Deserialize, Serialize};

/// A field, or what else counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TermKind {
    /// How rare it is that any two records are of one person.
    Prior,
    /// Name.
    Name,
    /// Phone number.
    Phone,
    /// E-mail address.
    Email,
    /// Postal address or place.
    Address,
    /// Date of birth.
    BirthDate,
    /// Loyalty card.
    Card,
    /// Account in one source.
    Account,
    /// Another identifying number.
    OtherId,
}

/// How far two values agree. Each kind of term uses some of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// One side has none: says nothing.
    Missing,
    /// Equal after normalisation.
    Same,
    /// Equal but for slips of the hand.
    Similar,
    /// Names: slips in every word.
    VerySimilar,
    /// Names: one has middle names that the other lacks.
    SameWithoutMiddle,
    /// Names: given name and surname agree, middle names don't.
    MiddleDiffers,
    /// Names: `Ayşe K.`.
    GivenAndInitial,
    /// Names: `A. Kaya`.
    InitialAndSurname,
    /// Names: `A. K.`.
    Initials,
    /// Names: all that one has is the other's given name.
    GivenOnly,
    /// Names: all that one has is the other's surname.
    SurnameOnly,
    /// Names: one's e-mail or handle spells the other's name.
    Handle,
    /// Names: as in a household.
    GivenDiffers,
    /// Names: as after a marriage, or by chance.
    SurnameDiffers,
    /// E-mail: equal, but made of nothing but the name, which others have too.
    SameCommon,
    /// E-mail: one marketplace's alias of one buyer.
    AliasSame,
    /// E-mail: two aliases of one marketplace.
    AliasDiffers,
    /// E-mail, phone: what a mask shows agrees.
    MaskAgrees,
    /// E-mail, phone: what a mask shows does not agree.
    MaskDiffers,
    /// E-mail, phone, address: equal, but so many different people have it that it says little.
    Hub,
    /// Address: down to the flat.
    SameHome,
    /// Address: same house, no flat in one of them.
    SameHouse,
    /// Address: same house, another flat.
    OtherHome,
    /// Address: same street, number missing or nearly the same.
    SameStreet,
    /// Address: same street, another number.
    OtherHouse,
    /// Address: same number and place, some words agree.
    SimilarStreet,
    /// Address: street and number agree, town and postal code don't.
    SameStreetElsewhere,
    /// Address: same town, another street.
    OtherStreet,
    /// Address: same town or postal code; no street in one of them.
    SamePlace,
    /// Address: another town.
    OtherPlace,
    /// Date of birth: day and month the other way round.
    Swapped,
    /// No agreement.
    Different,
}

/// One line of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Term {
    /// What was compared.
    pub(crate) kind: TermKind,
    /// How far it agrees.
    pub(crate) level: Level,
    /// Names: how surprising it would be to meet this name by chance, in centibits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) rarity: i32,
    /// Centibits for (positive) or against (negative) the two being one person.
    pub(crate) weight: i32,
}

/// All evidence for two records, or a record and a profile, being of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// Sum of the weights in centibits: 100 is odds of 2 to 1, 1000 of 1024 to 1.
    pub(crate) total: i32,
    /// What was compared, heaviest first.
    pub(crate) terms: Vec<Term>,
}

impl Evidence {
    /// Sums up.
    pub(super) fn new(mut terms: Vec<Term>) -> Self {
        // Ties in a fixed order, so that equal evidence prints equally.
        terms.sort_by_key(|term| (std::cmp::Reverse(term.weight.abs()), term.kind));
        Self { total: terms.iter().fold(0, |sum, term| sum.saturating_add(term.weight)), terms }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's interface")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}
