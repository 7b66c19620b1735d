//! Commands on the operator's machine: in a process group of their own, so that all of it can be
//! stopped, and the proof that it is gone.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::ssh::{self, Output, Proof, RunEnd, SshError, Status, StopSignal, Stream, Survivor};

/// Bytes read at once.
const CHUNK_BYTES: usize = 32 * 1024;
/// Chunks between the readers and the disk.
const CHUNKS: usize = 16;
/// How often a stopped group is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long after KILL the group may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long output may still come after the command has ended: what it left running may hold
/// its pipes for ever.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Runs `command` with `sh` and hands what it prints to `output`.
pub(super) async fn run(
    command: ssh::Command,
    output: Box<dyn Output>,
    mut stopped: StopSignal,
) -> RunEnd {
    // The text and the variables go over standard input: no process list shows them.
    let mut input = match ssh::step_line(&command.line, &command.env) {
        Ok(line) => line.into_bytes(),
        Err(why) => return RunEnd::NotStarted { why: trouble(why) },
    };
    input.extend(command.stdin.unwrap_or_default());
    let mut process = Command::new("sh");
    process
        .arg("-c")
        .arg(match &command.become_prefix {
            Some(prefix) => format!("exec {prefix} sh -c '{}'", ssh::TAKE_LINE),
            None => ssh::TAKE_LINE.to_owned(),
        })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in &command.hidden {
        process.env_remove(name);
    }
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => {
            return RunEnd::NotStarted { why: trouble(format!("cannot start sh: {error}")) };
        }
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    feed(&mut child, input);
    let mut chunks = read_both(&mut child);
    let mut keep = Keep { output, refused: None };
    let mut stopping = None;
    let status = loop {
        tokio::select! {
            biased;
            Some((stream, bytes)) = chunks.recv() => keep.take(stream, &bytes),
            grace = stopped.asked() => {
                stopping = Some(grace);
                break stop(group, &mut child, &mut chunks, &mut keep, grace).await;
            }
            status = child.wait() => break status.map(|status| (status, None)),
        }
    };
    keep.drain(&mut chunks).await;
    let end = match status {
        Ok((status, Some(proof))) if stopping.is_some() => {
            RunEnd::Stopped { proof, status: Some(said(status)) }
        }
        Ok((status, _)) => ended(status),
        Err(error) => {
            RunEnd::Lost { why: trouble(format!("cannot wait for it: {error}")), group: None }
        }
    };
    match keep.refused {
        Some(why) => RunEnd::Unrecorded { why, end: Box::new(end) },
        None => end,
    }
}

fn trouble(why: String) -> SshError {
    SshError::Config { host: "this machine".to_owned(), why }
}

fn ended(status: ExitStatus) -> RunEnd {
    match said(status) {
        Status::Code(code) => RunEnd::Exited { code, whole: true },
        Status::Signal(signal) => RunEnd::Signalled { signal, whole: true },
    }
}

fn said(status: ExitStatus) -> Status {
    match (status.code(), status.signal()) {
        (Some(code), _) => Status::Code(u32::try_from(code).unwrap_or(255)),
        (None, signal) => Status::Signal(signal_name(signal.unwrap_or(0))),
    }
}

fn signal_name(number: i32) -> String {
    let known = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ABORT, "ABRT"),
        (Signal::KILL, "KILL"),
        (Signal::SEGV, "SEGV"),
        (Signal::PIPE, "PIPE"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
    ];
    let name = known.iter().find(|(signal, _)| signal.as_raw() == number);
    name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// Hands over the input in a task of its own: a command that does not read must not hold us up.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move {
            // A command may end without reading its input; that is its own business.
            stdin.write_all(&input).await.ok();
            stdin.shutdown().await.ok();
        });
    }
}

type Chunks = mpsc::Receiver<(Stream, Vec<u8>)>;

fn read_both(child: &mut Child) -> Chunks {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(pump(stdout, Stream::Stdout, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(pump(stderr, Stream::Stderr, sender));
    }
    receiver
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    stream: Stream,
    to: mpsc::Sender<(Stream, Vec<u8>)>,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.iter().take(count).copied().collect();
        if to.send((stream, bytes)).await.is_err() {
            return;
        }
    }
}

/// Keeps output until it cannot; from then on it is read and thrown away, so the command runs on.
struct Keep {
    output: Box<dyn Output>,
    refused: Option<std::io::Error>,
}

