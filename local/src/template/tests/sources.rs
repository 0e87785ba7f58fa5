//! Schedules, queues and asynchronous invocation: what they come to, and what is refused by name.

use super::*;

const GOOD: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 120
      DelaySeconds: 5
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead:
    Type: AWS::SQS::Queue
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      Runtime: provided.al2023
      Timeout: 20
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        MaximumEventAgeInSeconds: 600
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
      Events:
        Minute:
          Type: Schedule
          Properties: {Schedule: rate(1 minute), Enabled: true}
        Hours:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(2 hours)
            Name: mine
            Input: '{\"a\":1}'
            RetryPolicy: {MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0}
        Off:
          Type: Schedule
          Properties: {Schedule: rate(1 day), State: DISABLED}
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 100
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}
        Idle:
          Type: SQS
          Properties: {Queue: !GetAtt Jobs.Arn, Enabled: false}
";

#[test]
fn schedules_queues_and_destinations_resolve() {
    let template = check_text(GOOD).unwrap();
    let schedules: Vec<_> = (template.schedules.iter())
        .map(|each| {
            (
                each.id.as_str(),
                each.arn.as_str(),
                each.every.as_secs(),
                each.input.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        schedules,
        [
            (
                "WorkHours",
                "arn:aws:scheduler:us-east-1:000000000000:schedule/default/mine",
                7200,
                Some("{\"a\":1}")
            ),
            (
                "WorkMinute",
                "arn:aws:events:us-east-1:000000000000:rule/WorkMinute",
                60,
                None
            ),
        ]
    );
    assert_eq!(template.pollers.len(), 1);
    let poller = &template.pollers[0];
    assert_eq!((poller.id.as_str(), poller.batch_size), ("WorkQueue", 100));
    assert_eq!((poller.window.as_secs(), poller.concurrency), (1, Some(2)));
    assert!(poller.report_failures);
    let [dead, jobs] = template.queues.as_slice() else {
        panic!("two queues");
    };
    assert_eq!(
        (
            dead.visibility.as_secs(),
            dead.retention.as_secs(),
            dead.delay.as_secs()
        ),
        (30, 345_600, 0)
    );
    assert_eq!((jobs.visibility.as_secs(), jobs.delay.as_secs()), (120, 5));
    let redrive = jobs.redrive.as_ref().unwrap();
    assert_eq!(
        (redrive.max_receives, &redrive.dead_letters),
        (3, &dead.arn)
    );
    let asynchronous = &template.functions[0].asynchronous;
    assert_eq!(
        (asynchronous.max_retries, asynchronous.max_age.as_secs()),
        (1, 600)
    );
    assert_eq!(asynchronous.on_failure.as_ref(), Some(&dead.arn));
}

/// A change of the good template, and a part of the refusal it must meet.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "rate(1 minute)",
        "cron(0 * * * ? *)",
        "Events Minute.Properties.Schedule: only rate(1 minute)",
    ),
    ("rate(1 minute)", "rate(1 minutes)", "Schedule: only rate"),
    (
        "rate(1 minute), Enabled",
        "rate(1 minute), DeadLetterConfig: {}, Enabled",
        "DeadLetterConfig",
    ),
    (
        "Enabled: true",
        "Enabled: true, State: ENABLED",
        "Properties.State",
    ),
    ("DISABLED", "PAUSED", "State: must be one of"),
    (
        "Name: mine",
        "StartDate: '2026-11-20T10:00:00'",
        "StartDate",
    ),
    (
        "Name: mine",
        "FlexibleTimeWindow: {Mode: FLEXIBLE}",
        "FlexibleTimeWindow.Mode",
    ),
    ("'{\"a\":1}'", "'{'", "Input: must be JSON"),
    (
        "MaximumEventAgeInSeconds: 60,",
        "MaximumEventAgeInSeconds: 59,",
        "RetryPolicy.MaximumEventAgeInSeconds",
    ),
    (
        "BatchSize: 100",
        "BatchSize: 10001",
        "BatchSize: must be 1 to 10000",
    ),
    (
        "MaximumBatchingWindowInSeconds: 1",
        "MaximumBatchingWindowInSeconds: 0",
        "needs a MaximumBatchingWindow",
    ),
    (
        "MaximumConcurrency: 2",
        "MaximumConcurrency: 1",
        "MaximumConcurrency: must be 2",
    ),
    (
        "[ReportBatchItemFailures]",
        "[Other]",
        "FunctionResponseTypes",
    ),
    (
        "BatchSize: 100",
        "BatchSize: 100\n            FilterCriteria: {}",
        "FilterCriteria",
    ),
    (
        "Queue: !GetAtt Jobs.Arn\n",
        "Queue: 'arn:aws:sqs:us-east-1:1:other'\n",
        "its queue is none of this template",
    ),
    (
        "VisibilityTimeout: 120",
        "VisibilityTimeout: 19",
        "the VisibilityTimeout of Jobs is shorter",
    ),
    (
        "VisibilityTimeout: 120",
        "VisibilityTimeout: 43201",
        "VisibilityTimeout: must be",
    ),
    (
        "DelaySeconds: 5",
        "DelaySeconds: 901",
        "DelaySeconds: must be",
    ),
    (
        "DelaySeconds: 5",
        "MessageRetentionPeriod: 59",
        "MessageRetentionPeriod: must be",
    ),
    (
        "deadLetterTargetArn: !GetAtt Dead.Arn",
        "deadLetterTargetArn: !GetAtt Jobs.Arn",
        "no other queue",
    ),
    (
        "maxReceiveCount: 3",
        "maxReceiveCount: 0",
        "maxReceiveCount: must be",
    ),
    (
        ", maxReceiveCount: 3",
        "",
        "maxReceiveCount: must have a value",
    ),
    (
        "MaximumRetryAttempts: 1",
        "MaximumRetryAttempts: 3",
        "EventInvokeConfig.MaximumRetryAttempts",
    ),
    (
        "MaximumEventAgeInSeconds: 600",
        "MaximumEventAgeInSeconds: 59",
        "EventInvokeConfig.MaximumEventAge",
    ),
    (
        "DestinationConfig: {OnFailure",
        "DestinationConfig: {OnSuccess: {}, OnFailure",
        "OnSuccess",
    ),
    (
        "{Type: SQS, Destination: !GetAtt Dead.Arn}",
        "{Type: SQS}",
        "OnFailure.Destination: must have a value",
    ),
    (
        "Type: SQS, Destination",
        "Type: SNS, Destination",
        "only SQS",
    ),
    (
        "Destination: !GetAtt Dead.Arn",
        "Destination: 'arn:aws:sqs:us-east-1:1:x'",
        "its destination is no queue",
    ),
];

#[test]
fn what_cannot_be_honoured_of_them_is_refused_by_name() {
    for (from, to, expected) in CHANGES {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let message = check_text(&text).expect_err(to).to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
}

fn check_text(text: &str) -> Result<Template> {
    Template::parse(text, &BTreeMap::new())
}
