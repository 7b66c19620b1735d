//! Two systems compared: what a runbook may say of it, what the program finds on the practice
//! fleet, and what the screen shows.

use golive::base::SafeText;
use golive::engine::{Command, Done, End, Outcome, Reconciled, RunKind, Status};
use golive::plan::Work;
use golive::runbook::{Class, Code, SourceFile, check};
use serde_json::Value;

use crate::cli::{folder, golive_in};
use crate::console_night::{Night, PLAIN, id};
use crate::runbook::listing;

/// A runbook whose second step compares the two databases of the practice fleet.
fn runbook(reconcile: &str) -> String {
    format!(
        r#"golive = 1
[runbook]
id = "books"
title = "Both books"
strategy = "parallel"
environment = "practice"
[hosts.db-old]
address = "db-old.practice"
[hosts.db-new]
address = "db-new.practice"
[[phase]]
id = "migrate"
title = "Migrate"
[[phase.step]]
id = "look"
on = "db-new"
run = "hostname"
read_only = true
estimate = "1s"
timeout = "30s"
[[phase.step]]
id = "books"
title = "Both books agree"
estimate = "2s"
timeout = "30s"
{reconcile}
"#
    )
}

fn checked(reconcile: &str) -> (Vec<Code>, String) {
    let text = runbook(reconcile);
    let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
    (checked.problems.iter().map(|it| it.code).collect(), listing(&checked))
}

const BOTH: &str =
    "left = { on = \"db-old\", run = \"sums\" }, right = { on = \"db-new\", run = \"sums\" }";

#[test]
fn a_good_one_is_a_check_that_names_both_hosts() {
    let text = format!(
        "reconcile = {{ {BOTH}, compare = \"rows\", tolerance = \"0.1 %\" }}\nauto = true\nretry = {{ attempts = 2 }}\nenv = {{ A = \"1\" }}"
    );
    let (codes, said) = checked(&text);
    assert_eq!(codes, [], "{said}");
    let source = SourceFile::new("x.toml", &runbook(&text));
    let (_, plan) = crate::plan::prepared(&source, &mut |name| Err(name.to_owned()));
    let plan = plan.unwrap();
    let step = plan.step(&id("books")).unwrap();
    assert_eq!(step.class, Class::Check);
    assert_eq!(plan.hosts.len(), 2, "the link to both is opened before it is needed");
    let Work::Builtin(builtin) = &step.work else { panic!("{:?}", step.work) };
    assert_eq!(
        builtin.shown().text(),
        "left     db-old: sums\nright    db-new: sums\ncompare  rows, within 0.1 %"
    );
}

#[test]
fn what_makes_no_sense_is_told() {
    let with = |rest: &str| format!("reconcile = {{ {BOTH}, {rest} }}");
    for (step, code, said) in [
        (with("tolerance = 1"), Code::MissingKey, "a reconciliation without `compare`"),
        (with("compare = \"fuzzy\""), Code::BadValue, "none of the words for `compare`"),
        (with("compare = \"exact\", tolerance = 1"), Code::NoEffect, "every byte"),
        (with("compare = \"rows\", tolerance = \"much\""), Code::BadValue, "how far two numbers"),
        (with("compare = \"rows\", tolerance = -1"), Code::BadValue, "how far two numbers"),
        (with("compare = \"rows\", within = \"1m\""), Code::UnknownKey, "`within`"),
        (with("compare = \"rows\"") + "\non = \"db-old\"", Code::NoEffect, "`on` has no effect"),
        (with("compare = \"rows\"") + "\nexpect = { stdout = \"x\" }", Code::NoEffect, "`expect`"),
        (with("compare = \"rows\"") + "\nundo = { run = \"x\" }", Code::NoEffect, "`undo`"),
        (with("compare = \"rows\"") + "\nbecome = true", Code::NoEffect, "`become`"),
        (with("compare = \"rows\"") + "\nrun = \"x\"", Code::OneAction, "2 actions"),
        (
            "reconcile = { left = { on = \"@new\", run = \"x\" }, right = { on = \"db-new\", run = \"x\" }, compare = \"rows\" }".to_owned(),
            Code::BadValue,
            "this is a group",
        ),
        (
            "reconcile = { left = { on = \"db-ol\", run = \"x\" }, right = { on = \"db-new\", run = \"x\" }, compare = \"rows\" }".to_owned(),
            Code::UnknownName,
            "there is no host `db-ol`",
        ),
        (
            "reconcile = { left = { on = \"db-new\", run = \"x\" }, right = { on = \"db-new\", run = \"x\" }, compare = \"rows\" }".to_owned(),
            Code::Contradiction,
            "they never differ",
        ),
        (
            "reconcile = { left = { on = \"db-old\", run = \"systemctl restart x\" }, right = { on = \"db-new\", run = \"x\" }, compare = \"rows\" }".to_owned(),
            Code::ReadOnlyDoubt,
            "the left side of step `books` is only to read",
        ),
    ] {
        let (codes, listing) = checked(&step);
        assert!(codes.contains(&code) && listing.contains(said), "{step}\n{listing}");
    }
}

