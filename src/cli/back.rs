//! The way back of this minute, from a record.

use serde_json::json;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Part, State, WayBack};
use crate::session::{Clock, Recovered};

use super::exit::Exit;
use super::message::Failure;
use super::plan::stage_word;
use super::screen::{Ink, Screen, table};

/// Prints the undo plan of this minute.
pub(super) fn print(
    screen: Screen,
    recovered: &Recovered,
    to: Option<&str>,
    json: bool,
) -> Result<Exit, Failure> {
    known_checkpoint(recovered, to)?;
    let now = Clock::new(recovered.last()).now();
    if json {
        screen.data(&document(recovered, to, now))?;
    } else {
        screen.text(&format!("{}\n", tree(screen, recovered, to, now)))?;
    }
    Ok(Exit::Done)
}

/// Says which checkpoints there are, where the one that was named is none of them.
pub(super) fn known_checkpoint(recovered: &Recovered, to: Option<&str>) -> Result<(), Failure> {
    let Some(to) = to else { return Ok(()) };
    let points = recovered.state.checkpoints();
    if points.iter().any(|point| point.name.as_str() == to) {
        return Ok(());
    }
    let names: Vec<_> = points.iter().map(|point| point.name.as_str()).collect();
    let help = if names.is_empty() {
        "it has reached none; leave --to out to roll back all the way".to_owned()
    } else {
        format!("it has reached: {}", names.join(", "))
    };
    let message = format!("the run has not reached a checkpoint `{}`", SafeText::new(to));
    Err(Failure::usage(message).help(help))
}

/// The way back of this minute, all of it or to a checkpoint.
pub(super) fn way_back(state: &State, to: Option<&str>) -> WayBack {
    match to {
        Some(to) => state.way_back_to(&SafeText::new(to)),
        None => state.way_back(),
    }
}

/// The undo plan of this minute, line by line.
pub(super) fn tree(
    screen: Screen,
    recovered: &Recovered,
    to: Option<&str>,
    now: Timestamp,
) -> String {
    let now = now.max(recovered.last());
    let (state, plan) = (&recovered.state, recovered.state.plan());
    let way_back = way_back(state, to);
    if let Some(step) = state.committed() {
        return format!("{step} has ended the right to roll back (commit)");
    }
    if way_back.items.is_empty() {
        return "no step has started: there is nothing to roll back".to_owned();
    }
    let times = state.forecast(now);
    let count = way_back.items.len();
    let takes = match to {
        Some(_) => way_back.takes_at_most(plan),
        None => times.backout.takes,
    };
    let ends = plan.zone.time(now.after(takes));
    let title = match to {
        Some(to) => format!("Way back to checkpoint {}", SafeText::new(to)),
        None => "Way back".to_owned(),
    };
    let title = screen.ink(Ink::Bold, &title);
    let mut lines = vec![format!("{title}  {count} items, at most {takes}, back at {ends}")];
    if let Some(latest) = times.backout.latest_safe {
        lines.push(format!("latest safe rollback {}", plan.zone.time(latest)));
    }
    let rows: Vec<_> = way_back
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let places: Vec<_> = item.places.iter().map(ToString::to_string).collect();
            vec![
                (index + 1).to_string(),
                if item.item.part == Part::Undo { "undo" } else { "step" }.to_owned(),
                item.item.step.to_string(),
                stage_word(item.stage).to_owned(),
                item.estimate.to_string(),
                if places.is_empty() { "a person".to_owned() } else { places.join(", ") },
                item.command.to_string(),
            ]
        })
        .collect();
    lines.extend(table(&rows, &[0, 4]).into_iter().map(|row| format!("  {row}")));
    for (step, why) in &way_back.cannot_undo {
        lines.push(screen.ink(Ink::Red, &format!("cannot be undone: {step}: {why}")));
    }
    if let Some(point) = &way_back.past {
        let text = format!("PAST THE POINT OF NO RETURN ({point}): --break-glass is needed");
        lines.push(screen.ink(Ink::Red, &text));
    }
    for host in &way_back.unreachable {
        lines.push(screen.ink(Ink::Red, &format!("not reachable: {host}")));
    }
    lines.join("\n")
}

fn document(recovered: &Recovered, to: Option<&str>, now: Timestamp) -> String {
    let way_back = way_back(&recovered.state, to);
    let times = recovered.state.forecast(now);
    let items = way_back.items.iter().map(|item| {
        let places: Vec<_> = item.places.iter().map(ToString::to_string).collect();
        json!({
            "step": item.item.step, "undo": item.item.part == Part::Undo, "title": item.title,
            "stage": stage_word(item.stage), "places": places, "command": item.command,
            "estimate": item.estimate,
        })
    });
    let cannot = way_back.cannot_undo.iter();
    let cannot = cannot.map(|(step, why)| json!({ "step": step, "why": why }));
    let takes = match to {
        Some(_) => way_back.takes_at_most(recovered.state.plan()),
        None => times.backout.takes,
    };
    let document = json!({
        "schema": "golive.way-back/1",
        "session": recovered.found.id,
        "to": to,
        "committed": recovered.state.committed(),
        "items": items.collect::<Vec<_>>(),
        "cannot_undo": cannot.collect::<Vec<_>>(),
        "past_point_of_no_return": way_back.past,
        "unreachable": way_back.unreachable,
        "takes": takes,
        "back_at": now.after(takes).rfc3339(),
        "latest_safe": times.backout.latest_safe.map(Timestamp::rfc3339),
    });
    format!("{document:#}\n")
}
