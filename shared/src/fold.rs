//! Folding a page: notifications of one group as one entry ("Ana and 3 others liked your video").

use std::collections::HashMap;

use serde::{Serialize, Serializer};

use crate::notification::{Actor, Notification, View};

/// The most actors that a folded entry names.
const MAX_ACTORS: usize = 3;

/// What was folded, as the API shows it.
#[derive(Serialize)]
struct Folded<'e> {
    group: Option<&'e str>,
    count: usize,
    actors: &'e [Actor],
    newest: View<'e>,
    unread: bool,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    newest: Notification,
    count: usize,
    actors: Vec<Actor>,
    unread: bool,
}

impl Entry {
    fn new(notification: Notification) -> Entry {
        Entry {
            count: 1,
            actors: notification.content.actor.clone().into_iter().collect(),
            unread: notification.is_unread(),
            newest: notification,
        }
    }

    fn add(&mut self, notification: &Notification) {
        self.count += 1;
        self.unread |= notification.is_unread();
        if let Some(actor) = &notification.content.actor
            && self.actors.len() < MAX_ACTORS
            && self.actors.iter().all(|known| known.id != actor.id)
        {
            self.actors.push(actor.clone());
        }
    }
}

/// The notification, or what was folded.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let newest = self.newest.view();
        if self.count == 1 {
            return newest.serialize(serializer);
        }
        let folded = Folded {
            group: self.newest.content.group.as_deref(),
            count: self.count,
            actors: &self.actors,
            newest,
            unread: self.unread,
        };
        folded.serialize(serializer)
    }
}

/// Entries of a page, filled from the newest notification down.
pub struct Fold {
    limit: usize,
    grouped: bool,
    entries: Vec<Entry>,
    groups: HashMap<String, usize>,
}

impl Fold {
    /// A page of at most `limit` entries.
    pub fn new(limit: usize, grouped: bool) -> Fold {
        Fold {
            limit,
            grouped,
            entries: Vec::new(),
            groups: HashMap::new(),
        }
    }

    /// Adds the next notification, unless it would open one entry too many: there the page ends,
    /// so that each notification is on one page, and counted once.
    pub fn push(&mut self, notification: Notification) -> bool {
        let group = notification.content.group.clone().filter(|_| self.grouped);
        if let Some(index) = group.as_ref().and_then(|group| self.groups.get(group)) {
            self.entries[*index].add(&notification);
            return true;
        }
        if self.entries.len() == self.limit {
            return false;
        }
        if let Some(group) = group {
            self.groups.insert(group, self.entries.len());
        }
        self.entries.push(Entry::new(notification));
        true
    }

    /// The page.
    pub fn entries(self) -> Vec<Entry> {
        self.entries
    }
}
