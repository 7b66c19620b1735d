//! `[[snippet]]` and `use`: steps that are written once, with parameters, and used in several
//! places.
//!
//! A use makes all steps of the snippet, each called `use.step`. Parameters are variables of these
//! steps alone. A snippet may use others, so far and no farther, and in no circle. What is wrong is
//! told with its place in every file that leads to it.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use crate::base::{RoleId, StepId, StreamId, VarName};

use super::code::Code;
use super::model::{Action, Check, Step, UndoStage};
use super::problem::{Place, Problem, SourceFile};
use super::reader::{At, Inside, Item, Kind, Reading, Scope, Table};
use super::shape::{Context, template as text_of, variable_name};
use super::shape_each;
use super::shape_hosts;
use super::shape_step::{self, Role};
use super::suggest;
use super::template::{self, Quoting};

/// How many snippets may lead to one: more is another kind of tool.
const DEPTH_MAX: usize = 8;

/// Steps that are written once.
pub(super) struct Snippet<'t> {
    source: &'t SourceFile,
    place: Place,
    params: Vec<At<VarName>>,
    steps: Vec<Item<'t>>,
    used: bool,
}

/// All of them, by name.
pub(super) type Snippets<'t> = BTreeMap<String, Snippet<'t>>;

/// Reads the snippets of an included file, which holds nothing else.
pub(super) fn file<'t>(
    main: &mut Reading<'_>,
    (source, document): (&'t SourceFile, &'t DeTable<'t>),
    found: &mut Snippets<'t>,
) {
    let mut reading = Reading::new(source);
    let mut top = Table::document(document, source.text.len()).called("an included file");
    if let Some(item) = top.take(&mut reading, "include") {
        reading.texts(&item);
    }
    snippets(&mut reading, &mut top, source, found);
    top.finish(&mut reading);
    main.problems.append(&mut reading.problems);
}

/// Reads the `[[snippet]]` tables.
pub(super) fn snippets<'t>(
    reading: &mut Reading<'_>,
    top: &mut Table<'t>,
    source: &'t SourceFile,
    found: &mut Snippets<'t>,
) {
    let Some(item) = top.take(reading, "snippet") else { return };
    for item in reading.list(&item, "[[snippet]] tables") {
        let Some(mut table) = Table::open(reading, &item, "a snippet", "snippet") else { continue };
        let id = table.need(reading, "id").and_then(|item| reading.filled(&item));
        let id = id.filter(|id| reading.name::<StepId>(id).is_some());
        let params = table.take(reading, "params").map(|item| reading.texts(&item));
        let params = params.unwrap_or_default().into_iter().filter_map(|text| {
            let value = variable_name(reading, &text.value, &text.place.span())?;
            Some(At { value, place: text.place })
        });
        let params = params.collect();
        let steps = table.need(reading, "step");
        let steps = steps.map(|item| reading.list(&item, "[[snippet.step]] tables"));
        table.finish(reading);
        let Some(id) = id else { continue };
        let place = id.place.clone();
        let steps = steps.unwrap_or_default();
        let snippet = Snippet { source, place, params, steps, used: false };
        if let Some(before) = found.insert(id.value.clone(), snippet) {
            let message = format!("two snippets are called `{}`", id.value);
            let problem = Problem::new(Code::Duplicate, id.place, &message);
            let problem = problem.label("and again here").also(before.place, "first here");
            reading.problems.push(problem.help("rename one of them"));
        }
    }
}

/// Says which snippets nobody uses.
pub(super) fn unused(reading: &mut Reading<'_>, snippets: &Snippets<'_>) {
    for (id, snippet) in snippets.iter().filter(|(_, snippet)| !snippet.used) {
        let message = format!("no step uses the snippet `{id}`");
        let problem = Problem::new(Code::Unused, snippet.place.clone(), &message);
        let help = format!("write a step with `use = \"{id}\"`, or remove it");
        reading.problems.push(problem.help(&help));
    }
}

/// A use of a snippet that leads to what is being read.
pub(super) struct Link {
    name: At<String>,
    /// Its file, line and column.
    written: String,
}

/// The keys of a step that uses a snippet.
struct Use<'t> {
    id: StepId,
    title: Option<String>,
    place: Place,
    with: Option<Item<'t>>,
    stage: Option<UndoStage>,
    on: Vec<At<shape_hosts::Target>>,
    on_item: Option<Item<'t>>,
    stream: Option<StreamId>,
    needs: Option<Vec<StepId>>,
    when: Option<At<String>>,
    owner: Option<RoleId>,
}

