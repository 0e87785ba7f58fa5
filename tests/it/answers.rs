//! Every answer of SNS to a publish that there is a file of: what it means, and what becomes of the device.

use std::collections::BTreeSet;
use std::fs;

use aws_sdk_sns::config::{Credentials, Region};
use aws_smithy_types::retry::RetryConfig;
use local::function::Function;
use serde_json::{Value, json};
use shared::connections::Connections;
use shared::outcome::Reason;
use shared::sns::{Answer, BY_CODE, Message, Sns, row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::crashes::{for_each, registration};
use crate::ground::{Ground, RowKey, create, stored};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::{root, shared, unique};

/// Each file, and what its answer means; the message id stands for any answer of 200.
static MEANINGS: [(&str, Answer); 26] = [
    ("endpoint-disabled", Answer::Gone(Reason::EndpointDisabled)),
    ("not-found", Answer::Gone(Reason::EndpointNotFound)),
    ("no-endpoint-found", Answer::Gone(Reason::EndpointNotFound)),
    ("message-too-long", Answer::TooLong),
    ("apns-too-long", Answer::TooLong),
    ("fcm-too-large", Answer::TooLong),
    ("invalid-parameter", Answer::Refused(Reason::Refused)),
    ("parameter-value-invalid", Answer::Refused(Reason::Refused)),
    (
        "platform-application-disabled",
        Answer::Blocked(Reason::ApplicationDisabled),
    ),
    ("authorization-error", Answer::Blocked(Reason::NotAllowed)),
    ("invalid-security", Answer::Blocked(Reason::NotAllowed)),
    ("kms-access-denied", Answer::Blocked(Reason::NotAllowed)),
    ("kms-disabled", Answer::Blocked(Reason::NotAllowed)),
    ("expired-token", Answer::Stale(Reason::Credentials)),
    (
        "invalid-client-token-id",
        Answer::Stale(Reason::Credentials),
    ),
    ("throttled", Answer::Busy(Reason::Throttled)),
    ("throttling", Answer::Busy(Reason::Throttled)),
    ("throttling-exception", Answer::Busy(Reason::Throttled)),
    ("throttled-exception", Answer::Busy(Reason::Throttled)),
    ("request-limit-exceeded", Answer::Busy(Reason::Throttled)),
    ("kms-throttling", Answer::Busy(Reason::Throttled)),
    ("internal-error", Answer::Unclear(Reason::SnsError)),
    ("service-unavailable", Answer::Unclear(Reason::SnsError)),
    ("sent", Answer::Sent(String::new())),
    ("empty-body", Answer::Sent(String::new())),
    ("broken-body", Answer::Sent(String::new())),
];

/// What SNS sends, byte by byte.
pub fn bytes(name: &str) -> Vec<u8> {
    fs::read(root().join(format!("shared/answers/{name}.http"))).unwrap()
}

fn client(url: &str) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .http_client(Connections::new(&[]).unwrap())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url);
    aws_sdk_sns::Client::from_conf(config.build())
}

/// What the real client makes of one answer to one publish.
async fn judged(answer: Vec<u8>) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("TargetArn=") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        stream.write_all(&answer).await.unwrap();
        stream
    };
    let sns = Sns::new(client.clone(), client);
    let message = Message {
        body: r#"{"default":"x"}"#.to_owned(),
        attributes: vec![("AWS.SNS.MOBILE.FCM.TTL", "60".to_owned())],
    };
    let (answer, _open) = tokio::join!(sns.publish("arn:aws:sns:x", &message), serve);
    answer
}

#[cfg(feature = "proof")]
#[tokio::test]
async fn f22_f23_every_answer_means_what_the_table_says_and_no_row_is_without_a_file() {
    let folder = fs::read_dir(root().join("shared/answers")).unwrap();
    let files: BTreeSet<String> = folder
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let names = MEANINGS.iter().map(|(name, _)| format!("{name}.http"));
    assert_eq!(files, names.collect());
    let mut rows = BTreeSet::new();
    for (name, expected) in &MEANINGS {
        let answer = bytes(name);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let found = judged(answer).await;
        if *name == "sent" {
            assert!(text.contains("200 OK"));
            assert!(matches!(&found, Answer::Sent(id) if text.contains(id) && id.len() == 36));
            continue;
        }
        // Of a body that breaks off, whatever the client could read.
        let found = match found {
            Answer::Sent(_) => Answer::Sent(String::new()),
            other => other,
        };
        assert_eq!(found, *expected, "{name}");
        if text.starts_with("HTTP/1.1 200 ") {
            continue;
        }
        let part = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
            rest.split('<').next().unwrap()
        };
        rows.insert(row(part("Code"), part("Message")).unwrap_or_else(|| panic!("{name}")));
    }
    assert_eq!(rows, (0..BY_CODE.len()).collect());
}

/// A user with one device, and a push function behind a proxy.
struct Case {
    ground: Ground,
    proxy: Proxy,
    push: Function,
    creator: Function,
    user: String,
    /// The last part of the device's endpoint ARN.
    endpoint: String,
    arn: String,
}

impl Case {
    async fn new() -> Case {
        let ground = Ground::new().await;
        let proxy = ground.proxy(false).await;
        let (user, devices) = (unique("answers"), ground.function("manage-devices", None));
        let reply = registration(&user, &unique("token"))
            .send(&devices)
            .await
            .unwrap();
        assert_eq!(reply.status, 201);
        let row = ground.row(&format!("U#{user}"), "A#user").await.unwrap();
        let device = row["dev"].as_object().unwrap().values().next().unwrap();
        let arn = device["e"].as_str().unwrap().to_owned();
        Case {
            push: ground.function("push-notifications", Some(&proxy)),
            creator: ground.function("create-notifications", None),
            endpoint: arn.rsplit('/').next().unwrap().to_owned(),
            ground,
            proxy,
            user,
            arn,
        }
    }

