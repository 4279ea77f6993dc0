//! ListConsents: what was said about a customer's addresses, newest first.

use omnimesh_kit::{
    call::Call,
    clock::Timestamp,
    customers,
    error::Fault,
    page::{PageToken, page_size},
};
use omnimesh_proto::{
    common::v1::Cursor,
    profiles::v1::{ListConsentsRequest, ListConsentsResponse},
};
use tonic::Response;
use uuid::Uuid;

use super::{App, customer, record_consent::parse};
use crate::{
    error::Error,
    store::consents::{self, ConsentId},
};

pub(super) async fn run(
    app: &App,
    call: Call,
    request: ListConsentsRequest,
) -> Result<Response<ListConsentsResponse>, Error> {
    let address = match &request.address {
        Some(said) => Some(parse(&call, Some(said)).map_err(|problem| Fault::invalid("address", problem))?),
        None => None,
    };
    // Of an address alone: staff and back-ends, by their scope. Customers always ask for their own.
    let mut conn = app.db.read().await?;
    let profile = match &address {
        Some(_) if request.profile_id.is_empty() && call.session().is_none() => None,
        _ => Some(customer(&mut conn, &call, &request.profile_id).await?),
    };
    let size = page_size(request.page_size, 50, 100)?;
    let hash = address.as_ref().map(|address| app.address_hash(address));
    let principal = call.principal();
    let mut filter = format!("profiles.v1.ListConsents {profile:?} ").into_bytes();
    filter.extend(hash.iter().flat_map(|hash| hash.into_bytes()));
    let cursor = PageToken::open(&app.secrets, &principal, &filter, &request.page_token)?;
    let after = match cursor.keys.as_slice() {
        [] => (Timestamp::from_micros(i64::MAX), Uuid::max()),
        [at, id] => {
            let id: ConsentId = id.parse().map_err(Fault::internal)?;
            (Timestamp::from_micros(at.parse().map_err(Fault::internal)?), id.0)
        }
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let members = match profile {
        Some(profile) => customers::members(&mut conn, profile).await?,
        None => Vec::new(),
    };
    let mut found = match hash.filter(|_| profile.is_none()) {
        Some(hash) => consents::of_address(&mut conn, hash, after, size + 1).await?,
        None => consents::of_profiles(&mut conn, &members, hash, after, size + 1).await?,
    };
    let page = usize::try_from(size).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next_page_token = match found.last().filter(|_| more) {
        Some((at, id, _)) => {
            let keys = vec![at.micros().to_string(), id.to_string()];
            PageToken::seal(&app.secrets, &principal, &filter, &Cursor { keys, ..Cursor::default() })
        }
        None => String::new(),
    };
    let consents = found.into_iter().map(|(.., consent)| consent).collect();
    Ok(Response::new(ListConsentsResponse { consents, next_page_token }))
}
