//! Pulls: a message a page, until there is no more, the caller has enough, or the vendor fails.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, stream};
use omnimesh_kit::{error::Fault, validate::Violations};
use omnimesh_proto::connectors::v1::Lane;
use prost_types::Timestamp as ProtoTimestamp;
use tokio::time::Instant;
use tonic::Status;

use super::{Inner, Select, absent};
use crate::{Failure, Operation, Page, Pull, Vendor};

/// What a pull answers with.
pub(super) type Pages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a caller asks to pull.
pub(super) struct Asked {
    pub(super) credentials_ref: String,
    pub(super) cursor: Vec<u8>,
    pub(super) start: Option<ProtoTimestamp>,
    pub(super) max_pages: i32,
    pub(super) lane: i32,
}

impl Asked {
    fn checked(self) -> Result<(Pull, Option<i64>), Fault> {
        let mut v = Violations::new();
        let start = self.start.as_ref().map(|start| v.timestamp("start_time", Some(start)));
        let pages = v.range("max_pages", self.max_pages, 0..=100_000);
        let lane = match Lane::try_from(self.lane) {
            Ok(Lane::Unspecified | Lane::Import) => Lane::Import,
            Ok(Lane::Backfill) => Lane::Backfill,
            _ => {
                v.add("lane", "LANE_IMPORT or LANE_BACKFILL is accepted");
                Lane::Import
            }
        };
        v.finish()?;
        let Self { credentials_ref, cursor, .. } = self;
        Ok((Pull { credentials_ref, cursor, start: start.flatten(), lane }, pages.filter(|pages| *pages > 0)))
    }
}

/// The pages of a pull, each as `tell` puts it.
pub(super) async fn pages<V, O, T, M>(
    inner: &Arc<Inner<V>>,
    asked: Asked,
    deadline: Instant,
    select: Select<V, O>,
    tell: fn(Result<Page<T>, Failure>) -> M,
) -> Result<Pages<M>, Fault>
where
    V: Vendor,
    O: Operation<Input = Pull, Output = Page<T>>,
    T: Send + 'static,
    M: Send + 'static,
{
    let (pull, pages) = asked.checked()?;
    // Refused before the stream begins.
    select(&inner.vendor).ok_or_else(|| absent(O::CAPABILITY))?;
    inner.accounts.open(&inner.vendor, &pull.credentials_ref).await?;
    let start = Some((inner.clone(), pull, pages));
    Ok(Box::pin(stream::unfold(start, move |state| async move {
        let (inner, pull, left) = state?;
        let page = match inner.run(&pull, deadline, select).await {
            Ok(page) => page,
            Err(fault) => return Some((Err(Status::from(fault)), None)),
        };
        let left = left.map(|left| left - 1);
        let next = match &page {
            Ok(page) if page.has_more && left != Some(0) => {
                Some((inner, Pull { cursor: page.next_cursor.clone(), ..pull }, left))
            }
            _ => None,
        };
        Some((Ok(tell(page)), next))
    })))
}
