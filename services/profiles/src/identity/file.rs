//! Files a record: finds whose it is, makes one of customers that it proves to be one, suggests what evidence says.

use std::collections::{BTreeMap, BTreeSet};

use omnimesh_kit::{call::Call, clock::Timestamp, customers, ids::ProfileId, outbox, store::Tx};
use omnimesh_proto::profiles::v1::{AssertionOutcome, IdentifierType, IdentifierVerified, MergeKind, ProfileCreated};
use uuid::Uuid;

use super::{
    evidence::{Evidence, Match, Matches},
    join::{self, Edge},
    suggestions,
    values::{countable, is_buried, name, without_shared},
};
use crate::{
    domain::{
        forest,
        limits::Limited,
        record::{Held, Record, Trust},
        search::terms_of_claims,
        terms,
    },
    error::Error,
    rpc::Inner,
    store::{
        assertions,
        clusters::{self, Node},
        identifiers::{self, Holder},
        merges, profiles, search,
        suggestions::SuggestionId,
        uuids,
    },
};

/// A value that comes to many customers within this many seconds is not a person's.
const QUARANTINE_SECONDS: u64 = 3_600;
/// The most suggestions that one record raises.
const SUGGESTIONS: usize = 5;

/// What became of a record.
#[derive(Clone, Debug)]
pub(crate) struct Filed {
    /// The profile that took it, and the one that stands for the customer now; `None` if it was not kept.
    pub(crate) node: Option<(ProfileId, ProfileId)>,
    pub(crate) outcome: AssertionOutcome,
    pub(crate) merged: bool,
    /// Nobody but the customer it was joined with was known by it.
    pub(crate) joined_new: bool,
    pub(crate) suggestions: Vec<SuggestionId>,
}

impl Filed {
    fn nothing(node: Option<(ProfileId, ProfileId)>, outcome: AssertionOutcome) -> Self {
        Self { node, outcome, merged: false, joined_new: false, suggestions: Vec::new() }
    }
}

/// Files a record. `named` is the profile that the caller says it is about. `fill` leaves out identifiers that the customer
/// holds already.
pub(crate) async fn file(
    app: &Inner,
    tx: &mut Tx,
    call: &Call,
    record: &Record,
    named: Option<ProfileId>,
    fill: bool,
) -> Result<Filed, Error> {
    let proved: Vec<Uuid> = record.held.iter().filter(|held| held.is_proved()).map(|held| held.hash).collect();
    app.hold(tx, record).await?;
    let seen = assertions::seen(tx, record.content, record.source).await?;
    if let Some(node) = seen.content {
        let root = customers::root(tx, node).await?;
        return Ok(Filed::nothing(Some((node, root)), AssertionOutcome::Unchanged));
    }
    if is_buried(tx, record).await? {
        return Ok(Filed::nothing(None, AssertionOutcome::Suppressed));
    }
    let source = seen.source;
    let holders = if proved.is_empty() { Vec::new() } else { identifiers::holders(tx, proved).await? };
    let mut filing = Filing::begin(app, tx, record, source.or(named), &holders).await?;
    if let (Some(source), Some(named)) = (source, named) {
        filing.add_named(tx, source, named, record.trust).await?;
    }
    filing.lock(app, tx).await?;
    filing.settle_node(tx, call, source.is_none()).await?;
    filing.verify(tx, call, &holders).await?;
    filing.join_proved(app, tx, call).await?;
    filing.join_matches(app, tx, call).await?;
    filing.suggest(tx).await?;
    filing.keep(app, tx, &holders, fill).await?;
    Ok(Filed {
        node: Some((filing.node, filing.home.id)),
        outcome: if filing.is_new() { AssertionOutcome::Created } else { AssertionOutcome::Added },
        merged: filing.merged,
        joined_new: filing.fresh,
        suggestions: filing.suggested,
    })
}

