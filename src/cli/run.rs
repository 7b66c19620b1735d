//! `golive run`, `resume` and `rollback`: what is driven, where, and by whom.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Actor, Command, RunKind, RunStage};
use crate::exec::ssh::{NeverAsk, Passphrase};
use crate::journal::{Lock, LockError};
use crate::session::{
    Answered, Chunk, Door, Found, Handle, Notary, Recovered, Replan, Start, Store, ask_to_leave,
    hold_to_keys, machine_name, open, place_doubts, start,
};

use super::args::{Fleet, ResumeArgs, RollbackArgs, RunArgs};
use super::back;
use super::edit;
use super::exit::Exit;
use super::ground::{self, Ground};
use super::headless;
use super::input;
use super::message::Failure;
use super::reload::{self, Asked, Reload};
use super::screen::Screen;
use super::secrets;
use super::signals;
use super::terminal;

/// Pieces of output that a slow reader may be behind.
const CHUNKS: usize = 512;

/// A process whose door is closed already, and that holds the lock still, is ending: how often,
/// and how long apart, that is looked at.
const ENDING_LOOKS: u32 = 30;
const ENDING_LOOK: Duration = Duration::from_millis(100);

/// Runs `work` on a runtime of its own.
pub(super) fn on_runtime<F: Future<Output = Result<Exit, Failure>>>(
    work: F,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    let ended = runtime.block_on(work);
    // A command on this machine that outlives its step must not keep us.
    runtime.shutdown_background();
    ended
}

/// A session that was started, with all that belongs to driving it.
pub(super) struct Driven {
    pub found: Found,
    pub handle: Handle,
    /// Where others ask to drive it.
    pub door: Option<Door>,
    pub chunks: mpsc::Receiver<Chunk>,
}

/// Starts a session on its ground, new or taken up again.
pub(super) fn begin(
    screen: Screen,
    ground: &Ground,
    make: impl FnOnce(mpsc::Sender<Chunk>) -> Start,
) -> Result<Driven, Failure> {
    signals::none_came()?; // At a passphrase: nothing of it is on disk.
    let (tap, chunks) = mpsc::channel(CHUNKS);
    let (pool, secrets) = (ground.pool.clone(), ground.secrets.clone());
    let asked = Start { pool, secrets, plan: Arc::clone(&ground.plan), ..make(tap) };
    let (found, handle) = start(&asked)?;
    if let Some(doubts) = place_doubts(&found.dir) {
        screen.complain(&doubts);
    }
    let door = Door::open(&found)
        .inspect_err(|error| tracing::warn!(%error, "nobody can ask to take this session over"));
    Ok(Driven { found, handle, door: door.ok(), chunks })
}

/// Who is asked for passphrases: nobody, where nobody is there.
pub(super) fn asker() -> Arc<dyn Passphrase> {
    if terminal::is_there() { Arc::new(terminal::Asker::default()) } else { Arc::new(NeverAsk) }
}

/// Runs `golive run`.
pub(super) fn run(screen: Screen, store: Store, args: &RunArgs) -> Result<Exit, Failure> {
    let kind = match (args.kind, args.practice) {
        (None | Some(RunKind::Drill), true) => RunKind::Drill,
        (Some(RunKind::Live | RunKind::Rehearsal), true) => {
            return Err(Failure::usage("the practice fleet is for drills")
                .help("leave --kind out, or --practice"));
        }
        (None, false) => RunKind::Rehearsal,
        (Some(kind), false) => kind,
    };
    if args.fleet.scenario.is_some() && !args.practice {
        return Err(Failure::usage("--scenario is for the practice fleet").help("add --practice"));
    }
    let (mut inputs, plan) = input::load_to_run(screen, &args.file, &args.extra)?;
    inputs.practice = args.practice;
    let (plan, overridden) =
        if args.practice { (plan, None) } else { ground::allow(plan, kind, &args.guard)? };
    store.prepare()?;
    let driver = ground::driver(args.guard.driver.as_deref());
    on_runtime(async {
        let ground = if args.practice {
            Ground::practice(screen, &plan, &args.fleet).await?
        } else {
            let secrets = secrets::resolve(screen, &plan, &inputs)?;
            Ground::real(plan, secrets, asker())
        };
        let notary = args.sign.notary(screen, &ground.pool, &ground.plan, args.practice).await?;
        let driven = begin(screen, &ground, |tap| Start {
            store,
            inputs,
            plan: Arc::clone(&ground.plan),
            kind,
            driver: driver.clone(),
            overridden,
            name: args.guard.session.clone(),
            pool: ground.pool.clone(),
            secrets: ground.secrets.clone(),
            tap: Some(tap),
            resume: None,
            replan: None,
            notary: Some(notary),
        })?;
        screen.say(&format!("session {}", driven.found.id));
        let run = headless_run(screen, driven, driver, args.policy.json, 0, &ground);
        let exit = headless::drive(run, &args.policy).await;
        ground.leave().await;
        exit
    })
}

