//! The steps that change what is there: marks, watermarks, retracting, mutes, preferences.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::error::Error;
use shared::marks::Watermark;
use shared::mutes::{Mute, Target};
use shared::notification::Recipient;
use shared::preferences::Preferences;
use shared::store::Mark;

use super::model::Change;
use super::{Checked, Life, compare, failed, same};

impl Life<'_> {
    pub async fn mark(&mut self, user: usize, change: Change) -> Checked {
        let (id, now) = (self.some_id(user), self.moment());
        let mark = match change {
            Change::Read => Mark::Read,
            Change::Unread => Mark::Unread,
            Change::Archived => Mark::Archived,
            Change::Unarchived => Mark::Unarchived,
            Change::Seen => Mark::Seen,
        };
        // Twice in a row changes nothing.
        for _ in 0..=usize::from(self.chance.one_in(3)) {
            let found = self.inbox(user).mark(id, mark).await;
            let expected = self.people[user].change(id, change, now);
            compare("the marked notification", expected.as_ref(), found)?;
        }
        Ok(())
    }

    pub async fn mark_up_to(&mut self, user: usize, read: bool) -> Checked {
        let (up_to, now) = (self.some_id(user), self.moment());
        let watermark = if read {
            Watermark::Read
        } else {
            Watermark::Seen
        };
        for _ in 0..=usize::from(self.chance.one_in(3)) {
            let marked = self.inbox(user).mark_up_to(watermark, up_to).await;
            marked.map_err(|error| failed(&error))?;
            self.people[user].mark_up_to(read, up_to, now);
        }
        self.count(user).await
    }

    /// Gone from pages and counts; twice is once; and its dedupe key is free.
    pub async fn retract(&mut self, user: usize) -> Checked {
        let (id, now) = (self.some_id(user), self.moment());
        let recipient = Recipient::User(self.people[user].id.clone());
        for _ in 0..=usize::from(self.chance.one_in(3)) {
            let person = &mut self.people[user];
            let known = person.live(id, now).is_some()
                || person.rows.get(&id).is_some_and(|row| row.retracted);
            let found = match self.store.retract(&recipient, id, now).await {
                Ok(()) => true,
                Err(Error::NotFound) => false,
                Err(error) => return Err(failed(&error)),
            };
            same("whether there was something to take back", &known, &found)?;
            if let Some(row) = person.rows.get_mut(&id).filter(|_| known) {
                row.retracted = true;
                person.dedupe.retain(|_, holder| *holder != id);
            }
        }
        Ok(())
    }

    pub async fn mute(&mut self, user: usize) -> Checked {
        let (kind, letter) = if self.chance.one_in(2) {
            ("actor", "a")
        } else {
            ("group", "g")
        };
        let (id, now) = (format!("{letter}{}", self.chance.below(3)), self.moment());
        let person = &mut self.people[user];
        let seen = self
            .store
            .user(&person.id)
            .await
            .map_err(|error| failed(&error))?;
        let done = if self.chance.one_in(3) {
            let until = self
                .chance
                .one_in(2)
                .then(|| self.now + 1_000 * (1 + i64::try_from(self.chance.below(600)).unwrap()));
            let body = until.map_or(
                json!({}),
                |ms| json!({"until": jiff::Timestamp::from_millisecond(ms).unwrap().to_string()}),
            );
            let mute = Mute::parse(kind, &id, body, now).unwrap();
            person.mutes.insert((kind, id), until);
            self.store.put_mute(&person.id, &seen, &mute, now).await
        } else {
            let target = Target::parse(kind, &id).unwrap();
            person.mutes.remove(&(kind, id));
            self.store
                .delete_mute(&person.id, &seen, &target, now)
                .await
        };
        done.map_err(|error| failed(&error))
    }

    pub async fn prefer(&mut self, user: usize) -> Checked {
        let person = &mut self.people[user];
        let unwanted = self
            .chance
            .one_in(2)
            .then(|| format!("t.{}", self.chance.below(3)));
        person.unwanted = unwanted.into_iter().collect();
        let types: BTreeMap<&String, Value> = person
            .unwanted
            .iter()
            .map(|kind| (kind, json!({"inbox": false, "push": true})))
            .collect();
        let preferences = Preferences::parse(json!({"types": types})).unwrap();
        let put = self.store.put_preferences(&person.id, &preferences).await;
        put.map_err(|error| failed(&error))
    }
}
