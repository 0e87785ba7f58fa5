//! The end of quiet hours: one push that tells of all that was held back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::deliver::{Job, Pusher, Run};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{NotificationId, UserId};
use crate::notification::{Content, Notification};
use crate::outcome::{Outcome, Reason};
use crate::push_options::{Options, Push, Text};
use crate::store::{About, Rows};
use crate::task::{Later, Task};

/// The type that a push for several notifications has.
const KIND: &str = "tidings.summary";
/// What stands for their number in its text.
const COUNT: &str = "{count}";

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

    fn of(&self, newest: &Notification, count: usize) -> Notification {
        let counted = |title: &str| title.replace(COUNT, &count.to_string());
        let locales = self.locales.iter().map(|(tag, title)| {
            let title = Some(counted(title));
            (tag.clone(), Text { title, body: None })
        });
        let content = Content {
            kind: KIND.to_owned(),
            title: Some(counted(&self.title)),
            body: None,
            actor: None,
            group: None,
            link: None,
            image: None,
            data: Some(Map::from_iter([("count".to_owned(), Value::from(count))])),
            occurred_at: None,
            origin_device: None,
            push: Push::On(Options {
                locales: locales.collect(),
                ..Options::default()
            }),
        };
        Notification {
            content,
            ..newest.clone()
        }
    }
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
        let mut wanted = Vec::new();
        for job in &held {
            match run.plan(job) {
                Ok(_) => wanted.push(job),
                Err((state, reason)) => run.end(job, state, reason).await?,
            }
        }
        match wanted[..] {
            [] => Ok(()),
            [job] => run.push(job).await,
            [newest, ..] => run.combine(newest, &wanted).await,
        }
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
                held.extend(row.filter(waits).map(|row| Job {
                    user,
                    notification: about.marks.apply(row),
                    about: Some(about),
                }));
            }
            if !rows.is_cut() {
                return Ok(held);
            }
        }
    }
}

impl Run<'_> {
    /// One push for several notifications, under the id of the newest, whose row remembers the devices
    /// that have had it until all the others say so.
    async fn combine(&self, newest: &Job<'_>, all: &[&Job<'_>]) -> std::result::Result<(), Reason> {
        let summary = self.pusher.summary.of(&newest.notification, all.len());
        let shown = Job {
            user: newest.user,
            notification: summary,
            about: newest.about,
        };
        let (options, devices) = match self.plan(&shown) {
            Ok(planned) => planned,
            Err((state, reason)) => {
                let ends = all.iter().map(|job| self.end(job, state, reason));
                return join_all(ends).await.into_iter().collect();
            }
        };
        let (done, open) = self.publish(&shown, options, devices).await;
        let state = newest.notification.outcome.state;
        let remember = |outcome: &mut Outcome| {
            outcome.resume();
            outcome.add(&done);
            outcome.state = state;
            outcome.reason = Some(Reason::QuietHours.word().to_owned());
        };
        self.record(newest, remember).await?;
        if let Some(reason) = open {
            return Err(reason);
        }
        let mut told = newest.notification.outcome.clone();
        told.resume();
        told.add(&done);
        told.conclude();
        told.reason = Some(Reason::Combined.word().to_owned());
        let end = |outcome: &mut Outcome| {
            if !outcome.is_final() {
                let at = outcome.at;
                *outcome = Outcome { at, ..told.clone() };
            }
        };
        let others = all
            .iter()
            .filter(|job| job.notification.id != newest.notification.id);
        let others = others.map(|job| self.record(job, end));
        join_all(others)
            .await
            .into_iter()
            .collect::<std::result::Result<(), Reason>>()?;
        self.record(newest, end).await
    }
}
