//! What a seller does with a package.

use axum::{
    Json,
    extract::{Path, State as Shared},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Sandbox, Stand, error};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineQuantity {
    line_id: u64,
    quantity: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Update {
    lines: Vec<LineQuantity>,
    params: Params,
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    invoice_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unsupplied {
    lines: Vec<LineQuantity>,
    reason_id: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Split {
    split_packages: Vec<SplitPackage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SplitPackage {
    package_details: Vec<SplitLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SplitLine {
    order_line_id: u64,
    quantities: i64,
}

/// Seller and package.
type Of = Path<(String, u64)>;

/// What keeps a package from what is asked: it has to be there, in one of these states, with these lines.
fn problem(sandbox: &Sandbox, id: u64, states: &[&str], lines: &[(u64, i64)]) -> Option<Response> {
    let Some(package) = sandbox.package(id) else {
        return Some(error(StatusCode::NOT_FOUND, "package.not.found", "no such package"));
    };
    if !states.contains(&package.status.as_str()) {
        let message = format!("the package is {}", package.status);
        return Some(error(StatusCode::CONFLICT, "package.status", &message));
    }
    let holds = |(id, quantity): &(u64, i64)| {
        package.lines.iter().any(|line| line.id == *id && (1..=line.quantity).contains(quantity))
    };
    let good = !lines.is_empty() && lines.iter().all(holds);
    (!good).then(|| error(StatusCode::BAD_REQUEST, "line.quantity", "a line that the package does not hold"))
}

fn pairs(lines: &[LineQuantity]) -> Vec<(u64, i64)> {
    lines.iter().map(|line| (line.line_id, line.quantity)).collect()
}

pub(super) async fn update(Shared(sandbox): Stand, Path((_, id)): Of, Json(update): Json<Update>) -> Response {
    let lines = pairs(&update.lines);
    let allowed: &[&str] = match update.status.as_str() {
        "Picking" => &["Created", "Picking"],
        "Invoiced" => &["Picking", "Invoiced"],
        _ => return error(StatusCode::BAD_REQUEST, "status", "Picking or Invoiced"),
    };
    if let Some(refused) = problem(&sandbox, id, allowed, &lines) {
        return refused;
    }
    if sandbox.package(id).is_none_or(|package| package.lines.len() != lines.len()) {
        return error(StatusCode::BAD_REQUEST, "lines", "all lines of the package");
    }
    sandbox.change(id, |package| {
        package.picked += usize::from(update.status == "Picking");
        package.status = update.status;
        package.invoice_number = update.params.invoice_number.unwrap_or_default();
    });
    StatusCode::OK.into_response()
}

pub(super) async fn unsupplied(Shared(sandbox): Stand, Path((_, id)): Of, Json(body): Json<Unsupplied>) -> Response {
    let lines = pairs(&body.lines);
    if !(500..=506).contains(&body.reason_id) {
        return error(StatusCode::BAD_REQUEST, "reasonId", "500 to 506");
    }
    if let Some(refused) = problem(&sandbox, id, &["Created", "Picking", "Invoiced"], &lines) {
        return refused;
    }
    sandbox.state().replace(id, "cancel", &lines, false);
    StatusCode::OK.into_response()
}

pub(super) async fn split(Shared(sandbox): Stand, Path((_, id)): Of, Json(body): Json<Split>) -> Response {
    let lines = body.split_packages.iter().flat_map(|package| &package.package_details);
    let lines: Vec<_> = lines.map(|line| (line.order_line_id, line.quantities)).collect();
    if let Some(refused) = problem(&sandbox, id, &["Created", "Picking", "Invoiced"], &lines) {
        return refused;
    }
    sandbox.state().replace(id, "split", &lines, true);
    Json(json!({})).into_response()
}
