//! Nothing that a request says is told to anybody it is not meant for: strings that can be recognised go into every field
//! of every route, good and bad, and into pushes that fail in every way; then the log of the whole stack, the answers to
//! what went wrong, and the queue of what Lambda gave up on are searched for them.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, eventually, send};
use crate::create::note;
use crate::dedupe::create;
use crate::event_log::event;
use crate::events::template;
use crate::pushes;
use crate::stack::{Stack, shared, unique};

/// What every one of them begins with. Names of users and tokens have it too.
const CANARY: &str = "canary59";

fn full_note(user: &str) -> Value {
    let mut full = note(user);
    for (name, value) in [
        ("title", json!(format!("{CANARY}-title"))),
        ("body", json!(format!("{CANARY}-body"))),
        (
            "actor",
            json!({"id": format!("{CANARY}-actor"), "name": format!("{CANARY}-name")}),
        ),
        ("data", json!({"secret": format!("{CANARY}-data")})),
        ("link", json!(format!("app://{CANARY}-link"))),
        ("dedupe_key", json!(unique(&format!("{CANARY}-dedupe")))),
        ("group", json!(format!("{CANARY}-group"))),
    ] {
        full[name] = value;
    }
    full
}

/// Every route of the template, with canaries in the path, the query, the headers and the body; the bodies are of every
/// wrong kind. Returns the answers that are errors.
async fn every_route(stack: &Stack) -> Vec<String> {
    let bodies = [
        json!(format!("{CANARY}-text")),
        json!([format!("{CANARY}-item")]),
        json!({"recipients": [format!("{CANARY} user")], "type": format!("{CANARY} type"), "title": CANARY.repeat(200),
            "token": CANARY.repeat(1_000), "platform": format!("{CANARY}-platform"), "up_to": format!("{CANARY}-id"),
            "notifications": [format!("{CANARY}-nested")], "until": format!("{CANARY}-moment"), "day": CANARY}),
    ];
    let callers = [
        stack.user(&format!("{CANARY}-user")),
        stack.producer(),
        stack.admin(),
    ];
    let routes = template().api.unwrap().routes;
    let mut requests = Vec::new();
    for route in &routes {
        let mut path = route.path.clone();
        while let Some((before, rest)) = path.clone().split_once('{') {
            let after = rest.split_once('}').unwrap().1;
            path = format!("{before}{CANARY}-path{after}");
        }
        let method = Method::from_bytes(route.method.as_bytes()).unwrap();
        for caller in &callers {
            for body in &bodies {
                let request = caller.request(
                    method.clone(),
                    &format!("{path}?cursor={CANARY}&limit={CANARY}"),
                );
                requests.push(request.header("idempotency-key", unique(CANARY)).json(body));
                let plain = caller.request(method.clone(), &path);
                requests.push(plain.json(body));
            }
        }
    }
    let answers = join_all(requests.into_iter().map(send)).await;
    let errors = answers.into_iter().filter(|answer| answer.status >= 400);
    errors.map(|answer| answer.body.to_string()).collect()
}

