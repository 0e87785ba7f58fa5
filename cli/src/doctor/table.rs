//! The table: its settings, and what it says of what waits and what died.

use super::aws::Problem;
use super::deployment::Deployment;
use super::report::{Checked, Fault, Found};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use shared::store::Store;
use shared::store::keys::DEAD_SHARDS;

/// A sweep comes every minute, and its cursor is two or three minutes behind.
const LATE: i64 = 10;
/// Entries of the dead that are told of a partition.
const TOLD: usize = 100;

/// What the template asks of a table.
struct Wanted<'s> {
    view: &'s str,
    attribute: &'s str,
}

/// The table of a stack.
pub struct Table<'s> {
    stack: &'s Deployment,
    name: String,
    /// As `DescribeTable` has it.
    description: Value,
}

/// Finds the table.
pub async fn find(stack: &Deployment) -> (Checked, Option<Table<'_>>) {
    let Some(name) = stack.id("Table").map(str::to_owned) else {
        let mend = "look whether it is the stack of Tidings";
        return (
            Ok(Found::fault("there is no table in the stack", mend)),
            None,
        );
    };
    let described = call(stack, "DescribeTable", &name).await;
    let restore = format!(
        "restore it under its name from the backup that DynamoDB keeps of a deleted table for 35 days: \
         `aws dynamodb list-backups --backup-type SYSTEM --table-name {name}`, then `aws dynamodb restore-table-from-backup`"
    );
    let described = match described {
        Err(Problem::Refused(refusal)) if refusal.is_missing() => {
            let what = format!("there is no table {name}");
            return (Ok(Found::fault(what, restore)), None);
        }
        Err(problem) => return (Err(problem), None),
        Ok(described) => described,
    };
    let description = described["Table"].clone();
    let state = description["TableStatus"].as_str().unwrap_or_default();
    if !["ACTIVE", "UPDATING"].contains(&state) {
        let what = format!("there is no table yet that could be used: {name} is {state}");
        return (Ok(Found::fault(what, "wait until it is ACTIVE")), None);
    }
    let found = Ok(Found::Ok(format!("{name} is {state}")));
    let table = Table {
        stack,
        name,
        description,
    };
    (found, Some(table))
}

async fn call(stack: &Deployment, operation: &str, name: &str) -> Result<Value, Problem> {
    let target = format!("DynamoDB_20120810.{operation}");
    let body = json!({"TableName": name});
    stack.aws.json("dynamodb", &target, &body).await
}

