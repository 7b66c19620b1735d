//! What a runbook uploads, looked at file by file when its plan is made: nothing else is ever sent.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::exec::read_content;
use crate::plan::{Plan, StepPlan, UndoPlan, Work};
use crate::runbook::{Builtin, Checked, Code, Place, Problem, Upload, sort_problems};

use super::inputs::Inputs;

/// Reads everything that the plan uploads; what cannot be sent is a problem of the runbook.
pub(super) fn take(inputs: &mut Inputs, checked: &mut Checked) {
    let Ok(plan) = inputs.plan(checked) else { return };
    let mut problems = Vec::new();
    for (step, undo, upload) in uploads(&plan) {
        let owner = if undo { format!("undo of {}", step.id) } else { format!("step {}", step.id) };
        let place = checked.places.of(&owner, "upload");
        problems.extend(one(inputs, step, upload, &place).err().map(|problem| *problem));
    }
    if !problems.is_empty() {
        checked.problems.extend(problems);
        sort_problems(&mut checked.problems, &inputs.main);
        checked.runbook = None;
    }
}

/// Every upload of the plan, and whether it is an undo.
fn uploads(plan: &Plan) -> Vec<(&StepPlan, bool, &Upload<crate::plan::Text>)> {
    let mut found = Vec::new();
    for step in plan.steps.values() {
        let undo = match &step.undo {
            UndoPlan::Undo(undo) => Some(&undo.work),
            UndoPlan::None | UndoPlan::Irreversible(_) => None,
        };
        for (undo, work) in [(false, Some(&step.work)), (true, undo)] {
            if let Some(Builtin::Upload(upload)) = work.and_then(Work::builtin) {
                found.push((step, undo, upload));
            }
        }
    }
    found
}

fn one(
    inputs: &mut Inputs,
    step: &StepPlan,
    upload: &Upload<crate::plan::Text>,
    place: &Place,
) -> Result<(), Box<Problem>> {
    let from = upload.from.shown().to_owned();
    let problem = |code, message: &str, help: &str| {
        Box::new(Problem::new(code, place.clone(), message).help(help))
    };
    let path = Path::new(&inputs.folder).join(&from);
    if !upload.from.needs().is_empty() {
        if upload.sha256.is_some() {
            return Ok(());
        }
        let message = format!("which file `{from}` is shows only during the run");
        let help = "add `sha256 = \"{{ digest }}\"` of a step that captures it: what is confirmed is what is sent";
        return Err(problem(Code::CapturedTooLate, &message, help));
    }
    let read = match inputs.contents.get(&from) {
        Some(known) => Ok(Arc::clone(known)), // Another step sends it too: it is read once.
        None => read_content(&path).map(Arc::new),
    };
    let content = match read {
        Ok(content) => content,
        // A step before makes it, and its author knows what it will be.
        Err(error) if error.kind() == io::ErrorKind::NotFound && upload.sha256.is_some() => {
            return Ok(());
        }
        Err(error) => {
            let message = format!("`{from}` cannot be uploaded: {error}");
            let help = "the path counts from the folder of the runbook; a file that a step before makes needs `sha256`";
            return Err(problem(Code::UnreadableFile, &message, help));
        }
    };
    if let Some(wanted) = upload.sha256.as_ref().filter(|wanted| wanted.needs().is_empty())
        && wanted.shown() != content.digest().to_string()
    {
        let message = format!("`{from}` is another file than `sha256` says: {}", content.digest());
        return Err(problem(Code::BadValue, &message, "take the right file, or correct `sha256`"));
    }
    if !content.is_folder && upload.to.shown().ends_with('/') {
        let message = format!("`{}` names a folder, and `{from}` is a file", upload.to.shown());
        return Err(problem(Code::BadValue, &message, "write the whole name of the file there"));
    }
    if content.is_folder && step.r#become {
        let message = format!("`{from}` is a folder, and `become` moves one file");
        let help = "pack it, or upload it without `become` and move it in a `run` step";
        return Err(problem(Code::Contradiction, &message, help));
    }
    inputs.contents.insert(from, content);
    Ok(())
}
