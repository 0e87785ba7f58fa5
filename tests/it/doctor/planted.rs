//! The faults that are planted, and what the doctor must say of each.

use serde_json::{Value, json};

use super::aws::Rule;
use crate::stack::Stack;

/// A fault.
pub struct Planted {
    /// The check that finds it.
    pub check: &'static str,
    /// A part of what it says, as docs/OPERATIONS.md has it.
    pub says: &'static str,
    /// A part of the mend.
    pub mend: &'static str,
    pub rules: &'static [Rule],
    pub how: How,
}

/// What else a fault needs.
#[derive(Clone, Copy)]
pub enum How {
    /// Nothing: it may be planted beside faults of other checks.
    Beside,
    /// A run of its own, because other checks depend on what is broken.
    Alone,
    /// The same, and half a minute.
    Slow,
    /// Options, beside the others.
    Options(&'static [&'static str]),
    /// Another stack's name, in a run of its own.
    Stack(&'static str),
    /// A user's token with these claims changed; it is given the address of AWS.
    Token(fn(&mut Value, &str)),
}

const fn fault(
    check: &'static str,
    says: &'static str,
    mend: &'static str,
    rules: &'static [Rule],
) -> Planted {
    Planted {
        check,
        says,
        mend,
        rules,
        how: How::Beside,
    }
}

impl Planted {
    const fn with(self, how: How) -> Planted {
        Planted { how, ..self }
    }
}

const fn token(says: &'static str, mend: &'static str, change: fn(&mut Value, &str)) -> Planted {
    fault("token", says, mend, &[]).with(How::Token(change))
}

const SOURCES: &str = "/2015-03-31/event-source-mappings/";
const APPLICATION: &str = "GetPlatformApplicationAttributes";
const SUBSCRIBED: &str = "ListSubscriptionsByTopic";
/// The stack has the alarms' topic and who gets their mail.
pub const ALARMS: [Rule; 2] = [
    Rule::replace(
        "DescribeStacks",
        "</StackStatus>",
        "</StackStatus><Parameters><member><ParameterKey>AlarmEmail</ParameterKey><ParameterValue>ops@example.com</ParameterValue></member></Parameters>",
    ),
    Rule::replace(
        "ListStackResources",
        "<StackResourceSummaries>",
        "<StackResourceSummaries><member><LogicalResourceId>Alarms</LogicalResourceId><PhysicalResourceId>arn:aws:sns:us-east-1:000000000000:Alarms</PhysicalResourceId><ResourceType>AWS::SNS::Topic</ResourceType></member>",
    ),
];
const HELD: &str = r#"{"Attributes": {"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1"}}"#;
const DESCRIBED: &str = "<StackStatus>CREATE_COMPLETE</StackStatus>";

/// Changes one mapping.
fn mapping(reply: &mut Value, id: &str, change: impl Fn(&mut Value)) {
    let mappings = reply["EventSourceMappings"].as_array_mut().unwrap();
    let found = mappings.iter_mut().find(|mapping| mapping["UUID"] == id);
    change(found.unwrap_or_else(|| panic!("no mapping {id}")));
}

