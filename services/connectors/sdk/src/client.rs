//! The one HTTP client: budgets, time limits, and what becomes of a request that fails, decided in one place for every vendor.
//!
//! What had no effect may be sent again: reads, what never left, and what the vendor refused for its pace. A write that left and
//! has no readable answer is UNKNOWN_OUTCOME and is never sent again. Nothing of the mesh's own context goes along: no trace, no
//! baggage.

use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use omnimesh_kit::{
    clock::{Clock, Timestamp},
    telemetry::names,
};
use omnimesh_proto::connectors::v1::Lane;
use rand::Rng as _;
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use crate::{Budget, Effect, Failure, Kind, Reply, Request};

/// Tries of one call, the first included.
const TRIES: u32 = 3;
/// How long the second try waits at first, unless the vendor says.
const BACKOFF: Duration = Duration::from_millis(200);
/// How long all replicas wait when the vendor says that it is too much, and not for how long.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a vendor may take to answer, if the caller has more time.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is kept of the caller's time to tell it what happened.
const MARGIN: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(5);
/// Pages of orders are large; what is larger is none.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The client of one vendor. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    vendor: &'static str,
    http: reqwest::Client,
    budget: Budget,
}

/// For whom a request is sent, how urgently, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand<'a> {
    /// Whose budgets it uses.
    pub(crate) seller: &'a str,
    pub(crate) lane: Lane,
    pub(crate) deadline: Instant,
}

impl Client {
    /// A client of that vendor within these budgets.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(vendor: &'static str, budget: Budget) -> Result<Self, reqwest::Error> {
        // The process may have installed one already: either serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        // Redirects are not followed: credentials would go along.
        let http = reqwest::Client::builder().connect_timeout(CONNECT).redirect(Policy::none()).build()?;
        Ok(Self { vendor, http, budget })
    }

    /// Sends a request until it is read as a success, or as a failure that another try does not mend.
    pub(crate) async fn run<T>(
        &self,
        errand: Errand<'_>,
        request: &Request,
        read: impl Fn(&Reply) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            let failure = match self.attempt(errand, request, tries, &read).await {
                Ok(read) => return Ok(read),
                Err(failure) => failure,
            };
            tries += 1;
            if !matches!(failure.kind, Kind::RateLimited | Kind::Temporary) || tries == TRIES {
                return Err(failure);
            }
            // Spread, so that replicas that failed together don't come back together.
            let spread = BACKOFF * 2u32.saturating_pow(tries - 1);
            let wait = failure.retry_after.unwrap_or_default().max(spread.mul_f32(rand::rng().random_range(0.5..1.0)));
            if Instant::now() + wait + MARGIN > errand.deadline {
                return Err(failure);
            }
            sleep(wait).await;
        }
    }

    async fn attempt<T>(
        &self,
        errand: Errand<'_>,
        request: &Request,
        tries: u32,
        read: impl Fn(&Reply) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(wait) = self.budget.take(errand.seller, &request.buckets, errand.lane).await? {
            let message = "the account's budget at the vendor is used up for calls of this urgency";
            return Err(Failure::new(Kind::RateLimited, message).after(Some(wait)));
        }
        let span = info_span!(
            "vendor call",
            "otel.name" = format!("{} {}", request.method, request.route),
            "otel.kind" = "client",
            { names::VENDOR } = self.vendor,
            { names::LANE } = errand.lane.as_str_name(),
            { names::HTTP_METHOD } = request.method.as_str(),
            { names::URL_TEMPLATE } = request.route,
            { names::SERVER_ADDRESS } = request.url.host_str(),
            { names::RESEND } = tries,
            { names::HTTP_STATUS } = Empty,
            "error.type" = Empty,
        );
        let result = async {
            let reply = self.send(errand, request).await?;
            Span::current().record(names::HTTP_STATUS, reply.status.as_u16());
            read(&reply).map_err(|failure| settle(failure, request.effect, &reply))
        };
        let result = result.instrument(span.clone()).await;
        if let Err(failure) = &result {
            span.record("error.type", failure.kind.as_str_name());
            if failure.kind == Kind::RateLimited {
                let wait = failure.retry_after.unwrap_or(PAUSE);
                self.budget.exhaust(errand.seller, &request.buckets, wait).await?;
            }
        }
        result
    }

    /// One request, one answer.
    async fn send(&self, errand: Errand<'_>, request: &Request) -> Result<Reply, Failure> {
        let (now, end) = (Instant::now(), errand.deadline - MARGIN);
        if end <= now {
            return Err(Failure::new(Kind::Temporary, "no time was left for the call: nothing was sent"));
        }
        let limit = (now + PATIENCE).min(end);
        let mut built = self.http.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            built = built.body(body.clone());
        }
        let exchange = async {
            let response = built.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, Broken>(Reply { status, headers, body: body_of(response).await? })
        };
        match timeout_at(limit, exchange).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Broken::Http(error))) if error.is_connect() => {
                Err(Failure::new(Kind::Temporary, "the vendor takes no connection: nothing was sent"))
            }
            Ok(Err(Broken::TooLarge)) => Err(without_answer(request.effect, "the vendor's answer is too large")),
            Ok(Err(Broken::Http(_))) => Err(without_answer(request.effect, "the connection broke before the answer")),
            Err(_) => Err(without_answer(request.effect, "the vendor did not answer in time")),
        }
    }
}

