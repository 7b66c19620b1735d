//! What a gate is decided on: its criteria, the answers of the roles that it asks, and waivers;
//! and who agreed to a step that two people have to want.

use serde::{Deserialize, Serialize};

use crate::base::{Millis, ProbeId, RoleId, SafeText, StepId, Timestamp};
use crate::plan::{Work, forecast, signed};
use crate::runbook::Gate;

use super::event::Actor;
use super::health::{Health, Reading};
use super::readiness::{Lamp, Readiness};
use super::state::State;
use super::track::Status;
use super::voice::Said;

/// What somebody said about a gate or a step counts for so long; then they are asked again.
pub const WORD_LASTS: Millis = Millis::from_secs(20 * 60);
/// A waiver for longer than this is no exception any more.
pub const WAIVER_MAX: Millis = Millis::from_secs(24 * 60 * 60);

/// A go / no-go answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Go on.
    Go,
    /// Do not.
    NoGo,
}

/// One fact that a gate was decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The probe.
    pub probe: ProbeId,
    /// What it said.
    pub health: Health,
    /// The last reading.
    pub reading: Option<Reading>,
    /// How old the reading was.
    pub age: Option<Millis>,
}

impl Eq for Evidence {}

/// How a gate was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRecord {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// How.
    pub choice: Choice,
    /// On what.
    pub evidence: Vec<Evidence>,
    /// Why.
    pub reason: Option<SafeText>,
    /// What was known.
    pub frozen: Option<Box<Frozen>>,
}

/// Something that a gate asks for, and that the program can see for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// A probe is healthy.
    Probe(ProbeId),
    /// Enough of the window is left at the forecast end.
    Margin,
    /// A rollback begun now would find what it needs.
    RollbackReady,
}

impl Criterion {
    /// What it is called, by people and on the command line.
    pub fn word(&self) -> &str {
        match self {
            Self::Probe(probe) => probe.as_str(),
            Self::Margin => "margin",
            Self::RollbackReady => "rollback_ready",
        }
    }
}

/// How a criterion stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Which.
    pub criterion: Criterion,
    /// Whether it holds. What is not known does not.
    pub holds: bool,
    /// What was seen.
    pub says: SafeText,
    /// Why it was waived, where it does not hold and was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<SafeText>,
}

impl Judged {
    /// Whether it stands in the way of a GO.
    pub const fn stands_in_the_way(&self) -> bool {
        !self.holds && self.waived.is_none()
    }
}

/// What was known when a gate was decided. It stays in the record as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Every criterion.
    pub criteria: Vec<Judged>,
    /// What the roles had answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    /// Steps that had been skipped, or whose failure had been accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<StepId>,
    /// How many notes there were.
    pub notes: usize,
    /// The alarms that were open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<SafeText>,
    /// The forecast end of the run.
    pub ends: Timestamp,
    /// How long a rollback begun then would have taken.
    pub back_takes: Millis,
    /// The last minute at which it would still have fitted the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_by: Option<Timestamp>,
}

/// Somebody of a role, whose word the driver has heard and writes down, or who said it themselves
/// at another terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// The role that they speak for.
    pub role: RoleId,
    /// Their name.
    pub person: SafeText,
    /// How it came from another terminal; none: the driver wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Box<Said>>,
}

impl Voice {
    /// Somebody whom the driver has heard.
    pub const fn heard(role: RoleId, person: SafeText) -> Self {
        Self { role, person, said: None }
    }
}

/// What a role answered at a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub voice: Voice,
    /// GO or NO-GO.
    pub choice: Choice,
    /// In their words.
    pub words: SafeText,
}

/// A second person's word that a step may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub voice: Voice,
    /// In their words.
    pub words: SafeText,
}

/// A criterion that somebody let pass for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// Which criterion.
    pub criterion: Criterion,
    /// Why.
    pub reason: SafeText,
    /// Until when.
    pub until: Timestamp,
    /// Whether its end has been told.
    pub ended: bool,
}

/// How a poll stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The roles in the order in which they are asked, and what counts of their answers.
    pub roles: Vec<(RoleId, Option<Vote>)>,
    /// Roles that said GO.
    pub go: usize,
    /// Roles that said NO-GO.
    pub no_go: usize,
    /// How many have to say GO.
    pub needed: usize,
}

impl Tally {
    /// Whether its rule is met; a gate that asks nobody has none.
    pub const fn is_go(&self) -> bool {
        self.go >= self.needed
    }

    /// The role that is asked next.
    pub fn next(&self) -> Option<&RoleId> {
        self.roles.iter().find(|(_, vote)| vote.is_none()).map(|(role, _)| role)
    }
}

impl State {
    /// The gate of a step, if it is one.
    pub fn gate_of(&self, step: &StepId) -> Option<&Gate> {
        match &self.plan.step(step)?.work {
            Work::Gate(gate) => Some(gate),
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Soak(_)
            | Work::Notify { .. } => None,
        }
    }

    /// What a gate asks for.
    pub fn criteria(&self, step: &StepId) -> Vec<Criterion> {
        let Some(gate) = self.gate_of(step) else { return Vec::new() };
        let probes = gate.healthy.iter().cloned().map(Criterion::Probe);
        let margin = gate.margin.map(|_| Criterion::Margin);
        let ready = gate.rollback_ready.then_some(Criterion::RollbackReady);
        probes.chain(margin).chain(ready).collect()
    }

