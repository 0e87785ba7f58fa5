//! Tokens that are kept for trouble: a device registered with one behaves badly in a known way. `docs/TESTING.md` is
//! their table for people.
//!
//! `error-<name>-<number>-<anything>`: the name says which trouble, the number how often or how long; it may be left out.
//! With `late-` before it, the first push goes through.

use super::answers::{self, ANSWERS, Answer};
use super::endpoints::Endpoint;
use rusqlite::{Connection, params};
use std::time::Duration;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer of this file. It is given as often as the number says, else always.
    Answer(&'static Answer),
    /// Pushes are accepted. After every so many, else after each, SNS learns that the token is dead, disables the
    /// endpoint and says so.
    Dies,
    /// Accepted, or not, and no whole answer. As often as the number says, else always.
    Broken(Ending),
    /// Accepted and answered, so many milliseconds later.
    Slow,
}

/// How an answer that is none ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Accepted; the connection is closed without an answer.
    LostReply,
    /// Accepted; the connection is closed in the middle of the answer.
    HalfReply,
    /// Accepted; the answer stops in its middle, and the connection stays.
    StalledReply,
    /// Not accepted and never answered.
    Hang,
}

/// The troubles that are not simply the answer of a file of that name.
const NAMES: [(&str, Kind); 6] = [
    ("disabled", Kind::Dies),
    ("lost-reply", Kind::Broken(Ending::LostReply)),
    ("half-reply", Kind::Broken(Ending::HalfReply)),
    ("stalled-reply", Kind::Broken(Ending::StalledReply)),
    ("hang", Kind::Broken(Ending::Hang)),
    ("slow", Kind::Slow),
];

/// Shorter names of answers.
const SHORT: [(&str, &str); 2] = [
    ("application", "platform-application-disabled"),
    ("internal", "internal-error"),
];

/// How often `throttled` refuses unless its token says a number.
const THROTTLED: u32 = 2;
/// How long `slow` waits unless its token says a number.
const SLOW: u32 = 1000;
/// The longest that `slow` waits.
const SLOWEST: u32 = 60_000;

/// What a token asks for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    name: &'static str,
    kind: Kind,
    number: Option<u32>,
    late: bool,
}

/// What becomes of one publish.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Instead of the usual answer.
    pub(super) reply: Reply,
    pub(super) fate: Fate,
}

/// How a publish is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Reply {
    #[default]
    Usual,
    File(&'static Answer),
    Broken(Ending),
    After(Duration),
}

/// What becomes of the endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Kept,
    Disabled,
    Deleted,
    /// Disabled after the publish, because the last so many pushes were for a dead token.
    Dies(u32),
}

impl Reply {
    /// Whether the push is accepted.
    pub(super) fn accepts(self) -> bool {
        match self {
            Self::Usual | Self::After(_) => true,
            Self::File(answer) => answer.accepts(),
            Self::Broken(ending) => ending != Ending::Hang,
        }
    }
}

/// Every name a token may have, with what it stands for.
fn names() -> impl Iterator<Item = (&'static str, Kind)> {
    let short = SHORT.iter().filter_map(|(name, file)| {
        let answer = answers::find(file)?;
        Some((*name, Kind::Answer(answer)))
    });
    let files = ANSWERS
        .iter()
        .map(|answer| (answer.name, Kind::Answer(answer)));
    NAMES.into_iter().chain(short).chain(files)
}

