//! What the local stack is told about the product: the template's parameters, who holds which token, and the page.

use local::Signer;
use local::outbox::Page;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const USER_ISSUER: &str = "https://issuer.local/users";
const USER_AUDIENCE: &str = "tidings-users";
const PRODUCER_ISSUER: &str = "https://issuer.local/producers";
const PRODUCER_AUDIENCE: &str = "tidings-producers";

const USER_SCOPE: &str = "tidings/inbox";
const PRODUCER_SCOPE: &str = "tidings/send";
const ADMIN_SCOPE: &str = "tidings/admin";

/// How long a local token is accepted.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// The users the page shows.
const DEMO_USERS: [&str; 2] = ["ana", "bo"];

/// Who a token is for.
pub enum Holder<'a> {
    /// A user, by id.
    User(&'a str),
    /// A backend service, by name.
    Producer(&'a str),
    /// An administrator, by name; may do what a producer may.
    Admin(&'a str),
}

/// The claims of a token that is valid from now on.
pub fn claims(holder: &Holder) -> Value {
    let (issuer, audience, subject, scope) = match holder {
        Holder::User(id) => (USER_ISSUER, USER_AUDIENCE, id, USER_SCOPE.to_owned()),
        Holder::Producer(name) => (
            PRODUCER_ISSUER,
            PRODUCER_AUDIENCE,
            name,
            PRODUCER_SCOPE.to_owned(),
        ),
        Holder::Admin(name) => (
            PRODUCER_ISSUER,
            PRODUCER_AUDIENCE,
            name,
            format!("{PRODUCER_SCOPE} {ADMIN_SCOPE}"),
        ),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    json!({
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "scope": scope,
        "iat": now.as_secs(),
        "exp": (now + TOKEN_LIFE).as_secs(),
    })
}

/// The secrets with the credentials for Google and Apple: parameter, and the secret's name.
const SECRETS: [(&str, &str); 3] = [
    ("FcmSecretArn", "fcm"),
    ("ApnsSecretArn", "apns"),
    ("ApnsSandboxSecretArn", "apns-sandbox"),
];

fn secret_arn(name: &str) -> String {
    let (region, account) = (local::template::REGION, local::template::ACCOUNT);
    format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-local")
}

/// What the secrets hold, by ARN: credentials of the right form that are good for nothing.
pub fn secrets() -> BTreeMap<String, String> {
    let key = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5OiBmb3IgdGhlIGxvY2FsIHN0YWNrIG9ubHk=\n-----END PRIVATE KEY-----\n";
    let account = json!({
        "type": "service_account",
        "project_id": "local",
        "private_key_id": "local",
        "private_key": key,
        "client_email": "nobody@local.invalid",
    });
    let token_key = json!({
        "key_id": "LOCALKEY00",
        "team_id": "LOCALTEAM0",
        "bundle_id": "invalid.local.app",
        "private_key": key,
    });
    let text = |name: &str| if name == "fcm" { &account } else { &token_key }.to_string();
    SECRETS
        .map(|(_, name)| (secret_arn(name), text(name)))
        .into()
}

/// The template's parameters for a stack whose API is on this port.
pub fn parameters(port: u16) -> BTreeMap<String, String> {
    [
        ("UserIssuer", USER_ISSUER.to_owned()),
        ("UserAudiences", USER_AUDIENCE.to_owned()),
        ("UserScope", USER_SCOPE.to_owned()),
        ("ProducerIssuer", PRODUCER_ISSUER.to_owned()),
        ("ProducerAudiences", PRODUCER_AUDIENCE.to_owned()),
        (
            "CorsOrigins",
            format!("http://localhost:{port},http://127.0.0.1:{port}"),
        ),
    ]
    .into_iter()
    .chain(SECRETS.map(|(parameter, name)| (parameter, secret_arn(name))))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The page with the phones, and the tokens it works with: signed when it is loaded, because the service may run for
/// longer than they are accepted.
pub fn pages(signer: Signer, api: String) -> Vec<Page> {
    let file = |path, content_type, body: &'static str| Page {
        path,
        content_type,
        body: Arc::new(move || body.to_owned()),
    };
    let script = |path, body| file(path, "text/javascript; charset=utf-8", body);
    vec![
        file(
            "index.html",
            "text/html; charset=utf-8",
            include_str!("../page/index.html"),
        ),
        file(
            "page.css",
            "text/css; charset=utf-8",
            include_str!("../page/page.css"),
        ),
        script("page.js", include_str!("../page/page.js")),
        script("common.js", include_str!("../page/common.js")),
        script("inbox.js", include_str!("../page/inbox.js")),
        script("phones.js", include_str!("../page/phones.js")),
        Page {
            path: "session.json",
            content_type: "application/json",
            body: Arc::new(move || session(&signer, &api).to_string()),
        },
    ]
}

fn session(signer: &Signer, api: &str) -> Value {
    let users: Vec<_> = DEMO_USERS
        .iter()
        .map(|id| json!({"id": id, "token": signer.sign(&claims(&Holder::User(id)))}))
        .collect();
    json!({
        "api": api,
        "producer_token": signer.sign(&claims(&Holder::Producer("producer"))),
        "admin_token": signer.sign(&claims(&Holder::Admin("support"))),
        "users": users,
    })
}
