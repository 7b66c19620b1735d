//! How a step is verified, and its inverse.

use crate::base::{Millis, SafeText};

use super::super::code::Code;
use super::super::model::{Action, Check, Manual, Ready, Undo, UndoSource, UndoStage, Verify};
use super::super::reader::{Item, Kind, Reading, Scope, Table};
use super::super::shape::{Context, template_item};
use super::super::shape_hosts;
use super::super::template::Quoting;
use super::action::one_action;
use super::builtin::look;
use super::effect::without_effect;
use super::{Targets, pattern, time};

/// The shortest time between two looks at what an undo needs.
const READY_EVERY_MIN: Millis = Millis::from_secs(5);

pub(super) fn verify(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    scope: &Scope,
) -> Option<Verify> {
    let item = table.take(reading, "verify")?;
    let mut table = Table::open(reading, &item, "a verification", "verify")?;
    let run = table.take(reading, "run");
    let probe = table.take(reading, "probe");
    let http = table.take(reading, "http");
    let every = table.take(reading, "every").and_then(|item| reading.some_time(&item));
    let within = table.take(reading, "within").and_then(|item| reading.some_time(&item));
    let check = match (run, probe, http) {
        (Some(run), None, None) => {
            template_item(reading, &run, scope, Quoting::Shell).map(Check::Run)
        }
        (None, Some(probe), None) => {
            let text = reading.filled(&probe);
            let name = text.and_then(|text| reading.used_name(Kind::Probe, text));
            name.map(|name| Check::Probe(name.value))
        }
        (None, None, Some(http)) => {
            look(reading, &http, scope).map(|http| Check::Http(Box::new(http)))
        }
        (Some(_), _, Some(_))
        | (_, Some(_), Some(_))
        | (Some(_), Some(_), _)
        | (None, None, None) => {
            let message = "a verification needs exactly one of `run`, `probe` and `http`";
            let help = "write { run = \"command that exits with 0\" }, { probe = \"name\" } or { http = \"https://…\" }";
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

pub(in crate::runbook) fn stage(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
) -> Option<UndoStage> {
    table.take(reading, "stage").and_then(|item| reading.word(&item, STAGES))
}

pub(super) fn undo(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
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

const UNDO_ACTIONS: [&str; 6] = ["run", "script", "upload", "http", "local", "manual"];

fn one_undo(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
    scope: &Scope,
    targets: &mut Targets,
) -> Option<Undo> {
    let Scope::Before(step) = scope else { return None };
    let mut table = Table::open(reading, item, "an undo", &format!("undo of {step}"))?;
    let items: Vec<_> =
        UNDO_ACTIONS.into_iter().filter_map(|key| Some((key, table.take(reading, key)?))).collect();
    let action = if let [(kind, item)] = items.as_slice() {
        one_action(reading, context, kind, item, scope)
    } else {
        let message =
            "an undo needs exactly one of `run`, `script`, `upload`, `http`, `local` and `manual`";
        let help = "write { run = \"command that undoes the step\", estimate = \"30s\" }";
        reading.complain(Code::OneAction, &item.span(), message, "", help);
        None
    };
    let remote = items.iter().any(|(kind, _)| matches!(*kind, "run" | "script" | "upload"));
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
        ready: ready(reading, &mut table, scope),
    };
    table.finish(reading);
    Some(undo)
}

fn ready(reading: &mut Reading<'_>, table: &mut Table<'_>, scope: &Scope) -> Option<Ready> {
    let item = table.take(reading, "ready")?;
    let mut table = Table::open(reading, &item, "a readiness check", "ready")?;
    let run = table.need(reading, "run");
    let run = run.and_then(|item| template_item(reading, &item, scope, Quoting::Shell));
    let stdout = pattern(reading, &mut table, "stdout");
    let every = table.take(reading, "every");
    let span = every.as_ref().map(Item::span);
    let every = every.and_then(|item| reading.some_time(&item));
    let timeout = time(reading, &mut table, "timeout");
    table.finish(reading);
    let (every, timeout) =
        (every.unwrap_or(Millis::from_secs(60)), timeout.unwrap_or(Millis::from_secs(10)));
    if let Some(span) = span.filter(|_| every < READY_EVERY_MIN) {
        let message = "a readiness check more often than every 5 seconds";
        let help = "write `every = \"60s\"`: it runs on a host that has other work to do";
        reading.complain(Code::BadValue, &span, message, "too often", help);
    }
    Some(Ready { run: run?, stdout, every, timeout })
}
