//! What `pg_stat_statements` counted, and what of it counts.

use std::collections::BTreeMap;

use omnimesh_kit::{inbox, outbox, store};
use serde::Serialize;

use super::stores::MARK;

/// Every statement with how often it ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot(BTreeMap<String, u64>);

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A question or a change.
    Statement,
    /// Of relays, consumers and leases.
    Events,
    /// The end of a transaction that lasts.
    Commit,
    /// The rest of transaction control.
    Control,
    /// The bench's own.
    Own,
}

/// A statement and how often a call runs it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Statement {
    pub(super) per_call: f64,
    pub(super) kind: Kind,
    pub(super) sql: String,
}

/// What some calls ran.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Ran {
    /// Statements per call, without transaction control.
    pub(super) statements: f64,
    /// Commits per call.
    pub(super) commits: f64,
    /// Of the statements those of relays, consumers and leases.
    pub(super) of_events: f64,
    /// Each statement, the most frequent first.
    pub(super) listed: Vec<Statement>,
}

impl Snapshot {
    pub(super) fn new(counts: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut snapshot = Self::default();
        for (sql, calls) in counts {
            *snapshot.0.entry(sql.split_whitespace().collect::<Vec<_>>().join(" ")).or_default() += calls;
        }
        snapshot
    }

    /// What ran since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let ran = self
            .0
            .iter()
            .map(|(sql, calls)| (sql.clone(), calls.saturating_sub(before.0.get(sql).copied().unwrap_or_default())));
        Self(ran.filter(|(_, calls)| *calls > 0).collect())
    }

    /// Per call, of calls while no event goes out: what relays, consumers and leases do then is nothing but keeping their places,
    /// each time in a transaction of its own. What the services' own clocks ask is taken off as in [`Self::per_call`].
    pub(super) fn per_call_alone(&self, calls: u64, seconds: f64, idle: &Self, idle_seconds: f64) -> Ran {
        // Prolonging a lease that is held by another is rolled back.
        let keeping = [inbox::sql::JOIN, store::lease::sql::TAKE];
        let keeping = keeping.map(|sql| shape(sql.postgres));
        let kept = self.0.iter().filter(|(sql, _)| keeping.contains(&shape(sql))).map(|(_, count)| count).sum::<u64>();
        let of_calls = self.0.iter().filter(|(sql, _)| Kind::of(sql) != Kind::Events);
        let of_calls = of_calls.map(|(sql, count)| match Kind::of(sql) {
            Kind::Commit => (sql.clone(), count.saturating_sub(kept)),
            _ => (sql.clone(), *count),
        });
        let idle = idle.0.iter().filter(|(sql, _)| Kind::of(sql) == Kind::Statement);
        let idle = Self(idle.map(|(sql, count)| (sql.clone(), *count)).collect());
        Self(of_calls.collect()).per_call(calls, seconds, &idle, idle_seconds)
    }

    /// Per call, less what runs anyway: `idle` ran in `idle_seconds`, this in `seconds`.
    pub(super) fn per_call(&self, calls: u64, seconds: f64, idle: &Self, idle_seconds: f64) -> Ran {
        let mut ran = Ran::default();
        let scale = if idle_seconds > 0.0 { seconds / idle_seconds } else { 0.0 };
        for (sql, count) in &self.0 {
            let anyway = idle.0.get(sql).copied().unwrap_or_default();
            let per_call = (float(*count) - float(anyway) * scale).max(0.0) / float(calls.max(1));
            let kind = Kind::of(sql);
            match kind {
                Kind::Statement | Kind::Events => ran.statements += per_call,
                Kind::Commit => ran.commits += per_call,
                Kind::Control | Kind::Own => continue,
            }
            if kind == Kind::Events {
                ran.of_events += per_call;
            }
            // What runs less often than once in a hundred calls is chance.
            if per_call >= 0.01 {
                ran.listed.push(Statement { per_call, kind, sql: sql.clone() });
            }
        }
        ran.listed.sort_by(|one, two| two.per_call.total_cmp(&one.per_call));
        ran
    }
}

impl Kind {
    pub(super) fn of(sql: &str) -> Self {
        let first = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
        match first.as_str() {
            "COMMIT" | "END" => Self::Commit,
            "BEGIN" | "START" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "SET" => Self::Control,
            _ if sql.contains(MARK) => Self::Own,
            _ if is_of_events(sql) => Self::Events,
            _ => Self::Statement,
        }
    }
}

/// Whether relays, consumers or leases ask it. An event's own row is part of the change that it tells of.
fn is_of_events(sql: &str) -> bool {
    let shape = shape(sql);
    let lists = [outbox::sql::STATEMENTS, inbox::sql::STATEMENTS, store::lease::sql::STATEMENTS];
    lists
        .into_iter()
        .flatten()
        .filter(|(name, text)| !(*name == "APPEND" && *text == outbox::sql::APPEND))
        .any(|(_, text)| self::shape(text.postgres) == shape)
}

