//! AcceptMergeSuggestion: the two are one.

use omnimesh_kit::{call::Call, error::Fault, idempotency::Once, store::Conn, validate::Violations};
use omnimesh_proto::profiles::v1::{
    AcceptMergeSuggestionRequest, AcceptMergeSuggestionResponse, MergeKind, SuggestionState,
};
use tonic::Response;

use super::{
    App, customer,
    merge_profiles::{may_override, merge},
};
use crate::{
    error::Error,
    identity::{fold::with_splits, join::Edge, settle},
    store::suggestions::{self, Suggestion, SuggestionId},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: AcceptMergeSuggestionRequest,
) -> Result<Response<AcceptMergeSuggestionResponse>, Error> {
    let once = Once::new(&call, "profiles.v1.ProfileService/AcceptMergeSuggestion", &request.request_id, &request)?;
    let mut v = Violations::new();
    let id = v.parse::<SuggestionId>("suggestion_id", &request.suggestion_id);
    let (id,) = v.finish_with((id,))?;
    may_override(&call, request.override_veto)?;
    let reply = settle!(app.db, once, tx => {
        let suggestion = open(&mut tx, id, "ACCEPTED").await?;
        for profile in [suggestion.profile, suggestion.other] {
            customer(&mut tx, &call, &profile.to_string()).await?;
        }
        let edge = Edge {
            profile: suggestion.profile,
            other: suggestion.other,
            kind: MergeKind::Manual,
            terms: suggestion.terms,
            reason: format!("{id} was accepted"),
        };
        let (root, merge) = merge(app, &mut tx, &call, edge, request.override_veto).await?;
        suggestions::decide(&mut tx, id, SuggestionState::Accepted, "").await?;
        let merge_id = merge.map(|merge| merge.to_string()).unwrap_or_default();
        Ok(AcceptMergeSuggestionResponse { profile: with_splits(&mut tx, root, false).await?, merge_id })
    });
    Ok(reply?.into_response())
}

/// A suggestion that waits for somebody.
pub(super) async fn open(conn: &mut Conn, id: SuggestionId, asked: &str) -> Result<Suggestion, Error> {
    let suggestion = suggestions::suggestion(conn, id).await?;
    let suggestion = suggestion.ok_or_else(|| Fault::not_found("suggestion", id.to_string()))?;
    let state = SuggestionState::try_from(suggestion.state).unwrap_or_default();
    if state != SuggestionState::Open {
        let state = state.as_str_name().trim_start_matches("SUGGESTION_STATE_");
        return Err(Fault::illegal_transition("the suggestion", state, asked, &[]).into());
    }
    Ok(suggestion)
}
