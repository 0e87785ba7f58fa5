//! SNS over raw HTTP, as an AWS SDK sends it, and the outbox behind it.

mod applications;
mod platform_events;
mod server;
mod troubles;

use serde_json::{Value, json};
use server::{APNS, GCM, Server, between};

fn gcm() -> Value {
    let payload = json!({"fcmV1Message": {"message": {"notification": {"title": "Hi & <b>"}}}});
    json!({"default": "Hi", "GCM": payload.to_string()})
}

#[tokio::test]
async fn the_outbox_keeps_its_newest_ten_thousand() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "local-phone1").await;
    let fill = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
        INSERT INTO pushes SELECT n, 0, '', '', '', '', '{}', '{}' FROM numbers";
    server
        .state
        .with(|connection| connection.execute(fill, []))
        .unwrap();
    for oldest in [2, 3] {
        assert_eq!(server.publish(&arn, &gcm()).await.0, 200);
        let outbox = server.outbox("?after=0&limit=1").await;
        assert_eq!(outbox["data"][0]["n"], oldest);
    }
    let newest = server.outbox("?after=-1").await;
    assert_eq!(newest["data"][0]["n"], 10_002);
}

#[tokio::test]
async fn a_publish_is_in_the_outbox_with_its_payload_and_attributes() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "local-phone1").await;
    assert!(
        arn.starts_with("arn:aws:sns:us-east-1:000000000000:endpoint/GCM/local/"),
        "{arn}"
    );
    let parameters = [
        ("TargetArn", arn.as_str()),
        ("MessageStructure", "json"),
        ("Message", &gcm().to_string()),
        ("MessageAttributes.entry.1.Name", "AWS.SNS.MOBILE.FCM.TTL"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "86400"),
    ];
    let (status, answer) = server.call("Publish", &parameters).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("<ResponseMetadata><RequestId>"), "{answer}");
    let message_id = between(&answer, "<MessageId>", "</MessageId>");

    let outbox = server.outbox("?after=0").await;
    let push = &outbox["data"][0];
    assert_eq!(push["message_id"], message_id);
    assert_eq!(push["endpoint_arn"], arn);
    assert_eq!(push["token"], "local-phone1");
    assert_eq!(
        (&push["platform"], &push["application"]),
        (&json!("GCM"), &json!("local"))
    );
    assert_eq!(push["enabled"], true);
    assert_eq!(
        push["message"]["fcmV1Message"]["message"]["notification"]["title"],
        "Hi & <b>"
    );
    assert_eq!(
        push["attributes"],
        json!({"AWS.SNS.MOBILE.FCM.TTL": "86400"})
    );
    assert_eq!(
        server.outbox(&format!("?after={}", outbox["next"])).await["data"],
        json!([])
    );
    assert_eq!(server.outbox("?after=-1").await["data"], outbox["data"]);
    let (_, endpoints) = server.http("GET /_local/endpoints", "").await;
    assert!(endpoints.contains(&arn), "{endpoints}");
}

#[tokio::test]
async fn a_long_poll_ends_with_the_push() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "t").await;
    let push = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(server.publish(&arn, &gcm()).await.0, 200);
    };
    let (outbox, ()) = tokio::join!(server.outbox("?after=0&wait=20"), push);
    assert_eq!(outbox["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn creating_is_idempotent_only_with_the_same_attributes() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "t").await;
    assert_eq!(server.endpoint(GCM, "t").await, arn);
    assert_ne!(server.endpoint(APNS, "t").await, arn);
    let create = |name: &'static str, value: &'static str| {
        let parameters = [
            ("PlatformApplicationArn", GCM),
            ("Token", "t"),
            (name, value),
        ];
        let server = &server;
        async move { server.call("CreatePlatformEndpoint", &parameters).await }
    };
    let (status, answer) = create("CustomUserData", "ana").await;
    assert_eq!(status, 400);
    let text = format!(
        "Invalid parameter: Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
    );
    assert_eq!(between(&answer, "<Message>", "</Message>"), text);
    assert_eq!(between(&answer, "<Code>", "</Code>"), "InvalidParameter");

    let disable = [
        ("EndpointArn", arn.as_str()),
        ("Attributes.entry.1.key", "Enabled"),
        ("Attributes.entry.1.value", "false"),
    ];
    assert_eq!(server.call("SetEndpointAttributes", &disable).await.0, 200);
    assert_eq!(server.endpoint(GCM, "t").await, arn);
    let (_, answer) = server
        .call("GetEndpointAttributes", &[("EndpointArn", &arn)])
        .await;
    assert!(
        answer.contains("<entry><key>Enabled</key><value>false</value></entry>"),
        "{answer}"
    );
    assert!(
        answer.contains("<entry><key>Token</key><value>t</value></entry>"),
        "{answer}"
    );
    let parameters = [
        ("PlatformApplicationArn", GCM),
        ("Token", "t"),
        ("Attributes.entry.1.key", "Enabled"),
        ("Attributes.entry.1.value", "true"),
    ];
    assert_eq!(
        server.call("CreatePlatformEndpoint", &parameters).await.0,
        400
    );
}

#[tokio::test]
async fn a_token_can_move_only_where_it_is_not() {
    let server = Server::start().await;
    let (one, two) = (
        server.endpoint(GCM, "one").await,
        server.endpoint(GCM, "two").await,
    );
    let set = |token: &'static str| {
        let parameters = [
            ("EndpointArn", two.clone()),
            ("Attributes.entry.1.key", "Token".to_owned()),
            ("Attributes.entry.1.value", token.to_owned()),
        ];
        let server = &server;
        async move {
            let parameters: Vec<(&str, &str)> = parameters
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            server.call("SetEndpointAttributes", &parameters).await
        }
    };
    let (status, answer) = set("one").await;
    assert_eq!(status, 400);
    assert!(
        answer.contains(&format!(
            "Endpoint {one} already exists with the same Token"
        )),
        "{answer}"
    );
    assert_eq!(set("three").await.0, 200);
    assert_eq!(server.endpoint(GCM, "three").await, two);
}

