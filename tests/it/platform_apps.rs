//! The custom resource that makes the SNS platform applications: asked as CloudFormation asks, answering where it is
//! told to.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::platform_bench::{Bench, arn, certificate, failed, key, service_account, token_key};
use crate::proxy::{Fault, Rule};

#[tokio::test(flavor = "multi_thread")]
async fn every_configured_platform_gets_its_application_and_a_repeat_meets_it() {
    let bench = Bench::new().await;
    let mut properties = bench.all();
    let role = "arn:aws:iam::000000000000:role/logs";
    properties["SuccessFeedbackRoleArn"] = json!(role);
    properties["FailureFeedbackRoleArn"] = json!(role);
    properties["SuccessFeedbackSampleRate"] = json!("5");
    let created = bench.create(&properties).await;
    assert_eq!(created["Status"], "SUCCESS", "{created}");
    assert_eq!(created["PhysicalResourceId"], bench.physical_id());
    let expected = json!({
        "FcmApplicationArn": bench.application("GCM"),
        "ApnsApplicationArn": bench.application("APNS"),
        "ApnsSandboxApplicationArn": bench.application("APNS_SANDBOX"),
        "Pushes": "Pushes go through GCM, APNS, APNS_SANDBOX.",
    });
    assert_eq!(created["Data"], expected);
    let apns = bench.attributes("APNS").await.unwrap();
    let topic = properties["EventTopicArn"].as_str().unwrap();
    for (name, value) in [
        ("EventEndpointUpdated", topic),
        ("EventDeliveryFailure", topic),
        ("SuccessFeedbackRoleArn", role),
        ("FailureFeedbackRoleArn", role),
        ("SuccessFeedbackSampleRate", "5"),
        ("ApplePlatformTeamID", "TEAM123456"),
        ("ApplePlatformBundleID", "com.example"),
    ] {
        assert_eq!(apns[name], value, "{name}");
    }
    // Lambda tries a create again whose answer was lost, perhaps after the secret was changed.
    bench
        .secrets
        .put(&arn("apns"), &token_key("other").to_string());
    assert_eq!(bench.create(&properties).await, created);
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_secrets_deploys_and_says_so() {
    let bench = Bench::new().await;
    let created = bench.create(&bench.properties(&[])).await;
    assert_eq!(created["Status"], "SUCCESS", "{created}");
    assert_eq!(created["Data"]["FcmApplicationArn"], "");
    let pushes = created["Data"]["Pushes"].as_str().unwrap();
    assert!(
        pushes.starts_with("No pushes are sent") && pushes.contains("FcmSecretArn"),
        "{pushes}"
    );
    assert!(bench.existing().await.is_empty());
    let deleted = bench
        .delete(&bench.physical_id(), &bench.properties(&[]))
        .await;
    assert_eq!(deleted["Status"], "SUCCESS", "{deleted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_version_sets_the_new_credentials_and_a_rollback_does_not_need_them() {
    let bench = Bench::new().await;
    let first = bench.properties(&[("FcmSecretArn", "fcm"), ("ApnsSecretArn", "apns")]);
    bench.create(&first).await;
    bench
        .secrets
        .put(&arn("fcm"), &service_account("rotated").to_string());
    bench.proxy.take_calls();
    assert_eq!(bench.update(&first, &first).await["Status"], "SUCCESS");
    assert!(bench.proxy.calls("rotated").is_empty() && bench.proxy.calls("SecretId").is_empty());
    let mut second = first.clone();
    second["CredentialsVersion"] = json!("10");
    for _ in 0..2 {
        let updated = bench.update(&first, &second).await;
        assert_eq!(updated["Status"], "SUCCESS", "{updated}");
        assert_eq!(updated["PhysicalResourceId"], bench.physical_id());
        let set = bench.proxy.calls("rotated");
        assert!(
            set.iter()
                .all(|call| call.operation == "SetPlatformApplicationAttributes")
        );
        assert_eq!((set.len(), bench.proxy.calls("SecretId").len()), (1, 2));
        bench.proxy.take_calls();
    }
    // The next rotation fails; CloudFormation then asks for what was before, while the secret is still broken.
    bench.secrets.put(&arn("fcm"), "{}");
    let mut third = second.clone();
    third["CredentialsVersion"] = json!("11");
    failed(
        &bench.update(&second, &third).await,
        &["FcmSecretArn", "type is missing"],
    );
    let rolled_back = bench.update(&third, &second).await;
    assert_eq!(rolled_back["Status"], "SUCCESS", "{rolled_back}");
    assert_eq!(bench.existing().await, ["GCM", "APNS"]);
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_come_and_go_with_their_secrets() {
    let bench = Bench::new().await;
    let mut one = bench.properties(&[("FcmSecretArn", "fcm")]);
    one["SuccessFeedbackRoleArn"] = json!("arn:aws:iam::000000000000:role/logs");
    bench.create(&one).await;
    let two = bench.properties(&[("FcmSecretArn", "fcm"), ("ApnsSecretArn", "apns")]);
    let updated = bench.update(&one, &two).await;
    assert_eq!(
        updated["Data"]["ApnsApplicationArn"],
        bench.application("APNS"),
        "{updated}"
    );
    let fcm = bench.attributes("GCM").await.unwrap();
    assert!(!fcm.contains_key("SuccessFeedbackRoleArn"), "{fcm:?}");
    let other = bench.properties(&[("ApnsSecretArn", "apns")]);
    assert_eq!(
        bench.update(&two, &other).await["Data"]["FcmApplicationArn"],
        ""
    );
    assert_eq!(bench.existing().await, ["APNS"]);
    let mut renamed = other.clone();
    renamed["Name"] = json!("another");
    failed(
        &bench.update(&other, &renamed).await,
        &["Name cannot change"],
    );
    assert_eq!(bench.existing().await, ["APNS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_what_to_fix_and_leaves_no_orphan() {
    let bench = Bench::new().await;
    // The last of three is refused by SNS itself.
    let mut refused = certificate();
    refused["private_key"] = json!(key("error-credentials"));
    bench.secrets.put(&arn("sandbox"), &refused.to_string());
    let answer = bench.create(&bench.all()).await;
    failed(
        &answer,
        &[
            "APNS_SANDBOX",
            "credentials are invalid",
            "ApnsSandboxSecretArn",
        ],
    );
    let physical_id = answer["PhysicalResourceId"].as_str().unwrap();
    assert_eq!(physical_id, format!("not-created/{}", bench.name));
    assert!(bench.existing().await.is_empty());
    // The same in an update, which keeps what was there before.
    let before = bench.properties(&[("FcmSecretArn", "fcm")]);
    bench.create(&before).await;
    failed(
        &bench.update(&before, &bench.all()).await,
        &["ApnsSandboxSecretArn"],
    );
    assert_eq!(bench.existing().await, ["GCM"]);
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_made_is_neither_taken_nor_removed() {
    let bench = Bench::new().await;
    bench.stranger("APNS").await;
    let answer = bench.create(&bench.all()).await;
    failed(
        &answer,
        &[&bench.application("APNS"), "is not this stack's"],
    );
    let failed_id = answer["PhysicalResourceId"].as_str().unwrap();
    let one = bench.properties(&[("FcmSecretArn", "fcm")]);
    bench.create(&one).await;
    assert_eq!(bench.existing().await, ["GCM", "APNS"]);
    assert_eq!(
        bench.delete(&bench.physical_id(), &one).await["Status"],
        "SUCCESS"
    );
    assert_eq!(
        bench.delete(failed_id, &bench.all()).await["Status"],
        "SUCCESS"
    );
    assert_eq!(bench.existing().await, ["APNS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_removes_everything_and_may_be_repeated() {
    let bench = Bench::new().await;
    let properties = bench.all();
    bench.create(&properties).await;
    assert_eq!(bench.existing().await.len(), 3);
    for _ in 0..2 {
        let deleted = bench.delete(&bench.physical_id(), &properties).await;
        assert_eq!(deleted["Status"], "SUCCESS", "{deleted}");
        assert_eq!(deleted["PhysicalResourceId"], bench.physical_id());
        assert!(bench.existing().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_put_until_it_is_taken_and_no_request_goes_without_one() {
    let bench = Bench::new().await;
    *bench.answers.refusals.lock().unwrap() = 3;
    assert_eq!(
        bench.create(&bench.properties(&[])).await["Status"],
        "SUCCESS"
    );
    assert_eq!(bench.answers.got.lock().unwrap().drain(..).count(), 3);
    // If it cannot be put at all, Lambda must try again.
    *bench.answers.refusals.lock().unwrap() = 99;
    let event = json!({"RequestType": "Delete", "ResponseURL": bench.answers.url}).to_string();
    assert!(bench.function.invoke(event.into_bytes()).await.is_err());
    *bench.answers.refusals.lock().unwrap() = 0;
    for odd in [
        json!({}),
        json!({"RequestType": "Rename"}),
        json!({"RequestType": ["Create"]}),
        json!({"RequestType": "Create"}),
        json!({"RequestType": "Create", "ResourceProperties": 5}),
        json!({"RequestType": "Create", "ResourceProperties": {"Name": "a/b"}}),
        json!({"RequestType": "Create", "ResourceProperties": {"Name": "x".repeat(5_000)}}),
        json!({"RequestType": "Create", "ResourceProperties": {"Name": "x"}}),
        json!({"RequestType": "Create", "ResourceProperties": {"Name": "x", "EventTopicArn": "t", "FcmSecretArn": "s"}}),
        json!({"RequestType": "Update", "PhysicalResourceId": "?", "ResourceProperties": bench.all()}),
    ] {
        failed(&bench.ask(odd).await, &[]);
    }
    assert_eq!(
        bench.ask(json!({"RequestType": "Delete"})).await["Status"],
        "SUCCESS"
    );
    let nowhere = json!({"RequestType": "Create"}).to_string();
    assert!(bench.function.invoke(nowhere.into_bytes()).await.is_err());
    bench.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_before_the_functions_time_is_over() {
    let bench = Bench::with_time(17).await;
    bench.proxy.script(vec![Rule::on(
        "CreatePlatformApplication",
        1..=9,
        Fault::Hang,
    )]);
    let began = Instant::now();
    failed(&bench.create(&bench.all()).await, &["too slowly"]);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
