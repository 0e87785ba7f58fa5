//! Mutants of what waits: parked and deferred pushes, schedules, the sweep, clearing, redrives.

use crate::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a push that cannot be sent now is dropped",
        file: "functions/push-notifications/src/handler.rs",
        from: "match store.put_later(&later, clock.now()).await {",
        to: "let _unused = later;\n    match Ok::<(), shared::error::Error>(()) {",
        tests: &[
            "it::parked::i4_a_push_that_is_refused_for_now_is_parked_and_comes_later",
            "it::parked::f20_an_outage_of_sns_parks_everything_and_nothing_is_lost_or_late",
        ],
    },
    Mutant {
        name: "a push that cannot be parked is forgotten",
        file: "functions/push-notifications/src/handler.rs",
        from: "                if !park(pusher.store(), (user, *id), reason, clock).await {\n                    open.push(number.clone());\n                }",
        to: "                park(pusher.store(), (user, *id), reason, clock).await;",
        tests: &[
            "it::parked::f37_a_push_that_can_be_neither_sent_nor_parked_comes_again_and_holds_up_no_other",
        ],
    },
    Mutant {
        name: "a task is deleted although it failed",
        file: "functions/run-tasks/src/later.rs",
        from: "Some(again) => store.move_task(&later, &again, time.now()).await,",
        to: "Some(_) => store.end_task(&later, time.now()).await,",
        tests: &["it::parked::f20_an_outage_of_sns_parks_everything_and_nothing_is_lost_or_late"],
    },
    Mutant {
        name: "the cursor passes what has not been run",
        file: "functions/run-tasks/src/sweep.rs",
        from: "passing &= settled && found.iter().all(|(_, found)| !found);",
        to: "passing &= minute <= this;",
        tests: &["it::sweeps::f39_whatever_sweeps_do_every_task_is_run"],
    },
    Mutant {
        name: "a task is run without a lease",
        file: "shared/src/store/tasks.rs",
        from: "attribute_exists(pk) AND attribute_not_exists(#z) AND (attribute_not_exists(lu) OR lu < :now)",
        to: "attribute_exists(pk) AND attribute_not_exists(#z) AND (attribute_not_exists(lu) OR lu < :now OR lu >= :now)",
        tests: &["it::sweeps::f39_a_task_under_a_lease_is_nobody_elses"],
    },
    Mutant {
        name: "a schedule that is run again forgets when it was stored",
        file: "shared/src/create/schedule.rs",
        from: "if moments.len() > 1 {",
        to: "if moments.len() > 100 {",
        tests: &["it::schedules::f39_a_schedule_whose_run_is_killed_at_any_call_is_stored_once"],
    },
    Mutant {
        name: "a cancelled schedule leaves nothing behind",
        file: "shared/src/create/schedule.rs",
        from: "if let Some(id) = ids(slot).into_iter().find(|id| found.contains(id)) {",
        to: "if let Some(id) = ids(slot).into_iter().find(|id| found.contains(id) && found.is_empty()) {",
        tests: &[
            "it::schedules::a_keyed_schedule_is_answered_the_same_after_it_was_stored_and_a_year_is_the_most",
        ],
    },
    Mutant {
        name: "a cancel trusts a run that failed",
        file: "shared/src/store/tasks.rs",
        from: "match self.retract(recipient, stored, now).await {",
        to: "let _unused = (recipient, stored);\n                    match Ok(()) {",
        tests: &[
            "it::schedules::a_schedule_whose_run_failed_is_found_where_it_went_and_can_still_be_cancelled",
        ],
    },
    Mutant {
        name: "what is deferred is marked before its task is put",
        file: "shared/src/push/wait.rs",
        from: "        put.map_err(|error| {\n            tracing::warn!(error = %error.chain(), \"a push is not deferred\");\n            Reason::Table\n        })?;",
        to: "        drop(put);",
        tests: &["it::sweeps::f37_what_the_table_does_not_take_is_not_called_deferred"],
    },
    Mutant {
        name: "what a push at most once left out has no reason",
        file: "shared/src/push/record.rs",
        from: "if open.is_some() {",
        to: "if open.is_some() && outcome.state == Some(State::Sent) {",
        tests: &["it::once::i6_i4_a_device_that_a_push_at_most_once_left_out_has_a_reason"],
    },
    Mutant {
        name: "a push at most once that reached nobody is over",
        file: "shared/src/push/record.rs",
        from: "open.filter(|_| !done.may_show())",
        to: "open.filter(|_| done.devices.is_empty())",
        tests: &["it::once::i6_i4_a_device_that_a_push_at_most_once_left_out_has_a_reason"],
    },
    Mutant {
        name: "a push that meets a retract leaves the screen as it is",
        file: "shared/src/push/record.rs",
        from: "Replaced::Gone if shows => return self.clear_later(job).await,\n                Replaced::Read if",
        to: "Replaced::Read if",
        tests: &["it::clearing::f34_a_retract_that_meets_the_push_on_its_way_clears_the_screen"],
    },
    Mutant {
        name: "a push that meets a read leaves the screen as it is",
        file: "shared/src/push/record.rs",
        from: "Replaced::Read if shows && !was_read => return self.clear_later(job).await,",
        to: "Replaced::Read if shows && !was_read => return Ok(()),",
        tests: &["it::clearing::f34_a_read_that_meets_the_push_on_its_way_clears_the_screen"],
    },
    Mutant {
        name: "a retract leaves the screens as they are",
        file: "shared/src/store/dedupe.rs",
        from: "(recipient, notification.outcome.may_show())",
        to: "(recipient, notification.outcome.may_show() && id.to_bytes()[0] == 255)",
        tests: &[
            "it::clearing::what_is_taken_back_goes_from_the_screen_and_what_was_not_shown_makes_no_push",
        ],
    },
    Mutant {
        name: "a redrive takes what has an outcome too",
        file: "shared/src/store/redrive.rs",
        from: "            if ended.is_none() {",
        to: "            if ended.is_some() {",
        tests: &[
            "it::redrives::f31_what_lambda_gave_up_on_is_pushed_by_its_letter_and_what_is_too_old_has_expired",
            "it::redrives::f38_a_redrive_that_runs_twice_pushes_once_and_steps_given_up_are_written_down",
        ],
    },
    Mutant {
        name: "a redrive forgets what its earlier steps have found",
        file: "functions/run-tasks/src/redrive.rs",
        from: "*states.entry(state).or_default() += found;",
        to: "states.insert(state, found);",
        tests: &["it::sums::g14_f38_a_redrive_killed_at_any_call_pushes_all_and_counts_each_once"],
    },
    Mutant {
        name: "a job that has ended is taken back by a step that was run again",
        file: "shared/src/store/steps.rs",
        from: "s <= :step AND e = :open",
        to: "s <= :step AND (e = :open OR s >= :step)",
        tests: &[
            "it::sums::f38_a_chain_that_has_ended_is_not_taken_back_by_the_step_before_its_last",
        ],
    },
    Mutant {
        name: "what Lambda brings again is counted again",
        file: "functions/push-notifications/src/handler.rs",
        from: "seen_to.unwrap_or(numbers.len())",
        to: "seen_to.map_or(numbers.len(), |_| numbers.len())",
        tests: &[
            "it::parked::f37_a_push_that_can_be_neither_sent_nor_parked_comes_again_and_holds_up_no_other",
        ],
    },
    Mutant {
        name: "what was given up has no outcome",
        file: "functions/run-tasks/src/later.rs",
        from: "        store.end_push(user, *id, Reason::GaveUp, now).await?;",
        to: "        let _unused = (store, user, id, now, Reason::GaveUp);",
        tests: &["it::sums::g14_i13_whatever_happens_every_row_is_in_one_state"],
    },
    Mutant {
        name: "quiet hours hold nothing back",
        file: "shared/src/push/wait.rs",
        from: "quiet_hours.as_ref()?.end(now)?;",
        to: "quiet_hours.as_ref()?.end(now).filter(|end| *end < now)?;",
        tests: &[
            "it::quiet::what_comes_in_quiet_hours_is_told_of_in_one_push_at_their_end",
            "it::quiet::one_that_came_alone_is_pushed_as_it_is_and_changed_quiet_hours_are_kept",
        ],
    },
];
