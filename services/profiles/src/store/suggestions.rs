//! Pairs of profiles that may be one customer.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
    typed_id,
};
use omnimesh_proto::profiles::v1::SuggestionState;
use uuid::Uuid;

typed_id!(
    /// A suggestion's id.
    SuggestionId, "suggestion");

omnimesh_kit::statements! {
    /// New suggestions, all in one state and of one time.
    SUGGESTIONS_INSERT = {
        postgres: "INSERT INTO suggestions (id, profile_id, other_id, weight, terms, state, reason, created_at) \
            SELECT n.id, n.profile_id, n.other_id, n.weight, n.terms, $6, '', $7 \
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[]) AS n (id, profile_id, other_id, weight, terms)",
        sqlite: "INSERT INTO suggestions (id, profile_id, other_id, weight, terms, state, reason, created_at) \
            SELECT unhex(i.value), unhex(p.value), unhex(o.value), w.value, t.value, $6, '', $7 FROM json_each($1) AS i \
            JOIN json_each($2) AS p ON p.key = i.key JOIN json_each($3) AS o ON o.key = i.key \
            JOIN json_each($4) AS w ON w.key = i.key JOIN json_each($5) AS t ON t.key = i.key WHERE true",
    };
    /// One suggestion.
    SUGGESTION = {
        postgres: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE id = $1 FOR UPDATE",
        sqlite: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE id = $1",
    };
    /// The open suggestions between a customer and others, by profiles.
    SUGGESTIONS_BETWEEN = {
        postgres: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = 1 \
            AND profile_id = ANY($1) AND other_id = ANY($1) ORDER BY id LIMIT 10000",
        sqlite: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = 1 \
            AND profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND other_id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id LIMIT 10000",
    };
    /// The open suggestions about a customer.
    SUGGESTIONS_OPEN = {
        postgres: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = 1 \
            AND (profile_id = ANY($1) OR other_id = ANY($1)) ORDER BY weight DESC, id DESC LIMIT 1000",
        sqlite: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = 1 \
            AND (profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR other_id IN (SELECT unhex(value) FROM json_each($1))) ORDER BY weight DESC, id DESC LIMIT 1000",
    };
    /// Suggestions in a state, the strongest first, after one.
    SUGGESTIONS = "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = $1 \
        AND (weight < $2 OR (weight = $2 AND id < $3)) ORDER BY weight DESC, id DESC LIMIT $4";
    /// The same about a customer.
    SUGGESTIONS_OF = {
        postgres: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = $1 \
            AND (weight < $2 OR (weight = $2 AND id < $3)) AND (profile_id = ANY($5) OR other_id = ANY($5)) \
            ORDER BY weight DESC, id DESC LIMIT $4",
        sqlite: "SELECT id, profile_id, other_id, weight, terms, state, created_at FROM suggestions WHERE state = $1 \
            AND (weight < $2 OR (weight = $2 AND id < $3)) AND (profile_id IN (SELECT unhex(value) FROM json_each($5)) \
            OR other_id IN (SELECT unhex(value) FROM json_each($5))) ORDER BY weight DESC, id DESC LIMIT $4",
    };
    /// Better evidence for the same pair.
    SUGGESTION_BETTER = "UPDATE suggestions SET weight = $2, terms = $3 WHERE id = $1 AND weight < $2";
    /// What became of a suggestion.
    SUGGESTION_DECIDED = "UPDATE suggestions SET state = $2, reason = $3 WHERE id = $1";
    /// Forgets the evidence, and ends what is open.
    SUGGESTIONS_ERASE = {
        postgres: "UPDATE suggestions SET terms = '[]', reason = '', state = CASE WHEN state = 1 THEN 4 ELSE state END \
            WHERE profile_id = ANY($1) OR other_id = ANY($1)",
        sqlite: "UPDATE suggestions SET terms = '[]', reason = '', state = CASE WHEN state = 1 THEN 4 ELSE state END \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR other_id IN (SELECT unhex(value) FROM json_each($1))",
    };
}

