//! Who may do what: every route with every kind of token.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, send};
use crate::stack::{Stack, shared};

const ROUTES: [(&str, &str, &str); 9] = [
    ("POST", "/v1/notifications", "producer"),
    ("POST", "/v1/notifications/batch", "producer"),
    ("GET", "/v1/me/notifications", "user"),
    (
        "GET",
        "/v1/me/notifications/01KAB0000000000000000000AA",
        "user",
    ),
    (
        "PUT",
        "/v1/me/notifications/01KAB0000000000000000000AA/read",
        "user",
    ),
    (
        "DELETE",
        "/v1/me/notifications/01KAB0000000000000000000AA/read",
        "user",
    ),
    ("GET", "/v1/me/devices", "user"),
    ("PUT", "/v1/me/devices/phone", "user"),
    ("DELETE", "/v1/me/devices/phone", "user"),
];

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

/// Tokens that must be refused, with the status.
fn bad_tokens(stack: &Stack, good: &Value, other: &Value) -> Vec<(String, u16)> {
    let signed = |name, value| stack.sign(&with(good, name, value));
    let token = stack.sign(good);
    let parts: Vec<&str> = token.split('.').collect();
    let none = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        r#"{"alg":"none","typ":"JWT"}"#,
    );
    let hs256 = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        r#"{"alg":"HS256","typ":"JWT"}"#,
    );
    vec![
        (String::new(), 401),
        ("x".to_owned(), 401),
        ("a".repeat(5_000), 401),
        (signed("exp", json!(1_790_000_000)), 401),
        (signed("nbf", json!(4_000_000_000_u32)), 401),
        (signed("iss", json!("https://other.example")), 401),
        (signed("aud", json!("other")), 401),
        (signed("scope", json!("")), 403),
        (signed("scope", json!("tidings/sen")), 403),
        (stack.sign(other), 401),
        (format!("{none}.{}.", parts[1]), 401),
        (format!("{hs256}.{}.{}", parts[1], parts[2]), 401),
        (format!("{}.{}.{}", parts[0], parts[1], "AAAA"), 401),
        (format!("{}.{}", parts[0], parts[1]), 401),
    ]
}

#[tokio::test]
async fn f56_every_route_refuses_every_bad_token() {
    let stack = shared();
    let (user, producer) = (stack.user_claims("ana"), stack.producer_claims());
    for (method, path, who) in ROUTES {
        let (good, other) = if who == "user" {
            (&user, &producer)
        } else {
            (&producer, &user)
        };
        let method: Method = method.parse().unwrap();
        for (token, status) in bad_tokens(stack, good, other) {
            let caller = Caller::new(stack.api(), token.clone());
            let answer = send(caller.request(method.clone(), path)).await;
            assert_eq!(answer.status, status, "{method} {path} {token}");
            let message = if status == 401 {
                "Unauthorized"
            } else {
                "Forbidden"
            };
            assert_eq!(answer.body, json!({"message": message}));
        }
        let plain =
            reqwest::Client::new().request(method.clone(), format!("{}{path}", stack.api()));
        assert_eq!(
            send(plain).await.status,
            401,
            "{method} {path} without a token"
        );
        let caller = Caller::new(stack.api(), stack.sign(good));
        let twice = caller
            .request(method.clone(), path)
            .header("authorization", "Bearer x");
        assert_eq!(
            send(twice).await.status,
            401,
            "{method} {path} with two tokens"
        );
    }
}

#[tokio::test]
async fn a_token_whose_sub_is_no_id_is_forbidden_by_the_function() {
    let stack = shared();
    for sub in [
        Some(json!("a#b")),
        Some(json!("")),
        Some(json!("x".repeat(129))),
        None,
    ] {
        let mut claims = stack.user_claims("x");
        match &sub {
            Some(sub) => claims["sub"] = sub.clone(),
            None => drop(claims.as_object_mut().unwrap().remove("sub")),
        }
        let caller = Caller::new(stack.api(), stack.sign(&claims));
        let answer = caller.get("/v1/me/notifications").await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("unusable_token")),
            "{sub:?}"
        );
    }
}
