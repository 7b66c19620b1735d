//! A comparison of two systems: where each side is read, and how far they may lie apart.

use crate::base::{Decimal, HostId};

use super::super::code::Code;
use super::super::model::{Compare, Reconcile, Side, Tolerance};
use super::super::reader::{Item, Kind, Reading, Scope, Table};
use super::super::shape::template_item;
use super::super::template::Quoting;

const COMPARES: &[(&str, Compare)] =
    &[("exact", Compare::Exact), ("numeric", Compare::Numeric), ("rows", Compare::Rows)];

pub(super) fn reconcile(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    scope: &Scope,
) -> Option<Reconcile<String>> {
    let mut table = Table::open(reading, item, "a reconciliation", "reconcile")?;
    let left = side(reading, &mut table, "left", scope);
    let right = side(reading, &mut table, "right", scope);
    let compare = table.need(reading, "compare").and_then(|item| reading.word(&item, COMPARES));
    let written = table.take(reading, "tolerance");
    let tolerance = written.and_then(|item| tolerance(reading, &item));
    if let (Some(item), Some(Compare::Exact)) = (written, compare) {
        let message = "`tolerance` has no effect where every byte has to be the same";
        let help = "remove it, or write compare = \"numeric\" or \"rows\"";
        reading.complain(Code::NoEffect, &item.span(), message, "no effect", help);
    }
    table.finish(reading);
    let found = Reconcile {
        left: left?,
        right: right?,
        compare: compare?,
        tolerance: tolerance.unwrap_or_default(),
    };
    if found.left == found.right {
        let message = "both sides read the same thing in the same place: they never differ";
        let help = "let one side read the old system, and the other one the new system";
        reading.complain(Code::Contradiction, &item.span(), message, "", help);
    }
    Some(found)
}

fn side(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    scope: &Scope,
) -> Option<Side<String>> {
    let item = table.need(reading, key)?;
    let mut table = Table::open(reading, &item, "a side of a reconciliation", key)?;
    let on = table.need(reading, "on").and_then(|item| host(reading, &item));
    let run = table.need(reading, "run").and_then(|item| {
        reading.filled(&item)?;
        template_item(reading, &item, scope, Quoting::Shell)
    });
    table.finish(reading);
    Some(Side { on: on?, run: run? })
}

/// One host: what it says is one side.
fn host(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<HostId> {
    let text = reading.filled(item)?;
    if text.value.starts_with('@') {
        let message = "a side of a reconciliation is read on one host, and this is a group";
        let help = "name the host, for example on = \"db-old\"";
        reading.complain(Code::BadValue, &item.span(), message, "a group", help);
        return None;
    }
    reading.used_name(Kind::Host, text).map(|host| host.value)
}

/// `5`, `"0.01"` or `"0.1%"`.
fn tolerance(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Tolerance> {
    let text = reading.value(item)?;
    let (number, percent) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim(), true),
        None => (text.trim(), false),
    };
    match number.parse::<Decimal>() {
        Ok(limit) if limit.is_negative() => {}
        Ok(limit) if percent => return Some(Tolerance::Percent(limit)),
        Ok(limit) => return Some(Tolerance::Absolute(limit)),
        Err(_) => {}
    }
    let message = format!("`{text}` does not say how far two numbers may lie apart");
    let help = "write so many of a hundred, \"0.1%\", or so much, \"0.01\"";
    reading.complain(Code::BadValue, &item.span(), &message, "not a tolerance", help);
    None
}
