//! Packages, by pages and by cursor.

use axum::{
    Json,
    extract::{Query, State as Shared},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Sandbox, Stand, error, state::Package};

const TWO_WEEKS: i64 = 14 * 86_400_000;
const WEEK: i64 = 7 * 86_400_000;
const MOST: usize = 10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Asked {
    status: Option<String>,
    order_number: Option<String>,
    start_date: Option<i64>,
    end_date: Option<i64>,
    last_modified_start_date: Option<i64>,
    last_modified_end_date: Option<i64>,
    page: usize,
    size: Option<usize>,
    next_cursor: Option<String>,
}

impl Asked {
    fn size(&self) -> usize {
        self.size.unwrap_or(50).clamp(1, 200)
    }

    /// The packages of a window, oldest change first.
    fn found(&self, sandbox: &Sandbox, window: Option<(i64, i64)>) -> Vec<Package> {
        let state = sandbox.state();
        let wanted = |package: &&Package| {
            window.is_none_or(|(from, to)| (from..=to).contains(&package.modified))
                && self.status.as_ref().is_none_or(|status| *status == package.status)
                && self.order_number.as_ref().is_none_or(|number| *number == package.order_number)
        };
        let mut found: Vec<_> = state.packages.values().filter(wanted).cloned().collect();
        found.sort_by_key(|package| (package.modified, package.id));
        found
    }
}

/// The window that is asked for, unless it is too long.
fn window(from: Option<i64>, to: Option<i64>) -> Option<(i64, i64)> {
    let to = to.unwrap_or_else(super::state::now);
    let from = from.unwrap_or(to - WEEK);
    (0..=TWO_WEEKS).contains(&(to - from)).then_some((from, to))
}

fn too_long() -> Response {
    error(StatusCode::BAD_REQUEST, "date.range", "at most two weeks")
}

pub(super) async fn pages(Shared(sandbox): Stand, Query(asked): Query<Asked>) -> Response {
    // An order is found whenever it was placed.
    let window = match (&asked.order_number, window(asked.start_date, asked.end_date)) {
        (Some(_), _) => None,
        (None, Some(window)) => Some(window),
        (None, None) => return too_long(),
    };
    let (found, size) = (asked.found(&sandbox, window), asked.size());
    if (asked.page + 1) * size > MOST {
        return error(StatusCode::BAD_REQUEST, "max.query.window", "at most 10,000 packages can be reached");
    }
    let generation = sandbox.state().generation;
    let content = found.iter().skip(asked.page * size).take(size).map(|package| package.json(generation));
    Json(json!({
        "totalElements": found.len(), "totalPages": found.len().div_ceil(size), "page": asked.page, "size": size,
        "content": content.collect::<Vec<_>>(),
    }))
    .into_response()
}

pub(super) async fn stream(Shared(sandbox): Stand, Query(asked): Query<Asked>) -> Response {
    let Some(window) = window(asked.last_modified_start_date, asked.last_modified_end_date) else {
        return too_long();
    };
    let (epoch, generation) = {
        let state = sandbox.state();
        (state.epoch, state.generation)
    };
    // The cursor names the last package that was sent, after which the next page begins.
    let after = match asked.next_cursor.as_deref().map(|cursor| read(cursor, epoch)) {
        None => (i64::MIN, 0),
        Some(Some(after)) => after,
        Some(None) => return error(StatusCode::BAD_REQUEST, "cursor.expired", "the cursor has expired"),
    };
    let size = asked.size();
    let mut found = asked.found(&sandbox, Some(window));
    found.retain(|package| (package.modified, package.id) > after);
    let has_more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| has_more).map(|last| format!("{epoch}.{}.{}", last.modified, last.id));
    let content: Vec<_> = found.iter().map(|package| package.json(generation)).collect();
    Json(json!({ "content": content, "hasMore": has_more, "nextCursor": next, "size": size })).into_response()
}

fn read(cursor: &str, epoch: u64) -> Option<(i64, u64)> {
    let (of, after) = cursor.split_once('.')?;
    let (modified, id) = after.split_once('.')?;
    (of.parse() == Ok(epoch)).then_some((modified.parse().ok()?, id.parse().ok()?))
}
