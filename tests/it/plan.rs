//! Plans: what a runbook becomes, and the times that follow.

use std::collections::BTreeMap;

use golive::base::{Digest, Millis, StepId, Timestamp, VarName};
use golive::plan::{
    Actual, Forecast, Inputs, Plan, PlanError, Progress, Rag, UndoPlan, Work, compile, digest_of,
    forecast, initial,
};
use golive::runbook::{Class, UndoStage};

use crate::runbook::shop;

fn id(name: &str) -> StepId {
    name.parse().unwrap()
}

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<VarName, String> {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), (*value).to_owned())).collect()
}

fn plan_with(pairs: &[(&str, &str)]) -> Result<Plan, Vec<PlanError>> {
    let checked = shop();
    let vars = vars(pairs);
    let digest = digest_of(&checked.sources, &vars);
    let inputs = Inputs { vars, scripts: checked.scripts };
    compile(&checked.runbook.unwrap(), &checked.inventory, &inputs, digest)
}

#[test]
fn a_runbook_becomes_a_plan() {
    let plan = plan_with(&[("release", "3.0 final")]).unwrap();
    assert_eq!(plan.title.as_str(), "Orders API 3.0 final: blue to green");
    let deploy = plan.step(&id("deploy-green")).unwrap();
    assert!(
        matches!(&deploy.work, Work::Run(text) if text.shown() == "deploy --version '3.0 final'")
    );
    assert_eq!(deploy.class, Class::Change);
    assert_eq!(deploy.env["GL_RELEASE"].shown(), "3.0 final");
    assert_eq!(deploy.timeout, Some(Millis::from_secs(900)));
    let UndoPlan::Undo(undo) = &deploy.undo else { panic!("it has an undo") };
    assert_eq!((undo.stage, undo.hosts.len()), (UndoStage::RestoreCode, 1));
    let drop = plan.step(&id("drop-blue")).unwrap();
    assert_eq!((drop.class, drop.class_because.as_str()), (Class::Critical, "point of no return"));
    assert!(
        matches!(&drop.work, Work::Run(text) if text.shown().contains("retire \"$GL_RELEASE\""))
    );
    assert_eq!(drop.needs, [id("shift"), id("train")]);
    assert_eq!(plan.step(&id("ready")).unwrap().needs, [id("count")]);
    assert_eq!(plan.step(&id("tell-back")).unwrap().needs, [id("verify-old")]);
    assert_eq!(plan.before, [id("freeze")]);
    let hosts: Vec<_> = plan.hosts.keys().map(|host| host.as_str()).collect();
    assert_eq!(hosts, ["bastion", "db1", "lb", "web1", "web2"]);
    let watch = plan.step(&id("watch")).unwrap();
    assert_eq!((watch.takes(), watch.estimated), (Millis::from_secs(1800), true));
}

#[test]
fn the_digest_names_every_input() {
    let one = plan_with(&[]).unwrap().digest;
    assert_eq!(one, plan_with(&[]).unwrap().digest);
    assert_ne!(one, plan_with(&[("release", "2.14.1")]).unwrap().digest);
    assert_ne!(one, Digest::of(b""));
}

#[test]
fn a_value_for_no_variable_is_refused() {
    let errors = plan_with(&[("relaese", "x")]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "the runbook has no variable `relaese`; did you mean `release`?"
    );
}

/// Minutes and seconds from the opening of the window.
fn clock(plan: &Plan, at: Timestamp) -> String {
    let opens = plan.window.as_ref().unwrap().opens;
    at.since(opens).to_string()
}

fn ends(plan: &Plan, forecast: &Forecast) -> Vec<String> {
    plan.order.iter().map(|id| clock(plan, forecast.steps[id].forecast.end)).collect()
}

#[test]
fn the_first_forecast_is_the_plan() {
    let plan = plan_with(&[]).unwrap();
    let opens = plan.window.as_ref().unwrap().opens;
    let times = initial(&plan, opens);
    let expected =
        ["20s", "5m20s", "9m20s", "15m20s", "20m40s", "24m20s", "26m20s", "26m30s", "56m30s"];
    assert_eq!(ends(&plan, &times), expected);
    assert_eq!(times.end, times.planned_end);
    assert_eq!(times.rag, Some(Rag::Green));
    let critical: Vec<_> = plan.order.iter().filter(|id| times.steps[*id].critical).collect();
    let path = ["count", "ready", "deploy-green", "train", "drop-blue", "tell", "watch"];
    assert_eq!(critical.iter().map(|id| id.as_str()).collect::<Vec<_>>(), path);
    assert_eq!(times.steps[&id("warm")].slack, Millis::from_secs(220));
    assert_eq!(times.backout.takes, Millis::ZERO);
    assert_eq!(times.backout.latest_safe, Some(plan.window.as_ref().unwrap().closes));
    // deploy-green 2m + 30s, shift 10s, freeze 5s, verify-old 10s, tell-back 10s
    assert_eq!(times.backout.worst, Millis::from_secs(185));
}

#[test]
fn a_late_step_moves_what_needs_it_and_the_way_back() {
    let plan = plan_with(&[]).unwrap();
    let window = plan.window.clone().unwrap();
    let at = |secs| window.opens.after(Millis::from_secs(secs));
    let mut progress = Progress { began: window.opens, ..Progress::default() };
    let over = |from, to| Actual { started: at(from), over: Some(at(to)) };
    progress.steps.insert(id("count"), over(0, 10));
    progress.steps.insert(id("ready"), over(10, 600));
    progress.steps.insert(id("deploy-green"), Actual { started: at(600), over: None });
    progress.undo = vec![id("deploy-green")];
    let times = forecast(&plan, &progress, at(1200));
    // deploy-green should be over by 840 s; it is not, so it ends now.
    assert_eq!(times.steps[&id("deploy-green")].forecast.end, at(1200));
    assert_eq!(times.steps[&id("warm")].forecast.start, at(1200));
    // The caches have not begun: 10 min, then 5 min 20 s for the shift, instead of by 1460 s.
    assert_eq!(times.delta_millis(), (1200 + 600 + 320 - 1460) * 1000);
    assert_eq!(times.backout.takes, Millis::from_secs(150 + 25));
    assert_eq!(times.backout.latest_safe, Some(window.closes.before(Millis::from_secs(175))));
    let late = forecast(&plan, &progress, window.closes.before(Millis::from_secs(3600)));
    assert_eq!(late.rag, Some(Rag::Amber));
    assert_eq!(forecast(&plan, &progress, window.closes).rag, Some(Rag::Red));
}
