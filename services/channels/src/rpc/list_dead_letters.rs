//! ListDeadLetters: what needs a person, oldest first.

use omnimesh_kit::{call::Call, page::page_size, validate::Violations};
use omnimesh_proto::channels::v1::{ListDeadLettersRequest, ListDeadLettersResponse};
use tonic::Response;

use super::{begin, cut};
use crate::{
    app::App,
    domain::AccountId,
    error::Error,
    store::dead_letters::{self, DeadLetter},
};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListDeadLettersRequest,
) -> Result<Response<ListDeadLettersResponse>, Error> {
    let mut v = Violations::new();
    let account = v.parse_optional::<AccountId>("account_id", &request.account_id);
    let (account,) = v.finish_with((account,))?;
    let size = page_size(request.page_size, 50, 100)?;
    let filter = format!("channels.v1.ListDeadLetters {}", request.account_id);
    let after = begin(&app.deps.secrets, call, filter.as_bytes(), &request.page_token)?;
    let mut conn = app.deps.db.read().await?;
    let mut found = dead_letters::after(&mut conn, after, account, size + 1).await?;
    let next_page_token = cut(&app.deps.secrets, call, filter.as_bytes(), &mut found, size, |letter| letter.id.0);
    let dead_letters = found.iter().map(DeadLetter::to_proto).collect();
    Ok(Response::new(ListDeadLettersResponse { dead_letters, next_page_token }))
}
