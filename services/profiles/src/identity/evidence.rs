//! Evidence that is not a key: which customers a record may belong to, found by index and never by scan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicI64, Ordering},
};

use omnimesh_kit::{ids::ProfileId, store::Tx};
use omnimesh_proto::profiles::v1::EvidenceTerm;
use uuid::Uuid;

use crate::{
    domain::{
        matching::{self, Candidate, Decision, Features, Frequencies, Key, Rules},
        terms,
    },
    error::Error,
    rpc::Inner,
    store::{
        assertions,
        evidence::{self, Stored},
    },
};

/// So many records, found by the rarest keys, are enough to know whose a record is.
const ENOUGH: u64 = 150;
/// So many records of one customer are compared, the newest first.
const OF_ONE: usize = 40;

/// How many records there are. Counted once per process and carried on from there: names are weighed by its logarithm.
#[derive(Debug)]
pub(crate) struct Records(AtomicI64);

impl Default for Records {
    fn default() -> Self {
        Self(AtomicI64::new(-1))
    }
}

impl Records {
    async fn get(&self, tx: &mut Tx) -> Result<u64, Error> {
        if self.0.load(Ordering::Relaxed) < 0 {
            self.0.store(assertions::count(tx).await?, Ordering::Relaxed);
        }
        Ok(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0))
    }

    /// One more. Those of transactions that fail are counted too: it makes no difference.
    pub(crate) fn add(&self) {
        if self.0.load(Ordering::Relaxed) >= 0 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A record as evidence, with its keys and what the index holds of them.
pub(crate) struct Evidence {
    pub(crate) features: Features,
    pub(crate) keys: Vec<Key>,
    frequencies: Frequencies,
    counts: BTreeMap<i64, u64>,
    /// The newest records of the customers who share a key with it.
    stored: Vec<Stored>,
}

/// A customer that a record may belong to.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) root: ProfileId,
    /// The profile of the record that agrees best.
    pub(crate) profile: ProfileId,
    pub(crate) weight: i64,
    pub(crate) terms: Vec<EvidenceTerm>,
}

/// What evidence says of a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matches {
    pub(crate) joins: Vec<Match>,
    pub(crate) suggestions: Vec<Match>,
    /// The customers among them that have a proved identifier.
    pub(crate) verified: BTreeSet<ProfileId>,
    /// The customers among them who can't be the record's, though both have one card: it was lent, or read wrong.
    pub(crate) contradicted: BTreeSet<ProfileId>,
    /// Pairs of customers who hold one card and can't be one.
    pub(crate) contradicting: BTreeSet<(ProfileId, ProfileId)>,
}

impl Evidence {
    /// Looks up a record's keys in the index.
    pub(crate) async fn find(app: &Inner, tx: &mut Tx, person: &matching::Person) -> Result<Self, Error> {
        let features = Features::of(person);
        let keys = features.keys();
        let counts: BTreeMap<i64, u64> = if keys.is_empty() {
            BTreeMap::new()
        } else {
            evidence::counts(tx, keys.iter().map(|key| key.hash).collect()).await?.into_iter().collect()
        };
        let mut frequencies = Frequencies::new(app.records.get(tx).await?);
        for (key, count) in &counts {
            frequencies.set(*key, *count);
        }
        let mut leading: Vec<(u64, i64)> = keys
            .iter()
            .filter_map(|key| {
                let count = counts.get(&key.hash).copied().filter(|count| *count <= u64::from(key.cap))?;
                Some((count, key.hash))
            })
            .collect();
        leading.sort_unstable();
        let mut enough = ENOUGH;
        let chosen: Vec<i64> = leading
            .into_iter()
            .map_while(|(count, key)| {
                let more = enough > 0;
                enough = enough.saturating_sub(count);
                more.then_some(key)
            })
            .collect();
        let stored = if chosen.is_empty() { Vec::new() } else { evidence::candidates(tx, chosen).await? };
        Ok(Self { features, keys, frequencies, counts, stored })
    }

