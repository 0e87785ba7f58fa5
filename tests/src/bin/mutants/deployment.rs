//! Mutants of the deployment: versions, alarms, stages, the dashboard, and what is made by a parameter.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a parameter's new value makes no new version",
        file: "template.yaml",
        from: " ${PublishRate} ${GroupCap}\"",
        to: " ${PublishRate}\"",
        tests: &[
            "it::versions::a_version_names_the_parameters_that_its_function_depends_on_and_no_others",
        ],
    },
    Mutant {
        name: "a version's description may be too long",
        file: "template.yaml",
        from: "    MaxLength: 230\n",
        to: "    MaxLength: 240\n",
        tests: &["it::versions::a_versions_description_fits_whatever_the_parameters_are"],
    },
    Mutant {
        name: "a function's own errors do not take it back",
        file: "template.yaml",
        from: "[!Ref ReadInboxErrors, !Ref InvocationsFailed]",
        to: "[!Ref InvocationsFailed]",
        tests: &[
            "it::versions::a_bad_version_is_noticed_by_its_functions_own_errors_and_by_what_it_answers",
        ],
    },
    Mutant {
        name: "an alarm of a deployment waits for the API, which waits for the deployment",
        file: "template.yaml",
        from: "[!Ref ReadInboxErrors, !Ref InvocationsFailed]",
        to: "[!Ref ReadInboxErrors, !Ref InvocationsFailed, !Ref ApiErrors]",
        tests: &[
            "it::versions::a_bad_version_is_noticed_by_its_functions_own_errors_and_by_what_it_answers",
        ],
    },
    Mutant {
        name: "a stage sets a parameter to what is not allowed",
        file: "samconfig.toml",
        from: "\"LogRetentionDays=14\"",
        to: "\"LogRetentionDays=15\"",
        tests: &[
            "it::deployment::each_stage_sets_parameters_that_exist_to_values_that_are_allowed",
        ],
    },
    Mutant {
        name: "two stages are one stack",
        file: "samconfig.toml",
        from: "stack_name = \"tidings-prod\"",
        to: "stack_name = \"tidings-dev\"",
        tests: &[
            "it::deployment::each_stage_sets_parameters_that_exist_to_values_that_are_allowed",
        ],
    },
    Mutant {
        name: "users' tokens may be producers'",
        file: "template.yaml",
        from: "Assert: !Not [!Equals [!Ref UserIssuer, !Ref ProducerIssuer]]",
        to: "Assert: !Not [!Equals [!Ref UserIssuer, \"\"]]",
        tests: &[
            "it::deployment::parameters_that_do_not_go_together_are_refused_before_anything_is_made",
        ],
    },
    Mutant {
        name: "the local stack does not look at rules",
        file: "local/src/template/rules.rs",
        from: "&& applies {",
        to: "&& applies && name.is_empty() {",
        tests: &["local::template::tests::deployment::rules_hold_or_say_why_not"],
    },
    Mutant {
        name: "any client of the pool is an administrator's",
        file: "template.yaml",
        from: "[!Ref ProducerClient, !Ref AdminClient]",
        to: "[!Ref ProducerPool]",
        tests: &["it::deployment::a_token_of_the_stacks_own_pool_is_taken_for_its_client"],
    },
    Mutant {
        name: "a role may not use the key of the table",
        file: "template.yaml",
        from: "        - !Ref ReadInboxRole\n        - !Ref ManageDevicesRole\n        - !Ref PushNotificationsRole\n        - !Ref RunTasksRole\n        - !Ref IngestEventsRole\n        - !Ref CleanDevicesRole\n",
        to: "        - !Ref ManageDevicesRole\n        - !Ref PushNotificationsRole\n        - !Ref RunTasksRole\n        - !Ref IngestEventsRole\n        - !Ref CleanDevicesRole\n",
        tests: &["it::deployment::a_key_of_ones_own_may_be_used_by_whoever_needs_it"],
    },
    Mutant {
        name: "the dashboard reads a metric that nobody writes",
        file: "template.yaml",
        from: "[\"Tidings\", \"parked\", \"stack\"",
        to: "[\"Tidings\", \"parked\", \"service\"",
        tests: &[
            "it::dashboard::every_metric_that_an_alarm_or_the_dashboard_reads_exists_with_its_dimensions",
        ],
    },
    Mutant {
        name: "an alarm reads a metric that nobody writes",
        file: "template.yaml",
        from: "MetricName: gave_up",
        to: "MetricName: given_up",
        tests: &[
            "it::dashboard::every_metric_that_an_alarm_or_the_dashboard_reads_exists_with_its_dimensions",
        ],
    },
    Mutant {
        name: "whoever likes signs up in the pool",
        file: "template.yaml",
        from: "AllowAdminCreateUserOnly: true",
        to: "AllowAdminCreateUserOnly: false",
        tests: &["it::template_rules::g12_the_template_keeps_its_rules"],
    },
];
