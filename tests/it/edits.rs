//! Commands that are edited for one run: what may be edited, what runs then, what the record says,
//! and that a crash neither loses an edit nor runs it twice.

use std::path::Path;
use std::process::Command as Process;

use crossterm::event::KeyCode;
use golive::base::{Millis, SafeText};
use golive::engine::{Command, Effect, Gesture, Part, RunKind, Status, Which};
use golive::runbook::Class;

use crate::cli::{Called, golive_in};
use crate::console_night::{Night as Console, PLAIN, id};
use crate::histories::World;
use crate::night::{AFTER, Night, ONE, RETRY, WEB, change, gate, look, manual, step, story, tell};
use crate::plans::wei;
use crate::properties::always;
use crate::sshd::{Sshd, me};

/// The command that the last effects start.
fn line_sent(night: &Night) -> &str {
    let runs = night.effects.iter().filter_map(Effect::started);
    runs.map(|run| run.line.as_str()).next_back().expect("something starts")
}

// ---- the engine -------------------------------------------------------------------------------

#[test]
fn a_failed_step_runs_its_new_command_and_the_plan_stays() {
    let mut night = story(
        &(change("a", WEB, "idempotent = true\n") + &change("b", ONE, "")),
        "1 start a            | run a.1 web1,web2
         2 edit a new because | refused `a` is running
         3 end a.1.web1 ok
         4 end a.1.web2 bad   | a:failed; held
         5 edit a do it again        | refused editing its command needs a reason
         5 edit a because why        | refused it is empty
         5 edit a do a because why   | refused it is the same as before
         5 edit a x‹captured: v› because why | refused stands for a value
         5 edit x y because why      | refused there is no step `x`
         6 edit a do it well because a typo  | a:failed; facts: step-edited; by Wei Zhang step-edited
         7 retry a failed     | run a.2 web2",
    );
    assert_eq!(line_sent(&night), "do it well");
    tell(
        &mut night,
        "8 end a.2.web2 ok   | a:succeeded; free
         9 edit a z because y | refused `a` is succeeded
         10 start b           | run b.1 web1",
    );
    assert_eq!(line_sent(&night), "do b");
    let edits = night.state.edits(&step("a"));
    assert_eq!(edits.len(), 1);
    assert_eq!((edits[0].old.as_str(), edits[0].new.as_str()), ("do a", "do it well"));
    assert_eq!(night.state.plan().digest, night.plan.digest, "the pinned plan is the same");
    let pinned = night.plan.step(&step("a")).unwrap();
    assert_eq!(pinned.command(false).unwrap().shown(), "do a");
}

#[test]
fn a_step_that_has_not_started_is_edited_only_while_nothing_can_start_it() {
    let mut night = story(
        &(change("a", ONE, "") + &change("b", ONE, "")),
        "1 edit b new because why | refused hold the run first
         2 hold wait
         3 edit b new because why | b:pending; facts: step-edited
         4 continue
         5 start a                | run a.1 web1
         6 end a.1.web1 ok
         7 start b                | run b.1 web1",
    );
    assert_eq!(line_sent(&night), "new");
    tell(
        &mut night,
        "8 hold wait
         9 edit b other because why | refused `b` is running",
    );
    let before_it_begins = Night::open(&change("a", ONE, ""), RunKind::Live);
    let mut night = before_it_begins;
    tell(
        &mut night,
        "1 edit a new because why | facts: step-edited
         2 begin
         3 start a                | run a.1 web1",
    );
    assert_eq!(line_sent(&night), "new");
}

