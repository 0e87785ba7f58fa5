//! The share of a processor that Lambda gives a function of 128 MB, by a control group: a process in it has used up its part
//! of 20 ms when it has run for 1.45, and waits for the next.

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};

use crate::table::float;

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
