//! Paths and headers: a request as text, `METHOD path version` and then `name: value` lines, an empty line, and the body.
//! `$key` and `$session` in a value stand for good credentials.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, Version};
use omnimesh::edge::{self, Edge};
use omnimesh_kit::auth::rule;

use super::{first_line, said, with_edge};

pub(super) fn run(data: &[u8]) {
    with_edge(|edge| {
        let Some(request) = read(edge, data) else { return };
        addresses(&request);
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        let answer = edge.call(request);
        said(&answer);
        let Some(heard) = answer.heard else { return };
        // What a service hears was called by its exact name, by somebody, and holds nothing that only the mesh may say.
        assert_eq!(heard.path, path);
        assert!(rule(&path).is_some_and(|rule| rule.is_public()), "{path}");
        assert!(matches!(edge::credential(&headers), Ok(Some(_))), "{headers:?}");
        for name in heard.headers.keys() {
            let name = name.as_str();
            assert!(!name.starts_with("omnimesh-"), "{name}");
            assert!(!matches!(name, "authorization" | "cookie" | "x-forwarded-for" | "traceparent"), "{name}");
        }
    });
}

fn read(edge: &Edge, data: &[u8]) -> Option<Request<Vec<Bytes>>> {
    let (line, mut rest) = first_line(data);
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut request = Request::builder()
        .method(method)
        .uri(Uri::try_from(path).ok()?)
        .version(if words.next() == Some(b"1") { Version::HTTP_11 } else { Version::HTTP_2 })
        .body(Vec::new())
        .ok()?;
    loop {
        let (line, after) = first_line(rest);
        rest = after;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..)?.trim_ascii();
        let value = match value {
            b"$key" => format!("Bearer {}", edge.key).into_bytes(),
            b"$session" => format!("Bearer {}", edge.session).into_bytes(),
            other => other.to_vec(),
        };
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        request.headers_mut().append(name, value);
    }
    if !rest.is_empty() {
        request.body_mut().push(Bytes::copy_from_slice(rest));
    }
    Some(request)
}

/// Nobody but a trusted proxy says where a request comes from.
fn addresses(request: &Request<Vec<Bytes>>) {
    let of = |peer: &str, trusted: &[&str]| {
        let trusted: Vec<_> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        edge::address(peer.parse().unwrap(), request.headers(), &trusted)
    };
    let (address, _) = of("203.0.113.9:1", &["10.0.0.0/8"]);
    assert_eq!(address.to_string(), "203.0.113.9");
    let (address, bucket) = of("10.0.0.1:1", &["10.0.0.0/8"]);
    assert_eq!(address.is_ipv4(), bucket.is_ipv4());
    assert!(!address.is_ipv4() || address == bucket);
}
