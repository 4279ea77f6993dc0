//! ListInteractions: what every channel did with a customer, newest first.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    customers,
    error::Fault,
    page::{PageToken, page_size},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::{Channel, Cursor},
    profiles::v1::{InteractionKind, ListInteractionsRequest, ListInteractionsResponse},
};
use tonic::Response;
use uuid::Uuid;

use super::{App, customer};
use crate::{
    error::Error,
    store::timeline::{self, Filter, InteractionId},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ListInteractionsRequest,
) -> Result<Response<ListInteractionsResponse>, Error> {
    let mut conn = app.db.read().await?;
    let profile = customer(&mut conn, &call, &request.profile_id).await?;
    let size = page_size(request.page_size, 50, 100)?;
    let (filter, before) = filter(&request)?;
    let (principal, asked) =
        (call.principal(), format!("profiles.v1.ListInteractions {profile} {filter:?} {before:?}"));
    let cursor = PageToken::open(&app.secrets, &principal, asked.as_bytes(), &request.page_token)?;
    let after = match cursor.keys.as_slice() {
        // Everything before a moment is everything after the first that could be at it.
        [] => (before, Uuid::nil()),
        [at, id] => {
            let id: InteractionId = id.parse().map_err(Fault::internal)?;
            (Timestamp::from_micros(at.parse().map_err(Fault::internal)?), id.0)
        }
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let members = customers::members(&mut conn, profile).await?;
    let mut found = timeline::interactions(&mut conn, &members, &filter, after, size + 1).await?;
    let page = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next_page_token = match found.last().filter(|_| more) {
        Some((at, id, _)) => {
            let keys = vec![at.micros().to_string(), id.to_string()];
            PageToken::seal(&app.secrets, &principal, asked.as_bytes(), &Cursor { keys, ..Cursor::default() })
        }
        None => String::new(),
    };
    let interactions = found.into_iter().map(|(_, _, interaction)| interaction).collect();
    Ok(Response::new(ListInteractionsResponse { interactions, next_page_token }))
}

/// The filter, and the moment before which everything lies.
fn filter(request: &ListInteractionsRequest) -> Result<(Filter, Timestamp), Fault> {
    let mut v = Violations::new();
    let mut filter = Filter::all();
    for (index, channel) in request.channels.iter().enumerate() {
        v.choice::<Channel>(&format!("channels[{index}]"), *channel);
        filter.channels.push((*channel).into());
    }
    for (index, kind) in request.kinds.iter().enumerate() {
        v.choice::<InteractionKind>(&format!("kinds[{index}]"), *kind);
        filter.kinds.push((*kind).into());
    }
    for list in [&mut filter.channels, &mut filter.kinds] {
        list.sort_unstable();
        list.dedup();
    }
    if request.start_time.is_some() {
        filter.from = v.timestamp("start_time", request.start_time.as_ref()).unwrap_or(filter.from);
    }
    let mut before = Timestamp::from_micros(i64::MAX);
    if request.end_time.is_some() {
        before = v.timestamp("end_time", request.end_time.as_ref()).unwrap_or(before);
    }
    v.finish()?;
    Ok((filter, before))
}
