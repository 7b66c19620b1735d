//! Folding events into the state: total, infallible, the same in live, resume, replay and export.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Millis, PlaybookId, ProbeId, SafeText, StepId, Timestamp};
use crate::plan::Work;

use super::event::{Actor, AlarmId, Event, Level};
use super::gate::{Approval, GateRecord, Vote, Waiver};
use super::health::Health;
use super::hosts::StoodStill;
use super::job::{Job, Key, Part, Place, Verdict};
use super::objective::Loss;
use super::sight::Sight;
use super::state::{Alarm, Hold, Note, PlaybookRecord, Rollback, RunStage, State};
use super::track::{Attempt, Claim, PlaceEnd, Status, Stopping, Track, Wave};

impl State {
    /// Folds an event into the state.
    ///
    /// Total: it happened, so there is nothing left to refuse. A name that the plan does not have
    /// changes nothing; the chain check and the plan's digest stop such a journal before.
    pub fn apply(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        self.events += 1;
        self.note_record(at, by, event);
        self.spoken.take(event);
        self.fold(at, by, event);
        self.notices_of(at, event);
    }

    fn fold(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        match event {
            Event::SessionOpened(genesis) => {
                self.opened = at;
                self.driver = genesis.driver.clone();
                self.genesis = Some(Arc::new(genesis.clone()));
            }
            Event::RunBegan => {
                self.began = Some(at);
                self.stage = RunStage::Active;
            }
            Event::Resumed { driver, away, sought, .. } => {
                self.driver = driver.clone();
                self.driver_left = None;
                self.guard = None;
                self.readiness.clear(); // Nobody has looked meanwhile.
                self.last_away = Some((at, *away));
                self.nobody_sees(at, *away, sought);
                self.forget_shells();
            }
            Event::DriverLeft { .. } => self.driver_left = Some(at),
            Event::AttemptStarted { .. }
            | Event::WavesPlanned { .. }
            | Event::WavePaused { .. }
            | Event::WaveStarted { .. }
            | Event::JobSighted { .. }
            | Event::JobEnded { .. }
            | Event::TimeLimitReached { .. }
            | Event::StopAsked { .. }
            | Event::RetryPlanned { .. }
            | Event::SoakStarted { .. }
            | Event::SoakBreached { .. }
            | Event::Settled { .. }
            | Event::Skipped { .. }
            | Event::SaidDone { .. }
            | Event::DoneByHand { .. }
            | Event::FailureAccepted { .. }
            | Event::SignedOff { .. }
            | Event::GateDecided { .. }
            | Event::Voted { .. }
            | Event::Waived { .. }
            | Event::WaiverEnded { .. }
            | Event::Approved { .. }
            | Event::StepEdited { .. }
            | Event::Captured { .. } => self.apply_to_step(at, by, event),
            Event::Held { why } => {
                self.hold = Some(Hold { since: at, why: why.clone(), by: by.clone() });
            }
            Event::Replanned { .. } => self.replanned(at, by, event),
            Event::WindowOverridden { edge, reason } => self.overrides.take(*edge, reason),
            Event::Continued => self.hold = None,
            Event::AutoAdvance { on } => self.auto = *on,
            Event::GuardOpened => self.guard = Some(at),
            Event::GuardClosed { .. } => self.guard = None,
            Event::PlaybookOpened { .. }
            | Event::PlaybookClosed { .. }
            | Event::RollbackBegan { .. }
            | Event::Returned { .. }
            | Event::RollbackEnded { .. } => self.apply_to_ways(at, by, event),
            Event::HealthChanged { probe, is, .. } => self.turn_health(at, probe, *is),
            Event::ReadinessChanged { need, proof } => self.take_proof(at, need, proof.as_ref()),
            Event::LossMeasured { lost, says } => self.loss = Some(Loss::new(at, *lost, says)),
            Event::AlarmRaised { id, level, text } => self.raise(at, id, *level, text),
            Event::AlarmCleared { id } => self.clear(at, id),
            Event::AlarmsAcknowledged => {
                for alarm in self.alarms.iter_mut().filter(|a| a.acknowledged.is_none()) {
                    alarm.acknowledged = Some(at);
                }
            }
            Event::Noted { step, text } => {
                let (by, step, text) = (by.clone(), step.clone(), text.clone());
                self.notes.push(Note { at, by, step, text });
            }
            Event::RecordingLost { .. }
            | Event::RecordingOverridden { .. }
            | Event::RecordedLate { .. }
            | Event::NoticeDelivered { .. }
            | Event::NoticeLost { .. }
            | Event::ClockJumped { .. } => {}
            Event::StoodStill { span, .. } => {
                self.standstills.push(StoodStill { until: at, span: *span });
                self.soak_longer(*span);
            }
            Event::HostNoted { host, fact } => {
                self.hosts.entry(host.clone()).or_default().take(fact);
            }
            Event::ShellOpened(_) | Event::ShellEnded(_) => self.apply_to_shells(at, by, event),
            Event::Completed => self.stage = RunStage::Completed,
            Event::Abandoned { .. } => self.stage = RunStage::Abandoned,
            Event::Closed => self.closed = true,
        }
    }

