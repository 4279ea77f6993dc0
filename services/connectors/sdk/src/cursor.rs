//! Cursors: opaque to the caller, versioned for the connector, so that one of an older release is told apart.

use serde::{Serialize, de::DeserializeOwned};

use crate::Failure;

/// The bytes of a cursor.
///
/// # Errors
/// If it can't be written as JSON.
pub fn encode<T: Serialize>(version: u8, cursor: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![version];
    serde_json::to_writer(&mut bytes, cursor).map_err(|_| Failure::vendor_bug("the cursor can't be kept"))?;
    Ok(bytes)
}

/// The cursor of these bytes; none if there are none.
///
/// # Errors
/// INVALID if they are not a cursor of that version.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<Option<T>, Failure> {
    match bytes.split_first() {
        None => Ok(None),
        Some((first, rest)) if *first == version => {
            serde_json::from_slice(rest).map(Some).map_err(|_| Failure::invalid("the cursor is damaged"))
        }
        Some(_) => Err(Failure::invalid("the cursor is of another version: pull without one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let bytes = encode(1, &("token", 7)).unwrap();
        assert_eq!(decode::<(String, i64)>(1, &bytes).unwrap(), Some(("token".to_owned(), 7)));
        assert_eq!(decode::<(String, i64)>(1, &[]).unwrap(), None);
        assert!(decode::<(String, i64)>(2, &bytes).is_err());
        assert!(decode::<(String, i64)>(1, &bytes[..4]).is_err());
    }
}
