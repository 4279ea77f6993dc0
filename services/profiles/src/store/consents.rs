//! What was said about addresses. Rows are added, never changed, but for an erasure.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    contact::Contact,
    ids::ProfileId,
    store::{Conn, Error, Row},
    typed_id,
};
use omnimesh_proto::{
    common::v1::Actor,
    profiles::v1::{self as proto, ConsentDecision, IdentifierStrength, IdentifierType},
};
use prost::Message as _;
use uuid::Uuid;

use crate::domain::consent::Statement;

typed_id!(
    /// A consent's id.
    ConsentId, "consent");

omnimesh_kit::statements! {
    /// A statement.
    CONSENT_INSERT = "INSERT INTO consents (id, address_type, address_hash, address, purpose, channel, decision, legal_basis, \
        source, text_version, evidence, proven, occurred_at, expires_at, profile_id, speaks_for, actor) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    /// What was said about an address for a purpose and channel. Denials first: should there be more than are read, it is grants
    /// that are missing.
    STATEMENTS_OF = "SELECT id, decision, proven, profile_id, speaks_for, occurred_at, expires_at FROM consents \
        WHERE address_hash = $1 AND purpose = $2 AND channel = $3 ORDER BY decision DESC, occurred_at DESC, id LIMIT 5000";
    /// One of them, whole.
    CONSENT_BY_ID = "SELECT id, address_type, address, purpose, channel, decision, legal_basis, source, text_version, evidence, \
        occurred_at, expires_at, actor FROM consents WHERE id = $1";
    /// All about an address, newest first, after one.
    CONSENTS_OF_ADDRESS = "SELECT id, address_type, address, purpose, channel, decision, legal_basis, source, text_version, \
        evidence, occurred_at, expires_at, actor FROM consents WHERE address_hash = $1 \
        AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) ORDER BY occurred_at DESC, id DESC LIMIT $4";
    /// All that some profiles said, and what nobody known said about addresses that they proved, newest first, after one.
    CONSENTS_OF_PROFILES = {
        postgres: "SELECT id, address_type, address, purpose, channel, decision, legal_basis, source, text_version, evidence, \
            occurred_at, expires_at, actor FROM consents WHERE (profile_id = ANY($1) OR (profile_id IS NULL AND address_hash IN \
            (SELECT hash FROM held_identifiers WHERE profile_id = ANY($1) AND strength = $5))) \
            AND ($6::uuid IS NULL OR address_hash = $6) \
            AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) ORDER BY occurred_at DESC, id DESC LIMIT $4",
        sqlite: "SELECT id, address_type, address, purpose, channel, decision, legal_basis, source, text_version, evidence, \
            occurred_at, expires_at, actor FROM consents WHERE (profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR (profile_id IS NULL AND address_hash IN (SELECT hash FROM held_identifiers \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND strength = $5))) \
            AND ($6 IS NULL OR address_hash = $6) \
            AND (occurred_at < $2 OR (occurred_at = $2 AND id < $3)) ORDER BY occurred_at DESC, id DESC LIMIT $4",
    };
    /// Who proved an address; several of them once they were split.
    ADDRESS_HOLDERS = "SELECT profile_id FROM held_identifiers WHERE hash = $1 AND strength = $2 \
        ORDER BY verified_at, profile_id LIMIT 1000";
    /// Whether an address is known as a marketplace's alias.
    ADDRESS_MASKED = "SELECT 1 AS masked FROM held_identifiers WHERE hash = $1 AND strength = $2 LIMIT 1";
    /// What an erasure concerns: what the profiles said, and what nobody known said about addresses that they have.
    CONSENTS_TO_ERASE = {
        postgres: "SELECT id FROM consents WHERE profile_id = ANY($1) OR (profile_id IS NULL AND address_hash IN \
            (SELECT hash FROM held_identifiers WHERE profile_id = ANY($1))) LIMIT 100000",
        sqlite: "SELECT id FROM consents WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) OR (profile_id IS NULL \
            AND address_hash IN (SELECT hash FROM held_identifiers \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)))) LIMIT 100000",
    };
    /// Grants go.
    CONSENTS_DELETE = {
        postgres: "DELETE FROM consents WHERE id = ANY($1) AND decision = $2",
        sqlite: "DELETE FROM consents WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND decision = $2",
    };
    /// Denials stay, by the keyed hash alone: nobody's, until somebody proves the address anew.
    CONSENTS_BLANK = {
        postgres: "UPDATE consents SET address = '', evidence = '', text_version = '', actor = '', profile_id = NULL \
            WHERE id = ANY($1)",
        sqlite: "UPDATE consents SET address = '', evidence = '', text_version = '', actor = x'', profile_id = NULL \
            WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    };
}

/// By what an address is found: the keyed hash that identifiers have.
pub(crate) type AddressHash = Uuid;

/// A statement that is written.
pub(crate) struct NewConsent<'a> {
    pub(crate) id: ConsentId,
    pub(crate) kind: IdentifierType,
    /// `None` if it must not be kept.
    pub(crate) address: Option<&'a Contact>,
    pub(crate) hash: AddressHash,
    pub(crate) said: &'a proto::Consent,
    pub(crate) statement: &'a Statement,
}

