//! What profiles are known by.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error},
};
use omnimesh_proto::profiles::v1 as proto;

use super::profiles::{Profile, profile_of};

omnimesh_kit::statements! {
    /// The profile that an identifier belongs to.
    PROFILE_OF = "SELECT p.id, p.created_at, p.version, p.events FROM identifiers AS i \
        JOIN profiles AS p ON p.id = i.profile_id WHERE i.type = $1 AND i.value_hash = $2";
    /// What a profile is known by, in the order in which it was proved.
    IDENTIFIERS = "SELECT type, value, strength, verified_at, source FROM identifiers WHERE profile_id = $1 \
        ORDER BY verified_at, type, value_hash LIMIT 200";
    /// A proved identifier, unless another profile has it.
    IDENTIFIER_INSERT = "INSERT INTO identifiers (type, value_hash, profile_id, value, strength, verified_at, source) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
}

/// A proved identifier that is written.
pub(crate) struct NewIdentifier<'a> {
    pub(crate) kind: i32,
    pub(crate) hash: &'a [u8; 32],
    pub(crate) value: &'a str,
    pub(crate) strength: i32,
    pub(crate) verified_at: Timestamp,
    pub(crate) source: i32,
}

/// The profile that an identifier belongs to.
pub(crate) async fn owner(conn: &mut Conn, kind: i32, hash: &[u8; 32]) -> Result<Option<Profile>, Error> {
    conn.fetch_optional(PROFILE_OF, args![kind, hash]).await?.map(|row| profile_of(&row)).transpose()
}

/// A proved identifier; says whether nobody else had it.
pub(crate) async fn insert_identifier(
    conn: &mut Conn,
    profile: ProfileId,
    new: &NewIdentifier<'_>,
) -> Result<bool, Error> {
    let values = args![new.kind, new.hash, profile.0, new.value, new.strength, new.verified_at, new.source];
    Ok(conn.execute(IDENTIFIER_INSERT, values).await? == 1)
}

/// The contract's form of a profile, with what it is known by.
pub(crate) async fn whole(conn: &mut Conn, profile: Profile) -> Result<proto::Profile, Error> {
    let rows = conn.fetch_all(IDENTIFIERS, args![profile.id.0]).await?;
    let identifiers = rows.iter().map(|row| {
        Ok(proto::Identifier {
            r#type: row.get("type")?,
            value: row.get("value")?,
            strength: row.get("strength")?,
            verify_time: Some(row.get::<Timestamp>("verified_at")?.to_proto()),
            source: row.get("source")?,
            ..proto::Identifier::default()
        })
    });
    Ok(proto::Profile {
        profile_id: profile.id.to_string(),
        identifiers: identifiers.collect::<Result<_, Error>>()?,
        create_time: Some(profile.created_at.to_proto()),
        version: profile.version,
        ..proto::Profile::default()
    })
}
