//! What can only be seen with the whole runbook in view: names, order, templates, limits.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::{GroupId, HostId, Millis, SecretName, StepId, VarName};

use super::code::Code;
use super::load::Joined;
use super::model::{Action, Asked, Class, Each, Step, UndoSource};
use super::order::{circle, runs_before};
use super::problem::{Place, Problem, part_of_string};
use super::reader::{At, Kind, Scope, TemplateUse};
use super::shape::Draft;
use super::shape_hosts::hosts_of;
use super::suggest;
use super::template::{self, Quoting, TemplateError};

/// What one variable of the environment can surely hold: a command goes to its shell in one.
const SHELL_BYTES_MAX: usize = 100 * 1024;
/// More steps are another kind of tool.
const STEPS_MAX: usize = 2_000;

/// Checks everything and resolves the hosts of every step.
pub(super) fn check(joined: &mut Joined<'_>, draft: &mut Draft, vars: &BTreeMap<VarName, String>) {
    limits(joined, draft);
    duplicates(joined);
    unknown_names(joined, draft);
    hosts(joined, draft);
    let problems: Vec<_> =
        draft.steps().flat_map(|step| contradictions(joined, draft, step)).collect();
    joined.reading.problems.extend(problems);
    needs(joined, draft);
    super::check_links::check(joined, draft);
    checkpoints(joined, draft);
    captures(joined, draft);
    variables(joined, draft, vars);
}

fn limits(joined: &mut Joined<'_>, draft: &Draft) {
    let count = draft.steps().count();
    if count > STEPS_MAX {
        let place = joined.reading.places.of("runbook", "id");
        let message = format!("{count} steps; the limit is {STEPS_MAX}");
        joined.push(Problem::new(Code::Limit, place, &message).help("split the runbook"));
    }
    if draft.runbook.forward().next().is_none() && !draft.runbook.phases.is_empty() {
        let place = joined.reading.places.of("runbook", "id");
        let problem = Problem::new(Code::MissingKey, place, "a runbook without a step");
        joined.push(problem.help("add [[phase.step]] tables"));
    }
}

fn duplicates(joined: &mut Joined<'_>) {
    let mut first: BTreeMap<(Kind, &str), &Place> = BTreeMap::new();
    let mut problems = Vec::new();
    for (kind, name) in &joined.reading.defined {
        let Some(before) = first.get(&(*kind, name.value.as_str())) else {
            first.insert((*kind, &name.value), &name.place);
            continue;
        };
        let message = format!("two {}s are called `{}`", kind.word(), name.value);
        let problem = Problem::new(Code::Duplicate, name.place.clone(), &message);
        let problem = problem.label("and again here").also((*before).clone(), "first here");
        problems.push(problem.help("rename one of them"));
    }
    for ((kind, name), place) in first.iter().filter(|((kind, _), _)| *kind == Kind::Step) {
        // Transcripts are named after the step, the part of it and the attempt.
        let part = |end: &str| matches!(end, "verify" | "compare" | "undo" | "undo-verify");
        let number = |end: &str| end.bytes().all(|byte| byte.is_ascii_digit());
        let Some((stem, _)) = name.rsplit_once('.').filter(|(_, end)| part(end) || number(end))
        else {
            continue;
        };
        let Some(other) = first.get(&(*kind, stem)) else { continue };
        if other == place {
            continue; // A step with `for_each` and one of its steps: only the latter run.
        }
        let message = format!("transcripts of `{name}` and of `{stem}` could share a name");
        let problem = Problem::new(Code::Duplicate, (*place).clone(), &message);
        let problem = problem.also((*other).clone(), "the other step");
        problems.push(problem.help("use `-` in place of the last `.`"));
    }
    joined.reading.problems.extend(problems);
}

