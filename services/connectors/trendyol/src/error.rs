//! How Trendyol reports errors: `{exception, errors: [{key, message}]}`, in Turkish where it is about the content.

use http::StatusCode;
use omnimesh_connector_sdk::{Failure, Kind, Reply};

use crate::wire::Errors;

/// What a reply that is no success means.
pub(crate) fn failure(reply: &Reply) -> Failure {
    let errors: Errors = reply.json().unwrap_or_default();
    let first = errors.errors.into_iter().next().unwrap_or_default();
    let code = if first.key.is_empty() { errors.exception } else { first.key };
    let message = match first.message.is_empty() {
        true => format!("Trendyol answers {}", reply.status.as_u16()),
        false => first.message.to_string(),
    };
    // A body as one of the last quarter of an hour is refused, and says so in Turkish only.
    let again = reply.status == StatusCode::BAD_REQUEST && message.contains("15 dakika");
    let kind = if again { Kind::Duplicate } else { Failure::kind_of(reply.status) };
    let failure = Failure::new(kind, message).code(code.as_str());
    Failure { status: Some(reply.status), request_id: reply.header("x-request-id").to_owned(), ..failure }
}

/// What an item of a batch was refused for.
pub(crate) fn of_item(reasons: &[String]) -> Failure {
    Failure::invalid(if reasons.is_empty() { "refused without a reason".to_owned() } else { reasons.join("; ") })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn read(status: u16, body: &'static str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        failure(&Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into() })
    }

    #[test]
    fn errors_have_a_kind_and_the_vendors_code() {
        let auth = read(401, r#"{"timestamp":1,"exception":"ClientApiAuthenticationException","errors":[]}"#);
        assert_eq!((auth.kind, auth.code.as_str()), (Kind::Auth, "ClientApiAuthenticationException"));
        let fast = read(429, r#"{"errors":[{"key":"too.many.requests","message":"slow down"}]}"#);
        assert_eq!(
            (fast.kind, fast.code.as_str(), fast.message.as_str()),
            (Kind::RateLimited, "too.many.requests", "slow down")
        );
        let again =
            read(400, r#"{"errors":[{"message":"15 dakika boyunca aynı isteği tekrarlı olarak atamazsınız!"}]}"#);
        assert_eq!(again.kind, Kind::Duplicate);
        assert_eq!(read(400, "{}").kind, Kind::Invalid);
        assert_eq!(read(503, r#"{"errors":[{"key":null,"message":5}]}"#).message, "5");
        assert_eq!(read(503, "").kind, Kind::Temporary);
        assert_eq!(read(500, "nothing that is json").message, "Trendyol answers 500");
    }
}
