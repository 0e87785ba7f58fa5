//! The functions and what invokes them, compared with the template.

use super::aws::Problem;
use super::deployment::Deployment;
use super::report::{Checked, Fault, Found};
use super::table::Table;
use local::template::{QueueSource, StreamSource};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What Lambda says of each function, by logical id.
pub type Configurations = BTreeMap<String, Value>;

const FAILURES: &str = "ReportBatchItemFailures";

/// Looks whether each function is there and has its variables.
pub async fn check(stack: &Deployment) -> (Checked, Configurations) {
    let (mut found, mut faults) = (Configurations::new(), Vec::new());
    for spec in &stack.template.functions {
        let id = &spec.logical_id;
        let (configuration, off) = match read(stack, id).await {
            Ok(Some(read)) => read,
            Ok(None) => {
                let mend = format!("deploy template.yaml: {}", stack.deploy(""));
                faults.push(Fault::new(format!("{id} is not there"), mend));
                continue;
            }
            Err(problem) => return (Err(problem), found),
        };
        faults.extend(off);
        faults.extend(broken(stack, id, &configuration));
        let wanted = spec.environment.keys();
        faults.extend(lacking(stack, id, &configuration, wanted));
        found.insert(id.clone(), configuration);
    }
    let well = format!("{} are there, each with its variables", found.len());
    (Ok(Found::of(faults, well)), found)
}

/// What Lambda says of a function, and whether it is switched off; `None` if it is not there.
async fn read(stack: &Deployment, id: &str) -> Result<Option<(Value, Option<Fault>)>, Problem> {
    let Some(path) = stack.function_path(id, "configuration") else {
        return Ok(None);
    };
    let asked = (stack.aws).get("lambda", "GetFunctionConfiguration", &path);
    match asked.await {
        Ok(configuration) => Ok(Some((configuration, switched_off(stack, id).await?))),
        Err(Problem::Refused(refusal)) if refusal.is_missing() => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// What was done by hand, as to stop a flood, and not undone.
async fn switched_off(stack: &Deployment, id: &str) -> Result<Option<Fault>, Problem> {
    let name = stack.id(id).unwrap_or_default();
    let path = format!("/2019-09-30/functions/{name}/concurrency");
    let reserved = (stack.aws)
        .get("lambda", "GetFunctionConcurrency", &path)
        .await?;
    let off = reserved["ReservedConcurrentExecutions"] == 0;
    Ok(off.then(|| {
        Fault::new(
            format!("{id} is switched off: 0 concurrent executions are reserved for it"),
            format!(
                "find out who did it and why, then `aws lambda delete-function-concurrency --function-name {name}`; \
                 with ApiConcurrency, PushConcurrency or TasksConcurrency reserve as many as that says"
            ),
        )
    }))
}

fn broken(stack: &Deployment, id: &str, configuration: &Value) -> Option<Fault> {
    let failed = [
        ("State", "StateReason"),
        ("LastUpdateStatus", "LastUpdateStatusReason"),
    ];
    let (_, reason) = failed
        .into_iter()
        .find(|(state, _)| configuration[*state] == "Failed")?;
    let reason = configuration[reason].as_str().unwrap_or("no reason given");
    let mend = format!("mend the reason, then deploy: {}", stack.deploy(""));
    Some(Fault::new(format!("{id} is Failed: {reason}"), mend))
}

fn lacking<'w>(
    stack: &Deployment,
    id: &str,
    configuration: &Value,
    wanted: impl Iterator<Item = &'w String>,
) -> Option<Fault> {
    let variables = &configuration["Environment"]["Variables"];
    let missing: Vec<&str> = wanted
        .filter(|name| !variables[name.as_str()].is_string())
        .map(String::as_str)
        .collect();
    let mend = if stack.is_local() {
        "start the stack of this checkout: `cargo run`".to_owned()
    } else {
        format!(
            "deploy template.yaml: {}; if that finds nothing to change, with another RetentionDays, which writes all variables anew",
            stack.deploy("")
        )
    };
    let names = missing.join(", ");
    (!missing.is_empty()).then(|| Fault::new(format!("{id} lacks the variable {names}"), mend))
}

/// Compares Lambda's event source mappings with the template's.
pub async fn sources(stack: &Deployment, table: &Table<'_>) -> Checked {
    let mut mappings = Vec::new();
    let mut query = "?MaxItems=100".to_owned();
    let path = "/2015-03-31/event-source-mappings/";
    loop {
        let path = format!("{path}{query}");
        let page = stack
            .aws
            .get("lambda", "ListEventSourceMappings", &path)
            .await?;
        if let Value::Array(found) = &page["EventSourceMappings"] {
            mappings.extend(found.iter().cloned());
        }
        match page["NextMarker"].as_str() {
            Some(next) if !next.is_empty() => {
                let all = percent_encoding::NON_ALPHANUMERIC;
                let next = percent_encoding::utf8_percent_encode(next, all);
                query = format!("?MaxItems=100&Marker={next}");
            }
            _ => break,
        }
    }
    let template = &stack.template;
    let mut faults = Vec::new();
    for source in &template.streams {
        faults.extend(of_stream(stack, table, source, &mappings));
    }
    for source in &template.pollers {
        faults.extend(of_queue(stack, source, &mappings));
    }
    let count = template.streams.len() + template.pollers.len();
    let well = format!("{count} mappings are enabled, as the template has them");
    Ok(Found::of(faults, well))
}

fn text<'v>(mapping: &'v Value, name: &str) -> &'v str {
    mapping[name].as_str().unwrap_or_default()
}

