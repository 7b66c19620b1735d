//! The shape of a step: exactly one action, and keys that have an effect on it.

mod action;
mod batch;
mod builtin;
mod effect;
mod reconcile;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Millis, RoleId, SafeText, StepId, VarName};

use super::code::Code;
use super::model::{Class, Expect, Retry, Step};
use super::reader::{At, Item, Kind, Reading, Scope, Table};
use super::secret::Given;
use super::shape::{Context, template, template_item, variable_name};
use super::shape_each;
use super::shape_hosts::{self, Target};
use super::shape_probe::{Groups, regex};
use super::shape_secret::given;
use super::template::Quoting;

use self::action::{action, soak};
use self::batch::batch;
use self::effect::no_effect;
pub(in crate::runbook) use self::effect::without_effect;
pub(in crate::runbook) use self::undo::stage;
use self::undo::{undo, verify};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runbook) enum Role {
    /// In a phase.
    Forward,
    /// In `rollback.before` or `rollback.after`.
    Rollback,
    /// In a playbook.
    Playbook,
}

impl Role {
    /// What a step there is, for people.
    pub(in crate::runbook) const fn name(self) -> &'static str {
        match self {
            Self::Forward => "a step",
            Self::Rollback => "a step of the rollback",
            Self::Playbook => "a step of a playbook",
        }
    }
}

/// The `on` of a step and of its undo, as written.
#[derive(Debug, Default)]
pub(in crate::runbook) struct Targets {
    pub(super) on: Vec<At<Target>>,
    pub(super) undo_on: Option<Vec<At<Target>>>,
}

/// Reads one step. A step with problems still gives a step, so that the others can be checked.
pub(in crate::runbook) fn step(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
    role: Role,
) -> Option<Step> {
    let mut table = Table::open(reading, item, "a step", "step")?;
    let id = shape_each::own_id(reading, &mut table).unwrap_or_else(|| {
        context.nameless += 1;
        let name = format!("unnamed-{}", context.nameless);
        table.name_owner(reading, &format!("step {name}"));
        name.parse().expect("it is a name")
    });
    table.take(reading, "for_each"); // Read already: this is the step for one of its values.
    let before = Scope::Before(id.clone());
    let title = template(reading, &mut table, "title", &Scope::Vars, Quoting::Plain);
    let (action, kind) = action(reading, context, &mut table, &before);
    no_effect(reading, &table, kind, role);
    let on = table.take(reading, "on").map(|item| shape_hosts::targets(reading, &item));
    let mut targets = Targets { on: on.unwrap_or_default(), undo_on: None };
    let stream = table.take(reading, "stream").and_then(|item| reading.filled(&item));
    let stream = stream.and_then(|text| reading.name(&text));
    let needs = needs(reading, &mut table);
    let soak_beside = table.take(reading, "soak").filter(|_| kind != "soak");
    let step = Step {
        title: title.unwrap_or_else(|| id.as_str().to_owned()),
        action,
        on: Vec::new(),
        stream,
        batch: batch(reading, &mut table),
        needs,
        when: when(reading, &mut table, &before),
        class: table.take(reading, "class").and_then(|item| reading.word(&item, CLASSES)),
        read_only: flag(reading, &mut table, "read_only", false),
        auto: flag(reading, &mut table, "auto", false),
        notes: template(reading, &mut table, "notes", &Scope::Vars, Quoting::Plain),
        owner: owner(reading, &mut table),
        estimate: time(reading, &mut table, "estimate"),
        timeout: time(reading, &mut table, "timeout"),
        silence: time(reading, &mut table, "silence"),
        expect: with_warnings(reading, &mut table),
        capture: capture(reading, &mut table),
        progress: progress(reading, &mut table),
        retry: retry(reading, &mut table),
        verify: verify(reading, &mut table, &Scope::After(id.clone())),
        soak: soak_beside.and_then(|item| soak(reading, context, &item, &before)),
        undo: undo(reading, context, &mut table, &before, &mut targets),
        point_of_no_return: flag(reading, &mut table, "point_of_no_return", false),
        checkpoint: checkpoint(reading, &mut table),
        commit: flag(reading, &mut table, "commit", false),
        four_eyes: flag(reading, &mut table, "four_eyes", false),
        env: env(reading, &mut table, &before),
        stdin: stdin(reading, &mut table, &before),
        r#become: flag(reading, &mut table, "become", false),
        dir: dir(reading, &mut table, &before),
        shell: shell(reading, &mut table),
        idempotent: flag(reading, &mut table, "idempotent", false),
        detached: flag(reading, &mut table, "detached", true),
        reboot: flag(reading, &mut table, "reboot", false),
        dry_run: dry_run(reading, &mut table),
        skippable: flag(reading, &mut table, "skippable", true),
        stage: (role == Role::Rollback).then(|| stage(reading, &mut table)).flatten(),
        each: reading.each.clone(),
        with: reading.inside.as_ref().map(|inside| inside.with.clone()).unwrap_or_default(),
        id,
    };
    table.finish(reading);
    context.targets.push(targets);
    Some(step)
}

