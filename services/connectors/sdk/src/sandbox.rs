//! What every vendor's stand-in shares: faults that can be switched on, so that anything that goes wrong at a vendor can be had
//! at will.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::put,
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 429, without an effect.
    Throttle {
        /// The seconds in `Retry-After`; none leaves it out.
        retry_after: Option<u32>,
    },
    /// 503, without an effect.
    Unavailable {
        /// The seconds in `Retry-After`; none leaves it out.
        retry_after: Option<u32>,
    },
    /// 500, after the effect.
    ErrorAfter,
    /// No answer, without an effect.
    SilenceBefore,
    /// No answer, after the effect.
    SilenceAfter,
    /// The effect, and the connection breaks in the middle of the answer.
    CutBody,
    /// 200 with something that is no JSON, after the effect.
    Garbage,
}

/// A fault, and how many requests it meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switched {
    /// What goes wrong.
    pub fault: Fault,
    /// How many requests it meets.
    pub times: u32,
    /// Only requests whose path ends so; empty for all.
    #[serde(default)]
    pub path: String,
}

/// The faults of a stand-in, and what it was asked. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    switched: VecDeque<Switched>,
    asked: Vec<Asked>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /path?query`
    pub line: String,
    /// The headers.
    pub headers: http::HeaderMap,
}

impl Faults {
    /// Switches a fault on, after those that are on already.
    pub fn switch(&self, fault: Fault, times: u32, path: &str) {
        self.inner().switched.push_back(Switched { fault, times, path: path.to_owned() });
    }

    /// Switches every fault off.
    pub fn clear(&self) {
        self.inner().switched.clear();
    }

    /// Every request that came, faults included.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// The stand-in behind its faults, with `PUT /sandbox/faults` to switch them by a list of [`Switched`].
    pub fn around(&self, vendor: Router) -> Router {
        let faulty = vendor.layer(middleware::from_fn_with_state(self.clone(), meet));
        Router::new().route("/sandbox/faults", put(set)).with_state(self.clone()).merge(faulty)
    }

    /// The fault that a request meets.
    fn next(&self, path: &str) -> Option<Fault> {
        let mut inner = self.inner();
        let index = inner.switched.iter().position(|switched| path.ends_with(&switched.path))?;
        let switched = inner.switched.get_mut(index)?;
        let fault = switched.fault;
        switched.times = switched.times.saturating_sub(1);
        if switched.times == 0 {
            inner.switched.remove(index);
        }
        Some(fault)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn set(State(faults): State<Faults>, Json(switched): Json<Vec<Switched>>) {
    faults.inner().switched = switched.into();
}

async fn meet(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    faults.inner().asked.push(Asked { line, headers: request.headers().clone() });
    let Some(fault) = faults.next(request.uri().path()) else { return next.run(request).await };
    match fault {
        Fault::Throttle { retry_after } => refusal(StatusCode::TOO_MANY_REQUESTS, retry_after),
        Fault::Unavailable { retry_after } => refusal(StatusCode::SERVICE_UNAVAILABLE, retry_after),
        Fault::SilenceBefore => std::future::pending().await,
        Fault::ErrorAfter => {
            next.run(request).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Fault::SilenceAfter => {
            next.run(request).await;
            std::future::pending().await
        }
        Fault::Garbage => {
            next.run(request).await;
            "<html>".into_response()
        }
        Fault::CutBody => {
            let (parts, _) = next.run(request).await.into_parts();
            let broken = || Err(std::io::Error::other("the connection breaks here"));
            let pieces = [Ok(Bytes::from_static(b"{")), broken()];
            Response::from_parts(parts, Body::from_stream(futures::stream::iter(pieces)))
        }
    }
}

fn refusal(status: StatusCode, retry_after: Option<u32>) -> Response {
    let mut response = (status, "{}").into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
