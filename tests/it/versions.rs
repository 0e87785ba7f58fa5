//! The functions' versions: when there is a new one, and what takes it back.

use std::collections::{BTreeMap, BTreeSet};

use local::yaml;
use serde_json::{Value, json};

use crate::deployment::{names, resources, template, text};

const FUNCTION: &str = "AWS::Serverless::Function";
/// What of a function's properties a version holds.
const CONFIGURATION: [&str; 8] = [
    "Architectures",
    "Environment",
    "Handler",
    "LoggingConfig",
    "MemorySize",
    "Runtime",
    "Timeout",
    "Tracing",
];
/// The parameters that a value depends on, through conditions too. The attributes of the platform applications are there or
/// not, as their secrets are.
fn parameters(template: &Value, value: &Value) -> BTreeSet<String> {
    let (mut open, mut seen) = (BTreeSet::new(), BTreeSet::new());
    names(value, &mut open);
    while let Some(name) = open.pop_first() {
        if let Some(application) = name.strip_prefix("PlatformApplications.") {
            open.insert(application.replace("ApplicationArn", "SecretArn"));
        }
        if seen.insert(name.clone()) {
            names(&template["Conditions"][&name], &mut open);
        }
    }
    let declared = template["Parameters"].as_object().unwrap();
    seen.into_iter()
        .filter(|name| declared.contains_key(name))
        .collect()
}

/// What breaks the rules for versions: a parameter's new value must make another one, and what is not in a version must not, or
/// CloudFormation says that it exists.
fn versions(template: &Value) -> Vec<String> {
    let globals = &template["Globals"]["Function"];
    let mut found = Vec::new();
    for (id, function) in resources(template).filter(|(_, resource)| resource["Type"] == FUNCTION) {
        let own = &function["Properties"];
        let parts = CONFIGURATION.map(|name| json!([globals[name], own[name]]));
        let (depends, told) = (
            parameters(template, &json!(parts)),
            parameters(template, &own["VersionDescription"]),
        );
        // Routes, schedules and sources invoke the alias, if there is one.
        if globals["AutoPublishAlias"] != "live" || !own["AutoPublishAlias"].is_null() {
            found.push(format!("{id}: the alias of all"));
        }
        if own["AutoPublishAliasAllProperties"] != true {
            found.push(format!("{id}: a version for each change of the template"));
        }
        found.extend(
            depends
                .difference(&told)
                .map(|name| format!("{id}: {name} is not told")),
        );
        found.extend(
            told.difference(&depends)
                .map(|name| format!("{id}: {name} changes nothing")),
        );
    }
    found
}

#[test]
fn a_version_names_the_parameters_that_its_function_depends_on_and_no_others() {
    let text = text();
    assert_eq!(versions(&template()), [""; 0]);
    for (from, to, expected) in [
        (
            " ${PublishRate} ${GroupCap}\"",
            " ${PublishRate}\"",
            "PushNotifications: GroupCap is not told",
        ),
        (
            " ${PublishRate} ${GroupCap}\"",
            " ${PublishRate} ${GroupCap} ${RouteRate}\"",
            "PushNotifications: RouteRate changes nothing",
        ),
        (
            "!If [HasFcmSecret, fcm, \"-\"], ",
            "",
            "ManageDevices: FcmSecretArn is not told",
        ),
        (
            "      AutoPublishAliasAllProperties: true\n",
            "      AutoPublishAliasAllProperties: true\n      AutoPublishAlias: other\n",
            "CreateNotifications: the alias of all",
        ),
        (
            "      AutoPublishAliasAllProperties: true\n",
            "",
            "CreateNotifications: a version for each change of the template",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let broken = yaml::parse(&text.replacen(from, to, 1)).unwrap();
        assert_eq!(versions(&broken), [expected]);
    }
}

/// The most characters a parameter's value has.
fn longest(parameter: &Value) -> usize {
    let digits = |value: &Value| value.as_i64().map(|number| number.to_string().len());
    let allowed = parameter["AllowedValues"].as_array().into_iter().flatten();
    let allowed = allowed.filter_map(Value::as_str).map(str::len).max();
    let length = parameter["MaxLength"]
        .as_u64()
        .map(|most| usize::try_from(most).unwrap());
    allowed
        .or(length)
        .or(digits(&parameter["MaxValue"]))
        .expect("a bound")
}

#[test]
fn a_versions_description_fits_whatever_the_parameters_are() {
    let template = template();
    let functions = resources(&template).filter(|(_, resource)| resource["Type"] == FUNCTION);
    for (id, function) in functions {
        let description = &function["Properties"]["VersionDescription"];
        // A list is joined from the same, and from words of a few letters.
        let description = description["Fn::Sub"].as_str();
        let Some(mut description) = description.map(str::to_owned) else {
            continue;
        };
        for (name, parameter) in template["Parameters"].as_object().unwrap() {
            let name = format!("${{{name}}}");
            if description.contains(&name) {
                description = description.replace(&name, &"x".repeat(longest(parameter)));
            }
        }
        assert!(
            !description.contains('$') && description.len() <= 256,
            "{id}: {description}"
        );
    }
}

/// The alarms on which a function goes back to its version before, with what they refer to.
fn rollbacks(template: &Value) -> BTreeMap<&String, Vec<(String, BTreeSet<String>)>> {
    let functions = resources(template).filter(|(_, resource)| resource["Type"] == FUNCTION);
    let alarms = |alarms: &Value| {
        let list = alarms["Fn::If"][1].as_array().into_iter().flatten();
        let list = list.map(|alarm| alarm["Ref"].as_str().unwrap().to_owned());
        list.map(|alarm| {
            let mut asked = BTreeSet::new();
            let resource = &template["Resources"][&alarm];
            assert_eq!(resource["Type"], "AWS::CloudWatch::Alarm", "{alarm}");
            names(&resource["Properties"]["Dimensions"], &mut asked);
            (alarm, asked)
        })
        .collect()
    };
    functions
        .map(|(id, function)| {
            (
                id,
                alarms(&function["Properties"]["DeploymentPreference"]["Alarms"]),
            )
        })
        .collect()
}

#[test]
fn a_bad_version_is_noticed_by_its_functions_own_errors_and_by_what_it_answers() {
    let template = template();
    for (id, alarms) in rollbacks(&template) {
        if id == "PlatformApps" {
            assert!(
                alarms.is_empty(),
                "CloudFormation sees itself whether it answers"
            );
            continue;
        }
        let own = format!("{id}Errors");
        let own = alarms.iter().find(|(alarm, _)| *alarm == own);
        assert_eq!(own.unwrap().1, BTreeSet::from([id.clone()]));
        assert!(
            alarms.iter().any(|(alarm, _)| alarm == "InvocationsFailed"),
            "{id}"
        );
        // The API needs the aliases, and those the alarms: what asks the API would be a circle.
        for (alarm, asked) in alarms {
            assert!(
                !asked.iter().any(|name| name.starts_with("Api")),
                "{id}: {alarm}"
            );
        }
    }
}
