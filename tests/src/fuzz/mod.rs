//! What fuzzing runs: one function per thing that clients write, which must hold for any bytes. The fuzzer calls it
//! (`tests/run --fuzz`), and the suites do with the corpus that it left.

mod connect_json;
mod grpc_web;
mod ids;
mod import;
mod request;
mod tokens;
mod values;

use std::cell::LazyCell;

use omnimesh::edge::{Answer as FromEdge, Edge};

use crate::answer::{Answer, Said};

/// Something to be fuzzed.
pub type Target = (&'static str, fn(&[u8]));

/// All of it, by the names of its corpus folders.
pub const TARGETS: [Target; 7] = [
    ("connect_json", connect_json::run),
    ("grpc_web", grpc_web::run),
    ("ids", ids::run),
    ("import", import::run),
    ("request", request::run),
    ("tokens", tokens::run),
    ("values", values::run),
];

/// Runs the target of that name.
///
/// # Panics
/// If something does not hold, and if there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no target {name}"));
    target(data);
}

thread_local! {
    static EDGE: LazyCell<Edge> = const { LazyCell::new(Edge::new) };
}

/// Lends this thread's edge.
fn with_edge<T>(run: impl FnOnce(&Edge) -> T) -> T {
    EDGE.with(|edge| run(edge))
}

/// What an answer says; it must be well formed, and nobody may be able to make the mesh take the blame.
fn said(answer: &FromEdge) -> Said {
    let read = Answer {
        status: answer.parts.status.as_u16(),
        headers: answer.parts.headers.clone(),
        body: answer.body.clone(),
        trailers: answer.trailers.clone(),
    };
    let said = read.read().unwrap_or_else(|wrong| panic!("{wrong}: {answer:?}"));
    assert!(!said.is_defect(), "{said:?}: {answer:?}");
    said
}

/// The first line, and what follows it.
fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
}
