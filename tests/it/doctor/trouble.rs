//! Services that do not answer, or answer what is no answer.

use std::collections::BTreeSet;

use super::aws::{Aws, Rule};
use super::doctor;
use crate::stack::shared;

const OPTIONS: [&str; 8] = [
    "--stack",
    "local",
    "--region",
    "us-east-1",
    "--send",
    "x",
    "--platform",
    "fcm",
];

/// What the doctor asks.
const ASKED: [&str; 14] = [
    "/v2/apis/Api",
    "/v2/apis/Api/routes",
    "DescribeTable",
    "DescribeTimeToLive",
    "DescribeContinuousBackups",
    "/2015-03-31/functions/ManageDevices/configuration",
    "GetPlatformApplicationAttributes",
    "GetQueueAttributes",
    "Query",
    "GetItem",
    "ListStackResources",
    "/2015-03-31/functions/ManageDevices/invocations",
    "/users/.well-known/openid-configuration",
    "/keys",
];

const GARBAGE: [&str; 7] = [
    "\0garbage",
    "",
    "{}",
    "[]",
    "null",
    "<a></a>",
    "{\"Table\": 5, \"items\": {}}",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_silent_fails_once_and_what_depends_on_it_is_skipped() {
    let rules = [Rule::answer(
        "/2015-03-31/event-source-mappings/",
        200,
        "\0garbage",
    )];
    let aws = Aws::with(shared(), &rules).await;
    let said = doctor(&OPTIONS, Some(&aws.url)).await;
    assert_eq!(said.checks("FAIL"), BTreeSet::from(["event sources"]));
    let skipped = ["applications", "functions", "test push", "token"];
    assert_eq!(
        said.checks("skip"),
        BTreeSet::from(skipped),
        "{:#?}",
        said.lines
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_no_panic() {
    for garbage in GARBAGE {
        let rules = ASKED.map(|name| Rule::answer(name, 200, garbage));
        for rules in [&rules[..10], &rules[11..]] {
            let aws = Aws::with(shared(), rules).await;
            let said = doctor(&OPTIONS, Some(&aws.url)).await;
            assert!(said.lines.len() >= 15, "{garbage}: {:#?}", said.lines);
            assert_eq!(said.code, 1, "{garbage}: {:#?}", said.lines);
        }
        let aws = Aws::with(shared(), &rules[10..11]).await;
        let said = doctor(&OPTIONS, Some(&aws.url)).await;
        assert_eq!(said.code, 1, "{garbage}: {:#?}", said.lines);
    }
}
