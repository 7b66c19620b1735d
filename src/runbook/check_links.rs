//! Steps that speak of other steps: a dry run that comes before its step, and the step after which
//! the way back is planned.

use super::code::Code;
use super::load::Joined;
use super::model::{Class, Step};
use super::problem::Problem;
use super::shape::Draft;
use super::shape_objective::before;

/// What is wrong with them.
pub(super) fn check(joined: &mut Joined<'_>, draft: &Draft) {
    let dry_runs = draft.runbook.forward().filter_map(|step| dry_run(joined, draft, step));
    let mut problems: Vec<_> = dry_runs.collect();
    problems.extend(planned(joined, draft));
    joined.reading.problems.extend(problems);
}

fn dry_run(joined: &Joined<'_>, draft: &Draft, step: &Step) -> Option<Problem> {
    let shows = step.dry_run.as_ref()?;
    let other = draft.runbook.forward().find(|other| other.id == *shows);
    let place = joined.reading.places.step(&step.id, "dry_run");
    let says = |message: &str, help: &str| {
        Some(Problem::new(Code::Contradiction, place.clone(), message).help(help))
    };
    let Some(other) = other else {
        let stem = draft.series.iter().find(|(stem, _)| *stem == shows);
        let (_, steps) = stem?;
        let message = format!("`{shows}` is several steps, and one dry run is shown");
        return says(&message, &format!("write \"{}\"", steps.first()?));
    };
    let (floor, because) = other.floor();
    if other.class.unwrap_or(floor).max(floor) != Class::Check {
        let message = format!("`{shows}` is no dry run, it may change something: {because}");
        return says(&message, "a dry run is a step of its own with `read_only = true`");
    }
    if !before(&draft.runbook, &step.id).contains(shows) {
        let message = format!("`{shows}` is not over before `{}` starts", step.id);
        return says(&message, "put it in front, or name it in `needs`");
    }
    None
}

fn planned(joined: &Joined<'_>, draft: &Draft) -> Option<Problem> {
    let planned = draft.runbook.rollback.planned.as_ref()?;
    let place = joined.reading.places.of("planned", "after");
    let says = |message: &str, help: &str| {
        Some(Problem::new(Code::Contradiction, place.clone(), message).help(help))
    };
    let stem = draft.series.iter().find(|(stem, _)| **stem == planned.after);
    if let Some((stem, steps)) = stem {
        let message = format!("`{stem}` is several steps, and the way back begins after one");
        return says(&message, &format!("write \"{}\"", steps.last()?));
    }
    let earlier = before(&draft.runbook, &planned.after);
    let ends = |step: &&Step| {
        let comes = step.id == planned.after || earlier.contains(&step.id);
        comes && (step.commit || step.point_of_no_return)
    };
    let step = draft.runbook.forward().find(ends)?;
    let message = format!("the way back is planned, and `{}` ends it before", step.id);
    says(&message, "choose an earlier step, or remove `commit` and `point_of_no_return` there")
}
