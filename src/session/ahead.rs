//! What whoever drives by rules would ask for next, said before it can be asked for.
//!
//! A run without a screen answers to every end of a step by the flags it was given. Said ahead, the
//! answer is decided on the state after that end and shares its line and its sync; the effect leaves
//! when both are on disk. An order is good for one line: who gave it has to see that line before he
//! gives another.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::StepId;
use crate::engine::{Actor, Command};

use super::handle::View;

/// What follows from a view that nobody has seen yet: the start of a step, or nothing.
type Order = Box<dyn FnOnce(&View) -> Option<(Actor, Command)> + Send>;

/// The order that is open, if one is. Its clones are one.
#[derive(Clone, Default)]
pub struct Ahead(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    order: Option<Order>,
    /// No order is taken any more.
    closed: bool,
    /// What was started last by an order.
    started: Option<StepId>,
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("open", &self.lock().order.is_some()).finish()
    }
}

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order, in place of any that is open.
    pub fn give(&self, order: impl FnOnce(&View) -> Option<(Actor, Command)> + Send + 'static) {
        let mut inner = self.lock();
        if !inner.closed {
            inner.order = Some(Box::new(order));
        }
    }

    /// Takes back the order that is open.
    pub fn take_back(&self) {
        self.lock().order = None;
    }

    /// Takes back the order that is open, and takes no other: whoever gives them is asked to leave.
    pub fn close(&self) {
        let mut inner = self.lock();
        (inner.order, inner.closed) = (None, true);
    }

    /// Whether `step` is what an order has started last; asked once.
    pub fn has_started(&self, step: &StepId) -> bool {
        self.lock().started.take_if(|started| started == step).is_some()
    }

    /// Whether an order is open.
    pub(super) fn is_open(&self) -> bool {
        self.lock().order.is_some()
    }

    /// What the open order says to `view`. Anything else than the start of a step has to be asked
    /// for.
    pub(super) fn follow(&self, view: &View) -> Option<(Actor, Command)> {
        // Not called under the lock: it is somebody else's code.
        let order = self.lock().order.take()?;
        let (by, command) = order(view)?;
        let Command::Start { step, .. } = &command else { return None };
        let mut inner = self.lock();
        if inner.closed {
            return None; // Meanwhile.
        }
        inner.started = Some(step.clone());
        drop(inner);
        Some((by, command))
    }
}
