//! The shape of `[objectives]`, and whether what it names can be measured.

use std::collections::BTreeSet;

use crate::base::{Millis, StepId, VarName};

use super::code::Code;
use super::model::{Measure, Objectives, Rpo, Rto, Runbook, millis_of_unit};
use super::reader::{At, Item, Kind, Reading, Table};
use super::shape_each::Series;
use super::suggest;

/// Reads the objectives of a runbook whose steps are known.
pub(super) fn objectives(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    runbook: &Runbook,
    series: &Series,
) -> Objectives {
    let Some(mut table) = Table::open(reading, item, "the [objectives] table", "objectives") else {
        return Objectives::default();
    };
    let rto_item = table.take(reading, "rto");
    let rpo_item = table.take(reading, "rpo");
    table.finish(reading);
    let written = rto_item.is_some();
    let rto = rto_item.and_then(|item| rto(reading, &item, runbook, series));
    if let Some(item) = rpo_item.as_ref().filter(|_| !written) {
        let message = "a recovery point without a recovery time: nothing says when it is measured";
        let help = "add `rto = { within = \"30m\", from = \"step\", to = \"step\" }`";
        reading.complain(Code::MissingKey, &item.span(), message, "when?", help);
    }
    let from = rto.as_ref().map(|rto| &rto.from);
    let rpo = rpo_item.and_then(|item| rpo(reading, &item, runbook, from));
    Objectives { rto, rpo }
}

fn rto(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    runbook: &Runbook,
    series: &Series,
) -> Option<Rto> {
    let mut table = Table::open(reading, item, "a recovery time objective", "rto")?;
    let within = within(reading, &mut table);
    let (from, to) = (step(reading, &mut table, "from"), step(reading, &mut table, "to"));
    table.finish(reading);
    let (from, to) = (from?, to?);
    for at in [&from, &to] {
        let made = series.iter().find(|(stem, _)| **stem == at.value);
        if let Some((stem, steps)) = made {
            let first = steps.first().unwrap_or(stem);
            // In backquotes a problem speaks of the step as written.
            let message = format!("`{stem}` is several steps, and a clock needs one");
            let problem = reading.problem(Code::BadValue, &at.place.span(), &message);
            *problem = problem.clone().label("which one?").help(&format!("write \"{first}\""));
            return None;
        }
    }
    let known = |id: &StepId| runbook.forward().any(|step| step.id == *id);
    let comes_after = from.value == to.value || before(runbook, &to.value).contains(&from.value);
    if known(&from.value) && known(&to.value) && !comes_after {
        let message = format!("`{}` does not come after `{}`", to.value, from.value);
        let problem = reading.problem(Code::Contradiction, &to.place.span(), &message);
        let problem_label = "the clock would never run from the one to the other";
        let help = "choose a later step, or let it need the first (`needs`)";
        *problem = problem.clone().label(problem_label).help(help);
    }
    Some(Rto { within: within?, from: from.value, to: to.value })
}

fn rpo(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    runbook: &Runbook,
    from: Option<&StepId>,
) -> Option<Rpo> {
    let mut table = Table::open(reading, item, "a recovery point objective", "rpo")?;
    let within = within(reading, &mut table);
    let by = table.need(reading, "measured_by").and_then(|item| reading.filled(&item));
    table.finish(reading);
    let by = by?;
    let span = by.place.span();
    let measured_by = if let Some(probe) =
        runbook.probes.iter().find(|probe| probe.id.as_str() == by.value)
    {
        let id = probe.id.clone();
        reading.used.push((Kind::Probe, by));
        if millis_of_unit(probe.unit.as_str()).is_none() {
            let message = format!("probe `{id}` measures no time: its unit is `{}`", probe.unit);
            let help = "measure a delay, and give the probe `unit = \"s\"` (ms, s, min or h)";
            reading.complain(Code::BadValue, &span, &message, "no time", help);
        }
        Measure::Probe(id)
    } else {
        captured(reading, &by, runbook, from)?
    };
    Some(Rpo { within: within?, measured_by })
}

/// A value that a step captures before the clock starts.
fn captured(
    reading: &mut Reading<'_>,
    by: &At<String>,
    runbook: &Runbook,
    from: Option<&StepId>,
) -> Option<Measure> {
    let steps = runbook.forward();
    let mut captures = steps.flat_map(|step| step.capture.keys().map(move |name| (name, &step.id)));
    let Some((name, step)) = captures.find(|(name, _)| name.as_str() == by.value) else {
        let probes = runbook.probes.iter().map(|probe| probe.id.as_str());
        let names = runbook.forward().flat_map(|step| step.capture.keys()).map(VarName::as_str);
        let known: Vec<_> = probes.chain(names).collect();
        let help = suggest::help(&by.value, known, "add a [[probe]] that measures a delay");
        let message = format!("there is no probe and no captured value `{}`", by.value);
        reading.complain(Code::UnknownName, &by.place.span(), &message, "unknown", &help);
        return None;
    };
    if let Some(from) = from.filter(|from| !before(runbook, from).contains(step)) {
        let message =
            format!("`{name}` is captured by `{step}`, which does not come before `{from}`");
        let help = "capture it in an earlier step, or measure by a probe";
        reading.complain(Code::CapturedTooLate, &by.place.span(), &message, "too late", help);
    }
    Some(Measure::Captured(name.clone()))
}

fn within(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Millis> {
    table.need(reading, "within").and_then(|item| reading.some_time(&item))
}

fn step(reading: &mut Reading<'_>, table: &mut Table<'_>, key: &'static str) -> Option<At<StepId>> {
    let text = table.need(reading, key).and_then(|item| reading.filled(&item))?;
    reading.used_name(Kind::Step, text)
}

/// All that has to be over before a step starts.
pub(super) fn before(runbook: &Runbook, step: &StepId) -> BTreeSet<StepId> {
    let needs = runbook.needs();
    let mut seen = BTreeSet::new();
    let mut open = vec![step];
    while let Some(id) = open.pop() {
        for need in needs.get(id).into_iter().flatten() {
            if seen.insert((*need).clone()) {
                open.push(need);
            }
        }
    }
    seen
}