/// Runs the comparison on the practice fleet: its exit status, and the event of its end.
fn driven(left: &str, right: &str, rest: &str) -> (i32, Value, String, tempfile::TempDir) {
    let side = |on: &str, run: &str| format!("{{ on = \"{on}\", run = '{run}' }}");
    let text = runbook(&format!(
        "reconcile = {{ left = {}, right = {}, {rest} }}",
        side("db-old", left),
        side("db-new", right)
    ));
    let dir = folder(&[("x.toml", &text)]);
    let path = dir.path().join("x.toml");
    let state = tempfile::tempdir().unwrap();
    let args = ["run", path.to_str().unwrap(), "--practice", "--speed", "20", "--confirm", "check"];
    let called = golive_in(state.path(), &[args.as_slice(), &["--json"]].concat());
    let lines = called.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<_> = lines.collect();
    let of_step =
        |line: &&Value| line["ev"] == "job-ended" && line["job"]["key"]["step"] == "books";
    let end = lines.iter().find(of_step).unwrap_or_else(|| panic!("{}", called.err));
    let printed = lines.iter().filter(|line| line["schema"] == "golive.output/1");
    let printed = printed.filter(|line| line["step"] == "books");
    let printed: Vec<_> = printed.filter_map(|line| line["line"].as_str()).collect();
    (called.code, end["end"]["done"].clone(), printed.join("\n"), state)
}

const EQUAL: &str = "echo orders 412110; echo bills 7";

#[test]
fn both_agree_on_the_practice_fleet() {
    let (code, done, printed, state) = driven(
        EQUAL,
        "echo bills 7; echo orders 412113",
        "compare = \"rows\", tolerance = \"0.1%\"",
    );
    assert_eq!(code, 0, "{done}");
    assert_eq!(done["what"], "2 rows agree, 1 of them only within 0.1 %");
    let found = &done["reconciled"];
    assert_eq!((&found["outcome"], &found["count"]), (&Value::from("equal"), &Value::from(2)));
    assert_eq!(found["left"]["bytes"], 22);
    assert!(printed.contains("left: orders 412110") && printed.contains("right: bills 7"));
    let verify = golive_in(state.path(), &["verify", "last"]);
    assert_eq!(verify.code, 15, "closed, and signed by nobody: {}", verify.out);
}

