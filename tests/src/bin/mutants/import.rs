//! Mutants of moving in and out.

use crate::list::Mutant;

const INTERRUPTED: &str =
    "it::import::an_import_that_is_interrupted_twice_equals_the_file_and_its_export_the_import";
const OWN_TIME: &str = "it::moving::what_is_imported_has_its_own_time_and_marks_and_rings_nobody";
const REFUSED: &str =
    "it::moving::a_line_that_is_refused_is_listed_with_its_number_and_reasons_and_a_repeat_goes_on";
const SHADOW: &str = "it::moving::a_notification_that_both_have_by_its_dedupe_key_is_met_and_gets_the_marks_of_the_line";
const SEEN: &str = "it::moving::an_export_says_what_the_user_sees_and_leaves_out_what_is_gone";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "an import notes how far it is before that is durable",
        file: "cli/src/import.rs",
        from: "        let store = &self.target.store;\n        let brought",
        to: "        self.state.lines += window.lines;\n        journal::save(&self.state_file, &self.state)?;\n        self.state.lines -= window.lines;\n        let store = &self.target.store;\n        let brought",
        tests: &[INTERRUPTED],
    },
    Mutant {
        name: "ids of imported lines are drawn",
        file: "shared/src/moving.rs",
        from: "    NotificationId::new(at, derived_tail(&key, 0, user.as_str()))",
        to: "    drop(derived_tail(&key, 0, user.as_str()));\n    NotificationId::draw(at)",
        tests: &[INTERRUPTED, REFUSED],
    },
    Mutant {
        name: "what is imported is pushed",
        file: "shared/src/moving.rs",
        from: "            state: Some(State::Skipped),",
        to: "            state: Some(State::Skipped).filter(|_| now < Timestamp::UNIX_EPOCH),",
        tests: &[OWN_TIME],
    },
    Mutant {
        name: "what an import refuses is not listed",
        file: "cli/src/import.rs",
        from: "window.refused.extend(format!(\"{refusal}\\n\").bytes());",
        to: "drop(refusal);",
        tests: &[INTERRUPTED, REFUSED],
    },
    Mutant {
        name: "refused lines do not count",
        file: "cli/src/import.rs",
        from: "window.refusals += 1;",
        to: "window.refusals += 0;",
        tests: &[INTERRUPTED, REFUSED],
    },
    Mutant {
        name: "an interrupted import lists what it refused twice",
        file: "cli/src/import.rs",
        from: "if there > length {",
        to: "if there > length && length == u64::MAX {",
        tests: &[REFUSED],
    },
    Mutant {
        name: "an import goes on in a file that has changed",
        file: "cli/src/import.rs",
        from: "if state.sha256 != sha256 {",
        to: "if state.sha256.is_empty() {",
        tests: &[REFUSED],
    },
    Mutant {
        name: "a line whose notification is there does not bring its marks",
        file: "shared/src/moving.rs",
        from: "Some(Found::Live) => return mark(store, user, other, line).await,",
        to: "Some(Found::Live) => return Ok(Brought::There),",
        tests: &[SHADOW],
    },
    Mutant {
        name: "an export does not know of mark-all",
        file: "shared/src/moving.rs",
        from: "let notification = marks.apply(notification);",
        to: "let _ = marks.apply(notification.clone());",
        tests: &[SEEN],
    },
    Mutant {
        name: "an export does not cut off what was not sure",
        file: "cli/src/export.rs",
        from: "file.set_len(bytes)?;",
        to: "",
        tests: &[INTERRUPTED],
    },
];
