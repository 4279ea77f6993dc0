//! What goes wrong on the way to a vendor and at it, in one enum: it decides who acts next, and when.

use std::time::Duration;

use http::StatusCode;
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{Outcome, VendorError, outcome};

pub use omnimesh_proto::connectors::v1::VendorErrorKind as Kind;

/// Texts of vendors are cut here, in characters.
const MAX_TEXT: usize = 300;

/// A failure of a vendor, or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {message}")]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// What went wrong, for people. Never with a credential: see [`crate::Account::redact`].
    pub message: String,
    /// The status of the vendor's answer, if there was one.
    pub status: Option<StatusCode>,
    /// The vendor's own code.
    pub code: String,
    /// The vendor's id of the request.
    pub request_id: String,
    /// How long to wait at least.
    pub retry_after: Option<Duration>,
    /// Until when a quota is used up.
    pub until: Option<Timestamp>,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message: shorten(&message),
            status: None,
            code: String::new(),
            request_id: String::new(),
            retry_after: None,
            until: None,
        }
    }

    /// A request that is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// An answer that is not what the vendor documents.
    pub fn vendor_bug(message: impl Into<String>) -> Self {
        Self::new(Kind::VendorBug, message)
    }

    /// The kind that an HTTP status stands for, where the vendor says nothing more exact.
    #[must_use]
    pub fn kind_of(status: StatusCode) -> Kind {
        match status.as_u16() {
            401 => Kind::Auth,
            403 => Kind::Forbidden,
            404 | 410 => Kind::NotFound,
            409 | 412 => Kind::ConflictState,
            408 => Kind::Temporary,
            429 => Kind::RateLimited,
            400..=499 => Kind::Invalid,
            500..=599 => Kind::Temporary,
            // Neither good nor an error: redirects are not followed, because credentials would go with them.
            _ => Kind::VendorBug,
        }
    }

    /// Adds the vendor's own code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = shorten(&code.into());
        self
    }

    /// Adds how long to wait.
    #[must_use]
    pub fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The protobuf form.
    #[must_use]
    pub fn to_proto(&self) -> VendorError {
        VendorError {
            kind: self.kind.into(),
            message: self.message.clone(),
            http_status: self.status.map_or(0, |status| i32::from(status.as_u16())),
            vendor_code: self.code.clone(),
            vendor_request_id: self.request_id.clone(),
            retry_after_ms: self.retry_after.map_or(0, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
            until: self.until.map(Timestamp::to_proto),
        }
    }

    /// The outcome of a write that failed so.
    #[must_use]
    pub fn to_outcome(&self) -> Outcome {
        Outcome { result: Some(outcome::Result::Error(self.to_proto())) }
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_a_kind_and_texts_an_end() {
        let kind = |status: u16| Failure::kind_of(StatusCode::from_u16(status).unwrap());
        assert_eq!(
            [401, 403, 404, 409, 422, 429, 503, 302].map(kind),
            [
                Kind::Auth,
                Kind::Forbidden,
                Kind::NotFound,
                Kind::ConflictState,
                Kind::Invalid,
                Kind::RateLimited,
                Kind::Temporary,
                Kind::VendorBug
            ]
        );
        let failure = Failure::invalid("ş\n".repeat(1_000)).code("x");
        assert_eq!((failure.message.chars().count(), failure.message.contains('\n')), (MAX_TEXT, false));
    }

    #[test]
    fn everything_is_carried_over() {
        let failure = Failure {
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            request_id: "r".to_owned(),
            until: Some(Timestamp::from_micros(5_000_000)),
            ..Failure::new(Kind::RateLimited, "slow down").code("c").after(Some(Duration::from_millis(1_500)))
        };
        let proto = failure.to_proto();
        assert_eq!((proto.kind(), proto.http_status, proto.retry_after_ms), (Kind::RateLimited, 429, 1_500));
        assert_eq!((proto.vendor_code.as_str(), proto.vendor_request_id.as_str()), ("c", "r"));
        assert_eq!(proto.until.unwrap().seconds, 5);
    }
}
