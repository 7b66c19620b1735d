//! A run without a screen: for CI, drills and scripts.
//!
//! It confirms nothing by itself: the flags say what may start, and everything else ends the
//! command with a code that says why. What runs on a host is never cut off: it ends first.

mod answers;
mod policy;
mod print;

pub(super) use answers::{Answer, Waive, answer, waive};

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::base::{Millis, SafeText, StepId};
use crate::engine::{Actor, Command, Refusal, RunStage};
use crate::session::{Ahead, Chunk, Door, Found, Handle, SubmitError, View, next_knock};

use super::args::{Policy, ResumeArgs};
use super::exit::Exit;
use super::message::{Failure, wait_for_notices};
use super::screen::{Ink, Screen};
use super::unrecorded::last_words;

use policy::{Back, Next, Rules};
use print::Printer;

/// A session to be driven by rules.
pub(super) struct Run {
    pub screen: Screen,
    pub handle: Handle,
    /// Where others ask to drive it.
    pub door: Option<Door>,
    pub found: Found,
    pub driver: SafeText,
    pub chunks: mpsc::Receiver<Chunk>,
    pub json: bool,
    /// The hosts end with this process: they are the practice fleet's.
    pub hosts_are_ours: bool,
    /// The last line that is not news: none of a new session, all of a resumed one.
    pub after: u64,
}

/// Drives a new session as the flags allow.
pub(super) async fn drive(run: Run, policy: &Policy) -> Result<Exit, Failure> {
    let mut rules = Rules::new(policy, false);
    rules.hosts_are_ours = run.hosts_are_ours;
    follow(run, rules, policy.wait).await
}

/// Drives a session that was taken up again. Of the steps `again`, whose commands were edited,
/// those that failed are run once more.
pub(super) async fn resume(
    run: Run,
    args: &ResumeArgs,
    again: BTreeSet<StepId>,
) -> Result<Exit, Failure> {
    let mut rules = Rules::new(&args.policy, true);
    rules.hosts_are_ours = run.hosts_are_ours;
    let reason = args.reason.as_deref().unwrap_or_default().trim();
    rules.again = again.into_iter().map(|step| (step, SafeText::new(reason))).collect();
    follow(run, rules, args.policy.wait).await
}

/// Rolls a session back.
pub(super) async fn roll_back(
    run: Run,
    reason: &str,
    break_glass: Option<&str>,
    to: Option<&str>,
) -> Result<Exit, Failure> {
    let wanted = Back {
        reason: SafeText::new(reason),
        break_glass: break_glass.map(SafeText::new),
        to: to.map(SafeText::new),
    };
    let mut rules = Rules::back(wanted);
    rules.hosts_are_ours = run.hosts_are_ours;
    follow(run, rules, None).await
}

/// The signals that ask to leave.
///
/// They are heard beside whoever drives, who may be held up by a reader of the output that does not
/// read: from the first one on nothing starts by what was said ahead.
struct Signals(mpsc::UnboundedReceiver<(Exit, &'static str)>);

impl Signals {
    fn new(ahead: Ahead) -> Result<Self, Failure> {
        let one = |kind, exit, name| {
            let stream = signal(kind).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot listen for {name}: {error}"))
            })?;
            Ok::<_, Failure>((stream, exit, name))
        };
        let mut streams = [
            one(SignalKind::interrupt(), Exit::Interrupted, "SIGINT")?,
            one(SignalKind::terminate(), Exit::Terminated, "SIGTERM")?,
            one(SignalKind::hangup(), Exit::Terminated, "SIGHUP")?,
        ];
        let (tell, came) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let came = first(&mut streams).await;
                ahead.close();
                if tell.send(came).is_err() {
                    return;
                }
            }
        });
        Ok(Self(came))
    }

    /// One that has come, and that nobody has answered to.
    fn came(&mut self) -> Option<(Exit, &'static str)> {
        self.0.try_recv().ok()
    }

    async fn next(&mut self) -> (Exit, &'static str) {
        match self.0.recv().await {
            Some(came) => came,
            None => std::future::pending().await,
        }
    }
}

