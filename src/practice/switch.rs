//! What faults do to a host's network: it can be off, and its connections can be cut.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// A host's network switch.
#[derive(Debug)]
pub(super) struct Switch(Mutex<State>);

#[derive(Debug)]
struct State {
    on: bool,
    /// Cancelled to cut all connections of now.
    cut: CancellationToken,
    /// Ends everything.
    end: CancellationToken,
}

impl Switch {
    /// A switch that is on until `end`.
    pub(super) fn new(end: &CancellationToken) -> Self {
        Self(Mutex::new(State { on: true, cut: end.child_token(), end: end.clone() }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cuts a new connection; `None` if the host takes none.
    pub(super) fn connect(&self) -> Option<CancellationToken> {
        let state = self.state();
        state.on.then(|| state.cut.clone())
    }

    /// Cuts all connections of now.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        let next = state.end.child_token();
        std::mem::replace(&mut state.cut, next).cancel();
    }

    /// Switches the host off or on; off cuts all connections.
    pub(super) fn set(&self, on: bool) {
        self.state().on = on;
        if !on {
            self.cut();
        }
    }
}
