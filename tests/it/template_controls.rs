//! Breaks the template's rules one at a time, and says what `template_rules.rs` must find.

/// What breaks a rule, and what is found then.
pub const CONTROLS: &[(&str, &str, &str)] = &[
    (
        "Path: \"/v1/events\", Auth: {Authorizer: Producers}",
        "Path: \"/v1/events\"",
        "IngestEvents: Post an authorizer",
    ),
    (
        "Path: \"/v1/events\", Auth: {Authorizer: Producers}",
        "Path: \"/v1/events\", Auth: {Authorizer: NONE}",
        "IngestEvents: Post an authorizer",
    ),
    (
        "            BisectBatchOnFunctionError: true\n",
        "",
        "PushNotifications: Stream bisecting",
    ),
    (
        "MaximumRetryAttempts: 5",
        "MaximumRetryAttempts: -1",
        "PushNotifications: Stream an end of retries",
    ),
    (
        "            MaximumRecordAgeInSeconds: 21600\n",
        "",
        "PushNotifications: Stream an age at which a record is given up",
    ),
    (
        "            FunctionResponseTypes: [ReportBatchItemFailures]\n",
        "",
        "PushNotifications: Stream a report of what failed",
    ),
    (
        "            DestinationConfig:\n              OnFailure: {Type: SQS, Destination: !GetAtt FailedBatches.Arn}\n",
        "",
        "PushNotifications: Stream a place for what is given up",
    ),
    (
        "PointInTimeRecoveryEnabled: true",
        "PointInTimeRecoveryEnabled: false",
        "Table: point-in-time recovery",
    ),
    (
        "DeletionProtectionEnabled: !If [IsProtected, true, false]",
        "DeletionProtectionEnabled: false",
        "Table: deletion protection",
    ),
    (
        "    DeletionPolicy: Retain\n",
        "    DeletionPolicy: Delete\n",
        "Table: DeletionPolicy",
    ),
    (
        "StreamViewType: KEYS_ONLY",
        "StreamViewType: NEW_IMAGE",
        "Table: a stream of keys alone",
    ),
    (
        "MessageRetentionPeriod: 1209600",
        "MessageRetentionPeriod: 345600",
        "FailedBatches: retention",
    ),
    (
        "    Properties: {RetentionInDays: !Ref LogRetentionDays}",
        "    Properties: {}",
        "CreateNotificationsLogs: retention",
    ),
    (
        "\"dynamodb:DescribeStream\", ",
        "\"dynamodb:*\", ",
        "PushNotificationsRole: dynamodb:* without a wildcard",
    ),
    (
        "Resource: !GetAtt ReadInboxLogs.Arn",
        "Resource: \"*\"",
        "ReadInboxRole: * without a wildcard",
    ),
    (
        "Action: \"sns:CreatePlatformApplication\"",
        "Action: \"sns:Publish\"",
        "PlatformAppsRole: arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:app/* without a wildcard",
    ),
    (
        "      Role: !GetAtt ReadInboxRole.Arn\n",
        "",
        "ReadInbox: a role of its own",
    ),
    (
        "      LoggingConfig: {LogGroup: !Ref ReadInboxLogs}\n",
        "",
        "ReadInbox: a log group of its own",
    ),
    (
        "Type: AWS::SNS::Topic",
        "Type: AWS::S3::Bucket",
        "PlatformEvents: AWS::S3::Bucket has no rules yet",
    ),
    (
        "      SqsManagedSseEnabled: !If [HasKey, !Ref \"AWS::NoValue\", true]\n",
        "",
        "FailedBatches: encryption",
    ),
    (
        "    DeletionPolicy: RetainExceptOnCreate\n",
        "    DeletionPolicy: Delete\n",
        "EventsQueue: a deletion policy",
    ),
    ("    Condition: HasPool\n", "", "ProducerPool: a condition"),
    (
        "AllowAdminCreateUserOnly: true",
        "AllowAdminCreateUserOnly: false",
        "ProducerPool: nobody who signs up",
    ),
    (
        "AllowedOAuthFlows: [client_credentials]",
        "AllowedOAuthFlows: [implicit]",
        "ProducerClient: machines alone",
    ),
    (
        "SecurityPolicy: TLS_1_2",
        "SecurityPolicy: TLS_1_0",
        "ApiDomain: TLS 1.2",
    ),
    (
        "Action: \"cloudwatch:DescribeAlarms\"",
        "Action: \"cloudwatch:DeleteAlarms\"",
        "DeploymentRole: arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:* without a wildcard",
    ),
];
