//! What must stay true of the template: the rules of `.ci/template.guard` for whoever has no Python, and more.

use std::fs;

use local::yaml;
use serde_json::{Value, json};

use crate::stack::root;
use crate::template_controls;

/// The one route without a token.
const OPEN: &str = "GET /openapi.json";
/// How long a queue may keep a message, which all of ours do: 14 days.
const KEPT: u64 = 1_209_600;
/// Where permissions end in a wildcard, and why: an endpoint's name ends in an id that SNS draws; the service names no
/// application when it asks whether one may be created; SNS names its log groups by itself; X-Ray has no resources; and by which
/// names `CodeDeploy` asks for alarms is not documented.
const WILDCARDS: [(&str, &str); 7] = [
    ("${AWS::AccountId}:alarm:*", "cloudwatch:DescribeAlarms"),
    ("*", "xray:"),
    ("endpoint/GCM/${AWS::StackName}/*", "sns:"),
    ("endpoint/APNS/${AWS::StackName}/*", "sns:"),
    ("endpoint/APNS_SANDBOX/${AWS::StackName}/*", "sns:"),
    ("${AWS::AccountId}:app/*", "sns:CreatePlatformApplication"),
    ("app/*/${AWS::StackName}*", "logs:"),
];

/// What a stack may do without.
const OPTIONAL: [&str; 7] = [
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::CloudWatch::Dashboard",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolResourceServer",
];

fn read() -> String {
    fs::read_to_string(root().join("template.yaml")).unwrap()
}

/// What breaks the rules.
fn findings(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (id, resource) in template["Resources"].as_object().unwrap() {
        let properties = &resource["Properties"];
        let mut wants = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{id}: {what}"));
            }
        };
        match resource["Type"].as_str().unwrap() {
            "AWS::Serverless::Function" => {
                function(&mut wants, properties);
            }
            "AWS::DynamoDB::Table" => table(&mut wants, resource),
            "AWS::SQS::Queue" => {
                // With a key of one's own, or with SQS's (`deployment.rs`).
                let encrypted = &properties["SqsManagedSseEnabled"]["Fn::If"][2];
                wants(*encrypted == true, "encryption");
                wants(properties["MessageRetentionPeriod"] == KEPT, "retention");
                let ends = (
                    &resource["DeletionPolicy"],
                    &resource["UpdateReplacePolicy"],
                );
                let ends = (ends.0.as_str(), ends.1.as_str());
                // What a deployment that failed has made has nothing in it.
                let known = [("RetainExceptOnCreate", "Retain"), ("Delete", "Delete")];
                let known = known.map(|(one, other)| (Some(one), Some(other)));
                wants(known.contains(&ends), "a deletion policy");
            }
            "AWS::Logs::LogGroup" => {
                wants(!properties["RetentionInDays"].is_null(), "retention");
            }
            "AWS::IAM::Role" | "AWS::IAM::Policy" => permissions(&mut wants, properties),
            "AWS::Serverless::HttpApi" => {
                let refuses = properties["Auth"]["DefaultAuthorizer"].is_null();
                wants(refuses, "routes that say who authorizes them");
                let limits = &properties["DefaultRouteSettings"];
                for limit in ["ThrottlingBurstLimit", "ThrottlingRateLimit"] {
                    wants(!limits[limit].is_null(), limit);
                }
            }
            "AWS::CloudWatch::Alarm" => {
                wants(properties["AlarmDescription"].is_string(), "a description");
                wants(!properties["AlarmActions"].is_null(), "an action");
                let missing = &properties["TreatMissingData"];
                wants(missing == "notBreaching", "quiet while nothing happens");
            }
            "AWS::SNS::Topic" | "Custom::PlatformApplications" | "AWS::Budgets::Budget" => {}
            kind if OPTIONAL.contains(&kind) => optional(&mut wants, kind, resource),
            other => wants(false, &format!("{other} has no rules yet")),
        }
    }
    found
}

/// What nobody needs has a condition; who signs in, and with which tokens, is said.
fn optional(wants: &mut impl FnMut(bool, &str), kind: &str, resource: &Value) {
    wants(resource["Condition"].is_string(), "a condition");
    let properties = &resource["Properties"];
    match kind {
        "AWS::ApiGatewayV2::DomainName" => {
            let policy = &properties["DomainNameConfigurations"][0]["SecurityPolicy"];
            wants(policy == "TLS_1_2", "TLS 1.2");
        }
        "AWS::Cognito::UserPool" => {
            let closed = &properties["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"];
            wants(*closed == true, "nobody who signs up");
        }
        "AWS::Cognito::UserPoolClient" => {
            let flows = &properties["AllowedOAuthFlows"];
            wants(*flows == json!(["client_credentials"]), "machines alone");
            wants(properties["GenerateSecret"] == true, "a secret");
        }
        _ => {}
    }
}

fn function(wants: &mut impl FnMut(bool, &str), properties: &Value) {
    let own = &properties["Role"]["Fn::GetAtt"][0];
    wants(own.is_string(), "a role of its own");
    wants(properties["Policies"].is_null(), "no managed policies");
    let logs = &properties["LoggingConfig"]["LogGroup"];
    wants(logs["Ref"].is_string(), "a log group of its own");
    for event in properties["Events"].as_object().into_iter().flatten() {
        let (name, source) = (event.0, &event.1["Properties"]);
        let mut wants = |holds: bool, what: &str| wants(holds, &format!("{name} {what}"));
        match event.1["Type"].as_str().unwrap() {
            "HttpApi" => {
                let text = |field: &str| source[field].as_str().unwrap_or_default();
                let route = format!("{} {}", text("Method"), text("Path"));
                let authorizer = source["Auth"]["Authorizer"].as_str();
                let is_closed = authorizer.is_some_and(|name| name != "NONE");
                wants(is_closed || route == OPEN, "an authorizer");
            }
            "DynamoDB" => stream(&mut wants, source),
            "SQS" => reports(&mut wants, source),
            "SNS" | "Schedule" => {}
            other => wants(false, &format!("{other} has no rules yet")),
        }
    }
    // What nobody waits for is kept when it failed; a schedule comes again by itself.
    let events = properties["Events"].as_object();
    let is_told = events.is_some_and(|events| events.values().any(|e| e["Type"] == "SNS"));
    let kept = &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
    wants(
        !is_told || kept["Destination"].is_object(),
        "a place for failed events",
    );
}

