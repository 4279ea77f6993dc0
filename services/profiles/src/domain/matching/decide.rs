//! Which clusters a new record belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    compare::Findings,
    frequency::{Frequencies, Rarity},
    keys::{Key, KeyKind},
    level::{Evidence, Level, TermKind},
    person::Features,
    score::{evidence, is_named},
};

/// A record that a key led to, or another record of its cluster.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a, R, C> {
    /// The record.
    pub(crate) record: R,
    /// The cluster it is in.
    pub(crate) cluster: C,
    /// Whether the cluster is a verified customer: has a login id or a loyalty card.
    pub(crate) verified: bool,
    /// The record as evidence.
    pub(crate) features: &'a Features,
}

/// What is done on evidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Joins above this many centibits; `None` never does.
    pub(crate) auto_merge_above: Option<i32>,
    /// Suggests above this many.
    pub(crate) suggest_above: i32,
    /// Two verified customers become one only by two records of trusted sources that agree directly: nothing that guests,
    /// partners or marketplaces claim can bridge them.
    pub(crate) protect_verified: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { auto_merge_above: None, suggest_above: 0, protect_verified: true }
    }
}

/// A cluster the new record may belong to.
#[derive(Clone, Debug)]
pub(crate) struct Link<R, C> {
    /// The cluster.
    pub(crate) cluster: C,
    /// The record in it that agrees best.
    pub(crate) record: R,
    /// Evidence for the new record being of the cluster's person: of each field the best that any record of it gives.
    pub(crate) evidence: Evidence,
}

/// What to do with a new record.
#[derive(Clone, Debug)]
pub(crate) struct Decision<R, C> {
    /// Clusters it belongs to, best first. More than one: these are one person.
    pub(crate) joins: Vec<Link<R, C>>,
    /// Clusters it may belong to, best first.
    pub(crate) suggestions: Vec<Link<R, C>>,
}

/// How many different people may share a phone, mailbox or house before it stops being evidence: a large family.
const HUB: usize = 5;

/// How many records of a cluster tell whether it fits another.
const TOLD_BY: usize = 3;

/// How many clusters a record may join at once. What fits more says too little to tell them apart.
const MOST_JOINS: usize = 6;

/// What two clusters that one record fits must have for each other.
const BRIDGE: i32 = -200;

/// A record that fits two clusters that are not one person is of neither, unless it fits one so many centibits better.
const MARGIN: i32 = 200;

/// Finds the clusters that a new record belongs to. The order of candidates does not matter.
#[must_use]
pub(crate) fn decide<R: Copy + Ord, C: Copy + Ord>(
    new: &Features,
    candidates: &[Candidate<'_, R, C>],
    frequencies: &Frequencies,
    rules: &Rules,
) -> Decision<R, C> {
    let rarity = frequencies.rarity(new);
    let mut compared: Vec<Compared<'_, '_, R, C>> = candidates
        .iter()
        .map(|candidate| Compared { candidate, findings: Findings::of(new, candidate.features) })
        .collect();
    blunt_hubs(new, &mut compared, frequencies);
    drop_receipts(new, &mut compared);
    let mut clusters: BTreeMap<C, Vec<&Compared<'_, '_, R, C>>> = BTreeMap::new();
    for one in &compared {
        clusters.entry(one.candidate.cluster).or_default().push(one);
    }
    let mut found: Vec<Found<'_, R, C>> = clusters
        .into_iter()
        .filter_map(|(cluster, members)| {
            let own = members.iter().filter(|one| is_named(one.findings.level(TermKind::Name))).count();
            let rarity = rarity.without(u64::try_from(own).unwrap_or(u64::MAX));
            let link = link(cluster, members.iter().copied(), rarity, frequencies.records())?;
            Some(Found { link, members, rarity })
        })
        .collect();
    found.sort_by_key(|one| (std::cmp::Reverse(one.link.evidence.total), one.link.cluster));
    let mut decision = Decision { joins: Vec::new(), suggestions: Vec::new() };
    let mut joined: Vec<Found<'_, R, C>> = Vec::new();
    let threshold = rules.auto_merge_above.unwrap_or(i32::MAX);
    let fit = |a: &Found<'_, R, C>, b: &Found<'_, R, C>| fit_together(a, b, rarity, frequencies.records(), threshold);
    let ambiguous = ambiguous(&found, threshold, fit);
    for (rank, one) in found.into_iter().enumerate() {
        let total = one.link.evidence.total;
        let joins = rank < MOST_JOINS
            && rules.auto_merge_above.is_some_and(|above| total > above)
            && !ambiguous
            && joined.iter().all(|other| fit(other, &one))
            && (!rules.protect_verified || may_join(new, &joined, &one, threshold, frequencies.records()));
        if joins {
            joined.push(one);
        } else if total > rules.suggest_above {
            decision.suggestions.push(one.link);
        }
    }
    decision.joins = joined.into_iter().map(|one| one.link).collect();
    decision
}

struct Compared<'a, 'b, R, C> {
    candidate: &'b Candidate<'a, R, C>,
    findings: Findings,
}

struct Found<'a, R, C> {
    link: Link<R, C>,
    /// Of the new record's name outside the cluster.
    rarity: Rarity,
    members: Vec<&'a Compared<'a, 'a, R, C>>,
}

