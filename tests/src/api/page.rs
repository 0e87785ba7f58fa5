//! The document as a page for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::codes::{RULES, STATUSES};

/// The page.
pub fn page(document: &Value) -> String {
    let mut text = format!(
        "# API\n\nWritten by `cargo run --bin api` from the document that the stack serves at `/openapi.json` (`docs/openapi.json`).\n\n{}\n",
        document["info"]["description"].as_str().unwrap_or_default()
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let (name, says) = (plain(&tag["name"]), plain(&tag["description"]));
        let _ = write!(text, "\n## {name}\n\n{says}\n");
        for (path, operations) in fields(&document["paths"]) {
            for (method, operation) in fields(operations) {
                if operation["tags"][0] == tag["name"] {
                    let method = method.to_uppercase();
                    add_operation(&mut text, &format!("{method} {path}"), operation);
                }
            }
        }
    }
    text.push_str("\n## Shapes\n\nA field marked with * is always there.\n");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        add_schema(&mut text, name, schema);
    }
    text.push_str("\n## Problems\n\n| status | code | says |\n|---|---|---|\n");
    for (status, _, says, codes) in STATUSES {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let _ = writeln!(text, "| {status} | {} | {says} |", codes.join(", "));
    }
    text.push_str("\n| code of a broken rule | says |\n|---|---|\n");
    for (code, says) in RULES {
        let _ = writeln!(text, "| `{code}` | {says} |");
    }
    text
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('|', "\\|")
}

fn add_operation(text: &mut String, route: &str, operation: &Value) {
    let _ = write!(text, "\n### {route}\n\n{}.", plain(&operation["summary"]));
    if let Some(says) = operation["description"].as_str() {
        let _ = write!(text, " {says}");
    }
    let scopes = fields(&operation["security"][0])
        .flat_map(|(_, scopes)| scopes.as_array().into_iter().flatten());
    let scopes: Vec<String> = scopes.map(|scope| format!("`{}`", plain(scope))).collect();
    if !scopes.is_empty() {
        let _ = write!(text, " Scope: {}.", scopes.join(" or "));
    }
    text.push('\n');
    add_parameters(text, &operation["parameters"]);
    add_body(text, &operation["requestBody"]);
    add_answers(text, &operation["responses"]);
}

fn add_parameters(text: &mut String, parameters: &Value) {
    if let Some(parameters) = parameters.as_array() {
        text.push_str("\n| parameter | in | is | says |\n|---|---|---|---|\n");
        for parameter in parameters {
            let star = if parameter["required"] == true {
                "*"
            } else {
                ""
            };
            let name = if parameter["style"] == "form" {
                "data.…".to_owned()
            } else {
                plain(&parameter["name"])
            };
            let (place, says) = (plain(&parameter["in"]), plain(&parameter["description"]));
            let _ = writeln!(
                text,
                "| `{name}`{star} | {place} | {} | {says} |",
                told(&parameter["schema"])
            );
        }
    }
}

fn add_body(text: &mut String, body: &Value) {
    if body.is_object() {
        let optional = if body["required"] == false {
            " May be left out."
        } else {
            ""
        };
        let _ = write!(text, "\nBody: {}{optional}\n", plain(&body["description"]));
        for (media_type, content) in fields(&body["content"]) {
            let _ = write!(text, "\n- `{media_type}`: {}\n", told(&content["schema"]));
        }
        add_example(text, &body["content"]);
    }
}

fn add_answers(text: &mut String, answers: &Value) {
    text.push_str("\n| answer | is | says |\n|---|---|---|\n");
    let mut problems = Vec::new();
    for (status, response) in fields(answers) {
        if status.starts_with(['4', '5']) {
            problems.push(status.clone());
            continue;
        }
        let contents = fields(&response["content"]).map(|(_, content)| told(&content["schema"]));
        let contents: Vec<String> = contents.collect();
        let headers: Vec<String> = fields(&response["headers"])
            .map(|(name, _)| format!(" Header `{name}`."))
            .collect();
        let _ = writeln!(
            text,
            "| {status} | {} | {}{} |",
            contents.join(", "),
            plain(&response["description"]),
            headers.concat()
        );
    }
    let _ = writeln!(
        text,
        "| {} | | [problems](#problems) |",
        problems.join(", ")
    );
    let answer = fields(answers).find(|(status, _)| status.starts_with('2'));
    if let Some((_, answer)) = answer {
        add_example(text, &answer["content"]);
    }
}

fn add_example(text: &mut String, content: &Value) {
    let first = fields(content).find_map(|(_, content)| fields(&content["examples"]).next());
    if let Some((_, example)) = first {
        let _ = write!(text, "\n```json\n{}\n```\n", example["value"]);
    }
}

fn add_schema(text: &mut String, name: &str, schema: &Value) {
    let _ = write!(text, "\n### {name}\n");
    if let Some(says) = schema["description"].as_str() {
        let _ = write!(text, "\n{says}\n");
    }
    if !schema["properties"].is_object() {
        let _ = write!(text, "\n{}\n", told_itself(schema));
        return;
    }
    text.push_str("\n| field | is | says |\n|---|---|---|\n");
    let required = schema["required"].as_array();
    for (name, field) in fields(&schema["properties"]) {
        let star = if required.is_some_and(|all| all.iter().any(|one| one == name)) {
            "*"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "| `{name}`{star} | {} | {} |",
            told(field),
            plain(&field["description"])
        );
    }
}

/// What a schema takes, in a few words; one with a name by its name.
fn told(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    told_itself(schema)
}

fn told_itself(schema: &Value) -> String {
    if let Some(ways) = schema["oneOf"].as_array() {
        let ways: Vec<String> = ways.iter().map(told).collect();
        return ways.join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                format!(
                    "`{}`",
                    word.as_str().map_or(word.to_string(), str::to_owned)
                )
            })
            .collect();
        return words.join(", ");
    }
    if schema.get("const").is_some() {
        return format!("`{}`", schema["const"]);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(plain).collect::<Vec<_>>().join(" or "),
        kind => plain(kind),
    };
    let mut told = kind;
    if schema["items"].is_object() {
        let _ = write!(told, " of {}", self::told(&schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        let _ = write!(told, " of {}", self::told(&schema["additionalProperties"]));
    }
    if schema["properties"].is_object() {
        let names: Vec<String> = fields(&schema["properties"])
            .map(|(name, field)| format!("`{name}`: {}", self::told(field)))
            .collect();
        let _ = write!(told, " ({})", names.join(", "));
    }
    told + &bounds_of(schema)
}

/// How long, how many, how much, and of what form.
fn bounds_of(schema: &Value) -> String {
    let mut told = String::new();
    let bounds = [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", ""),
        ("minimum", "maximum", ""),
    ];
    for (least, most, what) in bounds {
        let _ = match (schema[least].as_u64(), schema[most].as_u64()) {
            (Some(least), Some(most)) => write!(told, ", {least} to {most}{what}"),
            (None, Some(most)) => write!(told, ", up to {most}{what}"),
            _ => Ok(()),
        };
    }
    if let Some(most) = schema["maxProperties"].as_u64() {
        let _ = write!(told, ", up to {most}");
    }
    for (name, what) in [("format", ""), ("pattern", "like ")] {
        if let Some(text) = schema[name].as_str() {
            let _ = write!(told, ", {what}`{}`", text.replace('|', "\\|"));
        }
    }
    if schema.get("default").is_some() {
        let _ = write!(told, "; {} if left out", schema["default"]);
    }
    told
}
