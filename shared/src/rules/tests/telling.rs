//! What a rule makes of an event.

use serde_json::{Value, json};

use super::{liked, render};
use crate::notification::{Draft, Recipient};
use crate::push_options::Push;
use crate::rules::{Nobody, Rendered};

#[track_caller]
fn draft(fields: Value, data: Value) -> Draft {
    match render(fields, data).unwrap() {
        Rendered::Notify(draft) => *draft,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_becomes_the_notification_that_the_rule_says() {
    let fields = json!({
        "notification_type": "like", "body": "{% if data.text is defined %}{{ data.text }}{% endif %}", "link": "app://post/{{ data.post.id }}",
        "group": "like:{{ subject }}", "dedupe_key": "like:{{ subject }}:{{ actor.id }}", "data": ["post.id", "gone", "kind"],
        "locales": {"pt": {"title": "{{ actor.name }} curtiu"}}, "push": {"priority": "high"}, "expires_in": 60,
    });
    let data = liked()["data"].clone();
    let made = draft(fields, data);
    let content = &made.content;
    assert_eq!(
        (content.kind.as_str(), content.title.as_deref()),
        ("like", Some("Bo liked it"))
    );
    assert_eq!(content.body, None, "an empty text is none");
    assert_eq!(content.link.as_deref(), Some("app://post/1"));
    assert_eq!(content.group.as_deref(), Some("like:post:1"));
    assert_eq!(
        json!(content.data),
        json!({"post": {"id": 1}, "kind": "like"})
    );
    assert_eq!(
        json!(content.actor),
        json!({"id": "bo", "name": "Bo", "image": null})
    );
    assert_eq!(content.occurred_at, "2026-11-24T18:00:00Z".parse().ok());
    assert_eq!(
        (made.dedupe_key.as_deref(), made.expires_in),
        (Some("like:post:1:bo"), Some(60))
    );
    let Push::On(options) = &content.push else {
        panic!("no push")
    };
    assert_eq!(options.locales["pt"].title.as_deref(), Some("Bo curtiu"));
    assert_eq!(made.recipients.len(), 1);
}

#[test]
fn the_actor_is_left_out_and_nobody_is_told_twice() {
    let of = |owner: Value| json!({"actor": {"id": "bo", "name": "Bo"}, "post": {"owner": owner}, "kind": "like"});
    let users = |made: Draft| {
        let users = made
            .recipients
            .into_iter()
            .map(|recipient| match recipient {
                Recipient::User(user) => user.as_str().to_owned(),
                other => panic!("{other:?}"),
            });
        users.collect::<Vec<_>>()
    };
    let many = json!(["bo", "ana", "cy", "ana"]);
    assert_eq!(users(draft(json!({}), of(many.clone()))), ["ana", "cy"]);
    assert_eq!(
        users(draft(json!({"include_actor": true}), of(many))),
        ["bo", "ana", "cy"]
    );
    let fixed = json!({"recipients": {"users": ["dee", "bo"]}});
    assert_eq!(users(draft(fixed, of(json!("ana")))), ["dee"]);
    let named = json!({"actor": "bo", "post": {"owner": ["bo", "ana"]}});
    assert_eq!(users(draft(json!({"title": "x"}), named)), ["ana"]);

    let nobody = |fields, data, why| assert_eq!(render(fields, data), Ok(Rendered::Nobody(why)));
    nobody(json!({}), of(json!("bo")), Nobody::OnlyActor);
    nobody(json!({}), of(json!([])), Nobody::NoRecipient);
    nobody(json!({}), of(Value::Null), Nobody::NoRecipient);
    let when = json!({"when": {"data.kind": "like", "data.post.id": 1.0}});
    nobody(when.clone(), of(json!("ana")), Nobody::Condition);
    assert!(matches!(
        render(when, liked()["data"].clone()),
        Ok(Rendered::Notify(_))
    ));
}

#[test]
fn a_rule_that_takes_back_names_the_key_and_the_users() {
    let fields =
        json!({"retract": true, "title": null, "dedupe_key": "like:{{ subject }}:{{ actor.id }}"});
    let Ok(Rendered::Retract { dedupe_key, users }) =
        render(fields.clone(), liked()["data"].clone())
    else {
        panic!("not taken back");
    };
    assert_eq!(
        (dedupe_key.as_str(), users[0].as_str(), users.len()),
        ("like:post:1:bo", "ana", 1)
    );
    let broken = render(fields, json!({"post": {"owner": "ana"}})).unwrap_err();
    assert_eq!((broken[0].0.as_str(), broken[0].1), ("/data", "template"));
    assert!(broken[0].2.contains("/dedupe_key"), "{broken:?}");
}

#[test]
fn an_event_that_cannot_be_told_is_refused_where_it_is_wrong() {
    let contract = json!({"schema": {"type": "object", "required": ["kind"], "properties": {"post": {"properties": {"id": {"type": "integer"}}}}}});
    let data =
        |post: Value| json!({"actor": {"id": "bo", "name": "Bo"}, "post": post, "kind": "like"});
    let cases = [
        (
            data(json!({"owner": "ana", "id": "one"})),
            "/data/post/id",
            "contract",
        ),
        (json!({"post": {"owner": "ana"}}), "/data", "contract"),
        (data(json!({})), "/data/post/owner", "required"),
        (data(json!({"owner": 7})), "/data/post/owner", "format"),
        (
            data(json!({"owner": vec!["ana"; 1_001]})),
            "/data/post/owner",
            "length",
        ),
        (
            json!({"post": {"owner": "ana"}, "kind": "like"}),
            "/data",
            "template",
        ),
        (
            json!({"actor": {"id": "bo", "name": null}, "post": {"owner": "ana"}, "kind": "like"}),
            "/data",
            "template",
        ),
        (
            json!({"actor": {"id": "b o", "name": "B"}, "post": {"owner": "ana"}, "kind": "like"}),
            "/data/actor/id",
            "format",
        ),
    ];
    for (data, at, code) in cases {
        let broken = render(contract.clone(), data.clone()).expect_err(&data.to_string());
        let found: Vec<_> = broken
            .iter()
            .map(|(at, code, _)| (at.as_str(), *code))
            .collect();
        assert_eq!(found[0], (at, code), "{data} {broken:?}");
    }
    let big = json!({"actor": {"id": "bo", "name": "Bo"}, "post": {"owner": "ana"}, "text": "x".repeat(2_048)});
    assert_eq!(draft(json!({}), big.clone()).content.data, None);
    let broken = render(json!({"data": true}), big.clone()).unwrap_err();
    assert_eq!((broken[0].0.as_str(), broken[0].1), ("/data", "length"));
    let made = draft(json!({"body": "{{ data.text | default(\"-\") }}"}), big);
    let body = made.content.body.unwrap();
    assert_eq!((body.chars().count(), body.ends_with('…')), (1_000, true));
}
