//! The tasks of the channels: what waits, what is tried again, and what is given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::{ChannelId, SafeText};
use crate::engine::{End, Job, Key, Mark, Place};
use crate::exec::edge::Report;
use crate::exec::outbox::Outbox;
use crate::exec::secrets::Secrets;
use crate::exec::web::Web;
use crate::plan::Plan;
use crate::runbook::Channel;

use super::send::Sender;

/// Notices that are told in one message.
const TOGETHER_MAX: usize = 200;

/// A step that tells waits no longer for the first try.
const FIRST_MAX: Duration = Duration::from_secs(5);

/// How long channels are waited for.
#[derive(Clone, Debug)]
pub struct Patience {
    /// What comes within this time is told together.
    pub gather: Duration,
    /// The waits between tries, before a little is added or taken by chance.
    pub delays: Vec<Duration>,
    /// One try takes no longer.
    pub limit: Duration,
}

impl Default for Patience {
    /// Five tries within ten minutes, whatever happens.
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(300),
            delays: [2, 10, 45, 180].map(Duration::from_secs).to_vec(),
            limit: Duration::from_secs(30),
        }
    }
}

/// Something to be told.
#[derive(Debug)]
pub(in crate::exec) struct Notice {
    pub(in crate::exec) text: SafeText,
    pub(in crate::exec) mark: Mark,
}

/// A notice on its way to one channel.
struct Waiting {
    notice: Arc<Notice>,
    tries: usize,
    /// Where the first try is told of.
    first: Option<oneshot::Sender<Result<(), String>>>,
}

/// Tells channels.
pub(in crate::exec) struct Desk {
    plan: Arc<Plan>,
    sender: Sender,
    reports: Outbox,
    patience: Patience,
    runtime: tokio::runtime::Handle,
    open: Mutex<BTreeMap<ChannelId, mpsc::UnboundedSender<Waiting>>>,
}

impl Desk {
    pub(in crate::exec) fn new(
        plan: &Arc<Plan>,
        web: Web,
        secrets: &Secrets,
        reports: Outbox,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let sender = Sender { web, secrets: secrets.clone() };
        let (plan, patience, open) = (Arc::clone(plan), Patience::default(), Mutex::default());
        Self { plan, sender, reports, patience, runtime, open }
    }

    pub(in crate::exec) fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Tells `channels`; the end for `key` is reported once each of them has it or is being tried
    /// again.
    pub(in crate::exec) fn tell(&self, key: Option<Key>, channels: &[ChannelId], notice: Notice) {
        let text = self.sender.secrets.clean(notice.text);
        let notice = Arc::new(Notice { text, mark: notice.mark });
        let firsts: Vec<_> = channels
            .iter()
            .filter_map(|id| self.plan.channels.iter().find(|channel| channel.id == *id))
            .map(|channel| {
                let (tell, first) = oneshot::channel();
                let notice = Arc::clone(&notice);
                self.queue(channel, Waiting { notice, tries: 0, first: Some(tell) });
                first
            })
            .collect();
        let Some(key) = key else { return };
        let reports = self.reports.clone();
        self.runtime.spawn(async move {
            let mut lost = Vec::new();
            for first in firsts {
                // Nobody waits for a channel: what is under way is told of when it ends.
                match tokio::time::timeout(FIRST_MAX, first).await {
                    Ok(Ok(Ok(()))) | Err(_) => {}
                    Ok(Ok(Err(why))) => lost.push(why),
                    Ok(Err(_)) => lost.push("the notice task ended early".to_owned()),
                }
            }
            let unmet = (!lost.is_empty()).then(|| SafeText::new(&lost.join("; ")));
            let end =
                End::Exited { code: i32::from(unmet.is_some()), unmet, captured: BTreeMap::new() };
            let job = Job { key, place: Place::Here };
            reports.send(Report::Ended { job, end, transcript: None });
        });
    }

