//! Webhooks as data: bytes as they came, and what a vendor makes of them.

use http::HeaderMap;
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{ReceiveWebhookResponse, WebhookEvent, WebhookVerdict};

/// A webhook as it came.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// GET or POST.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers that were let through.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

impl Delivered {
    /// A header's bytes; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &[u8] {
        self.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default()
    }
}

/// What a webhook is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The vendor sent it.
    Accepted(Vec<WebhookEvent>),
    /// It is not proved to be the vendor's.
    Rejected,
    /// The vendor's, and unreadable.
    Malformed(String),
}

impl Received {
    /// The protobuf form.
    #[must_use]
    pub fn into_proto(self) -> ReceiveWebhookResponse {
        let (verdict, events, problem) = match self {
            Self::Accepted(events) => (WebhookVerdict::Accepted, events, String::new()),
            Self::Rejected => (WebhookVerdict::RejectedSignature, Vec::new(), String::new()),
            Self::Malformed(problem) => (WebhookVerdict::Malformed, Vec::new(), problem),
        };
        ReceiveWebhookResponse { verdict: verdict.into(), events, problem, ..ReceiveWebhookResponse::default() }
    }
}

/// A vendor that sends webhooks.
pub trait Webhook<A>: Send + Sync {
    /// What a webhook says, and whether the vendor sent it.
    fn receive(&self, account: &A, webhook: &Delivered) -> Received;
}