fn reports(wants: &mut impl FnMut(bool, &str), source: &Value) {
    let reports = source["FunctionResponseTypes"].as_array();
    let reports = reports.is_some_and(|kinds| kinds.iter().any(|k| k == "ReportBatchItemFailures"));
    wants(reports, "a report of what failed");
}

fn stream(wants: &mut impl FnMut(bool, &str), source: &Value) {
    reports(wants, source);
    wants(
        source["StartingPosition"] == "TRIM_HORIZON",
        "all records from the start",
    );
    wants(source["BisectBatchOnFunctionError"] == true, "bisecting");
    // Without a number, or with -1, one record stops its shard for a day.
    let within = |field: &str, most: i64| {
        let number = source[field].as_i64();
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    wants(within("MaximumRetryAttempts", 10), "an end of retries");
    wants(
        within("MaximumRecordAgeInSeconds", 21_600),
        "an age at which a record is given up",
    );
    let failures = &source["DestinationConfig"]["OnFailure"]["Destination"];
    wants(failures.is_object(), "a place for what is given up");
    wants(
        source["FilterCriteria"]["Filters"][0]["Pattern"].is_string(),
        "a filter",
    );
}

fn table(wants: &mut impl FnMut(bool, &str), resource: &Value) {
    let properties = &resource["Properties"];
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        wants(resource[policy] == "Retain", policy);
    }
    let recovery = &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
    wants(*recovery == true, "point-in-time recovery");
    let protected = json!({"Fn::If": ["IsProtected", true, false]});
    wants(
        properties["DeletionProtectionEnabled"] == protected,
        "deletion protection",
    );
    let keys = &properties["StreamSpecification"]["StreamViewType"];
    wants(keys == "KEYS_ONLY", "a stream of keys alone");
    wants(
        properties["TimeToLiveSpecification"]["Enabled"] == true,
        "a time to live",
    );
}

/// Every object below this value that has an `Effect`.
fn statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(entries) => {
            if entries.contains_key("Effect") {
                found.push(value);
            }
            entries.values().for_each(|value| statements(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| statements(value, found)),
        _ => {}
    }
}

/// The texts below this value: of names, substitutions and lists.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn permissions(wants: &mut impl FnMut(bool, &str), properties: &Value) {
    wants(
        properties["ManagedPolicyArns"].is_null(),
        "no managed policies",
    );
    let mut found = Vec::new();
    statements(properties, &mut found);
    wants(!found.is_empty(), "statements");
    for statement in found {
        let (mut actions, mut resources) = (Vec::new(), Vec::new());
        texts(&statement["Action"], &mut actions);
        texts(&statement["Resource"], &mut resources);
        let named = statement["NotAction"].is_null() && statement["NotResource"].is_null();
        wants(named && !actions.is_empty(), "what is allowed by name");
        for action in &actions {
            wants(
                !action.contains('*'),
                &format!("{action} without a wildcard"),
            );
        }
        for resource in resources.iter().filter(|resource| resource.contains('*')) {
            let reasoned = WILDCARDS.iter().any(|(end, start)| {
                resource.ends_with(end) && actions.iter().all(|action| action.starts_with(start))
            });
            wants(reasoned, &format!("{resource} without a wildcard"));
        }
    }
}

#[test]
fn g12_the_template_keeps_its_rules() {
    let template = yaml::parse(&read()).unwrap();
    assert_eq!(findings(&template), [""; 0]);
    // Each of the wildcards is there: what is not needed any more goes from the list.
    for (wildcard, _) in WILDCARDS {
        assert!(read().contains(wildcard), "{wildcard}");
    }
}

#[test]
fn g12_whatever_breaks_a_rule_of_the_template_is_found() {
    let template = read();
    for &(from, to, found) in template_controls::CONTROLS {
        assert!(template.contains(from), "{from}");
        let broken = yaml::parse(&template.replacen(from, to, 1)).unwrap();
        assert_eq!(findings(&broken), [found], "{from} → {to}");
    }
}

/// Rows are deleted by a retract, which frees a dedupe key, by whoever ends a task, and with a rule.
#[test]
fn only_three_roles_may_delete_rows() {
    let template = yaml::parse(&read()).unwrap();
    let may_delete = |resource: &&Value| {
        let mut words = Vec::new();
        texts(resource, &mut words);
        words.contains(&"dynamodb:DeleteItem")
    };
    let resources = template["Resources"].as_object().unwrap();
    let may: Vec<&String> = resources
        .iter()
        .filter(|(_, r)| may_delete(r))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        may,
        [
            "CreateNotificationsRole",
            "IngestEventsRole",
            "RunTasksRole"
        ]
    );
}

#[test]
fn f60_the_local_stack_takes_as_many_requests_as_the_template_says() {
    let api = crate::events::template().api.unwrap();
    let limits = format!("{:?}", api.throttling.unwrap());
    assert_eq!(limits, "Throttling { rate: 1000.0, burst: 2000.0 }");
}
