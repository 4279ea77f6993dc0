//! ListMergeSuggestions: pairs that may be one customer, with the evidence, the strongest first.

use omnimesh_kit::{
    call::Call,
    customers,
    error::Fault,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::Cursor,
    profiles::v1::{ListMergeSuggestionsRequest, ListMergeSuggestionsResponse, SuggestionState},
};
use tonic::Response;
use uuid::Uuid;

use super::{App, customer};
use crate::{
    error::Error,
    identity::suggestions::shown,
    store::{
        suggestions::{self, SuggestionId},
        uuids,
    },
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ListMergeSuggestionsRequest,
) -> Result<Response<ListMergeSuggestionsResponse>, Error> {
    let mut v = Violations::new();
    let state = match request.state {
        0 => Some(SuggestionState::Open),
        state => v.choice::<SuggestionState>("state", state),
    };
    let (state,) = v.finish_with((state,))?;
    let size = page_size(request.page_size, 50, 100)?;
    let (principal, filter) =
        (call.principal(), format!("profiles.v1.ListMergeSuggestions {} {}", request.profile_id, i32::from(state)));
    let cursor = PageToken::open(&app.secrets, &principal, filter.as_bytes(), &request.page_token)?;
    let after = match cursor.keys.as_slice() {
        [] => (i64::MAX, Uuid::max()),
        [weight, id] => {
            let id: SuggestionId = id.parse().map_err(Fault::internal)?;
            (weight.parse().map_err(Fault::internal)?, id.0)
        }
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let mut conn = app.db.read().await?;
    let members = if request.profile_id.is_empty() {
        None
    } else {
        let root = customer(&mut conn, &call, &request.profile_id).await?;
        Some(uuids(&customers::members(&mut conn, root).await?))
    };
    let mut found = suggestions::list(&mut conn, state.into(), members, after, size + 1).await?;
    let page = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next_page_token = match found.last().filter(|_| more) {
        Some(last) => {
            let keys = vec![last.weight.to_string(), last.id.to_string()];
            PageToken::seal(&app.secrets, &principal, filter.as_bytes(), &Cursor { keys, ..Cursor::default() })
        }
        None => String::new(),
    };
    let suggestions = shown(app, &mut conn, &found, page).await?;
    Ok(Response::new(ListMergeSuggestionsResponse { suggestions, next_page_token }))
}
