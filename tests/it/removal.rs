//! Devices that SNS cannot reach any more: how they go, and that a registration that comes meanwhile wins.

use std::time::Duration;

use local::function::Function;
use serde_json::json;

use crate::caller::eventually;
use crate::crashes::{doomed, for_each};
use crate::ground::{Ground, create, stored};
use crate::phones::{Phone, age, delete, enabled, is_alive, owner, set};
use crate::proxy::{Fault, Proxy, Rule};
use crate::stack::{shared, unique};

/// What the topic brings of an endpoint.
fn event(kind: &str, endpoint: &str) -> Vec<u8> {
    let message =
        json!({"EventType": kind, "EndpointArn": endpoint, "FailureType": "EndpointDisabled"});
    let record = json!({"EventSource": "aws:sns", "Sns": {"Message": message.to_string()}});
    json!({"Records": [record]}).to_string().into_bytes()
}

async fn clean(function: &Function, kind: &str, endpoint: &str) {
    assert_eq!(
        function.invoke(event(kind, endpoint)).await.unwrap(),
        b"null"
    );
}

/// A new notification for a user, and the batch that its record is.
async fn due(creator: &Function, user: &str) -> (String, Vec<u8>) {
    let reply = create(None, &for_each(&[user.to_owned()]))
        .send(creator)
        .await
        .unwrap();
    let (pk, sk) = stored(&reply).remove(0);
    let record = json!({
        "eventName": "INSERT",
        "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": "1"},
    });
    (sk, json!({"Records": [record]}).to_string().into_bytes())
}

/// Waits until a call has arrived.
async fn arrived(proxy: &Proxy, operation: &str) {
    let has = async || {
        let calls = proxy.calls("");
        calls
            .iter()
            .any(|call| call.operation == operation)
            .then_some(())
    };
    eventually(operation, has).await;
}

