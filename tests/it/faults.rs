//! Faults of the table and of SNS, one at a time and by chance: what is answered, and what is in the table afterwards.
//!
//! Every case has a word of its own in its keys, by which the proxy knows its calls; so they run side by side.
//! `cargo test` takes a part of the larger matrices, spread evenly; `TIDINGS_FULL=1` takes all.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use local::function::Function;
use serde_json::{Value, json};

use crate::crashes::full;
use crate::create::note;
use crate::ground::{Ground, Http, Reply, RowKey, create, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::unique;

/// What DynamoDB answers while it is not well: status, code, and whether it says "too fast".
const TROUBLE: [(u16, &str, bool); 5] = [
    (500, "InternalServerError", false),
    (503, "ServiceUnavailable", false),
    (400, "ThrottlingException", true),
    (400, "ProvisionedThroughputExceededException", true),
    (400, "RequestLimitExceeded", true),
];

/// Cases on their way at the same time; a function has 16 instances at most.
const CASES: usize = 16;

/// A word that no other case has, nor as a part of its own.
fn word() -> String {
    format!("{}x", unique("fault"))
}

/// The functions behind one proxy, and the same without it.
struct Field {
    ground: Ground,
    proxy: Proxy,
    create: Function,
    read: Function,
    devices: Function,
    direct: Function,
}

/// Every operation that a case is made of.
const OPERATIONS: [&str; 9] = [
    "create",
    "keyed",
    "twelve",
    "keyed twelve",
    "list",
    "one",
    "mark",
    "register",
    "devices",
];

impl Field {
    async fn new() -> Field {
        let ground = Ground::new().await;
        let proxy = ground.proxy(false).await;
        Field {
            create: ground.function("create-notifications", Some(&proxy)),
            read: ground.function("read-inbox", Some(&proxy)),
            devices: ground.function("manage-devices", Some(&proxy)),
            direct: ground.function("create-notifications", None),
            ground,
            proxy,
        }
    }

    /// A request of this operation whose calls all contain `word`.
    async fn request(&self, operation: &str, word: &str) -> (Http, &Function) {
        let inbox = |route: &str| Http::new(route, word).query("consistent=true");
        let twelve = || {
            let recipients: Vec<String> = (0..12).map(|index| format!("{word}-{index}")).collect();
            let mut twelve = note("x");
            twelve["recipients"] = json!(recipients);
            twelve
        };
        match operation {
            "create" => (create(None, &note(word)), &self.create),
            "keyed" => (create(Some(word), &note(word)), &self.create),
            "twelve" => (create(None, &twelve()), &self.create),
            "keyed twelve" => (create(Some(word), &twelve()), &self.create),
            "list" => (inbox("GET /v1/me/notifications"), &self.read),
            "one" | "mark" => {
                let made = create(None, &note(word)).send(&self.direct).await.unwrap();
                let id = made.body["data"][0]["id"].as_str().unwrap().to_owned();
                let route = if operation == "one" {
                    "GET /v1/me/notifications/{id}"
                } else {
                    "PUT /v1/me/notifications/{id}/read"
                };
                (Http::new(route, word).path("id", &id), &self.read)
            }
            "register" => {
                let device = json!({"platform": "fcm", "token": word});
                let put = Http::new("PUT /v1/me/devices/{device_id}", word);
                (put.path("device_id", "phone").json(&device), &self.devices)
            }
            _ => (Http::new("GET /v1/me/devices", word), &self.devices),
        }
    }

    /// Runs `operation` under rules that hold for it alone; returns also the rows of its users.
    async fn run(&self, operation: &str, rules: Vec<Rule>) -> (Reply, Vec<RowKey>, Duration) {
        let word = word();
        let (request, function) = self.request(operation, &word).await;
        for rule in rules {
            self.proxy.add(rule.containing(&word));
        }
        let began = Instant::now();
        let reply = request.send(function).await.unwrap();
        let took = began.elapsed();
        let users = match operation {
            "create" | "keyed" => vec![word],
            "twelve" | "keyed twelve" => (0..12).map(|index| format!("{word}-{index}")).collect(),
            _ => Vec::new(),
        };
        let rows = users.iter().map(|user| self.ground.inbox(user));
        let rows = join_all(rows).await.concat();
        (reply, rows, took)
    }

    /// The places of an operation's calls to the table among its calls.
    async fn calls(&self, operation: &str) -> Vec<usize> {
        self.proxy.take_calls();
        self.run(operation, Vec::new()).await;
        let calls = self.proxy.take_calls().into_iter().zip(1..);
        let table = calls.filter(|(call, _)| call.body.starts_with('{'));
        table.map(|(_, place)| place).collect()
    }
}

/// Whether a 503 came of the machine's load: the functions give up on a call to the table after 1.5 s.
fn is_late(reply: &Reply, took: Duration) -> bool {
    reply.status == 503 && took > Duration::from_millis(1_400)
}

/// Runs every case, some at a time; each returns what is wrong with it.
async fn all(cases: impl Iterator<Item = impl Future<Output = Option<String>>>) {
    let found = stream::iter(cases).buffer_unordered(CASES);
    let found: Vec<Option<String>> = found.collect().await;
    assert!(found.len() > 5, "{} cases", found.len());
    let wrong: Vec<String> = found.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_one_fault_at_any_call_to_the_table_is_survived_without_an_extra_row() {
    let field = Field::new().await;
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::HalfReply,
        Fault::Delay(Duration::from_millis(30)),
        Fault::Twice,
        Fault::Status(500, "InternalServerError"),
        Fault::Status(400, "ThrottlingException"),
    ];
    let mut cases = Vec::new();
    for operation in OPERATIONS {
        let calls = field.calls(operation).await;
        // Of twelve rows that are put alike, two tell as much as all.
        let places = calls
            .into_iter()
            .take(5)
            .filter(|call| *call <= 3 || operation == "register");
        cases.extend(places.flat_map(|call| faults.map(|fault| (operation, call, fault))));
    }
    // Three and the number of faults have no divisor in common: each fault and each call has its turn.
    let cases = cases.into_iter().step_by(if full() { 1 } else { 3 });
    all(cases.map(async |(operation, call, fault)| {
        let at = format!("{operation}, call {call}, {fault:?}");
        let (reply, rows, took) = field
            .run(operation, vec![Rule::on("", call..=call, fault)])
            .await;
        let replied = stored(&reply);
        let expected: BTreeSet<&RowKey> = replied.iter().collect();
        let is_create = !replied.is_empty();
        let exact = !is_create
            || (rows.len() == replied.len() && rows.iter().all(|row| expected.contains(row)));
        // Our own lost reply must not look like somebody else's request.
        let first = reply.headers.get("idempotency-replayed").is_none();
        let wrong = reply.status >= 300 || !exact || !first;
        (wrong && !is_late(&reply, took)).then(|| format!("{at}: {reply:?} with {rows:?}"))
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_f6_i3_trouble_that_stays_is_a_503_or_a_429_that_stored_nothing() {
    let field = Field::new().await;
    let mut cases: Vec<(&str, Fault, bool)> = Vec::new();
    for operation in OPERATIONS {
        for (status, code, throttled) in TROUBLE {
            cases.push((operation, Fault::Status(status, code), throttled));
        }
        for fault in [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::HalfReply,
            Fault::Garbage,
        ] {
            cases.push((operation, fault, false));
        }
    }
    // Nine faults and steps of two: each fault meets every other operation.
    let cases = cases.into_iter().step_by(if full() { 1 } else { 2 });
    all(cases.map(async |(operation, fault, throttled)| {
        let (reply, rows, took) = field
            .run(operation, vec![Rule::on("", 1..=999, fault)])
            .await;
        let several = operation == "twelve";
        let expected = if throttled && !several { 429 } else { 503 };
        let is_create = !["one", "mark"].contains(&operation);
        let phantom = reply.status < 500 && is_create && !rows.is_empty();
        let wrong = reply.status != expected || reply.headers["retry-after"] != "1" || phantom;
        (wrong && !is_late(&reply, took))
            .then(|| format!("{operation}, {fault:?}: {reply:?} with {rows:?}"))
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_who_is_not_throttled_does_not_notice_and_what_is_half_stored_is_a_503() {
    let field = Field::new().await;
    let throttle = Fault::Status(400, "ThrottlingException");
    let puts = || vec![Rule::on("PutItem", 2..=999, throttle)];
    let (ana, bo) = futures_util::join!(field.run("keyed", puts()), field.run("keyed", Vec::new()));
    assert_eq!((ana.0.status, ana.1.len()), (429, 0), "{ana:?}");
    assert_eq!((bo.0.status, bo.1.len()), (201, 1), "{bo:?}");
    let several = field
        .run("keyed twelve", vec![Rule::on("PutItem", 5..=999, throttle)])
        .await;
    assert_eq!(several.0.status, 503, "{several:?}");
    assert!((3..12).contains(&several.1.len()), "{several:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_table_that_hangs_is_a_503_within_three_seconds() {
    let field = Field::new().await;
    let hanging = OPERATIONS.map(async |operation| {
        let (reply, _, took) = field
            .run(operation, vec![Rule::on("", 1..=999, Fault::Hang)])
            .await;
        println!("{operation}: {} after {took:?}", reply.status);
        (operation, reply.status, took)
    });
    for (operation, status, took) in join_all(hanging).await {
        assert_eq!(status, 503, "{operation}");
        // The start of a process under load, and a second more, are allowed for.
        assert!(took < Duration::from_secs(4), "{operation} took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_conflict_is_tried_again_and_is_a_409_if_it_stays() {
    let field = Field::new().await;
    let conflict = Fault::Status(400, "TransactionCanceledException");
    let rule = |calls| vec![Rule::on("TransactWriteItems", calls, conflict)];
    let (twice, _, _) = field.run("register", rule(1..=2)).await;
    assert_eq!(twice.status, 201, "{twice:?}");
    field.proxy.take_calls();
    let (stays, _, _) = field.run("register", rule(1..=999)).await;
    assert_eq!(
        (stays.status, &stays.headers["retry-after"]),
        (409, &json!("1")),
        "{stays:?}"
    );
    let calls = field.proxy.take_calls();
    let tried = calls
        .iter()
        .filter(|call| call.operation == "TransactWriteItems");
    assert_eq!(tried.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_an_outage_of_sns_is_a_503_and_the_repeat_registers() {
    let field = Field::new().await;
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(400, "Throttled"),
        Fault::DropAfter,
        Fault::Garbage,
    ] {
        let rule = Rule::on("CreatePlatformEndpoint", 1..=999, fault);
        let word = word();
        let (request, function) = field.request("register", &word).await;
        field.proxy.add(rule.containing(&word));
        let reply = request.send(function).await.unwrap();
        assert_eq!(reply.status, 503, "{fault:?}: {reply:?}");
        field.proxy.script(Vec::new());
        let again = request.send(function).await.unwrap();
        assert_eq!(again.status, 201, "{fault:?}: {again:?}");
    }
    field.proxy.script(vec![Rule::on("", 1..=1, Fault::Refuse)]);
    let (gone, _, _) = field.run("devices", Vec::new()).await;
    assert_eq!(gone.status, 503, "{gone:?}");
}

/// Requests to create that are refused whole.
fn refused() -> Vec<Http> {
    let good = note("ana");
    let with = |field: &str, value: Value| {
        let mut note = good.clone();
        note[field] = value;
        note
    };
    let mut requests: Vec<Http> = [
        with("title", json!("")),
        with("recipients", json!(["ana", "a#b"])),
        with("recipients", json!(["ana", "ana"])),
        with("recipients", json!([])),
        with("type", json!("A B")),
        with("unknown", json!(1)),
        with("data", json!({"n": 1e300})),
        with("push", json!({"ttl": -1})),
        with("expires_in", json!(1)),
        json!({"notifications": []}),
        json!({"notifications": vec![good.clone(); 101]}),
        json!({"notifications": [good, {}], "more": 1}),
    ]
    .iter()
    .flat_map(|body| [create(None, body), create(Some("i3-key"), body)])
    .collect();
    let raw = |body: &str| Http::new("POST /v1/notifications", "likes").text(body);
    requests.extend(
        [
            "",
            "{",
            "null",
            "[]",
            "\u{feff}{}",
            "{\"title\":\"a\",\"title\":\"b\"}",
        ]
        .map(raw),
    );
    requests.push(raw(&" ".repeat(65_537)));
    requests.push(create(None, &good).header("content-type", "text/plain"));
    requests.push(create(None, &good).header("content-encoding", "gzip"));
    requests.push(create(Some(""), &good));
    requests.push(create(Some(&"k".repeat(256)), &good));
    requests.push(Http::new("POST /v1/notifications", "").json(&good));
    requests.push(create(None, &good).query("dry_run=true"));
    requests.push(create(None, &json!({"notifications": [good]})).query("dry_run=true"));
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_what_is_refused_has_stored_nothing() {
    let ground = Ground::new().await;
    let function = ground.function("create-notifications", None);
    let requests = refused();
    let sent = requests.iter().map(async |request| {
        let reply = request.send(&function).await.unwrap();
        assert!((400..500).contains(&reply.status), "{request:?}: {reply:?}");
    });
    join_all(sent).await;
    assert!(ground.keys().await.is_empty(), "{:?}", ground.keys().await);
    // A batch of which nothing is valid is answered item by item.
    let batch = json!({"notifications": [{}, {"title": 7}]});
    let reply = create(Some("i3-batch"), &batch)
        .send(&function)
        .await
        .unwrap();
    assert_eq!(reply.status, 207);
    assert!(
        ground
            .keys()
            .await
            .iter()
            .all(|(pk, _)| pk.starts_with("R#"))
    );
}
