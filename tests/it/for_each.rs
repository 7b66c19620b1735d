//! `for_each`: one step as written, several steps that run.

use golive::base::StepId;
use golive::plan::Work;
use golive::runbook::{Code, SourceFile, check};

use crate::night::story;
use crate::plans::plan;
use crate::runbook::listing;

const SHIFT: &str = r#"
[[phase.step]]
id = "look"
on = "web1"
run = "look"
read_only = true
[[phase.step]]
id = "shift"
title = "{{ weight }} % to green"
notes = "Watch the {{ weight }} %."
for_each = { weight = [5, "25", 100] }
when = "weight | int > 5"
needs = ["look"]
on = "web1"
run = "lbctl weight green {{ weight }}"
env = { SHARE = "{{ weight }}%" }
stdin = "{{ weight }}\n"
undo = { run = "lbctl weight green 0 # from {{ weight }}" }
checkpoint = "before the customers"
[[phase.step]]
id = "smoke"
needs = ["shift"]
on = "web1"
run = "smoke"
read_only = true
"#;

fn ids(steps: &[StepId]) -> Vec<&str> {
    steps.iter().map(StepId::as_str).collect()
}

#[test]
fn a_step_for_each_value_in_order() {
    let plan = plan(SHIFT);
    assert_eq!(ids(&plan.order), ["look", "shift.1", "shift.2", "shift.3", "smoke"]);
    let step = |id: &str| plan.step(&id.parse().unwrap()).unwrap();
    assert_eq!(ids(&step("shift.1").needs), ["look"]);
    assert_eq!(ids(&step("shift.2").needs), ["shift.1"]);
    assert_eq!(ids(&step("shift.3").needs), ["shift.2"]);
    assert_eq!(ids(&step("smoke").needs), ["shift.1", "shift.2", "shift.3"]);
    let second = step("shift.2");
    assert_eq!(second.title.as_str(), "25 % to green");
    assert_eq!(second.notes.as_deref(), Some("Watch the 25 %."));
    assert!(matches!(&second.work, Work::Run(text) if text.shown() == "lbctl weight green 25"));
    assert_eq!(second.env["SHARE"].shown(), "25%");
    assert_eq!(second.env["GL_WEIGHT"].shown(), "25");
    assert_eq!(second.stdin.as_ref().unwrap().shown(), "25\n");
    let golive::plan::UndoPlan::Undo(undo) = &second.undo else { panic!("it has an undo") };
    assert!(matches!(&undo.work, Work::Run(text) if text.shown().ends_with("# from 25")));
    assert!(step("shift.3").checkpoint.is_some() && second.checkpoint.is_none());
    assert!(!step("smoke").env.contains_key("GL_WEIGHT"));
}

/// The problems of a runbook with this step, and the step before it that it needs.
fn problems(step: &str) -> (Vec<Code>, String) {
    let text = format!(
        "golive = 1\n[runbook]\nid = \"x\"\nenvironment = \"test\"\n[hosts.web1]\n[vars]\nrelease = 2\n\
         [[phase]]\nid = \"p\"\n[[phase.step]]\nid = \"s\"\non = \"web1\"\n{step}"
    );
    let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
    let found = checked.problems.iter().map(|problem| problem.code).collect();
    (found, listing(&checked))
}

#[test]
fn a_problem_of_many_steps_is_told_once_and_of_the_step_as_written() {
    let (codes, listing) =
        problems("run = \"x {{ n }} {{ rel }}\"\nfor_each = { n = [1, 2, 3] }\n");
    let count = |code| codes.iter().filter(|c| **c == code).count();
    for code in [Code::UndefinedVariable, Code::NoUndo, Code::NoEstimate, Code::NoTimeout] {
        assert_eq!(count(code), 1, "{code}\n{listing}");
    }
    assert!(listing.contains("x.toml:13:21-13:24 error G013"), "{listing}");
    assert!(listing.contains("step `s` has no estimate"), "{listing}");
    assert!(!listing.contains("`s.1`"), "{listing}");
}

#[test]
fn what_makes_no_sense_for_each_value_is_told() {
    let run = "run = \"x {{ n }} {{ release }}\"\n";
    for (each, code) in [
        ("for_each = {}", Code::BadValue),
        ("for_each = { n = [] }", Code::BadValue),
        ("for_each = { n = 3 }", Code::WrongType),
        ("for_each = { n = [[1]] }", Code::WrongType),
        ("for_each = [1, 2]", Code::WrongType),
        ("for_each = { n = [1], m = [2] }", Code::BadValue),
        ("for_each = { a-b = [1] }", Code::BadName),
        ("for_each = { release = [1] }", Code::Duplicate),
        ("for_each = { RELEASE = [1] }", Code::Duplicate),
        ("for_each = { n = [1, 2] }\ncapture = { n = '(x)' }", Code::Contradiction),
        ("for_each = { n = [1, 2] }\ncapture = { n = '(x)' }", Code::Duplicate),
        ("for_each = { m = [1, 2] }", Code::Unused),
        ("for_each = { n = [1, 2] }\nneeds = [\"s\"]", Code::NeedsCycle),
        (
            "for_each = { n = [1, 2] }\n[[phase.step]]\nid = \"s.2\"\nmanual = \"x\"",
            Code::Duplicate,
        ),
        ("for_each = { n = [1, 2] }\n[[phase.step]]\nid = \"s\"\nmanual = \"x\"", Code::Duplicate),
    ] {
        let (codes, listing) = problems(&format!("{run}{each}\n"));
        assert!(codes.contains(&code), "{each}: no {code}\n{listing}");
    }
    let many: Vec<_> = (0..2_001).map(|n| n.to_string()).collect();
    let (codes, listing) = problems(&format!("{run}for_each = {{ n = [{}] }}\n", many.join(",")));
    assert!(codes.contains(&Code::Limit), "{listing}");
    let many = many[..1_500].join(",");
    let twice = format!(
        "{run}for_each = {{ n = [{many}] }}\n[[phase.step]]\nid = \"t\"\non = \"web1\"\n{run}for_each = {{ n = [{many}] }}\n"
    );
    let (codes, listing) = problems(&twice);
    assert!(codes.contains(&Code::Limit), "{listing}");
}

#[test]
fn the_steps_run_and_are_undone_one_by_one() {
    // 5 is not more than 5: the `when` sees the value of its own step.
    story(
        SHIFT,
        "1 start look             | run look.1 web1
         2 end look.1.web1 ok     | look:succeeded; shift.1:skipped
         3 start shift.3          | refused `shift.3` needs `shift.2`
         4 start shift.2          | run shift.2.1 web1
         5 end shift.2.1.web1 ok  | shift.2:succeeded
         6 start smoke            | refused `smoke` needs `shift.3`
         6 start shift.3          | run shift.3.1 web1
         7 end shift.3.1.web1 ok  | shift.3:succeeded
         8 roll-back errors       | run shift.3.undo.1 web1; items ~shift.3 ~shift.2
         9 end shift.3.undo.1.web1 ok | ~shift.3:succeeded; run shift.2.undo.1 web1",
    );
}
