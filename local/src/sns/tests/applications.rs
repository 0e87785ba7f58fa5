//! Platform applications over raw HTTP.

use super::server::{APNS, GCM, Server, TOPIC};

const CREDENTIAL: [(&str, &str); 2] = [
    ("Attributes.entry.1.key", "PlatformCredential"),
    ("Attributes.entry.1.value", "a secret"),
];

fn create<'p>(more: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
    let name = [("Name", "local"), ("Platform", "GCM")];
    [&name[..], &CREDENTIAL, more].concat()
}

#[tokio::test]
async fn an_application_is_created_once_and_shows_all_but_its_credentials() {
    let server = Server::start().await;
    let topic = [
        ("Attributes.entry.2.key", "EventDeliveryFailure"),
        ("Attributes.entry.2.value", TOPIC),
    ];
    for _ in 0..2 {
        let (status, answer) = server
            .call("CreatePlatformApplication", &create(&topic))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.contains(&format!(
                "<PlatformApplicationArn>{GCM}</PlatformApplicationArn>"
            )),
            "{answer}"
        );
    }
    let (status, answer) = server.call("CreatePlatformApplication", &create(&[])).await;
    assert_eq!(status, 400);
    assert!(
        answer.contains("<Code>InvalidParameter</Code>")
            && answer.contains("already exists with different attributes"),
        "{answer}"
    );
    let arn = [("PlatformApplicationArn", GCM)];
    let (_, shown) = server.call("GetPlatformApplicationAttributes", &arn).await;
    assert!(
        shown.contains(TOPIC) && !shown.contains("secret"),
        "{shown}"
    );
    let change = [
        arn[0],
        ("Attributes.entry.1.key", "FailureFeedbackRoleArn"),
        ("Attributes.entry.1.value", "another"),
    ];
    let (status, answer) = server
        .call("SetPlatformApplicationAttributes", &change)
        .await;
    assert_eq!(status, 200, "{answer}");
    let (_, shown) = server.call("GetPlatformApplicationAttributes", &arn).await;
    assert!(shown.contains("another"), "{shown}");
    for _ in 0..2 {
        let (status, _) = server.call("DeletePlatformApplication", &arn).await;
        assert_eq!(status, 200);
        for action in [
            "GetPlatformApplicationAttributes",
            "SetPlatformApplicationAttributes",
        ] {
            let (status, answer) = server.call(action, &change).await;
            assert_eq!(status, 404);
            assert!(
                answer.contains("PlatformApplication does not exist"),
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn credentials_and_attributes_are_checked() {
    let server = Server::start().await;
    let bad = [
        vec![("Name", "local"), ("Platform", "GCM")],
        vec![
            ("Name", "local"),
            ("Platform", "APNS"),
            CREDENTIAL[0],
            CREDENTIAL[1],
        ],
        create(&[
            ("Attributes.entry.2.key", "PlatformPrincipal"),
            ("Attributes.entry.2.value", "error-credentials-1"),
        ]),
        create(&[
            ("Attributes.entry.2.key", "Colour"),
            ("Attributes.entry.2.value", "red"),
        ]),
        vec![
            ("Name", "a/b"),
            ("Platform", "GCM"),
            CREDENTIAL[0],
            CREDENTIAL[1],
        ],
        vec![
            ("Name", "local"),
            ("Platform", "FCM"),
            CREDENTIAL[0],
            CREDENTIAL[1],
        ],
    ];
    for parameters in bad {
        let (status, answer) = server.call("CreatePlatformApplication", &parameters).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains("<Code>InvalidParameter</Code>"), "{answer}");
    }
}

#[tokio::test]
async fn once_there_are_applications_no_other_takes_endpoints() {
    let server = Server::start().await;
    server.endpoint(APNS, "before").await;
    server.call("CreatePlatformApplication", &create(&[])).await;
    server.endpoint(GCM, "t").await;
    let parameters = [("PlatformApplicationArn", APNS), ("Token", "t")];
    let (status, answer) = server.call("CreatePlatformEndpoint", &parameters).await;
    assert_eq!(status, 404);
    assert!(
        answer.contains("PlatformApplication does not exist"),
        "{answer}"
    );
}
