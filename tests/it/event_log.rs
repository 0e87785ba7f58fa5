//! The action log: what is in it, and finding it again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{query, send};
use crate::stack::{Stack, shared, unique};

/// An event about a subject that nobody else uses.
pub fn event(subject: &str, id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/it/events",
        "type": "video.liked",
        "subject": subject,
        "time": "2026-11-20T10:00:00Z",
        "data": {"actor": {"id": "bo", "name": "Bo"}, "video": {"id": 42, "tags": ["a", "b"]}},
    })
}

/// Names and values of a query.
type Pairs<'q> = &'q [(&'q str, &'q str)];

/// The log of a subject, through the API.
pub async fn log(stack: &Stack, pairs: Pairs<'_>) -> Value {
    let path = format!("/v1/events{}", query(pairs));
    stack.producer().get(&path).await.expect(200)
}

/// The ids of the events on a page.
pub fn ids(page: &Value) -> Vec<&str> {
    let events = page["data"].as_array().unwrap().iter();
    events.map(|event| event["id"].as_str().unwrap()).collect()
}

async fn post(stack: &Stack, media_type: &str, body: &Value) -> crate::caller::Answer {
    let request = stack.producer().request(Method::POST, "/v1/events");
    send(
        request
            .header("content-type", media_type)
            .body(body.to_string()),
    )
    .await
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn an_event_is_found_by_whatever_it_says_and_by_nothing_else() {
    let (stack, subject) = (shared(), unique("log/ü #"));
    let (mut first, mut second) = (event(&subject, "1"), event(&subject, "2"));
    first["traceparent"] = json!("00-1");
    second["type"] = json!("Video Shared");
    second["time"] = json!("2026-11-20T10:00:00.0005Z");
    second["data"] = json!({"actor": "ana", "count": 2, "a.b": [{"c": null}]});
    let answer = post(
        stack,
        "application/cloudevents-batch+json",
        &json!([first, second]),
    )
    .await;
    let results = answer.expect(207);
    assert_eq!(results["data"][0]["status"], 201, "{results}");
    let all = log(stack, &[("subject", &subject)]).await;
    assert_eq!(ids(&all), ["2", "1"]);
    let mut shown = all["data"][1].clone();
    assert!(shown["received_at"].is_string());
    shown.as_object_mut().unwrap().remove("received_at");
    assert_eq!(shown, first);
    assert_eq!(all["page"], json!({"has_more": false, "next": null}));
    let cases: [(Pairs, &[&str]); 17] = [
        (&[("type", "video.liked")], &["1"]),
        (&[("type", "Video Shared")], &["2"]),
        (&[("type", "video")], &[]),
        (&[("actor", "bo")], &["1"]),
        (&[("actor", "ana")], &["2"]),
        (&[("data.video.id", "42")], &["1"]),
        (&[("data.video.id", "42.0")], &["1"]),
        (&[("data.video.id", "\"42\"")], &[]),
        (&[("data.video.tags.1", "\"b\"")], &["1"]),
        (&[("data.count", "2")], &["2"]),
        (&[("data.a%5C.b.0.c", "null")], &["2"]),
        (
            &[
                ("data.video", r#"{"tags":["a","b"],"id":42}"#),
                ("actor", "bo"),
            ],
            &["1"],
        ),
        (&[("data.video.id", "42"), ("actor", "ana")], &[]),
        (&[("since", "2026-11-20T10:00:00.0001Z")], &["2"]),
        (&[("until", "2026-11-20T10:00:00.0005Z")], &["1"]),
        (
            &[
                ("since", "2026-11-20T10:00:00Z"),
                ("until", "2026-11-21T00:00:00Z"),
            ],
            &["2", "1"],
        ),
        (&[("since", "2026-11-21T00:00:00Z")], &[]),
    ];
    for (pairs, expected) in cases {
        let pairs = [&[("subject", &*subject)], pairs].concat();
        assert_eq!(ids(&log(stack, &pairs).await), expected, "{pairs:?}");
    }
    assert_eq!(ids(&log(stack, &[("subject", "log")]).await), [""; 0]);
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn pages_hold_every_event_once_and_a_cursor_belongs_to_its_search() {
    let (stack, subject) = (shared(), unique("pages"));
    let events: Vec<Value> = (0..7)
        .map(|index| {
            let mut event = event(&subject, &index.to_string());
            event["time"] = json!(format!("2026-11-20T10:00:0{index}Z"));
            event["data"]["even"] = json!(index % 2 == 0);
            event
        })
        .collect();
    let answer = post(stack, "application/json", &json!(events))
        .await
        .expect(207);
    assert_eq!(answer["data"].as_array().unwrap().len(), 7);
    for (filter, expected) in [
        (None, "6 5 4 3 2 1 0"),
        (Some(("data.even", "true")), "6 4 2 0"),
        (Some(("since", "2026-11-20T10:00:03Z")), "6 5 4 3"),
    ] {
        let (mut found, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut pairs = vec![("subject", &*subject), ("limit", "2")];
            pairs.extend(filter);
            pairs.extend(next.as_deref().map(|next| ("cursor", next)));
            let page = log(stack, &pairs).await;
            assert!(ids(&page).len() <= 2, "{page}");
            found.extend(ids(&page).into_iter().map(str::to_owned));
            next = page["page"]["next"].as_str().map(str::to_owned);
            assert_eq!(page["page"]["has_more"], next.is_some());
            let Some(next) = &next else { break };
            // Of another subject, or of another search, it says nothing.
            for other in [
                vec![("subject", "other"), ("cursor", next)],
                vec![("subject", &*subject), ("type", "x"), ("cursor", next)],
            ] {
                let path = format!("/v1/events{}", query(&other));
                let refused = stack.producer().get(&path).await.expect(400);
                assert_eq!(refused["code"], "invalid_cursor");
            }
        }
        assert_eq!(found.join(" "), expected, "{filter:?}");
    }
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn i10_events_are_sent_and_searched_by_producers_alone() {
    let stack = shared();
    let ana = stack.user("ana");
    let body = event("anything", "1");
    assert_eq!(ana.post("/v1/events", &body).await.status, 401);
    assert_eq!(ana.get("/v1/events?subject=anything").await.status, 401);
}