/// Of each field the best that any of the records gives.
fn link<'m, R: Copy + Ord + 'm, C: Copy + 'm>(
    cluster: C,
    members: impl Iterator<Item = &'m Compared<'m, 'm, R, C>>,
    rarity: Rarity,
    records: u64,
) -> Option<Link<R, C>> {
    let mut best: Option<Findings> = None;
    let mut record: Option<(i32, std::cmp::Reverse<R>)> = None;
    for member in members {
        let total = evidence(&member.findings, rarity, records).total;
        record = record.max(Some((total, std::cmp::Reverse(member.candidate.record))));
        best.get_or_insert(member.findings).improve(&member.findings, rarity);
    }
    Some(Link { cluster, record: record?.1.0, evidence: evidence(&best?, rarity, records) })
}

/// A phone, mailbox or house that many different people have says nothing of which of them this is.
fn blunt_hubs<R, C>(new: &Features, compared: &mut [Compared<'_, '_, R, C>], frequencies: &Frequencies) {
    let worn_out = |kind: KeyKind| new.keys().iter().any(|key: &Key| key.kind == kind && frequencies.is_past_cap(key));
    for (kind, key) in [(TermKind::Phone, KeyKind::Phone), (TermKind::Email, KeyKind::Email)] {
        let equal = |one: &Compared<'_, '_, R, C>| matches!(one.findings.level(kind), Level::Same | Level::SameCommon);
        let holders: BTreeSet<&str> = compared
            .iter()
            .filter(|one| equal(one))
            .filter_map(|one| one.candidate.features.name.0.first())
            .map(String::as_str)
            .collect();
        if holders.len() > HUB || worn_out(key) {
            for one in compared.iter_mut().filter(|one| equal(one)) {
                one.findings.set(kind, Level::Hub);
            }
        }
    }
}

/// Two accounts of one source speak against one person, but many sources number receipts, calls and orders instead: an account
/// counts as one when it was met twice.
fn drop_receipts<R, C>(new: &Features, compared: &mut [Compared<'_, '_, R, C>]) {
    let mut met: BTreeSet<&str> = BTreeSet::new();
    let of_source = compared.iter().map(|one| one.candidate.features).filter(|features| features.source == new.source);
    let twice: BTreeSet<String> = std::iter::once(new)
        .chain(of_source)
        .filter(|features| !features.account.is_empty() && !met.insert(&features.account))
        .map(|features| features.account.clone())
        .collect();
    for one in compared.iter_mut().filter(|one| one.findings.level(TermKind::Account) == Level::Different) {
        if !twice.contains(&new.account) && !twice.contains(&one.candidate.features.account) {
            one.findings.set(TermKind::Account, Level::Missing);
        }
    }
}

