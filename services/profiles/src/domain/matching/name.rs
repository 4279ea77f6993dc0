//! Names of people: titles off, order found out, and how far two of them agree.

use serde::{Deserialize, Serialize};

use super::{
    level::Level,
    text::{LOST, same_word, similar_word, words},
};

/// The words of a name, given names first as far as one can tell. One letter is an initial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name(pub(super) Vec<String>);

/// Titles and forms of address, folded; Turkish ones follow the given name or come first.
const TITLES: &[&str] = &[
    "sn",
    "sayin",
    "bay",
    "bayan",
    "hanim",
    "hanimefendi",
    "bey",
    "beyefendi",
    "hn",
    "hnm",
    "dr",
    "prof",
    "doc",
    "docent",
    "av",
    "uzm",
    "op",
    "yrd",
    "ogr",
    "gor",
    "muh",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "sir",
    "madam",
    "herr",
    "frau",
    "dipl",
    "ing",
    "phd",
    "jr",
    "sr",
];

/// `Aysehanim`: a title that was run together with the name.
fn without_title(word: &str) -> &str {
    word.strip_suffix("hanim").filter(|name| name.chars().count() >= 3).unwrap_or(word)
}

impl Name {
    /// Reads a name in whatever form: `Sn. Ali Özkan`, `KAYA, Ayşe`, `Ayşe Hanım`, `A. Kaya ✨`.
    pub(super) fn parse(text: &str) -> Self {
        let ordered = match text.split_once(',') {
            Some((surname, given)) if !given.trim().is_empty() => format!("{given} {surname}"),
            _ => text.to_owned(),
        };
        let all: Vec<String> =
            words(&ordered).into_iter().filter(|word| !word.chars().any(|c| c.is_ascii_digit())).collect();
        let bare: Vec<String> = all.iter().filter(|word| !TITLES.contains(&word.as_str())).cloned().collect();
        let bare: Vec<String> = bare.into_iter().map(|word| without_title(&word).to_owned()).collect();
        // Somebody may be called Bey.
        Self(if bare.iter().any(|word| word.len() > 1) || all.is_empty() { bare } else { all })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First and last word, if there are two.
    pub(super) fn ends(&self) -> Option<(&str, &str)> {
        match self.0.as_slice() {
            [first, .., last] => Some((first, last)),
            _ => None,
        }
    }

    /// All letters in alphabetical order: the same for any order of the words, and for words run together.
    pub(super) fn anagram<'a>(words: impl Iterator<Item = &'a str>) -> String {
        let mut letters: Vec<char> = words.flat_map(str::chars).collect();
        letters.sort_unstable();
        letters.into_iter().collect()
    }

    fn joined(&self) -> String {
        self.0.concat()
    }

    /// How far two names agree.
    pub(super) fn compare(&self, other: &Self) -> Level {
        if self.is_empty() || other.is_empty() {
            return Level::Missing;
        }
        if same_run_together(&self.0, &other.0) {
            return Level::Same;
        }
        let (mine, others) = (cut_as(&self.0, &other.0), cut_as(&other.0, &self.0));
        let (short, long) = if mine.len() <= others.len() { (&mine, &others) } else { (&others, &mine) };
        let pairs = align(short, long);
        let count = |wanted: Fit| pairs.iter().flatten().filter(|(_, fit)| *fit == wanted).count();
        let (exact, slips, starts, initials) =
            (count(Fit::Exact), count(Fit::Slip), count(Fit::Start), count(Fit::Initial));
        let matched = exact + slips + starts + initials;
        if let [only] = short.as_slice() {
            return single(only, long, pairs.first().copied().flatten());
        }
        if matched < short.len() {
            return partial(short, long, &pairs);
        }
        match (exact, slips, initials) {
            _ if initials == matched => Level::Initials,
            (_, _, 1..) => initial_side(short, long, &pairs),
            (0, 1.., _) if starts == 0 => Level::VerySimilar,
            (_, 1.., _) => Level::Similar,
            _ if starts > 0 || short.len() < long.len() => Level::SameWithoutMiddle,
            _ => Level::Same,
        }
    }

