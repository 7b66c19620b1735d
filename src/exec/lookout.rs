//! Looks at what the way back needs: each on its own schedule, with its own limit, beside the places
//! of the steps. None waits for another but those of the same host, and no step waits for any.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::base::{HostId, Millis, SafeText};
use crate::engine::{Need, Needed, Place, Proof, Watch};

use super::edge::Report;
use super::local;
use super::outbox::Outbox;
use super::secrets::Secrets;
use super::shared::Shared;
use super::ssh::{self, LinkState, Output, Pool, RunEnd, SshError, Stream};

/// More of what a look prints is not kept.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// What a look says of itself is one line.
const WORDS_CHARS_MAX: usize = 160;
/// Between TERM and KILL of a look that takes too long.
const GRACE: Duration = Duration::from_secs(1);
/// So long may the stopping of a look take.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two looks at a host that does not answer.
const HASTE: Duration = Duration::from_secs(5);
/// First looks are spread over this, so that a host with many is not asked for all at once.
const SPREAD_MILLIS: u64 = 300;

/// All that one look needs.
#[derive(Clone)]
pub(super) struct Look {
    pub watch: Watch,
    /// The words that make a command run as another user.
    pub prefix: Option<String>,
    pub pool: Pool,
    pub secrets: Secrets,
    pub reports: Outbox,
}

/// What is looked at. Dropped, nothing is any more.
#[derive(Default)]
pub(super) struct Lookout {
    tasks: BTreeMap<Need, (Watch, watch::Sender<()>)>,
    /// One look at a time in each place.
    turns: BTreeMap<Place, Arc<Semaphore>>,
}

impl Lookout {
    /// Looks at these from now on, and at nothing else; what is looked at already goes on.
    pub(super) fn set(
        &mut self,
        watches: Vec<Watch>,
        look: impl Fn(&Watch) -> Look,
        runtime: &tokio::runtime::Handle,
    ) {
        let mut before = std::mem::take(&mut self.tasks);
        for watch in watches {
            let known = before.remove(&watch.need).filter(|(known, _)| *known == watch);
            let task = known.unwrap_or_else(|| {
                let turns = self.turns.entry(watch.need.place.clone());
                let turn = Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(1))));
                let (stays, gone) = watch::channel(());
                runtime.spawn(again_and_again(look(&watch), turn, gone));
                (watch.clone(), stays)
            });
            self.tasks.insert(watch.need, task);
        }
    }
}

/// Looks until nobody wants it any more. A look under way comes to its end: it has a limit.
async fn again_and_again(look: Look, turn: Arc<Semaphore>, mut gone: watch::Receiver<()>) {
    let mut links = look.pool.changes();
    let mut due = Instant::now() + first_delay(&look.watch.need);
    let mut last = None;
    loop {
        tokio::select! {
            _ = gone.changed() => return,
            () = sleep_until(due) => {}
            () = turned(&mut links, &look.watch.need, last.as_ref()) => {}
        }
        let began = Instant::now();
        let Ok(_turn) = turn.acquire().await else { return };
        if gone.has_changed().is_err() {
            return;
        }
        let Look { watch, prefix, pool, secrets, .. } = &look;
        if let Some(proof) = look_once(watch, prefix.as_deref(), pool, secrets).await {
            last = Some(proof.clone());
            let need = look.watch.need.clone();
            if !look.reports.send(Report::Proved { need, proof }) {
                return;
            }
        }
        // A host that does not answer may be back at any moment; other checks are the author's.
        let hasty = last != Some(Proof::Ready) && look.watch.need.what == Needed::Answer;
        let every = look.watch.every.to_std();
        due = (began + if hasty { every.min(HASTE) } else { every }).max(Instant::now());
    }
}

