//! What a step does: one of the actions.

use std::collections::BTreeSet;

use crate::base::{ChannelId, ProbeId, RoleId, SafeText};

use super::super::code::Code;
use super::super::model::{Action, Breach, Gate, Manual, Notify, Parallel, Require, Soak};
use super::super::reader::{At, Item, Kind, Reading, Scope, Table};
use super::super::shape::{Context, template_item};
use super::super::template::Quoting;
use super::builtin::{BUILTINS, builtin};
use super::reconcile::reconcile;

const ACTIONS: [&str; 10] = [
    "run",
    "script",
    "upload",
    "download",
    "http",
    "local",
    "reconcile",
    "manual",
    "gate",
    "notify",
];

/// The one action of a step, and its key.
pub(super) fn action(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
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
            if !table.has("use") {
                let message = "a step without an action";
                let help = "add one of `run`, `script`, `upload`, `download`, `http`, `local`, `reconcile`, `manual`, `gate`, `soak` and `notify`";
                reading.complain(Code::OneAction, &table.span(), message, "it does nothing", help);
            }
            return (nothing, "none");
        }
        let item = table.take(reading, "soak");
        let soak = item.and_then(|item| soak(reading, context, &item, scope));
        return (soak.map_or(nothing, Action::Soak), "soak");
    };
    let action = one_action(reading, context, kind, item, scope);
    (action.unwrap_or(nothing), kind)
}

pub(super) fn one_action(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
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
        kind if BUILTINS.contains(&kind) => {
            builtin(reading, kind, item, scope).map(|it| Action::Builtin(Box::new(it)))
        }
        "manual" => manual(reading, item).map(Action::Manual),
        "gate" => gate(reading, context, item).map(Action::Gate),
        _ => notify(reading, item, scope).map(Action::Notify),
    }
}

