//! What is known of the hosts themselves: the key that each one is held to, and its clock; and
//! the times at which golive did not run.

use serde::{Deserialize, Serialize};

use crate::base::{HostId, Millis, SafeText, Timestamp};

use super::because::{Already, Deed};
use super::event::{AlarmId, Event, Level};
use super::refusal::Refusal;
use super::state::State;

/// A clock that is wrong by more raises an alarm.
const CLOCK_WRONG: Millis = Millis::from_secs(2);
/// A clock that moves by more than this is recorded anew.
const CLOCK_MOVED: Millis = Millis::new(500);

/// Something that was learnt of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostFact {
    /// The key that it showed first, and that it is held to from then on.
    KeySeen {
        /// Algorithm and fingerprint.
        key: SafeText,
    },
    /// It showed another key than the one it is held to: nothing is sent to it.
    KeyChanged {
        /// The one it is held to.
        held: SafeText,
        /// The one it showed.
        shown: SafeText,
    },
    /// A person has accepted the other key: it is held to that one from now on.
    KeyAccepted {
        /// The one before.
        held: SafeText,
        /// The one from now on.
        key: SafeText,
        /// Why.
        reason: SafeText,
    },
    /// How far its clock is from that of golive's machine.
    Clock(ClockOffset),
}

/// How far a host's clock is ahead of that of golive's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// In milliseconds; negative when it is behind.
    pub millis: i64,
    /// It may be off by so much either way: half of what the answer took.
    pub within: Millis,
}

impl ClockOffset {
    /// In words: `ahead by 2.5 s (± 3ms)`.
    pub fn words(self) -> String {
        let way = if self.millis < 0 { "behind" } else { "ahead" };
        let millis = self.millis.unsigned_abs();
        let by = if millis < 1_000 {
            format!("{millis} ms")
        } else {
            format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
        };
        format!("{way} by {by} (± {})", self.within)
    }

    /// Whether it is wrong for certain, and by more than anybody would bear.
    pub fn is_wrong(self) -> bool {
        self.millis.unsigned_abs() > CLOCK_WRONG.plus(self.within).as_millis()
    }
}

impl HostFact {
    /// What was learnt, after the name of the host.
    pub fn words(&self) -> String {
        match self {
            Self::KeySeen { key } => format!("its key for this session is {key}"),
            Self::KeyChanged { held, shown } => {
                format!("STOPPED: it showed the key {shown}, and is held to {held}")
            }
            Self::KeyAccepted { held, key, reason } => {
                format!("its new key {key} was accepted in place of {held}: {reason}")
            }
            Self::Clock(offset) => format!("its clock is {}", offset.words()),
        }
    }

    /// Whether it needs a person's attention, or came from one.
    pub const fn is_grave(&self) -> bool {
        match self {
            Self::KeyChanged { .. } | Self::KeyAccepted { .. } => true,
            Self::KeySeen { .. } | Self::Clock(_) => false,
        }
    }
}

/// What a host has just shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSaid {
    /// The key that a connection was opened with.
    Key(SafeText),
    /// Another key than the one it is held to; the connection was refused.
    OtherKey(SafeText),
    /// Its clock.
    Clock(ClockOffset),
}

/// A host as this session knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRecord {
    /// The key that it is held to: algorithm and fingerprint.
    pub key: Option<SafeText>,
    /// The other key that it showed last, as long as nobody has accepted that.
    pub other_key: Option<SafeText>,
    /// Its clock.
    pub clock: Option<ClockOffset>,
}

impl HostRecord {
    pub(super) fn take(&mut self, fact: &HostFact) {
        match fact {
            HostFact::KeySeen { key } => self.key = Some(key.clone()),
            HostFact::KeyChanged { shown, .. } => self.other_key = Some(shown.clone()),
            HostFact::KeyAccepted { key, .. } => {
                self.key = Some(key.clone());
                self.other_key = None;
            }
            HostFact::Clock(offset) => self.clock = Some(*offset),
        }
    }
}

/// A time in which golive did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoodStill {
    /// When it ran again.
    pub until: Timestamp,
    /// For how long it had not.
    pub span: Millis,
}

impl State {
    /// A host as this session knows it; none while nothing was learnt of it.
    pub fn host(&self, host: &HostId) -> Option<&HostRecord> {
        self.hosts.get(host)
    }

    /// The times in which golive did not run, oldest first.
    pub fn standstills(&self) -> &[StoodStill] {
        &self.standstills
    }

    /// How much of the time since `began` golive was there to see what happened.
    pub(super) fn watched_since(&self, began: Timestamp, now: Timestamp) -> Millis {
        now.since(began).minus(self.unwatched_since(began))
    }

