//! Readings in, one of four values out. Missing data is never a pass.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{Millis, ProbeId, SafeText, Timestamp};
use crate::plan::Plan;
use crate::runbook::Probe;

use super::gate::Evidence;

/// Readings kept for the sparkline: half an hour at one every two seconds.
pub const READINGS_MAX: usize = 900;

/// The health of a probe. Ordered from good to bad; `Unknown` is never good.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Within its limits.
    Healthy,
    /// Past the first limit.
    Degraded,
    /// Past the second limit, or the source itself says no.
    Failed,
    /// No reading, or too old a one.
    #[default]
    Unknown,
}

impl Health {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One reading of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When it was taken.
    pub at: Timestamp,
    /// The value; none when the source gave none. A content source without a value said nothing:
    /// the reading is `unknown`, and the note says why.
    pub value: Option<f64>,
    /// Whether the source itself is content: the status, the exit status, the connection.
    pub ok: bool,
    /// What the source said, for people.
    pub note: SafeText,
}

impl Eq for Reading {}

/// A change of a probe's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which probe.
    pub probe: ProbeId,
    /// What it was.
    pub was: Health,
    /// What it is.
    pub is: Health,
    /// The reading that made it so; none when readings are missing.
    pub reading: Option<Reading>,
}

/// One panel: a probe, its health and its last readings.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The probe.
    pub probe: Probe,
    /// Its health.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// The last readings, oldest first.
    pub readings: VecDeque<Reading>,
    /// Since when the readings are degraded or worse.
    degraded_since: Option<Timestamp>,
    /// Since when the readings are failed.
    failed_since: Option<Timestamp>,
}

/// All panels. Lives beside the state, not in it: readings are not journaled, changes are.
#[derive(Clone, Debug, Default)]
pub struct Board {
    panels: BTreeMap<ProbeId, Arc<Panel>>,
    order: Vec<ProbeId>,
}

impl Board {
    /// A board for the probes of `plan`; everything is unknown since `now`.
    pub fn new(plan: &Plan, now: Timestamp) -> Self {
        let panel = |probe: &Probe| Panel {
            probe: probe.clone(),
            health: Health::Unknown,
            since: now,
            readings: VecDeque::new(),
            degraded_since: None,
            failed_since: None,
        };
        Self {
            panels: plan.probes.iter().map(|p| (p.id.clone(), Arc::new(panel(p)))).collect(),
            order: plan.probes.iter().map(|probe| probe.id.clone()).collect(),
        }
    }

    /// The panels in the order of the runbook.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.order.iter().filter_map(|id| self.panel(id))
    }

    /// The panel of this probe.
    pub fn panel(&self, id: &ProbeId) -> Option<&Panel> {
        self.panels.get(id).map(Arc::as_ref)
    }

    /// Takes in a reading and returns the change that it makes, if it makes one.
    ///
    /// A value that is not a finite number is left out: the record is JSON, which has no such
    /// numbers, and a record has to read back as it was written.
    pub fn take(&mut self, id: &ProbeId, mut reading: Reading) -> Option<Change> {
        let panel = Arc::make_mut(self.panels.get_mut(id)?);
        let level = panel.level(&reading);
        reading.value = reading.value.filter(|value| value.is_finite());
        let change = panel.judge(level, &reading);
        if panel.readings.len() == READINGS_MAX {
            panel.readings.pop_front();
        }
        panel.readings.push_back(reading);
        change
    }

    /// Turns panels whose readings are too old to `unknown`.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let stale =
            |panel: &&mut Arc<Panel>| panel.health != Health::Unknown && !panel.is_fresh(now);
        let stale = self.panels.values_mut().filter(stale);
        stale.filter_map(|panel| Arc::make_mut(panel).expire(now)).collect()
    }

    /// What the probes named say at `now`, for a decision.
    pub fn evidence(&self, probes: &[ProbeId], now: Timestamp) -> Vec<Evidence> {
        let one = |id: &ProbeId| {
            let panel = self.panels.get(id);
            let reading = panel.and_then(|panel| panel.readings.back().cloned());
            Evidence {
                probe: id.clone(),
                health: panel.map_or(Health::Unknown, |panel| panel.health),
                age: reading.as_ref().map(|reading| now.since(reading.at)),
                reading,
            }
        };
        probes.iter().map(one).collect()
    }
}

