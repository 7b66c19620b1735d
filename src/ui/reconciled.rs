//! What a comparison of two systems found, as a table under the step that made it.

use ratatui::text::Line;

use crate::base::{Millis, cut_end};
use crate::engine::{End, Outcome, Reconciled};

use super::step::Rows;
use super::text::{Say, work};
use super::theme::Role;

/// So many rows of a table stand in a dialog; the step's own pane has them all.
const ROWS_IN_DIALOG: usize = 6;

/// What a job found, if it compared something.
pub(super) fn found(end: &End) -> Option<&Reconciled> {
    match end {
        End::Done(done) => done.reconciled.as_deref(),
        End::Exited { .. }
        | End::Signalled { .. }
        | End::Stopped { .. }
        | End::NotStarted { .. }
        | End::Rebooted { .. }
        | End::Unknown { .. } => None,
    }
}

impl Rows<'_, '_> {
    /// What was read where, and every difference that is in the record.
    pub(super) fn reconciled(&mut self, found: &Reconciled, mark: &str, spent: Millis) {
        let role = match found.outcome {
            Outcome::Equal => Role::Dim,
            Outcome::Differs | Outcome::Unknown { .. } => Role::Warning,
        };
        self.say_as(Say::NONE, &format!("{mark} {}", work::reconciled(self.m.lang, found)), role);
        self.say(Say::NONE, &work::read(self.m.lang, found, spent));
        self.table(found, usize::MAX);
    }

    /// The first differences, for a dialog.
    pub(super) fn differences(&mut self, found: &Reconciled) {
        self.table(found, ROWS_IN_DIALOG);
    }

    fn table(&mut self, found: &Reconciled, rows: usize) {
        let all = work::table(self.m.lang, found, self.width.saturating_sub(2));
        let left = all.len().saturating_sub(rows.saturating_add(1));
        for (at, line) in all.iter().take(rows.saturating_add(1)).enumerate() {
            let role = if at == 0 { Role::Dim } else { Role::Title };
            let line = cut_end(&format!("  {line}"), self.width);
            self.lines.push(Line::styled(line, self.theme.style(role)));
        }
        if left > 0 {
            self.row(&work::more_in_pane(self.m.lang, left), Role::Dim);
        }
    }
}
