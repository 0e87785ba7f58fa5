//! The embedded `DynamoDB`: one database file in the data folder, served over `DynamoDB`'s own HTTP protocol.

mod expiry;
mod server;
mod stream;
mod upkeep;

use crate::clock::Clock;
use crate::door;
use crate::error::{Error, Result};
use crate::output::say;
use crate::template::TableSpec;
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use stream::{Record, Stream};

/// The shortest pause between two sweeps for expired rows.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How often stream records past their 24 hours are removed.
const TRIM_EVERY: Duration = Duration::from_mins(1);

/// The tables of a running stack; dropping it stops the server.
#[derive(Debug)]
pub struct Tables {
    database: DatabaseHandle,
    file: PathBuf,
    clock: Clock,
    url: String,
    _tasks: JoinSet<()>,
}

/// The engine, which has no `Debug` of its own.
#[derive(Clone)]
struct DatabaseHandle(Database);

impl std::fmt::Debug for DatabaseHandle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Database")
    }
}

impl Tables {
    /// Opens or makes `dynamodb.sqlite` in the folder `dir`, creates the tables that are missing, and serves them on a
    /// free port of 127.0.0.1. A table on disk whose keys or stream differ from its spec is an error.
    pub async fn start(dir: &Path, specs: &[TableSpec]) -> Result<Self> {
        Self::start_with_clock(dir, specs, Clock::default()).await
    }

    /// [`start`](Self::start), whose rows and stream records grow old by `clock`.
    pub async fn start_with_clock(dir: &Path, specs: &[TableSpec], clock: Clock) -> Result<Self> {
        let file = dir.join("dynamodb.sqlite");
        let (path, wanted) = (file.clone(), specs.to_vec());
        let database = blocking(move || open(&path, &wanted)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);

        let mut tasks = JoinSet::new();
        let router = door::programs_only(server::router(database.clone()));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                say(format_args!("DynamoDB stopped: {error}"));
            }
        });
        tasks.spawn(sweep(database.clone(), file.clone(), clock.clone()));
        tasks.spawn(trim(file.clone(), clock.clone()));
        Ok(Self {
            database: DatabaseHandle(database),
            file,
            clock,
            url,
            _tasks: tasks,
        })
    }

    /// Where `DynamoDB`'s HTTP protocol is served.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The ARN of the stream of the table `name`, as `DescribeTable` has it; empty if it has none.
    pub(crate) fn stream_arn(&self, name: &str) -> Result<String> {
        let described = self
            .database
            .0
            .describe_table(request(json!({"TableName": name}))?)
            .map_err(|error| engine(&error))?;
        Ok(described.table.latest_stream_arn.unwrap_or_default())
    }

    /// Opens the stream of the table `name`.
    pub fn stream(&self, name: &str) -> Result<Stream> {
        Stream::open(
            self.database.0.clone(),
            &self.file,
            self.clock.clone(),
            name,
        )
    }
}

/// Tables in memory: the engine alone, without a server or upkeep.
#[derive(Debug, Clone)]
pub struct Engine(DatabaseHandle);

impl Engine {
    /// Makes these tables, empty.
    pub fn in_memory(specs: &[TableSpec]) -> Result<Self> {
        let database = Database::memory().map_err(|error| engine(&error))?;
        for spec in specs {
            create(&database, spec)?;
        }
        Ok(Self(DatabaseHandle(database)))
    }

    /// The status and the body that `DynamoDB` answers an operation with.
    #[must_use]
    pub fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        server::answer(&self.0.0, operation, body)
    }
}

fn open(file: &Path, specs: &[TableSpec]) -> Result<Database> {
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let path = file
        .to_str()
        .ok_or_else(|| Error::new("the data folder's path is not UTF-8"))?;
    let database = Database::new(path).map_err(|error| engine(&error))?;
    // No sync per commit: the operating system keeps what a killed process wrote.
    database
        .enable_bulk_loading()
        .map_err(|error| engine(&error))?;
    upkeep::connect(file)?;
    for spec in specs {
        create(&database, spec)?;
    }
    Ok(database)
}

/// Creates the table if it is missing.
fn create(database: &Database, spec: &TableSpec) -> Result<()> {
    match database.describe_table(request(json!({"TableName": spec.name}))?) {
        Ok(found) => {
            let found =
                serde_json::to_value(found.table).map_err(|error| Error::new(error.to_string()))?;
            for property in ["KeySchema", "StreamSpecification"] {
                if !same(&found[property], &spec.create[property]) {
                    return Err(Error::new(format!(
                        "table {}: {property} in the data folder is not the template's; remove the folder to start afresh",
                        spec.name
                    )));
                }
            }
        }
        Err(DynoxideError::ResourceNotFoundException(_)) => {
            database
                .create_table(request(spec.create.clone())?)
                .map_err(|error| engine(&error))?;
        }
        Err(error) => return Err(engine(&error)),
    }
    if let Some(attribute) = &spec.ttl_attribute {
        let specification = json!({"AttributeName": attribute, "Enabled": true});
        let body = json!({"TableName": spec.name, "TimeToLiveSpecification": specification});
        database
            .update_time_to_live(request(body)?)
            .map_err(|error| engine(&error))?;
    }
    Ok(())
}

