//! Notices by rule: what channels are told of without being asked, and what became of it.
//!
//! A notice follows from an event, so the record has it before anybody is told. It stays open until
//! the record has its end too: delivered, or given up. What was open when golive died is told again
//! on resume, under the same number: a notice may come twice, and is never lost without a word.

use crate::base::{ChannelId, SafeText, SessionId, Timestamp};
use crate::runbook::{Channel, NoticeEvent};

use super::effect::Effect;
use super::event::{AlarmId, Event, Level, RunKind};
use super::gate::Choice;
use super::job::{Part, Verdict};
use super::state::State;

/// What belongs to a notice besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number, one a session: that of the event that it follows from.
    pub number: u64,
    /// Of which session; none before it is opened.
    pub session: Option<SessionId>,
    /// What kind of run.
    pub kind: RunKind,
    /// When it happened.
    pub at: Timestamp,
    /// Which moment; none for a step that tells.
    pub moment: Option<NoticeEvent>,
    /// What it raises or ends, for a channel that keeps alarms.
    pub signal: Option<Signal>,
    /// It may have been told before: golive ended while it was under way.
    pub again: bool,
}

/// Something that is raised, and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// What: `step deploy`, `window`.
    pub alarm: SafeText,
    /// It has ended.
    pub over: bool,
}

/// A notice that is not known to have been delivered or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenNotice {
    /// To whom.
    pub channel: ChannelId,
    /// Its text.
    pub text: SafeText,
    /// The rest of it.
    pub mark: Mark,
}

/// A notice as it follows from an event.
struct Told {
    moment: NoticeEvent,
    text: String,
    signal: Option<Signal>,
}

impl Told {
    fn plain(moment: NoticeEvent, text: impl Into<String>) -> Vec<Self> {
        vec![Self { moment, text: text.into(), signal: None }]
    }

    fn signal(moment: NoticeEvent, text: String, alarm: &str, over: bool) -> Vec<Self> {
        let signal = Some(Signal { alarm: SafeText::new(alarm), over });
        vec![Self { moment, text, signal }]
    }
}

/// The name of an alarm for channels that keep alarms.
fn alarm_name(id: &AlarmId) -> String {
    match id {
        AlarmId::Step(step) => format!("step {step}"),
        AlarmId::Silent(step) => format!("silent {step}"),
        AlarmId::Flood(step) => format!("flood {step}"),
        AlarmId::Probe(probe) => format!("probe {probe}"),
        AlarmId::Soak(step) => format!("soak {step}"),
        AlarmId::Host(host) => format!("host {host}"),
        AlarmId::HostKey(host) => format!("host-key {host}"),
        AlarmId::HostClock(host) => format!("host-clock {host}"),
        AlarmId::Unseen(step) => format!("unseen {step}"),
        AlarmId::Waiver(step) => format!("waiver {step}"),
        AlarmId::Trigger(probe) => format!("trigger {probe}"),
        AlarmId::LatestSafe => "latest-safe".to_owned(),
        AlarmId::Window => "window".to_owned(),
        AlarmId::Notice(channel) => format!("notice {channel}"),
        AlarmId::Signing => "signing".to_owned(),
        AlarmId::PlannedReturn => "planned return".to_owned(),
        AlarmId::Readiness => "readiness".to_owned(),
        AlarmId::Rto => "rto".to_owned(),
        AlarmId::Rpo => "rpo".to_owned(),
    }
}

const ROLLBACK: &str = "rollback";

impl State {
    /// The notices by rule that are not known to have been delivered or given up.
    pub fn open_notices(&self) -> &[OpenNotice] {
        &self.notices
    }

