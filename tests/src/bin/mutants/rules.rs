//! Mutants of rules: how they are checked, and what they make of events.

use crate::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a rule is not tried on its sample",
        file: "shared/src/rules/mod.rs",
        from: "rule.try_sample().map(|()| rule)",
        to: "Ok(rule)",
        tests: &[
            "shared::rules::tests::the_place_of_an_error_in_a_template_is_told",
            "it::rules::a_refused_event_leaves_nothing_behind_and_can_come_again_after_a_mend",
        ],
    },
    Mutant {
        name: "what is not there is false",
        file: "shared/src/rules/template.rs",
        from: "UndefinedBehavior::Strict",
        to: "UndefinedBehavior::Chainable",
        tests: &["shared::rules::tests::the_place_of_an_error_in_a_template_is_told"],
    },
    Mutant {
        name: "null is an empty text",
        file: "shared/src/rules/template.rs",
        from: "ValueKind::None => \"it is null\",",
        to: "ValueKind::None => return Ok(()),",
        tests: &[
            "shared::rules::tests::telling::an_event_that_cannot_be_told_is_refused_where_it_is_wrong",
        ],
    },
    Mutant {
        name: "a template may use a hundred times as much",
        file: "shared/src/rules/template.rs",
        from: "engine.set_fuel(Some(FUEL.min(",
        to: "engine.set_fuel(Some(100 * FUEL.min(",
        tests: &["shared::rules::tests::a_template_may_neither_take_long_nor_grow"],
    },
    Mutant {
        name: "a template has as many steps for any event",
        file: "shared/src/rules/template.rs",
        from: "FUEL.min(MAX_VISITS / values.max(1))",
        to: "FUEL.min(MAX_VISITS + values)",
        tests: &["shared::rules::tests::a_template_may_neither_take_long_nor_grow"],
    },
    Mutant {
        name: "a template may double what it made",
        file: "shared/src/rules/grammar.rs",
        from: "Stmt::Set(other) => refuse(other.span(), STATEMENTS),",
        to: "Stmt::Set(_) => Ok(()),",
        tests: &["shared::rules::tests::a_template_builds_no_values_of_values"],
    },
    Mutant {
        name: "a loop may go over what a template made",
        file: "shared/src/rules/grammar.rs",
        from: "if each.recursive || !is_loop(&each.iter) {",
        to: "if each.recursive && !is_loop(&each.iter) {",
        tests: &["shared::rules::tests::a_template_builds_no_values_of_values"],
    },
    Mutant {
        name: "one condition of several is enough",
        file: "shared/src/rules/render.rs",
        from: "if !self.when.iter().all(is_met) {",
        to: "if !self.when.is_empty() && !self.when.iter().any(is_met) {",
        tests: &["shared::rules::tests::telling::the_actor_is_left_out_and_nobody_is_told_twice"],
    },
    Mutant {
        name: "who did it is told",
        file: "shared/src/rules/render.rs",
        from: ".filter(|_| !self.include_actor);",
        to: ".filter(|_| self.include_actor);",
        tests: &[
            "shared::rules::tests::telling::the_actor_is_left_out_and_nobody_is_told_twice",
            "it::rules::an_event_tells_whom_its_rule_names_and_one_without_a_rule_nobody",
        ],
    },
    Mutant {
        name: "the actor's address goes along",
        file: "shared/src/rules/fill.rs",
        from: "fields.retain(|name, _| [\"id\", \"name\", \"image\"].contains(&name.as_str()));",
        to: "fields.retain(|name, _| !name.is_empty());",
        tests: &[
            "shared::rules::tests::telling::an_event_becomes_the_notification_that_the_rule_says",
        ],
    },
    Mutant {
        name: "all of the data goes along unless the rule says otherwise",
        file: "shared/src/rules/read.rs",
        from: "None | Some(Value::Bool(false)) => return none,",
        to: "None | Some(Value::Bool(false)) => return Data::All,",
        tests: &[
            "shared::rules::tests::telling::an_event_that_cannot_be_told_is_refused_where_it_is_wrong",
        ],
    },
    Mutant {
        name: "a dedupe key may be cut",
        file: "shared/src/rules/fill.rs",
        from: "if (1..=MAX_DEDUPE_KEY).contains(&key.chars().count()) {",
        to: "if !key.is_empty() {",
        tests: &["shared::rules::tests::a_dedupe_key_is_never_cut_and_never_empty"],
    },
    Mutant {
        name: "a schema may lead into a circle",
        file: "shared/src/rules/schema.rs",
        from: "if self.open.contains(&target) || pointer.is_empty() {",
        to: "if pointer.is_empty() {",
        tests: &["shared::rules::schema::tests::a_schema_fetches_nothing_and_leads_into_no_circle"],
    },
    Mutant {
        name: "a reference may be percent-encoded",
        file: "shared/src/rules/schema.rs",
        from: "if pointer.contains('%') {",
        to: "if pointer.contains('\\n') {",
        tests: &["shared::rules::schema::tests::a_schema_fetches_nothing_and_leads_into_no_circle"],
    },
    Mutant {
        name: "every error of large data is collected",
        file: "shared/src/rules/schema.rs",
        from: "self.values.saturating_mul(values(&data)) <= MAX_COLLECTED",
        to: "self.values <= MAX_COLLECTED",
        tests: &["shared::rules::schema::tests::large_data_breaks_one_rule_alone"],
    },
    Mutant {
        name: "a schema may be of any depth",
        file: "shared/src/rules/schema.rs",
        from: "if self.depth >= MAX_DEPTH {",
        to: "if self.depth >= MAX_DEPTH * 2 {",
        tests: &["shared::rules::schema::tests::a_schema_costs_little_whatever_it_says"],
    },
    Mutant {
        name: "what broke a contract is told again",
        file: "shared/src/rules/schema.rs",
        from: "error.masked().to_string()",
        to: "error.to_string()",
        tests: &["shared::rules::schema::tests::a_schema_costs_little_whatever_it_says"],
    },
    Mutant {
        name: "a rule that was read is never read again",
        file: "shared/src/rulebook.rs",
        from: "now.duration_since(*at).unsigned_abs() < KEPT",
        to: "now.duration_since(*at).unsigned_abs() < KEPT * 1_000",
        tests: &["it::rules::a_rule_counts_within_ten_seconds_and_at_once_where_it_was_put"],
    },
    Mutant {
        name: "a rule that is put does not count where it was put",
        file: "functions/ingest-events/src/rules.rs",
        from: "    handler.rulebook.forget(&stored.kind);\n",
        to: "",
        tests: &["it::rules::a_rule_counts_within_ten_seconds_and_at_once_where_it_was_put"],
    },
    Mutant {
        name: "a repeat takes back what came later",
        file: "shared/src/create/take_back.rs",
        from: "if id.at() > until {",
        to: "if id.at() > until && until > now {",
        tests: &[
            "it::rules::what_is_taken_back_is_gone_and_a_repeat_does_not_take_what_came_later",
        ],
    },
    Mutant {
        name: "an event is logged before its rule is asked",
        file: "functions/ingest-events/src/ingest.rs",
        from: "    let plan = plan(handler, event, clock.now()).await?;\n    let nonce",
        to: "    handler.store.log(event, handler.event_retention, clock.now(), \"\").await?;\n    let plan = plan(handler, event, clock.now()).await?;\n    let nonce",
        tests: &[
            "it::rules::a_refused_event_leaves_nothing_behind_and_can_come_again_after_a_mend",
        ],
    },
];
