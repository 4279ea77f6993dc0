//! ListInteractions: what every channel did with a customer, newest first.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    error::Fault,
    page::{PageToken, page_size},
};
use omnimesh_proto::{
    common::v1::Cursor,
    profiles::v1::{ListInteractionsRequest, ListInteractionsResponse},
};
use tonic::Response;
use uuid::Uuid;

use super::{App, profile_of};
use crate::{
    error::Error,
    store::timeline::{self, InteractionId},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ListInteractionsRequest,
) -> Result<Response<ListInteractionsResponse>, Error> {
    let profile = profile_of(&call, &request.profile_id)?;
    let size = page_size(request.page_size, 50, 100)?;
    let (principal, filter) = (call.principal(), format!("profiles.v1.ListInteractions {profile}"));
    let cursor = PageToken::open(&app.secrets, &principal, filter.as_bytes(), &request.page_token)?;
    let after = match cursor.keys.as_slice() {
        [] => (Timestamp::from_micros(i64::MAX), Uuid::max()),
        [at, id] => {
            let id: InteractionId = id.parse().map_err(Fault::internal)?;
            (Timestamp::from_micros(at.parse().map_err(Fault::internal)?), id.0)
        }
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let mut conn = app.db.read().await?;
    let mut found = timeline::interactions(&mut conn, profile, after, size + 1).await?;
    let page = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next_page_token = match found.last().filter(|_| more) {
        Some((at, id, _)) => {
            let keys = vec![at.micros().to_string(), id.to_string()];
            PageToken::seal(&app.secrets, &principal, filter.as_bytes(), &Cursor { keys, ..Cursor::default() })
        }
        None => String::new(),
    };
    let interactions = found.into_iter().map(|(_, _, interaction)| interaction).collect();
    Ok(Response::new(ListInteractionsResponse { interactions, next_page_token }))
}
