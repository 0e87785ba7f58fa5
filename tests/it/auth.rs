//! Who may do what: every operation of the API's document with every kind of token.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, RsaKeyPair};
use serde_json::{Value, json};

use crate::caller::{Caller, send};
use crate::document::{operations, request_line};
use crate::stack::{Stack, shared};

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The stack's key, to sign what the stack itself would not.
struct Key(RsaKeyPair);

impl Key {
    fn of(stack: &Stack) -> Key {
        let pem = std::fs::read_to_string(stack.data().join("token-key.pem")).unwrap();
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        let der = BASE64_STANDARD.decode(lines.collect::<String>()).unwrap();
        Key(RsaKeyPair::from_der(&der).unwrap())
    }

    fn signature(&self, signed: &str) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        let padding = &signature::RSA_PKCS1_SHA256;
        self.0
            .sign(padding, &random, signed.as_bytes(), &mut signature)
            .unwrap();
        encoded(signature)
    }

    /// As whoever knows the public key can make it.
    fn by_its_public_part(&self, signed: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.public().as_ref());
        encoded(hmac::sign(&key, signed.as_bytes()))
    }
}

/// The claims that an operation takes, and those of everybody else.
fn claims(stack: &Stack, operation: &Value) -> (Value, Vec<Value>) {
    let (user, producer) = (stack.user_claims("ana"), stack.producer_claims());
    let admin = stack.admin_claims();
    let security = &operation["security"][0];
    match (&security["users"], &security["producers"][0]) {
        (Value::Array(_), _) => (user, vec![producer, admin]),
        (_, scope) if scope == "tidings/admin" => (admin, vec![user]),
        (_, scope) => {
            assert_eq!(scope, "tidings/send", "{security}");
            (producer, vec![user])
        }
    }
}

/// Tokens that must be refused, with the status.
fn bad_tokens(stack: &Stack, good: &Value, others: &[Value]) -> Vec<(String, u16)> {
    let signed = |name, value| stack.sign(&with(good, name, value));
    let token = stack.sign(good);
    let parts: Vec<&str> = token.split('.').collect();
    let headers = [
        r#"{"alg":"none","typ":"JWT","kid":"local"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"local"}"#,
        r#"{"alg":"RS256","typ":"JWT","kid":"other"}"#,
    ];
    let [none, hs256, stranger] = headers.map(|header| format!("{}.{}", encoded(header), parts[1]));
    let key = Key::of(stack);
    let mut bad = vec![
        (String::new(), 401),
        ("x".to_owned(), 401),
        ("a".repeat(5_000), 401),
        // What is larger than all headers may be together, no authorizer sees.
        ("a".repeat(20_480), 431),
        (signed("exp", json!(1_790_000_000)), 401),
        (signed("nbf", json!(4_000_000_000_u32)), 401),
        (signed("iss", json!("https://other.example")), 401),
        (signed("aud", json!("other")), 401),
        (signed("scope", json!("")), 403),
        (signed("scope", json!("tidings/sen")), 403),
        (format!("{none}."), 401),
        (format!("{none}.{}", parts[2]), 401),
        (format!("{hs256}.{}", parts[2]), 401),
        (format!("{hs256}.{}", key.by_its_public_part(&hs256)), 401),
        (format!("{stranger}.{}", key.signature(&stranger)), 401),
        (format!("{}.{}.{}", parts[0], parts[1], "AAAA"), 401),
        (format!("{}.{}", parts[0], parts[1]), 401),
    ];
    bad.extend(others.iter().map(|other| (stack.sign(other), 401)));
    bad
}

/// A refusal of the gateway itself has this form, and no function's answer does.
fn is_refused_by_the_gateway(body: &Value, status: u16) -> bool {
    let message = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Request Header Fields Too Large",
    };
    *body == json!({"message": message})
}

/// Every operation with every token in the proof harness; in the quick tests each with some of them.
#[tokio::test]
async fn f56_every_operation_refuses_every_bad_token_and_no_function_is_called() {
    let stack = shared();
    let client = reqwest::Client::new();
    let (step, mut count) = (if cfg!(feature = "proof") { 1 } else { 4 }, 0);
    for (index, (operation, value)) in operations().into_iter().enumerate() {
        let (method, path) = request_line(&operation);
        if path == "/openapi.json" {
            continue;
        }
        let request = || client.request(method.clone(), format!("{}{path}", stack.api()));
        let (good, others) = claims(stack, value);
        let good_token = stack.sign(&good);
        let mut requests = vec![
            (request(), 401),
            (
                request()
                    .bearer_auth(&good_token)
                    .header("authorization", "Bearer x"),
                401,
            ),
        ];
        for (token, status) in bad_tokens(stack, &good, &others) {
            requests.push((request().bearer_auth(token), status));
        }
        let some = requests.into_iter().skip(index % step).step_by(step);
        let answers = some.map(async |(request, status)| (status, send(request).await));
        for (status, answer) in join_all(answers).await {
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            let refused = is_refused_by_the_gateway(&answer.body, status);
            assert!(refused, "{method} {path}: {answer:?}");
            count += 1;
        }
    }
    println!("{count} refusals");
    assert!(count * step > 700, "{count} tokens");
}

/// What the gateway lets through says at least who is calling; the functions ask.
#[cfg(feature = "proof")]
#[tokio::test]
async fn f56_a_token_that_names_nobody_is_forbidden_by_every_operation() {
    let stack = shared();
    for (operation, value) in operations() {
        let (method, path) = request_line(&operation);
        if path == "/openapi.json" {
            continue;
        }
        let (mut claims, _) = claims(stack, value);
        for name in ["sub", "client_id"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        let caller = Caller::new(stack.api(), stack.sign(&claims));
        let request = caller.request(method.clone(), &path).json(&json!({}));
        let answer = send(request).await;
        let found = (answer.status, &answer.body["code"]);
        assert_eq!(found, (403, &json!("unusable_token")), "{method} {path}");
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