/// Whether the best two clusters are different people and too close to tell which it is.
fn ambiguous<R, C>(
    found: &[Found<'_, R, C>],
    threshold: i32,
    fit: impl Fn(&Found<'_, R, C>, &Found<'_, R, C>) -> bool,
) -> bool {
    let Some((best, others)) = found.split_first() else { return false };
    best.link.evidence.total > threshold
        && others
            .iter()
            .take(MOST_JOINS)
            .take_while(|one| one.link.evidence.total > best.link.evidence.total - MARGIN)
            .any(|one| !fit(best, one))
}

/// Whether two clusters can be one person: of what they claim of themselves nothing contradicts, or what agrees outweighs it.
fn fit_together<R, C>(a: &Found<'_, R, C>, b: &Found<'_, R, C>, rarity: Rarity, records: u64, threshold: i32) -> bool {
    let mut best: Option<Findings> = None;
    // Enough to tell; all of two large clusters would take long.
    for x in a.members.iter().take(TOLD_BY) {
        for y in b.members.iter().take(TOLD_BY) {
            let findings = Findings::of(x.candidate.features, y.candidate.features);
            best.get_or_insert(findings).improve(&findings, rarity);
        }
    }
    let Some(best) = best else { return true };
    let same_id = [TermKind::Card, TermKind::Account, TermKind::OtherId]
        .into_iter()
        .any(|kind| matches!(best.level(kind), Level::Same | Level::Similar));
    let other_name = matches!(best.level(TermKind::Name), Level::GivenDiffers | Level::Different);
    let other_card = best.level(TermKind::Card) == Level::Different;
    let doubtful =
        best.level(TermKind::BirthDate) == Level::Different || best.level(TermKind::Email) == Level::AliasDiffers;
    if other_name || other_card {
        return same_id;
    }
    let total = evidence(&best, rarity, records).total;
    if doubtful { total > threshold } else { total > BRIDGE }
}

/// Whether joining does not make two verified customers one, but by what trusted sources say directly.
fn may_join<R: Copy + Ord, C: Copy + Ord>(
    new: &Features,
    joined: &[Found<'_, R, C>],
    one: &Found<'_, R, C>,
    threshold: i32,
    records: u64,
) -> bool {
    let verified = |found: &Found<'_, R, C>| found.members.iter().any(|member| member.candidate.verified);
    let new_verified = new.is_verified();
    let others = joined.iter().filter(|found| verified(found)).count();
    if !verified(one) || (others == 0 && !new_verified) {
        return true;
    }
    let direct = |found: &Found<'_, R, C>| {
        let trusted = found.members.iter().copied().filter(|member| member.candidate.features.trusted);
        link(found.link.cluster, trusted, found.rarity, records).is_some_and(|link| link.evidence.total > threshold)
    };
    new.trusted && direct(one) && joined.iter().filter(|found| verified(found)).all(direct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::matching::Person;

    const THRESHOLD: i32 = 150;

    fn claims(name: &str, phone: &str, address: &str) -> Person {
        Person {
            source: "web".into(),
            trusted: true,
            name: name.into(),
            phones: vec![phone.into()],
            address: address.into(),
            ..Person::default()
        }
    }

    /// Decides on a record against others, each in a cluster of its own.
    fn joins(new: &Person, others: &[(Person, bool)], protect_verified: bool) -> Vec<usize> {
        let features: Vec<(Features, bool)> =
            others.iter().map(|(person, verified)| (Features::of(person), *verified)).collect();
        let candidates: Vec<Candidate<'_, usize, usize>> = features
            .iter()
            .enumerate()
            .map(|(at, (features, verified))| Candidate { record: at, cluster: at, verified: *verified, features })
            .collect();
        let rules = Rules { auto_merge_above: Some(THRESHOLD), protect_verified, ..Rules::default() };
        let mut joins: Vec<usize> = decide(&Features::of(new), &candidates, &Frequencies::new(5000), &rules)
            .joins
            .into_iter()
            .map(|link| link.cluster)
            .collect();
        joins.sort_unstable();
        joins
    }

    const PHONE: &str = "0532 418 27 63";
    const HOME: &str = "Gazi Mah. Okul Sk. No:12/3";

    #[test]
    fn one_person_is_found_again() {
        let ayse = claims("Ayşe Kaya", PHONE, HOME);
        for form in [
            claims("KAYA, AYŞE", "+90 532 418 27 63", ""),
            claims("Ay?e Kaya", "", "GAZİ MH. OKUL SOKAK NO 12 D:3"),
            claims("Ayşe Hanım", PHONE, ""),
            claims("A. Kaya", "5** *** 27 63", HOME),
        ] {
            assert_eq!(joins(&form, &[(ayse.clone(), false)], true), [0], "{}", form.name);
        }
    }

    #[test]
    fn a_household_stays_several_people() {
        let father = claims("Ali Kaya", PHONE, HOME);
        assert_eq!(joins(&claims("Ayşe Kaya", PHONE, HOME), &[(father.clone(), false)], true), [0; 0]);
        assert_eq!(joins(&claims("Mehmet Kaya", "", HOME), &[(father.clone(), false)], true), [0; 0]);
        let mailbox = |name: &str| Person { emails: vec!["kayafamily@gmail.com".into()], ..claims(name, PHONE, HOME) };
        assert_eq!(joins(&mailbox("Ayşe Kaya"), &[(mailbox("Ali Kaya"), false)], true), [0; 0]);
        // Who of the two called can't be told from their phone.
        let mother = claims("Ayşe Kaya", PHONE, HOME);
        assert_eq!(joins(&claims("", PHONE, ""), &[(father, false), (mother, false)], true), [0; 0]);
    }

    #[test]
    fn hubs_and_dummies_are_no_evidence() {
        let names =
            ["Ali Kaya", "Veli Demir", "Ayşe Çelik", "Fatma Şahin", "Hasan Yıldız", "Zeynep Öztürk", "Emre Kılıç"];
        let shop: Vec<(Person, bool)> = names.iter().map(|name| (claims(name, PHONE, ""), false)).collect();
        assert_eq!(joins(&claims("", PHONE, ""), &shop, true), [0; 0]);
        assert_eq!(
            joins(&claims("", "05000000000", ""), &[(claims("Ali Kaya", "05000000000", ""), false)], true),
            [0; 0]
        );
    }

    #[test]
    fn marketplaces_and_guests_bridge_no_verified_customers() {
        let (first, second) = (claims("Ayşe Kaya", PHONE, ""), claims("Ayşe Kaya", "", HOME));
        let mut bridge = claims("Ayşe Kaya", PHONE, HOME);
        let both = [(first.clone(), true), (second.clone(), true)];
        assert_eq!(joins(&bridge, &both, true), [0, 1], "trusted, and agrees with both directly");
        bridge.trusted = false;
        assert_eq!(joins(&bridge, &both, true).len(), 1);
        assert_eq!(joins(&bridge, &both, false), [0, 1]);
        assert_eq!(joins(&bridge, &[(first, true), (second, false)], true), [0, 1]);
    }

    #[test]
    fn two_cards_are_two_customers() {
        let with = |card: &str| Person { cards: vec![card.into()], ..claims("Ayşe Kaya", PHONE, "") };
        assert_eq!(joins(&with("809257603562"), &[(with("803149702635"), false)], true), [0; 0]);
        assert_eq!(joins(&with("809257603562"), &[(with("809257603568"), false)], true), [0], "a slip at the till");
    }
}
