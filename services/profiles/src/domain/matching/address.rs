//! Postal addresses: what numbers mean, words without their kinds, district and province.

use serde::{Deserialize, Serialize};

use super::{
    level::Level,
    text::{similar_word, words},
};

/// An address as evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    /// House number, `12a`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) number: String,
    /// Flat.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) unit: String,
    /// Names of quarter, street and house, without the words for their kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) words: Vec<String>,
    /// Names of district and province or of the town.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) places: Vec<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) code: String,
}

/// Words for kinds of places, folded. They come in too many abbreviations to compare.
const KINDS: &[&str] = &[
    "mah",
    "mh",
    "mahalle",
    "mahallesi",
    "mha",
    "mahllesi",
    "cad",
    "cd",
    "cadde",
    "caddesi",
    "sok",
    "sk",
    "skk",
    "sokak",
    "sokagi",
    "blv",
    "bulv",
    "bulvar",
    "bulvari",
    "apt",
    "ap",
    "apart",
    "apartman",
    "apartmani",
    "site",
    "sitesi",
    "blok",
    "koyu",
    "koy",
    "yolu",
    "street",
    "st",
    "road",
    "rd",
    "avenue",
    "ave",
    "av",
    "place",
    "pl",
    "crescent",
    "cres",
    "circuit",
    "cct",
    "drive",
    "dr",
    "court",
    "ct",
    "close",
    "cl",
    "lane",
    "ln",
    "way",
    "terrace",
    "tce",
    "parade",
    "pde",
    "highway",
    "hwy",
    "the",
    "str",
    "strasse",
];
const NUMBER_SIGNS: &[&str] = &["no", "numara", "nr", "num"];
const UNIT_SIGNS: &[&str] = &["d", "daire", "da", "ickapi", "unit", "flat", "apt", "suite"];
const FLOOR_SIGNS: &[&str] = &["kat", "k", "floor", "level"];
/// Streets that are numbered: the number before these is a name.
const STREET_KINDS: &[&str] = &[
    "sok", "sk", "sokak", "sokagi", "cad", "cd", "cadde", "caddesi", "blv", "bulv", "bulvari", "st", "street", "nd",
    "th",
];

impl Address {
    /// Reads the lines, the city (which may be `district/province`) and the postal code.
    pub(super) fn parse(lines: &str, city: &str, code: &str) -> Self {
        let mut address = Self { code: words(code).concat(), ..Self::default() };
        address.places = places(city);
        let text = words(&separate(lines)).join(" ").replace("ic kapi no", "ickapi").replace("ic kapi", "ickapi");
        let all: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let mut sign = Sign::None;
        for (at, word) in all.iter().enumerate() {
            let next = all.get(at + 1).copied().unwrap_or_default();
            sign = address.read(word, next, sign);
        }
        // The tail of a Turkish address repeats district and province, which say nothing of the street.
        let known = std::mem::take(&mut address.words);
        address.words = known.into_iter().filter(|word| !address.places.contains(word)).collect();
        address
    }

    fn read(&mut self, word: &str, next: &str, sign: Sign) -> Sign {
        let numeric = word.starts_with(|c: char| c.is_ascii_digit());
        if NUMBER_SIGNS.contains(&word) {
            return Sign::Number;
        }
        if UNIT_SIGNS.contains(&word) && starts_with_digit(next) {
            return Sign::Unit;
        }
        if FLOOR_SIGNS.contains(&word) && starts_with_digit(next) {
            return Sign::Floor;
        }
        if numeric {
            match sign {
                Sign::Floor => {}
                Sign::Unit => self.unit = word.to_owned(),
                Sign::Number if self.number.is_empty() => self.number = word.to_owned(),
                // `No: 18/12`: what follows the house number at once is the flat.
                Sign::AfterNumber if self.unit.is_empty() => self.unit = word.to_owned(),
                _ if STREET_KINDS.contains(&next) => self.words.push(word.to_owned()),
                _ if self.number.is_empty() => self.number = word.to_owned(),
                _ => self.words.push(word.to_owned()),
            }
            return if sign == Sign::Number { Sign::AfterNumber } else { Sign::None };
        }
        if !KINDS.contains(&word) && word.chars().count() > 1 {
            self.words.push(without_kind(word).to_owned());
        }
        Sign::None
    }

    /// Whether there is a street to compare.
    pub(super) fn has_street(&self) -> bool {
        !self.words.is_empty()
    }

    /// How far two addresses agree.
    pub(super) fn compare(&self, other: &Self) -> Level {
        let place = self.compare_place(other);
        if !self.has_street() || !other.has_street() {
            return place;
        }
        let (shared, all) = shared_words(&self.words, &other.words);
        let (a, b) = (self.number.as_str(), other.number.as_str());
        let close = shared * 3 >= all * 2 || run_together(&self.words, &other.words);
        let number_known = !a.is_empty() && !b.is_empty();
        let number_same = number_known && a == b;
        let unit_known = !self.unit.is_empty() && !other.unit.is_empty();
        if close && place == Level::OtherPlace {
            return if number_same { Level::SameStreetElsewhere } else { Level::OtherPlace };
        }
        match () {
            () if close && number_same && unit_known && self.unit == other.unit => Level::SameHome,
            () if close && number_same && unit_known => Level::OtherHome,
            () if close && number_same => Level::SameHouse,
            () if close && !number_known => Level::SameStreet,
            () if close && similar_number(a, b) => Level::SameStreet,
            () if close => Level::OtherHouse,
            () if number_same && shared * 3 >= all && place == Level::SamePlace => Level::SimilarStreet,
            () if place == Level::SamePlace || place == Level::Missing => Level::OtherStreet,
            () => Level::OtherPlace,
        }
    }