#[test]
fn what_the_author_said_of_their_command_is_not_said_of_another() {
    // A check that only reads has no undo: with another command it is critical, and waits.
    let night = story(
        &(change("a", ONE, "") + &look("b", "")),
        "1 hold wait
         2 edit b rm it because why | facts: step-edited
         3 continue
         4 start a        | run a.1 web1
         5 end a.1.web1 ok | b:pending",
    );
    let plan = night.state.plan().step(&step("b")).unwrap();
    assert_eq!((plan.class, plan.auto, plan.detached), (Class::Critical, false, true));
    assert_eq!(night.state.edits(&step("b"))[0].was, Class::Check);
    // One that destroys is critical though it has an undo; a raised class is never lowered.
    let night = story(
        &(change("a", ONE, "") + &change("b", ONE, "class = \"critical\"")),
        "1 hold wait
         2 edit a rm -rf /srv/old because why | facts: step-edited
         3 edit b ls because why     | facts: step-edited",
    );
    for name in ["a", "b"] {
        assert_eq!(night.state.plan().step(&step(name)).unwrap().class, Class::Critical);
    }
    // Nothing repeats it by itself, and after an unknown end a person says why.
    story(
        &change("a", ONE, &format!("{RETRY}\nidempotent = true")),
        "1 hold wait
         2 edit a new because why | facts: step-edited
         3 continue
         4 start a              | run a.1 web1
         5 end a.1.web1 bad     | a:failed; held
         6 retry a              | run a.2 web1
         7 end a.2.web1 unknown | a:unknown
         8 retry a              | refused needs a reason
         9 retry a I looked     | run a.3 web1",
    );
}

#[test]
fn a_second_person_agrees_to_the_command_that_runs() {
    story(
        &change("a", ONE, "four_eyes = true"),
        "1 agree a dba Ana_Souza yes
         2 hold wait
         3 edit a new because why | facts: step-edited
         4 continue
         5 start a                | refused needs a second person
         6 agree a dba Ana_Souza yes
         7 start a                | run a.1 web1",
    );
}

#[test]
fn what_is_no_command_is_not_edited_and_a_failed_undo_is() {
    story(
        &(manual("a", "") + &gate("g", "")),
        "1 hold wait
         2 edit a x because y      | refused `a` is not a run or local step
         3 edit a undo x because y | refused `a` is not a run or local step
         4 edit g x because y      | refused `g` is not a run or local step",
    );
    let mut night = story(
        &(change("a", ONE, "") + AFTER),
        "1 start a              | run a.1 web1
         2 end a.1.web1 bad
         3 edit a undo x because y | refused not rolling back
         4 roll-back storm      | run freeze.1 local
         5 edit a x because y   | refused a rollback has begun
         6 end freeze.1.local ok | run a.undo.1 web1
         7 end a.undo.1.web1 bad | ~a:failed; run verify-old.1 web1
         8 edit a undo undo it well because a typo | ~a:failed; facts: step-edited
         9 retry a undo         | run a.undo.2 web1",
    );
    assert_eq!(line_sent(&night), "undo it well");
    tell(
        &mut night,
        "10 end a.undo.2.web1 ok | ~a:succeeded
         11 edit verify-old x because y | refused is running
         12 end verify-old.1.web1 bad | verify-old:failed
         13 edit verify-old look because y | facts: step-edited
         14 retry verify-old     | run verify-old.2 web1",
    );
    assert_eq!(line_sent(&night), "look");
}

/// Edits every command that may be edited, and runs again what failed.
pub(crate) fn edit_all(world: &mut World<'_>, how: u16) {
    let steps: Vec<_> = world.plan.steps.keys().cloned().collect();
    for part in [Part::Action, Part::Undo] {
        for step in steps.iter().filter(|_| !how.is_multiple_of(3)) {
            let (text, reason) = (format!("do {how}"), SafeText::new("better"));
            let (step, which) = (step.clone(), Which::Failed);
            if world.ask(&wei(), &Command::Edit { step: step.clone(), part, text, reason }) {
                let gesture = Gesture { class: Class::Critical, after: Millis::from_secs(1) };
                let reason = Some("looked".into());
                world.ask(&wei(), &Command::Retry { step, part, which, gesture, reason });
            }
        }
    }
}

#[test]
fn whatever_happens_an_attempt_sends_the_command_that_was_shown_last() {
    let seen = std::cell::Cell::new(0_u32);
    always(64, |turn| {
        for run in turn.effects.iter().filter_map(Effect::started) {
            let undo = run.key.part == Part::Undo;
            let mut edits = turn.after.edits(&run.key.step).iter();
            let edit = edits.rfind(|edit| edit.part == run.key.part);
            if let Some(edit) = edit {
                assert_eq!(run.line, edit.new);
                seen.set(seen.get() + 1);
                let plan = turn.before.plan().step(&run.key.step).unwrap();
                assert!(undo || plan.class >= edit.was.max(Class::Change), "{run:?}");
                assert!(!turn.before.edits(&run.key.step).is_empty(), "it was recorded before");
            }
        }
    });
    assert!(seen.get() > 10, "edited commands ran {} times", seen.get());
}

