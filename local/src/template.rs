//! The part of a SAM template that means something on this machine, resolved: no intrinsic function is left in it, but
//! for the attributes of custom resources in the functions' variables ([`Template::fill`]).
//!
//! What the local stack cannot honour is an [`Error`] that names the resource and the property; what has no meaning here
//! (roles, log groups, backups, encryption at rest) is listed by name beside the code that skips it.

mod api;
mod asynchronous;
mod connections;
mod custom;
mod function;
mod properties;
mod queue;
mod references;
mod resources;
mod rules;
mod schedule;
mod sqs;
mod stream;

pub use custom::Answers;

use crate::error::{Error, Result};
use crate::intrinsics::Scope;
use crate::yaml;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use asynchronous::Asynchronous;
pub use schedule::Scheduler;

/// The Region the local stack says it is in.
pub const REGION: &str = "us-east-1";
/// The account the local stack says it is in.
pub const ACCOUNT: &str = "000000000000";

/// A template, resolved.
#[derive(Debug, Default)]
pub struct Template {
    /// The functions, in the template's order of logical ids.
    pub functions: Vec<FunctionSpec>,
    /// The tables.
    pub tables: Vec<TableSpec>,
    /// The queues.
    pub queues: Vec<QueueSpec>,
    /// The topics.
    pub topics: Vec<TopicSpec>,
    /// The custom resources.
    pub customs: Vec<CustomSpec>,
    /// What connects table streams to functions.
    pub streams: Vec<StreamSource>,
    /// What connects topics to functions.
    pub subscriptions: Vec<Subscription>,
    /// What connects queues to functions.
    pub pollers: Vec<QueueSource>,
    /// What invokes functions by the clock.
    pub schedules: Vec<ScheduleSource>,
    /// The HTTP API; a template has one at most.
    pub api: Option<ApiSpec>,
}

/// A function and how to run it.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for Lambda.
    pub name: String,
    /// Its binary's file name.
    pub binary: String,
    /// MB, told to the function; not enforced.
    pub memory: u64,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The variables the template gives it.
    pub environment: BTreeMap<String, String>,
    /// `JSON` or `Text`.
    pub log_format: String,
    /// The least severe level it logs.
    pub log_level: String,
    /// What becomes of events nobody waits for.
    pub asynchronous: Asynchronous,
}

/// A table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for `DynamoDB`.
    pub name: String,
    /// The body of the `CreateTable` request that makes it.
    pub create: Value,
    /// The attribute with the epoch seconds after which a row is removed.
    pub ttl_attribute: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, Default)]
pub struct QueueSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for SQS.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// How long a message is kept.
    pub retention: Duration,
    /// For how long a message that was received is hidden.
    pub visibility: Duration,
    /// For how long a message that was sent is hidden.
    pub delay: Duration,
    /// Where a message goes that is received too often.
    pub redrive: Option<Redrive>,
}

/// When a message is a dead letter.
#[derive(Debug, Clone)]
pub struct Redrive {
    /// How often it is received at most, 1..=1000.
    pub max_receives: i64,
    /// The ARN of the queue it then goes to.
    pub dead_letters: String,
}

/// A topic.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its ARN.
    pub arn: String,
}

/// A function that hears of a topic's messages.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The function's logical id.
    pub function: String,
    /// The topic's ARN.
    pub topic: String,
}

/// A custom resource: a function of the template makes it.
#[derive(Debug, Clone)]
pub struct CustomSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// The function's logical id.
    pub function: String,
    /// What the function is told; every scalar is text.
    pub properties: Value,
}

/// Where in the stream a mapping without a checkpoint begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// At the oldest record there is.
    TrimHorizon,
    /// After the newest record there is.
    Latest,
}

/// An event source mapping from a table's stream to a function.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// The function's logical id.
    pub function: String,
    /// Function and event name; stable, because it names the checkpoint.
    pub id: String,
    /// The table's name.
    pub table: String,
    /// The most records of one invocation, 1..=10,000.
    pub batch_size: usize,
    /// How long to wait for a full batch.
    pub window: Duration,
    /// How many batches may be in flight, 1..=10.
    pub parallelization: usize,
    /// Where to begin without a checkpoint.
    pub starting_position: StartingPosition,
    /// Whether a failed batch is split in two.
    pub bisect: bool,
    /// How often a failed batch is tried again; `None` is for ever.
    pub max_retries: Option<u32>,
    /// How old a record may get; `None` is as old as the stream keeps it.
    pub max_age: Option<Duration>,
    /// Whether the function's answer names the records that failed.
    pub report_failures: bool,
    /// The filter patterns, of which one must match; empty lets everything through.
    pub filters: Vec<Value>,
    /// The ARN of the queue that hears of what is given up.
    pub on_failure: Option<String>,
}