/// A statement.
pub(crate) async fn insert(conn: &mut Conn, new: &NewConsent<'_>) -> Result<(), Error> {
    let (said, statement) = (new.said, new.statement);
    let speaks_for: Vec<u8> = statement.speaks_for.iter().flat_map(|profile| profile.0.into_bytes()).collect();
    let values = args![
        new.id.0,
        new.kind as i32,
        new.hash,
        new.address.map(Contact::expose).unwrap_or_default(),
        said.purpose,
        said.channel,
        said.decision,
        said.legal_basis,
        said.source,
        &said.text_version,
        &said.evidence,
        statement.proven,
        statement.occurred_at,
        statement.expires_at,
        statement.speaker.map(|profile| profile.0),
        speaks_for,
        said.actor.clone().unwrap_or_default().encode_to_vec(),
    ];
    conn.execute(CONSENT_INSERT, values).await.map(drop)
}

/// What was said about an address for a purpose and channel.
pub(crate) async fn statements(
    conn: &mut Conn,
    hash: AddressHash,
    purpose: i32,
    channel: i32,
) -> Result<Vec<Statement>, Error> {
    let rows = conn.fetch_all(STATEMENTS_OF, args![hash, purpose, channel]).await?;
    rows.iter()
        .map(|row| {
            let speaks_for = row.get::<Vec<u8>>("speaks_for")?;
            Ok(Statement {
                id: row.get("id")?,
                decision: ConsentDecision::try_from(row.get::<i32>("decision")?).unwrap_or_default(),
                proven: row.get("proven")?,
                speaker: row.get::<Option<Uuid>>("profile_id")?.map(ProfileId),
                speaks_for: speaks_for
                    .chunks_exact(16)
                    .filter_map(|id| Uuid::from_slice(id).ok().map(ProfileId))
                    .collect(),
                occurred_at: row.get("occurred_at")?,
                expires_at: row.get("expires_at")?,
            })
        })
        .collect()
}

/// One statement, whole.
pub(crate) async fn consent(conn: &mut Conn, id: Uuid) -> Result<Option<proto::Consent>, Error> {
    let row = conn.fetch_optional(CONSENT_BY_ID, args![id]).await?;
    row.map(|row| consent_of(&row).map(|(.., consent)| consent)).transpose()
}

/// A statement with what pages go on by.
pub(crate) type Placed = (Timestamp, ConsentId, proto::Consent);

