//! What SQS refuses, and in which words.

use super::*;

/// An operation, its body, the end of the error's type, and its older code. In a body WORK, LONG and such stand for what
/// [`whole`] makes of them.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "SendMessage",
        r#"{NONE,"MessageBody":"a"}"#,
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
        "{WORK}",
        "#MissingRequiredParameterException",
        "MissingParameter",
    ),
    (
        "SendMessage",
        r#"{WORK,"MessageBody":"\u0001"}"#,
        "sqs#InvalidMessageContents",
        "InvalidMessageContents",
    ),
    (
        "SendMessage",
        r#"{WORK,"MessageBody":"LONG"}"#,
        "#InvalidParameterValueException",
        "InvalidParameterValue",
    ),
    (
        "SendMessage",
        r#"{WORK,"MessageBody":"a","MessageGroupId":"g"}"#,
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
        r#"{WORK,"MessageBody":7}"#,
        "#SerializationException",
        "MalformedInput",
    ),
    (
        "SendMessageBatch",
        "{WORK}",
        "sqs#EmptyBatchRequest",
        "AWS.SimpleQueueService.EmptyBatchRequest",
    ),
    (
        "SendMessageBatch",
        r#"{WORK,"Entries":ELEVEN}"#,
        "sqs#TooManyEntriesInBatchRequest",
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    ),
    (
        "SendMessageBatch",
        r#"{WORK,"Entries":[{"Id":"a","MessageBody":"1"},{"Id":"a","MessageBody":"2"}]}"#,
        "sqs#BatchEntryIdsNotDistinct",
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    ),
    (
        "SendMessageBatch",
        r#"{WORK,"Entries":[{"Id":"a b","MessageBody":"1"}]}"#,
        "sqs#InvalidBatchEntryId",
        "AWS.SimpleQueueService.InvalidBatchEntryId",
    ),
    (
        "SendMessageBatch",
        r#"{WORK,"Entries":[{"Id":"a","MessageBody":"HALF"},{"Id":"b","MessageBody":"HALF"}]}"#,
        "sqs#BatchRequestTooLong",
        "AWS.SimpleQueueService.BatchRequestTooLong",
    ),
    (
        "ReceiveMessage",
        r#"{WORK,"MaxNumberOfMessages":11}"#,
        "#InvalidParameterValueException",
        "InvalidParameterValue",
    ),
    (
        "ReceiveMessage",
        r#"{WORK,"WaitTimeSeconds":21}"#,
        "#InvalidParameterValueException",
        "InvalidParameterValue",
    ),
    (
        "ReceiveMessage",
        "{NONE}",
        "sqs#QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
    ),
    (
        "DeleteMessage",
        r#"{WORK,"ReceiptHandle":"x"}"#,
        "sqs#ReceiptHandleIsInvalid",
        "ReceiptHandleIsInvalid",
    ),
    (
        "ChangeMessageVisibility",
        r#"{WORK,"VisibilityTimeout":1,"ReceiptHandle":"RECEIPT"}"#,
        "#InvalidParameterValueException",
        "InvalidParameterValue",
    ),
    (
        "GetQueueAttributes",
        r#"{WORK,"AttributeNames":["Colour"]}"#,
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
];

fn whole(body: &str) -> String {
    let entry = |n: i32| json!({"Id": n.to_string(), "MessageBody": "a"});
    let eleven: Vec<Value> = (0..11).map(entry).collect();
    let receipt = messages::receipt("a2b0a0a6-3c33-4a0a-8c5e-000000000000");
    body.replace("WORK", r#""QueueUrl":"http://x/0/work""#)
        .replace("NONE", r#""QueueUrl":"http://x/0/none""#)
        .replace("LONG", &"a".repeat(1024 * 1024 + 1))
        .replace("HALF", &"a".repeat(512 * 1024 + 1))
        .replace("ELEVEN", &json!(eleven).to_string())
        .replace("RECEIPT", &receipt)
}

#[tokio::test]
async fn what_sqs_refuses_is_refused_in_its_words() {
    let server = Server::start().await;
    for (operation, body, kind, code) in CASES {
        let (status, head, answer) = server.raw(operation, &whole(body)).await;
        assert_eq!(status, 400, "{operation} {body}: {answer}");
        let named = answer["__type"].as_str().unwrap();
        assert!(named.ends_with(kind), "{operation} {body}: {answer}");
        let older = format!("x-amzn-query-error: {code};Sender");
        assert!(head.contains(&older), "{operation} {body}: {head}");
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    assert_eq!(server.counts("work").await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_message_in_sight_is_not_in_flight() {
    let server = Server::start().await;
    server
        .call("SendMessage", json!({"MessageBody": "a"}))
        .await;
    let seen = server
        .receive(json!({"VisibilityTimeout": 0}))
        .await
        .remove(0);
    let body = json!({
        "QueueUrl": "http://x/0/work", "ReceiptHandle": seen["ReceiptHandle"], "VisibilityTimeout": 1});
    let (_, _, answer) = server
        .raw("ChangeMessageVisibility", &body.to_string())
        .await;
    assert_eq!(answer["__type"], "com.amazonaws.sqs#MessageNotInflight");
}
