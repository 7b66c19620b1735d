//! `golive resume --edit`: another command for a step, without a screen.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::base::{SafeText, StepId};
use crate::engine::{Actor, Command, Part, State};
use crate::session::Handle;

use super::args::ResumeArgs;
use super::exit::Exit;
use super::message::Failure;

/// More than any command may have.
const BYTES_MAX: u64 = 1 << 20;

/// The new commands that the flags name, by their steps.
pub(super) fn read(args: &ResumeArgs) -> Result<BTreeMap<StepId, String>, Failure> {
    let mut texts = BTreeMap::new();
    for (step, path) in &args.edit {
        let text = text(path).map_err(|error| {
            Failure::usage(format!("--edit {step}: cannot read {}: {error}", path.display()))
                .help("write the new command into that file, as it is to be sent")
        })?;
        if texts.insert(step.clone(), text).is_some() {
            return Err(Failure::usage(format!("--edit {step} is given twice"))
                .help("one command for a step"));
        }
    }
    Ok(texts)
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Refuses what can be no edit whatever happens, before anything is taken up.
pub(super) fn check(state: &State, texts: &BTreeMap<StepId, String>) -> Result<(), Failure> {
    for step in texts.keys() {
        let known = state.plan().step(step);
        if known.is_none_or(|step| step.command(false).is_none()) {
            let why = if known.is_none() { "there is no such step" } else { "it has no command" };
            return Err(Failure::usage(format!("--edit {step}: {why}"))
                .help("name a step with `run`, `script` or `local`"));
        }
    }
    Ok(())
}

/// Records the edits.
pub(super) async fn edit(
    handle: &Handle,
    args: &ResumeArgs,
    texts: BTreeMap<StepId, String>,
    driver: &SafeText,
) -> Result<(), Failure> {
    let reason = SafeText::new(args.reason.as_deref().unwrap_or_default().trim());
    for (step, text) in texts {
        let state = std::sync::Arc::clone(&handle.view().state);
        let stands = state.editable(&step, Part::Action);
        if !state.edits(&step).is_empty() && stands.is_ok_and(|old| old == text.trim_end()) {
            continue; // Recorded already, by an earlier call.
        }
        let by = Actor::Operator(driver.clone());
        let words = format!("the command of {step} is not edited");
        let (part, reason) = (Part::Action, reason.clone());
        let edited = handle.submit(&by, Command::Edit { step, part, text, reason }).await;
        if let Err(why) = edited {
            let why = SafeText::new(&why.to_string());
            let leaves = Command::Leave { why: SafeText::new(&words) };
            handle.submit(&by, leaves).await.ok();
            return Err(Failure::new(Exit::Usage, format!("{words}: {why}")).help(
                "a step is edited after it failed, or before it starts while the run is held",
            ));
        }
    }
    Ok(())
}
