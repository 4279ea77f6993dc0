//! The stand-in's own paths, with which a person plays the vendor.

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Generation, Sandbox, Stand, error};

#[derive(Deserialize)]
struct Status {
    status: String,
}

#[derive(Deserialize)]
struct Speak {
    generation: Generation,
}

#[derive(Deserialize)]
struct Of {
    package: u64,
}

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/sandbox/orders", post(place))
        .route("/sandbox/packages/{package}/status", put(status))
        .route("/sandbox/claims", post(claim))
        .route("/sandbox/generation", put(speak))
        .route("/sandbox/state", get(state))
}

async fn place(Shared(sandbox): Stand) -> Json<Value> {
    let package = sandbox.place();
    Json(package.json(sandbox.state().generation))
}

async fn status(Shared(sandbox): Stand, Path(id): Path<u64>, Json(set): Json<Status>) -> Response {
    if sandbox.package(id).is_none() {
        return error(StatusCode::NOT_FOUND, "package.not.found", "no such package");
    }
    sandbox.change(id, |package| package.status = set.status);
    StatusCode::OK.into_response()
}

async fn claim(Shared(sandbox): Stand, Json(of): Json<Of>) -> Response {
    match sandbox.claim(of.package) {
        Some(id) => Json(json!({ "id": id })).into_response(),
        None => error(StatusCode::NOT_FOUND, "package.not.found", "no such package"),
    }
}

async fn speak(Shared(sandbox): Stand, Json(speak): Json<Speak>) {
    sandbox.speak(speak.generation);
}

async fn state(Shared(sandbox): Stand) -> Json<Value> {
    let state = sandbox.state();
    let packages: Vec<_> = state.packages.values().map(|package| package.json(state.generation)).collect();
    let claims: Vec<_> = state.claims.values().map(|claim| json!({ "id": claim.id, "pieces": claim.pieces })).collect();
    Json(json!({ "packages": packages, "claims": claims, "listings": state.listings }))
}