    /// The customers that share a key with it.
    pub(crate) fn roots(&self) -> impl Iterator<Item = ProfileId> {
        self.stored.iter().map(|stored| stored.root)
    }

    /// Weighs them up. `without` are customers that the record's is kept apart from, `proving` those who hold what it proves.
    pub(crate) fn weigh(
        &self,
        app: &Inner,
        without: &BTreeSet<ProfileId>,
        proving: &BTreeSet<ProfileId>,
        may_merge: bool,
    ) -> Matches {
        let with: Vec<&Stored> = self.stored.iter().filter(|stored| !without.contains(&stored.root)).collect();
        let verified: BTreeSet<ProfileId> =
            with.iter().filter(|stored| stored.verified).map(|stored| stored.root).collect();
        let mut of_one: BTreeMap<ProfileId, usize> = BTreeMap::new();
        let mut known: BTreeMap<Uuid, (ProfileId, ProfileId, Features)> = BTreeMap::new();
        for stored in with {
            let count = of_one.entry(stored.root).or_default();
            *count += 1;
            // Features of a version before are of no use until the record comes again.
            if *count <= OF_ONE
                && let Ok(features) = serde_json::from_str::<Features>(&stored.features)
                && features.is_current()
            {
                known.insert(stored.record, (stored.profile, stored.root, features));
            }
        }
        let candidates: Vec<_> = known
            .iter()
            .map(|(record, (_, root, features))| Candidate {
                record: *record,
                cluster: *root,
                verified: verified.contains(root),
                features,
            })
            .collect();
        let rules = Rules {
            auto_merge_above: app.settings.auto_merge_above.filter(|_| may_merge).map(|above| above / 10),
            suggest_above: app.settings.suggest_above / 10,
            protect_verified: true,
        };
        let Decision { joins, suggestions } = matching::decide(&self.features, &candidates, &self.frequencies, &rules);
        let found = |link: &matching::Link<Uuid, ProfileId>| Match {
            root: link.cluster,
            profile: known.get(&link.record).map_or(link.cluster, |(profile, ..)| *profile),
            weight: i64::from(link.evidence.total) * 10,
            terms: link.evidence.terms.iter().map(terms::of).collect(),
        };
        let (joins, suggestions) = (joins.iter().map(found).collect(), suggestions.iter().map(found).collect());
        let contradicts = |(_, root, features): &(ProfileId, ProfileId, Features)| {
            matching::contradict(&self.features, features).then_some(*root)
        };
        let contradicted =
            known.values().filter(|(_, root, _)| proving.contains(root)).filter_map(contradicts).collect();
        let holders: Vec<_> = known.values().filter(|(_, root, _)| proving.contains(root)).collect();
        let mut contradicting = BTreeSet::new();
        for (_, one, features) in &holders {
            for (_, other, others) in holders.iter().filter(|(_, other, _)| other > one) {
                if !contradicting.contains(&(*one, *other)) && matching::contradict(features, others) {
                    contradicting.extend([(*one, *other), (*other, *one)]);
                }
            }
        }
        Matches { joins, suggestions, verified, contradicted, contradicting }
    }

    /// The index keys as they are stored beside the record.
    pub(crate) fn stored_keys(&self) -> String {
        let keys: Vec<i64> = self.keys.iter().filter(|key| key.cap > 0).map(|key| key.hash).collect();
        serde_json::to_string(&keys).unwrap_or_default()
    }

    /// Puts the record into the index.
    pub(crate) async fn insert(&self, app: &Inner, tx: &mut Tx, record: Uuid) -> Result<(), Error> {
        if !self.keys.is_empty() {
            let count = |key: &Key| self.counts.get(&key.hash).copied().unwrap_or(0);
            // Past its cap a key leads nowhere any more.
            let leading = self.keys.iter().filter(|key| count(key) < u64::from(key.cap)).map(|key| key.hash).collect();
            evidence::insert(tx, record, leading, self.keys.iter().map(|key| key.hash).collect()).await?;
        }
        app.records.add();
        Ok(())
    }
}