fn headless_run(
    screen: Screen,
    driven: Driven,
    driver: SafeText,
    json: bool,
    after: u64,
    ground: &Ground,
) -> headless::Run {
    let hosts_are_ours = ground.is_practice();
    let Driven { found, handle, door, chunks } = driven;
    headless::Run { screen, handle, door, found, driver, chunks, json, hosts_are_ours, after }
}

/// Who wants to take a session up, and why from a driver who is there.
pub(super) struct Successor {
    pub driver: SafeText,
    pub reason: Option<SafeText>,
}

/// A session to take up, which is not closed. Who drives it without a terminal hands it over;
/// who drives it with one stays, unless there is a reason.
pub(super) fn take_up(
    screen: Screen,
    store: &Store,
    name: &str,
    successor: &Successor,
) -> Result<Recovered, Failure> {
    let found = store.find(name)?;
    if let Some(holder) = Lock::holder(&found.dir)? {
        screen.say(&format!("{} drives it on {}: asking", holder.driver, holder.machine));
        let Successor { driver, reason } = successor;
        let tell = |why: &SafeText| screen.say(&format!("{why}; Ctrl-C to wait no longer"));
        let asked = ask_to_leave(&found, driver.clone(), machine_name(), reason.clone(), tell);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot ask who drives it: {error}"))
        })?;
        let held = || Failure::from(LockError::Held(Box::new(holder.clone())));
        match runtime.block_on(asked) {
            Answered::Left => screen.say("it is handed over"),
            Answered::Stays(why) => return Err(held().because(why.as_str())),
            // It may have ended by itself in the meantime.
            Answered::Silent(why) if is_held_for_long(&found)? => {
                return Err(held().because(why.as_str()));
            }
            Answered::Silent(_) => {}
        }
    }
    let recovered = open(&found)?;
    screen.say_where_it_goes_on(&found.dir);
    if recovered.state.is_closed() {
        let message = format!("session {} is closed: its record is complete", found.id);
        return Err(Failure::usage(message).help(format!("golive export {} -o PATH", found.id)));
    }
    Ok(recovered)
}

/// The ground of a session that is taken up, by its own plan or by another one.
pub(super) async fn ground_of(
    screen: Screen,
    recovered: &Recovered,
    reload: Option<&Reload>,
    fleet: &Fleet,
    ask: Arc<dyn Passphrase>,
) -> Result<Ground, Failure> {
    let own = (recovered.state.base(), &recovered.inputs);
    let (plan, inputs) = reload.map_or(own, |reload| (&reload.plan, &reload.inputs));
    if inputs.practice {
        screen.say("the practice fleet starts anew: what was done to it before is gone");
        Ground::practice(screen, plan, fleet).await
    } else {
        let secrets = secrets::resolve(screen, plan, inputs)?;
        let ground = Ground::real(Arc::clone(plan), secrets, ask);
        hold_to_keys(&ground.pool, &recovered.state);
        Ok(ground)
    }
}

