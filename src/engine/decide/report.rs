//! Reports of the edge: ends, silence, links, health.

use crate::base::{ChannelId, HostId, Millis, SafeText};
use crate::engine::event::{AlarmId, Event, Level};
use crate::engine::health::{Change, Health, Reading};
use crate::engine::job::{End, Job, Transcript};
use crate::engine::refusal::Refusal;
use crate::engine::sight::Sight;
use crate::engine::state::State;
use crate::runbook::Threshold;

/// From so many GiB on a person has to decide at once.
const FLOOD_WARNS: u64 = 4;

pub(super) fn ended(
    state: &State,
    job: &Job,
    end: &End,
    transcript: Option<&Transcript>,
) -> Result<Vec<Event>, Refusal> {
    if state.is_open(job) {
        let transcript = transcript.cloned();
        let mut events = vec![Event::JobEnded { job: job.clone(), end: end.clone(), transcript }];
        if state.is_only_unseen(job) {
            events.extend(state.all_clear(AlarmId::Unseen(job.key.step.clone())));
        }
        Ok(events)
    } else {
        Err(Refusal::NotInFlight(job.to_string()))
    }
}

pub(super) fn sighted(state: &State, job: &Job, sight: &Sight) -> Result<Vec<Event>, Refusal> {
    if !state.is_open(job) {
        return Err(Refusal::NotInFlight(job.to_string()));
    }
    let step = &job.key.step;
    let id = AlarmId::Unseen(step.clone());
    let event = Event::JobSighted { job: job.clone(), sight: sight.clone() };
    let alarms = match sight {
        Sight::Lost { why, .. } => {
            let text = format!("{step} runs on {}, and nobody sees it: {why}", job.place);
            state.alarm(id, Level::Caution, &text)
        }
        Sight::Orphan => {
            let text = format!(
                "{step} runs on {} without its watcher: its exit status will not be known",
                job.place
            );
            state.alarm(id, Level::Warning, &text)
        }
        Sight::Began(_) | Sight::Back if state.is_only_unseen(job) => state.all_clear(id),
        Sight::Began(_) | Sight::Back => Vec::new(),
        Sight::Attached { why } => {
            let text = format!("{step} is not durable on {}: {why}", job.place);
            vec![Event::Noted { step: Some(step.clone()), text }]
        }
    };
    Ok([vec![event], alarms].concat())
}

/// A step has printed so much that its host has to be looked at.
pub(super) fn flood(state: &State, job: &Job, bytes: u64) -> Vec<Event> {
    if !state.is_open(job) {
        return Vec::new();
    }
    let (step, place, gib) = (&job.key.step, &job.place, bytes >> 30);
    let text = format!(
        "{step} has printed {gib} GiB, and {place} keeps them in .golive until the session is closed: \
         see that its disk does not fill up; X stops the step"
    );
    let level = if gib < FLOOD_WARNS { Level::Caution } else { Level::Warning };
    state.alarm(AlarmId::Flood(step.clone()), level, &text)
}

pub(super) fn silent(state: &State, job: &Job, quiet: Millis) -> Vec<Event> {
    if !state.is_open(job) {
        return Vec::new(); // It ended in the meantime: nothing would ever clear the alarm.
    }
    let step = &job.key.step;
    let text = format!("{step} has printed nothing on {} for {quiet}: look at its log", job.place);
    state.alarm(AlarmId::Silent(step.clone()), Level::Caution, &text)
}

pub(super) fn link(state: &State, host: &HostId, down: Option<&SafeText>) -> Vec<Event> {
    let id = AlarmId::Host(host.clone());
    match down {
        Some(why) => {
            // What the link says begins with the host's name already, most of the time.
            let said = why.as_str();
            let why = said.strip_prefix(&format!("{host}: ")).unwrap_or(said);
            state.alarm(id, Level::Caution, &format!("{host} cannot be reached: {why}"))
        }
        None => state.all_clear(id),
    }
}

/// Notices have come to their end.
pub(super) fn told(
    state: &State,
    channel: &ChannelId,
    numbers: &[u64],
    tries: u32,
    lost: Option<&SafeText>,
) -> Vec<Event> {
    let id = AlarmId::Notice(channel.clone());
    let (channel, numbers) = (channel.clone(), numbers.to_vec());
    match lost {
        None => {
            let event = Event::NoticeDelivered { channel, numbers, tries };
            [vec![event], state.all_clear(id)].concat()
        }
        Some(why) => {
            let text = format!("{why}: given up after {tries} tries, tell people yourself");
            let why = why.clone();
            let event = Event::NoticeLost { channel, numbers, tries, why };
            [vec![event], state.alarm(id, Level::Caution, &text)].concat()
        }
    }
}

pub(super) fn signing(state: &State, trouble: Option<&SafeText>) -> Vec<Event> {
    match trouble {
        Some(why) => state.alarm(AlarmId::Signing, Level::Caution, why.as_str()),
        None => state.all_clear(AlarmId::Signing),
    }
}

pub(super) fn health(state: &State, change: &Change) -> Vec<Event> {
    let Change { probe, is, reading, .. } = change.clone();
    let Some(plan) = state.plan.probe(&probe) else { return Vec::new() };
    let was = state.health(&probe);
    let id = AlarmId::Probe(probe.clone());
    let title = &plan.title;
    let limit = if is == Health::Failed { plan.failed } else { plan.degraded };
    let said = reading.as_ref().map_or_else(String::new, |reading| {
        format!(": {}", measured(reading, limit, plan.unit.as_str()))
    });
    let alarms = match is {
        Health::Healthy => state.all_clear(id),
        Health::Degraded => state.alarm(id, Level::Caution, &format!("{title} is degraded{said}")),
        Health::Failed => state.alarm(id, Level::Warning, &format!("{title} has failed{said}")),
        Health::Unknown => {
            let why = reading.as_ref().map(|reading| reading.note.as_str());
            let why = why.filter(|why| !why.is_empty()).unwrap_or("no reading");
            let text = format!("{title} is unknown: {why}. Unknown is never a pass");
            state.alarm(id, Level::Caution, &text)
        }
    };
    let mut events = vec![Event::HealthChanged { probe, was, is, reading }];
    events.extend(alarms);
    events
}

/// What made the difference: the value and its limit, or what the source said.
fn measured(reading: &Reading, limit: Option<Threshold>, unit: &str) -> String {
    match (reading.value, limit) {
        (Some(value), Some(limit)) if reading.ok && limit.holds(value) => {
            let value = format!("{value:.2}");
            let value = value.trim_end_matches('0').trim_end_matches('.');
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            format!("{value}{unit} is {} {}", limit.comparison, limit.limit)
        }
        _other => reading.note.to_string(),
    }
}

impl State {
    /// Whether no other job of the same step is out of sight.
    fn is_only_unseen(&self, job: &Job) -> bool {
        let attempts = &self.track_of(&job.key.step, job.key.part).attempts;
        let unseen = attempts.iter().flat_map(|attempt| {
            attempt.out_of_sight().map(move |(place, _)| (&attempt.key, place))
        });
        unseen.filter(|it| *it != (&job.key, &job.place)).count() == 0
    }

    /// Whether the end of this job is still awaited.
    fn is_open(&self, job: &Job) -> bool {
        let track = self.track_of(&job.key.step, job.key.part);
        let attempt = track.attempts.iter().find(|attempt| attempt.key == job.key);
        matches!(attempt.and_then(|attempt| attempt.places.get(&job.place)), Some(None))
    }
}
