//! The doubts that only a plan shows: its times against the window.

use crate::base::Millis;
use crate::runbook::{Code, Places, Problem};

use super::forecast::initial;
use super::model::Plan;

/// Warnings that need the plan's times: a plan or a rollback that does not fit the window.
pub fn lint(plan: &Plan, places: &Places) -> Vec<Problem> {
    let Some(window) = &plan.window else { return Vec::new() };
    let times = initial(plan, window.opens);
    let mut found = Vec::new();
    if times.end > window.closes {
        let over = times.end.since(window.closes);
        let message = format!("the plan ends {over} after the window closes");
        let place = places.of("window", "closes");
        let help =
            "shorten estimates, let steps run side by side with `needs`, or ask for more time";
        found.push(Problem::new(Code::PlanTooLong, place, &message).help(help));
    }
    let mut takes = plan.back_takes(std::iter::empty());
    let ends = |id| times.steps.get(id).map(|times| times.planned.end);
    let mut order: Vec<_> = plan.order.iter().filter_map(|id| Some((ends(id)?, id))).collect();
    order.sort_by_key(|(end, _)| *end);
    for (end, step) in order.into_iter().filter_map(|(end, id)| Some((end, plan.step(id)?))) {
        if step.point_of_no_return {
            break;
        }
        takes = takes.plus(step.undo_takes());
        let back = end.after(takes);
        if step.undo_takes() > Millis::ZERO && back > window.closes {
            let over = back.since(window.closes);
            let message = format!(
                "a rollback after step `{}` takes {takes} and ends {over} after the window closes",
                step.id
            );
            let help = "shorten the undo, or move a gate with a margin before this step";
            let place = places.step(&step.id, "undo");
            found.push(Problem::new(Code::RollbackTooLong, place, &message).help(help));
            break;
        }
    }
    found
}
