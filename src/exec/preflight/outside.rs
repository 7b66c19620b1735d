//! Probes and channels before the night: one reading each, and one word where that is wanted.

use std::time::Duration;

use reqwest::Url;

use crate::base::Timestamp;
use crate::engine::{Board, Health, Mark, Reading, RunKind};
use crate::exec::notify::{Notice, tell_once};
use crate::exec::probe::once;
use crate::exec::web::Web;
use crate::runbook::{Channel, Probe};

use super::{Area, Finding, Level, Preflight};

/// So long may one channel take.
const CHANNEL_MAX: Duration = Duration::from_secs(30);
/// A certificate that ends within so many days is told of.
const DAYS_FEW: u64 = 14;
const DAY_SECS: u64 = 24 * 60 * 60;

/// One reading of a probe, and how long the certificate is good that was shown.
pub(super) async fn probe(all: &Preflight, probe: &Probe, web: &Web) -> Vec<Finding> {
    let reading = Reading { at: (all.now)(), ..once(probe, &all.pool, web).await };
    let mut found = vec![read(all, probe, reading)];
    let asked = probe.source.asked().and_then(|(url, _)| Url::parse(url).ok());
    if let Some(url) = asked.filter(|url| url.scheme() == "https")
        && let Some(until) = web.good_until(&url)
    {
        found.push(certificate(probe, until, (all.now)()));
    }
    found
}

fn read(all: &Preflight, probe: &Probe, reading: Reading) -> Finding {
    let mut board = Board::new(&all.plan, reading.at);
    let (value, note) = (reading.value, reading.note.clone());
    board.take(&probe.id, reading);
    let health = board.panel(&probe.id).map_or(Health::Unknown, |panel| panel.health);
    let say =
        |level, words: &str| Finding::new(Area::Probe, probe.id.as_str(), "reading", level, words);
    let value = value.map(|value| format!("{value} {}", probe.unit));
    let value = value.map_or_else(String::new, |value| format!("{}, ", value.trim_end()));
    match health {
        Health::Healthy => say(Level::Ok, &format!("{value}{note}")),
        // What is not live yet may well be red now; that it is read is what counts tonight.
        Health::Degraded | Health::Failed if !value.is_empty() => {
            let words = format!("{value}{}: {note}", health.word());
            say(Level::Warning, &words).fix("a gate that asks for it would wait; look why it is so")
        }
        Health::Degraded | Health::Failed => say(Level::Failed, note.as_str())
            .fix("see that it answers from this machine, or correct the probe"),
        Health::Unknown => say(Level::Failed, &format!("nothing to judge: {note}"))
            .fix("correct the probe: where nothing is known, no gate opens"),
    }
}

fn certificate(probe: &Probe, until: Timestamp, now: Timestamp) -> Finding {
    let days = until.since(now).as_secs() / DAY_SECS;
    let end = until.rfc3339();
    let words = format!("its certificate is good for {days} days, until {end}");
    let level = if days < DAYS_FEW { Level::Warning } else { Level::Ok };
    let finding = Finding::new(Area::Probe, probe.id.as_str(), "certificate", level, &words);
    if days < DAYS_FEW { finding.fix("renew it before the night") } else { finding }
}

/// A channel: told of the test where that is wanted.
pub(super) async fn channel(all: &Preflight, channel: &Channel, web: &Web) -> Finding {
    let say = |level, words: &str| {
        Finding::new(Area::Channel, channel.id.as_str(), "notice", level, words)
    };
    let way = channel.way.word();
    if !all.notify {
        let words = format!("{way}: nobody was told anything");
        return say(Level::Unknown, &words)
            .fix("--notify-test sends one message, marked as a test");
    }
    let text = format!(
        "TEST from golive: {} ({}) checks this channel before the night. Nothing has happened; nothing is to be done.",
        all.plan.title, all.plan.id
    );
    let mark = Mark {
        number: 0,
        session: None,
        kind: RunKind::Drill,
        at: (all.now)(),
        moment: None,
        signal: None,
        again: false,
    };
    let notice = Notice { text: all.secrets.clean(text.as_str().into()), mark };
    match tell_once(web, &all.secrets, channel, notice, CHANNEL_MAX).await {
        Ok(()) => say(Level::Ok, &format!("{way}: it took the test message")),
        Err(why) => say(Level::Failed, &format!("{way}: {why}"))
            .fix("correct the channel: nobody would hear of what happens"),
    }
}
