//! What must be true when nothing is left to push.

use std::collections::HashMap;

use serde_json::Value;

use super::ledger::{Note, Taken};
use super::pushes::Report;
use super::wire::World;

/// How a notification can end.
const ENDS: [&str; 8] = [
    "sent",
    "partial",
    "no_device",
    "skipped",
    "expired",
    "dead",
    "unknown",
    "gone",
];

/// Compares what SNS took with what the table says, and both with what was promised.
pub fn judge(world: &World, mut report: Report) -> Result<Report, String> {
    let rows = world.rows();
    let states: HashMap<&str, &Value> = rows
        .iter()
        .filter_map(|row| Some((row["sk"]["S"].as_str()?.strip_prefix("N#")?, row)))
        .collect();
    let ledger = world.ledger();
    if let Some(broken) = ledger.broken.first() {
        return Err(broken.clone());
    }
    report.trace = ledger.trace;
    (report.kills, report.overlaps) = (ledger.kills, ledger.overlaps);
    for (id, note) in &ledger.notes {
        let erased = ledger.erased.contains_key(&note.user);
        report.erased += usize::from(erased);
        let row = match states.get(&**id) {
            Some(_) if erased => return Err(format!("{id} was erased, and is there")),
            Some(row) => row,
            None if erased => &Value::Null,
            None => return Err(format!("{id} has no row")),
        };
        if note.retracted.is_some() {
            report.retracted += 1;
            if row.get("t").is_some() {
                return Err(format!("{id} was taken back, and is there"));
            }
        }
        let state = row["po"]["M"]["s"]["S"].as_str().unwrap_or("pending");
        let is_gone = erased || note.retracted.is_some();
        // Every notification is in exactly one state, and none is on its way any more.
        let state = if is_gone { "gone" } else { state };
        if !ENDS.contains(&state) {
            return Err(format!("{id} is left {state}: {row}"));
        }
        *report.states.entry(state.to_owned()).or_insert(0) += 1;
        for endpoint in &note.endpoints {
            let pair = (id.clone(), endpoint.clone());
            let Taken {
                accepted,
                ambiguous,
                ..
            } = ledger.taken.get(&pair).copied().unwrap_or_default();
            report.pairs += 1;
            report.accepted += u64::from(accepted);
            report.repeats += u64::from(accepted.saturating_sub(1));
            report.ambiguous += u64::from(ambiguous);
            if accepted > 1 + ambiguous || (note.once && accepted > 1) {
                return Err(format!(
                    "{pair:?}: taken {accepted} times, unclear {ambiguous}"
                ));
            }
            if accepted == 0 && !is_gone && !is_told(note, endpoint, row) {
                return Err(format!("{pair:?} is lost: {row}"));
            }
        }
    }
    Ok(report)
}

/// Whether the table says why a device did not get it.
fn is_told(note: &Note, endpoint: &str, row: &Value) -> bool {
    let outcome = &row["po"]["M"];
    let device = format!("d{}", endpoint.rsplit('-').next().unwrap());
    let says = |outcome: &Value| outcome["w"]["S"].is_string();
    match outcome["s"]["S"].as_str() {
        Some("expired") => true,
        Some("dead" | "partial") => says(outcome) || says(&outcome["d"]["M"][device]["M"]),
        // Rather none than two.
        Some("unknown") => note.once,
        _ => false,
    }
}
