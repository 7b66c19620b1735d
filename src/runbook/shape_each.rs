//! `for_each`: one step as written, and one step of the runbook for each of its values.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::base::{StepId, VarName};

use super::code::Code;
use super::model::{Each, Runbook, Step};
use super::problem::Problem;
use super::reader::{At, Item, Kind, Reading, Table};
use super::shape::{Context, own_name, variable_name};
use super::shape_step::{self, Role};
use super::shape_use;

/// More values are another kind of tool, as are more steps.
pub(super) const VALUES_MAX: usize = 2_000;

/// The steps with `for_each`, each with the steps that it makes, in order.
#[derive(Debug, Default)]
pub(super) struct Series {
    steps: BTreeMap<StepId, Vec<StepId>>,
    stems: BTreeMap<StepId, StepId>,
}

impl Series {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&StepId, &Vec<StepId>)> {
        self.steps.iter()
    }

    /// The step as written that `step` is one of.
    pub(super) fn stem(&self, step: &StepId) -> Option<&StepId> {
        self.stems.get(step)
    }

    /// Whoever needs `of` needs `step` too.
    pub(super) fn group(&mut self, of: &StepId, step: &StepId) {
        self.steps.entry(of.clone()).or_default().push(step.clone());
    }

    fn add(&mut self, step: &Step) {
        let Some(each) = &step.each else { return };
        self.steps.entry(each.of.clone()).or_default().push(step.id.clone());
        self.stems.insert(step.id.clone(), each.of.clone());
    }

    /// Whoever needs a step with `for_each` needs all of its steps.
    pub(super) fn in_needs(&self, runbook: &mut Runbook) {
        for step in runbook.phases.iter_mut().flat_map(|phase| &mut phase.steps) {
            let Some(needs) = &mut step.needs else { continue };
            if needs.iter().any(|need| self.steps.contains_key(need)) {
                let all = std::mem::take(needs).into_iter();
                let all = all.map(|need| self.steps.get(&need).cloned().unwrap_or(vec![need]));
                *needs = all.flatten().collect();
            }
        }
    }

    /// Lets a problem speak of the step as written, so that it is told once, not once a value.
    pub(super) fn say(&self, problem: &mut Problem) {
        if self.stems.is_empty() {
            return;
        }
        let labels = problem.also.iter_mut().map(|label| &mut label.text);
        let texts = labels.chain([&mut problem.message, &mut problem.at.text]);
        for text in texts.chain(&mut problem.help) {
            let words = text.split('`').map(|word| {
                let stem = word.parse().ok().and_then(|id: StepId| self.stems.get(&id));
                stem.map_or(word, StepId::as_str)
            });
            *text = words.collect::<Vec<_>>().join("`");
        }
    }
}

/// Reads a step; one for each value, if it has a `for_each`.
pub(super) fn steps(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
    role: Role,
) -> Vec<Step> {
    if let Some(steps) = shape_use::used(reading, context, item, role) {
        return steps;
    }
    let each = values(reading, context, item);
    if each.is_empty() {
        return shape_step::step(reading, context, item, role).into_iter().collect();
    }
    let mut steps: Vec<Step> = Vec::new();
    for each in each {
        let first = each.number == 1;
        reading.each = Some(each);
        let Some(mut step) = shape_step::step(reading, context, item, role) else { continue };
        if !first {
            // In order.
            let before = steps.last().map(|before| before.id.clone());
            step.needs = step.needs.map(|_| before.into_iter().collect());
        }
        // A named place to go back to, and the end of the right to go back, are after all of them.
        if let Some(before) = steps.last_mut() {
            before.checkpoint = None;
            before.commit = false;
        }
        context.series.add(&step);
        steps.push(step);
    }
    reading.each = None;
    steps
}

