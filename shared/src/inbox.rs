//! An inbox as its user sees it: rows and broadcasts merged, marks and settings applied.

use std::iter::Peekable;
use std::slice;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use futures_util::try_join;
use jiff::Timestamp;

use crate::clock::pause;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::fold::{Entry, Fold};
use crate::id::{NotificationId, UserId};
use crate::marks::{BEHIND, BroadcastMark, Watermark};
use crate::notification::Notification;
use crate::store::{About, Examined, Mark, Rows, Store};

/// The highest count that is told exactly.
const MAX_COUNT: usize = 99;
/// The most notifications that a watermark's move marks one by one.
const MAX_MARKED: usize = 100;
/// Marks on their way at the same time.
const MARKS_IN_FLIGHT: usize = 16;
/// How often a mark that lost a race is set again.
const ROUNDS: u32 = 5;

/// How many notifications of an inbox are new to its user; lower bounds if `capped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Not opened, and above the read watermark.
    pub unread: usize,
    /// Not opened, and in no list that was opened.
    pub unseen: usize,
    /// Whether there may be more.
    pub capped: bool,
}

/// A page of an inbox.
pub struct Page {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// The last row that was examined for it, if more may follow.
    pub next: Option<NotificationId>,
    /// The counts of the whole inbox.
    pub counts: Counts,
}

/// Which page.
pub struct PageRequest<'p> {
    /// What is shown.
    pub filter: &'p Filter,
    /// Where the page before ended.
    pub before: Option<NotificationId>,
    /// The most entries.
    pub limit: usize,
    /// Whether notifications of one group are one entry.
    pub grouped: bool,
}

/// One user's inbox at one moment.
pub struct Inbox<'i> {
    /// The table.
    pub store: &'i Store,
    /// Whose.
    pub user: &'i UserId,
    /// When.
    pub now: Timestamp,
    /// Whether what was written a moment ago must be there.
    pub consistent: bool,
    /// What everyone gets, newest first.
    pub broadcasts: &'i [Notification],
}

/// Rows and broadcasts, newest first.
struct Merged<'i> {
    rows: Rows<'i>,
    row: Option<Examined>,
    broadcasts: Peekable<slice::Iter<'i, Notification>>,
    last: Option<NotificationId>,
}

impl Merged<'_> {
    async fn next(&mut self) -> Result<Option<Examined>> {
        if self.row.is_none() {
            self.row = self.rows.next().await?;
        }
        let row = self.row.as_ref().map(|(id, _)| *id);
        let broadcast = self.broadcasts.peek().map(|broadcast| broadcast.id);
        // Below the last row that was examined, rows may come before a broadcast.
        let open = row.is_none() && self.rows.is_cut();
        let next = match (row, broadcast) {
            (row, Some(id)) if row.is_none_or(|row| row < id) => {
                if open && self.last.is_some_and(|last| id < last) {
                    return Ok(None);
                }
                self.broadcasts
                    .next()
                    .map(|broadcast| (id, Some(broadcast.clone())))
            }
            _ => self.row.take(),
        };
        self.last = next.as_ref().map(|(id, _)| *id).or(self.last);
        Ok(next)
    }

    fn is_cut(&self) -> bool {
        self.row.is_some() || self.rows.is_cut()
    }
}

/// Counts rows from the newest down.
struct Counter {
    counts: Counts,
    done: bool,
}

impl Counter {
    fn add(&mut self, about: &About, id: NotificationId, visible: Option<&Notification>) {
        if about
            .marks
            .counted_down_to()
            .is_some_and(|floor| id <= floor)
        {
            self.done = true;
        }
        let Some(notification) = visible.filter(|n| !self.done && n.archived_at.is_none()) else {
            return;
        };
        if notification.is_unread() && !about.marks.covers(id) {
            self.counts.unread += 1;
        }
        if !about.marks.is_seen(notification) {
            self.counts.unseen += 1;
        }
        if self.counts.unread.max(self.counts.unseen) > MAX_COUNT {
            self.counts.unread = self.counts.unread.min(MAX_COUNT);
            self.counts.unseen = self.counts.unseen.min(MAX_COUNT);
            self.counts.capped = true;
            self.done = true;
        }
    }
}

