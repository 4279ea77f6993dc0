//! MergeProfiles: two profiles that somebody knows to be one.

use std::collections::BTreeMap;

use omnimesh_kit::{
    call::Call, customers, error::Fault, idempotency::Once, ids::ProfileId, store::Tx, validate::Violations,
};
use omnimesh_proto::{
    common::v1::ErrorReason,
    profiles::v1::{MergeKind, MergeProfilesRequest, MergeProfilesResponse},
};
use tonic::Response;

use super::{App, customer};
use crate::{
    error::Error,
    identity::{
        fold::with_splits,
        join::{self, Edge},
        settle, suggestions,
    },
    store::merges::MergeId,
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: MergeProfilesRequest,
) -> Result<Response<MergeProfilesResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/MergeProfiles", &request.request_id, &request)?;
    let mut v = Violations::new();
    let one = v.parse::<ProfileId>("profile_id", &request.profile_id);
    let other = v.parse::<ProfileId>("other_profile_id", &request.other_profile_id);
    let reason = v.text("reason", &request.reason, 1..=500);
    let (one, other, reason) = v.finish_with((one, other, reason))?;
    may_override(&call, request.override_veto)?;
    let reply = settle!(app.db, once, tx => {
        for id in [&request.profile_id, &request.other_profile_id] {
            customer(&mut tx, &call, id).await?;
        }
        let edge = Edge { profile: one, other, kind: MergeKind::Manual, terms: "[]".to_owned(), reason: reason.clone() };
        let (root, merge) = merge(app, &mut tx, &call, edge, request.override_veto).await?;
        let profile = with_splits(&mut tx, root, false).await?;
        let merge_id = merge.map(|merge| merge.to_string()).unwrap_or_default();
        Ok(MergeProfilesResponse { profile, merge_id })
    });
    Ok(reply?.into_response())
}

/// Overriding a veto needs a scope of its own.
pub(super) fn may_override(call: &Call, asked: bool) -> Result<(), Fault> {
    if asked && !call.identity().has_scope("profiles.override") {
        return Err(Fault::denied(ErrorReason::ScopeMissing, "override_veto needs the scope profiles.override"));
    }
    Ok(())
}

/// Makes the customers of two profiles one, whatever kept them apart but a veto; gives the survivor.
pub(super) async fn merge(
    app: &App,
    tx: &mut Tx,
    call: &Call,
    edge: Edge,
    override_veto: bool,
) -> Result<(ProfileId, Option<MergeId>), Error> {
    let one = customers::root(tx, edge.profile).await?;
    let other = customers::root(tx, edge.other).await?;
    if one == other {
        return Ok((one, None));
    }
    let seen = BTreeMap::from([(edge.profile, one), (one, one), (edge.other, other), (other, other)]);
    let nodes = join::lock(app, tx, &seen).await?;
    if !override_veto && suggestions::vetoed(app, tx, one, other).await? {
        let message =
            "they hold different identifiers of a type that a person has one of: override_veto merges nevertheless";
        return Err(Fault::precondition(ErrorReason::MergeVetoed, message).into());
    }
    let roots = (*nodes.get(&one).ok_or(Error::Raced)?, *nodes.get(&other).ok_or(Error::Raced)?);
    let (survivor, merge) = join::join(tx, call, roots, edge, false).await?;
    Ok((survivor.id, Some(merge)))
}
