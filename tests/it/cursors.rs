//! Cursors: what they go with, how far a page looks before it gives one, and what is gone behind it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use shared::id::NotificationId;
use shared::page;

use crate::create::note;
use crate::dedupe::create;
use crate::filters::{PAGE, ask, send};
use crate::stack::{shared, unique};
use crate::table::{self, FUTURE, n, s};

#[tokio::test]
async fn f42_a_cursor_goes_with_its_filter() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let like = json!({"type": "video.liked", "data": {"n": 1}});
    send(
        stack,
        &user,
        &[like.clone(), json!({"type": "x"}), like.clone(), like],
    )
    .await;
    let filter = [("type", "video.liked"), ("data.n", "1"), ("limit", "1")];
    let mut cursor = String::new();
    let mut found = String::new();
    loop {
        let given = [("cursor", cursor.as_str())];
        let given = if cursor.is_empty() {
            &given[1..]
        } else {
            &given[..]
        };
        let page = ask(&ana, &[&filter[..], given].concat()).await.expect(200);
        found += page["data"][0]["title"].as_str().unwrap();
        match page["page"]["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(found, "dca");
    let others: [&[(&str, &str)]; 7] = [
        &[],
        &[("type", "video.liked")],
        &[("type", "video.liked"), ("data.n", "2")],
        &[("type", "video.liked,x"), ("data.n", "1")],
        &[("type", "video.liked"), ("data.n", "1"), ("status", "all")],
        &[
            ("type", "video.liked"),
            ("data.n", "1"),
            ("grouped", "true"),
        ],
        &[
            ("type", "video.liked"),
            ("data.n", "1"),
            ("since", "2020-01-01T00:00:00Z"),
        ],
    ];
    for other in others {
        let answer = ask(&ana, &[other, &[("cursor", &cursor)]].concat()).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("invalid_cursor")),
            "{other:?}"
        );
    }
    // The limit, the order of the query and consistency are no part of the filter.
    let path = format!("{PAGE}?cursor={cursor}&limit=9&data.n=1&type=video.liked");
    ana.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_page_examines_500_rows_and_then_gives_its_cursor() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let old = table::id_aged(Duration::from_mins(2));
    let rare = [("v", n(1)), ("expires_at", n(FUTURE)), ("t", s("rare"))];
    table::put(stack, &user, &format!("N#{old}"), &rare).await;
    let ids = (0..600).map(|_| table::id_aged(Duration::from_mins(1)));
    let mut ids: Vec<String> = ids.collect();
    table::plant(stack, &user, &ids).await;
    let rare = ("type", "rare");
    let first = ask(&ana, &[rare]).await.expect(200);
    assert_eq!(
        (&first["data"], &first["page"]["has_more"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(
        (&first["meta"]["unread_count"], &first["meta"]["capped"]),
        (&json!(99), &json!(true))
    );
    // The cursor stands behind the 500th row.
    let cursor = first["page"]["next"].as_str().unwrap();
    let at = page::read(cursor, &user, "type=rare\nfalse").unwrap();
    ids.sort();
    ids.reverse();
    assert_eq!(at.to_string(), ids[499]);
    let second = ask(&ana, &[rare, ("cursor", cursor)]).await.expect(200);
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&second["data"][0]["id"], &second["page"]["has_more"]),
        (&json!(old), &json!(false))
    );
}

#[tokio::test]
async fn a_cursor_from_before_the_retention_says_that_there_is_a_gap() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    create(stack, &note(&user)).await;
    for (days, gap) in [(91, true), (89, false)] {
        let at = Timestamp::now() - Duration::from_hours(24 * days);
        let cursor = page::write(NotificationId::new(at, [0; 10]), &user, "false");
        let page = ask(&ana, &[("cursor", &cursor)]).await.expect(200);
        assert_eq!(
            (&page["meta"]["gap"], &page["data"]),
            (&json!(gap), &json!([])),
            "{days}"
        );
        assert_eq!(page["meta"]["unread_count"], 1);
    }
}
