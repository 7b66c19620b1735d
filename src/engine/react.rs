//! What has to be done because something happened. Not called on replay.

use crate::base::{Millis, StepId, Timestamp};
use crate::plan::{CheckPlan, VerifyPlan};

use super::effect::Effect;
use super::event::Event;
use super::health::Health;
use super::hosts::HostFact;
use super::job::{End, Key, Part, Place};
use super::sight::Doubt;
use super::state::State;
use super::track::{Status, Track};

/// What has to be done because `event` happened; `state` is the state after it.
#[must_use = "an effect that is not performed is a step that never ran"]
pub fn react(state: &State, event: &Event) -> Vec<Effect> {
    [done(state, event), state.tell_new()].concat()
}

/// What is done besides telling people.
fn done(state: &State, event: &Event) -> Vec<Effect> {
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
        Event::HealthChanged { .. } | Event::Returned { .. } | Event::RunBegan => wakes(state),
        Event::Resumed { sought, .. } => {
            [state.follow(sought), retries(state), wakes(state), state.tell_again()].concat()
        }
        Event::JobEnded { job, end: End::Unknown { doubt: Doubt::LetGo, .. }, .. } => {
            vec![Effect::LetGo(job.clone())]
        }
        Event::JobEnded { job, .. } if job.key.part == Part::Compare => {
            let next = state.next_comparison(&job.key.step);
            next.into_iter().map(Effect::WakeAt).collect()
        }
        Event::HostNoted { host, fact: HostFact::KeyAccepted { key, .. } } => {
            vec![Effect::HoldToKey { host: host.clone(), key: key.clone() }]
        }
        Event::StoodStill { .. } => [vec![Effect::ProbeLinks], longer_soaks(state)].concat(),
        Event::Settled { .. }
        | Event::Skipped { .. }
        | Event::PlaybookOpened { .. }
        | Event::GateDecided { .. }
        | Event::RollbackBegan { .. }
        | Event::RollbackEnded { .. }
        | Event::Completed
        | Event::Abandoned { .. }
        | Event::NoticeDelivered { .. }
        | Event::NoticeLost { .. }
        | Event::SessionOpened(_)
        | Event::DriverLeft { .. }
        | Event::WavesPlanned { .. }
        | Event::JobSighted { .. }
        | Event::JobEnded { .. }
        | Event::SoakBreached { .. }
        | Event::SaidDone { .. }
        | Event::DoneByHand { .. }
        | Event::FailureAccepted { .. }
        | Event::SignedOff { .. }
        | Event::WindowOverridden { .. }
        | Event::Held { .. }
        | Event::Continued
        | Event::AutoAdvance { .. }
        | Event::GuardOpened
        | Event::GuardClosed { .. }
        | Event::Voted { .. }
        | Event::WaiverEnded { .. }
        | Event::Approved { .. }
        | Event::StepEdited { .. }
        | Event::Replanned { .. }
        | Event::PlaybookClosed { .. }
        | Event::ShellOpened(_)
        | Event::ShellEnded(_)
        | Event::ReadinessChanged { .. }
        | Event::LossMeasured { .. }
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