    fn queue(&self, channel: &Channel, waiting: Waiting) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A task that is gone, which is a bug of ours, is begun again.
        let gone = open.get(&channel.id).is_none_or(mpsc::UnboundedSender::is_closed);
        if gone {
            let (way, queue) = mpsc::unbounded_channel();
            let task = Task {
                channel: channel.clone(),
                queue,
                sender: self.sender.clone(),
                reports: self.reports.clone(),
                patience: self.patience.clone(),
            };
            self.runtime.spawn(task.run());
            open.insert(channel.id.clone(), way);
        }
        if let Some(way) = open.get(&channel.id) {
            way.send(waiting).ok();
        }
    }
}

/// The task of one channel.
struct Task {
    channel: Channel,
    queue: mpsc::UnboundedReceiver<Waiting>,
    sender: Sender,
    reports: Outbox,
    patience: Patience,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut batch = vec![first];
            tokio::time::sleep(self.patience.gather).await;
            while !batch.is_empty() {
                self.gather(&mut batch);
                let wait = self.try_once(&mut batch).await;
                if batch.is_empty() {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
        }
    }

    fn gather(&mut self, batch: &mut Vec<Waiting>) {
        while batch.len() < TOGETHER_MAX
            && let Ok(next) = self.queue.try_recv()
        {
            batch.push(next);
        }
    }

    /// Tries to tell all that waits. What is left is to be tried again after the time given back.
    async fn try_once(&self, batch: &mut Vec<Waiting>) -> Duration {
        let notices: Vec<_> = batch.iter().map(|waiting| Arc::clone(&waiting.notice)).collect();
        let sent = self.sender.send(&self.channel, &notices, self.patience.limit).await;
        for waiting in batch.iter_mut() {
            waiting.tries += 1;
            if let Some(first) = waiting.first.take() {
                let own = match &sent {
                    Err(failed) if !failed.again => Err(self.words(&failed.why)),
                    Err(_) | Ok(()) => Ok(()),
                };
                first.send(own).ok();
            }
        }
        let tries = batch.iter().map(|waiting| waiting.tries).max().unwrap_or(1);
        let failed = match sent {
            Ok(()) => {
                self.report(batch, tries, None);
                batch.clear();
                return Duration::ZERO;
            }
            Err(failed) => failed,
        };
        tracing::debug!(channel = %self.channel.id, why = %failed.why, tries, "not delivered");
        let last = self.patience.delays.len();
        let over = |waiting: &Waiting| !failed.again || waiting.tries > last;
        let (lost, left): (Vec<_>, Vec<_>) = batch.drain(..).partition(over);
        if !lost.is_empty() {
            self.report(&lost, tries, Some(&failed.why));
        }
        *batch = left;
        let tried = batch.iter().map(|waiting| waiting.tries).min().unwrap_or(1);
        let delay = self.patience.delays.get(tried - 1).copied().unwrap_or(Duration::ZERO);
        let longest = self.patience.delays.last().copied().unwrap_or(Duration::ZERO);
        let asked = failed.after.unwrap_or(Duration::ZERO).min(longest);
        self.jitter(delay, tried).max(asked)
    }

    fn words(&self, why: &str) -> String {
        format!("channel {} ({}): {why}", self.channel.id, self.channel.way.word())
    }

    fn report(&self, batch: &[Waiting], tries: usize, lost: Option<&str>) {
        self.reports.send(Report::Told {
            channel: self.channel.id.clone(),
            numbers: batch.iter().map(|waiting| waiting.notice.mark.number).collect(),
            tries: u32::try_from(tries).unwrap_or(u32::MAX),
            lost: lost.map(|why| SafeText::new(&self.words(why))),
        });
    }

    /// A quarter more or less, so that many consoles do not come back all at once.
    fn jitter(&self, delay: Duration, tried: usize) -> Duration {
        let id = self.channel.id.as_str().bytes().chain(std::process::id().to_be_bytes());
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        let hash = id.chain(tried.to_be_bytes()).fold(2_166_136_261, step);
        delay.mul_f64(0.75 + f64::from(hash % 1000) / 2000.0)
    }
}
