//! The shape of a step: exactly one action, and keys that have an effect on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ChannelId, Millis, ProbeId, RoleId, SafeText, VarName};

use super::code::Code;
use super::model::{
    Action, Breach, Check, Class, Expect, Gate, Manual, Notify, Retry, Soak, Step, Undo,
    UndoSource, UndoStage, Verify,
};
use super::reader::{At, Item, Kind, Reading, Scope, Table};
use super::secret::Given;
use super::shape::{Context, template, template_item, variable_name};
use super::shape_each;
use super::shape_hosts::{self, Target};
use super::shape_probe::{Groups, regex};
use super::shape_secret::given;
use super::template::Quoting;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// In a phase.
    Forward,
    /// In `rollback.before` or `rollback.after`.
    Rollback,
}

/// The `on` of a step and of its undo, as written.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) on: Vec<At<Target>>,
    pub(super) undo_on: Option<Vec<At<Target>>>,
}

const ACTIONS: [&str; 6] = ["run", "script", "local", "manual", "gate", "notify"];

/// Reads one step. A step with problems still gives a step, so that the others can be checked.
pub(super) fn step(
    reading: &mut Reading<'_>,
    context: &mut Context,
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
    table.take(reading, "for_each");
    let before = Scope::Before(id.clone());
    let title = template(reading, &mut table, "title", &Scope::Vars, Quoting::Plain);
    let (action, kind) = action(reading, context, &mut table, &before);
    no_effect(reading, &table, kind, role);
    let on = table.take(reading, "on").map(|item| shape_hosts::targets(reading, &item));
    let mut targets = Targets { on: on.unwrap_or_default(), undo_on: None };
    let needs = table.take(reading, "needs").map(|item| {
        let texts = reading.texts(&item);
        let needs = texts.into_iter().filter_map(|text| reading.used_name(Kind::Step, text));
        needs.map(|need| need.value).collect()
    });
    let soak_beside = table.take(reading, "soak").filter(|_| kind != "soak");
    let step = Step {
        title: title.unwrap_or_else(|| id.as_str().to_owned()),
        action,
        on: Vec::new(),
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
        retry: retry(reading, &mut table),
        verify: verify(reading, &mut table, &Scope::After(id.clone())),
        soak: soak_beside.and_then(|item| soak(reading, context, &item)),
        undo: undo(reading, context, &mut table, &before, &mut targets),
        point_of_no_return: flag(reading, &mut table, "point_of_no_return", false),
        checkpoint: checkpoint(reading, &mut table),
        env: env(reading, &mut table, &before),
        stdin: stdin(reading, &mut table, &before),
        r#become: flag(reading, &mut table, "become", false),
        dir: dir(reading, &mut table, &before),
        shell: shell(reading, &mut table),
        idempotent: flag(reading, &mut table, "idempotent", false),
        detached: flag(reading, &mut table, "detached", true),
        reboot: flag(reading, &mut table, "reboot", false),
        skippable: flag(reading, &mut table, "skippable", true),
        stage: (role == Role::Rollback).then(|| stage(reading, &mut table)).flatten(),
        each: reading.each.clone(),
        id,
    };
    table.finish(reading);
    context.targets.push(targets);
    Some(step)
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

fn checkpoint(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<SafeText> {
    let text = table.take(reading, "checkpoint").and_then(|item| reading.filled(&item))?;
    Some(SafeText::new(&text.value))
}

/// The one action of a step, and its key.
fn action(
    reading: &mut Reading<'_>,
    context: &mut Context,
    table: &mut Table<'_>,
    scope: &Scope,
) -> (Action, &'static str) {
    let nothing = Action::Manual(Manual::default());
    let present: Vec<_> = ACTIONS.into_iter().filter(|key| table.has(key)).collect();
    let items: Vec<_> =
        ACTIONS.into_iter().filter_map(|key| Some((key, table.take(reading, key)?))).collect();
    if let [(_, first), (_, second), ..] = items.as_slice() {
        let (from, to) = second.key_span;
        let (first_from, first_to) = first.key_span;
        let also = reading.source.place(&(first_from..first_to));
        let message = format!("a step with {} actions: {}", present.len(), present.join(", "));
        let problem = reading.problem(Code::OneAction, &(from..to), &message);
        *problem = problem
            .clone()
            .label("another action")
            .also(also, "one action")
            .help("make two steps of it");
        return (nothing, "many");
    }
    let Some((kind, item)) = items.first() else {
        if !table.has("soak") {
            let later = ["upload", "download", "http", "reconcile", "use"];
            if !later.iter().any(|key| table.has(key)) {
                let message = "a step without an action";
                let help =
                    "add one of `run`, `script`, `local`, `manual`, `gate`, `soak` and `notify`";
                reading.complain(Code::OneAction, &table.span(), message, "it does nothing", help);
            }
            return (nothing, "none");
        }
        let soak = table.take(reading, "soak").and_then(|item| soak(reading, context, &item));
        return (soak.map_or(nothing, Action::Soak), "soak");
    };
    let action = one_action(reading, context, kind, item, scope);
    (action.unwrap_or(nothing), kind)
}

fn one_action(
    reading: &mut Reading<'_>,
    context: &mut Context,
    kind: &'static str,
    item: &Item<'_>,
    scope: &Scope,
) -> Option<Action> {
    match kind {
        "run" => template_item(reading, item, scope, Quoting::Shell).map(Action::Run),
        "local" => template_item(reading, item, scope, Quoting::Shell).map(Action::Local),
        "script" => {
            let path = reading.filled(item)?;
            context.scripts.push(path.clone());
            Some(Action::Script(path.value))
        }
        "manual" => manual(reading, item).map(Action::Manual),
        "gate" => gate(reading, context, item).map(Action::Gate),
        _ => notify(reading, item, scope).map(Action::Notify),
    }
}

fn manual(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Manual> {
    if !item.is_table() {
        let text = template_item(reading, item, &Scope::Vars, Quoting::Plain)?;
        return Some(Manual { text, checklist: Vec::new() });
    }
    let mut table = Table::open(reading, item, "manual work", "manual")?;
    let text = match table.need(reading, "text") {
        Some(item) => template_item(reading, &item, &Scope::Vars, Quoting::Plain),
        None => None,
    };
    let checklist = checklist(reading, &mut table);
    table.finish(reading);
    Some(Manual { text: text.unwrap_or_default(), checklist })
}

fn checklist(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Vec<SafeText> {
    let Some(item) = table.take(reading, "checklist") else { return Vec::new() };
    let texts = reading.texts(&item);
    let mut list = Vec::new();
    for text in texts {
        list.push(SafeText::new(&text.value));
        reading.uses_template(text, &Scope::Vars, Some(Quoting::Plain));
    }
    list
}

fn gate(reading: &mut Reading<'_>, context: &Context, item: &Item<'_>) -> Option<Gate> {
    let mut table = Table::open(reading, item, "a gate", "gate")?;
    let healthy = table.take(reading, "healthy").map(|item| probes(reading, context, &item));
    let margin = table.take(reading, "margin").and_then(|item| reading.duration(&item));
    let checklist = checklist(reading, &mut table);
    table.finish(reading);
    Some(Gate { healthy: healthy.unwrap_or_default(), margin, checklist })
}

/// Names of probes; `*` means all.
fn probes(reading: &mut Reading<'_>, context: &Context, item: &Item<'_>) -> Vec<ProbeId> {
    let mut probes = Vec::new();
    for text in reading.texts(item) {
        if text.value == "*" {
            probes.extend(context.probes.iter().cloned());
            for probe in &context.probes {
                let value = probe.as_str().to_owned();
                reading.used.push((Kind::Probe, At { value, place: text.place.clone() }));
            }
        } else if let Some(probe) = reading.used_name(Kind::Probe, text) {
            probes.push(probe.value);
        }
    }
    let mut seen = BTreeSet::new();
    probes.retain(|probe| seen.insert(probe.clone()));
    probes
}

fn soak(reading: &mut Reading<'_>, context: &Context, item: &Item<'_>) -> Option<Soak> {
    let mut table = Table::open(reading, item, "a soak", "soak")?;
    let time = table.need(reading, "for").and_then(|item| reading.some_time(&item));
    let named = table.need(reading, "probes");
    let probes = named.map(|item| probes(reading, context, &item)).unwrap_or_default();
    if let Some(item) = named
        && probes.is_empty()
    {
        let message = "a soak that watches no probe";
        reading.complain(Code::BadValue, &item.span(), message, "nothing to watch", "name a probe");
    }
    let words = &[("hold", Breach::Hold), ("rollback", Breach::Rollback), ("fail", Breach::Fail)];
    let breach = table.take(reading, "breach").and_then(|item| reading.word(&item, words));
    table.finish(reading);
    Some(Soak { r#for: time?, probes, breach: breach.unwrap_or_default() })
}

fn notify(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<Notify> {
    let mut table = Table::open(reading, item, "a notice", "notify")?;
    let mut channels: Vec<ChannelId> = Vec::new();
    if let Some(item) = table.need(reading, "channels") {
        for text in reading.texts(&item) {
            channels.extend(reading.used_name(Kind::Channel, text).map(|channel| channel.value));
        }
    }
    let text = match table.need(reading, "text") {
        Some(item) => template_item(reading, &item, scope, Quoting::Plain),
        None => None,
    };
    table.finish(reading);
    Some(Notify { channels, text: text.unwrap_or_default() })
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

fn verify(reading: &mut Reading<'_>, table: &mut Table<'_>, scope: &Scope) -> Option<Verify> {
    let item = table.take(reading, "verify")?;
    let mut table = Table::open(reading, &item, "a verification", "verify")?;
    let run = table.take(reading, "run");
    let probe = table.take(reading, "probe");
    let every = table.take(reading, "every").and_then(|item| reading.some_time(&item));
    let within = table.take(reading, "within").and_then(|item| reading.some_time(&item));
    let check = match (run, probe) {
        (Some(run), None) => template_item(reading, &run, scope, Quoting::Shell).map(Check::Run),
        (None, Some(probe)) => {
            let text = reading.filled(&probe);
            let name = text.and_then(|text| reading.used_name(Kind::Probe, text));
            name.map(|name| Check::Probe(name.value))
        }
        (None, None) if table.has("http") => None,
        (Some(_), Some(_)) | (None, None) => {
            let message = "a verification needs exactly one of `run` and `probe`";
            let help = "write { run = \"command that exits with 0\" } or { probe = \"name\" }";
            reading.complain(Code::OneAction, &item.span(), message, "", help);
            None
        }
    };
    table.finish(reading);
    let every = every.unwrap_or(Millis::from_secs(5));
    let within = within.unwrap_or(Millis::from_secs(120).max(every));
    if within < every {
        let message = "a verification that ends before it asks for the second time";
        reading.complain(
            Code::BadValue,
            &item.span(),
            message,
            "`within` is shorter than `every`",
            "make `within` longer",
        );
    }
    Some(Verify { check: check?, every, within })
}

const STAGES: &[(&str, UndoStage)] = &[
    ("stop-new", UndoStage::StopNew),
    ("restore-code", UndoStage::RestoreCode),
    ("restore-data", UndoStage::RestoreData),
    ("verify", UndoStage::Verify),
    ("notify", UndoStage::Notify),
];

fn stage(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<UndoStage> {
    table.take(reading, "stage").and_then(|item| reading.word(&item, STAGES))
}

fn undo(
    reading: &mut Reading<'_>,
    context: &mut Context,
    table: &mut Table<'_>,
    scope: &Scope,
    targets: &mut Targets,
) -> UndoSource {
    let irreversible = table.take(reading, "irreversible");
    let item = table.take(reading, "undo");
    if let (Some(why), Some(undo)) = (&irreversible, &item) {
        let (from, to) = why.key_span;
        let also = reading.source.place(&(undo.key_span.0..undo.key_span.1));
        let problem = reading.problem(
            Code::Contradiction,
            &(from..to),
            "a step that has an undo and cannot be undone",
        );
        *problem = problem
            .clone()
            .label("cannot be undone")
            .also(also, "its undo")
            .help("remove one of the two");
    }
    if let Some(item) = irreversible {
        let why = reading.filled(&item);
        return why
            .map_or(UndoSource::None, |why| UndoSource::Irreversible(SafeText::new(&why.value)));
    }
    let undo = item.and_then(|item| one_undo(reading, context, &item, scope, targets));
    undo.map_or(UndoSource::None, |undo| UndoSource::Undo(Box::new(undo)))
}

const UNDO_ACTIONS: [&str; 4] = ["run", "script", "local", "manual"];

fn one_undo(
    reading: &mut Reading<'_>,
    context: &mut Context,
    item: &Item<'_>,
    scope: &Scope,
    targets: &mut Targets,
) -> Option<Undo> {
    let Scope::Before(step) = scope else { return None };
    let mut table = Table::open(reading, item, "an undo", &format!("undo of {step}"))?;
    let items: Vec<_> =
        UNDO_ACTIONS.into_iter().filter_map(|key| Some((key, table.take(reading, key)?))).collect();
    let action = match items.as_slice() {
        [(kind, item)] => one_action(reading, context, kind, item, scope),
        [] if table.has("upload") || table.has("http") => None,
        _ => {
            let message = "an undo needs exactly one of `run`, `script`, `local` and `manual`";
            let help = "write { run = \"command that undoes the step\", estimate = \"30s\" }";
            reading.complain(Code::OneAction, &item.span(), message, "", help);
            None
        }
    };
    let remote = items.iter().any(|(kind, _)| matches!(*kind, "run" | "script"));
    let manual = items.iter().any(|(kind, _)| *kind == "manual");
    if let Some(item) = table.take(reading, "on") {
        targets.undo_on = Some(shape_hosts::targets(reading, &item));
        if !remote && !items.is_empty() {
            without_effect(reading, &item, "an undo that runs on no host");
        }
    }
    let undo = Undo {
        action: action.unwrap_or_else(|| Action::Manual(Manual::default())),
        on: targets.undo_on.is_some().then(Vec::new),
        estimate: time(reading, &mut table, "estimate"),
        timeout: table.take(reading, "timeout").and_then(|item| {
            if manual {
                without_effect(reading, &item, "work for a person");
            }
            reading.some_time(&item)
        }),
        verify: verify(reading, &mut table, scope),
        stage: stage(reading, &mut table),
    };
    table.finish(reading);
    Some(undo)
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

/// Keys that need a command.
const OF_COMMANDS: &[&str] = &[
    "read_only",
    "timeout",
    "silence",
    "expect",
    "warn_exit",
    "capture",
    "retry",
    "env",
    "stdin",
    "dir",
    "shell",
    "idempotent",
];
/// Keys that need hosts.
const OF_HOSTS: &[&str] = &["on", "become", "detached", "reboot"];
/// Keys that need work which changes something.
const OF_WORK: &[&str] = &["verify", "soak", "undo", "irreversible"];
/// Keys of forward steps only.
const OF_FORWARD: &[&str] =
    &["needs", "undo", "irreversible", "point_of_no_return", "checkpoint", "auto", "gate"];

/// Keys that the program would not act on are problems, like unknown ones.
fn no_effect(reading: &mut Reading<'_>, table: &Table<'_>, kind: &'static str, role: Role) {
    let (hosts, command) = match kind {
        "run" | "script" => (true, true),
        "local" => (false, true),
        "none" | "many" => return,
        _ => (false, false),
    };
    let mut check = |keys: &[&'static str], what: &str| {
        for key in keys {
            if let Some(item) = table.peek(key) {
                without_effect(reading, &item, what);
            }
        }
    };
    if !hosts {
        check(OF_HOSTS, &format!("a `{kind}` step"));
    }
    if !command {
        check(OF_COMMANDS, &format!("a `{kind}` step"));
    }
    if !command && kind != "manual" {
        let keys: Vec<_> = OF_WORK.iter().copied().filter(|key| *key != kind).collect();
        check(&keys, &format!("a `{kind}` step"));
    }
    if matches!(kind, "manual" | "gate") {
        check(&["auto"], &format!("a `{kind}` step: it waits for a person"));
    }
    if role == Role::Rollback {
        check(OF_FORWARD, "a step of the rollback");
    }
}

fn without_effect(reading: &mut Reading<'_>, item: &Item<'_>, on_what: &str) {
    let (from, to) = item.key_span;
    let message = format!("`{}` has no effect on {on_what}", item.key);
    let help = match (item.key, on_what) {
        ("needs", _) => "the steps of a rollback run one after the other, as written",
        ("gate", _) => "a rollback is not decided twice; use `manual` to ask for a sign-off",
        ("timeout", _) => "a person is not stopped by a clock; use `estimate`",
        _ => "remove it",
    };
    reading.complain(Code::NoEffect, &(from..to), &message, "no effect", help);
}
