//! Hosts in waves: a few first, and the others only once those are well.
//!
//! All waves are one attempt, so a host is started at most once in it. The next wave starts by an
//! event of its own, never while the session is held, and never after one that went wrong for more
//! hosts than the step allows.

use std::collections::BTreeSet;

use crate::base::{SafeText, StepId, Timestamp};
use crate::plan::{BatchPlan, CheckPlan};

use super::event::{Confirmed, Event};
use super::job::{Part, Place, Verdict};
use super::state::State;
use super::track::{Attempt, PlaceEnd, Track};

/// Whether a place has ended, and well.
fn is_well(end: Option<&PlaceEnd>) -> bool {
    end.is_some_and(|end| end.end.verdict() == Verdict::Succeeded)
}

/// Whether no other wave may start: more hosts failed than the step allows, or nobody knows of
/// one what became of it, which is never counted as a mere failure.
fn is_too_bad(attempt: &Attempt, bad: &BTreeSet<&Place>, batch: &BatchPlan) -> bool {
    let ends = bad.iter().filter_map(|place| attempt.places.get(*place)?.as_ref());
    let mut verdicts = ends.map(|end| end.end.verdict());
    bad.len() > batch.max_failures || verdicts.any(|verdict| verdict == Verdict::Unknown)
}

impl Track {
    /// The places of the last attempt where it has not ended well, and no verification has said
    /// since that all is well there.
    pub fn bad_places(&self) -> BTreeSet<&Place> {
        let is_action = |a: &Attempt| matches!(a.key.part, Part::Action | Part::Undo);
        let Some(last) = self.present().iter().rposition(is_action) else {
            return BTreeSet::new();
        };
        let mut attempts = self.present().iter().skip(last);
        let places = attempts.next().into_iter().flat_map(|attempt| &attempt.places);
        let bad = places.filter(|(_, end)| !is_well(end.as_ref())).map(|(place, _)| place);
        let mut bad: BTreeSet<_> = bad.collect();
        for (place, end) in attempts.flat_map(|verify| &verify.places) {
            if is_well(end.as_ref()) {
                bad.remove(place);
            }
        }
        bad
    }

    fn has_tried(&self, place: &Place) -> bool {
        self.present().iter().any(|attempt| attempt.places.contains_key(place))
    }
}

impl State {
    pub(super) fn batch_of(&self, step: &StepId) -> Option<&BatchPlan> {
        self.plan.step(step)?.batch.as_ref()
    }

    /// Whether no attempt at a step in waves has come to this host of it.
    pub(super) fn is_untried(&self, step: &StepId, place: &Place) -> bool {
        let Some(batch) = self.batch_of(step) else { return false };
        let Place::Host(host) = place else { return false };
        batch.waves.iter().any(|wave| wave.contains(host)) && !self.track(step).has_tried(place)
    }

    /// The hosts of a step in waves that no attempt has come to, in order.
    pub fn untried(&self, step: &StepId) -> Vec<Place> {
        let hosts = self.batch_of(step).into_iter().flat_map(|batch| batch.waves.iter().flatten());
        let places = hosts.map(|host| Place::Host(host.clone()));
        places.filter(|place| self.is_untried(step, place)).collect()
    }

    /// The waves of a new attempt on `places`: as planned, if it is on all of them; else first
    /// those that are tried again, together.
    pub(super) fn waves_of(
        &self,
        step: &StepId,
        part: Part,
        places: Vec<Place>,
    ) -> Vec<Vec<Place>> {
        let Some(batch) = self.batch_of(step).filter(|_| part == Part::Action) else {
            return vec![places];
        };
        let all: usize = batch.waves.iter().map(Vec::len).sum();
        let whole = all == places.len();
        let first = |place: &Place| !whole && !self.is_untried(step, place);
        let again: Vec<_> = places.iter().filter(|place| first(place)).cloned().collect();
        let planned = batch.waves.iter().map(|wave| {
            let wave = wave.iter().map(|host| Place::Host(host.clone()));
            wave.filter(|place| places.contains(place) && !first(place)).collect::<Vec<_>>()
        });
        std::iter::once(again).chain(planned).filter(|wave| !wave.is_empty()).collect()
    }

    /// Where a step in waves is run again after a failure: where it did not go well, and then
    /// where it has not been.
    pub(super) fn to_repeat(&self, step: &StepId) -> Vec<Place> {
        let track = self.track(step);
        let mut places = track.failed_places();
        if places.is_empty() {
            let last = track.last().filter(|last| last.key.part == Part::Verify);
            let ends = last.into_iter().flat_map(|verify| &verify.places);
            let ends = ends.filter(|(place, _)| **place != Place::Here); // It only looks from here.
            places.extend(ends.filter(|(_, end)| !is_well(end.as_ref())).map(|(it, _)| it.clone()));
        }
        if places.is_empty() {
            places.extend(track.last_action().into_iter().flat_map(|it| it.wave.places.clone()));
        }
        places.extend(self.untried(step));
        places
    }