impl<'i> Inbox<'i> {
    /// A page with the counts. The first page of an inbox and its counts share their reads.
    pub async fn page(&self, request: PageRequest<'_>) -> Result<Page> {
        let filter = request.filter;
        let until = filter
            .until
            .map(|until| NotificationId::new(until, [0; 10]));
        let before = match (request.before, until) {
            (Some(before), Some(until)) => Some(before.min(until)),
            (before, until) => before.or(until),
        };
        let oldest = filter
            .since
            .map(|since| NotificationId::new(since, [0; 10]));
        let mut merged = self.merged(before, oldest);
        let whole = before.is_none() && oldest.is_none();
        // One row more than asked for tells whether anything follows.
        let ahead = merged.rows.read_ahead(request.limit + 1);
        let (about, ()) = try_join!(self.store.about(self.user, self.consistent), ahead)?;
        let mut counter = Counter {
            counts: Counts::default(),
            done: !whole,
        };
        let mut fold = Fold::new(request.limit, request.grouped);
        let (mut last, mut full) = (None, false);
        while let Some((id, row)) = merged.next().await? {
            let visible = row.and_then(|row| self.visible(&about, row));
            counter.add(&about, id, visible.as_ref());
            if !full {
                full = visible.is_some_and(|n| filter.matches(&n) && !fold.push(n));
                last = if full { last } else { Some(id) };
            }
            if full && counter.done {
                break;
            }
        }
        if whole {
            counter.counts.capped |= !counter.done && merged.is_cut();
        } else {
            counter.counts = self.count(&about).await?;
        }
        Ok(Page {
            entries: fold.entries(),
            next: last.filter(|_| full || merged.is_cut()),
            counts: counter.counts,
        })
    }

    /// The counts alone.
    pub async fn counts(&self) -> Result<Counts> {
        let about = self.store.about(self.user, self.consistent).await?;
        self.count(&about).await
    }

    /// The counts, for who has read what is kept of the user.
    pub async fn count(&self, about: &About) -> Result<Counts> {
        let floor = about.marks.counted_down_to();
        let mut merged = self.merged(None, floor.map(NotificationId::next));
        let mut counter = Counter {
            counts: Counts::default(),
            done: false,
        };
        while !counter.done {
            let Some((id, row)) = merged.next().await? else {
                counter.counts.capped |= merged.is_cut();
                break;
            };
            let visible = row.and_then(|row| self.visible(about, row));
            counter.add(about, id, visible.as_ref());
        }
        Ok(counter.counts)
    }

    /// One notification, or one broadcast.
    pub async fn get(&self, id: NotificationId) -> Result<Notification> {
        let row = async {
            match self.store.get_notification(self.user, id, self.now).await {
                Err(Error::NotFound) => self.broadcast(id).cloned().ok_or(Error::NotFound),
                found => found,
            }
        };
        let (about, notification) = try_join!(self.store.about(self.user, true), row)?;
        Ok(about.marks.apply(notification))
    }

