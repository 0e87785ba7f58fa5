//! What a rule may be.

mod telling;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Rendered, Rule};
use crate::event::Event;

fn event(data: Value) -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/likes", "type": "post.liked", "subject": "post:1",
           "time": "2026-11-24T18:00:00Z", "data": data})
}

fn liked() -> Value {
    event(
        json!({"actor": {"id": "bo", "name": "Bo", "mail": "x"}, "post": {"id": 1, "owner": "ana"}, "kind": "like"}),
    )
}

/// A rule of the least that there must be, with these fields replaced; `null` leaves one out.
fn rule(fields: Value) -> Value {
    let mut rule = json!({"recipients": {"path": "data.post.owner"}, "title": "{{ actor.name }} liked it", "sample": liked()});
    for (name, value) in fields.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

fn parse(fields: Value) -> Result<Rule, Vec<(String, &'static str, String)>> {
    let parsed = Rule::parse("post.liked", rule(fields));
    parsed.map_err(|broken| {
        broken
            .into_iter()
            .map(|v| (v.pointer, v.code, v.detail))
            .collect()
    })
}

#[track_caller]
fn refused(fields: Value, expected: &[(&str, &str)]) {
    let broken = parse(fields.clone()).expect_err(&fields.to_string());
    let mut found: Vec<(&str, &str)> = broken
        .iter()
        .map(|(at, code, _)| (at.as_str(), *code))
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{fields} {broken:?}");
}

fn render(fields: Value, data: Value) -> Result<Rendered, Vec<(String, &'static str, String)>> {
    let rule = parse(fields).unwrap();
    let event = Event::parse(event(data), "", &mut Vec::new()).unwrap();
    let rendered = rule.render(&event, Timestamp::UNIX_EPOCH);
    rendered.map_err(|broken| {
        broken
            .into_iter()
            .map(|v| (v.pointer, v.code, v.detail))
            .collect()
    })
}

#[test]
fn every_broken_rule_of_a_rule_is_told_at_once() {
    let expected = [
        ("/colour", "unknown_field"),
        ("/data", "type"),
        ("/dedupe_key", "template"),
        ("/expires_in", "range"),
        ("/include_actor", "type"),
        ("/locales/e", "format"),
        ("/locales/pt/subtitle", "unknown_field"),
        ("/notification_type", "format"),
        ("/push/locales", "exclusive"),
        ("/push/ttl", "range"),
        ("/recipients/path", "format"),
        ("/retention", "range"),
        ("/sample", "required"),
        ("/schema", "type"),
        ("/title", "template"),
        ("/when/who", "format"),
    ];
    let fields = json!({
        "colour": 1, "data": "all", "dedupe_key": "{{ a", "expires_in": 1, "include_actor": "no",
        "locales": {"e": {"title": "x"}, "pt": {"subtitle": "x"}}, "notification_type": "Post Liked",
        "push": {"ttl": 1, "locales": {}}, "recipients": {"path": "owner"}, "retention": 1, "sample": null,
        "schema": true, "title": "{% if %}", "when": {"who": 1},
    });
    refused(fields, &expected);
}

#[test]
fn what_a_rule_may_say_is_checked_with_pointers() {
    let users: Vec<String> = (0..1_001).map(|n| format!("u{n}")).collect();
    let paths: Vec<String> = (0..21).map(|n| format!("p{n}")).collect();
    let when: Value = (0..21).map(|n| (format!("data.p{n}"), json!(1))).collect();
    let long = "x".repeat(1_001);
    let cases = [
        (json!({"recipients": null}), "/recipients", "required"),
        (json!({"recipients": "ana"}), "/recipients", "type"),
        (json!({"recipients": {}}), "/recipients", "required"),
        (
            json!({"recipients": {"path": "data.x", "users": ["ana"]}}),
            "/recipients",
            "required",
        ),
        (
            json!({"recipients": {"users": []}}),
            "/recipients/users",
            "length",
        ),
        (
            json!({"recipients": {"users": users}}),
            "/recipients/users",
            "length",
        ),
        (
            json!({"recipients": {"users": ["ana", "ana"]}}),
            "/recipients/users/1",
            "duplicate",
        ),
        (
            json!({"recipients": {"users": ["a#b"]}}),
            "/recipients/users/0",
            "format",
        ),
        (
            json!({"recipients": {"users": ["ana"], "role": "x"}}),
            "/recipients/role",
            "unknown_field",
        ),
        (
            json!({"recipients": {"topic": "thread:{{ subject }}"}}),
            "/recipients/topic",
            "not_supported",
        ),
        (json!({"when": when}), "/when", "length"),
        (json!({"when": [1]}), "/when", "type"),
        (json!({"data": paths}), "/data", "length"),
        (json!({"data": [1]}), "/data/0", "format"),
        (json!({"title": null}), "/title", "required"),
        (json!({"title": long}), "/title", "length"),
        (json!({"body": 1}), "/body", "type"),
        (
            json!({"push": false, "locales": {"pt": {"title": "x"}}}),
            "/locales",
            "exclusive",
        ),
        (json!({"push": 1}), "/push", "type"),
        (
            json!({"retract": true, "title": null}),
            "/dedupe_key",
            "required",
        ),
        (
            json!({"retract": true, "dedupe_key": "k"}),
            "/title",
            "exclusive",
        ),
        (
            json!({"sample": {"specversion": "1.0"}}),
            "/sample/id",
            "required",
        ),
        (json!({"sample": []}), "/sample", "type"),
    ];
    for (fields, at, code) in cases {
        let broken = parse(fields.clone()).expect_err(&fields.to_string());
        assert!(
            broken.iter().any(|(p, c, _)| p == at && *c == code),
            "{fields}: {broken:?}"
        );
    }
    let mut sample = liked();
    sample["type"] = json!("post.shared");
    refused(json!({"sample": sample}), &[("/sample/type", "value")]);
    let broken = Rule::parse("com.example/Liked", rule(json!({}))).unwrap_err();
    assert!(
        broken
            .iter()
            .any(|v| v.pointer == "/notification_type" && v.code == "required")
    );
}

#[test]
fn a_rule_is_tried_on_its_sample_and_the_place_of_an_error_is_told() {
    let place = |fields: Value, at: &str, detail: &str| {
        let broken = parse(fields.clone()).expect_err(&fields.to_string());
        let found = broken
            .iter()
            .any(|(p, c, d)| p == at && *c == "template" && d.contains(detail));
        assert!(found, "{fields}: {broken:?}");
    };
    place(
        json!({"title": "{{ actor.nickname }}"}),
        "/title",
        "(line 1, column 4)",
    );
    place(
        json!({"body": "like\nof {{ actor.name|shout }}"}),
        "/body",
        "(line 2, column 18)",
    );
    place(json!({"link": "{{ data.post }}"}), "/link", "no text");
    place(
        json!({"group": "é {{ unknown }}"}),
        "/group",
        "(line 1, column 6)",
    );
    place(
        json!({"locales": {"pt": {"body": "{{ data.x }}"}}}),
        "/locales/pt/body",
        "column 4",
    );
    place(json!({"title": "{% include 'x' %}"}), "/title", "line 1");
    let forever =
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    place(json!({"body": forever}), "/body", "fuel");
    place(json!({"body": "{{ 'x' * 90000000 }}"}), "/body", "fuel");
    let bomb =
        "{% set x = 'xxxxxxxx' %}".to_owned() + &"{% set x = x ~ x %}".repeat(40) + "{{ x }}";
    place(json!({"body": bomb}), "/body", "fuel");

    refused(
        json!({"title": "{% if data.x is defined %}x{% endif %}"}),
        &[("/title", "length")],
    );
    refused(
        json!({"dedupe_key": "{{ 'x' * 129 }}"}),
        &[("/dedupe_key", "length")],
    );
    refused(
        json!({"when": {"data.kind": "share"}}),
        &[("/sample", "sample")],
    );
    let own = event(json!({"actor": {"id": "ana", "name": "Ana"}, "post": {"owner": "ana"}}));
    refused(json!({"sample": own}), &[("/sample", "sample")]);
    assert!(parse(json!({"sample": own, "include_actor": true})).is_ok());
    let odd =
        event(json!({"actor": {"id": "b o", "name": "Bo"}, "post": {"owner": ["ana", "a#"]}}));
    refused(
        json!({"sample": odd}),
        &[("/sample/data/post/owner/1", "format")],
    );
    let odd = event(json!({"actor": {"id": "b o", "name": "Bo"}, "post": {"owner": "ana"}}));
    refused(
        json!({"sample": odd}),
        &[
            ("/sample/data/actor/id", "format"),
            ("/sample/data/actor/id", "required"),
        ],
    );
    let contract = json!({"properties": {"post": {"required": ["title"]}}});
    refused(
        json!({"schema": contract}),
        &[("/sample/data/post", "contract")],
    );
}

#[test]
fn a_dedupe_key_is_never_cut_and_never_empty() {
    for template in [
        "{{ 'x' * 129 }}",
        "{% if data.gone is defined %}x{% endif %}",
    ] {
        let back = json!({"retract": true, "title": null, "dedupe_key": template});
        refused(back, &[("/dedupe_key", "length")]);
        refused(
            json!({"dedupe_key": template}),
            &[("/dedupe_key", "length")],
        );
    }
}