impl Panel {
    /// The last reading.
    pub fn last(&self) -> Option<&Reading> {
        self.readings.back()
    }

    /// How old the last reading is.
    pub fn age(&self, now: Timestamp) -> Option<Millis> {
        self.last().map(|reading| now.since(reading.at))
    }

    fn level(&self, reading: &Reading) -> Health {
        let past = |limit: Option<crate::runbook::Threshold>| {
            limit.is_some_and(|limit| reading.value.is_some_and(|value| limit.holds(value)))
        };
        if !reading.ok {
            Health::Failed
        } else if !reading.value.is_some_and(f64::is_finite) {
            // Every source has a value; one that gave none, or no number, said nothing.
            Health::Unknown
        } else if past(self.probe.failed) {
            Health::Failed
        } else if past(self.probe.degraded) {
            Health::Degraded
        } else {
            Health::Healthy
        }
    }

    fn judge(&mut self, level: Health, reading: &Reading) -> Option<Change> {
        let at = reading.at;
        let known = level != Health::Unknown;
        let since = |holds: bool, since: Option<Timestamp>| holds.then(|| since.unwrap_or(at));
        self.degraded_since = since(known && level >= Health::Degraded, self.degraded_since);
        self.failed_since = since(known && level >= Health::Failed, self.failed_since);
        let counts_at_once = level <= self.health || self.health == Health::Unknown || !known;
        // Worse: it counts once it has held for as long as the runbook asks.
        let has_held = |since: Option<Timestamp>| {
            since.is_some_and(|since| at.since(since) >= self.probe.r#for)
        };
        let is = if counts_at_once {
            level
        } else if has_held(self.failed_since) {
            Health::Failed
        } else if has_held(self.degraded_since) {
            Health::Degraded.max(self.health)
        } else {
            return None;
        };
        self.turn(is, at, Some(reading.clone()))
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.age(now).is_some_and(|age| age <= self.probe.stale)
    }

    fn expire(&mut self, now: Timestamp) -> Option<Change> {
        self.degraded_since = None;
        self.failed_since = None;
        self.turn(Health::Unknown, now, None)
    }

    fn turn(&mut self, is: Health, at: Timestamp, reading: Option<Reading>) -> Option<Change> {
        if is == self.health {
            return None;
        }
        let was = std::mem::replace(&mut self.health, is);
        self.since = at;
        Some(Change { probe: self.probe.id.clone(), was, is, reading })
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, Change, Health, READINGS_MAX, Reading};
    use crate::base::{Digest, Millis, ProbeId, SafeText, Timestamp, Zone};
    use crate::plan::Plan;
    use crate::runbook::{Comparison, InFlight, Probe, Source, Strategy, Threshold};

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_unix_millis(secs * 1000)
    }

    fn id() -> ProbeId {
        "p99".parse().unwrap()
    }

    const fn over(limit: f64) -> Threshold {
        Threshold { comparison: Comparison::Greater, limit }
    }

    fn probe(degraded: Option<Threshold>, failed: Option<Threshold>, hold: u64) -> Probe {
        Probe {
            id: id(),
            title: "p99".into(),
            every: Millis::from_secs(5),
            timeout: Millis::from_secs(5),
            source: Source::Tcp { address: "db:5432".to_owned() },
            unit: "ms".into(),
            degraded,
            failed,
            r#for: Millis::from_secs(hold),
            stale: Millis::from_secs(20),
            panel: SafeText::default(),
            allow: Vec::new(),
        }
    }

    fn board(probe: Probe) -> Board {
        let plan = Plan {
            digest: Digest::of(b""),
            id: "x".parse().unwrap(),
            title: "x".into(),
            strategy: Strategy::Direct,
            owner: None,
            change: None,
            summary: String::new(),
            environment: None,
            window: None,
            objectives: crate::runbook::Objectives::default(),
            zone: Zone::UTC,
            hosts: std::collections::BTreeMap::default(),
            roles: std::collections::BTreeMap::default(),
            asked: std::collections::BTreeMap::new(),
            vars: std::collections::BTreeMap::default(),
            secrets: std::collections::BTreeMap::default(),
            phases: Vec::new(),
            steps: std::collections::BTreeMap::default(),
            order: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            running: InFlight::Cancel,
            triggers: Vec::new(),
            planned: None,
            playbooks: Vec::new(),
            probes: vec![probe],
            channels: Vec::new(),
            network: crate::plan::Lazy::default(),
            later: crate::plan::Later::default(),
        };
        Board::new(&plan, at(0))
    }