fn unknown_names(joined: &mut Joined<'_>, draft: &Draft) {
    let mut problems = Vec::new();
    let mut names: BTreeMap<Kind, Names<'_>> = BTreeMap::new();
    for (kind, name) in &joined.reading.used {
        if matches!(kind, Kind::Host | Kind::Group) && !joined.known_hosts {
            continue;
        }
        let known = names.entry(*kind).or_insert_with(|| Names::of(joined, draft, *kind));
        if !known.all.contains(name.value.as_str()) {
            problems.push(unknown(joined, *kind, name, &known.in_order));
        }
    }
    joined.reading.problems.extend(problems);
}

/// The names that something of one kind has.
struct Names<'a> {
    /// As they are told to people.
    in_order: Vec<&'a str>,
    /// The same, to find one among thousands.
    all: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(joined: &'a Joined<'_>, draft: &'a Draft, kind: Kind) -> Self {
        let in_order: Vec<&str> = match kind {
            Kind::Host => joined.checked.inventory.hosts.keys().map(HostId::as_str).collect(),
            Kind::Group => joined.checked.inventory.groups.keys().map(GroupId::as_str).collect(),
            Kind::Step => {
                let forward: BTreeSet<_> = draft.runbook.forward().map(|step| &step.id).collect();
                let stems = draft
                    .series
                    .iter()
                    .filter(|(_, steps)| steps.iter().any(|step| forward.contains(step)));
                let stems = stems.map(|(stem, _)| stem.as_str());
                forward.iter().map(|id| id.as_str()).chain(stems).collect()
            }
            Kind::Phase
            | Kind::Playbook
            | Kind::Probe
            | Kind::Role
            | Kind::Channel
            | Kind::Secret => {
                let defined = joined.reading.defined.iter().filter(|(of, _)| *of == kind);
                defined.map(|(_, name)| name.value.as_str()).collect()
            }
        };
        Self { all: in_order.iter().copied().collect(), in_order }
    }
}

fn unknown(joined: &Joined<'_>, kind: Kind, name: &At<String>, known: &[&str]) -> Problem {
    let groups = &joined.checked.inventory.groups;
    let word = kind.word();
    let help = match kind {
        Kind::Host if groups.keys().any(|group| group.as_str() == name.value) => {
            format!("it is a group: write `@{}`", name.value)
        }
        Kind::Host | Kind::Group => {
            suggest::help(&name.value, known.iter().copied(), "add it to the inventory")
        }
        Kind::Secret => {
            let otherwise = format!("add `{} = {{ env = \"VAR\" }}` under [secrets]", name.value);
            suggest::help(&name.value, known.iter().copied(), &otherwise)
        }
        Kind::Phase | Kind::Playbook | Kind::Step | Kind::Probe | Kind::Role | Kind::Channel => {
            suggest::help(&name.value, known.iter().copied(), &format!("there is no {word} at all"))
        }
    };
    let message = format!("there is no {word} `{}`", name.value);
    Problem::new(Code::UnknownName, name.place.clone(), &message).label("unknown").help(&help)
}

/// Resolves the `on` of every step and of its undo, and of the probes' steps without one.
fn hosts(joined: &mut Joined<'_>, draft: &mut Draft) {
    let inventory = &joined.checked.inventory;
    let targets = &draft.targets;
    let rollback = &mut draft.runbook.rollback;
    let forward = draft.runbook.phases.iter_mut().flat_map(|phase| &mut phase.steps);
    let playbooks = draft.runbook.playbooks.iter_mut().flat_map(|playbook| &mut playbook.steps);
    let steps = forward.chain(&mut rollback.before).chain(&mut rollback.after).chain(playbooks);
    let mut problems = Vec::new();
    for (step, targets) in steps.zip(targets) {
        step.on = hosts_of(inventory, &targets.on);
        if let UndoSource::Undo(undo) = &mut step.undo
            && let Some(on) = &targets.undo_on
        {
            undo.on = Some(hosts_of(inventory, on));
        }
        if let Some(problem) = no_target(joined, step, targets.on.is_empty()) {
            problems.push(problem);
        }
    }
    joined.reading.problems.extend(problems);
}

