//! Filters: what a page shows of an inbox, by what the caller asks and by what the user wants.

use serde_json::{Value, json};
use shared::id::NotificationId;

use crate::caller::{Answer, Caller, query};
use crate::create::note;
use crate::dedupe::create;
use crate::stack::{Stack, shared, unique};

pub const PAGE: &str = "/v1/me/notifications";

/// A page of the inbox, with these parameters.
pub async fn ask(caller: &Caller, pairs: &[(&str, &str)]) -> Answer {
    let pairs = [&[("consistent", "true")], pairs].concat();
    caller.get(&format!("{PAGE}{}", query(&pairs))).await
}

/// The titles that a filter finds, newest first.
async fn titles(caller: &Caller, pairs: &[(&str, &str)]) -> String {
    let page = ask(caller, pairs).await.expect(200);
    assert_eq!(page["page"]["has_more"], false);
    let data = page["data"].as_array().unwrap().iter();
    data.map(|n| n["title"].as_str().unwrap()).collect()
}

/// Stores notifications with titles "a", "b", … and these fields, oldest first; their ids.
pub async fn send(stack: &Stack, user: &str, fields: &[Value]) -> Vec<String> {
    let mut ids = Vec::new();
    for (letter, fields) in ('a'..).zip(fields) {
        let mut note = note(user);
        note["title"] = json!(letter.to_string());
        for (name, value) in fields.as_object().unwrap() {
            note[name] = value.clone();
        }
        ids.push(create(stack, &note).await.1);
    }
    ids
}

#[tokio::test]
async fn a_status_shows_what_has_it_and_counts_stay_whole() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = send(stack, &user, &[json!({}), json!({}), json!({}), json!({})]).await;
    let nothing = json!({});
    for (id, mark) in [
        (&ids[1], "read"),
        (&ids[2], "read"),
        (&ids[2], "archived"),
        (&ids[3], "archived"),
    ] {
        ana.put(&format!("{PAGE}/{id}/{mark}"), &nothing)
            .await
            .expect(200);
    }
    let expected = [
        ("unread", "a"),
        ("read", "b"),
        ("archived", "dc"),
        ("all", "dcba"),
    ];
    for (status, titles_of_it) in expected {
        assert_eq!(
            titles(&ana, &[("status", status)]).await,
            titles_of_it,
            "{status}"
        );
        let page = ask(&ana, &[("status", status)]).await.expect(200);
        assert_eq!(
            (&page["meta"]["unread_count"], &page["meta"]["gap"]),
            (&json!(1), &json!(false))
        );
    }
    assert_eq!(titles(&ana, &[]).await, "ba");
}

#[tokio::test]
async fn a_filter_is_all_that_it_says() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let bo = json!({"id": "auth0|bo", "name": "Bo"});
    let ids = send(
        stack,
        &user,
        &[
            json!({"type": "video.liked", "actor": bo, "group": "like:42"}),
            json!({"type": "video.liked", "actor": {"id": "cleo"}, "group": "like:42"}),
            json!({"type": "comment.new", "actor": bo, "group": "like:43 #&"}),
            json!({"type": "follow", "actor": bo}),
            json!({"type": "video", "data": {"n": 1}}),
        ],
    )
    .await;
    let at = |index: usize| NotificationId::parse(&ids[index]).unwrap().at().to_string();
    let cases: [(&[(&str, &str)], &str); 14] = [
        (&[("type", "video.liked")], "ba"),
        (&[("type", "comment.new,follow")], "dc"),
        (&[("type", "comment.new,unknown")], "c"),
        (&[("type", "unknown")], ""),
        (&[("actor", "auth0|bo")], "dca"),
        (&[("actor", "bo")], ""),
        (&[("group", "like:42")], "ba"),
        (&[("group", "like:43 #&")], "c"),
        (&[("since", &at(1)), ("until", &at(3))], "cb"),
        (&[("since", &at(4))], "e"),
        (&[("until", &at(0))], ""),
        (&[("since", &at(3)), ("until", &at(1))], ""),
        (
            &[
                ("type", "video.liked,follow"),
                ("actor", "auth0|bo"),
                ("since", &at(1)),
            ],
            "d",
        ),
        (
            &[
                ("actor", "auth0|bo"),
                ("group", "like:42"),
                ("status", "unread"),
                ("data.n", "1"),
            ],
            "",
        ),
    ];
    for (pairs, expected) in cases {
        assert_eq!(titles(&ana, pairs).await, expected, "{pairs:?}");
    }
    // Any offset, and moments that nothing can have.
    let long_ago = [
        ("since", "0001-01-01T00:00:00+01:00"),
        ("until", "9999-12-31T23:59:59Z"),
    ];
    assert_eq!(titles(&ana, &long_ago).await, "edcba");
    assert_eq!(titles(&ana, &[("until", "0001-01-01T00:00:00Z")]).await, "");
    assert_eq!(titles(&ana, &[("since", "9999-12-30T00:00:00Z")]).await, "");
}

