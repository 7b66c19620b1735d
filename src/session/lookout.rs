//! What of the way back is looked at, and how old each proof is: beside the state, as readings are.
//! Only what changes is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Command, Need, Proof, State, Watch};

/// What is looked at, and when somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    watched: BTreeMap<Need, Watched>,
    /// When each was looked at last, to be shown.
    proved: Arc<BTreeMap<Need, Timestamp>>,
    /// What is not looked at any more, and is in the record.
    left: Vec<Need>,
    /// As of which event of the run.
    seen: Option<u64>,
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    /// When the last look gave something; before the first, when looking began.
    last: Timestamp,
}

impl Lookout {
    /// What has to be looked at from now on, where that has changed.
    pub(super) fn orders(&mut self, state: &State, now: Timestamp) -> Option<Vec<Watch>> {
        if self.seen == Some(state.events()) {
            return None;
        }
        self.seen = Some(state.events());
        let wanted: BTreeMap<_, _> = state
            .back_needs()
            .into_iter()
            .filter_map(|(need, watch)| Some((need, watch?)))
            .collect();
        let same = wanted.len() == self.watched.len()
            && wanted.iter().all(|(need, watch)| {
                self.watched.get(need).is_some_and(|watched| watched.watch == *watch)
            });
        if same {
            return None;
        }
        let mut before = std::mem::take(&mut self.watched);
        for (need, watch) in wanted {
            let known = before.remove(&need).filter(|known| known.watch == watch);
            let last = known.map_or(now, |known| known.last);
            self.watched.insert(need, Watched { watch, last });
        }
        self.left.extend(before.into_keys());
        let watched = &self.watched;
        Arc::make_mut(&mut self.proved).retain(|need, _| watched.contains_key(need));
        self.left.retain(|need| !watched.contains_key(need));
        Some(self.watched.values().map(|watched| watched.watch.clone()).collect())
    }

    /// A look has come in; says whether anybody still wants it.
    pub(super) fn heard(&mut self, need: &Need, at: Timestamp) -> bool {
        let Some(watched) = self.watched.get_mut(need) else { return false };
        watched.last = at;
        Arc::make_mut(&mut self.proved).insert(need.clone(), at);
        true
    }

    /// When each need was looked at last.
    pub(super) fn proved(&self) -> Arc<BTreeMap<Need, Timestamp>> {
        Arc::clone(&self.proved)
    }

    /// What has to be said to be known no longer: what nobody looks at, and what nobody has seen
    /// for too long.
    pub(super) fn too_old(&mut self, state: &State, now: Timestamp) -> Vec<Command> {
        let left = std::mem::take(&mut self.left).into_iter();
        let left = left.map(|need| Command::Proved { need, proof: None });
        let old = self.watched.iter().filter(|(need, watched)| {
            let known =
                state.proof_of(need).is_some_and(|it| !matches!(it.proof, Proof::Unknown(_)));
            known && now.since(watched.last) > watched.watch.stale()
        });
        let old = old.map(|(need, watched)| {
            let why = format!("no look has come in for {}", watched.watch.stale());
            let proof = Some(Proof::Unknown(SafeText::new(&why)));
            Command::Proved { need: need.clone(), proof }
        });
        left.chain(old).collect()
    }
}
