//! The times of all steps at one moment, by name.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use crate::base::StepId;

use super::forecast::StepTimes;
use super::network::Network;

/// The times of every forward step. The names are those of the plan: a forecast a second copies
/// none of them.
#[derive(Clone)]
pub struct Times {
    network: Arc<Network>,
    /// By the places of the steps.
    times: Vec<StepTimes>,
}

impl Times {
    pub(super) const fn new(network: Arc<Network>, times: Vec<StepTimes>) -> Self {
        Self { network, times }
    }

    /// The times of a forward step.
    pub fn get(&self, id: &StepId) -> Option<&StepTimes> {
        self.times.get(self.network.names.place(id)?)
    }

    /// All of them with their names, in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = (&StepId, &StepTimes)> {
        self.network.names.all().iter().zip(&self.times)
    }

    /// All of them, in the order of the file.
    pub fn values(&self) -> impl Iterator<Item = &StepTimes> {
        self.times.iter()
    }
}

impl Index<&StepId> for Times {
    type Output = StepTimes;

    fn index(&self, id: &StepId) -> &StepTimes {
        self.get(id).expect("a forward step of this plan")
    }
}

impl PartialEq for Times {
    fn eq(&self, other: &Self) -> bool {
        self.times == other.times && self.network.names == other.network.names
    }
}

impl Eq for Times {}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.all()).finish()
    }
}
