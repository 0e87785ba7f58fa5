//! Mutants of how tasks for later end: moved, given up, told of together, redriven, and what a freeze leaves.

use crate::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a schedule is moved before its old place is given up",
        file: "shared/src/store/tasks.rs",
        from: "            .transact_items(TransactWriteItem::builder().put(put).build())\n",
        to: "            .set_transact_items(self.put_later(to, now).await.map(|()| drop(put)).ok().map(|()| Vec::new()))\n",
        tests: &[
            "it::schedules::f39_a_schedule_that_cannot_be_moved_whole_is_not_moved_and_is_stored_once",
        ],
    },
    Mutant {
        name: "only the newest of those told of together knows who was told",
        file: "shared/src/push/quiet.rs",
        from: "        let told = wanted.iter().map(|(job, _)| {",
        to: "        let told = wanted.iter().take(if open.is_some() { 1 } else { usize::MAX }).map(|(job, _)| {",
        tests: &[
            "it::quiet::i5_a_device_that_was_told_is_not_told_again_although_the_newest_was_read_since",
        ],
    },
    Mutant {
        name: "who was told of all is told again",
        file: "shared/src/push/quiet.rs",
        from: "devices.iter().copied().filter(move |(id, _)| !knows(id))",
        to: "devices.iter().copied().filter(move |(id, _)| !knows(id) || devices.len() > 1)",
        tests: &[
            "it::quiet::i5_a_device_that_was_told_is_not_told_again_although_the_newest_was_read_since",
        ],
    },
    Mutant {
        name: "what SNS refused at the end of quiet hours is no longer held back",
        file: "shared/src/push/quiet.rs",
        from: "                    outcome.state = Some(State::Deferred);",
        to: "                    outcome.state = None;",
        tests: &[
            "it::quiet::i4_the_end_of_quiet_hours_that_sns_refuses_is_tried_again_for_one_and_for_many",
        ],
    },
    Mutant {
        name: "a push at most once is told of with the others",
        file: "shared/src/push/quiet.rs",
        from: "Ok((options, _)) if options.once => once.push(job),",
        to: "Ok((options, _)) if options.once && options.silent => once.push(job),",
        tests: &[
            "it::quiet::i5_a_push_at_most_once_that_waited_for_the_end_of_quiet_hours_is_sent_at_most_once",
        ],
    },
    Mutant {
        name: "all that was held back is written at once",
        file: "shared/src/push/quiet.rs",
        from: "const RECORDS: usize = 16;",
        to: "const RECORDS: usize = 1_000;",
        tests: &["it::quiet::f13_many_that_were_held_back_are_written_sixteen_at_a_time"],
    },
    Mutant {
        name: "screens are cleared once and for all",
        file: "shared/src/push/record.rs",
        from: "let key = StepKey::clear_again(&user, id, now);",
        to: "let key = StepKey::clear(&user, id);",
        tests: &[
            "it::clearing::f34_a_screen_that_is_reached_after_the_others_were_cleared_is_cleared_too",
        ],
    },
    Mutant {
        name: "what was read and is taken back is cleared once for both",
        file: "shared/src/store/clearing.rs",
        from: "let key = StepKey::clear_again(user, id, now).key();",
        to: "let key = StepKey::clear(user, id).key();",
        tests: &[
            "it::clearing::what_is_read_on_one_device_goes_from_the_others_and_one_device_costs_nothing_more",
        ],
    },
    Mutant {
        name: "a redrive of today takes what it has killed itself",
        file: "functions/run-tasks/src/redrive.rs",
        from: "dead.retain(|dead| dead.id.at().as_millisecond() <= created_at);",
        to: "dead.retain(|dead| dead.id.at().as_millisecond() <= created_at.max(i64::MAX));",
        tests: &["it::dead::a_redrive_of_today_leaves_what_has_died_since_it_was_asked_for"],
    },
    Mutant {
        name: "a redrive takes off the list what it could not read",
        file: "functions/run-tasks/src/redrive.rs",
        from: "target.is_some_and(|target| !unreadable.contains(&target))",
        to: "target.is_some_and(|target| !unreadable.contains(&target) || !unreadable.is_empty())",
        tests: &[
            "it::dead::a_redrive_keeps_what_it_could_not_read_and_pushes_once_what_died_twice",
        ],
    },
    Mutant {
        name: "pushing again forgets what was counted",
        file: "shared/src/store/redrive.rs",
        from: "REMOVE po.s, po.w, po.d",
        to: "REMOVE po",
        tests: &[
            "it::dead::a_redrive_keeps_what_it_could_not_read_and_pushes_once_what_died_twice",
        ],
    },
    Mutant {
        name: "a schedule is given up like anything else",
        file: "shared/src/task.rs",
        from: "Task::QuietEnd(..) | Task::Send(_) | Task::Erase(..)",
        to: "Task::Send(_) | Task::Erase(..)",
        tests: &["shared::task::tests::what_others_hang_on_is_never_given_up"],
    },
    Mutant {
        name: "a task that ends its function is run for ever",
        file: "functions/run-tasks/src/later.rs",
        from: "later.attempt > MAX_ATTEMPTS + 1 &&",
        to: "later.attempt > MAX_ATTEMPTS + 1_000 &&",
        tests: &["it::sweeps::f39_a_task_that_ends_every_function_that_runs_it_is_given_up"],
    },
    Mutant {
        name: "to wait for one's turn is an attempt",
        file: "functions/run-tasks/src/later.rs",
        from: "attempt: later.attempt.saturating_sub(1),",
        to: "attempt: later.attempt,",
        tests: &["it::sweeps::f39_to_wait_for_its_turn_is_no_attempt"],
    },
    Mutant {
        name: "an attempt on a dead connection takes all the time there is",
        file: "shared/src/aws.rs",
        from: "        .operation_attempt_timeout(attempt)\n",
        to: "",
        tests: &["it::freezing::f40_a_function_that_was_frozen_works_on_new_connections"],
    },
    Mutant {
        name: "a bundle of roots is left out",
        file: "shared/src/aws/roots.rs",
        from: "    if let Some(path) = more {",
        to: "    if let Some(path) = more.filter(|path| path.is_empty()) {",
        tests: &[
            "shared::aws::roots::tests::a_bundle_is_trusted_beside_amazons_roots_and_one_that_cannot_be_read_is_named",
        ],
    },
    Mutant {
        name: "two calls are made at once when one connection stands",
        file: "shared/src/store/mod.rs",
        from: "before.is_some_and(|before| now - before < IDLE)",
        to: "before.is_some_and(|before| now - before < IDLE) || before.is_none()",
        tests: &[
            "shared::store::tests::two_calls_are_made_at_once_while_two_connections_may_stand",
        ],
    },
    Mutant {
        name: "a connection is used again however long it was idle",
        file: "shared/src/connections.rs",
        from: ".pool_idle_timeout(IDLE)",
        to: ".pool_idle_timeout(100 * IDLE)",
        tests: &[
            "shared::aws::tests::f40_a_connection_that_was_idle_for_ten_seconds_is_not_used_again",
        ],
    },
    Mutant {
        name: "a minute has half of its partitions",
        file: "shared/src/task.rs",
        from: "self.digest()[0] % SHARDS",
        to: "self.digest()[0] % (SHARDS / 2)",
        tests: &["shared::task::tests::a_schedules_place_follows_from_its_id_and_shards_are_even"],
    },
    Mutant {
        name: "what a killed function had taken is nobody's any more",
        file: "functions/run-tasks/src/later.rs",
        from: "    let Some(later) = store.lease(&found.place, now, moment).await? else {\n        return Ok(());\n    };\n",
        to: "    let Some(later) = store.lease(&found.place, now, moment).await? else {\n        return Ok(());\n    };\n    store.end_task(&later, now).await?;\n",
        tests: &[
            "it::kills::f39_i5_a_sweep_killed_at_any_call_loses_nothing_and_doubles_what_one_kill_may",
        ],
    },
];
