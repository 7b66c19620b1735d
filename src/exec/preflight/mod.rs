//! What can be proved before a night begins, without changing anything: each host by itself, each
//! probe once, each channel where a person wants it tested.
//!
//! Nothing here waits for anything else: a host that hangs delays its own lines alone.

mod here;
mod host;
mod outside;
mod survey;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::base::{HostId, SafeText, Timestamp};
use crate::plan::Plan;

use super::edge::web_of;
use super::secrets::Secrets;
use super::ssh::Pool;

/// No host is waited for any longer.
const HOST_MAX: Duration = Duration::from_mins(2);

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Proved.
    Ok,
    /// It works, and somebody should know this before.
    Warning,
    /// Nobody can say; never taken for proved.
    Unknown,
    /// It has to be put right before the night.
    Failed,
}

impl Level {
    /// The word on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Failed => "FAILED",
        }
    }
}

/// Where something was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// On golive's own machine.
    Here,
    /// On a host.
    Host,
    /// By a probe.
    Probe,
    /// On the way to people.
    Channel,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub area: Area,
    /// The host, probe or channel; on golive's own machine what it is about.
    pub place: SafeText,
    /// What: a fixed word for scripts, as `login` or `clock`.
    pub what: &'static str,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub words: SafeText,
    /// How to put it right.
    pub fix: Option<SafeText>,
}

impl Finding {
    /// A finding without a way to put it right.
    pub fn new(area: Area, place: &str, what: &'static str, level: Level, words: &str) -> Self {
        let (place, words) = (SafeText::new(place), SafeText::new(words));
        Self { area, place, what, level, words, fix: None }
    }

    /// The same with a way to put it right.
    #[must_use]
    pub fn fix(mut self, fix: &str) -> Self {
        self.fix = Some(SafeText::new(fix));
        self
    }

    /// The same without the values of `secrets`: what a host or a program said may be in any text.
    #[must_use]
    pub fn clean(self, secrets: &Secrets) -> Self {
        let (words, fix) = (secrets.clean(self.words), self.fix.map(|fix| secrets.clean(fix)));
        Self { words, fix, ..self }
    }
}

/// Where findings go; no value of a secret comes through.
#[derive(Clone)]
struct Tell {
    secrets: Secrets,
    to: mpsc::UnboundedSender<Finding>,
}

impl Tell {
    /// Hands it over. Where nobody listens any more, nobody has to hear it.
    fn send(&self, finding: Finding) {
        self.to.send(finding.clean(&self.secrets)).ok();
    }
}

/// What a preflight looks at, and with what.
#[derive(Clone)]
pub struct Preflight {
    /// The plan whose hosts, probes and channels are looked at.
    pub plan: Arc<Plan>,
    /// The ways to its hosts.
    pub pool: Pool,
    /// The values of its secrets, as far as they could be had.
    pub secrets: Secrets,
    /// Whether each channel is told of the test.
    pub notify: bool,
    /// The clock, for the times of readings and certificates.
    pub now: fn() -> Timestamp,
}

impl Preflight {
    /// Looks at everything at once, and hands over each thing as it is found. Ends by itself.
    ///
    /// # Errors
    /// The HTTP client cannot be made: the machine's certificates cannot be read.
    pub fn begin(self) -> Result<mpsc::UnboundedReceiver<Finding>, reqwest::Error> {
        let web = web_of(&self.plan, &self.secrets)?;
        let (to, found) = mpsc::unbounded_channel();
        let tell = Tell { secrets: self.secrets.clone(), to };
        let all = Arc::new(self);
        tokio::spawn(here::look(Arc::clone(&all), tell.clone()));
        for id in all.plan.hosts.keys().cloned() {
            tokio::spawn(limited(Arc::clone(&all), id, tell.clone()));
        }
        for probe in all.plan.probes.clone() {
            let (all, web, tell) = (Arc::clone(&all), web.clone(), tell.clone());
            tokio::spawn(async move {
                for finding in outside::probe(&all, &probe, &web).await {
                    tell.send(finding);
                }
            });
        }
        for channel in all.plan.channels.clone() {
            let (all, web, tell) = (Arc::clone(&all), web.clone(), tell.clone());
            tokio::spawn(async move {
                let finding = outside::channel(&all, &channel, &web).await;
                tell.send(finding);
            });
        }
        Ok(found)
    }
}

/// Looks at one host; what takes too long is unknown.
async fn limited(all: Arc<Preflight>, id: HostId, tell: Tell) {
    if tokio::time::timeout(HOST_MAX, host::look(&all, &id, &tell)).await.is_err() {
        let words = format!("it was not through within {} s", HOST_MAX.as_secs());
        let finding = Finding::new(Area::Host, id.as_str(), "rest", Level::Unknown, &words);
        tell.send(finding.fix("look at its load, and at what hangs there"));
    }
}
