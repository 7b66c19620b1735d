//! `batch`: hosts in waves, a few first.

use golive::base::{Millis, StepId};
use golive::engine::{Actor, Command, Part, Place, RunKind};
use golive::plan::initial;
use golive::runbook::{Code, SourceFile, check};

use crate::night::{Night, change, story, story_of};
use crate::plans::{at, plan, replay};
use crate::runbook::listing;

const ALL: &str = "[\"web1\", \"web2\", \"web3\"]";

fn roll(more: &str) -> String {
    change("a", ALL, more)
}

fn hosts(places: &[Place]) -> Vec<String> {
    places.iter().map(ToString::to_string).collect()
}

#[test]
fn sizes_are_numbers_and_shares_and_the_last_holds_for_the_rest() {
    let sizes = |batch: &str, hosts: usize| {
        let names: Vec<_> = (1..=hosts).map(|n| format!("h{n}")).collect();
        let tables: Vec<_> = names.iter().map(|name| format!("[hosts.{name}]\n")).collect();
        let tables = tables.concat();
        let text = format!(
            "golive = 1\n[runbook]\nid = \"x\"\n{tables}[groups]\nall = {names:?}\n[[phase]]\nid = \"p\"\n\
             [[phase.step]]\nid = \"s\"\nrun = \"x\"\non = \"@all\"\nbatch = {batch}\n"
        );
        let (checked, plan) =
            crate::plan::prepared(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
        let plan = plan.unwrap_or_else(|| panic!("{}", listing(&checked)));
        let step = plan.step(&"s".parse().unwrap()).unwrap();
        let waves = &step.batch.as_ref().unwrap().waves;
        assert_eq!(waves.concat(), step.hosts, "each host once, in order");
        waves.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes("[1, \"25%\", \"100%\"]", 20), [1, 5, 14]);
    assert_eq!(sizes("[1, 2]", 6), [1, 2, 2, 1]);
    assert_eq!(sizes("\"30%\"", 10), [3, 3, 3, 1]);
    assert_eq!(sizes("\"1%\"", 3), [1, 1, 1]);
    assert_eq!(sizes("500", 7), [7]);
}

#[test]
fn waves_and_pauses_count_in_the_forecast() {
    let plan = plan(&roll("batch = 1\npause = \"5m\""));
    assert_eq!(initial(&plan, at(0)).end.since(at(0)), Millis::from_secs(3 * 60 + 2 * 300));
}

#[test]
fn what_is_wrong_with_a_batch_is_said() {
    let wrong = [
        ("batch = []", Code::BadValue),
        ("batch = [0]", Code::BadValue),
        ("batch = [\"120%\"]", Code::BadValue),
        ("batch = [1.5]", Code::WrongType),
        ("batch = [1]\npause = \"soon\"", Code::BadDuration),
        ("batch = [1]\nmax_failures = -1", Code::BadValue),
        ("batch = [1]\nretry = { attempts = 2 }", Code::Contradiction),
        ("pause = \"1m\"", Code::NoEffect),
        ("max_failures = 1", Code::NoEffect),
    ];
    for (keys, code) in wrong {
        let text = format!(
            "golive = 1\n[runbook]\nid = \"x\"\n[hosts.a]\n[[phase]]\nid = \"p\"\n\
             [[phase.step]]\nid = \"s\"\nrun = \"x\"\non = \"a\"\n{keys}\n"
        );
        let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
        let found = checked.errors().find(|problem| problem.code == code);
        assert!(found.is_some_and(|it| it.help.is_some()), "{keys}\n{}", listing(&checked));
    }
}

#[test]
fn one_host_first_and_the_others_once_it_is_well() {
    let night = story(
        &roll("batch = [1, \"100%\"]\npause = \"60s\""),
        "1 start a          | run a.1 web1; facts: attempt-started waves-planned
         2 end a.1.web1 ok  | a:running; facts: job-ended wave-paused; wake 62
         3 wake             | a:running; facts:
         61 wake            | a:running
         62 wake            | run a.1 web2,web3; facts: wave-started; by golive wave-started; wake 362
         63 end a.1.web3 ok | a:running
         64 end a.1.web2 ok | a:succeeded",
    );
    assert!(night.state.untried(&"a".parse().unwrap()).is_empty());
}

#[test]
fn a_canary_that_fails_leaves_the_others_alone_and_only_it_is_undone() {
    let mut night = story(
        &roll("batch = [1, 1, 1]"),
        "1 start a            | run a.1 web1
         2 end a.1.web1 ok    | run a.1 web2; facts: job-ended wave-paused wave-started
         3 end a.1.web2 bad   | a:failed; held a failed; alarm 1 host was not started
         4 wake               | facts:
         5 continue           | free
         6 wake               | facts:",
    );
    assert_eq!(hosts(&night.state.untried(&"a".parse().unwrap())), ["web3"]);
    night.line("7 roll-back it fails | rolling-back; run a.undo.1 web1,web2; items ~a");
    night.line("8 end a.undo.1.web1 ok | ~a:running");
    night.line("9 end a.undo.1.web2 ok | ~a:succeeded; rolled-back");
}

#[test]
fn failures_are_counted_over_all_waves_and_wanted_at_the_end() {
    story(
        &roll("batch = 1\nmax_failures = 1"),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | run a.1 web2; a:running
         3 end a.1.web2 ok  | run a.1 web3
         4 end a.1.web3 ok  | a:failed; held a failed
         5 retry a failed   | run a.2 web1; free
         6 end a.2.web1 ok  | a:succeeded",
    );
    story(
        &roll("batch = 1\nmax_failures = 1"),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | run a.1 web2
         3 end a.1.web2 bad | a:failed; held a failed; alarm 1 host was not started",
    );
}

#[test]
fn what_nobody_knows_is_no_mere_failure() {
    story(
        &roll("batch = 1\nmax_failures = 2"),
        "1 start a           | run a.1 web1
         2 end a.1.web1 unknown | a:unknown; held a may have run; alarm 2 hosts were not started",
    );
}

#[test]
fn what_a_person_did_by_hand_is_undone_everywhere() {
    story(
        &roll("batch = [1, 1, 1]"),
        "1 start a              | run a.1 web1
         2 end a.1.web1 bad     | a:failed
         3 hand a all of them   | a:done_by_hand
         4 roll-back storm      | rolling-back; run a.undo.1 web1,web2,web3",
    );
}

#[test]
fn a_retry_is_where_it_failed_and_then_where_it_has_not_been() {
    story(
        &roll("batch = [1, 1, 1]"),
        "1 start a          | run a.1 web1
         2 end a.1.web1 ok  | run a.1 web2
         3 end a.1.web2 bad | a:failed
         4 retry a failed   | run a.2 web2; facts: alarm-cleared continued attempt-started waves-planned
         5 end a.2.web2 ok  | run a.2 web3
         6 end a.2.web3 ok  | a:succeeded",
    );
    story(
        &roll("batch = [1, 2]"),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | a:failed
         3 retry a          | run a.2 web1
         4 end a.2.web1 ok  | run a.2 web2,web3
         5 end a.2.web2 bad | a:running
         6 end a.2.web3 ok  | a:failed
         7 retry a          | run a.3 web1
         8 end a.3.web1 ok  | run a.3 web2,web3",
    );
}

#[test]
fn each_wave_is_verified_before_the_next_begins() {
    let verify = "verify = { run = \"check\", within = \"20s\" }\nbatch = [1, 2]\n";
    story(
        &roll(verify),
        "1 start a                 | run a.1 web1
         2 end a.1.web1 ok         | a:verifying; run a.verify.1 web1
         3 end a.verify.1.web1 ok  | a:running; run a.1 web2,web3
         4 end a.1.web2 ok         | a:running
         5 end a.1.web3 ok         | a:verifying; run a.verify.2 web2,web3
         6 end a.verify.2.web2 ok  | a:verifying
         7 end a.verify.2.web3 bad | a:failed; alarm its verification did not hold
         8 retry a failed          | run a.2 web3
         9 end a.2.web3 ok         | run a.verify.3 web3
         10 end a.verify.3.web3 ok | a:succeeded",
    );
    story(
        &roll(verify),
        "1 start a                 | run a.1 web1
         2 end a.1.web1 bad        | a:failed
         3 recheck a               | a:verifying; run a.verify.1 web1; free
         4 end a.verify.1.web1 ok  | a:running; run a.1 web2,web3",
    );
}

#[test]
fn a_hold_and_the_guard_keep_the_next_wave_back() {
    story(
        &roll("batch = [1, 1, 1]"),
        "1 start a          | run a.1 web1
         2 hold look        | held look
         3 end a.1.web1 ok  | a:running; facts: job-ended wave-paused
         4 continue         | run a.1 web2
         5 guard            | guard
         6 end a.1.web2 ok  | a:running
         7 close-guard      | run a.1 web3",
    );
}

#[test]
fn a_wave_that_asks_waits_for_a_person() {
    story(
        &(roll("batch = [1, 2]\npause = \"ask\"\nstream = \"app\"")
            + &change("b", "\"web1\"", "stream = \"db\"")),
        "1 start b          | run b.1 web1
         1 start a          | run a.1 web1
         2 end a.1.web1 ok  | a:running; held wave 1 of 2 of a is well: look, then go on
         3 end b.1.web1 bad | b:failed
         4 accept b known   | b:failure_accepted; held wave 1 of 2
         5 continue         | free; run a.1 web2,web3",
    );
}

#[test]
fn a_stop_ends_the_wave_and_there_is_no_next_one() {
    story(
        &roll("batch = [1, 2]\npause = \"60s\""),
        "1 start a               | run a.1 web1
         2 stop a                | stop a.1
         3 end a.1.web1 stopped  | a:cancelled; held a was stopped
         4 retry a failed        | run a.2 web1
         5 end a.2.web1 ok       | a:running
         6 stop a                | a:cancelled
         100 wake                | facts:",
    );
}

#[test]
fn a_wave_has_the_time_of_the_step() {
    story(
        &roll("batch = [1, 2]"),
        "1 start a           | run a.1 web1; wake 301
         290 end a.1.web1 ok | run a.1 web2,web3; wake 590
         302 wake            | facts:
         591 wake            | stop a.1; facts: time-limit-reached
         592 end a.1.web2 stopped | a:running
         593 end a.1.web3 ok | a:timed_out",
    );
}

#[test]
fn a_resume_in_the_middle_of_a_wave_starts_nothing_by_itself() {
    story_of(
        RunKind::Live,
        &roll("batch = [1, 1, 1]\npause = \"10s\""),
        "1 start a           | run a.1 web1
         2 end a.1.web1 ok   | a:running
         100 resume          | a:running; held resumed
         101 wake            | facts:
         102 continue        | run a.1 web2
         103 resume          | follow a.1 web2; held resumed
         104 end a.1.web2 ok | a:running
         200 wake            | facts:
         201 continue        | run a.1 web3",
    );
}

#[test]
fn a_rollback_between_two_waves_undoes_what_has_begun() {
    story(
        &roll("batch = [1, 2]\npause = \"60s\""),
        "1 start a            | run a.1 web1
         2 end a.1.web1 ok    | a:running
         3 roll-back storm    | rolling-back; a:cancelled; run a.undo.1 web1; items ~a
         4 end a.undo.1.web1 ok | ~a:succeeded; rolled-back",
    );
    story(
        &(roll("batch = [1, 2]") + "[rollback]\nrunning = \"finish\"\n"),
        "1 start a            | run a.1 web1
         2 roll-back storm    | rolling-back
         3 end a.1.web1 ok    | a:cancelled; run a.undo.1 web1",
    );
}

/// Every crash point of a night in waves: what is on disk alone gives the same state, and a resume
/// from it starts nothing that was started before.
#[test]
fn no_crash_starts_a_host_twice() {
    let body = roll("batch = 1\nverify = { run = \"check\", within = \"20s\" }");
    let night = story(
        &body,
        "1 start a                 | run a.1 web1
         2 end a.1.web1 ok         | run a.verify.1 web1
         3 end a.verify.1.web1 ok  | run a.1 web2
         4 end a.1.web2 ok         | run a.verify.2 web2
         5 end a.verify.2.web2 ok  | run a.1 web3
         6 end a.1.web3 ok         | run a.verify.3 web3
         7 end a.verify.3.web3 ok  | a:succeeded",
    );
    let step: StepId = "a".parse().unwrap();
    for cut in 2..=night.journal.len() {
        let journal = &night.journal[..cut];
        if night.journal.get(cut).is_some_and(|(at, _)| *at == journal[cut - 1].0) {
            continue; // What is decided together is on disk together.
        }
        let mut again = Night::open(&body, RunKind::Live);
        again.state = replay(&again.plan, journal);
        again.journal = journal.to_vec();
        let before: Vec<_> =
            again.state.track(&step).attempts.iter().map(|a| a.places.clone()).collect();
        let resume = Command::Resume {
            driver: "Ana Souza".into(),
            machine: "laptop".into(),
            away: Millis::from_secs(60),
            signer: None,
        };
        again.ask(&crate::plans::wei(), &resume, at(50)).unwrap();
        let runs = again.effects.iter().filter_map(golive::engine::Effect::started).count();
        assert_eq!(runs, 0, "cut {cut}");
        let wei = crate::plans::wei();
        again.ask(&wei, &Command::Continue, at(60)).ok(); // It may be over.
        for run in again.effects.iter().filter_map(golive::engine::Effect::started) {
            let known = before.iter().any(|places| {
                run.key.part == Part::Action && run.places.iter().any(|it| places.contains_key(it))
            });
            assert!(!known, "cut {cut}: {} again", run.key);
        }
    }
    assert!(night.journal.iter().any(|(_, fact)| fact.by == Actor::Engine));
}

/// The whole way, on three real servers of the practice fleet: one attempt, in waves, verified,
/// rolled back where it began.
#[test]
fn a_roll_out_in_waves_on_the_practice_fleet() {
    let text = r#"golive = 1
[runbook]
id = "roll"
[hosts.app1]
[hosts.app2]
[hosts.app3]
[groups]
app = ["app1", "app2", "app3"]
[[phase]]
id = "deploy"
[[phase.step]]
id = "agent"
on = "@app"
run = "echo installed; if test \"$(hostname)\" = \"$STOP\"; then exit 3; fi"
env = { STOP = "{{ stop }}" }
batch = [1, "100%"]
verify = { run = "true", every = "1s", within = "20s" }
undo = { run = "echo removed" }
[vars]
stop = "none"
"#;
    let dir = crate::cli::folder(&[("roll.toml", text)]);
    let file = dir.path().join("roll.toml").display().to_string();
    let state = dir.path().join("state");
    let go = ["run", &file, "--practice", "--confirm", "change", "--json"];
    let run = crate::cli::golive_in(&state, &[&go[..], &["--session", "well"]].concat());
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(run.out.matches("\"wave-started\"").count(), 1, "{}", run.out);
    assert_eq!(run.out.matches("\"attempt-started\"").count(), 3, "and two verifications");
    assert_eq!(crate::cli::golive_in(&state, &["verify", "well"]).code, 15, "not signed, intact");

    let stops = ["--session", "bad", "--var", "stop=app1", "--on-failure", "rollback"];
    let run = crate::cli::golive_in(&state, &[&go[..], &stops].concat());
    assert_eq!(run.code, 8, "rolled back, and no step has verified the old system: {}", run.err);
    assert!(run.out.contains("2 hosts were not started"), "{}", run.out);
    let undone = |host: &str| run.out.contains(&format!("agent.undo.1.{host}"));
    assert_eq!([undone("app1"), undone("app2"), undone("app3")], [true, false, false]);
    let report = crate::cli::golive_in(
        &state,
        &["export", "well", "--format", "md", "-o", &dir.path().join("r.md").display().to_string()],
    );
    assert_eq!(report.code, 0, "{}", report.err);
    let report = std::fs::read_to_string(dir.path().join("r.md")).unwrap();
    assert!(report.contains("next wave on app2, app3"), "{report}");
}
