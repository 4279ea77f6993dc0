//! The inverted index of evidence: which records share a key, and how many have it.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
};
use uuid::Uuid;

omnimesh_kit::statements! {
    /// How many records have keys.
    COUNTS = {
        postgres: "SELECT key, n FROM match_counts WHERE key = ANY($1)",
        sqlite: "SELECT key, n FROM match_counts WHERE key IN (SELECT value FROM json_each($1))",
    };
    /// The newest records of the customers who have a record with one of the keys. Whoever is among the first 1,000 such
    /// records: keys are capped, so that there are rarely more.
    CANDIDATES = {
        postgres: "WITH roots AS (SELECT DISTINCT COALESCE(c.root_id, a.profile_id) AS id \
                FROM (SELECT record FROM match_keys WHERE key = ANY($1) LIMIT 1000) AS k \
                JOIN assertions AS a ON a.id = k.record LEFT JOIN customer_profiles AS c ON c.profile_id = a.profile_id), \
            own AS (SELECT id AS profile_id, id AS root_id FROM roots \
                UNION SELECT profile_id, root_id FROM customer_profiles WHERE root_id IN (SELECT id FROM roots)) \
            SELECT a.id, a.profile_id, o.root_id, a.features, p.verified_at FROM own AS o \
            JOIN assertions AS a ON a.profile_id = o.profile_id JOIN profiles AS p ON p.id = o.root_id \
            ORDER BY a.id DESC LIMIT 2000",
        sqlite: "WITH roots AS MATERIALIZED (SELECT DISTINCT COALESCE(c.root_id, a.profile_id) AS id \
                FROM (SELECT record FROM match_keys WHERE key IN (SELECT value FROM json_each($1)) LIMIT 1000) AS k \
                CROSS JOIN assertions AS a ON a.id = k.record \
                LEFT JOIN customer_profiles AS c ON c.profile_id = a.profile_id), \
            own AS MATERIALIZED (SELECT id AS profile_id, id AS root_id FROM roots \
                UNION SELECT profile_id, root_id FROM customer_profiles WHERE root_id IN (SELECT id FROM roots)) \
            SELECT a.id, a.profile_id, o.root_id, a.features, p.verified_at FROM own AS o \
            CROSS JOIN assertions AS a ON a.profile_id = o.profile_id CROSS JOIN profiles AS p ON p.id = o.root_id \
            ORDER BY a.id DESC LIMIT 2000",
    };
    /// A record has keys.
    KEYS_INSERT = {
        postgres: "INSERT INTO match_keys (key, record) SELECT k.key, $2 FROM unnest($1::bigint[]) AS k (key) \
            ON CONFLICT DO NOTHING",
        sqlite: "INSERT OR IGNORE INTO match_keys (key, record) SELECT value, $2 FROM json_each($1)",
    };
    /// One more record has keys. They come in order, so that two calls never wait for each other.
    KEYS_COUNT = {
        postgres: "INSERT INTO match_counts (key, n) SELECT k.key, 1 FROM unnest($1::bigint[]) AS k (key) ORDER BY k.key \
            ON CONFLICT (key) DO UPDATE SET n = match_counts.n + 1",
        sqlite: "INSERT INTO match_counts (key, n) SELECT value, 1 FROM json_each($1) WHERE true \
            ON CONFLICT (key) DO UPDATE SET n = match_counts.n + 1",
    };
    /// A record has keys no more.
    KEYS_ERASE = {
        postgres: "DELETE FROM match_keys WHERE record = $2 AND key = ANY($1)",
        sqlite: "DELETE FROM match_keys WHERE record = $2 AND key IN (SELECT value FROM json_each($1))",
    };
}

/// How many records have keys; those that none has are left out.
pub(crate) async fn counts(conn: &mut Conn, keys: Vec<i64>) -> Result<Vec<(i64, u64)>, Error> {
    let rows = conn.fetch_all(COUNTS, args![keys]).await?;
    rows.iter().map(|row| Ok((row.get("key")?, u64::try_from(row.get::<i64>("n")?).unwrap_or(0)))).collect()
}

/// A record as evidence, as it is stored.
pub(crate) struct Stored {
    pub(crate) record: Uuid,
    pub(crate) profile: ProfileId,
    pub(crate) root: ProfileId,
    /// Whether the root has a proved identifier.
    pub(crate) verified: bool,
    pub(crate) features: String,
}

/// The newest records of the customers who have a record with one of the keys.
pub(crate) async fn candidates(conn: &mut Conn, keys: Vec<i64>) -> Result<Vec<Stored>, Error> {
    let rows = conn.fetch_all(CANDIDATES, args![keys]).await?;
    let stored = |row: &omnimesh_kit::store::Row| {
        Ok(Stored {
            record: row.get("id")?,
            profile: ProfileId(row.get("profile_id")?),
            root: ProfileId(row.get("root_id")?),
            verified: row.get::<Option<Timestamp>>("verified_at")?.is_some(),
            features: row.get("features")?,
        })
    };
    rows.iter().map(stored).collect()
}

/// A record has keys: `leading` lead to it, all are counted.
pub(crate) async fn insert(conn: &mut Conn, record: Uuid, leading: Vec<i64>, all: Vec<i64>) -> Result<(), Error> {
    conn.execute(KEYS_INSERT, args![leading, record]).await?;
    conn.execute(KEYS_COUNT, args![all]).await.map(drop)
}

/// A record has keys no more. Counts stay: they tell how common a name is, not whose.
pub(crate) async fn erase(conn: &mut Conn, record: Uuid, keys: Vec<i64>) -> Result<(), Error> {
    conn.execute(KEYS_ERASE, args![keys, record]).await.map(drop)
}
