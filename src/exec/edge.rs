//! Effects in, reports out: the one place that starts, watches and stops jobs.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::base::{
    ChannelId, HostId, Millis, ProbeId, SafeText, SecretName, SessionId, Share, StepId,
};
use crate::engine::{
    ClockOffset, Doubt, Effect, End, HostSaid, Job, Key, Need, Place, Proof, Reading, Run, Sight,
    State, Transcript, Watch,
};
use crate::plan::Plan;
use crate::runbook::Probe;

use super::durable::{self, Hosts};
use super::job::{Stops, run_job};
use super::lookout::{Look, Lookout};
use super::names::Names;
use super::notify::{Desk, Notice, Patience};
use super::outbox::Outbox;
use super::probe;
use super::secrets::Secrets;
use super::ssh::{LinkChange, LinkState, Pool};
use super::web::Web;

/// So long may a host take to let go of what it holds of a run.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Takes the output of one job.
pub trait Sink: Send {
    /// Keeps some bytes; from standard error if `error_stream`.
    ///
    /// # Errors
    /// They could not be kept: the job is reported as unknown, with this reason.
    /// Where a person has said that this may be, it is no error, and told.
    fn write(&mut self, error_stream: bool, bytes: &[u8]) -> io::Result<()>;

    /// All output has come; none where it may go unkept, and did.
    ///
    /// # Errors
    /// It cannot be said that all of it is on disk.
    fn finish(self: Box<Self>) -> io::Result<Option<Transcript>>;
}

/// Opens a sink for every job.
pub trait Sinks: Send + Sync {
    /// A sink for `job`, before anything of it is sent.
    ///
    /// # Errors
    /// There is none, so the job does not start.
    fn open(&self, job: &Job) -> io::Result<Box<dyn Sink>>;

    /// A sink for a job that was started before, and whose output comes once more from its
    /// first byte.
    ///
    /// # Errors
    /// There is none.
    fn again(&self, job: &Job) -> io::Result<Box<dyn Sink>> {
        self.open(job)
    }

    /// The folder for what is brought from hosts.
    ///
    /// # Errors
    /// There is none.
    fn evidence(&self) -> io::Result<PathBuf> {
        Err(io::Error::other("nothing is kept here"))
    }
}

/// What the edge tells the session.
#[derive(Clone, Debug)]
pub enum Report {
    /// A job has ended.
    Ended {
        /// Which.
        job: Job,
        /// How.
        end: End,
        /// What it printed.
        transcript: Option<Transcript>,
    },
    /// Something became known of a job that runs, or it went out of sight.
    Sighted {
        /// Which.
        job: Job,
        /// What.
        sight: Sight,
    },
    /// A job says how far it has come.
    Progress {
        /// Which.
        job: Job,
        /// How far.
        share: Share,
    },
    /// A job has printed nothing for long.
    Silent {
        /// Which.
        job: Job,
        /// For how long.
        quiet: Millis,
    },
    /// A probe has been read.
    Reading {
        /// Which.
        probe: ProbeId,
        /// What it says.
        reading: Reading,
    },
    /// Something that the way back needs was looked at.
    Proved {
        /// What.
        need: Need,
        /// What that gave.
        proof: Proof,
    },
    /// The link to a host has changed.
    Link {
        /// Which host.
        host: HostId,
        /// How it is now.
        link: Link,
    },
    /// The output of a step looks as if it held a secret that is not declared.
    LooksSecret {
        /// Of which step.
        step: StepId,
        /// What it looks like: `a private key`.
        shape: &'static str,
    },
    /// A file of the session holds the value of a secret: it was written before the value was
    /// known.
    Tainted {
        /// Which, in the session's folder.
        file: SafeText,
        /// Whose value.
        secret: SecretName,
    },
    /// A host has shown something of itself.
    Host {
        /// Which host.
        host: HostId,
        /// What.
        said: HostSaid,
    },
    /// The output of a job is not kept; its end is known all the same.
    OutputLost {
        /// Of which job.
        job: Job,
        /// Why.
        why: SafeText,
    },
    /// A job has printed very much, which its host keeps.
    Flood {
        /// Which.
        job: Job,
        /// So much at least.
        bytes: u64,
    },
    /// The output of a job goes on in another folder.
    OutputAway {
        /// Of which job.
        job: Job,
        /// In which.
        dir: SafeText,
        /// Why.
        why: SafeText,
    },
    /// Notices were delivered, or given up.
    Told {
        /// To whom.
        channel: ChannelId,
        /// Which, by their numbers.
        numbers: Vec<u64>,
        /// The tries that it took.
        tries: u32,
        /// Why they were given up; none when they were delivered.
        lost: Option<SafeText>,
    },
}

/// A link to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Being opened.
    Connecting,
    /// Open.
    Up,
    /// Gone, or not to be had.
    Down(SafeText),
}

