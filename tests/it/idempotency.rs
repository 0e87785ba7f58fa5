//! Keys under fire: copies of a request at the same time, faults by chance, and what time does to a key.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::create::{RequestKey, create_drawn, create_keyed};
use shared::notification::parse;
use shared::store::Store;
use shared::store::keys::Key;

use crate::caller::eventually;
use crate::chance::Chance;
use crate::crashes::full;
use crate::create::note;
use crate::ground::{Ground, Http, RowKey, create, stored};
use crate::proxy::{Fault, Rule};
use crate::stack::unique;

/// What may befall a call by chance. None of them lasts.
const FAULTS: [Fault; 8] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::HalfReply,
    Fault::Twice,
    Fault::Garbage,
    Fault::Delay(Duration::from_millis(40)),
    Fault::Status(500, "InternalServerError"),
    Fault::Status(400, "ThrottlingException"),
];

#[tokio::test(flavor = "multi_thread")]
async fn f1_i1_i2_copies_under_faults_store_each_row_once_and_it_can_be_read_at_once() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let function = ground.function("create-notifications", Some(&proxy));
    let direct = ground.function("create-notifications", None);
    let seeds = 1..=if full() { 2_000 } else { 40 };
    let runs = stream::iter(seeds).map(async |seed| {
        let mut chance = Chance::new(seed);
        // No word is a part of another.
        let word = format!("{}x", unique("fire"));
        let recipients: Vec<String> = (0..=chance.below(3))
            .map(|i| format!("{word}-{i}"))
            .collect();
        let mut body = note("x");
        body["recipients"] = json!(recipients);
        let script: Vec<Rule> = (0..=chance.below(3))
            .map(|_| {
                let (call, fault) = (1 + chance.below(6), FAULTS[chance.below(FAULTS.len())]);
                Rule::on("", call..=call, fault).containing(&word)
            })
            .collect();
        let at = format!("seed {seed}: {script:?}");
        for rule in script {
            proxy.add(rule);
        }
        let request = create(Some(&word), &body);
        let copies = (0..=chance.below(3)).map(|_| request.send(&function));
        let mut replies: Vec<_> = join_all(copies)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let refused = |status| [409, 429, 503].contains(&status);
        assert!(
            replies.iter().all(|r| r.status == 201 || refused(r.status)),
            "{at}: {replies:?}"
        );
        replies.retain(|reply| reply.status == 201);
        let new = replies
            .iter()
            .filter(|reply| reply.headers.get("idempotency-replayed").is_none());
        assert!(new.count() <= 1, "{at}: two were the first");
        // I1: whatever was answered 201 is there for a consistent read now.
        for (pk, sk) in replies.iter().flat_map(stored) {
            assert!(
                ground.row(&pk, &sk).await.is_some(),
                "{at}: {pk} {sk} is not there"
            );
        }
        let settled = request.send(&direct).await.unwrap();
        assert_eq!(settled.status, 201, "{at}: {settled:?}");
        assert!(
            replies.iter().all(|reply| reply.body == settled.body),
            "{at}: {replies:?} {settled:?}"
        );
        stored(&settled)
    });
    let rows: Vec<Vec<RowKey>> = runs.buffer_unordered(12).collect().await;
    let expected: BTreeSet<RowKey> = rows.into_iter().flatten().collect();
    assert_eq!(notifications(&ground).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_an_answer_of_2xx_is_given_when_the_row_is_there_and_not_before() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let function = ground.function("create-notifications", Some(&proxy));
    let down = Fault::Status(500, "InternalServerError");
    let runs = (0..12).map(async |index| {
        let word = format!("{}x", unique("there"));
        // Of a keyed request the row is the second; both attempts at it fail, or nothing does.
        let key = (index % 2 == 0).then_some(&*word);
        let first = if key.is_some() { 2 } else { 1 };
        if index % 3 == 0 {
            proxy.add(Rule::on("PutItem", first..=99, down).containing(&word));
        }
        let reply = create(key, &note(&word)).send(&function).await.unwrap();
        let there = ground.inbox(&word).await;
        let expected = if index % 3 == 0 { 503 } else { 201 };
        assert_eq!(reply.status, expected, "{reply:?}");
        let said = if reply.status == 201 {
            stored(&reply)
        } else {
            Vec::new()
        };
        assert_eq!(said, there, "{reply:?}");
    });
    join_all(runs).await;
}

