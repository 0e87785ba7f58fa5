//! Records that nobody can read, in a batch with ninety-nine that everybody can: what each costs the others, and what brings
//! it back.
//!
//! `TIDINGS_STEPS` takes so many batches, each with the next kind of damage at another place.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ground::{RowKey, create, stored};
use crate::machine::number;
use crate::tasks::{Field, NOTHING_LEFT, Phone, ahead, pushes};

/// A record of a row, and what is done to it.
type Damage = fn(&mut Value);

/// How a record is damaged; none of it can be read.
const KINDS: [(&str, Damage); 8] = [
    ("no sequence number", |record| {
        record["dynamodb"]["SequenceNumber"].take();
    }),
    ("an empty sequence number", |record| {
        record["dynamodb"]["SequenceNumber"] = json!("");
    }),
    ("a sequence number that is none", |record| {
        record["dynamodb"]["SequenceNumber"] = json!({"N": 1});
    }),
    ("no name of an event", |record| {
        record["eventName"].take();
    }),
    ("an unknown event", |record| {
        record["eventName"] = json!("TRUNCATE");
    }),
    ("no keys", |record| {
        record["dynamodb"]["Keys"].take();
    }),
    ("keys of another type", |record| {
        record["dynamodb"]["Keys"]["sk"] = json!({"B": "%%%"});
    }),
    ("nothing in it", |record| *record = json!(null)),
];

/// The record of a row, as the stream brings it.
fn record((pk, sk): &RowKey, number: usize) -> Value {
    let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let change = json!({"Keys": keys, "SequenceNumber": number.to_string()});
    json!({"eventName": "INSERT", "dynamodb": change})
}

impl Field {
    /// A hundred notifications for a phone.
    async fn hundred(&self, phone: &Phone) -> Vec<RowKey> {
        let note = json!({"recipients": [phone.user], "type": "t", "title": "T"});
        let notes = json!({"notifications": vec![note; 100]});
        let reply = create(None, &notes).send(&self.creator).await.unwrap();
        stored(&reply)
    }
}

/// How often each notification was pushed to a phone, by its id.
async fn pushed(phone: &Phone) -> BTreeMap<String, usize> {
    let mut pushed = BTreeMap::new();
    for push in pushes(&phone.token).await {
        let id = push["data"]["id"].as_str().unwrap().to_owned();
        *pushed.entry(id).or_insert(0) += 1;
    }
    pushed
}

#[tokio::test(flavor = "multi_thread")]
async fn g5_of_a_hundred_records_one_is_bad_and_the_others_are_pushed_once_and_one_command_brings_it_back()
 {
    let field = Field::new().await;
    let batches = number("TIDINGS_STEPS").map_or(KINDS.len(), |n| usize::try_from(n).unwrap());
    let from = ahead(-60);
    for (round, (kind, damage)) in KINDS.iter().cycle().take(batches).enumerate() {
        let phone = field.phone("poison").await;
        let rows = field.hundred(&phone).await;
        let bad = round * 37 % rows.len();
        let records = rows.iter().enumerate().map(|(index, row)| {
            let mut record = record(row, index + 1);
            if index == bad {
                damage(&mut record);
            }
            record
        });
        let event = json!({"Records": records.collect::<Vec<_>>()});
        let answer = field.pusher.invoke(event.to_string().into_bytes()).await;
        assert_eq!(answer.unwrap(), NOTHING_LEFT, "{kind}: nothing comes again");
        let once = |rows: &[RowKey]| -> BTreeMap<String, usize> {
            rows.iter().map(|(_, sk)| (sk[2..].to_owned(), 1)).collect()
        };
        let mut others = rows.clone();
        others.remove(bad);
        assert_eq!(pushed(&phone).await, once(&others), "{kind}");
        assert_eq!(
            field.rows("D#").await.len(),
            round + 1,
            "{kind} is on the list"
        );

        let window = json!({"from": from, "to": ahead(60)});
        let (status, answer) = field.admin("POST /v1/pushes/redrive", window).await;
        assert_eq!(status, 202, "{answer}");
        field.bring_steps(&field.runner(0)).await;
        assert_eq!(pushed(&phone).await, once(&rows), "{kind}: and the redrive");
        let job = field.job(&answer["job"]).await;
        // All the batches so far, from more than one page of the table.
        let found = job["states"].as_object().unwrap().values();
        let sum: u64 = found.map(|found| found.as_u64().unwrap()).sum();
        assert_eq!(sum, 100 * u64::try_from(round + 1).unwrap(), "{job}");
        assert_eq!(
            (&job["written"], &job["states"]["pending"]),
            (&json!(1), &json!(1))
        );
    }
    println!(
        "{batches} batches of 100, each with one bad record of {} kinds: 99 pushed once, 0 of a batch again, all {batches} brought back",
        KINDS.len()
    );
}
