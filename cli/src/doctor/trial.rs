//! A test notification through the whole path: a device, a notification, its trace, and the device is removed.
//!
//! The functions are invoked as the HTTP API invokes them, under the caller's own permissions, so that no token is needed.

use super::aws::Problem;
use super::deployment::Deployment;
use super::report::{Checked, Found};
use crate::options::Doctor;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The user whose device is tried, and who asks for it.
pub const USER: &str = "tidings-doctor";
/// How long a push may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause before a trace is read again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A request as it reaches a function.
struct Asked<'r> {
    /// The function's logical id.
    function: &'static str,
    /// Method and path of its route.
    route: &'static str,
    path: &'r [(&'static str, &'r str)],
    body: Option<Value>,
    /// What makes a repeat the same request.
    key: &'r str,
}

/// What a function answered.
struct Reply {
    status: u64,
    body: Value,
}

/// A device that is tried.
struct Trial<'s> {
    stack: &'s Deployment,
    device: String,
}

/// Sends a test push to the device that the options name, or on this machine to one of its own.
pub async fn check(stack: &Deployment, options: &Doctor) -> Checked {
    let now = Timestamp::now().as_millisecond();
    let (token, platform) = match (&options.send, &options.platform) {
        (Some(token), Some(platform)) => (token.clone(), platform.as_str()),
        _ if stack.is_local() => (format!("local-doctor-{now:x}"), "fcm"),
        _ => {
            let why = "no device was named: --send TOKEN --platform NAME sends to one of yours";
            return Ok(Found::Skip(why.to_owned()));
        }
    };
    let trial = Trial {
        stack,
        device: format!("doctor-{now:x}"),
    };
    let found = trial.run(&token, platform).await;
    let removed = trial.device_call("DELETE", None).await;
    match (found, removed) {
        (Ok(Found::Ok(_)), Err(problem)) => Err(problem),
        (Ok(Found::Ok(_)), Ok(reply)) if reply.status >= 300 => Ok(Found::fault(
            format!(
                "the device {} stays registered: {}",
                trial.device,
                said(&reply)
            ),
            format!(
                "remove it: DELETE /v1/users/{USER}/devices/{}",
                trial.device
            ),
        )),
        (found, _) => found,
    }
}

