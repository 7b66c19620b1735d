//! `golive verify`: what is proven of a record, and what is not.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::base::{Digest, SafeText};
use crate::engine::Event;
use crate::journal::{self, JOURNAL_FILE, Lock, Verdict, What};
use crate::session::{Found, Inputs, Store};

use super::args::VerifyArgs;
use super::exit::Exit;
use super::message::Failure;
use super::screen::{Ink, Screen};

/// Whether the pinned texts are those that the session was started from.
#[derive(Debug)]
enum Pinned {
    /// They give the plan's digest.
    Same(Digest),
    /// They do not, or cannot be read.
    Wrong(String),
    /// The journal does not say what they should give.
    Unknown,
}

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &VerifyArgs) -> Result<Exit, Failure> {
    let (found, by_name) = find(store, &args.session)?;
    let verdict = journal::verify(&found.dir, by_name.then_some(&found.id))?;
    let pinned = pinned(&found);
    let driven = Lock::holder(&found.dir).ok().flatten();
    let intact = verdict.intact && !matches!(pinned, Pinned::Wrong(_));
    let foreign = verdict.is_foreign() && !matches!(pinned, Pinned::Wrong(_));
    let exit = match (intact, verdict.sealed) {
        _ if foreign => Exit::Usage,
        (false, _) => Exit::Contradicted,
        (true, false) => Exit::Unsealed,
        (true, true) => Exit::Done,
    };
    if args.json {
        screen.data(&document(&found, &verdict, &pinned, exit))?;
        return Ok(exit);
    }
    let mut lines = vec![format!("session    {}", found.id)];
    lines.extend(tell(screen, &verdict, &pinned));
    if let Some(holder) = driven {
        lines.push(format!("           {} drives it at this moment", holder.driver));
    }
    let (ink, last) = if exit == Exit::Done {
        (Ink::Green, "The record is as it was written.")
    } else if exit == Exit::Unsealed {
        let text = "The record is as it was written, and not closed: more may follow, or its end is missing.";
        (Ink::Yellow, text)
    } else if exit == Exit::Usage {
        let text = "Another golive wrote this record: it is neither confirmed nor contradicted. Verify it with that one.";
        (Ink::Yellow, text)
    } else {
        (Ink::Red, "THE RECORD IS CONTRADICTED.")
    };
    let last = screen.ink(ink, last);
    lines.extend([last, String::new()]);
    screen.text(&lines.join("\n"))?;
    Ok(exit)
}

/// The session of this name, or in this directory; and whether it was found by its name.
fn find(store: &Store, name: &str) -> Result<(Found, bool), Failure> {
    let path = Path::new(name);
    if path.join(JOURNAL_FILE).exists() {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let base = path.file_name().and_then(|base| base.to_str()).unwrap_or("record");
        let id = base.parse().or_else(|_| "record".parse());
        let id = id.map_err(|error| Failure::usage(format!("{error}")))?;
        return Ok((Found { id, dir: path }, false));
    }
    if name.contains('/') {
        let message = format!("{} holds no record: no {JOURNAL_FILE}", SafeText::new(name));
        return Err(Failure::usage(message).help("give a session's directory, or its name"));
    }
    Ok((store.find(name)?, true))
}

fn pinned(found: &Found) -> Pinned {
    let first = journal::read(&found.dir).ok().and_then(|mut reader| reader.next()?.ok());
    let opened = first.and_then(|entry| entry.facts.into_iter().next());
    let Some(Event::SessionOpened(genesis)) = opened.map(|fact| fact.event) else {
        return Pinned::Unknown;
    };
    match Inputs::pinned(found) {
        Ok(inputs) if inputs.digest() == genesis.plan => Pinned::Same(genesis.plan),
        Ok(inputs) => Pinned::Wrong(format!(
            "the pinned texts give the plan {}, the session was started from {}",
            inputs.digest().short(),
            genesis.plan.short()
        )),
        Err(error) => Pinned::Wrong(error.to_string()),
    }
}

/// How many lines nothing was found about.
fn good_lines(verdict: &Verdict) -> u64 {
    let bad = verdict.findings.iter().filter(|finding| finding.what != What::Torn);
    let bad: BTreeSet<_> = bad.filter_map(|finding| finding.line).collect();
    verdict.lines.saturating_sub(u64::try_from(bad.len()).unwrap_or(u64::MAX))
}

fn tell(screen: Screen, verdict: &Verdict, pinned: &Pinned) -> Vec<String> {
    let torn = verdict.findings.iter().any(|finding| finding.what == What::Torn);
    let mut lines = vec![
        format!("chain      {}/{} lines", good_lines(verdict), verdict.lines),
        format!("head       {}", verdict.head),
        format!("closed     {}", if verdict.sealed { "yes" } else { "no" }),
        format!("outputs    {} as recorded, {} bytes", verdict.transcripts, verdict.bytes),
    ];
    if !verdict.redacted.is_empty() {
        let counts = verdict.redacted.iter().map(|(name, count)| format!("{name} {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        lines.push(format!("redacted   secrets taken out before writing: {counts}"));
    }
    if !verdict.unproven.is_empty() {
        let names = verdict.unproven.join(", ");
        lines
            .push(format!("           {} without a recorded end: {names}", verdict.unproven.len()));
    }
    lines.push(match pinned {
        Pinned::Same(plan) => format!("pinned     the texts of plan {}", plan.short()),
        Pinned::Wrong(why) => screen.ink(Ink::Red, &format!("pinned     {why}")),
        Pinned::Unknown => "pinned     not comparable: no first line to compare with".to_owned(),
    });
    if torn {
        lines.push("torn       a crash left an unfinished line; nothing of it was done".to_owned());
    }
    for finding in &verdict.findings {
        lines.push(screen.ink(Ink::Yellow, &format!("finding    {finding}")));
    }
    lines.push("signed     no: compare the head with one that somebody else has noted".to_owned());
    lines
}

fn document(found: &Found, verdict: &Verdict, pinned: &Pinned, exit: Exit) -> String {
    let findings = verdict.findings.iter().map(|finding| {
        json!({
            "line": finding.line,
            "what": format!("{:?}", finding.what).to_lowercase(),
            "text": finding.text,
        })
    });
    let (same, why) = match pinned {
        Pinned::Same(_) => (Some(true), None),
        Pinned::Wrong(why) => (Some(false), Some(why)),
        Pinned::Unknown => (None, None),
    };
    let document = json!({
        "schema": "golive.verify/1",
        "session": found.id,
        "intact": (exit != Exit::Usage).then_some(exit != Exit::Contradicted),
        "closed": verdict.sealed,
        "signed": false,
        "lines": verdict.lines, "good_lines": good_lines(verdict), "head": verdict.head,
        "outputs": verdict.transcripts, "bytes": verdict.bytes, "unproven": verdict.unproven,
        "redacted": verdict.redacted,
        "pinned": same, "pinned_problem": why,
        "findings": findings.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}
