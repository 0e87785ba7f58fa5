//! The steps that create: drawn ids, keys and their repeats, dedupe keys.

use std::slice;

use serde_json::json;
use shared::clock::Clock;
use shared::create::{Receipt, RequestKey, Status, create_drawn, create_keyed};
use shared::id::NotificationId;
use shared::notification::{Draft, Notification, Recipient, parse};
use shared::outcome::Outcome;
use shared::store::keys::Key;

use super::model::Row;
use super::{Checked, DAY, Life, failed, same};

/// Seconds that a notification is kept, unless its request says otherwise.
const RETENTION: u32 = 90 * 86_400;

/// A keyed request as it was accepted.
pub struct Keyed {
    draft: Draft,
    key: String,
    at: i64,
    receipts: Vec<Receipt>,
}

impl Life<'_> {
    /// A draft; some have a dedupe key, unless `plain`.
    fn draft(&mut self, plain: bool) -> Draft {
        let [ana, bo] = [0, 1].map(|user| self.people[user].id.as_str().to_owned());
        let recipients = match self.chance.below(4) {
            0 => vec![ana, bo],
            1 => vec![bo],
            _ => vec![ana],
        };
        let mut note = json!({
            "recipients": recipients,
            "type": format!("t.{}", self.chance.below(3)),
            "title": format!("n{}", self.chance.next()),
        });
        if self.chance.one_in(3) {
            note["expires_in"] = json!(60 + self.chance.below(300));
        }
        if self.chance.one_in(2) {
            note["group"] = json!(format!("g{}", self.chance.below(3)));
        }
        if self.chance.one_in(2) {
            note["actor"] = json!({"id": format!("a{}", self.chance.below(5))});
        }
        if !plain && self.chance.one_in(4) {
            note["dedupe_key"] = json!(format!("d{}", self.chance.below(4)));
        }
        let mut violations = Vec::new();
        let draft = parse(note, "", jiff::Timestamp::now(), &mut violations).unwrap();
        assert!(violations.is_empty(), "{violations:?}");
        draft
    }

    /// Compares the receipts of a new request at `now` with the model, and takes the new rows into it.
    fn remember(&mut self, draft: &Draft, receipts: &[Receipt], now: jiff::Timestamp) -> Checked {
        same(
            "the number of receipts",
            &draft.recipients.len(),
            &receipts.len(),
        )?;
        for (recipient, receipt) in draft.recipients.iter().zip(receipts) {
            let is = |person: &&mut super::Person| *recipient == Recipient::User(person.id.clone());
            let person = self.people.iter_mut().find(is).unwrap();
            if let Some(key) = &draft.dedupe_key {
                let holder = person.dedupe.get(key).copied();
                if let Some(holder) = holder.filter(|id| person.live(*id, now).is_some()) {
                    let expected = Receipt {
                        id: holder,
                        status: Status::Duplicate,
                    };
                    same("the receipt of a duplicate", &expected, receipt)?;
                    continue;
                }
                person.dedupe.insert(key.clone(), receipt.id);
            }
            same("the status", &Status::Created, &receipt.status)?;
            let kept = i64::from(draft.expires_in.unwrap_or(RETENTION));
            let notification = Notification {
                schedule_id: None,
                recipient: recipient.clone(),
                id: receipt.id,
                content: draft.content.clone(),
                expires_at: receipt.id.at().as_second() + kept,
                read_at: None,
                seen_at: None,
                archived_at: None,
                dedupe_key: draft.dedupe_key.clone(),
                outcome: Outcome::default(),
                carried_at: None,
            };
            let row = Row {
                notification,
                retracted: false,
            };
            if person.rows.insert(receipt.id, row).is_some() {
                return Err(format!("{} was given twice", receipt.id));
            }
        }
        Ok(())
    }

    /// Creates, with a key or without; without, by a clock that may be some seconds behind the others.
    pub async fn create(&mut self, count: usize) -> Checked {
        if count == 1 && self.chance.one_in(3) {
            let draft = self.draft(false);
            let key = format!("{}-{}", self.people[0].id.as_str(), self.chance.next());
            let receipts = self.send(&draft, &key, false).await?;
            self.remember(&draft, &receipts, self.moment())?;
            let at = self.now;
            self.keyed.push(Keyed {
                draft,
                key,
                at,
                receipts,
            });
            return Ok(());
        }
        let drafts: Vec<Draft> = (0..count).map(|_| self.draft(count > 1)).collect();
        let behind = 1_000 * i64::try_from(self.chance.below(5)).unwrap();
        let now = jiff::Timestamp::from_millisecond(self.now - behind).unwrap();
        let accepted = create_drawn(self.store, Clock::starting(now), &drafts, RETENTION).await;
        let accepted = accepted.map_err(|error| failed(&error))?;
        for (draft, receipts) in drafts.iter().zip(&accepted.receipts) {
            self.remember(draft, receipts, now)?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        draft: &Draft,
        key: &str,
        replayed: bool,
    ) -> Result<Vec<Receipt>, String> {
        let guard = Key::Guard("machine".to_owned(), key.to_owned());
        let key = RequestKey {
            seed: guard.pk(),
            guard,
            body_hash: format!("{:?}", draft.content.title),
            nonce: self.chance.next().to_string(),
        };
        let clock = Clock::starting(self.moment());
        let accepted =
            create_keyed(self.store, clock, slice::from_ref(draft), RETENTION, &key).await;
        let mut accepted = accepted.map_err(|error| failed(&error))?;
        same("whether it was replayed", &replayed, &accepted.replayed)?;
        accepted.receipts.pop().ok_or("no receipts".to_owned())
    }

    /// I2 and F9: within 24 h a repeat meets its own rows, and later it is a new request.
    pub async fn repeat(&mut self) -> Checked {
        if self.keyed.is_empty() {
            return Ok(());
        }
        let index = self.chance.below(self.keyed.len());
        let mut keyed = self.keyed.swap_remove(index);
        let known = self.now - keyed.at < DAY;
        let receipts = self.send(&keyed.draft, &keyed.key, known).await?;
        if known {
            let retracted = |id: &NotificationId| {
                let mut rows = self.people.iter().filter_map(|person| person.rows.get(id));
                rows.any(|row| row.retracted)
            };
            // What was a duplicate stays one, whatever became of the other.
            let expected = keyed.receipts.iter().map(|receipt| {
                let mut receipt = *receipt;
                if receipt.status == Status::Created && retracted(&receipt.id) {
                    receipt.status = Status::Retracted;
                }
                receipt
            });
            same(
                "the receipts of a repeat",
                &expected.collect::<Vec<_>>(),
                &receipts,
            )?;
        } else {
            self.remember(&keyed.draft, &receipts, self.moment())?;
            keyed.at = self.now;
            keyed.receipts = receipts;
        }
        self.keyed.push(keyed);
        Ok(())
    }
}
