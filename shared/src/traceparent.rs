//! Where a producer's request came from: the header `traceparent` of W3C's Trace Context
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The bytes of a trace's id, of a span's id, and of the flags.
const BYTES: usize = 25;
/// The flags that have a meaning: sampled, and that the trace's id is random.
const FLAGS: u8 = 0b11;
/// The length of the header in version 00, in characters.
const LENGTH: usize = 55;

/// A place in a trace: the trace's id, the id of the span that asked, and the flags. As it is kept it has 25 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent([u8; BYTES]);

impl TraceParent {
    /// Reads the header. What is not valid is as good as none, as the recommendation asks; of a version that is not known
    /// yet, what version 00 has is read.
    pub fn parse(header: &str) -> Option<TraceParent> {
        let (known, rest) = header.split_at_checked(LENGTH)?;
        let parts: Vec<&str> = known.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else {
            return None;
        };
        let is_version = match version {
            "00" => rest.is_empty(),
            _ => hex::<1>(version)? != [0xff] && (rest.is_empty() || rest.starts_with('-')),
        };
        let (trace, parent, [flags]) = (hex::<16>(trace)?, hex::<8>(parent)?, hex::<1>(flags)?);
        if !is_version || trace == [0; 16] || parent == [0; 8] {
            return None;
        }
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&trace);
        bytes[16..24].copy_from_slice(&parent);
        bytes[24] = flags & FLAGS;
        Some(TraceParent(bytes))
    }

    /// What was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<TraceParent> {
        bytes.try_into().ok().map(TraceParent)
    }

    /// The trace's id, by which its parts are found in every log: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        digits(&self.0[..16])
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parent, flags) = (digits(&self.0[16..24]), digits(&self.0[24..]));
        write!(f, "00-{}-{parent}-{flags}", self.trace_id())
    }
}

fn digits(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// As many bytes as lower-case hexadecimal digits say, and no other.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TraceParent, D::Error> {
        struct Kept;
        impl Visitor<'_> for Kept {
            type Value = TraceParent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{BYTES} bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<TraceParent, E> {
                let read = TraceParent::from_bytes(bytes);
                read.ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_as_it_came() {
        let read = TraceParent::parse(VALID).unwrap();
        assert_eq!(read.to_string(), VALID);
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        // A newer version may have more behind, and flags that nobody knows are dropped.
        for newer in [
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-f1-what-the-future-has",
        ] {
            assert_eq!(TraceParent::parse(newer), Some(read), "{newer}");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_as_good_as_none() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\u{e9}",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
