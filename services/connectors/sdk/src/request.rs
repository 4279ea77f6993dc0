//! Requests and replies as data: vendors build the one and read the other, and never see the transport.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Url;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Bucket, Failure};

/// Whether a request changes something at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing: what has no answer is asked again.
    Read,
    /// It does: once it was sent, what has no answer is in doubt.
    Write,
}

/// A request to the vendor.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with names in place of ids: what spans and logs have of the address.
    pub route: &'static str,
    /// Where it goes.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Option<Bytes>,
    /// Whether it changes something.
    pub effect: Effect,
    /// The limits that it counts for.
    pub buckets: Vec<Bucket>,
}

impl Request {
    /// A read.
    #[must_use]
    pub fn get(route: &'static str, url: Url) -> Self {
        let headers = HeaderMap::new();
        Self { method: Method::GET, route, url, headers, body: None, effect: Effect::Read, buckets: Vec::new() }
    }

    /// A write with a JSON body.
    ///
    /// # Errors
    /// INVALID if the body can't be written as JSON.
    pub fn json(method: Method, route: &'static str, url: Url, body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body).map_err(|_| Failure::invalid("the request can't be written as json"))?;
        let mut request = Self { method, body: Some(body.into()), effect: Effect::Write, ..Self::get(route, url) };
        request.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }

    /// Adds a header. `secret` ones appear in no trace of the transport either.
    ///
    /// # Errors
    /// INVALID if the value can't stand in a header.
    pub fn header(mut self, name: HeaderName, value: &str, secret: bool) -> Result<Self, Failure> {
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| Failure::invalid(format!("the value of {name} can't stand in a header")))?;
        value.set_sensitive(secret);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Names the limits that it counts for.
    #[must_use]
    pub fn within(mut self, buckets: &[Bucket]) -> Self {
        self.buckets = buckets.to_vec();
        self
    }
}

/// What the vendor answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Bytes,
}

impl Reply {
    /// The body, read as JSON.
    ///
    /// # Errors
    /// VENDOR_BUG if it is not what is documented. Says where, never what: it may be personal.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = format!("the answer is not what is documented, at line {line}, column {column}");
            Failure { status: Some(self.status), ..Failure::vendor_bug(message) }
        })
    }

    /// A header's text; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
