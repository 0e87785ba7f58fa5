//! The processors: one for all, or the share of one that Lambda gives a function of 128 MB, by a control group: a process in it
//! has used up its part of 20 ms when it has run for 1.45, and waits for the next.

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::table::float;

/// While this lives, the programs and what they call have one processor together: waking somebody on another would be counted, and
/// varies. Without `taskset` they have all of them.
pub struct OneProcessor(Option<String>);

impl OneProcessor {
    /// Keeps to the last of this process's processors.
    pub fn take() -> OneProcessor {
        let all = affinity(None);
        if let Some(all) = &all {
            affinity(all.rsplit(['-', ',']).next());
        }
        OneProcessor(all)
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        affinity(self.0.as_deref());
    }
}

/// Sets the processors of all of this process's threads, if any are said; those that they had.
fn affinity(processors: Option<&str>) -> Option<String> {
    let mut taskset = Command::new("taskset");
    taskset.arg("-acp").args(processors);
    taskset.arg(std::process::id().to_string());
    let output = taskset.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.rsplit(' ').next()?.to_owned())
}

/// Microseconds of a period, and what is to be had of it: 128 MB of the 1,769 that are one processor.
const PERIOD: u64 = 20_000;
const QUOTA: u64 = PERIOD * 128 / 1_769;

/// How many nanoseconds a process takes that uses so many, where nobody else wants the processor.
pub fn lasts(used: f64) -> f64 {
    let (period, quota) = (float(PERIOD) * 1e3, float(QUOTA) * 1e3);
    used + (used / quota).floor() * (period - quota)
}

/// A control group with that quota.
#[derive(Clone)]
pub struct Share {
    folder: PathBuf,
}

impl Share {
    /// Makes one, in version 1 of control groups or in version 2.
    pub fn make() -> Result<Share> {
        let name = format!("tidings-bench-{}", std::process::id());
        let first = Path::new("/sys/fs/cgroup/cpu");
        if first.join("cpu.cfs_quota_us").exists() {
            let folder = first.join(name);
            fs::create_dir(&folder)?;
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD.to_string())?;
            fs::write(folder.join("cpu.cfs_quota_us"), QUOTA.to_string())?;
            return Ok(Share { folder });
        }
        let second = Path::new("/sys/fs/cgroup");
        fs::write(second.join("cgroup.subtree_control"), "+cpu")?;
        let folder = second.join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("cpu.max"), format!("{QUOTA} {PERIOD}"))?;
        Ok(Share { folder })
    }

    /// Gives a process its share from now on.
    pub fn give(&self, pid: u32) -> Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }

    /// Removes it, when its process has ended.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir(&self.folder)
    }
}
