//! How everything else speaks with a session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::base::{ChannelId, HostId, Millis, SafeText, Share, StepId, Timestamp};
use crate::engine::{
    Actor, Attempt, Board, Command, End, Event, Fact, Job, Need, Refusal, ShellEnded, ShellOpened,
    State, Status,
};
use crate::exec::ssh::Cells;
use crate::journal::Stream;
use crate::plan;

use super::ahead::Ahead;
use super::notary::{Desk, Signing};
use super::shell::{Shell, Shells};

/// What a session shows of itself: a moment, complete in itself.
#[derive(Clone, Debug)]
pub struct View {
    /// Where the run stands.
    pub state: Arc<State>,
    /// The health panels.
    pub board: Arc<Board>,
    /// The number of the last line on disk.
    pub seq: u64,
    /// How often the record was written anew: what was opened before is not the record any more.
    pub anew: u64,
    /// The seal of the last line, shortened.
    pub head: String,
    /// How far the record is signed.
    pub signing: Signing,
    /// Why nothing can be recorded; none while all is well.
    pub not_recorded: Option<SafeText>,
    /// The lines of the journal that no disk has taken yet, oldest first, with their line ends.
    pub kept: Vec<Arc<str>>,
    /// Jobs that have ended since nothing can be recorded: seen, and in no record yet.
    pub unrecorded: Arc<BTreeMap<Job, End>>,
    /// How far running jobs say that they have come. In no record: it is read from their output.
    pub gauges: Arc<BTreeMap<Job, Gauge>>,
    /// The links to the hosts.
    pub links: Arc<BTreeMap<HostId, LinkView>>,
    /// When each need of the way back was looked at last. In no record, but for what changed.
    pub proved: Arc<BTreeMap<Need, Timestamp>>,
    /// The last facts, oldest first: at most 500.
    pub tail: VecDeque<Arc<TailFact>>,
    /// The session's time when this was made.
    pub at: Timestamp,
}

/// How far a job said that it has come, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// How far.
    pub share: Share,
    /// When.
    pub at: Timestamp,
}

impl View {
    /// What has happened so far, with what running steps say of themselves: for forecasts.
    pub fn progress(&self) -> plan::Progress {
        let left = self.state.plan().order.iter();
        let left = left.filter_map(|step| Some((step.clone(), self.left(step)?))).collect();
        plan::Progress { left, ..self.state.progress() }
    }

    /// All times as they look at `now`.
    pub fn forecast(&self, now: Timestamp) -> plan::Forecast {
        plan::forecast(self.state.plan(), &self.progress(), now)
    }

    /// How much longer the action of a step takes, if each place says how far it is there.
    fn left(&self, step: &StepId) -> Option<Millis> {
        let track = self.state.track(step);
        let attempt = track.last_action().filter(|_| track.status == Status::Running)?;
        if !attempt.to_come.is_empty() {
            return None; // It speaks of this wave only.
        }
        let mut longest = None;
        for job in attempt.open_jobs() {
            let Gauge { share, at } = self.gauges.get(&job)?;
            let left = share.left(at.since(attempt.wave.started))?.minus(self.at.since(*at));
            longest = longest.max(Some(left));
        }
        longest
    }

    /// Whether something runs still: it started, and nobody has heard of its end.
    pub fn runs(&self) -> bool {
        self.open_jobs().next().is_some()
    }

    /// Whether the last word of the journal closes the session.
    pub fn is_closed(&self) -> bool {
        self.tail.back().is_some_and(|last| last.fact.event == Event::Closed)
    }

    fn open_jobs(&self) -> impl Iterator<Item = Job> {
        let open = self.state.in_flight().flat_map(Attempt::open_jobs);
        open.filter(|job| !self.unrecorded.contains_key(job))
    }

    /// What runs and ends with this process, or could not be told from lost without it: durable
    /// jobs are not among it.
    pub fn bound_to_us(&self) -> Vec<Job> {
        self.open_jobs().filter(|job| !self.state.is_durable(job)).collect()
    }
}

/// A fact and the line of the journal that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailFact {
    /// The number of the line.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

/// The link to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkView {
    /// Not tried yet.
    Idle,
    /// Being opened.
    Connecting,
    /// Open.
    Up,
    /// Gone, and why.
    Down(SafeText),
}