    /// Opens the notices that follow from `event`, and closes those whose end it is; the state is
    /// that after it.
    pub(super) fn notices_of(&mut self, at: Timestamp, event: &Event) {
        if let Event::NoticeDelivered { channel, numbers, .. }
        | Event::NoticeLost { channel, numbers, .. } = event
        {
            self.close_notices(channel, numbers);
        }
        for told in self.told_of(event) {
            let asked =
                self.plan.channels.iter().filter(|channel| self.wants(channel, &told, event));
            let asked: Vec<_> = asked.map(|channel| channel.id.clone()).collect();
            let text = self.marked(&format!("{}: {}", self.plan.title, told.text));
            for channel in self.heard(&asked) {
                let mark = Mark {
                    at,
                    moment: Some(told.moment),
                    signal: told.signal.clone(),
                    ..self.mark(at)
                };
                self.notices.push(OpenNotice { channel, text: text.clone(), mark });
            }
        }
    }

    /// The mark of something that is told now.
    pub(super) fn mark(&self, at: Timestamp) -> Mark {
        let genesis = self.genesis();
        Mark {
            number: self.events,
            session: genesis.map(|genesis| genesis.session.clone()),
            kind: genesis.map_or(RunKind::Live, |genesis| genesis.kind),
            at,
            moment: None,
            signal: None,
            again: false,
        }
    }

    /// Closes notices: their end is known.
    fn close_notices(&mut self, channel: &ChannelId, numbers: &[u64]) {
        self.notices
            .retain(|open| open.channel != *channel || !numbers.contains(&open.mark.number));
    }

    /// The effects that tell the notices which the last event opened.
    pub(super) fn tell_new(&self) -> Vec<Effect> {
        let new = |open: &&OpenNotice| open.mark.number == self.events && !open.mark.again;
        let new: Vec<_> = self.notices.iter().filter(new).cloned().collect();
        Self::tell(&new)
    }

    /// The effects that tell all open notices again.
    pub(super) fn tell_again(&self) -> Vec<Effect> {
        let again = |open: &OpenNotice| {
            let mark = Mark { again: true, ..open.mark.clone() };
            OpenNotice { mark, ..open.clone() }
        };
        let again: Vec<_> = self.notices.iter().map(again).collect();
        Self::tell(&again)
    }

