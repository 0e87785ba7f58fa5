//! More mutants: of pushing.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a message that is too long is taken for our bug",
        file: "shared/src/sns/verdict.rs",
        from: "(\"InvalidParameter\", \"too long\", Answer::TooLong),",
        to: "(\"InvalidParameter\", \"too longer\", Answer::TooLong),",
        tests: &[
            "it::answers::f22_f23_every_answer_means_what_the_table_says_and_no_row_is_without_a_file",
        ],
    },
    Mutant {
        name: "an endpoint that is gone is our bug",
        file: "shared/src/sns/verdict.rs",
        from: "        Answer::Gone(Reason::EndpointNotFound),\n    ),\n    (\"InvalidParameter\", \"too",
        to: "        Answer::Refused(Reason::Refused),\n    ),\n    (\"InvalidParameter\", \"too",
        tests: &[
            "it::answers::f22_f23_every_answer_means_what_the_table_says_and_no_row_is_without_a_file",
            "it::answers::f22_a_dead_endpoint_is_published_to_once_ever_and_its_device_removed",
        ],
    },
    Mutant {
        name: "a dead device stays",
        file: "shared/src/push/attempt.rs",
        from: "if self.revived || !run.is_revived(self.job, self.id, self.device).await {",
        to: "if self.revived\n                    || !self.id.as_str().is_empty()\n                    || !run.is_revived(self.job, self.id, self.device).await\n                {",
        tests: &[
            "it::answers::f22_a_dead_endpoint_is_published_to_once_ever_and_its_device_removed",
        ],
    },
    Mutant {
        name: "what the operator must mend ends the push",
        file: "shared/src/push/attempt.rs",
        from: "                Err(Ended::Open(reason, self.ambiguous))\n            }\n            Answer::Busy",
        to: "                Err(self.over(State::Dead, reason))\n            }\n            Answer::Busy",
        tests: &[
            "it::answers::f23_what_the_operator_must_mend_kills_neither_the_push_nor_the_device",
        ],
    },
    Mutant {
        name: "what is too long is never shortened",
        file: "shared/src/push/attempt.rs",
        from: "Answer::TooLong if self.limit > payload::SHORTER => {",
        to: "Answer::TooLong if self.limit < payload::SHORTER => {",
        tests: &[
            "it::answers::f24_what_is_too_long_for_the_platform_is_shortened_once_and_what_is_invalid_is_not_tried_again",
        ],
    },
    Mutant {
        name: "a payload is cut inside a character",
        file: "shared/src/push/payload.rs",
        from: "text.grapheme_indices(true).map(|(start, _)| start).rev()",
        to: "text.char_indices().map(|(start, _)| start).rev()",
        tests: &[
            "shared::push::payload::tests::f24_whatever_the_text_a_payload_fits_and_ends_with_a_whole_character",
            "it::payloads::f24_a_payload_is_cut_to_4_kb_at_the_end_of_a_character",
        ],
    },
    Mutant {
        name: "a push for Apple has no collapse id",
        file: "shared/src/push/payload.rs",
        from: "        (\"AWS.SNS.MOBILE.APNS.COLLAPSE_ID\", id),",
        to: "        (\"AWS.SNS.MOBILE.APNS.COLLAPSE\", id),",
        tests: &["it::payloads::a_phone_gets_what_the_golden_table_says"],
    },
    Mutant {
        name: "two deliveries at once are not counted",
        file: "shared/src/outcome.rs",
        from: "self.ambiguous += u32::from(may_have_it(device));",
        to: "self.ambiguous += u32::from(!may_have_it(device));",
        tests: &[
            "it::overlaps::f15_a_record_in_two_invocations_at_once_is_pushed_twice_at_most_and_counted",
        ],
    },
    Mutant {
        name: "a push at most once is sent though somebody else has marked it",
        file: "shared/src/push/record.rs",
        from: "if !matches!(marked, Replaced::Done | Replaced::Read) {",
        to: "if marked == Replaced::Gone {",
        tests: &[
            "it::overlaps::f15_a_record_in_two_invocations_at_once_is_pushed_twice_at_most_and_counted",
        ],
    },
    Mutant {
        name: "an outcome is written over another's",
        file: "shared/src/store/pushes.rs",
        from: "format!(\"{PUSHED} AND attribute_not_exists(po)\")",
        to: "PUSHED",
        tests: &[
            "it::overlaps::f15_a_record_in_two_invocations_at_once_is_pushed_twice_at_most_and_counted",
        ],
    },
    Mutant {
        name: "a push that breaks down breaks its batch",
        file: "shared/src/push/deliver.rs",
        from: "AssertUnwindSafe(push).catch_unwind();",
        to: "AssertUnwindSafe(push).map(Ok::<_, ()>);",
        tests: &[
            "shared::push::deliver::tests::f26_a_push_that_breaks_down_is_over_and_takes_nobody_with_it",
        ],
    },
    Mutant {
        name: "every record is taken for a new row",
        file: "shared/src/stream.rs",
        from: "text(\"/eventName\").as_deref(), &pk",
        to: "text(\"/eventName\").as_deref().map(|_| \"INSERT\"), &pk",
        tests: &[
            "it::overlaps::f16_f29_f30_removals_and_marks_push_nothing_in_whatever_order_they_come",
        ],
    },
    Mutant {
        name: "an empty sequence number is reported",
        file: "shared/src/stream.rs",
        from: "found.filter(|text| !text.is_empty())",
        to: "found.filter(|text| !text.is_empty() || pointer.ends_with('r'))",
        tests: &["it::overlaps::f27_a_record_without_a_number_is_kept_and_never_reported"],
    },
    Mutant {
        name: "a row of a newer version is read as if it were known",
        file: "shared/src/store/row.rs",
        from: "if row.v > VERSION {",
        to: "if row.v == 0 {",
        tests: &[
            "it::overlaps::f28_rows_of_older_versions_are_pushed_and_those_of_newer_ones_kept",
        ],
    },
    Mutant {
        name: "a group has no cap",
        file: "shared/src/push/plan.rs",
        from: "Ok(pushed.fetch_add(1, Ordering::Relaxed) >= cap)",
        to: "Ok(pushed.fetch_add(1, Ordering::Relaxed) >= cap + 100)",
        tests: &["it::caps::a_group_has_five_pushes_an_hour_and_what_is_critical_or_silent_passes"],
    },
    Mutant {
        name: "the pushes of one batch do not count for the cap",
        file: "shared/src/push/plan.rs",
        from: "Ok(pushed.fetch_add(1, Ordering::Relaxed) >= cap)",
        to: "Ok(pushed.fetch_add(0, Ordering::Relaxed) >= cap)",
        tests: &["it::caps::the_pushes_of_one_batch_count_for_the_cap_and_others_groups_do_not"],
    },
    Mutant {
        name: "a silent device gets pushes",
        file: "shared/src/push/plan.rs",
        from: "const SILENT_MS: i64 = 60 * 86_400_000;",
        to: "const SILENT_MS: i64 = 600 * 86_400_000;",
        tests: &["it::caps::a_device_silent_for_60_days_gets_nothing_and_after_270_days_it_goes"],
    },
    Mutant {
        name: "a forgotten device stays",
        file: "shared/src/push/plan.rs",
        from: "const FORGOTTEN_MS: i64 = 270 * 86_400_000;",
        to: "const FORGOTTEN_MS: i64 = 2_700 * 86_400_000;",
        tests: &["it::caps::a_device_silent_for_60_days_gets_nothing_and_after_270_days_it_goes"],
    },
    Mutant {
        name: "the user's own language is not asked for",
        file: "shared/src/push/attempt.rs",
        from: "device.locale.as_deref().into_iter().chain(user)",
        to: "device.locale.as_deref().into_iter().chain(user.filter(|user| user.is_empty()))",
        tests: &["it::caps::a_text_is_in_the_devices_language_or_its_users"],
    },
    Mutant {
        name: "a throttle does not slow down",
        file: "shared/src/push/pace.rs",
        from: "state.speed = (state.speed / 2.0)",
        to: "state.speed = (state.speed / 1.0)",
        tests: &[
            "it::patience::f21_throttled_publishes_settle_below_the_allowed_rate_and_come_back",
            "shared::push::pace::tests::a_throttle_halves_the_speed_once_and_it_grows_back",
        ],
    },
    Mutant {
        name: "an instance publishes as fast as it can",
        file: "shared/src/push/pace.rs",
        from: "let turn = state.next.map_or(earliest, |next| next.max(earliest));",
        to: "let turn = earliest;",
        tests: &["it::patience::f21_an_instance_keeps_its_share_of_the_stacks_rate"],
    },
    Mutant {
        name: "a new instance opens all its connections at once",
        file: "shared/src/push/pace.rs",
        from: "const FIRST_IN_FLIGHT: usize = 4;",
        to: "const FIRST_IN_FLIGHT: usize = 16;",
        tests: &["it::patience::a_new_instance_opens_its_connections_in_steps"],
    },
    Mutant {
        name: "a publish is begun however late it is",
        file: "shared/src/push/attempt.rs",
        from: "pub const NEEDED: Duration = Duration::from_secs(8);",
        to: "pub const NEEDED: Duration = Duration::from_secs(1);",
        tests: &[
            "it::patience::f19_whatever_sns_takes_an_invocation_ends_in_time_and_says_what_it_did_not_do",
        ],
    },
    Mutant {
        name: "a push outlives its time to live",
        file: "shared/src/push/attempt.rs",
        from: "        if ttl == 0 {",
        to: "        if ttl == u32::MAX {",
        tests: &["it::patience::i7_no_publish_begins_after_the_pushs_life"],
    },
    Mutant {
        name: "one notification is pushed after the other",
        file: "shared/src/push/deliver.rs",
        from: ".buffer_unordered(UNDER_WAY)",
        to: ".buffer_unordered(UNDER_WAY.min(1))",
        tests: &["it::patience::i12_a_device_that_hangs_or_is_throttled_delays_no_other_user"],
    },
    Mutant {
        name: "an outcome that the table refuses is not recorded again",
        file: "shared/src/push/record.rs",
        from: "if self.clock.elapsed() > self.budget {",
        to: "if round < ROUNDS {",
        tests: &[
            "it::once::f18_i5_an_outcome_that_the_table_refuses_is_recorded_again_and_the_push_not_repeated",
        ],
    },
];
