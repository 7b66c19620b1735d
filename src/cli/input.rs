//! From the arguments to a checked runbook and its plan.

use std::path::Path;
use std::sync::Arc;

use crate::base::VarName;
use crate::plan::Plan;
use crate::runbook::{Asked, Checked, Options};
use crate::session::{Inputs, InputsError, Store};

use super::args::{Common, Extra};
use super::exit::Exit;
use super::message::Failure;
use super::problems::{Sources, report_all};
use super::screen::Screen;
use super::terminal;

/// What the command line adds to a runbook.
pub(super) fn options(extra: &Extra) -> Options {
    Options { inventory: extra.inventory.clone(), vars: extra.vars.iter().cloned().collect() }
}

/// A runbook and its plan; every error of it is told before this fails.
pub(super) fn load(
    screen: Screen,
    path: &Path,
    extra: &Extra,
) -> Result<(Inputs, Arc<Plan>), Failure> {
    let (inputs, checked) = Inputs::read(path, &options(extra))
        .map_err(|error| Failure::from(error).help("`golive init DIR` writes a starter runbook"))?;
    let asked = checked.runbook.iter().flat_map(|runbook| &runbook.asked);
    let refused = asked.filter_map(|(name, asked)| {
        let why = asked.refuses(inputs.vars.get(name)?)?;
        Some(format!("--var {name}: that will not do: {why}"))
    });
    let refused: Vec<_> = refused.collect();
    if !refused.is_empty() {
        return Err(Failure::usage(refused.join("\n")));
    }
    let plan = plan(screen, &inputs, &checked, &path.display().to_string())?;
    Ok((inputs, plan))
}

/// The same for a run: what the runbook asks for when one starts is given, or asked for on the
/// terminal.
pub(super) fn load_to_run(
    screen: Screen,
    path: &Path,
    extra: &Extra,
) -> Result<(Inputs, Arc<Plan>), Failure> {
    let (mut inputs, plan) = load(screen, path, extra)?;
    let missing = plan.asked.iter().filter(|(name, _)| !inputs.vars.contains_key(*name));
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok((inputs, plan));
    }
    if !terminal::is_there() {
        let line = |(name, asked): &(&VarName, &Asked)| {
            let like = asked.pattern.as_ref().map(|it| format!(", as /{it}/")).unwrap_or_default();
            format!("`{name}` is asked for when a run starts: {}{like}", asked.prompt)
        };
        let lines: Vec<_> = missing.iter().map(line).collect();
        let flags = missing.iter().map(|(name, _)| format!("--var {name}=…"));
        return Err(Failure::usage(lines.join("\n")).help(format!(
            "there is no terminal to ask on: add {}",
            flags.collect::<Vec<_>>().join(" ")
        )));
    }
    for (name, asked) in missing {
        let value = ask(screen, name, asked)?;
        inputs.vars.insert(name.clone(), value);
    }
    let checked = inputs.check();
    let plan = self::plan(screen, &inputs, &checked, &path.display().to_string())?;
    Ok((inputs, plan))
}

/// So often a value that will not do is asked for again.
const QUESTIONS_MAX: u32 = 5;

fn ask(screen: Screen, name: &VarName, asked: &Asked) -> Result<String, Failure> {
    for _ in 0..QUESTIONS_MAX {
        let typed = terminal::ask(&format!("{} ({name}): ", asked.prompt))
            .map_err(|error| terminal::unanswered(&error, &format!("`{name}`")))?;
        if typed.is_empty() {
            break;
        }
        match asked.refuses(&typed) {
            None => return Ok(typed),
            Some(why) => screen.complain(&format!("that will not do: {why}")),
        }
    }
    let message = format!("`{name}` was not given: nothing was started");
    Err(Failure::new(Exit::Stopped, message).help(format!("--var {name}=…")))
}

/// The plan of checked inputs; every error of them is told before this fails.
pub(super) fn plan(
    screen: Screen,
    inputs: &Inputs,
    checked: &Checked,
    name: &str,
) -> Result<Arc<Plan>, Failure> {
    tell_errors(screen, checked);
    inputs.plan(checked).map_err(|error| match error {
        InputsError::Invalid(checked) => {
            let message = match checked.errors().count() {
                1 => format!("{name} has an error"),
                errors => format!("{name} has {errors} errors"),
            };
            Failure::new(Exit::Invalid, message).help(format!("`golive check {name}`"))
        }
        InputsError::Read { .. }
        | InputsError::Plan(_)
        | InputsError::Pinned { .. }
        | InputsError::Store(_) => error.into(),
    })
}

fn tell_errors(screen: Screen, checked: &Checked) {
    let sources: &Sources = &checked.sources;
    for text in
        report_all(screen, &checked.errors().collect::<Vec<_>>(), sources, screen.error_color)
    {
        screen.complain(&text);
    }
}

/// Where sessions are kept: the option, `$GOLIVE_STATE`, or the XDG state directory.
pub(super) fn store(common: &Common) -> Result<Store, Failure> {
    use etcetera::BaseStrategy as _;
    if let Some(dir) = &common.state_dir {
        return Ok(Store::new(dir));
    }
    let base = etcetera::choose_base_strategy()
        .map_err(|error| Failure::usage(format!("cannot tell where sessions are kept: {error}")))
        .map_err(|failure| failure.help("set HOME, or give --state-dir DIR"))?;
    let state = base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state"));
    Ok(Store::new(state.join("golive")))
}
