//! From the arguments to a checked runbook and its plan.

use std::path::Path;
use std::sync::Arc;

use crate::plan::Plan;
use crate::runbook::{Checked, Options};
use crate::session::{Inputs, InputsError, Store};

use super::args::{Common, Extra};
use super::exit::Exit;
use super::message::Failure;
use super::problems::{Sources, report_all};
use super::screen::Screen;

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
    let plan = plan(screen, &inputs, &checked, &path.display().to_string())?;
    Ok((inputs, plan))
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
