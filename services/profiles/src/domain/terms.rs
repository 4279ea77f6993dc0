//! Evidence as it is stored beside merges and suggestions, and as people read it.

use omnimesh_proto::profiles::v1::{EvidenceKind, EvidenceTerm};
use serde::{Deserialize, Serialize};

use super::matching::{Level, Term, TermKind};

/// Kind, words and thousandths of a bit.
#[derive(Serialize, Deserialize)]
struct Stored(i32, String, i64);

/// The stored form.
pub(crate) fn write(terms: &[EvidenceTerm]) -> String {
    let terms: Vec<_> =
        terms.iter().map(|term| Stored(term.kind, term.agreement.clone(), term.weight_millibits)).collect();
    serde_json::to_string(&terms).unwrap_or_default()
}

/// The contract's form; nothing where nothing usable is stored.
pub(crate) fn read(text: &str) -> Vec<EvidenceTerm> {
    let terms: Vec<Stored> = serde_json::from_str(text).unwrap_or_default();
    let term = |Stored(kind, agreement, weight_millibits)| EvidenceTerm { kind, agreement, weight_millibits };
    terms.into_iter().map(term).collect()
}

/// One term that says that an identifier was proved on both.
pub(crate) fn same_identifier(what: &str) -> EvidenceTerm {
    EvidenceTerm {
        kind: EvidenceKind::Identifier.into(),
        agreement: format!("same {what}, proved on both"),
        weight_millibits: 0,
    }
}

/// A term of the matcher, in words.
pub(crate) fn of(term: &Term) -> EvidenceTerm {
    let kind = match term.kind {
        TermKind::Prior => EvidenceKind::Unspecified,
        TermKind::Name => EvidenceKind::Name,
        TermKind::Phone => EvidenceKind::Phone,
        TermKind::Email => EvidenceKind::Email,
        TermKind::Address => EvidenceKind::Address,
        TermKind::BirthDate => EvidenceKind::BirthDate,
        TermKind::Card | TermKind::Account | TermKind::OtherId => EvidenceKind::Identifier,
    };
    EvidenceTerm { kind: kind.into(), agreement: words(term), weight_millibits: i64::from(term.weight) * 10 }
}

fn words(term: &Term) -> String {
    let what = match term.kind {
        TermKind::Prior => return "any two records are rarely of one person".to_owned(),
        TermKind::Name => "name",
        TermKind::Phone => "number",
        TermKind::Email => "e-mail",
        TermKind::Address => "address",
        TermKind::BirthDate => "date of birth",
        TermKind::Card => "loyalty card",
        TermKind::Account => "account",
        TermKind::OtherId => "number of an authority",
    };
    match term.level {
        Level::Missing => format!("{what} missing"),
        Level::Same => format!("same {what}"),
        Level::Similar => format!("{what} differs by a slip"),
        Level::VerySimilar => format!("{what} differs by slips"),
        Level::SameWithoutMiddle => "same name, but for a middle name".to_owned(),
        Level::MiddleDiffers => "middle name differs".to_owned(),
        Level::GivenAndInitial => "same first name, same initial of the surname".to_owned(),
        Level::InitialAndSurname => "same surname, same initial of the first name".to_owned(),
        Level::Initials => "same initials".to_owned(),
        Level::GivenOnly => "same first name, no surname".to_owned(),
        Level::SurnameOnly => "same surname, no first name".to_owned(),
        Level::Handle => "e-mail or handle spells the name".to_owned(),
        Level::GivenDiffers => "first name differs".to_owned(),
        Level::SurnameDiffers => "surname differs".to_owned(),
        Level::SameCommon => "same e-mail, of a common form".to_owned(),
        Level::AliasSame => "same alias of a marketplace".to_owned(),
        Level::AliasDiffers => "another alias of the same marketplace".to_owned(),
        Level::MaskAgrees => format!("what is shown of the {what} agrees"),
        Level::MaskDiffers => format!("what is shown of the {what} differs"),
        Level::Hub => format!("same {what}, which many people have"),
        Level::SameHome => "same home".to_owned(),
        Level::SameHouse => "same house".to_owned(),
        Level::OtherHome => "same house, another flat".to_owned(),
        Level::SameStreet => "same street".to_owned(),
        Level::OtherHouse => "same street, another house".to_owned(),
        Level::SimilarStreet => "same house number and place, similar street".to_owned(),
        Level::SameStreetElsewhere => "same street and number in another place".to_owned(),
        Level::OtherStreet => "same town, another street".to_owned(),
        Level::SamePlace => "same town".to_owned(),
        Level::OtherPlace => "another town".to_owned(),
        Level::Swapped => "day and month of birth the other way round".to_owned(),
        Level::Different => format!("{what} differs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_being_stored() {
        let terms = [
            EvidenceTerm {
                kind: EvidenceKind::Name.into(),
                agreement: "first name differs".into(),
                weight_millibits: -7_500,
            },
            same_identifier("loyalty card"),
        ];
        assert_eq!(read(&write(&terms)), terms);
        assert_eq!(read(""), []);
    }

    #[test]
    fn people_can_read_it() {
        let term = Term { kind: TermKind::Phone, level: Level::Same, rarity: 0, weight: 950 };
        assert_eq!(of(&term), EvidenceTerm { kind: 2, agreement: "same number".to_owned(), weight_millibits: 9_500 });
        let differs = Term { kind: TermKind::Name, level: Level::GivenDiffers, ..term };
        assert_eq!(of(&differs).agreement, "first name differs");
    }
}
