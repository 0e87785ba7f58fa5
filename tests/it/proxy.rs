//! The fault proxy: it stands between a function and its table and SNS, and spoils the calls that its script names.
//!
//! A script is a list of rules. A rule counts the calls it matches, and strikes those in its range; the first one that
//! strikes decides. The call that opens a function's connection at its start is let through uncounted.

use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::caller::eventually;
use crate::wire::{canned, forward, operation, read_message};
use local::function::Function;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// From this call on nobody listens.
    Refuse,
    /// The connection closes, and the call is not applied.
    DropBefore,
    /// The call is applied, and the connection closes without a reply.
    DropAfter,
    /// The reply comes later.
    Delay(Duration),
    /// The call is not applied, and never answered.
    Hang,
    /// The call is applied, and its reply ends in the middle.
    HalfReply,
    /// The call is not applied, and answered with a 200 that is not a reply.
    Garbage,
    /// The call is not applied, and answered with this status and error code.
    Status(u16, &'static str),
    /// The call is not applied, and answered with the bytes of this file of `shared/answers/`.
    Answer(&'static str),
    /// The call is applied twice; the second reply counts.
    Twice,
    /// The function is killed, and the call not applied.
    KillBefore,
    /// The call is applied, and the function killed before the reply.
    KillAfterApply,
    /// The function gets its reply, is killed, and nothing it does afterwards arrives.
    KillAfterReply,
}

/// Which calls a fault strikes.
#[derive(Debug, Clone)]
pub struct Rule {
    /// An operation such as `PutItem`; empty for all.
    operation: &'static str,
    /// What the body contains; empty for all.
    containing: String,
    calls: RangeInclusive<usize>,
    fault: Fault,
    seen: usize,
}

impl Rule {
    /// Strikes those calls of an operation (`""` for all) that stand in this range, counted from 1.
    pub fn on(operation: &'static str, calls: RangeInclusive<usize>, fault: Fault) -> Rule {
        Rule {
            operation,
            containing: String::new(),
            calls,
            fault,
            seen: 0,
        }
    }

    /// Counts and strikes only calls whose body contains `text`.
    pub fn containing(mut self, text: &str) -> Rule {
        text.clone_into(&mut self.containing);
        self
    }
}

/// A call that has arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: String,
    pub body: String,
    /// The units that the table charged, if the proxy asks for them.
    pub units: f64,
}

/// A proxy before a table and an SNS. It ends with its value.
pub struct Proxy {
    pub dynamodb: String,
    pub sns: String,
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

struct Shared {
    script: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
    victim: Mutex<Option<Function>>,
    /// Whether anybody listens.
    up: watch::Sender<bool>,
    /// How often every connection is to be closed, and how often a door has done so.
    hung_up: watch::Sender<usize>,
    closed: AtomicUsize,
    /// Whether the victim has been killed: what it still sends is lost.
    killed: watch::Sender<bool>,
    /// Connections opened before this count was raised are never answered again.
    deaf: AtomicUsize,
    /// Calls on their way, and the most there were.
    in_flight: AtomicUsize,
    most: AtomicUsize,
    metered: bool,
}

impl Proxy {
    /// A proxy before these addresses; if `metered`, it has the table say what each call costs.
    pub async fn start(dynamodb: &str, sns: &str, metered: bool) -> Proxy {
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            calls: Mutex::default(),
            victim: Mutex::default(),
            up: watch::Sender::new(true),
            hung_up: watch::Sender::new(0),
            closed: AtomicUsize::new(0),
            killed: watch::Sender::new(false),
            deaf: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            metered,
        });
        let (end, ended) = oneshot::channel();
        let mut urls = Vec::new();
        let mut doors = Vec::new();
        for upstream in [dynamodb, sns] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            let upstream = upstream.trim_start_matches("http://").to_owned();
            doors.push(serve(listener, upstream, shared.clone()));
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = ended => {}
                _ = futures_util::future::join_all(doors) => {}
            }
        });
        let sns = urls.pop().unwrap();
        Proxy {
            dynamodb: urls.pop().unwrap(),
            sns,
            shared,
            _end: end,
        }
    }

    /// Replaces the script.
    pub fn script(&self, rules: Vec<Rule>) {
        *lock(&self.shared.script) = rules;
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared.script).push(rule);
    }

    /// Names the function that the kills kill.
    pub fn victim(&self, function: &Function) {
        *lock(&self.shared.victim) = Some(function.clone());
    }

    /// From now on the connections that stand take everything and answer nothing; new ones are as they should be.
    pub fn deafen(&self) {
        self.shared.deaf.fetch_add(1, Ordering::SeqCst);
    }

    /// The most calls that were on their way at the same time.
    pub fn most(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// Closes every connection that stands, and returns when they are closed.
    pub async fn hang_up(&self) {
        let closed = || self.shared.closed.load(Ordering::SeqCst);
        let before = closed();
        self.shared.hung_up.send_modify(|times| *times += 1);
        eventually("the connections are closed", async || {
            (closed() == before + 2).then_some(())
        })
        .await;
    }

    /// The calls whose body contains `text`, in the order of their arrival.
    pub fn calls(&self, text: &str) -> Vec<Call> {
        let calls = lock(&self.shared.calls);
        let matching = calls.iter().filter(|call| call.body.contains(text));
        matching.cloned().collect()
    }

    /// Forgets the calls so far, and returns them.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.shared.calls))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// Accepts connections while the proxy is up. They end with the listener.
async fn serve(listener: TcpListener, upstream: String, shared: Arc<Shared>) {
    let (mut up, mut hung_up) = (shared.up.subscribe(), shared.hung_up.subscribe());
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let relay = relay(client, upstream.clone(), shared.clone());
                connections.spawn(async move { relay.await.ok() });
            }
            Ok(()) = hung_up.changed() => {
                connections.shutdown().await;
                shared.closed.fetch_add(1, Ordering::SeqCst);
            }
            () = async { up.wait_for(|up| !up).await.map(drop).unwrap_or_default() } => return,
        }
    }
}

