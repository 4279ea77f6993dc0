//! How profiles are found: the terms they are indexed by, and what a query may mean. Pure.
//!
//! Words of names are folded, so that letters, case and marks don't matter. Every beginning of a word of three to eight letters
//! is also indexed with each one letter left out; a query with each one letter left out meets it there if the two differ by one
//! slip: a letter too many, too few, wrong, or two swapped. Digits of phones are indexed from the last to the first, so that
//! their end is a beginning.

use std::collections::BTreeSet;

use omnimesh_kit::{contact::Contact, text::fold};
use omnimesh_proto::profiles::v1::{Claims, IdentifierType, MatchField};

/// The beginnings of words in which slips are looked for.
const SLIPS: std::ops::RangeInclusive<usize> = 3..=8;
/// Shorter words are not forgiven a slip: nearly every other is near them.
const FORGIVEN: usize = 4;
/// Words of a name, and letters of a word, that are indexed.
const MAX_WORDS: usize = 8;
const MAX_LETTERS: usize = 40;

/// What a profile is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term {
    /// As i32 of the contract's match field.
    pub(crate) kind: i32,
    /// Folded.
    pub(crate) text: String,
}

/// The terms of claims. `country` is that of phone numbers in national form.
pub(crate) fn terms_of_claims(claims: &Claims, country: &str) -> Vec<Term> {
    let mut terms: Vec<_> = words(&claims.name).into_iter().map(|word| term(MatchField::Name, word)).collect();
    terms.extend(claims.emails.iter().flat_map(|email| email_term(email)));
    terms.extend(claims.phones.iter().flat_map(|phone| phone_term(phone, country)));
    for claimed in &claims.identifiers {
        terms.extend(terms_of_identifier(claimed.r#type(), &claimed.value, country));
    }
    terms.sort();
    terms.dedup();
    terms
}

/// The terms of an identifier; none for types that nobody types in.
pub(crate) fn terms_of_identifier(kind: IdentifierType, value: &str, country: &str) -> Option<Term> {
    match kind {
        IdentifierType::Email => email_term(value),
        IdentifierType::Phone => phone_term(value, country),
        IdentifierType::LoyaltyCard => Some(term(MatchField::LoyaltyCard, compact(value))).filter(|term| term.fits(2)),
        _ => None,
    }
}

impl Term {
    fn fits(&self, fewest: usize) -> bool {
        (fewest..=254).contains(&self.text.len())
    }
}

fn term(kind: MatchField, text: String) -> Term {
    Term { kind: kind.into(), text }
}

fn email_term(email: &str) -> Option<Term> {
    let email: String = fold(email).chars().filter(|c| !c.is_whitespace()).collect();
    Some(term(MatchField::Email, email)).filter(|term| term.fits(3) && term.text.contains('@'))
}

fn phone_term(phone: &str, country: &str) -> Option<Term> {
    Some(term(MatchField::Phone, reversed_digits(phone, country))).filter(|term| (4..=20).contains(&term.text.len()))
}

/// The digits of a phone number from the last to the first: of the international form where the number is complete.
fn reversed_digits(phone: &str, country: &str) -> String {
    let whole = Contact::phone(phone, Some(country));
    let text = whole.as_ref().map_or(phone, |contact| contact.expose());
    let digits: String = text.replace("(0)", "").chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').chars().rev().collect()
}

/// What digits may be the end of, from the last to the first.
fn ends(text: &str, country: &str) -> Vec<String> {
    let typed: String = text.chars().filter(char::is_ascii_digit).collect();
    let reversed = |digits: &str| digits.chars().rev().collect();
    let mut ends = vec![reversed(&typed), reversed(typed.trim_start_matches('0')), reversed_digits(text, country)];
    // A short end may begin with a zero; a trunk prefix stands before a long number only.
    ends.retain(|end: &String| end.len() == typed.len() || end.len() >= 7);
    ends.sort();
    ends.dedup();
    ends
}

/// Letters and digits alone, folded.
pub(crate) fn compact(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The words of a name.
pub(crate) fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(MAX_WORDS).map(|word| word.chars().take(MAX_LETTERS).collect()).collect()
}

/// The slips that a word is indexed by; itself among them.
pub(crate) fn slips(word: &str) -> BTreeSet<String> {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() < *SLIPS.start() {
        return BTreeSet::new();
    }
    let beginnings = SLIPS.filter_map(|length| letters.get(..length));
    beginnings.flat_map(with_deletions).chain([word.to_owned()]).collect()
}

/// The slips by which words near a query's are found; none for words that are too short.
pub(crate) fn slip_keys(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() < FORGIVEN {
        return Vec::new();
    }
    let beginning = letters.get(..*SLIPS.end()).unwrap_or(&letters);
    with_deletions(beginning).collect()
}

fn with_deletions(letters: &[char]) -> impl Iterator<Item = String> + '_ {
    let without = |gone: usize| letters.iter().enumerate().filter(move |(i, _)| *i != gone).map(|(_, c)| *c).collect();
    std::iter::once(letters.iter().collect()).chain((0..letters.len()).map(without))
}

/// How near a word of a name is to a word of a query, one slip allowed: 0 if it is all of it, 1 if it begins so.
pub(crate) fn nearness(query: &str, word: &str) -> Option<u8> {
    let (query, word): (Vec<char>, Vec<char>) = (query.chars().collect(), word.chars().collect());
    if is_one_slip(&query, &word) {
        return Some(0);
    }
    let lengths = query.len().saturating_sub(1)..=query.len() + 1;
    lengths.filter_map(|length| word.get(..length)).any(|beginning| is_one_slip(&query, beginning)).then_some(1)
}

/// Whether two words differ by one slip at most.
fn is_one_slip(a: &[char], b: &[char]) -> bool {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    match (a, b) {
        ([], []) | ([_], []) | ([], [_]) => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) if rest == a => true,
        ([a1, a2, a @ ..], [b1, b2, b @ ..]) => a1 == b2 && a2 == b1 && a == b,
        _ => false,
    }
}

