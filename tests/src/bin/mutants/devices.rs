//! More mutants: the life of devices.

use super::list::Mutant;

/// What compares the life of devices with a model.
const MODEL: &str = "it::lifecycle::f22_f35_i10_no_endpoint_is_leaked_and_no_push_goes_astray";
const RACE: &str =
    "it::removal::f22_i10_a_registration_that_races_the_removal_of_its_endpoint_wins";
const EVENTS: &str = "it::removal::an_event_is_believed_only_as_far_as_sns_confirms_it";
const TEST: &str = "it::devices::f22_a_test_push_says_what_sns_says_and_removes_what_is_dead";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a removal does not look at the version it saw",
        file: "shared/src/store/users.rs",
        from: ".update_expression(\"SET lv = :now, ver = :next\")\n            .condition_expression(\"ver = :version\")",
        to: ".update_expression(\"SET lv = :now, ver = :next\")\n            .condition_expression(\"ver = :version OR attribute_exists(ver)\")",
        tests: &[RACE],
    },
    Mutant {
        name: "an endpoint is registered while it is being removed",
        file: "shared/src/devices/register.rs",
        from: "if owner.as_ref().is_some_and(|owner| owner.is_leaving(now)) {",
        to: "if owner.as_ref().is_some_and(|owner| owner.is_leaving(now) && owner.is_gone()) {",
        tests: &[RACE],
    },
    Mutant {
        name: "a platform event is believed",
        file: "shared/src/devices/removal.rs",
        from: "if !sns.is_enabled(endpoint).await? {",
        to: "if !sns.is_enabled(endpoint).await? || !endpoint.is_empty() {",
        tests: &[EVENTS, MODEL],
    },
    Mutant {
        name: "an outage is taken for a dead endpoint",
        file: "shared/src/sns.rs",
        from: "Err(error) if error.code() == Some(\"NotFound\") => Ok(false),",
        to: "Err(_) => Ok(false),",
        tests: &[
            "it::removal::f6_an_outage_makes_an_event_come_again_and_removes_nothing_unconfirmed",
        ],
    },
    Mutant {
        name: "the endpoint of a replaced token stays",
        file: "shared/src/devices/register.rs",
        from: "    for given in &registration.given {",
        to: "    for given in registration.given.iter().filter(|given| given.device.is_some()) {",
        tests: &[MODEL],
    },
    Mutant {
        name: "the endpoint of a removed device stays",
        file: "shared/src/devices/removal.rs",
        from: "if owner.is_some_and(|owner| owner.user != *user) {",
        to: "if owner.is_some_and(|owner| owner.user != *user || owner.version > 0) {",
        tests: &[MODEL],
    },
    Mutant {
        name: "a disabled endpoint is not enabled by a fresh token",
        file: "shared/src/devices/register.rs",
        from: "if endpoint.differed || is_abandoned {",
        to: "if endpoint.differed && is_abandoned {",
        tests: &[MODEL, RACE],
    },
    Mutant {
        name: "a user that was read before the endpoint moved is believed",
        file: "shared/src/devices/register.rs",
        from: "let seen = if is_stale {",
        to: "let seen = if is_stale && arrival.application.is_empty() {",
        tests: &[
            "it::removal::i10_a_token_that_rotates_onto_another_device_meanwhile_is_with_one_of_them",
        ],
    },
    Mutant {
        name: "a removal that was interrupted is never finished",
        file: "shared/src/devices/removal.rs",
        from: "if owner.is_leaving(now) {",
        to: "if owner.is_leaving(now) || owner.is_abandoned(now) {",
        tests: &[
            "it::removal::f17_a_removal_that_sns_interrupts_is_finished_when_its_event_comes_again",
        ],
    },
    Mutant {
        name: "a token whose removal was interrupted never registers again",
        file: "shared/src/store/users.rs",
        from: "now.as_millisecond() - since < LEAVING)",
        to: "now.as_millisecond() - since < LEAVING * 10)",
        tests: &[
            "it::removal::f17_a_logout_killed_before_or_after_sns_leaves_a_token_that_registers_again",
        ],
    },
    Mutant {
        name: "a registration that changes nothing asks SNS",
        file: "shared/src/devices/register.rs",
        from: "age < TRUSTED &&",
        to: "age < 0 &&",
        tests: &["it::capacity::every_operation_costs_what_the_readme_says_however_much_is_stored"],
    },
    Mutant {
        name: "any producer is an administrator",
        file: "template.yaml",
        from: "Path: \"/v1/users/{user}/devices/{device}\"\n            Auth: {Authorizer: Producers, AuthorizationScopes: [tidings/admin]}",
        to: "Path: \"/v1/users/{user}/devices/{device}\"\n            Auth: {Authorizer: Producers}",
        tests: &["it::devices::an_administrator_removes_a_device_without_its_users_token"],
    },
    Mutant {
        name: "a test push that may have been taken is told as dead",
        file: "shared/src/push/trial.rs",
        from: "Answer::Refused(reason) => Ok(",
        to: "Answer::Refused(reason) | Answer::Unclear(reason) => Ok(",
        tests: &[TEST],
    },
    Mutant {
        name: "a device that a test push finds dead stays",
        file: "shared/src/push/trial.rs",
        from: "        && is_revived(store,",
        to: "        && device.endpoint.is_empty()\n        && is_revived(store,",
        tests: &[TEST],
    },
    Mutant {
        name: "a dead device is pushed to again",
        file: "shared/src/push/attempt.rs",
        from: "if self.revived || !run.is_revived(",
        to: "if self.revived || !run.is_late() || !run.is_revived(",
        tests: &[
            "it::removal::f22_a_dead_endpoint_is_pushed_to_exactly_once_and_the_others_are_served",
        ],
    },
    Mutant {
        name: "a user has one device more",
        file: "shared/src/device.rs",
        from: "pub const MAX_DEVICES: usize = 20;",
        to: "pub const MAX_DEVICES: usize = 21;",
        tests: &[
            "it::devices::f36_the_twenty_first_device_drops_the_one_silent_for_longest",
            "it::devices::f36_devices_that_register_at_once_do_not_pass_the_limit",
        ],
    },
    Mutant {
        name: "pushes to one device do not wait for each other",
        file: "shared/src/push/turns.rs",
        from: "            turns.insert(registration, Arc::downgrade(&turn));\n",
        to: "",
        tests: &[
            "it::once::f22_all_pushes_of_a_batch_to_a_dead_endpoint_are_one_attempt",
            "it::once::f22_pushes_that_waited_for_a_dead_endpoint_are_one_attempt",
        ],
    },
    Mutant {
        name: "what waits for one user's devices is spread over the shards",
        file: "shared/src/task.rs",
        from: "            place.shard = Name::User(user.clone()).shard();",
        to: "            let _ = user;",
        tests: &["it::once::f22_pushes_that_waited_for_a_dead_endpoint_are_one_attempt"],
    },
    Mutant {
        name: "a screen that is gone keeps its device",
        file: "shared/src/push/clear.rs",
        from: "                        remove_dead(store, sns, user, name, &device.endpoint, clock.now());",
        to: "                        async { crate::error::Result::Ok(()) };",
        tests: &[
            "it::once::f22_a_screen_that_cannot_be_cleared_for_a_dead_endpoint_is_the_one_attempt",
        ],
    },
];
