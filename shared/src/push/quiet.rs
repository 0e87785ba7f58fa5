//! The end of quiet hours: one push that tells of all that was held back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value};

use super::deliver::{Job, Pusher, Run, Target};
use super::plan::Planned;
use crate::clock::Clock;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, NotificationId, UserId};
use crate::metrics;
use crate::notification::{Content, Notification};
use crate::outcome::{Outcome, Reason, State};
use crate::push_options::{Options, Push, Text};
use crate::store::{About, Rows};
use crate::task::{Later, Task};

/// The type that a push for several notifications has.
const KIND: &str = "tidings.summary";
/// What stands for their number in its text.
const COUNT: &str = "{count}";
/// Rows written at the same time.
const RECORDS: usize = 16;

/// A notification that is to be told of, and how it would go by itself.
type Wanted<'w> = (&'w Job<'w>, Planned<'w>);

/// The title of the push that ends quiet hours, by language tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    title: String,
    locales: BTreeMap<String, String>,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary {
            title: "{count} new notifications".to_owned(),
            locales: BTreeMap::new(),
        }
    }
}

impl Summary {
    /// Reads a JSON object: language tag → title with `{count}`. `en` stands for every other language.
    pub fn parse(text: &str) -> Result<Summary> {
        let unreadable = |source: String| Error::Internal {
            what: "the titles for the end of quiet hours could not be read",
            source: source.into(),
        };
        let mut locales: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        let title = locales.remove("en");
        let title = title.ok_or_else(|| unreadable("there is none for en".to_owned()))?;
        Ok(Summary { title, locales })
    }

    /// What the push says.
    fn content(&self, count: usize) -> Content {
        Content {
            kind: KIND.to_owned(),
            title: Some(counted(&self.title, count)),
            body: None,
            actor: None,
            group: None,
            link: None,
            image: None,
            data: Some(Map::from_iter([("count".to_owned(), Value::from(count))])),
            occurred_at: None,
            origin_device: None,
            push: Push::default(),
            traceparent: None,
        }
    }

    /// How it is pushed.
    fn options(&self, count: usize, ttl: u32) -> Options {
        let locales = self.locales.iter().map(|(tag, title)| {
            let title = Some(counted(title, count));
            (tag.clone(), Text { title, body: None })
        });
        Options {
            locales: locales.collect(),
            ttl,
            ..Options::default()
        }
    }
}

fn counted(title: &str, count: usize) -> String {
    title.replace(COUNT, &count.to_string())
}

impl Pusher {
    /// Pushes what was held back for a user since an id: one notification as it is, several as one push.
    pub async fn end_quiet(
        &self,
        user: &UserId,
        since: NotificationId,
        clock: Clock,
        budget: Duration,
    ) -> std::result::Result<(), Reason> {
        let read = |error: Error| {
            tracing::warn!(error = %error.chain(), "the end of quiet hours is tried again");
            Reason::Table
        };
        let now = clock.now();
        let about = self.store.about(user, true).await.map_err(read)?;
        let quiet = about.user.preferences().quiet_hours.as_ref();
        if let Some(end) = quiet.and_then(|quiet| quiet.end(now)) {
            // They were changed meanwhile.
            let task = Task::QuietEnd(user.clone(), since);
            let put = self.store.put_later(&Later::new(task, end, now), now).await;
            return put.map_err(read);
        }
        let held = self.held_back(user, since, &about).await.map_err(read)?;
        let broadcasts = self.broadcasts.current(now).await.map_err(read)?;
        let run = Run::new(self, [user].into_iter(), broadcasts, true, (clock, budget));
        let (mut wanted, mut once) = (Vec::new(), Vec::new());
        for job in &held {
            match run.plan(job) {
                // Rather none than two, and rather two than none, do not go together in one push.
                Ok((options, _)) if options.once => once.push(job),
                Ok(planned) => wanted.push((job, planned)),
                Err((state, reason)) => run.end(job, state, reason).await?,
            }
        }
        let mut done = run.tell(&wanted).await;
        for job in once {
            done = done.and(run.push(job).await);
        }
        done
    }