/// Whether two descriptions agree in what both say; one that is absent agrees only with one that is absent.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| found.get(name) == Some(value)),
        _ => found == wanted,
    }
}

/// Removes expired rows as they come up. A sweep reads whole tables, so it rests twenty times as long as it took.
async fn sweep(database: Database, file: PathBuf, clock: Clock) {
    let mut pause = SWEEP_EVERY;
    let mut moves = clock.moves();
    loop {
        // An error says that the clock is gone; this holds it.
        tokio::time::timeout(pause, moves.changed()).await.ok();
        let (database, file, clock) = (database.clone(), file.clone(), clock.clone());
        let begun = Instant::now();
        let work = move || {
            database.sweep_ttl().map_err(|error| engine(&error))?;
            if clock.ahead() > 0 {
                expiry::sweep(&file, clock.now() / 1000)?;
            }
            Ok(())
        };
        if let Err(error) = blocking(work).await {
            say(format_args!("time to live: {error}"));
        }
        pause = SWEEP_EVERY.max(begun.elapsed() * 20);
    }
}

async fn trim(file: PathBuf, clock: Clock) {
    let mut moves = clock.moves();
    loop {
        // First, so that whoever reads the stream can still count what it missed.
        tokio::time::timeout(TRIM_EVERY, moves.changed()).await.ok();
        let (file, clock) = (file.clone(), clock.clone());
        if let Err(error) = blocking(move || upkeep::trim(&file, &clock)).await {
            say(format_args!("trimming the stream: {error}"));
        }
    }
}

/// Runs `work` on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(format!("the database's thread: {error}")))?
}

fn engine(error: &DynoxideError) -> Error {
    Error::new(format!("DynamoDB: {error}"))
}

fn request<T: DeserializeOwned>(body: Value) -> Result<T> {
    serde_json::from_value(body).map_err(|error| Error::new(format!("DynamoDB: {error}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn spec() -> TableSpec {
        TableSpec {
            logical_id: "Table".to_owned(),
            name: "things".to_owned(),
            create: json!({
                "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}),
            ttl_attribute: Some("expires_at".to_owned()),
        }
    }

    pub(crate) fn put(tables: &Tables, sk: &str, expires_at: i64) {
        let item =
            json!({"pk": {"S": "p"}, "sk": {"S": sk}, "expires_at": {"N": expires_at.to_string()}});
        let body = json!({"TableName": "things", "Item": item});
        tables.database.0.put_item(request(body).unwrap()).unwrap();
    }

    const LATER: i64 = 99_999_999_999;

    #[tokio::test]
    async fn rows_and_stream_survive_reopening_and_other_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        put(&tables, "a", LATER);
        drop(tables);
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let records = tables.stream("things").unwrap().read(None).unwrap();
        assert_eq!(records.len(), 1);
        drop(tables);
        let mut other = spec();
        other.create["StreamSpecification"]["StreamViewType"] = json!("NEW_IMAGE");
        let message = Tables::start(dir.path(), &[other])
            .await
            .unwrap_err()
            .to_string();
        assert!(message.contains("StreamSpecification"), "{message}");
    }

    #[tokio::test]
    async fn a_record_has_the_shape_of_a_lambda_event() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::start(dir.path(), &[spec()]).await.unwrap();
        let mut stream = tables.stream("things").unwrap();
        put(&tables, "a", LATER);
        put(&tables, "b", 1_700_000_000);
        let records = stream.read(None).unwrap();
        let event = &records[0].event;
        assert_eq!(event["eventName"], "INSERT");
        assert_eq!(event["eventSource"], "aws:dynamodb");
        assert_eq!(event["awsRegion"], "us-east-1");
        assert_eq!(
            event["dynamodb"]["Keys"],
            json!({"pk": {"S": "p"}, "sk": {"S": "a"}})
        );
        assert_eq!(event["dynamodb"]["StreamViewType"], "KEYS_ONLY");
        assert_eq!(event["dynamodb"]["SequenceNumber"], records[0].sequence);
        assert!(
            event["dynamodb"]["ApproximateCreationDateTime"].is_i64(),
            "{event}"
        );
        assert!(event.get("userIdentity").is_none());
        let arn = event["eventSourceARN"].as_str().unwrap();
        assert!(
            arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/things/stream/20"),
            "{arn}"
        );

        assert!(stream.read(Some(&records[1].sequence)).unwrap().is_empty());
        assert_eq!(
            stream.newest().unwrap().as_deref(),
            Some(records[1].sequence.as_str())
        );
        assert_eq!(tables.database.0.sweep_ttl().unwrap(), 1);
        let removed = stream.read(Some(&records[1].sequence)).unwrap();
        assert_eq!(removed[0].event["eventName"], "REMOVE");
        assert_eq!(
            removed[0].event["userIdentity"],
            json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"})
        );
        assert!(stream.read(Some(&removed[0].sequence)).unwrap().is_empty());
    }
}
