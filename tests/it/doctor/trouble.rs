//! Services that do not answer, answer what is no answer, or answer in parts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::aws::{Aws, Rule};
use super::doctor;
use super::planted::ALARMS;
use crate::stack::shared;

const OPTIONS: [&str; 8] = [
    "--stack",
    "local",
    "--region",
    "us-east-1",
    "--send",
    "x",
    "--platform",
    "fcm",
];

/// What the doctor asks.
const ASKED: [&str; 14] = [
    "/v2/apis/Api",
    "/v2/apis/Api/routes",
    "DescribeTable",
    "DescribeTimeToLive",
    "DescribeContinuousBackups",
    "/2015-03-31/functions/ManageDevices/configuration",
    "GetPlatformApplicationAttributes",
    "GetQueueAttributes",
    "Query",
    "GetItem",
    "ListStackResources",
    "/2015-03-31/functions/ManageDevices/invocations",
    "/users/.well-known/openid-configuration",
    "/keys",
];

const GARBAGE: [&str; 7] = [
    "\0garbage",
    "",
    "{}",
    "[]",
    "null",
    "<a></a>",
    "{\"Table\": 5, \"items\": {}}",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_silent_fails_once_and_what_depends_on_it_is_skipped() {
    let rules = [Rule::answer(
        "/2015-03-31/event-source-mappings/",
        200,
        "\0garbage",
    )];
    let aws = Aws::with(shared(), &rules).await;
    let said = doctor(&OPTIONS, Some(&aws.url)).await;
    assert_eq!(said.checks("FAIL"), BTreeSet::from(["event sources"]));
    let skipped = ["applications", "functions", "test push", "token"];
    assert_eq!(
        said.checks("skip"),
        BTreeSet::from(skipped),
        "{:#?}",
        said.lines
    );
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_no_panic() {
    for garbage in GARBAGE {
        let rules = ASKED.map(|name| Rule::answer(name, 200, garbage));
        for rules in [&rules[..10], &rules[11..]] {
            let aws = Aws::with(shared(), rules).await;
            let said = doctor(&OPTIONS, Some(&aws.url)).await;
            assert!(said.lines.len() >= 16, "{garbage}: {:#?}", said.lines);
            assert_eq!(said.code, 1, "{garbage}: {:#?}", said.lines);
        }
        let aws = Aws::with(shared(), &rules[10..11]).await;
        let said = doctor(&OPTIONS, Some(&aws.url)).await;
        assert_eq!(said.code, 1, "{garbage}: {:#?}", said.lines);
    }
}

/// Where the list of resources begins, with an alias.
const ALIAS: &str = "<StackResourceSummaries><member><LogicalResourceId>PushNotificationsAliaslive</LogicalResourceId>\
    <PhysicalResourceId>arn:aws:lambda:us-east-1:000000000000:function:PushNotifications:live</PhysicalResourceId>\
    <ResourceType>AWS::Lambda::Alias</ResourceType></member>";

/// How the list of resources begins, and how that of a page without one.
const FULL: &str = "<StackResourceSummaries>";
const EMPTY: &str =
    "<NextToken>a+b</NextToken><StackResourceSummaries></StackResourceSummaries><Later>";

/// The first page has nothing but where the second is.
fn first(reply: &mut Value, list: &str, next: &str) {
    reply[list] = json!([]);
    reply[next] = json!("a+b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_many_pages_with_an_alias_is_examined_like_any_other() {
    let pages = [
        // The last of these changes an answer first.
        Rule::replace("ListStackResources", EMPTY, FULL).containing("NextToken=a%2Bb"),
        Rule::replace("ListStackResources", FULL, EMPTY),
        Rule::edit("/2015-03-31/event-source-mappings/", |reply| {
            first(reply, "EventSourceMappings", "NextMarker");
        })
        .containing("MaxItems=100 "),
        Rule::edit("/2015-03-31/event-source-mappings/", |reply| {
            let mappings = reply["EventSourceMappings"].as_array_mut().unwrap();
            let of_alias = |mapping: &&mut Value| mapping["UUID"] == "PushNotificationsStream";
            for mapping in mappings.iter_mut().filter(of_alias) {
                let arn = mapping["FunctionArn"].as_str().unwrap();
                mapping["FunctionArn"] = json!(format!("{arn}:live"));
            }
        })
        .containing("Marker=a%2Bb"),
        Rule::edit("/v2/apis/Api/routes", |reply| {
            first(reply, "items", "nextToken");
        })
        .containing("maxResults=100 "),
    ];
    let aws = Aws::with(shared(), &pages).await;
    let options = &OPTIONS[..4];
    let said = doctor(options, Some(&aws.url)).await;
    assert_eq!(said.code, 0, "{:#?}", said.lines);
    assert!(said.checks("skip").contains("token"), "{:#?}", said.lines);
    // The version that the alias names is the one that is examined.
    let mut alias = vec![
        Rule::replace("ListStackResources", "<StackResourceSummaries>", ALIAS),
        Rule::edit(
            "/2015-03-31/functions/PushNotifications/configuration",
            |reply| {
                reply["State"] = json!("Failed");
            },
        )
        .containing("?Qualifier=live "),
    ];
    let aws = Aws::with(shared(), &alias).await;
    assert_eq!(
        doctor(options, Some(&aws.url)).await.checks("FAIL"),
        BTreeSet::from(["functions"])
    );
    alias.remove(0);
    let aws = Aws::with(shared(), &alias).await;
    assert_eq!(doctor(options, Some(&aws.url)).await.code, 0);
}

/// What a stack was deployed with.
const DEPLOYED: &str = "<Parameters><member><ParameterKey>AlarmEmail</ParameterKey><ParameterValue>ops@example.com</ParameterValue></member><member><ParameterKey>DeletionProtection</ParameterKey><ParameterValue>off</ParameterValue></member>\
    <member><ParameterKey>TokenIssuer</ParameterKey><ParameterValue>cognito</ParameterValue></member>\
    <member><ParameterKey>CredentialsVersion</ParameterKey><ParameterValue>7</ParameterValue></member></Parameters></member>";

/// Two want the alarms, and the one of the parameter has confirmed it.
const CONFIRMED: &str = "<R><ListSubscriptionsByTopicResult><Subscriptions>\
    <member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Endpoint>other@example.com</Endpoint></member>\
    <member><SubscriptionArn>arn:aws:sns:us-east-1:000000000000:Alarms:1</SubscriptionArn><Endpoint>ops@example.com</Endpoint></member>\
    </Subscriptions></ListSubscriptionsByTopicResult></R>";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stack_was_deployed_with_decides_what_is_a_fault_and_how_it_is_mended() {
    let stack = shared();
    let rules = [
        Rule::replace("DescribeStacks", "</member>", DEPLOYED),
        Rule::edit("DescribeTable", |reply| {
            reply["Table"]["DeletionProtectionEnabled"] = json!(false);
        }),
        Rule::replace("GetPlatformApplicationAttributes", ">true<", ">false<"),
        ALARMS[1],
        Rule::answer("ListSubscriptionsByTopic", 200, CONFIRMED),
    ];
    let aws = Aws::with(stack, &rules).await;
    let mut claims = stack.producer_claims();
    claims["iss"] = json!("https://else.example");
    let folder = tempfile::tempdir().unwrap();
    let token = super::file(folder.path(), "token", &stack.sign(&claims));
    let options = [&OPTIONS[..4], &["--producer-token", &token]].concat();
    let said = doctor(&options, Some(&aws.url)).await;
    assert_eq!(
        said.checks("FAIL"),
        BTreeSet::from(["applications", "token"])
    );
    for says in [
        "at its output TokenEndpoint",
        "`sam build && sam deploy --stack-name local --parameter-overrides CredentialsVersion=8`",
        "ops@example.com gets the alarms",
        "is a parameter, and off",
    ] {
        assert!(
            said.lines.iter().any(|line| line.contains(says)),
            "{says}: {:#?}",
            said.lines
        );
    }
}
