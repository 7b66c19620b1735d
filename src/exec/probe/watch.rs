//! The schedule of one probe.

use std::time::Duration;

use crate::base::{SafeText, Timestamp};
use crate::engine::Reading;
use crate::exec::edge::Report;
use crate::exec::outbox::Outbox;
use crate::exec::ssh::Pool;
use crate::exec::web::Web;
use crate::runbook::{Probe, Source};

use super::read::{Said, read};

/// Longer words of a source are cut: a note is one line.
const NOTE_CHARS_MAX: usize = 200;

/// Reads `probe` again and again and reports every reading, until the reports are not wanted.
pub(in crate::exec) async fn watch(
    probe: Probe,
    pool: Pool,
    web: Web,
    reports: Outbox,
    now: impl Fn() -> Timestamp + Send,
) {
    let mut ticks = tokio::time::interval(probe.every.to_std());
    // A slow answer shifts the next reading instead of piling up.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::time::sleep(first_delay(&probe)).await;
    loop {
        ticks.tick().await;
        let reading = once(&probe, &pool, &web).await;
        let reading = Reading { at: now(), ..reading };
        if !reports.send(Report::Reading { probe: probe.id.clone(), reading }) {
            return;
        }
    }
}

/// One reading, within the limit of the probe; when it was taken is the caller's to say.
pub(in crate::exec) async fn once(probe: &Probe, pool: &Pool, web: &Web) -> Reading {
    let said = tokio::time::timeout(probe.timeout.to_std(), read(probe, pool, web)).await;
    reading(said.unwrap_or_else(|_| too_late(probe)), Timestamp::default())
}

/// A service that does not answer has failed; a measurement that does not come is missing.
fn too_late(probe: &Probe) -> Said {
    let why = format!("no answer within {}", probe.timeout);
    match &probe.source {
        Source::Http { .. } | Source::Tcp { .. } => Said::No(None, why),
        Source::Prometheus { .. } | Source::Metrics { .. } | Source::Run { .. } => {
            Said::Nothing(why)
        }
    }
}

fn reading(said: Said, at: Timestamp) -> Reading {
    let finite = |value: f64| value.is_finite();
    let (ok, value, note) = match said {
        Said::Value(value, note) if finite(value) => (true, Some(value), note),
        Said::Value(value, _) => {
            let sign = if value == f64::NEG_INFINITY { "-" } else { "+" };
            let word = if value.is_nan() { "NaN".to_owned() } else { format!("{sign}Inf") };
            (true, None, format!("the value is {word}: no number to judge"))
        }
        Said::No(value, note) => (false, value.filter(|value| finite(*value)), note),
        Said::Nothing(why) => (true, None, why),
    };
    let mut note = note;
    if let Some((end, _)) = note.char_indices().nth(NOTE_CHARS_MAX) {
        note.truncate(end);
        note.push('…');
    }
    Reading { at, value, ok, note: SafeText::new(&note) }
}

/// Spreads first readings over the start of the interval, the same way each time.
fn first_delay(probe: &Probe) -> Duration {
    let hash = probe
        .id
        .as_str()
        .bytes()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(hash % (probe.every.as_millis() / 4).clamp(1, 500))
}

#[cfg(test)]
mod tests {
    use super::reading;
    use crate::base::Timestamp;
    use crate::exec::probe::read::Said;

    #[test]
    fn what_is_no_number_is_said_in_words_and_long_words_are_cut() {
        let of = |said| reading(said, Timestamp::default());
        let note = || "HTTP 200".to_owned();
        for (value, word) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf")]
        {
            let none = of(Said::Value(value, note()));
            assert_eq!((none.ok, none.value), (true, None));
            assert_eq!(none.note.as_str(), format!("the value is {word}: no number to judge"));
        }
        assert_eq!(of(Said::No(Some(f64::NAN), note())).value, None);
        let long = of(Said::Nothing("ä".repeat(1000)));
        assert_eq!((long.ok, long.value, long.note.as_str().chars().count()), (true, None, 201));
    }
}
