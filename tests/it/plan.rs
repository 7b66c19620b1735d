//! Plans: what a runbook becomes, and the times that follow.

use std::collections::BTreeMap;

use golive::base::{Digest, HostId, Millis, StepId, Timestamp, VarName};
use golive::plan::{
    Actual, Forecast, InTheWay, Inputs, Plan, PlanError, Progress, Rag, Tries, UndoPlan, Work,
    compile, forecast, initial, lint,
};
use golive::runbook::{Checked, Class, Options, SourceFile, UndoStage, check_with, sort_problems};
use proptest::prelude::*;

use crate::runbook::shop;

fn id(name: &str) -> StepId {
    name.parse().unwrap()
}

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<VarName, String> {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), (*value).to_owned())).collect()
}

pub(crate) fn plan_with(pairs: &[(&str, &str)]) -> Result<Plan, Vec<PlanError>> {
    let checked = shop();
    let vars = vars(pairs);
    let inputs = Inputs { vars, scripts: checked.scripts, ..Inputs::default() };
    compile(&checked.runbook.unwrap(), &checked.inventory, &inputs, Digest::of(b"shop"))
}

/// A runbook alone, checked with all doubts, and its plan if there is one.
pub(crate) fn prepared(
    main: &SourceFile,
    read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
) -> (Checked, Option<Plan>) {
    let mut checked = check_with(main, &Options::default(), read);
    let Some(runbook) = &checked.runbook else { return (checked, None) };
    let inputs = Inputs { scripts: checked.scripts.clone(), ..Inputs::default() };
    let plan = compile(runbook, &checked.inventory, &inputs, Digest::of(b"alone")).unwrap();
    checked.problems.extend(lint(&plan, &checked.places));
    sort_problems(&mut checked.problems, &main.name);
    (checked, Some(plan))
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
    let hosts: Vec<_> = plan.hosts.keys().map(HostId::as_str).collect();
    assert_eq!(hosts, ["bastion", "db1", "lb", "web1", "web2"]);
    let watch = plan.step(&id("watch")).unwrap();
    assert_eq!((watch.takes(), watch.estimated), (Millis::from_secs(1800), true));
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
    let over = |from, to| Actual::over(at(from), at(to));
    progress.steps.insert(id("count"), over(0, 10));
    progress.steps.insert(id("ready"), over(10, 600));
    let takes = Millis::from_secs(240);
    progress.steps.insert(id("deploy-green"), Actual::runs(at(600), takes));
    progress.undo = vec![id("deploy-green")];
    let times = forecast(&plan, &progress, at(1200));
    // deploy-green should be over by 840 s; it is 360 s over, and a quarter of that is to come.
    assert_eq!(times.steps[&id("deploy-green")].forecast.end, at(1290));
    assert_eq!(times.steps[&id("warm")].forecast.start, at(1200));
    // What needs it takes 15 min more; it would have been over after 1460 s.
    assert_eq!(times.delta_millis(), (1290 + 900 - 1460) * 1000);
    assert_eq!(times.backout.takes, Millis::from_secs(150 + 25));
    assert_eq!(times.backout.latest_safe, Some(window.closes.before(Millis::from_secs(175))));
    let late = forecast(&plan, &progress, at(9000));
    assert_eq!(late.rag, Some(Rag::Amber));
    assert_eq!(forecast(&plan, &progress, window.closes).rag, Some(Rag::Red));
}

/// A plan of one phase, its steps written as `id needs minutes undo-minutes class`.
fn small(window: &str, rollback: &str, steps: &[(&str, &str, u32, u32)]) -> Plan {
    let mut text =
        format!("golive = 1\n[runbook]\nid = \"x\"\n{window}[hosts.h]\n[[phase]]\nid = \"p\"\n");
    for (id, needs, minutes, undo) in steps {
        let undo = match undo {
            0 => "read_only = true".to_owned(),
            undo => format!("undo = {{ run = \"undo\", estimate = \"{undo}m\" }}"),
        };
        text += "[[phase.step]]\non = \"h\"\nrun = \"do\"\n";
        text += &[("id", *id), ("estimate", &format!("{minutes}m"))]
            .map(|(key, value)| format!("{key} = \"{value}\"\n"))
            .concat();
        text += &["needs = ", needs, "\n", &undo, "\n"].concat();
    }
    text += rollback;
    let main = SourceFile::new("x.toml", &text);
    let (checked, plan) = prepared(&main, &mut |_| Err("none".to_owned()));
    let errors: Vec<_> = checked.errors().collect();
    assert!(errors.is_empty(), "{errors:?}");
    plan.unwrap()
}

const WINDOW: &str =
    "[window]\nopens = 2026-11-29T01:00:00\ncloses = 2026-11-29T03:00:00\nzone = \"UTC\"\n";

/// Minutes from one o'clock.
fn minute(plan: &Plan, minutes: u64) -> Timestamp {
    plan.window.as_ref().unwrap().opens.after(Millis::from_secs(60 * minutes))
}