/// Pushes that fail, each in another way, and what support asks about them.
async fn failures(stack: &Stack) {
    for trouble in [
        "invalid-parameter",
        "application",
        "authorization-error",
        "not-found",
        "lost-reply-1",
        "message-too-long",
    ] {
        let user = unique(&format!("{CANARY}-user"));
        let token = unique(&format!("error-{trouble}-{CANARY}-token"));
        pushes::device(stack, &user, &format!("{CANARY}-device"), "fcm", &token).await;
        let (_, id, _) = create(stack, &full_note(&user)).await;
        if !["application", "authorization-error"].contains(&trouble) {
            pushes::ended(stack, &user, &id).await;
        }
    }
    let admin = stack.admin();
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    admin
        .get(&format!("/v1/pushes/dead?day={day}"))
        .await
        .expect(200);
    let gone = unique(&format!("{CANARY}-user"));
    stack
        .producer()
        .post("/v1/notifications", &full_note(&gone))
        .await
        .expect(201);
    admin
        .get(&format!("/v1/users/{gone}/export"))
        .await
        .expect(200);
    admin.delete(&format!("/v1/users/{gone}")).await.expect(202);
    let mut happened = event(&unique(CANARY), &unique(CANARY));
    happened["data"] = json!({"secret": format!("{CANARY}-event")});
    stack
        .producer()
        .post("/v1/events", &happened)
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn f59_no_secret_and_no_content_is_in_a_log_an_error_or_a_queue() {
    let stack = shared();
    let user = unique(&format!("{CANARY}-user"));
    let phone = unique(&format!("{CANARY}-token"));
    pushes::device(stack, &user, "phone", "fcm", &phone).await;
    stack
        .producer()
        .post("/v1/notifications", &full_note(&user))
        .await
        .expect(201);
    let errors = every_route(stack).await;
    assert!(errors.len() > 100, "{} errors", errors.len());
    for error in &errors {
        assert!(!error.contains(CANARY), "{error}");
    }
    failures(stack).await;
    // Tokens that are refused, in whole and in part.
    let forged = Caller::new(stack.api(), format!("{CANARY}.{CANARY}.{CANARY}"));
    assert_eq!(forged.get("/v1/me/notifications").await.status, 401);
    eventually("the push", async || {
        (!stack.pushes(&phone).await.is_empty()).then_some(())
    })
    .await;

    // What the stack shows, and what the functions wrote, metrics among it.
    let url = format!("{}/_local/log", stack.api());
    let written = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(written.contains("CloudWatchMetrics"));
    let log = stack.log() + &written;
    let told: Vec<&str> = log.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
    let token = stack.sign(&stack.user_claims(&user));
    for secret in [
        token.rsplit('.').next().unwrap(),
        ":endpoint/",
        "local-token-key",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
    let url = format!("{}/_local/queues/FailedBatches", stack.api());
    let queue = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert!(!queue.contains(CANARY), "{queue}");
}

#[tokio::test]
async fn f58_a_client_that_speaks_as_the_gateway_is_not_believed() {
    let stack = shared();
    let (ana, bo) = (unique("ana"), unique("bo"));
    stack
        .producer()
        .post("/v1/notifications", &note(&ana))
        .await
        .expect(201);
    let context =
        json!({"authorizer": {"jwt": {"claims": {"sub": ana, "scope": "tidings/admin"}}}});
    let lies = |caller: &Caller, method: Method, path: &str| {
        let request = caller.request(method, path);
        [
            "x-amzn-request-context",
            "x-amz-request-context",
            "requestcontext",
            "x-apigateway-event",
            "x-amzn-lambda-context",
        ]
        .into_iter()
        .fold(request, |request, name| {
            request.header(name, context.to_string())
        })
        .header("x-amzn-oidc-data", &ana)
        .header("x-amzn-oidc-identity", &ana)
        .header("x-forwarded-user", &ana)
        .header("lambda-runtime-aws-request-id", "r")
    };
    let caller = stack.user(&bo);
    let page = send(lies(
        &caller,
        Method::GET,
        "/v1/me/notifications?consistent=true",
    ))
    .await;
    assert_eq!(page.expect(200)["data"], json!([]), "bo has nothing");
    for (method, path) in [
        (Method::GET, format!("/v1/users/{ana}/notifications")),
        (Method::DELETE, format!("/v1/users/{ana}")),
        (Method::POST, "/v1/notifications".to_owned()),
    ] {
        let answer =
            send(lies(&caller, method, &path).json(&json!({"requestContext": context}))).await;
        assert!([401, 403].contains(&answer.status), "{path}: {answer:?}");
    }
    let nobody = reqwest::Client::new().get(format!("{}/v1/me/notifications", stack.api()));
    let nobody = nobody.header("x-amzn-request-context", context.to_string());
    assert_eq!(send(nobody).await.status, 401);
    // In a body it is a field like any other.
    let mut body = note(&ana);
    body["requestContext"] = context;
    let answer = stack.producer().post("/v1/notifications", &body).await;
    assert_eq!(
        (answer.status, answer.violations()[0].0.as_str()),
        (422, "/requestContext")
    );
}
