//! Work that a row asks for: what is to be done, where a task for later stands, and when it is tried
//! again.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::id::{NotificationId, UserId, derived_tail};
use crate::notification::Notification;

/// The tasks of a minute are spread over this many partitions.
pub const SHARDS: u8 = 64;
/// A task for later is put at least this far ahead, in seconds, so that whoever is about to write
/// something that it must find has ended before it is run.
pub const AHEAD: i64 = 120;
/// The longest pause before a task is tried again, in seconds.
const LONGEST_PAUSE: i64 = 6 * 3_600;
/// How often a task is tried: the last time after the longest pause.
pub const MAX_ATTEMPTS: u32 = 10;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Push a notification that was parked or delayed.
    Push(UserId, NotificationId),
    /// Tell a user whose quiet hours are over what has been held back since an id.
    QuietEnd(UserId, NotificationId),
    /// Store a scheduled notification; its id names the schedule.
    Send(Box<Notification>),
    /// Take a notification's push off the screens of its user.
    Clear(UserId, NotificationId),
    /// Remove again what a user had, under the id of the erase, which holds its moment.
    Erase(UserId, NotificationId),
    /// See whether a job's open step has stopped.
    Watch(String),
}

/// Where a task for later stands: the minute in which it is due, counted from 1970, one of
/// [`SHARDS`] partitions, and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The minute in which it is due.
    pub minute: i64,
    /// Follows from the name.
    pub shard: u8,
    /// What tells it apart there.
    pub name: Name,
}

/// What tells the tasks of one place apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A name that follows from a notification's id.
    Id(NotificationId),
    /// The end of a user's quiet hours: one task, whatever was held back.
    User(UserId),
    /// A job.
    Job(String),
}

impl Name {
    /// A digest by which tasks are spread: over partitions, and over time.
    fn digest(&self) -> [u8; 3] {
        let text = match self {
            Name::Id(id) => id.to_string(),
            Name::User(user) => user.as_str().to_owned(),
            Name::Job(job) => job.clone(),
        };
        let digest = Sha256::digest(text.as_bytes());
        [digest[0], digest[1], digest[2]]
    }

    fn shard(&self) -> u8 {
        self.digest()[0] % SHARDS
    }

    /// A number below `bound` that follows from the name.
    fn jitter(&self, bound: i64) -> i64 {
        let [_, high, low] = self.digest();
        i64::from(u16::from_be_bytes([high, low])) % bound
    }
}

/// A task for later.
#[derive(Debug, Clone, PartialEq)]
pub struct Later {
    /// Where it stands.
    pub place: Place,
    /// What is to be done.
    pub task: Task,
    /// How often it has been begun.
    pub attempt: u32,
    /// The moments under which its notification may have been stored, oldest first.
    pub moments: Vec<Timestamp>,
    /// When a scheduled notification was accepted.
    pub accepted: Option<Timestamp>,
}

impl Place {
    /// The place of a name in a minute.
    pub fn new(minute: i64, name: Name) -> Place {
        Place {
            minute,
            shard: name.shard(),
            name,
        }
    }

    /// The place of a scheduled notification, which follows from its id.
    pub fn of_schedule(id: NotificationId) -> Place {
        Place::new(minute_from(id.at().as_second()), Name::Id(id))
    }
}

impl Later {
    /// A task that is due at `due`, or as soon as a task for later may be.
    pub fn new(task: Task, due: Timestamp, now: Timestamp) -> Later {
        let second = due.as_second().max(now.as_second() + AHEAD);
        let minute = minute_from(second);
        let at = Timestamp::from_second(minute * 60).unwrap_or(due);
        let named = |tail| Name::Id(NotificationId::new(at, tail));
        let name = match &task {
            // Of a notification for everyone, each user has one of the same id.
            Task::Push(user, id) => named(derived_tail(&id.to_string(), 0, user.as_str())),
            // Of another name than the push of the same notification.
            Task::Clear(user, id) => named(derived_tail(&id.to_string(), 1, user.as_str())),
            Task::Erase(_, erase) => named(erase.tail()),
            Task::QuietEnd(user, _) => Name::User(user.clone()),
            Task::Send(notification) => return Later::of_schedule(notification),
            Task::Watch(job) => Name::Job(job.clone()),
        };
        let mut place = Place::new(minute, name);
        // All that one user's devices wait for is run by one chain, which pushes to a device once at a time.
        if let Task::Push(user, _) | Task::Clear(user, _) = &task {
            place.shard = Name::User(user.clone()).shard();
        }
        Later {
            place,
            task,
            attempt: 0,
            moments: Vec::new(),
            accepted: None,
        }
    }

    /// The task that stores a scheduled notification.
    pub fn of_schedule(notification: &Notification) -> Later {
        Later {
            place: Place::of_schedule(notification.id),
            task: Task::Send(Box::new(notification.clone())),
            attempt: 0,
            moments: Vec::new(),
            accepted: None,
        }
    }

    /// The same task of a request that was accepted at `at`: an erase since then takes it, too.
    #[must_use]
    pub fn accepted(self, at: Timestamp) -> Later {
        Later {
            accepted: Some(at),
            ..self
        }
    }

    /// Whether it may be given up: what others hang on is tried for ever, at last every 6 hours.
    fn may_end(&self) -> bool {
        !matches!(
            self.task,
            Task::QuietEnd(..) | Task::Send(_) | Task::Erase(..)
        )
    }

