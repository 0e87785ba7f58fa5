//! Tasks for now: a step that the stream runs, which puts the next. Steps form chains, chains a job.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use aws_sdk_dynamodb::types::AttributeValue;

use super::erase::EraseAt;
use super::keys::Key;
use super::redrive::States;
use super::tasks::passed;
use super::topics::MEMBER_SHARDS;
use super::writes::PUTS_IN_FLIGHT;
use super::{Store, decode, failure, item_key, n, s};
use crate::error::{Error, Result};
use crate::id::{NotificationId, TopicId, UserId};
use crate::notification::Notification;
use crate::task::watchdog;

/// How long a step outlives its running, in seconds: longer than the stream may still bring it.
pub(super) const STEP_LIFE: i64 = 2 * 86_400;
/// How long a job is remembered, in seconds: 30 days.
pub(super) const JOB_LIFE: i64 = 30 * 86_400;

/// Which step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepKey {
    /// The job.
    pub job: String,
    /// Which of its chains.
    pub chain: u32,
    /// Its place in the chain.
    pub step: u32,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub enum Step {
    /// Takes a notification's push off the screens of its user.
    Clear {
        /// Whose screens.
        #[serde(rename = "u")]
        user: UserId,
        /// Which notification.
        #[serde(rename = "id")]
        id: NotificationId,
    },
    /// Runs the tasks for later of one partition.
    Sweep {
        /// The first minute.
        #[serde(rename = "m")]
        from: i64,
        /// The last minute.
        #[serde(rename = "to")]
        to: i64,
        /// The partition.
        #[serde(rename = "q")]
        shard: u8,
    },
    /// Pushes what a part of the table holds without an outcome.
    Redrive {
        /// Notifications accepted from then on, in milliseconds since 1970.
        #[serde(rename = "f")]
        from: i64,
        /// Up to then.
        #[serde(rename = "to")]
        to: i64,
        /// Where the scan goes on: the keys of the last row it read.
        #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
        cursor: Option<(String, String)>,
        /// What the steps before it have found; unknown if one of them was run by a version that did not count.
        #[serde(rename = "y", skip_serializing_if = "Option::is_none", default)]
        states: Option<States>,
    },
    /// Pushes these notifications again.
    RedriveTargets {
        /// Users and ids.
        #[serde(rename = "n")]
        targets: Vec<(UserId, NotificationId)>,
    },
    /// Pushes again what died on a day.
    RedriveDead {
        /// The day, as in `2026-11-24`.
        #[serde(rename = "d")]
        day: String,
        /// After which row it goes on.
        #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
        cursor: Option<String>,
    },
    /// Removes what a user had.
    Erase {
        /// Whose.
        #[serde(rename = "u")]
        user: UserId,
        /// What was accepted up to then, in milliseconds since 1970.
        #[serde(rename = "t")]
        until: i64,
        /// Where it goes on.
        #[serde(rename = "p")]
        at: EraseAt,
    },
    /// Takes the push of a notification for everyone back from some members of a topic, in the partition that has the
    /// chain's number.
    Retract {
        /// Whose members were to be pushed.
        #[serde(rename = "m")]
        topic: TopicId,
        /// Which notification.
        #[serde(rename = "id")]
        id: NotificationId,
        /// After which member it goes on.
        #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
        after: Option<UserId>,
    },
    /// Tells some members of a topic, in the partition that has the chain's number.
    FanOut(Telling),
}

impl Step {
    /// The first step of a redrive of what was accepted in a window, in milliseconds since 1970.
    pub fn window(from: i64, to: i64) -> Step {
        Step::Redrive {
            from,
            to,
            cursor: None,
            states: Some(States::new()),
        }
    }
}

/// A part of a topic's members that is told in one step: which, and what was done about them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Telling {
    /// The member after whom it begins.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none", default)]
    pub after: Option<UserId>,
    /// The rows that the steps before it have written.
    #[serde(rename = "w")]
    pub written: u64,
    /// The last member of it, once it was read for the first time: whoever joins or leaves then moves no other part.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none", default)]
    pub end: Option<UserId>,
    /// Whether nobody came after that one.
    #[serde(rename = "l", default)]
    pub last: bool,
    /// The moments under which its rows may have been put, oldest first, in milliseconds since 1970.
    #[serde(rename = "ms")]
    pub moments: Vec<i64>,
}

