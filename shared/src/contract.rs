//! Reads a caller's JSON field by field, and remembers every rule it breaks.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use serde_json::{Map, Value};

use crate::error::Violation;
use crate::id::{DeviceId, ID_RULE, TopicId, UserId};

/// What a moment is written like, for messages.
pub const MOMENT_RULE: &str = "must be a moment in RFC 3339 form, such as 2026-11-20T10:00:00Z";

/// A moment in RFC 3339 form and no other: date, time with seconds, and `Z` or an offset. A fraction
/// may have any length, and counts to the nanosecond; a leap second is the second before it. A moment
/// that is too late to be told (the last day of 9999) is the latest there is, [`Timestamp::MAX`].
pub fn moment(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let shape = date_time.bytes().zip(*b"0000-00-00T00:00:00");
    let fits = shape.enumerate().all(|(at, (byte, shape))| match shape {
        b'0' => byte.is_ascii_digit(),
        _ if at == 10 => b"Tt ".contains(&byte),
        other => byte == other,
    });
    let number = |from: usize, to: usize| date_time.get(from..to)?.parse::<i16>().ok();
    let part = |from: usize| number(from, from + 2).and_then(|part| i8::try_from(part).ok());
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if !fits || fraction.is_empty() {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok()?;
    let date = Date::new(number(0, 4)?, part(5)?, part(8)?).ok()?;
    let second = part(17).filter(|second| *second <= 60)?.min(59);
    let time = Time::new(part(11)?, part(14)?, second, nanoseconds).ok()?;
    let moment = offset_of(offset)?.to_timestamp(DateTime::from_parts(date, time));
    Some(moment.unwrap_or(Timestamp::MAX))
}

/// `Z`, or hours and minutes ahead of UTC or behind it.
fn offset_of(text: &str) -> Option<Offset> {
    if text.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let part = |text: &str, below: i32| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>()
            .ok()
            .filter(|part| is_plain && *part < below)
    };
    let seconds = part(hours, 24)? * 3_600 + part(minutes, 60)? * 60;
    match sign {
        "+" => Offset::from_seconds(seconds).ok(),
        "-" => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

/// The fields of one JSON object that have not been asked for yet. A `null` counts as absent.
pub struct Fields<'v> {
    object: Map<String, Value>,
    pointer: String,
    violations: &'v mut Vec<Violation>,
}

impl<'v> Fields<'v> {
    /// The fields of `value`, which stands at `pointer`; a violation if it is no object.
    pub fn of(
        value: Value,
        pointer: impl Into<String>,
        violations: &'v mut Vec<Violation>,
    ) -> Option<Fields<'v>> {
        let pointer = pointer.into();
        if let Value::Object(object) = value {
            return Some(Fields {
                object,
                pointer,
                violations,
            });
        }
        violations.push(Violation::new(pointer, "type", "must be a JSON object"));
        None
    }

    /// Whether the field was given.
    pub fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field as it is, which stays to be taken.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Takes a field as it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    /// The names of the fields, for an object whose names are the caller's.
    pub fn names(&self) -> Vec<String> {
        self.object.keys().cloned().collect()
    }

    /// Where the field stands.
    pub fn at(&self, name: &str) -> String {
        format!(
            "{}/{}",
            self.pointer,
            name.replace('~', "~0").replace('/', "~1")
        )
    }

    /// Notes that the field breaks a rule.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        let at = self.at(name);
        self.violations.push(Violation::new(at, code, detail));
    }

    /// Notes that an item of the array in the field breaks a rule.
    pub fn refuse_item(
        &mut self,
        name: &str,
        index: usize,
        code: &'static str,
        detail: impl Into<String>,
    ) {
        let at = format!("{}/{index}", self.at(name));
        self.violations.push(Violation::new(at, code, detail));
    }

    /// Where broken rules are noted, for a nested object.
    pub fn violations(&mut self) -> &mut Vec<Violation> {
        self.violations
    }

    /// A text of 1 to `max` characters.
    pub fn text(&mut self, name: &str, max: usize) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if (1..=max).contains(&text.chars().count()) => Some(text),
            Value::String(_) => {
                self.refuse(name, "length", format!("must have 1 to {max} characters"));
                None
            }
            _ => {
                self.refuse(name, "type", "must be a string");
                None
            }
        }
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &str, max: usize) -> Option<String> {
        if !self.has(name) {
            self.take(name);
            self.refuse(name, "required", "is required");
            return None;
        }
        self.text(name, max)
    }

    fn id<T>(&mut self, name: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        let id = value.as_str().and_then(parse);
        if id.is_none() {
            self.refuse(name, "format", format!("must have {ID_RULE}"));
        }
        id
    }

    /// A user id.
    pub fn user(&mut self, name: &str) -> Option<UserId> {
        self.id(name, UserId::parse)
    }

    /// The name of a topic.
    pub fn topic(&mut self, name: &str) -> Option<TopicId> {
        self.id(name, TopicId::parse)
    }

    /// A device id.
    pub fn device(&mut self, name: &str) -> Option<DeviceId> {
        self.id(name, DeviceId::parse)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name)?;
        if value.as_bool().is_none() {
            self.refuse(name, "type", "must be true or false");
        }
        value.as_bool()
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let value = self.take(name)?;
        let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
        let number = number.filter(|n| (min..=max).contains(n));
        if number.is_none() {
            self.refuse(
                name,
                "range",
                format!("must be a whole number from {min} to {max}"),
            );
        }
        number
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.take(name)?;
        let chosen = words
            .iter()
            .find(|(word, _)| value.as_str() == Some(*word))
            .map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(
                name,
                "value",
                format!("must be one of {}", words.join(", ")),
            );
        }
        chosen
    }

    /// A moment in RFC 3339 form, from 1970 to 9999 (what four digits of a year can say).
    pub fn moment(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.take(name)?;
        let moment = value.as_str().and_then(moment);
        let moment = moment.filter(|moment| *moment >= Timestamp::UNIX_EPOCH);
        if moment.is_none() {
            self.refuse(name, "format", MOMENT_RULE);
        }
        moment
    }

    /// Notes every field that was not asked for.
    pub fn finish(mut self) {
        for name in std::mem::take(&mut self.object).keys() {
            self.refuse(name, "unknown_field", "is not a field of this object");
        }
    }
}

