//! An inbox as its user sees it: rows and broadcasts merged, marks and settings applied.

mod marking;

use std::iter::Peekable;
use std::slice;
use std::time::Duration;

use futures_util::try_join;
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::fold::{Entry, Fold};
use crate::id::{NotificationId, UserId};
use crate::notification::Notification;
use crate::store::{About, Examined, Rows, Store};

/// The highest count that is told exactly.
const MAX_COUNT: usize = 99;
/// For so long after it was accepted an instance may not know of what everyone gets: it goes on for 10 seconds with what it
/// has read, and clocks differ.
const NEW: Duration = Duration::from_secs(15);

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
#[derive(Clone, Copy)]
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
    inbox: Inbox<'i>,
    rows: Rows<'i>,
    row: Option<Examined>,
    broadcasts: Peekable<slice::Iter<'i, Notification>>,
    last: Option<NotificationId>,
}

impl Merged<'_> {
    async fn next(&mut self) -> Result<Option<Examined>> {
        if self.row.is_none()
            && let Some(examined) = self.rows.next().await?
        {
            self.row = Some(self.inbox.told(examined).await?);
        }
        let row = self.row.as_ref().map(|(id, _)| *id);
        let broadcast = self.broadcasts.peek().map(|broadcast| broadcast.id);
        // Below the last row that was examined, rows may come before a broadcast.
        let open = row.is_none() && self.rows.is_cut();
        let next = match (row, broadcast) {
            (row, Some(id)) if row.is_none_or(|row| row <= id) => {
                if open && self.last.is_some_and(|last| id < last) {
                    return Ok(None);
                }
                // What carries its push to this user is no other one.
                self.row.take_if(|(row, _)| *row == id);
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
        self.done |= about.marks.covers(id);
        let Some(notification) = visible.filter(|n| !self.done && n.archived_at.is_none()) else {
            return;
        };
        if notification.is_unread() {
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
        // On the heap: the futures are large, and moved.
        let ahead = Box::pin(merged.rows.read_ahead(request.limit + 1));
        let about = Box::pin(self.store.about(self.user, self.consistent));
        let (about, ()) = self.store.pair(about, ahead).await?;
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
        let floor = about.marks.covered_up_to;
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
                Err(Error::NotFound) => self.everyones(id).await?.ok_or(Error::NotFound),
                found => found,
            }
        };
        let (about, notification) = try_join!(self.store.about(self.user, true), row)?;
        if about.user.erases(id.at()) {
            return Err(Error::NotFound);
        }
        Ok(about.marks.apply(notification))
    }

    fn merged(&self, before: Option<NotificationId>, oldest: Option<NotificationId>) -> Merged<'i> {
        let newest_first = self.broadcasts;
        let skipped = before.map_or(0, |before| newest_first.partition_point(|b| b.id >= before));
        let kept = oldest.map_or(newest_first.len(), |oldest| {
            newest_first.partition_point(|b| b.id >= oldest)
        });
        Merged {
            inbox: *self,
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
        let erased = about.user.erases(row.id.at());
        (row.is_live(self.now) && wanted && !muted && !erased).then(|| about.marks.apply(row))
    }

    /// A row as what it is to its user. One that carries a push is what everyone gets, if only its push is known here yet.
    async fn told(&self, (id, row): Examined) -> Result<Examined> {
        if row.as_ref().is_none_or(|row| row.carried_at.is_none()) {
            return Ok((id, row));
        }
        if self.broadcast(id).is_some() {
            return Ok((id, None));
        }
        Ok((id, self.unheard(id).await?))
    }

    /// What everyone gets, known or unheard.
    async fn everyones(&self, id: NotificationId) -> Result<Option<Notification>> {
        match self.broadcast(id) {
            Some(known) => Ok(Some(known.clone())),
            None => self.unheard(id).await,
        }
    }

    /// What everyone gets that is too new to be known here, and is pushed to this user.
    async fn unheard(&self, id: NotificationId) -> Result<Option<Notification>> {
        if self.now.duration_since(id.at()).unsigned_abs() > NEW {
            return Ok(None);
        }
        self.store.carried(self.user, id).await
    }

    fn broadcast(&self, id: NotificationId) -> Option<&'i Notification> {
        let mut live = self.broadcasts.iter().filter(|b| b.is_live(self.now));
        live.find(|broadcast| broadcast.id == id)
    }
}