impl Table<'_> {
    fn wanted(&self) -> Wanted<'_> {
        let spec = self.stack.template.tables.first();
        let create = spec.map(|spec| &spec.create["StreamSpecification"]["StreamViewType"]);
        Wanted {
            view: create.and_then(Value::as_str).unwrap_or_default(),
            attribute: spec
                .and_then(|spec| spec.ttl_attribute.as_deref())
                .unwrap_or_default(),
        }
    }

    /// The ARN of its stream; empty if it has none.
    pub fn stream_arn(&self) -> &str {
        let on = self.description["StreamSpecification"]["StreamEnabled"] == true;
        let arn = self.description["LatestStreamArn"].as_str();
        arn.filter(|_| on).unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether rows expire, by the attribute they have.
    pub async fn time_to_live(&self) -> Checked {
        let described = call(self.stack, "DescribeTimeToLive", &self.name).await?;
        let described = &described["TimeToLiveDescription"];
        let state = described["TimeToLiveStatus"].as_str().unwrap_or_default();
        let attribute = described["AttributeName"].as_str().unwrap_or_default();
        let Wanted { attribute: own, .. } = self.wanted();
        let command = |on: bool, attribute: &str| {
            format!(
                "`aws dynamodb update-time-to-live --table-name {} --time-to-live-specification Enabled={on},AttributeName={attribute}`",
                self.name
            )
        };
        Ok(if !["ENABLED", "ENABLING"].contains(&state) {
            let what = "time to live is off, so nothing ever expires";
            Found::fault(what, command(true, own))
        } else if attribute != own {
            Found::fault(
                format!(
                    "time to live is on the attribute {attribute}, and rows have {own}, so nothing ever expires"
                ),
                format!(
                    "{}, and an hour later {}",
                    command(false, attribute),
                    command(true, own)
                ),
            )
        } else {
            Found::Ok(format!("rows expire by {own}"))
        })
    }

    /// Whether the table can be had back.
    pub async fn backups(&self) -> Checked {
        if self.stack.is_local() {
            return Ok(Found::Skip("there are none on this machine".to_owned()));
        }
        let described = call(self.stack, "DescribeContinuousBackups", &self.name).await?;
        let recovery = &described["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        let mut faults = Vec::new();
        if recovery["PointInTimeRecoveryStatus"] != "ENABLED" {
            faults.push(Fault::new(
                "point-in-time recovery is off",
                format!(
                    "`aws dynamodb update-continuous-backups --table-name {} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`",
                    self.name
                ),
            ));
        }
        let unprotected = self.stack.says("DeletionProtection", "off");
        if self.description["DeletionProtectionEnabled"] != true && !unprotected {
            faults.push(Fault::new(
                "deletion protection is off",
                format!(
                    "`aws dynamodb update-table --table-name {} --deletion-protection-enabled`",
                    self.name
                ),
            ));
        }
        let well = if unprotected {
            "point-in-time recovery is on; deletion protection is a parameter, and off"
        } else {
            "point-in-time recovery and deletion protection are on"
        };
        Ok(Found::of(faults, well))
    }

    /// Whether changes are told as the functions expect it.
    pub fn stream(&self) -> Found {
        let Wanted { view, .. } = self.wanted();
        let found = &self.description["StreamSpecification"];
        let has = found["StreamViewType"].as_str().unwrap_or_default();
        let update = |specification: &str| {
            format!(
                "`aws dynamodb update-table --table-name {} --stream-specification {specification}`",
                self.name
            )
        };
        let on = update(&format!("StreamEnabled=true,StreamViewType={view}"));
        let then =
            "then the event sources, which read a stream by its name, as the next check says";
        if self.stream_arn().is_empty() {
            let what = "the stream is off, so nothing is pushed and no task begins";
            return Found::fault(what, format!("{on}, {then}"));
        }
        if has != view {
            let off = update("StreamEnabled=false");
            return Found::fault(
                format!("the stream has the view {has}, and the functions expect {view}"),
                format!("{off}, {on}, {then}"),
            );
        }
        Found::Ok(format!("on, with the view {view}"))
    }

    fn store(&self) -> Result<Store, shared::error::Error> {
        let url = self.stack.aws.url("dynamodb").to_owned();
        let region = self.stack.aws.region().to_owned();
        shared::aws::patient_store(self.name.clone(), Some(url), Some(region))
    }

    /// What is in today's list of the dead.
    pub async fn dead(&self, now: Timestamp) -> Found {
        match self.dead_of(now).await {
            Ok(found) => found,
            Err(error) => unread("the list of the dead", &error),
        }
    }

    async fn dead_of(&self, now: Timestamp) -> shared::error::Result<Found> {
        let store = self.store()?;
        let day = now.to_zoned(TimeZone::UTC).date().to_string();
        let (mut count, mut reason, mut more) = (0, None, false);
        for shard in 0..DEAD_SHARDS {
            let page = store.dead(&day, shard, None, TOLD).await?;
            count += page.dead.len();
            more |= page.cursor.is_some();
            let first = page.dead.into_iter().next();
            reason = reason.or(first.map(|dead| dead.reason));
        }
        let Some(reason) = reason else {
            return Ok(Found::Ok("none today".to_owned()));
        };
        let count = if more {
            format!("more than {count}")
        } else {
            count.to_string()
        };
        Ok(Found::fault(
            format!("{count} died today, the first with the reason \"{reason}\""),
            format!(
                "mend the reason, then push again: `curl -s -X POST {}/v1/pushes/redrive -H \"authorization: Bearer $ADMIN\" \
                 -H \"content-type: application/json\" -d '{{\"day\": \"{day}\"}}'`",
                self.stack.api_url
            ),
        ))
    }

    /// How far the minute's sweep is behind.
    pub async fn sweep(&self, now: Timestamp) -> Found {
        let swept = match self.store() {
            Ok(store) => store.swept().await,
            Err(error) => Err(error),
        };
        let minute = match swept {
            Ok(None) => return Found::Ok("nothing has ever waited".to_owned()),
            Ok(Some(minute)) => minute,
            Err(error) => return unread("the sweep's cursor", &error),
        };
        let behind = now.as_second().div_euclid(60) - minute;
        if behind <= LATE {
            return Found::Ok("what waits is looked for every minute".to_owned());
        }
        let rule = self.stack.id_of("AWS::Events::Rule", "RunTasks");
        let enable = match rule {
            Some(rule) => format!("`aws events enable-rule --name {rule}`"),
            None => "wait a minute if the stack has just been started".to_owned(),
        };
        Found::fault(
            format!("the sweep is {behind} minutes behind, so what waits is not done"),
            format!("{enable}; if it goes on, read the log of RunTasks"),
        )
    }
}

fn unread(what: &str, error: &shared::error::Error) -> Found {
    Found::fault(
        format!("{what} cannot be read: {}", error.chain()),
        "use credentials that may read the table",
    )
}
