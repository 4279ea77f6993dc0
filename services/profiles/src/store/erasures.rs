//! Erasures, how far they have come, and the keyed hashes that keep the erased from being imported again.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
    typed_id,
};
use omnimesh_proto::{common::v1::Actor, profiles::v1 as proto};
use prost::Message as _;
use uuid::Uuid;

typed_id!(
    /// An erasure's id.
    ErasureId, "erasure");

omnimesh_kit::statements! {
    /// Identifiers of people who were erased.
    TOMBSTONES = {
        postgres: "SELECT hash FROM tombstones WHERE hash = ANY($1)",
        sqlite: "SELECT hash FROM tombstones WHERE hash IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// These are not to be imported again.
    TOMBSTONES_INSERT = {
        postgres: "INSERT INTO tombstones (hash, erased_at) SELECT t.hash, $2 FROM unnest($1::uuid[]) AS t (hash) \
            ON CONFLICT DO NOTHING",
        sqlite: "INSERT OR IGNORE INTO tombstones (hash, erased_at) SELECT unhex(value), $2 FROM json_each($1)",
    };
    /// The customers came back and proved them anew.
    TOMBSTONES_LIFT = {
        postgres: "DELETE FROM tombstones WHERE hash = ANY($1)",
        sqlite: "DELETE FROM tombstones WHERE hash IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// The identifiers that only these profiles have.
    OWN_HASHES = {
        postgres: "SELECT DISTINCT i.hash FROM held_identifiers AS i WHERE i.profile_id = ANY($1) AND i.type <> 6 \
            AND (i.strength = 1 OR NOT EXISTS (SELECT 1 FROM held_identifiers AS o WHERE o.hash = i.hash \
            AND NOT (o.profile_id = ANY($1)))) LIMIT 100000",
        sqlite: "SELECT DISTINCT i.hash FROM held_identifiers AS i \
            WHERE i.profile_id IN (SELECT unhex(value) FROM json_each($1)) AND i.type <> 6 \
            AND (i.strength = 1 OR NOT EXISTS (SELECT 1 FROM held_identifiers AS o WHERE o.hash = i.hash \
            AND o.profile_id NOT IN (SELECT unhex(value) FROM json_each($1)))) LIMIT 100000",
    };
    /// A new erasure.
    ERASURE_INSERT = "INSERT INTO erasures (id, reason, actor, created_at) VALUES ($1, $2, $3, $4)";
    /// Its profiles.
    ERASED_INSERT = {
        postgres: "INSERT INTO erased_profiles (profile_id, erasure_id) SELECT p.id, $2 FROM unnest($1::uuid[]) AS p (id) \
            ON CONFLICT DO NOTHING",
        sqlite: "INSERT OR IGNORE INTO erased_profiles (profile_id, erasure_id) SELECT unhex(value), $2 FROM json_each($1)",
    };
    /// The profiles are gone; their ids stay.
    PROFILES_ERASE = {
        postgres: "UPDATE profiles SET erased_at = $2, verified_at = NULL, version = version + 1 WHERE id = ANY($1)",
        sqlite: "UPDATE profiles SET erased_at = $2, verified_at = NULL, version = version + 1 \
            WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// The erasure of a profile.
    ERASURE_OF = "SELECT erasure_id FROM erased_profiles WHERE profile_id = $1";
    /// One erasure.
    ERASURE = "SELECT created_at, completed_at FROM erasures WHERE id = $1";
    /// Its profiles.
    ERASED = "SELECT profile_id FROM erased_profiles WHERE erasure_id = $1 ORDER BY profile_id LIMIT 10000";
    /// What was done of it.
    PARTS = "SELECT service, completed_at FROM erasure_parts WHERE erasure_id = $1 ORDER BY service LIMIT 100";
    /// A service has done its part.
    PART_INSERT = "INSERT INTO erasure_parts (erasure_id, service, completed_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    /// It is done, if all parts are. The row is locked, so that the last two parts see each other.
    ERASURE_LOCK = "UPDATE erasures SET completed_at = completed_at WHERE id = $1";
    /// All parts are done.
    ERASURE_COMPLETE = "UPDATE erasures SET completed_at = $2 WHERE id = $1 AND completed_at IS NULL";
}

/// The services that have a part in an erasure.
pub(crate) const SERVICES: [&str; 4] = ["carts", "orders", "profiles", "sessions"];

/// Which of these are of people who were erased.
pub(crate) async fn tombstones(conn: &mut Conn, hashes: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    conn.fetch_all(TOMBSTONES, args![hashes]).await?.iter().map(|row| row.get("hash")).collect()
}

/// These are not to be imported again.
pub(crate) async fn bury(conn: &mut Conn, hashes: Vec<Uuid>, now: Timestamp) -> Result<(), Error> {
    conn.execute(TOMBSTONES_INSERT, args![hashes, now]).await.map(drop)
}

/// The customers came back and proved them anew.
pub(crate) async fn lift(conn: &mut Conn, hashes: Vec<Uuid>) -> Result<(), Error> {
    conn.execute(TOMBSTONES_LIFT, args![hashes]).await.map(drop)
}

/// The identifiers of profiles, but for devices and what others claimed too: a family's phone goes on.
pub(crate) async fn own_hashes(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    conn.fetch_all(OWN_HASHES, args![profiles]).await?.iter().map(|row| row.get("hash")).collect()
}

/// A new erasure of profiles.
pub(crate) async fn insert(
    conn: &mut Conn,
    id: ErasureId,
    profiles: Vec<Uuid>,
    (reason, actor): (&str, &Actor),
    now: Timestamp,
) -> Result<(), Error> {
    conn.execute(ERASURE_INSERT, args![id.0, reason, actor.encode_to_vec(), now]).await?;
    conn.execute(ERASED_INSERT, args![profiles.clone(), id.0]).await?;
    conn.execute(PROFILES_ERASE, args![profiles, now]).await.map(drop)
}

/// The erasure of a profile.
pub(crate) async fn of(conn: &mut Conn, profile: ProfileId) -> Result<Option<ErasureId>, Error> {
    let row = conn.fetch_optional(ERASURE_OF, args![profile.0]).await?;
    row.map(|row| row.get("erasure_id").map(ErasureId)).transpose()
}

/// A service has done its part. The time of the last one is the erasure's.
pub(crate) async fn part_done(conn: &mut Conn, id: ErasureId, service: &str, now: Timestamp) -> Result<(), Error> {
    if conn.execute(ERASURE_LOCK, args![id.0]).await? == 0 {
        return Ok(());
    }
    conn.execute(PART_INSERT, args![id.0, service, now]).await?;
    let rows = conn.fetch_all(PARTS, args![id.0]).await?;
    let done: Vec<String> = rows.iter().map(|row| row.get("service")).collect::<Result<_, _>>()?;
    if SERVICES.iter().all(|service| done.iter().any(|done| done == service)) {
        conn.execute(ERASURE_COMPLETE, args![id.0, now]).await?;
    }
    Ok(())
}

/// One erasure, with parts that are not done too.
pub(crate) async fn erasure(conn: &mut Conn, id: ErasureId) -> Result<Option<proto::Erasure>, Error> {
    let Some(row) = conn.fetch_optional(ERASURE, args![id.0]).await? else { return Ok(None) };
    let profiles = conn.fetch_all(ERASED, args![id.0]).await?;
    let profiles = profiles.iter().map(|row| Ok(ProfileId(row.get("profile_id")?).to_string()));
    let done = conn.fetch_all(PARTS, args![id.0]).await?;
    let done: Vec<(String, Timestamp)> =
        done.iter().map(|row| Ok((row.get("service")?, row.get("completed_at")?))).collect::<Result<_, Error>>()?;
    let parts = SERVICES.map(|service| {
        let done = done.iter().find(|(name, _)| name == service);
        proto::ErasurePart { service: service.to_owned(), complete_time: done.map(|(_, at)| at.to_proto()) }
    });
    Ok(Some(proto::Erasure {
        erasure_id: id.to_string(),
        profile_ids: profiles.collect::<Result<_, Error>>()?,
        create_time: Some(row.get::<Timestamp>("created_at")?.to_proto()),
        parts: parts.into(),
        complete_time: row.get::<Option<Timestamp>>("completed_at")?.map(Timestamp::to_proto),
    }))
}
