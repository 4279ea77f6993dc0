//! EraseProfile: a customer is forgotten, here at once, in the other services as they hear of it.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call, customers, error::Fault, idempotency::Once, ids::ProfileId, store::Tx, validate::Violations,
};
use omnimesh_proto::profiles::v1::{EraseProfileRequest, EraseProfileResponse, Erasure};
use tonic::Response;
use uuid::Uuid;

use super::{App, own};
use crate::{
    error::Error,
    identity::{erased, join, settle},
    store::{
        assertions, consents,
        erasures::{self, ErasureId},
        evidence, identifiers, merges, profiles, search, suggestions, timeline, uuids, view,
    },
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: EraseProfileRequest,
) -> Result<Response<EraseProfileResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/EraseProfile", &request.request_id, &request)?;
    let mut v = Violations::new();
    let reason = v.text("reason", &request.reason, 1..=500);
    let (reason,) = v.finish_with((reason,))?;
    let reply = settle!(app.db, once, tx => {
        let id = own(&mut tx, &call, &request.profile_id).await?;
        let root = customers::root(&mut tx, id).await?;
        let known = profiles::profile(&mut tx, root).await?;
        let known = known.ok_or_else(|| Fault::not_found("profile", id.to_string()))?;
        let erasure = if known.erased {
            erasures::of(&mut tx, root).await?
        } else {
            Some(erase(app, &mut tx, &call, root, &reason).await?)
        };
        let erasure = match erasure {
            Some(id) => erasures::erasure(&mut tx, id).await?,
            None => None,
        };
        Ok(EraseProfileResponse { erasure: Some(erasure.unwrap_or_else(Erasure::default)) })
    });
    Ok(reply?.into_response())
}

async fn erase(app: &App, tx: &mut Tx, call: &Call, root: ProfileId, reason: &str) -> Result<ErasureId, Error> {
    join::lock(app, tx, &BTreeMap::from([(root, root)])).await?;
    let members = customers::members(tx, root).await?;
    let nodes = uuids(&members);
    let now = tx.now();
    let id = ErasureId::new(now);
    let mut resources: Vec<String> = members.iter().map(ToString::to_string).collect();

    // What keeps imports from bringing them back; and what still holds for their addresses, before these are gone.
    let mut hashes = erasures::own_hashes(tx, nodes.clone()).await?;
    let sources = assertions::sources_of(tx, nodes.clone()).await?;
    hashes.extend(&sources);
    erasures::bury(tx, hashes, now).await?;
    resources.extend(consents::erase(tx, &members).await?);
    resources.extend(timeline::erase(tx, &members).await?);
    for (record, keys) in assertions::keys(tx, nodes.clone()).await? {
        let keys: Vec<i64> = serde_json::from_str(&keys).unwrap_or_default();
        evidence::erase(tx, record, keys).await?;
    }
    forget(tx, &members, nodes.clone()).await?;

    erasures::insert(tx, id, nodes, (reason, &call.actor()), now).await?;
    let source_keys = sources.iter().map(|hash| hash.as_bytes().to_vec()).collect();
    erased::tell(tx, call, id, (root, &members), source_keys, &resources).await?;
    Ok(id)
}

async fn forget(tx: &mut Tx, members: &[ProfileId], nodes: Vec<Uuid>) -> Result<(), Error> {
    search::erase(tx, members).await?;
    view::erase(tx, members).await?;
    suggestions::erase(tx, nodes.clone()).await?;
    merges::erase(tx, nodes.clone()).await?;
    assertions::erase(tx, nodes.clone()).await?;
    identifiers::erase(tx, nodes).await?;
    Ok(())
}
