//! Mutants of what the API's document says.

use super::list::Mutant;

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a body has a field that is not documented",
        file: "shared/src/device.rs",
        from: "    fields.finish();\n    Some(Announcement {",
        to: "    fields.take(\"model\");\n    fields.finish();\n    Some(Announcement {",
        tests: &["it::document::every_field_of_a_body_is_documented"],
    },
    Mutant {
        name: "a limit is not the one that is documented",
        file: "shared/src/notification.rs",
        from: "body: fields.text(\"body\", 1_000),",
        to: "body: fields.text(\"body\", 1_001),",
        tests: &["it::document::every_limit_of_a_body_is_documented_and_holds"],
    },
    Mutant {
        name: "a query has a parameter that is not documented",
        file: "functions/ingest-events/src/topics.rs",
        from: "http::query(request, &[\"limit\", \"cursor\"])?;",
        to: "http::query(request, &[\"limit\", \"cursor\", \"users\"])?;",
        tests: &["it::document::every_parameter_of_a_query_is_documented"],
    },
    Mutant {
        name: "an answer has a field that is not documented",
        file: "shared/src/http/list.rs",
        from: "        \"capped\": counts.capped,\n",
        to: "        \"capped\": counts.capped,\n        \"total\": counts.unread,\n",
        tests: &["it::events::every_event_gets_its_documented_answer"],
    },
    Mutant {
        name: "a broken rule has a code that is not documented",
        file: "functions/manage-devices/src/devices.rs",
        from: "\"not_configured\"",
        to: "\"no_application\"",
        tests: &["it::codes::every_code_is_documented"],
    },
    Mutant {
        name: "a problem has a code that is not its status's",
        file: "shared/src/http/reply.rs",
        from: "(StatusCode::NOT_FOUND, \"not_found\")",
        to: "(StatusCode::NOT_FOUND, \"invalid\")",
        tests: &["it::events::every_event_gets_its_documented_answer"],
    },
    Mutant {
        name: "events are taken from nobody",
        file: "functions/ingest-events/src/handler.rs",
        from: "        web::producer(request)?;\n",
        to: "",
        tests: &["it::auth::f56_a_token_that_names_nobody_is_forbidden_by_every_operation"],
    },
    Mutant {
        name: "a route is missing in the document",
        file: "template.yaml",
        from: "Path: \"/v1/me/devices\"",
        to: "Path: \"/v1/me/phones\"",
        tests: &["it::document::the_document_and_its_page_are_up_to_date"],
    },
    Mutant {
        name: "the document may not be kept",
        file: "shared/src/http/reply.rs",
        from: "\"public, max-age=3600\"",
        to: "\"no-store\"",
        tests: &["it::document::the_document_is_served_without_a_token"],
    },
];
