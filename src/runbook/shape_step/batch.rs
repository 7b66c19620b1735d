//! The shape of `batch`: hosts in waves.

use toml::de::DeValue;

use crate::base::Millis;

use super::super::code::Code;
use super::super::model::{Batch, BatchSize, Pause};
use super::super::reader::{Item, Reading, Table, whole};
use super::effect::without_effect;

/// More waves than hosts make no sense.
const WAVES_MAX: usize = 500;

/// Reads `batch`, `pause` and `max_failures`.
pub(super) fn batch(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Batch> {
    let item = table.take(reading, "batch");
    let pause_item = table.take(reading, "pause");
    let max_item = table.take(reading, "max_failures");
    let Some(item) = item else {
        for item in [pause_item, max_item].into_iter().flatten() {
            without_effect(reading, &item, "a step without `batch`");
        }
        return None;
    };
    let pause = pause_item.and_then(|item| pause(reading, &item));
    let max = max_item.and_then(|item| reading.integer(&item, 0..501));
    let items =
        if item.raw().is_array() { reading.list(&item, "sizes of waves") } else { vec![item] };
    if items.is_empty() && item.raw().is_array() {
        let help = "for example batch = [1, \"25%\", \"100%\"]: one host, a quarter, the rest";
        reading.complain(Code::BadValue, &item.span(), "a batch without a wave", "empty", help);
    }
    let sizes: Vec<_> =
        items.iter().take(WAVES_MAX).filter_map(|item| size(reading, item)).collect();
    (!sizes.is_empty()).then(|| Batch {
        sizes,
        pause: pause.unwrap_or(Pause::Time(Millis::ZERO)),
        max_failures: max.and_then(|max| usize::try_from(max).ok()).unwrap_or(0),
    })
}

fn pause(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Pause> {
    if item.raw().as_str() == Some("ask") {
        return Some(Pause::Ask);
    }
    reading.duration(item).map(Pause::Time)
}

fn size(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<BatchSize> {
    let number = match item.raw() {
        DeValue::Integer(number) => whole(number).filter(|hosts| (1..=500).contains(hosts)),
        DeValue::String(text) => {
            let percent = text.strip_suffix('%').and_then(|text| text.trim().parse::<i64>().ok());
            percent.filter(|percent| (1..=100).contains(percent))
        }
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            reading.wrong_type(item, "a number of hosts, or a share like \"25%\"");
            return None;
        }
    };
    let Some(number) = number.and_then(|number| usize::try_from(number).ok()) else {
        let help = "write 1 to 500 hosts, or \"1%\" to \"100%\" of them";
        reading.complain(Code::BadValue, &item.span(), "this is no size of a wave", "", help);
        return None;
    };
    Some(if item.is_text() { BatchSize::Percent(number) } else { BatchSize::Hosts(number) })
}
