//! The shape of `[[probe]]`: times, extraction, thresholds.

use crate::base::{Millis, ProbeId, SafeText};

use super::code::Code;
use super::model::{Comparison, Extract, Probe, Source, Threshold};
use super::reader::{Item, Kind, Reading, Table};
use super::shape::own_name;
use super::shape_source::source;

/// More often is load, not knowledge.
const EVERY_MIN: Millis = Millis::from_secs(1);

/// Reads one probe.
pub(super) fn probe(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Probe> {
    let mut table = Table::open(reading, item, "a probe", "probe")?;
    let id: Option<ProbeId> = own_name(reading, &mut table, Kind::Probe);
    let title = table.take(reading, "title").and_then(|item| reading.safe_text(&item));
    let every = table.take(reading, "every").and_then(|item| at_least(reading, &item, EVERY_MIN));
    let every = every.unwrap_or(Millis::from_secs(10));
    let timeout = table.take(reading, "timeout").and_then(|item| reading.some_time(&item));
    let timeout = timeout.unwrap_or(Millis::from_secs(5));
    let source = table.need(reading, "source").and_then(|item| source(reading, &item));
    let unit = table.take(reading, "unit").and_then(|item| reading.safe_text(&item));
    let degraded = table.take(reading, "degraded").and_then(|item| threshold(reading, &item));
    let failed = table.take(reading, "failed").and_then(|item| threshold(reading, &item));
    let hold = table.take(reading, "for").and_then(|item| reading.duration(&item));
    let stale = table.take(reading, "stale").and_then(|item| at_least(reading, &item, every));
    let panel = table.take(reading, "panel").and_then(|item| reading.safe_text(&item));
    table.finish(reading);
    let id = id?;
    let source = source?;
    let unit = unit.unwrap_or_else(|| SafeText::new(unit_of(&source)));
    Some(Probe {
        title: title.unwrap_or_else(|| SafeText::new(id.as_str())),
        every,
        timeout,
        unit,
        degraded,
        failed,
        r#for: hold.unwrap_or(Millis::ZERO),
        stale: stale.unwrap_or(every.plus(every).plus(every).plus(timeout)),
        panel: panel.unwrap_or_else(|| SafeText::new("Health")),
        allow: Vec::new(),
        source,
        id,
    })
}

const fn unit_of(source: &Source) -> &'static str {
    match source {
        Source::Tcp { .. } => "ms",
        Source::Prometheus { .. } | Source::Metrics { .. } => "",
        Source::Http { value, .. } | Source::Run { value, .. } => match value {
            Extract::Latency => "ms",
            Extract::Status | Extract::Json(_) | Extract::Regex(_) => "",
        },
    }
}

fn at_least(reading: &mut Reading<'_>, item: &Item<'_>, least: Millis) -> Option<Millis> {
    let span = reading.some_time(item)?;
    if span < least {
        let message = format!("`{}` is {span}; it has to be at least {least}", item.key);
        let help = match item.key {
            "stale" => "a reading must not be stale before the next one is due",
            _ => "a probe asks at most once a second",
        };
        reading.complain(Code::BadValue, &item.span(), &message, "too short", help);
        return None;
    }
    Some(span)
}

/// What is taken from an answer.
pub(super) fn extract(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Extract> {
    let text = reading.filled(item)?;
    if let Some(pattern) = text.value.strip_prefix("regex:") {
        return regex(reading, item, pattern, Groups::One)
            .then(|| Extract::Regex(pattern.to_owned()));
    }
    if let Some(pointer) = text.value.strip_prefix("json:") {
        if pointer.is_empty() || pointer.starts_with('/') {
            return Some(Extract::Json(pointer.to_owned()));
        }
        let help = "a JSON pointer begins with a slash: `json:/queue/depth`";
        reading.complain(Code::BadValue, &item.span(), "this is not a JSON pointer", "", help);
        return None;
    }
    match text.value.as_str() {
        "latency" => Some(Extract::Latency),
        "status" => Some(Extract::Status),
        other => {
            let message = format!("`{other}` is no way to take a value from an answer");
            let help = "write \"latency\", \"status\", \"json:/path\" or \"regex:…\"";
            reading.complain(Code::BadValue, &item.span(), &message, "", help);
            None
        }
    }
}

/// How many groups a regular expression has to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Groups {
    Any,
    One,
    OneOrTwo,
}

/// Whether `pattern` is a regular expression with that many groups; a problem if not.
pub(super) fn regex(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    pattern: &str,
    groups: Groups,
) -> bool {
    match regex::RegexBuilder::new(pattern).size_limit(1 << 20).build() {
        Ok(regex) if groups == Groups::One && regex.captures_len() != 2 => {
            let message = format!("the regular expression has {} groups", regex.captures_len() - 1);
            let help =
                "put what is the value into one pair of parentheses, and `(?:…)` around others";
            reading.complain(Code::BadRegex, &item.span(), &message, "one group is needed", help);
            false
        }
        Ok(regex) if groups == Groups::OneOrTwo && !(2..=3).contains(&regex.captures_len()) => {
            let message = format!("the regular expression has {} groups", regex.captures_len() - 1);
            let help = "one group is a percentage: '([0-9.]+) ?%'; two are n of m: '([0-9]+)/([0-9]+) rows'";
            reading.complain(Code::BadRegex, &item.span(), &message, "one or two are needed", help);
            false
        }
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
            let message = format!("this is not a regular expression: {reason}");
            reading.complain(
                Code::BadRegex,
                &item.span(),
                &message,
                "",
                "in single quotes ('…') TOML leaves backslashes alone",
            );
            false
        }
    }
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

fn threshold(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Threshold> {
    let text = reading.filled(item)?;
    let parsed = COMPARISONS.iter().find_map(|(sign, comparison)| {
        let number = text.value.trim().strip_prefix(sign)?.trim();
        let limit = number.parse::<f64>().ok().filter(|limit| limit.is_finite())?;
        Some(Threshold { comparison: *comparison, limit })
    });
    if parsed.is_none() {
        let message = format!("`{}` is not a threshold", text.value);
        let help = "write a comparison and a number: \"> 250\", \"<= 0.5\", \"!= 1\"";
        reading.complain(Code::BadThreshold, &item.span(), &message, "", help);
    }
    parsed
}
