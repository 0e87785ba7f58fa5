//! Logs: one JSON object a line, without the spans' fields twice.

use tracing_subscriber::filter::LevelFilter;

/// Starts logging, at the level that the function's logging configuration asks for.
pub fn init() {
    let level = crate::aws::log_level();
    start(level.parse().unwrap_or(LevelFilter::INFO));
}

/// Starts logging for a function that holds secrets: what the SDK tells below `INFO` are whole
/// requests, so no configuration turns that on.
pub fn init_discreet() {
    let level = crate::aws::log_level();
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    start(level.min(LevelFilter::INFO));
}

fn start(level: LevelFilter) {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(level)
        // The runtime's span has the request's id.
        .with_current_span(true)
        .with_span_list(false)
        .flatten_event(true)
        // Lambda adds its own time.
        .without_time()
        .with_target(false)
        .init();
    // Where, and not what: the words of a panic may be a request's.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "the code broke down");
    }));
}
