//! One job: its transcript opened, its command run, its end judged against what was expected.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::base::{HostId, Millis, SafeText, SecretName, VarName};
use crate::engine::{Doubt, End, Job, Place, Run, Sight, Transcript};

use super::builtin;
use super::durable::{self, Fate, Hosts, Trip};
use super::edge::{Link, Report, Sink, Sinks};
use super::flood::Flood;
use super::gauge::Gauge;
use super::local;
use super::outbox::Outbox;
use super::redact::{self, Needles, Redactor};
use super::secrets::Secrets;
use super::shape;
use super::shared::Shared;
use super::ssh::{
    self, ErrorKind, Pool, Proof, RunEnd, SshError, StopHandle, StopSignal, Survivor,
};
use super::web::Web;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);

/// A timer that comes later by more than this says something about golive, not about the step.
const LATE: Duration = Duration::from_secs(2);

/// A longer line is judged by its start: expectations are about lines people can read.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A captured value is cut here.
const CAPTURE_CHARS_MAX: usize = 4_096;

/// Stops a job, or lets it go.
pub(super) struct Stops {
    handle: StopHandle,
    let_go: watch::Sender<bool>,
}

impl Stops {
    pub(super) fn new() -> (Self, StopSignal, watch::Receiver<bool>) {
        let (handle, signal) = ssh::stop_pair();
        let (let_go, released) = watch::channel(false);
        (Self { handle, let_go }, signal, released)
    }

    /// Nobody wants to know what becomes of it.
    pub(super) fn let_go(&self) {
        self.let_go.send_replace(true);
    }

    pub(super) fn stop(&self) {
        self.handle.stop(GRACE);
    }
}

/// All that a job needs.
pub(super) struct Task {
    pub run: Arc<Run>,
    pub job: Job,
    pub prefix: Option<String>,
    pub pool: Pool,
    pub sinks: Arc<dyn Sinks>,
    pub reports: Outbox,
    pub secrets: Secrets,
    pub stopped: StopSignal,
    pub released: watch::Receiver<bool>,
    /// It was started before: it is looked for.
    pub follow: bool,
    pub hosts: Arc<Hosts>,
    pub web: Web,
}

/// Runs a job to its end; none if it was let go before.
pub(super) async fn run_job(task: Task) -> Option<(End, Option<Transcript>)> {
    let opened = if task.follow { task.sinks.again(&task.job) } else { task.sinks.open(&task.job) };
    let sink = match opened {
        Ok(sink) => sink,
        Err(error) => {
            let why = SafeText::new(&format!("its transcript cannot be opened: {error}"));
            let doubt = Doubt::Unrecorded;
            let end =
                if task.follow { End::Unknown { why, doubt } } else { End::NotStarted { why } };
            return Some((end, None));
        }
    };
    let heard = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let judge = Judge::new(&task.run, task.secrets.needles());
    let streams = [(); 2].map(|()| Listener {
        redactor: task.secrets.redactor(),
        shapes: shape::Watcher::default(),
    });
    let (job, reports) = (task.job.clone(), task.reports.clone());
    let heard_at = Arc::clone(&heard);
    let gauge = task.run.progress.as_deref().and_then(Gauge::new);
    let redacted = BTreeMap::new();
    let keeps = task.run.durable.is_some() && matches!(task.job.place, Place::Host(_));
    let flood = keeps.then(Flood::default);
    let heard_by =
        Ear { sink, judge, streams, gauge, flood, job, reports, heard: heard_at, began, redacted };
    let ear = Shared::new(heard_by);
    let quiet = task.run.silence.map(|silence| {
        let (job, reports) = (task.job.clone(), task.reports.clone());
        AbortOnDrop(tokio::spawn(watch_silence(job, reports, silence, heard, began)))
    });
    let outcome = match (&task.run.builtin, task.run.poll) {
        (Some(builtin), _) => Outcome::Own(builtin::perform(&task, builtin, &ear).await),
        (None, None) => whole(&task, &ear).await,
        (None, Some(poll)) => {
            let deadline = Instant::now() + poll.within.to_std();
            Outcome::Plain(poll_until(&task, &ear, poll.every.to_std(), deadline).await)
        }
    };
    drop(quiet);
    let Some(mut ear) = ear.into_inner() else {
        let why = "its output is still being written";
        return Some((End::unknown(Doubt::Unrecorded, why), None));
    };
    let rest = ear.finish();
    let Ear { sink, judge, streams: [out, err], redacted: before, .. } = ear;
    let end = match outcome {
        Outcome::Plain(end) => Some(judge.judge(end, &task.run)),
        Outcome::Durable(fate, unrecorded) => judge.weigh(fate, unrecorded, &task.run),
        Outcome::Own(end) => end.map(|end| judge.add_captured(end, &task.run)),
    };
    let redacted = redact::sum(out.redactor.counts(), err.redactor.counts());
    let redacted = redact::sum(&redacted, &before);
    let kept = rest.and_then(|()| sink.finish());
    let end = end?;
    match kept {
        Ok(kept) => {
            let transcript = kept.map(|kept| Transcript { redacted, ..kept });
            Some((end, transcript))
        }
        Err(error) => {
            let why = format!("{}; its output is not all on disk: {error}", in_words(&end));
            Some((End::unknown(Doubt::Unrecorded, &why), None))
        }
    }
}

