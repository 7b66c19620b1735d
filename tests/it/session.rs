//! A session without a screen: commands in, views out, everything on disk in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use golive::base::{Millis, SafeText, StepId};
use golive::engine::{
    Actor, Command, Gesture, Health, Part, RunKind, RunStage, State, Status, Which,
};
use golive::exec::ssh::{ConfigSource, Options, Pool};
use golive::runbook::{self, Class};
use golive::session::{
    Found, Handle, Inputs, Recovered, Start, StartError, Store, SubmitError, View, fold, open,
    start,
};

/// Every condition holds within this, on a machine however slow.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

fn person() -> Actor {
    Actor::Operator(SafeText::new("wei"))
}

pub(crate) const GESTURE: Gesture = Gesture { class: Class::Critical, after: Millis::new(700) };

pub(crate) fn pool() -> Pool {
    Pool::new(
        Vec::new(),
        Options { config: ConfigSource::None, agent: false, ..Options::default() },
    )
}

pub(crate) struct Night {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) found: Found,
    pub(crate) handle: Handle,
}

pub(crate) fn inputs(file: &Path) -> (Inputs, Arc<golive::plan::Plan>) {
    let (inputs, checked) = Inputs::read(file, &runbook::Options::default()).unwrap();
    let problems: Vec<_> = checked.errors().map(|problem| problem.message.clone()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let plan = inputs.plan(&checked).unwrap();
    (inputs, plan)
}

pub(crate) fn request(dir: &Path, file: &Path, resume: Option<Recovered>) -> Start {
    let (inputs, plan) = inputs(file);
    Start {
        replan: None,
        store: Store::new(dir.join("state")),
        inputs,
        plan,
        kind: RunKind::Drill,
        driver: SafeText::new("wei"),
        overridden: None,
        name: None,
        pool: pool(),
        secrets: golive::exec::Secrets::none(),
        tap: None,
        resume,
        notary: None,
    }
}

/// Opens a session on `text`, in which `DIR` stands for the test's own folder.
pub(crate) fn night(text: &str) -> Night {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, text.replace("DIR", &dir.path().display().to_string())).unwrap();
    let (found, handle) = start(&request(dir.path(), &file, None)).unwrap();
    Night { dir, found, handle }
}

impl Night {
    pub(crate) async fn ask(&self, command: Command) -> Result<(), SubmitError> {
        self.handle.submit(&person(), command).await
    }

    pub(crate) async fn start(&self, step: &str) {
        self.ask(Command::Start { step: id(step), gesture: GESTURE }).await.unwrap();
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&View) -> bool) -> Arc<View> {
        let mut views = self.handle.views();
        let found = tokio::time::timeout(PATIENCE, views.wait_for(|view| holds(view))).await;
        match found {
            Ok(view) => Arc::clone(&view.unwrap()),
            Err(elapsed) => panic!("never: {what} ({elapsed}); {:#?}", self.handle.view().tail),
        }
    }

    pub(crate) async fn settled(&self, step: &str, status: Status) -> Arc<View> {
        let what = format!("{step} is {}", status.word());
        self.until(&what, |view| view.state.track(&id(step)).status == status).await
    }

    /// Ends the process's part of the session, as `kill -9` would: nothing is said.
    async fn vanish(self) -> (tempfile::TempDir, Found) {
        let Self { dir, found, handle } = self;
        drop(handle);
        // The session's thread lets go of the lock when it ends.
        while golive::journal::Lock::holder(&found.dir).unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (dir, found)
    }
}

/// The state that the journal alone gives.
fn replayed(found: &Found) -> State {
    open(found).unwrap().state
}

pub(crate) const THREE: &str = r#"
golive = 1
[runbook]
id = "three"
title = "Three local steps"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "One"
local = "echo one >> DIR/ledger; echo version=2.14"
capture = { version = "version=(.*)" }
estimate = "1s"
timeout = "10s"
undo = { local = "echo undo-one >> DIR/ledger", estimate = "1s" }
[[phase.step]]
id = "two"
title = "Two"
local = "echo two {{ version }} >> DIR/ledger; test -e DIR/fixed"
estimate = "1s"
timeout = "10s"
undo = { local = "echo undo-two >> DIR/ledger; false", estimate = "1s" }
[[phase.step]]
id = "three"
title = "Three"
local = "echo three >> DIR/ledger"
estimate = "1s"
timeout = "10s"
verify = { run = "test -e DIR/fixed", every = "50ms", within = "5s" }
undo = { local = "echo undo-three >> DIR/ledger", estimate = "1s" }
[[rollback.after]]
id = "old"
title = "Old system verified"
stage = "verify"
local = "echo old >> DIR/ledger"
estimate = "1s"
timeout = "10s"
read_only = true
"#;

