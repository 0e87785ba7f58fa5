//! Mutants of where a trace goes, of what functions write, and of what is said to apps.

use crate::list::Mutant;

/// A test whose functions run beside it, and one of a stack: what every line must be is checked in all of them.
const LINES: &[&str] = &[
    "it::telemetry::an_invocation_is_one_small_line_that_says_what_it_did",
    "it::create::f12_a_batch_stores_what_is_valid_and_says_what_is_not",
];

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a traceparent of any version and length is one",
        file: "shared/src/traceparent.rs",
        from: "if !is_version || trace",
        to: "if trace",
        tests: &["shared::traceparent::tests::what_is_no_traceparent_is_as_good_as_none"],
    },
    Mutant {
        name: "a line names as many traces as there are",
        file: "shared/src/metrics.rs",
        from: "record.traces.len() < MAX_TRACES && !record",
        to: "!record",
        tests: &["shared::metrics::tests::a_line_names_each_trace_once_and_ten_at_most"],
    },
    Mutant {
        name: "a create has no trace",
        file: "functions/create-notifications/src/create.rs",
        from: "draft.content.traceparent = http::traceparent(request);",
        to: "draft.content.traceparent = None;",
        tests: &[
            "it::telemetry::a_producers_trace_goes_from_the_header_to_the_row_the_logs_and_support",
        ],
    },
    Mutant {
        name: "a batch has no trace",
        file: "functions/create-notifications/src/batch.rs",
        from: "draft.content.traceparent = traceparent;",
        to: "draft.content.traceparent = traceparent.filter(|_| false);",
        tests: &[
            "it::telemetry::a_producers_trace_goes_from_the_header_to_the_row_the_logs_and_support",
        ],
    },
    Mutant {
        name: "a push names no trace",
        file: "shared/src/push/deliver.rs",
        from: "metrics::trace(job.notification.content.traceparent);",
        to: "metrics::trace(None);",
        tests: &[
            "it::telemetry::a_producers_trace_goes_from_the_header_to_the_row_the_logs_and_support",
        ],
    },
    Mutant {
        name: "the end of quiet hours names the newest's trace alone",
        file: "shared/src/push/quiet.rs",
        from: "traces.for_each(|content|",
        to: "traces.take(1).for_each(|content|",
        tests: &["it::traces::the_end_of_quiet_hours_names_the_trace_of_each_that_it_tells_of"],
    },
    Mutant {
        name: "a topic's members have rows without a trace",
        file: "shared/src/create/fan_out.rs",
        from: "_ => (note.content.clone(), life),",
        to: "_ => {\n            let mut content = note.content.clone();\n            content.traceparent = None;\n            (content, life)\n        }",
        tests: &[
            "it::traces::a_topics_members_and_what_everyone_gets_have_the_trace_of_the_one_request",
        ],
    },
    Mutant {
        name: "a schedule that waits is shown without its trace",
        file: "shared/src/store/trace.rs",
        from: "(false, None) => Traced::Scheduled(traceparent(&item)),",
        to: "(false, None) => Traced::Scheduled(None),",
        tests: &["it::traces::a_schedule_keeps_its_trace_until_it_is_stored"],
    },
    Mutant {
        name: "a request's trace goes before its event's own",
        file: "functions/ingest-events/src/http.rs",
        from: "let mut event = read(value, \"\")?;\n    event.traceparent = event.traceparent.or(traceparent);",
        to: "let mut event = read(value, \"\")?;\n    event.traceparent = traceparent.or(event.traceparent);",
        tests: &["it::traces::an_events_own_trace_goes_before_its_requests"],
    },
    Mutant {
        name: "a browser's push has no topic, and the document says it has",
        file: "shared/src/push/payload.rs",
        from: "\"Topic\": id,",
        to: "\"Topic\": null,",
        tests: &["it::apps::the_payloads_in_the_apps_document_are_those_that_are_sent"],
    },
    Mutant {
        name: "a function writes words among its lines",
        file: "functions/create-notifications/src/main.rs",
        from: "telemetry::init();",
        to: "telemetry::init();\n    eprintln!(\"ready\");",
        tests: LINES,
    },
    Mutant {
        name: "a line says what was asked for",
        file: "shared/src/http/mod.rs",
        from: "metrics::trace(traceparent(&request));",
        to: "metrics::tell(\"path\", request.uri().path());",
        tests: LINES,
    },
    Mutant {
        name: "an instance's start is told of every invocation but its first",
        file: "shared/src/metrics.rs",
        from: "if !WARM.swap(true, Relaxed) {",
        to: "if WARM.swap(true, Relaxed) {",
        tests: &["it::telemetry::an_invocation_is_one_small_line_that_says_what_it_did"],
    },
];
