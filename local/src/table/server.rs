//! `DynamoDB`'s HTTP protocol before the engine. The engine's own server answers every web page (`*`), so this one stands
//! in its place.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dynoxide::auth_material::{AuthMaterial, validate};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::ids;

/// The most bytes of a request: 16 MB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// What the operations' names stand behind in `X-Amz-Target`.
const TARGETS: [&str; 2] = ["DynamoDB_20120810", "DynamoDBStreams_20120810"];

/// Serves `DynamoDB` at `/`.
pub(super) fn router(database: Database) -> Router {
    Router::new()
        .route(
            "/",
            get("healthy: dynamodb.us-east-1.amazonaws.com ").post(serve),
        )
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(database)
}

async fn serve(
    State(database): State<Database>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let operation = text("x-amz-target")
        .and_then(|target| target.split_once('.'))
        .filter(|(service, _)| TARGETS.contains(service))
        .map_or("", |(_, operation)| operation);
    let credentials = AuthMaterial {
        authorization: text("authorization"),
        query: query.as_deref().unwrap_or_default(),
        has_date_header: text("x-amz-date").or_else(|| text("date")).is_some(),
    };
    let (status, body) = match validate(credentials) {
        Some(refusal) => (400, refusal),
        None => answer(&database, operation, &body),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.0"),
        ("x-amzn-requestid", &ids::uuid()),
    ];
    (status, headers, body).into_response()
}

/// The status and the body of an operation's answer.
pub(super) fn answer(database: &Database, operation: &str, body: &[u8]) -> (u16, String) {
    match perform(database, operation, body) {
        None => {
            let code = "com.amazon.coral.service#UnknownOperationException";
            (400, json!({"__type": code}).to_string())
        }
        Some(Ok(body)) => (200, body),
        Some(Err(error)) => (error.status_code(), error.to_json()),
    }
}

/// Picks the engine's method for an operation.
macro_rules! operations {
    ($operation:expr, $database:expr, $body:expr, $($name:literal => $method:ident,)*) => {
        match $operation {
            $($name => Some(run($body, |request| $database.$method(request))),)*
            _ => None,
        }
    };
}

/// Runs an operation; `None` if there is none of this name.
fn perform(
    database: &Database,
    operation: &str,
    body: &[u8],
) -> Option<Result<String, DynoxideError>> {
    operations! { operation, database, body,
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeStream" => describe_stream,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetItem" => get_item,
        "GetRecords" => get_records,
        "GetShardIterator" => get_shard_iterator,
        "ListStreams" => list_streams,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TagResource" => tag_resource,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UntagResource" => untag_resource,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
}

fn run<Request: DeserializeOwned, Reply: Serialize>(
    body: &[u8],
    method: impl FnOnce(Request) -> Result<Reply, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let reply = method(request)?;
    serde_json::to_string(&reply)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A request that is JSON and breaks a rule is invalid; one that is not even of the right shape is not understood. The
/// engine's types mark the rules in their errors: `VALIDATION:`, `VALIDATION_REQUEST:`, `SERIALIZATION:`.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let (mark, words) = message.split_once(':').unwrap_or(("", message));
    if mark.starts_with("VALIDATION") {
        DynoxideError::ValidationException(words.to_owned())
    } else if mark.starts_with("SERIALIZATION") {
        DynoxideError::SerializationException(words.to_owned())
    } else if [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "AttributeValue",
    ]
    .iter()
    .any(|sign| message.contains(sign))
    {
        DynoxideError::ValidationException(message.to_owned())
    } else {
        DynoxideError::SerializationException(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::table::Tables;
    use crate::table::tests::spec;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// The status and the body of a call with these headers beside its own.
    async fn call(tables: &Tables, operation: &str, headers: &str, body: &str) -> (String, String) {
        let address = tables.url().replace("http://", "");
        let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
             content-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (answer[9..12].to_owned(), body.to_owned())
    }

    const SIGNED: &str = "x-amz-date: 20260101T000000Z\r\n\
        authorization: AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b\r\n";

    #[tokio::test]
    async fn operations_and_their_refusals_are_answered_as_dynamodb_does() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let key = r#"{"pk":{"S":"p"},"sk":{"S":"a"}}"#;
        let put = format!(
            r#"{{"TableName":"things","Item":{key},"ConditionExpression":"attribute_not_exists(pk)"}}"#
        );
        let get = format!(r#"{{"TableName":"things","Key":{key},"ConsistentRead":true}}"#);
        let cases = [
            ("PutItem", put.as_str(), "200", "{}"),
            (
                "PutItem",
                put.as_str(),
                "400",
                "#ConditionalCheckFailedException",
            ),
            ("GetItem", get.as_str(), "200", r#""sk":{"S":"a"}"#),
            (
                "GetItem",
                r#"{"TableName":"none","Key":{}}"#,
                "400",
                "#ResourceNotFoundException",
            ),
            (
                "GetItem",
                r#"{"TableName":"things"}"#,
                "400",
                "#ValidationException",
            ),
            (
                "GetItem",
                r#"{"TableName":7}"#,
                "400",
                "#SerializationException",
            ),
            ("GetItem", "", "400", "#SerializationException"),
            ("Nothing", "{}", "400", "#UnknownOperationException"),
        ];
        for (operation, body, status, expected) in cases {
            let (answered, text) = call(&tables, operation, SIGNED, body).await;
            assert_eq!(answered, status, "{operation} {body}: {text}");
            assert!(text.contains(expected), "{operation} {body}: {text}");
        }
    }

    #[tokio::test]
    async fn web_pages_and_unsigned_requests_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let page = format!("{SIGNED}origin: http://localhost:3000\r\n");
        let (status, answer) = call(&tables, "ListTables", &page, "{}").await;
        assert_eq!(status, "403", "{answer}");
        let (status, answer) = call(&tables, "ListTables", "", "{}").await;
        assert_eq!(status, "400");
        assert!(
            answer.contains("#MissingAuthenticationTokenException"),
            "{answer}"
        );
    }
}
