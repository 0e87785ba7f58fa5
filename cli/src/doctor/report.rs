//! What the doctor found, a line for each check.

use super::aws::Problem;
use std::io::Write;

/// The checks, in their order; docs/OPERATIONS.md has each with its faults.
pub const CHECKS: [&str; 16] = [
    "stack",
    "api",
    "issuer",
    "token",
    "table",
    "time to live",
    "backups",
    "stream",
    "event sources",
    "functions",
    "applications",
    "queues",
    "dead pushes",
    "sweep",
    "alarm mail",
    "test push",
];

/// Something is wrong.
pub struct Fault {
    /// What.
    pub what: String,
    /// What to do, in a sentence without its full stop.
    pub mend: String,
}

impl Fault {
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Fault {
        Fault {
            what: what.into(),
            mend: mend.into(),
        }
    }
}

/// How a check ended.
pub enum Found {
    /// All is well, and this is what there is.
    Ok(String),
    /// It was not made, and why.
    Skip(String),
    /// This is wrong.
    Faults(Vec<Fault>),
}

impl Found {
    /// These faults, or if there are none, what there is.
    pub fn of(faults: Vec<Fault>, well: impl Into<String>) -> Found {
        if faults.is_empty() {
            Found::Ok(well.into())
        } else {
            Found::Faults(faults)
        }
    }

    /// One fault.
    pub fn fault(what: impl Into<String>, mend: impl Into<String>) -> Found {
        Found::Faults(vec![Fault::new(what, mend)])
    }

    /// Left out because of another one.
    pub fn without(why: &str) -> Found {
        Found::Skip(format!("not checked, because {why}"))
    }
}

/// A check's outcome; a service that does not answer ends it.
pub type Checked = Result<Found, Problem>;

/// Writes the lines as they come.
#[derive(Default)]
pub struct Report {
    failed: bool,
}

impl Report {
    /// Whether anything is wrong.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Writes what a check found.
    pub fn say(&mut self, check: &'static str, found: Checked) {
        match found.unwrap_or_else(Problem::found) {
            Found::Ok(what) => line("ok   ", check, &what),
            Found::Skip(why) => line("skip ", check, &why),
            Found::Faults(faults) => {
                self.failed = true;
                for Fault { what, mend } in faults {
                    line("FAIL ", check, &format!("{what}. Mend: {mend}."));
                }
            }
        }
    }
}

/// One line, whatever the text has in it. Whoever reads no more is told nothing more.
fn line(mark: &str, check: &str, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    writeln!(std::io::stdout(), "{mark} {check}: {text}").ok();
}