/// Serves one connection until either side closes it.
async fn relay(mut client: TcpStream, upstream: String, shared: Arc<Shared>) -> io::Result<()> {
    let mut server = TcpStream::connect(&upstream).await?;
    let deaf = shared.deaf.load(Ordering::SeqCst);
    while let Some((head, mut body)) = read_message(&mut client).await? {
        if shared.deaf.load(Ordering::SeqCst) != deaf {
            return client.read(&mut [0]).await.map(drop);
        }
        let _passing = Passing::through(&shared);
        if body.windows(11).any(|part| part == b"\"T#connect\"") {
            let reply = forward(&mut server, &head, &body).await?;
            client.write_all(&reply).await?;
            continue;
        }
        let (fault, index) = shared.note(&head, &body);
        if shared.metered && body.starts_with(b"{") {
            body.splice(1..1, *br#""ReturnConsumedCapacity":"TOTAL","#);
        }
        if *shared.killed.borrow() {
            return Ok(());
        }
        if let Some(reply) = fault.and_then(|fault| canned(fault, &body)) {
            client.write_all(&reply).await?;
            continue;
        }
        match fault {
            Some(Fault::Refuse) => {
                shared.up.send_replace(false);
                return Ok(());
            }
            Some(Fault::DropBefore) => return Ok(()),
            Some(Fault::KillBefore) => return shared.kill().await,
            Some(Fault::Hang) => {
                // Until the client gives up.
                return client.read(&mut [0]).await.map(drop);
            }
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Twice) => drop(forward(&mut server, &head, &body).await?),
            _ => {}
        }
        let reply = forward(&mut server, &head, &body).await?;
        shared.charge(index, &reply);
        match fault {
            Some(Fault::DropAfter) => return Ok(()),
            Some(Fault::KillAfterApply) => return shared.kill().await,
            Some(Fault::KillAfterReply) => {
                shared.killed.send_replace(true);
                client.write_all(&reply).await?;
                return shared.kill().await;
            }
            Some(Fault::HalfReply) => {
                client.write_all(&reply[..reply.len() - 1]).await?;
                return Ok(());
            }
            _ if *shared.killed.borrow() => return Ok(()),
            _ => client.write_all(&reply).await?,
        }
    }
    Ok(())
}

/// A call on its way.
struct Passing<'s>(&'s Shared);

impl Passing<'_> {
    fn through(shared: &Shared) -> Passing<'_> {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        Passing(shared)
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Writes a call down; returns what is to happen to it, and its place.
    fn note(&self, head: &str, body: &[u8]) -> (Option<Fault>, usize) {
        let body = String::from_utf8_lossy(body).into_owned();
        let operation = operation(head, &body);
        let mut fault = None;
        for rule in lock(&self.script).iter_mut() {
            let matches = rule.operation.is_empty() || rule.operation == operation;
            if matches && body.contains(&rule.containing) {
                rule.seen += 1;
                if rule.calls.contains(&rule.seen) {
                    fault = fault.or(Some(rule.fault));
                }
            }
        }
        let mut calls = lock(&self.calls);
        calls.push(Call {
            operation,
            body,
            units: 0.0,
        });
        (fault, calls.len() - 1)
    }

    /// Adds what the table charged for a call.
    fn charge(&self, index: usize, reply: &[u8]) {
        let body = reply.windows(4).position(|part| part == b"\r\n\r\n");
        let body: Value = body
            .and_then(|end| serde_json::from_slice(&reply[end + 4..]).ok())
            .unwrap_or_default();
        let failed = body["__type"].as_str().unwrap_or_default();
        let units = match &body["ConsumedCapacity"] {
            // A write whose condition fails is charged, and its error cannot say so.
            _ if failed.ends_with("#ConditionalCheckFailedException") => 1.0,
            Value::Array(tables) => tables
                .iter()
                .filter_map(|t| t["CapacityUnits"].as_f64())
                .sum(),
            table => table["CapacityUnits"].as_f64().unwrap_or(0.0),
        };
        if let Some(call) = lock(&self.calls).get_mut(index) {
            call.units += units;
        }
    }

    async fn kill(&self) -> io::Result<()> {
        self.killed.send_replace(true);
        let victim = lock(&self.victim).clone();
        victim.expect("a kill has a victim").stop().await;
        Ok(())
    }
}
