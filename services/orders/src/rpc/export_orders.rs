//! Every order, oldest first by id. Pages are read one by one: no transaction is open while the receiver takes its time.

use std::{collections::VecDeque, sync::Arc};

use futures::stream;
use omnimesh_kit::call::Call;
use omnimesh_proto::orders::v1::{ExportOrdersRequest, ExportOrdersResponse};
use tonic::Status;
use uuid::Uuid;

use super::{Out, filter};
use crate::{
    access::restrict,
    app::App,
    domain::Order,
    error::Error,
    store::lists::{self, Filter},
    wire,
};

const PAGE: i64 = 200;

struct Export {
    app: Arc<App>,
    filter: Filter,
    after: Uuid,
    page: VecDeque<Order>,
    ended: bool,
}

pub(super) async fn run(
    app: &Arc<App>,
    call: &Call,
    request: ExportOrdersRequest,
) -> Result<Out<ExportOrdersResponse>, Error> {
    let mut filter = filter::check(request.filter.as_ref())?;
    let ended = restrict(&mut app.deps.db.read().await?, call, &mut filter).await?.is_none();
    let export = Export { app: app.clone(), filter, after: Uuid::nil(), page: VecDeque::new(), ended };
    Ok(Box::pin(stream::try_unfold(export, |mut export| async move {
        Ok::<_, Status>(export.next().await?.map(|order| {
            let message = ExportOrdersResponse { order: Some(wire::order(&order)) };
            (message, export)
        }))
    })))
}

impl Export {
    async fn next(&mut self) -> Result<Option<Order>, Error> {
        if self.page.is_empty() && !self.ended {
            let mut conn = self.app.deps.db.read().await?;
            let page = lists::by_id(&mut conn, &self.filter, self.after, PAGE).await?;
            self.ended = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            self.after = page.last().map_or(self.after, |last| last.id.0);
            self.page.extend(page);
        }
        Ok(self.page.pop_front())
    }
}
