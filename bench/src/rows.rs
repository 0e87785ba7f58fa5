//! Rows of the table as the functions write them.
#![allow(dead_code, reason = "the engine needs some of it")]

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The table's name.
pub const TABLE: &str = "tidings";

/// The row with this key: a notification of about 200 bytes, an event, or a user with one phone. Marks have none.
pub fn row(key: &Value) -> Option<Value> {
    let sort_key = key["sk"]["S"].as_str()?;
    let mut row = if sort_key.starts_with("N#") {
        json!({
            "v": {"N": "1"}, "expires_at": {"N": "4000000000"}, "t": {"S": "video.liked"},
            "ti": {"S": "Bo liked your video"}, "b": {"S": "Sunset over Lisbon, seen from the river"},
            "a": {"M": {"i": {"S": "bo"}, "n": {"S": "Bo"}}}, "d": {"M": {"video": {"M": {"id": {"N": "42"}}}}},
        })
    } else if let Some(id) = sort_key.strip_prefix("E#") {
        json!({
            "v": {"N": "1"}, "expires_at": {"N": "4000000000"}, "t": {"S": "video.liked"}, "i": {"S": id},
            "so": {"S": "/likes"}, "su": {"S": key["pk"]["S"].as_str()?.trim_start_matches("S#")},
            "tm": {"S": "2026-11-20T10:00:00Z"}, "d": {"M": {
                "actor": {"M": {"id": {"S": "bo"}, "name": {"S": "Bo"}}}, "video": {"M": {"id": {"N": "42"}}},
            }},
        })
    } else if sort_key == "A#user" {
        let user = key["pk"]["S"].as_str()?.trim_start_matches("U#");
        let endpoint = format!("arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/tidings/{user}");
        let seen = now_ms().to_string();
        json!({"dev": {"M": {"phone": {"M": {
            "p": {"S": "fcm"}, "a": {"S": "default"}, "e": {"S": endpoint}, "h": {"S": "b5bb9d8014a0f9b1"},
            "s": {"N": seen}, "b": {"BOOL": false},
        }}}}})
    } else {
        return None;
    };
    row["pk"] = key["pk"].clone();
    row["sk"] = key["sk"].clone();
    Some(row)
}

/// The time, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// The id of a notification of this moment: a ULID with a number in its random part.
pub fn id(at: u64, number: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let value = (u128::from(at) << 80) | u128::from(number);
    let digits = (0..26).rev().map(|place| {
        let digit = usize::try_from((value >> (5 * place)) & 31).unwrap_or(0);
        char::from(DIGITS[digit])
    });
    digits.collect()
}