// ---- the screen -------------------------------------------------------------------------------

/// A failed canary whose command is being edited, up to the difference.
fn editing(kind: RunKind) -> Console {
    let mut night = Console::failed(kind);
    night.tick();
    night.keys("e");
    for _ in 0..200 {
        night.key(KeyCode::Backspace);
    }
    night.keys("lbctl new 5 --force");
    night.control('s');
    night
}

#[test]
fn an_edit_is_shown_as_a_difference_and_starts_nothing() {
    let mut night = editing(RunKind::Live);
    let text = night.draw(120, 36, PLAIN);
    for word in ["EDIT e3", "+ lbctl new 5 --force", "Only in this run", "Nothing is sent"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    let submitted = night.submitted.len();
    night.keys("y");
    assert_eq!(night.submitted.len(), submitted, "without a reason nothing is recorded");
    night.keys("the option is new");
    night.control('s');
    night.keys("y");
    let last = night.submitted.last().unwrap();
    assert!(
        matches!(last, Command::Edit { text, reason, .. }
            if text == "lbctl new 5 --force" && reason.as_str() == "the option is new"),
        "{last:?}"
    );
    assert_eq!(night.state.track(&id("e3")).status, Status::Failed, "nothing runs yet");
    let text = night.draw(120, 36, PLAIN);
    for word in ["$ lbctl new 5 --force", "not the runbook's: li.wei", "FAILED"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    night.keys("y");
    assert_eq!(night.state.track(&id("e3")).status, Status::Failed, "the choice is made anew");
    night.keys("r");
    night.keys("y");
    let critical = night.state.plan().step(&id("e3")).unwrap().class == Class::Critical;
    if critical {
        night.keys("47");
    }
    assert_eq!(night.state.track(&id("e3")).status, Status::Running);
}

#[test]
fn esc_keeps_the_text_of_an_edit_and_sends_nothing() {
    let mut night = editing(RunKind::Drill);
    night.keys("w");
    night.keys("half a rea");
    night.key(KeyCode::Esc);
    night.keys("e");
    night.key(KeyCode::Esc);
    night.key(KeyCode::Esc);
    assert!(!night.submitted.iter().any(|command| matches!(command, Command::Edit { .. })));
    assert!(night.state.edits(&id("e3")).is_empty());
    night.keys("e");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("lbctl new 5 --force"), "the draft is kept\n{text}");
}

#[test]
fn edits_in_every_size() {
    for kind in [RunKind::Live, RunKind::Drill] {
        let mut night = editing(kind);
        night.keys("w");
        night.keys("the option is new");
        night.control('s');
        let word = kind.word().to_lowercase();
        for (width, height) in [(120, 36), (80, 24)] {
            insta::assert_snapshot!(
                format!("edit-{width}-{word}"),
                night.draw(width, height, PLAIN)
            );
        }
        if kind == RunKind::Live {
            for (width, height) in [(60, 18), (40, 10)] {
                insta::assert_snapshot!(format!("edit-{width}"), night.draw(width, height, PLAIN));
            }
        }
    }
}

// ---- without a screen -------------------------------------------------------------------------

const SMALL: &str = "tests/it/runbooks/small.toml";
const FAULT: &str = "tests/it/runbooks/small-fault.toml";

fn failed_drill() -> (tempfile::TempDir, std::path::PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let answers = ["--answer", "ready=go", "--answer", "sign-off=done:\"seen\""];
    let fixed = ["run", SMALL, "--practice", "--speed", "20", "--scenario", FAULT];
    let confirm = ["--confirm", "change", "--confirm-step", "all"];
    let args: Vec<_> = fixed.into_iter().chain(confirm).chain(answers).collect();
    let run = golive_in(state.path(), &args);
    assert_eq!(run.code, 5, "{}", run.err);
    let file = state.path().join("fixed.sh");
    std::fs::write(&file, "lbctl weight green 100 # again\n").unwrap();
    (state, file)
}

fn edit(state: &Path, file: &Path, more: &[&str]) -> Called {
    let edit = format!("all={}", file.display());
    let fixed = ["resume", "last", "--headless", "--speed", "20", "--edit", &edit];
    let reason = ["--reason", "the balancer was restarted"];
    let args: Vec<_> = fixed.into_iter().chain(reason).chain(more.iter().copied()).collect();
    golive_in(state, &args)
}

#[test]
fn a_failed_step_is_edited_without_a_screen_and_the_documents_say_so() {
    let (state, file) = failed_drill();
    let state = state.path();
    let unconfirmed = edit(state, &file, &["--confirm", "change"]);
    assert_eq!(unconfirmed.code, 6, "{}", unconfirmed.err);
    assert!(unconfirmed.err.contains("--confirm-step all"), "{}", unconfirmed.err);
    // The same edit once more is not recorded twice.
    let done = edit(state, &file, &["--confirm-step", "all", "--answer", "sign-off=done:seen"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let folder = state.join("report");
    let to = folder.display().to_string();
    let export = golive_in(state, &["export", "last", "--format", "md,jsonl,csv", "-o", &to]);
    assert_eq!(export.code, 0, "{}", export.err);
    let read = |end: &str| {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let file = files.into_iter().find(|path| path.to_string_lossy().ends_with(end));
        std::fs::read_to_string(file.unwrap_or_else(|| panic!("no {end}"))).unwrap()
    };
    let report = read(".md");
    for words in [
        "## DRILL Edited commands",
        "    - lbctl weight green 100\n    + lbctl weight green 100 # again",
        "the balancer was restarted",
        "lbctl weight green 100 \\# again |",
    ] {
        assert!(report.contains(words), "{words} is missing in\n{report}");
    }
    let edits = read(".jsonl").matches("\"ev\":\"step-edited\"").count();
    assert_eq!(edits, 1);
    let verify = golive_in(state, &["verify", "last"]);
    assert_eq!(verify.code, 15, "a drill that nobody signed: {}", verify.out);
}

#[test]
fn an_edit_that_cannot_be_is_told_before_anything_is_taken_up() {
    let (state, file) = failed_drill();
    let state = state.path();
    let lines = |state: &Path| {
        let called = golive_in(state, &["status", "last", "--json"]);
        serde_json::from_str::<serde_json::Value>(&called.out).unwrap()["record"]["lines"].clone()
    };
    let before = lines(state);
    let try_it = |edit: &str, more: &[&str]| {
        let fixed = ["resume", "last", "--headless", "--edit", edit];
        let args: Vec<_> = fixed.into_iter().chain(more.iter().copied()).collect();
        golive_in(state, &args)
    };
    let why: &[&str] = &["--reason", "why"];
    let known = format!("all={}", file.display());
    for (edit, more, said) in [
        (known.as_str(), &[] as &[&str], "--reason"),
        ("all=/no/such/file", why, "cannot read"),
        ("nowhere=x", why, "cannot read"),
        ("all", why, "STEP=FILE"),
    ] {
        let called = try_it(edit, more);
        assert_eq!(called.code, 2, "{edit}: {}", called.err);
        assert!(called.err.contains(said), "{edit}: {}", called.err);
    }
    let other = format!("ready={}", file.display());
    let gate = try_it(&other, why);
    assert!(gate.err.contains("it has no command"), "{}", gate.err);
    assert_eq!(lines(state), before, "nothing was recorded");
}

#[test]
fn no_secret_comes_into_the_record_by_an_edit() {
    let (state, file) = failed_drill();
    let token = format!("ghp_{}", "x".repeat(36));
    std::fs::write(&file, format!("curl -H 'token: {token}' lb1\n")).unwrap();
    let refused = edit(state.path(), &file, &["--confirm-step", "all"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("what looks like a GitHub token"), "{}", refused.err);
    let sessions = std::fs::read_dir(state.path().join("sessions")).unwrap();
    for session in sessions {
        let journal = session.unwrap().path().join("journal.jsonl");
        assert!(!std::fs::read_to_string(journal).unwrap().contains(&token));
    }
}

// ---- a crash in between -----------------------------------------------------------------------

/// A call of golive in `dir`, which is killed at the `death`-th line of its record, if at any.
pub(crate) fn call(dir: &Path, death: Option<usize>, args: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_golive");
    let mut command = match death {
        None => Process::new(program),
        Some(nth) => {
            let mut command = Process::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-P"]);
            command.arg(dir.join("state/sessions/night/journal.jsonl"));
            command.args(["-e", "trace=fdatasync", "-e"]);
            command.arg(format!("inject=fdatasync:signal=KILL:when={nth}")).arg(program);
            command
        }
    };
    command.args(args).current_dir(dir).env("HOME", dir).env("GOLIVE_STATE", dir.join("state"));
    let output = command.env_remove("SSH_AUTH_SOCK").output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A runbook with these steps on `target`, which is the server.
pub(crate) fn on_sshd(sshd: &Sshd, steps: &str) -> String {
    format!(
        "golive = 1\n[runbook]\nid = \"night\"\ntitle = \"N\"\nstrategy = \"direct\"\n\
         [hosts.target]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nidentity = \"{}\"\n\
         [[phase]]\nid = \"p\"\ntitle = \"All\"\n{steps}",
        sshd.port,
        me(),
        sshd.identity().display()
    )
}

/// A run whose only step fails; the edit of it dies at the `nth` line; then it is taken up again.
/// Whether it lived.
fn one_death(sshd: &Sshd, nth: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let here = dir.display();
    let only = format!(
        "[[phase.step]]\nid = \"one\"\non = \"target\"\nrun = \"echo old >> {here}/ledger; exit 3\"\n\
         estimate = \"1s\"\ntimeout = \"30s\"\nundo = {{ run = \"true\", estimate = \"1s\" }}\n"
    );
    std::fs::write(dir.join("night.toml"), on_sshd(sshd, &only)).unwrap();
    std::fs::write(dir.join("new.sh"), format!("echo new >> {here}/ledger\n")).unwrap();
    std::fs::create_dir(dir.join(".ssh")).unwrap();
    std::fs::copy(sshd.path("known_hosts"), dir.join(".ssh/known_hosts")).unwrap();
    let run = ["run", "night.toml", "--session", "night", "--confirm", "change"];
    assert_eq!(call(dir, None, &run).0, Some(5));
    let edit = ["--edit", "one=new.sh", "--reason", "it was wrong"];
    let resume = ["resume", "night", "--headless", "--confirm", "change"];
    let args: Vec<_> = resume.into_iter().chain(edit).collect();
    let (code, said) = call(dir, Some(nth), &args);
    let ledger = || std::fs::read_to_string(dir.join("ledger")).unwrap_or_default();
    let news = || ledger().matches("new").count();
    assert!(news() < 2 && ledger().matches("old").count() == 1, "{nth}: {}", ledger());
    if code == Some(0) {
        assert_eq!(news(), 1, "{said}");
        return true;
    }
    // As an operator would: once more, with the same words.
    let (code, said) = call(dir, None, &args);
    let recorded = golive::session::Store::new(dir.join("state"));
    let recovered = golive::session::open(&recorded.find("night").unwrap()).unwrap();
    let one = step("one");
    assert_eq!(recovered.state.edits(&one).len(), 1, "{nth}: the edit is there, once: {said}");
    assert_eq!(ledger().matches("old").count(), 1, "{nth}: the old command ran once: {said}");
    assert!(news() < 2, "{nth}: the new command ran twice: {said}");
    if code == Some(0) {
        assert_eq!(news(), 1, "{nth}: {said}");
        assert_eq!(recovered.state.track(&one).status, Status::Succeeded);
    } else {
        // The attempt had succeeded before this call, or a person has to look.
        assert!(matches!(code, Some(2 | 5 | 6)), "{nth}: {code:?} {said}");
    }
    false
}

#[test]
fn killed_at_every_line_of_an_edit_it_is_there_and_runs_once() {
    let sshd = Sshd::start();
    sshd.known_hosts("ed25519");
    let lived = (1..60).find(|nth| one_death(&sshd, *nth));
    assert!(lived.is_some_and(|nth| nth > 5), "{lived:?}: it died at every line before");
}
