"""Expands template.yaml as SAM does, and holds it to the rules of .ci/template.guard.

`template.py FILE` writes the expanded template, for checkov. It fails if a rule is broken, or if a rule notices nothing: each
of the CONTROLS breaks one.
"""

import json
import logging
import os
import sys

logging.disable(logging.WARNING)
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from cfn_guard_rs import run_checks
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# What is broken of the template, and which rule must notice.
CONTROLS = [
    ('Path: "/v1/events", Auth: {Authorizer: Producers}', 'Path: "/v1/events"', "every_route_but_one_has_an_authorizer"),
    ("        ThrottlingRateLimit: !Ref RouteRate\n", "", "routes_have_limits"),
    ("            BisectBatchOnFunctionError: true\n", "", "streams_give_up_and_say_where"),
    ("MaximumRetryAttempts: 5", "MaximumRetryAttempts: -1", "streams_give_up_and_say_where"),
    ("            FunctionResponseTypes: [ReportBatchItemFailures]\n", "", "batches_report_what_failed"),
    ("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "tables_can_be_recovered_and_are_not_deleted"),
    ("DeletionProtectionEnabled: !If [IsProtected, true, false]", "DeletionProtectionEnabled: !If [IsProtected, false, false]", "tables_can_be_recovered_and_are_not_deleted"),
    ("MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 60", "queues_keep_for_two_weeks_and_encrypt"),
    ("      SqsManagedSseEnabled: !If [HasKey, !Ref \"AWS::NoValue\", true]\n", "", "queues_keep_for_two_weeks_and_encrypt"),
    ("    Properties: {RetentionInDays: !Ref LogRetentionDays}", "    Properties: {}", "logs_end"),
    ("      LoggingConfig: {LogGroup: !Ref ReadInboxLogs}\n", "", "functions_have_a_role_and_logs_of_their_own"),
    ("    Type: AWS::IAM::Role\n    Properties:\n", "    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [x]\n", "roles_are_written_out"),
    ("Resource: !GetAtt ReadInboxLogs.Arn", 'Resource: "*"', "permissions_are_by_name"),
    ('"dynamodb:DescribeStream", ', '"dynamodb:*", ', "permissions_are_by_name"),
    ('Action: "sns:CreatePlatformApplication"', 'Action: "sns:Publish"', "applications_are_created_and_nothing_else_without_a_name"),
    ("      Role: !GetAtt PushNotificationsRole.Arn\n", "      Role: !GetAtt PushNotificationsRole.Arn\n      AutoPublishAlias: other\n", "sources_invoke_aliases"),
    ("      Role: !GetAtt DeploymentRole.Arn\n", "", "roles_are_written_out"),
    ("!If [IsGradual, [!Ref ReadInboxErrors, !Ref InvocationsFailed], [!Ref \"AWS::NoValue\"]]", "[]", "deployments_go_back_when_an_alarm_goes_off"),
    ('      VersionDescription: !Sub "${Architecture} ${XRay} ${RetentionDays}"\n', "", "versions_name_what_they_depend_on"),
    ('Action: "cloudwatch:DescribeAlarms"', 'Action: "cloudwatch:DeleteAlarms"', "alarms_are_read_and_nothing_else_without_a_name"),
    ('Action: ["xray:PutTelemetryRecords", ', 'Action: ["sns:Publish", ', "traces_and_nothing_else_go_anywhere"),
]


class NoManagedPolicies:
    """All permissions are written out, so none is looked up."""

    def load(self):
        return {}


def expand(text):
    """What SAM makes of a template; the code is said to be in a bucket, as it is when it was packaged."""
    template = yaml_parse(text)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if isinstance(properties.get("CodeUri"), str):
            properties["CodeUri"] = "s3://bucket/key"
    return transform(template, {}, NoManagedPolicies())


def plain(value):
    """References and substitutions as text, and both sides of a choice, so that a rule sees what is written."""
    if isinstance(value, list):
        flat = []
        for item in value:
            choice = isinstance(item, dict) and item.get("Fn::If")
            flat.extend(plain(choice[1:]) if choice else [plain(item)])
        return [item for item in flat if item != "AWS::NoValue"]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (name, inner), = value.items()
        if name in ("Ref", "Fn::Sub") and isinstance(inner, str):
            return inner
        if name == "Fn::GetAtt":
            return inner if isinstance(inner, str) else ".".join(inner)
    return {name: plain(inner) for name, inner in value.items()}


def broken(expanded, rules):
    """The names of the rules that are broken."""
    report = run_checks(plain(expanded), rules)
    unused = [name for name in report.not_applicable if name != "default"]
    return [entry.Rule.name for entry in report.not_compliant], unused


def main():
    with open("template.yaml") as file:
        text = file.read()
    with open(".ci/template.guard") as file:
        rules = file.read()
    expanded = expand(text)
    with open(sys.argv[1], "w") as file:
        json.dump(expanded, file, indent=1)
    found, unused = broken(expanded, rules)
    if found or unused:
        sys.exit(f"cfn-guard: broken {found}, about nothing {unused}")
    for before, after, rule in CONTROLS:
        if before not in text:
            sys.exit(f"cfn-guard: the template does not say {before!r} any more")
        found, _ = broken(expand(text.replace(before, after, 1)), rules)
        if rule not in found:
            sys.exit(f"cfn-guard: {rule} does not notice {after!r} for {before!r}, but {found}")
    print(f"cfn-guard: clean, and its {len(CONTROLS)} controls are noticed")


main()
