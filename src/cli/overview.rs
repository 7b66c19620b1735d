//! `golive` alone: the commands that are most likely wanted here and now.

use std::path::Path;

use crate::session::Store;

use super::args::Common;
use super::exit::Exit;
use super::input;
use super::message::Failure;
use super::screen::{Ink, Screen, table};

/// Words of a session that is over.
const OVER: [&str; 4] = ["completed", "rolled back", "rolled back, not verified", "abandoned"];

/// Runs the command.
pub(super) fn run(screen: Screen, common: &Common) -> Result<Exit, Failure> {
    let mut likely = Vec::new();
    if let Some(id) = input::store(common).ok().as_ref().and_then(open_session) {
        likely.push((format!("golive resume {id}"), "take the open session up again".to_owned()));
    }
    if let Some(runbook) = first_runbook() {
        likely.push((
            format!("golive plan {runbook}"),
            "what it would do; touches nothing".to_owned(),
        ));
        likely.push((format!("golive drive {runbook}"), "the live console".to_owned()));
    }
    let others = [
        ("golive demo", "the two-minute show, nothing to set up"),
        ("golive init night", "a starter runbook and inventory in ./night"),
        ("golive check FILE", "every problem of a runbook, with its place"),
    ];
    for (command, what) in others {
        if likely.len() < 3 {
            likely.push((command.to_owned(), what.to_owned()));
        }
    }
    let rows: Vec<_> = likely.into_iter().map(|(command, what)| vec![command, what]).collect();
    let mut text = format!("{} takes systems live.\n\n", screen.ink(Ink::Bold, "golive"));
    for line in table(&rows, &[]) {
        text.extend([format!("  {line}\n")]);
    }
    text.push_str("\n`golive --help` shows all commands.\n");
    screen.text(&text)?;
    Ok(Exit::Done)
}

/// The newest session that is not over and that nobody drives.
fn open_session(store: &Store) -> Option<String> {
    let newest = store.all().ok()?.pop()?;
    let summary = newest.summary();
    let open = summary.holder.is_none() && !OVER.contains(&summary.state);
    (open && summary.trouble.is_none()).then(|| newest.id.to_string())
}

/// The first runbook in `./runbooks` or here.
fn first_runbook() -> Option<String> {
    let of = |folder: &str| {
        let entries = std::fs::read_dir(folder).ok()?;
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
            .filter(|name| Path::new(name).extension().is_some_and(|it| it == "toml"))
            .filter(|name| {
                let text = std::fs::read_to_string(name).unwrap_or_default();
                text.lines().any(|line| line.starts_with("golive") && line.contains('='))
            })
            .collect();
        names.sort();
        names.into_iter().next()
    };
    of("runbooks").or_else(|| of(".").map(|name| name.trim_start_matches("./").to_owned()))
}
