//! What a caller is told when something fails: a gRPC code, a stable reason and google.rpc details, and never driver text.

use std::{collections::HashMap, fmt, time::Duration};

use omnimesh_proto::common::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `google.rpc.ErrorInfo` of the mesh.
pub const DOMAIN: &str = "omnimesh";

/// An error as the caller sees it. Services build one in the single match of their `error.rs`.
#[derive(Clone, Debug)]
pub struct Fault {
    code: Code,
    reason: ErrorReason,
    message: String,
    // Boxed: details are many and rare, results carry a fault everywhere.
    details: Box<Details>,
}

#[derive(Clone, Debug, Default)]
struct Details {
    metadata: HashMap<String, String>,
    fields: Vec<(String, String)>,
    preconditions: Vec<(String, String, String)>,
    retry_after: Option<Duration>,
    resource: Option<(String, String)>,
    // An answer of another service of the mesh, handed on as it is.
    passed: Option<Status>,
}

/// Messages are cut here, in bytes.
const MAX_MESSAGE: usize = 200;
/// Each text of the details is cut here, in bytes.
const MAX_TEXT: usize = 200;
/// Details travel in trailers, as base64: with the message they stay under 2 KB.
const MAX_DETAILS: usize = 700;

impl Fault {
    /// A fault of any code. `message` says what was wrong and what would be accepted: lower case, no full stop, no
    /// personal data.
    pub fn new(code: Code, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Box::default() }
    }

    /// INVALID_ARGUMENT for one field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        Self::new(Code::InvalidArgument, ErrorReason::InvalidRequest, format!("{field}: {description}"))
            .field(field, description)
    }

    /// NOT_FOUND: no such resource, or none of the caller's.
    pub fn not_found(resource_type: impl Into<String>, name: impl Into<String>) -> Self {
        let (resource_type, name) = (resource_type.into(), name.into());
        let mut fault = Self::new(Code::NotFound, ErrorReason::NotFound, format!("no such {resource_type}"));
        fault.details.resource = Some((resource_type, name));
        fault
    }

    /// FAILED_PRECONDITION.
    pub fn precondition(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, reason, message)
    }

    /// FAILED_PRECONDITION: the transition is illegal in `state`; says which states could follow.
    pub fn illegal_transition(subject: &str, state: &str, asked: &str, allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let next = if allowed.is_empty() { "nothing may follow".to_owned() } else { format!("allowed: {allowed}") };
        Self::precondition(
            ErrorReason::IllegalTransition,
            format!("{subject} is {state}, not able to become {asked}; {next}"),
        )
        .metadata("state", state)
        .metadata("allowed", allowed)
    }

    /// ABORTED: the aggregate has another version than expected.
    pub fn version_mismatch(id: impl fmt::Display, current: i64) -> Self {
        Self::new(Code::Aborted, ErrorReason::VersionMismatch, "the resource changed since: read it and try again")
            .metadata("id", id.to_string())
            .metadata("current_version", current.to_string())
    }

    /// PERMISSION_DENIED.
    pub fn denied(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(Code::PermissionDenied, reason, message)
    }

    /// UNAUTHENTICATED.
    pub fn unauthenticated(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, reason, message)
    }

    /// UNAVAILABLE: try again after a moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, ErrorReason::Unavailable, message).retry_after(Duration::from_millis(500))
    }

    /// RESOURCE_EXHAUSTED with the time to wait.
    pub fn rate_limited(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(Code::ResourceExhausted, ErrorReason::RateLimited, message).retry_after(retry_after)
    }

    /// INTERNAL: a defect. The cause is logged here, once, and not told to the caller.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(cause = %cause, "internal error");
        Self::new(Code::Internal, ErrorReason::Internal, "internal error: the log has this call's trace id")
    }

    /// What a caller is told when another service of the mesh answered with an error: what the caller itself caused
    /// passes with its details, everything else is the mesh's own trouble and keeps its text to the log.
    #[must_use]
    pub fn upstream(status: Status) -> Self {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
        let reason = info.and_then(|info| ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason)));
        match (status.code(), reason) {
            (
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::ResourceExhausted,
                Some(reason),
            ) => {
                let mut fault = Self::new(status.code(), reason, status.message());
                fault.details.passed = Some(status);
                fault
            }
            (Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled, _) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "a service of the mesh did not answer");
                Self::unavailable("a service that this call needs does not answer")
            }
            // UNAUTHENTICATED too: it would be the mesh's own token that was refused, never the client's.
            (code, _) => Self::internal(format_args!("a service of the mesh answered {code:?}: {}", status.message())),
        }
    }

    /// Adds a field violation (google.rpc.BadRequest).
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.details.fields.push((field.into(), description.into()));
        self
    }

    /// Adds a violated precondition (google.rpc.PreconditionFailure).
    #[must_use]
    pub fn violation(mut self, kind: &str, subject: impl Into<String>, description: impl Into<String>) -> Self {
        self.details.preconditions.push((kind.to_owned(), subject.into(), description.into()));
        self
    }

    /// Adds a pair to google.rpc.ErrorInfo.metadata.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.details.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Says when to try again (google.rpc.RetryInfo).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.retry_after = Some(delay);
        self
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// The text for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The reason as ErrorInfo carries it: the enum value's name without its prefix.
#[must_use]
pub fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().strip_prefix("ERROR_REASON_").unwrap_or("UNSPECIFIED")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::upstream(status)
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let Details { metadata, fields, preconditions, retry_after, resource, passed } = *fault.details;
        if let Some(status) = passed {
            // Its metadata (headers of the other call) stays behind.
            return Self::with_details(status.code(), status.message(), status.details().to_vec().into());
        }
        let mut room = Room { left: MAX_DETAILS };
        let metadata: HashMap<_, _> = metadata.into_iter().filter_map(|(key, value)| room.pair(key, value)).collect();
        let mut details = ErrorDetails::with_error_info(reason_name(fault.reason), DOMAIN, metadata);
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some((kind, name)) = resource.and_then(|(kind, name)| room.pair(kind, name)) {
            details.set_resource_info(kind, name, "", "");
        }
        for (kind, subject, description) in preconditions {
            if let Some((subject, description)) = room.pair(subject, description) {
                details.add_precondition_failure_violation(cut(kind, MAX_TEXT), subject, description);
            }
        }
        for (field, description) in fields {
            if let Some((field, description)) = room.pair(field, description) {
                details.add_bad_request_violation(field, description);
            }
        }
        Self::with_error_details(fault.code, cut(fault.message, MAX_MESSAGE), details)
    }
}

