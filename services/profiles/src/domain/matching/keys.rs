//! Index keys: what records must share for one to be a candidate for the other, and what is counted.

use std::collections::HashMap;

use super::{
    email::Email,
    name::Name,
    person::Features,
    phone::Phone,
    text::{LOST, skeleton},
};

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum KeyKind {
    /// Loyalty card.
    Card = 1,
    /// Account in a source.
    Account,
    /// Another identifying number.
    OtherId,
    /// Mailbox, or a marketplace's alias of a buyer.
    Email,
    /// Phone number.
    Phone,
    /// End of the phone number with the given name's first letter: finds masked numbers.
    PhoneEnd,
    /// Letters of the whole name; of given name and surname where there is more; of a handle.
    Name,
    /// One name whole, the start of the other: finds slips, and counts how many have a name like it.
    NameStart,
    /// Initials and town: finds names cut to initials.
    NamePlace,
    /// House number and street, slips forgiven.
    Street,
    /// House number and postal code.
    House,
    /// Street and surname, for slips in numbers.
    StreetName,
    /// Date of birth, day and month in either order.
    BirthDate,
    /// Given name: counted only.
    Given,
    /// Surname: counted only.
    Surname,
}

/// One row of the inverted index, or of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Kind and value, hashed; the same in every version.
    pub(crate) hash: i64,
    /// What it is made of.
    pub(crate) kind: KeyKind,
    /// As long as no more records have it, it leads to candidates. 0: it never does, it is counted only.
    pub(crate) cap: u32,
}

impl KeyKind {
    fn cap(self) -> u32 {
        match self {
            Self::Given | Self::Surname => 0,
            Self::Card | Self::Account | Self::OtherId => 100,
            Self::Email | Self::Phone | Self::Name => 64,
            Self::NameStart => 48,
            Self::PhoneEnd | Self::NamePlace | Self::Street | Self::House | Self::StreetName | Self::BirthDate => 32,
        }
    }

    fn key(self, parts: &[&str]) -> Key {
        Key { hash: hash(self, parts), kind: self, cap: self.cap() }
    }
}

impl Features {
    /// The record's keys, sorted by hash, each once.
    #[must_use]
    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::with_capacity(16);
        keys.extend(self.cards.iter().map(|card| KeyKind::Card.key(&[card])));
        keys.extend(self.other_ids.iter().map(|id| KeyKind::OtherId.key(&[id])));
        if !self.account.is_empty() {
            keys.push(KeyKind::Account.key(&[&self.source, &self.account]));
        }
        let initial = self.name.0.first().map(|given| first_letter(given)).unwrap_or_default();
        for email in &self.emails {
            match email {
                Email::Address { local, domain } => keys.push(KeyKind::Email.key(&[local, domain])),
                Email::Alias(alias) => keys.push(KeyKind::Email.key(&[&self.source, alias])),
                Email::Masked { .. } => {}
            }
        }
        for phone in &self.phones {
            let (Phone::Number(digits) | Phone::Masked(digits)) = phone;
            if matches!(phone, Phone::Number(_)) {
                keys.push(KeyKind::Phone.key(&[digits]));
            }
            if let Some(end) = digits.len().checked_sub(4).and_then(|start| digits.get(start..)) {
                keys.push(KeyKind::PhoneEnd.key(&[end, initial]));
            }
        }
        self.name_keys(&mut keys, initial);
        self.address_keys(&mut keys);
        if let Some(date) = self.birth_date {
            let (low, high) = (date.1.min(date.2), date.1.max(date.2));
            keys.push(KeyKind::BirthDate.key(&[&format!("{}-{low}-{high}", date.0)]));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn name_keys(&self, keys: &mut Vec<Key>, initial: &str) {
        let written: Vec<&str> =
            self.name.0.iter().map(String::as_str).filter(|word| word.chars().count() > 1).collect();
        let place = self.address.places.first().map_or("", String::as_str);
        match written.as_slice() {
            [first, .., last] => {
                keys.push(KeyKind::Name.key(&[&Name::anagram(written.iter().copied())]));
                if written.len() > 2 {
                    keys.push(KeyKind::Name.key(&[&Name::anagram([*first, *last].into_iter())]));
                }
                keys.extend(starts(first, last).map(|parts| KeyKind::NameStart.key(&parts)));
                keys.push(KeyKind::Given.key(&[first]));
                keys.push(KeyKind::Surname.key(&[last]));
            }
            [only] => keys.push(KeyKind::Given.key(&[only])),
            [] => {}
        }
        keys.extend(
            self.handles.iter().map(|letters| KeyKind::Name.key(&[&Name::anagram(std::iter::once(letters.as_str()))])),
        );
        // One key for all forms of a name in a town: by the initials, since either word may be cut.
        if let Some((_, last)) = self.name.ends()
            && !place.is_empty()
        {
            let mut initials = [initial, first_letter(last)];
            initials.sort_unstable();
            keys.push(KeyKind::NamePlace.key(&[&initials.concat(), place]));
        }
    }

    fn address_keys(&self, keys: &mut Vec<Key>) {
        let address = &self.address;
        let mut street: Vec<String> = address.words.iter().map(|word| skeleton(word)).collect();
        street.sort_unstable();
        let street = street.concat();
        if !address.number.is_empty() && address.has_street() {
            keys.push(KeyKind::Street.key(&[&address.number, &street]));
            if !address.code.is_empty() {
                keys.push(KeyKind::House.key(&[&address.number, &address.code]));
            }
        }
        if let Some(surname) = self.name.0.last()
            && address.has_street()
        {
            keys.push(KeyKind::StreetName.key(&[&street, &skeleton(surname)]));
        }
    }

    /// The keys by which the record's name is counted.
    fn counted_name(&self) -> CountedName {
        let written: Vec<&str> =
            self.name.0.iter().map(String::as_str).filter(|word| word.chars().count() > 1).collect();
        let whole = |letters: &mut dyn Iterator<Item = &str>| Some(hash(KeyKind::Name, &[&Name::anagram(letters)]));
        let spelled = || self.handles.first().and_then(|letters| whole(&mut std::iter::once(letters.as_str())));
        match written.as_slice() {
            [first, .., last] => CountedName {
                given: Some(hash(KeyKind::Given, &[first])),
                surname: Some(hash(KeyKind::Surname, &[last])),
                whole: whole(&mut [*first, *last].into_iter()),
                starts: starts(first, last).map(|parts| Some(hash(KeyKind::NameStart, &parts))),
            },
            [only] => CountedName {
                given: Some(hash(KeyKind::Given, &[only])),
                surname: Some(hash(KeyKind::Surname, &[only])),
                whole: spelled(),
                starts: [None, None],
            },
            [] => CountedName { whole: spelled(), ..CountedName::default() },
        }
    }
}

#[derive(Default)]
struct CountedName {
    given: Option<i64>,
    surname: Option<i64>,
    whole: Option<i64>,
    starts: [Option<i64>; 2],
}

/// Given name with the surname's first two letters, and the other way round.
fn starts<'a>(given: &'a str, surname: &'a str) -> [[&'a str; 2]; 2] {
    let two = |word: &'a str| word.char_indices().nth(2).and_then(|(end, _)| word.get(..end)).unwrap_or(word);
    [[given, two(surname)], [surname, two(given)]]
}

