//! Cursors: where a page ended, as an opaque word.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::id::NotificationId;

/// The form of a cursor: version, id, checksum.
const VERSION: u8 = 1;
const BYTES: usize = 1 + 16 + 8;

/// A cursor that continues below `id`, for the list of this owner (a user, or a subject of the log; without
/// control characters) and this filter alone.
pub fn write(id: NotificationId, owner: &str, filter: &str) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(VERSION);
    bytes.extend(id.to_bytes());
    bytes.extend(checksum(&id.to_bytes(), owner, filter));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Where a cursor continues. It carries no authority: the inbox is always the caller's, and the
/// checksum only tells a cursor from a typing error or another list's cursor.
pub fn read(cursor: &str, owner: &str, filter: &str) -> Result<NotificationId> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    if let Ok([VERSION, rest @ ..]) = <[u8; BYTES]>::try_from(bytes) {
        let mut id = [0; 16];
        id.copy_from_slice(&rest[..16]);
        let id = NotificationId::from_bytes(id);
        if rest[16..] == checksum(&rest[..16], owner, filter) {
            return Ok(id);
        }
    }
    Err(invalid())
}

/// A cursor that continues after a place which has no id, in the list of this owner and filter alone.
pub fn write_place(place: &str, owner: &str, filter: &str) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(checksum(place.as_bytes(), owner, filter));
    bytes.extend(place.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The place where a cursor of [`write_place`] continues.
pub fn read_place(cursor: &str, owner: &str, filter: &str) -> Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
    if let [VERSION, rest @ ..] = &bytes[..]
        && let Some((sum, place)) = rest.split_at_checked(8)
        && sum == checksum(place, owner, filter)
        && let Ok(place) = std::str::from_utf8(place)
    {
        return Ok(place.to_owned());
    }
    Err(invalid())
}

/// What is said of a cursor that is none.
pub fn invalid() -> Error {
    Error::Malformed {
        code: "invalid_cursor",
        detail: "the cursor is not one that this list gave out for this user and filter".to_owned(),
    }
}

fn checksum(place: &[u8], owner: &str, filter: &str) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    hash.update(place);
    // An owner has no control characters, so the zero byte ends it.
    hash.update(owner);
    hash.update([0]);
    hash.update(filter);
    let mut sum = [0; 8];
    sum.copy_from_slice(&hash.finalize()[..8]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f42_a_cursor_is_read_back_by_its_user_and_filter_alone() {
        let (ana, bo) = ("ana", "bo");
        let id = NotificationId::new(jiff::Timestamp::UNIX_EPOCH, [9; 10]);
        let cursor = write(id, ana, "all");
        assert_eq!(read(&cursor, ana, "all").unwrap(), id);
        for (user, filter) in [(bo, "all"), (ana, "unread")] {
            assert!(read(&cursor, user, filter).is_err());
        }
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(read(&changed, ana, "all").is_err(), "{changed}");
        }
        for other in ["", "x", "%%%", &cursor[1..], &"A".repeat(10_000)] {
            assert!(read(other, ana, "all").is_err());
        }
    }
}
