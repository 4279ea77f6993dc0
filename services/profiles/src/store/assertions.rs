//! Claims as they were recorded, and which profile is a channel's record of a person.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
};
use omnimesh_proto::profiles::v1 as proto;
use prost::Message as _;
use uuid::Uuid;

use crate::domain::record::Record;

omnimesh_kit::statements! {
    /// Which profile has that content already, and which is the channel's record of the person.
    SEEN = "SELECT (SELECT profile_id FROM assertions WHERE content = $1) AS content, \
        (SELECT profile_id FROM sources WHERE hash = $2) AS source";
    /// New claims.
    ASSERTION_INSERT = "INSERT INTO assertions (id, profile_id, content, channel, account_id, customer_ref, claims, trust, \
        occurred_at, features, keys) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    /// A customer's claims in the order in which they were recorded, after one.
    ASSERTIONS = {
        postgres: "SELECT id, profile_id, channel, account_id, customer_ref, claims, occurred_at FROM assertions \
            WHERE profile_id = ANY($1) AND id > $2 ORDER BY id LIMIT $3",
        sqlite: "SELECT id, profile_id, channel, account_id, customer_ref, claims, occurred_at FROM assertions \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND id > $2 ORDER BY id LIMIT $3",
    };
    /// The same of several, at most 50 of each profile, the most trusted and newest first.
    ASSERTIONS_BEST = {
        postgres: "SELECT profile_id, claims FROM (SELECT profile_id, claims, trust, occurred_at, id, ROW_NUMBER() OVER \
            (PARTITION BY profile_id ORDER BY trust DESC, occurred_at DESC, id DESC) AS place FROM assertions \
            WHERE profile_id = ANY($1)) AS ranked WHERE place <= 50 ORDER BY trust DESC, occurred_at DESC, id DESC LIMIT 10000",
        sqlite: "SELECT profile_id, claims FROM (SELECT profile_id, claims, trust, occurred_at, id, ROW_NUMBER() OVER \
            (PARTITION BY profile_id ORDER BY trust DESC, occurred_at DESC, id DESC) AS place FROM assertions \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))) AS ranked WHERE place <= 50 \
            ORDER BY trust DESC, occurred_at DESC, id DESC LIMIT 10000",
    };
    /// All index keys of profiles' claims.
    ASSERTION_KEYS = {
        postgres: "SELECT id, keys FROM assertions WHERE profile_id = ANY($1) LIMIT 100000",
        sqlite: "SELECT id, keys FROM assertions WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) LIMIT 100000",
    };
    /// Takes from profiles what was claimed.
    ASSERTIONS_ERASE = {
        postgres: "DELETE FROM assertions WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM assertions WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// It is this one for ever.
    SOURCE_INSERT = "INSERT INTO sources (hash, profile_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    /// The sources of profiles.
    SOURCES_OF = {
        postgres: "SELECT hash FROM sources WHERE profile_id = ANY($1) LIMIT 100000",
        sqlite: "SELECT hash FROM sources WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) LIMIT 100000",
    };
    /// Takes from profiles whose records they are.
    SOURCES_ERASE = {
        postgres: "DELETE FROM sources WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM sources WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// How many there are.
    ASSERTIONS_COUNT = "SELECT COUNT(*) AS n FROM assertions";
}

/// Profiles that took claims before.
pub(crate) struct Seen {
    /// The one that took the same content.
    pub(crate) content: Option<ProfileId>,
    /// The one that is the channel's record of the person.
    pub(crate) source: Option<ProfileId>,
}

/// Who took claims with that content, or from that record of a channel.
pub(crate) async fn seen(conn: &mut Conn, content: Uuid, source: Option<Uuid>) -> Result<Seen, Error> {
    let row = conn.fetch_one(SEEN, args![content, source]).await?;
    let profile = |name| row.get::<Option<Uuid>>(name).map(|id| id.map(ProfileId));
    Ok(Seen { content: profile("content")?, source: profile("source")? })
}

/// New claims, with the same as evidence.
pub(crate) async fn insert(
    conn: &mut Conn,
    id: Uuid,
    profile: ProfileId,
    record: &Record,
    (features, keys): (&str, &str),
) -> Result<(), Error> {
    let values = args![
        id,
        profile.0,
        record.content,
        record.channel,
        &record.account_id,
        &record.customer_ref,
        &record.claims,
        record.trust as i32,
        record.occurred_at,
        features,
        keys
    ];
    conn.execute(ASSERTION_INSERT, values).await.map(drop)
}

/// A customer's claims in the order in which they were recorded, after one, with their ids.
pub(crate) async fn of(
    conn: &mut Conn,
    members: Vec<Uuid>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, proto::Assertion)>, Error> {
    let rows = conn.fetch_all(ASSERTIONS, args![members, after, limit]).await?;
    let assertion = |row: &Row| {
        let claims = row.get::<Vec<u8>>("claims")?;
        let assertion = proto::Assertion {
            profile_id: ProfileId(row.get("profile_id")?).to_string(),
            channel: row.get("channel")?,
            account_id: row.get("account_id")?,
            customer_ref: row.get("customer_ref")?,
            claims: proto::Claims::decode(claims.as_slice()).ok(),
            occur_time: Some(row.get::<Timestamp>("occurred_at")?.to_proto()),
        };
        Ok((row.get("id")?, assertion))
    };
    rows.iter().map(assertion).collect()
}

/// Profiles' claims, the most trusted and newest first, at most 50 of each.
pub(crate) async fn best(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<Vec<(ProfileId, proto::Claims)>, Error> {
    let rows = conn.fetch_all(ASSERTIONS_BEST, args![profiles]).await?;
    let claims = |row: &Row| {
        let claims = row.get::<Vec<u8>>("claims")?;
        Ok((ProfileId(row.get("profile_id")?), proto::Claims::decode(claims.as_slice()).unwrap_or_default()))
    };
    rows.iter().map(claims).collect()
}

/// The index keys of profiles' claims, as they are stored.
pub(crate) async fn keys(conn: &mut Conn, members: Vec<Uuid>) -> Result<Vec<(Uuid, String)>, Error> {
    let rows = conn.fetch_all(ASSERTION_KEYS, args![members]).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("keys")?))).collect()
}

/// Whose a channel's record of a person is, for ever.
pub(crate) async fn insert_source(conn: &mut Conn, hash: Uuid, profile: ProfileId) -> Result<(), Error> {
    conn.execute(SOURCE_INSERT, args![hash, profile.0]).await.map(drop)
}

/// The sources of profiles.
pub(crate) async fn sources_of(conn: &mut Conn, members: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    conn.fetch_all(SOURCES_OF, args![members]).await?.iter().map(|row| row.get("hash")).collect()
}

/// How many claims were recorded.
pub(crate) async fn count(conn: &mut Conn) -> Result<i64, Error> {
    conn.fetch_one(ASSERTIONS_COUNT, args![]).await?.get("n")
}

/// Takes from profiles what was claimed, and by whom.
pub(crate) async fn erase(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<(), Error> {
    conn.execute(ASSERTIONS_ERASE, args![profiles.clone()]).await?;
    conn.execute(SOURCES_ERASE, args![profiles]).await.map(drop)
}