fn slow(operation: &'static str) -> Vec<Rule> {
    vec![Rule::on(
        operation,
        1..=1,
        Fault::Delay(Duration::from_millis(400)),
    )]
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_dead_endpoint_is_pushed_to_exactly_once_and_the_others_are_served() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let creator = ground.function("create-notifications", None);
    let proxy = ground.proxy(false).await;
    let push = ground.function("push-notifications", Some(&proxy));
    for is_deleted in [false, true] {
        let dead = Phone::new();
        let good = Phone {
            id: "tablet".to_owned(),
            token: unique("removal-token"),
            ..dead.clone()
        };
        dead.register(&devices).await;
        good.register(&devices).await;
        let endpoint = dead.endpoint(&ground).await.unwrap();
        if is_deleted {
            delete(&endpoint).await;
        } else {
            set(&endpoint, "Enabled", "false").await;
        }
        let expected = if is_deleted {
            "endpoint_not_found"
        } else {
            "endpoint_disabled"
        };
        for round in 0..3 {
            let (sk, batch) = due(&creator, &dead.user).await;
            for _ in 0..2 {
                let answer = push.invoke(batch.clone()).await.unwrap();
                assert_eq!(answer, br#"{"batchItemFailures":[]}"#);
            }
            let row = ground.row(&format!("U#{}", dead.user), &sk).await.unwrap();
            let state = if round == 0 { "partial" } else { "sent" };
            assert_eq!(row["po"]["s"], state, "{row}");
            if round == 0 {
                assert_eq!(row["po"]["d"]["phone"]["w"], expected, "{row}");
            }
        }
        let tried = proxy.calls(endpoint.rsplit('/').next().unwrap());
        let tried = tried.iter().filter(|call| call.operation == "Publish");
        assert_eq!(tried.count(), 1, "{expected}");
        assert_eq!(shared().pushes(&good.token).await.len(), 3);
        assert_eq!(dead.endpoint(&ground).await, None);
        assert_eq!(
            (
                enabled(&endpoint).await,
                &owner(&ground, &endpoint).await["gone"]
            ),
            (None, &json!(true))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_i10_a_registration_that_races_the_removal_of_its_endpoint_wins() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    // The removal is slow to write, or has been written and is slow to reach SNS; the token is the
    // same user's, or another's by now.
    for operation in ["TransactWriteItems", "DeleteEndpoint"] {
        for moves in [false, true] {
            let phone = Phone::new();
            phone.register(&devices).await;
            let endpoint = phone.endpoint(&ground).await.unwrap();
            set(&endpoint, "Enabled", "false").await;
            let proxy = ground.proxy(false).await;
            proxy.script(slow(operation));
            let cleaner = ground.function("clean-devices", Some(&proxy));
            let winner = Phone {
                user: if moves {
                    unique("removal")
                } else {
                    phone.user.clone()
                },
                ..phone.clone()
            };
            let register = async {
                arrived(&proxy, operation).await;
                winner.again().send(&devices).await.unwrap()
            };
            let removal = clean(&cleaner, "EndpointUpdated", &endpoint);
            let (reply, ()) = futures_util::join!(register, removal);
            is_alive(&ground, &winner, &reply).await;
            if moves {
                assert_eq!(phone.endpoint(&ground).await, None, "{operation}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_token_that_rotates_onto_another_device_meanwhile_is_with_one_of_them() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let old = Phone::new();
    old.register(&devices).await;
    let token = unique("removal-token");
    let (rotated, reinstalled) = (
        Phone {
            token: token.clone(),
            ..old.clone()
        },
        Phone {
            id: "reinstalled".to_owned(),
            token,
            ..old.clone()
        },
    );
    // It has read the user, and not yet whom the endpoint belongs to.
    let proxy = ground.proxy(false).await;
    proxy.script(slow("CreatePlatformEndpoint"));
    let slow = ground.function("manage-devices", Some(&proxy));
    let rotate = async {
        arrived(&proxy, "CreatePlatformEndpoint").await;
        rotated.register(&devices).await;
    };
    let request = reinstalled.registration();
    let (reply, ()) = futures_util::join!(request.send(&slow), rotate);
    is_alive(&ground, &reinstalled, &reply.unwrap()).await;
    assert_eq!(rotated.endpoint(&ground).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_believed_only_as_far_as_sns_confirms_it() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let cleaner = ground.function("clean-devices", None);
    let phone = Phone::new();
    phone.register(&devices).await;
    let first = phone.endpoint(&ground).await.unwrap();
    let kinds = [
        "EndpointUpdated",
        "EndpointDeleted",
        "DeliveryFailure",
        "EndpointCreated",
    ];
    let before = owner(&ground, &first).await;
    for kind in kinds {
        clean(&cleaner, kind, &first).await;
    }
    // SNS has learnt a newer token: the endpoint works, and goes on.
    set(&first, "Token", &unique("superseding")).await;
    clean(&cleaner, "EndpointUpdated", &first).await;
    assert_eq!(owner(&ground, &first).await, before);
    assert_eq!(
        (
            phone.endpoint(&ground).await.as_deref(),
            enabled(&first).await
        ),
        (Some(&*first), Some(true))
    );

    set(&first, "Enabled", "false").await;
    for kind in [
        "EndpointCreated",
        "EndpointUpdated",
        "EndpointUpdated",
        "DeliveryFailure",
    ] {
        assert!(kind != "EndpointCreated" || phone.endpoint(&ground).await.is_some());
        clean(&cleaner, kind, &first).await;
    }
    assert_eq!(
        (phone.endpoint(&ground).await, enabled(&first).await),
        (None, None)
    );
    // The app comes back; what is told of its first endpoint is late.
    phone.register(&devices).await;
    let second = phone.endpoint(&ground).await.unwrap();
    for kind in kinds {
        clean(&cleaner, kind, &first).await;
    }
    assert_eq!(
        (
            phone.endpoint(&ground).await.as_deref(),
            enabled(&second).await
        ),
        (Some(&*second), Some(true))
    );
    // SNS itself has removed it.
    delete(&second).await;
    clean(&cleaner, "EndpointDeleted", &second).await;
    assert_eq!(phone.endpoint(&ground).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_an_outage_makes_an_event_come_again_and_removes_nothing_unconfirmed() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let proxy = ground.proxy(false).await;
    let cleaner = ground.function("clean-devices", Some(&proxy));
    let phone = Phone::new();
    phone.register(&devices).await;
    let endpoint = phone.endpoint(&ground).await.unwrap();
    set(&endpoint, "Enabled", "false").await;
    let outages = [
        ("GetEndpointAttributes", Fault::Status(500, "InternalError")),
        ("GetEndpointAttributes", Fault::Status(400, "Throttled")),
        (
            "GetEndpointAttributes",
            Fault::Status(403, "AuthorizationError"),
        ),
        ("GetEndpointAttributes", Fault::Garbage),
        ("GetItem", Fault::Status(500, "InternalServerError")),
        (
            "TransactWriteItems",
            Fault::Status(400, "ThrottlingException"),
        ),
    ];
    for (operation, fault) in outages {
        proxy.script(vec![Rule::on(operation, 1..=99, fault)]);
        let answer = cleaner.invoke(event("EndpointUpdated", &endpoint)).await;
        assert!(answer.is_err(), "{operation} {fault:?}: {answer:?}");
        assert!(
            phone.endpoint(&ground).await.is_some(),
            "{operation} {fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_removal_that_sns_interrupts_is_finished_when_its_event_comes_again() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    let proxy = ground.proxy(false).await;
    let cleaner = ground.function("clean-devices", Some(&proxy));
    let phone = Phone::new();
    phone.register(&devices).await;
    let endpoint = phone.endpoint(&ground).await.unwrap();
    set(&endpoint, "Enabled", "false").await;
    proxy.script(vec![Rule::on(
        "DeleteEndpoint",
        1..=99,
        Fault::Status(500, "InternalError"),
    )]);
    assert!(
        cleaner
            .invoke(event("EndpointUpdated", &endpoint))
            .await
            .is_err()
    );
    assert_eq!(
        (phone.endpoint(&ground).await, enabled(&endpoint).await),
        (None, Some(false))
    );
    proxy.script(Vec::new());
    clean(&cleaner, "EndpointUpdated", &endpoint).await;
    assert_eq!(
        enabled(&endpoint).await,
        Some(false),
        "whoever was at it may still be"
    );
    age(&ground, &endpoint).await;
    clean(&cleaner, "EndpointUpdated", &endpoint).await;
    assert_eq!(
        (
            enabled(&endpoint).await,
            &owner(&ground, &endpoint).await["gone"]
        ),
        (None, &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_logout_killed_before_or_after_sns_leaves_a_token_that_registers_again() {
    let ground = Ground::new().await;
    let devices = ground.function("manage-devices", None);
    for kill in [Fault::KillBefore, Fault::KillAfterApply] {
        let phone = Phone::new();
        phone.register(&devices).await;
        let endpoint = phone.endpoint(&ground).await.unwrap();
        // The user, the owner, the transaction, SNS.
        let (function, _proxy) = doomed(&ground, "manage-devices", 4, kill).await;
        assert!(phone.ask("DELETE").send(&function).await.is_err());
        assert_eq!(phone.endpoint(&ground).await, None, "{kill:?}");
        assert_eq!(
            enabled(&endpoint).await.is_some(),
            kill == Fault::KillBefore
        );
        if kill == Fault::KillBefore {
            // Whoever was at it may still take the endpoint away.
            let early = phone.registration().send(&devices).await.unwrap();
            assert_eq!(
                (early.status, &early.headers["retry-after"]),
                (409, &json!("1")),
                "{early:?}"
            );
        }
        age(&ground, &endpoint).await;
        let reply = phone.registration().send(&devices).await.unwrap();
        assert_eq!(reply.status, 201, "{kill:?}: {reply:?}");
        is_alive(&ground, &phone, &reply).await;
    }
}
