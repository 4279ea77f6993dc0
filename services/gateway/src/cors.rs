//! Which browsers of other origins may call (<https://fetch.spec.whatwg.org/#http-cors-protocol>). Credentials travel in
//! `authorization`, never in cookies, so that an origin that is let in gains nothing it does not hold.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};
use tonic::body::Body;

use crate::plain;

/// What clients of gRPC-Web and Connect send.
const ALLOWED_HEADERS: &str = "accept, accept-language, authorization, content-encoding, content-type, \
     connect-accept-encoding, connect-content-encoding, connect-protocol-version, connect-timeout-ms, grpc-accept-encoding, \
     grpc-encoding, grpc-timeout, traceparent, tracestate, x-accept-content-transfer-encoding, x-accept-response-streaming, \
     x-grpc-web, x-user-agent, user-agent";
/// What they must be able to read, besides what an answer has.
const EXPOSED_HEADERS: &str = "grpc-status, grpc-message, grpc-status-details-bin, connect-content-encoding, \
     connect-accept-encoding, omnimesh-trace-id, omnimesh-replayed";
/// Seconds for which a browser keeps the answer to a preflight.
const MAX_AGE: &str = "7200";

/// The origins that are let in.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    allowed: Vec<String>,
    any: bool,
    local: bool,
}

impl Cors {
    /// The origins of the settings; `*` is every origin. In development, none named is every port of this machine.
    pub(crate) fn new(allowed: &[String], development: bool) -> Self {
        let allowed: Vec<_> = allowed.iter().map(|origin| normal(origin)).collect();
        Self { any: allowed.iter().any(|origin| origin == "*"), local: development && allowed.is_empty(), allowed }
    }

    fn admits(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let origin = normal(origin);
        self.any || self.allowed.contains(&origin) || (self.local && is_local(&origin))
    }

    /// The answer to a preflight; `None` if the request is not one.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        let origin = headers.get(ORIGIN)?;
        if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = if self.admits(origin) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let allow = response.headers_mut();
            allow.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            allow.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            // Metadata of the caller's own is allowed as well: it is what was asked for.
            let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            allow.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                asked.unwrap_or_else(|| HeaderValue::from_static(ALLOWED_HEADERS)),
            );
            allow.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
            response
        } else {
            plain::text(
                StatusCode::FORBIDDEN,
                "this origin may not call from a browser; cors.allowed_origins lists those that may\n",
            )
        };
        response.headers_mut().insert(
            VARY,
            HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
        );
        Some(response)
    }

    /// Lets the browser of an admitted origin read an answer.
    pub(crate) fn decorate(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin.filter(|origin| self.admits(origin)) else { return };
        let mut exposed = EXPOSED_HEADERS.to_owned();
        for name in headers.keys().filter(|name| is_metadata(name) && !EXPOSED_HEADERS.contains(name.as_str())) {
            exposed.push_str(", ");
            exposed.push_str(name.as_str());
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if let Ok(exposed) = HeaderValue::try_from(exposed) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

fn is_metadata(name: &HeaderName) -> bool {
    !matches!(*name, VARY | http::header::CONTENT_TYPE | http::header::CONTENT_LENGTH)
}

fn normal(origin: &str) -> String {
    origin.trim().trim_end_matches('/').to_ascii_lowercase()
}

/// Whether an origin is a page of this machine, on whatever port.
fn is_local(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
        host.strip_prefix(local).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(cors: &Cors, origin: &str) -> bool {
        cors.admits(&HeaderValue::try_from(origin).unwrap())
    }

    #[test]
    fn origins_are_compared_whole() {
        let cors = Cors::new(&["https://shop.example".to_owned()], true);
        assert!(admits(&cors, "https://shop.example") && admits(&cors, "HTTPS://Shop.Example/"));
        for other in [
            "https://shop.example.evil.example",
            "http://shop.example",
            "https://shop.example:8443",
            "null",
            "http://localhost:3000",
        ] {
            assert!(!admits(&cors, other), "{other}");
        }
        assert!(admits(&Cors::new(&["*".to_owned()], false), "https://anything.example"));
    }

    #[test]
    fn development_lets_this_machine_in_and_nothing_else() {
        let cors = Cors::new(&[], true);
        for local in ["http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:80"] {
            assert!(admits(&cors, local), "{local}");
        }
        for other in
            ["http://localhost.evil.example", "http://localhost:80.evil.example", "http://127.0.0.1.example", "null"]
        {
            assert!(!admits(&cors, other), "{other}");
        }
        assert!(!admits(&Cors::new(&[], false), "http://localhost:5173"));
    }
}