/// The values of the step's `for_each`. None if there is no such key, or if the step has no
/// usable name. A single empty one if the values are no good: the rest is looked at all the same.
fn values(reading: &mut Reading<'_>, context: &Context<'_>, step: &Item<'_>) -> Vec<Each> {
    let Some(table) = step.raw().as_table() else { return Vec::new() };
    let written = |key: &str| table.get(key).map(serde_spanned::Spanned::get_ref);
    let Some(stem) = written("id").and_then(DeValue::as_str) else { return Vec::new() };
    let stem = prefixed(reading, stem);
    let Ok(of) = stem.parse::<StepId>() else { return Vec::new() };
    let Some(item) = Table::peek_in(table, "for_each") else { return Vec::new() };
    let entries = reading.entries(&item, "one variable and its values");
    let [entry] = entries.as_slice() else {
        if item.is_table() {
            let message = "`for_each` needs exactly one variable";
            let help = "write for_each = { weight = [5, 25, 50, 100] }";
            reading.complain(Code::BadValue, &item.span(), message, "", help);
        }
        return Vec::new();
    };
    let span = entry.key_span.0..entry.key_span.1;
    let Some(name) = variable_name(reading, entry.key, &span) else { return Vec::new() };
    if reading.inside.as_ref().is_some_and(|inside| inside.with.contains_key(&name)) {
        let message = format!("`{name}` is a parameter of the snippet and the variable of a step");
        reading.complain(Code::Duplicate, &span, &message, "", "give them two names");
    }
    let found = list(reading, entry);
    let steps: usize = context.targets.len() + found.len();
    let long = format!("{stem}.{}", found.len()).parse::<StepId>().is_err();
    if steps > VALUES_MAX {
        let message =
            format!("{} values make {steps} steps so far; the limit is {VALUES_MAX}", found.len());
        reading.complain(Code::Limit, &entry.span(), &message, "too many", "split the runbook");
    } else if long {
        let message =
            format!("`{stem}` is too long a name for the steps `{stem}.1`, `{stem}.2`, …");
        reading.complain(Code::BadName, &entry.span(), &message, "", "choose a shorter `id`");
    } else if !found.is_empty() {
        return each(&of, &name, found);
    }
    each(&of, &name, vec![String::new()])
}

fn each(of: &StepId, name: &VarName, values: Vec<String>) -> Vec<Each> {
    let numbered = (1..).zip(values);
    numbered
        .map(|(number, value)| Each { of: of.clone(), number, name: name.clone(), value })
        .collect()
}

fn list(reading: &mut Reading<'_>, item: &Item<'_>) -> Vec<String> {
    let items = reading.list(item, "values");
    if items.is_empty() && item.raw().is_array() {
        let message = "a `for_each` without a value makes no step";
        reading.complain(Code::BadValue, &item.span(), message, "empty", "add values");
    }
    items.iter().filter_map(|item| reading.value(item)).collect()
}

/// The name of a step as written, behind that of the use of the snippet that it is in.
pub(super) fn prefixed(reading: &Reading<'_>, name: &str) -> String {
    reading.inside.as_ref().map_or_else(|| name.to_owned(), |it| format!("{}.{name}", it.of))
}

/// The same, read from its table.
fn stem_of(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<StepId> {
    if reading.inside.is_none() {
        return own_name(reading, table, Kind::Step);
    }
    let item = table.need(reading, "id")?;
    let text = reading.filled(&item)?;
    let at = At { value: prefixed(reading, &text.value), place: text.place };
    table.name_owner(reading, &format!("step {}", at.value));
    table.take(reading, "id");
    let id = reading.name(&at);
    reading.defined.push((Kind::Step, at));
    id
}

/// The name of the step that is being read: its own, or with the number of its value.
pub(super) fn own_id(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<StepId> {
    let Some(Each { of, number, .. }) = reading.each.clone() else {
        return stem_of(reading, table);
    };
    if number == 1 {
        stem_of(reading, table);
    }
    let name = format!("{of}.{number}");
    table.name_owner(reading, &format!("step {name}"));
    let item = table.take(reading, "id")?;
    let at = reading.at(name, &item.span());
    let id = at.value.parse().ok();
    reading.defined.push((Kind::Step, at));
    id
}
