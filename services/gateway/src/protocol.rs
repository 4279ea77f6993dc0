//! Which protocol a request speaks: its content type says so, and nothing else.

use http::{HeaderMap, header::CONTENT_TYPE};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Proto,
    Json,
}

/// A protocol in which RPCs are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    GrpcWeb,
    /// Connect without envelopes: <https://connectrpc.com/docs/protocol#unary-request>.
    ConnectUnary(Codec),
    /// Connect with envelopes: <https://connectrpc.com/docs/protocol#streaming-request>.
    ConnectStream(Codec),
}

impl Protocol {
    /// The protocol of a request with these headers; `None` if it speaks none of them.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        match media_type(headers)?.as_str() {
            "application/grpc" | "application/grpc+proto" => Some(Self::Grpc),
            "application/grpc-web"
            | "application/grpc-web+proto"
            | "application/grpc-web-text"
            | "application/grpc-web-text+proto" => Some(Self::GrpcWeb),
            "application/json" => Some(Self::ConnectUnary(Codec::Json)),
            "application/proto" => Some(Self::ConnectUnary(Codec::Proto)),
            "application/connect+json" => Some(Self::ConnectStream(Codec::Json)),
            "application/connect+proto" => Some(Self::ConnectStream(Codec::Proto)),
            _ => None,
        }
    }

    /// The protocol's name for traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
            Self::ConnectUnary(_) | Self::ConnectStream(_) => "connect_rpc",
        }
    }
}

/// The content type in lower case, without parameters such as the charset.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, text.parse().unwrap());
            Protocol::of(&headers)
        };
        assert_eq!(of("application/grpc"), Some(Protocol::Grpc));
        assert_eq!(of("application/grpc-web-text+proto"), Some(Protocol::GrpcWeb));
        assert_eq!(of("Application/JSON; charset=utf-8"), Some(Protocol::ConnectUnary(Codec::Json)));
        assert_eq!(of("application/connect+proto"), Some(Protocol::ConnectStream(Codec::Proto)));
        for none in ["text/plain", "application/grpc+json", "application/jsonp", ""] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(Protocol::of(&HeaderMap::new()), None);
    }
}
