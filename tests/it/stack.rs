//! The program `tidings` as a test starts it: a real process, reached over its sockets.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use local::Signer;
use serde_json::{Value, json};
use shared::connections::Connections;
use tempfile::TempDir;

use crate::caller::Caller;
use crate::log_lines;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The folder with the built programs. The first call builds them, with the very settings of the
/// build that made this test, so that nothing is compiled twice.
pub fn binaries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new("cargo");
        // Cargo's own variables would make it build everything again.
        let foreign = |name: &str| {
            (name.starts_with("CARGO") && name != "CARGO_HOME" && name != "CARGO_TARGET_DIR")
                || name == "RUSTUP_TOOLCHAIN"
                || name == "RUSTC_BOOTSTRAP"
        };
        for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
            cargo.env_remove(name);
        }
        // This test is target/debug/deps/it-…
        let own = std::env::current_exe().unwrap();
        local::watch_log(log_lines::check);
        let folder = own.parent().and_then(Path::parent).unwrap();
        cargo.args(["build", "--workspace", "--bins", "--locked", "--quiet"]);
        if !folder.ends_with("debug") {
            cargo.arg("--profile").arg(folder.file_name().unwrap());
        }
        let built = cargo.current_dir(root()).status();
        assert!(built.unwrap().success(), "the programs do not compile");
        folder.to_owned()
    })
}

/// One running stack. It ends with this value, and with this process.
pub struct Stack {
    process: Child,
    // The stack ends when this does.
    _stdin: ChildStdin,
    data: PathBuf,
    ready: Value,
    signer: Signer,
    signed: Mutex<HashMap<String, String>>,
}

/// Where a stack keeps its token key.
const KEY_FILE: &str = "token-key.pem";

/// One key for every stack of a run: making one takes longer than all the rest of a start.
fn key() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        Signer::open(folder.path()).unwrap();
        std::fs::read(folder.path().join(KEY_FILE)).unwrap()
    })
}

/// A new folder for a stack's data, with that key.
pub fn data_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(KEY_FILE), key()).unwrap();
    folder
}

/// The stack that most tests share.
pub fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| {
        let parent = std::env::temp_dir();
        let name = |pid| format!("tidings-it-{pid}");
        // A static is never dropped, so the folders of earlier runs are removed here.
        for entry in parent.read_dir().unwrap().flatten() {
            let pid = entry
                .file_name()
                .to_string_lossy()
                .strip_prefix("tidings-it-")
                .map(str::to_owned);
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        Stack::start(&parent.join(name(std::process::id())))
    })
}

/// A name that no other test uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Stack {
    /// Starts a stack that keeps everything in `data`.
    pub fn start(data: &Path) -> Stack {
        let pem = data.join(KEY_FILE);
        if !pem.exists() {
            std::fs::create_dir_all(data).unwrap();
            std::fs::write(pem, key()).unwrap();
        }
        let mut process = Command::new(binaries().join("tidings"))
            .args(["--json", "--log", "--until-eof", "--port", "0", "--data"])
            .arg(data)
            .arg("--binaries")
            .arg(binaries())
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file(data))
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = ready(&mut said).unwrap_or_else(|| {
            panic!(
                "the stack did not start: {}",
                std::fs::read_to_string(data.join("log")).unwrap()
            )
        });
        std::thread::spawn(move || {
            said.map_while(Result::ok)
                .for_each(|line| log_lines::told(&line));
        });
        Stack {
            _stdin: process.stdin.take().unwrap(),
            process,
            data: data.to_owned(),
            ready,
            signer: Signer::open(data).unwrap(),
            signed: Mutex::default(),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// Where the API answers.
    pub fn api(&self) -> &str {
        self.text("api")
    }

    /// Where the embedded DynamoDB answers.
    pub fn dynamodb(&self) -> &str {
        self.text("dynamodb")
    }

    /// Where the SNS stand-in answers.
    pub fn sns(&self) -> &str {
        self.text("sns")
    }

    /// Where CloudFormation, Lambda and API Gateway answer.
    pub fn control(&self) -> &str {
        self.text("control")
    }

    /// Where the queues answer.
    pub fn sqs(&self) -> &str {
        self.text("sqs")
    }

    /// Where the Secrets Manager stand-in answers.
    pub fn secrets(&self) -> &str {
        self.text("secrets")
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        self.text("table")
    }

    /// The folder that keeps everything.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The stack's process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What the stack and its functions have said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap()
    }

    /// Ends the stack's own process as an outage would, and nothing else.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The claims of a user's token, as the command line makes them.
    pub fn user_claims(&self, user: &str) -> Value {
        static CLAIMS: OnceLock<Value> = OnceLock::new();
        let mut claims = CLAIMS
            .get_or_init(|| self.claims_of(&["--user", "x"]))
            .clone();
        claims["sub"] = json!(user);
        claims
    }

    /// The claims of a producer's token.
    pub fn producer_claims(&self) -> Value {
        static CLAIMS: OnceLock<Value> = OnceLock::new();
        CLAIMS
            .get_or_init(|| self.claims_of(&["--producer"]))
            .clone()
    }

    /// The claims of an administrator's token.
    pub fn admin_claims(&self) -> Value {
        static CLAIMS: OnceLock<Value> = OnceLock::new();
        CLAIMS.get_or_init(|| self.claims_of(&["--admin"])).clone()
    }

    fn claims_of(&self, who: &[&str]) -> Value {
        let token = Command::new(binaries().join("tidings"))
            .arg("token")
            .args(who)
            .arg("--data")
            .arg(&self.data)
            .current_dir(root())
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap();
        let claims = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    /// A token with these claims, signed with the stack's key; once, since signing is slow.
    pub fn sign(&self, claims: &Value) -> String {
        let mut signed = self.signed.lock().unwrap();
        let token = signed.entry(claims.to_string());
        token.or_insert_with(|| self.signer.sign(claims)).clone()
    }

    /// The API as a user calls it.
    pub fn user(&self, user: &str) -> Caller {
        Caller::new(self.api(), self.sign(&self.user_claims(user)))
    }

    /// The API as a backend service calls it.
    pub fn producer(&self) -> Caller {
        Caller::new(self.api(), self.sign(&self.producer_claims()))
    }

    /// The API as an administrator calls it.
    pub fn admin(&self) -> Caller {
        Caller::new(self.api(), self.sign(&self.admin_claims()))
    }

    /// The pushes that SNS accepted for a token, oldest first.
    pub async fn pushes(&self, token: &str) -> Vec<Value> {
        let url = format!("{}/_local/outbox?limit=1000&after=", self.api());
        let (mut found, mut after) = (Vec::new(), json!(0));
        loop {
            let answer = reqwest::get(format!("{url}{after}")).await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            let data = answer["data"].as_array().unwrap();
            found.extend(data.iter().filter(|push| push["token"] == token).cloned());
            if data.is_empty() {
                return found;
            }
            after = answer["next"].clone();
        }
    }

    /// The table through the real SDK.
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        let credentials =
            aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "test");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .credentials_provider(credentials)
            .http_client(Connections::new(&[]).unwrap())
            .endpoint_url(self.dynamodb());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The one line of JSON that says that a stack is ready; those before it are of its functions.
fn ready(said: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    loop {
        let line = said.next()?.ok()?;
        if line.starts_with('{') {
            return serde_json::from_str(&line).ok();
        }
        log_lines::told(&line);
    }
}

fn log_file(data: &Path) -> std::fs::File {
    std::fs::create_dir_all(data).unwrap();
    let log = data.join("log");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap()
}
