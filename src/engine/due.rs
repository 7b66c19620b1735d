//! What is due by itself: ends to draw conclusions from, limits, soaks, retries, the next item of
//! a rollback, steps that start on their own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::base::{Millis, ProbeId, SafeText, StepId, Timestamp, VarName};
use crate::plan::{CheckPlan, StepPlan, Text, VerifyPlan, Work};
use crate::runbook::{Breach, Class, Soak};

use super::decide::skipped_by_when;
use super::event::{AlarmId, Confirmed, Event, Item, Level};
use super::health::Health;
use super::job::{End, Key, Part, Place, Verdict};
use super::parallel::Compares;
use super::refusal::Refusal;
use super::state::{RunStage, State};
use super::track::{Attempt, PlaceEnd, Status, Stopping, Track};

/// The next thing that is due at `now`; empty when nothing is.
pub(super) fn due(state: &State, now: Timestamp) -> Vec<Event> {
    let of_step = |step: &StepId, part: Part| state.due_of(step, part, now);
    let tracks = state.actions.iter().map(|(step, track)| (step, Part::Action, track));
    let undos = state.undos.iter().map(|(step, track)| (step, Part::Undo, track));
    for (step, part, track) in tracks.chain(undos) {
        if track.status.is_in_flight() {
            let events = of_step(step, part);
            // What has to wait for the record does not keep the others.
            if !events.is_empty() && state.may_go_unrecorded(&events).is_ok() {
                return events;
            }
        }
    }
    let told = [
        state.waivers_due(now),
        state.triggers_due(now),
        state.return_due(),
        state.objectives_due(now),
        state.readiness_due(),
    ];
    if let Some(events) = told.into_iter().find(|events| !events.is_empty()) {
        return events;
    }
    if state.hold.is_some() || state.guard.is_some() {
        return Vec::new();
    }
    let events = match state.stage {
        RunStage::Active => state.next_forward(now),
        RunStage::RollingBack => state.next_back(now),
        RunStage::Preparing
        | RunStage::RolledBack { .. }
        | RunStage::Completed
        | RunStage::Abandoned => Vec::new(),
    };
    if state.may_go_unrecorded(&events).is_ok() { events } else { Vec::new() }
}

impl State {
    fn due_of(&self, step: &StepId, part: Part, now: Timestamp) -> Vec<Event> {
        let track = self.track_of(step, part);
        // The verification of a wave comes after the attempt that the next wave belongs to.
        let runs = track.status == Status::Running;
        let last = if runs { track.last_action() } else { track.last() };
        let Some(last) = last else { return Vec::new() };
        if !last.has_ended() {
            if let (Status::Soaking { until }, false) = (track.status, last.stopping.is_some()) {
                let events = self.soak_due(step, until, now);
                if !events.is_empty() {
                    return events; // What is watched goes on being watched while it is compared.
                }
            }
            let late = self
                .limit_of(&last.key)
                .is_some_and(|limit| self.watched_since(last.wave.started, now) > limit);
            let limit = vec![Event::TimeLimitReached { key: last.key.clone() }];
            return match (late && last.stopping.is_none(), self.may_go_unrecorded(&limit)) {
                (false, _) => Vec::new(),
                (true, Ok(())) => limit,
                (true, Err(_)) => {
                    let text = format!(
                        "{step} runs past its limit and is not stopped: nothing can be recorded; \
                         the override lets it be stopped"
                    );
                    self.alarm(AlarmId::Step(step.clone()), Level::Warning, &text)
                }
            };
        }
        match track.status {
            Status::Running => self.action_ended(step, part, track, now),
            Status::Verifying => self.verify_ended(step, part, track, now),
            Status::Soaking { until } => self.soak_due(step, until, now),
            Status::Pending
            | Status::Waiting
            | Status::Succeeded
            | Status::Failed
            | Status::TimedOut
            | Status::Unknown
            | Status::Cancelled
            | Status::Skipped
            | Status::DoneByHand
            | Status::FailureAccepted => Vec::new(),
        }
    }

