//! The custom resource when secrets are wrong, or SNS and Secrets Manager fail; and the local stack around it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use local::{Options, Stack};
use serde_json::json;

use crate::platform_bench::{Bench, arn, certificate, failed, service_account, token_key};
use crate::proxy::{Fault, Rule};
use crate::stack::{binaries, data_folder, root};

/// A platform's secret, a field of it, what is put there (`null` takes it away), and what is said of it.
const WRONG: [(&str, &str, &str, &str); 11] = [
    ("fcm", "type", "null", "type is missing"),
    ("fcm", "type", "\"Q0FOQVJZ\"", "type is another"),
    ("fcm", "project_id", "7", "project_id is not text"),
    ("fcm", "client_email", "\" \"", "client_email is empty"),
    (
        "fcm",
        "private_key",
        "\"Q0FOQVJZ\"",
        "private_key is not in PEM",
    ),
    ("apns", "key_id", "\"Q0FOQVJZ\"", "key_id must be 10"),
    ("apns", "team_id", "null", "team_id is missing"),
    ("apns", "bundle_id", "null", "bundle_id is missing"),
    (
        "apns",
        "private_key",
        "\"-----BEGIN PRIVATE KEY----- Q0FOQVJZ -----END PRIVATE KEY-----\"",
        "its line breaks",
    ),
    (
        "sandbox",
        "certificate",
        "\"Q0FOQVJZ\"",
        "certificate is not in PEM",
    ),
    ("sandbox", "private_key", "null", "private_key is missing"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_is_named_with_its_field_and_never_quoted() {
    let bench = Bench::new().await;
    let property = |secret: &str| match secret {
        "fcm" => "FcmSecretArn",
        "apns" => "ApnsSecretArn",
        _ => "ApnsSandboxSecretArn",
    };
    for (name, field, value, expected) in WRONG {
        let mut secret = match name {
            "fcm" => service_account("x"),
            "apns" => token_key("x"),
            _ => certificate(),
        };
        secret[field] = serde_json::from_str(value).unwrap();
        secret
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        bench.secrets.put(&arn(name), &secret.to_string());
        let answer = bench
            .create(&bench.properties(&[(property(name), name)]))
            .await;
        failed(&answer, &[property(name), &arn(name), expected]);
    }
    for text in ["Q0FOQVJZ", "[\"Q0FOQVJZ\"]"] {
        bench.secrets.put(&arn("fcm"), text);
        let answer = bench
            .create(&bench.properties(&[("FcmSecretArn", "fcm")]))
            .await;
        failed(&answer, &["is not a JSON object"]);
    }
    let none = bench.properties(&[("ApnsSandboxSecretArn", "none")]);
    failed(
        &bench.create(&none).await,
        &["ApnsSandboxSecretArn", "does not exist"],
    );
    // All that is wrong is said at once, and nothing was created for what is right.
    bench.secrets.put(&arn("apns"), &token_key("x").to_string());
    let answer = bench.create(&bench.all()).await;
    failed(
        &answer,
        &["FcmSecretArn (arn:", "; ApnsSandboxSecretArn (arn:"],
    );
    let mut foreign = bench.properties(&[]);
    foreign["FcmSecretArn"] = json!("arn:aws:ssm:us-east-1:000000000000:parameter/x");
    failed(
        &bench.create(&foreign).await,
        &["is not the ARN of a secret"],
    );
    assert!(bench.existing().await.is_empty());
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_from_a_fault_of_the_secret_and_leaves_nothing() {
    let bench = Bench::new().await;
    let (all, down) = (bench.all(), |operation| {
        vec![Rule::on(
            operation,
            1..=99,
            Fault::Status(503, "InternalError"),
        )]
    });
    for operation in [
        "GetPlatformApplicationAttributes",
        "CreatePlatformApplication",
    ] {
        bench.proxy.script(down(operation));
        failed(
            &bench.create(&all).await,
            &["SNS does not answer", "again later"],
        );
        assert!(bench.existing().await.is_empty());
    }
    bench.proxy.script(down("GetSecretValue"));
    failed(
        &bench.create(&all).await,
        &["Secrets Manager does not answer"],
    );
    for (code, expected) in [
        ("AccessDeniedException", "may not be read"),
        ("DecryptionFailure", "kms:Decrypt"),
    ] {
        bench.proxy.script(vec![Rule::on(
            "GetSecretValue",
            1..=99,
            Fault::Status(400, code),
        )]);
        failed(&bench.create(&all).await, &[expected]);
    }
    bench.proxy.script(vec![Rule::on(
        "CreatePlatformApplication",
        1..=9,
        Fault::Status(403, "AuthorizationError"),
    )]);
    failed(&bench.create(&all).await, &["AuthorizationError", "role"]);
    // One lost reply is made up for; the second application's never comes.
    bench.proxy.script(vec![
        Rule::on("GetSecretValue", 1..=2, Fault::DropAfter),
        Rule::on("CreatePlatformApplication", 2..=9, Fault::DropAfter),
    ]);
    failed(&bench.create(&all).await, &["APNS", "SNS does not answer"]);
    assert!(bench.existing().await.is_empty());
    bench.proxy.script(vec![Rule::on(
        "CreatePlatformApplication",
        1..=1,
        Fault::DropAfter,
    )]);
    assert_eq!(bench.create(&all).await["Status"], "SUCCESS");
    bench.proxy.script(down("DeletePlatformApplication"));
    let answer = bench.delete(&bench.physical_id(), &all).await;
    failed(
        &answer,
        &["GCM, APNS, APNS_SANDBOX", "delete the stack again"],
    );
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_create_could_not_remove_its_rollback_removes() {
    let bench = Bench::new().await;
    let outage = |operation| Rule::on(operation, 1..=99, Fault::Status(503, "InternalError"));
    bench.proxy.script(vec![
        Rule::on(
            "CreatePlatformApplication",
            2..=99,
            Fault::Status(503, "InternalError"),
        ),
        outage("DeletePlatformApplication"),
    ]);
    let answer = bench.create(&bench.all()).await;
    failed(&answer, &[&bench.application("GCM"), "may be left"]);
    assert_eq!(bench.existing().await, ["GCM"]);
    bench.proxy.script(Vec::new());
    let deleted = bench
        .delete(answer["PhysicalResourceId"].as_str().unwrap(), &bench.all())
        .await;
    assert_eq!(deleted["Status"], "SUCCESS", "{deleted}");
    assert!(bench.existing().await.is_empty());
}

/// Starts a stack on this machine with this secret and version, and with the programs in a folder.
async fn start(data: &Path, programs: &Path, fcm: &str, version: &str) -> Result<Stack, String> {
    let parameters = [
        ("UserIssuer", "https://issuer.local/users"),
        ("UserAudiences", "users"),
        ("ProducerIssuer", "https://issuer.local/producers"),
        ("ProducerAudiences", "producers"),
        ("FcmSecretArn", &arn("fcm")),
        ("CredentialsVersion", version),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = Options {
        template: root().join("template.yaml"),
        parameters: parameters.into(),
        secrets: BTreeMap::from([(arn("fcm"), fcm.to_owned())]),
        binaries: programs.to_owned(),
        data: data.to_owned(),
        listener: local::listen(0).unwrap(),
        pages: Vec::new(),
    };
    Stack::start(options)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_stack_asks_once_and_again_when_the_properties_change() {
    let data = data_folder();
    let data = data.path();
    let good = service_account("x").to_string();
    // A create that fails ends the start, with its reason.
    let error = start(data, binaries(), "{}", "1").await.err().unwrap();
    assert!(
        error.starts_with("resource PlatformApplications: FcmSecretArn"),
        "{error}"
    );
    start(data, binaries(), &good, "1")
        .await
        .unwrap()
        .stop()
        .await;
    // Nothing has changed, so nobody is asked: here that would fail.
    let programs = tempfile::tempdir().unwrap();
    for spec in crate::events::template().functions {
        let program = match spec.binary.as_str() {
            "platform-apps" => "/bin/false".into(),
            binary => binaries().join(binary),
        };
        symlink(program, programs.path().join(spec.binary)).unwrap();
    }
    start(data, programs.path(), &good, "1")
        .await
        .unwrap()
        .stop()
        .await;
    let error = start(data, programs.path(), &good, "2")
        .await
        .err()
        .unwrap();
    assert!(error.contains("exit status: 1"), "{error}");
    let error = start(data, binaries(), "{}", "2").await.err().unwrap();
    assert!(error.contains("type is missing"), "{error}");
    start(data, binaries(), &good, "2")
        .await
        .unwrap()
        .stop()
        .await;
}
