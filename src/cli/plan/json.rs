//! The plan as one JSON document.

use serde_json::{Value, json};

use crate::base::SafeText;
use crate::cli::args::strategy_name;
use crate::plan::{Rag, StepPlan, UndoPlan, Work};

use super::facts::{Back, Facts, class_word, lines_of, stage_word, verify};
use super::tree::stage_name;

/// The whole plan. Times are RFC 3339 where there is a window, spans are milliseconds.
pub(super) fn json(facts: &Facts<'_>) -> Value {
    let plan = facts.plan;
    let window = plan.window.as_ref().map(|window| {
        json!({
            "opens": window.opens.rfc3339(), "closes": window.closes.rfc3339(),
            "zone": window.zone.name(),
            "warn": window.warn, "protect": window.protect,
        })
    });
    let hosts = plan.hosts.values().map(|host| {
        json!({
            "id": host.id, "address": host.address, "port": host.port, "user": host.user,
            "jump": host.jump, "hostkey": host.hostkey,
            "proof": host.proof,
        })
    });
    let phases = plan.phases.iter().map(|phase| {
        let steps = phase.steps.iter().filter_map(|id| plan.step(id));
        json!({
            "id": phase.id, "title": phase.title, "stage": phase.stage.map(stage_name),
            "steps": steps.map(|step| step_json(facts, step)).collect::<Vec<_>>(),
        })
    });
    let backout = &facts.times.backout;
    json!({
        "schema": "golive.plan/1",
        "digest": plan.digest,
        "runbook": plan.id, "title": plan.title, "strategy": strategy_name(plan.strategy),
        "owner": plan.owner, "change": plan.change, "environment": plan.environment,
        "window": window,
        "objectives": {
            "rto": plan.objectives.rto.as_ref().map(|rto| json!({
                "within": rto.within, "from": rto.from, "to": rto.to, "planned": facts.recovery(),
            })),
            "rpo": plan.objectives.rpo.as_ref().map(|rpo| json!({
                "within": rpo.within, "measured_by": rpo.measured_by.name(),
            })),
        },
        "vars": plan.vars,
        "vars_required": plan.asked.iter().map(|(name, asked)| {
            json!({ "name": name, "prompt": asked.prompt, "pattern": asked.pattern })
        }).collect::<Vec<_>>(),
        "secrets": plan.secrets,
        "hosts": hosts.collect::<Vec<_>>(),
        "probes": plan.probes,
        "phases": phases.collect::<Vec<_>>(),
        "schedule": {
            "takes": facts.takes(),
            "starts": facts.plan.window.as_ref().map(|_| facts.began.rfc3339()),
            "ends": facts.plan.window.as_ref().map(|_| facts.times.planned_end.rfc3339()),
            "margin": facts.margin(), "rag": facts.times.rag.map(Rag::word),
            "critical_path": facts.critical_path(),
        },
        "way_back": facts.way_back().iter().map(back_json).collect::<Vec<_>>(),
        "irreversible": facts.irreversible().iter().map(|(step, why)| {
            json!({ "step": step.id, "why": why })
        }).collect::<Vec<_>>(),
        "backout_worst": backout.worst,
    })
}

fn work_json(work: &Work) -> Value {
    let text = match work {
        Work::Run(text) | Work::Local(text) | Work::Notify { text, .. } => text.shown().to_owned(),
        Work::Manual(manual) => manual.text.clone(),
        Work::Builtin(_) | Work::Gate(_) | Work::Soak(_) => lines_of(work).join("\n"),
    };
    json!(text)
}

fn step_json(facts: &Facts<'_>, step: &StepPlan) -> Value {
    let times = facts.times.steps.get(&step.id);
    let undo = match &step.undo {
        UndoPlan::None => Value::Null,
        UndoPlan::Irreversible(why) => json!({ "irreversible": why }),
        UndoPlan::Undo(undo) => json!({
            "action": undo.work.word(), "text": work_json(&undo.work), "on": undo.hosts,
            "estimate": undo.estimate, "verify": undo.verify.as_ref().map(verify),
            "stage": stage_word(undo.stage),
            "ready": undo.ready.as_ref().map(|ready| json!({
                "run": ready.run.shown(), "stdout": ready.stdout, "every": ready.every,
                "timeout": ready.timeout,
            })),
        }),
    };
    json!({
        "id": step.id, "number": facts.plan.number(&step.id), "title": step.title,
        "action": step.work.word(), "text": work_json(&step.work), "on": step.hosts,
        "for_each": step.each.as_ref().map(|each| json!({ "of": each.of, "number": each.number,
            "name": each.name, "value": each.value })),
        "stream": step.stream,
        "batch": step.batch.as_ref().map(|batch| json!({ "waves": batch.waves, "pause": batch.pause,
            "ask": batch.ask, "max_failures": batch.max_failures })),
        "needs": step.needs, "when": step.when, "owner": step.owner,
        "class": class_word(step.class), "class_because": step.class_because, "auto": step.auto,
        "estimate": step.estimate, "estimated": step.estimated, "takes": step.takes(),
        "timeout": step.timeout, "silence": step.silence,
        "starts_after": times.map(|times| times.planned.start.since(facts.began)),
        "critical_path": times.is_some_and(|times| times.critical),
        "slack": times.map(|times| times.slack),
        "verify": step.verify.as_ref().map(verify),
        "soak": step.soak.as_ref().map(super::facts::soak),
        "dir": step.dir.as_ref().map(crate::plan::Text::shown), "shell": step.shell,
        "progress": step.progress, "warn_exit": step.expect.warn, "idempotent": step.idempotent,
        "detached": step.detached, "reboot": step.reboot,
        "secrets": step.secrets().collect::<Vec<_>>(),
        "become": step.r#become, "skippable": step.skippable, "dry_run": step.dry_run,
        "point_of_no_return": step.point_of_no_return,
        "undo": undo,
    })
}

fn back_json(back: &Back<'_>) -> Value {
    let text: Vec<_> = lines_of(back.work).iter().map(|line| SafeText::new(line)).collect();
    json!({
        "step": back.step.id, "undo": back.undo, "stage": stage_word(back.stage),
        "on": back.hosts, "text": text, "estimate": back.takes,
        "verify": back.verify.map(verify),
    })
}
