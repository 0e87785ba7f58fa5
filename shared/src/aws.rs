//! Clients and the functions' environment, read once per cold start.
//!
//! The functions do without `aws-config`: Lambda's environment has all that it would look for.

mod roots;

use std::env;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::SignedDuration;

use self::roots::trusted;
use crate::connections::{Connections, Terse};
use crate::device::Platform;
use crate::error::{Error, Result};
use crate::outgoing::Outgoing;
use crate::push::{Limits, Summary};
use crate::queue::Queue;
use crate::secrets::Secrets;
use crate::signing::Caller;
use crate::sns::Sns;
use crate::store::Store;

/// A call to the table has two attempts, and ends within 1.5 s: a request that makes two of them is
/// answered within 3 s when the table does not answer.
const TABLE_ATTEMPTS: u32 = 2;
const TABLE_ATTEMPT: Duration = Duration::from_millis(700);
const TABLE_OPERATION: Duration = Duration::from_millis(1_500);

/// The same where nobody waits for an answer.
const PATIENT_ATTEMPT: Duration = Duration::from_secs(10);
const PATIENT_OPERATION: Duration = Duration::from_secs(25);

/// One attempt of a call to SNS.
const SNS_ATTEMPT: Duration = Duration::from_secs(5);
/// Attempts of a call to SNS that may be repeated.
const SNS_ATTEMPTS: u32 = 2;

fn variable(name: &'static str) -> Result<String> {
    env::var(name).map_err(|error| Error::Internal {
        what: name,
        source: error.into(),
    })
}

/// The level of the function's own logs, as Lambda's logging configuration says it.
pub fn log_level() -> String {
    env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default()
}

/// How far the wall clock is ahead, for tests and the local stack; unset on AWS. Milliseconds, which may be negative; what
/// is no number is nothing.
pub fn clock_ahead() -> SignedDuration {
    let Ok(ahead) = env::var("CLOCK_AHEAD_MS") else {
        return SignedDuration::ZERO;
    };
    ahead.parse().map_or_else(
        |_| {
            tracing::warn!(ahead, "CLOCK_AHEAD_MS is not a number");
            SignedDuration::ZERO
        },
        SignedDuration::from_millis,
    )
}

fn number(name: &'static str) -> Result<u32> {
    variable(name)?.parse().map_err(|error| Error::Internal {
        what: name,
        source: Box::new(error),
    })
}

/// The titles of the push that ends quiet hours.
pub fn summary() -> Result<Summary> {
    Summary::parse(&variable("QUIET_SUMMARY")?)
}

/// The stack's name, the dimension of its metrics.
pub fn stack_name() -> String {
    env::var("STACK_NAME").unwrap_or_default()
}

/// The function's own name.
pub fn function_name() -> String {
    env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()
}

/// How long notifications are kept unless their request says otherwise, in seconds.
pub fn retention() -> Result<u32> {
    Ok(number("RETENTION_DAYS")?.saturating_mul(86_400))
}

/// How long events are kept in the log unless the rule of their type says otherwise, in seconds.
pub fn event_retention() -> Result<u32> {
    Ok(number("EVENT_RETENTION_DAYS")?.saturating_mul(86_400))
}

/// The queue for events that can never be taken.
pub fn dead_letters() -> Result<Queue> {
    let endpoint = endpoint("SQS");
    let url = variable("DEAD_EVENTS_URL")?;
    let outgoing = outgoing(endpoint.as_deref().unwrap_or_default())?;
    let queue = (url, variable("AWS_REGION")?);
    Ok(Queue::new(outgoing, endpoint, queue, credentials()?))
}

/// How much is pushed.
pub fn push_limits() -> Result<Limits> {
    Ok(Limits {
        rate: number("PUBLISH_RATE")?,
        instances: number("PUSH_INVOCATIONS")?,
        group_cap: usize::try_from(number("GROUP_CAP")?).unwrap_or(usize::MAX),
    })
}

/// The SNS platform applications by platform; a platform without one is left out.
pub fn applications() -> Result<Vec<(Platform, String)>> {
    let variables = [
        (Platform::Fcm, "FCM_APPLICATION_ARN"),
        (Platform::Apns, "APNS_APPLICATION_ARN"),
        (Platform::ApnsSandbox, "APNS_SANDBOX_APPLICATION_ARN"),
    ];
    let mut applications = Vec::new();
    for (platform, name) in variables {
        let arn = variable(name)?;
        if !arn.is_empty() {
            applications.push((platform, arn));
        }
    }
    Ok(applications)
}

fn credentials() -> Result<Credentials> {
    Ok(Credentials::new(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    ))
}

/// Who needs no name on this machine.
fn nobody() -> Credentials {
    Credentials::new("local", "local", None, None, "this machine")
}

/// Whether a service is on this machine: its endpoint has plain HTTP.
fn is_local(url: Option<&str>) -> bool {
    url.is_some_and(|url| url.starts_with("http://"))
}

/// Another endpoint than the region's own, from the variables that every AWS SDK reads.
fn endpoint(service: &str) -> Option<String> {
    env::var(format!("AWS_ENDPOINT_URL_{service}"))
        .or_else(|_| env::var("AWS_ENDPOINT_URL"))
        .ok()
}

/// Connections to one service. Plain HTTP is for an endpoint on this machine.
fn connections(endpoint: Option<&str>) -> Result<Connections> {
    if is_local(endpoint) {
        return Connections::new(&[]);
    }
    Connections::new(&trusted(env::var_os("AWS_CA_BUNDLE").as_deref())?)
}

