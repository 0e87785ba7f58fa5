//! Random calls of one user, with what is another's in every place that the API's document has.

use futures_util::stream::{self, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, query, send};
use crate::chance::Chance;
use crate::create::note;
use crate::dedupe::create;
use crate::document::operations;
use crate::documented::documented;
use crate::isolation::state;
use crate::pushes;
use crate::sample::{sample, variants};
use crate::stack::{Stack, shared, unique};

/// Calls on their way at the same time.
const IN_FLIGHT: usize = 8;

/// What is ana's, by which it could be asked for.
struct Hers {
    user: String,
    id: String,
    cursor: String,
}

async fn hers(stack: &Stack) -> Hers {
    let user = unique("ana");
    let mut secret = note(&user);
    secret["title"] = json!("canary-title");
    secret["body"] = json!("canary-body");
    secret["group"] = json!("canary-group");
    secret["data"] = json!({"canary": "canary-data"});
    let (_, id, _) = create(stack, &secret).await;
    create(stack, &secret).await;
    pushes::ended(stack, &user, &id).await;
    let ana = stack.user(&user);
    let page = ana.get("/v1/me/notifications?limit=1").await.expect(200);
    let cursor = page["page"]["next"].as_str().unwrap().to_owned();
    Hers { user, id, cursor }
}

impl Hers {
    /// One of her names, or something else.
    fn any(&self, chance: &mut Chance) -> &str {
        ["nobody", &self.user, &self.id, &self.cursor][chance.below(4)]
    }

    /// A body with her names in some of its texts.
    fn put_into(&self, body: &mut Value, chance: &mut Chance) {
        match body {
            Value::String(text) if chance.below(2) == 0 => self.any(chance).clone_into(text),
            Value::Array(items) => items
                .iter_mut()
                .for_each(|item| self.put_into(item, chance)),
            Value::Object(fields) => {
                if chance.below(4) == 0 {
                    let name = ["user", "recipient", "sub", "up_to"][chance.below(4)];
                    fields.insert(name.to_owned(), json!(self.user));
                }
                fields
                    .values_mut()
                    .for_each(|value| self.put_into(value, chance));
            }
            _ => {}
        }
    }
}

/// A call of a random operation for users.
async fn call(caller: &Caller, hers: &Hers, seed: u64) -> (String, Answer) {
    let mut chance = Chance::new(seed);
    let of_users: Vec<_> = operations()
        .into_iter()
        .filter(|(_, value)| value["security"][0]["users"].is_array())
        .collect();
    let (operation, value) = &of_users[chance.below(of_users.len())];
    let (path, method) = operation.rsplit_once('/').unwrap();
    let method: Method = method.to_uppercase().parse().unwrap();
    let path = path
        .replace("/paths/", "")
        .replace("~1", "/")
        .replace("{kind}", "actor");
    let parts = path.split('/').map(|part| {
        let part = if part.starts_with('{') {
            hers.any(&mut chance)
        } else {
            part
        };
        part.to_owned()
    });
    let path = parts.collect::<Vec<_>>().join("/");
    let parameters = value["parameters"].as_array().into_iter().flatten();
    let names = parameters.filter(|parameter| parameter["in"] == "query");
    let names: Vec<&str> = names.map(|name| name["name"].as_str().unwrap()).collect();
    let mut pairs = Vec::new();
    for name in names.into_iter().chain(["user", "recipient"]) {
        if chance.below(6) == 0 {
            pairs.push((name, hers.any(&mut chance)));
        }
    }
    let document = &documented().document;
    let contents = value["requestBody"]["content"]
        .as_object()
        .into_iter()
        .flatten();
    let bodies: Vec<Value> = contents
        .flat_map(|(_, content)| variants(document, &content["schema"]))
        .collect();
    let request = caller.request(method, &format!("{path}{}", query(&pairs)));
    let request = if bodies.is_empty() {
        request
    } else {
        let schema = &bodies[chance.below(bodies.len())];
        let mut body = sample(document, schema);
        hers.put_into(&mut body, &mut chance);
        request.json(&body)
    };
    (operation.clone(), send(request).await)
}

#[tokio::test]
async fn f57_random_calls_reach_no_foreign_row() {
    let calls = std::env::var("TIDINGS_STEPS").map_or(500, |steps| steps.parse().unwrap());
    let stack = shared();
    let hers = hers(stack).await;
    let before = state(stack, &hers.user, &hers.id).await;
    let caller = stack.user(&unique("bo"));
    let found = stream::iter(0..calls)
        .map(|seed| call(&caller, &hers, seed))
        .buffer_unordered(IN_FLIGHT);
    let mut statuses = std::collections::BTreeMap::new();
    let mut found = std::pin::pin!(found);
    while let Some((operation, answer)) = found.next().await {
        let said = answer.body.to_string();
        assert!(!said.contains("canary"), "{operation}: {answer:?}");
        assert_ne!(answer.status, 500, "{operation}: {answer:?}");
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    println!("{statuses:?}");
    assert!(
        statuses.contains_key(&200) && statuses.contains_key(&404),
        "{statuses:?}"
    );
    assert_eq!(state(stack, &hers.user, &hers.id).await, before);
}