/// The edge of a session: performs effects with the runtime it was made in.
pub struct Edge {
    plan: Arc<Plan>,
    pool: Pool,
    sinks: Arc<dyn Sinks>,
    reports: Outbox,
    secrets: Secrets,
    running: Arc<Mutex<BTreeMap<Job, Stops>>>,
    hosts: Arc<Hosts>,
    probes: Vec<JoinHandle<()>>,
    lookout: Lookout,
    runtime: tokio::runtime::Handle,
    web: Web,
    desk: Desk,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}

impl Edge {
    /// An edge for `plan`. Its tasks run on `runtime`. The values of `secrets` reach the steps
    /// that are given them, and leave by no report and no output.
    ///
    /// # Errors
    /// The HTTP client cannot be made: the machine's certificates cannot be read.
    pub fn new(
        plan: &Arc<Plan>,
        pool: Pool,
        sinks: Arc<dyn Sinks>,
        reports: mpsc::UnboundedSender<Report>,
        runtime: tokio::runtime::Handle,
        secrets: &Secrets,
    ) -> Result<Self, reqwest::Error> {
        let web = web_of(plan, secrets)?;
        let reports = Outbox::new(reports, secrets.clone());
        let desk = Desk::new(plan, web.clone(), secrets, reports.clone(), runtime.clone());
        let edge = Self {
            plan: Arc::clone(plan),
            pool,
            sinks,
            reports,
            secrets: secrets.clone(),
            running: Arc::default(),
            hosts: Arc::default(),
            probes: Vec::new(),
            lookout: Lookout::default(),
            runtime,
            web,
            desk,
        };
        edge.watch_links();
        Ok(edge)
    }

    /// How long channels are waited for, in place of what is usual.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.desk.set_patience(patience);
        self
    }

    /// Takes in what the record of a session says of its hosts, when that is taken up again: a host
    /// whose records are others by now cannot say that a step never ran.
    pub fn recall(&self, state: &State) {
        for (host, records) in state.records_on_hosts() {
            self.hosts.learn(&host, |known| {
                known.root_id = Some(records.id.to_string());
                known.sync = Some(records.sync);
            });
        }
    }

    /// Opens the links that steps will need, before they need them.
    pub fn warm(&self) {
        let _entered = self.runtime.enter();
        for host in self.plan.hosts.keys() {
            self.pool.warm(host);
        }
    }

    /// Starts every probe on its own schedule.
    pub fn watch_health(
        &mut self,
        now: impl Fn() -> crate::base::Timestamp + Clone + Send + 'static,
    ) {
        let start = |probe: &Probe| {
            let task = probe::watch(
                probe.clone(),
                self.pool.clone(),
                self.web.clone(),
                self.reports.clone(),
                now.clone(),
            );
            self.runtime.spawn(task)
        };
        self.probes = self.plan.probes.iter().map(start).collect();
    }

    /// Looks at what the way back needs, again and again: at this, and at nothing else any more.
    pub fn look_at(&mut self, watches: Vec<Watch>) {
        let start = |watch: &Watch| Look {
            prefix: becomes(&self.plan, &watch.need.place).filter(|_| watch.r#become),
            watch: watch.clone(),
            pool: self.pool.clone(),
            secrets: self.secrets.clone(),
            reports: self.reports.clone(),
        };
        self.lookout.set(watches, start, &self.runtime);
    }

    /// Performs `effect`; its outcome comes back as reports. Timers are the session's.
    pub fn perform(&self, effect: Effect) {
        match effect {
            Effect::Run(run) => self.run(&Arc::new(*run), false),
            Effect::Follow(run) => self.run(&Arc::new(*run), true),
            Effect::LetGo(job) => {
                if let Some(stops) = self.jobs().get(&job) {
                    stops.let_go();
                }
            }
            Effect::Stop(key) => self.stop(&key),
            Effect::Notify { key, channels, text, mark } => {
                self.desk.tell(key, &channels, Notice { text, mark: *mark });
            }
            Effect::HoldToKey { host, key } => {
                let _entered = self.runtime.enter();
                self.pool.hold_to_key(&host, key.as_str());
                self.pool.warm(&host);
            }
            Effect::ProbeLinks => {
                let _entered = self.runtime.enter();
                self.pool.probe_links();
            }
            Effect::WakeAt(_) => {}
        }
    }

    fn run(&self, run: &Arc<Run>, follow: bool) {
        for place in &run.places {
            let job = Job { key: run.key.clone(), place: place.clone() };
            let (stops, stopped, released) = Stops::new();
            self.jobs().insert(job.clone(), stops);
            let prefix = becomes(&self.plan, place).filter(|_| run.r#become);
            let task = run_job(super::job::Task {
                run: Arc::clone(run),
                job: job.clone(),
                prefix,
                pool: self.pool.clone(),
                sinks: Arc::clone(&self.sinks),
                reports: self.reports.clone(),
                secrets: self.secrets.clone(),
                stopped,
                released,
                follow,
                hosts: Arc::clone(&self.hosts),
                web: self.web.clone(),
            });
            let running = Arc::clone(&self.running);
            let reports = self.reports.clone();
            let task = self.runtime.spawn(task);
            self.runtime.spawn(async move {
                // A job is never without an end: a bug of ours is one that nobody knows.
                let ended = task.await.unwrap_or_else(|error| {
                    let why = format!("golive itself failed while it ran ({error})");
                    Some((End::unknown(Doubt::Link, &why), None))
                });
                running.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
                if let Some((end, transcript)) = ended {
                    reports.send(Report::Ended { job, end, transcript });
                }
            });
        }
    }

    /// Lets hosts forget what they hold of a run, and says of each that did not, why. None takes
    /// longer than five seconds.
    pub async fn close(&self, session: &SessionId, hosts: Vec<HostId>) -> Vec<(HostId, String)> {
        let close = |host: HostId| {
            let (pool, session) = (self.pool.clone(), session.clone());
            let task = async move {
                let closing = durable::close(&pool, &host, &session);
                let closed = tokio::time::timeout(CLOSE_MAX, closing).await;
                let closed = closed.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
                (host, closed)
            };
            self.runtime.spawn(task)
        };
        let closing: Vec<_> = hosts.into_iter().map(close).collect();
        let mut left = Vec::new();
        for task in closing {
            if let Ok((host, Err(why))) = task.await {
                left.push((host, why));
            }
        }
        left
    }

    fn stop(&self, key: &Key) {
        for (job, stops) in self.jobs().iter().filter(|(job, _)| job.key == *key) {
            tracing::debug!(%job, "stopping");
            stops.stop();
        }
    }

    fn jobs(&self) -> std::sync::MutexGuard<'_, BTreeMap<Job, Stops>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_links(&self) {
        let mut changes = self.pool.changes();
        let reports = self.reports.clone();
        let pool = self.pool.clone();
        // Links may have been opened before anybody listened.
        let now = |host: &HostId| LinkChange { host: host.clone(), state: pool.link(host) };
        let before: Vec<_> = self.plan.hosts.keys().map(now).collect();
        self.runtime.spawn(async move {
            if !before.into_iter().all(|change| tell_link(&pool, &reports, change)) {
                return;
            }
            loop {
                let heard = match changes.recv().await {
                    Ok(change) => tell_link(&pool, &reports, change),
                    // Fallen behind: the newest change of each host is still to come.
                    Err(broadcast::error::RecvError::Lagged(_)) => true,
                    Err(broadcast::error::RecvError::Closed) => false,
                };
                if !heard {
                    return;
                }
            }
        });
    }
}