/// All about an address, newest first, after one.
pub(crate) async fn of_address(
    conn: &mut Conn,
    hash: AddressHash,
    after: (Timestamp, Uuid),
    limit: i64,
) -> Result<Vec<Placed>, Error> {
    let rows = conn.fetch_all(CONSENTS_OF_ADDRESS, args![hash, after.0, after.1, limit]).await?;
    rows.iter().map(consent_of).collect()
}

/// All that some profiles said, and what nobody known said about addresses that they proved, newest first, after one; only about
/// one address, if it is named. What earlier holders of an address said is theirs.
pub(crate) async fn of_profiles(
    conn: &mut Conn,
    profiles: &[ProfileId],
    address_hash: Option<AddressHash>,
    after: (Timestamp, Uuid),
    limit: i64,
) -> Result<Vec<Placed>, Error> {
    let verified = IdentifierStrength::VerifiedUnique as i32;
    let values = args![super::uuids(profiles), after.0, after.1, limit, verified, address_hash];
    conn.fetch_all(CONSENTS_OF_PROFILES, values).await?.iter().map(consent_of).collect()
}

/// The profiles that proved an address, the first one first.
pub(crate) async fn holders(conn: &mut Conn, hash: AddressHash) -> Result<Vec<ProfileId>, Error> {
    let values = args![hash, IdentifierStrength::VerifiedUnique as i32];
    let rows = conn.fetch_all(ADDRESS_HOLDERS, values).await?;
    rows.iter().map(|row| row.get("profile_id").map(ProfileId)).collect()
}

/// Whether an address is known as a marketplace's alias.
pub(crate) async fn is_masked(conn: &mut Conn, hash: AddressHash) -> Result<bool, Error> {
    let values = args![hash, IdentifierStrength::Masked as i32];
    Ok(conn.fetch_optional(ADDRESS_MASKED, values).await?.is_some())
}

/// Forgets what profiles said: grants go, of denials only the decision about the keyed hash of the address stays. To be called
/// while the profiles still have their identifiers. Gives the ids of all of them.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<String>, Error> {
    let rows = conn.fetch_all(CONSENTS_TO_ERASE, args![super::uuids(profiles)]).await?;
    let ids = rows.iter().map(|row| row.get::<Uuid>("id")).collect::<Result<Vec<_>, _>>()?;
    conn.execute(CONSENTS_DELETE, args![ids.clone(), ConsentDecision::Grant as i32]).await?;
    conn.execute(CONSENTS_BLANK, args![ids.clone()]).await?;
    Ok(ids.into_iter().map(|id| ConsentId(id).to_string()).collect())
}

/// An address's type as an identifier.
pub(crate) fn address_type(address: &Contact) -> IdentifierType {
    match address {
        Contact::Email(_) => IdentifierType::Email,
        Contact::Phone(_) => IdentifierType::Phone,
    }
}

fn consent_of(row: &Row) -> Result<Placed, Error> {
    use omnimesh_proto::common::v1::{Contact, contact::Value};
    let (id, occurred_at) = (ConsentId(row.get("id")?), row.get::<Timestamp>("occurred_at")?);
    let (text, actor) = (row.get::<String>("address")?, row.get::<Vec<u8>>("actor")?);
    let value = if row.get::<i32>("address_type")? == IdentifierType::Email as i32 {
        Value::Email(text)
    } else {
        Value::Phone(text)
    };
    let consent = proto::Consent {
        consent_id: id.to_string(),
        address: Some(Contact { value: Some(value) }),
        purpose: row.get("purpose")?,
        channel: row.get("channel")?,
        decision: row.get("decision")?,
        legal_basis: row.get("legal_basis")?,
        source: row.get("source")?,
        text_version: row.get("text_version")?,
        evidence: row.get("evidence")?,
        occur_time: Some(occurred_at.to_proto()),
        expire_time: row.get::<Option<Timestamp>>("expires_at")?.map(Timestamp::to_proto),
        actor: Some(Actor::decode(actor.as_slice()).unwrap_or_default()),
    };
    Ok((occurred_at, id, consent))
}
