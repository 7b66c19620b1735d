//! The start of an attempt: what exactly is sent, and the event that says so first.

use std::collections::BTreeMap;

use crate::base::{Digest, HostId, Millis, SafeText, SessionId, StepId, Timestamp};
use crate::plan::{CheckPlan, NotCaptured, StepPlan, Text, UndoPlan, UndoStep, VerifyPlan, Work};
use crate::runbook::{Builtin, Class, Expect, Given};

use super::effect::{Durable, Effect, Poll, Run};
use super::event::{Confirmed, Event, Genesis};
use super::job::{End, Job, Key, Part, Place, Verdict};
use super::refusal::Refusal;
use super::sight::{Doubt, Seen};
use super::state::State;
use super::track::{Attempt, PlaceEnd};

/// How much longer than `within` a verification may take before it is stopped.
const VERIFY_GRACE: Millis = Millis::from_secs(15);

/// How long a comparison of a soak may take before it is stopped.
const COMPARE_MAX: Millis = Millis::from_secs(10 * 60);

/// How what golive does itself says how far it is.
const SHARE: &str = r"^([0-9]+) %";

impl State {
    /// The plan of a step, or the refusal that there is none.
    pub(super) fn known(&self, step: &StepId) -> Result<&StepPlan, Refusal> {
        self.plan.step(step).ok_or_else(|| Refusal::UnknownStep(step.clone()))
    }

    /// The undo of a step, if it has one.
    pub(super) fn undo_of(&self, step: &StepId) -> Option<&UndoStep> {
        match &self.plan.step(step)?.undo {
            UndoPlan::Undo(undo) => Some(undo),
            UndoPlan::None | UndoPlan::Irreversible(_) => None,
        }
    }

    /// The verification that belongs to `part`.
    pub(super) fn verify_of(&self, step: &StepId, part: Part) -> Option<&VerifyPlan> {
        self.plan.step(step)?.verification(part.is_undo())
    }

    /// The work that `part` of a step is; none for verifications and for steps without undo.
    pub(super) fn work_of(&self, step: &StepId, part: Part) -> Option<&Work> {
        match part {
            Part::Action => Some(&self.plan.step(step)?.work),
            Part::Undo => Some(&self.undo_of(step)?.work),
            Part::Verify | Part::Compare | Part::UndoVerify => None,
        }
    }

    /// How long an attempt may take before it is stopped.
    pub(super) fn limit_of(&self, key: &Key) -> Option<Millis> {
        match key.part {
            Part::Action => self.plan.step(&key.step)?.timeout,
            Part::Undo => self.undo_of(&key.step)?.timeout,
            Part::Compare => Some(COMPARE_MAX),
            Part::Verify | Part::UndoVerify => {
                Some(self.verify_of(&key.step, key.part)?.within.plus(VERIFY_GRACE))
            }
        }
    }

    /// All the places where `part` of a step runs.
    pub(super) fn places_of(&self, step: &StepId, part: Part) -> Vec<Place> {
        let Some(plan) = self.plan.step(step) else { return Vec::new() };
        let on = |hosts: &[HostId]| hosts.iter().cloned().map(Place::Host).collect();
        let undo = self.undo_of(step);
        let (work, hosts) = match (part.is_undo(), undo) {
            (false, _) => (&plan.work, on(&plan.hosts)),
            (true, Some(undo)) => (&undo.work, self.touched(step, on(&undo.hosts))),
            (true, None) => return Vec::new(),
        };
        let checks = matches!(part, Part::Verify | Part::UndoVerify);
        match work {
            Work::Local(_) | Work::Notify { .. } => vec![Place::Here],
            Work::Builtin(_) if !work.is_on_hosts() => vec![Place::Here],
            // A person's work runs nowhere; what verifies it may.
            Work::Manual(_) | Work::Gate(_) | Work::Soak(_) if !checks => Vec::new(),
            Work::Manual(_) | Work::Gate(_) | Work::Soak(_) if hosts.is_empty() => {
                vec![Place::Here]
            }
            Work::Run(_) | Work::Builtin(_) | Work::Manual(_) | Work::Gate(_) | Work::Soak(_) => {
                hosts
            }
        }
    }

