//! What profiles are known by, found by a keyed hash of the normalised value.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
};
use omnimesh_proto::profiles::v1 as proto;
use uuid::Uuid;

use crate::domain::record::Held;

omnimesh_kit::statements! {
    /// Which profiles, and which customers, were proved identifiers; the oldest first.
    HOLDERS = {
        postgres: "SELECT i.hash, i.profile_id, COALESCE(c.root_id, i.profile_id) AS root_id FROM held_identifiers AS i \
            LEFT JOIN customer_profiles AS c ON c.profile_id = i.profile_id \
            WHERE i.hash = ANY($1) AND i.strength = 1 ORDER BY i.profile_id LIMIT 500",
        sqlite: "SELECT i.hash, i.profile_id, COALESCE(c.root_id, i.profile_id) AS root_id FROM held_identifiers AS i \
            LEFT JOIN customer_profiles AS c ON c.profile_id = i.profile_id \
            WHERE i.hash IN (SELECT unhex(value) FROM json_each($1)) AND i.strength = 1 ORDER BY i.profile_id LIMIT 500",
    };
    /// Identifiers of a profile; what was proved once stays proved.
    HOLD = {
        postgres: "INSERT INTO held_identifiers (hash, profile_id, type, value, strength, verified_at, source, created_at) \
            SELECT n.hash, $1, n.type, n.value, n.strength, CASE WHEN n.strength = 1 THEN $6::bigint END, $7, $6 \
            FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::bigint[]) AS n (hash, type, value, strength) \
            ORDER BY n.hash \
            ON CONFLICT (hash, profile_id) DO UPDATE SET strength = excluded.strength, verified_at = excluded.verified_at, \
            source = excluded.source WHERE held_identifiers.strength > excluded.strength",
        sqlite: "INSERT INTO held_identifiers (hash, profile_id, type, value, strength, verified_at, source, created_at) \
            SELECT unhex(h.value), $1, t.value, v.value, s.value, CASE WHEN s.value = 1 THEN $6 END, $7, $6 \
            FROM json_each($2) AS h JOIN json_each($3) AS t ON t.key = h.key JOIN json_each($4) AS v ON v.key = h.key \
            JOIN json_each($5) AS s ON s.key = h.key WHERE true \
            ON CONFLICT (hash, profile_id) DO UPDATE SET strength = excluded.strength, verified_at = excluded.verified_at, \
            source = excluded.source WHERE held_identifiers.strength > excluded.strength",
    };
    /// What profiles are known by, the strongest first, with what ended a value's use.
    IDENTIFIERS = {
        postgres: "SELECT i.hash, i.profile_id, i.type, i.value, i.strength, i.verified_at, i.source, u.quarantined_at \
            FROM held_identifiers AS i LEFT JOIN value_uses AS u ON u.hash = i.hash \
            WHERE i.profile_id = ANY($1) ORDER BY i.strength, i.verified_at, i.created_at, i.type, i.hash LIMIT 10000",
        sqlite: "SELECT i.hash, i.profile_id, i.type, i.value, i.strength, i.verified_at, i.source, u.quarantined_at \
            FROM held_identifiers AS i LEFT JOIN value_uses AS u ON u.hash = i.hash \
            WHERE i.profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            ORDER BY i.strength, i.verified_at, i.created_at, i.type, i.hash LIMIT 10000",
    };
    /// What customers, by their roots, were proved.
    PROVED = {
        postgres: "WITH own AS (SELECT r.id AS profile_id, r.id AS root_id FROM unnest($1::uuid[]) AS r (id) \
                UNION SELECT profile_id, root_id FROM customer_profiles WHERE root_id = ANY($1)) \
            SELECT o.root_id, i.type, i.value, i.hash FROM own AS o JOIN held_identifiers AS i ON i.profile_id = o.profile_id \
            WHERE i.strength = 1 AND i.type = ANY($2) LIMIT 10000",
        sqlite: "WITH own AS MATERIALIZED (SELECT unhex(value) AS profile_id, unhex(value) AS root_id FROM json_each($1) \
                UNION SELECT profile_id, root_id FROM customer_profiles \
                WHERE root_id IN (SELECT unhex(value) FROM json_each($1))) \
            SELECT o.root_id, i.type, i.value, i.hash FROM own AS o CROSS JOIN held_identifiers AS i \
            ON i.profile_id = o.profile_id WHERE i.strength = 1 AND i.type IN (SELECT value FROM json_each($2)) LIMIT 10000",
    };
    /// Counts that claimed values came to another customer; a value that was quiet for long enough starts anew.
    USE = {
        postgres: "INSERT INTO value_uses (hash, since, uses) SELECT v.hash, $2, 1 FROM unnest($1::uuid[]) AS v (hash) \
            ORDER BY v.hash ON CONFLICT (hash) DO UPDATE SET \
            uses = CASE WHEN value_uses.since <= $3 THEN 1 ELSE value_uses.uses + 1 END, \
            since = CASE WHEN value_uses.since <= $3 THEN $2 ELSE value_uses.since END, \
            quarantined_at = CASE WHEN value_uses.quarantined_at IS NULL AND value_uses.since > $3 AND value_uses.uses >= $4 \
                THEN $2 ELSE value_uses.quarantined_at END",
        sqlite: "INSERT INTO value_uses (hash, since, uses) SELECT unhex(value), $2, 1 FROM json_each($1) WHERE true \
            ON CONFLICT (hash) DO UPDATE SET \
            uses = CASE WHEN value_uses.since <= $3 THEN 1 ELSE value_uses.uses + 1 END, \
            since = CASE WHEN value_uses.since <= $3 THEN $2 ELSE value_uses.since END, \
            quarantined_at = CASE WHEN value_uses.quarantined_at IS NULL AND value_uses.since > $3 AND value_uses.uses >= $4 \
                THEN $2 ELSE value_uses.quarantined_at END",
    };
    /// Which of these values came to too many customers.
    QUARANTINED = {
        postgres: "SELECT hash FROM value_uses WHERE hash = ANY($1) AND quarantined_at IS NOT NULL",
        sqlite: "SELECT hash FROM value_uses WHERE hash IN (SELECT unhex(value) FROM json_each($1)) \
            AND quarantined_at IS NOT NULL",
    };
    /// Which of these values a customer, by the root, holds.
    HELD = {
        postgres: "WITH own AS (SELECT $2::uuid AS profile_id \
                UNION SELECT profile_id FROM customer_profiles WHERE root_id = $2) \
            SELECT DISTINCT i.hash FROM own AS o JOIN held_identifiers AS i ON i.profile_id = o.profile_id \
            WHERE i.hash = ANY($1)",
        sqlite: "WITH own AS MATERIALIZED (SELECT $2 AS profile_id \
                UNION SELECT profile_id FROM customer_profiles WHERE root_id = $2) \
            SELECT DISTINCT i.hash FROM own AS o CROSS JOIN held_identifiers AS i ON i.profile_id = o.profile_id \
            WHERE i.hash IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// Takes from profiles what they are known by.
    IDENTIFIERS_ERASE = {
        postgres: "DELETE FROM held_identifiers WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM held_identifiers WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// The same in the table of the version before.
    IDENTIFIERS_ERASE_BEFORE = {
        postgres: "DELETE FROM identifiers WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM identifiers WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
}

/// A profile that was proved an identifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub(crate) hash: Uuid,
    pub(crate) profile: ProfileId,
    pub(crate) root: ProfileId,
}

/// Which profiles were proved identifiers, the oldest first.
pub(crate) async fn holders(conn: &mut Conn, hashes: Vec<Uuid>) -> Result<Vec<Holder>, Error> {
    let rows = conn.fetch_all(HOLDERS, args![hashes]).await?;
    let holder = |row: &omnimesh_kit::store::Row| {
        Ok(Holder {
            hash: row.get("hash")?,
            profile: ProfileId(row.get("profile_id")?),
            root: ProfileId(row.get("root_id")?),
        })
    };
    rows.iter().map(holder).collect()
}

/// Identifiers of a profile; what was proved once stays proved.
pub(crate) async fn hold(
    conn: &mut Conn,
    profile: ProfileId,
    held: &[&Held],
    channel: i32,
    now: Timestamp,
) -> Result<u64, Error> {
    let (mut hashes, mut kinds, mut values, mut strengths) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for one in held {
        hashes.push(one.hash);
        kinds.push(i64::from(one.identifier.kind));
        values.push(one.identifier.value.clone());
        strengths.push(i64::from(one.strength as i32));
    }
    if hashes.is_empty() {
        return Ok(0);
    }
    conn.execute(HOLD, args![profile.0, hashes, kinds, values, strengths, now, channel]).await
}

/// An identifier as it is shown, by the hash of its value.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    hash: Uuid,
    identifier: proto::Identifier,
}

/// What profiles are known by, the strongest first.
pub(crate) async fn held_by(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<(ProfileId, Shown)>, Error> {
    let rows = conn.fetch_all(IDENTIFIERS, args![profiles]).await?;
    let shown = |row: &omnimesh_kit::store::Row| {
        let profile = ProfileId(row.get("profile_id")?);
        let strength: i32 = row.get("strength")?;
        let claimed = strength == proto::IdentifierStrength::Claimed as i32;
        let quarantined = claimed && row.get::<Option<Timestamp>>("quarantined_at")?.is_some();
        let kind: i32 = row.get("type")?;
        // Compared, never shown.
        let hidden = kind == proto::IdentifierType::NationalId as i32;
        let identifier = proto::Identifier {
            r#type: kind,
            value: if hidden { String::new() } else { row.get("value")? },
            strength: if quarantined { proto::IdentifierStrength::Shared.into() } else { strength },
            verify_time: row.get::<Option<Timestamp>>("verified_at")?.map(Timestamp::to_proto),
            source: row.get("source")?,
            profile_id: profile.to_string(),
        };
        Ok((profile, Shown { hash: row.get("hash")?, identifier }))
    };
    rows.iter().map(shown).collect()
}

/// What one customer is known by, of what its profiles are known by: each value once, and at most 200.
pub(crate) fn of_one(held: Vec<Shown>) -> Vec<proto::Identifier> {
    let mut seen = std::collections::HashSet::new();
    let once = held.into_iter().filter(|shown| seen.insert(shown.hash));
    let mut found: Vec<_> = once.map(|shown| shown.identifier).take(200).collect();
    // Those that were shown weaker than they were said to be.
    found.sort_by_key(|identifier| identifier.strength);
    found
}

/// A proved identifier of a customer, by the customer's root.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) root: ProfileId,
    pub(crate) kind: i32,
    pub(crate) value: String,
    pub(crate) hash: Uuid,
}

/// What customers, by their roots, were proved of some types.
pub(crate) async fn proved(conn: &mut Conn, roots: Vec<Uuid>, kinds: Vec<i64>) -> Result<Vec<Proved>, Error> {
    let rows = conn.fetch_all(PROVED, args![roots, kinds]).await?;
    let proved = |row: &omnimesh_kit::store::Row| {
        Ok(Proved {
            root: ProfileId(row.get("root_id")?),
            kind: row.get("type")?,
            value: row.get("value")?,
            hash: row.get("hash")?,
        })
    };
    rows.iter().map(proved).collect()
}

/// Counts that claimed values came to another customer; more than `most` since `after` ends their use.
pub(crate) async fn count_uses(
    conn: &mut Conn,
    hashes: Vec<Uuid>,
    now: Timestamp,
    after: Timestamp,
    most: u32,
) -> Result<(), Error> {
    conn.execute(USE, args![hashes, now, after, most]).await.map(drop)
}

/// Which of these values came to too many customers.
pub(crate) async fn quarantined(conn: &mut Conn, hashes: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    conn.fetch_all(QUARANTINED, args![hashes]).await?.iter().map(|row| row.get("hash")).collect()
}

/// Which of these values a customer holds.
pub(crate) async fn held(conn: &mut Conn, hashes: Vec<Uuid>, root: ProfileId) -> Result<Vec<Uuid>, Error> {
    conn.fetch_all(HELD, args![hashes, root.0]).await?.iter().map(|row| row.get("hash")).collect()
}

/// Takes from profiles what they are known by.
pub(crate) async fn erase(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<(), Error> {
    conn.execute(IDENTIFIERS_ERASE, args![profiles.clone()]).await?;
    conn.execute(IDENTIFIERS_ERASE_BEFORE, args![profiles]).await.map(drop)
}
