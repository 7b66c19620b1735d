//! What is known of a job that runs: whether its host was heard to begin it, and whether anybody
//! sees it now.
//!
//! A durable job outlives the link it was started over, so "the link is gone" and "the job is
//! gone" are two things, and the words for them must not be mixed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{HostId, Millis, SafeText, Timestamp};

use super::job::{Key, Part, Place};
use super::state::State;
use super::track::Attempt;

/// A host's word that a job has begun there, and where to find it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The number of its process.
    pub pid: u32,
    /// When that process was born, in clock ticks since the host's boot; where the host says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<u64>,
    /// The boot of the host.
    pub boot: SafeText,
    /// The folder on the host that holds its output and its exit record.
    pub root: SafeText,
    /// The name of that very folder: another one at the same place is not it.
    pub root_id: SafeText,
    /// How far its start outlives a power cut of the host.
    pub sync: Sync,
    /// Whether it has a process group of its own, so that it can be stopped whole.
    pub group: bool,
}

/// How the start of a job was made to outlive a power cut of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// Its record was synced by itself.
    File,
    /// Everything was synced.
    Full,
    /// The host has no means: after a power cut it may not remember that the job ran.
    None,
}

/// What became visible, or went out of sight, of a job that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Its host says that it has begun.
    Began(Begun),
    /// It cannot be watched for now. Nothing says that it has ended.
    Lost {
        /// Why.
        why: SafeText,
        /// How long before this the host last proved that it lives.
        proved: Millis,
    },
    /// It is watched again, and lives.
    Back,
    /// It lives, but what would write down its exit status is gone: that will not be known.
    Orphan,
    /// It is not durable on this host, for this reason: it ends with its link.
    Attached {
        /// Why.
        why: SafeText,
    },
}

impl Sight {
    /// What became known, after the name of the job.
    pub fn words(&self) -> String {
        match self {
            Self::Began(Begun { pid, .. }) => format!("began as process {pid}"),
            Self::Lost { why, proved } => {
                format!("out of sight, last proof {proved} before: {why}")
            }
            Self::Back => "in sight again, and runs".to_owned(),
            Self::Orphan => "runs without its watcher".to_owned(),
            Self::Attached { why } => format!("not durable: {why}"),
        }
    }
}

/// What is known of a job in one place, beyond that it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The host's word that it has begun.
    pub begun: Option<Begun>,
    /// Since when nobody can watch it, the last proof before that, and why.
    pub lost: Option<OutOfSight>,
    /// Its exit status will not be known.
    pub orphan: bool,
    /// Why it ends with its link, where it should not.
    pub attached: Option<SafeText>,
}

/// What a host keeps of this night.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The name of the very folder in which it keeps it.
    pub id: SafeText,
    /// How far its starts outlive a power cut.
    pub sync: Sync,
}

impl State {
    /// The records that hosts were heard to keep, as their last word on them was. Records of another
    /// id are not those of this night: what is missing there may have run all the same.
    pub fn records_on_hosts(&self) -> BTreeMap<HostId, Records> {
        let parts = [Part::Action, Part::Verify, Part::Undo, Part::UndoVerify];
        let steps = self.plan().steps.keys();
        let tracks = steps.flat_map(|step| parts.map(|part| self.track_of(step, part)));
        let mut attempts: Vec<_> = tracks.flat_map(|track| &track.attempts).collect();
        attempts.sort_by_key(|attempt| attempt.started);
        let mut all = BTreeMap::new();
        for (place, seen) in attempts.into_iter().flat_map(|attempt| &attempt.seen) {
            if let (Place::Host(host), Some(begun)) = (place, &seen.begun) {
                let records = Records { id: begun.root_id.clone(), sync: begun.sync };
                all.insert(host.clone(), records);
            }
        }
        all
    }

    /// The id of the records that hold an attempt in a place: those in which it was heard to begin.
    /// Where that was not heard, those that were heard of there last before it started, else first
    /// after: if they are others by now, they cannot say that it never ran.
    pub(super) fn records_of(&self, key: &Key, place: &Place) -> Option<SafeText> {
        let own = self.attempt(key)?;
        let id = |attempt: &Attempt| Some(attempt.seen.get(place)?.begun.as_ref()?.root_id.clone());
        let parts = [Part::Action, Part::Verify, Part::Undo, Part::UndoVerify];
        let steps = self.plan().steps.keys();
        let tracks = steps.flat_map(|step| parts.map(|part| self.track_of(step, part)));
        let attempts = tracks.flat_map(|track| &track.attempts).filter(|it| it.key != *key);
        let all = attempts.filter_map(|it| Some((it.started, id(it)?)));
        let (before, after): (Vec<_>, Vec<_>) = all.partition(|(at, _)| *at <= own.started);
        let last = before.into_iter().max_by_key(|(at, _)| *at);
        let first = || after.into_iter().min_by_key(|(at, _)| *at);
        id(own).or_else(|| Some(last.or_else(first)?.1))
    }
}

/// A job that nobody can watch for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfSight {
    /// Since when.
    pub since: Timestamp,
    /// The last time that its host proved that it lives.
    pub proved: Timestamp,
    /// Why.
    pub why: SafeText,
}

impl Seen {
    /// Takes in what became visible at `at`.
    pub(super) fn take(&mut self, at: Timestamp, sight: &Sight) {
        match sight {
            Sight::Began(begun) => {
                self.begun = Some(begun.clone());
                self.lost = None;
            }
            Sight::Lost { why, proved } => {
                let proved = at.before(*proved);
                self.lost = Some(OutOfSight { since: at, proved, why: why.clone() });
            }
            Sight::Back => self.lost = None,
            Sight::Orphan => {
                self.lost = None;
                self.orphan = true;
            }
            Sight::Attached { why } => self.attached = Some(why.clone()),
        }
    }
}

/// Why nobody knows what became of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// It ended, or may run on, behind a link that is gone; or golive ended while it ran.
    #[default]
    Link,
    /// It and its watcher are gone from the host, and left no exit record.
    Gone,
    /// The host was started again while it ran.
    Rebooted,
    /// The host's memory of the run is gone: reinstalled, restored, or cleaned.
    Forgotten,
    /// A person stopped looking for it, as its host does not answer.
    LetGo,
    /// How it ended could not be recorded.
    Unrecorded,
}

impl Doubt {
    /// Whether it is the plain kind: the link, or golive, ended first.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) const fn is_link(&self) -> bool {
        matches!(self, Self::Link)
    }

    /// The state in the words that people read.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Link => "may have run: its link is gone",
            Self::Gone => "may have run: its watcher and the step are gone from the host",
            Self::Rebooted => "may have run before the host was rebooted",
            Self::Forgotten => "unknown: the host's memory of this run is gone",
            Self::LetGo => "unknown: its host does not answer",
            Self::Unrecorded => "ended, but how could not be recorded",
        }
    }
}
