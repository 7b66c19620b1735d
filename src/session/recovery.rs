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
    /// What it was made from.
    pub inputs: Inputs,
    /// Its plan.
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
    let plan = inputs.plan(&inputs.check())?;
    let state = fold(&plan, &entries);
    Ok(Recovered { found: found.clone(), inputs, plan, genesis, entries, state })
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
    /// The time of the last line.
    pub fn last(&self) -> Timestamp {
        self.entries.last().map_or_else(Timestamp::default, |entry| entry.at)
    }
}
