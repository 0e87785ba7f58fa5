//! Mutants of events: how they are read, logged once, told once and found again.

use crate::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a log row is put over the one that is there",
        file: "shared/src/store/events.rs",
        from: "let put = put.condition_expression(\"attribute_not_exists(pk)\");",
        to: "let put = put.condition_expression(\"attribute_not_exists(pk) OR attribute_exists(pk)\");",
        tests: &[
            "it::ingest_once::f1_i2_an_event_by_http_and_by_queue_in_any_order_hours_apart_is_told_once",
            "it::ingest_once::f2_an_id_that_names_another_event_is_refused_and_after_a_day_without_a_time_it_is_new",
        ],
    },
    Mutant {
        name: "the place in the log follows the arrival",
        file: "shared/src/store/events.rs",
        from: "place(event, time));",
        to: "place(event, if time < now { now } else { time }));",
        tests: &[
            "it::ingest_once::f1_i2_an_event_by_http_and_by_queue_in_any_order_hours_apart_is_told_once",
        ],
    },
    Mutant {
        name: "an id may name another event",
        file: "shared/src/store/events.rs",
        from: "if guard.body_hash != hash {",
        to: "if guard.body_hash.is_empty() {",
        tests: &[
            "it::ingest_once::f2_an_id_that_names_another_event_is_refused_and_after_a_day_without_a_time_it_is_new",
            "it::ingest_queue::what_can_never_be_taken_is_a_dead_letter_with_its_reason_and_holds_up_nothing",
        ],
    },
    Mutant {
        name: "a repeat days later stores what was taken back",
        file: "shared/src/store/events.rs",
        from: "now.as_millisecond() - first.as_millisecond() >= LIFE",
        to: "now.as_millisecond() - first.as_millisecond() >= 9 * LIFE",
        tests: &[
            "it::ingest_once::what_was_taken_back_does_not_come_again_with_a_repeat_days_later",
        ],
    },
    Mutant {
        name: "a repeat completes nothing",
        file: "functions/ingest-events/src/ingest.rs",
        from: "if !held.is_settled(clock.now()) =>",
        to: "if !held.is_settled(clock.now()) && !replayed =>",
        tests: &[
            "it::ingest_crashes::f8_i2_an_event_killed_at_any_call_is_completed_by_its_repeat",
            "it::ingest_once::i2_what_a_repeat_completes_hours_later_is_not_born_behind_a_watermark",
        ],
    },
    Mutant {
        name: "ids of an event's notifications are drawn",
        file: "functions/ingest-events/src/ingest.rs",
        from: "let seed = event.seed();",
        to: "let seed = clock.now().to_string();",
        tests: &[
            "it::ingest_crashes::f8_i2_an_event_killed_at_any_call_is_completed_by_its_repeat",
        ],
    },
    Mutant {
        name: "extensions make another event",
        file: "shared/src/event.rs",
        from: "fingerprint(&canonical(&self.context()).to_string())",
        to: "fingerprint(&canonical(&self.view()).to_string())",
        tests: &[
            "shared::event::tests::events_that_say_the_same_have_one_hash",
            "it::ingest_once::f2_an_id_that_names_another_event_is_refused_and_after_a_day_without_a_time_it_is_new",
        ],
    },
    Mutant {
        name: "any version of CloudEvents is taken",
        file: "shared/src/event.rs",
        from: "version != \"1.0\"",
        to: "version.is_empty()",
        tests: &["shared::event::tests::every_broken_rule_of_an_event_is_told_at_once"],
    },
    Mutant {
        name: "data may be anything",
        file: "shared/src/event.rs",
        from: "    fields.refuse(name, \"type\", \"must be a JSON object\");\n",
        to: "",
        tests: &["shared::event::tests::every_broken_rule_of_an_event_is_told_at_once"],
    },
    Mutant {
        name: "headers are not percent-decoded",
        file: "functions/ingest-events/src/http.rs",
        from: "Some(byte) if *first == b'%' => {",
        to: "Some(byte) if *first == b'%' && byte == b'%' => {",
        tests: &["it::ingest::every_mode_of_cloudevents_by_http_says_the_same"],
    },
    Mutant {
        name: "what can never be taken comes again",
        file: "functions/ingest-events/src/queue.rs",
        from: "Err(error) if is_final(&error) => {",
        to: "Err(error) if is_final(&error) && body.is_empty() => {",
        tests: &[
            "it::ingest_queue::what_can_never_be_taken_is_a_dead_letter_with_its_reason_and_holds_up_nothing",
        ],
    },
    Mutant {
        name: "an event overtakes one of its subject that must come again",
        file: "functions/ingest-events/src/ingest.rs",
        from: "if is_held_up || clock.elapsed() > BUDGET {",
        to: "if clock.elapsed() > BUDGET {",
        tests: &["it::ingest_queue::no_event_overtakes_one_of_its_subject_that_must_come_again"],
    },
    Mutant {
        name: "a message is buried before the rest of it is done",
        file: "functions/ingest-events/src/queue.rs",
        from: "!fate.failed\n            && bury(handler, (of, &fate.dead), clock, &is_over)\n                .await\n                .is_ok()",
        to: "bury(handler, (of, &fate.dead), clock, &is_over).await.is_ok() && !fate.failed",
        tests: &[
            "it::ingest_queue::what_the_table_does_not_take_now_comes_again_alone_and_buries_nothing_twice",
        ],
    },
    Mutant {
        name: "letters are sent on while the dead letters are down",
        file: "functions/ingest-events/src/queue.rs",
        from: "is_over.fetch_or(is_outage, Ordering::Relaxed);",
        to: "is_over.fetch_and(is_outage, Ordering::Relaxed);",
        tests: &["it::ingest_queue::while_the_dead_letters_are_down_the_rest_comes_again_untried"],
    },
    Mutant {
        name: "a part of Kafka's batch that failed is forgotten",
        file: "functions/ingest-events/src/queue.rs",
        from: "if fates.iter().any(|fate| fate.failed) {",
        to: "if fates.iter().all(|fate| fate.failed) {",
        tests: &["it::ingest_queue::kafka_rabbitmq_and_eventbridge_bring_the_same_events"],
    },
    Mutant {
        name: "a search reads on until it has found a page",
        file: "shared/src/store/events.rs",
        from: "let limit = count.min(MAX_EXAMINED - self.examined);",
        to: "let limit = count;",
        tests: &["it::event_cost::a_search_costs_the_same_however_much_the_log_holds"],
    },
    Mutant {
        name: "a search ignores who did it",
        file: "functions/ingest-events/src/search.rs",
        from: "event.actor_id() == Some(actor)",
        to: "event.actor_id() >= Some(actor)",
        tests: &["it::event_log::an_event_is_found_by_whatever_it_says_and_by_nothing_else"],
    },
    Mutant {
        name: "a cursor of the log is bound to nothing",
        file: "functions/ingest-events/src/search.rs",
        from: "if name != \"cursor\" && name != \"limit\" {",
        to: "if name.is_empty() {",
        tests: &["it::event_log::pages_hold_every_event_once_and_a_cursor_belongs_to_its_search"],
    },
];
