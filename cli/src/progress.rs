//! How far a command is: a bar on a terminal, a plain line now and then otherwise. And its pace.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Between two states of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// The bar's characters.
const WIDTH: usize = 30;

/// Shows on standard error how far a command is, and holds it to a rate.
pub struct Progress {
    began: Instant,
    shown: Instant,
    is_terminal: bool,
    /// The most a second.
    rate: u32,
    /// What was done since the command began.
    done: u64,
}

impl Progress {
    /// Of a command that begins now and does no more than `rate` a second.
    pub fn new(rate: u32) -> Progress {
        Progress {
            began: Instant::now(),
            shown: Instant::now(),
            is_terminal: std::io::stderr().is_terminal(),
            rate,
            done: 0,
        }
    }

    /// So many more are done: waits until as much may be done.
    pub async fn pace(&mut self, more: usize) {
        self.done += more as u64;
        let due = Duration::from_millis(self.done.saturating_mul(1_000) / u64::from(self.rate));
        tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
    }

    /// Shows `text`, and how much of the whole is done (if that is known), unless it was shown a moment ago.
    pub fn show(&mut self, part: Option<(u64, u64)>, text: &str) {
        let pause = if self.is_terminal {
            BAR_EVERY
        } else {
            PLAIN_EVERY
        };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let speed = self.done.saturating_mul(1_000) / millis.max(1);
        let percent = part.map(|(done, all)| done.saturating_mul(100) / all.max(1));
        let share = percent.map_or_else(String::new, |percent| format!("{percent} %, "));
        if self.is_terminal {
            let bar = percent.map_or_else(String::new, bar);
            // Back to the line's beginning, and without what is left of a longer one.
            let line = format!("\r{bar}{share}{speed}/s, {text}\x1b[K");
            std::io::stderr().write_all(line.as_bytes()).ok();
        } else {
            local::say(format_args!("{share}{speed}/s, {text}"));
        }
    }

    /// Leaves the bar's line.
    pub fn end(&self) {
        if self.is_terminal {
            std::io::stderr().write_all(b"\r\x1b[K").ok();
        }
    }
}

fn bar(percent: u64) -> String {
    let full = usize::try_from(percent).unwrap_or(0).min(100) * WIDTH / 100;
    format!("[{}{}] ", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_its_percentage() {
        assert_eq!(bar(0), format!("[{}] ", ".".repeat(30)));
        assert_eq!(bar(50), format!("[{}{}] ", "#".repeat(15), ".".repeat(15)));
        assert_eq!(bar(100), format!("[{}] ", "#".repeat(30)));
    }

    #[tokio::test]
    async fn the_pace_is_the_rate() {
        let mut progress = Progress::new(1_000);
        progress.pace(20).await;
        progress.pace(20).await;
        assert!(progress.began.elapsed() >= Duration::from_millis(40));
    }
}
