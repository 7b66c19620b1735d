//! The schedule of a plan against the slowest way to make it: every path, one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use golive::base::{Millis, StepId, Timestamp};
use golive::plan::{Actual, Forecast, Plan, Progress, forecast, initial};
use proptest::prelude::*;

use crate::plans::{at, plan};

/// Steps that need nothing of each other, to be joined by the tests.
const STEPS: usize = 9;

fn id(number: usize) -> StepId {
    format!("s{number}").parse().unwrap()
}

fn loose() -> Plan {
    static LOOSE: OnceLock<Arc<Plan>> = OnceLock::new();
    let make = || {
        let step = |number| {
            format!(
                "[[phase.step]]\nid = \"s{number}\"\nrun = \"look\"\non = \"web1\"\nneeds = []\n\
                 read_only = true\nestimate = \"1m\"\n"
            )
        };
        plan(&(0..STEPS).map(step).collect::<String>())
    };
    (**LOOSE.get_or_init(make)).clone()
}

/// Some steps with their minutes and their needs. `rank` is an order in which needs come first,
/// which the order in the file need not be.
#[derive(Clone, Debug)]
struct Net {
    minutes: Vec<u64>,
    rank: Vec<usize>,
    /// Pairs of places in `rank`: the later one needs the earlier one.
    edges: Vec<(usize, usize)>,
}

fn nets() -> impl Strategy<Value = Net> {
    let minutes = prop::collection::vec(1_u64..30, STEPS);
    let rank = Just((0..STEPS).collect::<Vec<_>>()).prop_shuffle();
    let edges = prop::collection::vec((0..STEPS, 0..STEPS), 0..20);
    (minutes, rank, edges).prop_map(|(minutes, rank, pairs)| {
        let edges = pairs.into_iter().filter(|(one, other)| one != other);
        let edges = edges.map(|(one, other)| (one.min(other), one.max(other))).collect();
        Net { minutes, rank, edges }
    })
}

impl Net {
    fn plan(&self) -> Plan {
        let mut plan = loose();
        for (number, minutes) in self.minutes.iter().enumerate() {
            let step = plan.steps.get_mut(&id(number)).unwrap();
            step.estimate = Millis::from_secs(60 * minutes);
        }
        for (first, then) in &self.edges {
            let need = id(self.rank[*first]);
            plan.steps.get_mut(&id(self.rank[*then])).unwrap().needs.push(need);
        }
        plan
    }

    /// The longest path that ends with the step at `place` of `rank`, in minutes, walked path by path.
    fn longest(&self, place: usize) -> u64 {
        let needs = self.edges.iter().filter(|(_, then)| *then == place);
        let before = needs.map(|(first, _)| self.longest(*first)).max();
        self.minutes[self.rank[place]] + before.unwrap_or_default()
    }

    fn length(&self) -> u64 {
        (0..STEPS).map(|place| self.longest(place)).max().unwrap()
    }
}

fn minutes(from: Timestamp, to: Timestamp) -> u64 {
    assert_eq!(to.since(from).as_secs() % 60, 0);
    to.since(from).as_secs() / 60
}

/// What has happened by the minute `now` if the steps ran one after the other in order of rank,
/// each after a person had read it for `wait` minutes; the last one that has started still runs.
fn progress(net: &Net, started: usize, wait: u64, now: u64) -> Progress {
    let mut steps = BTreeMap::new();
    let mut from = 0;
    for (place, number) in net.rank.iter().take(started).enumerate() {
        from += wait;
        if from > now {
            break;
        }
        let takes = net.minutes[*number];
        let over = place + 1 < started && from + takes <= now;
        let actual = if over {
            Actual::over(at(60 * from), at(60 * (from + takes)))
        } else {
            Actual::runs(at(60 * from), Millis::from_secs(60 * takes))
        };
        steps.insert(id(*number), actual);
        if !over {
            break;
        }
        from += takes;
    }
    Progress { began: at(0), steps, ..Progress::default() }
}

fn longer(plan: &Plan, step: &StepId, by: Millis) -> Plan {
    let mut plan = plan.clone();
    let step = plan.steps.get_mut(step).unwrap();
    step.estimate = step.estimate.plus(by);
    plan
}

/// Whether critical steps follow each other without a gap from the beginning to the end.
fn is_spanned(plan: &Plan, times: &Forecast) -> bool {
    let mut until = at(0);
    while until < times.end {
        let next = plan.order.iter().map(|id| times.steps[id]);
        let next = next.filter(|of| of.critical && of.forecast.start == until);
        let Some(next) = next.map(|of| of.forecast.end).min() else { return false };
        if next == until {
            return false;
        }
        until = next;
    }
    until == times.end
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_critical_path_is_the_longest_of_all_paths(net in nets()) {
        let plan = net.plan();
        let times = initial(&plan, at(0));
        prop_assert_eq!(minutes(at(0), times.end), net.length());
        prop_assert_eq!(times.planned_end, times.end);
        for (place, number) in net.rank.iter().enumerate() {
            let of = times.steps[&id(*number)];
            prop_assert_eq!(minutes(at(0), of.forecast.end), net.longest(place));
            prop_assert_eq!(minutes(of.forecast.start, of.forecast.end), net.minutes[*number]);
            prop_assert!(of.forecast.end.after(of.slack) <= times.end);
            prop_assert_eq!(of.critical, of.slack == Millis::ZERO);
        }
        prop_assert!(is_spanned(&plan, &times), "{:?}", times);
    }

    #[test]
    fn slack_is_exactly_what_a_step_may_lose(
        net in nets(),
        started in 0..STEPS,
        wait in 0_u64..4,
        now in 0_u64..200,
    ) {
        let (plan, progress) = (net.plan(), progress(&net, started, wait, now));
        let times = forecast(&plan, &progress, at(60 * now));
        for step in plan.order.iter().filter(|id| !progress.steps.contains_key(*id)) {
            let slack = times.steps[step].slack;
            let end = |by| forecast(&longer(&plan, step, by), &progress, at(60 * now)).end;
            prop_assert_eq!(end(slack), times.end, "{} may lose {}", step, slack);
            let more = Millis::from_secs(7);
            prop_assert_eq!(end(slack.plus(more)), times.end.after(more), "{} no more", step);
        }
    }

    /// What a plan remembers between two forecasts changes none of them.
    #[test]
    fn a_forecast_made_again_is_one_made_from_scratch(
        net in nets(),
        looks in prop::collection::vec((0..STEPS, 0_u64..200), 1..6),
    ) {
        let plan = net.plan();
        for (started, now) in looks {
            let progress = progress(&net, started, 1, now);
            let again = forecast(&plan, &progress, at(60 * now));
            prop_assert_eq!(again, forecast(&plan.clone(), &progress, at(60 * now)));
        }
    }

    #[test]
    fn one_need_more_makes_no_plan_shorter(net in nets(), one in 0..STEPS, other in 0..STEPS) {
        prop_assume!(one != other);
        let before = initial(&net.plan(), at(0));
        let mut net = net;
        net.edges.push((one.min(other), one.max(other)));
        let after = initial(&net.plan(), at(0));
        prop_assert!(after.end >= before.end);
        for (id, of) in before.steps.all() {
            prop_assert!(after.steps[id].forecast.start >= of.forecast.start, "{}", id);
        }
    }
}
