//! The clock of the objectives: how long the recovery took (RTA), and how much data was lost (RPA).
//!
//! RTA is the time from the first start of the step that starts the clock to the end of the one that
//! stops it, on the session's clock, which only grows. It is measured where that step succeeded, or a
//! person did it; what was skipped or accepted as failed has brought nothing back.

use serde::{Deserialize, Serialize};

use crate::base::{Millis, SafeText, Timestamp};
use crate::runbook::{Measure, Rpo, Rto, millis_of_unit};

use super::command::Command;
use super::event::{AlarmId, Event, Level};
use super::health::{Board, Health, Reading};
use super::state::{RunStage, State};
use super::track::Status;

/// What was lost, as it was when the clock started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When it was measured.
    pub at: Timestamp,
    /// How much; none where that is not known.
    pub lost: Option<Millis>,
    /// What it was read from, or why it is not known.
    pub says: SafeText,
}

impl Loss {
    pub(super) fn new(at: Timestamp, lost: Option<Millis>, says: &SafeText) -> Self {
        Self { at, lost, says: says.clone() }
    }
}

/// How an objective stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The clock has not started.
    NotStarted,
    /// The clock runs, and it can be met still.
    Running,
    /// Met.
    Met,
    /// Missed; the clock may run still.
    Missed,
    /// Nobody can say.
    NotMeasured,
}

impl Verdict {
    /// The words on screen.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::Running => "running",
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

/// How long the recovery took, or has taken so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rta {
    /// When the clock started.
    pub since: Option<Timestamp>,
    /// How long it took, or has taken so far.
    pub taken: Option<Millis>,
    /// Whether the clock runs.
    pub runs: bool,
    /// How that stands against the objective.
    pub verdict: Verdict,
    /// Why it is not measured.
    pub why: Option<SafeText>,
}

/// How much data was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpa {
    /// How much.
    pub lost: Option<Millis>,
    /// How that stands against the objective.
    pub verdict: Verdict,
    /// What it was read from, or why it is not measured.
    pub says: SafeText,
}

impl State {
    /// How the recovery time stands at `now`; none without an objective.
    pub fn rta(&self, now: Timestamp) -> Option<Rta> {
        let Rto { within, from, to } = self.plan.objectives.rto.as_ref()?;
        let none = |verdict, why: Option<&str>| Rta {
            since: None,
            taken: None,
            runs: false,
            verdict,
            why: why.map(SafeText::new),
        };
        let first = self.track(from);
        let Some(since) = first.started else {
            let passed = first.status.is_over();
            return Some(if passed {
                none(Verdict::NotMeasured, Some(&format!("{from} was {}", first.status.word())))
            } else {
                none(Verdict::NotStarted, None)
            });
        };
        let last = self.track(to);
        let not =
            |why: String| Rta { since: Some(since), ..none(Verdict::NotMeasured, Some(&why)) };
        let taken = |end: Timestamp, runs: bool| {
            let taken = end.since(since);
            let verdict = match (taken > *within, runs) {
                (true, _) => Verdict::Missed,
                (false, true) => Verdict::Running,
                (false, false) => Verdict::Met,
            };
            Rta { since: Some(since), taken: Some(taken), runs, verdict, why: None }
        };
        Some(match last.status {
            Status::Succeeded | Status::DoneByHand => taken(last.settled.unwrap_or(now), false),
            status @ (Status::Skipped | Status::FailureAccepted) => {
                not(format!("{to} was {}: nothing shows that the service is back", status.word()))
            }
            Status::Pending
            | Status::Running
            | Status::Waiting
            | Status::Soaking { .. }
            | Status::Verifying
            | Status::Failed
            | Status::TimedOut
            | Status::Unknown
            | Status::Cancelled => match self.stage {
                RunStage::RolledBack { .. } => not("the run was rolled back".to_owned()),
                RunStage::Abandoned => not("the run was given up".to_owned()),
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RollingBack
                | RunStage::Completed => taken(now, true),
            },
        })
    }

    /// How much data was lost; none without an objective.
    pub fn rpa(&self) -> Option<Rpa> {
        let Rpo { within, measured_by } = self.plan.objectives.rpo.as_ref()?;
        let said = |verdict, says: &str| Rpa { lost: None, verdict, says: SafeText::new(says) };
        let rto = self.plan.objectives.rto.as_ref()?;
        if self.track(&rto.from).started.is_none() {
            let says = format!("by {} when {} starts", measured_by.name(), rto.from);
            return Some(said(Verdict::NotStarted, &says));
        }
        let Some(loss) = &self.loss else {
            return Some(said(Verdict::NotMeasured, "nothing was read when the clock started"));
        };
        let verdict = match loss.lost {
            None => Verdict::NotMeasured,
            Some(lost) if lost > *within => Verdict::Missed,
            Some(_) => Verdict::Met,
        };
        Some(Rpa { lost: loss.lost, verdict, says: loss.says.clone() })
    }

