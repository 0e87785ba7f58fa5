//! I8 and I9 as a state machine: random steps against the real store, every reply compared with a model in memory.
//!
//! A life is a run of steps for two users of its own, under a clock of its own that only the steps move. `cargo test`
//! takes 1,000 steps; `TIDINGS_STEPS=100000` takes as many as it says. What fails prints the seed of its life, and
//! `TIDINGS_SEED=<seed>` lives that one again.
//!
//! A new kind of step is a variant of [`Step`], a line in [`STEPS`], and a method of [`Life`] that asks both the store
//! and the model, and compares.

mod changing;
mod creating;
mod model;

use std::fmt::Debug;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use shared::error::Error;
use shared::filter::Filter;
use shared::id::{NotificationId, UserId};
use shared::inbox::{Counts, Inbox, PageRequest};
use shared::notification::Notification;
use shared::store::Store;

use crate::chance::Chance;
use crate::ground::Ground;
use crate::stack::unique;
use creating::Keyed;
use model::{Change, Person, Wanted, check_counts};

/// The steps of one life.
const LIFE: usize = 250;
/// Lives lived at the same time.
pub const LIVES: usize = 4;
/// For how long a key is remembered, in milliseconds.
const DAY: i64 = 86_400_000;
/// An inbox of up to this many rows is never cut short: a page and a count examine 500.
const WHOLE: usize = 500;

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    CreateMany,
    Repeat,
    Retract,
    Page,
    Count,
    Get,
    Mark(Change),
    MarkUpTo { read: bool },
    Mute,
    Prefer,
    Wait(i64),
}

/// How often each step is taken, in parts of their sum.
const STEPS: &[(u64, Step)] = &[
    (25, Step::Create),
    (1, Step::CreateMany),
    (5, Step::Repeat),
    (6, Step::Retract),
    (28, Step::Page),
    (9, Step::Count),
    (6, Step::Get),
    (9, Step::Mark(Change::Read)),
    (4, Step::Mark(Change::Unread)),
    (3, Step::Mark(Change::Archived)),
    (2, Step::Mark(Change::Unarchived)),
    (2, Step::MarkUpTo { read: true }),
    (2, Step::MarkUpTo { read: false }),
    (2, Step::Mute),
    (1, Step::Prefer),
    (12, Step::Wait(40_000)),
    (1, Step::Wait(2 * DAY)),
];

fn draw_step(chance: &mut Chance) -> Step {
    let mut left = chance.next() % STEPS.iter().map(|(weight, _)| weight).sum::<u64>();
    for (weight, step) in STEPS {
        if left < *weight {
            return *step;
        }
        left -= weight;
    }
    unreachable!("the number is below the sum of the weights")
}

/// Two users and their clock; each step chooses one of them.
struct Life<'s> {
    store: &'s Store,
    chance: Chance,
    /// Milliseconds since 1970.
    now: i64,
    people: [Person; 2],
    keyed: Vec<Keyed>,
    /// Whether many notifications come at once, so that counts reach their cap.
    crowded: bool,
}

/// What a step found to differ.
type Checked = Result<(), String>;

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Checked {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}\nexpected {expected:?}\nfound {found:?}"))
}

fn failed(error: &Error) -> String {
    format!("the store failed: {}", error.chain())
}

/// Compares an answer with what is expected, or "not found" with nothing.
fn compare(
    what: &str,
    expected: Option<&Notification>,
    found: Result<Notification, Error>,
) -> Checked {
    match found {
        Ok(found) => same(what, &expected, &Some(&found)),
        Err(Error::NotFound) => same(what, &expected, &None),
        Err(error) => Err(failed(&error)),
    }
}

