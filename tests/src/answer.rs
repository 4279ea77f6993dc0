//! Whether an answer is one that a client of its protocol can read, and what it says.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tonic::Code;

/// The largest refusal: its details travel in trailers, which clients limit.
const LARGEST_REFUSAL: usize = 8 * 1_024;

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A gRPC code, in whatever protocol.
    Rpc(Code),
    /// Something for people, with that HTTP status.
    Text(u16),
}

impl Said {
    /// Whether the mesh takes the blame, which no client may be able to make it do.
    #[must_use]
    pub fn is_defect(self) -> bool {
        match self {
            Self::Rpc(code) => matches!(code, Code::Unknown | Code::Internal | Code::DataLoss | Code::Unavailable),
            // 505: gRPC over HTTP/1.1.
            Self::Text(status) => status >= 500 && status != 505,
        }
    }
}

impl Answer {
    /// What it says.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn read(&self) -> Result<Said, String> {
        let said = self.read_form()?;
        if said != Said::Rpc(Code::Ok) {
            let told = self.headers.iter().chain(&self.trailers).map(|(name, value)| name.as_str().len() + value.len());
            let size = self.body.len() + told.sum::<usize>();
            if size > LARGEST_REFUSAL {
                return Err(format!("a refusal of {size} bytes"));
            }
        }
        Ok(said)
    }

    fn read_form(&self) -> Result<Said, String> {
        let kind = self.headers.get("content-type").map(|kind| kind.to_str().unwrap_or("?")).unwrap_or_default();
        match kind {
            "application/json" => self.unary(),
            "application/proto" if self.status == 200 => Ok(Said::Rpc(Code::Ok)),
            "application/connect+json" | "application/connect+proto" => self.stream(),
            _ if kind.starts_with("application/grpc-web-text") => self.grpc_web(&base64_pieces(&self.body)?),
            _ if kind.starts_with("application/grpc-web") => self.grpc_web(&self.body),
            _ if kind.starts_with("application/grpc") => {
                frames(&self.body)?;
                let code = code_in(&self.trailers).or_else(|| code_in(&self.headers));
                Ok(Said::Rpc(code.ok_or("no grpc-status")??))
            }
            "" if self.body.is_empty() => Ok(Said::Text(self.status)),
            _ if kind.starts_with("text/plain") => Ok(Said::Text(self.status)),
            other => Err(format!("an answer of the type {other:?} with the status {}", self.status)),
        }
    }

    fn unary(&self) -> Result<Said, String> {
        let json: Value = serde_json::from_slice(&self.body).map_err(|error| format!("not JSON: {error}"))?;
        match self.status {
            200 => Ok(Said::Rpc(Code::Ok)),
            _ => Ok(Said::Rpc(connect_code(&json)?)),
        }
    }

    fn stream(&self) -> Result<Said, String> {
        let found = frames(&self.body)?;
        let Some(((2, end), before)) = found.split_last() else { return Err("no end-of-stream envelope".into()) };
        if before.iter().any(|(flags, _)| *flags != 0) {
            return Err("an envelope with unknown flags".into());
        }
        let json: Value = serde_json::from_slice(end).map_err(|error| format!("the end is not JSON: {error}"))?;
        json.get("error").map_or(Ok(Said::Rpc(Code::Ok)), |error| Ok(Said::Rpc(connect_code(error)?)))
    }

    fn grpc_web(&self, body: &[u8]) -> Result<Said, String> {
        if let Some(code) = code_in(&self.headers) {
            return Ok(Said::Rpc(code?));
        }
        let found = frames(body)?;
        let Some((0x80, trailers)) = found.last() else { return Err("no trailers in the body".into()) };
        let text = std::str::from_utf8(trailers).map_err(|_| "trailers that are no text")?;
        let code = text.lines().find_map(|line| line.strip_prefix("grpc-status:"));
        let code = code.and_then(|code| code.trim().parse().ok()).ok_or("trailers without a status")?;
        Ok(Said::Rpc(Code::from_i32(code)))
    }
}

fn code_in(headers: &HeaderMap) -> Option<Result<Code, String>> {
    let value = headers.get("grpc-status")?;
    let number = value.to_str().ok().and_then(|text| text.parse::<i32>().ok()).filter(|code| (0..=16).contains(code));
    Some(number.map(Code::from_i32).ok_or_else(|| format!("the grpc-status {value:?}")))
}

/// The code that an error of Connect names.
fn connect_code(error: &Value) -> Result<Code, String> {
    const NAMES: [(&str, Code); 16] = [
        ("canceled", Code::Cancelled),
        ("unknown", Code::Unknown),
        ("invalid_argument", Code::InvalidArgument),
        ("deadline_exceeded", Code::DeadlineExceeded),
        ("not_found", Code::NotFound),
        ("already_exists", Code::AlreadyExists),
        ("permission_denied", Code::PermissionDenied),
        ("resource_exhausted", Code::ResourceExhausted),
        ("failed_precondition", Code::FailedPrecondition),
        ("aborted", Code::Aborted),
        ("out_of_range", Code::OutOfRange),
        ("unimplemented", Code::Unimplemented),
        ("internal", Code::Internal),
        ("unavailable", Code::Unavailable),
        ("data_loss", Code::DataLoss),
        ("unauthenticated", Code::Unauthenticated),
    ];
    let name = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let known = NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, code)| *code).ok_or_else(|| format!("an error without a known code: {error}"))
}

/// Flags and message of each frame.
fn frames(mut bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, String> {
    let mut found = Vec::new();
    while let Some((&[flags, a, b, c, d], rest)) = bytes.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let (message, rest) = rest.split_at_checked(length).ok_or("a frame is cut off")?;
        found.push((flags, message));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(found) } else { Err("the body does not end with a frame".into()) }
}

/// Text that was written piece by piece, each with its own padding.
fn base64_pieces(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    for piece in text.chunks(4) {
        bytes.extend(STANDARD.decode(piece).map_err(|error| format!("not base64: {error}"))?);
    }
    Ok(bytes)
}
