//! Who gets a push: which of a user's devices, or why none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::deliver::{Job, Run};
use crate::device::Device;
use crate::devices::remove_silent;
use crate::id::{DeviceId, NotificationId, UserId};
use crate::notification::Notification;
use crate::outcome::{Outcome, Reason, State};
use crate::push_options::{Options, Priority, Push};
use crate::store::{Rows, User};

/// A device that has not registered for this long gets no pushes: 60 days. An app registers at
/// each start, and a registration that changes nothing is written down once in 7 days.
const SILENT_MS: i64 = 60 * 86_400_000;
/// A device that has not registered for this long is removed when it is met: 270 days, after which
/// Firebase takes its token for expired too.
const FORGOTTEN_MS: i64 = 270 * 86_400_000;
/// The rows of a user that the cap of a group looks at.
const CAP_ROWS: usize = 50;
/// The time in which pushes of a group are counted, in milliseconds.
const CAP_MS: i64 = 3_600_000;

/// How a push goes, and to which devices.
pub(super) type Planned<'n> = (&'n Options, Vec<(&'n DeviceId, &'n Device)>);

/// How a push ends that is not sent.
pub(super) type End = (State, Option<Reason>);

/// The groups of a batch, each with the number of its pushes of the last hour.
pub(super) type Groups = std::collections::HashMap<(UserId, String), Arc<OnceCell<AtomicUsize>>>;

impl Run<'_> {
    /// Which devices get it; or how it ends without any.
    pub(super) fn plan<'n>(&'n self, job: &'n Job) -> Result<Planned<'n>, End> {
        let notification = &job.notification;
        let skipped = |reason| Err((State::Skipped, Some(reason)));
        let options = match &notification.content.push {
            Push::Off => return skipped(Reason::PushOff),
            Push::On(options) => options,
        };
        if notification.read_at.is_some() {
            return skipped(Reason::Read);
        }
        if notification.archived_at.is_some() {
            return skipped(Reason::Archived);
        }
        if self.ttl_left(notification, options) == 0 {
            return Err((State::Expired, None));
        }
        let user = job.about.map(|about| &about.user);
        let now = self.clock.now();
        if let Some(reason) = user.and_then(|user| unwanted(user, notification, now)) {
            return skipped(reason);
        }
        let all: Vec<_> = user.into_iter().flat_map(User::live_devices).collect();
        if all.is_empty() {
            return Err((State::NoDevice, None));
        }
        let heard = all.into_iter().filter(|(_, d)| silence(d, now) < SILENT_MS);
        let heard: Vec<_> = heard.collect();
        if heard.is_empty() {
            return Err((State::NoDevice, Some(Reason::Silent)));
        }
        let origin = notification.content.origin_device.as_ref();
        let devices = heard.into_iter().filter(|(id, _)| Some(*id) != origin);
        let devices: Vec<_> = devices.collect();
        if devices.is_empty() {
            return skipped(Reason::OriginDevice);
        }
        Ok((options, devices))
    }

    /// Whether the notification's group had its pushes of this hour. One that is not capped counts,
    /// so that two of a batch count as two. What shows nothing is neither capped nor counted, and
    /// a push that some device has is finished.
    pub(super) async fn is_capped(
        &self,
        job: &Job<'_>,
        options: &Options,
        before: &Outcome,
    ) -> Result<bool, Reason> {
        let cap = self.pusher.limits.group_cap;
        let content = &job.notification.content;
        let Some(group) = content.group.as_ref().filter(|_| cap > 0) else {
            return Ok(false);
        };
        if options.silent || options.priority == Priority::Critical || !before.devices.is_empty() {
            return Ok(false);
        }
        let key = (job.user.clone(), group.clone());
        let counted = self.groups().entry(key).or_default().clone();
        let pushed = counted.get_or_try_init(|| async {
            let pushed = self.pushed_this_hour(job.user, group, job.notification.id);
            // On the heap: the future is large, and few pushes need it.
            Box::pin(pushed).await.map(AtomicUsize::new)
        });
        let pushed = pushed.await.map_err(|error| {
            tracing::warn!(error = %error.chain(), "the pushes of a group are not counted");
            Reason::Table
        })?;
        Ok(pushed.fetch_add(1, Ordering::Relaxed) >= cap)
    }

    /// The pushes of a group that were sent, among the user's newest rows of the last hour.
    async fn pushed_this_hour(
        &self,
        user: &UserId,
        group: &str,
        own: NotificationId,
    ) -> crate::error::Result<usize> {
        let since = self.clock.now().as_millisecond() - CAP_MS;
        let since = Timestamp::from_millisecond(since).unwrap_or_default();
        let oldest = NotificationId::new(since, [0; 10]);
        let mut rows = Rows::new(&self.pusher.store, user, None, Some(oldest), false);
        rows.read_ahead(CAP_ROWS).await?;
        let (mut sent, mut carried) = (Vec::new(), Vec::new());
        for _ in 0..CAP_ROWS {
            let Some((id, row)) = rows.next().await? else {
                break;
            };
            let row = row.filter(|row| id != own && is_sent(row));
            match row {
                Some(row) if row.carried_at.is_some() => carried.push((user.clone(), id)),
                row => sent.extend(row),
            }
        }
        if !carried.is_empty() {
            // What they carry is said elsewhere.
            let said = self.pusher.store.notifications(&carried).await?;
            sent.extend(said.into_values().flatten());
        }
        Ok(sent.iter().filter(|row| is_shown(row, group)).count())
    }

    /// Removes the user's devices that nobody uses any more, if time is left for it.
    pub(super) async fn forget_devices(&self, job: &Job<'_>) {
        let now = self.clock.now();
        let user = job.about.map(|about| &about.user);
        let devices = user.into_iter().flat_map(User::devices);
        for (id, device) in devices.filter(|(_, d)| silence(d, now) >= FORGOTTEN_MS) {
            let (store, sns) = (&self.pusher.store, &self.pusher.sns);
            let removal = remove_silent(store, sns, job.user, id, device, now);
            match tokio::time::timeout(self.time_left(), removal).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = %error.chain(), "a silent device is not removed");
                }
                Err(_) => return,
            }
        }
    }
}

/// How long a device has not registered, in milliseconds.
fn silence(device: &Device, now: Timestamp) -> i64 {
    now.as_millisecond().saturating_sub(device.last_seen)
}

fn is_sent(row: &Notification) -> bool {
    matches!(row.outcome.state, Some(State::Sent | State::Partial))
}

fn is_shown(row: &Notification, group: &str) -> bool {
    !row.content.push.is_silent() && row.content.group.as_deref() == Some(group)
}

/// Why a user does not want a push; `None` if it is wanted.
fn unwanted(user: &User, notification: &Notification, now: Timestamp) -> Option<Reason> {
    let content = &notification.content;
    let actor = content.actor.as_ref().map(|actor| &actor.id);
    if user.mutes().is_muted(actor, content.group.as_deref(), now) {
        return Some(Reason::Muted);
    }
    (!user.preferences().pushes(&content.kind)).then_some(Reason::Preferences)
}
