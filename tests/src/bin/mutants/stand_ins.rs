//! Mutants of the local stack: what a stand-in is when it is not what it stands for.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a function may listen to a topic that is not there",
        file: "local/src/template/connections.rs",
        from: "topic.arn == subscription.topic",
        to: "topic.arn.len() < 1000",
        tests: &["local::template::tests::what_cannot_be_honoured_is_refused_by_name"],
    },
    Mutant {
        name: "a token's trouble is the shortest name that fits",
        file: "local/src/sns/trouble.rs",
        from: ".max_by_key(|(name, _)| name.len())?",
        to: ".min_by_key(|(name, _)| name.len())?",
        tests: &[
            "local::sns::trouble::tests::a_token_asks_for_the_longest_name_that_fits",
            "local::sns::tests::troubles::every_documented_token_does_what_its_row_says",
        ],
    },
    Mutant {
        name: "a trouble goes on for ever",
        file: "local/src/sns/trouble.rs",
        from: "times.is_some_and(|times| count > times)",
        to: "times.is_some_and(|times| count > times && times > 1000)",
        tests: &[
            "local::sns::trouble::tests::a_number_says_how_often_and_late_spares_the_first",
            "local::sns::tests::troubles::a_trouble_comes_as_often_as_its_token_says",
        ],
    },
    Mutant {
        name: "a lost reply loses the push too",
        file: "local/src/sns/trouble.rs",
        from: "Self::Broken(ending) => ending != Ending::Hang,",
        to: "Self::Broken(ending) => ending == Ending::HalfReply,",
        tests: &[
            "local::sns::tests::troubles::every_documented_token_does_what_its_row_says",
            "it::troubles::f18_a_push_whose_answer_is_lost_is_sent_again_and_counted",
        ],
    },
    Mutant {
        name: "an endpoint that is said to be gone stays",
        file: "local/src/sns/trouble.rs",
        from: "\"no-endpoint-found\" | \"not-found\" => Fate::Deleted,",
        to: "\"no-endpoint-found\" | \"not-found\" => Fate::Kept,",
        tests: &["local::sns::tests::troubles::what_the_answer_says_of_the_endpoint_is_true"],
    },
    Mutant {
        name: "an answer is sent with the source of its text",
        file: "local/src/sns/answers.rs",
        from: "![SOURCE, \"content-length\"]",
        to: "![\"content-length\"]",
        tests: &["local::sns::tests::troubles::an_answer_is_sent_as_its_file_has_it"],
    },
    Mutant {
        name: "an endpoint that was there is told as created",
        file: "local/src/sns/endpoints.rs",
        from: "                0 => None,",
        to: "                9 => None,",
        tests: &[
            "local::sns::tests::platform_events::changes_of_endpoints_are_told_to_the_topic_that_asked",
        ],
    },
    Mutant {
        name: "a token that dies is told as disabled from its first push",
        file: "local/src/sns/events.rs",
        from: "let failure = if index == 0 {",
        to: "let failure = if index == 9 {",
        tests: &["local::sns::tests::platform_events::a_token_that_dies_late_is_told_push_by_push"],
    },
    Mutant {
        name: "an application shows its secrets",
        file: "local/src/sns/applications.rs",
        from: "!CREDENTIALS.contains(&name.as_str()) && !value.is_empty()",
        to: "!value.is_empty()",
        tests: &[
            "local::sns::tests::platform_events::an_application_keeps_what_was_set_and_shows_no_secret",
        ],
    },
    Mutant {
        name: "records of one item run side by side",
        file: "local/src/mapping.rs",
        from: "    keys.hash(&mut hasher);",
        to: "    keys.hash(&mut hasher);\n    record.sequence.hash(&mut hasher);",
        tests: &["local::mapping::tests::f32_lanes_work_side_by_side_and_keep_each_items_order"],
    },
    Mutant {
        name: "a record is done when it is read",
        file: "local/src/mapping.rs",
        from: "let place = self.progress.add(record.sequence.clone(), !wanted);",
        to: "let place = self.progress.add(record.sequence.clone(), true);",
        tests: &[
            "local::mapping::tests::f32_an_unfinished_record_is_delivered_again_after_a_restart",
        ],
    },
    Mutant {
        name: "all routes share one bucket",
        file: "local/src/throttle.rs",
        from: "let key = (route.method.clone(), route.path.clone());",
        to: "let key = (route.method.clone(), String::new());",
        tests: &[
            "local::throttle::tests::f60_a_flood_on_one_route_takes_nothing_from_the_others_and_ends",
        ],
    },
    Mutant {
        name: "the gateway takes any flood",
        file: "local/src/gateway.rs",
        from: "!self.throttle.takes(route.spec, Instant::now())",
        to: "!self.throttle.takes(route.spec, Instant::now()) && self.port == 1",
        tests: &["local::gateway::tests::f60_a_route_that_is_flooded_answers_429"],
    },
    Mutant {
        name: "a crate of ours has a licence that is not allowed",
        file: "Cargo.toml",
        from: "license = \"Apache-2.0\"",
        to: "license = \"AGPL-3.0-only\"",
        tests: &[
            "it::supply::f61_whatever_is_built_in_has_an_allowed_licence_and_comes_from_the_registry",
        ],
    },
    Mutant {
        name: "a route has no authorizer",
        file: "template.yaml",
        from: "Method: POST, Path: \"/v1/events\", Auth: {Authorizer: Producers}",
        to: "Method: POST, Path: \"/v1/events\"",
        tests: &["it::template_rules::g12_the_template_keeps_its_rules"],
    },
];