impl Keep {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if self.refused.is_none() {
            self.refused = self.output.chunk(stream, bytes).err();
        }
    }

    /// Takes what is left. Something that the command started may hold its pipes for ever; what
    /// the command itself printed is in them by then, and is read.
    async fn drain(&mut self, chunks: &mut Chunks) {
        while let Ok(Some((stream, bytes))) = tokio::time::timeout(LAST_BYTES, chunks.recv()).await
        {
            self.take(stream, &bytes);
        }
    }
}

/// TERM to the group, KILL after `grace`, then a look whether all is gone.
async fn stop(
    group: Option<Pid>,
    child: &mut Child,
    chunks: &mut Chunks,
    keep: &mut Keep,
    grace: Duration,
) -> std::io::Result<(ExitStatus, Option<Proof>)> {
    let Some(group) = group else {
        child.start_kill()?;
        return child.wait().await.map(|status| (status, None));
    };
    let mut proof = Proof { reached: true, ..Proof::default() };
    kill_process_group(group, Signal::TERM).ok();
    let deadline = Instant::now() + grace;
    let mut status = None;
    loop {
        while let Ok((stream, bytes)) = chunks.try_recv() {
            keep.take(stream, &bytes);
        }
        if status.is_none() {
            status = child.try_wait()?;
        }
        proof.survivors = living(group);
        proof.gone = status.is_some() && proof.survivors.is_empty();
        let now = Instant::now();
        if proof.gone || now > deadline + AFTER_KILL {
            break;
        }
        if now >= deadline && !proof.killed {
            proof.killed = true;
            kill_process_group(group, Signal::KILL).ok();
        }
        tokio::time::sleep(LOOK).await;
    }
    match status {
        Some(status) => Ok((status, Some(proof))),
        None => child.wait().await.map(|status| (status, Some(proof))),
    }
}

/// Who of the group lives; zombies do not.
fn living(group: Pid) -> Vec<Survivor> {
    if test_kill_process_group(group).is_err() {
        return Vec::new();
    }
    let Ok(processes) = std::fs::read_dir("/proc") else {
        // No /proc: something is there, and no more can be said.
        let pid = u32::try_from(group.as_raw_nonzero().get()).unwrap_or(0);
        return vec![Survivor { pid, state: "?".to_owned(), name: "?".to_owned() }];
    };
    let of_group = |entry: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let (pid, name) = head.split_once('(')?;
        let mut fields = tail.split_whitespace();
        let (state, pgrp) = (fields.next()?, fields.nth(1)?);
        let ours = pgrp.parse() == Ok(group.as_raw_nonzero().get());
        (ours && !matches!(state, "Z" | "X")).then(|| Survivor {
            pid: pid.trim().parse().unwrap_or(0),
            state: state.to_owned(),
            name: name.to_owned(),
        })
    };
    processes.filter_map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Output, RunEnd, Status, Stream, run};
    use crate::exec::shared::Shared;
    use crate::exec::ssh::{self, Command};

    #[derive(Default)]
    struct Heard(Vec<u8>, Vec<u8>);

    impl Output for Heard {
        fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
            match stream {
                Stream::Stdout => self.0.extend_from_slice(bytes),
                Stream::Stderr => self.1.extend_from_slice(bytes),
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn both_streams_the_status_and_the_input() {
        let heard = Shared::new(Heard::default());
        let mut command = Command::new("cat; echo err >&2; echo $GL_X; exit 3");
        command.stdin = Some(b"in\n".to_vec());
        command.env = vec![("GL_X".to_owned(), "a b".to_owned())];
        let end = run(command, Box::new(heard.clone()), ssh::StopSignal::never()).await;
        assert!(matches!(end, RunEnd::Exited { code: 3, whole: true }), "{end:?}");
        assert_eq!(heard.look().0, b"in\na b\n");
        assert_eq!(heard.look().1, b"err\n");
    }

    #[tokio::test]
    async fn a_stop_ends_the_whole_group_and_proves_it() {
        // The child ignores TERM, and so does its own child.
        let command = Command::new("trap '' TERM; sleep 300 & echo up; wait; sleep 300");
        let (handle, signal) = ssh::stop_pair();
        let heard = Shared::new(Heard::default());
        let running = tokio::spawn(run(command, Box::new(heard.clone()), signal));
        while heard.look().0 != b"up\n" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        handle.stop(Duration::from_millis(200));
        let end = running.await.unwrap();
        let RunEnd::Stopped { proof, status } = end else { panic!("{end:?}") };
        assert!(proof.gone && proof.killed && proof.survivors.is_empty(), "{proof:?}");
        assert_eq!(status, Some(Status::Signal("KILL".to_owned())));
    }
}
