//! Another plan for the rest of a run: what stands in its way, what it makes of the state, what the
//! record says, and that a crash on the way neither loses it nor runs a step twice.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use golive::base::Digest;
use golive::engine::{Command, Effect, Event, Fact, Key, Part, RunKind, Status};
use golive::plan::{Plan, Text, Work};
use golive::session::{Store, open};

use crate::cli::golive_in;
use crate::edits::{call, on_sshd};
use crate::histories::{History, World, live};
use crate::night::{AFTER, Night, ONE, WEB, change, look, manual, step, tell};
use crate::plans::{replay, wei};
use crate::properties::lives;
use crate::sshd::Sshd;

// ---- the engine -------------------------------------------------------------------------------

fn night(body: &str, others: &[(&'static str, &str)], lines: &str) -> Night {
    let mut night = Night::open_with(body, RunKind::Live, others);
    night.line("0 begin");
    tell(&mut night, lines);
    night
}

fn line_sent(night: &Night) -> &str {
    let runs = night.effects.iter().filter_map(Effect::started);
    runs.map(|run| run.line.as_str()).next_back().expect("something starts")
}

#[test]
fn what_has_not_started_is_added_removed_and_changed() {
    let first = change("a", ONE, "") + &change("b", ONE, "") + &change("c", ONE, "");
    let second = change("a", ONE, "") + &look("b2", "") + &change("c", WEB, "title = \"C\"");
    let mut night = night(
        &first,
        &[("two", &second), ("same", &first)],
        "1 start a          | run a.1 web1
         2 end a.1.web1 ok
         3 replan two       | refused needs a reason
         3 replan same why  | refused the one that the run goes by
         4 hold wait
         5 replan two the change was amended | a:succeeded; facts: replanned; by Wei Zhang replanned
         6 start b          | refused there is no step `b`
         7 continue         | b2:running; run b2.1 web1
         8 end b2.1.web1 ok
         9 start c          | run c.1 web1,web2
         10 end c.1.web1 ok
         11 end c.1.web2 ok | completed",
    );
    let replans = night.state.replans();
    let words: Vec<_> = replans[0].changes.iter().map(golive::plan::StepChange::words).collect();
    assert_eq!(words, ["- b", "+ b2", "~ c: on, undo, needs, title"]);
    // Back goes by the plan of the end.
    tell(&mut night, "12 roll-back storm | run c.undo.1 web1,web2; items ~c ~a");
}

#[test]
fn what_the_record_says_cannot_become_untrue() {
    let first = change("a", ONE, "") + &change("b", ONE, "") + &change("c", ONE, "");
    let with = |a: &str, b: &str| a.to_owned() + b + &change("c", ONE, "");
    let plain = |id: &str| change(id, ONE, "");
    let other = plain("a").replace("do a", "do it otherwise");
    let no_undo = plain("a").replace("undo = {", "irreversible = \"gone\" #");
    let ponr = change("a", ONE, "point_of_no_return = true");
    let others: Vec<(&'static str, String)> = vec![
        ("gone", plain("b") + &plain("c")),
        ("other", with(&other, &plain("b"))),
        ("elsewhere", with(&change("a", WEB, ""), &plain("b"))),
        ("no-undo", with(&no_undo, &plain("b"))),
        ("past", with(&ponr, &plain("b"))),
        ("running", with(&plain("a"), &plain("b").replace("do b", "do more"))),
        ("slower", with(&plain("a"), &change("b", ONE, "").replace("\"5m\"", "\"9m\""))),
        ("by-hand", with(&manual("a", ""), &plain("b"))),
        ("title", with(&change("a", ONE, "title = \"A\""), &change("b", ONE, "notes = \"x\""))),
    ];
    let named: Vec<_> = others.iter().map(|(name, body)| (*name, body.as_str())).collect();
    night(
        &first,
        &named,
        "1 start a              | run a.1 web1
         2 end a.1.web1 ok
         3 start b              | run b.1 web1
         4 replan gone why      | refused `a` is succeeded and is not in the new runbook
         4 replan other why     | refused `a` is succeeded, and `what it does` changed
         4 replan elsewhere why | refused `on` changed
         4 replan no-undo why   | refused `a` has run, and the new runbook has no undo for it
         4 replan past why      | refused `point_of_no_return` changed
         4 replan running why   | refused `b` is under way, and `what it does`, `undo` changed: wait
         4 replan slower why    | refused `b` is under way
         4 replan by-hand why   | refused `a` is succeeded, and `what it does`, `on` changed
         5 replan title why     | b:running; facts: replanned
         6 end b.1.web1 ok      | b:succeeded",
    );
}

#[test]
fn a_failed_step_goes_on_by_its_new_command_and_a_wrong_host_gets_nothing() {
    let first = change("a", WEB, "") + &change("b", ONE, "");
    let fixed = first.replace("do a", "do a well");
    let narrower = change("a", ONE, "") + &change("b", ONE, "");
    let mut told = night(
        &first,
        &[("fixed", &fixed), ("narrower", &narrower)],
        "1 start a              | run a.1 web1,web2
         2 end a.1.web1 ok
         3 end a.1.web2 bad     | a:failed; held
         4 replan narrower why  | refused `a` is failed, and `on` changed
         5 replan fixed why     | a:failed; facts: replanned
         6 retry a failed       | run a.2 web2",
    );
    assert_eq!(line_sent(&told), "do a well");
    tell(&mut told, "7 end a.2.web2 ok | a:succeeded");
    let mut moved = (*told.plan).clone();
    moved.digest = Digest::of(b"moved");
    moved.hosts.values_mut().for_each(|host| host.address = "10.9.9.9".to_owned());
    moved.steps.clone_from(&told.state.base().steps);
    let found = told.state.obstacles(&moved);
    assert!(found[0].contains("host `web1` is another machine"), "{found:?}");
    moved.id = "other".parse().unwrap();
    assert!(told.state.obstacles(&moved)[0].contains("another runbook"));
}

#[test]
fn an_edited_command_stays_where_the_new_runbook_leaves_it() {
    let first = change("a", ONE, "") + &change("b", ONE, "");
    let longer = first.clone() + &change("c", ONE, "");
    let fixed = first.replace("do a", "do a by hand");
    let third = longer.replace("do a", "do a otherwise");
    let mut told = night(
        &first,
        &[("longer", &longer), ("fixed", &fixed), ("third", &third)],
        "1 start a            | run a.1 web1
         2 end a.1.web1 bad   | a:failed
         3 edit a do a by hand because typo | facts: step-edited
         4 replan longer why  | a:failed; facts: replanned
         5 retry a            | run a.2 web1",
    );
    assert_eq!(line_sent(&told), "do a by hand");
    assert!(told.state.edit_in_force(&step("a"), Part::Action).is_some());
    tell(
        &mut told,
        "6 end a.2.web1 ok    | a:succeeded
         7 replan third why   | refused `a` is succeeded, and `what it does` changed
         8 replan fixed why   | facts: replanned",
    );
    // The runbook says now what ran: nothing is edited any more.
    assert!(told.state.edit_in_force(&step("a"), Part::Action).is_none());
}

#[test]
fn once_a_rollback_began_there_is_no_other_plan_and_words_of_people_do_not_carry_over() {
    let first = change("a", ONE, "four_eyes = true") + &change("b", ONE, "") + AFTER;
    let second = first.replace("do a", "do a well");
    let third = first.replace("do b", "do b well");
    night(
        &first,
        &[("two", &second), ("three", &third)],
        "1 agree a dba Ana_Souza yes
         4 replan two why     | facts: replanned
         5 start a            | refused needs a second person
         6 agree a dba Ana_Souza yes
         7 start a            | run a.1 web1
         8 end a.1.web1 ok
         8 guard
         8 replan three why   | refused the rollback guard is open
         8 close-guard
         9 roll-back storm    | run freeze.1 local
         10 replan three why  | refused a rollback has begun",
    );
}

/// A plan that differs from `plan` in a way that `number` chooses.
fn variant(plan: &Plan, number: u8) -> Plan {
    let mut other = plan.clone();
    other.digest = Digest::of(format!("{} {number}", plan.digest).as_bytes());
    let ids: Vec<_> = plan.order.clone();
    for (at, id) in ids.iter().enumerate() {
        let hit = at + usize::from(number) > ids.len();
        if let Some(step) = other.steps.get_mut(id).filter(|_| hit && number != 1)
            && let Work::Run(text) | Work::Local(text) = &mut step.work
        {
            *text = Text::literal(&format!("do {number}"));
        }
    }
    let last = ids.last().cloned().expect("a plan has a step");
    let needed = other.steps.values().any(|step| step.needs.contains(&last));
    if number == 3 && !needed && ids.len() > 1 {
        other.steps.remove(&last);
        other.order.retain(|id| *id != last);
        other.phases.iter_mut().for_each(|phase| phase.steps.retain(|id| *id != last));
    } else {
        let mut added = plan.step(&last).expect("it is in the plan").clone();
        added.id = format!("new{number}").parse().unwrap();
        added.needs = Vec::new();
        (added.checkpoint, added.commit, added.point_of_no_return) = (None, false, false);
        other.phases[0].steps.push(added.id.clone());
        other.order.push(added.id.clone());
        other.steps.insert(added.id.clone(), added);
    }
    other
}

/// Asks to go on by one of the plans that a history brings along, or by its first one.
pub(crate) fn replan(world: &mut World<'_>, pick: u16) {
    let plans = (1..=4).map(|number| Arc::new(variant(&world.plan, number)));
    let plan = plans.chain([Arc::clone(&world.plan)]).nth(usize::from(pick) % 5);
    if let Some(plan) = plan.filter(|plan| world.plan.later.get(&plan.digest).is_some()) {
        world.ask(&wei(), &Command::Replan { plan, reason: "better".into() });
    }
}

#[test]
fn whatever_happens_replay_equals_live_across_plans_and_nothing_runs_twice() {
    let (replans, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    lives(96, |history| {
        let mut plan = (*history.plan).clone();
        for number in 1..=4 {
            plan.later.insert(Arc::new(variant(&history.plan, number)));
        }
        plan.later.insert(Arc::clone(&history.plan));
        let plan = Arc::new(plan);
        let mut history: History = history.clone();
        history.plan = Arc::clone(&plan);
        let started = std::cell::RefCell::new(BTreeSet::new());
        live(&history, &|turn| {
            assert_eq!(replay(&plan, turn.journal), *turn.after, "after {:?}", turn.command);
            for run in turn.effects.iter().filter_map(Effect::started) {
                for place in &run.places {
                    let new = started.borrow_mut().insert((run.key.clone(), place.clone()));
                    assert!(new, "{} started twice in {place}", run.key);
                }
            }
            turn.each(|before, fact, after| {
                if let Event::Replanned { plan, .. } = &fact.event {
                    replans.set(replans.get() + 1);
                    assert_eq!(after.plan().digest, *plan);
                    for id in before.plan().steps.keys() {
                        let (was, is) = (before.track(id), after.track(id));
                        assert_eq!(was, is, "what happened to {id} stays");
                        assert_eq!(before.undo_track(id), after.undo_track(id), "{id}");
                        let gone = after.plan().step(id).is_none();
                        assert!(!gone || was.status == Status::Pending, "{id} is gone");
                    }
                }
            });
            if matches!(turn.command, Command::Replan { .. }) {
                // But for a limit that was reached at this very moment.
                let at_limit = |key: &Key| {
                    let is = |fact: &Fact| matches!(&fact.event, Event::TimeLimitReached { key: of } if of == key);
                    turn.facts.iter().any(is)
                };
                let stops = |it: &Effect| matches!(it, Effect::Stop(key) if !at_limit(key));
                assert!(!turn.effects.iter().any(stops), "{:?}", turn.facts);
            }
            refused.set(refused.get() + 1);
        });
        Ok(())
    });
    assert!(replans.get() > 20, "{} re-plans in {} turns", replans.get(), refused.get());
}

// ---- on the practice fleet --------------------------------------------------------------------

const SMALL: &str = include_str!("runbooks/small.toml");

fn held_drill() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.toml");
    std::fs::write(&file, SMALL).unwrap();
    let name = file.display().to_string();
    let run = ["run", &name, "--practice", "--speed", "20", "--confirm", "change"];
    let answers = ["--answer", "ready=go"];
    let args: Vec<_> = run.into_iter().chain(answers).collect();
    let held = golive_in(folder.path(), &args);
    assert_eq!(held.code, 6, "{}", held.err);
    (folder, file)
}

fn resume(state: &Path, file: &Path, more: &[&str]) -> crate::cli::Called {
    let name = file.display().to_string();
    let fixed = ["resume", "last", "--headless", "--speed", "20", "--reload", &name];
    let args: Vec<_> = fixed.into_iter().chain(more.iter().copied()).collect();
    golive_in(state, &args)
}

fn lines(state: &Path) -> usize {
    let sessions = std::fs::read_dir(state.join("sessions")).unwrap();
    let dir = sessions.map(|it| it.unwrap().path()).find(|it| it.is_dir()).unwrap();
    std::fs::read_to_string(dir.join("journal.jsonl")).unwrap().lines().count()
}

#[test]
fn a_changed_runbook_is_shown_then_taken_and_every_command_reads_the_record() {
    let (folder, file) = held_drill();
    let state = folder.path();
    let before = lines(state);
    let amended = SMALL.replace("green 100\"", "green 99\"").replace(
        "  [[phase.step]]\n  id     = \"sign-off\"",
        "  [[phase.step]]\n  id = \"after\"\n  on = \"lb1\"\n  run = \"lbctl weight\"\n  \
         read_only = true\n\n  [[phase.step]]\n  id     = \"sign-off\"",
    );
    std::fs::write(&file, &amended).unwrap();
    let shown = resume(state, &file, &[]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    for words in
        ["+ after", "~ all: what it does", "- lbctl weight green 100", "+ lbctl weight green 99"]
    {
        assert!(shown.out.contains(words), "{words} is missing in\n{}", shown.out);
    }
    assert_eq!(lines(state), before, "nothing was touched");
    let why = ["--reason", "CHG1 was amended", "--confirm", "check"];
    let taken = resume(state, &file, &why);
    assert_eq!(taken.code, 6, "{}", taken.err);
    assert!(taken.out.contains("REPLANNED"), "{}", taken.out);
    assert!(taken.err.contains("all is of class critical"), "{}", taken.err);
    // What is on the disk of the author now does not matter any more.
    std::fs::write(&file, "nonsense").unwrap();
    let go_on = ["resume", "last", "--headless", "--speed", "20", "--confirm-step", "all"];
    let more = ["--confirm", "change", "--answer", "sign-off=done:seen"];
    let args: Vec<_> = go_on.into_iter().chain(more).collect();
    let done = golive_in(state, &args);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("after: ended - succeeded"), "{}", done.out);
    let status = golive_in(state, &["status", "last", "--json"]);
    assert!(status.out.contains("\"after\""), "{}", status.out);
    let verify = golive_in(state, &["verify", "last"]);
    assert_eq!(verify.code, 15, "a drill that nobody signed: {}", verify.out);
    let to = state.join("report").display().to_string();
    let export = golive_in(state, &["export", "last", "--format", "md,csv", "-o", &to]);
    assert_eq!(export.code, 0, "{}", export.err);
    let report = std::fs::read_to_string(state.join("report/report.md")).unwrap();
    for words in [
        "Changed runbook",
        "CHG1 was amended",
        "    + after",
        "    ~ all: what it does",
        "lbctl weight green 99 |",
        "- Plan after a change: SHA-256 ",
    ] {
        assert!(report.contains(words), "{words} is missing in\n{report}");
    }
    // The texts of the second plan are evidence like those of the first.
    let sessions = std::fs::read_dir(state.join("sessions")).unwrap();
    let dir = sessions.map(|it| it.unwrap().path()).find(|it| it.is_dir()).unwrap();
    std::fs::remove_dir_all(dir.join("pinned/after-1")).unwrap();
    let verify = golive_in(state, &["verify", "last"]);
    assert_eq!(verify.code, 10, "{}", verify.out);
    let status = golive_in(state, &["status", "last"]);
    assert_ne!(status.code, 0);
    assert!(status.err.contains("are not here"), "{}", status.err);
}

#[test]
fn what_is_wrong_with_a_changed_runbook_is_told_and_nothing_is_touched() {
    let (folder, file) = held_drill();
    let state = folder.path();
    let before = lines(state);
    let why = ["--reason", "amended"];
    let same = resume(state, &file, &why);
    assert_eq!(same.code, 2, "{}", same.err);
    assert!(same.err.contains("goes by already"), "{}", same.err);
    std::fs::write(&file, SMALL.replace("run       = \"svc", "runs      = \"svc")).unwrap();
    let broken = resume(state, &file, &why);
    assert_eq!(broken.code, 3, "{}", broken.err);
    let untrue = SMALL.replace("weight green 5\"", "weight green 6\"");
    let untrue =
        untrue.replace("  run       = \"svc status orders\"", "  run       = \"svc status web\"");
    std::fs::write(&file, untrue).unwrap();
    let refused = resume(state, &file, &why);
    assert_eq!(refused.code, 2, "{}", refused.err);
    for words in ["`canary` is succeeded, and `what it does`", "`look` is succeeded, and `what it"]
    {
        assert!(refused.err.contains(words), "{words} is missing in\n{}", refused.err);
    }
    assert_eq!(lines(state), before, "nothing was recorded");
}

// ---- a crash in between -----------------------------------------------------------------------

/// A run that is held after its first step goes on by a longer runbook, and dies at the `nth` line;
/// then it is taken up again. Whether it lived.
fn one_death(sshd: &Sshd, nth: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let here = dir.display();
    let step = |id: &str, class: &str| {
        format!(
            "[[phase.step]]\nid = \"{id}\"\non = \"target\"\nrun = \"echo {id} >> {here}/ledger\"\n\
             estimate = \"1s\"\ntimeout = \"30s\"\nundo = {{ run = \"true\" }}\nclass = \"{class}\"\n"
        )
    };
    let first = step("one", "change") + &step("two", "critical");
    let second = step("one", "change") + &step("new", "change") + &step("two", "change");
    std::fs::write(dir.join("night.toml"), on_sshd(sshd, &first)).unwrap();
    std::fs::write(dir.join("amended.toml"), on_sshd(sshd, &second)).unwrap();
    std::fs::create_dir(dir.join(".ssh")).unwrap();
    std::fs::copy(sshd.path("known_hosts"), dir.join(".ssh/known_hosts")).unwrap();
    let run = ["run", "night.toml", "--session", "night", "--confirm", "change"];
    assert_eq!(call(dir, None, &run).0, Some(6));
    let resume = ["resume", "night", "--headless", "--confirm", "change"];
    let reload = ["--reload", "amended.toml", "--reason", "amended"];
    let args: Vec<_> = resume.into_iter().chain(reload).collect();
    let (code, said) = call(dir, Some(nth), &args);
    let ledger = || std::fs::read_to_string(dir.join("ledger")).unwrap_or_default();
    let all = "one\nnew\ntwo\n";
    assert!(all.starts_with(&ledger()), "{nth}: {}", ledger());
    if code == Some(0) {
        assert_eq!(ledger(), all, "{said}");
        return true;
    }
    let plans = || {
        let found = Store::new(dir.join("state")).find("night").unwrap();
        let recovered = open(&found).unwrap_or_else(|why| panic!("{nth}: {why}"));
        recovered.state.replans().len()
    };
    let again = if plans() == 0 { &args[..] } else { &resume };
    let (code, said) = call(dir, None, again);
    assert_eq!(plans(), 1, "{nth}: it is there, once: {said}");
    assert!(all.starts_with(&ledger()), "{nth}: nothing ran twice: {} {said}", ledger());
    if code == Some(0) {
        assert_eq!(ledger(), all, "{nth}: {said}");
    } else {
        assert!(matches!(code, Some(2 | 5 | 6)), "{nth}: {code:?} {said}");
    }
    false
}

#[test]
fn killed_at_every_line_of_a_changed_plan_it_is_there_and_nothing_runs_twice() {
    let sshd = Sshd::start();
    sshd.known_hosts("ed25519");
    let lived = (1..80).find(|nth| one_death(&sshd, *nth));
    assert!(lived.is_some_and(|nth| nth > 8), "{lived:?}: it died at every line before");
}