/// The statement with every parameter, number, text and NULL that is a value as `?`: Postgres keeps statements with parameters
/// in the places of values.
fn shape(sql: &str) -> String {
    let mut shape = String::with_capacity(sql.len());
    let mut rest = sql.trim();
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let inside_of_a_name = before.is_alphanumeric() || before == '_';
        let length = if inside_of_a_name {
            0
        } else if first == '$' || first.is_ascii_digit() {
            1 + rest.chars().skip(1).take_while(char::is_ascii_digit).count()
        } else if first == '\'' {
            rest.char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(rest.len(), |(end, _)| end + 1)
        } else if rest.starts_with("NULL") && !shape.ends_with("IS ") && !shape.ends_with("NOT ") {
            4
        } else {
            0
        };
        if length > 0 {
            shape.push('?');
            before = '?';
            rest = rest.get(length..).unwrap_or_default();
        } else {
            if !(first.is_whitespace() && before.is_whitespace()) {
                shape.push(if first.is_whitespace() { ' ' } else { first });
            }
            before = first;
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    shape
}

fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart() {
        for (sql, kind) in [
            ("COMMIT", Kind::Commit),
            ("BEGIN", Kind::Control),
            ("ROLLBACK", Kind::Control),
            ("SELECT id, version, body FROM carts WHERE id = $1", Kind::Statement),
            ("SELECT $1 AS one FROM outbox WHERE position IS NULL LIMIT $2", Kind::Events),
            ("UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2", Kind::Events),
            (
                "INSERT INTO leases (name, holder, token, expires_at) VALUES ($1, $2, $5, $3) ON CONFLICT (name) DO UPDATE SET holder = $2, token = leases.token + $6, expires_at = $3 WHERE leases.expires_at < $4 RETURNING token",
                Kind::Events,
            ),
            ("SELECT count(*) FROM omnimesh_bench.pg_stat_statements", Kind::Own),
        ] {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
        // The row of an event is written by the change itself.
        assert_eq!(Kind::of(outbox::sql::APPEND.postgres), Kind::Statement);
    }

    #[test]
    fn every_statement_of_the_event_machinery_is_known_as_postgres_keeps_it() {
        for (name, sql) in inbox::sql::STATEMENTS.iter().chain(store::lease::sql::STATEMENTS) {
            // Numbers become the parameters after the last.
            let kept =
                sql.postgres.replace(", 0, 0, NULL, 0, 0)", ", $4, $5, $6, $7, $8)").replace("token + 1", "token + $9");
            assert_eq!(Kind::of(&kept), Kind::Events, "{name}");
        }
    }

    #[test]
    fn names_with_digits_stay_and_whether_null_is_asked_stays() {
        assert_eq!(
            shape("SELECT w1.x FROM t2 w1 WHERE a = $12 AND b IS NULL AND c = 'it' LIMIT 5"),
            "SELECT w1.x FROM t2 w1 WHERE a = ? AND b IS NULL AND c = ? LIMIT ?"
        );
        assert_eq!(shape("SET holder = NULL,  n = 0"), "SET holder = ?, n = ?");
    }

    #[test]
    fn what_consumers_do_to_keep_their_places_is_no_calls() {
        let ran = Snapshot::new([
            ("UPDATE carts SET body = $2 WHERE id = $1".to_owned(), 50),
            ("SELECT id FROM tasks WHERE due_at <= $1 LIMIT $2".to_owned(), 4),
            (inbox::sql::JOIN.postgres.to_owned(), 12),
            (inbox::sql::RENEW.postgres.to_owned(), 12),
            (store::lease::sql::TAKE.postgres.replace("+ 1", "+ $9"), 5),
            (store::lease::sql::HOLD.postgres.to_owned(), 5),
            ("COMMIT".to_owned(), 67),
        ]);
        let idle = Snapshot::new([
            ("SELECT id FROM tasks WHERE due_at <= $1 LIMIT $2".to_owned(), 2),
            ("COMMIT".to_owned(), 100),
        ]);
        let ran = ran.per_call_alone(50, 2.0, &idle, 1.0);
        assert!((ran.statements - 1.0).abs() < 1e-9 && (ran.commits - 1.0).abs() < 1e-9, "{ran:?}");
        assert!(ran.of_events.abs() < 1e-9);
    }

    #[test]
    fn what_runs_anyway_is_taken_off() {
        let before = Snapshot::new([("SELECT a FROM t".to_owned(), 5), ("COMMIT".to_owned(), 7)]);
        let after = Snapshot::new([
            ("SELECT a FROM t".to_owned(), 105),
            ("COMMIT".to_owned(), 57),
            ("BEGIN".to_owned(), 50),
            ("UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2".to_owned(), 25),
        ]);
        // In one idle second a poll runs ten times; the calls took two.
        let idle = Snapshot::new([("SELECT a FROM t".to_owned(), 10)]);
        let ran = after.since(&before).per_call(50, 2.0, &idle, 1.0);
        assert!((ran.statements - (1.6 + 0.5)).abs() < 1e-9, "{ran:?}");
        assert!((ran.commits - 1.0).abs() < 1e-9);
        assert!((ran.of_events - 0.5).abs() < 1e-9);
        assert_eq!(ran.listed.len(), 3);
    }
}
