//! Durable steps on a practice host: calls come over SSH, steps run apart from them.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::{mpsc, watch};

use super::host::{Host, Signal};
use super::shell::{Input, Output, Shell};
use super::spool::{Act, Call, Launch, Strength};

/// How the exec request of a durable call begins; the rest is for real hosts.
const REQUEST: &str = "exec sh -c 'eval \"$1;$2\"' sh '";

/// What such a request holds and no other does.
const PROTOCOL: &str = "golive2";

/// What a step's shell runs: it takes the step's line from its standard input.
const TAKE_LINE: &str = "IFS= read -r gl_l;eval \"$gl_l\"";

/// Answers that wait for a client to take them; the step's bytes wait in the spool.
const WAITING_MAX: usize = 4;

/// A call that waits for a moment looks at the clock this often, in real time.
const NAP: Duration = Duration::from_millis(20);

/// Whether `command` is a call of the durable protocol.
pub(super) fn is_call(command: &str) -> bool {
    command.starts_with(REQUEST) && command.contains(PROTOCOL)
}

/// Serves one call; its exit status, or `None` when the client has gone.
pub(super) async fn serve(
    host: &Arc<Host>,
    user: &str,
    read: &mut ChannelReadHalf,
    (out, err): (Output, Output),
) -> Option<u8> {
    let (answers, queue) = mpsc::unbounded_channel();
    let (taken, mut written) = watch::channel(0_usize);
    let mut sent = 0;
    let mut writing = pin!(write(queue, taken, out, err));
    let mut call = Call::default();
    let mut changes = host.spool.changes();
    let mut listening = true;
    let mut acts = VecDeque::new();
    loop {
        if acts.is_empty() && sent - *written.borrow_and_update() < WAITING_MAX {
            changes.borrow_and_update();
            acts.extend(host.spool.with(|spool| call.look(spool, host.now())));
        }
        while let Some(act) = acts.pop_front() {
            match act {
                Act::Launch(launch) => run(host, user, launch),
                Act::Signal(pid, Strength::Ask) => drop(host.processes.signal(pid, Signal::Term)),
                Act::Signal(pid, Strength::Force) => drop(host.processes.signal(pid, Signal::Kill)),
                Act::Exit(status) => {
                    drop(answers);
                    writing.await;
                    return Some(status);
                }
                act @ (Act::Out(_) | Act::Err(_)) => {
                    sent += 1;
                    answers.send(act).ok();
                }
            }
        }
        let message = tokio::select! {
            // Nobody takes answers any more.
            () = &mut writing => return None,
            () = host.shared.end.cancelled() => return None,
            _ = written.changed() => continue,
            _ = changes.changed() => continue,
            () = tokio::time::sleep(NAP), if call.wakes().is_some() => continue,
            message = read.wait(), if listening => message,
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                let told = host.spool.with(|spool| call.feed(spool, host.now(), &data));
                acts.extend(told);
            }
            Some(ChannelMsg::Eof) => {
                listening = false;
                acts.extend(host.spool.with(|spool| call.eof(spool, host.now())));
            }
            Some(ChannelMsg::Close) | None => return None,
            Some(_) => {}
        }
    }
}

/// Sends answers as the client takes them; ends when it takes none.
async fn write(
    mut queue: mpsc::UnboundedReceiver<Act>,
    taken: watch::Sender<usize>,
    out: Output,
    err: Output,
) {
    while let Some(act) = queue.recv().await {
        let written = match act {
            Act::Out(bytes) => out.write(&bytes).await,
            Act::Err(bytes) => err.write(&bytes).await,
            Act::Launch(_) | Act::Signal(..) | Act::Exit(_) => Ok(()),
        };
        if written.is_err() {
            return;
        }
        taken.send_modify(|count| *count += 1);
    }
}

/// Runs a step. It belongs to the host, not to the call.
fn run(host: &Arc<Host>, user: &str, launch: Launch) {
    let Launch { pid, mark, input } = launch;
    let process = Arc::new(host.processes.enter(pid, &format!("sh -c {TAKE_LINE}")));
    let spool = host.spool.clone();
    let streams = (
        Input::bytes(input),
        Output::Spool(spool.clone(), pid, super::spool::Stream::Out),
        Output::Spool(spool.clone(), pid, super::spool::Stream::Err),
    );
    let mut shell = Shell::new(Arc::clone(host), Arc::clone(&process), user, streams);
    shell.export("GLKEY", mark);
    let host = Arc::clone(host);
    tokio::spawn(async move {
        let status = tokio::select! {
            status = shell.run(TAKE_LINE) => status,
            signal = process.ended() => match signal {
                Signal::Hup => 129,
                Signal::Int => 130,
                Signal::Kill => 137,
                Signal::Term | Signal::Probe => 143,
            },
            () = host.shared.end.cancelled() => return,
        };
        let up = host.now().up;
        spool.with(|spool| spool.ended(pid, status, up));
        spool.changed();
    });
}