/// The keys of all notifications. Every row's time to live is checked on the way (F45): a number of seconds ahead of now.
async fn notifications(ground: &Ground) -> BTreeSet<RowKey> {
    let (now, year) = (jiff::Timestamp::now().as_second(), 365 * 86_400);
    let mut found = BTreeSet::new();
    for (key, row) in ground.rows().await {
        let expires_at = row["expires_at"]
            .as_i64()
            .expect("a time to live is a number");
        assert!((now..now + 2 * year).contains(&expires_at), "{row}");
        if key.0.starts_with("U#") {
            found.insert(key);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_put_that_comes_late_does_not_undo_what_was_done_since() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let slow = ground.function("create-notifications", Some(&proxy));
    let direct = ground.function("create-notifications", None);
    let read = ground.function("read-inbox", None);
    let word = unique("late");
    let request = create(Some(&word), &note(&word));
    let late = Fault::Delay(Duration::from_millis(600));
    proxy.script(vec![Rule::on("PutItem", 2..=2, late)]);
    let overtake = async {
        eventually("the put is on its way", async || {
            (proxy.calls(&word).len() == 2).then_some(())
        })
        .await;
        let reply = request.send(&direct).await.unwrap();
        let (pk, sk) = stored(&reply).remove(0);
        let mark = Http::new("PUT /v1/me/notifications/{id}/read", &word);
        let marked = mark.path("id", &sk[2..]).send(&read).await.unwrap();
        assert_eq!(marked.status, 200, "{marked:?}");
        (reply, ground.row(&pk, &sk).await.unwrap())
    };
    let (first, (second, before)) = futures_util::join!(request.send(&slow), overtake);
    assert_eq!(first.unwrap().body, second.body);
    let (pk, sk) = stored(&second).remove(0);
    assert_eq!(ground.row(&pk, &sk).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_comes_late_takes_a_new_moment_so_no_row_is_born_behind_a_watermark() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let user = unique("late");
    let guard = Key::Guard("machine".to_owned(), user.clone());
    let key = |nonce: &str| RequestKey {
        seed: guard.pk(),
        guard: guard.clone(),
        body_hash: "h".to_owned(),
        nonce: nonce.to_owned(),
    };
    // A request that ended after its guard, 10 s ago.
    let now = jiff::Timestamp::now();
    let ago = now - jiff::SignedDuration::from_secs(10);
    drop(store.claim(&guard, ago, "h", "first").await.unwrap());
    let mut violations = Vec::new();
    let draft = parse(note(&user), "", jiff::Timestamp::now(), &mut violations).unwrap();
    let accepted = create_keyed(
        &store,
        Clock::starting(now),
        &[draft],
        3_600,
        &key("second"),
    )
    .await;
    let accepted = accepted.unwrap_or_else(|error| panic!("{}", error.chain()));
    let at = accepted.receipts[0][0].id.at();
    assert!(
        accepted.replayed && at >= now - jiff::SignedDuration::from_secs(1),
        "{at} at {now}"
    );
    assert_eq!(ground.inbox(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_two_notifications_of_one_keyed_batch_for_one_user_are_two_rows() {
    let ground = Ground::new().await;
    let function = ground.function("create-notifications", None);
    let user = unique("twice");
    let batch = json!({"notifications": [note(&user), note(&user)]});
    let request = create(Some(&user), &batch);
    let first = request.send(&function).await.unwrap();
    let rows: BTreeSet<RowKey> = stored(&first).into_iter().collect();
    assert_eq!(rows.len(), 2, "{first:?}");
    let again = request.send(&function).await.unwrap();
    assert_eq!((again.status, &again.body), (207, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], Value::from("true"));
    assert_eq!(
        ground
            .inbox(&user)
            .await
            .into_iter()
            .collect::<BTreeSet<_>>(),
        rows
    );
}
#[tokio::test(flavor = "multi_thread")]
async fn a_dedupe_key_that_was_taken_over_holds_as_long_as_its_new_row() {
    let ground = Ground::new().await;
    let client = ground.client().clone();
    let store = Store::new(client, ground.table().to_owned());
    let user = shared::id::UserId::parse(&unique("heir")).unwrap();
    let mut body = note(user.as_str());
    body["dedupe_key"] = json!("like:42");
    let draft = parse(body, "", jiff::Timestamp::now(), &mut Vec::new()).unwrap();
    let now = jiff::Timestamp::now();
    let after = |seconds| Clock::starting(now + jiff::SignedDuration::from_secs(seconds));
    // A request that ended between guard and row; its notification would have lived for a minute.
    let never = shared::id::NotificationId::draw(now);
    let held = store.hold(&user, "like:42", never, now.as_second() + 60, now);
    held.await.map(drop).unwrap();
    let create = async |seconds| {
        let accepted =
            create_drawn(&store, after(seconds), std::slice::from_ref(&draft), 3_600).await;
        accepted
            .unwrap_or_else(|error| panic!("{}", error.chain()))
            .receipts[0][0]
    };
    let (first, second) = (create(10).await, create(70).await);
    assert_eq!(second.id, first.id);
    assert_eq!(ground.inbox(user.as_str()).await.len(), 1);
}