impl Order {
    /// Reads a token; `None` if it asks for nothing.
    fn of(token: &str) -> Option<Self> {
        let (late, token) = match token.strip_prefix("late-") {
            Some(rest) => (true, rest),
            None => (false, token),
        };
        let order = token.strip_prefix("error-")?;
        let (name, kind) = names()
            .filter(|(name, _)| {
                let rest = order.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with('-'))
            })
            // `throttled-exception-` begins with `throttled-`.
            .max_by_key(|(name, _)| name.len())?;
        let number = order[name.len() + 1..].split('-').next();
        Some(Self {
            name,
            kind,
            number: number.and_then(|number| number.parse().ok()),
            late,
        })
    }

    /// What becomes of the publish that is the `count`th of this token.
    fn verdict(&self, count: u32) -> Verdict {
        let Some(count) = count.checked_sub(u32::from(self.late)).filter(|n| *n > 0) else {
            return Verdict::default();
        };
        let times = match self.name {
            "throttled" => Some(self.number.unwrap_or(THROTTLED)),
            _ => self.number,
        };
        let over = times.is_some_and(|times| count > times);
        let (reply, fate) = match self.kind {
            Kind::Answer(_) | Kind::Broken(_) if over => (Reply::Usual, Fate::Kept),
            Kind::Answer(answer) => (Reply::File(answer), fate(answer)),
            Kind::Broken(ending) => (Reply::Broken(ending), Fate::Kept),
            Kind::Slow => {
                let milliseconds = self.number.unwrap_or(SLOW).min(SLOWEST);
                let time = Duration::from_millis(milliseconds.into());
                (Reply::After(time), Fate::Kept)
            }
            Kind::Dies => {
                let pushes = self.number.unwrap_or(1).max(1);
                let dies = count % pushes == 0;
                (
                    Reply::Usual,
                    if dies { Fate::Dies(pushes) } else { Fate::Kept },
                )
            }
        };
        Verdict { reply, fate }
    }
}

/// What an answer says of its endpoint is true afterwards.
fn fate(answer: &Answer) -> Fate {
    match answer.name {
        "endpoint-disabled" => Fate::Disabled,
        "no-endpoint-found" | "not-found" => Fate::Deleted,
        _ => Fate::Kept,
    }
}

/// Counts a publish to this endpoint and says what becomes of it.
pub(super) fn judge(connection: &Connection, endpoint: &Endpoint) -> rusqlite::Result<Verdict> {
    let Some(order) = Order::of(&endpoint.token) else {
        return Ok(Verdict::default());
    };
    // Counted by token, so that an endpoint that is made anew goes on where its predecessor was.
    let count = connection
        .prepare_cached(
            "INSERT INTO attempts (application, token, n) VALUES (?1, ?2, 1)
             ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n",
        )?
        .query_row(params![endpoint.application, endpoint.token], |row| {
            row.get(0)
        })?;
    Ok(order.verdict(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TESTING: &str = include_str!("../../../docs/TESTING.md");

    #[test]
    fn every_name_is_documented_and_no_other() {
        let documented: BTreeSet<&str> = (TESTING.lines())
            .filter_map(|line| line.strip_prefix("| `error-")?.split_once("-…`"))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(documented, names().map(|(name, _)| name).collect());
    }

    #[test]
    fn a_token_asks_for_the_longest_name_that_fits() {
        let name = |token| Order::of(token).map(|order| (order.name, order.number, order.late));
        let cases = [
            (
                "error-throttled-6-phone",
                Some(("throttled", Some(6), false)),
            ),
            ("error-throttled--12", Some(("throttled", None, false))),
            (
                "error-throttled-exception-x",
                Some(("throttled-exception", None, false)),
            ),
            ("late-error-not-found-1", Some(("not-found", Some(1), true))),
            ("error-throttled", None),
            ("error-no-such-trouble-1", None),
            ("phone-error-hang-1", None),
            ("error-", None),
        ];
        for (token, expected) in cases {
            assert_eq!(name(token), expected, "{token}");
        }
    }

    #[test]
    fn a_number_says_how_often_and_late_spares_the_first() {
        let refused = |token: &str| -> Vec<bool> {
            let order = Order::of(token).unwrap();
            (1..=4)
                .map(|n| order.verdict(n).reply != Reply::Usual)
                .collect()
        };
        assert_eq!(refused("error-hang-x"), [true; 4]);
        assert_eq!(refused("error-hang-1-x"), [true, false, false, false]);
        assert_eq!(refused("error-throttled-x"), [true, true, false, false]);
        assert_eq!(refused("late-error-hang-2-x"), [false, true, true, false]);
        let fates = |token: &str| -> Vec<Fate> {
            let order = Order::of(token).unwrap();
            (1..=3).map(|n| order.verdict(n).fate).collect()
        };
        assert_eq!(fates("error-disabled-x"), [Fate::Dies(1); 3]);
        let second = [Fate::Kept, Fate::Dies(2), Fate::Kept];
        assert_eq!(fates("error-disabled-2-x"), second);
        assert_eq!(
            fates("error-not-found-1-x"),
            [Fate::Deleted, Fate::Kept, Fate::Kept]
        );
    }
}