    fn tell(notices: &[OpenNotice]) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        for OpenNotice { channel, text, mark } in notices {
            if let Some(Effect::Notify { channels, text: last, mark: last_mark, .. }) =
                effects.last_mut()
                && (&*last, &**last_mark) == (text, mark)
            {
                channels.push(channel.clone());
                continue;
            }
            effects.push(Effect::Notify {
                key: None,
                channels: vec![channel.clone()],
                text: text.clone(),
                mark: Box::new(mark.clone()),
            });
        }
        effects
    }

    /// Whether `channel` is told of this.
    fn wants(&self, channel: &Channel, told: &Told, event: &Event) -> bool {
        let ends = told.signal.as_ref().is_some_and(|signal| signal.over);
        let asked = channel.events.contains(&told.moment);
        let failed = channel.events.contains(&NoticeEvent::Failed);
        match (told.moment, event) {
            // A channel that hears of failures has heard of this one.
            (NoticeEvent::Alarm, Event::AlarmRaised { id: AlarmId::Step(_), .. }) => {
                asked && !failed
            }
            // What was raised as a failure is ended where alarms are kept.
            (NoticeEvent::Alarm, Event::AlarmCleared { id: AlarmId::Step(_) }) => {
                asked && !failed || failed && channel.way.keeps_alarms()
            }
            (NoticeEvent::Rollback, _) if channel.way.keeps_alarms() => {
                asked && (!ends || self.verified() || matches!(event, Event::Returned { .. }))
            }
            (
                NoticeEvent::Start
                | NoticeEvent::Phase
                | NoticeEvent::Gate
                | NoticeEvent::Failed
                | NoticeEvent::Alarm
                | NoticeEvent::Rollback
                | NoticeEvent::End,
                _,
            ) => asked,
        }
    }

    fn verified(&self) -> bool {
        self.stage() == super::state::RunStage::RolledBack { verified: true }
    }

    /// What is told of `event`.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "nobody is told of most events, and what is not named here is one of them"
    )]
    fn told_of(&self, event: &Event) -> Vec<Told> {
        match event {
            Event::RunBegan => Told::plain(NoticeEvent::Start, "the run has begun"),
            Event::Settled { step, part: Part::Action, verdict: Verdict::Succeeded }
            | Event::Skipped { step, .. }
            | Event::DoneByHand { step, part: Part::Action, .. }
            | Event::FailureAccepted { step, part: Part::Action, .. } => self.phase_over(step),
            Event::Settled { verdict: Verdict::Succeeded, .. } => Vec::new(),
            Event::Settled { step, part, verdict } => {
                let what = if part.is_undo() { "the undo of step" } else { "step" };
                let text = format!("{what} {step} {}", verdict_words(*verdict));
                Told::signal(NoticeEvent::Failed, text, &format!("step {step}"), false)
            }
            Event::GateDecided { step, choice, .. } => {
                let word = match choice {
                    Choice::Go => "GO",
                    Choice::NoGo => "NO-GO",
                };
                Told::plain(NoticeEvent::Gate, format!("gate {step}: {word}"))
            }
            Event::RollbackBegan { reason, to, .. } => {
                let to = to.as_ref().map(|to| format!(" to checkpoint {}", to.checkpoint));
                let text = format!("rolling back{}: {reason}", to.unwrap_or_default());
                Told::signal(NoticeEvent::Rollback, text, ROLLBACK, false)
            }
            Event::Returned { checkpoint } => {
                let text = format!("back at checkpoint {checkpoint}: the run may go on from there");
                Told::signal(NoticeEvent::Rollback, text, ROLLBACK, true)
            }
            Event::PlaybookOpened { playbook, reason } => {
                let text = format!("emergency procedure {playbook} was opened: {reason}");
                Told::signal(NoticeEvent::Failed, text, &format!("playbook {playbook}"), false)
            }
            Event::RollbackEnded { verified } => {
                let text = if *verified {
                    "rolled back, the old system is verified"
                } else {
                    "rolled back, and no step has verified the old system"
                };
                Told::signal(NoticeEvent::Rollback, text.to_owned(), ROLLBACK, true)
            }
            Event::Completed => Told::plain(NoticeEvent::End, "every step is over"),
            Event::Abandoned { reason } => {
                Told::plain(NoticeEvent::End, format!("the run was given up: {reason}"))
            }
            Event::AlarmRaised { id, level: Level::Warning, text } => {
                Told::signal(NoticeEvent::Alarm, text.to_string(), &alarm_name(id), false)
            }
            Event::AlarmCleared { id } => {
                let last = self.alarms.iter().rev().find(|alarm| alarm.id == *id);
                if last.is_none_or(|alarm| alarm.level != Level::Warning) {
                    return Vec::new(); // Nobody was told that it was raised.
                }
                let name = alarm_name(id);
                Told::signal(NoticeEvent::Alarm, format!("over: {name}"), &name, true)
            }
            _ => Vec::new(),
        }
    }

    fn phase_over(&self, step: &crate::base::StepId) -> Vec<Told> {
        let phases = &self.plan.phases;
        let Some(phase) = phases.iter().find(|phase| phase.steps.contains(step)) else {
            return Vec::new();
        };
        let over = phase.steps.iter().all(|id| self.track(id).status.is_over());
        if over {
            Told::plain(NoticeEvent::Phase, format!("phase {} is over", phase.title))
        } else {
            Vec::new()
        }
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
            Some(RunKind::Drill) => SafeText::new(&format!("[DRILL] {text}")),
            Some(RunKind::Rehearsal) => SafeText::new(&format!("[REHEARSAL] {text}")),
            Some(RunKind::Live) | None => SafeText::new(text),
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
