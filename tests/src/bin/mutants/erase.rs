//! Mutants of erasing: what hides at once, what goes, and what stays.

use crate::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "an erased row is shown until it is removed",
        file: "shared/src/inbox.rs",
        from: "let erased = about.user.erases(row.id.at());",
        to: "let erased = about.user.erases(row.id.at()) && row.expires_at == 0;",
        tests: &[
            "it::erase::i11_an_erase_hides_everything_at_once_and_removes_it_and_nothing_of_others",
            "it::erase_waits::i11_a_row_that_arrives_late_is_never_seen_and_goes_two_days_later",
        ],
    },
    Mutant {
        name: "an erased notification can be taken back",
        file: "shared/src/store/dedupe.rs",
        from: "if ends.max().is_some_and(|until| id.at() <= until) {",
        to: "if ends.max().is_some_and(|until| id.at() < until && id.at() > until) {",
        tests: &[
            "it::erase::i11_an_erase_hides_everything_at_once_and_removes_it_and_nothing_of_others",
        ],
    },
    Mutant {
        name: "what an erase hides is exported",
        file: "cli/src/export.rs",
        from: "Some(Ok(about)) if about.user.erases(notification.id.at()) => continue,",
        to: "Some(Ok(about)) if about.user.erases(notification.id.at()) => about.marks.clone(),",
        tests: &["it::moving::an_export_says_what_the_user_sees_and_leaves_out_what_is_gone"],
    },
    Mutant {
        name: "an erased notification is pushed",
        file: "shared/src/push/deliver.rs",
        from: "if about.is_some_and(|about| about.user.erases(target.1.at())) {",
        to: "if about.is_some_and(|about| about.user.erases(target.1.at()) && resumes != resumes) {",
        tests: &[
            "it::erase_waits::i11_what_waited_for_an_erased_user_is_not_pushed_to_whoever_comes_back",
            "it::erase_waits::i11_a_row_that_arrives_late_is_never_seen_and_goes_two_days_later",
        ],
    },
    Mutant {
        name: "a schedule of before the erase is stored",
        file: "functions/run-tasks/src/later.rs",
        from: "if erased.map_err(|error| error.chain())? {",
        to: "if erased.map_err(|error| error.chain())? && later.attempt == 0 {",
        tests: &[
            "it::erase_waits::i11_what_waited_for_an_erased_user_is_not_pushed_to_whoever_comes_back",
        ],
    },
    Mutant {
        name: "a dedupe key of before the erase is taken",
        file: "shared/src/store/dedupe.rs",
        from: "Ok(if erased { Some(false) } else { held })",
        to: "Ok(if erased && held.is_none() { Some(false) } else { held })",
        tests: &[
            "it::erase_waits::i11_who_comes_back_is_a_new_user_and_a_repeat_brings_nothing_back",
        ],
    },
    Mutant {
        name: "a repeat of a keyed request stores what was erased",
        file: "shared/src/create/work.rs",
        from: "of.as_ref() == Some(user) && accepted <= *until;",
        to: "of.as_ref() == Some(user) && accepted > *until;",
        tests: &[
            "it::erase_waits::i11_who_comes_back_is_a_new_user_and_a_repeat_brings_nothing_back",
        ],
    },
    Mutant {
        name: "a device goes before its endpoint",
        file: "shared/src/devices/erase.rs",
        from: "    let owner = store.owner(endpoint).await?;\n",
        to: "    let owner = store.owner(endpoint).await?;\n    store.erase_device(user, id, device).await?;\n",
        tests: &["it::erase_kills::i11_an_erase_killed_at_any_call_is_completed"],
    },
    Mutant {
        name: "an interrupted removal of an endpoint is not taken over",
        file: "shared/src/devices/erase.rs",
        from: "let is_theirs = |owner: &Owner| owner.user == *user && owner.device == *id;",
        to: "let is_theirs = |owner: &Owner| owner.is(user, id);",
        tests: &["it::erase_kills::i11_an_erase_killed_at_any_call_is_completed"],
    },
    Mutant {
        name: "an erase takes the device of who came back",
        file: "shared/src/devices/register.rs",
        from: ".filter(|known| !seen.is_erased(known));",
        to: ".filter(|known| !seen.is_erased(known) || known.last_seen > 0);",
        tests: &[
            "it::erase_waits::i11_what_waited_for_an_erased_user_is_not_pushed_to_whoever_comes_back",
        ],
    },
    Mutant {
        name: "an erase is not run again",
        file: "functions/administer-users/src/erase.rs",
        from: "    store.repeat_erase(&user, erase, now).await?;\n",
        to: "",
        tests: &[
            "it::erase_waits::i11_a_row_that_arrives_late_is_never_seen_and_goes_two_days_later",
        ],
    },
    Mutant {
        name: "an erase leaves the moment of the guard out",
        file: "shared/src/store/erase.rs",
        from: "return (holder <= last(until)).then(|| {",
        to: "return (holder != last(until)).then(|| {",
        tests: &[
            "it::erase_waits::i11_who_comes_back_is_a_new_user_and_a_repeat_brings_nothing_back",
        ],
    },
    Mutant {
        name: "an erased user stays a member",
        file: "shared/src/store/erase.rs",
        from: "(at <= until.as_millisecond()).then_some(topic)",
        to: "(at == until.as_millisecond()).then_some(topic)",
        tests: &[
            "it::erase::i11_an_erase_hides_everything_at_once_and_removes_it_and_nothing_of_others",
        ],
    },
    Mutant {
        name: "an erase can be stopped",
        file: "functions/create-notifications/src/jobs.rs",
        from: "job.kind == JobKind::Erase) {",
        to: "job.kind == JobKind::Erase && job.cancelled_at.is_some()) {",
        tests: &[
            "it::erase::i11_an_erase_hides_everything_at_once_and_removes_it_and_nothing_of_others",
        ],
    },
    Mutant {
        name: "an export shows what is erased",
        file: "functions/administer-users/src/export.rs",
        from: "Kept::Notification(one) if about.user.erases(one.id.at()) => {}",
        to: "Kept::Notification(one) if about.user.erases(one.id.at()) && one.expires_at == 0 => {}",
        tests: &["it::export::i11_an_export_of_an_erased_user_is_empty_before_the_rows_are_gone"],
    },
];