/// What became of a command, before it is judged.
enum Outcome {
    /// One that ends with its link.
    Plain(RunEnd),
    /// One that outlives it, and why its output could not be kept.
    Durable(Fate, Option<io::Error>),
    /// Something that golive does itself; none if it was let go.
    Own(Option<End>),
}

/// Runs the command once: so that it outlives its link, where that is wanted and possible.
async fn whole(task: &Task, ear: &Shared<Ear>) -> Outcome {
    let (Some(durable), Place::Host(host)) = (&task.run.durable, &task.job.place) else {
        return Outcome::Plain(once(task, ear).await);
    };
    let tell = |sight: Sight| {
        let job = task.job.clone();
        task.reports.send(Report::Sighted { job, sight });
    };
    let attached = |why: &str| tell(Sight::Attached { why: SafeText::new(why) });
    if let Some(why) = task.hosts.known(host).attached.filter(|_| !task.follow) {
        attached(&why);
        return Outcome::Plain(once(task, ear).await);
    }
    // The values of secrets are needed for a start, and a look for it has none to give.
    let command = match task.secrets.command(&task.run) {
        Ok(command) => command,
        Err(_) if task.follow => ssh::Command::default(),
        Err(why) => return Outcome::Durable(Fate::NotStarted(format!("{host}: {why}")), None),
    };
    let trip = Trip {
        run: Arc::clone(&task.run),
        command,
        durable: durable.clone(),
        host: host.clone(),
        become_prefix: task.prefix.clone(),
        follow: task.follow,
        pool: task.pool.clone(),
        hosts: Arc::clone(&task.hosts),
        stopped: task.stopped.clone(),
        let_go: task.released.clone(),
        grace: GRACE,
    };
    let ended = durable::drive(&trip, ear.clone(), &tell).await;
    match ended.fate {
        Fate::Attached(why) => {
            task.hosts.learn(host, |known| known.attached = Some(why.clone()));
            attached(&why);
            Outcome::Plain(once(task, ear).await)
        }
        fate @ (Fate::NotStarted(_)
        | Fate::Exited(_)
        | Fate::NotRebooted
        | Fate::Rebooted(_)
        | Fate::Stopped(_)
        | Fate::Unknown(..)
        | Fate::LetGo) => {
            if let (Some(error), Fate::NotStarted(_)) = (&ended.unreached, &fate) {
                down(task, host, error);
            }
            Outcome::Durable(fate, ended.unrecorded)
        }
    }
}

/// Says that a host was not reached.
pub(super) fn down(task: &Task, host: &HostId, why: &SshError) {
    if why.kind() != ErrorKind::Other {
        // Said before the end of the job, so that nobody sees the one without the other.
        let link = Link::Down(SafeText::new(&why.to_string()));
        task.reports.send(Report::Link { host: host.clone(), link });
    }
}