/// Why there is no answer.
enum Broken {
    Http(reqwest::Error),
    TooLarge,
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

async fn body_of(mut response: reqwest::Response) -> Result<Bytes, Broken> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What left and has no answer: a read is asked again, a write is in doubt.
fn without_answer(effect: Effect, message: &str) -> Failure {
    match effect {
        Effect::Read => Failure::new(Kind::Temporary, message),
        Effect::Write => Failure::new(Kind::UnknownOutcome, format!("{message}: it may have had its effect")),
    }
}

/// A failure with what the answer adds to it, and the doubt that a write leaves.
fn settle(failure: Failure, effect: Effect, reply: &Reply) -> Failure {
    let told = retry_after(reply, Clock::System.now());
    let failure =
        Failure { status: failure.status.or(Some(reply.status)), retry_after: failure.retry_after.or(told), ..failure };
    // A vendor that names a time has refused. One that only has trouble may have had it after the effect, and a success that
    // can't be read is a success of something.
    let unsure = match failure.kind {
        Kind::Temporary => reply.status.is_server_error() && told.is_none(),
        Kind::VendorBug => reply.status.is_success(),
        _ => false,
    };
    if effect == Effect::Write && unsure { Failure { kind: Kind::UnknownOutcome, ..failure } } else { failure }
}

/// `Retry-After`, in either form.
fn retry_after(reply: &Reply, now: Timestamp) -> Option<Duration> {
    let text = reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(0).plus(until).since(now))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn reply(status: u16, after: Option<&'static str>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
        }
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() }
    }

    #[test]
    fn a_write_is_in_doubt_unless_the_vendor_refused_it() {
        let settled = |kind, effect, status, after| settle(Failure::new(kind, "x"), effect, &reply(status, after)).kind;
        assert_eq!(settled(Kind::Temporary, Effect::Write, 500, None), Kind::UnknownOutcome);
        assert_eq!(settled(Kind::Temporary, Effect::Read, 500, None), Kind::Temporary);
        assert_eq!(settled(Kind::Temporary, Effect::Write, 503, Some("3")), Kind::Temporary);
        assert_eq!(settled(Kind::VendorBug, Effect::Write, 200, None), Kind::UnknownOutcome);
        assert_eq!(settled(Kind::VendorBug, Effect::Write, 302, None), Kind::VendorBug);
        assert_eq!(settled(Kind::Invalid, Effect::Write, 400, None), Kind::Invalid);
        assert_eq!(without_answer(Effect::Write, "late").kind, Kind::UnknownOutcome);
        assert_eq!(without_answer(Effect::Read, "late").kind, Kind::Temporary);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = Timestamp::from_micros(784_111_777_000_000);
        let read = |text| retry_after(&reply(429, Some(text)), now);
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:40 GMT"), Some(Duration::from_secs(3)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:30 GMT"), Some(Duration::ZERO));
        assert_eq!((read("soon"), retry_after(&reply(429, None), now)), (None, None));
    }
}
