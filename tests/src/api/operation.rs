//! One operation of the API, as the files beside this one state it.

use serde_json::{Map, Value, json};

use super::schema::{flag, named, text, whole};

/// Statuses that any operation may answer with, beside its own.
const ALWAYS: [u16; 5] = [400, 429, 431, 500, 503];
/// Statuses of operations that take a token.
const WITH_TOKEN: [u16; 2] = [401, 403];
/// Statuses of operations that take a body.
const WITH_BODY: [u16; 3] = [413, 415, 422];

/// An operation under construction.
pub struct Operation {
    /// As the template has it: `GET /v1/me/devices`.
    pub route: &'static str,
    value: Value,
    statuses: Vec<u16>,
}

impl Operation {
    /// An operation by its route, its name for programs, and what it does in a line.
    pub fn new(route: &'static str, id: &str, summary: &str) -> Operation {
        let mut parameters = Vec::new();
        for part in route.split('/') {
            if let Some(name) = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                parameters.push(in_path(route, name));
            }
        }
        let mut value = json!({"operationId": id, "summary": summary, "responses": {}});
        if !parameters.is_empty() {
            value["parameters"] = json!(parameters);
        }
        Operation {
            route,
            value,
            statuses: ALWAYS.to_vec(),
        }
    }

    /// What more there is to say.
    pub fn says(mut self, description: &str) -> Operation {
        self.value["description"] = json!(description);
        self
    }

    /// A parameter of the query; with a `?` behind its name if it may be left out.
    pub fn query(self, name: &str, schema: impl Into<Value>, says: &str) -> Operation {
        let schema = schema.into();
        let (name, required) = match name.strip_suffix('?') {
            Some(name) => (name, false),
            None => (name, true),
        };
        let parameter = json!({"name": name, "in": "query", "required": required, "schema": schema, "description": says});
        self.parameter(parameter)
    }

    /// The values that must stand at paths inside `data`.
    pub fn data_paths(self) -> Operation {
        let says = "A path inside `data`, and the JSON value that must stand there: `data.video.id=42`, `data.kind=\"like\"`. \
            Up to 20; `\\.` is a dot inside a name.";
        // Written out, the names of the object are those of the query.
        let mut schema = super::schema::map(json!({"pattern": "^data\\..+$"}), text(1_000), 20);
        schema["additionalProperties"]["contentMediaType"] = json!("application/json");
        let parameter = json!({"name": "data", "in": "query", "required": false, "style": "form", "explode": true, "schema": schema, "description": says});
        self.parameter(parameter)
    }

    /// The parameters of a list in pages.
    pub fn paged(self) -> Operation {
        self.query(
            "limit?",
            with_default(whole(1, 100), 25),
            "How many there are on a page.",
        )
        .cursor()
    }

    /// The parameter that asks for the page after another.
    pub fn cursor(self) -> Operation {
        let says =
            "The `next` of the page before. It goes with the list and the filter that gave it out.";
        self.query("cursor?", named("Cursor"), says)
    }

    /// Whether what was written a moment ago must be in the answer.
    pub fn consistent(self) -> Operation {
        let says =
            "Whether the answer must have what was written a moment ago. It costs twice as much.";
        self.query("consistent?", with_default(flag(), false), says)
    }

    /// A header of the request.
    pub fn header(self, name: &str, schema: impl Into<Value>, says: &str) -> Operation {
        let schema = schema.into();
        let parameter = json!({"name": name, "in": "header", "required": false, "schema": schema, "description": says});
        self.parameter(parameter)
    }

    /// The header by which a repeat is known.
    pub fn keyed(self) -> Operation {
        let says = "Makes the request repeatable for 24 hours: a repeat has the same answer, and stores what is missing.";
        let schema = json!({"type": "string", "pattern": "^[ -~]{1,255}$"});
        self.header("Idempotency-Key", schema, says)
    }

    /// The header that says which trace of the caller's a request belongs to.
    pub fn traced(self) -> Operation {
        let says = "W3C Trace Context: kept with what the request stores, and named by the log lines of what comes of it, up to the push. One that is not valid is ignored.";
        self.header("traceparent", json!({"type": "string"}), says)
    }

    fn parameter(mut self, parameter: Value) -> Operation {
        match self
            .value
            .get_mut("parameters")
            .and_then(Value::as_array_mut)
        {
            Some(parameters) => parameters.push(parameter),
            None => self.value["parameters"] = json!([parameter]),
        }
        self
    }

    /// A body that is JSON.
    pub fn takes(self, schema: Value, says: &str) -> Operation {
        self.takes_any(&[("application/json", schema)], says)
    }

    /// A body of one of these media types.
    pub fn takes_any(mut self, bodies: &[(&str, Value)], says: &str) -> Operation {
        let content: Map<String, Value> = bodies
            .iter()
            .map(|(media_type, schema)| ((*media_type).to_owned(), json!({"schema": schema})))
            .collect();
        self.value["requestBody"] =
            json!({"required": true, "description": says, "content": content});
        self.statuses.extend(WITH_BODY);
        self
    }

    /// The body may be left out.
    pub fn or_nothing(mut self) -> Operation {
        self.value["requestBody"]["required"] = json!(false);
        self
    }

    /// An answer that is JSON.
    pub fn gives(self, status: u16, schema: Value, says: &str) -> Operation {
        self.gives_as(status, "application/json", schema, says)
    }

    /// An answer of some media type.
    pub fn gives_as(
        mut self,
        status: u16,
        media_type: &str,
        schema: impl Into<Value>,
        says: &str,
    ) -> Operation {
        let content = Map::from_iter([(media_type.to_owned(), json!({"schema": schema.into()}))]);
        self.value["responses"][status.to_string()] =
            json!({"description": says, "content": content});
        self
    }

    /// An answer without a body.
    pub fn empty(mut self, status: u16, says: &str) -> Operation {
        self.value["responses"][status.to_string()] = json!({"description": says});
        self
    }

    /// A header of an answer.
    pub fn with_header(mut self, status: u16, name: &str, says: &str) -> Operation {
        let header = json!({"schema": {"type": "string"}, "description": says});
        self.value["responses"][status.to_string()]["headers"][name] = header;
        self
    }

    /// Statuses of problems that this operation has beside those that all have.
    pub fn refuses(mut self, statuses: &[u16]) -> Operation {
        self.statuses.extend(statuses);
        self
    }

    /// The operation in the document: who may call it is the template's to say.
    pub fn finish(mut self, security: Option<(&str, &[String])>) -> Value {
        if let Some((scheme, scopes)) = security {
            self.statuses.extend(WITH_TOKEN);
            let scheme = Map::from_iter([(scheme.to_owned(), json!(scopes))]);
            self.value["security"] = json!([scheme]);
        } else {
            self.value["security"] = json!([]);
        }
        for status in self.statuses {
            let name = super::codes::response_name(status);
            self.value["responses"][status.to_string()] =
                json!({"$ref": format!("#/components/responses/{name}")});
        }
        self.value
    }
}

/// A schema with what is taken where nothing is given.
pub fn with_default(mut schema: Value, default: impl Into<Value>) -> Value {
    schema["default"] = default.into();
    schema
}

fn in_path(route: &str, name: &str) -> Value {
    let (schema, says) = match name {
        "id" if route.contains("/mutes/") => (text(128), "The actor's id, or the group's name."),
        "id" => (named("NotificationId"), "The notification's id."),
        "job" => (named("NotificationId"), "The job's id."),
        "kind" => (super::schema::words(&["actor", "group"]), "What is muted."),
        "type" => (
            json!({"type": "string", "pattern": format!("^[^\\x00-\\x1f\\x7f-\\x9f]{{1,{}}}$", shared::event::MAX_EVENT_TYPE)}),
            "The type of the events.",
        ),
        "topic" => (named("Id"), "The topic's name."),
        "user" => (named("Id"), "The user's id."),
        _ => (named("Id"), "The device's id, chosen by the app."),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema, "description": says})
}
