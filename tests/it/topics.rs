//! Topics: joining, leaving, lists of members, and the mirror by which an erase finds them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use local::function::Function;
use serde_json::{Value, json};

use crate::ground::{Ground, Http, Reply};
use crate::proxy::{Fault, Rule};
use crate::stack::{shared, unique};

const MEMBER: &str = "/v1/topics/{topic}/members/{user}";

/// A request about one member, as the producer `likes`.
fn one(method: &str, topic: &str, user: &str) -> Http {
    let request = Http::new(&format!("{method} {MEMBER}"), "likes");
    request.path("topic", topic).path("user", user)
}

/// A request to make these users members.
fn many(topic: &str, users: &Value) -> Http {
    let request = Http::new("POST /v1/topics/{topic}/members", "likes");
    request.path("topic", topic).json(&json!({"users": users}))
}

/// Makes users members, 1,000 at a time.
pub async fn join(function: &Function, topic: &str, users: &[String]) {
    for users in users.chunks(1_000) {
        let request = many(topic, &json!(users));
        let mut reply = request.send(function).await.unwrap();
        // A busy table is asked again, which is harmless.
        for _ in 0..9 {
            if reply.status != 503 {
                break;
            }
            reply = request.send(function).await.unwrap();
        }
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body, json!({"topic": topic, "users": users.len()}));
    }
}

/// Ends a membership.
pub async fn leave(function: &Function, topic: &str, user: &str) {
    let reply = one("DELETE", topic, user).send(function).await.unwrap();
    assert_eq!(reply.status, 204, "{reply:?}");
}

async fn page(function: &Function, topic: &str, query: &str) -> Reply {
    let request = Http::new("GET /v1/topics/{topic}/members", "likes");
    let request = request.path("topic", topic).query(query);
    request.send(function).await.unwrap()
}

/// Who is listed, page by page, and how many pages there were.
async fn listed(function: &Function, topic: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut users, mut query, mut pages) = (Vec::new(), format!("limit={limit}"), 0);
    loop {
        let reply = page(function, topic, &query).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let data = reply.body["data"].as_array().unwrap();
        users.extend(data.iter().map(|m| m["user"].as_str().unwrap().to_owned()));
        pages += 1;
        let next = &reply.body["page"]["next"];
        assert_eq!(reply.body["page"]["has_more"], !next.is_null());
        let Some(next) = next.as_str() else {
            return (users, pages);
        };
        assert_eq!(data.len(), limit, "no page is short but the last");
        query = format!("limit={limit}&cursor={next}");
    }
}

/// The members by their own rows and by their mirrors, which must be the same.
async fn members(ground: &Ground, topic: &str) -> BTreeSet<String> {
    let (mut members, mut mirrors) = (BTreeSet::new(), BTreeSet::new());
    for (pk, sk) in ground.keys().await {
        if pk.starts_with(&format!("M#{topic}#")) {
            members.insert(sk["U#".len()..].to_owned());
        } else if sk == format!("M#{topic}") {
            mirrors.insert(pk["U#".len()..].to_owned());
        }
    }
    assert_eq!(members, mirrors, "member rows and mirrors");
    members
}

pub fn users(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("fan{index}")).collect()
}