/// An event source mapping from a queue to a function.
#[derive(Debug, Clone)]
pub struct QueueSource {
    /// The function's logical id.
    pub function: String,
    /// Function and event name.
    pub id: String,
    /// The queue's ARN.
    pub queue: String,
    /// The most messages of one invocation, 1..=10,000.
    pub batch_size: usize,
    /// How long to wait for a full batch.
    pub window: Duration,
    /// How many batches may be in flight, 2..=1000; `None` is as Lambda begins.
    pub concurrency: Option<usize>,
    /// Whether the function's answer names the messages that failed.
    pub report_failures: bool,
}

/// A schedule that invokes a function.
#[derive(Debug, Clone)]
pub struct ScheduleSource {
    /// The function's logical id.
    pub function: String,
    /// Function and event name.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The service it is made in.
    pub scheduler: Scheduler,
    /// Its period, at least a minute.
    pub every: Duration,
    /// The event, if it is not the service's own; JSON.
    pub input: Option<String>,
}

/// The HTTP API.
#[derive(Debug, Clone, Default)]
pub struct ApiSpec {
    /// Its name in the template.
    pub logical_id: String,
    /// Its routes, in no order that means anything.
    pub routes: Vec<RouteSpec>,
    /// What browsers of other origins may do; `None` answers no preflight request.
    pub cors: Option<Cors>,
    /// How many requests each of its routes takes; `None` for any number.
    pub throttling: Option<Throttling>,
}

/// How many requests a route takes.
#[derive(Debug, Clone, Copy)]
pub struct Throttling {
    /// Requests a second that it takes all the time.
    pub rate: f64,
    /// Requests that it takes at once.
    pub burst: f64,
}

/// A route of the HTTP API.
#[derive(Debug, Clone)]
pub struct RouteSpec {
    /// The method in upper case, or `ANY`.
    pub method: String,
    /// The path as the template writes it, `/v1/things/{id}`.
    pub path: String,
    /// The function's logical id.
    pub function: String,
    /// Who may call it; `None` is everyone.
    pub authorizer: Option<Authorizer>,
}

/// A JWT authorizer as one route uses it.
#[derive(Debug, Clone)]
pub struct Authorizer {
    /// The header the token is in, in lower case.
    pub header: String,
    /// The issuer a token must name.
    pub issuer: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
    /// The scopes of which a token must have one; empty asks for none.
    pub scopes: Vec<String>,
}

/// The API's answer to browsers of other origins.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Origins, `*`, `http://*` or `https://*`.
    pub origins: Vec<String>,
    /// Methods, or `*`.
    pub methods: Vec<String>,
    /// Request headers, or `*`.
    pub headers: Vec<String>,
    /// Response headers a script may read.
    pub expose: Vec<String>,
    /// How long a browser may remember the answer, in seconds.
    pub max_age: Option<u64>,
    /// Whether credentials may be sent.
    pub credentials: bool,
}

const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

/// What makes a template one of SAM.
const TRANSFORM: &str = "AWS::Serverless-2016-10-31";

impl Template {
    /// Reads and resolves the template at `path` with these parameter values.
    pub fn load(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
        Self::parse(&text, parameters)
    }

    /// Reads and resolves the text of a template with these parameter values.
    pub fn parse(text: &str, parameters: &BTreeMap<String, String>) -> Result<Self> {
        let document = yaml::parse(text)?;
        let sections = document
            .as_object()
            .ok_or_else(|| Error::new("the template is not a mapping"))?;
        if let Some(section) = sections
            .keys()
            .find(|key| !SECTIONS.contains(&key.as_str()))
        {
            return Err(Error::new(format!(
                "section {section} is not supported by the local stack"
            )));
        }
        if document["Transform"] != TRANSFORM {
            return Err(Error::new(format!(
                "section Transform: only {TRANSFORM} is supported by the local stack"
            )));
        }
        let scope = Scope::new(&document, parameters)?;
        scope.check_conditions()?;
        rules::check(&document, &scope)?;
        references::check(&document, &scope)?;
        resources::read(&document, &scope)
    }
}

#[cfg(test)]
mod tests;
