//! Damaged inputs: bytes that are changed, and JSON whose parts are not what they were.

use serde_json::{Map, Number, Value, json};

use crate::chance::Chance;

/// The longest input, in bytes; Lambda takes six times as much.
const LONGEST: usize = 1_000_000;

/// What stands between bytes and breaks them.
const UNFRIENDLY: [&[u8]; 16] = [
    b"\xff",
    b"\0",
    b"\\ud800",
    b"1e999",
    b"{",
    b"]",
    b"\"",
    b"null",
    b"-",
    b"[[[[[[[[",
    b"\xf0\x9f\x8c\x85",
    b"99999999999999999999",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b",\"a\":1",
];

/// Texts that mean something, or nothing, to somebody.
const TEXTS: [&str; 40] = [
    "",
    " ",
    "#",
    "a#b",
    "\0",
    "\u{7f}",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}abc",
    "👩‍👩‍👧‍👦",
    "e\u{301}\u{301}\u{301}",
    "U#ana",
    "N#01KAB0000000000000000000AA",
    "01KAB0000000000000000000AA",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "80000000000000000000000000",
    "2026-11-20T10:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "-009999-01-01T00:00:00Z",
    "2026-13-45T99:99:99+99:99",
    "24:00",
    "Europe/Madrid",
    "Etc/Nowhere",
    "{{ data.video.id }}",
    "{{ actor.name|upper }}",
    "{% if data.a %}{{ a }}{% endif %}",
    "{% for x in data %}{{ x }}{% endfor %}",
    "{{ ((((((((((((((((1)))))))))))))))) }}",
    "{{ 1 // 0 }}",
    "{{ data.a[99999999999999999999] }}",
    "{{ 'x' * 1000000000 }}",
    "{{ data",
    "{#",
    "data.a.b",
    "data..",
    "^(a+)+$",
    "$ref",
    "#/properties/a",
    "application/json",
    "https://example.com/\u{e4}",
];

/// Bytes with a few of them changed, doubled, dropped, or replaced by something unfriendly.
pub fn bytes(chance: &mut Chance, valid: &[u8]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(5) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(chance.below(256)).unwrap(),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let end = (at + chance.below(30)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 if chance.one_in(8) => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, UNFRIENDLY[chance.below(UNFRIENDLY.len())].to_vec())),
        }
    }
    bytes
}

/// The text of a JSON value, in which one to four things are not what they were; sometimes its bytes neither.
pub fn json(chance: &mut Chance, valid: &Value) -> Vec<u8> {
    if chance.one_in(5) {
        return bytes(chance, valid.to_string().as_bytes());
    }
    let mut value = valid.clone();
    for _ in 0..=chance.below(4) {
        change(chance, &mut value);
    }
    let mut text = value.to_string().into_bytes();
    if chance.one_in(16) {
        text = bytes(chance, &text);
    }
    text.truncate(LONGEST);
    text
}

/// How many values there are in this one.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// The value at this place, counted from the outside in.
fn at(value: &mut Value, mut place: usize) -> &mut Value {
    if place == 0 {
        return value;
    }
    place -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => unreachable!("a scalar has nothing inside"),
    };
    for value in inner {
        let within = size(value);
        if place < within {
            return at(value, place);
        }
        place -= within;
    }
    unreachable!("the place is inside")
}

fn change(chance: &mut Chance, value: &mut Value) {
    let count = size(value);
    // Now and then one part is put in another's place.
    if chance.one_in(8) {
        let part = at(value, chance.below(count)).clone();
        *at(value, chance.below(count)) = part;
        return;
    }
    match at(value, chance.below(count)) {
        Value::Object(fields) => change_fields(chance, fields),
        Value::Array(items) => change_items(chance, items),
        Value::String(text) => change_text(chance, text),
        other => *other = odd(chance),
    }
}

fn change_fields(chance: &mut Chance, fields: &mut Map<String, Value>) {
    let names: Vec<String> = fields.keys().cloned().collect();
    let name = names.get(chance.below(names.len().max(1))).cloned();
    match (chance.below(4), name) {
        (0, Some(name)) => drop(fields.remove(&name)),
        (1, Some(name)) => {
            let value = fields.remove(&name).unwrap_or_default();
            fields.insert(TEXTS[chance.below(TEXTS.len())].to_owned(), value);
        }
        (2, Some(name)) => drop(fields.insert(name, odd(chance))),
        _ => drop(fields.insert(TEXTS[chance.below(TEXTS.len())].to_owned(), odd(chance))),
    }
}

fn change_items(chance: &mut Chance, items: &mut Vec<Value>) {
    let index = chance.below(items.len().max(1));
    match (chance.below(4), items.get(index).cloned()) {
        (0, Some(_)) => drop(items.remove(index)),
        (1, Some(item)) => {
            let times = if chance.one_in(16) { 1_001 } else { 3 };
            // As many as an input has room for.
            let room = LONGEST / (item.to_string().len() + 1);
            items.extend(vec![item; times.min(room)]);
        }
        (2, Some(_)) => items[index] = odd(chance),
        _ => items.push(odd(chance)),
    }
}

/// A text that is JSON itself, as a body is, is mostly changed inside.
fn change_text(chance: &mut Chance, text: &mut String) {
    let inner: Option<Value> = serde_json::from_str(text).ok();
    match inner.filter(|inner| inner.is_object() || inner.is_array()) {
        Some(inner) if !chance.one_in(8) => {
            *text = String::from_utf8_lossy(&json(chance, &inner)).into_owned();
        }
        _ if chance.one_in(2) => {
            *text = String::from_utf8_lossy(&bytes(chance, text.as_bytes())).into_owned();
        }
        _ => TEXTS[chance.below(TEXTS.len())].clone_into(text),
    }
}

/// A value that nobody expects.
fn odd(chance: &mut Chance) -> Value {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    match chance.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(0),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(1e308),
        7 => Number::from_f64(0.1).map_or(Value::Null, Value::Number),
        8 => json!([]),
        9 => json!({}),
        10 => nested(1 + chance.below(150)),
        11 => json!("x".repeat(chance.below(5_000))),
        12 => json!({"a": {"a": {"a": 1}}}),
        _ => json!(TEXTS[chance.below(TEXTS.len())]),
    }
}