fn ledger(dir: &tempfile::TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(dir.path().join("ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_goes_forward_and_back() {
    let night = night(THREE);
    night.ask(Command::Begin).await.unwrap();
    night.start("one").await;
    let view = night.settled("one", Status::Succeeded).await;
    assert_eq!(view.state.captures().values().collect::<Vec<_>>(), ["2.14"]);
    night.start("two").await;
    let view = night.settled("two", Status::Failed).await;
    assert!(view.state.hold().is_some(), "a failure holds");
    std::fs::write(night.dir.path().join("fixed"), "").unwrap();
    let (step, part) = (id("two"), Part::Action);
    let retry = Command::Retry { step, part, which: Which::Failed, gesture: GESTURE, reason: None };
    night.ask(retry).await.unwrap();
    night.settled("two", Status::Succeeded).await;
    night.start("three").await;
    night.until("all is done", |view| view.state.stage() == RunStage::Completed).await;
    let reason = SafeText::new("the business says no");
    night.ask(Command::OpenGuard).await.unwrap();
    night.ask(Command::RollBack { reason, break_glass: None, to: None }).await.unwrap();
    let view = night.until("rollback is held", |view| view.state.hold().is_some()).await;
    assert_eq!(view.state.undo_track(&id("two")).status, Status::Failed);
    let (step, part) = (id("two"), Part::Undo);
    let reason = SafeText::new("nothing to undo there, looked at it");
    night.ask(Command::AcceptFailure { step, part, reason }).await.unwrap();
    let ended = RunStage::RolledBack { verified: true };
    night.until("rolled back", |view| view.state.stage() == ended).await;
    night.ask(Command::Close).await.unwrap();
    let live = night.handle.view();
    assert_eq!(
        ledger(&night.dir),
        ["one", "two 2.14", "two 2.14", "three", "undo-three", "undo-two", "undo-one", "old"]
    );
    assert_eq!(replayed(&night.found), *live.state, "the journal gives the same state");
    let late = night.ask(Command::Note { step: None, text: "late".to_owned() }).await;
    assert!(late.unwrap_err().to_string().contains("closed"), "nothing follows the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_is_unknown_after_a_crash_and_runs_no_second_time() {
    let text = THREE.replace(
        "local = \"echo one >> DIR/ledger; echo version=2.14\"",
        "local = \"echo one >> DIR/ledger; sleep 2; echo version=2.14\"",
    );
    let night = night(&text);
    night.ask(Command::Begin).await.unwrap();
    night.start("one").await;
    let written = || !ledger(&night.dir).is_empty();
    while !written() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let file = night.dir.path().join("night.toml");
    let (dir, found) = night.vanish().await;
    let recovered = open(&found).unwrap();
    assert_eq!(recovered.state.track(&id("one")).status, Status::Running);
    let (found, handle) = start(&request(dir.path(), &file, Some(recovered))).unwrap();
    let night = Night { dir, found, handle };
    let view = night.settled("one", Status::Unknown).await;
    assert!(view.state.hold().is_some());
    assert!(view.state.last_away().is_some());
    let (step, part, which) = (id("one"), Part::Action, Which::All);
    let blind = Command::Retry { step: step.clone(), part, which, gesture: GESTURE, reason: None };
    let refused = night.ask(blind).await.unwrap_err().to_string();
    assert!(refused.contains("needs a reason"), "{refused}");
    assert_eq!(ledger(&night.dir), ["one"]);
    let reason = SafeText::new("saw the line in the ledger");
    night.ask(Command::DoneByHand { step, part, reason }).await.unwrap();
    assert_eq!(replayed(&night.found), *night.handle.view().state);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_driver_is_kept_out_and_told_who_is_there() {
    let night = night(THREE);
    let file = night.dir.path().join("night.toml");
    let recovered = open(&night.found).unwrap();
    let error = start(&request(night.dir.path(), &file, Some(recovered))).err().unwrap();
    assert!(matches!(error, StartError::Lock(_)), "{error}");
    assert!(error.to_string().contains("wei drives this session"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_step_and_a_time_limit_does_too() {
    let text = THREE
        .replace("echo one >> DIR/ledger; echo version=2.14", "echo version=1; sleep 60")
        .replace(
            "timeout = \"10s\"\nundo = { local = \"echo undo-one",
            "timeout = \"1s\"\nundo = { local = \"echo undo-one",
        );
    let night = night(&text);
    night.ask(Command::Begin).await.unwrap();
    night.start("one").await;
    night.settled("one", Status::TimedOut).await;
    let step = id("one");
    let again = |step| Command::Retry {
        step,
        part: Part::Action,
        which: Which::All,
        gesture: GESTURE,
        reason: None,
    };
    night.ask(again(step.clone())).await.unwrap();
    night.ask(Command::Stop { step }).await.unwrap();
    let view = night.settled("one", Status::Cancelled).await;
    let alarms = view.state.open_alarms();
    assert!(alarms.iter().any(|a| a.text.as_str().contains("nothing of it is left")), "{alarms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_reads_probes_and_unknown_holds_it() {
    let probe = r#"
[probes]
allow = ["127.0.0.1"]
[[probe]]
id = "flag"
title = "Flag"
every = "1s"
timeout = "2s"
source = { tcp = "127.0.0.1:PORT" }
stale = "10s"
failed = "> 5000"
[[phase]]
id = "g"
title = "Gate"
[[phase.step]]
id = "gate"
title = "Go?"
gate = { healthy = ["*"] }
"#;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let text = format!("{}{}", THREE.split("[[phase]]").next().unwrap(), probe);
    let night = night(&text.replace("PORT", &port));
    night.ask(Command::Begin).await.unwrap();
    let probe = "flag".parse().unwrap();
    let decide = |view: &View, reason: Option<&str>| Command::Decide {
        step: id("gate"),
        choice: golive::engine::Choice::Go,
        ticked: 0,
        evidence: view.board.evidence(std::slice::from_ref(&probe), view.at),
        margin: None,
        reason: reason.map(SafeText::new),
    };
    night.until("healthy", |view| view.state.health(&probe) == Health::Healthy).await;
    drop(listener);
    let view = night.until("failed", |v| v.state.health(&probe) == Health::Failed).await;
    let refused = night.ask(decide(&view, None)).await.unwrap_err();
    assert!(refused.to_string().contains("probe `flag` is failed"), "{refused}");
    night.ask(decide(&view, Some("the flag is not used any more"))).await.unwrap();
    let view = night.settled("gate", Status::Succeeded).await;
    let record = view.state.gate(&id("gate")).unwrap();
    assert_eq!(record.evidence.len(), 1, "the decision holds what it was taken on");
    assert!(record.evidence.first().unwrap().age.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_line_is_refused_and_the_record_goes_on() {
    let night = night(THREE);
    let text = "x".repeat(golive::journal::LINE_BYTES_MAX + 1);
    let error = night.ask(Command::Note { step: None, text }).await.unwrap_err();
    assert!(matches!(error, SubmitError::NotRecorded(_)), "{error}");
    assert_eq!(night.handle.view().not_recorded, None);
    night.ask(Command::Begin).await.unwrap();
    assert_eq!(replayed(&night.found), *night.handle.view().state);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_pinned_files_are_not_resumed() {
    let night = night(THREE);
    let (_dir, found) = night.vanish().await;
    let pinned: Vec<PathBuf> =
        std::fs::read_dir(found.pinned()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let runbook = pinned.iter().find(|path| path.extension().is_some_and(|e| e == "toml"));
    let text = std::fs::read_to_string(runbook.unwrap()).unwrap();
    std::fs::write(runbook.unwrap(), text.replace("sleep", "sleep 1;").replace("One", "0ne"))
        .unwrap();
    let error = open(&found).err().unwrap().to_string();
    assert!(error.contains("not those that the session was started from"), "{error}");
}

#[test]
fn the_plans_digest_names_every_input_and_no_folder() {
    let read = |folder: &str, text: &str, vars: &[(&str, &str)]| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(folder).join("night.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        let vars = vars.iter().map(|(k, v)| (k.parse().unwrap(), (*v).to_owned())).collect();
        let options = runbook::Options { vars, ..runbook::Options::default() };
        Inputs::read(&file, &options).unwrap().0.digest()
    };
    let text = format!("{THREE}\n[vars]\nrelease = \"1\"\n");
    let one = read("a", &text, &[]);
    assert_eq!(one, read("b/c", &text, &[]), "where it lies does not count");
    assert_ne!(one, read("a", &text.replace("Three", "Tree"), &[]));
    assert_ne!(one, read("a", &text, &[("release", "2")]));
}

#[test]
fn a_plan_that_does_not_fit_its_window_is_doubted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    let window =
        "\n[window]\nopens = 2026-11-29T01:00:00\ncloses = 2026-11-29T01:00:02\nzone = \"UTC\"\n";
    std::fs::write(&file, format!("{THREE}{window}")).unwrap();
    let (_, checked) = Inputs::read(&file, &runbook::Options::default()).unwrap();
    let codes: Vec<_> = checked.problems.iter().map(|problem| problem.code.to_string()).collect();
    assert!(codes.contains(&"G103".to_owned()) && codes.contains(&"G105".to_owned()), "{codes:?}");
}

#[test]
fn folding_nothing_gives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, THREE).unwrap();
    let (_, plan) = inputs(&file);
    assert_eq!(fold(&plan, &[]), State::new(plan));
}
