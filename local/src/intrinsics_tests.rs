//! What the intrinsic functions come to.

use super::*;
use crate::yaml;

fn check(expression: &str) -> Result<Option<Value>> {
    let template = format!(
        "
Parameters:
  Empty: {{Type: String, Default: ''}}
  Origins: {{Type: String, Default: 'a,b'}}
  App: {{Type: String, Default: 'arn:aws:sns:x:1:app/GCM/n'}}
  Days: {{Type: Number, Default: 90}}
Conditions:
  HasEmpty: !Not [!Equals [!Ref Empty, '']]
  HasDays: !Equals [!Ref Days, 90]
  Any: !Or [!Condition HasEmpty, !Condition HasDays]
  Every: !And [!Condition HasEmpty, !Condition HasDays]
  Loop: !Not [!Condition Loop]
Resources:
  Table: {{Type: AWS::DynamoDB::Table, Properties: {{}}}}
  Named: {{Type: AWS::DynamoDB::Table, Properties: {{TableName: !Sub 'things-${{Days}}'}}}}
  Queue: {{Type: AWS::SQS::Queue}}
  Api: {{Type: AWS::Serverless::HttpApi}}
  Late: {{Type: AWS::CloudWatch::Alarm}}
  Pool: {{Type: AWS::Cognito::UserPool}}
X: {expression}
"
    );
    let document = yaml::parse(&template).unwrap();
    Scope::new(&document, &BTreeMap::new())
        .unwrap()
        .resolve(&document["X"], "X")
}

#[test]
fn each_function_resolves() {
    let cases = [
        ("!Ref Days", json!("90")),
        ("!Ref Table", json!("Table")),
        ("!Ref Named", json!("things-90")),
        ("{Ref: 'AWS::Region'}", json!("us-east-1")),
        (
            "!GetAtt Queue.Arn",
            json!("arn:aws:sqs:us-east-1:000000000000:Queue"),
        ),
        ("!Ref Api.Stage", json!("$default")),
        (
            "!GetAtt Late.Arn",
            json!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:Late"),
        ),
        (
            "!GetAtt Pool.ProviderURL",
            json!("https://cognito-idp.us-east-1.amazonaws.com/Pool"),
        ),
        ("!Split [',', !Ref Origins]", json!(["a", "b"])),
        ("!Join ['-', [!Ref Days, x]]", json!("90-x")),
        ("!If [Any, yes it is, no]", json!("yes it is")),
        ("!If [Every, 1, 2]", json!(2)),
        (
            "[!If [HasEmpty, !Ref Empty, !Ref 'AWS::NoValue']]",
            json!([]),
        ),
        ("{a: !Ref 'AWS::NoValue', b: 1}", json!({"b": 1})),
        (
            "!Sub '${Table.Arn}/x ${!kept} ${AWS::Partition}'",
            json!("arn:aws:dynamodb:us-east-1:000000000000:table/Table/x ${kept} aws"),
        ),
        (
            "!Sub ['${E}/*', {E: !Join [':endpoint/', !Split [':app/', !Ref App]]}]",
            json!("arn:aws:sns:x:1:endpoint/GCM/n/*"),
        ),
    ];
    for (expression, expected) in cases {
        assert_eq!(check(expression).unwrap(), Some(expected), "{expression}");
    }
    assert_eq!(check("!Ref AWS::NoValue").unwrap(), None);
}

#[test]
fn what_cannot_be_resolved_is_an_error() {
    for expression in [
        "!Ref Nothing",
        "!GetAtt Table.Colour",
        "!GetAtt Nothing.Arn",
        "!If [Nothing, 1, 2]",
        "!If [Loop, 1, 2]",
        "!ImportValue x",
        "!Join [a]",
        "!Sub '${Open'",
    ] {
        assert!(check(expression).is_err(), "{expression}");
    }
}

#[test]
fn a_parameter_needs_a_value_and_a_declaration() {
    let document = yaml::parse("Parameters: {Issuer: {Type: String}}").unwrap();
    let given = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
    assert!(Scope::new(&document, &BTreeMap::new()).is_err());
    assert!(Scope::new(&document, &given("Other")).is_err());
    assert!(Scope::new(&document, &given("Issuer")).is_ok());
}
