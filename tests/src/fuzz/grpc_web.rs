//! Frames of gRPC, gRPC-Web and Connect: a byte that chooses the RPC, one that chooses the protocol, one that says in pieces
//! of how many bytes the body arrives, and the body.

use bytes::Bytes;
use http::Request;
use omnimesh::edge::{self, MESSAGE_BYTES};
use tonic::Code;

use super::{said, with_edge};
use crate::answer::Said;

const PATHS: [&str; 4] = [
    "/omnimesh.carts.v1.CartService/AddLine",
    "/omnimesh.catalog.v1.CatalogService/ImportProducts",
    "/omnimesh.sessions.v1.SessionService/WatchVerifications",
    "/grpc.health.v1.Health/Check",
];
const KINDS: [&str; 6] = [
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc",
    "application/connect+proto",
    "application/connect+json",
    "application/grpc-web",
];

pub(super) fn run(data: &[u8]) {
    let Some((&[path, kind, size], body)) = data.split_first_chunk::<3>() else { return };
    let chosen = |names: &[&'static str], number: u8| names.get(usize::from(number) % names.len()).copied().unwrap();
    let (path, kind) = (chosen(&PATHS, path), chosen(&KINDS, kind));
    let pieces: Vec<_> = body.chunks(usize::from(size).max(1)).collect();

    // However it is cut, it is the same.
    let (whole, cut) = (edge::split([body], MESSAGE_BYTES), edge::split(pieces.iter().copied(), MESSAGE_BYTES));
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        (Err(whole), Err(cut)) => assert_eq!(whole.reason(), cut.reason()),
        _ => panic!("{whole:?} in one piece, {cut:?} in many"),
    }
    let measured = edge::measure([body], MESSAGE_BYTES);
    assert_eq!(measured.is_ok(), edge::measure(pieces.iter().copied(), MESSAGE_BYTES).is_ok());
    let plain = |found: &[(u8, Bytes)]| found.iter().all(|(flags, _)| *flags <= 1);
    let frames = whole.as_ref().is_ok_and(|(found, ended)| *ended && plain(found));
    assert_eq!(measured.is_ok(), frames, "{measured:?}, {whole:?}");

    with_edge(|edge| {
        let request = Request::post(path)
            .version(http::Version::HTTP_2)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", edge.key))
            .body(pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect())
            .unwrap();
        let answer = edge.call(request);
        let said = said(&answer);
        let heard = answer.heard.and_then(|heard| heard.body);
        if path.starts_with("/grpc.health") {
            return;
        }
        match kind {
            // It passes as it came, or not at all.
            "application/grpc" | "application/grpc-web" | "application/grpc-web+proto" if frames => {
                assert_eq!((said, heard.as_deref()), (Said::Rpc(Code::Ok), Some(body)));
            }
            "application/grpc" => {
                assert!(matches!(said, Said::Rpc(Code::InvalidArgument | Code::ResourceExhausted)), "{said:?}");
                assert_eq!(heard, None);
            }
            _ => {
                // What was heard was frames.
                if let Some(heard) = heard {
                    edge::measure([&*heard], MESSAGE_BYTES * 2).unwrap();
                }
            }
        }
    });
}
