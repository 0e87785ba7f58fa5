//! What SQS refuses, and in which words.

use super::*;

#[tokio::test]
async fn what_sqs_refuses_is_refused_in_its_words() {
    let server = Server::start().await;
    let work = r#""QueueUrl":"http://x/0/work""#;
    let long = "a".repeat(1024 * 1024 + 1);
    let none = r#"{"QueueUrl":"http://x/0/none","MessageBody":"a"}"#;
    let receipt = messages::receipt("a2b0a0a6-3c33-4a0a-8c5e-000000000000");
    let eleven: Vec<Value> = (0..11)
        .map(|n| json!({"Id": n.to_string(), "MessageBody": "a"}))
        .collect();
    let eleven = format!(r#"{{{work},"Entries":{}}}"#, json!(eleven));
    let twice = format!(
        r#"{{{work},"Entries":[{{"Id":"a","MessageBody":"1"}},{{"Id":"a","MessageBody":"2"}}]}}"#
    );
    for (operation, body, kind, code) in [
        (
            "SendMessage",
            none,
            "sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "SendMessage",
            r#"{"MessageBody":"a"}"#,
            "#MissingRequiredParameterException",
            "MissingParameter",
        ),
        (
            "SendMessage",
            &format!("{{{work}}}"),
            "#MissingRequiredParameterException",
            "MissingParameter",
        ),
        (
            "SendMessage",
            &format!(r#"{{{work},"MessageBody":"\u0001"}}"#),
            "sqs#InvalidMessageContents",
            "InvalidMessageContents",
        ),
        (
            "SendMessage",
            &format!(r#"{{{work},"MessageBody":"{long}"}}"#),
            "#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            &format!(r#"{{{work},"MessageBody":"a","MessageGroupId":"g"}}"#),
            "#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            "{",
            "#SerializationException",
            "MalformedInput",
        ),
        (
            "SendMessage",
            &format!(r#"{{{work},"MessageBody":7}}"#),
            "#SerializationException",
            "MalformedInput",
        ),
        (
            "SendMessageBatch",
            &format!("{{{work}}}"),
            "sqs#EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            "SendMessageBatch",
            &eleven,
            "sqs#TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (
            "SendMessageBatch",
            &twice,
            "sqs#BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "ReceiveMessage",
            &format!(r#"{{{work},"MaxNumberOfMessages":11}}"#),
            "#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        (
            "ReceiveMessage",
            &format!(r#"{{{work},"WaitTimeSeconds":21}}"#),
            "#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        (
            "ReceiveMessage",
            none,
            "sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "DeleteMessage",
            &format!(r#"{{{work},"ReceiptHandle":"x"}}"#),
            "sqs#ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
        ),
        (
            "ChangeMessageVisibility",
            &format!(r#"{{{work},"VisibilityTimeout":1,"ReceiptHandle":"{receipt}"}}"#),
            "#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        (
            "GetQueueAttributes",
            &format!(r#"{{{work},"AttributeNames":["Colour"]}}"#),
            "sqs#InvalidAttributeName",
            "InvalidAttributeName",
        ),
        (
            "GetQueueUrl",
            r#"{"QueueName":"none"}"#,
            "sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "CreateQueue",
            "{}",
            "#UnknownOperationException",
            "InvalidAction",
        ),
    ] {
        let (status, head, answer) = server.raw(operation, body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(status, 400, "{operation} {shown}: {answer}");
        let named = answer["__type"].as_str().unwrap();
        assert!(named.ends_with(kind), "{operation} {shown}: {answer}");
        assert!(
            head.contains(&format!("x-amzn-query-error: {code};Sender")),
            "{operation} {shown}: {head}"
        );
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    assert_eq!(server.counts("work").await, ["0", "0", "0"]);
    // A message in sight is not in flight.
    server
        .call("SendMessage", json!({"MessageBody": "a"}))
        .await;
    let seen = server
        .receive(json!({"VisibilityTimeout": 0}))
        .await
        .remove(0);
    let body = json!({"QueueUrl": "http://x/0/work", "ReceiptHandle": seen["ReceiptHandle"], "VisibilityTimeout": 1});
    let (_, _, answer) = server
        .raw("ChangeMessageVisibility", &body.to_string())
        .await;
    assert_eq!(answer["__type"], "com.amazonaws.sqs#MessageNotInflight");
}