/// A suggestion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) id: SuggestionId,
    pub(crate) profile: ProfileId,
    pub(crate) other: ProfileId,
    /// Thousandths of a bit.
    pub(crate) weight: i64,
    /// Evidence, as [`crate::domain::terms`] writes it.
    pub(crate) terms: String,
    pub(crate) state: i32,
    pub(crate) created_at: Timestamp,
}

/// New suggestions, all in the state and of the time of the first.
pub(crate) async fn insert(conn: &mut Conn, new: &[Suggestion]) -> Result<(), Error> {
    let Some(first) = new.first() else { return Ok(()) };
    let values = args![
        new.iter().map(|one| one.id.0).collect::<Vec<_>>(),
        new.iter().map(|one| one.profile.0).collect::<Vec<_>>(),
        new.iter().map(|one| one.other.0).collect::<Vec<_>>(),
        new.iter().map(|one| one.weight).collect::<Vec<_>>(),
        new.iter().map(|one| one.terms.clone()).collect::<Vec<_>>(),
        first.state,
        first.created_at
    ];
    conn.execute(SUGGESTIONS_INSERT, values).await.map(drop)
}

/// One suggestion, locked.
pub(crate) async fn suggestion(conn: &mut Conn, id: SuggestionId) -> Result<Option<Suggestion>, Error> {
    conn.fetch_optional(SUGGESTION, args![id.0]).await?.map(|row| suggestion_of(&row)).transpose()
}

/// The open suggestions with both ends among these profiles.
pub(crate) async fn between(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<Suggestion>, Error> {
    all(&conn.fetch_all(SUGGESTIONS_BETWEEN, args![profiles]).await?)
}

/// The open suggestions about a customer, by all profiles of it; the strongest first.
pub(crate) async fn open(conn: &mut Conn, members: Vec<Uuid>) -> Result<Vec<Suggestion>, Error> {
    all(&conn.fetch_all(SUGGESTIONS_OPEN, args![members]).await?)
}

/// Suggestions in a state, about a customer or all, the strongest first, after one.
pub(crate) async fn list(
    conn: &mut Conn,
    state: i32,
    members: Option<Vec<Uuid>>,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<Suggestion>, Error> {
    let rows = match members {
        Some(members) => conn.fetch_all(SUGGESTIONS_OF, args![state, after.0, after.1, limit, members]).await?,
        None => conn.fetch_all(SUGGESTIONS, args![state, after.0, after.1, limit]).await?,
    };
    all(&rows)
}

/// Better evidence for the same pair.
pub(crate) async fn improve(conn: &mut Conn, id: SuggestionId, weight: i64, terms: &str) -> Result<(), Error> {
    conn.execute(SUGGESTION_BETTER, args![id.0, weight, terms]).await.map(drop)
}

/// What became of a suggestion.
pub(crate) async fn decide(
    conn: &mut Conn,
    id: SuggestionId,
    state: SuggestionState,
    reason: &str,
) -> Result<(), Error> {
    conn.execute(SUGGESTION_DECIDED, args![id.0, i32::from(state), reason]).await.map(drop)
}

/// Forgets the evidence about profiles, and ends what is open.
pub(crate) async fn erase(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<(), Error> {
    conn.execute(SUGGESTIONS_ERASE, args![profiles]).await.map(drop)
}

fn all(rows: &[Row]) -> Result<Vec<Suggestion>, Error> {
    rows.iter().map(suggestion_of).collect()
}

fn suggestion_of(row: &Row) -> Result<Suggestion, Error> {
    Ok(Suggestion {
        id: SuggestionId(row.get("id")?),
        profile: ProfileId(row.get("profile_id")?),
        other: ProfileId(row.get("other_id")?),
        weight: row.get("weight")?,
        terms: row.get("terms")?,
        state: row.get("state")?,
        created_at: row.get("created_at")?,
    })
}