/// Waits until the link of the host says that the last look is out of date.
async fn turned(
    links: &mut broadcast::Receiver<ssh::LinkChange>,
    need: &Need,
    last: Option<&Proof>,
) {
    let Place::Host(own) = &need.place else { return std::future::pending().await };
    loop {
        match links.recv().await {
            Ok(ssh::LinkChange { host, state }) if host == *own => {
                let out_of_date = match state {
                    LinkState::Up { .. } => last.is_some_and(|last| *last != Proof::Ready),
                    LinkState::Down { .. } => last == Some(&Proof::Ready),
                    LinkState::Idle | LinkState::Connecting => false,
                };
                if out_of_date {
                    return;
                }
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// One look; none where it gave nothing, as its host had no room for it just now.
pub(super) async fn look_once(
    watch: &Watch,
    prefix: Option<&str>,
    pool: &Pool,
    secrets: &Secrets,
) -> Option<Proof> {
    let Watch { need, line, env, limit, .. } = watch;
    let mut command = match secrets.command_of(line, env) {
        Ok(command) => command,
        Err(why) => return Some(unknown(&why)),
    };
    command.become_prefix = prefix.map(str::to_owned);
    let printed = Shared::new(Printed::default());
    let output = Box::new(printed.clone());
    let (stop, stopped) = ssh::stop_pair();
    let end = match &need.place {
        Place::Host(host) => {
            if let Err(proof) = reached(pool, host, *limit).await {
                return Some(proof);
            }
            let run = pool.run_beside(host, command, output, stopped);
            within(run, *limit, &stop).await
        }
        Place::Here => within(local::run(command, output, stopped), *limit, &stop).await,
    };
    let printed = printed.look();
    match end {
        None => Some(unknown(&format!("no answer within {limit}"))),
        Some(end) => judge(watch, end, &printed),
    }
}

/// Opens the link, where it is not open.
async fn reached(pool: &Pool, host: &HostId, limit: Millis) -> Result<(), Proof> {
    match timeout(limit.to_std(), pool.connect(host)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(why)) => Err(unreached(&why)),
        Err(_) => Err(unknown(&format!("no connection within {limit}"))),
    }
}

/// The end of `run`; none where it had to be stopped.
async fn within(
    run: impl Future<Output = RunEnd>,
    limit: Millis,
    stop: &ssh::StopHandle,
) -> Option<RunEnd> {
    tokio::pin!(run);
    if let Ok(end) = timeout(limit.to_std(), &mut run).await {
        return Some(end);
    }
    stop.stop(GRACE);
    // It reads only, and what it says now comes too late: only that it ends matters.
    if timeout(STOP_MAX, &mut run).await.is_err() {
        tracing::debug!("a look that took too long does not end");
    }
    None
}

fn judge(watch: &Watch, end: RunEnd, printed: &Printed) -> Option<Proof> {
    let said = || printed.last_words();
    match end {
        RunEnd::Exited { code: 0, .. } => Some(match &watch.stdout {
            Some(pattern) if !matches(pattern, &printed.out) => {
                not_ready(&format!("its output does not match `{pattern}`"))
            }
            Some(_) | None => Proof::Ready,
        }),
        RunEnd::Exited { code, .. } => {
            let said = said().map_or_else(String::new, |said| format!(": {said}"));
            Some(not_ready(&format!("exit {code}{said}")))
        }
        RunEnd::Signalled { signal, .. } => Some(not_ready(&format!("ended by SIG{signal}"))),
        RunEnd::NotStarted { why: SshError::NoSession { .. } } => None,
        RunEnd::NotStarted { why } => Some(unreached(&why)),
        RunEnd::Lost { why, .. } => Some(unknown(&why.to_string())),
        RunEnd::Stopped { .. } => Some(unknown("it was stopped")),
        RunEnd::Unrecorded { why, .. } => Some(unknown(&why.to_string())),
    }
}

fn matches(pattern: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text.trim_end_matches(['\n', '\r'])))
}

fn not_ready(why: &str) -> Proof {
    Proof::NotReady(SafeText::new(why))
}

fn unknown(why: &str) -> Proof {
    Proof::Unknown(SafeText::new(why))
}

fn unreached(why: &SshError) -> Proof {
    not_ready(&format!("it cannot be reached: {why}"))
}

/// What a look prints, as far as anybody reads it.
#[derive(Default)]
struct Printed {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Printed {
    /// The last line that says anything: of the complaints, else of the rest.
    fn last_words(&self) -> Option<String> {
        let line = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let mut lines = text.lines().rev();
            lines.find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
        };
        let line = line(&self.err).or_else(|| line(&self.out))?;
        Some(line.chars().take(WORDS_CHARS_MAX).collect())
    }
}

impl Output for Printed {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let kept = match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
        Ok(())
    }
}