#[tokio::test]
async fn what_is_gone_or_disabled_is_refused_as_sns_does() {
    let server = Server::start().await;
    let arn = server.endpoint(GCM, "error-disabled-1").await;
    assert_eq!(server.publish(&arn, &gcm()).await.0, 200);
    let (status, answer) = server.publish(&arn, &gcm()).await;
    assert_eq!(
        (status, between(&answer, "<Code>", "</Code>").as_str()),
        (400, "EndpointDisabled")
    );
    assert_eq!(
        between(&answer, "<Message>", "</Message>"),
        "Endpoint is disabled"
    );
    assert_eq!(server.outbox("").await["data"].as_array().unwrap().len(), 1);

    for _ in 0..2 {
        assert_eq!(
            server
                .call("DeleteEndpoint", &[("EndpointArn", &arn)])
                .await
                .0,
            200
        );
    }
    let (status, answer) = server.publish(&arn, &gcm()).await;
    assert_eq!(status, 400);
    let text =
        "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified";
    assert_eq!(between(&answer, "<Message>", "</Message>"), text);
    let (status, answer) = server
        .call("GetEndpointAttributes", &[("EndpointArn", &arn)])
        .await;
    assert_eq!(
        (status, between(&answer, "<Code>", "</Code>").as_str()),
        (404, "NotFound")
    );
    let other = "arn:aws:sns:us-east-1:000000000000:app/WNS/local";
    let unknown = [("PlatformApplicationArn", other), ("Token", "t")];
    assert_eq!(server.call("CreatePlatformEndpoint", &unknown).await.0, 404);
    let (status, answer) = server.call("Subscribe", &[]).await;
    assert_eq!(
        (status, between(&answer, "<Code>", "</Code>").as_str()),
        (400, "InvalidAction")
    );
}

#[tokio::test]
async fn messages_are_checked_as_sns_does() {
    let server = Server::start().await;
    let (gcm, apns) = (
        server.endpoint(GCM, "t").await,
        server.endpoint(APNS, "t").await,
    );
    let long = json!({"aps": {"alert": "x".repeat(4096)}}).to_string();
    let too_long = json!({"default": "x", "APNS": long});
    let (status, answer) = server.publish(&apns, &too_long).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer.contains("<Type>Sender</Type><Code>InvalidParameter</Code>"),
        "{answer}"
    );
    assert_eq!(server.publish(&gcm, &too_long).await.0, 200);
    let huge = json!({"default": "x".repeat(256 * 1024)});
    let (status, answer) = server.publish(&gcm, &huge).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer.contains("<Message>Invalid parameter: Message too long</Message>"),
        "{answer}"
    );
    assert_eq!(server.outbox("").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        server.publish(&apns, &json!({"default": "Hi"})).await.0,
        200
    );
    assert_eq!(
        server.outbox("?after=1").await["data"][0]["message"],
        json!({"aps": {"alert": "Hi"}})
    );
}

#[tokio::test]
async fn the_page_is_served_and_not_to_be_kept_or_framed() {
    let server = Server::start().await;
    for path in ["/_local/", "/_local/index.html"] {
        let (status, answer) = server.http(&format!("GET {path}"), "").await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{answer}"
        );
        assert!(answer.ends_with("<p>"), "{answer}");
    }
    assert_eq!(server.http("GET /_local/queues/none", "").await.0, 404);
}