    /// Changes the marks of one notification, or of one broadcast for this user.
    pub async fn mark(&self, id: NotificationId, mark: Mark) -> Result<Notification> {
        if self.broadcast(id).is_none() {
            let row = self.store.mark(self.user, id, mark, self.now);
            let (row, about) = try_join!(row, self.store.about(self.user, true))?;
            return Ok(about.marks.apply(row));
        }
        for round in 0..ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let marks = self.store.about(self.user, true).await?.marks;
            let mut one = marks.broadcasts.get(&id).copied().unwrap_or_default();
            change(&mut one, mark, self.now.as_millisecond());
            match self.store.mark_broadcast(self.user, &marks, id, one).await {
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
                Ok(()) => return self.get(id).await,
            }
        }
        Err(Error::Conflict("the marks change too often"))
    }

    /// Moves a watermark up to `up_to`, or as far as it may go: what is newer is marked one by one,
    /// and if that would be more than [`MAX_MARKED`], the watermark goes further.
    pub async fn mark_up_to(&self, watermark: Watermark, up_to: NotificationId) -> Result<()> {
        let settled = self.now.checked_sub(BEHIND).unwrap_or_default();
        let settled = NotificationId::new(settled, [0; 10]).previous();
        if up_to <= settled {
            let moved = self
                .store
                .move_watermark(self.user, watermark, up_to, self.now);
            return moved.await;
        }
        let (oldest, newest) = (settled.next(), up_to.next());
        let mut rows = Rows::new(self.store, self.user, Some(newest), Some(oldest), true);
        rows.read_ahead(MAX_MARKED + 1).await?;
        let mut fresh = Vec::new();
        let mut reached = settled;
        while let Some((id, row)) = rows.next().await? {
            if fresh.len() == MAX_MARKED {
                reached = id;
                break;
            }
            fresh.extend(row);
        }
        let mark = match watermark {
            Watermark::Seen => Mark::Seen,
            Watermark::Read => Mark::Read,
        };
        let moved = self
            .store
            .move_watermark(self.user, watermark, reached, self.now);
        let ((), ()) = try_join!(self.mark_all(fresh, mark), moved)?;
        for broadcast in self
            .broadcasts
            .iter()
            .filter(|b| b.id > reached && b.id <= up_to)
        {
            self.mark(broadcast.id, mark).await?;
        }
        Ok(())
    }

    /// Marks what is unread of a group, among the newest rows, as read.
    pub async fn mark_group(&self, group: &str) -> Result<()> {
        let about = self.store.about(self.user, true).await?;
        let mut merged = self.merged(None, None);
        let mut unread = Vec::new();
        while let Some((_, row)) = merged.next().await? {
            let visible = row.and_then(|row| self.visible(&about, row));
            let of_group = |n: &Notification| n.content.group.as_deref() == Some(group);
            unread.extend(visible.filter(|n| of_group(n) && n.is_unread()));
        }
        self.mark_all(unread, Mark::Read).await.map(drop)
    }

    /// Marks several; what is gone meanwhile needs no mark.
    async fn mark_all(&self, notifications: Vec<Notification>, mark: Mark) -> Result<()> {
        let marks = stream::iter(notifications)
            .map(|notification| async move {
                let marked = if self.broadcast(notification.id).is_some() {
                    self.mark(notification.id, mark).await
                } else {
                    self.store
                        .mark(self.user, notification.id, mark, self.now)
                        .await
                };
                match marked {
                    Ok(_) | Err(Error::NotFound) => Ok(()),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(MARKS_IN_FLIGHT);
        marks.try_for_each(async |()| Ok(())).await
    }

    fn merged(&self, before: Option<NotificationId>, oldest: Option<NotificationId>) -> Merged<'i> {
        let newest_first = self.broadcasts;
        let skipped = before.map_or(0, |before| newest_first.partition_point(|b| b.id >= before));
        let kept = oldest.map_or(newest_first.len(), |oldest| {
            newest_first.partition_point(|b| b.id >= oldest)
        });
        Merged {
            rows: Rows::new(self.store, self.user, before, oldest, self.consistent),
            row: None,
            broadcasts: newest_first[skipped.min(kept)..kept].iter().peekable(),
            last: before,
        }
    }

    /// A row as its user sees it, if the user is to see it at all.
    fn visible(&self, about: &About, row: Notification) -> Option<Notification> {
        let content = &row.content;
        let actor = content.actor.as_ref().map(|actor| &actor.id);
        let group = content.group.as_deref();
        let muted = about.user.mutes().is_muted(actor, group, self.now);
        let wanted = about.user.preferences().in_inbox(&content.kind);
        (row.is_live(self.now) && wanted && !muted).then(|| about.marks.apply(row))
    }

    fn broadcast(&self, id: NotificationId) -> Option<&'i Notification> {
        let mut live = self.broadcasts.iter().filter(|b| b.is_live(self.now));
        live.find(|broadcast| broadcast.id == id)
    }
}

fn change(one: &mut BroadcastMark, mark: Mark, now: i64) {
    match mark {
        Mark::Read => {
            one.read_at.get_or_insert(now);
            one.unread_at = None;
        }
        Mark::Unread => {
            one.read_at = None;
            one.unread_at = Some(now);
        }
        Mark::Archived => {
            one.archived_at.get_or_insert(now);
        }
        Mark::Unarchived => one.archived_at = None,
        Mark::Seen => {
            one.seen_at.get_or_insert(now);
        }
    }
}
