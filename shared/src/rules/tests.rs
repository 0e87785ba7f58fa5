//! What a rule may be.

mod telling;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Rendered, Rule};
use crate::event::Event;

fn event(data: Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/likes", "type": "post.liked", "subject": "post:1",
           "time": "2026-11-24T18:00:00Z"});
    event["data"] = data;
    event
}

fn liked() -> Value {
    event(
        json!({"actor": {"id": "bo", "name": "Bo", "mail": "x"}, "post": {"id": 1, "owner": "ana"}, "kind": "like"}),
    )
}

/// A rule of the least that there must be, with these fields replaced; `null` leaves one out.
fn rule(fields: Value) -> Value {
    let mut rule = json!({"recipients": {"path": "data.post.owner"}, "title": "{{ actor.name }} liked it", "sample": liked()});
    let Value::Object(fields) = fields else {
        panic!("no fields");
    };
    for (name, value) in fields {
        rule[name] = value;
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
    let told = fields.to_string();
    let broken = parse(fields).expect_err(&told);
    let mut found: Vec<(&str, &str)> = broken
        .iter()
        .map(|(at, code, _)| (at.as_str(), *code))
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{told} {broken:?}");
}

/// Each of these is refused there, with this code, whatever else is wrong.
fn all_refused<const N: usize>(cases: [(Value, &str, &str); N]) {
    for (fields, at, code) in cases {
        let told = fields.to_string();
        let broken = parse(fields).expect_err(&told);
        let found = broken.iter().any(|(p, c, _)| p == at && *c == code);
        assert!(found, "{told}: {broken:?}");
    }
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
fn recipients_are_said_in_one_of_the_known_ways() {
    let users: Vec<String> = (0..1_001).map(|n| format!("u{n}")).collect();
    let both = json!({"path": "data.x", "users": ["ana"]});
    let of = |recipients: Value| json!({ "recipients": recipients });
    let users = of(json!({ "users": users }));
    let twice = of(json!({"users": ["ana", "ana"]}));
    let more = of(json!({"users": ["ana"], "role": "x"}));
    let topic = of(json!({"topic": "thread {{ subject }}"}));
    all_refused([
        (of(Value::Null), "/recipients", "required"),
        (of(json!("ana")), "/recipients", "type"),
        (of(json!({})), "/recipients", "required"),
        (of(both), "/recipients", "required"),
        (of(json!({"users": []})), "/recipients/users", "length"),
        (users, "/recipients/users", "length"),
        (twice, "/recipients/users/1", "duplicate"),
        (
            of(json!({"users": ["a#b"]})),
            "/recipients/users/0",
            "format",
        ),
        (more, "/recipients/role", "unknown_field"),
        (topic, "/recipients/topic", "format"),
    ]);
}

#[test]
fn what_a_rule_may_say_is_checked_with_pointers() {
    let paths: Vec<String> = (0..21).map(|n| format!("p{n}")).collect();
    let when: Value = (0..21).map(|n| (format!("data.p{n}"), json!(1))).collect();
    let off = json!({"push": false, "locales": {"pt": {"title": "x"}}});
    let back = json!({"retract": true, "dedupe_key": "k"});
    let retract = json!({"retract": true, "title": null});
    let id = json!({"sample": {"specversion": "1.0"}});
    all_refused([
        (json!({ "when": when }), "/when", "length"),
        (json!({"when": [1]}), "/when", "type"),
        (json!({ "data": paths }), "/data", "length"),
        (json!({"data": [1]}), "/data/0", "format"),
        (json!({"title": null}), "/title", "required"),
        (json!({"title": "x".repeat(1_001)}), "/title", "length"),
        (json!({"body": 1}), "/body", "type"),
        (off, "/locales", "exclusive"),
        (json!({"push": 1}), "/push", "type"),
        (retract, "/dedupe_key", "required"),
        (back, "/title", "exclusive"),
        (id, "/sample/id", "required"),
        (json!({"sample": []}), "/sample", "type"),
    ]);
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

#[track_caller]
fn misplaced(fields: Value, at: &str, wanted: &str) {
    let told = fields.to_string();
    let broken = parse(fields).expect_err(&told);
    let is_it =
        |(p, c, d): &(String, &str, String)| p == at && *c == "template" && d.contains(wanted);
    assert!(broken.iter().any(is_it), "{told}: {broken:?}");
}

#[test]
fn the_place_of_an_error_in_a_template_is_told() {
    let body = |template: &str| json!({ "body": template });
    let title = json!({"title": "{{ actor.nickname }}"});
    misplaced(title, "/title", "(line 1, column 4)");
    let filter = body("like\nof {{ actor.name|shout }}");
    misplaced(filter, "/body", "(line 2, column 18)");
    misplaced(json!({"link": "{{ data.post }}"}), "/link", "no text");
    let group = json!({"group": "é {{ unknown }}"});
    misplaced(group, "/group", "(line 1, column 6)");
    let locale = json!({"locales": {"pt": {"body": "{{ data.x }}"}}});
    misplaced(locale, "/locales/pt/body", "column 4");
    let unless = body("{% if data.gone %}x{% endif %}");
    misplaced(unless, "/body", "undefined");
    let include = json!({"title": "{% include 'x' %}"});
    misplaced(include, "/title", "line 1");
}

#[test]
fn a_template_may_neither_take_long_nor_grow() {
    let nested = "{% for a in range(9999) %}".repeat(2) + "{{ a }}" + &"{% endfor %}".repeat(2);
    for template in [nested, "{{ 'x' * 3000000 }}".to_owned()] {
        misplaced(json!({ "body": template }), "/body", "fuel");
    }
    let body = "{% for i in range(1000) %}{% if data.a == data.b %}{% endif %}{% endfor %}x";
    let list = |length: usize| json!([vec![1; length]]);
    let data = |length: usize| json!({"actor": {"id": "bo", "name": "Bo"}, "post": {"owner": "ana"}, "a": list(length), "b": list(length)});
    let fields = json!({"body": body, "sample": event(data(1))});
    assert!(render(fields.clone(), data(1)).is_ok());
    let broken = render(fields, data(9_000)).unwrap_err();
    assert!(broken[0].2.contains("fuel"), "{broken:?}");
}

#[test]
fn a_template_builds_no_values_of_values() {
    let doubled = "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}x";
    let looped = "{% for x in [1] recursive %}{{ loop(x + x) }}{% endfor %}x";
    for (template, wanted) in [
        (doubled, "no variables (line 1, column 4)"),
        ("a\n{% with x = 1 %}x{% endwith %}", "(line 2, column 4)"),
        ("{% filter upper %}x{% endfilter %}", "only the statements"),
        (looped, "a loop goes over"),
        (
            "{% for x in data.post * 9 %}x{% endfor %}",
            "(line 1, column 13)",
        ),
        (
            "{% for x in data|default(type) %}x{% endfor %}",
            "a loop goes over",
        ),
        // It would be worked out when the template is compiled, without any fuel.
        (
            "{{ [1] * 99999999999 == [1] * 99999999999 }}",
            "a list stands",
        ),
        ("{{ 1 in [[1] * 99999] }}", "a list stands"),
        ("{{ ([1] or 1) * 9 }}", "a list stands"),
        ("{{ (1, 2) }}", "a list stands"),
        ("{{ {'a': 1} }}", "objects"),
        ("{{ [1]|batch(9, data)|length }}", "filter"),
        ("{{ namespace() }}", "namespace"),
    ] {
        misplaced(json!({ "body": template }), "/body", wanted);
    }
    for template in [
        "{{ 'x' if data.kind in ['like', 'share'] and data.kind not in ('a', type) }}",
        "{{ [actor.name, data.kind]|join(' ') }} {{ (data.post.id * 3 + 1) // 2 }}",
        "{% for key, value in data.post|items if value is defined %}{{ key }}{% endfor %}",
        "{% for n in range(3) %}{{ n }}{% else %}{% raw %}{{{% endraw %}{% endfor %}{# #}",
        "{{ [actor]|map(attribute='name')|join(', ') }}",
    ] {
        let parsed = parse(json!({ "body": template }));
        assert!(parsed.is_ok(), "{template} {parsed:?}");
    }
}

#[test]
fn a_rule_is_tried_on_its_sample() {
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