fn no_target(joined: &Joined<'_>, step: &Step, unwritten: bool) -> Option<Problem> {
    let places = &joined.reading.places;
    if step.is_remote() && unwritten && places.key(&format!("step {}", step.id), "on").is_none() {
        let key = step.action.word();
        let message = format!("step `{}` does not say on which hosts", step.id);
        let problem = Problem::new(Code::NoTarget, places.step(&step.id, key), &message);
        return Some(
            problem
                .label("where?")
                .help("add `on = \"host\"` or `on = \"@group\"`, or use `local`"),
        );
    }
    let unknown = joined.reading.problems.iter().any(|problem| problem.code == Code::UnknownName);
    if step.is_remote() && step.on.is_empty() && joined.known_hosts && !unknown {
        let message = format!("step `{}` runs on no host", step.id);
        let problem = Problem::new(Code::NoTarget, places.step(&step.id, "on"), &message);
        return Some(problem.label("nobody in it").help("name a host, or fill the group"));
    }
    let UndoSource::Undo(undo) = &step.undo else { return None };
    let remote = undo.action.is_remote();
    let nowhere = match &undo.on {
        Some(on) => on.is_empty() && joined.known_hosts && !unknown,
        None => !step.is_remote() && step.on.is_empty(),
    };
    (remote && nowhere).then(|| {
        let place = places.of(&format!("undo of {}", step.id), undo.action.word());
        let message = format!("the undo of step `{}` does not say on which hosts", step.id);
        let problem = Problem::new(Code::NoTarget, place, &message).label("where?");
        problem.help("add `on = \"host\"` to the undo, or use `local`")
    })
}

fn contradictions(joined: &Joined<'_>, draft: &Draft, step: &Step) -> Vec<Problem> {
    let places = &joined.reading.places;
    let mut found = Vec::new();
    let mut add = |key: &str, message: &str, help: &str| {
        let problem = Problem::new(Code::Contradiction, places.step(&step.id, key), message);
        found.push(problem.help(help));
    };
    let own = draft.runbook.own_rollback_steps().any(|other| other.id == step.id);
    let (floor, because) = if own { step.rollback_floor() } else { step.floor() };
    if step.class.is_some_and(|class| class < floor) {
        let message = format!("the class cannot be lower than `{}`: {because}", class_word(floor));
        add("class", &message, "remove `class`, or write a higher one");
    }
    if step.auto && step.class.unwrap_or(floor).max(floor) != Class::Check {
        let message = format!("only a check may start by itself, and this is not one: {because}");
        add("auto", &message, "remove `auto`; a step that only reads says `read_only = true`");
    }
    if step.read_only && !matches!(step.undo, UndoSource::None) {
        let key = if matches!(step.undo, UndoSource::Undo(_)) { "undo" } else { "irreversible" };
        add(key, "a step that changes nothing has nothing to undo", "remove it, or `read_only`");
    }
    if step.read_only && step.point_of_no_return {
        add("read_only", "a point of no return changes something", "remove one of the two");
    }
    reboots(step, &mut add);
    if step.four_eyes && draft.runbook.roles.values().all(|role| role.people.is_empty()) {
        let message = "a second person has to agree, and no role names anybody";
        add("four_eyes", message, "add [roles.NAME] with `people = [\"…\"]`");
    }
    if step.batch.is_some() && step.retry.is_some() {
        let message = "a wave that fails stops the others: nothing of it is repeated by itself";
        add("retry", message, "remove `retry`, or `batch`");
    }
    if let (Some(_), Action::Script(path)) = (&step.shell, &step.action)
        && joined.checked.scripts.get(path).is_some_and(|text| text.len() > SHELL_BYTES_MAX)
    {
        let message = format!("`shell` takes scripts of up to {SHELL_BYTES_MAX} bytes");
        add("shell", &message, "copy the script to the hosts before, and call it in `run`");
    }
    if !step.capture.is_empty() && step.each.is_some() {
        let message = "every step of a `for_each` would capture the same value anew";
        add("capture", message, "capture it in a step of its own");
    }
    if !step.capture.is_empty() && step.on.len() > 1 {
        let message =
            format!("a value has to come from one host; this step runs on {}", step.on.len());
        add("capture", &message, "capture it in a step of its own on one host");
    }
    if let Action::Gate(gate) = &step.action
        && gate.margin.is_some()
        && places.key("runbook file", "window").is_none()
    {
        let message = "the margin is measured against the change window, and there is none";
        add("gate", message, "add [window], or remove `margin`");
    }
    if let (Some(estimate), Some(timeout)) = (step.estimate, step.timeout)
        && timeout < estimate
    {
        let message = format!("the timeout ({timeout}) is shorter than the estimate ({estimate})");
        add("timeout", &message, "make the timeout a multiple of the estimate");
    }
    if let Some(timeout) = step.timeout
        && step.silence.unwrap_or(Millis::ZERO) > timeout
    {
        add(
            "silence",
            "the silence is longer than the timeout, so it never speaks",
            "make it shorter",
        );
    }
    found
}

