//! The way back: how long it takes now and at the very end, and until when it still fits.
//!
//! Everything is counted with all the time it may take, not with what it takes on a good day:
//! *latest safe rollback* is never later than the truth as long as hosts are in reach, undos and
//! each attempt at the rollback's own steps keep to their estimates, and verifications to their
//! `within`.

use crate::base::{Millis, Timestamp};
use crate::runbook::{Probe, Soak, Window};

use super::forecast::{Actual, Goes, Progress};
use super::model::{Plan, StepPlan, UndoPlan, VerifyPlan, Work};
use super::network::sum;
use super::text::Text;

/// What a rollback would have to wait for before it undoes anything: what is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InTheWay {
    /// It is stopped, and gone within so long.
    pub stop: Millis,
    /// It is let run, and over or stopped by then at the latest.
    pub until: Option<Timestamp>,
}

impl InTheWay {
    /// How long it takes from `now` at most.
    pub fn takes(self, now: Timestamp) -> Millis {
        let runs = self.until.map_or(Millis::ZERO, |until| until.since(now));
        runs.max(self.stop)
    }
}

/// The way back at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backout {
    /// How long rolling back now would take, the rollback's own steps included.
    pub takes: Millis,
    /// When it would end (*backout now*).
    pub ends: Timestamp,
    /// How long rolling back at the very end would take (*backout worst*).
    pub worst: Millis,
    /// When that would end.
    pub worst_ends: Timestamp,
    /// The last minute at which rolling back still ends inside the window; none without one.
    pub latest_safe: Option<Timestamp>,
    /// The same if everything had run; none without a window.
    pub latest_safe_worst: Option<Timestamp>,
}

/// The way back at `now`, for a run that will end at `end`.
pub(super) fn backout(
    plan: &Plan,
    progress: &Progress,
    actual: &[Option<Actual>],
    window: Option<&Window>,
    now: Timestamp,
    end: Timestamp,
) -> Backout {
    let network = plan.network();
    let mut owed = vec![false; network.nodes.len()];
    for place in progress.undo.iter().filter_map(|id| network.names.place(id)) {
        if let Some(slot) = owed.get_mut(place) {
            *slot = true;
        }
    }
    let (mut undos, mut worst) = (Millis::ZERO, Millis::ZERO);
    for ((node, owed), actual) in network.nodes.iter().zip(owed).zip(actual) {
        let (runs, settled) = match actual.map(|actual| actual.goes) {
            Some(Goes::Runs { .. } | Goes::Waits { .. }) => (true, false),
            Some(Goes::Over(_)) => (false, true),
            None => (false, false),
        };
        if owed || runs {
            undos = undos.plus(node.undo);
        }
        // What was passed over, and never ran, will not have to be undone.
        if owed || !settled {
            worst = worst.plus(node.undo);
        }
    }
    let nothing = progress.steps.is_empty() && progress.undo.is_empty();
    let takes = if nothing {
        Millis::ZERO
    } else {
        progress.in_the_way.takes(now).plus(undos).plus(network.own)
    };
    let worst = worst.plus(network.own);
    Backout {
        takes,
        ends: now.after(takes),
        worst,
        worst_ends: end.after(worst),
        latest_safe: window.map(|window| window.closes.before(takes)),
        latest_safe_worst: window.map(|window| window.closes.before(worst)),
    }
}

/// How long a verification may take.
fn verification(verify: Option<&VerifyPlan>) -> Millis {
    verify.map_or(Millis::ZERO, |verify| verify.within)
}

fn times(span: Millis, times: u64) -> Millis {
    Millis::new(span.as_millis().saturating_mul(times))
}

impl StepPlan {
    /// How long probes are watched after its action.
    pub fn watches(&self) -> Millis {
        self.soak.as_ref().map_or(Millis::ZERO, |soak| soak.r#for)
    }

    /// How long its action should take: the estimate is that of one wave, and the waves come one
    /// after the other.
    pub fn works(&self) -> Millis {
        let Some(batch) = &self.batch else { return self.estimate };
        let waves = u64::try_from(batch.waves.len().max(1)).unwrap_or(u64::MAX);
        times(self.estimate, waves).plus(times(batch.pause, waves - 1))
    }

    /// How long it should take from start to end, soaking included.
    pub fn takes(&self) -> Millis {
        let soak = self.watches();
        match &self.work {
            Work::Soak(soak) => self.estimate.max(soak.r#for),
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Notify { .. } => self.works().plus(soak),
        }
    }

    /// How long undoing it may take, verified; nothing where there is no undo.
    pub fn undo_takes(&self) -> Millis {
        match &self.undo {
            UndoPlan::Undo(undo) => undo.estimate.plus(verification(undo.verify.as_ref())),
            UndoPlan::None | UndoPlan::Irreversible(_) => Millis::ZERO,
        }
    }

    /// How long it may take as a step of the rollback itself: every attempt at it,
    /// verified, and probes watched that have given nothing yet.
    pub fn back_takes(&self, probes: &[Probe]) -> Millis {
        // An unknown probe is waited for until its silence says something.
        let watches = |soak: &Soak<Text>| {
            let of_soak = probes.iter().filter(|probe| soak.probes.contains(&probe.id));
            of_soak.map(|probe| probe.stale).fold(soak.r#for, Millis::max)
        };
        if let Work::Soak(soak) = &self.work {
            return self.estimate.max(watches(soak));
        }
        let attempts = self.retry.as_ref().map_or(1, |retry| u64::from(retry.attempts.max(1)));
        let delay = self.retry.as_ref().map_or(Millis::ZERO, |retry| retry.delay);
        times(self.works(), attempts)
            .plus(times(delay, attempts - 1))
            .plus(verification(self.verify.as_ref()))
            .plus(self.soak.as_ref().map_or(Millis::ZERO, watches))
    }
}

impl Plan {
    /// How long a rollback may take once these steps have run: their undos and its own steps.
    pub fn back_takes<'a>(&'a self, undone: impl Iterator<Item = &'a StepPlan>) -> Millis {
        sum(undone.map(StepPlan::undo_takes)).plus(self.network().own)
    }
}