/// What is left of the details' size. What finds no room is left out: the first violations are enough to act on.
struct Room {
    left: usize,
}

impl Room {
    fn pair(&mut self, left: String, right: String) -> Option<(String, String)> {
        // Tags and lengths of the encoding.
        const OVERHEAD: usize = 10;
        let (left, right) = (cut(left, MAX_TEXT), cut(right, MAX_TEXT));
        self.left = self.left.checked_sub(left.len() + right.len() + OVERHEAD)?;
        Some((left, right))
    }
}

/// `text`, cut to that many bytes without breaking a character.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stays_under_two_kilobytes_in_trailers() {
        let mut fault = Fault::new(Code::InvalidArgument, ErrorReason::InvalidRequest, "ğ".repeat(5_000));
        for number in 0..500 {
            fault = fault
                .field(format!("lines[{number}].quantity"), "ş".repeat(400))
                .metadata(&format!("key{number}"), "ü".repeat(400))
                .violation("STOCK", format!("sku{number}"), "x".repeat(100));
        }
        assert!((1_000..2_048).contains(&size_of(fault)));
        assert!(size_of(Fault::invalid("quantity", "a".repeat(5_000))) < 2_048);
    }

    fn size_of(fault: Fault) -> usize {
        let mut headers = http::HeaderMap::new();
        Status::from(fault).add_header(&mut headers).unwrap();
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
    }

    #[test]
    fn the_callers_own_errors_pass_with_their_details() {
        let original = Status::from(Fault::version_mismatch("cart_1", 7));
        let fault = Fault::upstream(original.clone());
        assert_eq!((fault.code(), fault.reason()), (Code::Aborted, ErrorReason::VersionMismatch));
        let passed = Status::from(fault);
        assert_eq!(passed.details(), original.details());
        assert_eq!(passed.message(), original.message());
    }

    #[test]
    fn the_meshs_own_trouble_keeps_its_text() {
        for (status, code) in [
            (Status::unavailable("10.0.0.7 refused"), Code::Unavailable),
            (Status::deadline_exceeded("10.0.0.7"), Code::Unavailable),
            (Status::internal("10.0.0.7: panic"), Code::Internal),
            (Status::unknown("10.0.0.7"), Code::Internal),
            (Status::unauthenticated("10.0.0.7"), Code::Internal),
            // A code of the caller's, but not an answer that a service of the mesh made.
            (Status::not_found("10.0.0.7"), Code::Internal),
        ] {
            let told = Status::from(Fault::upstream(status));
            assert_eq!(told.code(), code);
            assert!(!told.message().contains("10.0.0.7"), "{told}");
        }
    }
}