/// The name of a checkpoint says which one is meant.
fn checkpoints(joined: &mut Joined<'_>, draft: &Draft) {
    let mut first: BTreeMap<&str, &StepId> = BTreeMap::new();
    let mut problems = Vec::new();
    for step in draft.runbook.forward() {
        let Some(name) = &step.checkpoint else { continue };
        let Some(other) = first.get(name.as_str()) else {
            first.insert(name.as_str(), &step.id);
            continue;
        };
        let places = &joined.reading.places;
        let message = format!("two checkpoints are called `{name}`");
        let problem = Problem::new(Code::Duplicate, places.step(&step.id, "checkpoint"), &message);
        let problem = problem.label("and again here");
        let problem = problem.also(places.step(other, "checkpoint"), "first here");
        problems.push(problem.help("rename one of them"));
    }
    joined.reading.problems.extend(problems);
}

/// What does not go together with a reboot.
fn reboots(step: &Step, add: &mut impl FnMut(&str, &str, &str)) {
    if !step.reboot {
        return;
    }
    if step.read_only {
        add("read_only", "a reboot is not a look", "remove `read_only`, or `reboot`");
    }
    if !step.detached {
        let message =
            "a reboot is followed by a step that outlives its link, and this one does not";
        add("detached", message, "remove `detached = false`");
    }
    if !step.capture.is_empty() {
        let message = "what is printed before a reboot may be lost with it";
        add("capture", message, "capture it in a step of its own, before or after");
    }
}

const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Check => "check",
        Class::Change => "change",
        Class::Critical => "critical",
    }
}

fn needs(joined: &mut Joined<'_>, draft: &Draft) {
    let needs = draft.runbook.needs();
    let Some(path) = circle(&needs) else { return };
    let places = &joined.reading.places;
    let names: Vec<_> = path.iter().chain(path.first()).map(|id| format!("`{id}`")).collect();
    let message = format!("steps need each other in a circle: {}", names.join(" → "));
    let written = |id: &StepId| places.key(&format!("step {id}"), "needs");
    let mut stated = path.iter().filter_map(|id| Some((*id, written(id)?)));
    let Some((first, place)) = stated.next() else { return };
    let problem = Problem::new(Code::NeedsCycle, place, &message);
    let mut problem = problem.label(&format!("what `{first}` needs"));
    for (id, place) in stated {
        problem = problem.also(place, &format!("what `{id}` needs"));
    }
    let help = "remove one of these needs; a step without `needs` needs the one before it";
    joined.push(problem.help(help));
}

