//! Frames of HTTP/2, written by hand: a client's library would not send what these clients send (RFC 9113, RFC 7541).

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
const INITIAL_WINDOW_SIZE: u16 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The client's settings: how much of an answer it takes unasked.
pub(super) fn settings(window: u32) -> Vec<u8> {
    let payload = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

/// A request's head; `ended` if it has no body.
pub(super) fn headers(stream: u32, path: &str, credential: &str, ended: bool) -> Vec<u8> {
    let bearer = format!("Bearer {credential}");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "mesh.example"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &bearer),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal field without indexing, with a new name, not Huffman coded.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS | if ended { END_STREAM } else { 0 }, stream, &block)
}

/// A piece of a body.
pub(super) fn data(stream: u32, bytes: &[u8], ended: bool) -> Vec<u8> {
    frame(DATA, if ended { END_STREAM } else { 0 }, stream, bytes)
}

/// The request is taken back.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}
