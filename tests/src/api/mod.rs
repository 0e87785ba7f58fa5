//! The API as an `OpenAPI` document, generated from the template's routes, the constants of `shared`, the files beside this
//! one and the events in `events/`; and the page that is rendered from it.

#![expect(
    clippy::too_many_lines,
    reason = "most of it is a list, and each entry a line or two"
)]

mod admins;
pub mod codes;
mod examples;
mod operation;
mod page;
mod producers;
mod requests;
mod schema;
mod settings;
mod shapes;
mod users;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use local::template::{RouteSpec, Template};
use serde_json::{Map, Value, json};

use codes::{AGAIN, OF_THE_GATEWAY, STATUSES};
use operation::Operation;

pub use admins::OUTCOMES;
pub use page::page;

/// Where the document stands, from the repository's root. It is what the function serves.
pub const DOCUMENT: &str = "docs/openapi.json";
/// Where the page stands.
pub const PAGE: &str = "docs/API.md";

/// The repository.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The template as a stack of ours is given it.
///
/// # Panics
///
/// If it cannot be read.
pub fn template() -> Template {
    let parameters = [
        ("UserIssuer", "https://issuer.local/users"),
        ("UserAudiences", "users"),
        ("ProducerIssuer", "https://issuer.local/producers"),
        ("ProducerAudiences", "producers"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let parameters = BTreeMap::from(parameters);
    Template::load(&root().join("template.yaml"), &parameters).expect("the template can be read")
}

/// Everything that may be asked for.
fn operations() -> Vec<(&'static str, Vec<Operation>)> {
    vec![
        ("Producers", producers::operations()),
        ("Users", users::operations()),
        ("Administrators", admins::operations()),
    ]
}

/// The document.
///
/// # Panics
///
/// If an operation has no route in the template, or a route no operation.
pub fn document() -> Value {
    let mut routes: BTreeMap<String, RouteSpec> = template()
        .api
        .into_iter()
        .flat_map(|api| api.routes)
        .map(|route| (format!("{} {}", route.method, route.path), route))
        .collect();
    let mut paths = Map::new();
    for (tag, operations) in operations() {
        for operation in operations {
            let name = operation.route;
            let route = routes
                .remove(name)
                .unwrap_or_else(|| panic!("{name} is no route of the template"));
            let authorizer = route.authorizer.as_ref();
            let security =
                authorizer.map(|authorizer| (scheme(authorizer), &authorizer.scopes[..]));
            let mut value = operation.finish(security);
            value["tags"] = json!([tag]);
            let path = paths.entry(route.path).or_insert_with(|| json!({}));
            path[route.method.to_lowercase()] = value;
        }
    }
    let missing: Vec<&String> = routes.keys().collect();
    assert!(missing.is_empty(), "no operation for {missing:?}");
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings",
            "summary": "Notifications: stored in an inbox, and pushed to devices.",
            "description": GENERAL,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "Producers", "description": "Backend services: a producer's token with the scope `tidings/send`."},
            {"name": "Users", "description": "Apps: a user's token with the scope `tidings/inbox`. The user is always the token's `sub`."},
            {"name": "Administrators", "description": "Support: a producer's token with the scope `tidings/admin`."},
        ],
        "paths": paths,
        "components": {"schemas": schemas(), "responses": responses(), "securitySchemes": schemes()},
    });
    examples::add(&mut document, &root().join("events"));
    document
}

const GENERAL: &str = "Names are in snake_case, moments as RFC 3339 writes them, in answers in UTC. In the body of a request `null` is as good as a field \
that is left out, and a field that is not known is refused, except inside `data`. A query has at most 8,192 bytes, and each parameter once. What is wrong with a request is \
told all at once, and then nothing is stored. What the gateway itself refuses has its own form, `{\"message\": …}`: 401 and 403 of the authorizer, an unknown route (404), \
a throttled request (429), one above 10 MB (413), and headers above 10,240 bytes (431).";

/// The name of an authorizer of the template.
fn scheme(authorizer: &local::template::Authorizer) -> &'static str {
    if authorizer.issuer.ends_with("/users") {
        "users"
    } else {
        "producers"
    }
}

fn schemes() -> Value {
    let scheme = |who: &str| json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": who});
    json!({
        "users": scheme("An access token of the issuer of your users, with the scope `tidings/inbox`."),
        "producers": scheme("An access token of the issuer of your backend services, with the scope `tidings/send` or `tidings/admin`."),
    })
}

fn schemas() -> Map<String, Value> {
    let all = [
        shapes::shapes(),
        settings::shapes(),
        requests::shapes(),
        producers::shapes(),
        admins::shapes(),
    ];
    let named = all.into_iter().flatten();
    named
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

fn responses() -> Map<String, Value> {
    let named = STATUSES.iter().map(|(status, name, says, codes)| {
        let mut says = (*says).to_owned();
        if !codes.is_empty() {
            let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
            let _ = write!(says, " Its `code` is {}.", codes.join(" or "));
        }
        let mut content = Map::new();
        if !codes.is_empty() {
            content.insert(
                "application/problem+json".to_owned(),
                json!({"schema": schema::named("Problem")}),
            );
        }
        if OF_THE_GATEWAY.contains(status) {
            content.insert(
                "application/json".to_owned(),
                json!({"schema": schema::named("Message")}),
            );
        }
        let mut response = json!({"description": says, "content": content});
        if AGAIN.contains(status) {
            let says = "After how many seconds to try again.";
            response["headers"]["Retry-After"] =
                json!({"schema": {"type": "string"}, "description": says});
        }
        ((*name).to_owned(), response)
    });
    named.collect()
}

/// The document as it is kept and served: a line for each operation's parts and for each schema, so that changes can be read.
pub fn written(document: &Value) -> String {
    let mut text = String::new();
    write(document, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if depth < 4 && !fields.is_empty() => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(text, "{comma}\n{}:", json!(name));
                write(value, depth + 1, text);
            }
            text.push('}');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}
