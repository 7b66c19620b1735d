//! What the edge reports: what of it is decided, what waits for company, and what follows at once.

use std::sync::Arc;

use crate::base::{HostId, SafeText, Timestamp};
use crate::engine::{Actor, Command, Doubt, Effect, End, Note, advance};
use crate::exec::{Link, Report};
use crate::journal::Stamp;

use super::ahead::Ahead;
use super::core::{Core, FREE_MIN};
use super::handle::{Gauge, LinkView, SubmitError, View};
use super::held::Held;

impl Core {
    /// Takes in reports that have come together; what they say is recorded as one line, unless all
    /// of it may wait a moment for company. Gives back what has to be done then.
    pub fn take_reports(
        &mut self,
        stamp: &Stamp,
        reports: impl IntoIterator<Item = Report>,
    ) -> Vec<Effect> {
        let mut decided = Vec::new();
        for report in reports {
            let command = self.command_of(report, stamp.at);
            // What waits is not shown; a link and a reading are.
            self.news |= !command.as_ref().is_some_and(|(_, command)| Held::may(command));
            decided.extend(command);
        }
        if decided.iter().all(|(_, command)| Held::may(command)) {
            self.held.add(decided, stamp.at);
            return self.take_held(stamp);
        }
        let mut all = self.held.take();
        all.extend(decided);
        self.take_in(stamp, all)
    }

    /// Records what has waited for company for long enough.
    pub(super) fn take_held(&mut self, stamp: &Stamp) -> Vec<Effect> {
        if !self.held.is_due(stamp.at) {
            return Vec::new();
        }
        let held = self.held.take();
        self.take_in(stamp, held)
    }

    /// Records what waits for company, whether it has waited for long or not: nothing more comes.
    pub fn take_rest(&mut self, stamp: &Stamp) -> Vec<Effect> {
        let held = self.held.take();
        self.take_in(stamp, held)
    }

    /// What whoever drives would ask for next is said here.
    pub const fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    fn take_in(&mut self, stamp: &Stamp, decided: Vec<(Actor, Command)>) -> Vec<Effect> {
        if decided.is_empty() {
            return Vec::new();
        }
        let follows = self.follows(stamp, &decided);
        let together = decided.iter().chain(&follows).map(|(by, command)| (by, command));
        let together: Vec<_> = together.collect();
        match self.submit_all(stamp, &together) {
            Ok(effects) => effects,
            // What would have followed is not asked for again.
            Err(SubmitError::NotRecorded(why)) => {
                let mut effects = Vec::new();
                for (by, command) in decided {
                    effects.extend(self.not_taken(stamp, &by, command, &why));
                }
                effects
            }
            Err(error @ (SubmitError::Refused(_) | SubmitError::Gone)) => {
                tracing::debug!(%error, "a report was not taken");
                Vec::new()
            }
        }
    }

    /// What whoever drives would ask for, once it is shown that this has happened: decided with it,
    /// so that one wait for the disk is enough.
    fn follows(&self, stamp: &Stamp, decided: &[(Actor, Command)]) -> Option<(Actor, Command)> {
        let ends = decided.iter().any(|(_, command)| matches!(command, Command::Ended { .. }));
        // Nor where the run is to be held for what has just failed.
        let fails = self.short || self.hold_due.is_some() || self.state.lost().is_some();
        if !ends || fails || !self.ahead.is_open() {
            return None;
        }
        // Nor where this very line may be the one that the disk has no room for.
        if self.journal.free().is_some_and(|free| free < FREE_MIN) {
            return None;
        }
        let mut state = Arc::clone(&self.state);
        for (by, command) in decided {
            if let Ok(advance) = advance(&state, by, command, stamp.at) {
                state = Arc::new(advance.state);
            }
        }
        self.ahead.follow(&View { state, ..self.view(stamp.at) })
    }

