//! What `sam deploy` does with the template: stages, versions and their aliases, optional parts, keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use local::template::Template;
use local::{Signer, yaml};
use serde_json::{Value, json};

use crate::stack::{root, shared};

/// What has no default.
const NEEDED: [(&str, &str); 4] = [
    ("UserIssuer", "https://issuer.example/users"),
    ("UserAudiences", "app"),
    ("ProducerIssuer", "https://issuer.example/producers"),
    ("ProducerAudiences", "backend"),
];

pub fn text() -> String {
    fs::read_to_string(root().join("template.yaml")).unwrap()
}

pub fn template() -> Value {
    yaml::parse(&text()).unwrap()
}

pub fn resources(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    template["Resources"].as_object().unwrap().iter()
}

/// The template with the parameters that have no default, and these.
fn load(parameters: &[(&str, &str)]) -> Result<Template, String> {
    let given = NEEDED.iter().chain(parameters);
    let given = given.map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Template::parse(&text(), &given.collect()).map_err(|error| error.to_string())
}

/// Every name below this value: what it refers to, and the conditions it asks.
pub fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(entries) => {
            for (key, inner) in entries {
                match (key.as_str(), inner) {
                    ("Ref" | "Condition", Value::String(name)) => {
                        found.insert(name.clone());
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
                        found.insert(parts.join("."));
                    }
                    ("Fn::If", Value::Array(parts)) => {
                        found.extend(parts[0].as_str().map(str::to_owned));
                        names(&Value::from(&parts[1..]), found);
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        let parts = text.split("${").skip(1);
                        found.extend(
                            parts.filter_map(|part| Some(part.split_once('}')?.0.to_owned())),
                        );
                    }
                    _ => names(inner, found),
                }
            }
        }
        _ => {}
    }
}

/// The stages of `samconfig.toml`: of each `[stage.command.parameters]` the keys and the values.
fn stages() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(root().join("samconfig.toml")).unwrap();
    let mut stages: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut stage, mut key) = (String::new(), String::new());
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        if let Some(section) = line.strip_prefix('[') {
            section.split('.').next().unwrap().clone_into(&mut stage);
            continue;
        }
        let (name, value) = line.split_once(" = ").unwrap_or((&key, line));
        key = name.to_owned();
        let stage = stages.entry(stage.clone()).or_default();
        stage.entry(key.clone()).or_default().push_str(value);
    }
    stages
}

#[test]
fn each_stage_sets_parameters_that_exist_to_values_that_are_allowed() {
    let stages = stages();
    let mut names = BTreeSet::new();
    for stage in ["dev", "staging", "prod"] {
        let stage_of = &stages[stage];
        for (key, value) in [
            ("capabilities", "\"CAPABILITY_IAM\""),
            ("resolve_s3", "true"),
        ] {
            assert_eq!(stage_of[key], value, "{stage}");
        }
        assert!(stage_of["tags"].contains(&format!("stage={stage}")));
        assert!(names.insert(&stage_of["stack_name"]), "{stage}");
        let overrides = stage_of["parameter_overrides"].trim_matches(['[', ']']);
        let overrides: Vec<(&str, &str)> = overrides
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| part.trim_matches('"').split_once('=').unwrap())
            .collect();
        assert!(overrides.len() >= 4, "{stage}: {overrides:?}");
        load(&overrides).unwrap_or_else(|error| panic!("{stage}: {error}"));
    }
    assert_eq!(stages["default"]["stack_name"], "\"tidings\"");
}