#[test]
fn nothing_that_changes_is_forecast_before_the_window_opens() {
    let plan = small(WINDOW, "", &[("look", "[]", 5, 0), ("change", "[\"look\"]", 10, 3)]);
    let opens = plan.window.as_ref().unwrap().opens;
    let times = initial(&plan, opens.before(Millis::from_secs(1800)));
    assert_eq!(times.steps[&id("look")].forecast.end, opens.before(Millis::from_secs(1500)));
    assert_eq!(times.steps[&id("change")].forecast.start, opens);
    assert_eq!(times.steps[&id("look")].slack, Millis::from_secs(1500));
    assert_eq!(times.end, minute(&plan, 10));
}

#[test]
fn needs_may_point_down_the_file_and_side_branches_have_slack() {
    let plan = small(
        WINDOW,
        "",
        &[
            ("last", "[\"a\", \"b\"]", 1, 1),
            ("a", "[]", 10, 1),
            ("b", "[]", 4, 1),
            ("free", "[]", 2, 1),
        ],
    );
    let times = initial(&plan, minute(&plan, 0));
    let of = |name: &str| times.steps[&id(name)];
    assert_eq!(of("last").forecast.start, minute(&plan, 10));
    assert_eq!((of("a").critical, of("b").critical, of("free").critical), (true, false, false));
    assert_eq!(of("b").slack, Millis::from_secs(360));
    assert_eq!(of("free").slack, Millis::from_secs(9 * 60));
    assert_eq!(times.backout.worst, Millis::from_secs(240));
    assert_eq!(times.backout.worst_ends, minute(&plan, 15));
}

#[test]
fn what_runs_counts_for_the_way_back_even_if_nobody_says_so() {
    let steps = [("a", "[]", 10, 7), ("b", "[\"a\"]", 20, 5)];
    let ways = [
        InTheWay { stop: Millis::from_secs(60), until: None },
        InTheWay { stop: Millis::from_secs(60), until: Some(Timestamp::default()) },
    ];
    for (mut way, in_flight) in ways.into_iter().zip([1, 15]) {
        let plan = small(WINDOW, "", &steps);
        way.until = way.until.map(|_| minute(&plan, 30));
        let mut progress = Progress { began: minute(&plan, 0), ..Progress::default() };
        let over = Actual::over(minute(&plan, 0), minute(&plan, 10));
        progress.steps.insert(id("a"), over);
        let runs = Actual::runs(minute(&plan, 10), Millis::from_secs(20 * 60));
        progress.steps.insert(id("b"), runs);
        progress.in_the_way = way;
        progress.undo = vec![id("a")];
        let times = forecast(&plan, &progress, minute(&plan, 15));
        let takes = Millis::from_secs(60 * (7 + 5 + in_flight));
        assert_eq!(times.backout.takes, takes, "{way:?}");
        assert_eq!(times.backout.ends, minute(&plan, 15).after(takes));
        let closes = plan.window.as_ref().unwrap().closes;
        assert_eq!(times.backout.latest_safe, Some(closes.before(takes)));
    }
}

/// Steps of ten minutes, one after the other, of which so many have taken a quarter of an hour.
fn slow_night(over: usize, tries: Tries) -> (Plan, Progress, Timestamp) {
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let needs: Vec<String> = std::iter::once("[]".to_owned())
        .chain(names.iter().map(|name| format!("[\"{name}\"]")))
        .collect();
    let steps = names.iter().zip(&needs);
    let steps: Vec<_> = steps.map(|(name, needs)| (name.as_str(), needs.as_str(), 10, 7)).collect();
    let plan = small(WINDOW, "", &steps);
    let mut progress = Progress { began: minute(&plan, 0), tries, ..Progress::default() };
    for (n, name) in (0_u64..).zip(names.iter().take(over)) {
        let (from, to) = (minute(&plan, 15 * n), minute(&plan, 15 * n + 15));
        progress.steps.insert(id(name), Actual::over(from, to));
    }
    let now = minute(&plan, 15 * u64::try_from(over).unwrap());
    (plan, progress, now)
}

#[test]
fn a_night_tells_how_the_rest_of_it_will_go() {
    let left = |over: usize, tries: Tries| {
        let (plan, progress, now) = slow_night(over, tries);
        let times = forecast(&plan, &progress, now);
        (times.end.since(now).as_millis(), times.pace.words().join(" · "))
    };
    let tries = |all| Tries { all, ..Tries::default() };
    // Seven steps say nothing yet.
    let hands = "0s before each start by hand (7 so far)";
    assert_eq!(left(7, tries(7)), (5 * 600_000, hands.to_owned()));
    // Ten say that steps take half as long again; twenty more are taken to have kept to their
    // estimates: 35 for 30. Two of seventy tries are taken to fail, and cost 12 minutes each.
    let (millis, words) = left(10, tries(10));
    assert_eq!(millis, 2 * (600_000 * 1166 / 1000 + 720_000 * 2 / 70));
    let work = "work 1.16 of its estimates (10 steps so far) · 0 of 10 tries failed";
    assert!(words.ends_with(work), "{words}");
    // Three that failed are counted, and so is the time that people needed after two of them.
    let looked = Millis::from_secs(20 * 60);
    let (millis, _) = left(10, Tries { all: 10, failed: 3, looks: 2, looked });
    assert_eq!(millis, 2 * (600_000 * 1166 / 1000 + (600_000 + 360_000) * 5 / 70));
}

