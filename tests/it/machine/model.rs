//! What an inbox should be: one user's rows, marks, mutes and keys in memory, and the design's rules over them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::id::{NotificationId, UserId};
use shared::notification::Notification;

/// The highest count that is told exactly.
const MAX_COUNT: usize = 99;
/// The most rows that a watermark marks one by one.
const MAX_MARKED: usize = 100;
/// How far the watermarks stay behind the clock, in milliseconds.
const BEHIND: i64 = 5_000;

/// A row; one that was taken back stays as a tombstone.
pub struct Row {
    pub notification: Notification,
    pub retracted: bool,
}

/// A change of one row's marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Read,
    Unread,
    Archived,
    Unarchived,
    Seen,
}

/// What a list shows.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `unread`, `read`, `archived`, `all`; empty for what is not archived.
    pub status: &'static str,
    pub kind: Option<String>,
    pub group: Option<String>,
    pub actor: Option<String>,
}

/// One user, as the model has it.
pub struct Person {
    pub id: UserId,
    pub rows: BTreeMap<NotificationId, Row>,
    pub read_up_to: Option<(NotificationId, Timestamp)>,
    pub covered_up_to: Option<NotificationId>,
    pub seen_up_to: Option<NotificationId>,
    /// What was marked as unread after mark-all had covered it.
    pub unread: BTreeSet<NotificationId>,
    /// Kind and id, until when.
    pub mutes: BTreeMap<(&'static str, String), Option<i64>>,
    /// Types that the preferences keep out of the inbox.
    pub unwanted: BTreeSet<String>,
    pub dedupe: BTreeMap<String, NotificationId>,
    /// Where the list was left, if it is being read.
    pub place: Option<NotificationId>,
}

impl Person {
    pub fn new(id: UserId) -> Person {
        Person {
            id,
            rows: BTreeMap::new(),
            read_up_to: None,
            covered_up_to: None,
            seen_up_to: None,
            unread: BTreeSet::new(),
            mutes: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            dedupe: BTreeMap::new(),
            place: None,
        }
    }

    /// A row that is neither gone nor over.
    pub fn live(&self, id: NotificationId, now: Timestamp) -> Option<&Notification> {
        let row = self.rows.get(&id).filter(|row| !row.retracted)?;
        (now.as_second() < row.notification.expires_at).then_some(&row.notification)
    }

    /// A row as its user sees it: what the watermark covers is read, unless it was marked unread since.
    pub fn shown(&self, id: NotificationId, now: Timestamp) -> Option<Notification> {
        let mut shown = self.live(id, now)?.clone();
        if let Some((up_to, moved)) = self.read_up_to
            && shown.read_at.is_none()
            && id <= up_to
            && !self.unread.contains(&id)
        {
            shown.read_at = Some(moved);
        }
        Some(shown)
    }

    /// Every row that the user is to see below `before`, newest first.
    fn visible(
        &self,
        before: Option<NotificationId>,
        now: Timestamp,
    ) -> impl Iterator<Item = Notification> {
        let ids = self.rows.keys().rev().copied();
        let older = ids.filter(move |id| before.is_none_or(|before| *id < before));
        older
            .filter_map(move |id| self.shown(id, now))
            .filter(move |n| {
                let actor = n
                    .content
                    .actor
                    .as_ref()
                    .map(|actor| actor.id.as_str().to_owned());
                let muted = |kind, id: Option<String>| {
                    let until = id.and_then(|id| self.mutes.get(&(kind, id)));
                    until
                        .is_some_and(|until| until.is_none_or(|until| now.as_millisecond() < until))
                };
                !self.unwanted.contains(&n.content.kind)
                    && !muted("actor", actor)
                    && !muted("group", n.content.group.clone())
            })
    }

    /// What a list shows below `before`, newest first.
    pub fn list(
        &self,
        wanted: &Wanted,
        before: Option<NotificationId>,
        now: Timestamp,
    ) -> Vec<Notification> {
        let matching = self.visible(before, now).filter(|n| {
            let (archived, read) = (n.archived_at.is_some(), n.read_at.is_some());
            let by_status = match wanted.status {
                "unread" => !archived && !read,
                "read" => !archived && read,
                "archived" => archived,
                "all" => true,
                _ => !archived,
            };
            let actor = n.content.actor.as_ref().map(|actor| actor.id.as_str());
            by_status
                && wanted
                    .kind
                    .as_ref()
                    .is_none_or(|kind| n.content.kind == *kind)
                && wanted
                    .group
                    .as_ref()
                    .is_none_or(|group| n.content.group.as_ref() == Some(group))
                && wanted
                    .actor
                    .as_ref()
                    .is_none_or(|wanted| actor == Some(wanted))
        });
        matching.collect()
    }

    /// How many are unread, and how many unseen: neither archived nor behind the watermark.
    pub fn counts(&self, now: Timestamp) -> (usize, usize) {
        let inbox: Vec<Notification> = self
            .visible(None, now)
            .filter(|n| n.archived_at.is_none())
            .collect();
        let unread = inbox
            .iter()
            .filter(|n| n.read_at.is_none() && !self.covers(n.id));
        let unseen = inbox.iter().filter(|n| !self.is_seen(n));
        (unread.count(), unseen.count())
    }