impl Life<'_> {
    fn new(store: &Store, seed: u64) -> Life<'_> {
        let person = || Person::new(UserId::parse(&unique("life")).unwrap());
        let mut life = Life {
            store,
            chance: Chance::new(seed),
            // Never behind the real clock, so that the table does not drop what the model still sees.
            now: i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
            people: [person(), person()],
            keyed: Vec::new(),
            crowded: seed % 8 == 1,
        };
        life.wait(1_000);
        life
    }

    /// Takes the steps; at the end the table must hold the model's rows and no others.
    async fn live(mut self, ground: &Ground, steps: usize) -> Checked {
        for count in 0..steps {
            let step = draw_step(&mut self.chance);
            let user = self.chance.below(2);
            let checked = match step {
                Step::Create => self.create(1).await,
                Step::CreateMany => self.create(if self.crowded { 60 } else { 5 }).await,
                Step::Repeat => self.repeat().await,
                Step::Retract => self.retract(user).await,
                Step::Page => self.page(user).await,
                Step::Count => self.count(user).await,
                Step::Get => self.get(user).await,
                Step::Mark(change) => self.mark(user, change).await,
                Step::MarkUpTo { read } => self.mark_up_to(user, read).await,
                Step::Mute => self.mute(user).await,
                Step::Prefer => self.prefer(user).await,
                Step::Wait(limit) => {
                    self.wait(limit);
                    Ok(())
                }
            };
            checked.map_err(|difference| format!("step {count}, {step:?}: {difference}"))?;
        }
        for person in &self.people {
            let rows = ground.inbox(person.id.as_str()).await.into_iter();
            let found: Vec<String> = rows.map(|(_, sk)| sk).collect();
            let expected: Vec<String> = person.rows.keys().map(|id| format!("N#{id}")).collect();
            same("the rows in the table", &expected, &found)?;
        }
        Ok(())
    }

    fn moment(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.now).unwrap()
    }

    /// Moves the clock, to the first fifth of a second: the calls of one step do not cross into the next.
    fn wait(&mut self, limit: i64) {
        let limit = usize::try_from(limit).unwrap();
        self.now += i64::try_from(self.chance.below(limit)).unwrap();
        if self.now % 1_000 >= 200 {
            self.now += 1_000 - self.now % 1_000;
        }
    }

    fn inbox(&self, user: usize) -> Inbox<'_> {
        Inbox {
            store: self.store,
            user: &self.people[user].id,
            now: self.moment(),
            consistent: true,
            broadcasts: &[],
        }
    }

    /// Some id: mostly one of the user's own, else another's or nobody's.
    fn some_id(&mut self, user: usize) -> NotificationId {
        let whose = if self.chance.one_in(6) {
            1 - user
        } else {
            user
        };
        let count = self.people[whose].rows.len();
        if count == 0 || self.chance.one_in(10) {
            return NotificationId::new(self.moment(), [7; 10]);
        }
        // The newest are asked for most.
        let most = if self.chance.one_in(2) {
            count.min(8)
        } else {
            count
        };
        let index = self.chance.below(most);
        *self.people[whose].rows.keys().rev().nth(index).unwrap()
    }

    fn wanted(&mut self) -> Wanted {
        let mut wanted = Wanted {
            status: ["", "", "unread", "read", "archived", "all"][self.chance.below(6)],
            ..Wanted::default()
        };
        let index = self.chance.below(3);
        match self.chance.below(8) {
            0 => wanted.kind = Some(format!("t.{index}")),
            1 => wanted.group = Some(format!("g{index}")),
            2 => wanted.actor = Some(format!("a{index}")),
            _ => {}
        }
        wanted
    }

    /// I8: a page is a contiguous slice of what is to be seen, newest first, whatever came since the page before.
    async fn page(&mut self, user: usize) -> Checked {
        let most = if self.chance.one_in(8) { 100 } else { 5 };
        let (limit, grouped) = (1 + self.chance.below(most), self.chance.one_in(4));
        let (wanted, now) = (self.wanted(), self.moment());
        let filter = filter(&wanted);
        let before = self.people[user].place;
        let request = PageRequest {
            filter: &filter,
            before,
            limit,
            grouped,
        };
        let page = self.inbox(user).page(request).await;
        let page = page.map_err(|error| failed(&error))?;
        let found: Vec<Value> = page.entries.iter().map(|entry| json!(entry)).collect();
        let person = &self.people[user];
        let whole = person.rows.len() <= WHOLE;
        let mut list = person.list(&wanted, before, now);
        if let Some(next) = page.next.filter(|_| !whole) {
            // A page that was cut is the whole of what stands above its cursor.
            list.retain(|n| n.id >= next);
        }
        let (expected, more) = model::page(&list, limit, grouped);
        let what = format!("the page of {limit} below {before:?}, {wanted:?}, grouped {grouped}");
        same(&what, &expected, &found)?;
        if whole {
            same("whether more follows", &more, &page.next.is_some())?;
        }
        check_counts(person.counts(now), told(page.counts), whole)?;
        if let Some(next) = page.next {
            // Each row is on this page, or below its cursor.
            let shown = list.iter().filter(|n| n.id >= next).count();
            let covered: usize = found
                .iter()
                .map(|entry| {
                    entry["count"]
                        .as_u64()
                        .map_or(1, |n| usize::try_from(n).unwrap())
                })
                .sum();
            same("rows that the page covers", &shown, &covered)?;
        }
        self.people[user].place = page.next;
        Ok(())
    }

    /// I9: the counts are those of the model, up to 99.
    async fn count(&mut self, user: usize) -> Checked {
        let counts = self.inbox(user).counts().await;
        let counts = counts.map_err(|error| failed(&error))?;
        let person = &self.people[user];
        check_counts(
            person.counts(self.moment()),
            told(counts),
            person.rows.len() <= WHOLE,
        )
    }

    async fn get(&mut self, user: usize) -> Checked {
        let id = self.some_id(user);
        let found = self.inbox(user).get(id).await;
        let expected = self.people[user].shown(id, self.moment());
        compare("the notification", expected.as_ref(), found)
    }
}

/// The store's form of what is wanted.
fn filter(wanted: &Wanted) -> Filter {
    let status = Some(wanted.status.to_owned()).filter(|status| !status.is_empty());
    let query = [
        ("status", status),
        ("type", wanted.kind.clone()),
        ("group", wanted.group.clone()),
        ("actor", wanted.actor.clone()),
    ];
    let query = query
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Filter::parse(&query.collect()).unwrap()
}

fn told(counts: Counts) -> (usize, usize, bool) {
    (counts.unread, counts.unseen, counts.capped)
}

pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_i9_every_reply_is_what_the_model_says() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let steps = number("TIDINGS_STEPS").unwrap_or(1_000);
    let seeds: Vec<u64> = match number("TIDINGS_SEED") {
        Some(seed) => vec![seed],
        None => (1..=steps.div_ceil(LIFE as u64)).collect(),
    };
    let lives = stream::iter(seeds).map(async |seed| {
        let lived = Box::pin(Life::new(&store, seed).live(&ground, LIFE)).await;
        lived.map_err(|difference| format!("TIDINGS_SEED={seed}: {difference}"))
    });
    let wrong = lives
        .buffer_unordered(LIVES)
        .filter_map(async |lived| lived.err());
    let wrong: Vec<String> = wrong.collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
