//! Effects in, reports out: the one place that starts, watches and stops jobs.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::base::{HostId, Millis, ProbeId, SafeText, SecretName, SessionId, StepId};
use crate::engine::{Doubt, Effect, End, Job, Key, Place, Reading, Run, Sight, Transcript};
use crate::plan::Plan;
use crate::runbook::Probe;

use super::durable::{self, Hosts};
use super::job::{Stops, run_job};
use super::outbox::Outbox;
use super::secrets::Secrets;
use super::ssh::{LinkState, Pool};
use super::{notify, probe};

/// So long may a host take to let go of what it holds of a run.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Takes the output of one job.
pub trait Sink: Send {
    /// Keeps some bytes; from standard error if `error_stream`.
    ///
    /// # Errors
    /// They could not be kept: the job is reported as unknown, with this reason.
    fn write(&mut self, error_stream: bool, bytes: &[u8]) -> io::Result<()>;

    /// All output has come.
    ///
    /// # Errors
    /// It cannot be said that all of it is on disk.
    fn finish(self: Box<Self>) -> io::Result<Transcript>;
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
    /// A notice by rule was not delivered.
    NoticeLost {
        /// Why.
        why: SafeText,
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
    runtime: tokio::runtime::Handle,
    http: reqwest::Client,
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
        let http = probe::http_client()?;
        let edge = Self {
            plan: Arc::clone(plan),
            pool,
            sinks,
            reports: Outbox::new(reports, secrets.clone()),
            secrets: secrets.clone(),
            running: Arc::default(),
            hosts: Arc::default(),
            probes: Vec::new(),
            runtime,
            http,
        };
        edge.watch_links();
        Ok(edge)
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
                self.http.clone(),
                self.reports.clone(),
                now.clone(),
            );
            self.runtime.spawn(task)
        };
        self.probes = self.plan.probes.iter().map(start).collect();
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
            Effect::Notify { key, channels, text } => {
                let channels = channels
                    .iter()
                    .filter_map(|id| self.plan.channels.iter().find(|channel| channel.id == *id))
                    .cloned()
                    .collect();
                let task = notify::deliver(
                    key,
                    channels,
                    text,
                    self.reports.clone(),
                    self.secrets.clone(),
                );
                self.runtime.spawn(task);
            }
            Effect::WakeAt(_) => {}
        }
    }

    fn run(&self, run: &Arc<Run>, follow: bool) {
        for place in &run.places {
            let job = Job { key: run.key.clone(), place: place.clone() };
            let (stops, stopped, released) = Stops::new();
            self.jobs().insert(job.clone(), stops);
            let prefix = match place {
                Place::Host(host) if run.r#become => {
                    self.plan.hosts.get(host).map(|host| host.r#become.clone())
                }
                Place::Here if run.r#become => Some("sudo -n".to_owned()),
                Place::Host(_) | Place::Here => None,
            };
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
    /// longer than [`CLOSE_MAX`].
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
        self.runtime.spawn(async move {
            loop {
                let change = match changes.recv().await {
                    Ok(change) => change,
                    // Fallen behind: the newest change of each host is still to come.
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                let link = match change.state {
                    LinkState::Idle => continue,
                    LinkState::Connecting => Link::Connecting,
                    LinkState::Up { .. } => Link::Up,
                    LinkState::Down { reason } => Link::Down(SafeText::new(&reason)),
                };
                if !reports.send(Report::Link { host: change.host, link }) {
                    return;
                }
            }
        });
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for probe in &self.probes {
            probe.abort();
        }
    }
}