fn manual(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Manual> {
    if !item.is_table() {
        let text = template_item(reading, item, &Scope::Vars, Quoting::Plain)?;
        return Some(Manual { text, ..Manual::default() });
    }
    let mut table = Table::open(reading, item, "manual work", "manual")?;
    let text = match table.need(reading, "text") {
        Some(item) => template_item(reading, &item, &Scope::Vars, Quoting::Plain),
        None => None,
    };
    let checklist = checklist(reading, &mut table);
    let evidence = table.take(reading, "evidence").and_then(|item| reading.flag(&item));
    table.finish(reading);
    let evidence = evidence.unwrap_or(false);
    Some(Manual { text: text.unwrap_or_default(), checklist, evidence })
}

pub(super) fn checklist(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Vec<SafeText> {
    let Some(item) = table.take(reading, "checklist") else { return Vec::new() };
    let texts = reading.texts(&item);
    let mut list = Vec::new();
    for text in texts {
        list.push(SafeText::new(&text.value));
        reading.uses_template(text, &Scope::Vars, Some(Quoting::Plain));
    }
    list
}

fn gate(reading: &mut Reading<'_>, context: &Context<'_>, item: &Item<'_>) -> Option<Gate> {
    let mut table = Table::open(reading, item, "a gate", "gate")?;
    let healthy = table.take(reading, "healthy").map(|item| probes(reading, context, &item));
    let margin = table.take(reading, "margin").and_then(|item| reading.duration(&item));
    let ready = table.take(reading, "rollback_ready").and_then(|item| reading.flag(&item));
    let poll = poll(reading, &mut table);
    let require = table.take(reading, "require").map(|item| require(reading, &item, poll.len()));
    let checklist = checklist(reading, &mut table);
    table.finish(reading);
    Some(Gate {
        poll,
        require: require.unwrap_or_default(),
        healthy: healthy.unwrap_or_default(),
        margin,
        rollback_ready: ready.unwrap_or(false),
        checklist,
    })
}

/// The roles that a gate asks; a role is asked once.
fn poll(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Vec<RoleId> {
    let Some(item) = table.take(reading, "poll") else { return Vec::new() };
    let texts = reading.texts(&item);
    if texts.is_empty() && item.raw().is_array() {
        let message = "a poll that asks nobody";
        reading.complain(Code::BadValue, &item.span(), message, "empty", "name roles of [roles]");
    }
    let mut roles: Vec<RoleId> = Vec::new();
    for text in texts {
        let (place, name) = (text.place.start..text.place.end, text.value.clone());
        let Some(role) = reading.used_name(Kind::Role, text) else { continue };
        if roles.contains(&role.value) {
            let message = format!("the poll asks `{name}` twice");
            reading.complain(Code::BadValue, &place, &message, "again", "name each role once");
        } else {
            roles.push(role.value);
        }
    }
    roles
}

/// `"all"`, or how many of the roles.
fn require(reading: &mut Reading<'_>, item: &Item<'_>, asked: usize) -> Require {
    if asked == 0 {
        let message = "`require` counts the answers of a `poll`, and there is none";
        let help = "add `poll = [\"lead\", \"dba\"]`, or remove `require`";
        reading.complain(Code::NoEffect, &item.span(), message, "no effect", help);
        return Require::All;
    }
    if item.is_text() {
        return reading.word(item, &[("all", Require::All)]).unwrap_or_default();
    }
    let most = i64::try_from(asked).unwrap_or(i64::MAX - 1);
    let number = reading.integer(item, 1..most + 1);
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.map_or(Require::All, Require::AtLeast)
}

/// Names of probes; `*` means all.
pub(super) fn probes(
    reading: &mut Reading<'_>,
    context: &Context<'_>,
    item: &Item<'_>,
) -> Vec<ProbeId> {
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

pub(super) fn soak(
    reading: &mut Reading<'_>,
    context: &Context<'_>,
    item: &Item<'_>,
    scope: &Scope,
) -> Option<Soak<String>> {
    let mut table = Table::open(reading, item, "a soak", "soak")?;
    let time = table.need(reading, "for").and_then(|item| reading.some_time(&item));
    let compares = table.has("reconcile");
    let named =
        if compares { table.take(reading, "probes") } else { table.need(reading, "probes") };
    let probes = named.map(|item| probes(reading, context, &item)).unwrap_or_default();
    if let Some(item) = named
        && probes.is_empty()
    {
        let message = "a soak that watches no probe";
        reading.complain(Code::BadValue, &item.span(), message, "nothing to watch", "name a probe");
    }
    let words = &[("hold", Breach::Hold), ("rollback", Breach::Rollback), ("fail", Breach::Fail)];
    let breach = table.take(reading, "breach").and_then(|item| reading.word(&item, words));
    let parallel = parallel(reading, &mut table, scope);
    table.finish(reading);
    let (time, breach) = (time?, breach.unwrap_or_default());
    if let Some(parallel) = parallel.as_ref().filter(|parallel| parallel.every > time) {
        let message = format!("it compares every {}, and is over after {time}", parallel.every);
        let help = "make `every` shorter, or `for` longer";
        reading.complain(Code::Contradiction, &item.span(), &message, "", help);
    }
    Some(Soak { r#for: time, probes, breach, parallel })
}

/// Two systems that are compared while a soak lasts.
fn parallel(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    scope: &Scope,
) -> Option<Box<Parallel<String>>> {
    let compares = table.has("reconcile");
    let every = table.take(reading, "every");
    if let Some(item) = every.filter(|_| !compares) {
        let message = "`every` has no effect: probes have a schedule of their own";
        let help = "add `reconcile = { … }`, or remove it";
        reading.complain(Code::NoEffect, &item.span(), message, "no effect", help);
    }
    let item = table.take(reading, "reconcile")?;
    let found = reconcile(reading, &item, scope);
    let Some(every) = every else {
        let message = "a soak that compares does not say how often";
        let help = "add `every = \"6h\"`";
        reading.complain(Code::MissingKey, &item.span(), message, "how often?", help);
        return None;
    };
    let every = reading.some_time(&every);
    Some(Box::new(Parallel { every: every?, reconcile: found? }))
}

pub(super) fn notify(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<Notify> {
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