/// The steps that a use of a snippet makes; none if the step uses none.
pub(super) fn used(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
    role: Role,
) -> Option<Vec<Step>> {
    item.raw().as_table().filter(|table| table.contains_key("use"))?;
    let mut table = Table::open(reading, item, "a step that uses a snippet", "step")?;
    let id = shape_each::own_id(reading, &mut table);
    let title = text_of(reading, &mut table, "title", &Scope::Vars, Quoting::Plain);
    let named = table.take(reading, "use").and_then(|item| reading.filled(&item));
    let with = table.take(reading, "with");
    let on_item = table.take(reading, "on");
    let on = on_item.as_ref().map(|item| shape_hosts::targets(reading, item));
    for key in ["stream", "needs"] {
        if let Some(item) = table.peek(key).filter(|_| role != Role::Forward) {
            shape_step::without_effect(reading, &item, role.name());
        }
    }
    let stream = table.take(reading, "stream").and_then(|item| reading.filled(&item));
    let stream = stream.and_then(|text| reading.name(&text));
    let needs = shape_step::needs(reading, &mut table);
    let stage = (role == Role::Rollback).then(|| shape_step::stage(reading, &mut table)).flatten();
    let when = table.take(reading, "when").and_then(|item| reading.filled(&item));
    let owner = table.take(reading, "owner").and_then(|item| reading.filled(&item));
    let owner = owner.and_then(|text| reading.used_name(Kind::Role, text)).map(|role| role.value);
    table.finish(reading);
    let (Some(id), Some(named)) = (id, named) else { return Some(Vec::new()) };
    let place = named.place.clone();
    let on = on.unwrap_or_default();
    let wish = Use { id, title, place, with, stage, on, on_item, stream, needs, when, owner };
    let Some(snippet) = context.snippets.get_mut(&named.value) else {
        let names = context.snippets.keys().map(String::as_str);
        let help =
            suggest::help(&named.value, names, "write it as [[snippet]], or `include` its file");
        let message = format!("there is no snippet `{}`", named.value);
        let problem = Problem::new(Code::UnknownName, named.place, &message);
        reading.problems.push(problem.label("unknown").help(&help));
        return Some(Vec::new());
    };
    snippet.used = true;
    let link = Link { written: reading.source.spot(named.place.start), name: named };
    if let Some(problem) = too_deep(&link, snippet, &context.using) {
        reading.problems.push(problem);
        return Some(Vec::new());
    }
    let (source, children, params) =
        (snippet.source, snippet.steps.clone(), snippet.params.clone());
    let written = snippet.place.clone();
    let values = values(reading, context, &wish, (&params, &written));
    context.using.push(link);
    let steps = steps(reading, context, (&wish, role), (source, &children, &params, values));
    context.using.pop();
    Some(steps)
}

/// What is wrong with a use at the end of those that lead to it: a circle, told link by link, or
/// more links than there may be.
fn too_deep(last: &Link, snippet: &Snippet<'_>, using: &[Link]) -> Option<Problem> {
    let way = |links: &[Link]| {
        let links = links.iter().chain([last]);
        let links = links.map(|link| format!("{} ({})", link.name.value, link.written));
        links.collect::<Vec<_>>().join(" → ")
    };
    let linked = |mut problem: Problem, links: &[Link]| {
        for link in links {
            let said = format!("`{}` is used here", link.name.value);
            problem = problem.also(link.name.place.clone(), &said);
        }
        problem.also(snippet.place.clone(), "the snippet")
    };
    let place = last.name.place.clone();
    if let Some(at) = using.iter().position(|link| link.name.value == last.name.value) {
        let links = using.get(at..).unwrap_or_default();
        let message = format!("snippets use each other in a circle: {}", way(links));
        let problem = Problem::new(Code::Contradiction, place, &message);
        let problem = problem.label("and here it begins anew").help("remove one of these uses");
        return Some(linked(problem, links));
    }
    (using.len() >= DEPTH_MAX).then(|| {
        let message = format!("more than {DEPTH_MAX} snippets in one another: {}", way(using));
        let problem = Problem::new(Code::Limit, place, &message);
        let help = "use it from a snippet that is nearer to the step";
        linked(problem.label("one too many").help(help), using)
    })
}

