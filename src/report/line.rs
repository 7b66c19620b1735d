//! One line an event: for people, and for programs.

use serde::Serialize;

use crate::base::{SafeText, Timestamp, cells};
use crate::engine::Fact;
use crate::journal::{Entry, ascii};
use crate::plan::Plan;

use super::facts::{Told, told, who};

/// Cells for the name of who caused it.
const WHO_CELLS: usize = 12;

/// One plain line of English: site time, who, step, what, result. Safe to print anywhere.
pub fn timeline_line(plan: &Plan, at: Timestamp, fact: &Fact) -> String {
    let Told { step, what, result, .. } = told(plan, fact);
    let by = who(&fact.by);
    let gap = " ".repeat(WHO_CELLS.saturating_sub(cells(&by)));
    let step = step.map_or_else(String::new, |step| format!("{step}: "));
    let result = if result.is_empty() { result } else { format!(" - {result}") };
    let line = format!("{} {by}{gap} {step}{what}{result}", plan.zone.time(at));
    SafeText::new(&line).to_string()
}

#[derive(Serialize)]
struct Object<'a> {
    schema: &'static str,
    seq: u64,
    at: String,
    wall: String,
    #[serde(flatten)]
    fact: &'a Fact,
}

/// One JSON object on one line of ASCII, without its end: `golive.event/1`. `seq` is the line of the
/// journal; `at` and `wall` are RFC 3339 UTC; times within events are milliseconds since
/// 1970-01-01T00:00:00Z, and durations milliseconds.
pub fn json_line(entry: &Entry, fact: &Fact) -> String {
    let object = Object {
        schema: "golive.event/1",
        seq: entry.seq,
        at: entry.at.rfc3339(),
        wall: entry.wall.rfc3339(),
        fact,
    };
    // Strings and numbers only: nothing of it can fail to be written.
    ascii(&serde_json::to_string(&object).unwrap_or_default())
}