impl Telling {
    /// The moments under which its rows may have been put, oldest first.
    pub fn accepted(&self) -> Vec<Timestamp> {
        let moments = self.moments.iter();
        moments
            .filter_map(|ms| Timestamp::from_millisecond(*ms).ok())
            .collect()
    }
}

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Pushes of a time window or a day are tried again.
    Redrive,
    /// The members of a topic are told.
    FanOut,
    /// What a user had is removed.
    Erase,
    /// The push of a notification for everyone is taken back.
    Retract,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it is for.
    #[serde(rename = "k")]
    pub kind: JobKind,
    /// When it was made, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub created_at: i64,
    /// The first step of each chain.
    #[serde(rename = "c")]
    pub chains: Vec<Step>,
    /// When it was cancelled, in milliseconds since 1970.
    #[serde(rename = "x", skip_serializing_if = "Option::is_none", default)]
    pub cancelled_at: Option<i64>,
    /// What the members of a topic are told. Its recipient is the topic, and its id the job's; or it is for everyone, and
    /// they are pushed.
    #[serde(
        rename = "n",
        with = "super::row::nested",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub notification: Option<Box<Notification>>,
    /// The member who is not told: who did it.
    #[serde(rename = "no", skip_serializing_if = "Option::is_none", default)]
    pub without: Option<UserId>,
}

impl Job {
    /// A job of these chains, each with its first step.
    pub fn new(kind: JobKind, chains: Vec<Step>, now: Timestamp) -> Job {
        Job {
            kind,
            created_at: now.as_millisecond(),
            chains,
            cancelled_at: None,
            notification: None,
            without: None,
        }
    }

    /// The job that tells the members of a topic.
    pub fn fan_out(notification: Notification, without: Option<UserId>, now: Timestamp) -> Job {
        let first = Step::FanOut(Telling::default());
        let chains = vec![first; MEMBER_SHARDS as usize];
        Job {
            notification: Some(Box::new(notification)),
            without,
            ..Job::new(JobKind::FanOut, chains, now)
        }
    }
}

/// How far a chain is: set, never added, so that a step that is run twice counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Which.
    #[serde(rename = "n")]
    pub chain: u32,
    /// The step that is open.
    #[serde(rename = "s")]
    pub step: u32,
    /// What its steps have done so far, in rows.
    #[serde(rename = "w")]
    pub written: u64,
    /// How many notifications its steps have found in each state, if they count that.
    #[serde(rename = "y", skip_serializing_if = "Option::is_none", default)]
    pub states: Option<States>,
    /// Whether it has ended.
    #[serde(rename = "e")]
    pub done: bool,
    /// When it moved last, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub moved_at: i64,
}

impl StepKey {
    pub(super) fn key(&self) -> Key {
        Key::Step(self.job.clone(), self.chain, self.step)
    }

    /// The step after this one.
    #[must_use]
    pub fn next(&self) -> StepKey {
        StepKey {
            step: self.step + 1,
            ..self.clone()
        }
    }
}

pub(super) fn item(key: &Key, value: impl Serialize, end: i64) -> Result<super::Item> {
    let mut item: super::Item = serde_dynamo::to_item(value).map_err(|source| Error::Internal {
        what: "a task could not be written",
        source: source.into(),
    })?;
    item.extend(item_key(key));
    item.insert("expires_at".to_owned(), n(end));
    Ok(item)
}