    /// Whether the run is at the stage that `part` of a step belongs to: forward, or back.
    pub(super) fn is_its_stage(&self, step: &StepId, part: Part) -> bool {
        if self.plan.playbook_of(step).is_some() {
            return true;
        }
        match self.stage {
            RunStage::Active => self.plan.is_forward(step) && !part.is_undo(),
            RunStage::RollingBack => part.is_undo() || !self.plan.is_forward(step),
            RunStage::Preparing
            | RunStage::RolledBack { .. }
            | RunStage::Completed
            | RunStage::Abandoned => false,
        }
    }

    fn action_ended(&self, step: &StepId, part: Part, track: &Track, now: Timestamp) -> Vec<Event> {
        let ends = track.latest_ends();
        let worst = ends.values().flatten().map(|end| end.end.verdict()).max();
        let late = track.last_action().is_some_and(|a| a.stopping == Some(Stopping::TimeLimit));
        let verdict = match worst.unwrap_or(Verdict::Succeeded) {
            Verdict::Cancelled if late => Verdict::TimedOut,
            worst @ (Verdict::Succeeded
            | Verdict::Cancelled
            | Verdict::Failed
            | Verdict::TimedOut
            | Verdict::Unknown) => worst,
        };
        if let Some(batch) = self.batch_of(step).filter(|_| part == Part::Action) {
            return self.wave_ended(step, batch, verdict, now);
        }
        if let Some(at) = track.retry_at
            && self.is_its_stage(step, part)
        {
            if now < at || self.hold.is_some() || self.guard.is_some() {
                return Vec::new();
            }
            if let Some(earlier) = self.doubted(track) {
                return self.failed(step, part, verdict, &not_by_itself(track, earlier));
            }
            return self
                .begin(step, part, track.failed_places(), Confirmed::ByRule, now)
                .unwrap_or_else(|why| self.failed(step, part, verdict, &format!(": {why}")));
        }
        if verdict == Verdict::Succeeded {
            let captured = self.captured(&ends);
            if !captured.is_empty() {
                return captured; // What follows may need them.
            }
            return self.after_success(step, part, now).unwrap_or_else(|why| {
                self.failed(step, part, Verdict::Failed, &format!(": its verification: {why}"))
            });
        }
        let retry = self.plan.step(step).and_then(|plan| plan.retry.as_ref());
        let of_action = track.present().iter().filter(|attempt| attempt.key.part == Part::Action);
        let attempts = u32::try_from(of_action.count()).unwrap_or(u32::MAX);
        let repeats = matches!(verdict, Verdict::Failed | Verdict::TimedOut)
            && part == Part::Action
            && self.is_its_stage(step, part);
        match retry {
            Some(retry) if repeats && attempts < retry.attempts => match self.doubted(track) {
                Some(earlier) => self.failed(step, part, verdict, &not_by_itself(track, earlier)),
                None => {
                    vec![Event::RetryPlanned { step: step.clone(), at: now.after(retry.delay) }]
                }
            },
            Some(_) | None => self.failed(step, part, verdict, &describe(track)),
        }
    }

    /// An earlier attempt of which nobody knows whether it is over where the last one failed. To go
    /// on beside it is a person's judgement, made anew for each attempt.
    fn doubted<'a>(&'a self, track: &'a Track) -> Option<&'a Key> {
        let last = &track.last_action()?.key;
        let failed = track.failed_places();
        failed.iter().find_map(|place| self.in_doubt(last, place).next())
    }

    /// What the ends captured and the state does not have yet.
    fn captured(&self, ends: &BTreeMap<&Place, Option<&PlaceEnd>>) -> Vec<Event> {
        let mut last = BTreeMap::new();
        for (place, end) in ends {
            if let Some(captured) = end.and_then(|end| end.end.captured()) {
                last.extend(captured.iter().map(|(name, value)| (name, (value, *place))));
            }
        }
        let known = |name: &VarName, value: &SafeText| {
            self.captures.get(name).is_some_and(|known| known == value.as_str())
        };
        let new = last.into_iter().filter(|(name, (value, _))| !known(name, value));
        let event = |(name, (value, from)): (&VarName, (&SafeText, &Place))| Event::Captured {
            name: name.clone(),
            value: value.clone(),
            from: from.clone(),
        };
        new.map(event).collect()
    }

