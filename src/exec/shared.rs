//! An output that its owner can look at while a command writes to it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ssh::{Output, Stream};

/// An output with two owners.
#[derive(Default)]
pub(super) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    pub(super) fn new(output: T) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    /// The output. A task that panicked while it wrote leaves what it had written.
    pub(super) fn look(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The output itself, once nobody else writes to it.
    pub(super) fn into_inner(self) -> Option<T> {
        let mutex = Arc::into_inner(self.0)?;
        Some(mutex.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Output> Output for Shared<T> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.look().chunk(stream, bytes)
    }
}
