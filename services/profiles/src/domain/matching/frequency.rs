//! How common what a record claims is: counts of keys, and what a name's rarity is worth.

use std::collections::HashMap;

use super::{keys::Key, person::Features};

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

/// How often, in quarters, a name is taken to occur among the imagined records: while few are counted, a name alone says
/// nothing, for it may be a common one. It fades as records come.
const IMAGINED_NAMESAKES: u64 = 7;

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
        let by_parts = by_parts + IMAGINED_NAMESAKES * IMAGINED_RECORDS / all;
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

    #[test]
    fn logarithms() {
        assert_eq!([0, 1, 2, 3, 4, 1024, u64::MAX].map(bits), [0, 0, 100, 150, 200, 1000, 6399]);
    }

    #[test]
    fn rare_names_surprise_more() {
        let rarity = |name: &str, counts: [u64; 3]| {
            let features = Features::of(&Person { name: name.into(), ..Person::default() });
            let name = features.counted_name();
            let mut frequencies = Frequencies::new(5000);
            for (hash, count) in [name.given, name.surname, name.whole].into_iter().flatten().zip(counts) {
                frequencies.set(hash, count);
            }
            frequencies.rarity(&features)
        };
        let (fatma, zuhtu) = (rarity("Fatma Kaya", [250, 400, 30]), rarity("Zühtü Akyüz", [2, 20, 1]));
        assert_eq!(zuhtu.without(1).whole(), rarity("Zühtü Akyüz", [2, 20, 0]).whole());
        assert!(
            fatma.whole() + 300 < zuhtu.whole() && fatma.given + 300 < zuhtu.given && fatma.surname < zuhtu.surname
        );
    }
}
