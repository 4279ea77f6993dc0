//! Profiles: one row each, whatever customer they are part of.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
};
use uuid::Uuid;

omnimesh_kit::statements! {
    /// A new profile, with one event.
    PROFILE_INSERT = "INSERT INTO profiles (id, created_at, version, events) VALUES ($1, $2, 1, 1)";
    /// One profile.
    PROFILE_BY_ID = "SELECT id, created_at, version, erased_at FROM profiles WHERE id = $1";
    /// Some profiles.
    PROFILES_BY_ID = {
        postgres: "SELECT id, created_at, version, erased_at FROM profiles WHERE id = ANY($1)",
        sqlite: "SELECT id, created_at, version, erased_at FROM profiles WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// Counts a change.
    PROFILE_TOUCHED = "UPDATE profiles SET version = version + 1 WHERE id = $1";
    /// Counts a change and its events.
    PROFILE_CHANGED = "UPDATE profiles SET version = version + $2, events = events + 1 WHERE id = $1 RETURNING events";
}

/// A profile without its identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: ProfileId,
    pub(crate) created_at: Timestamp,
    pub(crate) version: i64,
    pub(crate) erased: bool,
}

/// A new profile, of which one event is sent.
pub(crate) async fn insert_profile(conn: &mut Conn, id: ProfileId, now: Timestamp) -> Result<(), Error> {
    conn.execute(PROFILE_INSERT, args![id.0, now]).await.map(drop)
}

/// One profile.
pub(crate) async fn profile(conn: &mut Conn, id: ProfileId) -> Result<Option<Profile>, Error> {
    conn.fetch_optional(PROFILE_BY_ID, args![id.0]).await?.map(|row| profile_of(&row)).transpose()
}

/// Some profiles; those that are not there are left out.
pub(crate) async fn profiles(conn: &mut Conn, ids: Vec<Uuid>) -> Result<Vec<Profile>, Error> {
    conn.fetch_all(PROFILES_BY_ID, args![ids]).await?.iter().map(profile_of).collect()
}

/// Counts a change without an event.
pub(crate) async fn touch(conn: &mut Conn, id: ProfileId) -> Result<(), Error> {
    conn.execute(PROFILE_TOUCHED, args![id.0]).await.map(drop)
}

/// Counts an event, and with it a change or none; gives the event's number.
pub(crate) async fn count_event(conn: &mut Conn, id: ProfileId, changes: i64) -> Result<i64, Error> {
    conn.fetch_one(PROFILE_CHANGED, args![id.0, changes]).await?.get("events")
}

/// A profile in a row.
pub(crate) fn profile_of(row: &Row) -> Result<Profile, Error> {
    Ok(Profile {
        id: ProfileId(row.get("id")?),
        created_at: row.get("created_at")?,
        version: row.get("version")?,
        erased: row.get::<Option<Timestamp>>("erased_at")?.is_some(),
    })
}
