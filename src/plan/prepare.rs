//! From the text of a runbook to its plan in one call, with the doubts that only a plan shows.

use crate::base::Millis;
use crate::runbook::{
    Checked, Code, Options, Places, Problem, SourceFile, check_with, sort_problems,
};

use super::compile::{Inputs, PlanError, compile, digest_of};
use super::forecast::{initial, undo_takes, verification};
use super::model::Plan;

/// A checked runbook with its plan.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// The runbook and every problem, those of the plan's times included.
    pub checked: Checked,
    /// The plan, if there is no error.
    pub plan: Option<Plan>,
    /// Why there is no plan although the runbook has no error: wrong values from outside.
    pub errors: Vec<PlanError>,
}

/// Checks a runbook and makes its plan. `read` gives the text of a file that the runbook names,
/// by its path as written, or says why it cannot.
pub fn prepare(
    main: &SourceFile,
    options: &Options,
    read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
) -> Prepared {
    let mut checked = check_with(main, options, read);
    let Some(runbook) = &checked.runbook else {
        return Prepared { checked, ..Prepared::default() };
    };
    let digest = digest_of(&checked.sources, &options.vars);
    let inputs = Inputs { vars: options.vars.clone(), scripts: checked.scripts.clone() };
    match compile(runbook, &checked.inventory, &inputs, digest) {
        Ok(plan) => {
            let doubts = lint(&plan, &checked.places);
            checked.problems.extend(doubts);
            sort_problems(&mut checked.problems, &main.name);
            Prepared { checked, plan: Some(plan), errors: Vec::new() }
        }
        Err(errors) => Prepared { checked, plan: None, errors },
    }
}

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
    let own = plan.before.iter().chain(&plan.after).filter_map(|id| plan.step(id));
    let mut takes = own
        .map(|step| step.takes().plus(verification(step.verify.as_ref())))
        .fold(Millis::ZERO, Millis::plus);
    let ends = |id| times.steps.get(id).map(|times| times.planned.end);
    let mut order: Vec<_> = plan.order.iter().filter_map(|id| Some((ends(id)?, id))).collect();
    order.sort_by_key(|(end, _)| *end);
    for (end, step) in order.into_iter().filter_map(|(end, id)| Some((end, plan.step(id)?))) {
        if step.point_of_no_return {
            break;
        }
        takes = takes.plus(undo_takes(step));
        let back = end.after(takes);
        if undo_takes(step) > Millis::ZERO && back > window.closes {
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