/// A web that knows the authorities of every probe, request and channel of the plan.
pub(super) fn web_of(plan: &Plan, secrets: &Secrets) -> Result<Web, reqwest::Error> {
    let asked = plan.probes.iter().filter_map(|probe| probe.source.asked());
    let channels = plan.channels.iter().filter_map(|channel| channel.ca.as_ref());
    let asks = asked.map(|(_, ask)| ask).chain(plan.http().map(|http| &http.ask));
    let authorities: Vec<_> = asks.filter_map(|ask| ask.ca.as_ref()).chain(channels).collect();
    Web::new(Names::system(), &authorities, secrets)
}

/// The words that make a command run as another user there.
pub(super) fn becomes(plan: &Plan, place: &Place) -> Option<String> {
    match place {
        Place::Host(host) => plan.hosts.get(host).map(|host| host.r#become.clone()),
        Place::Here => Some("sudo -n".to_owned()),
    }
}

/// Reports a change of a link; whether anybody wants to know of the next one.
fn tell_link(pool: &Pool, reports: &Outbox, change: LinkChange) -> bool {
    let LinkChange { host, state } = change;
    let (said, link) = match state {
        LinkState::Idle => return true,
        LinkState::Connecting => (None, Link::Connecting),
        LinkState::Up { peer, .. } => {
            tokio::spawn(watch_clock(pool.clone(), host.clone(), reports.clone()));
            let key = SafeText::new(&peer.host_key.to_string());
            (Some(HostSaid::Key(key)), Link::Up)
        }
        LinkState::Down { reason, other_key } => {
            let key = other_key.map(|key| SafeText::new(&key.to_string()));
            (key.map(HostSaid::OtherKey), Link::Down(SafeText::new(&reason)))
        }
    };
    // What is known of the key comes first: it explains the link.
    let said = said.map(|said| Report::Host { host: host.clone(), said });
    said.into_iter().chain([Report::Link { host, link }]).all(|report| reports.send(report))
}

/// Looks at a host's clock once its new link has nothing better to do.
async fn watch_clock(pool: Pool, host: HostId, reports: Outbox) {
    if let Some((millis, within)) = pool.clock(&host).await {
        let offset = ClockOffset { millis, within };
        reports.send(Report::Host { host, said: HostSaid::Clock(offset) });
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for probe in &self.probes {
            probe.abort();
        }
    }
}