    fn covers(&self, id: NotificationId) -> bool {
        self.covered_up_to.is_some_and(|up_to| id <= up_to)
    }

    /// What mark-all covered was seen, too.
    fn is_seen(&self, n: &Notification) -> bool {
        let covered = self.seen_up_to.is_some_and(|up_to| n.id <= up_to) || self.covers(n.id);
        n.read_at.is_some() || n.seen_at.is_some() || covered
    }

    /// Changes a live row; doing it twice changes nothing.
    pub fn change(
        &mut self,
        id: NotificationId,
        change: Change,
        now: Timestamp,
    ) -> Option<Notification> {
        let shown = self.shown(id, now)?;
        let covered = self.covers(id);
        let row = &mut self.rows.get_mut(&id)?.notification;
        match change {
            Change::Read if shown.read_at.is_some() => {}
            Change::Read => {
                row.read_at = Some(now);
                self.unread.remove(&id);
            }
            Change::Unread => {
                row.read_at = None;
                if covered {
                    self.unread.insert(id);
                }
            }
            Change::Archived => row.archived_at = row.archived_at.or(Some(now)),
            Change::Unarchived => row.archived_at = None,
            Change::Seen => row.seen_at = row.seen_at.or(Some(now)),
        }
        self.shown(id, now)
    }

    /// Moves a watermark: to 5 s behind the clock at most, and what is newer is marked one by one; beyond 100 of
    /// those the watermark moves on. It says when it moved only of what had not been read before.
    pub fn mark_up_to(&mut self, read: bool, up_to: NotificationId, now: Timestamp) {
        let settled = Timestamp::from_millisecond(now.as_millisecond() - BEHIND).unwrap();
        let settled = NotificationId::new(settled, [0; 10]).previous();
        let stood = if read {
            self.covered_up_to
        } else {
            Some(settled)
        };
        let newer = self.rows.keys().rev().copied();
        let newer = newer.filter(|id| *id <= up_to && stood.is_none_or(|stood| *id > stood));
        let (mut reached, mut any, mut fresh) = (up_to.min(settled), false, Vec::new());
        for id in newer.collect::<Vec<_>>() {
            let live = self.live(id, now).is_some();
            if id > settled && fresh.len() < MAX_MARKED {
                fresh.extend(live.then_some(id));
                continue;
            }
            reached = reached.max(id);
            any |= self.shown(id, now).is_some_and(|n| n.read_at.is_none());
        }
        for id in fresh {
            let seen = self.shown(id, now).is_some_and(|n| self.is_seen(&n));
            if read || !seen {
                self.change(id, if read { Change::Read } else { Change::Seen }, now);
            }
        }
        if !read {
            self.seen_up_to = self.seen_up_to.max(Some(reached));
            return;
        }
        // What is unread again, though it was covered, is read again.
        let unread: Vec<_> = self.unread.range(..=up_to).copied().collect();
        for id in unread {
            self.change(id, Change::Read, now);
            self.unread.remove(&id);
        }
        if self.covered_up_to < Some(reached) {
            self.covered_up_to = Some(reached);
            if any {
                self.read_up_to = Some((reached, now));
            }
        }
    }
}

/// Compares counts with what they should be: exact up to 99, then lower bounds; always lower bounds if not `whole`.
pub fn check_counts(
    expected: (usize, usize),
    found: (usize, usize, bool),
    whole: bool,
) -> Result<(), String> {
    let (unread, unseen, capped) = found;
    let exact = (unread, unseen) == expected && !capped;
    let lower =
        capped && unread <= expected.0.min(MAX_COUNT) && unseen <= expected.1.min(MAX_COUNT);
    let beyond = expected.0.max(expected.1) > MAX_COUNT && unread.max(unseen) == MAX_COUNT;
    if exact && expected.0.max(expected.1) <= MAX_COUNT || lower && (beyond || !whole) {
        return Ok(());
    }
    Err(format!("counts\nexpected {expected:?}\nfound {found:?}"))
}

/// A page as the API shows it, and whether more follows. With `grouped`, a group is one entry, where its newest stands.
pub fn page(list: &[Notification], limit: usize, grouped: bool) -> (Vec<Value>, bool) {
    let mut entries: Vec<Vec<&Notification>> = Vec::new();
    let mut more = false;
    for notification in list {
        let group = notification.content.group.as_ref().filter(|_| grouped);
        let same = |entry: &&mut Vec<&Notification>| {
            group.is_some() && entry[0].content.group.as_ref() == group
        };
        if let Some(entry) = entries.iter_mut().find(same) {
            entry.push(notification);
        } else if entries.len() < limit {
            entries.push(vec![notification]);
        } else {
            more = true;
            break;
        }
    }
    (
        entries.into_iter().map(|entry| view(&entry)).collect(),
        more,
    )
}

fn view(entry: &[&Notification]) -> Value {
    let newest = entry[0];
    if entry.len() == 1 {
        return json!(newest.view());
    }
    let mut actors = Vec::new();
    for actor in entry.iter().filter_map(|n| n.content.actor.as_ref()) {
        if actors.len() < 3 && !actors.contains(&actor) {
            actors.push(actor);
        }
    }
    json!({
        "group": newest.content.group,
        "count": entry.len(),
        "actors": actors,
        "newest": newest.view(),
        "unread": entry.iter().any(|n| n.read_at.is_none()),
    })
}
