//! What comparisons of two systems found: every one of them, with its differences.

use crate::engine::{End, Event, Outcome, SideRead};

use super::sections::dash;
use super::story::Story;
use super::words::part_of;
use super::write::{Document, md};

/// Every comparison, in the order of the record; nothing where nothing was compared.
pub(super) fn reconciliations(story: &Story<'_>, to: &mut Document) {
    let mut any = false;
    for (at, fact) in story.facts() {
        let Event::JobEnded { job, end: End::Done(done), .. } = &fact.event else { continue };
        let Some(found) = &done.reconciled else { continue };
        if !any {
            to.heading(2, "Reconciliation");
            any = true;
        }
        let key = &job.key;
        let title = story.plan.step(&key.step).map(|step| step.title.as_str());
        let title = title.map(|title| format!(": {}", md(title))).unwrap_or_default();
        to.heading(3, &format!("{}{title}", md(key.step.as_str())));
        let outcome = match found.outcome {
            Outcome::Equal => "EQUAL",
            Outcome::Differs => "DIFFERS",
            Outcome::Unknown { .. } => "UNKNOWN",
        };
        to.paragraph(&format!(
            "**{outcome}** at {}, {}attempt {}: {} ({})",
            story.moment(at),
            part_of(key.part),
            key.attempt,
            md(&found.words()),
            md(found.how.as_str())
        ));
        let side = |name: &str, side: &SideRead| {
            let digest = side.digest.map_or_else(dash, |digest| digest.to_string());
            vec![name.to_owned(), md(side.host.as_str()), side.bytes.to_string(), digest]
        };
        let rows = [side("left", &found.left), side("right", &found.right)];
        to.table(&["Side", "Host", "Bytes", "SHA-256"], &rows, "");
        let rows: Vec<Vec<String>> = found.cells().map(|row| row.map(md).to_vec()).collect();
        if !rows.is_empty() {
            let head = found.head().map(|cell| md(&cell));
            to.table(&head.each_ref().map(String::as_str), &rows, "");
        }
        if found.more() > 0 {
            to.paragraph(&format!("and {} more differences.", found.more()));
        }
    }
}
