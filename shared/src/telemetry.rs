//! Logs: one JSON object a line, without the spans' fields twice.

use tracing_subscriber::filter::LevelFilter;

/// Starts logging, at the level that the function's logging configuration asks for.
pub fn init() {
    let level = crate::aws::log_level();
    tracing_subscriber::fmt()
        .json()
        .with_max_level(level.parse().unwrap_or(LevelFilter::INFO))
        .with_current_span(false)
        .with_span_list(false)
        .flatten_event(true)
        // Lambda adds its own time.
        .without_time()
        .with_target(false)
        .init();
}