    /// What follows when every place of a wave has ended.
    pub(super) fn wave_ended(
        &self,
        step: &StepId,
        batch: &BatchPlan,
        verdict: Verdict,
        now: Timestamp,
    ) -> Vec<Event> {
        let track = self.track(step);
        let Some(attempt) = track.last_action() else { return Vec::new() };
        if let Some(at) = attempt.wave.next_at {
            return self.next_wave(step, attempt, at, now);
        }
        let bad = track.bad_places();
        let stops = attempt.stopping.is_some() && (!bad.is_empty() || !attempt.to_come.is_empty());
        if stops || is_too_bad(attempt, &bad, batch) {
            return self.wave_failed(step, attempt, verdict);
        }
        let check = self.verify_of(step, Part::Verify).map(|verify| &verify.check);
        let well = attempt.wave.places.iter().filter(|place| !bad.contains(place));
        let places: Vec<_> = match check {
            Some(CheckPlan::Run(_)) => well.cloned().collect(),
            Some(CheckPlan::Http(_)) => vec![Place::Here],
            Some(CheckPlan::Probe(_)) | None => Vec::new(),
        };
        match check {
            Some(CheckPlan::Run(_)) if places.is_empty() => {}
            None => {}
            Some(_) if !self.is_its_stage(step, Part::Action) => {
                return self.cut_short(step, Part::Action);
            }
            Some(_) => {
                let begun = self.begin(step, Part::Verify, places, Confirmed::ByRule, now);
                return begun.unwrap_or_else(|why| {
                    let why = format!(": its verification: {why}");
                    self.failed(step, Part::Action, Verdict::Failed, &why)
                });
            }
        }
        self.after_verify(step, Part::Action, now)
    }

    /// What follows when a wave is verified; nothing more than after any other step, if it was the
    /// last one and all is well.
    pub(super) fn after_wave(
        &self,
        step: &StepId,
        batch: &BatchPlan,
        now: Timestamp,
    ) -> Option<Vec<Event>> {
        let track = self.track(step);
        let attempt = track.last_action()?;
        let bad = track.bad_places();
        let worst = bad.iter().filter_map(|place| attempt.places.get(*place)?.as_ref());
        let worst = worst.map(|end| end.end.verdict()).max().unwrap_or(Verdict::Cancelled);
        if attempt.to_come.is_empty() {
            return (!bad.is_empty()).then(|| self.wave_failed(step, attempt, worst));
        }
        let goes_on = attempt.stopping.is_none() && self.is_its_stage(step, Part::Action);
        if !goes_on || is_too_bad(attempt, &bad, batch) {
            return Some(self.wave_failed(step, attempt, worst));
        }
        let until = now.after(batch.pause);
        let mut events = vec![Event::WavePaused { key: attempt.key.clone(), until }];
        if batch.ask && self.hold.is_none() {
            let (number, waves) = (attempt.wave.number, attempt.waves());
            let why = format!("wave {number} of {waves} of {step} is well: look, then go on");
            events.push(Event::Held { why: SafeText::new(&why) });
        }
        Some(events)
    }

    fn next_wave(
        &self,
        step: &StepId,
        attempt: &Attempt,
        at: Timestamp,
        now: Timestamp,
    ) -> Vec<Event> {
        if !self.is_its_stage(step, Part::Action) {
            return self.wave_failed(step, attempt, Verdict::Cancelled);
        }
        if now < at || self.hold.is_some() || self.guard.is_some() {
            return Vec::new();
        }
        let Some(places) = attempt.to_come.first().cloned() else { return Vec::new() };
        let events = vec![Event::WaveStarted { key: attempt.key.clone(), places }];
        if self.may_go_unrecorded(&events).is_ok() { events } else { Vec::new() }
    }

    fn wave_failed(&self, step: &StepId, attempt: &Attempt, verdict: Verdict) -> Vec<Event> {
        let verdict = if verdict == Verdict::Succeeded { Verdict::Cancelled } else { verdict };
        let why = super::due::describe_attempt(attempt);
        self.failed(step, Part::Action, verdict, &why)
    }

    /// The hosts of a step in waves that were never come to, in words; nothing where there are
    /// none.
    pub(super) fn not_started(&self, step: &StepId) -> String {
        match self.untried(step).len() {
            0 => String::new(),
            1 => "; 1 host was not started".to_owned(),
            hosts => format!("; {hosts} hosts were not started"),
        }
    }
}
