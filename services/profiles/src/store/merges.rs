//! What joins profiles, and what parts them for ever.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    ids::ProfileId,
    store::{Conn, Error, Row},
    typed_id,
};
use omnimesh_proto::{common::v1::Actor, profiles::v1 as proto};
use prost::Message as _;
use uuid::Uuid;

use crate::domain::terms;

typed_id!(
    /// A merge's id.
    MergeId, "merge");

typed_id!(
    /// A split's id: that of its parting.
    SplitId, "split");

omnimesh_kit::statements! {
    /// A new merge.
    MERGE_INSERT = "INSERT INTO merges (id, profile_id, other_id, kind, terms, reason, actor, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// The merges that hold profiles together.
    MERGES = {
        postgres: "SELECT id, profile_id, other_id, kind, terms, reason, actor, created_at FROM merges \
            WHERE profile_id = ANY($1) AND undone_at IS NULL ORDER BY created_at, id LIMIT 10000",
        sqlite: "SELECT id, profile_id, other_id, kind, terms, reason, actor, created_at FROM merges \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) AND undone_at IS NULL \
            ORDER BY created_at, id LIMIT 10000",
    };
    /// One merge that holds.
    MERGE = "SELECT id, profile_id, other_id, kind, terms, reason, actor, created_at FROM merges \
        WHERE id = $1 AND undone_at IS NULL";
    /// Undoes merges.
    UNDO = {
        postgres: "UPDATE merges SET undone_at = $2 WHERE id = ANY($1)",
        sqlite: "UPDATE merges SET undone_at = $2 WHERE id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// Puts profiles on one side of a parting.
    PART = {
        postgres: "INSERT INTO partings (profile_id, parting_id, side) SELECT p.id, $2, $3 FROM unnest($1::uuid[]) AS p (id)",
        sqlite: "INSERT INTO partings (profile_id, parting_id, side) SELECT unhex(value), $2, $3 FROM json_each($1)",
    };
    /// Which of these customers are kept apart.
    APART = {
        postgres: "WITH own AS (SELECT r.id AS profile_id, r.id AS root_id FROM unnest($1::uuid[]) AS r (id) \
                UNION SELECT profile_id, root_id FROM customer_profiles WHERE root_id = ANY($1)) \
            SELECT DISTINCT a.root_id AS one, b.root_id AS other FROM own AS a \
            JOIN partings AS x ON x.profile_id = a.profile_id \
            JOIN partings AS y ON y.parting_id = x.parting_id AND y.side <> x.side \
            JOIN own AS b ON b.profile_id = y.profile_id WHERE a.root_id <> b.root_id LIMIT 10000",
        sqlite: "WITH own AS MATERIALIZED (SELECT unhex(value) AS profile_id, unhex(value) AS root_id FROM json_each($1) \
                UNION SELECT profile_id, root_id FROM customer_profiles \
                WHERE root_id IN (SELECT unhex(value) FROM json_each($1))) \
            SELECT DISTINCT a.root_id AS one, b.root_id AS other FROM own AS a \
            CROSS JOIN partings AS x ON x.profile_id = a.profile_id \
            CROSS JOIN partings AS y ON y.parting_id = x.parting_id AND y.side <> x.side \
            JOIN own AS b ON b.profile_id = y.profile_id WHERE a.root_id <> b.root_id LIMIT 10000",
    };
    /// A parting that somebody asked for.
    SPLIT_INSERT = "INSERT INTO splits (id, reason, actor, created_at) VALUES ($1, $2, $3, $4)";
    /// The splits that profiles were part of, oldest first, with everybody on their sides: 1 stayed, 2 left.
    SPLITS = {
        postgres: "SELECT s.id, s.reason, s.actor, s.created_at, p.profile_id, p.side FROM splits AS s \
            JOIN partings AS p ON p.parting_id = s.id \
            WHERE s.id IN (SELECT parting_id FROM partings WHERE profile_id = ANY($1)) \
            ORDER BY s.created_at, s.id, p.profile_id LIMIT 10000",
        sqlite: "SELECT s.id, s.reason, s.actor, s.created_at, p.profile_id, p.side FROM splits AS s \
            JOIN partings AS p ON p.parting_id = s.id WHERE s.id IN (SELECT parting_id FROM partings \
                WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))) \
            ORDER BY s.created_at, s.id, p.profile_id LIMIT 10000",
    };
    /// Forgets why they were parted.
    SPLITS_FORGET = {
        postgres: "UPDATE splits SET reason = '' WHERE id IN (SELECT parting_id FROM partings WHERE profile_id = ANY($1))",
        sqlite: "UPDATE splits SET reason = '' WHERE id IN (SELECT parting_id FROM partings \
            WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)))",
    };
    /// Forgets why profiles were joined.
    MERGES_FORGET = {
        postgres: "UPDATE merges SET terms = '[]', reason = '' WHERE profile_id = ANY($1) OR other_id = ANY($1)",
        sqlite: "UPDATE merges SET terms = '[]', reason = '' WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            OR other_id IN (SELECT unhex(value) FROM json_each($1))",
    };
}

/// A merge that holds.
#[derive(Clone, Debug)]
pub(crate) struct Merge {
    pub(crate) id: MergeId,
    pub(crate) profile: ProfileId,
    pub(crate) other: ProfileId,
    pub(crate) kind: i32,
    /// Evidence, as [`terms`] writes it.
    pub(crate) terms: String,
    pub(crate) reason: String,
    pub(crate) actor: Actor,
    pub(crate) created_at: Timestamp,
}

impl Merge {
    /// The contract's form.
    pub(crate) fn to_proto(&self) -> proto::Merge {
        proto::Merge {
            merge_id: self.id.to_string(),
            profile_id: self.profile.to_string(),
            other_profile_id: self.other.to_string(),
            kind: self.kind,
            terms: terms::read(&self.terms),
            reason: self.reason.clone(),
            actor: Some(self.actor.clone()),
            create_time: Some(self.created_at.to_proto()),
        }
    }
}

/// A new merge.
pub(crate) async fn insert(conn: &mut Conn, merge: &Merge) -> Result<(), Error> {
    let values = args![
        merge.id.0,
        merge.profile.0,
        merge.other.0,
        merge.kind,
        &merge.terms,
        &merge.reason,
        merge.actor.encode_to_vec(),
        merge.created_at
    ];
    conn.execute(MERGE_INSERT, values).await.map(drop)
}

/// The merges that hold a customer's profiles together; `members` are all of them.
pub(crate) async fn merges(conn: &mut Conn, members: Vec<Uuid>) -> Result<Vec<Merge>, Error> {
    conn.fetch_all(MERGES, args![members]).await?.iter().map(merge_of).collect()
}

/// One merge that holds.
pub(crate) async fn merge(conn: &mut Conn, id: MergeId) -> Result<Option<Merge>, Error> {
    conn.fetch_optional(MERGE, args![id.0]).await?.map(|row| merge_of(&row)).transpose()
}

/// Undoes merges.
pub(crate) async fn undo(conn: &mut Conn, merges: Vec<Uuid>, now: Timestamp) -> Result<(), Error> {
    conn.execute(UNDO, args![merges, now]).await.map(drop)
}

/// Parts two groups of profiles for ever.
pub(crate) async fn part(conn: &mut Conn, parting: Uuid, sides: [Vec<Uuid>; 2]) -> Result<(), Error> {
    for (number, side) in sides.into_iter().zip(1_i64..).map(|(side, number)| (number, side)) {
        conn.execute(PART, args![side, parting, number]).await?;
    }
    Ok(())
}

/// Parts two groups of profiles for ever because somebody asked for it: those who stay, and those who leave.
pub(crate) async fn split(
    conn: &mut Conn,
    sides: [Vec<Uuid>; 2],
    (reason, actor): (&str, &Actor),
    now: Timestamp,
) -> Result<(), Error> {
    let id = SplitId::new(now);
    conn.execute(SPLIT_INSERT, args![id.0, reason, actor.encode_to_vec(), now]).await?;
    part(conn, id.0, sides).await
}

/// The splits that profiles were part of, oldest first.
pub(crate) async fn splits(conn: &mut Conn, members: Vec<Uuid>) -> Result<Vec<proto::Split>, Error> {
    let mut splits: Vec<proto::Split> = Vec::new();
    for row in conn.fetch_all(SPLITS, args![members]).await? {
        let split_id = SplitId(row.get("id")?).to_string();
        if splits.last().is_none_or(|last| last.split_id != split_id) {
            splits.push(proto::Split {
                split_id,
                reason: row.get("reason")?,
                actor: Some(Actor::decode(row.get::<Vec<u8>>("actor")?.as_slice()).unwrap_or_default()),
                create_time: Some(row.get::<Timestamp>("created_at")?.to_proto()),
                ..proto::Split::default()
            });
        }
        let (profile, side) = (ProfileId(row.get("profile_id")?).to_string(), row.get::<i64>("side")?);
        if let Some(split) = splits.last_mut() {
            let ids = if side == 1 { &mut split.stayed_profile_ids } else { &mut split.left_profile_ids };
            ids.push(profile);
        }
    }
    Ok(splits)
}

/// Which of these customers, by their roots, are kept apart: each pair both ways.
pub(crate) async fn apart(conn: &mut Conn, roots: Vec<Uuid>) -> Result<Vec<(ProfileId, ProfileId)>, Error> {
    let rows = conn.fetch_all(APART, args![roots]).await?;
    rows.iter().map(|row| Ok((ProfileId(row.get("one")?), ProfileId(row.get("other")?)))).collect()
}

/// Forgets why profiles were joined and parted. That they were stays, so that the customer stays one.
pub(crate) async fn erase(conn: &mut Conn, profiles: Vec<Uuid>) -> Result<(), Error> {
    conn.execute(SPLITS_FORGET, args![profiles.clone()]).await?;
    conn.execute(MERGES_FORGET, args![profiles]).await.map(drop)
}

fn merge_of(row: &Row) -> Result<Merge, Error> {
    let actor = row.get::<Vec<u8>>("actor")?;
    Ok(Merge {
        id: MergeId(row.get("id")?),
        profile: ProfileId(row.get("profile_id")?),
        other: ProfileId(row.get("other_id")?),
        kind: row.get("kind")?,
        terms: row.get("terms")?,
        reason: row.get("reason")?,
        actor: Actor::decode(actor.as_slice()).unwrap_or_default(),
        created_at: row.get("created_at")?,
    })
}