impl Inner {
    /// Keeps others away from what decides whose a record is, until the transaction ends. SQLite has one writer anyway.
    pub(crate) async fn hold(&self, tx: &mut Tx, record: &Record) -> Result<(), Error> {
        if self.db.is_sqlite() {
            return Ok(());
        }
        let proved = record.held.iter().filter(|held| held.is_proved()).map(|held| held.hash);
        let all: Vec<Uuid> = proved.chain(record.source).chain([record.content]).collect();
        let mut keys: Vec<i64> =
            all.iter().map(|hash| i64::from_be_bytes(hash.as_u64_pair().0.to_be_bytes())).collect();
        keys.sort_unstable();
        Ok(clusters::hold(tx, keys).await?)
    }
}

/// A reason to make one of two customers.
struct Reason {
    /// The profile of the other that shows it.
    profile: ProfileId,
    evidence: Vec<omnimesh_proto::profiles::v1::EvidenceTerm>,
    /// Nothing but a card, which people lend.
    by_card: bool,
}

/// A record on its way.
struct Filing<'a> {
    record: &'a Record,
    evidence: Evidence,
    matches: Matches,
    /// Which customers, by their roots, were proved what the record proves.
    proving: BTreeMap<ProfileId, Reason>,
    /// The profile that takes the record.
    node: ProfileId,
    /// Nobody was known by it.
    fresh: bool,
    /// The customer that the record is of: the locked root.
    home: Node,
    /// The same before the record came, if it was verified.
    verified_home: Option<ProfileId>,
    /// The roots that became part of it.
    homes: BTreeSet<ProfileId>,
    nodes: BTreeMap<ProfileId, Node>,
    /// Where profiles were seen to belong.
    seen: BTreeMap<ProfileId, ProfileId>,
    limited: BTreeMap<ProfileId, Limited>,
    apart: Vec<(ProfileId, ProfileId)>,
    merged: bool,
    /// Who to suggest, with what weighs for it.
    raise: Vec<Match>,
    suggested: Vec<SuggestionId>,
}

impl<'a> Filing<'a> {
    async fn begin(
        app: &Inner,
        tx: &mut Tx,
        record: &'a Record,
        known: Option<ProfileId>,
        holders: &[Holder],
    ) -> Result<Self, Error> {
        let now = tx.now();
        let (node, fresh) = known.map_or_else(|| (ProfileId::new(now), true), |node| (node, false));
        let root = if fresh { node } else { customers::root(tx, node).await? };
        let mut proving: BTreeMap<ProfileId, Reason> = BTreeMap::new();
        for holder in holders.iter().filter(|holder| holder.root != root) {
            let held = record.held.iter().find(|held| held.hash == holder.hash);
            let evidence = held.map(|held| terms::same_identifier(name(held))).into_iter().collect();
            let lent = held.is_some_and(|held| held.identifier.kind == i32::from(IdentifierType::LoyaltyCard));
            let reason =
                proving.entry(holder.root).or_insert(Reason { profile: holder.profile, evidence, by_card: true });
            reason.by_card &= lent;
        }
        let person = without_shared(tx, record).await?;
        let evidence = Evidence::find(app, tx, &person).await?;
        let all: BTreeSet<ProfileId> = evidence.roots().chain(proving.keys().copied()).chain([root]).collect();
        let apart =
            if all.len() > 1 { merges::apart(tx, all.iter().map(|root| root.0).collect()).await? } else { Vec::new() };
        let away = apart.iter().filter(|(one, _)| *one == root).map(|(_, other)| *other).collect();
        let holding = proving.keys().copied().chain([root]).collect();
        let matches = evidence.weigh(app, &away, &holding, record.may_merge);
        let home = Node { id: root, created_at: now, verified_at: None, version: 1, erased: false };
        Ok(Self {
            record,
            evidence,
            matches,
            proving,
            node,
            fresh,
            home,
            verified_home: None,
            homes: BTreeSet::from([root]),
            nodes: BTreeMap::new(),
            seen: BTreeMap::new(),
            limited: BTreeMap::new(),
            apart,
            merged: false,
            raise: Vec::new(),
            suggested: Vec::new(),
        })
    }

