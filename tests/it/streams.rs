//! `stream`, `progress` and `[vars_required]`: steps side by side, how far they say they are, and
//! what is asked for when a run starts.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crossterm::event::KeyCode;
use golive::base::{Millis, Share, StepId};
use golive::engine::{Command, Job, Key, Part, Place, RunKind};
use golive::plan::{Actual, Progress, forecast, initial};
use golive::runbook::{Code, SourceFile, check};

use crate::cli::{folder, golive_in, program};
use crate::console_night::{BILLING, Night, PLAIN};
use crate::night::{change, story};
use crate::plans::{at, plan};
use crate::pty::Pty;
use crate::runbook::listing;

fn change_in(id: &str, stream: &str, more: &str) -> String {
    let stream = if stream.is_empty() { String::new() } else { format!("stream = \"{stream}\"\n") };
    change(id, "\"web1\"", &format!("{stream}{more}"))
}

const PHASE: &str = "[[phase]]\nid = \"next\"\n";

/// `step: what it needs` of every step, in order.
fn needs(body: &str) -> Vec<String> {
    let plan = plan(body);
    let one = |id: &StepId| {
        let needs: Vec<_> = plan.step(id).unwrap().needs.iter().map(StepId::as_str).collect();
        format!("{id}: {}", needs.join(" ")).trim_end().to_owned()
    };
    plan.order.iter().map(one).collect()
}

#[test]
fn a_step_needs_the_one_before_in_its_stream_and_common_steps_join_them() {
    let body = change_in("open", "", "")
        + &change_in("db1", "db", "")
        + &change_in("app1", "app", "")
        + &change_in("db2", "db", "")
        + &change_in("aside", "db", "needs = []")
        + &change_in("joined", "", "")
        + &change_in("app2", "app", "")
        + PHASE
        + &change_in("last", "db", "")
        + &change_in("extra", "app", "");
    assert_eq!(
        needs(&body),
        [
            "open:",
            "db1: open",
            "app1: open",
            "db2: db1",
            "aside:",
            "joined: aside app1",
            "app2: joined",
            "last: app2",
            "extra: app2",
        ]
    );
}

#[test]
fn a_phase_begins_when_all_streams_of_the_one_before_are_over() {
    let body = change_in("db1", "db", "")
        + &change_in("app1", "app", "")
        + PHASE
        + &change_in("db2", "db", "")
        + &change_in("app2", "app", "")
        + &change_in("early", "net", "needs = [\"db1\"]")
        + &change_in("net2", "net", "");
    assert_eq!(
        needs(&body),
        ["db1:", "app1:", "db2: db1 app1", "app2: db1 app1", "early: db1", "net2: early"]
    );
}

#[test]
fn a_common_step_with_needs_of_its_own_does_not_let_a_stream_overtake_itself() {
    let body = change_in("db1", "db", "")
        + &change_in("note", "", "needs = []")
        + &change_in("db2", "db", "")
        + &change_in("app1", "app", "")
        + &change_in("end", "", "");
    assert_eq!(needs(&body), ["db1:", "note:", "db2: db1 note", "app1: note", "end: db2 app1"]);
}

#[test]
fn steps_of_different_streams_run_at_the_same_time_and_a_failure_holds_all() {
    let body = change_in("db1", "db", "")
        + &change_in("app1", "app", "")
        + &change_in("db2", "db", "")
        + &change_in("end", "", "");
    story(
        &body,
        "1 start db1 | run db1.1 web1
         2 start app1 | run app1.1 web1
         2 start end | refused needs `db2`
         3 end db1.1.web1 ok | db1:succeeded; app1:running
         4 start db2 | run db2.1 web1
         5 end app1.1.web1 bad | app1:failed; db2:running; held app1 failed
         6 end db2.1.web1 ok | db2:succeeded
         7 start end | refused held
         8 accept app1 known | free
         9 start end | run end.1 web1",
    );
}

