//! What applications and topics are told.

use super::gcm;
use super::server::{APNS, GCM, Server, TOPIC, between};
use serde_json::json;

#[tokio::test]
async fn a_message_to_a_topic_reaches_its_function_in_lambdas_form() {
    let server = Server::start().await;
    let parameters = [
        ("TopicArn", TOPIC),
        ("Subject", "Hello"),
        ("Message", "World"),
        ("MessageAttributes.entry.1.Name", "kind"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "test"),
    ];
    let (status, answer) = server.call("Publish", &parameters).await;
    assert_eq!(status, 200, "{answer}");
    let mut sns = server.event().await;
    assert_eq!(
        sns["MessageId"],
        between(&answer, "<MessageId>", "</MessageId>")
    );
    assert!(sns["Timestamp"].as_str().unwrap().ends_with('Z'), "{sns}");
    for changing in ["MessageId", "SigningCertUrl", "Timestamp", "UnsubscribeUrl"] {
        assert!(sns[changing].is_string(), "{changing}");
        sns.as_object_mut().unwrap().remove(changing);
    }
    assert_eq!(
        sns,
        json!({
            "Type": "Notification", "TopicArn": TOPIC, "Subject": "Hello", "Message": "World",
            "SignatureVersion": "1", "Signature": "bG9jYWw=",
            "MessageAttributes": {"kind": {"Type": "String", "Value": "test"}},
        })
    );

    let structured = json!({"default": "all", "lambda": "own"}).to_string();
    let parameters = [
        ("TopicArn", TOPIC),
        ("MessageStructure", "json"),
        ("Message", &structured),
    ];
    assert_eq!(server.call("Publish", &parameters).await.0, 200);
    let sns = server.event().await;
    assert_eq!(
        (&sns["Message"], &sns["Subject"]),
        (&json!("own"), &json!(null))
    );
    let unknown = format!("{TOPIC}X");
    let parameters = [("TopicArn", unknown.as_str()), ("Message", "x")];
    let (status, answer) = server.call("Publish", &parameters).await;
    assert_eq!(status, 404, "{answer}");
}

#[tokio::test]
async fn an_application_keeps_what_was_set_and_shows_no_secret() {
    let server = Server::start().await;
    server.applications().await;
    let set = async |name: &str, value: &str| {
        let parameters = [
            ("PlatformApplicationArn", GCM),
            ("Attributes.entry.1.key", name),
            ("Attributes.entry.1.value", value),
        ];
        let action = "SetPlatformApplicationAttributes";
        server.call(action, &parameters).await.0
    };
    assert_eq!(set("EventDeliveryFailure", TOPIC).await, 200);
    assert_eq!(set("PlatformCredential", "another secret").await, 200);
    assert_eq!(set("SuccessFeedbackSampleRate", "5").await, 200);
    assert_eq!(
        set("EventEndpointUpdated", "arn:aws:sns:no:such:topic").await,
        400
    );
    assert_eq!(set("Colour", "red").await, 400);
    let get = async |arn| {
        let action = "GetPlatformApplicationAttributes";
        let (status, answer) = server
            .call(action, &[("PlatformApplicationArn", arn)])
            .await;
        assert_eq!(status, 200, "{answer}");
        between(&answer, "<Attributes>", "</Attributes>")
    };
    let entry = |key, value| format!("<entry><key>{key}</key><value>{value}</value></entry>");
    let enabled = entry("Enabled", "true");
    let shown = [
        enabled.clone(),
        entry("EventDeliveryFailure", TOPIC),
        entry("SuccessFeedbackSampleRate", "5"),
    ];
    assert_eq!(get(GCM).await, shown.concat());
    assert_eq!(get(APNS).await, enabled);
}

#[tokio::test]
async fn changes_of_endpoints_are_told_to_the_topic_that_asked() {
    let server = Server::start().await;
    // Nobody asked yet.
    server.endpoint(GCM, "early").await;
    let asked = [
        "EventEndpointCreated",
        "EventEndpointUpdated",
        "EventEndpointDeleted",
    ];
    server.subscribe(GCM, &asked).await;
    server.endpoint(APNS, "elsewhere").await;
    server.endpoint(GCM, "early").await;
    let arn = server.endpoint(GCM, "phone").await;
    let disable = [
        ("EndpointArn", arn.as_str()),
        ("Attributes.entry.1.key", "Enabled"),
        ("Attributes.entry.1.value", "false"),
    ];
    server.call("SetEndpointAttributes", &disable).await;
    for _ in 0..2 {
        server
            .call("DeleteEndpoint", &[("EndpointArn", &arn)])
            .await;
    }
    server.endpoint(GCM, "last").await;
    for kind in ["EndpointCreated", "EndpointUpdated", "EndpointDeleted"] {
        let event = server.platform_event().await;
        assert_eq!(
            (&event["EventType"], &event["EndpointArn"]),
            (&json!(kind), &json!(arn))
        );
        assert_eq!(
            (&event["Resource"], &event["Service"]),
            (&json!(GCM), &json!("SNS"))
        );
        let attribute = (kind == "EndpointUpdated").then_some("Enabled");
        assert_eq!(event["Attribute"], json!(attribute));
    }
    assert_eq!(
        server.platform_event().await["EventType"],
        "EndpointCreated"
    );
}

#[tokio::test]
async fn a_token_that_dies_late_is_told_push_by_push() {
    let server = Server::start().await;
    server
        .subscribe(GCM, &["EventEndpointUpdated", "EventDeliveryFailure"])
        .await;
    let arn = server.endpoint(GCM, "error-disabled-2-x").await;
    let mut pushes = Vec::new();
    for _ in 0..2 {
        let (status, answer) = server.publish(&arn, &gcm()).await;
        assert_eq!(status, 200, "{answer}");
        pushes.push(between(&answer, "<MessageId>", "</MessageId>"));
    }
    assert_eq!(server.publish(&arn, &gcm()).await.0, 400);
    let updated = server.event().await;
    assert_eq!(
        updated["Subject"],
        "EndpointUpdated event for app local (GCM)"
    );
    for (push, failure) in pushes
        .iter()
        .zip(["InvalidPlatformToken", "EndpointDisabled"])
    {
        let event = server.platform_event().await;
        assert_eq!(event["EventType"], "DeliveryFailure");
        assert_eq!(
            (
                &event["FailureType"],
                &event["MessageId"],
                &event["EndpointArn"]
            ),
            (&json!(failure), &json!(push), &json!(arn))
        );
        assert_eq!(event["DeliveryAttempts"], 1);
        assert!(event["FailureMessage"].is_string(), "{event}");
    }
}
