//! Mutants of the doctor: faults that it does not see, and what it says of them.

use super::list::Mutant;

const PLANTED: &[&str] = &["it::doctor::every_planted_fault_is_found_with_its_mend"];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the doctor is always content",
        file: "cli/src/doctor/mod.rs",
        from: "Ok(if report.failed() {",
        to: "Ok(if report.failed() && CHECKS.is_empty() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a stack that was rolled back is well",
        file: "cli/src/doctor/deployment.rs",
        from: "state.contains(\"FAILED\") || state.contains(\"ROLLBACK\")",
        to: "state.contains(\"FAILED\")",
        tests: PLANTED,
    },
    Mutant {
        name: "a clock that is wrong is a matter of credentials",
        file: "cli/src/doctor/deployment.rs",
        from: "[\"expired:\", \"not yet current\", \"RequestExpired\", \"TooSkewed\"]",
        to: "[\"not yet current\", \"RequestExpired\", \"TooSkewed\"]",
        tests: PLANTED,
    },
    Mutant {
        name: "an API that answers anything answers",
        file: "cli/src/doctor/api.rs",
        from: "Ok(answer) if answer.status == 200 => Found::Ok",
        to: "Ok(answer) if answer.status < 600 => Found::Ok",
        tests: PLANTED,
    },
    Mutant {
        name: "a slash at the end of an issuer is nothing",
        file: "cli/src/doctor/api.rs",
        from: "Some(name) if name == issuer => {}",
        to: "Some(name) if name.trim_end_matches('/') == base => {}",
        tests: PLANTED,
    },
    Mutant {
        name: "any key of an issuer will do",
        file: "cli/src/doctor/api.rs",
        from: "key[\"kty\"] == \"RSA\" &&",
        to: "key[\"kty\"].is_string() &&",
        tests: PLANTED,
    },
    Mutant {
        name: "a token is for every audience",
        file: "cli/src/doctor/tokens.rs",
        from: "if !audiences.iter().any(|own| trust.audiences.contains(own)) {",
        to: "if audiences.is_empty() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a scope that is missing is not told",
        file: "cli/src/doctor/tokens.rs",
        from: "        403 => {",
        to: "        603 => {",
        tests: PLANTED,
    },
    Mutant {
        name: "rows expire by any attribute",
        file: "cli/src/doctor/table.rs",
        from: "} else if attribute != own {",
        to: "} else if attribute.is_empty() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a table need not be had back",
        file: "cli/src/doctor/table.rs",
        from: "if recovery[\"PointInTimeRecoveryStatus\"] != \"ENABLED\" {",
        to: "if recovery[\"PointInTimeRecoveryStatus\"].is_null() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a stream may have any view",
        file: "cli/src/doctor/table.rs",
        from: "if has != view {",
        to: "if has.is_empty() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a disabled mapping is one",
        file: "cli/src/doctor/functions.rs",
        from: "[\"Enabled\", \"Enabling\", \"Updating\", \"Creating\"]",
        to: "[\"Enabled\", \"Enabling\", \"Updating\", \"Creating\", \"Disabled\"]",
        tests: PLANTED,
    },
    Mutant {
        name: "a mapping may read an older stream",
        file: "cli/src/doctor/functions.rs",
        from: "|arn| arn == table.stream_arn()",
        to: "|arn| arn.starts_with(table.stream_arn())",
        tests: PLANTED,
    },
    Mutant {
        name: "a mapping needs no filter",
        file: "cli/src/doctor/functions.rs",
        from: "if found != wanted {",
        to: "if found != wanted && !found.is_empty() {",
        tests: PLANTED,
    },
    Mutant {
        name: "a variable may be missing",
        file: "cli/src/doctor/functions.rs",
        from: "(!missing.is_empty()).then(",
        to: "(missing.len() > 99).then(",
        tests: PLANTED,
    },
    Mutant {
        name: "the doctor looks at the version that nobody calls",
        file: "cli/src/doctor/deployment.rs",
        from: "let qualifier = alias.and_then(|arn| arn.rsplit(':').next());",
        to: "let qualifier = alias.and_then(|_| None::<&str>);",
        tests: &[
            "it::doctor::trouble::a_stack_of_many_pages_with_an_alias_is_examined_like_any_other",
        ],
    },
    Mutant {
        name: "only the first page of a stack is read",
        file: "cli/src/doctor/deployment.rs",
        from: "if next.is_empty() || next == token {",
        to: "if next.is_empty() || next != token {",
        tests: &[
            "it::doctor::trouble::a_stack_of_many_pages_with_an_alias_is_examined_like_any_other",
        ],
    },
    Mutant {
        name: "a disabled application can send",
        file: "cli/src/doctor/pushes.rs",
        from: "attributes.get(\"Enabled\") == Some(&\"false\")",
        to: "attributes.get(\"Enabled\") == Some(&\"never\")",
        tests: PLANTED,
    },
    Mutant {
        name: "a certificate is told of when it has ended",
        file: "cli/src/doctor/pushes.rs",
        from: "SignedDuration::from_hours(30 * 24)",
        to: "SignedDuration::from_hours(0)",
        tests: &[
            "tidings::doctor::pushes::tests::a_certificate_is_told_of_a_month_before_its_end",
        ],
    },
    Mutant {
        name: "what was given up is not counted",
        file: "cli/src/doctor/pushes.rs",
        from: "if count > 0 {",
        to: "if count > 1_000 {",
        tests: PLANTED,
    },
    Mutant {
        name: "a sweep may be years behind",
        file: "cli/src/doctor/table.rs",
        from: "if behind <= LATE {",
        to: "if behind <= LATE * 1_000_000 {",
        tests: PLANTED,
    },
    Mutant {
        name: "what died today is not told",
        file: "cli/src/doctor/table.rs",
        from: "reason = reason.or(first.map(|dead| dead.reason));",
        to: "reason = reason.or(first.and(None));",
        tests: PLANTED,
    },
    Mutant {
        name: "a push that was refused is well",
        file: "cli/src/doctor/trial.rs",
        from: "own.filter(|step| step[\"step\"] == \"published\")",
        to: "own.or(steps.last())",
        tests: PLANTED,
    },
    Mutant {
        name: "the doctor's device stays",
        file: "cli/src/doctor/trial.rs",
        from: "\"DELETE /v1/me/devices/{device_id}\"",
        to: "\"GET /v1/me/devices\"",
        tests: &[
            "it::doctor::a_stack_on_aws_without_a_fault_is_well_and_its_device_gets_the_push",
        ],
    },
    Mutant {
        name: "a silent service is asked again and again",
        file: "cli/src/doctor/aws.rs",
        from: "self.silent.borrow_mut().insert(service);",
        to: "self.silent.borrow_mut().remove(service);",
        tests: &[
            "it::doctor::trouble::a_service_that_is_silent_fails_once_and_what_depends_on_it_is_skipped",
        ],
    },
];
