//! Index keys: what records must share for one to be a candidate for the other, and what is counted.

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
    pub(super) fn counted_name(&self) -> CountedName {
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

/// Keys by which a name is counted.
#[derive(Default)]
pub(super) struct CountedName {
    pub(super) given: Option<i64>,
    pub(super) surname: Option<i64>,
    pub(super) whole: Option<i64>,
    pub(super) starts: [Option<i64>; 2],
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
}