/// The values of the parameters: each one that is asked for, and no other.
fn values(
    reading: &mut Reading<'_>,
    context: &Context<'_>,
    wish: &Use<'_>,
    (params, snippet): (&[At<VarName>], &Place),
) -> BTreeMap<VarName, String> {
    let mut values = BTreeMap::new();
    let outer = reading.inside.as_ref().map(|inside| inside.with.clone());
    let entries = wish.with.map(|item| reading.entries(&item, "values of parameters"));
    for item in entries.unwrap_or_default() {
        let span = item.key_span.0..item.key_span.1;
        let mut value = reading.value(&item);
        let Some(param) = params.iter().find(|param| param.value.as_str() == item.key) else {
            let names = params.iter().map(|param| param.value.as_str());
            let help = suggest::help(item.key, names, "remove it: the snippet has no parameters");
            let message = format!("the snippet has no parameter `{}`", item.key);
            let problem = reading.problem(Code::UnknownName, &span, &message);
            let told = problem.clone().label("unknown").also(snippet.clone(), "the snippet");
            *problem = told.help(&help);
            continue;
        };
        if let (Some(outer), Some(text)) = (&outer, &mut value) {
            handed_on(reading, &item, text, outer);
        } else if value.as_ref().is_some_and(|value| value.contains("{{")) {
            let help = "use the variable in the snippet itself: it sees those of the runbook too";
            let message = format!("`{}` is taken as it is, not as a template", item.key);
            reading.complain(Code::BadValue, &item.span(), &message, "braces stay braces", help);
        }
        values.insert(param.value.clone(), value.unwrap_or_default());
    }
    for param in params {
        if let Some(var) = context.vars.get(&param.value) {
            let message = format!("`{}` is a variable of the runbook and a parameter", param.value);
            let problem = Problem::new(Code::Duplicate, param.place.clone(), &message);
            let problem = problem.also(var.clone(), "the variable");
            reading.problems.push(problem.help("give them two names"));
        }
        if !values.contains_key(&param.value) {
            let message = format!("the parameter `{}` is not given", param.value);
            let problem = Problem::new(Code::MissingKey, wish.place.clone(), &message);
            let problem = problem.label("used here").also(param.place.clone(), "asked for here");
            let help = format!("add `with = {{ {} = \"…\" }}`", param.value);
            reading.problems.push(problem.help(&help));
            values.insert(param.value.clone(), String::new());
        }
    }
    values
}

/// Fills in the parameters that a snippet hands on to one that it uses itself.
fn handed_on(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    text: &mut String,
    outer: &BTreeMap<VarName, String>,
) {
    if !text.contains("{{") {
        return;
    }
    let at = reading.at(text.clone(), &item.span());
    if let Ok(filled) = template::render(text, outer, &BTreeSet::new(), Quoting::Plain) {
        reading.uses_template(at, &Scope::Vars, Some(Quoting::Plain));
        *text = filled;
        return;
    }
    let names = outer.keys().map(VarName::as_str).collect::<Vec<_>>().join("`, `");
    let message = format!("`{}` can hand on the parameters of this snippet only", item.key);
    let own = "the other snippet sees the runbook's variables by itself";
    let help = if names.is_empty() {
        format!("this one has none; {own}")
    } else {
        format!("those are `{names}`; {own}")
    };
    reading.complain(Code::UndefinedVariable, &item.span(), &message, "", &help);
}