/// Spreads first looks, the same way each time; that a host answers comes first.
fn first_delay(need: &Need) -> Duration {
    if need.what == Needed::Answer {
        return Duration::ZERO;
    }
    let hash = need
        .words()
        .bytes()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(hash % SPREAD_MILLIS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Printed, judge};
    use crate::base::Millis;
    use crate::engine::{Need, Needed, Place, Proof, Watch};
    use crate::exec::ssh::{Output as _, RunEnd, SshError, Stream};

    fn watch(stdout: Option<&str>) -> Watch {
        Watch {
            need: Need { place: Place::Here, what: Needed::Answer },
            line: "true".to_owned(),
            env: BTreeMap::new(),
            r#become: false,
            stdout: stdout.map(str::to_owned),
            every: Millis::from_secs(30),
            limit: Millis::from_secs(10),
        }
    }

    fn printed(out: &str, err: &str) -> Printed {
        let mut printed = Printed::default();
        printed.chunk(Stream::Stdout, out.as_bytes()).unwrap();
        printed.chunk(Stream::Stderr, err.as_bytes()).unwrap();
        printed
    }

    fn exited(code: u32) -> RunEnd {
        RunEnd::Exited { code, whole: true }
    }

    #[test]
    fn ready_is_what_exits_with_0_and_says_what_it_has_to_say() {
        let said = |stdout, out: &str, code| judge(&watch(stdout), exited(code), &printed(out, ""));
        assert_eq!(said(None, "", 0), Some(Proof::Ready));
        assert_eq!(said(Some("^ok$"), "ok\n", 0), Some(Proof::Ready));
        let why = "its output does not match `^ok$`";
        assert_eq!(said(Some("^ok$"), "no\n", 0), Some(Proof::NotReady(why.into())));
        assert_eq!(said(Some("^ok$"), "ok\n", 1), Some(Proof::NotReady("exit 1: ok".into())));
    }

    #[test]
    fn what_it_complains_of_is_told_and_what_nobody_knows_is_unknown() {
        let of = |end, err: &str| judge(&watch(None), end, &printed("out\n", err));
        let why = "exit 2: sudo: a password is required";
        let err = "x\nsudo: a password is required\n\n";
        assert_eq!(of(exited(2), err), Some(Proof::NotReady(why.into())));
        let lost = SshError::NoStatus { host: "web1".to_owned() };
        assert!(matches!(of(RunEnd::Lost { why: lost, group: None }, ""), Some(Proof::Unknown(_))));
        // Full for the moment: nothing is learnt, and nothing is said.
        let full = SshError::NoSession { host: "web1".to_owned(), why: "full".to_owned() };
        assert_eq!(of(RunEnd::NotStarted { why: full }, ""), None);
        let no = SshError::StoppedBefore { host: "web1".to_owned() };
        assert!(matches!(of(RunEnd::NotStarted { why: no }, ""), Some(Proof::NotReady(_))));
    }

    #[test]
    fn a_flood_is_cut() {
        let mut printed = Printed::default();
        for _ in 0..100 {
            printed.chunk(Stream::Stdout, &[b'x'; 4096]).unwrap();
        }
        assert_eq!(printed.out.len(), super::OUTPUT_BYTES_MAX);
        assert_eq!(printed.last_words().unwrap().len(), super::WORDS_CHARS_MAX);
    }
}