#[test]
fn what_runs_late_in_a_night_that_was_late_is_not_over_at_once() {
    let (plan, mut progress, now) = slow_night(10, Tries { all: 10, ..Tries::default() });
    let step = plan.step(&id("s10")).unwrap();
    progress.steps.insert(id("s10"), Actual::runs(now, step.takes()));
    let ends = |secs: u64| {
        let at = now.after(Millis::from_secs(secs));
        let times = forecast(&plan, &progress, at);
        times.steps[&id("s10")].forecast.end.since(at).as_millis()
    };
    assert_eq!(ends(0), 699_600);
    assert_eq!(ends(500), 199_600);
    assert_eq!(ends(700), 120_000, "a fifth of it is left");
    assert_eq!(ends(1400), 700_400 / 4);
}

#[test]
fn without_a_window_there_is_no_judgement() {
    let plan = small("", "", &[("a", "[]", 10, 7)]);
    let times = initial(&plan, Timestamp::from_unix_millis(1_000_000));
    assert_eq!((times.rag, times.backout.latest_safe), (None, None));
    assert_eq!(times.delta_millis(), 0);
}

#[test]
fn a_plan_that_is_over_ends_when_it_ended() {
    let plan = small(WINDOW, "", &[("a", "[]", 10, 7)]);
    let mut progress = Progress { began: minute(&plan, 0), ..Progress::default() };
    progress.steps.insert(id("a"), Actual::over(minute(&plan, 0), minute(&plan, 4)));
    let times = forecast(&plan, &progress, minute(&plan, 90));
    assert_eq!(times.end, minute(&plan, 4));
    assert_eq!(times.delta_millis(), -6 * 60_000);
    assert!(!times.steps[&id("a")].critical);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever has happened, *latest safe rollback* leaves time for every undo that is owed, and
    /// no step is forecast before what it needs.
    #[test]
    fn the_forecast_never_promises_too_much(
        edges in prop::collection::vec((1_u32..30, 0_u32..10, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..12),
        started in 0_usize..12,
        running in any::<bool>(),
        now in 0_u64..300,
    ) {
        let names: Vec<String> = (0..edges.len()).map(|n| format!("s{n}")).collect();
        let needs: Vec<String> = edges.iter().enumerate().map(|(n, (_, _, needs))| {
            let needs = needs.iter().filter(|_| n > 0).map(|need| format!("\"s{}\"", need.index(n)));
            format!("[{}]", needs.collect::<Vec<_>>().join(", "))
        }).collect();
        let steps: Vec<_> = edges.iter().enumerate()
            .map(|(n, (minutes, undo, _))| (names[n].as_str(), needs[n].as_str(), *minutes, *undo)).collect();
        let plan = small(WINDOW, "", &steps);
        let started = started.min(steps.len());
        let now = minute(&plan, now);
        let mut progress = Progress { began: minute(&plan, 0), ..Progress::default() };
        for (n, (name, ..)) in steps.iter().take(started).enumerate() {
            let from = minute(&plan, 0).min(now);
            let takes = plan.step(&id(name)).unwrap().takes();
            let over = !running || n + 1 < started;
            let actual = if over { Actual::over(from, now) } else { Actual::runs(from, takes) };
            progress.steps.insert(id(name), actual);
            progress.undo.insert(0, id(name));
        }
        let times = forecast(&plan, &progress, now);
        let owed: u32 = steps.iter().take(started).map(|(_, _, _, undo)| undo).sum();
        prop_assert_eq!(times.backout.takes, Millis::from_secs(60 * u64::from(owed)));
        let back = times.backout.latest_safe.unwrap().after(times.backout.takes);
        prop_assert!(back <= plan.window.as_ref().unwrap().closes);
        for step in plan.order.iter().filter_map(|id| plan.step(id)) {
            let own = times.steps[&step.id];
            prop_assert!(own.forecast.end <= times.end && own.planned.end <= times.planned_end);
            if !progress.steps.contains_key(&step.id) {
                prop_assert!(own.forecast.start >= now);
                for need in &step.needs {
                    prop_assert!(own.forecast.start >= times.steps[need].forecast.end);
                }
            }
        }
        prop_assert!(times.steps.values().any(|step| step.critical) || started == steps.len());
    }
}
