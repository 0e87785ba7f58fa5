//! The control plane, as narrow as somebody who examines a stack asks it: what CloudFormation, Lambda and API Gateway say
//! of a stack, its functions, their event sources and its routes, in the protocols of the three; and invoking a function.

mod cloudformation;

use crate::error::Result;
use crate::function::{Function, InvokeError};
use crate::ids;
use crate::intrinsics::function_arn;
use crate::table::Tables;
use crate::template::{ApiSpec, Authorizer, FunctionSpec, QueueSource, StreamSource, Template};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is told.
pub struct Control {
    template: Arc<Template>,
    api: ApiSpec,
    /// Where the API and the queues answer.
    addresses: (SocketAddr, SocketAddr),
    /// By logical id.
    functions: BTreeMap<String, Function>,
    /// The ARN of each table's stream, by the table's name.
    streams: BTreeMap<String, String>,
}

type Shared = State<Arc<Control>>;

/// Serves all three at `/`.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/", post(cloudformation::serve))
        .route("/2015-03-31/event-source-mappings", get(mappings))
        .route("/2015-03-31/event-source-mappings/", get(mappings))
        .route(
            "/2015-03-31/functions/{name}/configuration",
            get(configuration),
        )
        .route("/2019-09-30/functions/{name}/concurrency", get(concurrency))
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/v2/apis/{api}", get(api))
        .route("/v2/apis/{api}/authorizers", get(authorizers))
        .route("/v2/apis/{api}/routes", get(routes))
        .with_state(Arc::new(control))
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

fn missing(what: &str) -> Response {
    let body = json!({"Type": "User", "Message": format!("{what} not found")});
    reply(StatusCode::NOT_FOUND, &body)
}

/// `ListEventSourceMappings`, whole; of one function or one source if the query says so.
async fn mappings(
    State(control): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let streams = control
        .template
        .streams
        .iter()
        .map(|source| control.of_stream(source));
    let queues = control.template.pollers.iter().map(of_queue);
    let wanted = |mapping: &Value| {
        let name = query.get("FunctionName");
        let source = query.get("EventSourceArn");
        let arn = mapping["FunctionArn"].as_str().unwrap_or_default();
        name.is_none_or(|name| arn == name || arn.ends_with(&format!(":function:{name}")))
            && source.is_none_or(|source| mapping["EventSourceArn"] == **source)
    };
    let found: Vec<Value> = streams.chain(queues).filter(wanted).collect();
    reply(StatusCode::OK, &json!({"EventSourceMappings": found}))
}

/// What both kinds of mappings have.
fn mapping(id: &str, function: &str, source: &str, report_failures: bool) -> Value {
    let types: &[&str] = if report_failures {
        &["ReportBatchItemFailures"]
    } else {
        &[]
    };
    json!({
        "UUID": id,
        "FunctionArn": function_arn(function),
        "EventSourceArn": source,
        "State": "Enabled",
        "FunctionResponseTypes": types,
    })
}

fn of_queue(source: &QueueSource) -> Value {
    let mut mapping = mapping(
        &source.id,
        &source.function,
        &source.queue,
        source.report_failures,
    );
    mapping["BatchSize"] = json!(source.batch_size);
    mapping
}

impl Control {
    /// Tells of a template as it was started, its API, where that and the queues answer, its functions and its tables.
    pub fn new(
        template: &Arc<Template>,
        api: &ApiSpec,
        addresses: (SocketAddr, SocketAddr),
        functions: &BTreeMap<String, Function>,
        tables: &Tables,
    ) -> Result<Self> {
        let arn = |name: &String| Ok((name.clone(), tables.stream_arn(name)?));
        let names = template.tables.iter().map(|table| &table.name);
        Ok(Self {
            template: Arc::clone(template),
            api: api.clone(),
            addresses,
            functions: functions.clone(),
            streams: names.map(arn).collect::<Result<_>>()?,
        })
    }

    fn of_stream(&self, source: &StreamSource) -> Value {
        let arn = self.streams.get(&source.table).map_or("", String::as_str);
        let mut mapping = mapping(&source.id, &source.function, arn, source.report_failures);
        mapping["BatchSize"] = json!(source.batch_size);
        mapping["ParallelizationFactor"] = json!(source.parallelization);
        mapping["BisectBatchOnFunctionError"] = json!(source.bisect);
        if !source.filters.is_empty() {
            let patterns = source.filters.iter();
            let patterns: Vec<Value> = patterns
                .map(|pattern| json!({"Pattern": pattern.to_string()}))
                .collect();
            mapping["FilterCriteria"] = json!({"Filters": patterns});
        }
        if let Some(queue) = &source.on_failure {
            mapping["DestinationConfig"] = json!({"OnFailure": {"Destination": queue}});
        }
        mapping
    }

