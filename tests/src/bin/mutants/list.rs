//! The mutants: what a rule of the design looks like when it is broken, and the tests that must notice.

/// One broken rule.
pub struct Mutant {
    /// What is broken, in a few words.
    pub name: &'static str,
    /// The file, from the repository's root.
    pub file: &'static str,
    /// A text that is in it once.
    pub from: &'static str,
    /// What stands there instead.
    pub to: &'static str,
    /// The tests that must fail, each with its crate.
    pub tests: &'static [&'static str],
}

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the put of a row has no condition",
        file: "shared/src/store/writes.rs",
        from: "notification)?))\n            .condition_expression(\"attribute_not_exists(pk)\");",
        to: "notification)?));",
        tests: &["it::idempotency::f1_a_put_that_comes_late_does_not_undo_what_was_done_since"],
    },
    Mutant {
        name: "the guard is overwritten",
        file: "shared/src/store/guards.rs",
        from: "attribute_not_exists(pk) OR f <= :stale",
        to: "attribute_not_exists(pk) OR f <= :stale OR attribute_exists(f)",
        tests: &[
            "it::create::f1_f2_a_repeat_meets_its_own_rows_and_another_body_is_refused",
            "it::machine::i8_i9_every_reply_is_what_the_model_says",
        ],
    },
    Mutant {
        name: "the guard never grows stale",
        file: "shared/src/store/guards.rs",
        from: "attribute_not_exists(pk) OR f <= :stale",
        to: "attribute_not_exists(pk) OR (f <= :stale AND attribute_not_exists(f))",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "the nonce is ignored: an own lost reply looks like another's request",
        file: "shared/src/store/guards.rs",
        from: "if found.nonce == self.nonce {",
        to: "if found.nonce == self.nonce && self.nonce.is_empty() {",
        tests: &[
            "it::faults::f3_one_fault_at_any_call_to_the_table_is_survived_without_an_extra_row",
        ],
    },
    Mutant {
        name: "a key may be reused with another body",
        file: "shared/src/create/mod.rs",
        from: "Claim::Known(guard) if guard.body_hash == key.body_hash =>",
        to: "Claim::Known(guard) if !guard.body_hash.is_empty() =>",
        tests: &["it::create::f1_f2_a_repeat_meets_its_own_rows_and_another_body_is_refused"],
    },
    Mutant {
        name: "freshness is ignored: a row is born behind a watermark",
        file: "shared/src/store/writes.rs",
        from: "pub const FRESH: Duration = Duration::from_millis(1_400);",
        to: "pub const FRESH: Duration = Duration::from_millis(140_000);",
        tests: &[
            "it::idempotency::a_repeat_that_comes_late_takes_a_new_moment_so_no_row_is_born_behind_a_watermark",
        ],
    },
    Mutant {
        name: "ids are derived without the position in the batch",
        file: "shared/src/id.rs",
        from: "for part in [key, &position.to_string(), recipient] {",
        to: "let _unused = position;\n    for part in [key, recipient] {",
        tests: &[
            "it::idempotency::i2_two_notifications_of_one_keyed_batch_for_one_user_are_two_rows",
        ],
    },
    Mutant {
        name: "ids are derived without the recipient",
        file: "shared/src/id.rs",
        from: "NotificationId(Ulid::from_parts(millis(at), u128::from_be_bytes(random)))",
        to: "NotificationId(Ulid::from_parts(millis(at), u128::from(random[6])))",
        tests: &["it::create::a_thousand_recipients_each_get_a_row_and_a_result"],
    },
    Mutant {
        name: "a batch that got no answer is an error instead of being finished",
        file: "shared/src/store/writes.rs",
        from: "return Ok(vec![Written::Perhaps; batch.len()]);",
        to: "return Err(error);",
        tests: &[
            "it::faults::f3_one_fault_at_any_call_to_the_table_is_survived_without_an_extra_row",
        ],
    },
    Mutant {
        name: "throttled after some rows were stored is a 429",
        file: "shared/src/create/work.rs",
        from: "Error::Throttled { what, source } if rows > 1 =>",
        to: "Error::Throttled { what, source } if rows > 1_000_000 =>",
        tests: &[
            "it::faults::f4_who_is_not_throttled_does_not_notice_and_what_is_half_stored_is_a_503",
        ],
    },
    Mutant {
        name: "an outage looks like not found",
        file: "shared/src/store/mod.rs",
        from: "_ => Error::Unavailable { what, source },",
        to: "_ => Error::NotFound,",
        tests: &[
            "it::outages::an_outage_of_the_table_is_a_503_with_retry_after_and_never_not_found",
            "it::faults::f4_f6_i3_trouble_that_stays_is_a_503_or_a_429_that_stored_nothing",
        ],
    },
    Mutant {
        name: "a call to the table has no time-out",
        file: "shared/src/aws.rs",
        from: "        .operation_attempt_timeout(attempt)\n        .operation_timeout(operation);",
        to: "        .operation_timeout(operation * 4);",
        tests: &["it::faults::f7_a_table_that_hangs_is_a_503_within_three_seconds"],
    },
    Mutant {
        name: "a conflict is not tried again",
        file: "shared/src/devices/register.rs",
        from: "const ROUNDS: u32 = 3;",
        to: "const ROUNDS: u32 = 1;",
        tests: &["it::faults::f5_a_conflict_is_tried_again_and_is_a_409_if_it_stays"],
    },
    Mutant {
        name: "the body limit comes after parsing",
        file: "shared/src/json.rs",
        from: "if body.len() > limit {",
        to: "if body.len() > limit && serde_json::from_slice::<Value>(body).is_ok() {",
        tests: &["it::hostile::f46_f50_a_body_that_is_not_what_it_says_is_refused"],
    },
    Mutant {
        name: "a moved token stays with the first user",
        file: "shared/src/devices/register.rs",
        from: "leaves_other: leaves_other(store, user, owner.as_ref(), &device.endpoint).await?,",
        to: "leaves_other: leaves_other(store, user, owner.as_ref(), &device.endpoint).await? && false,",
        tests: &[
            "it::devices::f35_a_token_that_moves_to_another_user_leaves_the_first",
            "it::crashes::f35_i10_a_token_on_the_move_is_never_with_two_users_wherever_it_is_killed",
        ],
    },
    Mutant {
        name: "a cursor's checksum is not compared",
        file: "shared/src/page.rs",
        from: "if rest[16..] == checksum(&rest[..16], owner, filter) {",
        to: "if !checksum(&rest[..16], owner, filter).is_empty() {",
        tests: &[
            "it::inbox::f42_a_cursor_that_is_not_ours_is_malformed",
            "shared::page::tests::f42_a_cursor_is_read_back_by_its_user_and_filter_alone",
        ],
    },
    Mutant {
        name: "a cursor is good for every user",
        file: "shared/src/page.rs",
        from: "    hash.update(owner);\n",
        to: "    hash.update(&owner[..0]);\n",
        tests: &[
            "it::inbox::f42_a_cursor_that_is_not_ours_is_malformed",
            "shared::page::tests::f42_a_cursor_is_read_back_by_its_user_and_filter_alone",
        ],
    },
    Mutant {
        name: "expired rows are shown",
        file: "shared/src/notification.rs",
        from: "now.as_second() < self.expires_at",
        to: "now.as_second() < self.expires_at + 1_000_000_000",
        tests: &[
            "it::inbox::f43_what_has_expired_is_gone_before_the_table_drops_it",
            "it::machine::i8_i9_every_reply_is_what_the_model_says",
        ],
    },
    Mutant {
        name: "a page does not look whether more follows",
        file: "shared/src/inbox.rs",
        from: "next: last.filter(|_| full || merged.is_cut()),",
        to: "next: last.filter(|_| merged.is_cut()),",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a cursor repeats the row it stands on",
        file: "shared/src/store/inbox.rs",
        from: "newest: before.map(NotificationId::previous),",
        to: "newest: before,",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a mark creates a row that is not there",
        file: "shared/src/store/inbox.rs",
        from: "\"attribute_exists(t) AND expires_at > :second\"",
        to: "\"attribute_not_exists(pk) OR expires_at > :second\"",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "marking again moves the moment",
        file: "shared/src/store/inbox.rs",
        from: "SET #r = if_not_exists(#r, :now)",
        to: "SET #r = :now",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "the unread count is off by one at its cap",
        file: "shared/src/inbox.rs",
        from: "if self.counts.unread.max(self.counts.unseen) > MAX_COUNT {",
        to: "if self.counts.unread.max(self.counts.unseen) >= MAX_COUNT {",
        tests: &["it::inbox::a_count_is_exact_up_to_99_and_says_when_there_is_more"],
    },
    Mutant {
        name: "every page is read consistently",
        file: "shared/src/store/inbox.rs",
        from: ".consistent_read(consistent)",
        to: ".consistent_read(consistent || limit > 0)",
        tests: &["it::capacity::every_operation_costs_what_the_readme_says_however_much_is_stored"],
    },
    Mutant {
        name: "the SDK repeats a publish",
        file: "shared/src/aws.rs",
        from: "aws_sdk_sns::Client::from_conf(once.build()),",
        to: "aws_sdk_sns::Client::from_conf(once.retry_config(RetryConfig::standard()).build()),",
        tests: &[
            "it::publishes::f18_i5_i6_a_publish_is_repeated_only_if_it_may_be_and_what_is_unclear_is_counted",
        ],
    },
    Mutant {
        name: "an ambiguous publish is not counted",
        file: "shared/src/push/attempt.rs",
        from: "                self.ambiguous += 1;\n                if self.options.once {",
        to: "                if self.options.once {",
        tests: &["it::pushes::a_push_at_most_once_that_may_have_been_sent_is_not_sent_again"],
    },
    Mutant {
        name: "the outcome is not recorded",
        file: "shared/src/push/deliver.rs",
        from: "            outcome.add(&done);\n            outcome.waits_for(open);\n            if open.is_none()",
        to: "            outcome.ambiguous += done.ambiguous;\n            if open.is_none() && outcome.ambiguous > 99",
        tests: &[
            "it::publishes::f17_i4_i5_a_batch_killed_at_any_call_is_pushed_and_repeats_are_counted",
            "it::pushes::f21_a_throttled_push_is_tried_again_and_sent_once",
        ],
    },
    Mutant {
        name: "the outcome on the row is ignored",
        file: "shared/src/push/deliver.rs",
        from: "            let user = &target.0;\n            Ok(Some(Job {",
        to: "            let mut notification = notification;\n            notification.outcome = Outcome::default();\n            let user = &target.0;\n            Ok(Some(Job {",
        tests: &[
            "it::publishes::f17_i4_i5_a_batch_killed_at_any_call_is_pushed_and_repeats_are_counted",
        ],
    },
    Mutant {
        name: "one odd record fails its whole batch",
        file: "functions/push-notifications/src/handler.rs",
        from: "if let Some(number) = keep_dead(pusher.store(), clock, &record).await? {",
        to: "if let Some(number) = Err::<Option<String>, _>(shared::error::Error::Forbidden(\"odd\"))? {",
        tests: &["it::pushes::f25_a_record_that_cannot_be_read_does_not_stop_its_neighbours"],
    },
    Mutant {
        name: "a push at most once is not marked before it is sent",
        file: "shared/src/push/deliver.rs",
        from: "        if options.once {\n            return",
        to: "        if options.once && options.silent {\n            return",
        tests: &[
            "it::overlaps::f15_a_record_in_two_invocations_at_once_is_pushed_twice_at_most_and_counted",
        ],
    },
    Mutant {
        name: "the dedupe key is ignored",
        file: "shared/src/store/dedupe.rs",
        from: "attribute_not_exists(pk) OR expires_at <= :now",
        to: "attribute_not_exists(pk) OR expires_at <= :now OR attribute_exists(pk)",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a dedupe key outlives its notification",
        file: "shared/src/store/dedupe.rs",
        from: "attribute_not_exists(pk) OR expires_at <= :now",
        to: "attribute_not_exists(pk) OR expires_at <= :now AND attribute_not_exists(pk)",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "what was taken back is not found when it is taken back again",
        file: "shared/src/store/dedupe.rs",
        from: "if row::is_tombstone(&item) {\n                return Ok(());",
        to: "if row::is_tombstone(&item) {\n                return Err(Error::NotFound);",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a repeat does not see that its row was taken back",
        file: "shared/src/create/slot.rs",
        from: "Found::Retracted => self.end(id, Status::Retracted),",
        to: "Found::Retracted => self.end(id, Status::Created),",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "watermarks are not behind the clock",
        file: "shared/src/marks.rs",
        from: "pub const BEHIND: Duration = Duration::from_secs(5);",
        to: "pub const BEHIND: Duration = Duration::from_secs(0);",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a watermark covers what is marked unread after it",
        file: "shared/src/marks.rs",
        from: " && !self.unread.contains(&id)",
        to: "",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a watermark goes back",
        file: "shared/src/store/marks.rs",
        from: "attribute_not_exists(c) OR c < :id",
        to: "attribute_not_exists(c) OR c <> :id",
        tests: &["it::marking::i9_a_move_that_comes_late_takes_no_watermark_back"],
    },
    Mutant {
        name: "mutes are not applied to the inbox",
        file: "shared/src/inbox.rs",
        from: "(row.is_live(self.now) && wanted && !muted && !erased)",
        to: "(row.is_live(self.now) && wanted && (muted || !muted) && !erased)",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "preferences are not applied to the inbox",
        file: "shared/src/inbox.rs",
        from: "(row.is_live(self.now) && wanted && !muted && !erased)",
        to: "(row.is_live(self.now) && (wanted || !wanted) && !muted && !erased)",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "archived notifications are counted",
        file: "shared/src/inbox.rs",
        from: "visible.filter(|n| !self.done && n.archived_at.is_none())",
        to: "visible.filter(|_| !self.done)",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
    Mutant {
        name: "a folded entry names an actor twice",
        file: "shared/src/fold.rs",
        from: "&& self.actors.iter().all(|known| known.id != actor.id)",
        to: "&& self.actors.len() < MAX_ACTORS",
        tests: &["it::machine::i8_i9_every_reply_is_what_the_model_says"],
    },
];
