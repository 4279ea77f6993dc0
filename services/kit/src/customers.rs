//! Which profiles are one customer: a local projection of what the profiles service decides, in every service's schema.
//!
//! Services keep the profile id they were given and never rewrite it; they ask here whose it is now. Merges and splits arrive
//! as events in any order among profiles: each row carries the profile's own count of such changes, and the newest stands.

use omnimesh_proto::{
    events::v1::{ErasureApplied, Event},
    profiles::v1::{ClusterMember, HeldSession, ProfileErased, ProfileSplit, ProfilesMerged},
};
use prost::{Message, Name};
use uuid::Uuid;

use crate::{
    args,
    call::Call,
    clock::Timestamp,
    idempotency,
    ids::{ProfileId, SessionId},
    inbox::{self, BoxError},
    outbox,
    secrets::Secrets,
    store::{Conn, Error, Tx},
};

/// The SQL of this module.
pub mod sql {
    crate::statements! {
        /// Where profiles belong, unless something newer is known.
        PUT = {
            postgres: "INSERT INTO customer_profiles (profile_id, root_id, generation) \
                SELECT m.profile_id, m.root_id, m.generation \
                FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS m (profile_id, root_id, generation) \
                ORDER BY m.profile_id \
                ON CONFLICT (profile_id) DO UPDATE SET root_id = excluded.root_id, generation = excluded.generation \
                WHERE customer_profiles.generation < excluded.generation",
            sqlite: "INSERT INTO customer_profiles (profile_id, root_id, generation) \
                SELECT unhex(p.value), unhex(r.value), g.value FROM json_each($1) AS p \
                JOIN json_each($2) AS r ON r.key = p.key JOIN json_each($3) AS g ON g.key = p.key WHERE true \
                ON CONFLICT (profile_id) DO UPDATE SET root_id = excluded.root_id, generation = excluded.generation \
                WHERE customer_profiles.generation < excluded.generation",
        };
        /// The survivor of a profile.
        ROOT = "SELECT root_id FROM customer_profiles WHERE profile_id = $1";
        /// All profiles that lead to the same survivor.
        MEMBERS = "SELECT m.profile_id FROM customer_profiles AS p JOIN customer_profiles AS m ON m.root_id = p.root_id \
            WHERE p.profile_id = $1 ORDER BY m.profile_id LIMIT 10000";
    }
}

/// What a channel's own record of a person is known by: a keyed hash of channel (the number of common.v1.Channel), channel
/// account and the channel's reference of the person. Profiles knows whose record it is, and names it when they are erased;
/// services that keep references without profiles find them by it.
#[must_use]
pub fn source_key(secrets: &Secrets, channel: i32, account_id: &str, customer_ref: &str) -> Uuid {
    let hash = secrets.mac("source", &[&channel.to_be_bytes(), account_id.as_bytes(), customer_ref.as_bytes()]);
    Uuid::from_slice(hash.get(..16).unwrap_or_default()).unwrap_or_default()
}

/// What happened to customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Profiles are one customer now.
    Merged {
        /// The survivor.
        root: ProfileId,
        /// All of them, the survivor included.
        members: Vec<ProfileId>,
    },
    /// Profiles that were one customer are several.
    Split {
        /// Each with the survivor that it belongs to now.
        members: Vec<(ProfileId, ProfileId)>,
    },
    /// A customer has to be forgotten.
    Erased {
        /// The erasure, for [`forgotten`].
        erasure_id: String,
        /// All profiles of the customer.
        profiles: Vec<ProfileId>,
        /// Where they were a guest: what was done there and names no profile is theirs.
        sessions: Vec<Held>,
    },
}

/// A session in the time in which it was a customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The session.
    pub session: SessionId,
    /// From that moment on; `None` from its beginning.
    pub from: Option<Timestamp>,
    /// Until before that moment; `None` until its end.
    pub until: Option<Timestamp>,
}

impl Held {
    /// Whether a moment lies in that time.
    #[must_use]
    pub fn covers(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }

    /// The contract's form.
    #[must_use]
    pub fn to_proto(&self) -> HeldSession {
        HeldSession {
            session_id: self.session.to_string(),
            start_time: self.from.map(Timestamp::to_proto),
            end_time: self.until.map(Timestamp::to_proto),
        }
    }

    fn from_proto(held: &HeldSession) -> Result<Self, BoxError> {
        let moment = |time: &Option<prost_types::Timestamp>| match time {
            None => Ok(None),
            Some(time) => Timestamp::from_proto(time).map(Some).ok_or("a moment that is none"),
        };
        let (from, until) = (moment(&held.start_time)?, moment(&held.end_time)?);
        Ok(Self { session: held.session_id.parse()?, from, until })
    }
}

