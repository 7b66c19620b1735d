//! A call that waits on its host for the next step.
//!
//! Most of what it takes to start a step is the same for all of them: a channel, a process of
//! sshd, a shell and its sources. Where steps follow one another quickly, the next one's is got
//! ready while the last one runs, and only its words are still to be sent.
//!
//! # Invariants
//!
//! - Nothing was sent but the fixed request. What waits can start nothing: it reads the words of a
//!   step first, and ends without them when the link does.
//! - It takes no session that somebody else wants, on either side.
//! - It does not wait long. At a person's pace no shell stays behind on a host.
//! - A host that has to prove which machine it is has done so on that very connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::call::Call;
use super::channel::{NoChannel, Session, open_channel};
use super::pool::{Pool, Slot, lock};
use super::prove;
use crate::base::HostId;

/// Steps that begin closer together than this will be followed by another.
const QUICK: Duration = Duration::from_secs(2);
/// How long a call waits.
const LASTS: Duration = Duration::from_secs(3);

/// The call that waits on a host, if one does.
#[derive(Default)]
pub(super) struct Ready(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// When a step last began there.
    last: Option<Instant>,
    /// Which call is the one that is being opened, or waits.
    number: u64,
    opening: bool,
    waiting: Option<(&'static str, Call)>,
    /// The server has fewer sessions than we thought.
    never: bool,
}

impl Ready {
    /// A step begins. The number of the call that is to be got ready, if one is.
    fn begin(&self) -> Option<u64> {
        let mut inner = lock(&self.0);
        let last = inner.last.replace(Instant::now());
        let quick = last.is_some_and(|last| last.elapsed() < QUICK);
        if !quick || inner.never || inner.opening || inner.waiting.is_some() {
            return None;
        }
        inner.opening = true;
        inner.number = inner.number.wrapping_add(1);
        Some(inner.number)
    }

    /// What was opened as `number`, unless it was let go of meanwhile.
    fn put(&self, number: u64, request: &'static str, call: Option<Call>) {
        let mut inner = lock(&self.0);
        if inner.opening && inner.number == number {
            inner.opening = false;
            inner.waiting = call.map(|call| (request, call));
        }
    }

    /// Its time is over.
    fn expire(&self, number: u64) {
        let mut inner = lock(&self.0);
        if inner.number == number {
            inner.waiting = None;
        }
    }

    fn take(&self, request: &str) -> Option<Call> {
        let mut inner = lock(&self.0);
        let (_, call) = inner.waiting.take_if(|(waits, _)| *waits == request)?;
        Some(call)
    }

    /// Somebody else needs its place.
    pub(super) fn let_go(&self) {
        let mut inner = lock(&self.0);
        inner.opening = false;
        inner.waiting = None;
    }

    /// The server refuses sessions: none waits there any more.
    pub(super) fn no_more(&self) {
        self.let_go();
        lock(&self.0).never = true;
    }
}

impl Pool {
    /// A step has begun on `host` by `request`. If the one before it did so just now, there will be
    /// another: gets a call ready for it, in the background.
    pub(in crate::exec) fn get_ready(&self, host: &HostId, request: &'static str) {
        let Ok(slot) = self.slot(host) else { return };
        let Some(number) = slot.ready.begin() else { return };
        let budget = self.0.options.budgets.open;
        tokio::spawn(async move {
            let call = open(&slot, request, budget).await;
            slot.ready.put(number, request, call);
            sleep(LASTS).await;
            slot.ready.expire(number);
        });
    }

    /// The call that waits on `slot` for `request`, if it is as good as a new one.
    pub(super) async fn ready_call(&self, slot: &Slot, request: &str, prove: bool) -> Option<Call> {
        let mut call = slot.ready.take(request)?;
        let now = slot.connection()?;
        if !Arc::ptr_eq(&now, call.connection()) || !call.waits() {
            return None;
        }
        let proof = slot.proof().filter(|_| prove);
        // Whoever opens a new one asks again, and says why it cannot be.
        prove::once(&now, slot.name(), proof, self.0.options.budgets.open).await.ok()?;
        Some(call)
    }
}

/// Opens a call in a place that nobody else wants.
async fn open(slot: &Arc<Slot>, request: &'static str, budget: Duration) -> Option<Call> {
    let place = Arc::clone(&slot.sessions).try_acquire_owned().ok()?;
    if slot.sessions.available_permits() == 0 {
        return None;
    }
    let connection = slot.connection()?;
    match open_channel(&connection, budget).await {
        Ok(channel) => {
            let session = Session::new(slot, &connection, place);
            Call::begin(slot.name(), connection, channel, Some(session), request).await.ok()
        }
        Err(NoChannel::Refused(_)) => {
            slot.ready.no_more();
            None
        }
        Err(NoChannel::Dead(_) | NoChannel::Slow) => None,
    }
}
