//! Quiet hours: when a user's devices are to stay silent, by the clock on the user's wall.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::Fields;

/// The days of the week as the API names them, in the order of their bits.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Every day of the week.
const EVERY_DAY: u8 = 0b111_1111;

/// A span of the day in which pushes wait.
/// Invariant: `from` and `to` differ, and the time zone is one of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// When they begin, in minutes since midnight.
    #[serde(rename = "f")]
    pub from: u16,
    /// When they end, in minutes since midnight; before `from`, it is the next day's.
    #[serde(rename = "t")]
    pub to: u16,
    /// The IANA name of the time zone, in the database's own spelling.
    #[serde(rename = "z")]
    pub time_zone: String,
    /// The days on which they begin: one bit each, Monday's the lowest.
    #[serde(rename = "d")]
    pub days: u8,
}

impl QuietHours {
    /// What their user is shown.
    pub fn view(&self) -> Value {
        let days: Vec<&str> = DAYS
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| self.days & (1 << bit) != 0)
            .map(|(_, day)| day)
            .collect();
        json!({
            "from": clock_time(self.from),
            "to": clock_time(self.to),
            "time_zone": self.time_zone,
            "days": days,
        })
    }
}

impl QuietHours {
    /// When the quiet hours end that hold now; `None` outside of them. A wall clock that is moved skips or
    /// repeats times of day: a time that does not exist is the next that does, of one that comes twice the
    /// first counts.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = jiff::tz::db().get(&self.time_zone).ok()?;
        let today = now.to_zoned(zone.clone()).date();
        let moment = |date: Date, minutes: u16| {
            let (hour, minute) = (
                i8::try_from(minutes / 60).ok()?,
                i8::try_from(minutes % 60).ok()?,
            );
            let zoned = date.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
            Some(zoned.timestamp())
        };
        // Those that began yesterday may go on until today; the later end counts.
        let ends = [today.yesterday().ok(), Some(today)].into_iter().flatten();
        let ends = ends.filter_map(|begun| {
            let day = begun.weekday().to_monday_zero_offset();
            if self.days & (1 << day) == 0 {
                return None;
            }
            let last = if self.to > self.from {
                begun
            } else {
                begun.tomorrow().ok()?
            };
            let (from, to) = (moment(begun, self.from)?, moment(last, self.to)?);
            (from <= now && now < to).then_some(to)
        });
        ends.max()
    }
}

/// Reads the object in a field. Every broken rule is noted in `fields`.
pub fn parse_quiet_hours(fields: &mut Fields, name: &str) -> Option<QuietHours> {
    let value = fields.take(name)?;
    let pointer = fields.at(name);
    let mut fields = Fields::of(value, pointer, fields.violations())?;
    let (from, to) = (time(&mut fields, "from"), time(&mut fields, "to"));
    if from.is_some() && from == to {
        fields.refuse("to", "value", "must differ from \"from\"");
    }
    let time_zone = time_zone(&mut fields, "time_zone");
    let days = days(&mut fields, "days");
    fields.finish();
    Some(QuietHours {
        from: from?,
        to: to?,
        time_zone: time_zone?,
        days,
    })
}

fn time(fields: &mut Fields, name: &str) -> Option<u16> {
    let text = fields.required_text(name, 5)?;
    let minutes = minutes(&text);
    if minutes.is_none() {
        fields.refuse(
            name,
            "format",
            "must be a time of day from 00:00 to 23:59, as HH:MM",
        );
    }
    minutes
}

