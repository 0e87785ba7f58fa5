//! Random identifiers in the shapes AWS gives them.

use std::fmt::Write;

/// A random UUID, version 4.
pub fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A trace header that asks for no sampling. `seconds` since 1970 are part of its root.
pub fn trace(seconds: u64) -> String {
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        hex(&random::<12>()),
        hex(&random::<8>())
    )
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// Bytes as lower-case digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes everything");
        text
    })
}
