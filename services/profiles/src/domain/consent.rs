//! Whether something may be sent to an address, decided from everything that was said about it. Pure.
//!
//! Consent belongs to the address, not to a person. Each statement has a *speaker*: the profile that had proved the address when
//! it was made, or nobody known. The rules, the most restrictive of which wins:
//!
//! 1. A statement that has expired counts as never made. So a denial with an end is a pause, and an expired grant lifts nothing.
//! 2. A denial or revocation stands until a grant *lifts* it. A grant lifts it if it is newer, comes with its own proof (the
//!    wording that was seen, and evidence), and is by the same person: a profile that was the speaker, or one customer with the
//!    speaker *when the grant was made*; whoever proved the address also speaks for what nobody known said before.
//! 3. While any denial or revocation stands, nothing may be sent.
//! 4. Otherwise marketing and profiling need a grant with proof; the other purposes need none.
//!
//! What a grant lifts is fixed when it is made. So merges and splits of profiles change no answer, a further denial never widens
//! one, and two histories together allow nothing that one of them denies, unless the same person took it back.

use omnimesh_kit::{clock::Timestamp, contact::Contact, ids::ProfileId};
use omnimesh_proto::profiles::v1::{ConsentDecision, ConsentPurpose, ConsentReason};
use uuid::Uuid;

/// One thing that was said about an address, for one purpose and channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The record.
    pub(crate) id: Uuid,
    /// What was said.
    pub(crate) decision: ConsentDecision,
    /// Whether it came with wording and evidence.
    pub(crate) proven: bool,
    /// Who said it.
    pub(crate) speaker: Option<ProfileId>,
    /// Of a grant: the profiles that were one customer with the speaker when it was made.
    pub(crate) speaks_for: Vec<ProfileId>,
    /// When it was said.
    pub(crate) occurred_at: Timestamp,
    /// Until when it holds; `None` for ever.
    pub(crate) expires_at: Option<Timestamp>,
}

impl Statement {
    fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    fn is_no(&self) -> bool {
        matches!(self.decision, ConsentDecision::Deny | ConsentDecision::Revoke)
    }

    /// A grant that counts; one without proof says nothing that would have to be known.
    fn is_proven_grant(&self) -> bool {
        self.decision == ConsentDecision::Grant && self.proven
    }

    /// Whether this grant takes back that denial.
    fn lifts(&self, no: &Self) -> bool {
        let same_person = match no.speaker {
            None => true,
            Some(speaker) => self.speaker == Some(speaker) || self.speaks_for.contains(&speaker),
        };
        self.is_proven_grant() && same_person && self.occurred_at > no.occurred_at
    }
}

/// Whether something may be sent, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it may be sent.
    pub(crate) allowed: bool,
    /// Why.
    pub(crate) reason: ConsentReason,
    /// The record that decided, where one did.
    pub(crate) decided_by: Option<Uuid>,
}

impl Verdict {
    /// A no without a record.
    pub(crate) fn no(reason: ConsentReason) -> Self {
        Self { allowed: false, reason, decided_by: None }
    }
}

/// Whether a purpose needs a grant, and a grant its proof.
pub(crate) fn needs_grant(purpose: ConsentPurpose) -> bool {
    !matches!(purpose, ConsentPurpose::Transactional | ConsentPurpose::Service)
}

/// The verdict for a purpose over everything that was said about one address, purpose and channel.
pub(crate) fn decide(purpose: ConsentPurpose, said: &[Statement], now: Timestamp) -> Verdict {
    let held = || said.iter().filter(|statement| statement.holds(now));
    let newest = |statement: &&Statement| (statement.occurred_at, statement.id);
    let standing = held().filter(|no| no.is_no() && !held().any(|grant| grant.lifts(no))).max_by_key(newest);
    if let Some(no) = standing {
        let denied = no.decision == ConsentDecision::Deny;
        let reason = if denied { ConsentReason::Denied } else { ConsentReason::Revoked };
        return Verdict { allowed: false, reason, decided_by: Some(no.id) };
    }
    if let Some(grant) = held().filter(|statement| statement.is_proven_grant()).max_by_key(newest) {
        return Verdict { allowed: true, reason: ConsentReason::Granted, decided_by: Some(grant.id) };
    }
    if !needs_grant(purpose) {
        return Verdict { allowed: true, reason: ConsentReason::NotNeeded, decided_by: None };
    }
    match said.iter().filter(|statement| statement.is_proven_grant()).max_by_key(newest) {
        Some(expired) => Verdict { allowed: false, reason: ConsentReason::Expired, decided_by: Some(expired.id) },
        None => Verdict::no(ConsentReason::NoGrant),
    }
}

/// Labels of domains under which marketplaces hand out aliases of their buyers.
const ALIAS_LABELS: &[&str] = &["marketplace", "relay", "anon", "proxy"];

