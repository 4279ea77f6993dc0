//! Tells the other services whom to forget.

use omnimesh_kit::{
    call::Call,
    customers::{self, Held},
    ids::ProfileId,
    outbox,
    store::{Error, Tx},
};
use omnimesh_proto::profiles::v1::ProfileErased;

use crate::store::{
    erasures::{self, ErasureId},
    owners, profiles,
};

/// Why a customer is erased once more.
const LATE: &str = "a session turned out to be the customer's after the erasure";

/// Ends this service's part of an erasure that is noted already, and has the others do theirs. `resources` are the ids of
/// everything the customer had here.
pub(crate) async fn tell(
    tx: &mut Tx,
    call: &Call,
    id: ErasureId,
    (root, members): (ProfileId, &[ProfileId]),
    source_keys: Vec<Vec<u8>>,
    resources: &[String],
) -> Result<(), Error> {
    // The profiles are locked by now: who holds a session from here on is heard of as erased.
    let sessions = owners::held(tx, members).await?;
    let event = ProfileErased {
        erasure_id: id.to_string(),
        profile_ids: members.iter().map(ToString::to_string).collect(),
        source_keys,
        sessions: sessions.iter().map(Held::to_proto).collect(),
    };
    let number = profiles::count_event(tx, root, 0).await?;
    outbox::append(tx, call, &root.to_string(), number, &event).await?;
    customers::forgotten(tx, &event.erasure_id, resources).await?;
    let now = tx.now();
    erasures::part_done(tx, id, crate::NAME, now).await
}

/// An erased profile is heard to have held a session: what was done there as a guest is forgotten too.
pub(crate) async fn late(tx: &mut Tx, profile: ProfileId) -> Result<(), Error> {
    let now = tx.now();
    let (id, call) = (ErasureId::new(now), Call::system(crate::NAME));
    erasures::insert(tx, id, vec![profile.0], (LATE, &call.actor()), now).await?;
    tell(tx, &call, id, (profile, &[profile]), Vec::new(), &[profile.to_string()]).await
}
