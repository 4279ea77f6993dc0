//! The five bytes in front of every message: flags and length, in gRPC as in Connect's streams.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use omnimesh_kit::error::Fault;
use omnimesh_proto::common::v1::ErrorReason;
use tonic::Code;

/// Length of the prefix.
pub(crate) const PREFIX: usize = 5;
/// The flag of a compressed message.
pub(crate) const COMPRESSED: u8 = 0b01;
/// Connect's flag of the last envelope of an answer.
pub(crate) const END_STREAM: u8 = 0b10;

/// One message with its flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) flags: u8,
    pub(crate) data: Bytes,
}

impl Frame {
    /// The frame as bytes.
    pub(crate) fn encode(flags: u8, data: &[u8]) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PREFIX + data.len());
        bytes.put_u8(flags);
        bytes.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
        bytes.put_slice(data);
        bytes.freeze()
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub(crate) struct Splitter {
    buffer: BytesMut,
    limit: usize,
}

impl Splitter {
    /// Frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Fault> {
        let Some((&[flags, a, b, c, d], _)) = self.buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(Frame { flags, data: self.buffer.split_to(length).freeze() }))
    }

    /// Whether the stream may end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Follows a stream of gRPC frames without keeping any of it.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    prefix: [u8; PREFIX],
    have: usize,
    left: usize,
}

impl Meter {
    /// Frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, prefix: [0; PREFIX], have: 0, left: 0 }
    }

    /// Sees what passes.
    pub(crate) fn observe(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passing = self.left.min(bytes.len());
                self.left -= passing;
                bytes.advance(passing);
                continue;
            }
            if let Some(slot) = self.prefix.get_mut(self.have) {
                *slot = bytes.get_u8();
                self.have += 1;
            }
            if self.have == PREFIX {
                self.have = 0;
                self.start(self.prefix)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, [flags, a, b, c, d]: [u8; PREFIX]) -> Result<(), Fault> {
        if flags > COMPRESSED {
            return Err(malformed(format!("a message begins with the flags {flags}; gRPC knows 0 and 1")));
        }
        self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if self.left > self.limit { Err(too_large(self.limit)) } else { Ok(()) }
    }

    /// Sees the end.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        if self.have == 0 && self.left == 0 { Ok(()) } else { Err(cut_off()) }
    }
}

/// RESOURCE_EXHAUSTED: a message over the limit.
pub(crate) fn too_large(limit: usize) -> Fault {
    Fault::new(
        Code::ResourceExhausted,
        ErrorReason::MessageTooLarge,
        format!("the message is larger than the limit of {limit} bytes"),
    )
    .metadata("limit_bytes", limit.to_string())
}

/// INVALID_ARGUMENT: what came can't be read.
pub(crate) fn malformed(text: impl Into<String>) -> Fault {
    Fault::new(Code::InvalidArgument, ErrorReason::MalformedMessage, text)
}

pub(crate) fn cut_off() -> Fault {
    malformed("the request ends in the middle of a message: each is five bytes (flags, length) and so many bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)
    }

    fn encode(messages: &[Vec<u8>]) -> Vec<u8> {
        messages.iter().flat_map(|message| Frame::encode(0, message)).collect()
    }

    #[test]
    fn limits_and_flags_are_enforced() {
        let mut splitter = Splitter::new(3);
        splitter.push(&Frame::encode(0, b"four"));
        assert_eq!(splitter.next().unwrap_err().reason(), ErrorReason::MessageTooLarge);
        let mut meter = Meter::new(3);
        meter.observe(&Frame::encode(1, b"abc")).unwrap();
        meter.finish().unwrap();
        assert_eq!(meter.observe(&Frame::encode(0, b"four")).unwrap_err().reason(), ErrorReason::MessageTooLarge);
        let mut meter = Meter::new(3);
        assert_eq!(meter.observe(&[2, 0, 0, 0, 0]).unwrap_err().reason(), ErrorReason::MalformedMessage);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_frames_are_the_same(messages in frames(), size in 1usize..9) {
            let bytes = encode(&messages);
            let (mut splitter, mut meter) = (Splitter::new(40), Meter::new(40));
            let mut found = Vec::new();
            for chunk in bytes.chunks(size) {
                splitter.push(chunk);
                meter.observe(chunk).unwrap();
                while let Some(frame) = splitter.next().unwrap() {
                    found.push(frame.data.to_vec());
                }
            }
            prop_assert_eq!(found, messages);
            prop_assert!(splitter.is_empty());
            prop_assert!(meter.finish().is_ok());
        }

        #[test]
        fn a_cut_frame_is_noticed(message in prop::collection::vec(any::<u8>(), 0..40), cut in any::<prop::sample::Index>()) {
            let bytes = Frame::encode(0, &message);
            let kept = cut.index(bytes.len() - 1) + 1;
            prop_assume!(kept < bytes.len());
            let mut meter = Meter::new(40);
            meter.observe(&bytes[..kept]).unwrap();
            prop_assert!(meter.finish().is_err());
        }
    }
}
