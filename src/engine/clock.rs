//! What the clock says of a run: what has taken how long, and what a rollback would have to wait
//! for. The forecast is the plan's; this is what the state brings to it.

use crate::base::{Millis, StepId, Timestamp};
use crate::plan::{Actual, Forecast, Goes, InTheWay, Progress, StepPlan, Tries, ends_by, forecast};
use crate::runbook::{InFlight, Window};

use super::event::{Actor, Item, RunKind};
use super::job::{Part, Verdict};
use super::state::State;
use super::track::{Status, Track};

/// From the wish to stop a job to the proof that it is gone: it is asked to end, made to after ten
/// seconds, and looked for.
const STOP_MAX: Millis = Millis::from_secs(15);

impl State {
    /// The window of this run: that of the plan. A rehearsal or a drill that begins outside it has
    /// one of the same length that opens when it begins, so that its clocks are those of the night.
    pub fn window(&self) -> Option<Window> {
        self.progress_head().window(&self.plan)
    }

    /// All times as they look at `now`.
    pub fn forecast(&self, now: Timestamp) -> Forecast {
        forecast(&self.plan, &self.progress(), now)
    }

    /// Whether it is the real one: the window binds it.
    pub(super) fn is_live(&self) -> bool {
        self.genesis.as_ref().is_none_or(|genesis| genesis.kind == RunKind::Live)
    }

    fn progress_head(&self) -> Progress {
        let began = self.began.unwrap_or(self.opened);
        Progress {
            began,
            opens: self.plan.window.as_ref().and_then(|window| {
                let inside = (window.opens..window.closes).contains(&began);
                (!self.is_live() && !inside).then_some(began)
            }),
            early: self.overrides.early.is_some(),
            ..Progress::default()
        }
    }

    /// What has happened so far, as far as times are concerned.
    pub fn progress(&self) -> Progress {
        // Both have a name for every step of the plan, in the same order: no step is looked up.
        let tracks = || self.actions.iter().zip(self.plan.steps.values());
        let touched = tracks().filter(|((_, track), step)| {
            step.phase.is_some() && (track.started.is_some() || track.settled.is_some())
        });
        let actual = |((id, track), step): ((&StepId, &std::sync::Arc<Track>), &StepPlan)| {
            let started = track.started.or(track.settled)?;
            let actions = track.present().iter().filter(|it| it.key.part == Part::Action);
            let once = track.status == Status::Succeeded && actions.count() <= 1;
            Some((id.clone(), Actual { started, goes: goes(track, step), once }))
        };
        let undo = self.rollback_items().into_iter().filter(|item| item.part == Part::Undo);
        Progress {
            undo: undo.map(|item| item.step).collect(),
            steps: touched.filter_map(actual).collect(),
            in_the_way: self.in_the_way(),
            auto: self.auto,
            tries: self.tries(),
            ..self.progress_head()
        }
    }

    /// How the tries at forward steps have ended so far.
    fn tries(&self) -> Tries {
        let mut tries = Tries::default();
        let tracks = self.actions.values().zip(self.plan.steps.values());
        for (track, _) in tracks.filter(|(_, step)| step.phase.is_some()) {
            let mut failed = None;
            for attempt in &track.attempts {
                let by_hand = matches!(attempt.by, Actor::Operator(_));
                if let Some(at) = failed.take().filter(|_| by_hand) {
                    tries.looks += 1;
                    tries.looked = tries.looked.plus(attempt.started.since(at));
                }
                let ends = attempt.places.values().flatten();
                let Some(over) = ends.clone().map(|end| end.at).max() else { continue };
                if !attempt.has_ended() {
                    continue;
                }
                tries.all += 1;
                if ends.map(|end| end.end.verdict()).any(|it| it != Verdict::Succeeded) {
                    tries.failed += 1;
                    failed = Some(over);
                }
            }
        }
        tries
    }

    /// What a rollback would have to wait for before it undoes anything.
    fn in_the_way(&self) -> InTheWay {
        let mut way = InTheWay::default();
        for (id, track) in self.actions.iter().filter(|(_, track)| track.status.is_in_flight()) {
            if !self.plan.is_forward(id) {
                continue;
            }
            // What is in a person's hands, or is only watched, ends at once.
            for attempt in track.attempts.iter().filter(|attempt| !attempt.has_ended()) {
                way.stop = STOP_MAX;
                if let (InFlight::Finish, Some(limit)) =
                    (self.plan.running, self.limit_of(&attempt.key))
                {
                    // The limit is that of the wave, and counts while golive can watch.
                    let began = attempt.wave.started;
                    let until =
                        began.after(limit).after(self.unwatched_since(began)).after(STOP_MAX);
                    way.until = way.until.max(Some(until));
                }
            }
        }
        way
    }

    /// When a rollback under way will be over, as it looks at `now`.
    pub fn rollback_ends(&self, now: Timestamp) -> Option<Timestamp> {
        let rollback = self.rollback.as_ref()?;
        if let Some(ended) = rollback.ended {
            return Some(ended);
        }
        let left = |item: &Item| {
            let step = self.plan.step(&item.step).filter(|_| !self.is_moot(item))?;
            let takes = match item.part {
                Part::Undo | Part::UndoVerify => step.undo_takes(),
                Part::Action | Part::Verify | Part::Compare => step.back_takes(&self.plan.probes),
            };
            let track = self.track_of(&item.step, item.part);
            match track.status {
                Status::Pending => Some(takes),
                status if status.is_in_flight() => {
                    let started = track.last_action().map_or(now, |action| action.started);
                    Some(ends_by(started.after(takes), now).since(now))
                }
                Status::Running
                | Status::Waiting
                | Status::Soaking { .. }
                | Status::Verifying
                | Status::Succeeded
                | Status::Failed
                | Status::TimedOut
                | Status::Unknown
                | Status::Cancelled
                | Status::Skipped
                | Status::DoneByHand
                | Status::FailureAccepted => None,
            }
        };
        let left = rollback.items.iter().filter_map(left).fold(Millis::ZERO, Millis::plus);
        Some(now.after(self.in_the_way().takes(now)).after(left))
    }
}

/// How a step that was touched goes, from its record.
fn goes(track: &Track, step: &StepPlan) -> Goes {
    let takes = step.takes();
    let soak = step.soak.as_ref().map_or(Millis::ZERO, |soak| soak.r#for);
    let began = track.last_action().map(|action| action.started);
    match track.status {
        Status::Succeeded | Status::Skipped | Status::DoneByHand | Status::FailureAccepted => {
            Goes::Over(track.settled.unwrap_or_default())
        }
        Status::Running | Status::Waiting => {
            let since = track.retry_at.or(began).or(track.started).unwrap_or_default();
            Goes::Runs { since, takes }
        }
        // What is left of the estimate is for the verification.
        Status::Verifying => {
            let since = track.last().map_or_else(Timestamp::default, |last| last.started);
            let spent = since.since(began.unwrap_or(since));
            Goes::Runs { since, takes: step.estimate.minus(spent).plus(soak) }
        }
        Status::Soaking { until } => Goes::Runs { since: until, takes: Millis::ZERO },
        // A person has to come first; then it may have to run once more.
        Status::Pending
        | Status::Failed
        | Status::TimedOut
        | Status::Unknown
        | Status::Cancelled => Goes::Waits { takes },
    }
}
