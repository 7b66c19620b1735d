//! `golive resume --reload`: a changed runbook for the rest of a run.

use std::path::Path;
use std::sync::Arc;

use crate::base::SafeText;
use crate::engine::{Part, RunStage, State};
use crate::plan::{Became, DiffLine, Plan, StepChange, changes, diff, is_same_machine};
use crate::runbook::Options;
use crate::session::{Found, Inputs, Recovered, Store, open};

use super::args::ResumeArgs;
use super::exit::Exit;
use super::input;
use super::message::Failure;
use super::screen::{Ink, Screen};

/// Another plan for a session, which can go on by it.
pub(super) struct Reload {
    pub inputs: Inputs,
    pub plan: Arc<Plan>,
    pub reason: SafeText,
}

/// What the flags ask for.
pub(super) enum Asked {
    /// To go on as before.
    Nothing,
    /// To see what would change: it was shown, and nothing was touched.
    Shown,
    /// To go on by another plan: what changes was shown.
    Reload(Box<Reload>),
}

/// Reads the changed runbook and holds it against the record, before anybody who drives is asked
/// to leave. Everything that is wrong with it is told at once.
pub(super) fn prepare(screen: Screen, store: &Store, args: &ResumeArgs) -> Result<Asked, Failure> {
    let Some(path) = &args.reload else { return Ok(Asked::Nothing) };
    let found = store.find(&args.session)?;
    let recovered = open(&found)?;
    let (inputs, plan) = load(screen, path, &recovered)?;
    may_go_on(screen, &found, &recovered.state, &plan)?;
    for line in differences(&recovered, &inputs, &plan) {
        screen.text(&format!("{}\n", SafeText::new(&line)))?;
    }
    let reason = SafeText::new(args.reason.as_deref().unwrap_or_default().trim());
    if reason.as_str().is_empty() {
        screen.say("this is what would change; nothing was touched. --reason \"why\" does it");
        return Ok(Asked::Shown);
    }
    Ok(Asked::Reload(Box::new(Reload { inputs, plan, reason })))
}

/// The runbook with the session's own variables and inventory.
fn load(
    screen: Screen,
    path: &Path,
    recovered: &Recovered,
) -> Result<(Inputs, Arc<Plan>), Failure> {
    let Inputs { vars, inventory, practice, .. } = recovered.inputs.clone();
    let (mut inputs, checked) = Inputs::read(path, &Options { inventory, vars })?;
    inputs.practice = practice;
    if let Some(runbook) = &checked.runbook {
        // A value for a variable that the runbook has no longer is needed no longer.
        let vars = (&runbook.vars, &runbook.asked);
        inputs.vars.retain(|name, _| vars.0.contains_key(name) || vars.1.contains_key(name));
    }
    let checked = if inputs.vars == recovered.inputs.vars { checked } else { inputs.check() };
    let plan = input::plan(screen, &inputs, &checked, &path.display().to_string())?;
    let missing: Vec<_> =
        plan.asked.keys().filter(|name| !inputs.vars.contains_key(*name)).collect();
    if let Some(name) = missing.first() {
        let message =
            format!("`{name}` is asked for when a run starts, and this run was not asked");
        return Err(Failure::new(Exit::Invalid, message)
            .help(format!("give it a value under [vars] in {}", path.display())));
    }
    Ok((inputs, plan))
}

/// Refuses what the record stands against, all of it at once.
fn may_go_on(screen: Screen, found: &Found, state: &State, plan: &Plan) -> Result<(), Failure> {
    if !matches!(state.stage(), RunStage::Preparing | RunStage::Active) {
        let message = format!("session {} goes forward no more", found.id);
        return Err(Failure::usage(message).help("what is wrong is put right in a new run"));
    }
    if plan.digest == state.base().digest {
        let message = "that is the runbook which the run goes by already";
        return Err(Failure::usage(message).help("change it first, or leave --reload out"));
    }
    let obstacles = state.obstacles(plan);
    if obstacles.is_empty() {
        return Ok(());
    }
    for obstacle in &obstacles {
        let obstacle = SafeText::new(obstacle);
        screen.complain(&format!("{} {obstacle}", screen.error_ink(Ink::Red, "no:")));
    }
    let message = "the run cannot go on by that runbook: the record would say what was not so";
    Err(Failure::usage(message)
        .help("what has started stays as it was; put other work into steps of new names"))
}

/// What changes, line by line.
fn differences(recovered: &Recovered, inputs: &Inputs, new: &Plan) -> Vec<String> {
    let old = recovered.state.base();
    let (was, is) = (old.digest.short(), new.digest.short());
    let mut lines = vec![format!("plan {was} -> {is}")];
    for change in changes(old, new) {
        lines.push(change.words());
        lines.extend(commands(old, new, &change));
    }
    for (id, host) in &new.hosts {
        match old.hosts.get(id) {
            None => lines.push(format!("+ host {id} at {}", host.address)),
            Some(known) if !is_same_machine(known, host) => {
                lines.push(format!("~ host {id}: {} -> {}", known.address, host.address));
            }
            Some(_) => {}
        }
    }
    let gone = old.hosts.keys().filter(|id| !new.hosts.contains_key(*id));
    lines.extend(gone.map(|id| format!("- host {id}")));
    let gone = recovered.inputs.vars.keys().filter(|name| !inputs.vars.contains_key(*name));
    lines.extend(gone.map(|name| format!("- variable {name}")));
    if old.window != new.window {
        let span = |plan: &Plan| {
            let window = plan.window.as_ref();
            window.map_or_else(
                || "none".to_owned(),
                |window| {
                    let time = |at| window.zone.format(at, "%a %H:%M");
                    format!("{} to {}", time(window.opens), time(window.closes))
                },
            )
        };
        lines.push(format!("~ window: {} -> {}", span(old), span(new)));
    }
    if lines.len() == 1 {
        lines.push("no step changes: only what stands around them".to_owned());
    }
    lines
}

/// The commands of a step that is not the same, old beside new.
fn commands(old: &Plan, new: &Plan, change: &StepChange) -> Vec<String> {
    let mut lines = Vec::new();
    for part in [Part::Action, Part::Undo] {
        let command = |plan: &Plan| {
            let command = plan.step(&change.step)?.command(part.is_undo())?;
            Some(command.shown().trim_end().to_owned())
        };
        let (was, is) = (command(old).unwrap_or_default(), command(new).unwrap_or_default());
        if was == is || change.became == Became::Removed {
            continue;
        }
        let label = if part.is_undo() { "undo " } else { "" };
        let line = |line: DiffLine<'_>| format!("    {label}{} {}", line.sign(), line.text());
        lines.extend(diff(&was, &is).into_iter().map(line));
    }
    lines
}
