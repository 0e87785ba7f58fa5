//! What would make the bill smaller, computed on the same load.

use local::Result;

use super::{Load, MONTH, Usage, prices, total};

/// The use of provisioned capacity that is reckoned with: what auto scaling holds.
const USED: f64 = 0.7;

/// Something that could be done.
#[derive(Debug, Clone)]
pub struct Saving {
    /// What, as a part of a sentence.
    pub what: &'static str,
    /// How much less a month costs.
    pub dollars: f64,
}

/// What could be done, what saves most first.
pub fn all(load: &Load) -> Result<Vec<Saving>> {
    let usage = Usage::of(load)?;
    let before = total(&usage.lines());
    let changed = |change: &dyn Fn(&mut Load)| {
        let mut other = load.clone();
        change(&mut other);
        let lines = Usage::of(&other)?.lines();
        Ok::<f64, local::Error>(before - total(&lines))
    };
    let on_demand = (usage.writes * prices::WRITES + usage.reads * prices::READS) / 1e6;
    let hours = MONTH / 3_600.0;
    let provisioned = (usage.writes * prices::WRITE_UNIT_HOUR
        + usage.reads * prices::READ_UNIT_HOUR)
        / MONTH
        / USED
        * hours;
    let infrequent = usage.stored * (prices::STORAGE - prices::STORAGE_INFREQUENT)
        - on_demand * (prices::REQUESTS_INFREQUENT - 1.0);
    let mut savings = vec![
        Saving {
            what: "25 notifications to a request",
            dollars: changed(&|load| load.batch = 25)?,
        },
        Saving {
            what: "half as many pages, because the app asks when a push came and not at every turn",
            dollars: changed(&|load| load.reads /= 2.0)?,
        },
        Saving {
            what: "provisioned capacity with auto scaling, if the load is even (70 % used)",
            dollars: on_demand - provisioned,
        },
        Saving {
            what: "the table class Standard-Infrequent Access",
            dollars: infrequent,
        },
    ];
    savings.sort_by(|one, other| other.dollars.total_cmp(&one.dollars));
    Ok(savings)
}
