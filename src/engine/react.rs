//! What has to be done because something happened. Not called on replay.

use crate::base::{ChannelId, Millis, SafeText, StepId, Timestamp};
use crate::plan::{CheckPlan, VerifyPlan};
use crate::runbook::NoticeEvent;

use super::effect::Effect;
use super::event::{Choice, Event, RunKind};
use super::health::Health;
use super::hosts::HostFact;
use super::job::{End, Key, Part, Place, Verdict};
use super::sight::Doubt;
use super::state::{State, Status, Track};

/// What has to be done because `event` happened; `state` is the state after it.
#[must_use = "an effect that is not performed is a step that never ran"]
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
pub fn react(state: &State, event: &Event) -> Vec<Effect> {
    match event {
        Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places } => {
            started(state, key, places)
        }
        Event::TimeLimitReached { key } | Event::StopAsked { key } => {
            vec![Effect::Stop(key.clone())]
        }
        Event::RetryPlanned { at, .. } => vec![Effect::WakeAt(*at)],
        Event::SoakStarted { step, until } => soaks(state, step, *until),
        Event::Waived { until, .. } | Event::WavePaused { until, .. } => {
            vec![Effect::WakeAt(*until)]
        }
        Event::HealthChanged { .. } => wakes(state),
        Event::Returned { checkpoint } => {
            let text = format!("back at checkpoint {checkpoint}: the run may go on from there");
            [state.notice(NoticeEvent::Rollback, &text), wakes(state)].concat()
        }
        Event::Resumed { sought, .. } => {
            [state.follow(sought), retries(state), wakes(state)].concat()
        }
        Event::JobEnded { job, end: End::Unknown { doubt: Doubt::LetGo, .. }, .. } => {
            vec![Effect::LetGo(job.clone())]
        }
        Event::HostNoted { host, fact: HostFact::KeyAccepted { key, .. } } => {
            vec![Effect::HoldToKey { host: host.clone(), key: key.clone() }]
        }
        Event::StoodStill { .. } => [vec![Effect::ProbeLinks], longer_soaks(state)].concat(),
        Event::RunBegan => {
            [state.notice(NoticeEvent::Start, "the run has begun"), wakes(state)].concat()
        }
        Event::Settled { step, part: Part::Action, verdict: Verdict::Succeeded }
        | Event::Skipped { step, .. }
        | Event::DoneByHand { step, part: Part::Action, .. }
        | Event::FailureAccepted { step, part: Part::Action, .. } => phase_over(state, step),
        Event::GateDecided { step, choice, .. } => {
            let word = match choice {
                Choice::Go => "GO",
                Choice::NoGo => "NO-GO",
            };
            state.notice(NoticeEvent::Gate, &format!("gate {step}: {word}"))
        }
        Event::RollbackBegan { reason, to, .. } => {
            let to = to.as_ref().map(|to| format!(" to checkpoint {}", to.checkpoint));
            let text = format!("rolling back{}: {reason}", to.unwrap_or_default());
            state.notice(NoticeEvent::Rollback, &text)
        }
        Event::PlaybookOpened { playbook, reason } => {
            let text = format!("emergency procedure {playbook} was opened: {reason}");
            state.notice(NoticeEvent::Failed, &text)
        }
        Event::RollbackEnded { verified } => {
            let text = if *verified {
                "rolled back, the old system is verified"
            } else {
                "rolled back, and no step has verified the old system"
            };
            state.notice(NoticeEvent::Rollback, text)
        }
        Event::Completed => state.notice(NoticeEvent::End, "every step is over"),
        Event::Abandoned { reason } => {
            state.notice(NoticeEvent::End, &format!("the run was given up: {reason}"))
        }
        Event::Settled { verdict: Verdict::Succeeded, .. }
        | Event::SessionOpened(_)
        | Event::DriverLeft { .. }
        | Event::WavesPlanned { .. }
        | Event::JobSighted { .. }
        | Event::JobEnded { .. }
        | Event::SoakBreached { .. }
        | Event::DoneByHand { .. }
        | Event::FailureAccepted { .. }
        | Event::SignedOff { .. }
        | Event::Held { .. }
        | Event::Continued
        | Event::AutoAdvance { .. }
        | Event::GuardOpened
        | Event::GuardClosed { .. }
        | Event::Voted { .. }
        | Event::WaiverEnded { .. }
        | Event::Approved { .. }
        | Event::PlaybookClosed { .. }
        | Event::AlarmRaised { .. }
        | Event::AlarmCleared { .. }
        | Event::AlarmsAcknowledged
        | Event::Noted { .. }
        | Event::Captured { .. }
        | Event::ClockJumped { .. }
        | Event::RecordingLost { .. }
        | Event::RecordingOverridden { .. }
        | Event::RecordedLate { .. }
        | Event::HostNoted { .. }
        | Event::Closed => Vec::new(),
        Event::Settled { step, part, verdict } => {
            let what = if part.is_undo() { "the undo of step" } else { "step" };
            let text = format!("{what} {step} {}", verdict_words(*verdict));
            state.notice(NoticeEvent::Failed, &text)
        }
    }
}

const fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Cancelled => "was stopped",
        Verdict::Failed => "failed",
        Verdict::TimedOut => "ran past its limit and was stopped",
        Verdict::Unknown => "may have run: its outcome is not known",
    }
}

fn started(state: &State, key: &Key, places: &[Place]) -> Vec<Effect> {
    let mut effects = Vec::new();
    // `begin` made the same effect before the event was written, so it cannot be refused now.
    if let Ok(Some(effect)) = state.effect_of(key, places) {
        effects.push(effect);
    }
    let now = state.attempt(key).map(|attempt| attempt.wave.started);
    let watched = match state.verify_of(&key.step, key.part) {
        Some(VerifyPlan { check: CheckPlan::Probe(_), within, .. })
            if matches!(key.part, Part::Verify | Part::UndoVerify) =>
        {
            Some(*within)
        }
        Some(_) | None => None,
    };
    if let (Some(now), Some(limit)) = (now, watched.or_else(|| state.limit_of(key))) {
        effects.push(Effect::WakeAt(now.after(limit).after(Millis::new(1))));
    }
    effects
}

/// The end of a soak, and the moments at which its probes have to have been read.
fn soaks(state: &State, step: &StepId, until: Timestamp) -> Vec<Effect> {
    let Some(soak) = state.soak_of(step) else { return Vec::new() };
    let began = until.before(soak.r#for);
    let mut moments: Vec<_> = soak
        .probes
        .iter()
        .filter(|probe| state.health(probe) == Health::Unknown)
        .map(|probe| began.after(state.first_reading(probe)).after(Millis::new(1)))
        .chain([until])
        .collect();
    moments.sort();
    moments.dedup();
    moments.into_iter().map(Effect::WakeAt).collect()
}

/// The new ends of the soaks under way.
fn longer_soaks(state: &State) -> Vec<Effect> {
    let end = |track: &Track| match track.status {
        Status::Soaking { until } => Some(Effect::WakeAt(until)),
        Status::Pending
        | Status::Running
        | Status::Waiting
        | Status::Verifying
        | Status::Succeeded
        | Status::Failed
        | Status::TimedOut
        | Status::Unknown
        | Status::Cancelled
        | Status::Skipped
        | Status::DoneByHand
        | Status::FailureAccepted => None,
    };
    state.actions.values().filter_map(|track| end(track)).collect()
}

/// The ends of waivers, and the moments at which triggers will be due.
fn wakes(state: &State) -> Vec<Effect> {
    let waivers = state.all_waivers().filter(|(_, waiver)| !waiver.ended);
    let waivers = waivers.map(|(_, waiver)| waiver.until);
    waivers.chain(state.trigger_wakes()).map(Effect::WakeAt).collect()
}

/// The retries and waves that were planned before a crash: their timers went with it.
fn retries(state: &State) -> Vec<Effect> {
    let wave = |track: &Track| track.last_action().and_then(|attempt| attempt.wave.next_at);
    let tracks = state.actions.values();
    tracks.flat_map(|track| [track.retry_at, wave(track)]).flatten().map(Effect::WakeAt).collect()
}

fn phase_over(state: &State, step: &StepId) -> Vec<Effect> {
    let phases = &state.plan().phases;
    let Some(phase) = phases.iter().find(|phase| phase.steps.contains(step)) else {
        return Vec::new();
    };
    let over = phase.steps.iter().all(|id| state.track(id).status.is_over());
    if over {
        state.notice(NoticeEvent::Phase, &format!("phase {} is over", phase.title))
    } else {
        Vec::new()
    }
}

impl State {
    /// The notice by rule of a moment, to every channel that asked for it.
    fn notice(&self, moment: NoticeEvent, text: &str) -> Vec<Effect> {
        let asked = self.plan.channels.iter().filter(|channel| channel.events.contains(&moment));
        let asked: Vec<_> = asked.map(|channel| channel.id.clone()).collect();
        let channels = self.heard(&asked);
        if channels.is_empty() {
            return Vec::new();
        }
        let text = self.marked(&format!("{}: {text}", self.plan.title));
        vec![Effect::Notify { key: None, channels, text }]
    }

    /// Of `channels`, those that are used in a run of this kind.
    pub(super) fn heard(&self, channels: &[ChannelId]) -> Vec<ChannelId> {
        let live = self.genesis().is_some_and(|genesis| genesis.kind == RunKind::Live);
        let used = |id: &&ChannelId| {
            live || self.plan.channels.iter().any(|channel| channel.id == **id && channel.drills)
        };
        channels.iter().filter(used).cloned().collect()
    }

    /// `text` as people get it: a rehearsal or drill says so first.
    pub(super) fn marked(&self, text: &str) -> SafeText {
        match self.genesis().map(|genesis| genesis.kind) {
            Some(RunKind::Drill) => SafeText::new(&format!("DRILL DRILL DRILL {text}")),
            Some(RunKind::Rehearsal) => SafeText::new(&format!("REHEARSAL {text}")),
            Some(RunKind::Live) | None => SafeText::new(text),
        }
    }
}
