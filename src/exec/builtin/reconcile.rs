//! Two hosts asked at the same time, and what they say compared.
//!
//! Every line goes to the transcript as it comes, with `left:` or `right:` in front. Secrets are
//! taken out before that, and before anything is compared: no table can show one.

use std::io;

use crate::engine::{Done, Doubt, End, Reconciled};
use crate::exec::job::{Task, down, survivors};
use crate::exec::redact::Redactor;
use crate::exec::shared::Shared;
use crate::exec::ssh::{Output, Proof, RunEnd, Stream};
use crate::runbook::{Reconcile, Side, size};

use super::{Voice, not_started};

/// More than this of one side is not compared: sums and checksums say as much.
const SIDE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A longer line is written in pieces.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// A line of the table in the transcript is no longer.
const TABLE_CELLS: usize = 120;

/// Asks both sides to their ends, and compares what they printed.
pub(super) async fn reconcile(task: &Task, plan: &Reconcile<String>, voice: &Voice) -> End {
    let (left, right) = (&plan.left.on, &plan.right.on);
    voice.say(&format!("left is {left}, right is {right}: {}", plan.how()));
    let [(left_name, left), (right_name, right)] = plan.sides();
    let (left, right) =
        tokio::join!(ask(task, left_name, left, voice), ask(task, right_name, right, voice));
    let found = match (left, right) {
        (Read::All(left), Read::All(right)) => Reconciled::of(plan, &left, &right),
        (Read::Unrecorded(why), _) | (_, Read::Unrecorded(why)) => {
            let why = format!("what it read could not be kept ({why}); it changes nothing");
            return End::unknown(Doubt::Unrecorded, &why);
        }
        (Read::Stopped(proof), Read::Stopped(other)) => return stopped(&[proof, other]),
        (Read::Stopped(proof), _) | (_, Read::Stopped(proof)) => return stopped(&[proof]),
        (Read::NotAsked(left), Read::NotAsked(right)) => {
            return not_started(&format!("{left}; {right}"));
        }
        (Read::Nothing(why) | Read::NotAsked(why), Read::All(_))
        | (Read::All(_), Read::Nothing(why) | Read::NotAsked(why)) => {
            Reconciled::unknown(plan, &why)
        }
        (
            Read::Nothing(left) | Read::NotAsked(left),
            Read::Nothing(right) | Read::NotAsked(right),
        ) => Reconciled::unknown(plan, &format!("{left}; {right}")),
    };
    voice.say(&found.words());
    for line in found.lines(TABLE_CELLS) {
        voice.say(&line);
    }
    End::Done(Box::new(Done::reconciled(found)))
}

/// What became of one side.
enum Read {
    /// It printed this, and ended well.
    All(Vec<u8>),
    /// What it printed does not count, for this reason.
    Nothing(String),
    /// Nothing was sent, for this reason.
    NotAsked(String),
    /// It was stopped.
    Stopped(Proof),
    /// Its output could not be kept.
    Unrecorded(io::Error),
}

async fn ask(task: &Task, name: &'static str, side: &Side<String>, voice: &Voice) -> Read {
    let host = &side.on;
    let mut command = match task.secrets.command(&task.run) {
        Ok(command) => command,
        Err(why) => return Read::NotAsked(format!("{host}: {why}")),
    };
    command.line.clone_from(&side.run);
    command.prove = task.run.prove;
    let ear = Shared::new(SideEar::new(task, name, voice));
    let end = task.pool.run(host, command, Box::new(ear.clone()), task.stopped.clone()).await;
    let heard = ear.look().finish();
    if let Err(why) = heard {
        return Read::Unrecorded(why);
    }
    match end {
        RunEnd::Exited { code: 0, whole: true } => {
            let ear = ear.look();
            if ear.bytes > ear.given.len() {
                let limit = size(u64::try_from(SIDE_BYTES_MAX).unwrap_or(u64::MAX));
                return Read::Nothing(format!(
                    "{host} gave more than {limit}: compare sums or checksums instead"
                ));
            }
            Read::All(ear.given.clone())
        }
        RunEnd::Exited { code: 0, whole: false } => {
            Read::Nothing(format!("not all that {host} printed has arrived"))
        }
        RunEnd::Exited { code, .. } => Read::Nothing(format!("{host} ended with exit {code}")),
        RunEnd::Signalled { signal, .. } => {
            Read::Nothing(format!("on {host} signal {signal} ended it"))
        }
        RunEnd::NotStarted { why } => {
            down(task, host, &why);
            Read::NotAsked(why.to_string())
        }
        RunEnd::Lost { why, .. } => Read::Nothing(why.to_string()),
        RunEnd::Stopped { proof, .. } => Read::Stopped(proof),
        RunEnd::Unrecorded { why, .. } => Read::Unrecorded(why),
    }
}

fn stopped(proofs: &[Proof]) -> End {
    let mut alive = Some(Vec::new());
    for proof in proofs {
        alive = alive.zip(survivors(proof)).map(|(all, more)| [all, more].concat());
    }
    End::Stopped { survivors: alive }
}

/// Hears one side: keeps what is compared, and writes all of it down.
struct SideEar {
    name: &'static str,
    voice: Voice,
    /// Standard output and standard error.
    streams: [(Redactor, Vec<u8>); 2],
    /// What it printed on standard output, as far as it is compared.
    given: Vec<u8>,
    /// How much that is in all.
    bytes: usize,
}

impl SideEar {
    fn new(task: &Task, name: &'static str, voice: &Voice) -> Self {
        let streams = [(); 2].map(|()| (task.secrets.redactor(), Vec::new()));
        Self { name, voice: voice.clone(), streams, given: Vec::new(), bytes: 0 }
    }

    fn take(&mut self, stream: Stream, clean: &[u8]) -> io::Result<()> {
        let is_error = stream == Stream::Stderr;
        if !is_error {
            self.bytes = self.bytes.saturating_add(clean.len());
            let room = SIDE_BYTES_MAX.saturating_sub(self.given.len());
            self.given.extend(clean.iter().take(room));
        }
        let [(_, out), (_, err)] = &mut self.streams;
        let open = if is_error { err } else { out };
        let mut lines = Vec::new();
        for piece in clean.split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(piece);
            if open.ends_with(b"\n") || open.len() >= LINE_BYTES_MAX {
                write_line(&mut lines, self.name, open);
                open.clear();
            }
        }
        if lines.is_empty() { Ok(()) } else { self.voice.print(stream, &lines) }
    }

    /// Takes what was held back: nothing follows it.
    fn finish(&mut self) -> io::Result<()> {
        for (stream, at) in [(Stream::Stdout, 0), (Stream::Stderr, 1)] {
            let Some((redactor, _)) = self.streams.get_mut(at) else { continue };
            let rest = redactor.finish();
            self.voice.redacted(redactor);
            self.take(stream, &rest)?;
            let Some((_, open)) = self.streams.get_mut(at) else { continue };
            let open = std::mem::take(open);
            if !open.is_empty() {
                let mut line = Vec::new();
                write_line(&mut line, self.name, &open);
                self.voice.print(stream, &line)?;
            }
        }
        Ok(())
    }
}

/// A line with its side in front, and with an end.
fn write_line(lines: &mut Vec<u8>, name: &str, line: &[u8]) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        lines.push(b'\n');
    }
}

impl Output for SideEar {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let [(out, _), (err, _)] = &mut self.streams;
        let redactor = if stream == Stream::Stderr { err } else { out };
        let clean = redactor.feed(bytes).into_owned();
        if clean.is_empty() { Ok(()) } else { self.take(stream, &clean) }
    }
}