fn minutes(text: &str) -> Option<u16> {
    let [h1, h2, b':', m1, m2] = text.as_bytes() else {
        return None;
    };
    let number = |tens: &u8, ones: &u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn clock_time(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn time_zone(fields: &mut Fields, name: &str) -> Option<String> {
    let text = fields.required_text(name, 64)?;
    let zone = jiff::tz::db().get(&text).ok();
    let zone = zone.as_ref().and_then(|zone| zone.iana_name());
    if zone.is_none() {
        fields.refuse(
            name,
            "value",
            "must be the IANA name of a time zone, such as Europe/Madrid",
        );
    }
    zone.map(str::to_owned)
}

/// The days as bits; every day if none are named.
fn days(fields: &mut Fields, name: &str) -> u8 {
    let Some(value) = fields.take(name) else {
        return EVERY_DAY;
    };
    let Value::Array(items) = value else {
        fields.refuse(name, "type", "must be an array of days");
        return 0;
    };
    if !(1..=DAYS.len()).contains(&items.len()) {
        fields.refuse(name, "length", "must have 1 to 7 days");
        return 0;
    }
    let mut days = 0;
    for (index, item) in items.iter().enumerate() {
        let bit = DAYS.iter().position(|day| item.as_str() == Some(*day));
        let broken = match bit {
            None => Some(("value", format!("must be one of {}", DAYS.join(", ")))),
            Some(bit) if days & (1 << bit) != 0 => {
                Some(("duplicate", "is named already".to_owned()))
            }
            Some(_) => None,
        };
        if let Some((code, detail)) = broken {
            fields.refuse_item(name, index, code, detail);
        }
        days |= bit.map_or(0, |bit| 1 << bit);
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_one_spelling() {
        for (text, expected) in [("00:00", 0), ("07:30", 450), ("23:59", 1_439)] {
            assert_eq!(minutes(text), Some(expected));
            assert_eq!(clock_time(expected), text);
        }
        for bad in [
            "24:00", "12:60", "7:30", "07:3", "0730", "ab:cd", "+1:00", "", "07:30:00",
        ] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
    }

    #[test]
    fn quiet_hours_end_by_the_clock_on_the_wall() {
        let hours = |from, to, days| QuietHours {
            from,
            to,
            time_zone: "Europe/Madrid".to_owned(),
            days,
        };
        let check = |hours: &QuietHours, now: &str, end: Option<&str>| {
            let end = end.map(|end| end.parse().unwrap());
            assert_eq!(hours.end(now.parse().unwrap()), end, "{now}");
        };
        let night = hours(22 * 60, 7 * 60 + 30, EVERY_DAY);
        // Winter: an hour ahead of UTC.
        check(&night, "2026-01-10T20:59:59Z", None);
        check(&night, "2026-01-10T21:00:00Z", Some("2026-01-11T06:30:00Z"));
        check(&night, "2026-01-11T06:29:59Z", Some("2026-01-11T06:30:00Z"));
        check(&night, "2026-01-11T06:30:00Z", None);
        // The nights of the change: one of 8 h 30, one of 10 h 30.
        check(&night, "2026-03-28T21:00:00Z", Some("2026-03-29T05:30:00Z"));
        check(&night, "2026-10-24T20:00:00Z", Some("2026-10-25T06:30:00Z"));
        // 02:30 does not exist on the first of them; on the second it comes twice.
        let late = hours(2 * 60 + 30, 5 * 60, EVERY_DAY);
        check(&late, "2026-03-29T01:29:00Z", None);
        check(&late, "2026-03-29T01:30:00Z", Some("2026-03-29T03:00:00Z"));
        let early = hours(60, 2 * 60 + 30, EVERY_DAY);
        check(&early, "2026-10-25T00:29:59Z", Some("2026-10-25T00:30:00Z"));
        check(&early, "2026-10-25T00:30:00Z", None);
        // Saturday's night only, until Sunday morning.
        let saturday = hours(22 * 60, 7 * 60 + 30, 1 << 5);
        check(
            &saturday,
            "2026-01-10T22:00:00Z",
            Some("2026-01-11T06:30:00Z"),
        );
        check(
            &saturday,
            "2026-01-11T05:00:00Z",
            Some("2026-01-11T06:30:00Z"),
        );
        check(&saturday, "2026-01-11T22:00:00Z", None);
        let noon = hours(12 * 60, 14 * 60, EVERY_DAY);
        check(&noon, "2026-01-10T12:00:00Z", Some("2026-01-10T13:00:00Z"));
        check(&noon, "2026-01-10T13:00:00Z", None);
    }

    #[test]
    fn days_are_shown_in_the_order_of_the_week_and_zones_in_their_spelling() {
        let mut violations = Vec::new();
        let value = json!({"q": {
            "from": "22:00", "to": "07:30", "time_zone": "europe/madrid", "days": ["sun", "mon"],
        }});
        let mut fields = Fields::of(value, "", &mut violations).unwrap();
        let hours = parse_quiet_hours(&mut fields, "q").unwrap();
        let expected = json!({
            "from": "22:00", "to": "07:30", "time_zone": "Europe/Madrid", "days": ["mon", "sun"],
        });
        assert_eq!(hours.view(), expected);
        assert!(violations.is_empty());
    }
}