    /// The caller says that a source's profile is of another customer: a proof, from callers that are trusted with proofs.
    async fn add_named(&mut self, tx: &mut Tx, source: ProfileId, named: ProfileId, trust: Trust) -> Result<(), Error> {
        let root = customers::root(tx, named).await?;
        if named != source && root != self.home.id && trust == Trust::Asserted {
            self.proving.entry(root).or_insert(Reason { profile: named, evidence: Vec::new(), by_card: false });
            self.apart.extend(merges::apart(tx, uuids(&[root, self.home.id])).await?);
        }
        Ok(())
    }

    /// Locks all customers that may be changed, and reads what limits them.
    async fn lock(&mut self, app: &Inner, tx: &mut Tx) -> Result<(), Error> {
        if !self.fresh {
            self.seen.insert(self.node, self.home.id);
            self.seen.insert(self.home.id, self.home.id);
        }
        for (root, reason) in &self.proving {
            self.seen.insert(*root, *root);
            self.seen.insert(reason.profile, *root);
        }
        for found in &self.matches.joins {
            self.seen.insert(found.root, found.root);
            self.seen.insert(found.profile, found.root);
        }
        self.nodes = join::lock(app, tx, &self.seen).await?;
        let mut roots: Vec<ProfileId> = self.proving.keys().copied().collect();
        roots.extend(self.matches.joins.iter().map(|found| found.root));
        if !roots.is_empty() {
            if !self.fresh {
                roots.push(self.home.id);
            }
            roots.sort_unstable();
            roots.dedup();
            if !app.db.is_sqlite() && roots.len() > 1 {
                // Somebody may have parted them before they were locked.
                self.apart.extend(merges::apart(tx, uuids(&roots)).await?);
            }
            self.limited = join::limited(app, tx, uuids(&roots)).await?;
        }
        Ok(())
    }

    /// Makes the profile if it is new.
    async fn settle_node(&mut self, tx: &mut Tx, call: &Call, is_new_source: bool) -> Result<(), Error> {
        let now = tx.now();
        if self.fresh {
            profiles::insert_profile(tx, self.node, now).await?;
            let event = ProfileCreated { profile_id: self.node.to_string() };
            outbox::append(tx, call, &event.profile_id, 1, &event).await?;
        } else {
            self.home = *self.nodes.get(&self.home.id).ok_or(Error::Raced)?;
            self.verified_home = self.home.verified_at.map(|_| self.home.id);
        }
        if is_new_source && let Some(source) = self.record.source {
            assertions::insert_source(tx, source, self.node).await?;
        }
        let own = self.limited.entry(self.home.id).or_default();
        for held in self.record.held.iter().filter(|held| held.is_proved()) {
            own.add(held.identifier.kind, &held.identifier.value, held.hash);
        }
        Ok(())
    }

    /// The profile is verified by what the record proves, which may make it the one that stands for the customer.
    async fn verify(&mut self, tx: &mut Tx, call: &Call, holders: &[Holder]) -> Result<(), Error> {
        let now = tx.now();
        let known = |held: &Held| holders.iter().any(|holder| holder.hash == held.hash && holder.profile == self.node);
        if self.record.held.iter().filter(|held| held.is_proved()).all(known) {
            return Ok(());
        }
        let mut node = self.nodes.get(&self.node).copied().unwrap_or(self.home);
        if node.verified_at.is_none() {
            clusters::verified(tx, self.node, now).await?;
            node.verified_at = Some(now);
            if node.id == self.home.id {
                self.home = node;
            } else if node.rank() < self.home.rank() {
                join::crown(tx, call, node).await?;
                let limited = self.limited.remove(&self.home.id).unwrap_or_default();
                self.limited.insert(node.id, limited);
                self.home = node;
                self.homes.insert(node.id);
            }
        }
        let event = IdentifierVerified { profile_id: self.node.to_string() };
        let number = profiles::count_event(tx, self.node, 0).await?;
        outbox::append(tx, call, &event.profile_id, number, &event).await?;
        Ok(())
    }

