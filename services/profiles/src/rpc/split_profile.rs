//! SplitProfile: merges undone, for ever unless somebody merges again.

use std::collections::BTreeSet;

use omnimesh_kit::{call::Call, customers, error::Fault, idempotency::Once, ids::ProfileId, validate::Violations};
use omnimesh_proto::{
    common::v1::ErrorReason,
    profiles::v1::{SplitProfileRequest, SplitProfileResponse},
};
use tonic::Response;

use super::{App, customer};
use crate::{
    error::Error,
    identity::{
        fold::with_splits,
        settle,
        split::{Leaving, split},
    },
    store::merges::{self, MergeId},
};

/// The most members that are named.
const MOST: usize = 1_000;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: SplitProfileRequest,
) -> Result<Response<SplitProfileResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/SplitProfile", &request.request_id, &request)?;
    let mut v = Violations::new();
    v.parse::<ProfileId>("profile_id", &request.profile_id);
    let reason = v.text("reason", &request.reason, 1..=500);
    let merge = v.parse_optional::<MergeId>("merge_id", &request.merge_id);
    let one = request.leaving_profile_ids.is_empty() != request.merge_id.is_empty();
    v.check("leaving_profile_ids", one, "either these or merge_id must be given");
    v.check("leaving_profile_ids", request.leaving_profile_ids.len() <= MOST, "at most 1,000 are accepted");
    let mut leaving = BTreeSet::new();
    for (index, id) in request.leaving_profile_ids.iter().take(MOST).enumerate() {
        leaving.extend(v.parse::<ProfileId>(&format!("leaving_profile_ids[{index}]"), id));
    }
    let (reason, merge) = v.finish_with((reason, merge))?;
    let leaving = merge.map_or(Leaving::Members(leaving), Leaving::Undone);
    let reply = settle!(app.db, once, tx => {
        let root = customer(&mut tx, &call, &request.profile_id).await?;
        if let Leaving::Undone(id) = leaving {
            let merge = merges::merge(&mut tx, id).await?;
            let merge = merge.ok_or_else(|| Fault::not_found("merge", id.to_string()))?;
            if customers::root(&mut tx, merge.profile).await? != root {
                return Err(nothing().into());
            }
        }
        let Some(parted) = split(app, &mut tx, &call, root, &leaving, &reason).await? else {
            return Err(nothing().into());
        };
        let mut split_profiles = Vec::new();
        for left in parted.left {
            split_profiles.extend(with_splits(&mut tx, left, false).await?);
        }
        Ok(SplitProfileResponse { profile: with_splits(&mut tx, parted.stayed, false).await?, split_profiles })
    });
    Ok(reply?.into_response())
}

fn nothing() -> Fault {
    let message = "nobody would leave, or nobody stay: members of the profile, but not all, are accepted";
    Fault::precondition(ErrorReason::NothingToSplit, message)
}
