//! AWS as the doctor asks it: signed calls in the protocol of each service, at the endpoints that the environment or a
//! stack on this machine names.

use super::report::{Fault, Found};
use super::xml::Element;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use shared::error::Error;
use shared::outgoing::Response;
use shared::signing::{Call, Caller};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A service: its name in hosts and signatures, in the variables of endpoints, and among people.
const SERVICES: [(&str, &str, &str); 6] = [
    ("cloudformation", "CLOUDFORMATION", "CloudFormation"),
    ("lambda", "LAMBDA", "Lambda"),
    ("apigateway", "APIGATEWAYV2", "API Gateway"),
    ("dynamodb", "DYNAMODB", "DynamoDB"),
    ("sns", "SNS", "SNS"),
    ("sqs", "SQS", "SQS"),
];

/// Why a service did not do what it was asked.
pub enum Problem {
    /// It does not answer, and why.
    Silent(&'static str, String),
    /// It did not answer before, and was not asked again.
    StillSilent(&'static str),
    /// It refused.
    Refused(Refusal),
}

/// A service's refusal.
pub struct Refusal {
    /// Whose, for people.
    pub service: &'static str,
    /// Of what.
    pub operation: String,
    /// Its code, or the HTTP status.
    pub code: String,
    /// Its words.
    pub message: String,
}

impl Refusal {
    /// Whether it says that there is no such thing.
    pub fn is_missing(&self) -> bool {
        self.code.contains("NotFound") || self.code == "404"
    }
}

impl Problem {
    /// As what a check found.
    pub fn found(self) -> Found {
        match self {
            Problem::StillSilent(service) => Found::without(&format!("{service} does not answer")),
            other => Found::Faults(vec![other.fault()]),
        }
    }

    /// As a fault.
    pub fn fault(self) -> Fault {
        match self {
            Problem::Silent(service, why) => Fault::new(
                format!("{service} does not answer ({why})"),
                "see whether this machine reaches it, and whether the region is right; then try again",
            ),
            Problem::StillSilent(service) => Fault::new(
                format!("{service} does not answer"),
                "see whether this machine reaches it",
            ),
            Problem::Refused(refusal) => Fault::new(
                format!(
                    "{} refuses {}: {} {}",
                    refusal.service,
                    refusal.operation,
                    refusal.code,
                    refusal.message.trim_end_matches('.')
                ),
                "use credentials that may read what is in the stack, as the policy ReadOnlyAccess allows",
            ),
        }
    }
}

struct Service {
    caller: Caller,
    url: String,
    /// Its name for people.
    what: &'static str,
}

/// The services of one region and account.
pub struct Aws {
    region: String,
    services: BTreeMap<&'static str, Service>,
    silent: RefCell<BTreeSet<&'static str>>,
}

/// One request.
struct Ask<'a> {
    service: &'static str,
    operation: &'a str,
    method: &'static str,
    /// Path and query.
    path: &'a str,
    headers: &'a [(&'static str, &'a str)],
    body: &'a str,
}

impl Aws {
    /// The services of a region; `endpoints` says where one is that is elsewhere, by its name.
    pub fn new(
        region: String,
        endpoints: impl Fn(&str) -> Option<String>,
    ) -> shared::error::Result<Aws> {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let mut services = BTreeMap::new();
        for (name, variable, what) in SERVICES {
            let (caller, url) = shared::aws::caller(variable, endpoints(name).as_deref(), what)?;
            let url =
                url.unwrap_or_else(|| format!("https://{name}.{region}.amazonaws.com{suffix}"));
            let url = url.trim_end_matches('/').to_owned();
            services.insert(name, Service { caller, url, what });
        }
        Ok(Aws {
            region,
            services,
            silent: RefCell::default(),
        })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where a service answers.
    pub fn url(&self, service: &str) -> &str {
        self.services.get(service).map_or("", |found| &found.url)
    }

    /// A call of a JSON protocol; `target` is what `X-Amz-Target` says.
    pub async fn json(
        &self,
        service: &'static str,
        target: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target),
        ];
        let (_, operation) = target.split_once('.').unwrap_or(("", target));
        let ask = Ask {
            service,
            operation,
            method: "POST",
            path: "/",
            headers: &headers,
            body: &body.to_string(),
        };
        self.document(ask).await
    }