/// Accepts the other keys that hosts showed during the run, as the flags say.
pub(super) async fn accept_keys(
    driven: &Driven,
    args: &ResumeArgs,
    driver: &SafeText,
) -> Result<(), Failure> {
    let reason = SafeText::new(args.reason.as_deref().unwrap_or_default().trim());
    for host in &args.accept_host_key {
        let command = Command::AcceptHostKey { host: host.clone(), reason: reason.clone() };
        let by = Actor::Operator(driver.clone());
        driven.handle.submit(&by, command).await.map_err(|why| {
            Failure::usage(format!("the key of {host} is not accepted: {why}"))
                .help("name a host that showed another key: `golive status` tells which")
        })?;
    }
    Ok(())
}

/// Takes a session up again on its ground.
pub(super) fn begin_again(
    screen: Screen,
    store: Store,
    recovered: &Recovered,
    reload: Option<&Reload>,
    ground: &Ground,
    driver: SafeText,
    notary: Notary,
) -> Result<Driven, Failure> {
    begin(screen, ground, |tap| Start {
        store,
        inputs: reload.map_or(&recovered.inputs, |reload| &reload.inputs).clone(),
        plan: Arc::clone(&ground.plan),
        kind: recovered.genesis.kind,
        driver,
        overridden: recovered.genesis.overridden.clone(),
        name: None,
        pool: ground.pool.clone(),
        secrets: ground.secrets.clone(),
        tap: Some(tap),
        resume: Some(recovered.clone()),
        replan: reload.map(|reload| Replan {
            before: ground.dress(recovered.state.base()),
            reason: reload.reason.clone(),
        }),
        notary: Some(notary),
    })
}

fn last_line(recovered: &Recovered) -> u64 {
    recovered.entries.last().map_or(0, |entry| entry.seq)
}

/// Whether the lock of a session is held, and not only by a process that ends right now.
fn is_held_for_long(found: &Found) -> Result<bool, LockError> {
    for _ in 0..ENDING_LOOKS {
        if Lock::holder(&found.dir)?.is_none() {
            return Ok(false);
        }
        std::thread::sleep(ENDING_LOOK);
    }
    Ok(true)
}

/// Who takes up a session, by the flags.
pub(super) fn successor(args: &ResumeArgs) -> Result<Successor, Failure> {
    let reason = args.reason.as_deref().map(str::trim).unwrap_or_default();
    if args.take_over && reason.is_empty() {
        return Err(Failure::usage("taking a session over needs a reason").help("--reason \"why\""));
    }
    let reason = args.take_over.then(|| SafeText::new(reason));
    Ok(Successor { driver: ground::driver(args.driver.as_deref()), reason })
}

/// Runs `golive resume --headless`.
pub(super) fn resume(screen: Screen, store: Store, args: &ResumeArgs) -> Result<Exit, Failure> {
    let successor = successor(args)?;
    let texts = edit::read(args)?;
    let reload = match reload::prepare(screen, &store, args)? {
        Asked::Shown => return Ok(Exit::Done),
        Asked::Nothing => None,
        Asked::Reload(reload) => Some(*reload),
    };
    let reload = reload.as_ref();
    let recovered = take_up(screen, &store, &args.session, &successor)?;
    let driver = successor.driver;
    edit::check(&recovered.state, &texts)?;
    on_runtime(async {
        let ground = ground_of(screen, &recovered, reload, &args.fleet, asker()).await?;
        let after = last_line(&recovered);
        let practice = recovered.inputs.practice;
        let notary = args.sign.notary(screen, &ground.pool, &ground.plan, practice).await?;
        let driven =
            begin_again(screen, store, &recovered, reload, &ground, driver.clone(), notary)?;
        accept_keys(&driven, args, &driver).await?;
        let again = texts.keys().cloned().collect();
        edit::edit(&driven.handle, args, texts, &driver).await?;
        let run = headless_run(screen, driven, driver, args.policy.json, after, &ground);
        let exit = headless::resume(run, args, again).await;
        ground.leave().await;
        exit
    })
}