/// A task that ends with its job, however that ends.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch_silence(
    job: Job,
    reports: Outbox,
    silence: Millis,
    heard: Arc<AtomicU64>,
    began: Instant,
) {
    loop {
        let last = Duration::from_millis(heard.load(Ordering::Relaxed));
        let quiet = began.elapsed().saturating_sub(last);
        if let Some(left) = silence.to_std().checked_sub(quiet).filter(|left| !left.is_zero()) {
            let before = Instant::now();
            tokio::time::sleep(left).await;
            // golive itself stood still, and what was printed meanwhile is still to be read.
            if before.elapsed() > left + LATE {
                tokio::time::sleep(LATE).await;
            }
            continue;
        }
        reports.send(Report::Silent { job: job.clone(), quiet: silence });
        // Once per silence: wait until something is heard again.
        while heard.load(Ordering::Relaxed) == u64::try_from(last.as_millis()).unwrap_or(u64::MAX) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Runs the command once where the job belongs.
async fn once(task: &Task, ear: &Shared<Ear>) -> RunEnd {
    let Task { run, job, prefix, pool, stopped, .. } = task;
    let mut command = match task.secrets.command(run) {
        Ok(command) => command,
        Err(why) => {
            let host = job.place.to_string();
            return RunEnd::NotStarted { why: SshError::BadCommand { host, why } };
        }
    };
    command.become_prefix.clone_from(prefix);
    command.prove = run.prove;
    let output = Box::new(ear.clone());
    let host = match &job.place {
        Place::Host(host) => host,
        Place::Here => return local::run(command, output, stopped.clone()).await,
    };
    let end = pool.run(host, command, output, stopped.clone()).await;
    if let RunEnd::NotStarted { why } = &end {
        down(task, host, why);
    }
    end
}

/// Runs the command until it exits with 0, the time is over, or it is stopped.
async fn poll_until(task: &Task, ear: &Shared<Ear>, every: Duration, deadline: Instant) -> RunEnd {
    loop {
        let end = once(task, ear).await;
        let done = match &end {
            RunEnd::Exited { code: 0, .. } | RunEnd::Stopped { .. } | RunEnd::Unrecorded { .. } => {
                true
            }
            RunEnd::Exited { .. }
            | RunEnd::Signalled { .. }
            | RunEnd::NotStarted { .. }
            | RunEnd::Lost { .. } => Instant::now() + every > deadline,
        };
        if done {
            return end;
        }
        let mut stopped = task.stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            // Nothing of it runs between two looks: it is stopped, and gone.
            _ = stopped.asked() => {
                let proof = Proof { gone: true, reached: true, ..Proof::default() };
                return RunEnd::Stopped { proof, status: None };
            }
        }
    }
}

/// Hears what a command prints: takes secrets out, keeps the rest, and then judges that.
pub(super) struct Ear {
    sink: Box<dyn Sink>,
    judge: Judge,
    /// Standard output and standard error.
    streams: [Listener; 2],
    gauge: Option<Gauge>,
    /// Of a step whose host keeps what it prints.
    flood: Option<Flood>,
    job: Job,
    reports: Outbox,
    heard: Arc<AtomicU64>,
    began: Instant,
    /// What was taken out of the output before it came here.
    redacted: BTreeMap<SecretName, u64>,
}

impl ssh::Output for Ear {
    fn chunk(&mut self, stream: ssh::Stream, bytes: &[u8]) -> io::Result<()> {
        let error_stream = stream == ssh::Stream::Stderr;
        if let Some(bytes) = self.flood.as_mut().and_then(|flood| flood.add(bytes.len())) {
            self.reports.send(Report::Flood { job: self.job.clone(), bytes });
        }
        let [out, err] = &mut self.streams;
        let listener = if error_stream { err } else { out };
        let clean = listener.redactor.feed(bytes);
        if !clean.is_empty() {
            self.sink.write(error_stream, &clean)?;
            let shapes = listener.shapes.feed(&clean);
            self.judge.hear(error_stream, &clean);
            self.tell(shapes);
            if !error_stream {
                self.tell_progress(&clean);
            }
        }
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(millis, Ordering::Relaxed);
        Ok(())
    }
}

/// What is done with the bytes of one stream before anybody else has them.
struct Listener {
    redactor: Redactor,
    shapes: shape::Watcher,
}

impl Ear {
    /// Counts what was taken out of the output before it came here.
    pub(super) fn also_redacted(&mut self, counts: &BTreeMap<SecretName, u64>) {
        self.redacted = redact::sum(&self.redacted, counts);
    }

    /// Keeps and judges what was held back: nothing follows it.
    fn finish(&mut self) -> io::Result<()> {
        let mut shapes = Vec::new();
        for (error_stream, listener) in [false, true].into_iter().zip(&mut self.streams) {
            let rest = listener.redactor.finish();
            if !rest.is_empty() {
                self.sink.write(error_stream, &rest)?;
                shapes.extend(listener.shapes.feed(&rest));
                self.judge.hear(error_stream, &rest);
            }
            shapes.extend(listener.shapes.finish());
        }
        self.tell(shapes);
        Ok(())
    }

    fn tell_progress(&mut self, bytes: &[u8]) {
        let gauge = self.gauge.as_mut();
        if let Some(share) = gauge.and_then(|gauge| gauge.hear(bytes, Instant::now())) {
            self.reports.send(Report::Progress { job: self.job.clone(), share });
        }
    }

    fn tell(&self, shapes: Vec<&'static str>) {
        for shape in shapes {
            let step = self.job.key.step.clone();
            self.reports.send(Report::LooksSecret { step, shape });
        }
    }
}

/// Looks for what `expect` and `capture` ask, line by line.
struct Judge {
    stdout: Want,
    stderr: Want,
    captures: Vec<(VarName, Regex)>,
    captured: Captured,
}

/// What was captured. A captured value is shown, recorded and put into commands, and none of
/// that is for secrets.
struct Captured {
    values: BTreeMap<VarName, SafeText>,
    /// Values that were not taken, because they held this secret.
    refused: BTreeMap<VarName, SecretName>,
    needles: Arc<Needles>,
}

impl Captured {
    /// Takes the part `range` of a line, unless the mark of a secret is in it, or a part of one.
    fn take(&mut self, name: &VarName, line: &str, range: Range<usize>) {
        let marks = self.needles.marks_in(line);
        let meets = |mark: &Range<usize>| mark.start < range.end && range.start < mark.end;
        if let Some((_, secret)) = marks.iter().find(|(mark, _)| meets(mark)) {
            self.values.remove(name);
            self.refused.insert(name.clone(), (*secret).clone());
            return;
        }
        let value = line.get(range).unwrap_or_default();
        let value: String = value.chars().take(CAPTURE_CHARS_MAX).collect();
        self.refused.remove(name);
        self.values.insert(name.clone(), SafeText::new(&value));
    }

    fn refusal(&self) -> Option<String> {
        let (name, secret) = self.refused.first_key_value()?;
        Some(format!(
            "what it captures as {name} holds secret {secret}; a captured value is shown and recorded"
        ))
    }
}

#[derive(Default)]
struct Want {
    pattern: Option<Regex>,
    found: bool,
    line: Vec<u8>,
}

impl Judge {
    fn new(run: &Run, needles: &Arc<Needles>) -> Self {
        // The loader compiled the same patterns, so they compile here.
        let regex = |pattern: &String| Regex::new(pattern).ok();
        let want = |pattern: &Option<String>| Want {
            pattern: pattern.as_ref().and_then(regex),
            ..Want::default()
        };
        let captures = run.capture.iter();
        Self {
            stdout: want(&run.expect.stdout),
            stderr: want(&run.expect.stderr),
            captures: captures
                .filter_map(|(name, pattern)| Some((name.clone(), regex(pattern)?)))
                .collect(),
            captured: Captured {
                values: BTreeMap::new(),
                refused: BTreeMap::new(),
                needles: Arc::clone(needles),
            },
        }
    }

    fn hear(&mut self, error_stream: bool, bytes: &[u8]) {
        let captures: &[_] = if error_stream { &[] } else { &self.captures };
        let want = if error_stream { &mut self.stderr } else { &mut self.stdout };
        if want.pattern.is_none() && captures.is_empty() {
            return;
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(want.line.len());
            want.line.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                want.take_line(captures, &mut self.captured);
            }
        }
    }

    fn judge(mut self, end: RunEnd, run: &Run) -> End {
        self.stdout.take_line(&self.captures, &mut self.captured);
        self.stderr.take_line(&[], &mut self.captured);
        match end {
            RunEnd::Exited { code, whole } => {
                let code = i32::try_from(code).unwrap_or(i32::MAX);
                if !whole {
                    let why = format!("it exited with {code}, but not all it printed has arrived");
                    return End::unknown(Doubt::Link, &why);
                }
                let unmet = self.unmet(code, run).map(|unmet| SafeText::new(&unmet));
                End::Exited { code, unmet, captured: self.captured.values }
            }
            RunEnd::Signalled { signal, .. } => End::Signalled { signal: SafeText::new(&signal) },
            RunEnd::NotStarted { why } => End::NotStarted { why: SafeText::new(&why.to_string()) },
            RunEnd::Lost { why, .. } => End::unknown(Doubt::Link, &why.to_string()),
            RunEnd::Stopped { proof, .. } => End::Stopped { survivors: survivors(&proof) },
            RunEnd::Unrecorded { why, end } => {
                let end = in_words(&self.judge(*end, run));
                let why = format!("its output could not be kept ({why}); {end}");
                End::unknown(Doubt::Unrecorded, &why)
            }
        }
    }

    /// The end of something that golive did itself, with what is captured from its output.
    fn add_captured(mut self, end: End, run: &Run) -> End {
        let End::Done(mut done) = end else { return end };
        self.stdout.take_line(&self.captures, &mut self.captured);
        if done.unmet.is_none() {
            done.unmet = self.unmet(0, run).map(|unmet| SafeText::new(&unmet));
        }
        done.captured = self.captured.values;
        End::Done(done)
    }

    /// What the fate of a durable command means; none for one that was let go.
    fn weigh(self, fate: Fate, unrecorded: Option<io::Error>, run: &Run) -> Option<End> {
        let end = match fate {
            Fate::Exited(code) => {
                let code = u32::try_from(code).unwrap_or(u32::MAX);
                self.judge(RunEnd::Exited { code, whole: true }, run)
            }
            Fate::NotRebooted => {
                let unmet = Some(SafeText::new("its host was not rebooted"));
                End::Exited { code: 0, unmet, captured: BTreeMap::new() }
            }
            Fate::Rebooted(after) => End::Rebooted { after },
            Fate::Stopped(survivors) => End::Stopped { survivors },
            Fate::NotStarted(why) | Fate::Attached(why) => {
                End::NotStarted { why: SafeText::new(&why) }
            }
            Fate::Unknown(doubt, why) => End::unknown(doubt, &why),
            Fate::LetGo => return None,
        };
        Some(match unrecorded {
            None => end,
            Some(why) => {
                let why = format!("its output could not be kept ({why}); {}", in_words(&end));
                End::unknown(Doubt::Unrecorded, &why)
            }
        })
    }

    fn unmet(&self, code: i32, run: &Run) -> Option<String> {
        if run.poll.is_some() && code != 0 {
            let within = run.poll.map_or(Millis::ZERO, |poll| poll.within);
            return Some(format!("not true within {within}"));
        }
        if !run.expect.exit.contains(&code) && !run.expect.warn.contains(&code) {
            let wanted: Vec<_> = run.expect.exit.iter().map(ToString::to_string).collect();
            return Some(format!("expected exit {}", wanted.join(" or ")));
        }
        let missing = |want: &Want, name: &str| {
            let pattern = want.pattern.as_ref().filter(|_| !want.found)?;
            Some(format!("no line of {name} matches /{pattern}/"))
        };
        let uncaught = || {
            let caught = |name: &&VarName| !self.captured.values.contains_key(*name);
            let name = run.capture.keys().find(caught)?;
            Some(format!("nothing to capture as {name}"))
        };
        missing(&self.stdout, "stdout")
            .or_else(|| missing(&self.stderr, "stderr"))
            .or_else(|| self.captured.refusal())
            .or_else(uncaught)
    }
}

