//! A preflight as one JSON document.

use serde_json::{Value, json};

use crate::exec::preflight::{Area, Finding, Level};
use crate::plan::Plan;

use super::Report;

/// All of it. Times are RFC 3339.
pub(super) fn json(plan: &Plan, report: &Report) -> Value {
    json!({
        "schema": "golive.preflight/1",
        "runbook": plan.id,
        "title": plan.title,
        "digest": plan.digest,
        "at": report.at.rfc3339(),
        "passed": report.passed(),
        "counts": {
            "ok": report.count(Level::Ok),
            "warning": report.count(Level::Warning),
            "unknown": report.count(Level::Unknown),
            "failed": report.count(Level::Failed),
        },
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let area = match finding.area {
        Area::Here => "here",
        Area::Host => "host",
        Area::Probe => "probe",
        Area::Channel => "channel",
    };
    json!({
        "area": area,
        "place": finding.place,
        "what": finding.what,
        "level": finding.level.word().to_lowercase(),
        "words": finding.words,
        "fix": finding.fix,
    })
}