    /// Whether letters without word borders, such as a handle's, are this name: given name and surname in either order, or the
    /// given name's initial and the surname.
    pub(super) fn agrees_with_letters(&self, letters: &str) -> bool {
        let Some((first, last)) = self.ends() else { return false };
        let two = |a: &str, b: &str| letters.strip_prefix(a) == Some(b);
        let full = |word: &str| word.chars().count() > 1 && !word.contains(LOST);
        (full(first) && full(last) && (two(first, last) || two(last, first))) || letters == self.joined()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Initial,
    Start,
    Slip,
    Exact,
}

fn fit(a: &str, b: &str) -> Option<Fit> {
    let one = |word: &str| word.chars().count() == 1;
    if one(a) || one(b) {
        return (a.chars().next() == b.chars().next()).then_some(Fit::Initial);
    }
    match () {
        () if same_word(a, b) => Some(Fit::Exact),
        () if similar_word(a, b) => Some(Fit::Slip),
        () => begins_as(a, b).then_some(Fit::Start),
    }
}

/// `Fatma` and `Fatmanur`: a second given name is run together with the first.
fn begins_as(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    short.chars().count() >= 4 && long.strip_prefix(short).is_some_and(|rest| rest.chars().count() >= 2)
}

/// For each word of the shorter name the word of the longer it fits best: exact fits are given away first, each word once.
fn align(short: &[String], long: &[String]) -> Vec<Option<(usize, Fit)>> {
    let mut pairs: Vec<Option<(usize, Fit)>> = vec![None; short.len()];
    let mut taken = vec![false; long.len()];
    for wanted in [Fit::Exact, Fit::Slip, Fit::Start, Fit::Initial] {
        for (word, pair) in short.iter().zip(pairs.iter_mut()).filter(|(_, pair)| pair.is_none()) {
            let found = long
                .iter()
                .zip(taken.iter_mut())
                .enumerate()
                .find(|(_, (other, taken))| !**taken && fit(word, other) == Some(wanted));
            if let Some((at, (_, taken))) = found {
                *taken = true;
                *pair = Some((at, wanted));
            }
        }
    }
    pairs
}

/// One word against a name: a given name, a surname, or neither.
fn single(only: &str, long: &[String], pair: Option<(usize, Fit)>) -> Level {
    match pair {
        Some((_, Fit::Initial)) => Level::Initials,
        Some((at, _)) if at == 0 || at + 1 < long.len() => Level::GivenOnly,
        Some(_) => Level::SurnameOnly,
        None if only.chars().count() == 1 => Level::Different,
        None => Level::GivenDiffers,
    }
}

/// Some word fits nowhere: what differs, the given name or the surname?
fn partial(short: &[String], long: &[String], pairs: &[Option<(usize, Fit)>]) -> Level {
    let ends_at = long.len().saturating_sub(1);
    let fits = |at: usize| pairs.get(at).copied().flatten();
    let (first, last) = (fits(0), fits(short.len().saturating_sub(1)));
    match (first, last) {
        (Some(_), Some(_)) => Level::MiddleDiffers,
        (Some((0, _)), None) => Level::SurnameDiffers,
        (None, Some((at, _))) if at == ends_at => Level::GivenDiffers,
        // The order is not known: a word that agrees at the wrong end may be either.
        (Some(_), None) | (None, Some(_)) => Level::GivenDiffers,
        (None, None) => Level::Different,
    }
}

/// All words fit, some by initials: which of them is cut, the surname or given names?
fn initial_side(short: &[String], long: &[String], pairs: &[Option<(usize, Fit)>]) -> Level {
    let cut_surname = pairs.iter().enumerate().any(|(at, pair)| {
        pair.is_some_and(|(other, fit)| fit == Fit::Initial && (at + 1 == short.len() || other + 1 == long.len()))
    });
    if cut_surname { Level::GivenAndInitial } else { Level::InitialAndSurname }
}

/// Whether two names are the same letters though words are run together or cut elsewhere: `FYN NEGAN`, `AYTENÇAKIR`, `HasanxKaya`.
fn same_run_together(a: &[String], b: &[String]) -> bool {
    // Initials joined to words, or one word against one, would agree by chance.
    if (a.len() == 1 && b.len() == 1) || a.iter().chain(b).any(|word| word.chars().count() == 1) {
        return false;
    }
    let glued = a.len() == 1 || b.len() == 1;
    let (a, b) = (a.concat(), b.concat());
    let enough = if glued { 8 } else { 14 };
    a.len() >= 7
        && (a == b || (a.len() >= enough && a.len().abs_diff(b.len()) <= 1 && strsim::osa_distance(&a, &b) <= 1))
}

/// A name with neighbouring words run together where the other name has them so: `Sedat Enes Tunç` as `Sedatenes Tunç`.
fn cut_as(words: &[String], other: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match out.last_mut() {
            Some(last) if other.iter().any(|whole| whole.len() >= 5 && is_pair(whole, last, word)) => {
                last.push_str(word)
            }
            _ => out.push(word.clone()),
        }
    }
    out
}

