//! A desk for durable steps on a real `sshd`: an edge, what it prints and what it tells.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use golive::base::Digest;
use golive::engine::{Begun, Durable, Effect, End, Job, Key, Part, Place, Run, Sight, Transcript};
use golive::exec::ssh::Pool;
use golive::exec::{Edge, Report, Secrets, Sink, Sinks};
use golive::runbook::Expect;
use tokio::sync::mpsc;

use crate::sshd::{Sshd, eventually, id, sh, signal};

/// What one job printed: how much, and its digest, on each stream.
#[derive(Clone, Default)]
pub(crate) struct Printed {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

/// Keeps what jobs print.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<BTreeMap<String, Printed>>>, Option<PathBuf>);

impl Shelf {
    fn shelf(&self) -> MutexGuard<'_, BTreeMap<String, Printed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, job: &Job) -> Printed {
        self.0.lock().unwrap().get(&job.to_string()).cloned().unwrap_or_default()
    }
}

struct Book(Shelf, String);

impl Sinks for Shelf {
    fn open(&self, job: &Job) -> io::Result<Box<dyn Sink>> {
        self.shelf().insert(job.to_string(), Printed::default());
        Ok(Box::new(Book(self.clone(), job.to_string())))
    }

    fn evidence(&self) -> io::Result<PathBuf> {
        self.1.clone().ok_or_else(|| io::Error::other("nothing is kept here"))
    }
}

impl Sink for Book {
    fn write(&mut self, error_stream: bool, bytes: &[u8]) -> io::Result<()> {
        let mut shelf = self.0.shelf();
        let printed = shelf.entry(self.1.clone()).or_default();
        if error_stream { &mut printed.err } else { &mut printed.out }.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Option<Transcript>> {
        let digest = Digest::of(b"");
        Ok(Some(Transcript { bytes: 0, lines: 0, digest, redacted: BTreeMap::new() }))
    }
}

/// An edge on a real server.
pub(crate) struct Console {
    pub(crate) edge: Edge,
    pub(crate) shelf: Shelf,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    /// What was told of each job.
    pub(crate) told: Vec<(String, Sight)>,
    pub(crate) ends: BTreeMap<String, End>,
    /// Nothing that is waited for is without news for longer.
    pub(crate) patience: Duration,
}

impl Console {
    pub(crate) fn new(pool: Pool) -> Self {
        Self::with(pool, &Secrets::none())
    }

    pub(crate) fn with(pool: Pool, secrets: &Secrets) -> Self {
        Self::keeping(pool, secrets, None, crate::session::THREE)
    }

    /// One that keeps evidence, for the plan of this runbook.
    pub(crate) fn keeping(
        pool: Pool,
        secrets: &Secrets,
        evidence: Option<&Path>,
        runbook: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("night.toml");
        fs::write(&file, runbook).unwrap();
        let (_, plan) = crate::session::inputs(&file);
        let (sender, reports) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Handle::current();
        let shelf = Shelf(Arc::default(), evidence.map(Path::to_owned));
        let sinks = Arc::new(shelf.clone());
        let edge = Edge::new(&plan, pool, sinks, sender, runtime, secrets);
        let (edge, told, ends) = (edge.unwrap(), Vec::new(), BTreeMap::new());
        Self { edge, shelf, reports, told, ends, patience: crate::sshd::PATIENCE }
    }