/// Runs `golive rollback`.
pub(super) fn rollback(screen: Screen, store: Store, args: &RollbackArgs) -> Result<Exit, Failure> {
    if args.plan_only {
        let recovered = open(&store.find(&args.session)?)?;
        return back::print(screen, &recovered, args.to.as_deref(), args.json);
    }
    let driver = ground::driver(args.driver.as_deref());
    let successor = Successor { driver: driver.clone(), reason: None };
    let recovered = take_up(screen, &store, &args.session, &successor)?;
    let reason = args.reason.as_deref().unwrap_or_default().trim().to_owned();
    if reason.is_empty() {
        return Err(Failure::usage("a rollback needs a reason").help("--reason \"why\""));
    }
    let live = recovered.genesis.kind == RunKind::Live;
    if args.unattended && live {
        let message = "--unattended is for rehearsals and drills: this is a live run";
        return Err(Failure::usage(message).help("leave it out and type the two digits"));
    }
    may_roll_back(&recovered, args.break_glass.as_deref(), args.to.as_deref())?;
    if !args.unattended {
        confirm(screen, &recovered, args.to.as_deref(), live)?;
    }
    on_runtime(async {
        let fleet = Fleet { seed: 42, speed: 1, scenario: None };
        let ground = ground_of(screen, &recovered, None, &fleet, asker()).await?;
        let after = last_line(&recovered);
        let practice = recovered.inputs.practice;
        let notary = args.sign.notary(screen, &ground.pool, &ground.plan, practice).await?;
        let driven = begin_again(screen, store, &recovered, None, &ground, driver.clone(), notary)?;
        let run = headless_run(screen, driven, driver, args.json, after, &ground);
        let exit =
            headless::roll_back(run, &reason, args.break_glass.as_deref(), args.to.as_deref())
                .await;
        ground.leave().await;
        exit
    })
}

/// Says at once what the engine would refuse.
fn may_roll_back(
    recovered: &Recovered,
    break_glass: Option<&str>,
    to: Option<&str>,
) -> Result<(), Failure> {
    let state = &recovered.state;
    match state.stage() {
        RunStage::Preparing => {
            return Err(Failure::usage("no step has started: there is nothing to roll back"));
        }
        RunStage::RolledBack { .. } | RunStage::Abandoned => {
            return Err(Failure::usage("the run is over: there is nothing to roll back"));
        }
        RunStage::Active | RunStage::RollingBack | RunStage::Completed => {}
    }
    if let (Some(step), None) = (state.committed(), state.rollback()) {
        let message = format!("`{step}` has ended the right to roll back (commit)");
        return Err(Failure::usage(message).help("what is wrong is put right forward"));
    }
    back::known_checkpoint(recovered, to)?;
    let way_back = back::way_back(state, to);
    if let (Some(point), None, None) = (&way_back.past, break_glass, state.rollback()) {
        let message = format!("`{point}` is a point of no return and has run");
        return Err(Failure::usage(message).help("--break-glass \"why going back is right\""));
    }
    if way_back.items.is_empty() && to.is_none() {
        return Err(Failure::usage("no step has started: there is nothing to roll back"));
    }
    Ok(())
}

/// Shows what would be done and asks for the two digits.
fn confirm(
    screen: Screen,
    recovered: &Recovered,
    to: Option<&str>,
    live: bool,
) -> Result<(), Failure> {
    if !terminal::is_there() {
        let failure = Failure::usage("a rollback asks for two digits, and there is no terminal");
        return Err(failure.help(if live {
            "run it on a terminal: a live run is rolled back by a person"
        } else {
            "add --unattended (rehearsals and drills only)"
        }));
    }
    screen.complain(&back::tree(screen, recovered, to, Timestamp::default()));
    let [first, second] = terminal::two_digits();
    let code = format!("{first}{second}");
    let question = format!("nothing has been sent. Type {first} {second} to roll back: ");
    let typed =
        terminal::ask(&question).map_err(|error| terminal::unanswered(&error, "the two digits"))?;
    if typed.replace(' ', "") == code {
        return Ok(());
    }
    Err(Failure::new(Exit::Stopped, "not the two digits: nothing was sent"))
}