#[test]
fn streams_shorten_the_forecast() {
    let step = |id: &str, stream: &str| change_in(id, stream, "");
    let beside = plan(&(step("a", "db") + &step("b", "app") + &step("c", "")));
    assert_eq!(initial(&beside, at(0)).end.since(at(0)), Millis::from_secs(120));
    let after = plan(&(step("a", "") + &step("b", "") + &step("c", "")));
    assert_eq!(initial(&after, at(0)).end.since(at(0)), Millis::from_secs(180));
}

#[test]
fn what_a_step_says_of_itself_counts_more_than_its_estimate() {
    let plan = plan(&change_in("load", "", "progress = '([0-9]+) %'"));
    let step: StepId = "load".parse().unwrap();
    let mut progress = Progress { began: at(0), ..Progress::default() };
    progress.steps.insert(step.clone(), Actual::runs(at(0), Millis::from_secs(60)));
    assert_eq!(forecast(&plan, &progress, at(10)).end, at(60));
    progress.left.insert(step.clone(), Millis::from_secs(200));
    assert_eq!(forecast(&plan, &progress, at(10)).end, at(210));
    progress.left.insert(step, Millis::from_secs(30));
    assert_eq!(forecast(&plan, &progress, at(10)).end, at(40));
}

#[test]
fn what_is_wrong_with_these_keys_is_said() {
    let head = "golive = 1\n[runbook]\nid = \"x\"\n[vars]\nticket = \"1\"\n[hosts.web1]\n";
    let wrong = [
        ("[vars_required]\nticket = { prompt = \"Ticket\" }", Code::Duplicate),
        ("[vars_required]\nother = \"CHG1\"", Code::WrongType),
        ("[vars_required]\nother = { patern = \"x\" }", Code::UnknownKey),
        ("[vars_required]\nother = { prompt = \"x\", pattern = \"(\" }", Code::BadRegex),
        ("step: stream = \"two words\"", Code::BadName),
        ("step: progress = '[0-9]+ %'", Code::BadRegex),
        ("step: progress = '(a)(b)(c)'", Code::BadRegex),
        ("manual: progress = '([0-9]+) %'", Code::NoEffect),
    ];
    for (text, code) in wrong {
        let (top, step) = match text.split_once(": ") {
            Some(("step", key)) => ("", format!("run = \"x\"\non = \"web1\"\n{key}\n")),
            Some(("manual", key)) => ("", format!("manual = \"x\"\n{key}\n")),
            Some(_) | None => (text, "manual = \"{{ ticket }} {{ other }}\"\n".to_owned()),
        };
        let text =
            format!("{head}{top}\n[[phase]]\nid = \"p\"\n[[phase.step]]\nid = \"s\"\n{step}\n");
        let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
        assert!(
            checked.errors().any(|problem| problem.code == code && problem.help.is_some()),
            "{text}\n{}",
            listing(&checked)
        );
    }
}

const ASKS: &str = r#"golive = 1
[runbook]
id = "asks"
title = "Asks"
[vars_required]
ticket = { prompt = "Change ticket", pattern = "CHG[0-9]+" }
[[phase]]
id = "p"
[[phase.step]]
id = "say"
when = "ticket | replace('CHG', '') | int > 3"
local = "echo {{ ticket }} $GL_TICKET"
read_only = true
estimate = "1s"
timeout = "1m"
"#;