    /// What follows when the thing itself is done: its verification, its soak, or the end.
    pub(super) fn after_success(
        &self,
        step: &StepId,
        part: Part,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let verify = part.verification();
        if self.verify_of(step, verify).is_some() {
            if !self.is_its_stage(step, part) {
                return Ok(self.cut_short(step, part));
            }
            let places = self.verify_places(step, verify);
            return self.begin(step, verify, places, Confirmed::ByRule, now);
        }
        Ok(self.after_verify(step, part, now))
    }

    /// Where a verification runs after an attempt: where no wave has come, there is nothing yet.
    pub(super) fn verify_places(&self, step: &StepId, verify: Part) -> Vec<Place> {
        let mut places = self.check_places(step, verify);
        places.retain(|place| verify.is_undo() || !self.is_untried(step, place));
        places
    }

    /// All the places where a verification can run: nowhere, if it watches a probe.
    pub(super) fn check_places(&self, step: &StepId, verify: Part) -> Vec<Place> {
        match self.verify_of(step, verify).map(|verify| &verify.check) {
            Some(CheckPlan::Run(_)) => self.places_of(step, verify),
            Some(CheckPlan::Http(_)) => vec![Place::Here],
            Some(CheckPlan::Probe(_)) | None => Vec::new(),
        }
    }