    fn reading(secs: u64, value: Option<f64>) -> Reading {
        Reading { at: at(secs), value, ok: true, note: SafeText::default() }
    }

    /// The health after each reading `(second, value)`.
    fn after(board: &mut Board, readings: &[(u64, f64)]) -> Vec<Health> {
        let one = |(secs, value): &(u64, f64)| {
            board.take(&id(), reading(*secs, Some(*value)));
            board.panel(&id()).unwrap().health
        };
        readings.iter().map(one).collect()
    }

    use Health::{Degraded, Failed, Healthy, Unknown};

    #[test]
    fn four_values_at_their_thresholds_and_the_first_reading_counts_at_once() {
        for (value, health) in
            [(250.0, Healthy), (250.1, Degraded), (800.0, Degraded), (801.0, Failed)]
        {
            let mut board = board(probe(Some(over(250.0)), Some(over(800.0)), 15));
            assert_eq!(board.panel(&id()).unwrap().health, Unknown);
            let change = board.take(&id(), reading(1, Some(value))).unwrap();
            assert_eq!((change.was, change.is), (Unknown, health), "{value}");
        }
        assert!(Healthy < Degraded && Degraded < Failed && Failed < Unknown);
        let words = [Healthy, Degraded, Failed, Unknown].map(Health::word);
        assert_eq!(words, ["healthy", "degraded", "failed", "unknown"]);
    }

    #[test]
    fn every_comparison_holds_where_it_says() {
        use Comparison::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
        for (comparison, holds) in [
            (Less, [true, false, false]),
            (AtMost, [true, true, false]),
            (Greater, [false, false, true]),
            (AtLeast, [false, true, true]),
            (Equal, [false, true, false]),
            (NotEqual, [true, false, true]),
        ] {
            for (value, holds) in [1.0, 2.0, 3.0].into_iter().zip(holds) {
                let failed = Some(Threshold { comparison, limit: 2.0 });
                let mut board = board(probe(None, failed, 0));
                let wanted = if holds { Failed } else { Healthy };
                assert_eq!(after(&mut board, &[(1, value)]), [wanted], "{value} {comparison:?}");
            }
        }
    }

    #[test]
    fn worse_counts_once_it_has_held_and_better_at_once() {
        let mut board = board(probe(Some(over(250.0)), None, 15));
        let readings = [(0, 1.0), (5, 300.0), (10, 300.0), (19, 300.0), (20, 300.0), (21, 1.0)];
        let health = after(&mut board, &readings);
        assert_eq!(health, [Healthy, Healthy, Healthy, Healthy, Degraded, Healthy]);
        // One good reading between starts the clock again.
        let readings = [(30, 300.0), (40, 1.0), (44, 300.0), (50, 300.0), (58, 300.0), (59, 300.0)];
        let health = after(&mut board, &readings);
        assert_eq!(health, [Healthy, Healthy, Healthy, Healthy, Healthy, Degraded]);
    }

    #[test]
    fn each_level_keeps_its_own_time() {
        let mut one = board(probe(Some(over(250.0)), Some(over(800.0)), 10));
        // Degraded or worse since 5, failed only since 13.
        let readings = [(0, 1.0), (5, 300.0), (13, 900.0), (15, 900.0), (22, 900.0), (23, 900.0)];
        let health = after(&mut one, &readings);
        assert_eq!(health, [Healthy, Healthy, Healthy, Degraded, Degraded, Failed]);
        // Better by one level counts at once, and the way down begins anew.
        let readings = [(24, 300.0), (25, 900.0), (34, 900.0), (35, 900.0)];
        assert_eq!(after(&mut one, &readings), [Degraded, Degraded, Degraded, Failed]);
        let mut straight = board(probe(Some(over(250.0)), Some(over(800.0)), 10));
        let readings = [(0, 1.0), (5, 900.0), (14, 900.0), (15, 900.0)];
        assert_eq!(after(&mut straight, &readings), [Healthy, Healthy, Healthy, Failed]);
    }

