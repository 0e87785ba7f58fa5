//! What SNS took and what it must not have taken, kept beside the code that is tested.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// How much later than it began a publish is taken.
const WAY: Duration = Duration::from_millis(20);

/// A notification to one device.
type Pair = (String, String);

/// What is known of a notification.
#[derive(Debug, Clone)]
pub struct Note {
    /// The partition of its user's rows.
    pub user: String,
    pub endpoints: Vec<String>,
    /// The end of its push's life.
    pub ends: Timestamp,
    pub once: bool,
    /// After which of the table's calls it was certainly taken back.
    pub retracted: Option<u64>,
}

/// How often SNS took a pair, and how often it may have without anybody knowing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    pub accepted: u32,
    /// When it did so first.
    pub at: Option<Timestamp>,
    pub ambiguous: u32,
}

/// One invocation.
#[derive(Default)]
struct Running {
    number: u64,
    ids: Vec<String>,
    /// What SNS took and the table does not know yet.
    unmarked: Vec<Pair>,
}

/// The whole of a simulation.
#[derive(Default)]
pub struct Ledger {
    calls: u64,
    /// All calls until now, with their times and faults, in one number.
    pub trace: u64,
    invocations: u64,
    running: BTreeMap<usize, Running>,
    /// Instance and notification, or a user's partition → the call that read it last.
    reads: HashMap<(usize, String), u64>,
    /// Partitions of users, and after which of the table's calls they were certainly erased.
    pub erased: HashMap<String, u64>,
    pub notes: HashMap<String, Note>,
    pub taken: HashMap<Pair, Taken>,
    /// What broke a promise.
    pub broken: Vec<String>,
    pub overlaps: u64,
    pub kills: u64,
}

impl Ledger {
    /// An invocation begins. What another one has at the same time may be pushed twice.
    pub fn begin(&mut self, instance: usize, ids: Vec<String>) {
        for id in &ids {
            let others = self.running.values();
            let overlaps = others.filter(|other| other.ids.contains(id)).count();
            for _ in 0..overlaps {
                self.overlaps += 1;
                for endpoint in &self.notes[id].endpoints {
                    let pair = (id.clone(), endpoint.clone());
                    self.taken.entry(pair).or_default().ambiguous += 1;
                }
            }
        }
        self.invocations += 1;
        let running = Running {
            number: self.invocations,
            ids,
            unmarked: Vec::new(),
        };
        self.running.insert(instance, running);
    }

    /// An invocation is over, or killed.
    pub fn end(&mut self, instance: usize, killed: bool) {
        self.kills += u64::from(killed);
        let running = self.running.remove(&instance).unwrap_or_default();
        for pair in running.unmarked {
            self.taken.entry(pair).or_default().ambiguous += 1;
        }
    }

    /// The number of an instance's invocation.
    pub fn invocation(&self, instance: usize) -> u64 {
        self.running
            .get(&instance)
            .map_or(0, |running| running.number)
    }

    /// The table has answered a call, and done it if it was taken.
    pub fn applied(&mut self, instance: usize, operation: &str, body: &[u8], taken: bool) {
        self.calls += 1;
        if !taken || !["BatchGetItem", "UpdateItem"].contains(&operation) {
            return;
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        let id = |key: &Value| {
            let id = key["sk"]["S"].as_str()?.strip_prefix("N#")?;
            Some(id.to_owned())
        };
        if operation == "UpdateItem" {
            let running = self.running.get_mut(&instance);
            if let (Some(id), Some(running)) = (id(&body["Key"]), running) {
                running.unmarked.retain(|pair| pair.0 != id);
            }
            return;
        }
        let tables = body["RequestItems"].as_object().unwrap().values();
        for key in tables.flat_map(|table| table["Keys"].as_array().unwrap()) {
            let user = key["sk"]["S"] == "A#user";
            let user = key["pk"]["S"].as_str().filter(|_| user).map(str::to_owned);
            if let Some(read) = id(key).or(user) {
                self.reads.insert((instance, read), self.calls);
            }
        }
    }

    /// A notification was certainly taken back.
    pub fn retracted(&mut self, id: &str) {
        let calls = self.calls;
        self.notes.get_mut(id).unwrap().retracted = Some(calls);
    }

    /// A user was certainly erased.
    pub fn erased(&mut self, user: &str) {
        self.erased.insert(user.to_owned(), self.calls);
    }

    /// SNS has taken a publish.
    pub fn accepted(
        &mut self,
        (instance, invocation): (usize, u64),
        (endpoint, message): (&str, &str),
        unclear: bool,
        now: Timestamp,
    ) {
        let message: Value = serde_json::from_str(message).unwrap();
        let message: Value = serde_json::from_str(message["GCM"].as_str().unwrap()).unwrap();
        let tag = &message["fcmV1Message"]["message"]["android"]["notification"]["tag"];
        let id = tag.as_str().expect("a tag").to_owned();
        let note = &self.notes[&id];
        if now > note.ends + WAY {
            self.broken.push(format!("{id} was pushed past its life"));
        }
        let read = |what: &str| self.reads.get(&(instance, what.to_owned())).copied();
        if let Some(erased) = self.erased.get(&note.user)
            && read(&note.user) > Some(*erased)
        {
            let broken = format!("the user of {id} was read after the erase, and pushed to");
            self.broken.push(broken);
        }
        if note
            .retracted
            .is_some_and(|retracted| read(&id) > Some(retracted))
        {
            self.broken
                .push(format!("{id} was read after it was taken back, and pushed"));
        }
        let pair = (id, endpoint.to_owned());
        let taken = self.taken.entry(pair.clone()).or_default();
        taken.accepted += 1;
        taken.at.get_or_insert(now);
        taken.ambiguous += u32::from(unclear);
        match self.running.get_mut(&instance) {
            Some(running) if running.number == invocation => running.unmarked.push(pair),
            // Whoever sent it is dead.
            _ => taken.ambiguous += 1,
        }
    }
}