    async fn devices(&self) -> usize {
        let row = self.ground.row(&format!("U#{}", self.user), "A#user").await;
        row.unwrap()["dev"].as_object().unwrap().len()
    }

    async fn create(&self) -> RowKey {
        let mut note = for_each(std::slice::from_ref(&self.user));
        note["body"] = json!("A long story. ".repeat(70));
        note["link"] = json!(format!("app://{}", "x".repeat(300)));
        note["image"] = json!(format!("https://{}", "x".repeat(700)));
        stored(&create(None, &note).send(&self.creator).await.unwrap()).remove(0)
    }

    /// Delivers the notification's record; returns the lengths of the publishes it made.
    async fn deliver(&self, (pk, sk): &RowKey) -> Vec<usize> {
        let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let record =
            json!({"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": "1"}});
        let event = json!({"Records": [record]}).to_string().into_bytes();
        self.proxy.take_calls();
        self.push.invoke(event).await.unwrap();
        let calls = self.proxy.take_calls().into_iter();
        let publishes = calls.filter(|call| call.operation == "Publish");
        let own = publishes.filter(|call| call.body.contains(&self.endpoint));
        own.map(|call| call.body.len()).collect()
    }

    async fn outcome(&self, (pk, sk): &RowKey) -> Value {
        self.ground.row(pk, sk).await.unwrap()["po"].clone()
    }

    fn answer(&self, name: &'static str, times: usize) {
        self.proxy
            .script(vec![Rule::on("Publish", 1..=times, Fault::Answer(name))]);
    }
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f22_a_dead_endpoint_is_published_to_once_ever_and_its_device_removed() {
    for (name, reason) in [
        ("endpoint-disabled", "endpoint_disabled"),
        ("not-found", "endpoint_not_found"),
        ("no-endpoint-found", "endpoint_not_found"),
    ] {
        let case = Case::new().await;
        let sns = client(shared().sns());
        if name == "endpoint-disabled" {
            let set = sns.set_endpoint_attributes().endpoint_arn(&case.arn);
            set.attributes("Enabled", "false").send().await.unwrap();
        } else {
            sns.delete_endpoint()
                .endpoint_arn(&case.arn)
                .send()
                .await
                .unwrap();
        }
        case.answer(name, 9);
        let (first, second) = (case.create().await, case.create().await);
        assert_eq!(case.deliver(&first).await.len(), 1, "{name}");
        let outcome = case.outcome(&first).await;
        assert_eq!(
            (&outcome["s"], &outcome["w"]),
            (&json!("dead"), &json!(reason)),
            "{name}"
        );
        assert_eq!(case.devices().await, 0, "{name}");
        for row in [&first, &second] {
            assert_eq!(case.deliver(row).await.len(), 0, "{name}");
        }
        assert_eq!(case.outcome(&second).await["s"], "no_device", "{name}");
        let gone = sns
            .get_endpoint_attributes()
            .endpoint_arn(&case.arn)
            .send()
            .await;
        assert!(gone.is_err(), "{name}");
    }
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f23_what_the_operator_must_mend_kills_neither_the_push_nor_the_device() {
    let operators = MEANINGS
        .iter()
        .filter(|(_, answer)| matches!(answer, Answer::Blocked(_) | Answer::Stale(_)));
    let case = Case::new().await;
    let mut count = 0;
    for (name, _) in operators {
        let row = case.create().await;
        case.answer(name, 9);
        assert_eq!(case.deliver(&row).await.len(), 1, "{name}");
        let outcome = case.outcome(&row).await;
        assert!(
            outcome["s"] != "dead" && outcome["s"] != "sent",
            "{name}: {outcome}"
        );
        assert_eq!(case.devices().await, 1, "{name}");
        count += 1;
    }
    assert_eq!(count, 7);
    case.proxy.script(Vec::new());
    let row = case.create().await;
    case.deliver(&row).await;
    assert_eq!(case.outcome(&row).await["s"], "sent");
}

#[cfg(feature = "proof")]
#[tokio::test(flavor = "multi_thread")]
async fn f24_what_is_too_long_for_the_platform_is_shortened_once_and_what_is_invalid_is_not_tried_again()
 {
    let case = Case::new().await;
    for name in ["message-too-long", "apns-too-long", "fcm-too-large"] {
        let row = case.create().await;
        case.answer(name, 1);
        let lengths = case.deliver(&row).await;
        assert_eq!(lengths.len(), 2, "{name}");
        assert!(lengths[1] + 1_000 < lengths[0], "{name}: {lengths:?}");
        assert_eq!(case.outcome(&row).await["s"], "sent", "{name}");
        let row = case.create().await;
        case.answer(name, 9);
        assert_eq!(case.deliver(&row).await.len(), 2, "{name}");
        assert_eq!(case.outcome(&row).await["w"], "too_long", "{name}");
    }
    for name in ["invalid-parameter", "parameter-value-invalid"] {
        let row = case.create().await;
        case.answer(name, 9);
        assert_eq!(case.deliver(&row).await.len(), 1, "{name}");
        let outcome = case.outcome(&row).await;
        assert_eq!(
            (&outcome["s"], &outcome["w"]),
            (&json!("dead"), &json!("refused")),
            "{name}"
        );
        assert_eq!(case.deliver(&row).await.len(), 0, "{name}");
    }
    assert_eq!(case.devices().await, 1);
}
