//! What a template comes to, and what is refused by name.

mod custom;
mod deployment;
mod sources;

use super::*;
use serde_json::json;

const GOOD: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Audiences: {Type: String}
  Scope: {Type: String, Default: ''}
Conditions:
  HasScope: !Not [!Equals [!Ref Scope, '']]
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 10
    Environment: {Variables: {TABLE: !Ref Rows, KIND: global}}
Resources:
  Rows:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: true
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  Lost:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 60}
  News:
    Type: AWS::SNS::Topic
    Properties: {TopicName: the-news, KmsMasterKeyId: alias/any}
  NewsPolicy: {Type: AWS::SNS::TopicPolicy, Properties: {Topics: [!Ref News], PolicyDocument: {Resource: !GetAtt News.TopicArn}}}
  LostPolicy: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Lost]}}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: ['https://a.b'], MaxAge: 60}
      Auth:
        Authorizers:
          Users:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {issuer: 'https://i', audience: !Split [',', !Ref Audiences]}
            AuthorizationScopes: [!If [HasScope, !Ref Scope, !Ref 'AWS::NoValue']]
  Work:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: work}}
    Properties:
      Role: !GetAtt WorkRole.Arn
      Environment: {Variables: {KIND: own, DAYS: 90}}
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: '/x/{id}', Auth: {Authorizer: Users}}}
        Open: {Type: HttpApi, Properties: {Method: POST, Path: /open}}
        News: {Type: SNS, Properties: {Topic: !Ref News}}
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Rows.StreamArn
            StartingPosition: TRIM_HORIZON
            MaximumRetryAttempts: -1
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: {Filters: [{Pattern: '{\"eventName\":[\"INSERT\"]}'}]}
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}}
  WorkRole: {Type: AWS::IAM::Role, Properties: {Anything: goes}}
  Unwanted: {Type: AWS::No::Such, Condition: HasScope}
Outputs: {Url: {Value: !Sub 'https://${Api}'}}
";

fn check(text: &str) -> Result<Template> {
    Template::parse(
        text,
        &BTreeMap::from([("Audiences".to_owned(), "a,b".to_owned())]),
    )
}

#[test]
fn a_template_resolves() {
    let template = check(GOOD).unwrap();
    let function = &template.functions[0];
    assert_eq!(
        (function.binary.as_str(), function.timeout.as_secs()),
        ("work", 10)
    );
    let variables = [("DAYS", "90"), ("KIND", "own"), ("TABLE", "Rows")];
    assert_eq!(
        function.environment,
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );

    let table = &template.tables[0];
    assert_eq!(table.ttl_attribute.as_deref(), Some("ttl"));
    assert_eq!(
        table.create["StreamSpecification"],
        json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"})
    );

    let stream = &template.streams[0];
    assert_eq!(
        (stream.id.as_str(), stream.table.as_str(), stream.batch_size),
        ("WorkStream", "Rows", 100)
    );
    assert_eq!((stream.max_retries, stream.report_failures), (None, true));
    assert_eq!(stream.filters, [json!({"eventName": ["INSERT"]})]);
    assert_eq!(
        stream.on_failure.as_deref(),
        Some(template.queues[0].arn.as_str())
    );

    let topic = "arn:aws:sns:us-east-1:000000000000:the-news";
    let subscription = &template.subscriptions[0];
    assert_eq!(
        (subscription.function.as_str(), subscription.topic.as_str()),
        ("Work", topic)
    );
    assert_eq!(template.topics[0].arn, topic);

    let api = template.api.unwrap();
    let route = api
        .routes
        .iter()
        .find(|route| route.path == "/x/{id}")
        .unwrap();
    let authorizer = route.authorizer.as_ref().unwrap();
    assert_eq!(
        (route.method.as_str(), authorizer.header.as_str()),
        ("GET", "authorization")
    );
    assert_eq!(
        (authorizer.audiences.len(), authorizer.scopes.len()),
        (2, 0)
    );
    assert!(
        api.routes
            .iter()
            .any(|route| route.path == "/open" && route.authorizer.is_none())
    );
}

