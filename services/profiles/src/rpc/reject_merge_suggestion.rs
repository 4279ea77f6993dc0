//! RejectMergeSuggestion: the two are kept apart for ever.

use std::collections::BTreeMap;

use omnimesh_kit::{call::Call, customers, error::Fault, idempotency::Once, ids::uuid_v7, validate::Violations};
use omnimesh_proto::{
    common::v1::ErrorReason,
    profiles::v1::{RejectMergeSuggestionRequest, RejectMergeSuggestionResponse, SuggestionState},
};
use tonic::Response;

use super::{App, accept_merge_suggestion::open, customer};
use crate::{
    error::Error,
    identity::{join, settle, suggestions::shown},
    store::{
        merges,
        suggestions::{self, SuggestionId},
        uuids,
    },
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: RejectMergeSuggestionRequest,
) -> Result<Response<RejectMergeSuggestionResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/RejectMergeSuggestion", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse::<SuggestionId>("suggestion_id", &request.suggestion_id);
    let reason = v.text("reason", &request.reason, 0..=500);
    let (id, reason) = v.finish_with((id, reason))?;
    let reply = settle!(app.db, once, tx => {
        let suggestion = open(&mut tx, id, "REJECTED").await?;
        let one = customer(&mut tx, &call, &suggestion.profile.to_string()).await?;
        let other = customer(&mut tx, &call, &suggestion.other.to_string()).await?;
        if one == other {
            let message = "the two profiles are one customer by now: SplitProfile parts them";
            return Err(Fault::precondition(ErrorReason::IllegalTransition, message).into());
        }
        let seen = BTreeMap::from([(suggestion.profile, one), (one, one), (suggestion.other, other), (other, other)]);
        join::lock(app, &mut tx, &seen).await?;
        let (ones, others) = (customers::members(&mut tx, one).await?, customers::members(&mut tx, other).await?);
        let parting = uuid_v7(tx.now());
        merges::part(&mut tx, parting, [uuids(&ones), uuids(&others)]).await?;
        // Whatever else was suggested about the same two.
        let both = uuids(&[ones.as_slice(), others.as_slice()].concat());
        for open in suggestions::between(&mut tx, both).await? {
            suggestions::decide(&mut tx, open.id, SuggestionState::Rejected, &reason).await?;
        }
        let rejected = suggestions::suggestion(&mut tx, id).await?;
        let suggestion = shown(app, &mut tx, &Vec::from_iter(rejected), 1).await?.pop();
        Ok(RejectMergeSuggestionResponse { suggestion })
    });
    Ok(reply?.into_response())
}