impl Want {
    fn take_line(&mut self, captures: &[(VarName, Regex)], captured: &mut Captured) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() && self.pattern.is_none() {
            return;
        }
        let text = String::from_utf8_lossy(line);
        self.found |= self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text));
        for (name, pattern) in captures {
            if let Some(value) = pattern.captures(&text).and_then(|found| found.get(1)) {
                captured.take(name, &text, value.range());
            }
        }
    }
}

/// Who is left of a stopped command; none where that is not known.
pub(super) fn survivors(proof: &Proof) -> Option<Vec<SafeText>> {
    if proof.gone {
        return Some(Vec::new());
    }
    let one = |alive: &Survivor| {
        SafeText::new(&format!("{} {} ({})", alive.pid, alive.name, alive.state))
    };
    (!proof.survivors.is_empty()).then(|| proof.survivors.iter().map(one).collect())
}

fn in_words(end: &End) -> String {
    match end {
        End::Exited { code, .. } => format!("it exited with {code}"),
        End::Done(done) => done.words(),
        End::Signalled { signal } => format!("signal {signal} ended it"),
        End::Stopped { .. } => "it was stopped".to_owned(),
        End::NotStarted { why } => format!("it did not start: {why}"),
        End::Rebooted { .. } => "its host was rebooted".to_owned(),
        End::Unknown { why, .. } => format!("its outcome is not known: {why}"),
    }
}