    /// How every criterion of a gate stands: `evidence` is what the probes say, `margin` what is
    /// left of the window at the forecast end, in milliseconds.
    pub fn judge(
        &self,
        step: &StepId,
        evidence: &[Evidence],
        margin: Option<i64>,
        now: Timestamp,
    ) -> Vec<Judged> {
        let asked = self.gate_of(step).and_then(|gate| gate.margin);
        let judged = |criterion: Criterion| {
            let (holds, says) = match &criterion {
                Criterion::Probe(probe) => {
                    let seen = evidence.iter().find(|seen| seen.probe == *probe);
                    // The worse of the last reading's and of the journal's; unknown is no pass.
                    let health = seen.map_or(Health::Unknown, |seen| seen.health);
                    let health = health.max(self.health(probe));
                    (health == Health::Healthy, health.word().to_owned())
                }
                Criterion::Margin => {
                    let asked = asked.unwrap_or_default();
                    let wanted = i64::try_from(asked.as_millis()).unwrap_or(i64::MAX);
                    let left = margin.map_or_else(|| "not known".to_owned(), left_words);
                    let enough = margin.is_some_and(|left| left >= wanted);
                    (enough, format!("{left} left of {asked} asked"))
                }
                Criterion::RollbackReady => {
                    let Readiness { lamp, why, .. } = self.rollback_ready();
                    let says = match lamp {
                        Lamp::Ready | Lamp::NotReady => why.to_string(),
                        Lamp::Unknown => format!("not known: {why}"),
                    };
                    (lamp == Lamp::Ready, says)
                }
            };
            let waiver = self.waiver(step, &criterion, now).filter(|_| !holds);
            let waived = waiver.map(|waiver| waiver.reason.clone());
            Judged { criterion, holds, says: SafeText::new(&says), waived }
        };
        self.criteria(step).into_iter().map(judged).collect()
    }

    /// The waiver of a criterion that counts at `now`.
    pub fn waiver(&self, step: &StepId, of: &Criterion, now: Timestamp) -> Option<&Waiver> {
        let all = self.waivers(step).iter().rev();
        all.into_iter().find(|it| it.criterion == *of && !it.ended && now < it.until)
    }

    /// Every waiver of a gate, oldest first.
    pub fn waivers(&self, step: &StepId) -> &[Waiver] {
        self.waivers.get(step).map_or(&[], Vec::as_slice)
    }

    /// Every gate with waivers.
    pub fn all_waivers(&self) -> impl Iterator<Item = (&StepId, &Waiver)> {
        self.waivers.iter().flat_map(|(step, all)| all.iter().map(move |waiver| (step, waiver)))
    }

    /// What the roles have answered at a gate, the last answer of each.
    pub fn votes(&self, step: &StepId) -> &[Vote] {
        self.votes.get(step).map_or(&[], Vec::as_slice)
    }

    /// How the poll of a gate stands; nothing in it where the gate asks nobody.
    pub fn tally(&self, step: &StepId, now: Timestamp) -> Tally {
        let Some(gate) = self.gate_of(step) else { return Tally::default() };
        let fresh = |vote: &&Vote| now.since(vote.at) <= WORD_LASTS;
        let of = |role: &RoleId| {
            self.votes(step).iter().find(|vote| vote.voice.role == *role).filter(fresh).cloned()
        };
        let roles: Vec<_> = gate.poll.iter().map(|role| (role.clone(), of(role))).collect();
        let count = |choice: Choice| {
            let said = roles.iter().filter_map(|(_, vote)| vote.as_ref());
            said.filter(|vote| vote.choice == choice).count()
        };
        let (go, no_go) = (count(Choice::Go), count(Choice::NoGo));
        Tally { go, no_go, needed: gate.require.of(gate.poll.len()), roles }
    }

    /// The second person's word that a step may start, as long as it counts.
    pub fn approval(&self, step: &StepId, now: Timestamp) -> Option<&Approval> {
        self.approvals.get(step).filter(|approval| now.since(approval.at) <= WORD_LASTS)
    }

    /// What is known when a gate is decided at `now`.
    pub(super) fn freeze(
        &self,
        step: &StepId,
        evidence: &[Evidence],
        margin: Option<i64>,
        now: Timestamp,
    ) -> Frozen {
        let times = forecast(&self.plan, &self.progress(), now);
        let over = |id: &&StepId| {
            matches!(self.track(id).status, Status::Skipped | Status::FailureAccepted)
        };
        let roles = self.tally(step, now).roles.into_iter();
        Frozen {
            criteria: self.judge(step, evidence, margin, now),
            votes: roles.filter_map(|(_, vote)| vote).collect(),
            passed_over: self.plan.order.iter().filter(over).cloned().collect(),
            notes: self.notes.len(),
            alarms: self.open_alarms().into_iter().map(|alarm| alarm.text.clone()).collect(),
            ends: times.end,
            back_takes: times.backout.takes,
            back_by: times.backout.latest_safe,
        }
    }

    /// What is left of the window at the forecast end, in milliseconds; none without a window.
    pub fn margin(&self, now: Timestamp) -> Option<i64> {
        let window = self.plan.window.as_ref()?;
        Some(signed(forecast(&self.plan, &self.progress(), now).end, window.closes))
    }
}

fn left_words(left: i64) -> String {
    let span = Millis::from_secs(left.unsigned_abs() / 1000);
    if left < 0 { format!("-{span}") } else { span.to_string() }
}
