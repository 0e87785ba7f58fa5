//! `tidings doctor`: what is wrong with a stack, and how it is mended; docs/OPERATIONS.md has its checks.
//!
//! A stack on this machine and one on AWS are asked the same calls. What should be stands in `template.yaml`.

mod api;
mod aws;
mod deployment;
mod functions;
mod pushes;
mod report;
mod table;
mod tokens;
mod trial;
mod xml;

use crate::options::Doctor;
use deployment::Deployment;
use jiff::Timestamp;
use local::Result;
use report::{CHECKS, Found, Report};
use std::process::ExitCode;

/// Makes every check, and fails if something is wrong.
pub fn run(options: &Doctor) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::default();
    runtime.block_on(examine(options, &mut report));
    Ok(if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn examine(options: &Doctor, report: &mut Report) {
    let mut stack = match Deployment::find(options).await {
        Ok(stack) => stack,
        Err(fault) => {
            report.say("stack", Ok(Found::Faults(vec![fault])));
            for check in &CHECKS[1..] {
                report.say(check, Ok(Found::without("the stack was not found")));
            }
            return;
        }
    };
    let well = format!("{} was found {}", stack.name, stack.place());
    let failed = stack.failed.take().into_iter().collect();
    report.say("stack", Ok(Found::of(failed, well)));
    examine_api(options, &mut stack, report).await;
    examine_table(&stack, report).await;
    report.say("alarm mail", pushes::alarm_mail(&stack).await);
    let trial = trial::check(&stack, options).await;
    report.say("test push", trial);
}

async fn examine_api(options: &Doctor, stack: &mut Deployment, report: &mut Report) {
    let (found, routes) = api::check(stack).await;
    report.say("api", found);
    let Some(routes) = routes else {
        for check in ["issuer", "token"] {
            report.say(check, Ok(Found::without("the routes are not known")));
        }
        return;
    };
    let (found, keys) = api::issuers(stack, &routes).await;
    report.say("issuer", Ok(found));
    let found = tokens::check(stack, options, &routes, &keys).await;
    report.say("token", Ok(found));
}

async fn examine_table(stack: &Deployment, report: &mut Report) {
    let now = Timestamp::now();
    let without = || Ok(Found::without("there is no table to ask"));
    let (found, table) = table::find(stack).await;
    report.say("table", found);
    if let Some(table) = &table {
        report.say("time to live", table.time_to_live().await);
        report.say("backups", table.backups().await);
        report.say("stream", Ok(table.stream()));
        report.say("event sources", functions::sources(stack, table).await);
    } else {
        for check in ["time to live", "backups", "stream", "event sources"] {
            report.say(check, without());
        }
    }
    let (found, configurations) = functions::check(stack).await;
    report.say("functions", found);
    let found = pushes::applications(stack, &configurations, now).await;
    report.say("applications", found);
    report.say("queues", pushes::queues(stack).await);
    if let Some(table) = &table {
        report.say("dead pushes", Ok(table.dead(now).await));
        report.say("sweep", Ok(table.sweep(now).await));
    } else {
        report.say("dead pushes", without());
        report.say("sweep", without());
    }
}
