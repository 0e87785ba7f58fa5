//! The table of what was measured.

use std::fmt::Write as _;

/// A figure beside its target.
pub struct Row {
    /// The line it belongs to.
    pub line: &'static str,
    /// What was measured.
    pub what: String,
    /// Beside what.
    pub peer: String,
    /// The figure of ours.
    pub ours: String,
    /// How often the other's figure goes into ours, or what else is compared.
    pub ratio: Option<f64>,
    /// What is to be reached.
    pub target: String,
    /// Whether it is; `None` where there is no target for it.
    pub is_met: Option<bool>,
}

/// The rows as a table of Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = "| line | what | beside it | ours | ratio | target | |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let verdict = match row.is_met {
            Some(true) => "pass",
            Some(false) => "**miss**",
            None => "",
        };
        let ratio = row.ratio.map(|ratio| match ratio {
            small if small < 0.1 => format!("1/{:.0}", 1.0 / small),
            ratio => format!("{ratio:.2}×"),
        });
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {verdict} |",
            row.line,
            row.what,
            row.peer,
            row.ours,
            ratio.unwrap_or_default(),
            row.target
        );
    }
    text
}

/// A number as a fraction, for ratios.
#[expect(
    clippy::cast_precision_loss,
    reason = "no figure has more than fifteen digits"
)]
pub fn float(number: u64) -> f64 {
    number as f64
}

/// Instructions, in thousands or millions.
pub fn instructions(count: f64) -> String {
    if count < 1e6 {
        format!("{:.0} k Ir", count / 1e3)
    } else {
        format!("{:.2} M Ir", count / 1e6)
    }
}

/// The same, or the sizes of a package, read again; nothing else.
pub fn read_counts(text: &str) -> Vec<f64> {
    let is_package = text.contains(", zip ");
    let read = |text: &str| {
        let (number, unit) = text.split_once(' ')?;
        let number: f64 = number.parse().ok()?;
        match unit {
            "k Ir" => Some(number * 1e3),
            "M Ir" => Some(number * 1e6),
            "MB" if is_package => Some(number * 1e6),
            _ => None,
        }
    };
    let counts: Option<Vec<f64>> = text.split(", zip ").map(read).collect();
    counts.unwrap_or_default()
}

/// Nanoseconds of processor time.
pub fn time(nanoseconds: f64) -> String {
    if nanoseconds < 1e6 {
        format!("{:.0} µs", nanoseconds / 1e3)
    } else {
        format!("{:.1} ms", nanoseconds / 1e6)
    }
}

/// Bytes, in millions.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", float(bytes) / 1e6)
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
