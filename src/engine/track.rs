//! What became of one step: its attempts, where they ran, and how they stand.

use std::collections::BTreeMap;

use crate::base::{SafeText, Timestamp};

use super::event::Actor;
use super::job::{End, Job, Key, Part, Place, Transcript, Verdict};
use super::sight::{OutOfSight, Seen};

/// Where a step, or its undo, stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Not started.
    #[default]
    Pending,
    /// Sent, and not known to have ended.
    Running,
    /// In a person's hands: a manual step or a gate is open.
    Waiting,
    /// Its probes are being watched.
    Soaking {
        /// Until when.
        until: Timestamp,
    },
    /// Its result is being checked.
    Verifying,
    /// Done as expected.
    Succeeded,
    /// Went wrong.
    Failed,
    /// Ran past its limit and was stopped.
    TimedOut,
    /// It may have run: nobody knows.
    Unknown,
    /// Stopped on demand, and gone.
    Cancelled,
    /// Passed over, with a reason.
    Skipped,
    /// A person did it.
    DoneByHand,
    /// It failed, and that was accepted with a reason.
    FailureAccepted,
}

impl Status {
    /// Over for good: what needs it may start.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::DoneByHand | Self::FailureAccepted)
    }

    /// Started and not settled.
    pub const fn is_in_flight(self) -> bool {
        matches!(self, Self::Running | Self::Waiting | Self::Soaking { .. } | Self::Verifying)
    }

    /// Somebody has to choose how to go on.
    pub const fn wants_choice(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Unknown | Self::Cancelled)
    }

    /// The word of the field for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Soaking { .. } => "soaking",
            Self::Verifying => "verifying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::DoneByHand => "done_by_hand",
            Self::FailureAccepted => "failure_accepted",
        }
    }
}

/// The record of a step's action, or of its undo. Every attempt is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Where it stands.
    pub status: Status,
    /// All attempts, verifications included, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it first started.
    pub started: Option<Timestamp>,
    /// When it was settled; none again while it is repeated.
    pub settled: Option<Timestamp>,
    /// When a failed attempt will be repeated by itself.
    pub retry_at: Option<Timestamp>,
    /// Why it was skipped, done by hand or accepted; the words of a sign-off.
    pub reason: Option<SafeText>,
    /// That a person did it, as they say, where its verification is to prove it.
    pub claim: Option<Claim>,
    /// Attempts before this one were before a return to a checkpoint, or belong to an earlier
    /// opening of a playbook: they are told, and count no more.
    pub since: usize,
}

/// A person's word that they did something by hand, before it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When they said so.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// How, and how they checked it.
    pub reason: SafeText,
    /// Whether golive has done nothing of it since: a verification that holds proves their word.
    pub stands: bool,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub key: Key,
    /// When it started.
    pub started: Timestamp,
    /// Who started it.
    pub by: Actor,
    /// Its places and how they ended; empty for a person's work and for watching probes.
    pub places: BTreeMap<Place, Option<PlaceEnd>>,
    /// What is known of it in each place where anything is, beyond that it was started.
    pub seen: BTreeMap<Place, Seen>,
    /// Whether it is being stopped, and why.
    pub stopping: Option<Stopping>,
    /// The wave under way, or the last one: all of its places, where it has no others.
    pub wave: Wave,
    /// The waves that have not started, in order.
    pub to_come: Vec<Vec<Place>>,
}

/// Some places of an attempt, which start together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its number in the attempt, from 1.
    pub number: usize,
    /// When it started.
    pub started: Timestamp,
    /// Its places.
    pub places: Vec<Place>,
    /// When the next may start: it is over and well.
    pub next_at: Option<Timestamp>,
}

/// How an attempt ended in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceEnd {
    /// When it was reported.
    pub at: Timestamp,
    /// How.
    pub end: End,
    /// What it printed.
    pub transcript: Option<Transcript>,
}