/// Whether an address is an alias of a marketplace: a mail domain of one, those that are `configured` included, or Turkey's
/// non-geographic 0850 through which marketplaces forward calls. It serves the contract of its order, never marketing.
pub(crate) fn is_marketplace_alias(address: &Contact, configured: &[String]) -> bool {
    match address {
        Contact::Phone(number) => number.expose().starts_with("+90850"),
        Contact::Email(email) => {
            let domain = email.expose().rsplit_once('@').map_or("", |(_, domain)| domain);
            let within = |known: &String| {
                domain.strip_suffix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            domain.split('.').any(|label| ALIAS_LABELS.contains(&label)) || configured.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use ConsentDecision::{Deny, Grant, Revoke};
    use ConsentPurpose::{Marketing, Profiling, Service, Transactional};
    use ConsentReason::{Denied, Expired, Granted, NoGrant, NotNeeded, Revoked};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(100);

    fn at(moment: i64) -> Timestamp {
        Timestamp::from_micros(moment)
    }

    fn who(n: u128) -> ProfileId {
        ProfileId(Uuid::from_u128(n))
    }

    /// Said at a moment, with proof, by a profile (0 is nobody known) for itself alone.
    fn said(moment: u32, decision: ConsentDecision, speaker: u128) -> Statement {
        let speaker = (speaker > 0).then(|| who(speaker));
        Statement {
            id: Uuid::from_u128(moment.into()),
            decision,
            proven: true,
            speaks_for: speaker.into_iter().collect(),
            speaker,
            occurred_at: at(moment.into()),
            expires_at: None,
        }
    }

    fn until(end: i64, statement: Statement) -> Statement {
        Statement { expires_at: Some(at(end)), ..statement }
    }

    fn unproven(statement: Statement) -> Statement {
        Statement { proven: false, ..statement }
    }

    fn speaking_for(all: &[u128], statement: Statement) -> Statement {
        Statement { speaks_for: all.iter().map(|n| who(*n)).collect(), ..statement }
    }

    #[test]
    fn the_rules_as_a_table() {
        let (ada, bob, nobody) = (1, 2, 0);
        type Row = (&'static str, ConsentPurpose, Vec<Statement>, ConsentReason, Option<u128>);
        let table: Vec<Row> = vec![
            ("nothing was said", Marketing, vec![], NoGrant, None),
            ("nothing was said", Profiling, vec![], NoGrant, None),
            ("nothing was said", Transactional, vec![], NotNeeded, None),
            ("nothing was said", Service, vec![], NotNeeded, None),
            ("granted", Marketing, vec![said(1, Grant, ada)], Granted, Some(1)),
            ("granted", Transactional, vec![said(1, Grant, ada)], Granted, Some(1)),
            ("granted without proof", Marketing, vec![unproven(said(1, Grant, ada))], NoGrant, None),
            ("denied", Transactional, vec![said(1, Deny, ada)], Denied, Some(1)),
            ("denied by nobody known", Service, vec![said(1, Deny, nobody)], Denied, Some(1)),
            ("revoked later", Marketing, vec![said(1, Grant, ada), said(2, Revoke, ada)], Revoked, Some(2)),
            ("heard in another order", Marketing, vec![said(2, Revoke, ada), said(1, Grant, ada)], Revoked, Some(2)),
            ("granted again", Marketing, vec![said(1, Revoke, ada), said(2, Grant, ada)], Granted, Some(2)),
            ("in the same moment", Marketing, vec![said(2, Revoke, ada), said(2, Grant, ada)], Revoked, Some(2)),
            (
                "again, without proof",
                Marketing,
                vec![said(1, Deny, ada), unproven(said(2, Grant, ada))],
                Denied,
                Some(1),
            ),
            ("again, by another", Marketing, vec![said(1, Revoke, bob), said(2, Grant, ada)], Revoked, Some(1)),
            ("again, by nobody known", Marketing, vec![said(1, Revoke, ada), said(2, Grant, nobody)], Revoked, Some(1)),
            ("who proved the address", Marketing, vec![said(1, Revoke, nobody), said(2, Grant, ada)], Granted, Some(2)),
            ("nobody known twice", Marketing, vec![said(1, Deny, nobody), said(2, Grant, nobody)], Granted, Some(2)),
            (
                "one customer by then",
                Marketing,
                vec![said(1, Revoke, bob), speaking_for(&[ada, bob], said(2, Grant, ada))],
                Granted,
                Some(2),
            ),
            (
                "both denied, one took it back",
                Marketing,
                vec![said(1, Deny, ada), said(2, Deny, bob), said(3, Grant, ada)],
                Denied,
                Some(2),
            ),
            ("expired", Marketing, vec![until(100, said(1, Grant, ada))], Expired, Some(1)),
            ("not expired yet", Marketing, vec![until(101, said(1, Grant, ada))], Granted, Some(1)),
            ("a pause is over", Marketing, vec![said(1, Grant, ada), until(100, said(2, Deny, ada))], Granted, Some(1)),
            ("a pause", Marketing, vec![said(1, Grant, ada), until(101, said(2, Deny, ada))], Denied, Some(2)),
            (
                "an expired grant lifts nothing",
                Transactional,
                vec![said(1, Deny, ada), until(100, said(2, Grant, ada))],
                Denied,
                Some(1),
            ),
            ("the newest no names itself", Marketing, vec![said(1, Deny, ada), said(2, Revoke, ada)], Revoked, Some(2)),
        ];
        for (name, purpose, history, reason, decided_by) in table {
            let verdict = decide(purpose, &history, NOW);
            assert_eq!(
                (verdict.reason, verdict.decided_by),
                (reason, decided_by.map(Uuid::from_u128)),
                "{name}, {purpose:?}"
            );
            assert_eq!(verdict.allowed, matches!(reason, Granted | NotNeeded), "{name}, {purpose:?}");
        }
    }

    #[test]
    fn aliases_of_marketplaces() {
        let configured = ["mp-a.example".to_owned()];
        for (address, alias) in [
            ("x1@marketplace.amazon.example", true),
            ("pf+1@mp-a.example", true),
            ("pf@mail.mp-a.example", true),
            ("ada@notmp-a.example", false),
            ("ada@shop.example", false),
            ("marketplace@shop.example", false),
        ] {
            assert_eq!(is_marketplace_alias(&Contact::email(address).unwrap(), &configured), alias, "{address}");
        }
        assert!(is_marketplace_alias(&Contact::phone("+90 850 793 90 54", None).unwrap(), &[]));
        assert!(!is_marketplace_alias(&Contact::phone("+90 532 123 45 67", None).unwrap(), &[]));
    }

    fn statements(speakers: std::ops::Range<u128>) -> impl Strategy<Value = Vec<Statement>> {
        let decision = prop::sample::select(vec![Grant, Deny, Revoke]);
        let others = prop::collection::vec(speakers.clone(), 0..3);
        let one = (0u32..12, decision, any::<bool>(), speakers, others, prop::option::of(90i64..110)).prop_map(
            |(moment, decision, proven, speaker, others, end)| {
                let mut statement = said(moment, decision, speaker);
                statement.proven = proven;
                statement.speaks_for.extend(others.into_iter().filter(|n| *n > 0 && speaker > 0).map(who));
                statement.expires_at = end.map(at);
                statement
            },
        );
        prop::collection::vec(one, 0..8).prop_map(|mut all| {
            for (number, statement) in (1..).zip(&mut all) {
                statement.id = Uuid::from_u128(number);
            }
            all
        })
    }

    fn purposes() -> impl Strategy<Value = ConsentPurpose> {
        prop::sample::select(vec![Marketing, Transactional, Service, Profiling])
    }

    proptest! {
        #[test]
        fn a_further_no_never_widens(
            history in statements(0..4), no in statements(0..4), place in any::<prop::sample::Index>(), purpose in purposes(),
        ) {
            let mut longer = history.clone();
            for no in no.into_iter().filter(Statement::is_no) {
                longer.insert(place.index(longer.len() + 1), no);
            }
            prop_assert!(decide(purpose, &history, NOW).allowed || !decide(purpose, &longer, NOW).allowed);
        }

        #[test]
        fn two_peoples_histories_together_never_widen(a in statements(1..3), b in statements(3..6), purpose in purposes()) {
            let both = [a.clone(), b.clone()].concat();
            let together = decide(purpose, &both, NOW);
            let says_no = |history: &[Statement]| matches!(decide(purpose, history, NOW).reason, Denied | Revoked);
            // Whatever one of them denies stays denied.
            prop_assert!(!together.allowed || !says_no(&a) && !says_no(&b));
            // And together they allow nothing that neither allowed.
            let either = decide(purpose, &a, NOW).allowed || decide(purpose, &b, NOW).allowed;
            prop_assert!(!together.allowed || either);
        }

        #[test]
        fn the_order_in_which_it_was_heard_does_not_matter(history in statements(0..4), purpose in purposes()) {
            let mut other = history.clone();
            other.reverse();
            prop_assert_eq!(decide(purpose, &history, NOW).reason, decide(purpose, &other, NOW).reason);
        }

        #[test]
        fn nothing_is_marketed_without_proof(history in statements(0..4)) {
            let bare: Vec<_> = history.into_iter().map(unproven).collect();
            prop_assert!(!decide(Marketing, &bare, NOW).allowed);
        }
    }
}