/// What a query may mean; each part is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Words of a name, the longest first.
    pub(crate) words: Vec<String>,
    /// What may be the end of a phone number, from its last digit: as it was typed, and without the zeros of a trunk prefix.
    pub(crate) phones: Vec<String>,
    /// The beginning of an e-mail address.
    pub(crate) email: Option<String>,
    /// A loyalty card or its beginning, or the number of an order.
    pub(crate) number: Option<String>,
}

impl Query {
    /// The meanings of a text.
    pub(crate) fn parse(text: &str, country: &str) -> Self {
        let folded = fold(text);
        let digits = folded.chars().filter(char::is_ascii_digit).count();
        let phone_like = folded.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+-./()".contains(c));
        let one_word = !folded.contains(char::is_whitespace);
        let compact = compact(text);
        let long = |text: &String| text.chars().count() >= 4;
        let mut words = if folded.contains('@') || phone_like { Vec::new() } else { words(text) };
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        words.dedup();
        Self {
            words,
            phones: if phone_like && digits >= 4 { ends(text, country) } else { Vec::new() },
            email: (one_word && !phone_like && folded.chars().count() >= 3).then(|| folded.clone()),
            number: Some(compact).filter(|text| long(text) && digits > 0 && !folded.contains('@')),
        }
    }
}

/// After every text that begins so.
pub(crate) fn after(beginning: &str) -> String {
    format!("{beginning}{}", char::MAX)
}

/// After the text itself, and before what is longer.
pub(crate) fn right_after(text: &str) -> String {
    format!("{text}\u{1}")
}

