//! What is known of hosts for all durable steps of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::base::{HostId, SafeText, StepId};
use crate::engine::{Key, Part, Sync};

/// Connections that are opened anew at once, through one way.
const RECONNECTS: usize = 4;

/// What is known of one host.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct Known {
    /// It has answered our protocol.
    pub speaks: bool,
    /// The name of the folder where it keeps what it knows of runs.
    pub root_id: Option<String>,
    /// Records of which somebody was told that what they held of a part of a step cannot be asked
    /// about there: they are gone.
    pub told: BTreeSet<(StepId, Part, SafeText)>,
    /// How far its starts outlive a power cut.
    pub sync: Option<Sync>,
    /// Why no step is durable there.
    pub attached: Option<String>,
}

impl Known {
    /// The first of these records that nobody was told of: they have to answer for earlier attempts
    /// at this part of a step.
    pub(super) fn untold<'a>(&self, key: &Key, records: &'a [SafeText]) -> Option<&'a SafeText> {
        let told = |id: &SafeText| {
            let one = (key.step.clone(), key.part, id.clone());
            self.told.contains(&one)
        };
        records.iter().find(|id| !told(id))
    }
}

/// See the top of this file.
#[derive(Default)]
pub(in crate::exec) struct Hosts {
    known: Mutex<BTreeMap<HostId, Known>>,
    gates: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Hosts {
    /// What is known of `host`.
    pub(in crate::exec) fn known(&self, host: &HostId) -> Known {
        lock(&self.known).get(host).cloned().unwrap_or_default()
    }

    /// Something became known of `host`.
    pub(in crate::exec) fn learn(&self, host: &HostId, change: impl FnOnce(&mut Known)) {
        change(lock(&self.known).entry(host.clone()).or_default());
    }

    /// The gate that new connections by this way go through.
    pub(super) fn gate(&self, way: &str) -> Arc<Semaphore> {
        let make = || Arc::new(Semaphore::new(RECONNECTS));
        Arc::clone(lock(&self.gates).entry(way.to_owned()).or_insert_with(make))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