async fn first(streams: &mut [(Signal, Exit, &'static str); 3]) -> (Exit, &'static str) {
    let [interrupt, terminate, hangup] = streams;
    tokio::select! {
        _ = interrupt.0.recv() => (interrupt.1, interrupt.2),
        _ = terminate.0.recv() => (terminate.1, terminate.2),
        _ = hangup.0.recv() => (hangup.1, hangup.2),
    }
}

fn from_now(span: Millis) -> Instant {
    Instant::now() + Duration::from_millis(span.as_millis())
}

async fn follow(mut run: Run, mut rules: Rules, patience: Option<Millis>) -> Result<Exit, Failure> {
    let mut signals = Signals::new(run.handle.ahead().clone())?;
    super::signals::are_heard();
    let by = Actor::Operator(run.driver.clone());
    let mut views = run.handle.views();
    let plan = std::sync::Arc::clone(run.handle.view().state.plan());
    let dir = run.found.dir.clone();
    let mut printer = Printer::new(run.screen, run.json, plan, dir, run.after)?;
    for id in rules.unknown(&run.handle.view().state) {
        run.screen.complain(&format!("warning: the flags name `{id}`, which is no step"));
    }
    let (mut told, mut until) = (None, None);
    let (exit, reasons) = loop {
        let view = std::sync::Arc::clone(&views.borrow_and_update());
        while let Ok(chunk) = run.chunks.try_recv() {
            printer.output(&chunk);
        }
        printer.events(&view);
        printer.progress(&view);
        // What came while its output was not read: nothing starts before it is answered to.
        if let Some(came) = signals.came() {
            if let Some(end) = interrupted(&run, &by, &mut rules, came).await {
                break end;
            }
            continue;
        }
        match next_of(&mut rules, &view, &run.handle, &by) {
            Next::Submit(step, command) => match run.handle.submit(&by, *command).await {
                Ok(()) => {}
                Err(SubmitError::Refused(why)) => refused(&mut rules, &run.handle, step, &why),
                // The next view says that nothing can be recorded, and what still runs.
                Err(SubmitError::NotRecorded(_)) if run.handle.view().not_recorded.is_some() => {
                    run.screen.complain("nothing can be recorded any more: what runs ends first");
                }
                Err(error) => break (Exit::Failed, vec![error.to_string()]),
            },
            Next::End(exit, reasons) => break (exit, reasons),
            Next::Wait if rules.waits != told => {
                told.clone_from(&rules.waits);
                if let Some(why) = &told {
                    run.screen.say(SafeText::new(why).as_str());
                }
                until = patience.filter(|_| rules.hears && told.is_some()).map(from_now);
            }
            Next::Wait => tokio::select! {
                biased;
                came = signals.next() => {
                    if let Some(end) = interrupted(&run, &by, &mut rules, came).await {
                        break end;
                    }
                }
                knock = next_knock(&mut run.door, &run.handle) => {
                    if knock.reason.is_none() && rules.interrupted.is_none() {
                        knock.refuse("`golive run` drives it");
                        continue;
                    }
                    if knock.reason.is_none() && rules.keeps_us(&run.handle.view()) {
                        knock.refuse("it leaves once what would be lost with it has ended");
                        continue;
                    }
                    run.handle.ahead().take_back();
                    let why = knock.words();
                    run.handle.submit(&by, Command::Leave { why: why.clone() }).await.ok();
                    knock.open("");
                    rules.interrupted = Some(Exit::Stopped); // The leaving is recorded already.
                    break (Exit::Stopped, vec![why.to_string()]);
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    rules.hears = false; // Nobody has come.
                    until = None;
                }
                Some(chunk) = run.chunks.recv() => printer.output(&chunk),
                changed = views.changed() => if changed.is_err() {
                    break (Exit::Failed, vec!["the session has ended by itself".to_owned()]);
                },
            },
        }
    };
    run.handle.ahead().take_back();
    leave(&run, &by, &rules, exit).await;
    let late = last_words(run.screen, &run.found, &run.handle, &by).await;
    let exit = if late && exit == Exit::Failed { Exit::Stopped } else { exit };
    wait_for_notices(run.screen, &run.handle).await;
    let signing = run.handle.settle().await;
    printer.rest(run.handle.view().at);
    printer.events(&run.handle.view());
    run.screen.say_signing(&signing);
    say_how_it_ended(&run, exit, &reasons);
    Ok(exit)
}

/// A signal has come: the run is held, and what would be lost with this process ends first. The
/// second one ends it at once.
async fn interrupted(
    run: &Run,
    by: &Actor,
    rules: &mut Rules,
    (exit, name): (Exit, &str),
) -> Option<(Exit, Vec<String>)> {
    run.handle.ahead().take_back();
    if rules.interrupted.is_some() {
        return Some((exit, vec!["left at once: what runs is in doubt".to_owned()]));
    }
    rules.interrupted = Some(exit);
    let why = SafeText::new(name);
    if let Err(error) = run.handle.submit(by, Command::Leave { why }).await {
        run.screen.complain(&error.to_string());
    }
    let words = format!("{name}: held; what would be lost ends first, again to leave at once");
    run.screen.complain(&words);
    None
}

/// What to do next. While that is to wait, it is said ahead what the rules would start once
/// something ends: it shares the line and the sync of that end. All else they ask for when they have
/// seen it.
fn next_of(rules: &mut Rules, view: &View, handle: &Handle, by: &Actor) -> Next {
    handle.ahead().take_back();
    let next = rules.next(view);
    if next == Next::Wait {
        let (by, mut rules) = (by.clone(), rules.clone());
        handle.ahead().give(move |view| match rules.next(view) {
            Next::Submit(_, command) => Some((by, *command)),
            Next::Wait | Next::End(..) => None,
        });
    }
    next
}

/// What was asked for was refused, and is not asked for again; unless it was started by what was
/// said ahead, which the view did not show yet.
fn refused(rules: &mut Rules, handle: &Handle, step: Option<StepId>, why: &Refusal) {
    if !step.as_ref().is_some_and(|step| handle.ahead().has_started(step)) {
        rules.refused(step, why.to_string());
    }
}

/// Writes down that the driver leaves a session that is not over.
async fn leave(run: &Run, by: &Actor, rules: &Rules, exit: Exit) {
    let view = run.handle.view();
    let open = matches!(
        view.state.stage(),
        RunStage::Preparing | RunStage::Active | RunStage::RollingBack
    );
    if open && rules.interrupted.is_none() {
        let why = SafeText::new(&format!("exit {}: {}", exit.code(), exit.meaning()));
        // What cannot be recorded is told already, by the reason for leaving.
        run.handle.submit(by, Command::Leave { why }).await.ok();
    }
}

fn say_how_it_ended(run: &Run, exit: Exit, reasons: &[String]) {
    let view = run.handle.view();
    let screen = run.screen;
    let yellow = [Exit::Stopped, Exit::RolledBack, Exit::Interrupted, Exit::Terminated];
    let ink = if exit == Exit::Done {
        Ink::Green
    } else if yellow.contains(&exit) {
        Ink::Yellow
    } else {
        Ink::Red
    };
    let (over, all) = view.state.count();
    let heading = screen.error_ink(ink, exit.meaning());
    screen.complain(&format!("{heading} ({over} of {all} steps over, exit {})", exit.code()));
    for reason in reasons {
        screen.complain(&format!("  {}", SafeText::new(reason)));
    }
    let id = &run.found.id;
    if view.state.is_closed() {
        screen.say(&format!("record {} · head {}", run.found.dir.display(), view.head));
        screen.say(&format!("golive verify {id}"));
    } else {
        screen.complain(&format!("go on with: golive resume {id}"));
    }
}