    /// Whether nobody is known by it, so far.
    fn is_new(&self) -> bool {
        self.fresh && self.homes.len() == 1
    }

    /// Whether the customer and another are kept apart.
    fn is_apart(&self, root: ProfileId) -> bool {
        self.apart.iter().any(|(one, other)| *other == root && self.homes.contains(one))
    }

    fn is_vetoed(&self, app: &Inner, root: ProfileId) -> bool {
        let empty = Limited::default();
        let own = self.limited.get(&self.home.id).unwrap_or(&empty);
        own.vetoes(self.limited.get(&root).unwrap_or(&empty), |kind| app.settings.limit(kind))
    }

    /// Makes one of all who were proved the same, the oldest first.
    async fn join_proved(&mut self, app: &Inner, tx: &mut Tx, call: &Call) -> Result<(), Error> {
        let mut proving: Vec<(ProfileId, Reason)> = std::mem::take(&mut self.proving).into_iter().collect();
        proving.sort_by_key(|(root, _)| self.nodes.get(root).map(Node::rank));
        for (root, Reason { profile, evidence, by_card }) in proving {
            if self.is_apart(root) {
                continue;
            }
            let lent = by_card
                && (self.matches.contradicted.contains(&root)
                    || self.homes.iter().any(|home| self.matches.contradicting.contains(&(*home, root))));
            if lent || self.is_vetoed(app, root) || !self.is_bound(tx, root).await? {
                self.raise.push(Match { root, profile, weight: 0, terms: evidence });
                continue;
            }
            let terms = terms::write(&evidence);
            self.join(tx, call, root, (profile, MergeKind::Identifier, terms)).await?;
        }
        Ok(())
    }

    /// Whether the profile, should joining make two verified customers one, belongs to its own by more than evidence: else
    /// claims of anybody could bind it to a customer, and its proof would then bind that customer to another.
    async fn is_bound(&self, tx: &mut Tx, root: ProfileId) -> Result<bool, Error> {
        let other_verified = self.nodes.get(&root).is_some_and(|node| node.verified_at.is_some());
        let Some(home) = self.verified_home.filter(|home| other_verified && *home != self.node) else {
            return Ok(true);
        };
        let members = customers::members(tx, self.home.id).await?;
        let edges = merges::merges(tx, uuids(&members)).await?;
        let firm = edges.iter().filter(|edge| edge.kind != i32::from(MergeKind::Evidence));
        let parts = forest::components(&members.into_iter().collect(), firm.map(|edge| (edge.profile, edge.other)));
        Ok(parts.iter().any(|part| part.contains(&self.node) && part.contains(&home)))
    }

    /// Makes one of those whom evidence joins, where that is switched on.
    async fn join_matches(&mut self, app: &Inner, tx: &mut Tx, call: &Call) -> Result<(), Error> {
        let joins = std::mem::take(&mut self.matches.joins);
        let weighed: BTreeSet<ProfileId> = joins.iter().map(|found| found.root).collect();
        for found in joins {
            if self.homes.contains(&found.root) || self.is_apart(found.root) {
                continue;
            }
            // The matcher has seen to it that no two verified customers are joined by anybody's claims: of those it knew of.
            let known = self.is_verified_record() || self.homes.iter().any(|home| weighed.contains(home));
            let both = self.home.verified_at.is_some() && self.matches.verified.contains(&found.root);
            if (both && !known) || self.is_vetoed(app, found.root) {
                self.raise.push(found);
                continue;
            }
            let terms = terms::write(&found.terms);
            self.join(tx, call, found.root, (found.profile, MergeKind::Evidence, terms)).await?;
        }
        Ok(())
    }