impl Trial<'_> {
    async fn run(&self, token: &str, platform: &str) -> Checked {
        let device = json!({"platform": platform, "token": token, "badge": false});
        let reply = self.device_call("PUT", Some(device)).await?;
        if reply.status >= 300 {
            return Ok(Found::fault(
                format!("SNS or the API does not take the device: {}", said(&reply)),
                "see whether the token is one of this platform and app, and what the check of the applications says",
            ));
        }
        let began = Instant::now();
        let note = json!({
            "recipients": [USER], "type": "tidings.doctor", "title": "The doctor says hello",
            "body": "A test push, sent by tidings doctor.", "expires_in": 3_600,
            "push": {"priority": "high"},
        });
        let asked = Asked {
            function: "CreateNotifications",
            route: "POST /v1/notifications",
            path: &[],
            body: Some(note),
            key: &self.device,
        };
        let reply = self.call(asked).await?;
        let id = reply.body["data"][0]["id"].as_str().unwrap_or_default();
        if reply.status != 201 || id.is_empty() {
            return Ok(Found::fault(
                format!("a notification cannot be created: {}", said(&reply)),
                "read the log of CreateNotifications, and what the check of the table says",
            ));
        }
        self.follow(id, began).await
    }

    /// Reads the trace until it tells what became of the push to the device.
    async fn follow(&self, id: &str, began: Instant) -> Checked {
        let (mut pause, longest) = PAUSES;
        loop {
            let asked = Asked {
                function: "AdministerUsers",
                route: "GET /v1/users/{user}/notifications/{id}/trace",
                path: &[("user", USER), ("id", id)],
                body: None,
                key: &self.device,
            };
            let reply = self.call(asked).await?;
            let steps = reply.body["data"].as_array().cloned().unwrap_or_default();
            let seconds = began.elapsed().as_secs_f64();
            if let Some(found) = self.judge(&steps, seconds) {
                return Ok(found);
            }
            if began.elapsed() > PATIENCE {
                return Ok(Found::fault(
                    format!("{id} still waits in the stream after {seconds:.0} s"),
                    "mend what the checks of the stream, the event sources and the functions say, then read the log of PushNotifications",
                ));
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// What a trace says of the device; `None` as long as it says nothing.
    fn judge(&self, steps: &[Value], seconds: f64) -> Option<Found> {
        let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let own = steps
            .iter()
            .find(|step| step["device"] == self.device.as_str());
        if let Some(step) = own.filter(|step| step["step"] == "published") {
            let message = text(step, "message_id");
            return Some(Found::Ok(format!(
                "SNS took it as {message}, {seconds:.1} s after it was created"
            )));
        }
        let last = steps.iter().rev().find(|step| {
            let name = step["step"].as_str().unwrap_or_default();
            ["refused", "unclear", "parked", "deferred", "ended"].contains(&name)
        })?;
        let told = own.unwrap_or(last);
        let (reason, detail) = (text(told, "reason"), text(told, "detail"));
        let subject = match told["step"].as_str() {
            Some("ended") if own.is_none() => "the push was not sent",
            _ => "SNS refuses the push, or does not say that it took it",
        };
        Some(Found::fault(
            format!("{subject}: {detail} ({reason})"),
            "see this reason under \"What became of a push\" in docs/OPERATIONS.md, and the log of PushNotifications",
        ))
    }

    async fn device_call(&self, method: &str, body: Option<Value>) -> Result<Reply, Problem> {
        let route = if method == "PUT" {
            "PUT /v1/me/devices/{device_id}"
        } else {
            "DELETE /v1/me/devices/{device_id}"
        };
        self.call(Asked {
            function: "ManageDevices",
            route,
            path: &[("device_id", &self.device)],
            body,
            key: &self.device,
        })
        .await
    }

    /// Invokes a function with a request of [`USER`].
    async fn call(&self, asked: Asked<'_>) -> Result<Reply, Problem> {
        let path = self.stack.function_path(asked.function, "invocations");
        let Some(path) = path else {
            let body = json!({"detail": format!("{} is not there", asked.function)});
            return Ok(Reply { status: 503, body });
        };
        let answer = self.stack.aws.invoke(&path, &asked.event()).await?;
        let status = answer["statusCode"].as_u64().unwrap_or(500);
        let body = answer["body"].as_str().unwrap_or_default();
        let body = serde_json::from_str(body).unwrap_or_else(|_| match &answer["errorMessage"] {
            Value::Null => Value::Null,
            message => json!({"detail": message}),
        });
        Ok(Reply { status, body })
    }
}

impl Asked<'_> {
    /// The event of payload format 2.0.
    fn event(self) -> Value {
        let method = self.route.split(' ').next().unwrap_or_default();
        let path: serde_json::Map<String, Value> = self
            .path
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let body = self.body.map(|body| body.to_string());
        json!({
            "version": "2.0",
            "routeKey": self.route,
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "idempotency-key": self.key},
            "pathParameters": path,
            "requestContext": {
                "routeKey": self.route,
                "requestId": "doctor",
                "http": {"method": method, "path": "/"},
                "authorizer": {"jwt": {"claims": {"sub": USER}, "scopes": null}},
            },
            "body": body,
            "isBase64Encoded": false,
        })
    }
}

/// What an answer says went wrong.
fn said(reply: &Reply) -> String {
    let errors = reply.body["errors"].as_array().into_iter().flatten();
    let errors = errors.filter_map(|error| {
        let (pointer, detail) = (error["pointer"].as_str()?, error["detail"].as_str()?);
        Some(format!("{pointer} {detail}"))
    });
    let errors: Vec<String> = errors.collect();
    let detail = reply.body["detail"].as_str().unwrap_or("no answer");
    if errors.is_empty() {
        format!("{} {detail}", reply.status)
    } else {
        format!("{} {}", reply.status, errors.join(", "))
    }
}