    /// The measuring of what is lost, once: at the start of the clock. `board` holds the readings.
    pub fn measures(&self, board: &Board) -> Option<Command> {
        let rpo = self.plan.objectives.rpo.as_ref()?;
        let started = self.track(&self.plan.objectives.rto.as_ref()?.from).started?;
        if self.loss.as_ref().is_some_and(|loss| loss.at >= started) {
            return None;
        }
        let reading = match &rpo.measured_by {
            Measure::Captured(_) => None,
            Measure::Probe(probe) => board.panel(probe).and_then(|panel| {
                panel.last().filter(|_| panel.health != Health::Unknown).cloned()
            }),
        };
        Some(Command::Measure { reading })
    }

    /// What follows from measuring what is lost.
    pub(super) fn measured(&self, reading: Option<&Reading>, now: Timestamp) -> Vec<Event> {
        let Some(rpo) = &self.plan.objectives.rpo else { return Vec::new() };
        let (lost, says) = match &rpo.measured_by {
            Measure::Captured(name) => match self.captures.get(name) {
                None => (None, format!("{name} was not captured")),
                Some(value) => (span_of(value), format!("{name} was {value}")),
            },
            Measure::Probe(probe) => {
                let unit = self.plan.probe(probe).map_or("", |probe| probe.unit.as_str());
                match reading.and_then(|reading| Some((reading.value?, reading.at))) {
                    None => (None, format!("{probe} was unknown")),
                    Some((value, at)) => {
                        let age = now.since(at);
                        let lost = millis_of_unit(unit).and_then(|one| whole(value * one));
                        (lost, format!("{probe} was {value} {unit}, {age} before"))
                    }
                }
            }
        };
        let mut events = vec![Event::LossMeasured { lost, says: SafeText::new(&says) }];
        match lost {
            Some(lost) if lost <= rpo.within => events.extend(self.all_clear(AlarmId::Rpo)),
            Some(lost) => {
                let text = format!("RPO of {} is MISSED: {lost} of data ({says})", rpo.within);
                events.extend(self.alarm(AlarmId::Rpo, Level::Warning, &text));
            }
            None => {
                let text = format!("RPO of {} is not measured: {says}", rpo.within);
                events.extend(self.alarm(AlarmId::Rpo, Level::Caution, &text));
            }
        }
        events
    }

    /// The alarm that the recovery takes longer than it may, or its end.
    pub(super) fn objectives_due(&self, now: Timestamp) -> Vec<Event> {
        let (Some(rto), Some(rta)) = (&self.plan.objectives.rto, self.rta(now)) else {
            return Vec::new();
        };
        if rta.runs && rta.verdict == Verdict::Missed {
            let text = format!(
                "RTO of {} is past, and {} is not over: bring the service back, here or by rolling back",
                rto.within, rto.to
            );
            return self.alarm(AlarmId::Rto, Level::Warning, &text);
        }
        self.all_clear(AlarmId::Rto)
    }
}

/// `90s`, `1m40s`, or a plain number of seconds.
fn span_of(text: &str) -> Option<Millis> {
    let text = text.trim();
    let seconds = || text.parse::<f64>().ok().and_then(|seconds| whole(seconds * 1_000.0));
    text.parse().ok().or_else(seconds)
}

/// Milliseconds, where it is a span at all: finite, not negative, and shorter than a thousand years.
fn whole(millis: f64) -> Option<Millis> {
    let good = millis.is_finite() && (0.0..3.2e13).contains(&millis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was looked at")]
    good.then(|| Millis::new(millis.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::{span_of, whole};
    use crate::base::Millis;

    #[test]
    fn spans_are_read_from_what_was_captured_and_nothing_else_is_one() {
        let secs = |secs| Some(Millis::from_secs(secs));
        assert_eq!(span_of("90s"), secs(90));
        assert_eq!(span_of(" 1m40s\n"), secs(100));
        assert_eq!(span_of("41"), secs(41));
        assert_eq!(span_of("0.5"), Some(Millis::new(500)));
        for bad in ["", "-1", "NaN", "inf", "1e300", "soon", "4 1"] {
            assert_eq!(span_of(bad), None, "{bad}");
        }
        assert_eq!(whole(f64::NAN), None);
        assert_eq!(whole(-0.1), None);
    }
}
