//! What pushes go through, and what was given up.

use super::aws::Problem;
use super::deployment::Deployment;
use super::functions::Configurations;
use super::report::{Checked, Fault, Found};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

/// SNS's version of its protocol.
const VERSION: &str = "2010-03-31";
/// How long before its end a certificate is told of.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The function that knows the applications.
const KNOWS: &str = "ManageDevices";
/// Its variables, and the parameter of the secret behind each.
const APPLICATIONS: [(&str, &str); 3] = [
    ("FCM_APPLICATION_ARN", "FcmSecretArn"),
    ("APNS_APPLICATION_ARN", "ApnsSecretArn"),
    ("APNS_SANDBOX_APPLICATION_ARN", "ApnsSandboxSecretArn"),
];
/// What must have a topic, or dead devices are never heard of.
const EVENTS: [&str; 2] = ["EventEndpointUpdated", "EventDeliveryFailure"];
/// A queue that should be empty, what is in it, and what to do.
const QUEUES: [(&str, &str, &str); 3] = [
    (
        "FailedBatches",
        "Lambda gave batches of the stream up, and RunTasks has not begun them again",
        "read the logs of PushNotifications and RunTasks; RunTasks empties it by itself when it runs",
    ),
    (
        "DeadEvents",
        "events that could not be taken",
        "read why in the letters' attribute `reason`, mend, and move them back as docs/EVENTS.md says",
    ),
    (
        "FailedPlatformEvents",
        "platform events that failed three times",
        "read the log of CleanDevices, then purge it: each device is looked at again with its next push",
    ),
];

/// Looks whether each platform application can send.
pub async fn applications(
    stack: &Deployment,
    configurations: &Configurations,
    now: Timestamp,
) -> Checked {
    let Some(configuration) = configurations.get(KNOWS) else {
        return Ok(Found::without(&format!(
            "{KNOWS}, which knows them, was not found"
        )));
    };
    let variables = &configuration["Environment"]["Variables"];
    let again = stack.credentials_again();
    let (mut faults, mut well) = (Vec::new(), Vec::new());
    for (variable, secret) in APPLICATIONS {
        let arn = variables[variable].as_str().unwrap_or_default();
        if arn.is_empty() {
            continue;
        }
        let field = [("PlatformApplicationArn", arn)];
        let asked = stack
            .aws
            .query("sns", VERSION, "GetPlatformApplicationAttributes", &field);
        let renew =
            format!("put new credentials into the secret of {secret}, and have them read: {again}");
        match asked.await {
            Ok(answer) => {
                let entries = answer.all("GetPlatformApplicationAttributesResult/Attributes/entry");
                let attributes = entries
                    .iter()
                    .map(|entry| (entry.text("key"), entry.text("value")));
                let mends = (renew.as_str(), again.as_str());
                faults.extend(wrong(arn, &attributes.collect(), mends, now));
            }
            Err(Problem::Refused(refusal)) if refusal.is_missing() => {
                let mend = format!("have it made again: {again}");
                faults.push(Fault::new(format!("{arn} is not there"), mend));
            }
            Err(problem) => return Err(problem),
        }
        well.extend(arn.split('/').nth(1));
    }
    if well.is_empty() && faults.is_empty() {
        let mend = "put the credentials of Google or Apple into Secrets Manager, and deploy with FcmSecretArn or ApnsSecretArn (README, Deploy)";
        return Ok(Found::fault(
            "there is no platform application, so nothing is pushed",
            mend,
        ));
    }
    Ok(Found::of(faults, format!("{} can send", well.join(", "))))
}

/// What is wrong with an application; the mends are for its credentials and for its topics.
fn wrong(
    arn: &str,
    attributes: &BTreeMap<&str, &str>,
    (renew, again): (&str, &str),
    now: Timestamp,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if attributes.get("Enabled") == Some(&"false") {
        let what = format!("{arn} is disabled: Google or Apple refuse its credentials");
        faults.push(Fault::new(what, renew));
    }
    let end = attributes.get("AppleCertificateExpirationDate");
    let end = end.and_then(|end| end.parse::<Timestamp>().ok());
    if let Some(end) = end.filter(|end| end.duration_since(now) < SOON) {
        let what = format!("the certificate of {arn} expires on {end}");
        faults.push(Fault::new(what, renew));
    }
    if EVENTS
        .iter()
        .any(|name| attributes.get(name).is_none_or(|topic| topic.is_empty()))
    {
        let what = format!("{arn} tells nobody of devices that died");
        let mend = format!("have its topics set again: {again}");
        faults.push(Fault::new(what, mend));
    }
    faults
}

/// Looks whether anything was given up.
pub async fn queues(stack: &Deployment) -> Checked {
    let mut faults = Vec::new();
    for (id, what, mend) in QUEUES {
        let Some(url) = stack.id(id) else {
            let mend = format!("deploy template.yaml: {}", stack.deploy(""));
            faults.push(Fault::new(format!("there is no queue {id}"), mend));
            continue;
        };
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let body = json!({"QueueUrl": url, "AttributeNames": names});
        let target = "AmazonSQS.GetQueueAttributes";
        let answer = stack.aws.json("sqs", target, &body).await?;
        let number = |name: &str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
        let count: u64 = names.into_iter().filter_map(number).sum();
        if count > 0 {
            faults.push(Fault::new(format!("{id} holds {count}: {what}"), mend));
        }
    }
    Ok(Found::of(faults, "nothing was given up"))
}

/// Looks whether the alarms' mail has been confirmed. SNS forgets a subscription that nobody has confirmed for two days.
pub async fn alarm_mail(stack: &Deployment) -> Checked {
    let Some(topic) = stack.id("Alarms") else {
        let well = "nobody is to get one: AlarmEmail is empty, and alarms are in CloudWatch only";
        return Ok(Found::Ok(well.to_owned()));
    };
    let who = stack.parameter("AlarmEmail");
    let action = "ListSubscriptionsByTopic";
    let field = [("TopicArn", topic)];
    let answer = stack.aws.query("sns", VERSION, action, &field).await?;
    let subscriptions = answer.all("ListSubscriptionsByTopicResult/Subscriptions/member");
    let mut own = subscriptions
        .iter()
        .filter(|found| found.text("Endpoint") == who);
    let again = format!(
        "`aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {who}`"
    );
    Ok(
        match own.next().map(|found| found.text("SubscriptionArn")) {
            Some(arn) if arn.starts_with("arn:") => Found::Ok(format!("{who} gets the alarms")),
            Some("PendingConfirmation") => Found::fault(
                format!("{who} has not confirmed that it wants the alarms, and gets none"),
                format!(
                    "follow the link in the mail from AWS Notifications; {again} sends another"
                ),
            ),
            _ => Found::fault(
                format!("{who} is not subscribed to the alarms, and gets none"),
                format!("{again}, and follow the link in the mail that comes"),
            ),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_a_month_before_its_end() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (end, faults) in [
            ("2026-11-20T00:00:00Z", 1),
            ("2026-12-24T11:59:59Z", 1),
            ("2026-12-24T12:00:01Z", 0),
            ("one day", 0),
        ] {
            let attributes = BTreeMap::from([
                ("Enabled", "true"),
                ("EventEndpointUpdated", "topic"),
                ("EventDeliveryFailure", "topic"),
                ("AppleCertificateExpirationDate", end),
            ]);
            let found = wrong("arn", &attributes, ("renew", "again"), now);
            assert_eq!(found.len(), faults, "{end}");
        }
    }
}
