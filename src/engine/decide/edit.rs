//! Another command for a step, for this run only.

use crate::base::{Digest, SafeText, StepId};
use crate::engine::event::Event;
use crate::engine::job::Part;
use crate::engine::refusal::Refusal;
use crate::engine::state::{RunStage, State};
use crate::engine::track::Status;

use super::need_reason;
use crate::engine::because::{Deed, StepKind, Unfit};

/// The longest command: what a runbook may hold in one string.
const BYTES_MAX: usize = 64 * 1024;

/// Replaces the command. Nothing is started: the next attempt is confirmed as any other, by the
/// class of the new command.
pub(super) fn edit(
    state: &State,
    step: &StepId,
    part: Part,
    text: &str,
    reason: &SafeText,
) -> Result<Vec<Event>, Refusal> {
    let old = state.editable(step, part)?;
    need_reason(reason, Deed::Edit)?;
    let text = text.trim_end();
    let will_not_do = |why| Refusal::NoCommand { step: step.clone(), why };
    if text.trim().is_empty() {
        return Err(will_not_do(Unfit::Empty));
    }
    if text.len() > BYTES_MAX {
        return Err(will_not_do(Unfit::TooLong));
    }
    if text == old.trim_end() {
        return Err(will_not_do(Unfit::Same));
    }
    if text.contains("‹captured: ") || text.contains("‹secret: ") {
        return Err(will_not_do(Unfit::Mark));
    }
    let hides = |line: &str| SafeText::new(line).as_str() != line;
    if text.split('\n').any(|line| hides(&line.replace('\t', " "))) {
        return Err(will_not_do(Unfit::Hidden));
    }
    let plan = state.known(step)?;
    let (class, because) = if part.is_undo() {
        (plan.class, plan.class_because.clone())
    } else {
        state.plan.class_with(plan, text)
    };
    Ok(vec![Event::StepEdited {
        step: step.clone(),
        part,
        was: Digest::of(old.as_bytes()),
        text: text.to_owned(),
        class,
        because,
        reason: reason.clone(),
    }])
}

impl State {
    /// The command of a step's action or undo as it would be sent, if it may be edited now: after
    /// a failure, or before the first attempt while nothing can start it. Errors say why not.
    pub fn editable(&self, step: &StepId, part: Part) -> Result<String, Refusal> {
        let plan = self.known(step)?;
        let what = Deed::Edit;
        let Some(text) = plan.command(part.is_undo()) else {
            return Err(Refusal::WrongKind { step: step.clone(), kind: StepKind::RunOrLocal });
        };
        let mut tracks =
            [Part::Action, Part::Undo].map(|part| self.track_of(step, part)).into_iter();
        if tracks.any(|track| track.attempts.iter().any(|attempt| !attempt.has_ended())) {
            return Err(self.wrong(step, part, what));
        }
        let status = self.track_of(step, part).status;
        let begun = self.stage != RunStage::Preparing;
        let forward = self.plan.is_forward(step) && !part.is_undo();
        if status.wants_choice() || (status == Status::Pending && (begun || !forward)) {
            self.may_choose(step, part)?;
        }
        let by_itself = self.plan.playbook_of(step).is_none() && begun && self.hold.is_none();
        if status == Status::Pending && by_itself {
            Err(Refusal::NotHeld(step.clone()))
        } else if status == Status::Pending || status.wants_choice() {
            Ok(self.filled(text))
        } else {
            Err(self.wrong(step, part, what))
        }
    }
}
