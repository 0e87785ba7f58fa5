//! Templates: short texts with what they take from the event between double braces.
//!
//! They are minijinja's, which read like Jinja. What is not there is an error, and so is a text that
//! `null`, a list or an object would become part of, since nobody means that.

use std::sync::LazyLock;

use minijinja::machinery::parse;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use super::grammar;

/// The longest template, in characters.
pub const MAX_TEMPLATE: usize = 1_000;
/// What one rendering may use: about so many steps, or 64 bytes of text for each, so one megabyte. That a step
/// ends soon is [`grammar`]'s and [`MAX_VISITS`]'s affair.
const FUEL: u64 = 20_000;
/// So many values may the steps of one rendering visit together, since a step may compare all of the event.
const MAX_VISITS: u64 = 40_000_000;
/// What builds values of values, of which the fuel sees the outermost alone.
const REMOVED: [&str; 6] = ["batch", "chain", "groupby", "map", "slice", "zip"];

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    for name in ["debug", "dict", "namespace"] {
        engine.remove_global(name);
    }
    for name in REMOVED {
        engine.remove_filter(name);
    }
    engine.add_filter("map", pluck);
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

/// `map(attribute="name")`, the one form of that filter which makes nothing larger.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands it over")]
fn pluck(state: &State<'_, '_>, list: &Value, options: Kwargs) -> Result<Vec<Value>, Error> {
    let attribute: &str = options.get("attribute")?;
    options.assert_all_used()?;
    let attributes = list.try_iter()?.map(|item| {
        state.consume_fuel(1)?;
        let found = attribute
            .split('.')
            .try_fold(item, |item, name| item.get_attr(name))?;
        if found.is_undefined() {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        Ok(found)
    });
    attributes.collect()
}

/// Whether it is a template that a rule may have: if not, where it breaks and why.
pub fn check(template: &str) -> Result<(), String> {
    // First, since compiling works out what is constant.
    let parsed = parse(
        template,
        "<string>",
        minijinja::syntax::SyntaxConfig::default(),
    );
    let parsed = parsed.map_err(|error| explain(template, &error))?;
    let checked = grammar::statement(&parsed);
    checked.map_err(|(at, why)| format!("{why}{}", place(template, at)))?;
    let engine: &Environment<'_> = &ENGINE;
    let compiled = engine.template_from_str(template);
    compiled
        .map(drop)
        .map_err(|error| explain(template, &error))
}

/// What renders templates about an event with so many values.
pub struct Renderer(Environment<'static>);

impl Renderer {
    /// For an event with so many values.
    pub fn new(values: u64) -> Renderer {
        let mut engine = ENGINE.clone();
        engine.set_fuel(Some(FUEL.min(MAX_VISITS / values.max(1))));
        Renderer(engine)
    }

    /// The text that a template becomes: if none, where it breaks and why.
    pub fn render(&self, template: &str, context: &Value) -> Result<String, String> {
        let rendered = self.0.render_str(template, context);
        rendered.map_err(|error| explain(template, &error))
    }
}

/// What went wrong, and in which line and column of the template, both counted from 1.
fn explain(template: &str, error: &Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let start = error.range().map(|range| range.start);
    let line = || error.line().map(|line| format!(" (line {line})"));
    let place = start.map(|start| place(template, start)).or_else(line);
    text.push_str(&place.unwrap_or_default());
    text
}

/// The line and the column of an offset in bytes.
fn place(template: &str, at: usize) -> String {
    let before = template.get(..at).unwrap_or(template);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(" (line {line}, column {column})")
}