    /// A report that could not be recorded together with the others. What ended is not forgotten:
    /// it is shown as ended, and said to be in no record.
    fn not_taken(
        &mut self,
        stamp: &Stamp,
        by: &Actor,
        command: Command,
        why: &SafeText,
    ) -> Vec<Effect> {
        if self.state.lost().is_none() {
            match self.submit(stamp, by, &command) {
                Ok(effects) => return effects,
                Err(error) => tracing::debug!(%error, "a report was not taken"),
            }
        }
        let Command::Ended { job, end, transcript } = command else { return Vec::new() };
        if self.state.lost().is_none() {
            // It says too much for a line of the journal: what is left is that it ended.
            let why = format!("how it ended cannot be recorded: {why}");
            let end = End::unknown(Doubt::Unrecorded, &why);
            return self.submit_report(stamp, by, &Command::Ended { job, end, transcript });
        }
        Arc::make_mut(&mut self.unrecorded).insert(job, end);
        Vec::new()
    }

    /// What a report asks to decide; nothing where it only changes what is shown.
    fn command_of(&mut self, report: Report, at: Timestamp) -> Option<(Actor, Command)> {
        match report {
            Report::Progress { job, share } => {
                Arc::make_mut(&mut self.gauges).insert(job, Gauge { share, at });
                None
            }
            Report::Ended { job, end, transcript } => {
                if self.gauges.contains_key(&job) {
                    Arc::make_mut(&mut self.gauges).remove(&job);
                }
                let by = Actor::at(&job.place);
                Some((by, Command::Ended { job, end, transcript }))
            }
            Report::Sighted { job, sight } => {
                let by = Actor::at(&job.place);
                Some((by, Command::Sighted { job, sight }))
            }
            Report::Flood { job, bytes } => {
                Some((Actor::at(&job.place), Command::Flood { job, bytes }))
            }
            Report::Silent { job, quiet } => Some((Actor::Clock, Command::Silent { job, quiet })),
            Report::Reading { probe, reading } => {
                let change = self.board.take(&probe, reading)?;
                Some((Actor::Probe(probe), Command::Health(change)))
            }
            Report::Proved { need, proof } => {
                let by = Actor::at(&need.place);
                let proof = Some(proof);
                self.lookout.heard(&need, at).then_some((by, Command::Proved { need, proof }))
            }
            Report::Link { host, link } => self.link(host, link),
            Report::LooksSecret { step, shape } => {
                let text = format!(
                    "the output of this step looks as if it held a secret ({shape}): if so, it is in the record; \
                    declare it under [secrets] to keep it out the next time"
                );
                let told = |note: &Note| note.step.as_ref() == Some(&step) && note.text == text;
                if self.state.notes().iter().any(told) {
                    return None; // Once for each step and shape.
                }
                Some((Actor::Engine, Command::Note { step: Some(step), text }))
            }
            Report::Tainted { file, secret } => {
                let text = format!(
                    "redaction.late: {file} holds the value of secret {secret}, written before that value was known: \
                    keep the record to yourself, and change the secret"
                );
                if self.state.notes().iter().any(|note| note.text == text) {
                    return None;
                }
                Some((Actor::Engine, Command::Note { step: None, text }))
            }
            Report::Host { host, said } => {
                Some((Actor::Host(host.clone()), Command::Host { host, said }))
            }
            Report::OutputLost { job, why } => {
                self.hold_due = Some("what steps print cannot be kept".to_owned());
                let text = format!("the output of {job} is NOT KEPT from here on: {why}");
                Some((Actor::Engine, Command::Note { step: Some(job.key.step), text }))
            }
            Report::OutputAway { job, dir, why } => {
                self.hold_due = Some("the disk of what steps print failed".to_owned());
                let text = format!("the output of {job} goes on in {dir}: {why}");
                Some((Actor::Engine, Command::Note { step: Some(job.key.step), text }))
            }
            Report::Told { channel, numbers, tries, lost } => {
                Some((Actor::Engine, Command::Told { channel, numbers, tries, lost }))
            }
        }
    }

    fn link(&mut self, host: HostId, link: Link) -> Option<(Actor, Command)> {
        let view = match &link {
            Link::Connecting => LinkView::Connecting,
            Link::Up => LinkView::Up,
            Link::Down(why) => LinkView::Down(why.clone()),
        };
        let was = Arc::make_mut(&mut self.links).insert(host.clone(), view);
        let down = match link {
            Link::Connecting => return None,
            Link::Up if !self.state.links_down().contains_key(&host) => return None,
            Link::Up => None,
            Link::Down(why) if was == Some(LinkView::Down(why.clone())) => return None,
            Link::Down(why) => Some(why),
        };
        Some((Actor::Host(host.clone()), Command::Link { host, down }))
    }
}
