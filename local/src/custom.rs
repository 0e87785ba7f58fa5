//! Custom resources: the functions behind them are asked at start, as `CloudFormation` asks them, and their answers
//! are kept, so that nothing is asked again while the template says the same.

use crate::error::{Error, Result};
use crate::function::{Function, InvokeError};
use crate::state::State;
use crate::template::{ACCOUNT, Answers, CustomSpec, REGION};
use crate::{door, ids};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::put;
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 4096;

/// What is known of a resource since it was asked for last.
struct Known {
    properties: Value,
    physical_id: String,
    data: BTreeMap<String, String>,
}

/// Brings every custom resource to what the template says, one after the other; answers their attributes.
pub async fn settle(
    state: &State,
    specs: &[CustomSpec],
    functions: &BTreeMap<String, Function>,
) -> Result<Answers> {
    let mut answers = Answers::new();
    for spec in specs {
        let id = spec.logical_id.clone();
        let known = find(state, id.clone()).await?;
        let data = match known {
            Some(known) if known.properties == spec.properties => known.data,
            known => {
                let function = functions.get(&spec.function).ok_or_else(|| {
                    Error::new(format!("resource {id}: its function does not run"))
                })?;
                let made = ask(spec, function, known).await?;
                let data = made.data.clone();
                save(state, id.clone(), made).await?;
                data
            }
        };
        answers.insert(id, data);
    }
    Ok(answers)
}

/// Sends one event, and waits for its answer.
async fn ask(spec: &CustomSpec, function: &Function, known: Option<Known>) -> Result<Known> {
    let (sender, mut answered) = mpsc::channel(1);
    let receive = |body: Bytes| async move {
        // One that is too long, or a second one, is refused, as S3's presigned URL cannot do: it is a bug to hear of.
        let taken = body.len() <= MAX_ANSWER && sender.try_send(body).is_ok();
        if taken {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        }
    };
    let listener = crate::listen(0)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = door::programs_only(Router::new().route("/{resource}", put(receive)));
    // Ends with this function.
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await });

    let id = &spec.logical_id;
    let request_id = ids::uuid();
    let mut event = json!({
        "RequestType": if known.is_some() { "Update" } else { "Create" },
        "ServiceToken": spec.properties["ServiceToken"],
        "ResponseURL": format!("http://{address}/{id}?X-Amz-Signature={request_id}"),
        "StackId": format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/{}", ids::uuid()),
        "RequestId": request_id,
        "LogicalResourceId": id,
        "ResourceType": spec.kind,
        "ResourceProperties": spec.properties,
    });
    let before = known.as_ref().map(|known| known.physical_id.clone());
    if let Some(known) = known {
        event["PhysicalResourceId"] = json!(known.physical_id);
        event["OldResourceProperties"] = known.properties;
    }
    let invoked = function.invoke(event.to_string().into_bytes()).await;
    let Ok(answer) = answered.try_recv() else {
        let why = match invoked {
            Ok(_) => "its function put no answer of up to 4096 bytes to the ResponseURL".to_owned(),
            Err(InvokeError::TimedOut) => "its function timed out".to_owned(),
            Err(InvokeError::Failed(reason)) => reason,
        };
        return Err(Error::new(format!("resource {id}: {why}")));
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    accept(spec, &answer, before)
}

/// The resource as an answer says it is, if the answer says so.
fn accept(spec: &CustomSpec, answer: &Value, before: Option<String>) -> Result<Known> {
    let failed = |why: &str| Error::new(format!("resource {}: {why}", spec.logical_id));
    let physical_id = answer["PhysicalResourceId"].as_str().unwrap_or_default();
    match answer["Status"].as_str() {
        Some("SUCCESS") => {}
        Some("FAILED") => {
            return Err(failed(
                answer["Reason"].as_str().unwrap_or("no Reason was given"),
            ));
        }
        _ => return Err(failed("its answer has no Status")),
    }
    if before.is_some_and(|before| before != physical_id) || physical_id.is_empty() {
        return Err(failed(
            "another PhysicalResourceId after an update is not supported by the local stack",
        ));
    }
    let data = answer["Data"].as_object().into_iter().flatten();
    let data = data.map(|(name, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), value)
    });
    Ok(Known {
        properties: spec.properties.clone(),
        physical_id: physical_id.to_owned(),
        data: data.collect(),
    })
}

async fn find(state: &State, id: String) -> Result<Option<Known>> {
    state
        .run(move |connection| {
            connection
                .prepare_cached(
                    "SELECT properties, physical_id, data FROM custom_resources WHERE id = ?1",
                )?
                .query_row([id], |row| {
                    let text = |column| row.get::<_, String>(column);
                    Ok(Known {
                        properties: serde_json::from_str(&text(0)?).unwrap_or_default(),
                        physical_id: text(1)?,
                        data: serde_json::from_str(&text(2)?).unwrap_or_default(),
                    })
                })
                .optional()
        })
        .await
}

async fn save(state: &State, id: String, known: Known) -> Result<()> {
    state
        .run(move |connection| {
            connection.execute(
                "INSERT OR REPLACE INTO custom_resources (id, properties, physical_id, data) VALUES (?1, ?2, ?3, ?4)",
                params![
                    id,
                    known.properties.to_string(),
                    known.physical_id,
                    json!(known.data).to_string()
                ],
            )
        })
        .await?;
    Ok(())
}