    /// The same task, to be tried again; `None` if it has been tried often enough.
    #[must_use]
    pub fn again(&self, now: Timestamp) -> Option<Later> {
        if self.attempt >= MAX_ATTEMPTS && self.may_end() {
            return None;
        }
        let place = Place {
            minute: minute_from(now.as_second() + pause(self.attempt, &self.place.name)),
            ..self.place.clone()
        };
        Some(Later {
            place,
            ..self.clone()
        })
    }
}

/// How long after its last step a job is looked after, in seconds: 5 minutes.
pub const STOPPED: i64 = 300;

/// The task that comes back to a job, to see whether it has stopped.
pub fn watchdog(job: &str, now: Timestamp) -> Later {
    let due = now.saturating_add(SignedDuration::from_secs(STOPPED));
    Later::new(Task::Watch(job.to_owned()), due.unwrap_or(now), now)
}

/// When an erase is repeated: nothing that was on its way when it began arrives after 48 hours.
pub fn erase_again(erase: NotificationId) -> Timestamp {
    let again = erase.at().saturating_add(SignedDuration::from_hours(48));
    again.unwrap_or(erase.at())
}

/// A push that could not be sent now: to be tried in 2 to 4 minutes.
pub fn parked(user: UserId, id: NotificationId, now: Timestamp) -> Later {
    let wait = SignedDuration::from_secs(AHEAD + Name::Id(id).jitter(AHEAD));
    let due = now.saturating_add(wait).unwrap_or(now);
    Later::new(Task::Push(user, id), due, now)
}

/// When a schedule that asks for `send_at` is due, if it is accepted at `at`.
pub fn due(send_at: Timestamp, at: Timestamp) -> Timestamp {
    let soonest = at.saturating_add(SignedDuration::from_secs(AHEAD));
    send_at.max(soonest.unwrap_or(at))
}

/// The first minute that begins at or after a second.
fn minute_from(second: i64) -> i64 {
    second.div_euclid(60) + i64::from(second.rem_euclid(60) > 0)
}

/// Seconds before the next attempt: 2 minutes, doubled each time, with up to a quarter more, so that
/// what failed together does not come back together.
fn pause(attempt: u32, name: &Name) -> i64 {
    let doubled = AHEAD << attempt.saturating_sub(1).min(16);
    let base = doubled.min(LONGEST_PAUSE);
    base + name.jitter(base / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_bucket_begins_two_minutes_ahead_at_the_soonest_and_never_before_it_is_due() {
        let (user, id) = (UserId::parse("ana").unwrap(), NotificationId::draw(at(0)));
        for (now, due, minute) in [
            (0, 0, 2),
            (1, 0, 3),
            (59, 100, 3),
            (60, 300, 5),
            (60, 301, 6),
        ] {
            let later = Later::new(Task::Push(user.clone(), id), at(due), at(now));
            assert_eq!(later.place.minute, minute, "{now} {due}");
            assert!(later.place.minute * 60 - now >= AHEAD);
        }
    }

    #[test]
    fn pauses_double_up_to_six_hours_and_then_it_is_over() {
        let (user, id) = (UserId::parse("ana").unwrap(), NotificationId::draw(at(0)));
        let mut later = parked(user, id, at(0));
        let (mut now, mut tried) = (later.place.minute * 60, 0);
        loop {
            later.attempt += 1;
            tried += 1;
            let Some(again) = later.again(at(now)) else {
                break;
            };
            let pause = again.place.minute * 60 - now;
            let base = (AHEAD << (tried - 1)).min(LONGEST_PAUSE);
            assert!(
                (base..=base + base / 4 + 60).contains(&pause),
                "{tried} {pause}"
            );
            now += pause;
            later = again;
        }
        assert_eq!(tried, MAX_ATTEMPTS);
        assert!(now > LONGEST_PAUSE);
    }

    #[test]
    fn what_others_hang_on_is_never_given_up() {
        let (user, id) = (UserId::parse("ana").unwrap(), NotificationId::draw(at(0)));
        let ends = |task| {
            let mut later = Later::new(task, at(0), at(0));
            later.attempt = MAX_ATTEMPTS;
            let first = later.again(at(0)).is_none();
            later.attempt = 1_000;
            let Some(again) = later.again(at(0)) else {
                return true;
            };
            // At last every six hours or so.
            assert!(again.place.minute <= (LONGEST_PAUSE + LONGEST_PAUSE / 4) / 60 + 1);
            first
        };
        assert!(!ends(Task::QuietEnd(user.clone(), id)));
        assert!(!ends(Task::Erase(user.clone(), id)));
        assert!(ends(Task::Push(user.clone(), id)));
        assert!(ends(Task::Clear(user, id)));
        assert!(ends(Task::Watch("job".to_owned())));
    }

    #[test]
    fn a_schedules_place_follows_from_its_id_and_shards_are_even() {
        let mut count = [0; SHARDS as usize];
        for user in 0..100_000 {
            let user = UserId::parse(&format!("user{user}")).unwrap();
            let later = Later::new(
                Task::QuietEnd(user, NotificationId::draw(at(0))),
                at(0),
                at(0),
            );
            count[usize::from(later.place.shard)] += 1;
        }
        let most = count.iter().max().unwrap();
        assert!(most * i32::from(SHARDS) * 10 <= 100_000 * 11, "{most}");
        let id = NotificationId::draw(at(90));
        let place = Place::of_schedule(id);
        assert_eq!((place.minute, place.name), (2, Name::Id(id)));
    }
}