#[tokio::test]
async fn topics_are_joined_left_and_listed_by_http() {
    let (producer, topic) = (shared().producer(), unique("followers:ana"));
    let url = format!("/v1/topics/{topic}/members");
    let joined = producer.put(&format!("{url}/bo"), &json!({})).await;
    let joined = joined.expect(201);
    assert_eq!(joined["user"], "bo");
    let again = producer.put(&format!("{url}/bo"), &json!({})).await;
    assert_eq!(again.expect(200), joined, "a member stays one since then");
    let list = producer.get(&url).await.expect(200);
    assert_eq!(
        list,
        json!({"data": [joined], "page": {"next": null, "has_more": false}})
    );
    for _ in 0..2 {
        producer.delete(&format!("{url}/bo")).await.expect(204);
    }
    assert_eq!(producer.get(&url).await.expect(200)["data"], json!([]));
    // A user's token does not do.
    assert_eq!(shared().user("ana").get(&url).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_pages_go_over_every_partition_and_a_cursor_is_its_topics_alone() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let everybody = users(120);
    // Twice is once.
    join(&function, "all", &everybody).await;
    join(&function, "all", &everybody[..60]).await;
    let expected: BTreeSet<String> = everybody.iter().cloned().collect();
    assert_eq!(members(&ground, "all").await, expected);
    for limit in [1, 7, 40, 100] {
        let (users, pages) = listed(&function, "all", limit).await;
        assert_eq!(users.len(), 120, "nobody twice");
        assert_eq!(users.into_iter().collect::<BTreeSet<_>>(), expected);
        assert_eq!(pages, 120_usize.div_ceil(limit));
    }
    let next = page(&function, "all", "limit=5").await.body["page"]["next"].clone();
    let cursor = format!("cursor={}", next.as_str().unwrap());
    assert_eq!(page(&function, "all", &cursor).await.status, 200);
    for (topic, query) in [("other", &*cursor), ("all", "cursor=x"), ("all", "limit=0")] {
        assert_eq!(
            page(&function, topic, query).await.status,
            400,
            "{topic} {query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_a_request_about_members_is_told_and_nothing_is_stored() {
    let ground = Ground::new().await;
    let function = ground.function("ingest-events", None);
    let too_many: Vec<String> = users(1_001);
    let cases = [
        (many("a b", &json!(["ana"])), vec!["/topic"]),
        (many("t", &json!([])), vec!["/users"]),
        (many("t", &json!(too_many)), vec!["/users"]),
        (many("t", &json!("ana")), vec!["/users"]),
        (
            many("t", &json!(["ana", "a#b", 7, "ana"])),
            vec!["/users/1", "/users/2", "/users/3"],
        ),
        (many("#", &json!(["a b"])), vec!["/topic", "/users/0"]),
        (one("PUT", "a#b", "c d"), vec!["/topic", "/user"]),
        (one("DELETE", "", "c d"), vec!["/topic", "/user"]),
        (
            many("t", &json!(["ana"])).json(&json!({"user": "ana"})),
            vec!["/user", "/users"],
        ),
    ];
    for (request, expected) in cases {
        let reply = request.send(&function).await.unwrap();
        assert_eq!(reply.status, 422, "{request:?} {reply:?}");
        let errors = reply.body["errors"].as_array().unwrap();
        let mut found: Vec<&str> = errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{request:?}");
    }
    assert!(ground.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_and_its_mirror_never_drift_whoever_joins_leaves_and_fails() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let function = ground.function("ingest-events", Some(&proxy));
    let everybody = users(110);
    for call in 1..=3 {
        let topic = format!("failing{call}");
        let down = Fault::Status(500, "InternalServerError");
        proxy.script(vec![Rule::on("TransactWriteItems", call..=99, down)]);
        let reply = many(&topic, &json!(everybody)).send(&function).await;
        assert_eq!(reply.unwrap().status, 503);
        // A part of them has joined, each with its mirror.
        members(&ground, &topic).await;
        proxy.script(Vec::new());
        join(&function, &topic, &everybody).await;
        assert_eq!(members(&ground, &topic).await.len(), 110);
    }
    // At the same time some leave who join. Whoever loses too often is told to try again.
    let few = &everybody[..30];
    let changes = (0..6).map(async |index| {
        let request = if index % 2 == 0 {
            one("DELETE", "busy", &few[index])
        } else {
            many("busy", &json!(few))
        };
        let reply = request.send(&function).await.unwrap();
        assert!([200, 204, 409, 503].contains(&reply.status), "{reply:?}");
    });
    join_all(changes).await;
    let found = members(&ground, "busy").await.len();
    assert!(found == 0 || found >= 27, "{found}");
}

/// Takes 4 units for each of the two rows a user has, whoever joins.
#[tokio::test(flavor = "multi_thread")]
async fn joining_costs_four_units_a_user_and_fifty_join_in_one_call() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(true).await;
    let function = ground.function("ingest-events", Some(&proxy));
    join(&function, "t", &users(100)).await;
    let calls = proxy.take_calls();
    let units: f64 = calls.iter().map(|call| call.units).sum();
    assert_eq!((calls.len(), units), (2, 400.0));
    let get = ground.client().get_item().table_name(ground.table());
    let get = get
        .key("pk", AttributeValue::S("U#fan7".to_owned()))
        .key("sk", AttributeValue::S("M#t".to_owned()));
    let mirror = get.send().await.unwrap().item.unwrap();
    assert!(mirror["j"].as_n().is_ok(), "{mirror:?}");
}
