//! Claims, and what the seller says to them.

use std::collections::HashSet;

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Sandbox, Stand, error, state::Claim};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    start_date: i64,
    end_date: i64,
    #[serde(default)]
    page: usize,
    size: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Approve {
    claim_line_item_id_list: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Issue {
    claim_issue_reason_id: String,
    claim_item_id_list: String,
    description: String,
}

pub(super) async fn list(Shared(sandbox): Stand, Query(asked): Query<Asked>) -> Response {
    let state = sandbox.state();
    let found = state.claims.values().filter(|claim| (asked.start_date..=asked.end_date).contains(&claim.date));
    let found: Vec<_> = found.map(json_of).collect();
    let size = asked.size.clamp(1, 200);
    let content: Vec<_> = found.iter().skip(asked.page * size).take(size).collect();
    Json(json!({
        "totalElements": found.len(), "totalPages": found.len().div_ceil(size), "page": asked.page, "size": size,
        "content": content,
    }))
    .into_response()
}

fn json_of(claim: &Claim) -> Value {
    let item = |piece: &super::state::Piece| {
        json!({
            "orderLine": { "id": piece.line, "barcode": piece.barcode },
            "claimItems": [{
                "id": piece.id, "claimItemStatus": { "name": piece.status },
                "customerClaimItemReason": { "code": "DISLIKE", "name": "Beğenmedim" },
            }],
        })
    };
    json!({
        "id": claim.id, "orderNumber": claim.order_number, "orderShipmentPackageId": claim.package, "claimDate": claim.date,
        "items": claim.pieces.iter().map(item).collect::<Vec<_>>(),
    })
}

pub(super) async fn approve(
    Shared(sandbox): Stand,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Approve>,
) -> Response {
    decide(&sandbox, &id, &body.claim_line_item_id_list, "Accepted")
}

pub(super) async fn issue(
    Shared(sandbox): Stand,
    Path((_, id)): Path<(String, String)>,
    Query(issue): Query<Issue>,
) -> Response {
    if issue.claim_issue_reason_id.parse::<u32>().is_err() || issue.description.is_empty() {
        return error(StatusCode::BAD_REQUEST, "claim.issue", "a reason and a description");
    }
    let pieces: Vec<_> = issue.claim_item_id_list.split(',').map(str::to_owned).collect();
    decide(&sandbox, &id, &pieces, "InAnalysis")
}

fn decide(sandbox: &Sandbox, id: &str, pieces: &[String], status: &'static str) -> Response {
    let mut state = sandbox.state();
    let Some(claim) = state.claims.get_mut(id) else {
        return error(StatusCode::NOT_FOUND, "claim.not.found", "no such claim");
    };
    let wanted: HashSet<_> = pieces.iter().map(String::as_str).collect();
    let open =
        claim.pieces.iter_mut().filter(|piece| wanted.contains(piece.id.as_str()) && piece.status == "WaitingInAction");
    let open: Vec<_> = open.collect();
    if wanted.is_empty() || open.len() != wanted.len() {
        return error(StatusCode::CONFLICT, "claim.status", "a piece that does not wait for a decision");
    }
    open.into_iter().for_each(|piece| piece.status = status);
    StatusCode::OK.into_response()
}