type Written<'a, 't> =
    (&'t SourceFile, &'a [Item<'t>], &'a [At<VarName>], BTreeMap<VarName, String>);

fn steps(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    (wish, role): (&Use<'_>, Role),
    (source, children, params, with): Written<'_, '_>,
) -> Vec<Step> {
    let mut inner = Reading::new(source);
    let at = wish.place.clone();
    let outer = reading.inside.as_ref().map(|inside| inside.with.clone()).unwrap_or_default();
    means_two_things(reading, wish, &outer, &with);
    inner.inside = Some(Inside { of: wish.id.clone(), with, at: at.clone() });
    let mut steps: Vec<Step> = Vec::new();
    let mut took_hosts = false;
    for child in children {
        let before = context.targets.len();
        if before > shape_each::VALUES_MAX {
            break; // Said once, of the runbook as a whole.
        }
        let made = shape_each::steps(&mut inner, context, child, role);
        for (number, mut step) in made.into_iter().enumerate() {
            if steps.is_empty() && step.needs.is_none() {
                step.needs.clone_from(&wish.needs);
            }
            step.stream = step.stream.or_else(|| wish.stream.clone());
            step.owner = step.owner.or_else(|| wish.owner.clone());
            step.stage = step.stage.or(wish.stage);
            if let Some(when) = &wish.when {
                let scope = Scope::Before(step.id.clone());
                reading.uses_template(when.clone(), &scope, None);
                let when = template::expression_given(&when.value, &outer);
                step.when = Some(match step.when {
                    Some(own) => format!("({when}) and ({own})"),
                    None => when,
                });
            }
            if let Some(targets) = context.targets.get_mut(before + number)
                && targets.on.is_empty()
                && takes_hosts(&step)
            {
                targets.on.clone_from(&wish.on);
                took_hosts = true;
            }
            context.series.group(&wish.id, &step.id);
            steps.push(step);
        }
    }
    if let Some(on) = wish.on_item.filter(|_| !took_hosts && !steps.is_empty()) {
        let message = "`on` has no effect on a use whose steps take no hosts from it";
        let help = "remove it: its steps say where they run, or run here or on no host";
        reading.complain(
            Code::NoEffect,
            &(on.key_span.0..on.key_span.1),
            message,
            "no effect",
            help,
        );
    }
    entitle(wish, &outer, &mut steps);
    for param in params {
        let uses = |text: &str| {
            let names = template::variables(text).unwrap_or_default();
            let env = format!("GL_{}", param.value.as_str().to_uppercase());
            names.contains(param.value.as_str()) || text.contains(&env)
        };
        if !inner.templates.iter().any(|used| uses(&used.text.value)) {
            let message = format!("no step of the snippet uses its parameter `{}`", param.value);
            let problem = Problem::new(Code::Unused, param.place.clone(), &message);
            inner.problems.push(problem.help("use it, or remove it from `params` and from `with`"));
        }
    }
    let problems = std::mem::take(&mut inner.problems).into_iter();
    reading.problems.extend(problems.map(|problem| problem.also(at.clone(), "used here")));
    reading.places.extend(inner.places);
    reading.defined.extend(inner.defined);
    reading.used.extend(inner.used);
    reading.templates.extend(inner.templates);
    steps
}

/// Whether a step does something on hosts: its work, or the verification of what a person did.
fn takes_hosts(step: &Step) -> bool {
    let verifies = || step.verify.as_ref().is_some_and(|it| matches!(it.check, Check::Run(_)));
    step.is_remote() || matches!(step.action, Action::Manual(_)) && verifies()
}

/// The title of a use: that of its step, or before those of its steps.
fn entitle(wish: &Use<'_>, outer: &BTreeMap<VarName, String>, steps: &mut [Step]) {
    let Some(title) = &wish.title else { return };
    let title = template::given(title, outer);
    if let [one] = steps {
        one.title = title;
        return;
    }
    for step in steps {
        // A step without a title of its own is told by what it is called in the snippet.
        let own = format!("{}.", wish.id);
        let its = step.title.strip_prefix(&own).unwrap_or(&step.title);
        step.title = format!("{title}: {its}");
    }
}

/// Says where the title or the `when` of a use names something that the used snippet has a
/// parameter of the same name for: they are told of the steps, which see their parameter alone.
/// The parameters of the snippet that the use stands in are filled in where they are used.
fn means_two_things(
    reading: &mut Reading<'_>,
    wish: &Use<'_>,
    outer: &BTreeMap<VarName, String>,
    with: &BTreeMap<VarName, String>,
) {
    let title = wish.title.as_deref().map(template::variables);
    let when = wish.when.as_ref().map(|when| template::expression_variables(&when.value));
    let named: Vec<_> = [title, when].into_iter().flatten().flatten().flatten().collect();
    for name in with.keys().filter(|name| named.iter().any(|it| *it == name.as_str())) {
        if !outer.contains_key(name) {
            let message = format!("`{name}` is a parameter of the snippet, and named here too");
            let problem = Problem::new(Code::Duplicate, wish.place.clone(), &message);
            let problem = problem.label("used here");
            reading.problems.push(problem.help("give the parameter another name"));
        }
    }
}