    /// Of the places of an undo, those where the step may have run; all of them where that
    /// cannot be told from the places.
    fn touched(&self, step: &StepId, places: Vec<Place>) -> Vec<Place> {
        let ends = self.track(step).latest_ends();
        if ends.is_empty() {
            return places; // Done by hand: nobody wrote down where.
        }
        let attempts = self.track(step).present();
        let by_hand = self.track(step).is_by_hand();
        let untouched = |place: &Place| {
            let mut ends = attempts.iter().filter_map(|attempt| attempt.places.get(place));
            // Not a place of the step, or one that no wave has come to; a person may have.
            let Some(first) = ends.next() else { return !by_hand && self.is_untried(step, place) };
            let never = |end: &Option<PlaceEnd>| end.as_ref().is_some_and(PlaceEnd::never_started);
            never(first) && ends.all(never)
        };
        let kept: Vec<_> = places.iter().filter(|place| !untouched(place)).cloned().collect();
        if kept.is_empty() { places } else { kept }
    }

    /// The event that starts an attempt, and what follows from it at once.
    pub(super) fn begin(
        &self,
        step: &StepId,
        part: Part,
        places: Vec<Place>,
        confirmed: Confirmed,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let attempt = self.track_of(step, part).next_attempt(part);
        let key = Key { step: step.clone(), part, attempt };
        let is_gate = matches!(self.work_of(step, part), Some(Work::Gate(_)));
        if part == Part::Action && !is_gate {
            self.within_window(self.known(step)?, now)?; // A gate may always end with NO-GO.
        }
        let mut waves = self.waves_of(step, part, places).into_iter();
        let places = waves.next().unwrap_or_default();
        let to_come: Vec<_> = waves.collect();
        let payload = match self.effect_of(&key, &places)? {
            Some(Effect::Run(run)) => run.payload(),
            Some(Effect::Notify { text, .. }) => Digest::of(text.as_str().as_bytes()),
            Some(
                Effect::Follow(_)
                | Effect::LetGo(_)
                | Effect::Stop(_)
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks
                | Effect::WakeAt(_),
            )
            | None => Digest::of(b""),
        };
        let mut events = Vec::new();
        if !to_come.is_empty() {
            events.push(Event::WavesPlanned { key: key.clone(), waves: to_come });
        }
        events.insert(0, Event::AttemptStarted { key, places, payload, confirmed });
        if let (Part::Action, Some(Work::Soak(soak))) = (part, self.work_of(step, part)) {
            events.push(Event::SoakStarted { step: step.clone(), until: now.after(soak.r#for) });
        }
        Ok(events)
    }

    /// When the last attempt of what `key` is of began.
    fn started_of(&self, key: &Key) -> Timestamp {
        let attempts = &self.track_of(&key.step, key.part).attempts;
        attempts.last().map_or(self.opened, |attempt| attempt.started)
    }

    /// What the edge has to do for an attempt; nothing for a person's work and for watching.
    pub(super) fn effect_of(&self, key: &Key, places: &[Place]) -> Result<Option<Effect>, Refusal> {
        if places.is_empty() {
            return Ok(None);
        }
        let step = self.known(&key.step)?;
        let missing =
            |missing: NotCaptured| Refusal::NotCaptured { step: step.id.clone(), missing };
        let resolve = |text: &Text| text.resolve(&self.captures).map_err(missing);
        let (text, poll) = match key.part {
            Part::Action | Part::Undo => match self.work_of(&step.id, key.part) {
                Some(Work::Run(text) | Work::Local(text)) => (text, None),
                Some(Work::Builtin(builtin)) => {
                    let builtin = builtin.try_map(&mut |text| resolve(text))?;
                    let mut env = BTreeMap::new();
                    if builtin.reconcile().is_some() {
                        env = environment(step, &resolve)?; // It has commands of the author's.
                    }
                    return Ok(Some(self.by_itself(step, key, places, (builtin, env), None)));
                }
                Some(Work::Notify { channels, text }) => {
                    return Ok(Some(Effect::Notify {
                        key: Some(key.clone()),
                        channels: self.heard(channels),
                        text: self.marked(&resolve(text)?),
                        mark: Box::new(self.mark(self.started_of(key))),
                    }));
                }
                Some(Work::Manual(_) | Work::Gate(_) | Work::Soak(_)) | None => return Ok(None),
            },
            Part::Compare => {
                let Some(parallel) = step.parallel() else { return Ok(None) };
                let reconcile = parallel.reconcile.try_map(&mut |text| resolve(text))?;
                let own = (Builtin::Reconcile(reconcile), environment(step, &resolve)?);
                return Ok(Some(self.by_itself(step, key, places, own, None)));
            }
            Part::Verify | Part::UndoVerify => match self.verify_of(&step.id, key.part) {
                Some(VerifyPlan { check: CheckPlan::Run(text), every, within }) => {
                    (text, Some(Poll { every: *every, within: *within }))
                }
                Some(VerifyPlan { check: CheckPlan::Http(http), every, within }) => {
                    let http = Builtin::Http(http.try_map(&mut |text| resolve(text))?);
                    let poll = Some(Poll { every: *every, within: *within });
                    let own = (http, BTreeMap::new());
                    return Ok(Some(self.by_itself(step, key, places, own, poll)));
                }
                Some(VerifyPlan { check: CheckPlan::Probe(_), .. }) | None => return Ok(None),
            },
        };
        let is_action = key.part == Part::Action;
        let env = environment(step, &resolve)?;
        Ok(Some(Effect::Run(Box::new(Run {
            key: key.clone(),
            places: places.to_vec(),
            line: super::line::whole(step, resolve(text)?, |text| resolve(text))?,
            env,
            stdin: match &step.stdin {
                Some(given) if is_action => Some(given.try_map(resolve)?),
                Some(_) | None => None,
            },
            r#become: step.r#become,
            silence: if is_action { step.silence } else { None },
            expect: if is_action { step.expect.clone() } else { Expect::default() },
            capture: if is_action { step.capture.clone() } else { BTreeMap::new() },
            progress: step.progress.clone().filter(|_| is_action),
            poll,
            prove: match key.part {
                Part::Action => step.class > Class::Check,
                Part::Undo => true,
                Part::Verify | Part::Compare | Part::UndoVerify => false,
            },
            durable: self.durable(key, places),
            session: None,
            builtin: None,
        }))))
    }

    /// The effect of something that golive does itself.
    fn by_itself(
        &self,
        step: &StepPlan,
        key: &Key,
        places: &[Place],
        (builtin, env): (Builtin<String>, BTreeMap<String, Given<String>>),
        poll: Option<Poll>,
    ) -> Effect {
        let is_action = key.part == Part::Action;
        Effect::Run(Box::new(Run {
            key: key.clone(),
            places: places.to_vec(),
            line: builtin.text(),
            env,
            stdin: None,
            r#become: step.r#become,
            silence: None,
            progress: Some(SHARE.to_owned()),
            expect: Expect::default(),
            capture: if is_action { step.capture.clone() } else { BTreeMap::new() },
            poll,
            prove: match key.part {
                Part::Action => step.class > Class::Check,
                Part::Undo => true,
                Part::Verify | Part::Compare | Part::UndoVerify => false,
            },
            durable: None,
            session: self.name_on_hosts(),
            builtin: Some(builtin),
        }))
    }

    /// Whether golive can tell, from what is there, what became of a job that it lost sight of.
    pub fn can_be_looked_at(&self, job: &Job) -> bool {
        let builtin = self.work_of(&job.key.step, job.key.part).and_then(Work::builtin);
        matches!(builtin, Some(Builtin::Upload(_)))
    }

    /// Whether a job outlives its link, and golive.
    pub fn is_durable(&self, job: &Job) -> bool {
        let on_host = matches!(job.place, Place::Host(_));
        let attached = self.seen(job).is_some_and(|seen| seen.attached.is_some());
        on_host && !attached && self.is_detached(&job.key)
    }

    fn is_detached(&self, key: &Key) -> bool {
        let step = self.plan.step(&key.step).filter(|step| step.detached);
        step.is_some() && matches!(self.work_of(&key.step, key.part), Some(Work::Run(_)))
    }

    /// What is known of a job beyond that it was started.
    pub fn seen(&self, job: &Job) -> Option<&Seen> {
        self.attempt(&job.key)?.seen.get(&job.place)
    }

    pub(super) fn attempt(&self, key: &Key) -> Option<&Attempt> {
        let attempts = &self.track_of(&key.step, key.part).attempts;
        attempts.iter().find(|attempt| attempt.key == *key)
    }

    /// The name that hosts know the run by: the session's, and what tells it from every other
    /// session that anybody may have given the same name.
    pub fn name_on_hosts(&self) -> Option<SessionId> {
        let genesis = self.genesis.as_ref()?;
        let Genesis { session, machine, driver, plan, .. } = &**genesis;
        let all = format!("{session} {machine} {driver} {plan} {}", self.opened.as_unix_millis());
        let digest = Digest::of(all.as_bytes()).to_string();
        let mark: String = digest.chars().rev().take(16).collect();
        let name: String = session.as_str().chars().take(40).collect();
        format!("{name}.{mark}").parse().ok()
    }

    fn durable(&self, key: &Key, places: &[Place]) -> Option<Durable> {
        if !self.is_detached(key) {
            return None;
        }
        let session = self.name_on_hosts()?;
        let here = |place: &Place| Job { key: key.clone(), place: place.clone() };
        let begun = |place: &Place| Some((place.clone(), self.seen(&here(place))?.begun.clone()?));
        Some(Durable {
            session,
            after: places.iter().map(|it| (it.clone(), self.in_question(key, it))).collect(),
            after_in: places.iter().map(|it| (it.clone(), self.asked_in(key, it))).collect(),
            begun: places.iter().filter_map(begun).collect(),
            records: places
                .iter()
                .filter_map(|it| Some((it.clone(), self.records_of(key, it)?)))
                .collect(),
            reboot: key.part == Part::Action
                && self.plan.step(&key.step).is_some_and(|step| step.reboot),
            stop: self.attempt(key).is_some_and(|attempt| attempt.stopping.is_some()),
        })
    }

    /// Earlier durable attempts at the same step, forward or back, of which nobody knows whether
    /// they are over in that place.
    fn in_question(&self, key: &Key, place: &Place) -> Vec<Key> {
        self.in_doubt(key, place).filter(|earlier| self.is_detached(earlier)).cloned().collect()
    }

    /// Other attempts at the same step, forward or back, of which nobody knows whether they are over
    /// in that place.
    pub(super) fn in_doubt(&self, key: &Key, place: &Place) -> impl Iterator<Item = &Key> {
        let tracks = [Part::Action, Part::Undo].map(|part| self.track_of(&key.step, part));
        let attempts = tracks.into_iter().flat_map(|track| &track.attempts);
        let doubted = |end: &Option<PlaceEnd>| {
            end.as_ref().is_none_or(|end| end.end.verdict() == Verdict::Unknown)
        };
        attempts
            .filter(move |attempt| attempt.key != *key)
            .filter(move |attempt| attempt.places.get(place).is_some_and(doubted))
            .map(|attempt| &attempt.key)
    }

    /// The records that hold what is in question. Where somebody has gone on although those are known
    /// to be gone, none: whatever records are there make the earlier attempts unable to begin.
    fn asked_in(&self, key: &Key, place: &Place) -> Vec<SafeText> {
        let forgotten = |earlier: &Key| {
            let end = self.attempt(earlier).and_then(|it| it.places.get(place)?.as_ref());
            matches!(end.map(|it| &it.end), Some(End::Unknown { doubt: Doubt::Forgotten, .. }))
        };
        let mut ids = Vec::new();
        for earlier in self.in_question(key, place).iter().filter(|earlier| !forgotten(earlier)) {
            let id = self.records_of(earlier, place);
            ids.extend(id.filter(|id| !ids.contains(id)));
        }
        ids
    }

    /// The effects that look again for these jobs, one for each attempt.
    pub(super) fn follow(&self, jobs: &[Job]) -> Vec<Effect> {
        let mut places: BTreeMap<&Key, Vec<Place>> = BTreeMap::new();
        for job in jobs {
            places.entry(&job.key).or_default().push(job.place.clone());
        }
        let effect = |(key, places): (&Key, Vec<Place>)| {
            let run = self.effect_of(key, &places).ok().flatten()?.started()?.clone();
            Some(Effect::Follow(Box::new(run)))
        };
        places.into_iter().filter_map(effect).collect()
    }
}

/// The environment of a step's commands.
fn environment(
    step: &StepPlan,
    resolve: &impl Fn(&Text) -> Result<String, Refusal>,
) -> Result<BTreeMap<String, Given<String>>, Refusal> {
    let mut env = BTreeMap::new();
    for (name, value) in &step.env {
        env.insert(name.clone(), value.try_map(resolve)?);
    }
    Ok(env)
}