    fn compare_place(&self, other: &Self) -> Level {
        let codes = !self.code.is_empty() && !other.code.is_empty();
        let same_code = codes && self.code == other.code;
        // The first digits are the province or region in most countries.
        let region = |code: &str| code.get(..2).unwrap_or(code).to_owned();
        let same_region = codes && self.code.len() == other.code.len() && region(&self.code) == region(&other.code);
        let named = !self.places.is_empty() && !other.places.is_empty();
        let same_name = self.places.iter().any(|a| other.places.iter().any(|b| similar_word(a, b)));
        match () {
            () if same_code || (named && same_name) => Level::SamePlace,
            () if same_region => Level::SamePlace,
            // A district against a province: one can't tell without a gazetteer.
            () if codes || named => Level::OtherPlace,
            () => Level::Missing,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    None,
    Number,
    AfterNumber,
    Unit,
    Floor,
}

fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// `No:12` and `D12` as two words.
fn separate(lines: &str) -> String {
    let mut out = String::with_capacity(lines.len() + 8);
    let mut before = ' ';
    for c in lines.chars() {
        if c.is_ascii_digit() && before.is_alphabetic() {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    out
}

/// The names in `Üsküdar/İstanbul`, each run together.
fn places(city: &str) -> Vec<String> {
    let mut places: Vec<String> = city.split(['/', ',', '-', '(']).map(|part| words(part).concat()).collect();
    places.retain(|place| place.chars().count() > 1);
    places.sort_unstable();
    places.dedup();
    places
}

/// `goodwinstreet`: a kind that was run together with its name.
fn without_kind(word: &str) -> &str {
    let cut = |kind: &&'static str| word.strip_suffix(*kind).filter(|name| kind.len() >= 5 && name.len() >= 4);
    KINDS.iter().filter_map(cut).min_by_key(|name| name.len()).unwrap_or(word)
}

fn similar_number(a: &str, b: &str) -> bool {
    a.len().max(b.len()) >= 2 && strsim::osa_distance(a, b) <= 1
}

/// Whether two lists are the same letters but for slips and borders of words, or one begins as the other.
fn run_together(a: &[String], b: &[String]) -> bool {
    let (a, b) = (a.concat(), b.concat());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start: String = long.chars().take(short.chars().count()).collect();
    let near = |other: &str| strsim::osa_distance(&short, other) * 5 <= short.chars().count();
    short.chars().count() >= 7 && (near(&start) || near(&long))
}

/// `wells` and `wellslroad`: the border between words was lost.
fn begins_as(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    short.chars().count() >= 5 && long.starts_with(short)
}

/// How many words two lists share, slips forgiven, of how many the shorter has.
fn shared_words(a: &[String], b: &[String]) -> (usize, usize) {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut left: Vec<&String> = long.iter().collect();
    let mut shared = 0;
    for word in short {
        if let Some(at) = left.iter().position(|other| similar_word(word, other) || begins_as(word, other)) {
            left.swap_remove(at);
            shared += 1;
        }
    }
    (shared, short.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(a: (&str, &str, &str), b: (&str, &str, &str)) -> Level {
        let (a, b) = (Address::parse(a.0, a.1, a.2), Address::parse(b.0, b.1, b.2));
        assert_eq!(a.compare(&b), b.compare(&a), "both ways");
        a.compare(&b)
    }

    #[test]
    fn turkish_forms_are_one_home() {
        let home = ("Mimar Sinan Mahallesi Zambak Sokak No:51 Daire 11 Bağlar/Diyarbakır", "Diyarbakır", "21000");
        for form in [
            "MİMAR SİNAN MAH. ZAMBAK SK. ÇINAR APT. NO 51 İÇ KAPI NO: 11",
            "Mimar Sinan Mh. Zambak sok. no:51/11",
            "Mimar Sinan mah Zambak Sokağı Çınar Ap. No: 51 Kat:3 D:11 Bağlar",
            "Mimar Sinan mha. Zmbak Sk No:51 D:11",
        ] {
            assert_eq!(compare(home, (form, "Bağlar/Diyarbakır", "")), Level::SameHome, "{form}");
        }
        assert_eq!(compare(home, ("Mimar Sinan Mah. Zambak Sk. No:51", "", "21000")), Level::SameHouse);
        assert_eq!(compare(home, ("Mimar Sinan Mah. Zambak Sk. No:51 D:4", "", "21000")), Level::OtherHome);
        assert_eq!(compare(home, ("Mimar Sinan Mah. Zambak Sk. No:7", "", "21000")), Level::OtherHouse);
        assert_eq!(compare(home, ("Gazi Mah. Okul Cad. No:7", "Diyarbakır", "")), Level::OtherStreet);
        assert_eq!(compare(home, ("", "DIYARBAKIR", "")), Level::SamePlace);
        assert_eq!(compare(home, ("", "İzmir", "35000")), Level::OtherPlace);
    }

    #[test]
    fn numbered_streets_and_other_countries() {
        let address = Address::parse("Ihlamur Mahallesi 101. Sokak no:37/18", "İstanbul", "");
        assert_eq!((address.number.as_str(), address.unit.as_str()), ("37", "18"));
        assert_eq!(address.words, ["ihlamur", "101"]);
        assert_eq!(
            compare(("59 Windeyer Street", "Belmont", "4031"), ("59 Windeyer St", "BELMONT", "4031")),
            Level::SameHouse
        );
        assert_eq!(compare(("314 Cowper Tsreet", "", "2000"), ("314 Cowper Street", "", "2000")), Level::SameHouse);
    }
}