/// What the data below is equal to, by path.
const FOUND: &[(&str, &str)] = &[
    ("data.video.id", "42"),
    ("data.video.id", "42.0"),
    ("data.video.id", "4.2e1"),
    ("data.video.ratio", "1"),
    ("data.video.tags.0", "\"a\""),
    ("data.video.tags.1.b.0", "null"),
    ("data.video.tags.1.b.1", "\"x y\""),
    ("data.video.tags", r#"["a",{"b":[null,"x y"]}]"#),
    ("data.a\\.b.c\\", "1"),
    ("data.a\\.b.é", "\"\\u00fc\""),
    ("data.s", "\"1\""),
    ("data.t", " true "),
    ("data.n", "null"),
    ("data.big", "18446744073709551615"),
    ("data.whole", "9007199254740993"),
    ("data.o", r#"{"y":[1.0,2],"x":1}"#),
    ("data.e", "[]"),
    ("data.0", "\"zero\""),
];

/// What it is not.
const MISSED: &[(&str, &str)] = &[
    ("data.video.id", "\"42\""),
    ("data.video.id", "43"),
    ("data.s", "1"),
    ("data.t", "1"),
    ("data.a.b.c\\", "1"),
    ("data.video.tags.2", "null"),
    ("data.video.tags.-1", "\"a\""),
    ("data.n", "false"),
    ("data.big", "18446744073709551614"),
    ("data.whole", "9007199254740992"),
    ("data.whole", "9007199254740992.0"),
    ("data.whole", "9007199254740994"),
    ("data.o", r#"{"x":1}"#),
    ("data.o", r#"{"y":[2,1],"x":1}"#),
    ("data.e", "{}"),
    ("data.e", "null"),
    ("data.missing", "null"),
    ("data.video..id", "42"),
    ("data.s.0", "\"1\""),
    ("data.video.tags.00", "\"a\""),
    ("data.video.tags.+0", "\"a\""),
];

#[tokio::test]
async fn data_is_compared_as_json_on_any_path() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let data = json!({
        "video": {"id": 42, "ratio": 1.0, "tags": ["a", {"b": [null, "x y"]}]},
        "a.b": {"c\\": 1, "é": "ü"}, "s": "1", "t": true, "n": null, "big": u64::MAX, "whole": 9_007_199_254_740_993_u64,
        "o": {"x": 1, "y": [1, 2]}, "e": [], "0": "zero",
    });
    send(
        stack,
        &user,
        &[
            json!({"data": data}),
            json!({"data": {"video": 7}}),
            json!({}),
        ],
    )
    .await;
    let name = |name: &str| name.replace('\\', "%5C").replace('é', "%C3%A9");
    for (path, value) in FOUND {
        assert_eq!(
            titles(&ana, &[(&name(path), value)]).await,
            "a",
            "{path}={value}"
        );
    }
    assert_eq!(titles(&ana, &[("data.video", "7")]).await, "b");
    let both = [("data.video.id", "42"), ("data.t", "true")];
    assert_eq!(titles(&ana, &both).await, "a");
    for (path, value) in MISSED {
        assert_eq!(
            titles(&ana, &[(&name(path), value)]).await,
            "",
            "{path}={value}"
        );
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused_by_its_parameter() {
    let ana = shared().user(&unique("ana"));
    let many = vec!["t"; 21].join(",");
    let cases = [
        ("status", "seen"),
        ("status", ""),
        ("status", "Unread"),
        ("since", "yesterday"),
        ("since", "2026-11-20"),
        ("until", ""),
        ("until", "1790000000"),
        ("data.a", "x"),
        ("data.a", ""),
        ("data.a", "1 2"),
        ("data.a", "{\"a\":"),
        ("data.", "1"),
        ("data", "1"),
        ("type", &many),
        ("type", ""),
        ("type", "VIDEO"),
        ("type", "video,"),
        ("actor", ""),
        ("actor", "a b"),
        ("group", ""),
        ("since", "2026-11-20T10Z"),
        ("until", "2026-11-20T10:00:00Z[UTC]"),
        ("grouped", "yes"),
        ("consistent2", "true"),
        ("limit", "0"),
        ("actors", "bo"),
    ];
    for (name, value) in cases {
        let answer = ask(&ana, &[(name, value)]).await;
        assert_eq!(answer.status, 400, "{name}={value}");
        let named: Vec<String> = answer.violations().into_iter().map(|v| v.0).collect();
        assert_eq!(named, [format!("/{name}")], "{name}={value}");
    }
    let several = [("status", "x"), ("since", "y"), ("data.a", "z")];
    assert_eq!(ask(&ana, &several).await.violations().len(), 3);
    let paths: Vec<String> = (0..21).map(|index| format!("data.p{index}")).collect();
    let paths: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "1")).collect();
    assert_eq!(ask(&ana, &paths).await.violations()[0].0, "/data");
    assert_eq!(ask(&ana, &paths[1..]).await.status, 200);
}

/// The titles of an inbox, of which all are unread; the counts must say so everywhere.
async fn shown(ana: &Caller) -> String {
    let counts = format!("{PAGE}/counts?consistent=true");
    let counts = ana.get(&counts).await.expect(200);
    let page = ask(ana, &[]).await.expect(200);
    let data = page["data"].as_array().unwrap().iter();
    let titles: String = data.map(|n| n["title"].as_str().unwrap()).collect();
    assert_eq!(page["meta"]["unread_count"], counts["unread_count"]);
    assert_eq!(counts["unread_count"], titles.len());
    assert_eq!(counts["unseen_count"], titles.len());
    titles
}

#[tokio::test]
async fn what_is_muted_or_switched_off_is_away_until_it_is_wanted_again() {
    let stack = shared();
    let user = unique("ana");
    let ana = stack.user(&user);
    let ids = send(
        stack,
        &user,
        &[
            json!({"actor": {"id": "bo"}, "group": "g", "type": "x"}),
            json!({"actor": {"id": "cleo"}, "group": "g", "type": "y"}),
            json!({"actor": {"id": "cleo"}, "group": "h", "type": "x"}),
            json!({}),
        ],
    )
    .await;
    for (mute, left) in [
        ("actor/bo", "dcb"),
        ("actor/cleo", "da"),
        ("group/g", "dc"),
        ("group/bo", "dcba"),
    ] {
        let path = format!("/v1/me/mutes/{mute}");
        ana.put(&path, &json!({})).await.expect(200);
        assert_eq!(shown(&ana).await, left, "{mute}");
        assert_eq!(ana.delete(&path).await.status, 204);
        assert_eq!(shown(&ana).await, "dcba");
    }
    let preferences = "/v1/me/preferences";
    let off = |kinds: &[&str]| {
        let kinds = kinds
            .iter()
            .map(|kind| ((*kind).to_owned(), json!({"inbox": false})));
        json!({"types": Value::Object(kinds.collect())})
    };
    for (wanted, left) in [
        (off(&["x"]), "db"),
        (off(&["x", "y"]), "d"),
        (
            json!({"default": {"inbox": false}, "types": {"y": {"inbox": true}}}),
            "b",
        ),
        (json!({}), "dcba"),
    ] {
        ana.put(preferences, &wanted).await.expect(200);
        assert_eq!(shown(&ana).await, left, "{wanted}");
    }
    // What a list leaves out can still be opened.
    ana.put("/v1/me/mutes/group/g", &json!({}))
        .await
        .expect(200);
    assert_eq!(titles(&ana, &[("group", "g")]).await, "");
    ana.get(&format!("{PAGE}/{}", ids[0])).await.expect(200);
}