#[test]
fn a_required_variable_is_given_by_a_flag_or_the_run_does_not_start() {
    let dir = folder(&[("asks.toml", ASKS)]);
    let file = dir.path().join("asks.toml").display().to_string();
    let state = dir.path().join("state");
    assert_eq!(golive_in(&state, &["check", &file]).code, 0);
    let plan = golive_in(&state, &["plan", &file]);
    assert!(
        plan.out.contains("ticket (Change ticket): when a run starts, as /CHG[0-9]+/"),
        "{}",
        plan.out
    );
    assert!(plan.out.contains("‹asked at start: ticket›"), "{}", plan.out);
    let run = golive_in(&state, &["run", &file, "--confirm", "check"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("add --var ticket="), "{}", run.err);
    let run = golive_in(&state, &["run", &file, "--confirm", "check", "--var", "ticket=INC9"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("it does not match /CHG[0-9]+/"), "{}", run.err);
    let args = ["run", &file, "--confirm", "check", "--var", "ticket=CHG42", "--session", "one"];
    let run = golive_in(&state, &args);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("CHG42 CHG42"), "{}", run.out);
    // It is pinned with the session, so that a resume has it.
    let pinned = std::fs::read_to_string(state.join("sessions/one/pinned/inputs.json")).unwrap();
    assert!(pinned.contains("\"ticket\": \"CHG42\""), "{pinned}");
}

#[test]
fn on_a_terminal_a_required_variable_is_asked_for_until_it_will_do() {
    let dir = folder(&[("asks.toml", ASKS)]);
    let mut golive = Pty::start(dir.path(), (100, 30), &["run", "asks.toml", "--confirm", "check"]);
    golive.until("Change ticket (ticket): ");
    golive.keys("INC9\r");
    golive.until("that will not do: it does not match /CHG[0-9]+/");
    golive.keys("CHG7\r");
    golive.until("CHG7 CHG7");
    assert_eq!(golive.wait().exit_code(), 0, "{}", golive.screen());
}

#[test]
fn the_way_of_a_step_is_told_while_it_runs() {
    let body = r#"golive = 1
[runbook]
id = "loads"
[[phase]]
id = "p"
[[phase.step]]
id = "load"
local = "echo 84/200 rows; until [ -e go ]; do sleep 0.05; done; echo 200/200 rows"
progress = '([0-9]+)/([0-9]+) rows'
read_only = true
"#;
    let dir = folder(&[("loads.toml", body)]);
    let args = ["run", "loads.toml", "--confirm", "check"];
    let mut command = program(&dir.path().join("state"), &args);
    command.current_dir(dir.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        if line.unwrap().contains("load is at 42 %") {
            std::fs::write(dir.path().join("go"), "").unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(dir.path().join("go").exists(), "it was never told");
}

#[test]
fn the_screen_shows_the_bar_and_the_stream_and_offers_what_could_start() {
    let in_stream = |body: &str, id: &str, more: &str| {
        let own = format!("id = \"{id}\"");
        body.replacen(&own, &format!("{own}\n{more}"), 1)
    };
    let body = in_stream(BILLING, "a1", "stream = \"app\"\nprogress = '([0-9]+) %'");
    let body = in_stream(&body, "a2", "stream = \"db\"");
    let mut night = Night::of(&body, RunKind::Live);
    night.ask(&Command::Begin);
    let key = Key { step: "a1".parse().unwrap(), part: Part::Action, attempt: 1 };
    assert_eq!(night.state.in_flight().count(), 1, "a1 starts by itself");
    let hosts = night.state.plan().step(&key.step).unwrap().hosts.clone();
    for (host, percent) in hosts.iter().zip([41.0, 87.0]) {
        let job = Job { key: key.clone(), place: Place::Host(host.clone()) };
        night.gauges.insert(job, Share::percent(percent).unwrap());
    }
    night.print("a1", "app-1", "checked 41 % of it\n");
    let screen = night.draw(120, 40, PLAIN);
    assert!(screen.contains("a1 41 %  [app] Version"), "{screen}");
    assert!(screen.contains("a2 [db] Backup point"), "{screen}");
    assert!(screen.contains("2 a2  Backup point"), "the pane is about what could start: {screen}");
    assert!(screen.contains("checked 41 % of it"), "and the log of what runs: {screen}");
    night.key(KeyCode::Enter);
    let screen = night.draw(120, 40, PLAIN);
    assert!(screen.contains("golive-backup --point B2"), "Enter opens it: {screen}");
    night.key(KeyCode::Esc);
    night.key(KeyCode::Up);
    let screen = night.draw(120, 40, PLAIN);
    assert!(screen.contains("##...") && screen.contains("] 41 %"), "{screen}");
    assert!(screen.contains("Stream") && screen.contains("] 87 %"), "{screen}");
}