impl PlaceEnd {
    /// Whether it is known that nothing was sent, or that nothing came of it.
    pub fn never_started(&self) -> bool {
        match &self.end {
            End::NotStarted { .. } => true,
            End::Done(done) => done.untouched,
            End::Exited { .. }
            | End::Signalled { .. }
            | End::Stopped { .. }
            | End::Rebooted { .. }
            | End::Unknown { .. } => false,
        }
    }
}

/// Why an attempt is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// Somebody asked.
    Asked,
    /// It ran past its limit.
    TimeLimit,
}

impl Attempt {
    /// Whether every place has ended.
    pub fn has_ended(&self) -> bool {
        self.places.values().all(Option::is_some)
    }

    /// How many waves it has, started or not.
    pub const fn waves(&self) -> usize {
        self.wave.number + self.to_come.len()
    }

    /// The places where it has not ended, as far as is known.
    pub fn open_places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|(_, end)| end.is_none()).map(|(place, _)| place)
    }

    /// Its jobs that have not ended, as far as is known.
    pub fn open_jobs(&self) -> impl Iterator<Item = Job> {
        self.open_places().map(|place| Job { key: self.key.clone(), place: place.clone() })
    }

    /// The places where it runs as far as is known, and nobody can watch it now.
    pub fn out_of_sight(&self) -> impl Iterator<Item = (&Place, &OutOfSight)> {
        self.open_places().filter_map(|place| Some((place, self.seen.get(place)?.lost.as_ref()?)))
    }
}

impl Track {
    /// The attempts that count, oldest first.
    pub fn present(&self) -> &[Attempt] {
        self.attempts.get(self.since..).unwrap_or_default()
    }

    /// As if nothing had been done; the attempts so far stay, and count no more.
    pub(super) fn begin_anew(&mut self) {
        let attempts = std::mem::take(&mut self.attempts);
        *self = Self { since: attempts.len(), attempts, ..Self::default() };
    }

    /// The last attempt at the thing itself, not at its verification.
    pub fn last_action(&self) -> Option<&Attempt> {
        let is_action = |a: &&Attempt| matches!(a.key.part, Part::Action | Part::Undo);
        self.present().iter().rev().find(is_action)
    }

    /// The last attempt of any part.
    pub fn last(&self) -> Option<&Attempt> {
        self.present().last()
    }

    /// The number of the next attempt of `part`.
    pub fn next_attempt(&self, part: Part) -> u32 {
        let made = self.attempts.iter().filter(|a| a.key.part == part).map(|a| a.key.attempt);
        made.max().unwrap_or(0).saturating_add(1)
    }

    /// How the thing itself last ended in each place, over all attempts that count.
    pub fn latest_ends(&self) -> BTreeMap<&Place, Option<&PlaceEnd>> {
        let is_action = |a: &&Attempt| matches!(a.key.part, Part::Action | Part::Undo);
        let places = self.present().iter().filter(is_action).flat_map(|a| &a.places);
        places.map(|(place, end)| (place, end.as_ref())).collect()
    }

    /// Places where the thing did not end well.
    pub fn failed_places(&self) -> Vec<Place> {
        let bad =
            |end: Option<&PlaceEnd>| end.is_none_or(|end| end.end.verdict() != Verdict::Succeeded);
        let ends = self.latest_ends().into_iter();
        ends.filter(|(_, end)| bad(*end)).map(|(place, _)| place.clone()).collect()
    }

    /// Whether a person did it, or says so: nobody wrote down where.
    pub fn is_by_hand(&self) -> bool {
        self.status == Status::DoneByHand || self.claim.is_some()
    }

    /// The word that a verification which holds now would prove.
    pub fn unproved(&self) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.stands)
    }

    /// Whether anything may have been done: an attempt that is not known never to have started.
    pub fn may_have_run(&self) -> bool {
        let untouched = |end: &Option<PlaceEnd>| end.as_ref().is_some_and(PlaceEnd::never_started);
        self.is_by_hand()
            || self.present().iter().any(|a| {
                matches!(a.key.part, Part::Action | Part::Undo)
                    && (a.places.is_empty() || !a.places.values().all(untouched))
            })
    }
}
