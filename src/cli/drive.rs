//! `golive drive`, `rehearse`, `demo` and `resume`: the console, and what is around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::base::SafeText;
use crate::console::{self, Look, Outcome};
use crate::engine::{Actor, Command, RunKind, RunStage};
use crate::exec::ssh::Passphrase;
use crate::plan::Plan;
use crate::runbook::Strategy;
use crate::session::{Door, Handle, Inputs, Start, View, next_knock};

use super::args::{
    ColorWhen, Common, DemoArgs, DriveArgs, Fleet, Guard, LangWish, RehearseArgs, ResumeArgs,
};
use super::exit::Exit;
use super::ground::{self, Ground};
use super::input;
use super::message::Failure;
use super::reload::{self, Asked};
use super::run::{
    Driven, accept_keys, begin, begin_again, ground_of, on_runtime, successor, take_up,
};
use super::screen::{Ink, Screen};
use super::secrets;
use super::sign::Sign;
use super::signals;
use super::terminal::{self, Asker};

const BLUE_GREEN: &str = include_str!("../../runbooks/blue-green.toml");
const CANARY: &str = include_str!("../../runbooks/canary.toml");
const DIRECT: &str = include_str!("../../runbooks/direct.toml");
const FAILOVER: &str = include_str!("../../runbooks/failover.toml");
const PARALLEL: &str = include_str!("../../runbooks/parallel.toml");
const PHASED: &str = include_str!("../../runbooks/phased.toml");
const DEMO_HOSTS: &str = include_str!("../../runbooks/inventory/practice.toml");
const DEMO_HOSTS_NAME: &str = "inventory/practice.toml";

/// A run to be driven from this terminal.
struct Wish {
    inputs: Inputs,
    plan: Arc<Plan>,
    kind: RunKind,
    /// How the practice fleet is to be, if it is the ground.
    practice: Option<Fleet>,
    guard: Guard,
    sign: Sign,
}

/// Runs `golive drive`.
pub(super) fn drive(screen: Screen, common: &Common, args: &DriveArgs) -> Result<Exit, Failure> {
    needs_terminal(&format!("golive run {} --kind live --confirm change", args.file.display()))?;
    let (inputs, plan) = input::load_to_run(screen, &args.file, &args.extra)?;
    let (guard, sign) = (args.guard.clone(), args.sign.clone());
    let kind = RunKind::Live;
    open(screen, common, Wish { inputs, plan, kind, practice: None, guard, sign })
}

/// Runs `golive rehearse`.
pub(super) fn rehearse(
    screen: Screen,
    common: &Common,
    args: &RehearseArgs,
) -> Result<Exit, Failure> {
    let practice = if args.practice { " --practice" } else { "" };
    needs_terminal(&format!("golive run {}{practice} --confirm change", args.file.display()))?;
    if args.fleet.scenario.is_some() && !args.practice {
        return Err(Failure::usage("--scenario is for the practice fleet").help("add --practice"));
    }
    let (mut inputs, plan) = input::load_to_run(screen, &args.file, &args.extra)?;
    inputs.practice = args.practice;
    let kind = if args.practice { RunKind::Drill } else { RunKind::Rehearsal };
    let practice = args.practice.then(|| args.fleet.clone());
    let (guard, sign) = (args.guard.clone(), args.sign.clone());
    open(screen, common, Wish { inputs, plan, kind, practice, guard, sign })
}

/// Runs `golive demo`.
pub(super) fn demo(screen: Screen, common: &Common, args: &DemoArgs) -> Result<Exit, Failure> {
    needs_terminal("golive run RUNBOOK --practice --confirm change")?;
    let inputs = demo_inputs(args.strategy, &demo_window());
    let checked = inputs.check();
    let plan = input::plan(screen, &inputs, &checked, &inputs.main)?;
    let practice = Some(args.fleet.clone());
    let (guard, sign) = (Guard::default(), args.sign.clone());
    open(screen, common, Wish { inputs, plan, kind: RunKind::Drill, practice, guard, sign })
}

/// A change window around this minute, so that the demo shows what a window does.
fn demo_window() -> String {
    let now = jiff::ZonedDateTime::now();
    let zone = now.time_zone().iana_name().unwrap_or("UTC");
    let civil = |minutes: i64| {
        let span = jiff::SignedDuration::from_mins(minutes);
        let at = now.checked_add(span).unwrap_or_else(|_| now.clone());
        at.strftime("%Y-%m-%dT%H:%M:00").to_string()
    };
    let (opens, closes) = (civil(-5), civil(45));
    format!(
        "\n[window]\nopens = {opens}\ncloses = {closes}\nzone = \"{zone}\"\nwarn = \"10m\"\nprotect = \"15m\"\n"
    )
}