fn is_pair(whole: &str, first: &str, second: &str) -> bool {
    let long = first.len() > 1 && second.len() > 1;
    long && (whole.strip_prefix(first) == Some(second)
        || (whole.len() >= 8 && similar_word(whole, &format!("{first}{second}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: &str, b: &str) -> Level {
        let (a, b) = (Name::parse(a), Name::parse(b));
        assert_eq!(a.compare(&b), b.compare(&a), "both ways");
        a.compare(&b)
    }

    #[test]
    fn one_name_in_many_forms() {
        for form in [
            "Sn. Ayşe Kaya",
            "KAYA, Ayşe",
            "kaya ayse",
            "  AYŞE   KAYA ",
            "Ayşe Hanım Kaya",
            "Dr. Ayşe Kaya",
            "Ay?e Kaya 🌸",
        ] {
            assert_eq!(compare(form, "Ayşe Kaya"), Level::Same, "{form}");
        }
        assert_eq!(compare("Salihali Kaya", "Salih Ali Kaya"), Level::Same);
        for (a, b) in [
            ("FYN NEGAN", "FYNN EGAN"),
            ("LACHLANVİNCENT", "Lachlan Vincent"),
            ("HasanüKaya", "Hasan Kaya"),
            ("Tunç Sedatenes", "Sedat Enes Tunç"),
            ("Yaseminhanım Demir", "Yasemin Demir"),
        ] {
            assert_eq!(compare(a, b), Level::Same, "{a} / {b}");
        }
    }

    #[test]
    fn degrees_of_agreement() {
        for (a, b, level) in [
            ("Büşra Betül Öztürk", "Büşra Öztürk", Level::SameWithoutMiddle),
            ("Fatmanur Kaya", "Fatma Kaya", Level::SameWithoutMiddle),
            ("Buark Bulut", "Burak Bulut", Level::Similar),
            ("Ail Öztürk", "Ali Öztürk", Level::Similar),
            ("Buark Bulyt", "Burak Bulut", Level::VerySimilar),
            ("Zeynep Z.", "Zeynepela Zengin", Level::GivenAndInitial),
            ("Emin Kaya", "Ayşe Kaya", Level::GivenDiffers),
            ("Mehmet D.", "Mehmet Doğan", Level::GivenAndInitial),
            ("M. Doğan", "Mehmet Doğan", Level::InitialAndSurname),
            ("b. efe altun", "Burak Efe Altun", Level::InitialAndSurname),
            ("H. Ş.", "Hatice Şen", Level::Initials),
            ("Doruk Bey", "Doruk Çınar", Level::GivenOnly),
            ("Çınar", "Doruk Çınar", Level::SurnameOnly),
            ("Ali Kaya", "Mehmet Kaya", Level::GivenDiffers),
            ("Çiğdem Kaya", "Çiğdem Kılıç", Level::SurnameDiffers),
            ("Kadir Can Demir", "Kadir Efe Demir", Level::MiddleDiffers),
            ("Ali Kaya", "Veli Demir", Level::Different),
            ("", "Veli Demir", Level::Missing),
        ] {
            assert_eq!(compare(a, b), level, "{a} / {b}");
        }
    }

    #[test]
    fn handles() {
        let name = Name::parse("Büşra Kurt");
        assert!(name.agrees_with_letters("busrakurt") && name.agrees_with_letters("kurtbusra"));
        assert!(!name.agrees_with_letters("busrakaya") && !Name::parse("Büşra").agrees_with_letters("busrakurt"));
    }
}
