//! Typed ids: an id that can be read is written the same, and order is kept.

use omnimesh_kit::ids::{self, JourneyId, ProfileId, SessionId};
use uuid::Uuid;

/// Every kind of id there is.
const PREFIXES: [&str; 16] = [
    "session",
    "profile",
    "journey",
    "cart",
    "line",
    "order",
    "group",
    "refund",
    "return",
    "erasure",
    "suggestion",
    "interaction",
    "consent",
    "merge",
    "verification",
    "handoff",
];

pub(super) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        reads(text);
    }
    if let Some((first, rest)) = data.split_first_chunk::<16>() {
        let first = Uuid::from_bytes(*first);
        writes(first);
        if let Some(second) = rest.first_chunk::<16>().map(|bytes| Uuid::from_bytes(*bytes)) {
            let text = |id| ids::encode("cart", id);
            assert_eq!(first.cmp(&second), text(first).cmp(&text(second)));
        }
    }
}

fn reads(text: &str) {
    let kinds: Vec<_> = PREFIXES.into_iter().filter(|prefix| ids::decode(prefix, text).is_ok()).collect();
    assert!(kinds.len() <= 1, "{text} is of the kinds {kinds:?}");
    for prefix in kinds {
        assert_eq!(ids::encode(prefix, ids::decode(prefix, text).unwrap()), text);
    }
    let json = serde_json::to_string(text).unwrap();
    assert_eq!(text.parse::<SessionId>().ok(), serde_json::from_str::<SessionId>(&json).ok());
    assert_eq!(text.parse::<ProfileId>().ok(), serde_json::from_str::<ProfileId>(&json).ok());
    // JSON of any kind may stand where an id is expected.
    if let Ok(id) = serde_json::from_str::<JourneyId>(text) {
        assert_eq!(serde_json::from_str::<JourneyId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }
}

fn writes(id: Uuid) {
    for prefix in PREFIXES {
        let text = ids::encode(prefix, id);
        assert_eq!(ids::decode(prefix, &text), Ok(id));
        assert!(ids::decode(prefix, &text.to_uppercase()).is_err());
    }
}