/// The mapping of a function with a source that this holds of.
fn find<'m>(
    stack: &Deployment,
    function: &str,
    mappings: &'m [Value],
    source: impl Fn(&str) -> bool,
) -> Option<&'m Value> {
    let name = stack.id(function)?;
    let of_function = |mapping: &&Value| {
        let arn = text(mapping, "FunctionArn");
        let found = arn.split_once(":function:").map_or("", |(_, rest)| rest);
        found.split(':').next() == Some(name)
    };
    let mut own = mappings.iter().filter(of_function);
    own.find(|mapping| source(text(mapping, "EventSourceArn")))
}

fn absent(function: &str, source: &str) -> Fault {
    Fault::new(
        format!("{function} has no mapping from {source}"),
        "take its event out of template.yaml, build and deploy, put it back, build and deploy: CloudFormation does not see what others removed",
    )
}

fn of_stream(
    stack: &Deployment,
    table: &Table,
    source: &StreamSource,
    mappings: &[Value],
) -> Vec<Fault> {
    let function = &source.function;
    let stream = format!(":table/{}/stream/", table.name());
    let current = find(stack, function, mappings, |arn| arn == table.stream_arn());
    let any = find(stack, function, mappings, |arn| arn.contains(&stream));
    let mapping = match (current, any) {
        (Some(mapping), _) => mapping,
        (None, Some(mapping)) => {
            let what = format!(
                "{function} reads {}, a stream that is no more",
                text(mapping, "EventSourceArn")
            );
            let mend = "take its event out of template.yaml, build and deploy, put it back, build and deploy, which maps the stream there is";
            return vec![Fault::new(what, mend)];
        }
        (None, None) => return vec![absent(function, "the table's stream")],
    };
    let mut faults = common(stack, function, mapping, source.report_failures);
    let patterns = &mapping["FilterCriteria"]["Filters"];
    let patterns = patterns.as_array().into_iter().flatten();
    let found: BTreeSet<String> = patterns
        .map(|filter| canonical(&filter["Pattern"]))
        .collect();
    let wanted = source.filters.iter();
    let wanted: BTreeSet<String> = wanted.map(Value::to_string).collect();
    if found != wanted {
        let filters = source.filters.iter();
        let filters: Vec<Value> = filters
            .map(|pattern| json!({"Pattern": pattern.to_string()}))
            .collect();
        let criteria = json!({"Filters": filters});
        let none = if found.is_empty() { ": none" } else { "" };
        faults.push(Fault::new(
            format!("the mapping of {function} has another filter than template.yaml{none}"),
            update(mapping, &format!("--filter-criteria '{criteria}'")),
        ));
    }
    let destination = &mapping["DestinationConfig"]["OnFailure"]["Destination"];
    if source.on_failure.is_some() && destination.as_str().unwrap_or_default().is_empty() {
        let arn = queue_arn(stack);
        let option =
            format!("--destination-config '{{\"OnFailure\": {{\"Destination\": \"{arn}\"}}}}'");
        faults.push(Fault::new(
            format!(
                "the mapping of {function} has no on-failure queue, so what Lambda gives up is lost"
            ),
            update(mapping, &option),
        ));
    }
    faults
}

/// The ARN of the queue of what Lambda gives up, as its URL tells: `https://sqs.<region>.…/<account>/<name>`.
fn queue_arn(stack: &Deployment) -> String {
    let url = stack.id("FailedBatches").unwrap_or_default();
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next(), parts.next());
    let region = stack.aws.region();
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ => "aws",
    };
    format!(
        "arn:{partition}:sqs:{region}:{}:{}",
        account.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

fn of_queue(stack: &Deployment, source: &QueueSource, mappings: &[Value]) -> Vec<Fault> {
    let function = &source.function;
    // The template's queues have no names of their own, so the name is the logical id here.
    let id = source.queue.rsplit(':').next().unwrap_or_default();
    let name = stack.id(id).and_then(|url| url.rsplit('/').next());
    let name = name.unwrap_or(id);
    match find(stack, function, mappings, |arn| {
        arn.rsplit(':').next() == Some(name)
    }) {
        Some(mapping) => common(stack, function, mapping, source.report_failures),
        None => vec![absent(function, &format!("the queue {id}"))],
    }
}

/// What may be wrong with the mapping of a stream and of a queue alike.
fn common(
    stack: &Deployment,
    function: &str,
    mapping: &Value,
    report_failures: bool,
) -> Vec<Fault> {
    let source = text(mapping, "EventSourceArn").split(':').nth(2);
    let source = source.unwrap_or_default();
    let mut faults = Vec::new();
    let state = text(mapping, "State");
    if !["Enabled", "Enabling", "Updating", "Creating"].contains(&state) {
        faults.push(Fault::new(
            format!("the mapping of {function} from {source} is {state}, so nothing reaches it"),
            update(mapping, "--enabled"),
        ));
    }
    let types = mapping["FunctionResponseTypes"].as_array();
    if report_failures && types.is_none_or(|types| !types.iter().any(|kind| kind == FAILURES)) {
        faults.push(Fault::new(
            format!("the mapping of {function} from {source} takes whole batches for failed"),
            update(mapping, &format!("--function-response-types {FAILURES}")),
        ));
    }
    let result = text(mapping, "LastProcessingResult");
    if result.starts_with("PROBLEM") {
        faults.push(Fault::new(
            format!("the mapping of {function} from {source} says {result}"),
            format!(
                "read why in the function's log: `sam logs --stack-name {} --name {function} --filter ERROR --start-time \"3 hours ago\"`",
                stack.name
            ),
        ));
    }
    faults
}

fn update(mapping: &Value, option: &str) -> String {
    let id = text(mapping, "UUID");
    format!("`aws lambda update-event-source-mapping --uuid {id} {option}`")
}

/// A pattern in one spelling, as far as it is JSON.
fn canonical(pattern: &Value) -> String {
    let text = pattern.as_str().unwrap_or_default();
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string())
}