    pub(super) fn after_verify(&self, step: &StepId, part: Part, now: Timestamp) -> Vec<Event> {
        if let Some(claim) = self.track_of(step, part).unproved() {
            return self.done_by_hand(step, part, &claim.reason);
        }
        if let Some(batch) = self.batch_of(step).filter(|_| !part.is_undo())
            && let Some(events) = self.after_wave(step, batch, now)
        {
            return events;
        }
        let plan = self.plan.step(step);
        match plan.and_then(|plan| plan.soak.as_ref()) {
            Some(_) if !part.is_undo() && !self.is_its_stage(step, part) => {
                self.cut_short(step, part)
            }
            Some(soak) if !part.is_undo() => {
                vec![Event::SoakStarted { step: step.clone(), until: now.after(soak.r#for) }]
            }
            Some(_) | None => self.succeeded(step, part),
        }
    }

    fn succeeded(&self, step: &StepId, part: Part) -> Vec<Event> {
        let part = if part.is_undo() { Part::Undo } else { Part::Action };
        let mut events =
            vec![Event::Settled { step: step.clone(), part, verdict: Verdict::Succeeded }];
        events.extend(self.all_clear(AlarmId::Silent(step.clone())));
        events.extend(self.all_clear(AlarmId::Flood(step.clone())));
        events.extend(self.all_clear(AlarmId::Step(step.clone())));
        events.extend(self.all_clear(AlarmId::Unseen(step.clone())));
        if part == Part::Action {
            events.extend(self.warned(step));
        }
        events
    }

    /// The alarm about exit statuses that the runbook takes for a warning.
    fn warned(&self, step: &StepId) -> Option<Event> {
        let warn = &self.plan.step(step)?.expect.warn;
        let ends = self.track(step).latest_ends().into_iter();
        let warned = ends.filter_map(|(place, end)| match &end?.end {
            End::Exited { code, unmet: None, .. } if warn.contains(code) => {
                Some(format!("{code} on {place}"))
            }
            End::Exited { .. }
            | End::Done(_)
            | End::Signalled { .. }
            | End::Stopped { .. }
            | End::Rebooted { .. }
            | End::NotStarted { .. }
            | End::Unknown { .. } => None,
        });
        let warned: Vec<_> = warned.collect();
        let text = format!("{step} succeeded with a warning: exit {}", warned.join(", "));
        let (id, level) = (AlarmId::Step(step.clone()), Level::Caution);
        (!warned.is_empty()).then(|| Event::AlarmRaised { id, level, text: SafeText::new(&text) })
    }

    /// Done, but no longer to be verified or watched: the run goes another way.
    pub(super) fn cut_short(&self, step: &StepId, part: Part) -> Vec<Event> {
        self.failed(step, part, Verdict::Cancelled, ": it is not verified any more")
    }

    /// A part of a step is over and not well: say so, and hold what is forward.
    pub(super) fn failed(
        &self,
        step: &StepId,
        part: Part,
        verdict: Verdict,
        why: &str,
    ) -> Vec<Event> {
        let part = if part.is_undo() { Part::Undo } else { Part::Action };
        let what = if part.is_undo() { "undo of " } else { "" };
        let word = match verdict {
            Verdict::Succeeded => "succeeded",
            Verdict::Cancelled => "was stopped",
            Verdict::Failed => "failed",
            Verdict::TimedOut => "timed out and was stopped",
            Verdict::Unknown => "may have run: golive does not know",
        };
        let rest = if part.is_undo() { String::new() } else { self.not_started(step) };
        let text = format!("{what}{step} {word}{why}{rest}");
        let mut events = vec![Event::Settled { step: step.clone(), part, verdict }];
        events.extend(self.all_clear(AlarmId::Silent(step.clone())));
        events.extend(self.all_clear(AlarmId::Flood(step.clone())));
        if verdict == Verdict::Cancelled && !self.is_its_stage(step, part) {
            return events; // Stopped because the run goes another way: as it should be.
        }
        events.extend(self.alarm(AlarmId::Step(step.clone()), Level::Warning, &text));
        if self.stage == RunStage::Active && self.hold.is_none() {
            events.push(Event::Held { why: SafeText::new(&format!("{step} {word}")) });
        }
        events
    }

    fn verify_ended(&self, step: &StepId, part: Part, track: &Track, now: Timestamp) -> Vec<Event> {
        let Some(last) = track.last() else { return Vec::new() };
        if last.places.is_empty() {
            return self.probe_verify(step, part, last.started, now);
        }
        let worst = last.places.values().flatten().map(|end| end.end.verdict()).max();
        match worst.unwrap_or(Verdict::Failed) {
            Verdict::Succeeded => self.after_verify(step, part, now),
            _no if track.unproved().is_some() => self.not_proved(step, part, track),
            Verdict::Unknown => self.failed(step, part, Verdict::Unknown, &describe(track)),
            Verdict::Cancelled if last.stopping == Some(Stopping::Asked) => {
                let why = format!("{}, in its verification", describe(track));
                self.failed(step, part, Verdict::Cancelled, &why)
            }
            Verdict::Cancelled | Verdict::Failed | Verdict::TimedOut => {
                let why = format!("{}: its verification did not hold", describe(track));
                self.failed(step, part, Verdict::Failed, &why)
            }
        }
    }

    fn probe_verify(
        &self,
        step: &StepId,
        part: Part,
        began: Timestamp,
        now: Timestamp,
    ) -> Vec<Event> {
        let verify = if part.is_undo() { Part::UndoVerify } else { Part::Verify };
        let Some(VerifyPlan { check: CheckPlan::Probe(probe), within, .. }) =
            self.verify_of(step, verify)
        else {
            return Vec::new();
        };
        if self.health(probe) == Health::Healthy {
            return self.after_verify(step, part, now);
        }
        if self.watched_since(began, now) <= *within
            || self.is_just_back(now, self.first_reading(probe))
        {
            return Vec::new();
        }
        let why = format!("probe {probe} was not healthy within {within}");
        if self.track_of(step, part).unproved().is_some() {
            let unread = self.health(probe) == Health::Unknown;
            let verdict = if unread { Verdict::Unknown } else { Verdict::Failed };
            return self.unproved(step, part, verdict, &why);
        }
        let why = format!(": {why}");
        self.failed(step, part, Verdict::Failed, &why)
    }

    /// What is watched of a step.
    pub(super) fn soak_of(&self, step: &StepId) -> Option<&Soak<Text>> {
        self.plan.step(step)?.watched()
    }

    fn soak_due(&self, step: &StepId, until: Timestamp, now: Timestamp) -> Vec<Event> {
        let Some(soak) = self.soak_of(step) else { return Vec::new() };
        // The first reading may still be under way: that is no breach, and no success either.
        let watched = now.since(until.before(soak.r#for));
        let awaited = |probe: &ProbeId| {
            let first = self.first_reading(probe);
            watched <= first || self.is_just_back(now, first)
        };
        let not_well = soak.probes.iter().map(|probe| (probe, self.health(probe)));
        let not_well = not_well.filter(|(_, health)| *health != Health::Healthy);
        let (waits, breaches): (Vec<_>, Vec<_>) =
            not_well.partition(|(probe, health)| *health == Health::Unknown && awaited(probe));
        let Some((probe, health)) = breaches.into_iter().max_by_key(|(_, health)| *health) else {
            return match self.compares(step, until, now) {
                Compares::Does(events) => events,
                Compares::IsWell if now >= until && waits.is_empty() => {
                    self.succeeded(step, Part::Action)
                }
                Compares::IsWell | Compares::Waits => Vec::new(),
            };
        };
        let says = format!("probe {probe} is {}", health.word());
        let advice = advice(soak.breach);
        let mut events =
            vec![Event::SoakBreached { step: step.clone(), probe: probe.clone(), health }];
        events.extend(self.stop_jobs(step, Part::Action)); // A comparison has no more to say.
        events.extend(self.failed(
            step,
            Part::Action,
            Verdict::Failed,
            &format!(": {says}, {advice}"),
        ));
        events
    }

    /// How long a soak waits for the first reading of a probe that is unknown when it starts.
    pub(super) fn first_reading(&self, probe: &ProbeId) -> Millis {
        self.plan.probe(probe).map_or(Millis::ZERO, |probe| probe.stale)
    }

    /// The first thing that a step needs and that is not over.
    ///
    /// Something passed over counts only once all that it needs is over too, so a skip never lets
    /// a later step start early (ENGINE.md, rule 7).
    pub(super) fn first_unmet<'a>(&'a self, step: &'a StepPlan) -> Option<&'a StepId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut to_see: Vec<&StepId> = step.needs.iter().rev().collect();
        while let Some(id) = to_see.pop() {
            if !seen.insert(id) {
                continue;
            }
            let track = self.track(id);
            if !track.status.is_over() {
                return Some(id);
            }
            // After a return what is undone has to be done again, however far back.
            if (track.present().is_empty() || !self.returns.is_empty())
                && let Some(plan) = self.plan.step(id)
            {
                to_see.extend(plan.needs.iter());
            }
        }
        None
    }

    /// Whether a step's `when` holds; true where it has none.
    pub(super) fn wanted(&self, plan: &StepPlan) -> Result<bool, Refusal> {
        let Some(when) = &plan.when else { return Ok(true) };
        let mut vars = Cow::Borrowed(&self.plan.vars);
        let each = plan.each.iter().map(|each| (&each.name, &each.value));
        for (name, value) in each.chain(&plan.with) {
            vars.to_mut().insert(name.clone(), value.clone());
        }
        crate::plan::holds(when, &vars, &self.captures)
            .map_err(|why| Refusal::When { step: plan.id.clone(), why })
    }

    fn next_forward(&self, now: Timestamp) -> Vec<Event> {
        for plan in self.ready() {
            match self.wanted(plan) {
                Ok(false) => return vec![skipped_by_when(plan)],
                Err(_) => continue, // Starting it by hand says what is wrong.
                Ok(true) => {}
            }
            let by_itself = match plan.work {
                Work::Run(_)
                | Work::Local(_)
                | Work::Builtin(_)
                | Work::Soak(_)
                | Work::Notify { .. } => true,
                Work::Manual(_) | Work::Gate(_) => false,
            };
            let alone = by_itself && plan.class == Class::Check && !plan.four_eyes;
            if !alone || !(plan.auto || self.auto) {
                continue;
            }
            let places = self.places_of(&plan.id, Part::Action);
            if let Ok(events) = self.begin(&plan.id, Part::Action, places, Confirmed::ByRule, now) {
                return events;
            }
        }
        if self.plan.order.iter().all(|id| self.track(id).status.is_over()) {
            return vec![Event::Completed];
        }
        Vec::new()
    }

    fn next_back(&self, now: Timestamp) -> Vec<Event> {
        let Some(rollback) = &self.rollback else { return Vec::new() };
        // What was in flight ends first, and is then undone like the rest.
        if self.plan.order.iter().any(|id| self.track(id).status.is_in_flight()) {
            return Vec::new();
        }
        for item in &rollback.items {
            match self.track_of(&item.step, item.part).status {
                Status::Pending if self.is_moot(item) => {}
                Status::Pending => return self.begin_item(item, now),
                Status::Running | Status::Waiting | Status::Soaking { .. } | Status::Verifying => {
                    return Vec::new();
                }
                // A failed item does not stop the rest.
                Status::Succeeded
                | Status::Failed
                | Status::TimedOut
                | Status::Unknown
                | Status::Cancelled
                | Status::Skipped
                | Status::DoneByHand
                | Status::FailureAccepted => {}
            }
        }
        let open = rollback
            .items
            .iter()
            .filter(|item| self.track_of(&item.step, item.part).status.wants_choice());
        let open = open.count();
        if open > 0 {
            let why = format!("{open} of {} rollback items did not succeed", rollback.items.len());
            return vec![Event::Held { why: SafeText::new(&why) }];
        }
        if let Some(to) = &rollback.to {
            let checkpoint = to.checkpoint.clone();
            let why = format!("back at checkpoint {checkpoint}: look, then continue");
            return vec![Event::Returned { checkpoint }, Event::Held { why: SafeText::new(&why) }];
        }
        vec![Event::RollbackEnded { verified: self.old_system_verified() }]
    }

    fn begin_item(&self, item: &Item, now: Timestamp) -> Vec<Event> {
        let Item { step, part } = item;
        let begin = || {
            let plan = self.known(step)?;
            if *part == Part::Action && !self.wanted(plan)? {
                return Ok(vec![skipped_by_when(plan)]);
            }
            self.begin(step, *part, self.places_of(step, *part), Confirmed::ByRule, now)
        };
        begin().unwrap_or_else(|why: Refusal| {
            self.failed(step, *part, Verdict::Failed, &format!(": {why}"))
        })
    }

    /// Whether an undo has become pointless: its step turned out never to have started.
    pub(super) fn is_moot(&self, item: &Item) -> bool {
        item.part == Part::Undo && !self.track(&item.step).may_have_run()
    }

    /// Whether a step of the rollback with stage `verify` has succeeded, and all such have.
    fn old_system_verified(&self) -> bool {
        let is_verify = |id: &&StepId| {
            let stage = self.plan.step(id).and_then(|plan| plan.stage);
            stage == Some(crate::runbook::UndoStage::Verify)
        };
        let mut checks = self.plan.after.iter().filter(is_verify).peekable();
        checks.peek().is_some() && checks.all(|id| self.track(id).status == Status::Succeeded)
    }
}

/// What a breach of a soak asks of people.
pub(super) const fn advice(breach: Breach) -> &'static str {
    match breach {
        Breach::Hold | Breach::Fail => "look, then choose",
        Breach::Rollback => "the runbook proposes to roll back (R)",
    }
}

/// The worst end of an attempt, in words, after the name of the step.
pub(super) fn describe(track: &Track) -> String {
    track.last().map(describe_attempt).unwrap_or_default()
}

/// The same, where the step is not repeated as its `retry` says.
fn not_by_itself(track: &Track, earlier: &Key) -> String {
    let what = describe(track);
    format!("{what}; not repeated by itself: nobody knows whether {earlier} is over there")
}

/// The same for one attempt.
pub(super) fn describe_attempt(attempt: &Attempt) -> String {
    let ends = attempt.places.iter().filter_map(|(place, end)| Some((place, end.as_ref()?)));
    let Some((place, end)) = ends.max_by_key(|(_, end)| end.end.verdict()) else {
        return String::new();
    };
    match &end.end {
        End::Exited { code, unmet: Some(unmet), .. } => {
            format!(" on {place}: exit {code}, {unmet}")
        }
        End::Exited { code, unmet: None, .. } => format!(" on {place}: exit {code}"),
        End::Done(done) => format!(" on {place}: {}", done.words()),
        End::Signalled { signal } => format!(" on {place}: ended by signal {signal}"),
        End::Stopped { survivors: Some(alive) } if alive.is_empty() => {
            format!(" on {place}: stopped, and nothing of it is left")
        }
        End::Stopped { .. } => format!(" on {place}: stopped, but something of it may be left"),
        End::NotStarted { why } => format!(" on {place}: did not start, {why}"),
        End::Rebooted { after } => format!(" on {place}: rebooted within {after}"),
        End::Unknown { why, .. } => format!(" on {place}: {why}"),
    }
}
