//! What the clocks of a big night cost: a runbook of 2,000 steps on 500 hosts becomes a plan with
//! all its times, and is looked at again every second of the night.
//!
//! `cargo bench --bench plan`. The bars: a plan with its first forecast under 10 ms, one forecast
//! under 1 ms, and ten times the steps about ten times the time. The loader takes 2,000 steps at
//! most, so bigger plans are made of copies.

use std::fmt::Write as _;

use divan::{Bencher, black_box};
use golive::base::{Digest, Millis, StepId, Timestamp};
use golive::plan::{Actual, Inputs, Plan, Progress, compile, forecast, initial};
use golive::runbook::{Checked, SourceFile, check};

fn main() {
    divan::main();
}

const HOSTS: usize = 500;
const STEPS_MAX: usize = 2_000;

/// Phases of 40 steps, of which every fifth needs the one before the one before as well.
fn text(steps: usize) -> String {
    let mut text = String::from(
        "golive = 1\n[runbook]\nid = \"big\"\ntitle = \"Big\"\nowner = \"ops\"\n[window]\n\
         opens = 2026-11-29T01:00:00\ncloses = 2026-11-30T05:00:00\nzone = \"Asia/Shanghai\"\n",
    );
    for host in 0..HOSTS {
        let _ = writeln!(
            text,
            "[hosts.web{host}]\naddress = \"10.0.{}.{}\"",
            host / 250,
            host % 250 + 1
        );
    }
    for step in 0..steps {
        if step % 40 == 0 {
            let _ = writeln!(text, "[[phase]]\nid = \"p{}\"\ntitle = \"Phase\"", step / 40);
        }
        let _ = write!(
            text,
            "[[phase.step]]\nid = \"s{step}\"\ntitle = \"Step {step}\"\non = \"web{}\"\n\
             run = \"deploy --part {step}\"\nestimate = \"30s\"\ntimeout = \"5m\"\n\
             undo = {{ run = \"undo --part {step}\", estimate = \"10s\" }}\n",
            step % HOSTS
        );
        if step > 1 && step % 5 == 0 {
            let _ = writeln!(text, "needs = [\"s{}\", \"s{}\"]", step - 1, step - 2);
        }
    }
    text
}

fn checked(text: &str) -> Checked {
    let checked = check(&SourceFile::new("big.toml", text), &mut |_| Err("none".to_owned()));
    assert_eq!(checked.errors().count(), 0, "{:?}", checked.errors().next());
    checked
}

fn compiled(checked: &Checked) -> Plan {
    let runbook = checked.runbook.as_ref().expect("it has no error");
    compile(runbook, &checked.inventory, &Inputs::default(), Digest::of(b"big"))
        .expect("every variable is there")
}

/// A plan of any size: copies of the greatest that can be loaded, one after the other.
fn plan(steps: usize) -> Plan {
    let mut plan = compiled(&checked(&text(steps.min(STEPS_MAX))));
    let (originals, order) = (plan.steps.clone(), plan.order.clone());
    let name = |id: &StepId, copy: usize| -> StepId {
        format!("{id}-{copy}").parse().expect("a name with a number is one")
    };
    for copy in 1..steps.div_ceil(STEPS_MAX) {
        for id in &order {
            let Some(mut step) = originals.get(id).cloned() else { continue };
            step.id = name(id, copy);
            step.needs = step.needs.iter().map(|need| name(need, copy)).collect();
            plan.order.push(step.id.clone());
            plan.steps.insert(step.id.clone(), step);
        }
    }
    assert_eq!(plan.order.len(), steps);
    plan
}

/// Half of the night is over, and one step runs.
fn half(plan: &Plan) -> (Progress, Timestamp) {
    let began = plan.window.as_ref().map_or_else(Timestamp::default, |window| window.opens);
    let mut progress = Progress { began, ..Progress::default() };
    let mut now = began;
    for id in plan.order.iter().take(plan.order.len() / 2) {
        let started = now.after(Millis::from_secs(4));
        now = started.after(Millis::from_secs(31));
        progress.steps.insert(id.clone(), Actual::over(started, now));
        progress.undo.push(id.clone());
    }
    if let Some(next) = plan.order.get(plan.order.len() / 2) {
        progress.steps.insert(next.clone(), Actual::runs(now, Millis::from_secs(30)));
    }
    (progress, now.after(Millis::from_secs(12)))
}

/// From the text of the runbook to the problems of it.
#[divan::bench(args = [200, 2_000])]
fn load(bencher: Bencher<'_, '_>, steps: usize) {
    let text = text(steps);
    bencher.bench_local(|| checked(black_box(&text)));
}

/// From the checked runbook to the plan with all its times.
#[divan::bench(args = [200, 2_000])]
fn plan_and_first_forecast(bencher: Bencher<'_, '_>, steps: usize) {
    let checked = checked(&text(steps));
    bencher.bench_local(|| {
        let plan = compiled(black_box(&checked));
        let began = plan.window.as_ref().map_or_else(Timestamp::default, |window| window.opens);
        initial(&plan, began).end
    });
}

/// All times once more, as every second and after every event.
#[divan::bench(args = [200, 2_000, 20_000])]
fn one_forecast(bencher: Bencher<'_, '_>, steps: usize) {
    let plan = plan(steps);
    let (progress, now) = half(&plan);
    bencher.bench_local(|| forecast(black_box(&plan), black_box(&progress), now).end);
}