/// The steps that a step needs. In a snippet these are steps of the same use of it.
pub(in crate::runbook) fn needs(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
) -> Option<Vec<StepId>> {
    let item = table.take(reading, "needs")?;
    let mut needs = Vec::new();
    for text in reading.texts(&item) {
        let text = At { value: shape_each::prefixed(reading, &text.value), ..text };
        needs.extend(reading.used_name(Kind::Step, text).map(|need| need.value));
    }
    Some(needs)
}

const CLASSES: &[(&str, Class)] =
    &[("check", Class::Check), ("change", Class::Change), ("critical", Class::Critical)];

fn flag(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    default: bool,
) -> bool {
    table.take(reading, key).and_then(|item| reading.flag(&item)).unwrap_or(default)
}

fn time(reading: &mut Reading<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Millis> {
    table.take(reading, key).and_then(|item| reading.some_time(&item))
}

fn owner(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<RoleId> {
    let text = table.take(reading, "owner").and_then(|item| reading.filled(&item))?;
    reading.used_name(Kind::Role, text).map(|role| role.value)
}

/// The step whose output is shown where this one is confirmed.
fn dry_run(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<StepId> {
    let text = table.take(reading, "dry_run").and_then(|item| reading.filled(&item))?;
    let text = At { value: shape_each::prefixed(reading, &text.value), ..text };
    reading.used_name(Kind::Step, text).map(|step| step.value)
}

fn checkpoint(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<SafeText> {
    let text = table.take(reading, "checkpoint").and_then(|item| reading.filled(&item))?;
    Some(SafeText::new(&text.value))
}

fn when(reading: &mut Reading<'_>, table: &mut Table<'_>, scope: &Scope) -> Option<String> {
    let text = table.take(reading, "when").and_then(|item| reading.filled(&item))?;
    let value = text.value.clone();
    reading.uses_template(text, scope, None);
    Some(value)
}

fn expect(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Expect {
    let mut expect = Expect::default();
    let Some(item) = table.take(reading, "expect") else { return expect };
    let Some(mut table) = Table::open(reading, &item, "an expectation", "expect") else {
        return expect;
    };
    if let Some(item) = table.take(reading, "exit") {
        expect.exit = statuses(reading, &item);
    }
    expect.stdout = pattern(reading, &mut table, "stdout");
    expect.stderr = pattern(reading, &mut table, "stderr");
    table.finish(reading);
    expect
}

/// The expectation with the exit statuses that are a warning.
fn with_warnings(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Expect {
    let mut expect = expect(reading, table);
    let Some(item) = table.take(reading, "warn_exit") else { return expect };
    expect.warn = statuses(reading, &item);
    if let Some(both) = expect.warn.intersection(&expect.exit).next() {
        let message = format!("exit status {both} is both a success and a warning");
        let help = "take it out of `warn_exit`, or out of `expect.exit` (which is [0] by itself)";
        reading.complain(Code::Contradiction, &item.span(), &message, "", help);
    }
    expect
}

fn statuses(reading: &mut Reading<'_>, item: &Item<'_>) -> BTreeSet<i32> {
    let items = if item.raw().is_array() { reading.list(item, "numbers") } else { vec![*item] };
    let numbers = items.iter().filter_map(|item| reading.integer(item, 0..256));
    numbers.filter_map(|number| i32::try_from(number).ok()).collect()
}

/// A folder. No shell looks at it, so that a blank in it does no harm and a `~` means nothing.
fn dir(reading: &mut Reading<'_>, table: &mut Table<'_>, scope: &Scope) -> Option<String> {
    let item = table.take(reading, "dir")?;
    let text = template_item(reading, &item, scope, Quoting::Plain)?;
    if text.starts_with('~') {
        let message = "`~` does not stand for the home folder here";
        let help = "a path without `/` in front counts from the home folder: `app` for `~/app`";
        reading.complain(Code::BadValue, &item.span(), message, "not expanded", help);
    }
    Some(text)
}

/// Shells that read commands as `sh` does: values are quoted for these.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

fn shell(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<String> {
    let item = table.take(reading, "shell")?;
    let text = reading.filled(&item)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let name = text.value.rsplit('/').next().unwrap_or_default();
    let whole = text.value.starts_with('/') || !text.value.contains('/');
    if whole && text.value.chars().all(good) && SHELLS.contains(&name) {
        return Some(text.value);
    }
    let message = format!("`{}` is no shell that reads commands as `sh` does", text.value);
    let help =
        format!("one of {}, or its path; anything else is called in `run`", SHELLS.join(", "));
    reading.complain(Code::BadValue, &item.span(), &message, "unknown shell", &help);
    None
}

fn pattern(reading: &mut Reading<'_>, table: &mut Table<'_>, key: &'static str) -> Option<String> {
    let item = table.take(reading, key)?;
    let text = reading.filled(&item)?;
    regex(reading, &item, &text.value, Groups::Any).then_some(text.value)
}

fn capture(reading: &mut Reading<'_>, table: &mut Table<'_>) -> BTreeMap<VarName, String> {
    let mut captures = BTreeMap::new();
    let Some(item) = table.take(reading, "capture") else { return captures };
    for item in reading.entries(&item, "regular expressions") {
        let name = variable_name(reading, item.key, &(item.key_span.0..item.key_span.1));
        let Some(text) = reading.filled(&item) else { continue };
        let good = regex(reading, &item, &text.value, Groups::One);
        captures.extend(name.filter(|_| good).map(|name| (name, text.value)));
    }
    captures
}

fn progress(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<String> {
    let item = table.take(reading, "progress")?;
    let text = reading.filled(&item)?;
    regex(reading, &item, &text.value, Groups::OneOrTwo).then_some(text.value)
}

fn retry(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Retry> {
    let item = table.take(reading, "retry")?;
    let mut table = Table::open(reading, &item, "a retry", "retry")?;
    let attempts = table.need(reading, "attempts");
    let attempts = attempts.and_then(|item| reading.integer(&item, 2..101));
    let delay = table.take(reading, "delay").and_then(|item| reading.duration(&item));
    table.finish(reading);
    let attempts = attempts.and_then(|number| u32::try_from(number).ok())?;
    Some(Retry { attempts, delay: delay.unwrap_or(Millis::from_secs(5)) })
}

fn env(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    scope: &Scope,
) -> BTreeMap<String, Given<String>> {
    let mut env = BTreeMap::new();
    let Some(item) = table.take(reading, "env") else { return env };
    for item in reading.entries(&item, "variables") {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let digit = item.key.starts_with(|c: char| c.is_ascii_digit());
        let span = item.key_span.0..item.key_span.1;
        if item.key.is_empty() || digit || !item.key.chars().all(good) {
            let message = format!("`{}` cannot be the name of an environment variable", item.key);
            reading.complain(
                Code::BadName,
                &span,
                &message,
                "not a name",
                "use letters, digits and `_`",
            );
        } else if item.key.starts_with("GL_") {
            let message = format!("`{}` begins with GL_, which golive sets itself", item.key);
            reading.complain(Code::BadName, &span, &message, "reserved", "use another name");
        }
        let Some(value) = given(reading, &item) else { continue };
        env.insert(item.key.to_owned(), noted(reading, value, scope));
    }
    env
}

fn stdin(reading: &mut Reading<'_>, table: &mut Table<'_>, scope: &Scope) -> Option<Given<String>> {
    let item = table.take(reading, "stdin")?;
    if item.is_text() {
        reading.filled(&item)?;
    }
    let value = given(reading, &item)?;
    Some(noted(reading, value, scope))
}

/// A text is noted as a template.
fn noted(reading: &mut Reading<'_>, given: Given<At<String>>, scope: &Scope) -> Given<String> {
    match given {
        Given::Secret(name) => Given::Secret(name),
        Given::Text(text) => {
            let value = text.value.clone();
            reading.uses_template(text, scope, Some(Quoting::Plain));
            Given::Text(value)
        }
    }
}
