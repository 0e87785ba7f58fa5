//! The dashboard and the alarms read metrics that exist, with the dimensions that they have.

use std::collections::BTreeSet;
use std::fs;

use local::yaml;
use serde_json::Value;
use shared::metrics::{Metric, NAMESPACE};

use crate::stack::root;

/// What AWS itself measures: the namespace, its dimension, the resource whose name that is, and the metrics' names.
const OF_AWS: [(&str, &str, &str, &[&str]); 4] = [
    (
        "AWS/ApiGateway",
        "ApiId",
        "AWS::Serverless::HttpApi",
        &["4xx", "5xx", "Count", "IntegrationLatency", "Latency"],
    ),
    (
        "AWS/DynamoDB",
        "TableName",
        "AWS::DynamoDB::Table",
        &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        ],
    ),
    (
        "AWS/Lambda",
        "FunctionName",
        "AWS::Serverless::Function",
        &["ConcurrentExecutions", "Errors", "IteratorAge", "Throttles"],
    ),
    (
        "AWS/SQS",
        "QueueName",
        "AWS::SQS::Queue",
        &["ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"],
    ),
];
/// What Lambda measures of the whole account too, without a dimension.
const OF_THE_ACCOUNT: (&str, &str) = ("AWS/Lambda", "Throttles");

/// A metric as something reads it. The dimension's value is written as in a substitution: a parameter, a resource, or an
/// attribute of one.
#[derive(Debug)]
struct Read {
    reader: String,
    namespace: String,
    name: String,
    dimension: Option<(String, String)>,
}

fn template() -> Value {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    yaml::parse(&text).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What the dashboard says, in which substitutions are left.
fn dashboard(template: &Value) -> Value {
    let body = &template["Resources"]["Overview"]["Properties"]["DashboardBody"]["Fn::Sub"];
    serde_json::from_str(body.as_str().unwrap()).unwrap()
}

fn widgets<'a>(dashboard: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let widgets = dashboard["widgets"].as_array().unwrap().iter();
    widgets.filter(move |widget| widget["type"] == kind)
}

fn by_the_dashboard(dashboard: &Value) -> Vec<Read> {
    let mut read = Vec::new();
    for widget in widgets(dashboard, "metric") {
        let properties = &widget["properties"];
        assert_eq!(properties["region"], "${AWS::Region}");
        for metric in properties["metrics"].as_array().unwrap() {
            let parts = metric.as_array().unwrap().iter().filter_map(Value::as_str);
            let parts: Vec<String> = parts.map(str::to_owned).collect();
            let [namespace, name, dimension, value] = &parts[..] else {
                panic!("{metric}");
            };
            let value = value
                .strip_prefix("${")
                .and_then(|value| value.strip_suffix('}'));
            read.push(Read {
                reader: text(&properties["title"]),
                namespace: namespace.clone(),
                name: name.clone(),
                dimension: Some((dimension.clone(), value.unwrap().to_owned())),
            });
        }
    }
    read
}

fn alarms(template: &Value) -> Vec<(&String, &Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm")
        .collect()
}

fn by_alarms(template: &Value) -> Vec<Read> {
    let read = |(id, alarm): (&String, &Value)| {
        let properties = &alarm["Properties"];
        let dimensions = properties["Dimensions"].as_array().into_iter().flatten();
        let mut dimension = dimensions.map(|dimension| {
            let value = &dimension["Value"];
            let attribute = value["Fn::GetAtt"]
                .as_array()
                .map(|parts| format!("{}.{}", text(&parts[0]), text(&parts[1])));
            (
                text(&dimension["Name"]),
                attribute.unwrap_or_else(|| text(&value["Ref"])),
            )
        });
        Read {
            reader: id.clone(),
            namespace: text(&properties["Namespace"]),
            name: text(&properties["MetricName"]),
            dimension: dimension.next(),
        }
    };
    alarms(template).into_iter().map(read).collect()
}

