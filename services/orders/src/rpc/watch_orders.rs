//! Orders as they change, of the same scope as ListOrders. The token of each message says up to where the log was read: a
//! stream that resumes with it misses nothing.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use omnimesh_kit::{call::Call, page::PageToken};
use omnimesh_proto::{
    common::v1::Cursor,
    events::v1::Event,
    orders::v1::{WatchOrdersRequest, WatchOrdersResponse},
};
use prost::Message as _;
use tonic::Status;

use super::{Out, filter};
use crate::{
    access::{Viewer, restrict},
    app::App,
    domain::OrderId,
    error::Error,
    store::{events, lists::Filter, orders},
    wire,
};

/// After so many events of others the token moves on without an order.
const SILENCE: u32 = 200;

struct Watch {
    app: Arc<App>,
    call: Call,
    filter: Filter,
    named: Vec<u8>,
    positions: BTreeMap<u32, i64>,
    log: Pin<Box<dyn Stream<Item = Arc<Event>> + Send>>,
    skipped: u32,
    started: bool,
}

pub(super) async fn run(
    app: &Arc<App>,
    call: Call,
    request: WatchOrdersRequest,
) -> Result<Out<WatchOrdersResponse>, Error> {
    let filter = filter::check(request.filter.as_ref())?;
    let mut named = b"WatchOrders ".to_vec();
    named.extend(request.filter.unwrap_or_default().encode_to_vec());
    let cursor = PageToken::open(&app.deps.secrets, &call.principal(), &named, &request.resume_token)?;
    if restrict(&mut app.deps.db.read().await?, &call, &mut filter.clone()).await?.is_none() {
        return Ok(Box::pin(stream::pending()));
    }
    let positions = if request.resume_token.is_empty() {
        app.deps.tail.positions().await?
    } else {
        cursor.positions.into_iter().collect()
    };
    let log = Box::pin(app.deps.tail.resume(positions.clone()));
    let watch = Watch { app: app.clone(), call, filter, named, positions, log, skipped: 0, started: false };
    Ok(Box::pin(stream::try_unfold(watch, |mut watch| async move {
        Ok::<_, Status>(watch.next().await?.map(|message| (message, watch)))
    })))
}

impl Watch {
    /// The next message; `None` when the log can't be read any more: the watcher resumes.
    async fn next(&mut self) -> Result<Option<WatchOrdersResponse>, Error> {
        if !self.started {
            // The first message gives a token to resume from, also if nothing happens before the stream breaks.
            self.started = true;
            return Ok(Some(self.message(None, None)));
        }
        while let Some(event) = self.log.next().await {
            self.positions.insert(event.partition, event.position);
            if let Some(message) = self.look(&event).await? {
                self.skipped = 0;
                return Ok(Some(message));
            }
            self.skipped += 1;
            if self.skipped >= SILENCE {
                self.skipped = 0;
                return Ok(Some(self.message(None, None)));
            }
        }
        Ok(None)
    }

    async fn look(&mut self, event: &Event) -> Result<Option<WatchOrdersResponse>, Error> {
        let Ok(id) = event.aggregate_id.parse::<OrderId>() else { return Ok(None) };
        let mut conn = self.app.deps.db.read().await?;
        let Some(order) = orders::find(&mut conn, id).await? else { return Ok(None) };
        // Who the customer is may have changed since the stream began.
        let mut filter = self.filter.clone();
        let seen = restrict(&mut conn, &self.call, &mut filter).await?.is_some() && filter.holds(&order);
        if !seen || !Viewer::of(&mut conn, &self.call).await?.sees(&order) {
            return Ok(None);
        }
        let happened = events::one(&mut conn, id, event.aggregate_seq).await?;
        Ok(Some(self.message(happened, Some(wire::order(&order)))))
    }

    fn message(
        &self,
        event: Option<omnimesh_proto::orders::v1::OrderEvent>,
        order: Option<omnimesh_proto::orders::v1::Order>,
    ) -> WatchOrdersResponse {
        let cursor = Cursor { keys: Vec::new(), positions: self.positions.clone().into_iter().collect() };
        let resume_token = PageToken::seal(&self.app.deps.secrets, &self.call.principal(), &self.named, &cursor);
        WatchOrdersResponse { event, order, resume_token }
    }
}