    /// Takes reports in until there is something.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let report = tokio::time::timeout(self.patience, self.reports.recv()).await;
            match report.unwrap_or_else(|_| panic!("in vain: {what}; {:?}", self.told)).unwrap() {
                Report::Ended { job, end, .. } => {
                    self.ends.insert(job.to_string(), end);
                }
                Report::Sighted { job, sight } => self.told.push((job.to_string(), sight)),
                Report::Silent { .. }
                | Report::Flood { .. }
                | Report::Progress { .. }
                | Report::Host { .. }
                | Report::Reading { .. }
                | Report::Proved { .. }
                | Report::Link { .. }
                | Report::LooksSecret { .. }
                | Report::Tainted { .. }
                | Report::OutputLost { .. }
                | Report::OutputAway { .. }
                | Report::Told { .. } => {}
            }
        }
    }

    pub(crate) async fn end(&mut self, job: &Job) -> End {
        let name = job.to_string();
        self.wait("an end", |console| console.ends.get(&name).cloned()).await
    }

    pub(crate) async fn begun(&mut self, job: &Job) -> Begun {
        let name = job.to_string();
        self.wait("a beginning", |console| {
            console.told.iter().find_map(|(job, sight)| match sight {
                Sight::Began(begun) if *job == name => Some(begun.clone()),
                Sight::Began(_)
                | Sight::Lost { .. }
                | Sight::Back
                | Sight::Orphan
                | Sight::Attached { .. } => None,
            })
        })
        .await
    }

    /// The kinds of what was told of a job, in order.
    pub(crate) fn kinds(&self, job: &Job) -> Vec<&'static str> {
        let of_job = self.told.iter().filter(|(name, _)| *name == job.to_string());
        let kind = |(_, sight): &(String, Sight)| match sight {
            Sight::Began(_) => "began",
            Sight::Lost { .. } => "lost",
            Sight::Back => "back",
            Sight::Orphan => "orphan",
            Sight::Attached { .. } => "attached",
        };
        of_job.map(kind).collect()
    }

    /// Waits until something of that kind was told of a job, so many times.
    pub(crate) async fn told(&mut self, job: &Job, kind: &str, times: usize) {
        self.wait(kind, |console| {
            let count = console.kinds(job).iter().filter(|it| **it == kind).count();
            (count >= times).then_some(())
        })
        .await;
    }
}

/// A durable run on `web1`.
pub(crate) fn durable(step: &str, attempt: u32, line: &str) -> Run {
    let place = Place::Host(id("web1"));
    Run {
        key: Key { step: step.parse().unwrap(), part: Part::Action, attempt },
        places: vec![place],
        line: line.to_owned(),
        env: BTreeMap::new(),
        stdin: None,
        r#become: false,
        silence: None,
        expect: Expect::default(),
        capture: BTreeMap::new(),
        progress: None,
        poll: None,
        prove: false,
        durable: Some(Durable {
            session: "night-1".parse().unwrap(),
            after: BTreeMap::new(),
            after_in: BTreeMap::new(),
            records: BTreeMap::new(),
            begun: BTreeMap::new(),
            reboot: false,
            stop: false,
        }),
        builtin: None,
        session: None,
    }
}

pub(crate) fn job(run: &Run) -> Job {
    Job { key: run.key.clone(), place: run.places[0].clone() }
}

pub(crate) fn start(console: &Console, run: Run) -> Job {
    let job = job(&run);
    console.edge.perform(Effect::Run(Box::new(run)));
    job
}

#[track_caller]
pub(crate) fn code(end: &End) -> i32 {
    let End::Exited { code, .. } = end else { panic!("{end:?}") };
    *code
}

/// The processes whose command line is this.
pub(crate) fn running(line: &str) -> usize {
    sh("ps", &["-A", "-o", "args="]).lines().filter(|it| *it == line).count()
}

/// Cuts every connection that the server serves now, by ending the processes that serve them.
pub(crate) async fn cut(sshd: &Sshd) {
    let serving = eventually("a connection", || {
        let serving = sshd.connections();
        (!serving.is_empty()).then_some(serving)
    })
    .await;
    for pid in serving {
        signal("KILL", pid);
    }
}

/// A line that counts itself in a ledger: two marks there are two runs.
pub(crate) fn counted(ledger: &Path, line: &str) -> String {
    format!("echo run >>{}; {line}", ledger.display())
}

pub(crate) fn count(ledger: &Path) -> usize {
    fs::read_to_string(ledger).unwrap_or_default().lines().count()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