fn first_letter(word: &str) -> &str {
    word.chars().next().filter(|c| *c != LOST).and_then(|c| word.get(..c.len_utf8())).unwrap_or_default()
}

/// FNV-1a with a finishing mix: index rows outlive compilers, whose own hashes may change.
fn hash(kind: KeyKind, parts: &[&str]) -> i64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |byte: u8| state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    eat(kind as u8);
    for part in parts {
        part.bytes().for_each(&mut eat);
        // Between parts, so that ("ab", "c") is not ("a", "bc").
        eat(0xff);
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0xd6e8_feb8_6659_fd93);
    state ^= state >> 32;
    i64::from_ne_bytes(state.to_ne_bytes())
}

/// How many records had each of a record's keys before it came, and how many records there were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frequencies {
    records: u64,
    counts: HashMap<i64, u64>,
}

/// In percent, what each doubling of a name's count takes of its rarity: more than the bit that chance alone would, for who
/// has a common name meets namesakes in the same town, house and family.
const COMMON_NAME: i32 = 140;

/// What names are taken to occur in before anything was counted: the first records of a new mesh know no common names.
const IMAGINED_RECORDS: u64 = 400;

impl Frequencies {
    /// With the number of all records.
    #[must_use]
    pub(crate) fn new(records: u64) -> Self {
        Self { records, counts: HashMap::new() }
    }

    /// Notes a key's count.
    pub(crate) fn set(&mut self, hash: i64, count: u64) {
        self.counts.insert(hash, count);
    }

    fn count(&self, hash: Option<i64>) -> u64 {
        hash.and_then(|hash| self.counts.get(&hash)).copied().unwrap_or(0)
    }

    /// Whether so many records have a key that it does not lead to candidates any more.
    pub(super) fn is_past_cap(&self, key: &Key) -> bool {
        key.cap > 0 && self.count(Some(key.hash)) > u64::from(key.cap)
    }

    /// Number of all records.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// How rare the record's given name, surname and whole name are.
    pub(super) fn rarity(&self, features: &Features) -> Rarity {
        let name = features.counted_name();
        let all = self.records.saturating_add(IMAGINED_RECORDS);
        let (given, surname, whole) = (self.count(name.given), self.count(name.surname), self.count(name.whole));
        let of = |count: u64| bits(all.saturating_mul(4)) - bits(count.saturating_mul(4).saturating_add(2));
        let by_parts = (given + 1).saturating_mul(surname + 1).saturating_mul(8) / all;
        let alike = name.starts.into_iter().map(|start| self.count(start)).max().unwrap_or(0).max(whole);
        Rarity { given: of(given), surname: of(surname), whole, alike, by_parts, all }
    }
}

