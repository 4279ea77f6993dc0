//! A stand-in of İYS on this machine, to try and test with: the documented requests over real HTTP, and an outage at will.
//!
//! It keeps consents in memory and takes any user name and password. Beside the documented paths it has
//! `GET /sandbox/consents` and `PUT /sandbox/outage` with `{"mode": "none" | "errors" | "silence"}`. That an unregistered
//! recipient is answered with 404 is the sandbox's own choice: the documentation does not say.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// As documented.
    #[default]
    None,
    /// Every answer is 503.
    Errors,
    /// There is no answer.
    Silence,
}

/// A consent, as the registry's requests and answers have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The phone in E.164, or the e-mail address.
    pub recipient: String,
    /// BIREYSEL or TACIR.
    #[serde(default = "person")]
    pub recipient_type: String,
    /// ARAMA, MESAJ or EPOSTA.
    pub r#type: String,
    /// ONAY or RET.
    #[serde(default)]
    pub status: String,
    /// Where it was given, such as HS_WEB.
    #[serde(default)]
    pub source: String,
    /// When, as `YYYY-MM-DD HH:mm:ss` in Türkiye's time.
    #[serde(default)]
    pub consent_date: String,
}

fn person() -> String {
    "BIREYSEL".to_owned()
}

/// The stand-in. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Sandbox(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    outage: Outage,
    tokens: u64,
    asked: u64,
    consents: BTreeMap<Key, Registered>,
}

/// Service provider, brand, recipient, its type and the channel.
type Key = (String, String, String, String, String);
type Brand = (String, String);

#[derive(Deserialize)]
struct SetOutage {
    mode: Outage,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    grant_type: String,
}

impl Sandbox {
    /// Answers at a listener until it is dropped.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let iys = Router::new()
            .route("/oauth2/token", post(token))
            .route("/sps/{code}/brands/{brand}/consents", post(add))
            .route("/sps/{code}/brands/{brand}/consents/status", post(status))
            .layer(middleware::from_fn_with_state(self.clone(), outage));
        let own = Router::new().route("/sandbox/outage", put(set_outage)).route("/sandbox/consents", get(list));
        axum::serve(listener, iys.merge(own).with_state(self)).await
    }

    /// Switches an outage on or off.
    pub fn set_outage(&self, outage: Outage) {
        self.inner().outage = outage;
    }

    /// Ends every access token that it gave, as the registry may at any time.
    pub fn end_tokens(&self) {
        self.inner().tokens += 1;
    }

    /// How often the status of a consent was asked for.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.inner().asked
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn outage(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let outage = sandbox.inner().outage;
    match outage {
        Outage::None => next.run(request).await,
        Outage::Errors => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Outage::Silence => std::future::pending().await,
    }
}

async fn token(State(sandbox): State<Sandbox>, Json(said): Json<Credentials>) -> Response {
    if said.username.is_empty() || said.password.is_empty() || said.grant_type != "password" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let number = sandbox.inner().tokens;
    Json(json!({ "access_token": format!("sandbox-{number}"), "expires_in": 7_200, "token_type": "Bearer" }))
        .into_response()
}

async fn add(
    State(sandbox): State<Sandbox>,
    Path(brand): Path<Brand>,
    headers: HeaderMap,
    Json(consent): Json<Registered>,
) -> Response {
    if !sandbox.admits(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(refused) = wrong(&consent, true) {
        return refused;
    }
    let mut inner = sandbox.inner();
    inner.consents.insert(key(brand, &consent), consent);
    let count = inner.consents.len();
    Json(json!({ "transactionId": format!("sandbox-{count}"), "creationDate": "2026-01-01 12:00:00" })).into_response()
}

async fn status(
    State(sandbox): State<Sandbox>,
    Path(brand): Path<Brand>,
    headers: HeaderMap,
    Json(asked): Json<Registered>,
) -> Response {
    if !sandbox.admits(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(refused) = wrong(&asked, false) {
        return refused;
    }
    let mut inner = sandbox.inner();
    inner.asked += 1;
    match inner.consents.get(&key(brand, &asked)) {
        Some(consent) => Json(consent).into_response(),
        None => (StatusCode::NOT_FOUND, errors("recipient")).into_response(),
    }
}

async fn set_outage(State(sandbox): State<Sandbox>, Json(set): Json<SetOutage>) {
    sandbox.set_outage(set.mode);
}

async fn list(State(sandbox): State<Sandbox>) -> Json<Vec<Registered>> {
    Json(sandbox.inner().consents.values().cloned().collect())
}

impl Sandbox {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let token = format!("Bearer sandbox-{}", self.inner().tokens);
        headers.get(AUTHORIZATION).is_some_and(|given| given.as_bytes() == token.as_bytes())
    }
}

fn wrong(consent: &Registered, whole: bool) -> Option<Response> {
    let phone = consent.recipient.starts_with('+');
    let field = if !phone && !consent.recipient.contains('@') {
        "recipient"
    } else if !matches!(consent.recipient_type.as_str(), "BIREYSEL" | "TACIR") {
        "recipientType"
    } else if !matches!((consent.r#type.as_str(), phone), ("ARAMA" | "MESAJ", true) | ("EPOSTA", false)) {
        "type"
    } else if whole && !matches!(consent.status.as_str(), "ONAY" | "RET") {
        "status"
    } else {
        return None;
    };
    Some((StatusCode::UNPROCESSABLE_ENTITY, errors(field)).into_response())
}

fn errors(field: &str) -> Json<Value> {
    Json(json!({ "errors": [{ "location": [field], "code": "H000", "message": "sandbox" }] }))
}

fn key((code, brand): Brand, consent: &Registered) -> Key {
    let recipient = consent.recipient.to_ascii_lowercase();
    (code, brand, recipient, consent.recipient_type.clone(), consent.r#type.clone())
}
