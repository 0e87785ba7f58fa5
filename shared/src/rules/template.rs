//! Templates: short texts with what they take from the event between double braces.
//!
//! They are minijinja's, which read like Jinja. What is not there is an error, and so is a text that
//! `null`, a list or an object would become part of, since nobody means that.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// The longest template, in characters.
pub const MAX_TEMPLATE: usize = 1_000;
/// What one rendering may use: about so many steps, or 64 bytes of text for each. It bounds both the
/// time (milliseconds) and the memory (one megabyte).
const FUEL: u64 = 20_000;

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(50);
    // Without it errors have no column.
    engine.set_debug(true);
    engine.set_formatter(|out, _, value| {
        let what = match value.kind() {
            ValueKind::None => "it is null",
            ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::Bool | ValueKind::Number | ValueKind::String => {
                return write!(out, "{value}").map_err(Error::from);
            }
            _ => "it is no text, but a list or an object",
        };
        Err(Error::new(ErrorKind::InvalidOperation, what))
    });
    engine
});

/// Whether it is a template: if not, where it breaks and why.
pub fn check(template: &str) -> Result<(), String> {
    let engine: &Environment<'_> = &ENGINE;
    let compiled = engine.template_from_str(template);
    compiled
        .map(drop)
        .map_err(|error| explain(template, &error))
}

/// The text that a template becomes: if none, where it breaks and why.
pub fn render(template: &str, context: &Value) -> Result<String, String> {
    let rendered = ENGINE.render_str(template, context);
    rendered.map_err(|error| explain(template, &error))
}

/// What went wrong, and in which line and column of the template, both counted from 1.
fn explain(template: &str, error: &Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let start = error.range().map(|range| range.start);
    let before = start.and_then(|start| template.get(..start));
    let place = match (before, error.line()) {
        (Some(before), _) => {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!(" (line {line}, column {column})")
        }
        (None, Some(line)) => format!(" (line {line})"),
        (None, None) => String::new(),
    };
    text.push_str(&place);
    text
}
