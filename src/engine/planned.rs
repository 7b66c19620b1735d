//! A return that the runbook plans: after a step that says until when the run stays where it is,
//! the way back is proposed, or taken.

use crate::base::SafeText;

use super::event::{AlarmId, Event, Level};
use super::state::{RunStage, State};

impl State {
    /// The alarm of the planned return, and the rollback where the runbook takes it by itself.
    pub(super) fn return_due(&self) -> Vec<Event> {
        let Some(planned) = &self.plan.planned else { return Vec::new() };
        // Passed over, nothing was waited for: a person has to say that it is time.
        let over = self.track(&planned.after).status;
        let is_due = matches!(self.stage, RunStage::Active | RunStage::Completed)
            && self.may_go_back()
            && over.is_over();
        if !is_due {
            return self.all_clear(AlarmId::PlannedReturn);
        }
        let what = format!("planned return: {} is over", planned.after);
        let text = format!("{what}: the way back is next (R)");
        let mut events = self.alarm(AlarmId::PlannedReturn, Level::Caution, &text);
        let by_itself = planned.auto && over != super::track::Status::Skipped;
        if by_itself && self.may_pull() && !events.is_empty() {
            let reason = SafeText::new(&format!("trigger: {what} (auto)"));
            events.extend(self.back_events(&reason, None, None));
        }
        events
    }
}