/// Whether it has the form of a BCP 47 tag: a language of 2 to 8 letters, then subtags of 1 to 8
/// letters or digits.
pub fn is_locale(text: &str) -> bool {
    let mut subtags = text.split('-');
    let is_language = |tag: &str| {
        (2..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    subtags.next().is_some_and(is_language)
        && subtags.all(|tag| {
            (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_have_the_form_of_language_tags() {
        for good in [
            "en",
            "pt-BR",
            "zh-Hans-CN",
            "es-419",
            "sl-rozaj-biske-1994",
            "fil",
        ] {
            assert!(is_locale(good), "{good}");
        }
        for bad in [
            "",
            "e",
            "pt_BR",
            "pt-",
            "-BR",
            "12",
            "en--US",
            "en-toolongtag",
            "ü-DE",
        ] {
            assert!(!is_locale(bad), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_what_rfc_3339_says_and_nothing_else() {
        let is = |text: &str, expected: &str| {
            let found = moment(text).map(|moment| moment.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        };
        is("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z");
        is("2026-11-20t10:00:00z", "2026-11-20T10:00:00Z");
        is("2026-11-20 10:00:00-00:00", "2026-11-20T10:00:00Z");
        is("2026-11-20T10:00:00+02:30", "2026-11-20T07:30:00Z");
        is("2026-11-20T10:00:00.5Z", "2026-11-20T10:00:00.5Z");
        is(
            "2026-11-20T10:00:00.1234567899999Z",
            "2026-11-20T10:00:00.123456789Z",
        );
        is("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z");
        is("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z");
        is("9999-12-31T23:59:59Z", &Timestamp::MAX.to_string());
        is("0001-01-01T00:00:00+01:00", "0000-12-31T23:00:00Z");
        for bad in [
            "",
            "x",
            "2026-11-20",
            "2026-11-20T10Z",
            "2026-11-20T10:00Z",
            "2026-11-20T10:00:00",
            "20261120T100000Z",
            "2026-11-20T100000Z",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00,5Z",
            "2026-11-20T10:00:00+0230",
            "2026-11-20T10:00:00+02",
            "2026-11-20T10:00:00+24:00",
            "2026-11-20T10:00:00+02:60",
            "2026-11-20T10:00:00+2:00",
            "2026-11-20T10:00:00 02:00",
            "2026-11-20T10:00:00Z[UTC]",
            "2026-11-20T10:00:00+00:00[UTC]",
            "2026-11-20T10:00:00ZZ",
            " 2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00Z ",
            "2026-13-20T10:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T10:60:00Z",
            "2026-11-20T10:00:61Z",
            "+2026-11-20T10:00:00Z",
            "-026-11-20T10:00:00Z",
            "1790000000",
            "2026-11-2\u{660}T10:00:00Z",
            "2026-11-20T10:00:00.\u{660}Z",
            "\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