/// A change of the good template, and a part of the refusal it must meet.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "Topic: !Ref News}",
        "Topic: !Ref News, FilterPolicy: {a: [b]}}",
        "resource Work: property Events News.Properties.FilterPolicy",
    ),
    (
        "Topic: !Ref News}",
        "Topic: 'arn:aws:sns:us-east-1:000000000000:else'}",
        "resource Work: its topic",
    ),
    (
        "KmsMasterKeyId: alias/any",
        "Subscription: []",
        "resource News: property Subscription",
    ),
    ("Outputs:", "Mappings: {}\nOutputs:", "Mappings"),
    (
        "DeletionPolicy: Retain",
        "CreationPolicy: {}",
        "resource Rows: CreationPolicy",
    ),
    (
        "BillingMode: PAY_PER_REQUEST",
        "BillingMode: PROVISIONED",
        "resource Rows: property BillingMode",
    ),
    (
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "resource Rows: property GlobalSecondaryIndexes",
    ),
    (
        "StreamViewType: KEYS_ONLY",
        "StreamViewType: KEYS_ONLY, X: 1",
        "resource Rows: property StreamSpecification.X",
    ),
    (
        "{MessageRetentionPeriod: 60}",
        "{FifoQueue: true}",
        "resource Lost: property FifoQueue",
    ),
    (
        "MaxAge: 60",
        "MaxAge: soon",
        "resource Api: property CorsConfiguration.MaxAge",
    ),
    (
        "$request.header.Authorization",
        "$request.querystring.t",
        "IdentitySource",
    ),
    (
        "Role: !GetAtt",
        "Layers: !GetAtt",
        "resource Work: property Layers",
    ),
    (
        "Timeout: 10",
        "Timeout: 901",
        "resource Work: property Timeout",
    ),
    (
        "Runtime: provided.al2023",
        "Runtime: python3.13",
        "resource Work: property Runtime",
    ),
    (
        "Open: {Type: HttpApi",
        "Open: {Type: Kafka",
        "Kafka is not supported",
    ),
    (
        "Auth: {Authorizer: Users}",
        "Auth: {Authorizer: Nobody}",
        "there is no authorizer Nobody",
    ),
    (
        "      Auth:\n        Authorizers:",
        "      DefaultRouteSettings: {ThrottlingRateLimit: 5}\n      Auth:\n        Authorizers:",
        "must both be there",
    ),
    (
        "      Auth:\n        Authorizers:",
        "      DefaultRouteSettings: {DetailedMetricsEnabled: true}\n      Auth:\n        Authorizers:",
        "DetailedMetricsEnabled",
    ),
    (
        "StartingPosition: TRIM_HORIZON",
        "StartingPosition: AT_TIMESTAMP",
        "StartingPosition",
    ),
    (
        "MaximumRetryAttempts: -1",
        "TumblingWindowInSeconds: 1",
        "TumblingWindowInSeconds",
    ),
    (
        "Destination: !GetAtt Lost.Arn",
        "Destination: 'arn:aws:sqs:us-east-1:1:other'",
        "is no queue",
    ),
    (
        "      StreamSpecification: {StreamViewType: KEYS_ONLY}\n",
        "",
        "has no stream",
    ),
    (
        "Condition: HasScope",
        "DependsOn: Api",
        "resource Unwanted: type AWS::No::Such",
    ),
    ("rust-cargolambda", "makefile", "BuildMethod"),
    (
        "AWS::Serverless-2016-10-31",
        "AWS::LanguageExtensions",
        "section Transform",
    ),
    (
        "Anything: goes",
        "Anything: !Ref Nothing",
        "resource WorkRole: property Anything: there is no Nothing",
    ),
    (
        "Anything: goes",
        "Anything: [!FindInMap [a, b, c]]",
        "resource WorkRole: property Anything: Fn::FindInMap",
    ),
    (
        "!GetAtt WorkRole.Arn",
        "!GetAtt NoRole.Arn",
        "resource Work: property Role",
    ),
    (
        "!Sub 'https://${Api}'",
        "!GetAtt Api.Colour",
        "output Url: Value: attribute Colour",
    ),
    (
        "    Timeout: 10",
        "    Timeout: 10\n    Role: !Ref Nobody",
        "Globals Function: property Role",
    ),
    (
        "Conditions:",
        "Conditions:\n  Unused: !Equals [!Ref Nobody, '']",
        "condition Unused",
    ),
    (
        "Condition: HasScope",
        "Condition: HasScope, DependsOn: [Api, Nobody]",
        "resource Unwanted: DependsOn",
    ),
    (
        "StreamViewType: KEYS_ONLY",
        "StreamViewType: KEYS",
        "StreamSpecification.StreamViewType: must be one of",
    ),
    (
        "    Timeout: 10",
        "    LoggingConfig: {ApplicationLogLevel: LOUD}",
        "ApplicationLogLevel",
    ),
    (
        "    Timeout: 10",
        "    LoggingConfig: {LogFormat: XML}",
        "LogFormat",
    ),
    (
        "    Timeout: 10",
        "    Architectures: [arm64, x86_64]",
        "Architectures",
    ),
    (
        "MaximumRetryAttempts: -1",
        "MaximumRecordAgeInSeconds: 59",
        "MaximumRecordAgeInSeconds: must be -1",
    ),
    (
        "MaximumRetryAttempts: -1",
        "MaximumRecordAgeInSeconds: 604801",
        "MaximumRecordAgeInSeconds",
    ),
    (
        "MaximumRetryAttempts: -1",
        "ParallelizationFactor: 11",
        "ParallelizationFactor: must be 1 to 10",
    ),
    (
        "MaximumRetryAttempts: -1",
        "BatchSize: 0",
        "BatchSize: must be 1 to 10000",
    ),
];

#[test]
fn the_longest_and_the_shortest_record_age_are_taken() {
    for (seconds, expected) in [("-1", None), ("60", Some(60)), ("604800", Some(604_800))] {
        let age = format!("MaximumRecordAgeInSeconds: {seconds}");
        let template = check(&GOOD.replace("MaximumRetryAttempts: -1", &age)).unwrap();
        let age = template.streams[0].max_age.map(|age| age.as_secs());
        assert_eq!(age, expected);
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    for (from, to, expected) in CHANGES {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let message = check(&text).expect_err(to).to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
}