impl Store {
    /// Puts a step, which the stream then runs; one that is there already stays.
    pub async fn put_step(&self, key: &StepKey, step: &Step, now: Timestamp) -> Result<()> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item(&key.key(), step, now.as_second() + STEP_LIFE)?))
            .condition_expression("attribute_not_exists(pk)");
        passed(put.send().await, "the task").map(drop)
    }

    /// A step; `None` if it is not there.
    pub async fn step(&self, key: &StepKey) -> Result<Option<Step>> {
        let item = self.get(&key.key(), "the task").await?;
        item.map(|item| decode(item, "a task could not be read"))
            .transpose()
    }

    /// Begins a job: its watchdog first, so that what is begun is also ended; then the row, and the first step of each
    /// chain. Repeating it is harmless.
    pub async fn start_job(&self, job: &str, what: &Job, now: Timestamp) -> Result<()> {
        self.put_later(&watchdog(job, now), now).await?;
        let end = now.as_second() + JOB_LIFE;
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item(&Key::Job(job.to_owned()), what, end)?))
            .condition_expression("attribute_not_exists(pk)");
        passed(put.send().await, "the job")?;
        let steps = (0..).zip(&what.chains).map(async |(chain, step)| {
            let key = StepKey {
                job: job.to_owned(),
                chain,
                step: 0,
            };
            self.put_step(&key, step, now).await
        });
        let put = stream::iter(steps).buffer_unordered(PUTS_IN_FLIGHT);
        put.try_collect().await
    }

    /// Writes down that rows of a part of a topic's members are about to be put under a moment, which becomes the last of
    /// its moments, and where the part ends, if that was not known. `false` if somebody else was faster.
    pub async fn begin_telling(
        &self,
        key: &StepKey,
        telling: &Telling,
        at: Timestamp,
    ) -> Result<bool> {
        let moment = AttributeValue::L(vec![n(at.as_millisecond())]);
        let end = telling.end.as_ref().map_or("", UserId::as_str);
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&key.key())))
            .update_expression(
                "SET ms = list_append(ms, :moment), e = if_not_exists(e, :end), l = :last",
            )
            .condition_expression("size(ms) = :count AND (attribute_not_exists(e) OR e = :end)")
            .expression_attribute_values(":moment", moment)
            .expression_attribute_values(":end", s(end))
            .expression_attribute_values(":last", AttributeValue::Bool(telling.last))
            .expression_attribute_values(":count", n(telling.moments.len()));
        Ok(passed(update.send().await, "the task")?.is_some())
    }

    /// A job and the progress of its chains; `None` if there is no such job.
    pub async fn job(&self, job: &str) -> Result<Option<(Job, Vec<Chain>)>> {
        let Some(row) = self.get(&Key::Job(job.to_owned()), "the job").await? else {
            return Ok(None);
        };
        let row: Job = decode(row, "a job could not be read")?;
        let query = self.client.query().table_name(&self.table);
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(Key::Job(job.to_owned()).pk()))
            .expression_attribute_values(":prefix", s("A#"))
            .consistent_read(true)
            .limit(100);
        let answer = query.send().await;
        let items = answer.map_err(|error| failure("the job", error))?.items;
        let chains = items.unwrap_or_default().into_iter();
        let chains = chains
            .filter_map(|item| decode::<Chain>(item, "a chain").ok())
            .collect();
        Ok(Some((row, chains)))
    }

    /// Stops a job: its chains end at their next step. Doing it twice is doing it once.
    pub async fn cancel_job(&self, job: &str, now: Timestamp) -> Result<()> {
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(item_key(&Key::Job(job.to_owned()))))
            .update_expression("SET x = if_not_exists(x, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", n(now.as_millisecond()));
        match passed(update.send().await, "the job")? {
            Some(_) => Ok(()),
            None => Err(Error::NotFound),
        }
    }

    /// Writes down how far a chain is; one that is further, or has ended, stays.
    pub async fn move_chain(&self, job: &str, chain: &Chain) -> Result<()> {
        let key = Key::Chain(job.to_owned(), chain.chain);
        let end = chain.moved_at / 1_000 + JOB_LIFE;
        let put = self.client.put_item().table_name(&self.table);
        let put = put
            .set_item(Some(item(&key, chain, end)?))
            .condition_expression("attribute_not_exists(pk) OR s <= :step AND e = :open")
            .expression_attribute_values(":open", AttributeValue::Bool(false))
            .expression_attribute_values(":step", AttributeValue::N(chain.step.to_string()));
        passed(put.send().await, "the job").map(drop)
    }
}