pub const PLANTED: &[Planted] = &[
    fault("stack", "there is no stack", "--region", &[]).with(How::Stack("nowhere")),
    fault(
        "stack",
        "does not accept the credentials",
        "aws configure export-credentials",
        &[Rule::answer("DescribeStacks", 403, "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>")],
    )
    .with(How::Alone),
    fault(
        "stack",
        "this machine's clock",
        "set the clock",
        &[Rule::answer("DescribeStacks", 403, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature expired: 20261120T100000Z is now earlier than 20261120T101000Z</Message></Error></ErrorResponse>")],
    )
    .with(How::Alone),
    fault(
        "stack",
        "its last deployment failed",
        "describe-stack-events",
        &[Rule::replace("DescribeStacks", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")],
    ),
    fault(
        "api",
        "the API does not answer",
        "sam logs",
        &[Rule::edit("/v2/apis/Api", |reply| reply["apiEndpoint"] = json!("http://127.0.0.1:9"))],
    )
    .with(How::Alone),
    fault(
        "api",
        "the API answers 500",
        "--name AdministerUsers",
        &[
            Rule::replace("DescribeStacks", DESCRIBED, "<StackStatus>CREATE_COMPLETE</StackStatus><Outputs><member><OutputKey>ApiUrl</OutputKey><OutputValue>{aws}/</OutputValue></member></Outputs>"),
            Rule::answer("/openapi.json", 500, "{\"message\": \"Internal Server Error\"}"),
        ],
    )
    .with(How::Alone),
    fault(
        "issuer",
        "cannot be reached",
        "parameter UserIssuer",
        &[Rule::answer("/users/.well-known/openid-configuration", 404, "none")],
    ),
    fault(
        "issuer",
        "calls itself",
        "ProducerIssuer=http://",
        &[Rule::answer("/producers/.well-known/openid-configuration", 200, r#"{"issuer": "{aws}/producers/", "jwks_uri": "{aws}/keys"}"#)],
    ),
    fault(
        "issuer",
        "has no RSA key",
        "RS256",
        &[Rule::answer("/keys", 200, r#"{"keys": [{"kty": "EC", "kid": "e"}, {"kty": "RSA", "use": "enc", "kid": "r"}]}"#)],
    ),
    token("is for the audience", "UserAudiences=tidings-users,other", |claims, aws| {
        claims["iss"] = json!(format!("{aws}/users"));
        claims["aud"] = json!("other");
    }),
    token("is of the issuer", "UserIssuer=https://else.example/", |claims, _| {
        claims["iss"] = json!("https://else.example/");
    }),
    token("expired", "a fresh one", |claims, aws| {
        claims["iss"] = json!(format!("{aws}/users"));
        claims["exp"] = json!(1_700_000_000);
    }),
    token("lacks the scope", "grant tidings/inbox", |claims, _| {
        claims["scope"] = json!("openid profile");
    }),
    fault(
        "table",
        "there is no table",
        "restore",
        &[Rule::answer("DescribeTable", 400, r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "Requested resource not found"}"#)],
    )
    .with(How::Alone),
    fault(
        "time to live",
        "time to live is off",
        "Enabled=true,AttributeName=expires_at",
        &[Rule::answer("DescribeTimeToLive", 200, r#"{"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}"#)],
    ),
    fault(
        "time to live",
        "time to live is on the attribute",
        "Enabled=false,AttributeName=ttl",
        &[Rule::answer("DescribeTimeToLive", 200, r#"{"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}}"#)],
    ),
    fault(
        "backups",
        "point-in-time recovery is off",
        "PointInTimeRecoveryEnabled=true",
        &[Rule::answer("DescribeContinuousBackups", 200, r#"{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}}"#)],
    ),
    fault(
        "backups",
        "deletion protection is off",
        "--deletion-protection-enabled",
        &[Rule::edit("DescribeTable", |reply| reply["Table"]["DeletionProtectionEnabled"] = json!(false))],
    ),
    fault(
        "stream",
        "the stream is off",
        "StreamViewType=KEYS_ONLY",
        &[Rule::edit("DescribeTable", |reply| reply["Table"]["StreamSpecification"] = Value::Null)],
    )
    .with(How::Alone),
    fault(
        "stream",
        "the stream has the view",
        "StreamEnabled=false",
        &[Rule::edit("DescribeTable", |reply| {
            reply["Table"]["StreamSpecification"]["StreamViewType"] = json!("NEW_IMAGE");
        })],
    ),
    fault(
        "event sources",
        "has no mapping",
        "put it back",
        &[Rule::edit(SOURCES, |reply| {
            let mappings = reply["EventSourceMappings"].as_array_mut().unwrap();
            mappings.retain(|mapping| mapping["UUID"] != "PushNotificationsStream");
        })],
    ),
    fault(
        "event sources",
        "is Disabled",
        "--uuid RunTasksStream --enabled",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "RunTasksStream", |found| found["State"] = json!("Disabled"));
        })],
    ),
    fault(
        "event sources",
        "a stream that is no more",
        "which maps the stream there is",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "PushNotificationsStream", |found| {
                let arn = found["EventSourceArn"].as_str().unwrap();
                found["EventSourceArn"] = json!(format!("{arn}.old"));
            });
        })],
    ),
    fault(
        "event sources",
        "another filter",
        "--uuid PushNotificationsStream --filter-criteria '{\"Filters\":",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "PushNotificationsStream", |found| found["FilterCriteria"] = Value::Null);
        })],
    ),
    fault(
        "event sources",
        "no on-failure queue",
        ":FailedBatches\"",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "RunTasksStream", |found| found["DestinationConfig"] = json!({"OnFailure": {}}));
        })],
    ),
    fault(
        "event sources",
        "whole batches",
        "--uuid IngestEventsQueue --function-response-types ReportBatchItemFailures",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "IngestEventsQueue", |found| found["FunctionResponseTypes"] = json!([]));
        })],
    ),
    fault(
        "event sources",
        "PROBLEM",
        "--name RunTasks",
        &[Rule::edit(SOURCES, |reply| {
            mapping(reply, "RunTasksGivenUp", |found| {
                found["LastProcessingResult"] = json!("PROBLEM: Function call failed");
            });
        })],
    ),
    fault(
        "functions",
        "lacks the variable",
        "RetentionDays",
        &[Rule::edit("/2015-03-31/functions/PushNotifications/configuration", |reply| {
            reply["Environment"]["Variables"]["GROUP_CAP"] = Value::Null;
        })],
    ),
    fault(
        "functions",
        "is not there",
        "sam build && sam deploy",
        &[Rule::answer("/2015-03-31/functions/RunTasks/configuration", 404, r#"{"Type": "User", "Message": "Function not found"}"#)],
    ),
    fault(
        "functions",
        "is switched off",
        "delete-function-concurrency --function-name ReadInbox",
        &[Rule::answer("/2019-09-30/functions/ReadInbox/concurrency", 200, r#"{"ReservedConcurrentExecutions": 0}"#)],
    ),
    fault(
        "functions",
        "is Failed",
        "mend the reason",
        &[Rule::edit("/2015-03-31/functions/CleanDevices/configuration", |reply| {
            reply["State"] = json!("Failed");
            reply["StateReason"] = json!("the role is gone");
        })],
    ),
    fault(
        "applications",
        "is not there",
        "CredentialsVersion=2",
        &[Rule::answer(APPLICATION, 404, "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>PlatformApplication does not exist</Message></Error></ErrorResponse>").containing("APNS%5FSANDBOX")],
    ),
    fault(
        "applications",
        "is disabled",
        "the secret of ApnsSecretArn",
        &[Rule::replace(APPLICATION, "<key>Enabled</key><value>true<", "<key>Enabled</key><value>false<").containing("APNS%2F")],
    ),
    fault(
        "applications",
        "expires on",
        "the secret of ApnsSecretArn",
        &[Rule::replace(APPLICATION, "<Attributes>", "<Attributes><entry><key>AppleCertificateExpirationDate</key><value>2026-01-01T00:00:00Z</value></entry>").containing("APNS%2F")],
    ),
    fault(
        "applications",
        "tells nobody",
        "topics set again",
        &[Rule::replace(APPLICATION, "EventDeliveryFailure", "EventOther")],
    ),
    fault(
        "applications",
        "no platform application",
        "FcmSecretArn",
        &[Rule::edit("/2015-03-31/functions/ManageDevices/configuration", |reply| {
            for name in ["FCM", "APNS", "APNS_SANDBOX"] {
                reply["Environment"]["Variables"][format!("{name}_APPLICATION_ARN")] = json!("");
            }
        })],
    ),
    fault(
        "queues",
        "FailedBatches holds",
        "RunTasks",
        &[Rule::answer("GetQueueAttributes", 200, HELD).containing("/FailedBatches")],
    ),
    fault(
        "queues",
        "DeadEvents holds",
        "docs/EVENTS.md",
        &[Rule::answer("GetQueueAttributes", 200, HELD).containing("/DeadEvents")],
    ),
    fault(
        "queues",
        "FailedPlatformEvents holds",
        "CleanDevices",
        &[Rule::answer("GetQueueAttributes", 200, HELD).containing("/FailedPlatformEvents")],
    ),
    fault(
        "dead pushes",
        "died today",
        "/v1/pushes/redrive",
        &[Rule::answer("Query", 200, r#"{"Items": [{"pk": {"S": "D#2026-11-24#0"}, "sk": {"S": "01M86BQTZSPRSQVSHQPP97TXGK"}, "w": {"S": "gave_up"}}], "Count": 1, "ScannedCount": 1}"#).containing("\"D#")],
    ),
    fault(
        "sweep",
        "minutes behind",
        "log of RunTasks",
        &[Rule::answer("GetItem", 200, r#"{"Item": {"pk": {"S": "Q#cursor"}, "sk": {"S": "-"}, "m": {"N": "29000000"}}}"#)],
    ),
    fault(
        "alarm mail",
        "has not confirmed",
        "from AWS Notifications",
        &[ALARMS[0], ALARMS[1], Rule::answer(SUBSCRIBED, 200, "<R><ListSubscriptionsByTopicResult><Subscriptions><member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Protocol>email</Protocol><Endpoint>ops@example.com</Endpoint></member></Subscriptions></ListSubscriptionsByTopicResult></R>")],
    ),
    fault(
        "alarm mail",
        "is not subscribed",
        "--protocol email --notification-endpoint ops@example.com",
        &[ALARMS[0], ALARMS[1], Rule::answer(SUBSCRIBED, 200, "<R><ListSubscriptionsByTopicResult><Subscriptions/></ListSubscriptionsByTopicResult></R>")],
    ),
    fault("test push", "SNS refuses", "What became of a push", &[])
        .with(How::Options(&["--send", "error-application-doctor", "--platform", "fcm"])),
    fault("test push", "does not take the device", "of this platform and app", &[])
        .with(How::Options(&["--send", "two words", "--platform", "fcm"])),
    fault(
        "test push",
        "still waits",
        "log of PushNotifications",
        &[Rule::answer("/2015-03-31/functions/AdministerUsers/invocations", 200, r#"{"statusCode": 200, "body": "{\"data\": [{\"step\": \"stored\"}, {\"step\": \"pending\"}]}"}"#)],
    )
    .with(How::Slow),
];

/// A user's token of this stack, changed.
pub fn user_token(stack: &Stack, change: fn(&mut Value, &str), aws: &str) -> String {
    let mut claims = stack.user_claims("tidings-doctor");
    change(&mut claims, aws);
    stack.sign(&claims)
}