/// Whether somebody writes this metric.
fn exists(template: &Value, read: &Read) -> bool {
    let Some((dimension, value)) = &read.dimension else {
        return (&*read.namespace, &*read.name) == OF_THE_ACCOUNT;
    };
    if read.namespace == NAMESPACE {
        // What the functions write has the stack's name as its only dimension (`telemetry.rs`).
        let known = Metric::ALL.iter().any(|metric| metric.word() == read.name);
        return known && dimension == "stack" && value == "AWS::StackName";
    }
    let (id, attribute) = value.split_once('.').unwrap_or((value, ""));
    let resource = &template["Resources"][id];
    let mut events = resource["Properties"]["Events"]
        .as_object()
        .into_iter()
        .flatten();
    let has_stream = events.any(|(_, event)| event["Type"] == "DynamoDB");
    // A reference to a queue is its address, and to everything else its name.
    let named = attribute
        == if read.namespace == "AWS/SQS" {
            "QueueName"
        } else {
            ""
        };
    let of_aws = OF_AWS.iter().any(|(namespace, of, kind, names)| {
        (*namespace, *of) == (&read.namespace, dimension)
            && resource["Type"] == *kind
            && names.contains(&&*read.name)
    });
    of_aws && named && (read.name != "IteratorAge" || has_stream)
}

#[test]
fn every_metric_that_an_alarm_or_the_dashboard_reads_exists_with_its_dimensions() {
    let template = template();
    let shown = by_the_dashboard(&dashboard(&template));
    let alarms = by_alarms(&template);
    assert!(shown.len() > 60 && alarms.len() > 20);
    for read in shown.iter().chain(&alarms) {
        assert!(exists(&template, read), "{} reads {read:?}", read.reader);
    }
    // Whatever the functions write is shown, and each function.
    let names: BTreeSet<&str> = shown.iter().map(|read| &*read.name).collect();
    for metric in Metric::ALL {
        assert!(names.contains(metric.word()), "{}", metric.word());
    }
    let values = shown
        .iter()
        .filter_map(|read| Some(&*read.dimension.as_ref()?.1));
    let values: BTreeSet<&str> = values.collect();
    for (id, resource) in template["Resources"].as_object().unwrap() {
        let is_function = resource["Type"] == "AWS::Serverless::Function";
        assert!(!is_function || values.contains(&**id), "{id}");
    }
}

#[test]
fn a_metric_that_nobody_writes_is_noticed() {
    let template = template();
    let read = |namespace: &str, name: &str, dimension: Option<(&str, &str)>| Read {
        reader: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimension: dimension.map(|(name, value)| (name.to_owned(), value.to_owned())),
    };
    let stack = Some(("stack", "AWS::StackName"));
    for (namespace, name, dimension) in [
        ("Tidings", "sent_", stack),
        ("Tidings", "sent", Some(("service", "AWS::StackName"))),
        ("Tidings", "sent", None),
        ("AWS/Lambda", "Errors", None),
        ("AWS/Lambda", "Errors", Some(("FunctionName", "Table"))),
        (
            "AWS/Lambda",
            "IteratorAge",
            Some(("FunctionName", "ReadInbox")),
        ),
        (
            "AWS/SQS",
            "NumberOfMessagesSent",
            Some(("QueueName", "DeadEvents")),
        ),
        ("AWS/ApiGateway", "5XXError", Some(("ApiId", "Api"))),
    ] {
        assert!(
            !exists(&template, &read(namespace, name, dimension)),
            "{namespace} {name} {dimension:?}"
        );
    }
    assert!(exists(&template, &read("Tidings", "sent", stack)));
}

#[test]
fn the_dashboard_shows_every_alarm_and_its_parts_do_not_overlap() {
    let template = template();
    let dashboard = dashboard(&template);
    let shown = widgets(&dashboard, "alarm")
        .flat_map(|widget| widget["properties"]["alarms"].as_array().unwrap());
    let shown: BTreeSet<String> = shown.map(text).collect();
    let there = alarms(&template)
        .into_iter()
        .map(|(id, _)| format!("${{{id}.Arn}}"));
    assert_eq!(shown, there.collect());
    let mut taken = BTreeSet::new();
    for widget in dashboard["widgets"].as_array().unwrap() {
        let [x, y, width, height] =
            ["x", "y", "width", "height"].map(|side| widget[side].as_u64().unwrap());
        assert!(x + width <= 24, "{widget}");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{widget}");
        }
    }
}
