//! More mutants: the platform applications, and the custom resource that makes them.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "an application that others have made is taken",
        file: "functions/platform-apps/src/change.rs",
        from: "Ok(found) if properties::is_ours(&found, &request.properties) => true,",
        to: "Ok(found) if !found.is_empty() => true,",
        tests: &["it::platform_apps::what_others_have_made_is_neither_taken_nor_removed"],
    },
    Mutant {
        name: "a delete removes what others have made",
        file: "functions/platform-apps/src/remove.rs",
        from: "    if ours {",
        to: "    if ours || !certain {",
        tests: &["it::platform_apps::what_others_have_made_is_neither_taken_nor_removed"],
    },
    Mutant {
        name: "a failed request leaves what it has made",
        file: "functions/platform-apps/src/change.rs",
        from: "    for arn in added {",
        to: "    for arn in added.iter().skip(3) {",
        tests: &["it::platform_apps::a_failure_says_what_to_fix_and_leaves_no_orphan"],
    },
    Mutant {
        name: "what a failed create left stays after its rollback",
        file: "functions/platform-apps/src/remove.rs",
        from: "    if ours {",
        to: "    if ours && certain {",
        tests: &["it::platform_faults::what_a_failed_create_could_not_remove_its_rollback_removes"],
    },
    Mutant {
        name: "a failed create is named like one that succeeded",
        file: "functions/platform-apps/src/request.rs",
        from: "if succeeded { CREATED } else { NOT_CREATED }",
        to: "if succeeded || !NOT_CREATED.is_empty() { CREATED } else { NOT_CREATED }",
        tests: &[
            "it::platform_apps::a_failure_says_what_to_fix_and_leaves_no_orphan",
            "it::platform_apps::what_others_have_made_is_neither_taken_nor_removed",
        ],
    },
    Mutant {
        name: "a rollback reads the broken secret",
        file: "functions/platform-apps/src/change.rs",
        from: "step.before == step.secret && !raised",
        to: "step.before == step.secret && !raised && request.properties == request.old",
        tests: &[
            "it::platform_apps::a_raised_version_sets_the_new_credentials_and_a_rollback_does_not_need_them",
        ],
    },
    Mutant {
        name: "versions are compared as text",
        file: "functions/platform-apps/src/properties.rs",
        from: "        digits => digits\n            .parse()",
        to: "        digits => digits[..1]\n            .parse()",
        tests: &[
            "it::platform_apps::a_raised_version_sets_the_new_credentials_and_a_rollback_does_not_need_them",
        ],
    },
    Mutant {
        name: "an application keeps what its stack no longer says",
        file: "functions/platform-apps/src/properties.rs",
        from: "if !value.is_empty() || !text(old, property).is_empty() {",
        to: "if !value.is_empty() || text(old, property) == \"-\" {",
        tests: &["it::platform_apps::platforms_come_and_go_with_their_secrets"],
    },
    Mutant {
        name: "the answer says what type it has",
        file: "functions/platform-apps/src/answer.rs",
        from: "headers: Vec::new(),",
        to: "headers: vec![(\"content-type\".to_owned(), \"application/json\".to_owned())],",
        tests: &[
            "it::platform_apps::every_configured_platform_gets_its_application_and_a_repeat_meets_it",
        ],
    },
    Mutant {
        name: "an answer is put once",
        file: "functions/platform-apps/src/answer.rs",
        from: "if hopeless || attempt == ATTEMPTS {",
        to: "if hopeless || attempt <= ATTEMPTS {",
        tests: &[
            "it::platform_apps::an_answer_is_put_until_it_is_taken_and_no_request_goes_without_one",
        ],
    },
    Mutant {
        name: "no time is kept for the answer",
        file: "functions/platform-apps/src/handler.rs",
        from: "Duration = Duration::from_secs(15);",
        to: "Duration = Duration::from_secs(0);",
        tests: &["it::platform_apps::an_answer_comes_before_the_functions_time_is_over"],
    },
    Mutant {
        name: "whole requests are logged when somebody asks for it",
        file: "Cargo.toml",
        from: "features = [\"max_level_info\", \"std\"]",
        to: "features = [\"std\"]",
        tests: &[
            "it::platform_apps::a_raised_version_sets_the_new_credentials_and_a_rollback_does_not_need_them",
        ],
    },
    Mutant {
        name: "a key in one line is taken",
        file: "functions/platform-apps/src/credentials.rs",
        from: " && text.trim().lines().count() > 2",
        to: "",
        tests: &[
            "it::platform_faults::a_secret_that_cannot_be_used_is_named_with_its_field_and_never_quoted",
        ],
    },
    Mutant {
        name: "an outage of Secrets Manager is a missing secret",
        file: "shared/src/secrets.rs",
        from: "code => Err(failed(code)),",
        to: "_ => Err(Error::NotFound),",
        tests: &[
            "it::platform_faults::an_outage_is_told_from_a_fault_of_the_secret_and_leaves_nothing",
            "shared::secrets::tests::every_answer_is_judged",
        ],
    },
    Mutant {
        name: "the local stack asks at every start",
        file: "local/src/custom.rs",
        from: "if known.properties == spec.properties =>",
        to: "if known.properties == spec.properties && known.data.is_empty() =>",
        tests: &[
            "it::platform_faults::the_local_stack_asks_once_and_again_when_the_properties_change",
        ],
    },
    Mutant {
        name: "every application takes endpoints",
        file: "local/src/sns/endpoints.rs",
        from: "if !accepts_endpoints(connection, &application)? {",
        to: "if !accepts_endpoints(connection, &application)? && application.is_empty() {",
        tests: &[
            "local::sns::tests::applications::once_there_are_applications_no_other_takes_endpoints",
        ],
    },
];