/// Whether an event is one that [`hear`] takes in.
#[must_use]
pub fn concerns(event: &Event) -> bool {
    inbox::is::<ProfilesMerged>(event) || inbox::is::<ProfileSplit>(event) || inbox::is::<ProfileErased>(event)
}

/// Takes in an event of the profiles service: the projection follows, and the caller learns what happened. `None` if the event
/// is about something else.
///
/// # Errors
/// Whatever the database says; an event that can't be read.
pub async fn hear(tx: &mut Tx, event: &Event) -> Result<Option<Change>, BoxError> {
    if let Some(merged) = payload::<ProfilesMerged>(event)? {
        write(tx, &merged.members).await?;
        let members = merged.members.iter().map(|member| member.profile_id.parse()).collect::<Result<_, _>>()?;
        return Ok(Some(Change::Merged { root: merged.profile_id.parse()?, members }));
    }
    if let Some(split) = payload::<ProfileSplit>(event)? {
        write(tx, &split.members).await?;
        let pairs =
            split.members.iter().map(|member| Ok((member.profile_id.parse()?, member.root_profile_id.parse()?)));
        return Ok(Some(Change::Split { members: pairs.collect::<Result<_, BoxError>>()? }));
    }
    if let Some(erased) = payload::<ProfileErased>(event)? {
        let profiles = erased.profile_ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
        let sessions = erased.sessions.iter().map(Held::from_proto).collect::<Result<_, _>>()?;
        return Ok(Some(Change::Erased { erasure_id: erased.erasure_id, profiles, sessions }));
    }
    Ok(None)
}

/// Notes where profiles belong. Only the profiles service decides that; the others hear of it.
///
/// # Errors
/// Whatever the database says; an id that is not one of a profile.
pub async fn write(tx: &mut Tx, members: &[ClusterMember]) -> Result<(), BoxError> {
    // SQLite joins the lists in steps of their squared length.
    for members in members.chunks(100) {
        let (mut profiles, mut roots, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        for member in members {
            profiles.push(member.profile_id.parse::<ProfileId>()?.0);
            roots.push(member.root_profile_id.parse::<ProfileId>()?.0);
            generations.push(member.generation);
        }
        tx.execute(sql::PUT, args![profiles, roots, generations]).await?;
    }
    Ok(())
}

/// The profile that a profile leads to; itself if it stands alone.
///
/// # Errors
/// Whatever the database says.
pub async fn root(conn: &mut Conn, profile: ProfileId) -> Result<ProfileId, Error> {
    let row = conn.fetch_optional(sql::ROOT, args![profile.0]).await?;
    row.map_or(Ok(profile), |row| row.get("root_id").map(ProfileId))
}

/// All profiles of the same customer in the order of their ids, itself included; at most 10,000.
///
/// # Errors
/// Whatever the database says.
pub async fn members(conn: &mut Conn, profile: ProfileId) -> Result<Vec<ProfileId>, Error> {
    let rows = conn.fetch_all(sql::MEMBERS, args![profile.0]).await?;
    if rows.is_empty() {
        return Ok(vec![profile]);
    }
    rows.iter().map(|row| row.get("profile_id").map(ProfileId)).collect()
}

/// Whether two profiles are one customer.
///
/// # Errors
/// Whatever the database says.
pub async fn are_one(conn: &mut Conn, a: ProfileId, b: ProfileId) -> Result<bool, Error> {
    Ok(a == b || root(conn, a).await? == root(conn, b).await?)
}

/// Ends a service's part of an erasure, in the transaction of it: stored replies that mention one of the resources are emptied,
/// old pages of the database's files are purged soon after, and `ErasureApplied` tells the profiles service. `resources` are
/// the typed ids of everything the customer had here, the profiles included.
///
/// # Errors
/// Whatever the database says.
pub async fn forgotten(tx: &mut Tx, erasure_id: &str, resources: &[String]) -> Result<(), Error> {
    for resource in resources {
        tx.execute(idempotency::sql::ERASE, args![resource.clone().into_bytes()]).await?;
    }
    tx.mark_erased();
    let service = tx.service().to_owned();
    let event = ErasureApplied { erasure_id: erasure_id.to_owned(), service: service.clone() };
    outbox::append(tx, &Call::system(&service), erasure_id, 1, &event).await
}

fn payload<T: Message + Name + Default>(event: &Event) -> Result<Option<T>, prost::DecodeError> {
    if inbox::is::<T>(event) { T::decode(event.payload.clone()).map(Some) } else { Ok(None) }
}