/// The links to the hosts of a plan: what is `known`, else not tried yet.
pub(super) fn links_of(
    plan: &plan::Plan,
    known: &BTreeMap<HostId, LinkView>,
) -> BTreeMap<HostId, LinkView> {
    let idle = plan.hosts.keys().map(|host| (host.clone(), LinkView::Idle));
    idle.chain(known.clone()).collect()
}

/// Some output of a job, for a screen. The transcript has all of it already.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Of which job.
    pub job: Job,
    /// On which stream.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Bytes,
    /// When they came.
    pub at: Timestamp,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, Error)]
pub enum SubmitError {
    /// It is not possible now; nothing was done.
    #[error(transparent)]
    Refused(Refusal),
    /// It could not be recorded, so it was not done.
    #[error("not recorded, so not done: {0}")]
    NotRecorded(SafeText),
    /// The session has ended.
    #[error("the session has ended")]
    Gone,
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::NotRecorded { why } = refusal {
            return Self::NotRecorded(why);
        }
        Self::Refused(refusal)
    }
}

/// A wish and where to answer.
#[derive(Debug)]
pub(super) struct Request {
    pub by: Actor,
    pub command: Command,
    pub answer: oneshot::Sender<Result<(), SubmitError>>,
}

/// The way to a running session. Cheap to clone; the session ends when all are gone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) views: watch::Receiver<Arc<View>>,
    pub(super) desk: Option<Desk>,
    pub(super) ahead: Ahead,
    pub(super) shells: Shells,
}

impl Handle {
    /// Carries out `command`, and says so once it is on disk.
    ///
    /// # Errors
    /// It was refused, could not be recorded, or the session has ended; nothing was done then.
    pub async fn submit(&self, by: &Actor, command: Command) -> Result<(), SubmitError> {
        self.ask(by, command).await.await.unwrap_or(Err(SubmitError::Gone))
    }

    /// The same without waiting: the answer comes through the receiver.
    pub async fn ask(
        &self,
        by: &Actor,
        command: Command,
    ) -> oneshot::Receiver<Result<(), SubmitError>> {
        let (answer, receiver) = oneshot::channel();
        let request = Request { by: by.clone(), command, answer };
        if let Err(gone) = self.requests.send(request).await {
            // The receiver hears of it even though the session cannot tell.
            gone.0.answer.send(Err(SubmitError::Gone)).ok();
        }
        receiver
    }

    /// Asks without waiting even for room in the queue; refused as gone when there is none.
    pub fn try_ask(
        &self,
        by: &Actor,
        command: Command,
    ) -> oneshot::Receiver<Result<(), SubmitError>> {
        let (answer, receiver) = oneshot::channel();
        let request = Request { by: by.clone(), command, answer };
        if let Err(error) = self.requests.try_send(request) {
            let (mpsc::error::TrySendError::Full(request)
            | mpsc::error::TrySendError::Closed(request)) = error;
            request.answer.send(Err(SubmitError::Gone)).ok();
        }
        receiver
    }

    /// Comes back when all that was written is covered by a checkpoint, signed, and with its
    /// witnesses, as far as that can be; soon, unless the key needs a person. How far it came.
    pub async fn settle(&self) -> Signing {
        let Some(desk) = &self.desk else { return Signing::default() };
        desk.settle().await;
        desk.signing()
    }

    /// Comes back when no notice is under way any more, or after `limit`; gives back how many are
    /// then, by channel.
    pub async fn told(&self, limit: Duration) -> BTreeMap<ChannelId, usize> {
        let mut views = self.views();
        let told = views.wait_for(|view| view.state.open_notices().is_empty());
        tokio::time::timeout(limit, told).await.map(drop).ok();
        let mut left = BTreeMap::new();
        for notice in self.view().state.open_notices() {
            *left.entry(notice.channel.clone()).or_default() += 1;
        }
        left
    }

    /// Where whoever drives by rules says what would be asked for next.
    pub const fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// Opens the shell that the record says is opened, for a terminal of this kind (`TERM`) and
    /// size. Whoever asks waits for a link, and does not have to keep anything else waiting.
    ///
    /// # Errors
    /// There is none: how that is to be recorded.
    pub fn open_shell(
        &self,
        opened: ShellOpened,
        kind: String,
        size: Cells,
    ) -> impl Future<Output = Result<Shell, Box<ShellEnded>>> + Send + use<> {
        self.shells.clone().open(opened, kind, size)
    }

    /// The newest view.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// All views to come; slow readers see only the newest.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }
}
