//! The report for people: `report.md`.

use std::sync::Arc;

use crate::base::{SafeText, Timestamp, Zone};
use crate::engine::{Event, Fact};
use crate::journal::{Entry, Verdict};
use crate::plan::Plan;

use super::decided;
use super::facts::{Told, told, who};
use super::outcome::{result, summary};
use super::reconciled;
use super::review;
use super::sections;
use super::story::Story;
use super::words::objectives_words;
use super::write::{Document, md};

/// The report of a run as Markdown. With `verdict` given, it says whether the record that it is
/// made from was intact, and names its head.
pub fn markdown(plan: &Arc<Plan>, entries: &[Entry], verdict: Option<&Verdict>) -> String {
    let story = Story::new(plan, entries);
    let mut to = Document::new(story.mark());
    to.heading(1, &format!("Cutover report: {}", md(plan.title.as_str())));
    header(&story, verdict, &mut to);
    to.heading(2, "Summary");
    for sentence in summary(&story) {
        to.line(&sentence);
    }
    to.line("");
    to.paragraph("_In your words:_");
    for blank in ["Impact", "Causes", "Went well", "Went badly", "Luck"] {
        to.heading(2, blank);
        to.paragraph("_To be written at the review._");
    }
    timeline(&story, &mut to);
    sections::plan_and_actual(&story, &mut to);
    sections::sent(&story, &mut to);
    decided::replans(&story, &mut to);
    decided::edits(&story, &mut to);
    sections::decisions(&story, &mut to);
    decided::gates(&story, &mut to);
    decided::playbooks(&story, &mut to);
    reconciled::reconciliations(&story, &mut to);
    sections::health(&story, &mut to);
    sections::hosts(&story, &mut to);
    review::rollback(&story, &mut to);
    sections::follow_ups(&story, &mut to);
    sections::evidence(&story, verdict, &mut to);
    to.finish()
}

fn header(story: &Story<'_>, verdict: Option<&Verdict>, to: &mut Document) {
    let plan = &story.plan;
    let genesis = story.genesis();
    let dash = || "-".to_owned();
    let text = |text: Option<&SafeText>| text.map_or_else(dash, |t| md(t.as_str()));
    let environment = genesis.and_then(|genesis| genesis.environment.as_ref());
    let mut kind = format!("{} in environment {}", story.kind(), text(environment));
    if let Some(why) = genesis.and_then(|genesis| genesis.overridden.as_ref()) {
        kind = format!("{kind}; OVERRIDE: {}", md(why.as_str()));
    }
    let window = plan.window.as_ref().map_or_else(dash, |window| {
        format!("{} to {}", story.moment(window.opens), story.moment(window.closes))
    });
    let ended = story.ended.map_or_else(
        || format!("not ended; last recorded {}", story.moment(story.last)),
        |ended| story.moment(ended),
    );
    let began = story.state.began().map_or_else(dash, |began| story.moment(began));
    let roles = plan.roles.iter().map(|(id, role)| {
        let people: Vec<String> = role.people.iter().map(|name| md(name.as_str())).collect();
        let contact = role.contact.as_ref();
        let contact = contact.map_or_else(String::new, |c| format!(" ({})", md(c.as_str())));
        format!("{}: {}{contact}", md(id.as_str()), people.join(", "))
    });
    let roles: Vec<String> = roles.collect();
    let record = verdict.map_or_else(
        || format!("{} lines, not verified for this report", story.entries.len()),
        |verdict| md(&verdict.to_string()),
    );
    let objectives = objectives_words(&story.state, story.ended.unwrap_or(story.last));
    let objective = |name: &str| {
        let said = objectives.iter().find(|(of, _)| *of == name);
        said.map_or_else(String::new, |(_, said)| md(said))
    };
    let rows = [
        ("Result", result(story)),
        ("Kind", kind),
        ("Runbook", format!("{}, plan {}", md(plan.id.as_str()), plan.digest)),
        ("Session", genesis.map_or_else(dash, |genesis| md(genesis.session.as_str()))),
        ("Ticket", text(plan.change.as_ref())),
        ("Owner", text(plan.owner.as_ref())),
        ("Window", window),
        ("RTO", objective("RTO")),
        ("RPO", objective("RPO")),
        ("Began", began),
        ("Ended", ended),
        ("Driver", drivers(story)),
        ("Roles", if roles.is_empty() { dash() } else { roles.join("; ") }),
        ("golive", genesis.map_or_else(dash, |genesis| md(genesis.version.as_str()))),
        ("Record", record),
    ];
    // Where there is none, there is nothing to say of it.
    let absent = |name: &str, value: &str| matches!(name, "RTO" | "RPO") && value.is_empty();
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(name, value)| !absent(name, value))
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    to.table(&["", ""], &rows, "");
}

/// Who drove, and from when.
fn drivers(story: &Story<'_>) -> String {
    let time = |at: Timestamp| story.plan.zone.time(at);
    let turns = story.facts().filter_map(|(at, fact)| {
        let on = |driver: &SafeText, machine: &SafeText| {
            format!("{} on {}", md(driver.as_str()), md(machine.as_str()))
        };
        if let Event::SessionOpened(genesis) = &fact.event {
            Some(format!("{} from {}", on(&genesis.driver, &genesis.machine), time(at)))
        } else if let Event::Resumed { driver, machine, .. } = &fact.event {
            Some(format!("{} took over at {}", on(driver, machine), time(at)))
        } else if let Event::DriverLeft { why } = &fact.event {
            Some(format!("left at {} ({})", time(at), md(why.as_str())))
        } else {
            None
        }
    });
    turns.collect::<Vec<_>>().join("; ")
}

fn timeline(story: &Story<'_>, to: &mut Document) {
    let rows = |all: bool| {
        let told = story.facts().map(|(at, fact)| (at, fact, told(&story.plan, fact)));
        let wanted = told.filter(|(_, _, told)| all || told.main);
        wanted.map(|(at, fact, told)| row(story, at, fact, told)).collect::<Vec<_>>()
    };
    let ended = story.facts().map(|(at, _)| at).last().unwrap_or(story.began);
    let site = format!("Site ({})", story.plan.zone.abbreviations(story.began, ended));
    let head = [site.as_str(), "UTC (day)", "T+", "Step", "Who", "What", "Result"];
    to.heading(2, "Timeline");
    to.table(&head, &rows(false), "Nothing happened.");
    let all = rows(true);
    to.line("<details>");
    to.paragraph(&format!("<summary>All {} events</summary>", all.len()));
    to.table(&head, &all, "Nothing happened.");
    to.paragraph("</details>");
}

fn row(story: &Story<'_>, at: Timestamp, fact: &Fact, told: Told) -> Vec<String> {
    let utc = Zone::UTC;
    vec![
        story.plan.zone.time(at),
        format!("{} ({})", utc.time(at), utc.day(at)),
        story.since_began(at),
        told.step.map_or_else(|| "-".to_owned(), |step| md(step.as_str())),
        md(&who(&fact.by)),
        md(&told.what),
        md(&told.result),
    ]
}