    /// What the matcher takes for a verified customer's record.
    fn is_verified_record(&self) -> bool {
        let person = &self.record.person;
        person.trusted && (!person.cards.is_empty() || !person.account.is_empty())
    }

    async fn join(
        &mut self,
        tx: &mut Tx,
        call: &Call,
        root: ProfileId,
        (profile, kind, terms): (ProfileId, MergeKind, String),
    ) -> Result<(), Error> {
        let other = *self.nodes.get(&root).ok_or(Error::Raced)?;
        let edge = Edge { profile: self.node, other: profile, kind, terms, reason: String::new() };
        let fresh = self.is_new();
        let before = self.home.id;
        (self.home, _) = join::join(tx, call, (self.home, other), edge, fresh).await?;
        self.homes.insert(root);
        let mut limited = self.limited.remove(&before).unwrap_or_default();
        limited.join(self.limited.remove(&root).unwrap_or_default());
        self.limited.insert(self.home.id, limited);
        self.merged |= !fresh;
        Ok(())
    }

    /// Suggests what evidence says, but for what is one by now or kept apart for ever.
    async fn suggest(&mut self, tx: &mut Tx) -> Result<(), Error> {
        let mut found = std::mem::take(&mut self.matches.suggestions);
        for vetoed in std::mem::take(&mut self.raise) {
            match found.iter_mut().find(|found| found.root == vetoed.root) {
                Some(known) => known.terms.extend(vetoed.terms.into_iter().filter(|term| term.weight_millibits == 0)),
                None => found.push(vetoed),
            }
        }
        found.retain(|found| !self.homes.contains(&found.root) && !self.is_apart(found.root));
        found.truncate(SUGGESTIONS);
        let fresh = self.is_new();
        self.suggested = suggestions::raise(tx, self.node, &found, fresh).await?;
        Ok(())
    }

    /// Keeps the record: as claims, as what the profile is known by, and as evidence for those to come.
    async fn keep(&mut self, app: &Inner, tx: &mut Tx, holders: &[Holder], fill: bool) -> Result<(), Error> {
        let now = tx.now();
        self.count_uses(app, tx, now).await?;
        let is_there = |held: &Held| {
            fill && holders.iter().any(|holder| holder.hash == held.hash && self.homes.contains(&holder.root))
        };
        let held: Vec<&Held> = self.record.held.iter().filter(|held| !is_there(held)).collect();
        identifiers::hold(tx, self.node, &held, self.record.channel, now).await?;
        let id = omnimesh_kit::ids::uuid_v7(now);
        let features = serde_json::to_string(&self.evidence.features).unwrap_or_default();
        let stored = (features.as_str(), self.evidence.stored_keys());
        assertions::insert(tx, id, self.node, self.record, (stored.0, &stored.1)).await?;
        self.evidence.insert(app, tx, id).await?;
        search::index(tx, self.node, &terms_of_claims(&self.record.said_of(), &app.settings.country)).await?;
        if !self.fresh && !self.merged {
            profiles::touch(tx, self.home.id).await?;
        }
        Ok(())
    }

    /// Counts claimed addresses that are new to the customer.
    async fn count_uses(&self, app: &Inner, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let mut hashes: Vec<Uuid> = countable(self.record).collect();
        if hashes.is_empty() {
            return Ok(());
        }
        if !self.is_new() {
            let held = identifiers::held(tx, hashes.clone(), self.home.id).await?;
            hashes.retain(|hash| !held.contains(hash));
        }
        if !hashes.is_empty() {
            let after = now.minus(std::time::Duration::from_secs(QUARANTINE_SECONDS));
            identifiers::count_uses(tx, hashes, now, after, app.settings.quarantine_above).await?;
        }
        Ok(())
    }
}