/// The demo's runbook and hosts, which are in the program itself, with `window` put in.
fn demo_inputs(strategy: Strategy, window: &str) -> Inputs {
    let (name, text) = match strategy {
        Strategy::BlueGreen => ("blue-green.toml", BLUE_GREEN),
        Strategy::Canary => ("canary.toml", CANARY),
        Strategy::Direct => ("direct.toml", DIRECT),
        Strategy::Failover => ("failover.toml", FAILOVER),
        Strategy::Parallel => ("parallel.toml", PARALLEL),
        Strategy::Phased => ("phased.toml", PHASED),
    };
    let text = format!("{text}{window}");
    let files = [(name, text.as_str()), (DEMO_HOSTS_NAME, DEMO_HOSTS)];
    Inputs {
        files: files.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
        main: name.to_owned(),
        inventory: None,
        vars: BTreeMap::new(),
        practice: true,
        contents: BTreeMap::new(),
        folder: String::new(),
    }
}

/// Runs `golive resume` with the console.
pub(super) fn resume(screen: Screen, common: &Common, args: &ResumeArgs) -> Result<Exit, Failure> {
    let store = input::store(common)?;
    let successor = successor(args)?;
    let reload = match reload::prepare(screen, &store, args)? {
        Asked::Shown => return Ok(Exit::Done),
        Asked::Nothing => None,
        Asked::Reload(reload) => Some(*reload),
    };
    let reload = reload.as_ref();
    needs_terminal(&format!("golive resume {} --headless", store.find(&args.session)?.id))?;
    let recovered = take_up(screen, &store, &args.session, &successor)?;
    let driver = successor.driver;
    on_runtime(async {
        let asker = Asker::default();
        let ask: Arc<dyn Passphrase> = Arc::new(asker.clone());
        let ground = ground_of(screen, &recovered, reload, &args.fleet, ask).await?;
        warm(screen, &ground).await;
        let practice = recovered.inputs.practice;
        let notary = args.sign.notary(screen, &ground.pool, &ground.plan, practice).await?;
        asker.close();
        let driven =
            begin_again(screen, store, &recovered, reload, &ground, driver.clone(), notary)?;
        accept_keys(&driven, args, &driver).await?;
        at_the_console(screen, common, ground, driven, driver).await
    })
}

/// A console without a terminal would have to ask: it names the command that does not.
fn needs_terminal(instead: &str) -> Result<(), Failure> {
    if terminal::can_draw() {
        return Ok(());
    }
    Err(Failure::usage("the console needs a terminal, and there is none")
        .help(format!("without one: {instead}")))
}

fn open(screen: Screen, common: &Common, wish: Wish) -> Result<Exit, Failure> {
    let Wish { inputs, plan, kind, practice, guard, sign } = wish;
    let store = input::store(common)?;
    let (plan, overridden) =
        if practice.is_some() { (plan, None) } else { ground::allow(plan, kind, &guard)? };
    store.prepare()?;
    let driver = ground::driver(guard.driver.as_deref());
    on_runtime(async {
        let asker = Asker::default();
        let ground = if let Some(fleet) = &practice {
            Ground::practice(screen, &plan, fleet).await?
        } else {
            let secrets = secrets::resolve(screen, &plan, &inputs)?;
            Ground::real(plan, secrets, Arc::new(asker.clone()))
        };
        warm(screen, &ground).await;
        let notary = sign.notary(screen, &ground.pool, &ground.plan, practice.is_some()).await?;
        asker.close(); // The screen belongs to the console from here on.
        let driven = begin(screen, &ground, |tap| Start {
            store,
            inputs,
            plan: Arc::clone(&ground.plan),
            kind,
            driver: driver.clone(),
            overridden,
            name: guard.session.clone(),
            pool: ground.pool.clone(),
            secrets: ground.secrets.clone(),
            tap: Some(tap),
            resume: None,
            replan: None,
            notary: Some(notary),
        })?;
        at_the_console(screen, common, ground, driven, driver).await
    })
}

/// Opens the links while passphrases can still be asked for.
async fn warm(screen: Screen, ground: &Ground) {
    let count = ground.plan.hosts.len();
    if count > 0 {
        screen.say(&format!("connecting to {count} hosts"));
    }
    for why in ground.warm().await {
        screen.complain(&format!("{} {why}", screen.error_ink(Ink::Yellow, "not reachable:")));
    }
}

/// How the terminal wants to be drawn on.
fn look(common: &Common) -> Look {
    let text = |name: &str| std::env::var(name).unwrap_or_default();
    let first = |names: [&str; 3]| {
        let all = names.into_iter().map(text);
        all.into_iter().find(|locale| !locale.is_empty()).unwrap_or_default()
    };
    Look {
        color: match common.color {
            ColorWhen::Auto => None,
            ColorWhen::Always => Some(true),
            ColorWhen::Never => Some(false),
        },
        ascii: common.ascii,
        no_color: !text("NO_COLOR").is_empty(),
        term: text("TERM"),
        colorterm: text("COLORTERM"),
        locale: first(["LC_ALL", "LC_CTYPE", "LANG"]),
        lang: common.lang.unwrap_or_else(|| LangWish::of_variable(&text("GOLIVE_LANG"))).lang(),
        messages: first(["LC_ALL", "LC_MESSAGES", "LANG"]),
    }
}