    #[test]
    fn what_the_source_itself_says_goes_before_its_value() {
        let mut board = board(probe(Some(over(250.0)), None, 0));
        let no = Reading { ok: false, ..reading(1, Some(1.0)) };
        assert_eq!(board.take(&id(), no).unwrap().is, Failed);
        let no = Reading { ok: false, ..reading(2, None) };
        assert_eq!(board.take(&id(), no), None);
    }

    #[test]
    fn no_value_is_unknown_and_never_a_pass() {
        for value in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            let mut limited = board(probe(Some(over(250.0)), None, 15));
            after(&mut limited, &[(0, 1.0)]);
            assert_eq!(limited.take(&id(), reading(1, value)).unwrap().is, Unknown);
            // Not even where the comparison would hold for what is no number.
            let not_one = Some(Threshold { comparison: Comparison::NotEqual, limit: 1.0 });
            let mut odd = board(probe(None, not_one, 0));
            assert_eq!(odd.take(&id(), reading(1, value)), None);
            let mut open = board(probe(None, None, 15));
            assert_eq!(open.take(&id(), reading(1, value)), None);
            assert_eq!(open.panel(&id()).unwrap().health, Unknown);
        }
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_left_out() {
        let mut board = board(probe(None, Some(over(800.0)), 0));
        after(&mut board, &[(0, 1.0)]);
        let change = board.take(&id(), reading(1, Some(f64::INFINITY))).unwrap();
        assert_eq!((change.is, change.reading.unwrap().value), (Unknown, None));
        assert_eq!(board.panel(&id()).unwrap().last().unwrap().value, None);
    }

    #[test]
    fn a_stale_reading_is_unknown_and_the_next_counts_at_once() {
        let mut board = board(probe(Some(over(250.0)), None, 15));
        assert_eq!(board.tick(at(0)), []);
        after(&mut board, &[(0, 1.0), (10, 300.0)]);
        assert_eq!(board.tick(at(30)), []);
        let change = Change { probe: id(), was: Healthy, is: Unknown, reading: None };
        assert_eq!(board.tick(at(31)), [change]);
        assert_eq!(board.tick(at(32)), []);
        assert_eq!(
            after(&mut board, &[(33, 300.0), (34, 1.0), (49, 300.0)]),
            [Degraded, Healthy, Healthy]
        );
    }

    #[test]
    fn a_gap_does_not_count_as_time_held() {
        let mut board = board(probe(Some(over(250.0)), None, 15));
        after(&mut board, &[(0, 1.0), (5, 300.0)]);
        board.tick(at(60));
        assert_eq!(after(&mut board, &[(61, 1.0), (62, 300.0)]), [Healthy, Healthy]);
    }

    #[test]
    fn the_evidence_has_the_reading_and_its_age_and_nothing_for_what_is_not_there() {
        let mut board = board(probe(Some(over(250.0)), None, 15));
        after(&mut board, &[(2, 7.0)]);
        let nobody = "nobody".parse().unwrap();
        let evidence = board.evidence(&[id(), nobody], at(5));
        assert_eq!((evidence[0].health, evidence[0].age), (Healthy, Some(Millis::from_secs(3))));
        assert_eq!(evidence[0].reading.as_ref().unwrap().value, Some(7.0));
        assert_eq!((evidence[1].health, &evidence[1].reading), (Unknown, &None));
        assert_eq!(board.take(&"nobody".parse().unwrap(), reading(6, None)), None);
    }

    #[test]
    fn only_the_last_readings_are_kept() {
        let mut board = board(probe(None, None, 0));
        for secs in 0..READINGS_MAX as u64 + 5 {
            board.take(&id(), reading(secs, Some(1.0)));
        }
        let panel = board.panels().next().unwrap();
        assert_eq!((panel.readings.len(), panel.readings[0].at), (READINGS_MAX, at(5)));
        assert_eq!(panel.age(at(1000)), Some(Millis::from_secs(96)));
    }
}
