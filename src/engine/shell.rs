//! A shell on a host, opened by a person: outside the runbook, and in the record.
//!
//! The engine says that it was opened before it opens, and how it ended; what is typed there is
//! nobody's business but the host's. Nothing new starts while the person at the keyboard is away:
//! the run is held, and stays held until they say that it goes on.

use serde::{Deserialize, Serialize};

use crate::base::{HostId, Millis, SafeText, StepId, Timestamp};

use super::because::Deed;
use super::decide::need_reason;
use super::event::{Actor, Event};
use super::job::Transcript;
use super::refusal::Refusal;
use super::state::State;

/// A shell that is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellOpened {
    /// Which one of this run, from 1.
    pub number: u32,
    /// On which host.
    pub host: HostId,
    /// From which step, if from one.
    pub step: Option<StepId>,
    /// Why.
    pub reason: SafeText,
}

impl ShellOpened {
    /// The file name of what the host printed there, without `.log`. No step's name begins so.
    pub fn transcript(&self) -> String {
        format!("@shell.{}.{}", self.number, self.host)
    }
}

/// A shell that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellEnded {
    /// Which one.
    pub number: u32,
    /// On which host.
    pub host: HostId,
    /// How.
    pub end: ShellEnd,
    /// How long it was open.
    pub lasted: Millis,
    /// What the host printed; none where it printed nothing, or where that could not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
    /// Why what it printed is not all in the transcript, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<SafeText>,
}

/// How a shell ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShellEnd {
    /// It was left, with this exit status.
    Exited {
        /// The status.
        code: u32,
    },
    /// A signal ended it.
    Signalled {
        /// Which, without `SIG`.
        signal: SafeText,
    },
    /// The person cut it off from here: what ran there may run on.
    CutOff,
    /// The link is gone: what ran there may run on.
    Lost {
        /// Why.
        why: SafeText,
    },
    /// The host gave none.
    NotOpened {
        /// Why.
        why: SafeText,
    },
}

impl ShellEnd {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Exited { code } => format!("exit status {code}"),
            Self::Signalled { signal } => format!("ended by signal {signal}"),
            Self::CutOff => "cut off; what ran there may run on".to_owned(),
            Self::Lost { why } => format!("the link was lost ({why}); what ran there may run on"),
            Self::NotOpened { why } => format!("not opened: {why}"),
        }
    }
}

/// What is known of a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellRecord {
    /// When it was opened.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// Where and why.
    pub opened: ShellOpened,
    /// How it ended; none while it is open, or where nobody saw its end.
    pub ended: Option<ShellEnded>,
    /// golive itself ended while it was open: how it ended is not known.
    pub unseen: bool,
}

impl ShellRecord {
    /// Whether it is open now.
    pub const fn is_open(&self) -> bool {
        self.ended.is_none() && !self.unseen
    }
}

impl State {
    /// The shells of this run, oldest first.
    pub fn shells(&self) -> &[ShellRecord] {
        &self.shells
    }

    /// The one that is open now.
    pub fn open_shell(&self) -> Option<&ShellRecord> {
        self.shells.iter().find(|shell| shell.is_open())
    }

    /// Why no shell can be opened on `host` now; nothing where one can.
    ///
    /// # Errors
    /// Why not.
    pub fn may_open_shell(&self, host: &HostId) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if !self.plan.hosts.contains_key(host) {
            return Err(Refusal::NoSuchHost(host.clone()));
        }
        if let Some(open) = self.open_shell() {
            return Err(Refusal::ShellOpen(open.opened.host.clone()));
        }
        if self.guard.is_some() {
            return Err(Refusal::GuardOpen);
        }
        match &self.lost {
            Some(lost) => Err(Refusal::NotRecorded { why: lost.why.clone() }),
            None => Ok(()),
        }
    }

    /// Records that a shell is to be opened, and holds what could start meanwhile.
    pub(super) fn opens_shell(
        &self,
        host: &HostId,
        step: Option<&StepId>,
        reason: &SafeText,
    ) -> Result<Vec<Event>, Refusal> {
        self.may_open_shell(host)?;
        need_reason(reason, Deed::OpenShell)?;
        if let Some(step) = step {
            self.known(step)?;
        }
        let number = u32::try_from(self.shells.len()).unwrap_or(u32::MAX).saturating_add(1);
        let (host, step, reason) = (host.clone(), step.cloned(), reason.clone());
        let why = SafeText::new(&format!("a shell on {host} was opened"));
        let mut events = vec![Event::ShellOpened(ShellOpened { number, host, step, reason })];
        if self.runs() && !self.is_held_by_person() {
            events.push(Event::Held { why });
        }
        Ok(events)
    }

    /// Records how the open one ended.
    pub(super) fn ends_shell(&self, ended: &ShellEnded) -> Result<Vec<Event>, Refusal> {
        let open = self.open_shell().map(|shell| &shell.opened);
        let same = open.is_some_and(|open| open.number == ended.number && open.host == ended.host);
        if same {
            return Ok(vec![Event::ShellEnded(Box::new(ended.clone()))]);
        }
        Err(Refusal::NotInFlight(format!("shell {} on {}", ended.number, ended.host)))
    }

    pub(super) fn apply_to_shells(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        if let Event::ShellOpened(opened) = event {
            self.shell_opened(at, by, opened);
        } else if let Event::ShellEnded(ended) = event {
            self.shell_ended(ended);
        }
    }

    fn shell_opened(&mut self, at: Timestamp, by: &Actor, opened: &ShellOpened) {
        let (by, opened) = (by.clone(), opened.clone());
        self.shells.push(ShellRecord { at, by, opened, ended: None, unseen: false });
    }

    fn shell_ended(&mut self, ended: &ShellEnded) {
        let mut open = self.shells.iter_mut().filter(|shell| shell.is_open());
        if let Some(shell) = open.find(|shell| shell.opened.number == ended.number) {
            shell.ended = Some(ended.clone());
        }
    }

    /// golive was not there: whatever shell was open ended with it, unseen.
    pub(super) fn forget_shells(&mut self) {
        for shell in self.shells.iter_mut().filter(|shell| shell.is_open()) {
            shell.unseen = true;
        }
    }
}
