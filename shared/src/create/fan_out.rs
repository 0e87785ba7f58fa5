//! Notifications to topics, and pushes of notifications for everyone to the members of one: a job whose steps tell the members, a part of one partition at a time.
//!
//! A step that is run again must neither repeat a row nor leave one out, whoever joins or leaves meanwhile. So it writes down,
//! before it puts any row, which members are its part and under which moment their rows go. Whoever runs it again waits until
//! nobody can be putting under the moments before, looks the rows up under each of them, and puts what is missing under a new one.

use jiff::Timestamp;

use super::moments::Moments;
use super::slot::Slot;
use super::work::{SETTLED, Work};
use super::{Receipt, Status, row};
use crate::clock::Clock;
use crate::error::Result;
use crate::id::{NotificationId, TopicId, UserId, derived_tail};
use crate::metrics;
use crate::notification::{Content, Draft, Notification, Recipient};
use crate::push_options::Push;
use crate::store::{Job, Members, StepKey, Store, Telling, carrying};

/// Members who are told in one step.
const PART: usize = 500;
/// How long a row that carries a push is kept once the push's life is over, in seconds: 7 days, in which support may ask what
/// became of it, and reading or taking back clears the screens that show it.
const KEPT: i64 = 7 * 86_400;

/// What a step did.
pub struct Told {
    /// The rows that stand because of it.
    pub written: u64,
    /// The next part; `None` at the end of the partition.
    pub next: Option<Telling>,
}

impl Work<'_> {
    /// Begins the jobs of what goes to topics now.
    pub async fn fan_out(&mut self) -> Result<()> {
        let Some(at) = self.moments.all().first().copied() else {
            return Ok(());
        };
        for slot in &mut self.slots {
            let topic = matches!(slot.recipient, Recipient::Topic(_));
            if slot.receipt.is_some() || !topic {
                continue;
            }
            // Of the first moment, so that a repeat begins the same job.
            let id = NotificationId::new(at, slot.tail);
            let note = row(slot, id, self.retention);
            let without = slot.draft.without.clone();
            start(self.store, note, without, self.clock.now()).await?;
            slot.end(id, Status::FanOut);
        }
        Ok(())
    }

    /// Begins the jobs that push what everyone gets, once it is stored, to the members of a topic.
    pub async fn carry(&self) -> Result<()> {
        for slot in &self.slots {
            let stored = slot.receipt.filter(|one| one.status == Status::Created);
            let Some(Receipt { id, .. }) = stored else {
                continue;
            };
            let note = row(slot, id, self.retention);
            let now = self.clock.now();
            if slot.draft.content.push.topic().is_some() && note.is_live(now) {
                start(self.store, note, None, now).await?;
            }
        }
        Ok(())
    }
}

/// Whose members a job tells.
fn topic_of(note: &Notification) -> Option<&TopicId> {
    match &note.recipient {
        Recipient::User(_) => None,
        Recipient::Topic(topic) => Some(topic),
        Recipient::Everyone => note.content.push.topic(),
    }
}

/// Begins the job that tells the members of the notification's topic, unless it was begun.
pub async fn start(
    store: &Store,
    note: Notification,
    without: Option<UserId>,
    now: Timestamp,
) -> Result<()> {
    let job = match note.recipient {
        Recipient::Everyone => carrying(&note),
        _ => note.id.to_string(),
    };
    store
        .start_job(&job, &Job::fan_out(note, without, now), now)
        .await
}

/// Tells a part of a topic's members what a job says, each once however often it is run.
pub async fn tell_members(
    store: &Store,
    clock: Clock,
    job: &Job,
    key: &StepKey,
    mut telling: Telling,
) -> Result<Told> {
    let mut told = Told {
        written: 0,
        next: None,
    };
    let Some(note) = &job.notification else {
        return Ok(told);
    };
    let Some(topic) = topic_of(note) else {
        return Ok(told);
    };
    metrics::trace(note.content.traceparent);
    let mut page = part(store, topic, key.chain, &telling).await?;
    if telling.end.is_none() {
        let Some(last) = page.members.last() else {
            return Ok(told);
        };
        telling.end = Some(last.user.clone());
        telling.last = !page.more;
        // What comes after them is the next part.
        page.more = false;
    }
    let mut rest = telling.clone();
    loop {
        told.written += tell(store, clock, (job, note), key, &page, &mut telling).await?;
        let Some(last) = page.members.last().filter(|_| page.more) else {
            break;
        };
        // So many joined since that the part is more than a page.
        rest.after = Some(last.user.clone());
        page = part(store, topic, key.chain, &rest).await?;
    }
    told.next = (!telling.last).then(|| Telling {
        after: telling.end.clone(),
        written: telling.written + told.written,
        ..Telling::default()
    });
    Ok(told)
}

async fn part(store: &Store, topic: &TopicId, shard: u32, telling: &Telling) -> Result<Members> {
    let bounds = (telling.after.as_ref(), telling.end.as_ref());
    store.members(topic, shard, bounds, PART).await
}

/// Puts the rows of these members that are not there; returns how many there are then.
async fn tell(
    store: &Store,
    clock: Clock,
    (job, note): (&Job, &Notification),
    key: &StepKey,
    page: &Members,
    telling: &mut Telling,
) -> Result<u64> {
    let members = page.members.iter().map(|member| &member.user);
    let members = members.filter(|user| Some(*user) != job.without.as_ref());
    let carries = Some(note).filter(|note| note.recipient == Recipient::Everyone);
    let life = note.expires_at - note.id.at().as_second();
    let (content, life) = match (carries, &note.content.push) {
        (Some(_), Push::On(options)) => {
            let needed = i64::from(options.ttl) + KEPT;
            (Content::default(), life.min(needed))
        }
        _ => (note.content.clone(), life),
    };
    let draft = Draft {
        content,
        recipients: members.cloned().map(Recipient::User).collect(),
        without: None,
        expires_in: Some(u32::try_from(life).unwrap_or(u32::MAX)),
        dedupe_key: note.dedupe_key.clone(),
        send_at: None,
    };
    let slots = draft.recipients.iter().map(|recipient| Slot {
        draft: &draft,
        recipient,
        tail: tail(&key.job, recipient),
        schedule_id: note.schedule_id,
        carries,
        tried: false,
        receipt: None,
    });
    let mut work = Work {
        store,
        clock: Clock::starting(clock.now()),
        retention: 0,
        slots: slots.collect(),
        moments: Moments::Told(key, telling),
    };
    if let Some(newest) = work.moments.all().last() {
        tokio::time::sleep(SETTLED.saturating_sub(clock.since(*newest))).await;
        work.look_up().await?;
    }
    if work.is_open() {
        let now = work.clock.now();
        work.moments.push(store, now).await?;
        work.complete(true).await?;
    }
    let stands = |slot: &&Slot| {
        let status = slot.receipt.map(|receipt| receipt.status);
        matches!(status, Some(Status::Created | Status::Retracted))
    };
    Ok(work.slots.iter().filter(stands).count() as u64)
}

fn tail(job: &str, recipient: &Recipient) -> [u8; 10] {
    let user = match recipient {
        Recipient::User(user) => user.as_str(),
        Recipient::Topic(_) | Recipient::Everyone => "",
    };
    derived_tail(job, 0, user)
}