#[cfg(test)]
mod tests {
    use omnimesh_proto::profiles::v1::ClaimedIdentifier;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn claims_become_terms() {
        let claims = Claims {
            name: "YILMAZ, Ayşe Gül".to_owned(),
            emails: vec![" Ayse@Shop.Example".to_owned(), "nothing".to_owned()],
            phones: vec!["0532 123 45 67".to_owned(), "+49 30 123456".to_owned(), "12".to_owned()],
            identifiers: vec![ClaimedIdentifier {
                r#type: IdentifierType::LoyaltyCard.into(),
                value: "AB-12 34".to_owned(),
            }],
            ..Claims::default()
        };
        let terms: Vec<_> = terms_of_claims(&claims, "TR").into_iter().map(|term| (term.kind, term.text)).collect();
        let wanted = [
            (1, "ayse"),
            (1, "gul"),
            (1, "yilmaz"),
            (2, "6543210394"),
            (2, "765432123509"),
            (3, "ayse@shop.example"),
            (4, "ab1234"),
        ];
        assert_eq!(terms, wanted.map(|(kind, text)| (kind, text.to_owned())));
    }

    #[test]
    fn queries_mean_what_they_look_like() {
        let parse = |text| Query::parse(text, "TR");
        assert_eq!(parse("ayşe YILMAZ").words, ["yilmaz", "ayse"]);
        for whole in ["0532 123 45 67", "+90 (0) 532 123 45 67", "0090 532 1234567"] {
            assert!(parse(whole).phones.contains(&"765432123509".to_owned()), "{whole}");
        }
        // In national form of whatever country.
        assert_eq!(parse("030 1234 9876").phones, ["6789432103", "67894321030", "678943210309"]);
        assert_eq!((parse("4567").phones, parse("0249").phones), (vec!["7654".to_owned()], vec!["9420".to_owned()]));
        assert_eq!((parse("4567").words, parse("567").phones), (Vec::new(), Vec::<String>::new()));
        assert_eq!(parse("Ayse@sh").email.as_deref(), Some("ayse@sh"));
        assert_eq!(parse("Ayse@sh").words, Vec::<String>::new());
        assert_eq!(parse("AB-12 34").number.as_deref(), Some("ab1234"));
        assert_eq!(parse("ayse").number, None);
    }

    #[test]
    fn one_slip_is_forgiven_two_are_not() {
        for (query, word, near) in [
            ("yilmaz", "yilmaz", Some(0)),
            ("yimaz", "yilmaz", Some(0)),
            ("yillmaz", "yilmaz", Some(0)),
            ("yulmaz", "yilmaz", Some(0)),
            ("yilamz", "yilmaz", Some(0)),
            ("yilmz", "yilmazoglu", Some(1)),
            ("ymliaz", "yilmaz", None),
            ("mehmt", "mehmetcan", Some(1)),
            ("kaya", "kara", Some(0)),
            ("kaya", "kurt", None),
        ] {
            assert_eq!(nearness(query, word), near, "{query} {word}");
        }
    }

    proptest! {
        #[test]
        fn a_slip_is_found_by_the_index(word in "[a-h]{4,12}", cut in 4usize..13, at in 0usize..12, kind in 0..4, other in "[a-h]") {
            let mut typed: Vec<char> = word.chars().take(cut).collect();
            let at = at % typed.len();
            match kind {
                0 if typed.len() > 4 => { typed.remove(at); }
                1 => typed.insert(at, other.chars().next().unwrap()),
                2 => *typed.get_mut(at).unwrap() = other.chars().next().unwrap(),
                _ => if at + 1 < typed.len() { typed.swap(at, at + 1) },
            }
            let typed: String = typed.into_iter().collect();
            prop_assert!(nearness(&typed, &word).is_some(), "{} is near {}", typed, word);
            let index = slips(&word);
            prop_assert!(slip_keys(&typed).iter().any(|key| index.contains(key)), "{} finds {}", typed, word);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}") {
            let query = Query::parse(&text, "TR");
            for word in &query.words {
                drop(slips(word));
                drop(slip_keys(word));
                prop_assert!(word.chars().count() <= MAX_LETTERS);
            }
            drop(terms_of_claims(&Claims { name: text.clone(), phones: vec![text.clone()], emails: vec![text], ..Claims::default() }, "TR"));
        }
    }
}