#[test]
fn parameters_that_do_not_go_together_are_refused_before_anything_is_made() {
    let certificate = "arn:aws:acm:eu-west-1:1:certificate/x";
    for (parameters, expected) in [
        (&[][..], ""),
        (
            &[("ProducerIssuer", "")],
            "ProducerIssuer and ProducerAudiences are needed",
        ),
        (
            &[("ProducerAudiences", "")],
            "ProducerIssuer and ProducerAudiences are needed",
        ),
        (
            &[
                ("ProducerIssuer", ""),
                ("ProducerAudiences", ""),
                ("TokenIssuer", "cognito"),
            ],
            "",
        ),
        (&[("UserScope", "")], ""),
        (
            &[("UserScope", ""), ("ProducerIssuer", NEEDED[0].1)],
            "may be the same only if UserScope",
        ),
        (&[("ProducerIssuer", NEEDED[0].1)], ""),
        (
            &[("DomainName", "push.example.com")],
            "DomainName and CertificateArn belong together",
        ),
        (
            &[("CertificateArn", certificate)],
            "DomainName and CertificateArn belong together",
        ),
        (
            &[
                ("DomainName", "push.example.com"),
                ("CertificateArn", certificate),
            ],
            "",
        ),
    ] {
        let said = load(parameters).map_or_else(|error| error, |_| String::new());
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{parameters:?}: {said}"
        );
    }
}

/// A token as Cognito issues it to a machine: without `aud`, and with its client as the subject.
#[test]
fn a_token_of_the_stacks_own_pool_is_taken_for_its_client() {
    let template = load(&[("TokenIssuer", "cognito")]).unwrap();
    let routes = template.api.unwrap().routes;
    let producers = routes
        .iter()
        .find(|route| route.path == "/v1/notifications");
    let authorizer = producers.unwrap().authorizer.as_ref().unwrap();
    let issuer = "https://cognito-idp.us-east-1.amazonaws.com/ProducerPool";
    assert_eq!(authorizer.issuer, issuer);
    assert_eq!(authorizer.scopes, ["tidings/send"]);
    let signer = Signer::open(shared().data()).unwrap();
    let taken = |client: &str| {
        let token = signer.sign(&json!({
            "iss": issuer, "sub": client, "client_id": client, "token_use": "access", "scope": "tidings/send",
            "version": 2, "iat": 1_790_000_000, "exp": 4_000_000_000_u32,
        }));
        signer
            .verify(&token, &authorizer.issuer, &authorizer.audiences)
            .is_ok()
    };
    assert!(taken("ProducerClient") && taken("AdminClient"));
    assert!(!taken("OtherClient"));
    // Users keep an issuer of their own.
    let users = routes
        .iter()
        .find(|route| route.path == "/v1/me/notifications");
    assert_eq!(
        users.unwrap().authorizer.as_ref().unwrap().issuer,
        NEEDED[0].1
    );
}

/// Whoever touches the table or a queue may use the key for that, if there is one, and nobody else may.
#[test]
fn a_key_of_ones_own_may_be_used_by_whoever_needs_it() {
    let template = template();
    let roles = resources(&template).filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    let needs = |role: &Value| {
        let policies = role["Properties"]["Policies"].to_string();
        policies.contains("\"dynamodb:") || policies.contains("\"sqs:")
    };
    let need: BTreeSet<String> = roles
        .filter(|(_, role)| needs(role))
        .map(|(id, _)| id.clone())
        .collect();
    let policy = &template["Resources"]["UseKey"];
    let mut may = BTreeSet::new();
    names(&policy["Properties"]["Roles"], &mut may);
    assert_eq!(may, need);
    assert_eq!(policy["Condition"], "HasKey");
    for (id, resource) in resources(&template) {
        let properties = &resource["Properties"];
        match resource["Type"].as_str().unwrap() {
            "AWS::SQS::Queue" => {
                let one = json!({"Fn::If": ["HasKey", {"Ref": "AWS::NoValue"}, true]});
                let other =
                    json!({"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]});
                assert_eq!(properties["SqsManagedSseEnabled"], one, "{id}");
                assert_eq!(properties["KmsMasterKeyId"], other, "{id}");
            }
            "AWS::DynamoDB::Table" => {
                let choice = &properties["SSESpecification"]["Fn::If"];
                assert_eq!(
                    (&choice[0], &choice[2]["SSEEnabled"]),
                    (&json!("HasKey"), &json!(false))
                );
                assert_eq!(choice[1]["KMSMasterKeyId"], json!({"Ref": "KmsKeyArn"}));
            }
            _ => {}
        }
    }
}