#[test]
fn a_difference_fails_the_step_with_its_table() {
    let (code, done, printed, state) =
        driven(EQUAL, "echo orders 412113; echo new 1", "compare = \"rows\"");
    assert_eq!(code, 5, "{done}");
    assert_eq!(done["unmet"], "3 of 3 rows differ, 1 only on db-old, 1 only on db-new");
    let table = done["reconciled"]["table"].as_array().unwrap();
    assert_eq!(table.len(), 3);
    assert_eq!(
        (&table[0]["key"], &table[0]["apart"]),
        (&"orders".into(), &"+3, 0.000727… %".into())
    );
    assert!(table[1]["right"].is_null() && table[2]["left"].is_null(), "{table:?}");
    assert!(printed.contains("orders  412110       412113        +3, 0.000727… %"), "{printed}");
    let report = golive_in(state.path(), &["export", "last", "--output", "-"]);
    for line in [
        "## DRILL Reconciliation",
        "**DIFFERS**",
        "| orders | 412110 | 412113 | +3, 0.000727… % |",
        "| new | (none) | 1 |  |",
    ] {
        assert!(report.out.contains(line), "{line}\n{}{}", report.out, report.err);
    }
    let sheets = tempfile::tempdir().unwrap();
    let to = sheets.path().join("sheets");
    golive_in(
        state.path(),
        &["export", "last", "--format", "csv", "--output", to.to_str().unwrap()],
    );
    let sheet = std::fs::read_to_string(to.join("reconcile.csv")).unwrap();
    let rows: Vec<_> = sheet.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 4, "{sheet}");
    assert!(rows[0].ends_with(",unlisted,key,left,right,apart"), "{sheet}");
    for (row, end) in rows[1..].iter().zip([
        "3,3,0,1,1,0,orders,412110,412113,\"'+3, 0.000727… %\"",
        "3,3,0,1,1,0,bills,7,,",
        "3,3,0,1,1,0,new,,1,",
    ]) {
        assert!(row.ends_with(end) && row.contains(",books,"), "{row}\n{end}");
    }
}

#[test]
fn a_side_that_fails_is_never_a_pass() {
    for (left, right, why) in [
        (EQUAL, "echo orders 412110; exit 3", "db-new ended with exit 3"),
        ("true", "true", "db-old gave nothing"),
        ("echo x >&2", EQUAL, "db-old gave nothing"),
    ] {
        let (code, done, _, _state) = driven(left, right, "compare = \"rows\"");
        assert_eq!(code, 5, "{done}");
        assert_eq!(done["reconciled"]["outcome"]["unknown"]["why"], why);
        assert_eq!(done["unmet"], format!("nothing was compared: {why}"));
    }
}

/// A night at the console that has compared both books.
fn compared(kind: RunKind, left: &str, right: &str) -> Night {
    let text = format!("reconcile = {{ {BOTH}, compare = \"rows\", tolerance = \"0.1 %\" }}");
    let mut night = Night::of(&runbook(&text), kind);
    night.ask(&Command::Begin);
    night.run("look");
    night.start("books");
    night.pass(2);
    let step = night.state.plan().step(&id("books")).unwrap().clone();
    let plan = step.work.builtin().unwrap().reconcile().unwrap();
    let found = Reconciled::of(plan, left.as_bytes(), right.as_bytes());
    let job = night.jobs().remove(0);
    let end = End::Done(Box::new(Done::reconciled(found)));
    night.ask(&Command::Ended { job, end, transcript: None });
    night
}

#[test]
fn the_table_is_on_the_screen() {
    let left: Vec<_> = (1..=9).map(|n| format!("table_{n} {}", n * 1_000)).collect();
    let left = left.join("\n");
    let right =
        left.replace(" 3000", " 3002").replace(" 5000", " 5500").replace("table_7", "other");
    for (width, height) in [(120, 36), (80, 24)] {
        let mut night = compared(RunKind::Drill, &left, &right);
        assert_eq!(night.state.track(&id("books")).status, Status::Failed);
        night.key(crossterm::event::KeyCode::Enter);
        let text = night.draw(width, height, PLAIN);
        insta::assert_snapshot!(format!("reconcile-failed-{width}"), text);
        night.key(crossterm::event::KeyCode::Esc);
        night.key(crossterm::event::KeyCode::Char('2'));
        let text = night.draw(width, height, PLAIN);
        assert!(text.contains("3 of 10 rows differ"), "{text}");
        insta::assert_snapshot!(format!("reconcile-step-{width}"), text);
    }
    let night = compared(RunKind::Drill, &left, &left);
    let track = night.state.track(&id("books"));
    assert_eq!(track.status, Status::Succeeded);
    let end = track.latest_ends().into_values().flatten().next().unwrap();
    let End::Done(done) = &end.end else { panic!("{end:?}") };
    let found = done.reconciled.as_ref().unwrap();
    assert_eq!(found.outcome, Outcome::Equal);
    assert_eq!(done.what, SafeText::new("9 rows agree"));
}
