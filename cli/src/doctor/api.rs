//! The API: whether it answers, whom it trusts, and whether those can be asked for their keys.

use super::aws::{Aws, Problem};
use super::deployment::Deployment;
use super::report::{Checked, Fault, Found};
use serde_json::Value;
use shared::outgoing::{Request, Response};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Issuers of a stack on this machine, which has their key itself.
const LOCAL_ISSUERS: &str = "https://issuer.local/";

/// Whose tokens a route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Their issuer.
    pub issuer: String,
    /// The audiences of which they must name one.
    pub audiences: Vec<String>,
    /// The scopes of which they must have one; empty asks for none.
    pub scopes: Vec<String>,
}

/// The routes with a token, by method and path.
pub type Routes = BTreeMap<String, Trust>;

/// The ids of the issuers' keys.
pub type Keys = BTreeMap<String, Vec<String>>;

/// Who trusts an issuer: in sentences, the parameter, and one of the routes.
const TRUSTING: [(&str, &str, &str); 2] = [
    ("users", "UserIssuer", "GET /v1/me/notifications/counts"),
    ("producers", "ProducerIssuer", "GET /v1/jobs/{job}"),
];

/// Asks a URL, as anybody might.
pub async fn get(url: &str, headers: Vec<(String, String)>) -> Result<Response, String> {
    let request = Request {
        method: "GET",
        url,
        headers,
        body: String::new(),
    };
    let outgoing = shared::aws::outgoing_anywhere(url).map_err(|error| error.chain())?;
    let answer = outgoing.send(request, "it", LIMIT).await;
    answer.map_err(|error| {
        let chain = error.chain();
        chain.rsplit(": ").next().unwrap_or_default().to_owned()
    })
}

/// Finds where the API answers, asks it for its document, and API Gateway for its routes.
pub async fn check(stack: &mut Deployment) -> (Checked, Option<Routes>) {
    match look(stack).await {
        Ok((found, routes)) => (Ok(found), Some(routes)),
        Err(problem) => (Err(problem), None),
    }
}

async fn look(stack: &mut Deployment) -> Result<(Found, Routes), Problem> {
    let Some(id) = stack.id("Api").map(str::to_owned) else {
        let mend = "look whether it is the stack of Tidings";
        return Ok((Found::fault("the stack has no API", mend), Routes::new()));
    };
    let base = format!("/v2/apis/{id}");
    if stack.api_url.is_empty() {
        let api = stack.aws.get("apigateway", "GetApi", &base).await?;
        let url = api["apiEndpoint"].as_str().unwrap_or_default();
        url.clone_into(&mut stack.api_url);
    }
    let routes = routes(&stack.aws, &base).await?;
    Ok((answering(stack).await, routes))
}

async fn answering(stack: &Deployment) -> Found {
    let url = &stack.api_url;
    let mend = if stack.is_local() {
        "look at what the stack says in its terminal, or start it again with `cargo run`".to_owned()
    } else {
        format!(
            "read `sam logs --stack-name {} --name AdministerUsers`; if it says nothing, whether {url} is reached from here",
            stack.name
        )
    };
    match get(&format!("{url}/openapi.json"), Vec::new()).await {
        Ok(answer) if answer.status == 200 => Found::Ok(format!("{url} answers")),
        Ok(answer) => Found::fault(format!("the API answers {} at {url}", answer.status), mend),
        Err(why) => Found::fault(format!("the API does not answer at {url} ({why})"), mend),
    }
}

/// Everything that is on the pages of a list of API Gateway's.
async fn items(aws: &Aws, operation: &str, path: &str) -> Result<Vec<Value>, Problem> {
    let mut found = Vec::new();
    let mut query = "?maxResults=100".to_owned();
    loop {
        let page = aws
            .get("apigateway", operation, &format!("{path}{query}"))
            .await?;
        if let Value::Array(items) = &page["items"] {
            found.extend(items.iter().cloned());
        }
        match page["nextToken"].as_str() {
            Some(next) if !next.is_empty() => {
                let all = percent_encoding::NON_ALPHANUMERIC;
                let next = percent_encoding::utf8_percent_encode(next, all);
                query = format!("?maxResults=100&nextToken={next}");
            }
            _ => return Ok(found),
        }
    }
}

