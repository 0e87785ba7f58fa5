//! What a template says for a deployment alone, and its rules.

use super::*;

/// What `CloudFormation` would make beside what runs here, and what a deployment does.
#[test]
fn what_means_nothing_on_this_machine_is_passed_over() {
    let resources = "
  Pool: {Type: AWS::Cognito::UserPool, Condition: HasScope}
  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: !Ref Pool}}
  Domain: {Type: AWS::ApiGatewayV2::DomainName}
  Mapping: {Type: AWS::ApiGatewayV2::ApiMapping, Properties: {Stage: !Ref Api.Stage, DomainName: !Ref Domain}}
Outputs:
  Target: {Condition: HasScope, Value: !GetAtt Domain.RegionalDomainName}
Rules: {Asks: {RuleCondition: !Equals [!Ref Scope, x], Assertions: [{Assert: !Equals [!Ref Scope, y]}]}}
";
    let deployment = "Role: !GetAtt WorkRole.Arn
      AutoPublishAlias: live
      AutoPublishAliasAllProperties: true
      VersionDescription: !Ref Scope
      DeploymentPreference: {Type: AllAtOnce, Alarms: !If [HasScope, [a], [!Ref 'AWS::NoValue']]}
      ReservedConcurrentExecutions: !If [HasScope, 1, !Ref 'AWS::NoValue']";
    let text = GOOD
        .replace(
            "Outputs: {Url: {Value: !Sub 'https://${Api}'}}\n",
            &resources[1..],
        )
        .replace("Role: !GetAtt WorkRole.Arn", deployment);
    assert!(text.contains("Mapping:") && text.contains("AutoPublishAlias:"));
    assert_eq!(check(&text).unwrap().functions.len(), 1);
}

/// A rule, and what is said of it.
const RULES: &[(&str, &str)] = &[
    ("{Assertions: [{Assert: !Equals [!Ref Scope, '']}]}", ""),
    (
        "{Assertions: [{Assert: !Equals [!Ref Scope, x], AssertDescription: Scope must be x}]}",
        "rule Asks: Scope must be x",
    ),
    (
        "{Assertions: [{Assert: !Equals [!Ref Scope, x]}]}",
        "rule Asks: does not hold",
    ),
    ("{Asserts: []}", "rule Asks: Asserts is not supported"),
    (
        "{RuleCondition: !Equals [1, 1]}",
        "rule Asks has no Assertions",
    ),
    (
        "{Assertions: [{Claim: 1}]}",
        "rule Asks: Claim is not supported",
    ),
    (
        "{RuleCondition: !Equals [!Ref Scope, x], Assertions: [{Assert: !Equals [!Ref Nobody, x]}]}",
        "rule Asks: there is no Nobody",
    ),
];

#[test]
fn rules_hold_or_say_why_not() {
    for (rule, expected) in RULES {
        let text = GOOD.replace(
            "\nConditions:",
            &format!("\nRules: {{Asks: {rule}}}\nConditions:"),
        );
        assert_ne!(text, GOOD);
        let said = check(&text).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(
            said.starts_with(expected) && said.is_empty() == expected.is_empty(),
            "{rule}: {said}"
        );
    }
}
