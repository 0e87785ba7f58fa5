//! Mutants of topics and of notifications to them.

use crate::list::Mutant;

const KILLED: &str =
    "it::fan_out_kills::f13_a_step_killed_at_any_call_is_run_again_without_repeats_or_gaps";
const COPIES: &str =
    "it::fan_out_kills::f13_copies_of_a_step_at_the_same_time_under_faults_tell_everybody_once";
const WATCHED: &str =
    "it::fan_out_kills::f13_a_watchdog_killed_at_any_call_comes_again_and_tells_who_was_left_out";
const REPEATED: &str =
    "it::fan_out::f13_i2_a_repeat_of_a_request_is_the_same_job_and_tells_nobody_again";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a step that is run again looks for nothing",
        file: "shared/src/create/fan_out.rs",
        from: "        work.look_up().await?;\n",
        to: "",
        tests: &[KILLED],
    },
    Mutant {
        name: "a step does not wait for who may be putting",
        file: "shared/src/create/fan_out.rs",
        from: "SETTLED.saturating_sub(clock.since(*newest))",
        to: "SETTLED.saturating_sub(SETTLED.max(clock.since(*newest)))",
        tests: &[COPIES],
    },
    Mutant {
        name: "two who run a step both write their moments",
        file: "shared/src/store/steps.rs",
        from: "\"size(ms) = :count AND (attribute_not_exists(e) OR e = :end)\"",
        to: "\"size(ms) >= :count AND (attribute_not_exists(e) OR e = :end)\"",
        tests: &[COPIES],
    },
    Mutant {
        name: "a part ends where its last run finds it to end",
        file: "shared/src/create/fan_out.rs",
        from: "    if telling.end.is_none() {",
        to: "    telling.end = None;\n    if telling.end.is_none() {",
        tests: &[KILLED],
    },
    Mutant {
        name: "a step counts from what its chain says",
        file: "functions/run-tasks/src/steps.rs",
        from: "Step::FanOut(telling) => telling.written,",
        to: "Step::FanOut(_) => 0,",
        tests: &["it::fan_out::a_job_that_is_cancelled_tells_no_more_members"],
    },
    Mutant {
        name: "the watchdog runs nothing",
        file: "functions/run-tasks/src/steps.rs",
        from: "now - moved > STOPPED * 1_000",
        to: "now - moved > STOPPED * 1_000_000",
        tests: &[WATCHED],
    },
    Mutant {
        name: "the job's id is of the moment of each repeat",
        file: "shared/src/create/fan_out.rs",
        from: "let id = NotificationId::new(at, slot.tail);",
        to: "let id = NotificationId::new(self.clock.now().max(at), slot.tail);",
        tests: &[REPEATED],
    },
    Mutant {
        name: "a rule's topic tells who did it",
        file: "shared/src/rules/render.rs",
        from: "draft.without = actor.and_then(UserId::parse);",
        to: "draft.without = actor.and_then(UserId::parse).filter(|_| false);",
        tests: &[
            "it::fan_out::f13_an_event_whose_rule_addresses_a_topic_tells_its_members_but_not_who_did_it",
        ],
    },
    Mutant {
        name: "a member has no mirror",
        file: "shared/src/store/topics.rs",
        from: "        Key::Membership(user.clone(), topic.clone()),",
        to: "        Key::Membership(UserId::parse(\"x\").unwrap_or(user.clone()), topic.clone()),",
        tests: &[
            "it::topics::a_member_and_its_mirror_never_drift_whoever_joins_leaves_and_fails",
            "it::topics::f42_pages_go_over_every_partition_and_a_cursor_is_its_topics_alone",
        ],
    },
    Mutant {
        name: "a cursor serves any topic",
        file: "functions/ingest-events/src/topics.rs",
        from: "page::read_place(cursor, topic.as_str(), \"members\")",
        to: "page::read_place(cursor, \"all\", \"members\")",
        tests: &["it::topics::f42_pages_go_over_every_partition_and_a_cursor_is_its_topics_alone"],
    },
    Mutant {
        name: "a step sleeps for long once the table is busy",
        file: "shared/src/create/work.rs",
        from: "(held_up / 4).clamp(GLANCE, LONGEST_BREATH)",
        to: "(held_up / 4).clamp(LONGEST_BREATH * 30, LONGEST_BREATH * 30)",
        tests: &[
            "it::fan_out_pace::f13_a_fan_out_takes_as_long_as_the_quotas_where_sns_takes_9000_a_second",
        ],
    },
];