async fn routes(aws: &Aws, base: &str) -> Result<Routes, Problem> {
    let authorizers = items(aws, "GetAuthorizers", &format!("{base}/authorizers")).await?;
    let routes = items(aws, "GetRoutes", &format!("{base}/routes")).await?;
    let trust = |route: &Value| {
        let id = route["authorizerId"].as_str()?;
        let authorizer = authorizers
            .iter()
            .find(|found| found["authorizerId"] == id)?;
        let jwt = &authorizer["jwtConfiguration"];
        Some((
            route["routeKey"].as_str()?.to_owned(),
            Trust {
                issuer: jwt["issuer"].as_str()?.to_owned(),
                audiences: texts(&jwt["audience"]),
                scopes: texts(&route["authorizationScopes"]),
            },
        ))
    };
    Ok(routes.iter().filter_map(trust).collect())
}

/// The texts of a list, or the one that stands for a list of one.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            let texts = items.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// Asks each issuer who it is and for its keys.
pub async fn issuers(stack: &Deployment, routes: &Routes) -> (Found, Keys) {
    let (mut keys, mut faults) = (Keys::new(), Vec::new());
    for (who, parameter, route) in TRUSTING {
        let Some(trust) = routes.get(route) else {
            let mend = "deploy template.yaml as it is";
            faults.push(Fault::new(format!("{route} takes no tokens"), mend));
            continue;
        };
        let issuer = &trust.issuer;
        let own = stack.is_local() && issuer.starts_with(LOCAL_ISSUERS);
        if own || keys.contains_key(issuer) {
            continue;
        }
        match ask(issuer).await {
            Ok(found) => drop(keys.insert(issuer.clone(), found)),
            Err(Wrong::Name(other)) => faults.push(Fault::new(
                format!(
                    "the {who}' issuer {issuer} calls itself {other}, so its tokens are refused"
                ),
                format!("deploy with {parameter}={other}, to the last slash"),
            )),
            Err(Wrong::Other(what)) => faults.push(Fault::new(
                format!("the {who}' issuer {issuer} {what}"),
                format!("look whether it is up, and whether the parameter {parameter} is right"),
            )),
            Err(Wrong::Keys) => faults.push(Fault::new(
                format!(
                    "the {who}' issuer {issuer} has no RSA key, and API Gateway takes no other"
                ),
                "have it sign with RS256",
            )),
        }
    }
    let well = if keys.is_empty() {
        "the stack on this machine signs its own tokens".to_owned()
    } else {
        let names: Vec<&str> = keys.keys().map(String::as_str).collect();
        format!("RSA keys of {} are there", names.join(" and "))
    };
    (Found::of(faults, well), keys)
}

/// What is wrong with an issuer.
enum Wrong {
    /// It has this name.
    Name(String),
    /// It has no key that would do.
    Keys,
    /// Something else.
    Other(String),
}

/// The ids of an issuer's keys.
async fn ask(issuer: &str) -> Result<Vec<String>, Wrong> {
    let base = issuer.trim_end_matches('/');
    let document = read(&format!("{base}/.well-known/openid-configuration")).await?;
    match document["issuer"].as_str() {
        Some(name) if name == issuer => {}
        Some(name) => return Err(Wrong::Name(name.to_owned())),
        None => return Err(Wrong::Other("does not say who it is".to_owned())),
    }
    let Some(url) = document["jwks_uri"].as_str() else {
        let what = "does not say where its keys are".to_owned();
        return Err(Wrong::Other(what));
    };
    let set = read(url).await?;
    let keys = set["keys"].as_array().cloned().unwrap_or_default();
    let usable =
        |key: &&Value| key["kty"] == "RSA" && (key["use"].is_null() || key["use"] == "sig");
    let usable = keys.iter().filter(usable);
    let ids: Vec<String> = usable
        .map(|key| key["kid"].as_str().unwrap_or_default().to_owned())
        .collect();
    if ids.is_empty() {
        return Err(Wrong::Keys);
    }
    Ok(ids)
}

async fn read(url: &str) -> Result<Value, Wrong> {
    let answer = get(url, Vec::new()).await;
    let answer =
        answer.map_err(|why| Wrong::Other(format!("cannot be reached at {url} ({why})")))?;
    if answer.status != 200 {
        let what = format!("cannot be reached: {url} answers {}", answer.status);
        return Err(Wrong::Other(what));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_| Wrong::Other(format!("has something else than JSON at {url}")))
}
