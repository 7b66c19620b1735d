//! `golive sessions`: what there is.

use serde_json::json;

use crate::base::{Timestamp, Zone};
use crate::engine::RunKind;
use crate::session::{Store, Summary};

use super::args::SessionsArgs;
use super::exit::Exit;
use super::message::Failure;
use super::screen::{Ink, Screen, table};

/// The kind of a run as it is written on the command line.
pub(super) const fn kind_word(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "live",
        RunKind::Rehearsal => "rehearsal",
        RunKind::Drill => "drill",
    }
}

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &SessionsArgs) -> Result<Exit, Failure> {
    let all = store.all()?;
    let summaries: Vec<_> = all.iter().map(|found| (found, found.summary())).collect();
    if args.json {
        let sessions = summaries.iter().map(|(found, summary)| {
            let genesis = summary.genesis.as_ref();
            json!({
                "id": found.id,
                "path": found.dir,
                "runbook": genesis.map(|it| &it.runbook),
                "title": genesis.map(|it| &it.title),
                "kind": genesis.map(|it| kind_word(it.kind)),
                "environment": genesis.and_then(|it| it.environment.as_ref()),
                "state": summary.state,
                "driver": genesis.map(|it| &it.driver),
                "driven_by": summary.holder.as_ref().map(|it| json!({
                    "driver": it.driver, "machine": it.machine, "pid": it.pid,
                    "since": it.since.rfc3339(),
                })),
                "opened": summary.opened.map(Timestamp::rfc3339),
                "last": summary.last.map(Timestamp::rfc3339),
                "trouble": summary.trouble,
            })
        });
        let document = json!({
            "schema": "golive.sessions/1", "sessions": sessions.collect::<Vec<_>>(),
        });
        screen.data(&format!("{document:#}\n"))?;
        return Ok(Exit::Done);
    }
    if summaries.is_empty() {
        screen.say(&format!("no session yet in {}", store.sessions_dir().display()));
        return Ok(Exit::Done);
    }
    let heads = ["SESSION", "KIND", "STATE", "DRIVEN BY", "OPENED (UTC)", "LAST (UTC)", "RUNBOOK"];
    let mut rows = vec![heads.iter().map(ToString::to_string).collect::<Vec<_>>()];
    rows.extend(summaries.iter().map(|(found, summary)| row(found.id.as_str(), summary)));
    let mut text = String::new();
    for (index, line) in table(&rows, &[]).into_iter().enumerate() {
        let line = if index == 0 { screen.ink(Ink::Dim, &line) } else { line };
        text.extend([line, "\n".to_owned()]);
    }
    screen.text(&text)?;
    for (found, summary) in &summaries {
        if let Some(trouble) = &summary.trouble {
            screen.complain(&format!("{}: {trouble}", found.id));
        }
    }
    Ok(Exit::Done)
}

fn row(id: &str, summary: &Summary) -> Vec<String> {
    let genesis = summary.genesis.as_ref();
    let time = |at: Option<Timestamp>| {
        at.map_or_else(|| "-".to_owned(), |at| Zone::UTC.format(at, "%m-%d %H:%M:%S"))
    };
    let driven = summary.holder.as_ref().map(|it| format!("{}@{}", it.driver, it.machine));
    vec![
        id.to_owned(),
        genesis.map_or("-", |it| kind_word(it.kind)).to_owned(),
        summary.state.to_owned(),
        driven.unwrap_or_else(|| "-".to_owned()),
        time(summary.opened),
        time(summary.last),
        genesis.map_or("-", |it| it.runbook.as_str()).to_owned(),
    ]
}