    /// Reads what is at a path.
    pub async fn get(
        &self,
        service: &'static str,
        operation: &str,
        path: &str,
    ) -> Result<Value, Problem> {
        let ask = Ask {
            service,
            operation,
            method: "GET",
            path,
            headers: &[],
            body: "",
        };
        self.document(ask).await
    }

    /// Has Lambda run a function on an event.
    pub async fn invoke(&self, path: &str, event: &Value) -> Result<Value, Problem> {
        let ask = Ask {
            service: "lambda",
            operation: "Invoke",
            method: "POST",
            path,
            headers: &[("content-type", "application/json")],
            body: &event.to_string(),
        };
        self.document(ask).await
    }

    /// A call of a query protocol: the answer's result.
    pub async fn query(
        &self,
        service: &'static str,
        version: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Result<Element, Problem> {
        let fields = fields.iter().map(|(name, value)| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!("&{name}={value}")
        });
        let fields: String = fields.collect();
        let body = format!("Action={action}&Version={version}{fields}");
        let ask = Ask {
            service,
            operation: action,
            method: "POST",
            path: "/",
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: &body,
        };
        let answer = self.send(ask).await?;
        let text = String::from_utf8_lossy(&answer.body);
        Element::parse(&text).ok_or_else(|| self.unreadable(service))
    }

    async fn document(&self, ask: Ask<'_>) -> Result<Value, Problem> {
        let service = ask.service;
        let answer = self.send(ask).await?;
        serde_json::from_slice(&answer.body).map_err(|_| self.unreadable(service))
    }

    fn unreadable(&self, service: &'static str) -> Problem {
        self.silence(service, "its answer cannot be read".to_owned())
    }

    fn silence(&self, service: &'static str, why: String) -> Problem {
        let what = self
            .services
            .get(service)
            .map_or(service, |found| found.what);
        self.silent.borrow_mut().insert(service);
        Problem::Silent(what, why)
    }

    /// Sends a request; a service that did not answer once is not asked again.
    async fn send(&self, ask: Ask<'_>) -> Result<Response, Problem> {
        let Some(service) = self.services.get(ask.service) else {
            return Err(Problem::StillSilent(ask.service));
        };
        if self.silent.borrow().contains(ask.service) {
            return Err(Problem::StillSilent(service.what));
        }
        let url = format!("{}{}", service.url, ask.path);
        let call = Call {
            service: ask.service,
            region: &self.region,
            method: ask.method,
            url: &url,
            headers: ask.headers,
            body: ask.body,
        };
        let answer = service.caller.call(&call, Timestamp::now(), read).await;
        let answer = answer.map_err(|error| self.silence(ask.service, why(&error)))?;
        if answer.status < 300 {
            return Ok(answer);
        }
        let (code, message) = refusal(&answer);
        Err(Problem::Refused(Refusal {
            service: service.what,
            operation: ask.operation.to_owned(),
            code,
            message,
        }))
    }
}

/// What may be answered better the next time is asked for again.
fn read(answer: &Response) -> shared::error::Result<Response> {
    let throttled = answer.status == 429 || refusal(answer).0.contains("Throttl");
    if answer.status >= 500 || throttled {
        return Err(Error::Unavailable {
            what: "it",
            source: format!("status {}", answer.status).into(),
        });
    }
    Ok(Response {
        status: answer.status,
        body: answer.body.clone(),
    })
}

/// Code and message of a refusal, in whichever of AWS's forms it is.
fn refusal(answer: &Response) -> (String, String) {
    let status = answer.status.to_string();
    if answer.status < 300 {
        return (status, String::new());
    }
    let text = String::from_utf8_lossy(&answer.body);
    if let Ok(body) = serde_json::from_str::<Value>(&text) {
        let code = body["__type"].as_str().unwrap_or(&status);
        let code = code.rsplit('#').next().unwrap_or_default();
        let message = ["message", "Message"].map(|name| body[name].as_str());
        let message = message.into_iter().flatten().next().unwrap_or_default();
        return (code.to_owned(), message.to_owned());
    }
    match Element::parse(&text) {
        Some(error) => (
            error.text("Error/Code").to_owned(),
            error.text("Error/Message").to_owned(),
        ),
        None => (status, String::new()),
    }
}

/// The last cause, which says most.
fn why(error: &Error) -> String {
    let chain = error.chain();
    chain.rsplit(": ").next().unwrap_or_default().to_owned()
}
