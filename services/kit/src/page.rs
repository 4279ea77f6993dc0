//! Pages: sizes, and tokens that only the caller they were given to can use, with the filter they were given for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use omnimesh_proto::common::v1::{Cursor, ErrorReason};
use prost::Message;
use tonic::Code;

use crate::{
    error::Fault,
    secrets::{Secrets, same_bytes},
};

const PURPOSE: &str = "page-token";
const MAC_LENGTH: usize = 16;

/// How many items to return: `default` if none is asked for, at most `max` (<https://google.aip.dev/158>).
///
/// # Errors
/// INVALID_ARGUMENT if the size is negative.
pub fn page_size(requested: i32, default: i32, max: i32) -> Result<i64, Fault> {
    match requested {
        ..0 => Err(Fault::invalid("page_size", format!("must be from 1 to {max}, or 0 for the default of {default}"))),
        0 => Ok(i64::from(default)),
        _ => Ok(i64::from(requested.min(max))),
    }
}

/// Page and resume tokens: a cursor under a MAC over principal and filter.
#[derive(Clone, Copy, Debug)]
pub struct PageToken;

impl PageToken {
    /// The token to continue after `cursor`. `principal` is [`crate::call::Call::principal`], `filter` names the RPC and
    /// holds everything that decides which items there are, and in which order.
    #[must_use]
    pub fn seal(secrets: &Secrets, principal: &str, filter: &[u8], cursor: &Cursor) -> String {
        let cursor = cursor.encode_to_vec();
        let mac = secrets.mac(PURPOSE, &[principal.as_bytes(), filter, &cursor]);
        let mut token = Vec::with_capacity(MAC_LENGTH + cursor.len());
        token.extend(mac.iter().take(MAC_LENGTH));
        token.extend(cursor);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The cursor of a token; the empty token is the start: an empty cursor.
    ///
    /// # Errors
    /// INVALID_PAGE_TOKEN if the token was not given to this principal for this filter.
    pub fn open(secrets: &Secrets, principal: &str, filter: &[u8], token: &str) -> Result<Cursor, Fault> {
        if token.is_empty() {
            return Ok(Cursor::default());
        }
        Self::verify(secrets, principal, filter, token).ok_or_else(|| {
            let text = "must be empty or a token from the previous answer to the same caller and the same filter";
            Fault::new(Code::InvalidArgument, ErrorReason::InvalidPageToken, format!("page_token: {text}"))
                .field("page_token", text)
        })
    }

    fn verify(secrets: &Secrets, principal: &str, filter: &[u8], token: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (mac, cursor) = bytes.split_at_checked(MAC_LENGTH)?;
        let expected = secrets.mac(PURPOSE, &[principal.as_bytes(), filter, cursor]);
        let genuine = same_bytes(mac, expected.get(..MAC_LENGTH)?);
        if genuine { Cursor::decode(cursor).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::from_root([7; 32])
    }

    fn cursor() -> Cursor {
        Cursor { keys: vec!["2024".to_owned(), "x".to_owned()], positions: [(3, 99)].into() }
    }

    #[test]
    fn opens_for_the_same_caller_and_filter_only() {
        let token = PageToken::seal(&secrets(), "1:a", b"orders?state=1", &cursor());
        let open = |secrets: &Secrets, principal, filter: &[u8], token: &str| {
            PageToken::open(secrets, principal, filter, token).map_err(|fault| fault.reason())
        };
        assert_eq!(open(&secrets(), "1:a", b"orders?state=1", &token), Ok(cursor()));
        assert_eq!(open(&secrets(), "1:a", b"orders?state=1", ""), Ok(Cursor::default()));
        let refused = Err(ErrorReason::InvalidPageToken);
        assert_eq!(open(&secrets(), "1:b", b"orders?state=1", &token), refused);
        assert_eq!(open(&secrets(), "1:a", b"orders?state=2", &token), refused);
        assert_eq!(open(&secrets(), "1:ao", b"rders?state=1", &token), refused);
        assert_eq!(open(&Secrets::from_root([8; 32]), "1:a", b"orders?state=1", &token), refused);
        for junk in ["AA", "!", "ğ", &token[..token.len() - 2]] {
            assert_eq!(open(&secrets(), "1:a", b"orders?state=1", junk), refused);
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(page_size(0, 50, 200).unwrap(), 50);
        assert_eq!(page_size(7, 50, 200).unwrap(), 7);
        assert_eq!(page_size(i32::MAX, 50, 200).unwrap(), 200);
        assert!(page_size(-1, 50, 200).is_err());
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_refused(bit in 0usize..200) {
            let token = PageToken::seal(&secrets(), "1:a", b"", &cursor());
            let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(PageToken::open(&secrets(), "1:a", b"", &URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }
}
