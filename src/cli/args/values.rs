//! How the values of arguments are read.

use std::path::PathBuf;

use crate::base::{SessionId, StepId, VarName};
use crate::engine::RunKind;
use crate::runbook::{Class, Strategy};

pub(super) fn variable(text: &str) -> Result<(VarName, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    Ok((name, value.to_owned()))
}

/// A name for a session. `last` means another thing wherever sessions are named.
pub(super) fn session_name(text: &str) -> Result<SessionId, String> {
    if text == "last" {
        return Err("`last` is the last session, whatever its name: choose another".to_owned());
    }
    text.parse().map_err(|error: crate::base::InvalidId| error.to_string())
}

pub(super) fn kind(text: &str) -> Result<RunKind, String> {
    match text {
        "live" => Ok(RunKind::Live),
        "rehearsal" => Ok(RunKind::Rehearsal),
        "drill" => Ok(RunKind::Drill),
        _ => Err("it is `live`, `rehearsal` or `drill`".to_owned()),
    }
}

pub(super) fn confirmable(text: &str) -> Result<Class, String> {
    match text {
        "check" => Ok(Class::Check),
        "change" => Ok(Class::Change),
        "critical" => Err("a critical step is confirmed by its name: --confirm-step ID".to_owned()),
        _ => Err("it is `check` or `change`".to_owned()),
    }
}

/// The strategies by their names in a runbook.
pub(in crate::cli) const STRATEGIES: [(&str, Strategy); 6] = [
    ("direct", Strategy::Direct),
    ("parallel", Strategy::Parallel),
    ("phased", Strategy::Phased),
    ("canary", Strategy::Canary),
    ("blue-green", Strategy::BlueGreen),
    ("failover", Strategy::Failover),
];

pub(super) fn strategy(text: &str) -> Result<Strategy, String> {
    let found = STRATEGIES.iter().find(|(name, _)| *name == text);
    found.map(|(_, strategy)| *strategy).ok_or_else(|| {
        let names: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// The name of a strategy in a runbook.
pub(in crate::cli) fn strategy_name(strategy: Strategy) -> &'static str {
    STRATEGIES.iter().find(|(_, it)| *it == strategy).map_or("", |(name, _)| name)
}

/// A step and the file that holds its new command.
pub(super) fn edit(text: &str) -> Result<(StepId, PathBuf), String> {
    let (step, file) = text.split_once('=').ok_or("write STEP=FILE, as in cutover=cutover.sh")?;
    let step = step.parse().map_err(|error| format!("`{step}` is no name of a step: {error}"))?;
    if file.is_empty() {
        Err("the name of the file is missing".to_owned())
    } else {
        Ok((step, file.into()))
    }
}
