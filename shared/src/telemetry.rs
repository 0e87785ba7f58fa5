//! Logs: one JSON object a line, without the spans' fields twice.

use tracing_subscriber::filter::LevelFilter;

/// Starts logging, at the level that the function's logging configuration asks for. What the SDK tells below `INFO` are
/// whole requests: no configuration turns that on, for it is not compiled.
pub fn init() {
    let level = crate::aws::log_level();
    let level = level.parse().unwrap_or(LevelFilter::INFO);
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