    /// What was held back, newest first, with the user's marks.
    async fn held_back<'r>(
        &self,
        user: &'r UserId,
        since: NotificationId,
        about: &'r About,
    ) -> Result<Vec<Job<'r>>> {
        let (mut held, mut before) = (Vec::new(), None);
        loop {
            let mut rows = Rows::new(&self.store, user, before, Some(since), true);
            while let Some((id, row)) = rows.next().await? {
                before = Some(id);
                let quiet = Some(Reason::QuietHours.word());
                let waits = |row: &Notification| {
                    row.outcome.is_deferred() && row.outcome.reason.as_deref() == quiet
                };
                let row = row.filter(|row| waits(row) && !about.user.erases(row.id.at()));
                held.extend(row.map(|row| Job {
                    user,
                    notification: about.marks.apply(row),
                    about: Some(about),
                }));
            }
            if !rows.is_cut() {
                break;
            }
        }
        self.say_carried(user, about, held).await
    }

    /// What is carried says what everyone gets; if that was taken back meanwhile, nothing.
    async fn say_carried<'r>(
        &self,
        user: &'r UserId,
        about: &About,
        mut held: Vec<Job<'r>>,
    ) -> Result<Vec<Job<'r>>> {
        let carried = held.iter().map(|job| &job.notification);
        let carried = carried.filter(|row| row.carried_at.is_some());
        let targets: Vec<Target> = carried.map(|row| (user.clone(), row.id)).collect();
        if targets.is_empty() {
            return Ok(held);
        }
        let mut said = self.store.notifications(&targets).await?;
        held.retain_mut(|job| {
            if job.notification.carried_at.is_none() {
                return true;
            }
            let said = said.remove(&(user.clone(), job.notification.id));
            let Some(Ok(row)) = said else {
                return false;
            };
            job.notification = about.marks.apply(row);
            true
        });
        Ok(held)
    }
}

impl Run<'_> {
    /// One push for several notifications, under the id of the newest; one that is alone as it is. Each row remembers the
    /// devices that were told of it, so that a retry, whatever was read meanwhile, leaves out who knows of all of them.
    async fn tell(&self, wanted: &[Wanted<'_>]) -> std::result::Result<(), Reason> {
        let Some((newest, (first, _))) = wanted.first() else {
            return Ok(());
        };
        let traces = wanted.iter().map(|(job, _)| &job.notification.content);
        traces.for_each(|content| metrics::trace(content.traceparent));
        if self.is_late() {
            return Err(Reason::TimeShort);
        }
        let open = wanted.iter().flat_map(|(job, (_, devices))| {
            let knows = |id: &DeviceId| job.notification.outcome.devices.contains_key(id);
            devices.iter().copied().filter(move |(id, _)| !knows(id))
        });
        let devices: BTreeMap<&DeviceId, &Device> = open.collect();
        let alone = wanted.len() == 1;
        let summary = &self.pusher.summary;
        let options = if alone {
            (*first).clone()
        } else {
            let ttl = wanted.iter().map(|(_, (options, _))| options.ttl).max();
            summary.options(wanted.len(), ttl.unwrap_or_default())
        };
        let mut shown = newest.notification.clone();
        // What its own row knows is not all that counts.
        shown.outcome = Outcome::default();
        if !alone {
            shown.content = summary.content(wanted.len());
        }
        let shown = Job {
            user: newest.user,
            notification: shown,
            about: newest.about,
        };
        let (done, open) = self
            .publish(&shown, &options, devices.into_iter().collect())
            .await;
        self.note_refused(newest, &done).await;
        let told = wanted.iter().map(|(job, _)| {
            self.record(job, |outcome| {
                outcome.resume();
                outcome.add(&done);
                if outcome.is_final() {
                    return;
                }
                if open.is_some() {
                    outcome.state = Some(State::Deferred);
                    outcome.reason = Some(Reason::QuietHours.word().to_owned());
                } else {
                    outcome.conclude();
                    if outcome.reason.is_none() && !alone {
                        outcome.reason = Some(Reason::Combined.word().to_owned());
                    }
                }
            })
        });
        let told = stream::iter(told).buffer_unordered(RECORDS);
        let told: Vec<std::result::Result<(), Reason>> = told.collect().await;
        told.into_iter()
            .collect::<std::result::Result<(), Reason>>()?;
        open.map_or(Ok(()), Err)
    }
}
