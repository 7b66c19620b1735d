//! Taking up a session from its folder: verify, compile the pinned inputs, fold.

use std::sync::Arc;

use thiserror::Error;

use crate::base::{Digest, Timestamp};
use crate::engine::{Event, Genesis, State};
use crate::journal::{Disk, Entry, JournalError, RealDisk};
use crate::plan::Plan;

use super::inputs::{Inputs, InputsError};
use super::store::Found;

/// A session read back from its folder.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The session.
    pub found: Found,
    /// What the plan was made from that it goes by now.
    pub inputs: Inputs,
    /// The plan that it was opened with; it brings along those that took its place.
    pub plan: Arc<Plan>,
    /// Its first event.
    pub genesis: Genesis,
    /// Every line of its journal.
    pub entries: Vec<Entry>,
    /// Where it stands after the last of them.
    pub state: State,
}

/// A session that cannot be taken up.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// Its journal cannot be read, or is not intact.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its pinned inputs cannot be read, or make no plan.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// The pinned inputs are not those that the session was started from.
    #[error(
        "the files in {dir} are not those that the session was started from (plan {was}, now {is}): put them back"
    )]
    Changed {
        /// The folder.
        dir: String,
        /// The digest in the journal.
        was: Digest,
        /// The digest of what is there.
        is: Digest,
    },
    /// The journal does not begin as journals do.
    #[error("the first line of the journal does not open a session")]
    NoGenesis,
}

/// Reads a session back, without touching it: a driver may be alive.
pub fn open(found: &Found) -> Result<Recovered, RecoverError> {
    open_on(&RealDisk, found)
}

/// The same on any disk.
pub fn open_on(disk: &dyn Disk, found: &Found) -> Result<Recovered, RecoverError> {
    let entries = crate::journal::read_all_on(disk, &found.dir)?;
    let first = entries.first().and_then(|entry| entry.facts.first());
    let Some(Event::SessionOpened(genesis)) = first.map(|fact| &fact.event) else {
        return Err(RecoverError::NoGenesis);
    };
    let genesis = genesis.clone();
    let inputs = Inputs::pinned_on(disk, found)?;
    let is = inputs.digest();
    if is != genesis.plan {
        let dir = found.pinned().display().to_string();
        return Err(RecoverError::Changed { dir, was: genesis.plan, is });
    }
    let mut plan = inputs.plan(&inputs.check())?;
    let mut inputs = inputs;
    for digest in replans(&entries) {
        inputs = Inputs::pinned_beside(disk, found, digest)?;
        let later = inputs.plan(&inputs.check())?;
        Arc::make_mut(&mut plan).later.insert(later);
    }
    let state = fold(&plan, &entries);
    Ok(Recovered { found: found.clone(), inputs, plan, genesis, entries, state })
}

/// The plans that took the place of the first one, in order.
fn replans(entries: &[Entry]) -> Vec<Digest> {
    let facts = entries.iter().flat_map(|entry| &entry.facts);
    let plan = |fact: &crate::engine::Fact| {
        if let Event::Replanned { plan, .. } = &fact.event { Some(*plan) } else { None }
    };
    facts.filter_map(plan).collect()
}

/// The state after `entries`; no effects, what was done then is not done again now.
pub fn fold(plan: &Arc<Plan>, entries: &[Entry]) -> State {
    let mut state = State::new(Arc::clone(plan));
    for entry in entries {
        for fact in &entry.facts {
            state.apply(entry.at, &fact.by, &fact.event);
        }
    }
    state
}

impl Recovered {
    /// The plans of the session with `now` in the place of the one that it goes by now: the same,
    /// with the addresses that are really used.
    pub fn grounded(&self, now: &Arc<Plan>) -> Arc<Plan> {
        if self.plan.digest == now.digest {
            let mut first = (**now).clone();
            first.later.clone_from(&self.plan.later);
            first.later.insert(Arc::clone(now));
            return Arc::new(first);
        }
        let mut first = (*self.plan).clone();
        first.later.insert(Arc::clone(now));
        Arc::new(first)
    }

    /// The time of the last line.
    pub fn last(&self) -> Timestamp {
        self.entries.last().map_or_else(Timestamp::default, |entry| entry.at)
    }
}