    /// How much of the time since `began` nobody could watch: this machine stood still.
    pub(super) fn unwatched_since(&self, began: Timestamp) -> Millis {
        let later = self.standstills.iter().filter(|still| still.until > began);
        later.fold(Millis::ZERO, |sum, still| sum.plus(still.span.min(still.until.since(began))))
    }

    /// Whether golive has run again for less than `span`.
    pub(super) fn is_just_back(&self, now: Timestamp, span: Millis) -> bool {
        self.standstills.last().is_some_and(|still| now.since(still.until) <= span)
    }

    /// What follows from what a host has shown.
    pub(super) fn host_said(&self, host: &HostId, said: &HostSaid) -> Vec<Event> {
        if !self.plan.hosts.contains_key(host) {
            return Vec::new();
        }
        let record = self.hosts.get(host);
        let event = |fact| Event::HostNoted { host: host.clone(), fact };
        let held = record.and_then(|record| record.key.as_ref());
        match said {
            HostSaid::Key(key) => match held {
                None => vec![event(HostFact::KeySeen { key: key.clone() })],
                Some(held) if held == key => self.all_clear(AlarmId::HostKey(host.clone())),
                // The inventory's own word; the practice fleet has new keys after a resume.
                Some(_) if self.names_key(host, key) => {
                    vec![event(HostFact::KeySeen { key: key.clone() })]
                }
                Some(held) => self.other_key(host, held, key),
            },
            HostSaid::OtherKey(shown) => {
                let unknown = SafeText::new("another one");
                self.other_key(host, held.unwrap_or(&unknown), shown)
            }
            HostSaid::Clock(offset) => {
                let known = record.and_then(|record| record.clock);
                let moved = known.is_none_or(|known| {
                    known.millis.abs_diff(offset.millis) > CLOCK_MOVED.as_millis()
                });
                let mut events = Vec::new();
                if moved {
                    events.push(event(HostFact::Clock(*offset)));
                }
                let id = AlarmId::HostClock(host.clone());
                events.extend(if !offset.is_wrong() {
                    self.all_clear(id)
                } else if moved || !self.alarm_is_open(&id) {
                    let text = format!(
                        "the clock of {host} is {}: the times that it writes are wrong; golive's are not",
                        offset.words()
                    );
                    self.alarm(id, Level::Caution, &text)
                } else {
                    Vec::new()
                });
                events
            }
        }
    }

    /// Whether the inventory itself names this key.
    fn names_key(&self, host: &HostId, key: &SafeText) -> bool {
        let named = self.plan.hosts.get(host).and_then(|host| host.hostkey.as_deref());
        named.is_some_and(|named| key.as_str().ends_with(named))
    }

    fn other_key(&self, host: &HostId, held: &SafeText, shown: &SafeText) -> Vec<Event> {
        let known = self.hosts.get(host).and_then(|record| record.other_key.as_ref());
        let mut events = Vec::new();
        if known != Some(shown) {
            let fact = HostFact::KeyChanged { held: held.clone(), shown: shown.clone() };
            events.push(Event::HostNoted { host: host.clone(), fact });
        }
        let text = format!(
            "THE HOST KEY OF {host} CHANGED DURING THIS RUN: it is held to {held}, and showed {shown}. \
             Nothing is sent to it; the other hosts go on. Ask its owner: if it was rebuilt, leave \
             and take up again with --accept-host-key {host}"
        );
        events.extend(self.alarm(AlarmId::HostKey(host.clone()), Level::Warning, &text));
        events
    }

    /// What follows when a person accepts the other key of a host.
    pub(super) fn accept_key(
        &self,
        host: &HostId,
        reason: &SafeText,
    ) -> Result<Vec<Event>, Refusal> {
        if reason.as_str().trim().is_empty() {
            return Err(Refusal::NoReason(Deed::AcceptKey));
        }
        let record = self.hosts.get(host);
        let keys =
            record.and_then(|record| Some((record.key.as_ref()?, record.other_key.clone()?)));
        let Some((held, key)) = keys else {
            return Err(Refusal::Already(Already::SameKey));
        };
        let fact = HostFact::KeyAccepted { held: held.clone(), key, reason: reason.clone() };
        let event = Event::HostNoted { host: host.clone(), fact };
        Ok([vec![event], self.all_clear(AlarmId::HostKey(host.clone()))].concat())
    }

    fn alarm_is_open(&self, id: &AlarmId) -> bool {
        self.alarms.iter().any(|alarm| alarm.id == *id && alarm.cleared.is_none())
    }
}
