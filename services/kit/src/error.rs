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
}

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
        Self::precondition(ErrorReason::IllegalTransition, format!("{subject} is {state}, not able to become {asked}; {next}"))
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

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let Details { metadata, fields, preconditions, retry_after, resource } = *fault.details;
        let mut details = ErrorDetails::with_error_info(reason_name(fault.reason), DOMAIN, metadata);
        for (field, description) in fields {
            details.add_bad_request_violation(field, description);
        }
        for (kind, subject, description) in preconditions {
            details.add_precondition_failure_violation(kind, subject, description);
        }
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some((kind, name)) = resource {
            details.set_resource_info(kind, name, "", "");
        }
        Self::with_error_details(fault.code, fault.message, details)
    }
}