/// HTTP to `url` outside of an SDK. Plain HTTP is for a server on this machine.
pub fn outgoing(url: &str) -> Result<Outgoing> {
    Ok(Outgoing::new(connections(Some(url))?))
}

/// Secrets Manager.
pub fn secrets() -> Result<Secrets> {
    let endpoint = endpoint("SECRETS_MANAGER");
    let outgoing = outgoing(endpoint.as_deref().unwrap_or_default())?;
    Ok(Secrets::new(outgoing, endpoint, credentials()?))
}

/// HTTP to a server of anybody's, by the roots that this machine trusts.
pub fn outgoing_anywhere(url: &str) -> Result<Outgoing> {
    let connections = if is_local(Some(url)) {
        Connections::new(&[])
    } else {
        Connections::anywhere(&trusted(None)?)
    };
    Ok(Outgoing::new(connections?))
}

/// The region that a program at a terminal works in, if the environment says one.
pub fn region() -> Option<String> {
    let region = env::var("AWS_REGION").or_else(|_| env::var("AWS_DEFAULT_REGION"));
    region.ok().filter(|region| !region.is_empty())
}

/// Who calls a service for a program at a terminal, and where: at `url`, else where the environment says by the service's
/// `name` in its variables, else (`None`) at the region's own endpoint. A service on this machine needs no credentials.
///
/// `Internal` if the environment has no credentials.
pub fn caller(
    name: &str,
    url: Option<&str>,
    what: &'static str,
) -> Result<(Caller, Option<String>)> {
    let url = url.map(str::to_owned).or_else(|| endpoint(name));
    let credentials = if is_local(url.as_deref()) {
        nobody()
    } else {
        credentials()?
    };
    let caller = Caller {
        outgoing: outgoing(url.as_deref().unwrap_or_default())?,
        identity: credentials.into(),
        what,
    };
    Ok((caller, url))
}

/// The table, with a connection that stands.
pub async fn connected_store() -> Result<Store> {
    let store = store()?;
    store.connect().await;
    Ok(store)
}

/// The table.
pub fn store() -> Result<Store> {
    let access = (variable("AWS_REGION")?, credentials()?);
    let patience = (TABLE_ATTEMPT, TABLE_OPERATION);
    table(
        variable("TABLE_NAME")?,
        endpoint("DYNAMODB"),
        access,
        patience,
    )
}

/// The table `name` for a program that nobody waits for: at `url`, or where the environment says. A table on this
/// machine (plain HTTP) needs no credentials and no region.
pub fn patient_store(name: String, url: Option<String>, region: Option<String>) -> Result<Store> {
    let url = url.or_else(|| endpoint("DYNAMODB"));
    let access = if is_local(url.as_deref()) {
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        (region, nobody())
    } else {
        let region = region.map_or_else(|| variable("AWS_REGION"), Ok);
        (region?, credentials()?)
    };
    table(name, url, access, (PATIENT_ATTEMPT, PATIENT_OPERATION))
}

/// A table, and how long one attempt and one operation may take.
fn table(
    name: String,
    endpoint: Option<String>,
    (region, credentials): (String, Credentials),
    (attempt, operation): (Duration, Duration),
) -> Result<Store> {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation);
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_dynamodb::config::Region::new(region))
        .credentials_provider(credentials)
        .http_client(connections(endpoint.as_deref())?)
        .interceptor(Terse)
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(TABLE_ATTEMPTS));
    config.set_endpoint_url(endpoint);
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    Ok(Store::new(client, name))
}

/// SNS. Whether a publish may be repeated is for its caller to say, so the SDK does not.
pub fn sns() -> Result<Sns> {
    let endpoint = endpoint("SNS");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(SNS_ATTEMPT);
    let mut config = aws_sdk_sns::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_sns::config::Region::new(variable("AWS_REGION")?))
        .credentials_provider(credentials()?)
        .http_client(connections(endpoint.as_deref())?)
        .interceptor(Terse)
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(SNS_ATTEMPTS));
    config.set_endpoint_url(endpoint);
    let once = config.clone().retry_config(RetryConfig::disabled());
    Ok(Sns::new(
        aws_sdk_sns::Client::from_conf(config.build()),
        aws_sdk_sns::Client::from_conf(once.build()),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A table that knows nothing, and counts its connections.
    fn table() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream.unwrap());
                    loop {
                        let (mut line, mut length) = (String::new(), 0);
                        while line != "\r\n" {
                            line.clear();
                            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                                return;
                            }
                            if let Some(bytes) = line.strip_prefix("content-length: ") {
                                length = bytes.trim().parse().unwrap();
                            }
                        }
                        stream.read_exact(&mut vec![0; length]).unwrap();
                        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                        stream.get_mut().write_all(reply).unwrap();
                    }
                });
            }
        });
        (url, opened)
    }

    #[tokio::test]
    async fn f40_a_connection_that_was_idle_for_ten_seconds_is_not_used_again() {
        let (url, opened) = table();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .http_client(connections(Some(&url)).unwrap())
            .endpoint_url(url);
        let client = aws_sdk_dynamodb::Client::from_conf(config.build());
        for (idle, expected) in [(0, 1), (9, 1), (11, 2), (600, 3)] {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(idle)).await;
            tokio::time::resume();
            client.list_tables().send().await.unwrap();
            assert_eq!(opened.load(Ordering::SeqCst), expected, "{idle} s");
        }
    }
}