async fn at_the_console(
    screen: Screen,
    common: &Common,
    ground: Ground,
    driven: Driven,
    driver: SafeText,
) -> Result<Exit, Failure> {
    let Driven { found, handle, mut door, chunks } = driven;
    let by = Actor::Operator(driver);
    let codes = Box::new(terminal::two_digits);
    let look = look(common);
    let how = (look.theme(), look.lang());
    signals::are_heard();
    let console = console::drive(handle.clone(), by.clone(), &mut door, chunks, codes, how);
    let outcome = console.await;
    let outcome = outcome.map_err(|error| {
        Failure::new(Exit::Failed, format!("the console cannot use this terminal: {error}"))
            .help(format!("the session is open still: golive resume {}", found.id))
    })?;
    let lives_on = outcome == Outcome::TerminalLost || ground.is_practice();
    wait_for_what_runs(screen, &handle, &by, &mut door, lives_on).await;
    super::unrecorded::last_words(screen, &found, &handle, &by).await;
    super::message::wait_for_notices(screen, &handle).await;
    let signing = handle.settle().await;
    let view = handle.view();
    let state = Arc::clone(&view.state);
    let failed = view.not_recorded.is_some() || outcome == Outcome::Broken;
    let exit = match (outcome, state.stage()) {
        _ if failed => Exit::Failed,
        (Outcome::Signal(2), _) => Exit::Interrupted,
        (Outcome::Signal(_) | Outcome::TerminalLost, _) => Exit::Terminated,
        (_, RunStage::Completed) => Exit::Done,
        (_, RunStage::RolledBack { verified: true }) => Exit::RolledBack,
        (_, RunStage::RolledBack { verified: false }) => Exit::RollbackUnfinished,
        (Outcome::TakenOver, _)
        | (_, RunStage::Preparing | RunStage::Active | RunStage::RollingBack) => Exit::Stopped,
        (_, RunStage::Abandoned) => Exit::StepFailed,
    };
    for line in bad_news(&view, outcome) {
        screen.complain(&format!("{} {line}", screen.error_ink(Ink::Red, "error:")));
    }
    screen.say_signing(&signing);
    let (over, all) = state.count();
    screen.complain(&format!("{} ({over} of {all} steps over)", exit.meaning()));
    screen.say(&format!("record {} · head {}", found.dir.display(), handle.view().head));
    if state.is_closed() {
        screen.say(&format!("golive verify {0}\ngolive export {0} -o report/", found.id));
    } else {
        screen.complain(&format!("go on with: golive resume {}", found.id));
    }
    ground.leave().await;
    Ok(exit)
}

/// What the operator has to know about golive itself.
fn bad_news(view: &View, outcome: Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    if outcome == Outcome::Broken {
        lines.push("the session has ended by itself: this is a bug of golive".to_owned());
        lines.push("its record is whole up to its last line; what ran is in doubt".to_owned());
    }
    if let Some(why) = &view.not_recorded {
        lines.push(format!("nothing could be recorded any more: {why}"));
    }
    lines.extend(super::message::unrecorded(view));
    lines
}

/// What would be lost with the program ends before it does; what is durable goes on without it.
/// A session whose terminal is gone lives on and watches that too. Whoever knocks gets it.
async fn wait_for_what_runs(
    screen: Screen,
    handle: &Handle,
    by: &Actor,
    door: &mut Option<Door>,
    lives_on: bool,
) {
    let mut views = handle.views();
    let done = |view: &View| {
        if lives_on { !view.runs() } else { view.bound_to_us().is_empty() }
    };
    let mut heirs = 0;
    if !done(&handle.view()) {
        screen.complain(
            "held; what ends with golive ends first, Ctrl-C to leave at once (its outcome is then \
             unknown)",
        );
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        while !(done(&handle.view()) || heirs > 0 && handle.view().bound_to_us().is_empty()) {
            tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => return,
                knock = next_knock(door, handle) => {
                    heirs += 1;
                    handle.submit(by, Command::Leave { why: knock.words() }).await.ok();
                    let bound = handle.view().bound_to_us().len();
                    knock.open(&format!("{bound} jobs end with it and are waited for"));
                }
                changed = views.changed() => if changed.is_err() { return },
            }
        }
    }
    if handle.view().runs() {
        screen.complain("what is durable runs on: `golive resume` finds it again");
    }
}

#[cfg(test)]
mod tests {
    use super::{demo_inputs, demo_window};
    use crate::cli::args::STRATEGIES;
    use crate::runbook::{Class, Strategy};

    #[test]
    fn the_demo_is_in_the_program_and_well() {
        for (_, strategy) in STRATEGIES {
            let inputs = demo_inputs(strategy, &demo_window());
            let checked = inputs.check();
            assert_eq!(checked.problems, [], "{strategy:?}");
            let plan = inputs.plan(&checked).unwrap();
            assert!(plan.window.is_some());
            let critical = plan.steps.values().any(|step| step.class == Class::Critical);
            // The first demo can be rolled back to its very end.
            assert!(strategy != Strategy::BlueGreen || !critical);
        }
    }
}
