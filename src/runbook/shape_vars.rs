//! The shape of `[vars_required]`: values that are given when a run starts.

use std::collections::BTreeMap;

use crate::base::{SafeText, VarName};

use super::code::Code;
use super::model::Asked;
use super::problem::Problem;
use super::reader::{At, Item, Reading, Table};
use super::shape::variable_name;
use super::shape_probe::{Groups, regex};

/// Reads the table; `places` are the variables that have a value already.
pub(super) fn asked(
    reading: &mut Reading<'_>,
    top: &mut Table<'_>,
    asked: &mut BTreeMap<VarName, Asked>,
    places: &mut BTreeMap<VarName, At<()>>,
) {
    let Some(item) = top.take(reading, "vars_required") else { return };
    for item in reading.entries(&item, "variables") {
        let span = item.key_span.0..item.key_span.1;
        let Some(name) = variable_name(reading, item.key, &span) else { continue };
        let one = one(reading, &item, &name);
        let at = reading.at((), &span);
        if let Some(before) = places.insert(name.clone(), at.clone()) {
            let message = format!("`{name}` has a value under [vars], and is asked for too");
            let problem = Problem::new(Code::Duplicate, at.place, &message);
            let problem = problem.label("asked for here").also(before.place, "its value");
            reading.problems.push(problem.help("remove one of them; `--var` replaces either"));
        }
        asked.insert(name, one);
    }
}

fn one(reading: &mut Reading<'_>, item: &Item<'_>, name: &VarName) -> Asked {
    let unsaid = || Asked { prompt: SafeText::new(name.as_str()), pattern: None };
    if item.is_text() {
        let help = format!("write `{name} = {{ prompt = \"what it is\" }}`, or move it to [vars]");
        let message = format!("`{name}` is a value, and under [vars_required] stand questions");
        reading.complain(Code::WrongType, &item.span(), &message, "expected a table", &help);
        return unsaid();
    }
    let owner = format!("required variable {name}");
    let Some(mut table) = Table::open(reading, item, "a required variable", &owner) else {
        return unsaid();
    };
    let prompt = table.need(reading, "prompt").and_then(|item| reading.filled(&item));
    let pattern = table.take(reading, "pattern").and_then(|item| {
        let text = reading.filled(&item)?;
        regex(reading, &item, &text.value, Groups::Any).then_some(text.value)
    });
    table.finish(reading);
    let prompt = prompt.map_or_else(|| unsaid().prompt, |text| SafeText::new(&text.value));
    Asked { prompt, pattern }
}