/// How surprising it is to meet a record's name by chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rarity {
    /// Of the given name, in centibits.
    pub(super) given: i32,
    /// Of the surname.
    pub(super) surname: i32,
    whole: u64,
    alike: u64,
    by_parts: u64,
    all: u64,
}

impl Rarity {
    /// Without so many records of the whole name: those of the cluster the record is compared with make the name common no
    /// more than the record itself does.
    pub(super) fn without(self, records: u64) -> Self {
        Self { whole: self.whole.saturating_sub(records), alike: self.alike.saturating_sub(records), ..self }
    }

    /// Of the whole name, in centibits. A name that no other has yet is as rare as its parts make it, if they went together by
    /// chance.
    pub(super) fn whole(self) -> i32 {
        self.of(self.whole)
    }

    /// Of the whole name or any like it: a slip makes a common name look rare.
    pub(super) fn alike(self) -> i32 {
        self.of(self.alike)
    }

    fn of(self, others: u64) -> i32 {
        let others = bits(others.saturating_mul(4).saturating_add(self.by_parts).saturating_add(1));
        bits(self.all.saturating_mul(4)) - others * COMMON_NAME / 100
    }
}

/// Logarithm to base 2 in hundredths, straight between powers of two (at most .09 too low); 0 for 0.
pub(super) fn bits(value: u64) -> i32 {
    let Some(power) = value.checked_ilog2() else { return 0 };
    // 53 bits above the power are more than enough, and fit.
    let fraction = u128::from(value) * 100 / (1_u128 << power) - 100;
    i32::try_from(power).unwrap_or(63) * 100 + i32::try_from(fraction).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::matching::Person;

    fn features(name: &str, phone: &str, address: &str) -> Features {
        Features::of(&Person {
            name: name.into(),
            phones: vec![phone.into()],
            address: address.into(),
            city: "Bursa".into(),
            ..Person::default()
        })
    }

    fn shared(a: &Features, b: &Features) -> Vec<KeyKind> {
        let keys = b.keys();
        a.keys().into_iter().filter(|key| key.cap > 0 && keys.contains(key)).map(|key| key.kind).collect()
    }

    #[test]
    fn logarithms() {
        assert_eq!([0, 1, 2, 3, 4, 1024, u64::MAX].map(bits), [0, 0, 100, 150, 200, 1000, 6399]);
    }

    #[test]
    fn hashes_stay_the_same() {
        // Index rows were written with these.
        assert_eq!(hash(KeyKind::Name, &["ab", "c"]), -3689929786722579635);
        assert_ne!(hash(KeyKind::Name, &["ab", "c"]), hash(KeyKind::Name, &["a", "bc"]));
        assert_ne!(hash(KeyKind::Given, &["ayse"]), hash(KeyKind::Surname, &["ayse"]));
    }

    #[test]
    fn keys_survive_order_slips_and_masks() {
        let ayse = features("Ayşe Kaya", "0532 418 27 63", "Gazi Mah. Okul Sk. No:12/3");
        assert!(shared(&ayse, &features("KAYA, Ayşe", "", "")).contains(&KeyKind::Name));
        assert!(shared(&ayse, &features("A. Yılmaz", "5** *** 27 63", "")).contains(&KeyKind::PhoneEnd));
        assert!(shared(&ayse, &features("A. K.", "", "Başka Cad. No:12")).contains(&KeyKind::NamePlace));
        assert!(shared(&ayse, &features("Ali Demir", "", "GAZI MH OKUL SOKAK NO 12")).contains(&KeyKind::Street));
        assert_eq!(shared(&ayse, &features("Fatma Demir", "0533 111 22 33", "Park Cad. No:7")), []);
        assert!(ayse.keys().len() <= 16 && ayse.keys().is_sorted());
    }

    #[test]
    fn rare_names_surprise_more() {
        let rarity = |name: &str, counts: [u64; 3]| {
            let features = features(name, "", "");
            let name = features.counted_name();
            let mut frequencies = Frequencies::new(5000);
            for (hash, count) in [name.given, name.surname, name.whole].into_iter().flatten().zip(counts) {
                frequencies.set(hash, count);
            }
            frequencies.rarity(&features)
        };
        let (fatma, zuhtu) = (rarity("Fatma Kaya", [250, 400, 30]), rarity("Zühtü Akyüz", [2, 20, 1]));
        assert_eq!(zuhtu.without(1).whole(), rarity("Zühtü Akyüz", [2, 20, 0]).whole());
        assert!(fatma.whole() + 300 < zuhtu.whole() && fatma.given + 300 < zuhtu.given && fatma.surname < zuhtu.surname);
    }
}
