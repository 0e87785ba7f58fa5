//! Mutants of the local stack's time and queues, and of how functions read the time.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "functions do not know that the clock was moved",
        file: "shared/src/clock.rs",
        from: "    ahead_of(Timestamp::now(), ahead)",
        to: "    ahead_of(Timestamp::now(), ahead - ahead)",
        tests: &["it::time::a_moved_clock_is_everybodys_and_survives_a_restart"],
    },
    Mutant {
        name: "a function reads the time by itself",
        file: "functions/create-notifications/src/handler.rs",
        from: "Clock::starting(clock::wall())",
        to: "Clock::starting(jiff::Timestamp::now())",
        tests: &["it::tidy::each_fact_has_one_home"],
    },
    Mutant {
        name: "a process that was started before a move is used after it",
        file: "local/src/instance.rs",
        from: "!self.broken && self.ahead == ahead &&",
        to: "!self.broken && self.ahead <= ahead &&",
        tests: &[
            "it::time::a_moved_clock_is_everybodys_and_survives_a_restart",
            "it::time::a_busy_function_ends_what_it_does_and_the_next_event_sees_the_new_time",
        ],
    },
    Mutant {
        name: "a move is forgotten when the stack ends",
        file: "local/src/state.rs",
        from: "SELECT at, ahead FROM moves ORDER BY n\"",
        to: "SELECT at, ahead FROM moves WHERE n < 0\"",
        tests: &[
            "local::state::tests::a_moved_clock_survives_reopening",
            "it::time::a_moved_clock_is_everybodys_and_survives_a_restart",
        ],
    },
    Mutant {
        name: "any page may move the clock",
        file: "local/src/door.rs",
        from: "is_none_or(|origin| origin == format!(\"http://{host}\"))",
        to: "is_none_or(|origin| origin.len() > host.len() || !origin.is_empty())",
        tests: &[
            "local::door::tests::a_foreign_page_changes_nothing",
            "it::time::the_clock_moves_for_nobody_elses_page_and_forward_only",
        ],
    },
    Mutant {
        name: "stream records are as old as if the clock had always been ahead",
        file: "local/src/clock.rs",
        from: "real.saturating_add(last.map_or(0, |step| step.ahead))",
        to: "real.saturating_add(last.map_or(0, |_| 0))",
        tests: &[
            "local::clock::tests::a_moment_is_shown_as_far_ahead_as_the_clock_was_then",
            "local::table::expiry::tests::a_moved_clock_expires_rows_and_the_service_is_named",
        ],
    },
    Mutant {
        name: "a row lives on although the clock was moved",
        file: "local/src/table/expiry.rs",
        from: "(0..now).contains(&until)",
        to: "(0..now - now).contains(&until)",
        tests: &[
            "local::table::expiry::tests::a_moved_clock_expires_rows_and_the_service_is_named",
        ],
    },
    Mutant {
        name: "a schedule makes up for every run it missed",
        file: "local/src/schedule.rs",
        from: "next + (now - next).max(0) / every * every",
        to: "next + (now - next).max(0) / every * every * 0",
        tests: &[
            "local::schedule::tests::what_was_missed_is_one_run_and_the_next_keeps_the_beat",
            "it::time::a_schedule_invokes_once_for_a_move_and_what_fails_is_told",
        ],
    },
    Mutant {
        name: "a failed event is tried once more than allowed",
        file: "local/src/asynchronous.rs",
        from: "event.invokes <= self.config.max_retries",
        to: "event.invokes <= self.config.max_retries + 1",
        tests: &["it::time::a_schedule_invokes_once_for_a_move_and_what_fails_is_told"],
    },
    Mutant {
        name: "an event is tried again although it succeeded",
        file: "local/src/asynchronous.rs",
        from: "return self.forget(&event.id).await;",
        to: "self.remember(&event).await; event.due_at += 1; continue;",
        tests: &[
            "it::troubles::a_message_to_a_topic_invokes_its_function_until_it_succeeds_three_times_at_most",
        ],
    },
    Mutant {
        name: "an event of a stack that ends is lost",
        file: "local/src/asynchronous.rs",
        from: "if outcome.is_err() && self.function.is_ending() {",
        to: "if outcome.is_err() && !self.function.is_ending() && event.body.is_empty() {",
        tests: &["local::asynchronous::tests::what_was_accepted_is_run_by_the_next_stack"],
    },
    Mutant {
        name: "a message is never a dead letter",
        file: "local/src/queue/messages.rs",
        from: "receives - received_elsewhere >= ?3",
        to: "receives - received_elsewhere >= ?3 + 1000",
        tests: &[
            "local::queue::tests::a_hidden_message_is_seen_again_by_the_clock_and_an_old_receipt_deletes_nothing",
            "it::time::a_message_is_tried_when_it_is_visible_again_and_is_a_dead_letter_in_the_end",
        ],
    },
    Mutant {
        name: "an old receipt deletes",
        file: "local/src/queue/messages.rs",
        from: "message.receipt = receipt(&message.id);",
        to: "message.receipt = STANDARD.encode(format!(\"{0}#{0}\", message.id));",
        tests: &[
            "local::queue::tests::a_hidden_message_is_seen_again_by_the_clock_and_an_old_receipt_deletes_nothing",
        ],
    },
    Mutant {
        name: "a message that failed is deleted",
        file: "local/src/mapping/poller.rs",
        from: ".filter(|(index, _)| !failed.contains(index))",
        to: ".filter(|(index, _)| !failed.contains(index) || *index < usize::MAX)",
        tests: &[
            "local::mapping::poller::tests::what_the_answer_names_comes_again_and_is_a_dead_letter_in_the_end",
            "local::mapping::poller::tests::an_odd_answer_and_an_error_fail_the_whole_batch",
        ],
    },
    Mutant {
        name: "the sum of attributes leaves their types out",
        file: "local/src/queue/attributes.rs",
        from: "            bytes.push(1);",
        to: "            bytes.push(2);",
        tests: &["local::queue::attributes::tests::attributes_are_checked_summed_up_and_shown"],
    },
];
