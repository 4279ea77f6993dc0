//! Which profiles are one customer: roots, members, and the locks of whoever changes it.
//!
//! Whoever changes what a cluster is made of holds the lock of its root's row, and looks again whether it is the root still.

use std::collections::BTreeMap;

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
};
use uuid::Uuid;

omnimesh_kit::statements! {
    /// Until the transaction ends, nobody else deals with these: identifiers, sources and contents, by their hashes.
    HOLD = {
        postgres: "SELECT pg_advisory_xact_lock(k.key) FROM unnest($1::bigint[]) AS k (key)",
        sqlite: "SELECT value FROM json_each($1)",
    };
    /// The roots of profiles.
    ROOTS = {
        postgres: "SELECT p.id, COALESCE(c.root_id, p.id) AS root_id FROM unnest($1::uuid[]) AS p (id) \
            LEFT JOIN customer_profiles AS c ON c.profile_id = p.id",
        sqlite: "SELECT p.id, COALESCE(c.root_id, p.id) AS root_id FROM (SELECT unhex(value) AS id FROM json_each($1)) AS p \
            LEFT JOIN customer_profiles AS c ON c.profile_id = p.id",
    };
    /// The profiles that lead to survivors.
    MEMBERS = {
        postgres: "SELECT profile_id, root_id FROM customer_profiles WHERE root_id = ANY($1) ORDER BY profile_id LIMIT 10000",
        sqlite: "SELECT profile_id, root_id FROM customer_profiles WHERE root_id IN (SELECT unhex(value) FROM json_each($1)) \
            ORDER BY profile_id LIMIT 10000",
    };
    /// Locks the rows of profiles.
    LOCK = {
        postgres: "SELECT id, created_at, verified_at, generation, version, erased_at FROM profiles WHERE id = ANY($1) \
            ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, created_at, verified_at, generation, version, erased_at FROM profiles \
            WHERE id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY id",
    };
    /// Counts that profiles belong elsewhere.
    MOVED = {
        postgres: "UPDATE profiles SET generation = generation + 1 WHERE id = ANY($1) RETURNING id, generation",
        sqlite: "UPDATE profiles SET generation = generation + 1 WHERE id IN (SELECT unhex(value) FROM json_each($1)) \
            RETURNING id, generation",
    };
    /// How often profiles moved.
    GENERATIONS = {
        postgres: "SELECT id, generation FROM profiles WHERE id = ANY($1)",
        sqlite: "SELECT id, generation FROM profiles WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// A profile has a proved identifier.
    VERIFIED = "UPDATE profiles SET verified_at = $2 WHERE id = $1 AND verified_at IS NULL";
}

/// What decides which profile of a customer survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: ProfileId,
    pub(crate) created_at: Timestamp,
    pub(crate) verified_at: Option<Timestamp>,
    pub(crate) version: i64,
    pub(crate) erased: bool,
}

impl Node {
    /// The oldest verified one comes first, else the oldest.
    pub(crate) fn rank(&self) -> (bool, Timestamp, ProfileId) {
        (self.verified_at.is_none(), self.created_at, self.id)
    }
}

/// Keeps others away from these until the transaction ends, where more than one can write at a time. In one order everywhere.
pub(crate) async fn hold(conn: &mut Conn, keys: Vec<i64>) -> Result<(), Error> {
    conn.execute(HOLD, args![keys]).await.map(drop)
}

/// The roots of profiles.
pub(crate) async fn roots(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<(ProfileId, ProfileId)>, Error> {
    let rows = conn.fetch_all(ROOTS, args![profiles]).await?;
    rows.iter().map(|row| Ok((ProfileId(row.get("id")?), ProfileId(row.get("root_id")?)))).collect()
}

/// All profiles of customers, who are given by their roots, with the root of each.
pub(crate) async fn members(conn: &mut Conn, roots: &[ProfileId]) -> Result<BTreeMap<ProfileId, ProfileId>, Error> {
    // Who stands alone leads to nobody.
    let mut members: BTreeMap<_, _> = roots.iter().map(|root| (*root, *root)).collect();
    for row in conn.fetch_all(MEMBERS, args![super::uuids(roots)]).await? {
        members.insert(ProfileId(row.get("profile_id")?), ProfileId(row.get("root_id")?));
    }
    Ok(members)
}

/// Locks the rows of profiles.
pub(crate) async fn lock(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<Node>, Error> {
    conn.fetch_all(LOCK, args![profiles]).await?.iter().map(node_of).collect()
}

fn node_of(row: &Row) -> Result<Node, Error> {
    Ok(Node {
        id: ProfileId(row.get("id")?),
        created_at: row.get("created_at")?,
        verified_at: row.get("verified_at")?,
        version: row.get("version")?,
        erased: row.get::<Option<Timestamp>>("erased_at")?.is_some(),
    })
}

/// Counts that profiles belong elsewhere; gives each one's count.
pub(crate) async fn moved(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<(ProfileId, i64)>, Error> {
    counts(&conn.fetch_all(MOVED, args![profiles]).await?)
}

/// How often profiles moved.
pub(crate) async fn generations(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<(ProfileId, i64)>, Error> {
    counts(&conn.fetch_all(GENERATIONS, args![profiles]).await?)
}

fn counts(rows: &[Row]) -> Result<Vec<(ProfileId, i64)>, Error> {
    rows.iter().map(|row| Ok((ProfileId(row.get("id")?), row.get("generation")?))).collect()
}

/// A profile has a proved identifier.
pub(crate) async fn verified(conn: &mut Conn, profile: ProfileId, now: Timestamp) -> Result<(), Error> {
    conn.execute(VERIFIED, args![profile.0, now]).await.map(drop)
}
