//! Mutants of what everyone gets and a topic's members are pushed.

use crate::list::Mutant;

const EVERYONE: &str = "it::broadcast_pushes::f13_everyone_has_it_once_and_members_with_devices_get_one_push_under_its_id";
const KILLED: &str =
    "it::broadcast_kills::f13_a_step_that_reaches_members_killed_at_any_call_reaches_each_once";
const DELAYED: &str = "it::broadcast_pushes::f13_who_has_read_it_one_way_or_another_is_not_pushed_when_the_delay_is_over";
const RETRACTED: &str = "it::broadcast_ends::f34_taken_back_it_goes_from_every_screen_and_what_is_on_its_way_reaches_none";
const BETWEEN: &str = "it::clearing::f34_a_push_between_the_reading_and_the_taking_back_is_cleared";
const READ: &str = "it::broadcast_ends::read_on_one_screen_it_goes_from_the_others";
const WAITED: &str =
    "it::broadcast_ends::what_waited_long_for_its_step_is_found_by_when_it_was_put";
const CAPPED: &str =
    "it::broadcast_pushes::quiet_hours_caps_and_mutes_hold_for_it_as_for_any_other";
const REFUSED: &str = "it::broadcasts::what_goes_to_everyone_has_no_recipients_and_no_push";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "what carries a push ends a page before what it carries",
        file: "shared/src/inbox.rs",
        from: "row.is_none_or(|row| row <= id)",
        to: "row.is_none_or(|row| row < id)",
        tests: &[EVERYONE],
    },
    Mutant {
        name: "an instance shows only what it knew of what everyone gets",
        file: "shared/src/inbox.rs",
        from: "unsigned_abs() > NEW",
        to: "unsigned_abs() > Duration::ZERO",
        tests: &[EVERYONE],
    },
    Mutant {
        name: "a badge knows less than what is pushed",
        file: "shared/src/inbox.rs",
        from: "        Ok((id, self.unheard(id).await?))",
        to: "        Ok((id, None))",
        tests: &[EVERYONE],
    },
    Mutant {
        name: "an export has rows that say nothing",
        file: "shared/src/store/export.rs",
        from: " || row::is_carrier(&item);",
        to: ";",
        tests: &[EVERYONE],
    },
    Mutant {
        name: "a member is reached again under another id",
        file: "shared/src/create/slot.rs",
        from: ".map_or_else(|| NotificationId::new(at, self.tail), |of| of.id)",
        to: ".map_or(NotificationId::new(at, self.tail), |_| NotificationId::new(at, self.tail))",
        tests: &[KILLED],
    },
    Mutant {
        name: "delayed pushes of what everyone gets are one task",
        file: "shared/src/task.rs",
        from: "named(derived_tail(&id.to_string(), 0, user.as_str()))",
        to: "named(derived_tail(&id.to_string(), 0, &user.as_str()[..0]))",
        tests: &[DELAYED],
    },
    Mutant {
        name: "a new broadcast cannot be read by who is pushed",
        file: "shared/src/inbox/marking.rs",
        from: "            everyones = self.unheard(id).await?;",
        to: "            everyones = self.unheard(id).await?.filter(|_| false);",
        tests: &[DELAYED],
    },
    Mutant {
        name: "taking back what everyone gets leaves its pushes",
        file: "shared/src/store/dedupe.rs",
        from: "if *recipient == Recipient::Everyone {",
        to: "if *recipient != Recipient::Everyone {",
        tests: &[RETRACTED],
    },
    Mutant {
        name: "a push that is recorded meanwhile is not seen by the taking back",
        file: "shared/src/store/dedupe.rs",
        from: "None => format!(\"{PUSHED} AND attribute_not_exists(po)\"),",
        to: "None => PUSHED.to_owned(),",
        tests: &[BETWEEN],
    },
    Mutant {
        name: "what everyone gets stays on the other screens when it is read",
        file: "shared/src/inbox/marking.rs",
        from: "if everyones.content.push.topic().is_some() {",
        to: "if everyones.content.push.topic().is_none() {",
        tests: &[READ],
    },
    Mutant {
        name: "a redrive looks for what was accepted in its window alone",
        file: "shared/src/store/redrive.rs",
        from: "OR {CARRIED} BETWEEN :first AND :last",
        to: "OR {CARRIED} BETWEEN :first AND :last AND pk = sk",
        tests: &[WAITED],
    },
    Mutant {
        name: "pushes of what everyone gets do not count for a group's cap",
        file: "shared/src/push/plan.rs",
        from: "sent.extend(said.into_values().flatten());",
        to: "drop(said);",
        tests: &[CAPPED],
    },
    Mutant {
        name: "the end of quiet hours tells of what was taken back",
        file: "shared/src/push/quiet.rs",
        from: "            let Some(Ok(row)) = said else {\n                return false;\n            };",
        to: "            let Some(Ok(row)) = said else {\n                return true;\n            };",
        tests: &[CAPPED],
    },
    Mutant {
        name: "what goes to users may name the topic of its push",
        file: "shared/src/push_options.rs",
        from: "if !to_everyone && push.take(\"topic\").is_some() {",
        to: "if !to_everyone && push.take(\"\").is_some() {",
        tests: &[REFUSED],
    },
];
