//! The local stack end to end: from a request that is answered to the push that its SNS has, and how many of these it does in a
//! second.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Outcome;
use crate::client::Client;
use crate::programs::Programs;
use crate::table::{Row, float, median, time};

/// Users, each with a phone.
const USERS: usize = 8;
/// Notifications whose way is timed, and the time between two.
const TIMED: usize = 400;
const PAUSE: Duration = Duration::from_millis(23);
/// Requests of one turn to ours and to the other, from so many clients at once.
const REQUESTS: usize = 1_600;
const REQUESTS_BESIDE: usize = 160;
const CLIENTS: usize = 16;
const TURNS: usize = 3;

/// A service that creates notifications and pushes them; it ends with this.
struct Service {
    process: Child,
    address: SocketAddr,
    folder: Option<PathBuf>,
    token: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its input ends, and it ends its own processes before it does.
        drop(self.process.stdin.take());
        self.process.wait().ok();
        if let Some(folder) = &self.folder {
            fs::remove_dir_all(folder).ok();
        }
    }
}

/// Starts a program that says in a line of JSON where its API is.
fn start(command: &mut Command) -> Outcome<(Child, SocketAddr)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    let output = process.stdout.take().ok_or("no output")?;
    BufReader::new(output).read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line)?;
    let address = ready["api"].as_str().unwrap_or_default();
    Ok((process, address.trim_start_matches("http://").parse()?))
}

impl Service {
    /// The local stack, which publishes as fast as it can, with its users' phones.
    fn ours(programs: &Programs) -> Outcome<Service> {
        let name = format!("tidings-bench-stack-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        let template = fs::read_to_string(programs.root.join("template.yaml"))?;
        let limited = "  PublishRate:\n    Type: Number\n    Default: 300\n";
        let free = limited.replace("300", "30000");
        fs::write(
            folder.join("template.yaml"),
            template.replace(limited, &free),
        )?;
        let tidings = || {
            let mut tidings = Command::new(programs.file("tidings"));
            tidings.current_dir(&folder);
            tidings
        };
        let mut command = tidings();
        command.args(["--json", "--until-eof", "--port", "0", "--binaries"]);
        command.arg(programs.file("").canonicalize()?);
        let (process, address) = start(&mut command)?;
        let token = |who: &[&str]| {
            let output = tidings().arg("token").args(who).output()?;
            Outcome::Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        let service = Service {
            process,
            address,
            token: token(&["--producer"])?,
            folder: Some(folder.clone()),
        };
        for number in 0..USERS {
            let phone = json!({"platform": "fcm", "token": format!("phone-{number}")});
            let user = token(&["--user", &format!("user-{number}")])?;
            let (status, _) = service.client()?.ask(
                "PUT /v1/me/devices/phone",
                &head(&user),
                &phone.to_string(),
            )?;
            if status != 201 {
                return Err(format!("a phone is refused: {status}").into());
            }
        }
        // What starts with the first of its kind has started.
        service.create(USERS)?;
        service.wait_for(USERS)?;
        Ok(service)
    }

    fn client(&self) -> Outcome<Client> {
        Client::new(self.address)
    }

    /// Creates a notification, and returns its answer.
    fn ask(&self, client: &mut Client, number: usize) -> Outcome<Vec<u8>> {
        let body = json!({
            "recipients": [format!("user-{}", number % USERS)],
            "type": "video.liked",
            "title": "Bo liked your video",
            "body": "Sunset over Lisbon, seen from the river",
            "actor": {"id": "bo", "name": "Bo"},
            "data": {"video": {"id": 42}},
        });
        let target = "POST /v1/notifications";
        let (status, body) = client.ask(target, &head(&self.token), &body.to_string())?;
        match status {
            201 => Ok(body),
            _ => Err(format!("{target}: {status} {}", String::from_utf8_lossy(&body)).into()),
        }
    }

    /// So many requests, from several clients at once.
    fn create(&self, requests: usize) -> Outcome<()> {
        let each = requests / CLIENTS.min(requests);
        thread::scope(|scope| {
            let clients = (0..requests / each).map(|_| {
                scope.spawn(|| {
                    let mut client = self.client().map_err(|error| error.to_string())?;
                    for number in 0..each {
                        let answer = self.ask(&mut client, number);
                        answer.map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(())
                })
            });
            let clients: Vec<_> = clients.collect();
            for client in clients {
                client.join().map_err(|_| "a client broke")??;
            }
            Ok(())
        })
    }

    fn outbox(client: &mut Client, after: i64) -> Outcome<Value> {
        let target = format!("GET /_local/outbox?wait=20&limit=1000&after={after}");
        let (status, body) = client.ask(&target, "", "")?;
        match status {
            200 => Ok(serde_json::from_slice(&body)?),
            _ => Err(format!("the outbox: {status}").into()),
        }
    }

    /// Waits for push number so much.
    fn wait_for(&self, number: usize) -> Outcome<()> {
        let found = Service::outbox(&mut self.client()?, i64::try_from(number)? - 1)?;
        match found["data"].as_array() {
            Some(pushes) if !pushes.is_empty() => Ok(()),
            _ => Err(format!("there is no push {number}").into()),
        }
    }
}

fn head(token: &str) -> String {
    format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n")
}

/// The notification that a push tells of.
fn told(push: &Value) -> Option<String> {
    let id = &push["message"]["fcmV1Message"]["message"]["data"]["id"];
    id.as_str().map(str::to_owned)
}

/// From the answer to a request to the push: one request at a time, and SNS watched beside it.
fn ways(service: &Service) -> Outcome<Vec<f64>> {
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = HashMap::new();
            let mut watching = || -> Outcome<()> {
                let (mut client, mut after) = (service.client()?, i64::try_from(USERS)?);
                while seen.len() < TIMED {
                    let found = Service::outbox(&mut client, after)?;
                    let now = Instant::now();
                    after = found["next"].as_i64().ok_or("no next push")?;
                    let pushes = found["data"].as_array().ok_or("no pushes")?;
                    if pushes.is_empty() {
                        return Err("a push is missing".into());
                    }
                    seen.extend(pushes.iter().filter_map(told).map(|id| (id, now)));
                }
                Ok(())
            };
            watching().map_err(|error| error.to_string())?;
            Ok::<_, String>(seen)
        });
        let mut accepted = Vec::new();
        let mut client = service.client()?;
        for number in 0..TIMED {
            let answer: Value = serde_json::from_slice(&service.ask(&mut client, number)?)?;
            let id = answer["data"][0]["id"].as_str().unwrap_or_default();
            accepted.push((id.to_owned(), Instant::now()));
            thread::sleep(PAUSE);
        }
        let seen = watch.join().map_err(|_| "the watcher broke")??;
        let ways = accepted.into_iter().map(|(id, at)| {
            let pushed = seen.get(&id).ok_or_else(|| format!("{id} is not pushed"))?;
            Ok(pushed.saturating_duration_since(at).as_secs_f64() * 1e9)
        });
        ways.collect()
    })
}