    /// The function of this name.
    fn spec(&self, name: &str) -> Option<&FunctionSpec> {
        self.template
            .functions
            .iter()
            .find(|spec| spec.name == name)
    }

    /// The authorizers that routes use, in the order of their routes, each once.
    fn authorizers(&self) -> Vec<&Authorizer> {
        let mut found: Vec<&Authorizer> = Vec::new();
        for authorizer in self
            .api
            .routes
            .iter()
            .filter_map(|route| route.authorizer.as_ref())
        {
            if !found.iter().any(|other| same(other, authorizer)) {
                found.push(authorizer);
            }
        }
        found
    }
}

/// Whether two routes share an authorizer; their scopes are their own.
fn same(one: &Authorizer, other: &Authorizer) -> bool {
    (&one.issuer, &one.audiences, &one.header) == (&other.issuer, &other.audiences, &other.header)
}

/// `GetFunctionConfiguration`.
async fn configuration(State(control): Shared, Path(name): Path<String>) -> Response {
    let Some(spec) = control.spec(&name) else {
        return missing(&name);
    };
    let body = json!({
        "FunctionName": spec.name,
        "FunctionArn": function_arn(&spec.name),
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "MemorySize": spec.memory,
        "Timeout": spec.timeout.as_secs(),
        "Environment": {"Variables": spec.environment},
    });
    reply(StatusCode::OK, &body)
}

/// `GetFunctionConcurrency`: nothing is reserved here.
async fn concurrency(State(control): Shared, Path(name): Path<String>) -> Response {
    match control.spec(&name) {
        Some(_) => reply(StatusCode::OK, &json!({})),
        None => missing(&name),
    }
}

/// `Invoke`, for somebody who waits.
async fn invoke(State(control): Shared, Path(name): Path<String>, event: Bytes) -> Response {
    let spec = control.spec(&name);
    let function = spec.and_then(|spec| control.functions.get(&spec.logical_id));
    let Some(function) = function else {
        return missing(&name);
    };
    let failed = |text: String| {
        let body = serde_json::from_str(&text)
            .unwrap_or_else(|_| json!({"errorType": "Runtime.ExitError", "errorMessage": text}));
        let mut response = reply(StatusCode::OK, &body);
        let unhandled = header::HeaderValue::from_static("Unhandled");
        response
            .headers_mut()
            .insert("x-amz-function-error", unhandled);
        response
    };
    match function.invoke(event.into()).await {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(InvokeError::Failed(error)) => failed(error),
        Err(InvokeError::TimedOut) => failed(format!("{} Task timed out", ids::uuid())),
    }
}

/// `GetApi`.
async fn api(State(control): Shared, Path(id): Path<String>) -> Response {
    if id != control.api.logical_id {
        return missing("API");
    }
    let body = json!({"apiId": id, "apiEndpoint": format!("http://{}", control.addresses.0), "protocolType": "HTTP"});
    reply(StatusCode::OK, &body)
}

/// `GetAuthorizers`, whole.
async fn authorizers(State(control): Shared, Path(id): Path<String>) -> Response {
    if id != control.api.logical_id {
        return missing("API");
    }
    let found = control.authorizers();
    let shown = found.iter().enumerate().map(|(index, authorizer)| {
        json!({
            "authorizerId": index.to_string(),
            "authorizerType": "JWT",
            "identitySource": [format!("$request.header.{}", authorizer.header)],
            "jwtConfiguration": {"issuer": authorizer.issuer, "audience": authorizer.audiences},
        })
    });
    let shown: Vec<Value> = shown.collect();
    reply(StatusCode::OK, &json!({"items": shown}))
}

/// `GetRoutes`, whole.
async fn routes(State(control): Shared, Path(id): Path<String>) -> Response {
    if id != control.api.logical_id {
        return missing("API");
    }
    let authorizers = control.authorizers();
    let shown = control.api.routes.iter().map(|route| {
        let mut shown = json!({"routeKey": format!("{} {}", route.method, route.path), "authorizationType": "NONE"});
        if let Some(own) = &route.authorizer {
            let index = authorizers.iter().position(|other| same(other, own));
            shown["authorizationType"] = json!("JWT");
            shown["authorizerId"] = json!(index.unwrap_or_default().to_string());
            shown["authorizationScopes"] = json!(own.scopes);
        }
        shown
    });
    let shown: Vec<Value> = shown.collect();
    reply(StatusCode::OK, &json!({"items": shown}))
}

#[cfg(test)]
mod tests;
