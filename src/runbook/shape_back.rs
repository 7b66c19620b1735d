//! The shape of a rollback and of the emergency procedures: what surrounds the undo steps, what
//! proposes a rollback, and the playbooks.

use crate::base::{Millis, PlaybookId, SafeText};

use super::code::Code;
use super::model::{Ailing, InFlight, PlannedReturn, Playbook, Rollback, Step, Trigger};
use super::reader::{Item, Kind, Reading, Scope, Table};
use super::shape::{Context, own_name, template};
use super::shape_each;
use super::shape_step::Role;
use super::template::Quoting;

pub(super) fn rollback(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
) -> Option<Rollback> {
    let mut table = Table::open(reading, item, "the rollback", "rollback")?;
    let words = &[("cancel", InFlight::Cancel), ("finish", InFlight::Finish)];
    let running = table.take(reading, "running").and_then(|item| reading.word(&item, words));
    let triggers = table.take(reading, "trigger").map(|item| {
        let items = reading.list(&item, "tables");
        items.iter().filter_map(|item| trigger(reading, item)).collect()
    });
    let planned = table.take(reading, "planned").and_then(|item| planned(reading, &item));
    let before = steps(reading, context, &mut table, ("before", "[[rollback.before]] tables"));
    let after = steps(reading, context, &mut table, ("after", "[[rollback.after]] tables"));
    table.finish(reading);
    Some(Rollback {
        triggers: triggers.unwrap_or_default(),
        planned,
        running: running.unwrap_or_default(),
        before,
        after,
    })
}

fn steps(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    table: &mut Table<'_>,
    (key, what): (&'static str, &str),
) -> Vec<Step> {
    let Some(item) = table.take(reading, key) else { return Vec::new() };
    let role = if key == "step" { Role::Playbook } else { Role::Rollback };
    let items = reading.list(&item, what);
    items.iter().flat_map(|item| shape_each::steps(reading, context, item, role)).collect()
}

fn planned(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<PlannedReturn> {
    let mut table = Table::open(reading, item, "a planned return", "planned")?;
    let after = table.need(reading, "after").and_then(|item| reading.filled(&item));
    let after = after.and_then(|text| reading.used_name(Kind::Step, text));
    let auto = table.take(reading, "auto").and_then(|item| reading.flag(&item));
    table.finish(reading);
    Some(PlannedReturn { after: after?.value, auto: auto.unwrap_or(false) })
}

const STATES: &[(&str, Ailing)] =
    &[("degraded", Ailing::Degraded), ("failed", Ailing::Failed), ("unknown", Ailing::Unknown)];

fn trigger(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Trigger> {
    let mut table = Table::open(reading, item, "a trigger", "trigger")?;
    let probe = table.need(reading, "probe").and_then(|item| reading.filled(&item));
    let probe = probe.and_then(|text| reading.used_name(Kind::Probe, text));
    let state = table.take(reading, "state").and_then(|item| reading.word(&item, STATES));
    let time = table.take(reading, "for").and_then(|item| reading.duration(&item));
    let auto = table.take(reading, "auto").and_then(|item| reading.flag(&item));
    table.finish(reading);
    Some(Trigger {
        probe: probe?.value,
        state: state.unwrap_or(Ailing::Failed),
        r#for: time.unwrap_or(Millis::ZERO),
        auto: auto.unwrap_or(false),
    })
}

/// The emergency procedures.
pub(super) fn playbooks(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    top: &mut Table<'_>,
) -> Vec<Playbook> {
    let Some(item) = top.take(reading, "playbook") else { return Vec::new() };
    let items = reading.list(&item, "[[playbook]] tables");
    items.iter().filter_map(|item| playbook(reading, context, item)).collect()
}

fn playbook(
    reading: &mut Reading<'_>,
    context: &mut Context<'_>,
    item: &Item<'_>,
) -> Option<Playbook> {
    let mut table = Table::open(reading, item, "a playbook", "playbook")?;
    let id: Option<PlaybookId> = own_name(reading, &mut table, Kind::Playbook);
    let title = template(reading, &mut table, "title", &Scope::Vars, Quoting::Plain);
    let on_alarm = table.take(reading, "on_alarm").and_then(|item| reading.filled(&item));
    let on_alarm = on_alarm.and_then(|text| reading.used_name(Kind::Probe, text));
    let steps = steps(reading, context, &mut table, ("step", "[[playbook.step]] tables"));
    if steps.is_empty() {
        let help = "add [[playbook.step]] tables: they run one after the other";
        let message = "a playbook without a step";
        reading.complain(Code::MissingKey, &item.span(), message, "nothing to do", help);
    }
    table.finish(reading);
    let id = id?;
    Some(Playbook {
        title: SafeText::new(title.as_deref().unwrap_or(id.as_str())),
        on_alarm: on_alarm.map(|probe| probe.value),
        steps,
        id,
    })
}