/// From accepted to handed to SNS.
pub fn latency(programs: &Programs) -> Outcome<Vec<Row>> {
    programs.build_stack()?;
    let mut ways = ways(&Service::ours(programs)?)?;
    ways.sort_by(f64::total_cmp);
    let rows = [("half", 50, 200e6), ("99 of 100", 99, 400e6)];
    let rows = rows.map(|(part, percent, most)| {
        let way = ways[(ways.len() - 1) * percent / 100];
        Row {
            line: "P17",
            what: format!("local stack, accepted to handed to SNS: {part} within"),
            peer: String::new(),
            ours: time(way),
            ratio: None,
            target: format!("≤ {:.0} ms", most / 1e6),
            is_met: Some(way <= most),
        }
    });
    Ok(rows.into())
}

/// Requests a second until the last push.
pub fn throughput(programs: &Programs) -> Outcome<Vec<Row>> {
    programs.build_stack()?;
    let ours = Service::ours(programs)?;
    let other = match programs.peers.stack() {
        Some(mut command) => {
            let (process, address) = start(&mut command)?;
            Some(Service {
                process,
                address,
                token: "none".to_owned(),
                folder: None,
            })
        }
        None => None,
    };
    let rate = |requests: usize, began: Instant| {
        float(u64::try_from(requests).unwrap_or(0)) / began.elapsed().as_secs_f64()
    };
    let (mut rates, mut others) = (Vec::new(), Vec::new());
    for turn in 1..=TURNS {
        let began = Instant::now();
        ours.create(REQUESTS)?;
        ours.wait_for(USERS + turn * REQUESTS)?;
        rates.push(rate(REQUESTS, began));
        if let Some(other) = &other {
            let began = Instant::now();
            other.create(REQUESTS_BESIDE)?;
            others.push(rate(REQUESTS_BESIDE, began));
        }
        // The gateway's routes have a burst, which fills again.
        thread::sleep(Duration::from_secs(2));
    }
    let ours = median(rates);
    let text = |rate: f64| format!("{rate:.0}/s");
    let peer = (!others.is_empty()).then(|| median(others));
    let name = "Python over moto";
    Ok(vec![Row {
        line: "P18",
        what: "local stack, requests to the last push".to_owned(),
        peer: peer.map_or_else(String::new, |peer| format!("{name}: {}", text(peer))),
        ours: text(ours),
        ratio: peer.map(|peer| ours / peer),
        target: peer.map_or_else(String::new, |_| "≥ 10×".to_owned()),
        is_met: peer.map(|peer| ours >= 10.0 * peer),
    }])
}