    fn turn_health(&mut self, at: Timestamp, probe: &ProbeId, is: Health) {
        if let Some(health) = self.health.get_mut(probe) {
            *health = is;
            self.since.entry(probe.clone()).or_default().turn(at, is);
        }
    }

    /// The ways beside the way forward: back, and emergency procedures.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`apply` names every event and sends only those here"
    )]
    fn apply_to_ways(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        match event {
            Event::PlaybookOpened { playbook, reason } => {
                let (by, reason) = (by.clone(), reason.clone());
                self.playbooks.insert(playbook.clone(), PlaybookRecord { at, by, reason });
                self.anew(playbook);
            }
            Event::PlaybookClosed { playbook } => {
                self.playbooks.remove(playbook);
            }
            Event::Returned { .. } => self.returned(at),
            Event::RollbackBegan { reason, items, break_glass, to } => {
                self.guard = None;
                self.stage = RunStage::RollingBack;
                self.rollback = Some(Rollback {
                    began: at,
                    ended: None,
                    reason: reason.clone(),
                    break_glass: break_glass.clone(),
                    items: items.clone(),
                    to: to.clone(),
                });
            }
            Event::RollbackEnded { verified } => {
                self.stage = RunStage::RolledBack { verified: *verified };
                if let Some(rollback) = &mut self.rollback {
                    rollback.ended = Some(at);
                }
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`apply` names every event and sends only those of a step here"
    )]
    #[expect(clippy::too_many_lines, reason = "one arm for each event of a step")]
    fn apply_to_step(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        match event {
            Event::AttemptStarted { key, places, .. } => self.start(at, by, key, places),
            Event::WavesPlanned { key, waves } => {
                self.with_attempt(key, |attempt| attempt.to_come.clone_from(waves));
            }
            Event::WavePaused { key, until } => {
                self.with_attempt(key, |attempt| attempt.wave.next_at = Some(*until));
                self.with_track(&key.step, key.part, |track| track.status = Status::Running);
            }
            Event::WaveStarted { key, places } => self.start_wave(at, key, places),
            Event::JobSighted { job, sight } => self.with_attempt(&job.key, |attempt| {
                attempt.seen.entry(job.place.clone()).or_default().take(at, sight);
            }),
            Event::JobEnded { job, end, transcript } => self.with_attempt(&job.key, |attempt| {
                let end = PlaceEnd { at, end: end.clone(), transcript: transcript.clone() };
                attempt.places.insert(job.place.clone(), Some(end));
            }),
            Event::TimeLimitReached { key } => {
                self.with_attempt(key, |attempt| attempt.stopping = Some(Stopping::TimeLimit));
            }
            Event::StopAsked { key } => self.with_attempt(key, |attempt| {
                attempt.stopping.get_or_insert(Stopping::Asked);
            }),
            Event::RetryPlanned { step, at } => {
                self.with_track(step, Part::Action, |track| track.retry_at = Some(*at));
            }
            Event::SoakStarted { step, until } => self.with_track(step, Part::Action, |track| {
                track.status = Status::Soaking { until: *until };
                track.settled = None;
            }),
            Event::Settled { step, part, verdict } => {
                let status = match verdict {
                    Verdict::Succeeded => Status::Succeeded,
                    Verdict::Cancelled => Status::Cancelled,
                    Verdict::Failed => Status::Failed,
                    Verdict::TimedOut => Status::TimedOut,
                    Verdict::Unknown => Status::Unknown,
                };
                self.settle(at, step, *part, status, None);
            }
            Event::Skipped { step, reason } => {
                self.settle(at, step, Part::Action, Status::Skipped, Some(reason));
            }
            Event::SaidDone { step, part, reason } => {
                let (by, reason) = (by.clone(), reason.clone());
                self.with_track(step, *part, |track| {
                    track.reason = Some(reason.clone());
                    track.claim = Some(Claim { at, by, reason, stands: true });
                });
            }
            Event::DoneByHand { step, part, reason } => {
                self.settle(at, step, *part, Status::DoneByHand, Some(reason));
            }
            Event::FailureAccepted { step, part, reason } => {
                self.settle(at, step, *part, Status::FailureAccepted, Some(reason));
            }
            Event::SignedOff { step, part, words } => {
                self.with_track(step, *part, |track| track.reason = Some(words.clone()));
            }
            Event::Voted { step, voice, choice, words } => {
                let votes = self.votes.entry(step.clone()).or_default();
                votes.retain(|vote| vote.voice.role != voice.role);
                let (voice, words) = (voice.clone(), words.clone());
                votes.push(Vote { at, voice, choice: *choice, words });
            }
            Event::Waived { step, criterion, reason, until } => {
                let waivers = self.waivers.entry(step.clone()).or_default();
                let (by, criterion, reason) = (by.clone(), criterion.clone(), reason.clone());
                // One waiver of a criterion at a time: the new one takes the place of the old.
                for old in waivers.iter_mut().filter(|old| old.criterion == criterion) {
                    old.ended = true;
                }
                waivers.push(Waiver { at, by, criterion, reason, until: *until, ended: false });
            }
            Event::WaiverEnded { step, criterion } => {
                for waiver in self.waivers.get_mut(step).into_iter().flatten() {
                    waiver.ended |= waiver.criterion == *criterion && waiver.until <= at;
                }
            }
            Event::Approved { step, voice, words } => {
                let (voice, words) = (voice.clone(), words.clone());
                self.approvals.insert(step.clone(), Approval { at, voice, words });
            }
            Event::StepEdited { .. } => self.edited(at, by, event),
            Event::GateDecided { step, choice, evidence, reason, frozen } => {
                let record = GateRecord {
                    at,
                    by: by.clone(),
                    choice: *choice,
                    evidence: evidence.clone(),
                    reason: reason.clone(),
                    frozen: frozen.clone(),
                };
                self.gates.insert(step.clone(), record);
            }
            Event::Captured { name, value, .. } => {
                self.captures.insert(name.clone(), value.as_str().to_owned());
            }
            _ => {}
        }
    }

    /// The hosts of durable jobs have not been asked yet since golive ended.
    fn nobody_sees(&mut self, at: Timestamp, away: Millis, jobs: &[Job]) {
        let why = SafeText::new("golive was not there; its host is being asked");
        let sight = Sight::Lost { why, proved: away };
        for job in jobs {
            self.with_attempt(&job.key, |attempt| {
                attempt.seen.entry(job.place.clone()).or_default().take(at, &sight);
            });
        }
    }

    fn start(&mut self, at: Timestamp, by: &Actor, key: &Key, places: &[Place]) {
        let work = self.plan.step(&key.step).map(|step| &step.work);
        let status = match key.part {
            Part::Compare => self.track(&key.step).status, // It goes on being watched.
            Part::Verify | Part::UndoVerify => Status::Verifying,
            Part::Action | Part::Undo if !places.is_empty() => Status::Running,
            Part::Action if matches!(work, Some(Work::Soak(_))) => Status::Running,
            Part::Action | Part::Undo => Status::Waiting,
        };
        let attempt = Attempt {
            key: key.clone(),
            started: at,
            by: by.clone(),
            places: places.iter().map(|place| (place.clone(), None)).collect::<BTreeMap<_, _>>(),
            seen: BTreeMap::new(),
            stopping: None,
            wave: Wave { number: 1, started: at, places: places.to_vec(), next_at: None },
            to_come: Vec::new(),
        };
        if key.part == Part::Action {
            self.approvals.remove(&key.step);
            // What is done anew has to be undone anew.
            self.with_track(&key.step, Part::Undo, |undo| {
                if undo.status != Status::Pending {
                    undo.begin_anew();
                }
            });
        }
        self.with_track(&key.step, key.part, |track| {
            track.status = status;
            track.started.get_or_insert(at);
            track.settled = None;
            track.retry_at = None;
            if matches!(attempt.key.part, Part::Action | Part::Undo)
                && let Some(claim) = &mut track.claim
            {
                claim.stands = false; // What it is from here on is golive's doing as well.
            }
            track.attempts.push(attempt);
        });
    }

    fn start_wave(&mut self, at: Timestamp, key: &Key, places: &[Place]) {
        self.with_attempt(key, |attempt| {
            attempt.places.extend(places.iter().map(|place| (place.clone(), None)));
            let number = attempt.wave.number + 1;
            attempt.wave = Wave { number, started: at, places: places.to_vec(), next_at: None };
            if !attempt.to_come.is_empty() {
                attempt.to_come.remove(0);
            }
        });
        self.with_track(&key.step, key.part, |track| {
            track.status = Status::Running;
            track.settled = None;
        });
    }

    fn settle(
        &mut self,
        at: Timestamp,
        step: &StepId,
        part: Part,
        status: Status,
        reason: Option<&SafeText>,
    ) {
        self.with_track(step, part, |track| {
            track.status = status;
            track.settled = Some(at);
            track.retry_at = None;
            if let Some(reason) = reason {
                track.reason = Some(reason.clone());
            }
        });
    }

    /// The steps of a playbook are to be done once more.
    fn anew(&mut self, playbook: &PlaybookId) {
        let plan = Arc::clone(&self.plan);
        for step in plan.playbook(playbook).into_iter().flat_map(|playbook| &playbook.steps) {
            self.with_track(step, Part::Action, Track::begin_anew);
        }
    }

    /// Back at a checkpoint: what comes after it is to be done once more.
    fn returned(&mut self, at: Timestamp) {
        let Some(mut rollback) = self.rollback.take() else { return };
        rollback.ended = Some(at);
        self.stage = RunStage::Active;
        for step in rollback.to.iter().flat_map(|to| &to.again) {
            self.with_track(step, Part::Action, Track::begin_anew);
            self.gates.remove(step);
            self.votes.remove(step);
            self.waivers.remove(step);
            self.approvals.remove(step);
        }
        self.returns.push(rollback);
    }

    fn raise(&mut self, at: Timestamp, id: &AlarmId, level: Level, text: &SafeText) {
        if let AlarmId::Host(host) = id {
            self.links_down.insert(host.clone(), text.clone());
        }
        self.clear_quietly(at, id);
        self.alarms.push(Alarm {
            id: id.clone(),
            level,
            since: at,
            text: text.clone(),
            acknowledged: None,
            cleared: None,
        });
    }

    fn clear(&mut self, at: Timestamp, id: &AlarmId) {
        if let AlarmId::Host(host) = id {
            self.links_down.remove(host);
        }
        self.clear_quietly(at, id);
    }

    fn clear_quietly(&mut self, at: Timestamp, id: &AlarmId) {
        let open = self.alarms.iter_mut().filter(|a| a.id == *id && a.cleared.is_none());
        open.for_each(|alarm| alarm.cleared = Some(at));
    }

    /// Nobody has looked at the probes for `span`: that does not count.
    fn soak_longer(&mut self, span: Millis) {
        for track in self.actions.values_mut() {
            if let Status::Soaking { until } = track.status {
                Arc::make_mut(track).status = Status::Soaking { until: until.after(span) };
            }
        }
    }

    fn with_track(&mut self, step: &StepId, part: Part, change: impl FnOnce(&mut Track)) {
        let tracks = if part.is_undo() { &mut self.undos } else { &mut self.actions };
        if let Some(track) = tracks.get_mut(step) {
            change(Arc::make_mut(track));
        }
    }

    fn with_attempt(&mut self, key: &Key, change: impl FnOnce(&mut Attempt)) {
        self.with_track(&key.step, key.part, |track| {
            if let Some(attempt) = track.attempts.iter_mut().rev().find(|a| a.key == *key) {
                change(attempt);
            }
        });
    }
}
