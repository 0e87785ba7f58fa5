//! Marks going in: of one notification, of a group, of everything up to one. A mark that is set twice
//! changes nothing the second time.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Inbox;
use crate::clock::pause;
use crate::error::{Error, Result};
use crate::id::NotificationId;
use crate::marks::{BEHIND, BroadcastMark, MAX_UNREAD_MARKS, Watermark};
use crate::notification::Notification;
use crate::store::{About, Mark, Rows};

/// The most notifications that a watermark's move marks one by one.
const MAX_MARKED: usize = 100;
/// The rows among which something unread is looked for first: few enough for one read unit.
const GLANCE: usize = 10;
/// Marks on their way at the same time.
const MARKS_IN_FLIGHT: usize = 16;
/// How often a mark that lost a race is set again.
const ROUNDS: u32 = 5;

/// What a watermark's move finds between where it stood and where it is to go.
struct Ahead {
    /// Where it goes.
    reached: NotificationId,
    /// What it may not cover yet, and what is not marked.
    fresh: Vec<NotificationId>,
    /// Whether it covers anything that is not marked.
    any: bool,
}

impl Inbox<'_> {
    /// Changes the marks of one notification, or of one broadcast for this user.
    pub async fn mark(&self, id: NotificationId, mark: Mark) -> Result<Notification> {
        let about = self.store.about(self.user, true).await?;
        if about.user.erases(id.at()) {
            return Err(Error::NotFound);
        }
        let mut marks = about.marks;
        if mark == Mark::Read && marks.reads(id) {
            return self.get(id).await;
        }
        let row = self.mark_one(id, mark).await?;
        let unread = marks.unread.contains(&id);
        if mark == Mark::Unread && marks.covers(id) && !unread {
            let full = marks.unread.len() >= MAX_UNREAD_MARKS;
            let oldest: Vec<_> = marks
                .unread
                .first()
                .filter(|_| full)
                .copied()
                .into_iter()
                .collect();
            self.store.change_unread(self.user, &[id], &oldest).await?;
            marks.unread.insert(id);
        } else if mark == Mark::Read && unread {
            self.store.change_unread(self.user, &[], &[id]).await?;
            marks.unread.remove(&id);
        }
        match row {
            Some(row) => Ok(marks.apply(row)),
            None => self.get(id).await,
        }
    }

    /// Marks a row, or what everyone gets: that is `None`.
    async fn mark_one(&self, id: NotificationId, mark: Mark) -> Result<Option<Notification>> {
        let mut everyones = self.broadcast(id).cloned();
        if everyones.is_none() {
            let marked = self.store.mark(self.user, id, mark, self.now).await;
            let Err(Error::NotFound) = marked else {
                return marked.map(Some);
            };
            everyones = self.unheard(id).await?;
        }
        let everyones = everyones.ok_or(Error::NotFound)?;
        self.mark_broadcast(id, mark).await?;
        if everyones.content.push.topic().is_some() {
            let marked = self.store.mark_carried(self.user, id, mark, self.now);
            marked.await?;
        }
        Ok(None)
    }

    async fn mark_broadcast(&self, id: NotificationId, mark: Mark) -> Result<()> {
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let marks = self.store.about(self.user, true).await?.marks;
            let mut one = marks.broadcasts.get(&id).copied().unwrap_or_default();
            change(&mut one, mark, self.now.as_millisecond());
            match self.store.mark_broadcast(self.user, &marks, id, one).await {
                Err(Error::Conflict(_)) => {}
                done => return done,
            }
        }
        Err(Error::Conflict("the marks change too often"))
    }

    /// Moves a watermark up to `up_to`, or as far as it may go: what is newer is marked one by one,
    /// and if that would be more than [`MAX_MARKED`], the watermark goes further. What was unread
    /// although it was covered is marked one by one, too. Returns the marks as they are then.
    pub async fn mark_up_to(&self, watermark: Watermark, up_to: NotificationId) -> Result<About> {
        let mut about = self.store.about(self.user, true).await?;
        let ahead = self.look_ahead(&about, watermark, up_to).await?;
        let (mark, unread, stood) = match watermark {
            Watermark::Seen => (Mark::Seen, Vec::new(), about.marks.seen_up_to),
            Watermark::Read => {
                let unread = about.marks.unread.range(..=up_to).copied().collect();
                (Mark::Read, unread, about.marks.covered_up_to)
            }
        };
        let singly = [&ahead.fresh[..], &unread].concat();
        // Before the watermark, so that a repeat finds what could not be marked.
        let broadcasts = self.mark_all(singly, mark).await?;
        if stood.is_none_or(|stood| stood < ahead.reached) {
            let read_at = Some(self.now).filter(|_| ahead.any);
            let to = (watermark, ahead.reached, read_at);
            self.store.move_watermark(self.user, to, &unread).await?;
            about.marks.moved(watermark, ahead.reached, read_at);
        } else {
            self.store.change_unread(self.user, &[], &unread).await?;
        }
        if broadcasts {
            return self.store.about(self.user, true).await;
        }
        about.marks.unread.retain(|id| !unread.contains(id));
        Ok(about)
    }

    async fn look_ahead(
        &self,
        about: &About,
        watermark: Watermark,
        up_to: NotificationId,
    ) -> Result<Ahead> {
        let marks = &about.marks;
        let settled = self.now.checked_sub(BEHIND).unwrap_or_default();
        let settled = NotificationId::new(settled, [0; 10]).previous();
        let is_marked = |row: &Notification| {
            let shown = marks.apply(row.clone());
            match watermark {
                Watermark::Seen => marks.is_seen(&shown),
                Watermark::Read => !shown.is_unread(),
            }
        };
        // When something was seen is not shown, so nobody asks whether its watermark covers anything.
        let stood = match watermark {
            Watermark::Seen => Some(settled),
            Watermark::Read => marks.covered_up_to,
        };
        let mut ahead = Ahead {
            reached: up_to.min(settled),
            fresh: Vec::new(),
            any: false,
        };
        let oldest = stood.map(NotificationId::next);
        let mut rows = Rows::new(self.store, self.user, Some(up_to.next()), oldest, true);
        let first = if up_to > settled {
            MAX_MARKED + 1
        } else {
            GLANCE
        };
        rows.read_ahead(first).await?;
        let mut singly = 0;
        while let Some(examined) = rows.next().await? {
            let (id, row) = self.told(examined).await?;
            let row = row.filter(|row| row.is_live(self.now) && !about.user.erases(row.id.at()));
            let open = row.as_ref().is_some_and(|row| !is_marked(row));
            if id > settled && singly < MAX_MARKED {
                singly += usize::from(row.is_some());
                ahead.fresh.extend(open.then_some(id));
                continue;
            }
            ahead.reached = ahead.reached.max(id);
            if open || watermark == Watermark::Seen {
                ahead.any = true;
                break;
            }
        }
        // What was not looked at may hold something.
        ahead.any |= rows.is_cut();
        let newer = self
            .broadcasts
            .iter()
            .filter(|b| b.id <= up_to && stood.is_none_or(|stood| b.id > stood));
        for broadcast in newer.filter(|broadcast| !is_marked(broadcast)) {
            if broadcast.id > ahead.reached {
                ahead.fresh.push(broadcast.id);
            } else {
                ahead.any = true;
            }
        }
        Ok(ahead)
    }

    /// Marks what is unread of a group, among the newest rows, as read.
    pub async fn mark_group(&self, group: &str) -> Result<()> {
        let about = self.store.about(self.user, true).await?;
        let whole = Inbox {
            consistent: true,
            ..*self
        };
        let mut merged = whole.merged(None, None);
        let mut unread = Vec::new();
        while let Some((id, row)) = merged.next().await? {
            let visible = row.and_then(|row| self.visible(&about, row));
            let of_group = |n: &Notification| n.content.group.as_deref() == Some(group);
            let is_wanted = visible.is_some_and(|n| of_group(&n) && n.is_unread());
            unread.extend(is_wanted.then_some(id));
        }
        let again = unread.iter().filter(|id| about.marks.unread.contains(id));
        let again: Vec<_> = again.copied().collect();
        self.mark_all(unread, Mark::Read).await?;
        self.store.change_unread(self.user, &[], &again).await
    }

    /// Marks several; what is gone meanwhile needs no mark. Returns whether everyone gets some of it.
    async fn mark_all(&self, ids: Vec<NotificationId>, mark: Mark) -> Result<bool> {
        let marks = stream::iter(ids)
            .map(|id| async move {
                match self.mark_one(id, mark).await {
                    Ok(row) => Ok(row.is_none()),
                    Err(Error::NotFound) => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(MARKS_IN_FLIGHT);
        marks.try_fold(false, async |any, one| Ok(any || one)).await
    }
}

fn change(one: &mut BroadcastMark, mark: Mark, now: i64) {
    match mark {
        Mark::Read => {
            one.read_at.get_or_insert(now);
        }
        Mark::Unread => one.read_at = None,
        Mark::Archived => {
            one.archived_at.get_or_insert(now);
        }
        Mark::Unarchived => one.archived_at = None,
        Mark::Seen => {
            one.seen_at.get_or_insert(now);
        }
    }
}