/// A captured value has one name, one origin, and is no variable.
fn captures(joined: &mut Joined<'_>, draft: &Draft) {
    let mut origin: BTreeMap<&VarName, &StepId> = BTreeMap::new();
    let mut problems = Vec::new();
    for step in draft.steps() {
        for name in step.capture.keys() {
            let place = joined.reading.places.step(&step.id, "capture");
            if let Some(other) = origin.insert(name, &step.id) {
                if draft
                    .series
                    .stem(other)
                    .is_some_and(|of| draft.series.stem(&step.id) == Some(of))
                {
                    continue;
                }
                let message = format!("`{name}` is captured by step `{other}` too");
                let also = joined.reading.places.step(other, "capture");
                let problem = Problem::new(Code::Duplicate, place, &message);
                problems.push(problem.also(also, "first here").help("give them two names"));
            } else if let Some(var) = draft.vars.get(name) {
                let message = format!("`{name}` is a variable and a captured value");
                let problem = Problem::new(Code::Duplicate, place, &message);
                let problem = problem.also(var.place.clone(), "the variable");
                problems.push(problem.help("give them two names"));
            }
        }
    }
    for step in draft.steps() {
        let Some(Each { name, number: 1, .. }) = &step.each else { continue };
        let place = joined.reading.places.step(&step.id, "for_each");
        let upper = name.as_str().to_uppercase();
        let var = draft.vars.iter().find(|(var, _)| var.as_str().to_uppercase() == upper);
        let (what, also) = match (var, origin.get(name)) {
            (Some((var, at)), _) => (format!("variable `{var}`"), at.place.clone()),
            (None, Some(step)) => {
                let also = joined.reading.places.step(step, "capture");
                (format!("value that step `{step}` captures"), also)
            }
            (None, None) => continue,
        };
        let message = format!("`for_each` gives values to `{name}`, which is the {what} already");
        let problem = Problem::new(Code::Duplicate, place, &message).also(also, "first here");
        problems.push(problem.help("give them two names"));
    }
    for (name, at) in &draft.secrets {
        let same = |other: &VarName| other.as_str() == name.as_str();
        let var = draft.vars.iter().find(|(var, _)| same(var)).map(|(_, at)| at.place.clone());
        let captured = || {
            let (_, step) = origin.iter().find(|(name, _)| same(name))?;
            Some(joined.reading.places.step(step, "capture"))
        };
        let each = || {
            let of = |step: &&Step| step.each.as_ref().is_some_and(|each| same(&each.name));
            Some(joined.reading.places.step(&draft.steps().find(of)?.id, "for_each"))
        };
        if let Some(also) = var.or_else(captured).or_else(each) {
            let message = format!("`{name}` is a secret and a value that is no secret");
            let problem = Problem::new(Code::Duplicate, at.place.clone(), &message);
            problems.push(problem.also(also, "the other one").help("give them two names"));
        }
    }
    let mut upper: BTreeMap<String, &VarName> = BTreeMap::new();
    for (name, at) in &draft.vars {
        if let Some(other) = upper.insert(name.as_str().to_uppercase(), name) {
            let message = format!(
                "`{name}` and `{other}` are both GL_{} in a command",
                name.as_str().to_uppercase()
            );
            let problem = Problem::new(Code::Duplicate, at.place.clone(), &message);
            problems.push(problem.help("rename one of them"));
        }
    }
    joined.reading.problems.extend(problems);
}

/// Every template can be parsed and rendered, and uses only values that exist by then.
fn variables(joined: &mut Joined<'_>, draft: &Draft, overrides: &BTreeMap<VarName, String>) {
    let mut vars = draft.runbook.vars.clone();
    let asked = draft.runbook.asked.keys();
    vars.extend(asked.map(|name| (name.clone(), Asked::stands_for(name))));
    let refused = |(name, value): &(&VarName, &String)| {
        draft.runbook.asked.get(*name).is_some_and(|asked| asked.refuses(value).is_some())
    };
    let overrides: BTreeMap<_, _> = overrides.iter().filter(|given| !refused(given)).collect();
    for (name, value) in &overrides {
        if let Some(var) = vars.get_mut(*name) {
            var.clone_from(value);
        }
    }
    let unknown = draft.runbook.asked.keys().filter(|name| !overrides.contains_key(*name));
    let unknown = unknown.map(VarName::as_str).collect();
    let needs = draft.runbook.needs();
    let captured: BTreeMap<&str, (&VarName, &StepId)> = draft
        .steps()
        .flat_map(|step| step.capture.keys().map(move |name| (name.as_str(), (name, &step.id))))
        .collect();
    let secrets = draft.secrets.keys().map(SecretName::as_str).collect();
    let checker = Templates { joined, vars, unknown, needs, captured, secrets };
    let problems: Vec<_> =
        joined.reading.templates.iter().flat_map(|used| checker.check_at(used)).collect();
    joined.reading.problems.extend(problems);
}

