//! Refunds that somebody has to make, oldest first. One goes from the list as its refund is recorded.

use omnimesh_kit::{
    call::Call,
    page::{PageToken, page_size},
};
use omnimesh_proto::{
    common::v1::Cursor,
    orders::v1::{ListRefundTasksRequest, ListRefundTasksResponse},
};
use tonic::Response;
use uuid::Uuid;

use crate::{app::App, error::Error, store::payments, wire};

pub(super) async fn run(
    app: &App,
    call: &Call,
    request: ListRefundTasksRequest,
) -> Result<Response<ListRefundTasksResponse>, Error> {
    let size = page_size(request.page_size, 50, 100)?;
    let (secrets, principal) = (&app.deps.secrets, call.principal());
    let cursor = PageToken::open(secrets, &principal, b"ListRefundTasks", &request.page_token)?;
    let after = cursor.keys.first().and_then(|key| key.parse().ok()).unwrap_or(Uuid::nil());
    let mut tasks = payments::tasks(&mut app.deps.db.read().await?, after, size + 1).await?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = tasks.len() > size;
    tasks.truncate(size);
    let next = tasks.last().filter(|_| more).map(|last| {
        let cursor = Cursor { keys: vec![last.id.0.to_string()], ..Cursor::default() };
        PageToken::seal(secrets, &principal, b"ListRefundTasks", &cursor)
    });
    Ok(Response::new(ListRefundTasksResponse {
        refund_tasks: tasks.iter().map(wire::refund_task).collect(),
        next_page_token: next.unwrap_or_default(),
    }))
}