struct Templates<'a> {
    joined: &'a Joined<'a>,
    vars: BTreeMap<VarName, String>,
    /// Those whose value is given when a run starts.
    unknown: BTreeSet<&'a str>,
    needs: BTreeMap<&'a StepId, Vec<&'a StepId>>,
    captured: BTreeMap<&'a str, (&'a VarName, &'a StepId)>,
    secrets: BTreeSet<&'a str>,
}

impl Templates<'_> {
    /// What is wrong with a template, with the use of the snippet that it is in.
    fn check_at(&self, used: &TemplateUse) -> Vec<Problem> {
        let problems = self.check(used).into_iter();
        let told = problems.map(|problem| match &used.inside {
            Some(inside) => problem.also(inside.at.clone(), "used here"),
            None => problem,
        });
        told.collect()
    }

    fn check(&self, used: &TemplateUse) -> Vec<Problem> {
        let text = &used.text.value;
        if used.quoting.is_some() && template::is_plain(text) {
            return Vec::new();
        }
        let names = match used.quoting {
            Some(_) => template::variables(text),
            None => template::expression_variables(text),
        };
        let names = match names {
            Ok(names) => names,
            Err(error) => return vec![self.failure(used, &error)],
        };
        let mut problems: Vec<_> = names.iter().filter_map(|name| self.name(used, name)).collect();
        if used.quoting == Some(Quoting::Shell) {
            problems
                .extend(template::quoted_uses(text).iter().map(|range| self.quoted(used, range)));
        }
        if problems.is_empty() {
            problems.extend(self.rendered(used, &names));
        }
        problems
    }

    /// What is wrong with a template that uses these names when it is filled in with them.
    fn rendered(&self, used: &TemplateUse, names: &BTreeSet<String>) -> Option<Problem> {
        let text = &used.text.value;
        let captured = names.iter().filter_map(|name| self.captured.get(name.as_str()));
        let pending = captured.map(|(name, _)| (*name).clone()).collect();
        let vars = self.vars_of(used);
        let error = if let Some(quoting) = used.quoting {
            template::render(text, &vars, &pending, quoting).err()?
        } else {
            let later =
                |name: &str| self.captured.contains_key(name) || self.unknown.contains(name);
            if names.iter().any(|name| later(name)) {
                return None;
            }
            template::holds(text, &vars).err()?
        };
        Some(self.failure(used, &error))
    }

    /// The variables of a template: those of the runbook, and the one of its step's `for_each`.
    fn vars_of(&self, used: &TemplateUse) -> Cow<'_, BTreeMap<VarName, String>> {
        if used.each.is_none() && used.inside.is_none() {
            return Cow::Borrowed(&self.vars);
        }
        let mut vars = self.vars.clone();
        vars.extend(used.each.iter().map(|each| (each.name.clone(), each.value.clone())));
        vars.extend(used.inside.iter().flat_map(|inside| inside.with.clone()));
        Cow::Owned(vars)
    }

    fn place(&self, used: &TemplateUse, range: &std::ops::Range<usize>) -> Place {
        let place = &used.text.place;
        let source = self.joined.reading.source;
        if place.source != source.name {
            return place.clone(); // In an included file: the whole text will do.
        }
        let written = source.text.get(place.span()).unwrap_or("");
        source.place(&part_of_string(written, place.start, &used.text.value, range))
    }

    fn failure(&self, used: &TemplateUse, error: &TemplateError) -> Problem {
        let (code, what, help) = if used.quoting.is_some() {
            (Code::BadTemplate, "template", "a value is written `{{ name }}`")
        } else {
            let help = "compare: `mode == \"full\"`, `rows | int > 0`; all values are text";
            (Code::BadExpression, "expression", help)
        };
        let range = error.range.clone().filter(|range| range.end <= used.text.value.len());
        let place = range.map_or_else(|| used.text.place.clone(), |range| self.place(used, &range));
        Problem::new(code, place, &format!("this {what} does not work: {error}")).help(help)
    }

    fn quoted(&self, used: &TemplateUse, range: &std::ops::Range<usize>) -> Problem {
        let message = "a value inside quotes: golive quotes every value itself";
        let problem = Problem::new(Code::QuotedValue, self.place(used, range), message);
        let help = "take the value out of the quotes, or use \"$GL_NAME\" of the environment";
        problem.label("would be quoted twice").help(help)
    }

    /// A problem if `name` cannot have a value where it is used.
    fn name(&self, used: &TemplateUse, name: &str) -> Option<Problem> {
        let own = used.each.as_ref().map(|each| each.name.as_str());
        let given = used.inside.iter().flat_map(|inside| inside.with.keys());
        if own == Some(name)
            || given.clone().any(|param| param.as_str() == name)
            || self.vars.keys().any(|var| var.as_str() == name)
        {
            return None;
        }
        let text = &used.text.value;
        let uses = match used.quoting {
            Some(_) => template::uses(text, name),
            None => template::expression_uses(text, name),
        };
        let place =
            uses.first().map_or_else(|| used.text.place.clone(), |range| self.place(used, range));
        if self.secrets.contains(name) {
            let message = format!("`{name}` is a secret, and a template would show its value");
            let help = format!(
                "give it to the step as `env = {{ X = {{ secret = \"{name}\" }} }}` or `stdin = {{ secret = \"{name}\" }}`"
            );
            let problem = Problem::new(Code::SecretInTemplate, place, &message);
            return Some(problem.label("never by template").help(&help));
        }
        let Some((_, origin)) = self.captured.get(name) else {
            let known = self.vars.keys().map(VarName::as_str).chain(self.captured.keys().copied());
            let known: Vec<_> = known.chain(own).chain(given.map(VarName::as_str)).collect();
            let otherwise = format!("add `{name} = \"…\"` under [vars]");
            let help = suggest::nearest(name, known.iter().copied())
                .map_or(otherwise, |near| format!("did you mean `{near}`?"));
            let problem = Problem::new(
                Code::UndefinedVariable,
                place,
                &format!("there is no variable `{name}`"),
            );
            return Some(problem.label("undefined").help(&help));
        };
        let step = match &used.scope {
            Scope::Vars => {
                let message = format!(
                    "`{name}` is captured while the run goes on, and this text is fixed before"
                );
                let problem = Problem::new(Code::CapturedTooLate, place, &message);
                return Some(
                    problem.help("use it in a command, in `stdin`, in `env` or in a notice"),
                );
            }
            Scope::After(step) if step == *origin => return None,
            Scope::Before(step) | Scope::After(step) => step,
        };
        if runs_before(&self.needs, origin, step) {
            return None;
        }
        let message = if step == *origin {
            format!("`{name}` is captured by this step itself, and is needed before")
        } else {
            format!("`{name}` is captured by step `{origin}`, which does not run before `{step}`")
        };
        let also = self.joined.reading.places.step(origin, "capture");
        let problem = Problem::new(Code::CapturedTooLate, place, &message);
        let problem = problem.label("not there yet").also(also, "captured here");
        Some(problem.help(&format!("capture it in a step that `{step}` needs")))
    }
}
