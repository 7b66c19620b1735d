//! What has to be done outside, as values. The session performs them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{
    ChannelId, Digest, HostId, Millis, SafeText, SecretName, SessionId, Timestamp, VarName,
};
use crate::runbook::{Builtin, Expect, Given};

use super::job::{Job, Key, Place};
use super::notice::Mark;
use super::sight::Begun;

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run a command in these places and report every end.
    Run(Box<Run>),
    /// Look for a durable command that was started before, and report its end: nothing is
    /// started. One that has not begun is made unable to.
    Follow(Box<Run>),
    /// Look no further for a job; its end has been decided.
    LetGo(Job),
    /// Stop what runs of this attempt; its ends are reported as usual.
    Stop(Key),
    /// Tell people; the end is reported for [`Place::Here`].
    Notify {
        /// Whose end it is; none for notices by rule, which report nothing.
        key: Option<Key>,
        /// The channels.
        channels: Vec<ChannelId>,
        /// The text.
        text: SafeText,
        /// What belongs to it.
        mark: Box<Mark>,
    },
    /// Hold a host to this key from now on, and open its link.
    HoldToKey {
        /// Which host.
        host: HostId,
        /// Algorithm and fingerprint.
        key: SafeText,
    },
    /// Look at once whether the links still live.
    ProbeLinks,
    /// Send `Command::Wake` at this time or later.
    WakeAt(Timestamp),
}

impl Effect {
    /// The command that it starts, if it starts one.
    pub const fn started(&self) -> Option<&Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Follow(_)
            | Self::LetGo(_)
            | Self::Stop(_)
            | Self::Notify { .. }
            | Self::HoldToKey { .. }
            | Self::ProbeLinks
            | Self::WakeAt(_) => None,
        }
    }
}

/// A command and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The attempt.
    pub key: Key,
    /// Where.
    pub places: Vec<Place>,
    /// The command, without the `become` prefix.
    pub line: String,
    /// Its environment.
    pub env: BTreeMap<String, Given<String>>,
    /// What it reads.
    pub stdin: Option<Given<String>>,
    /// Put the host's `become` prefix before it.
    pub r#become: bool,
    /// Report silence after this long, once per silence.
    pub silence: Option<Millis>,
    /// When an end counts as expected.
    pub expect: Expect,
    /// What to take from the output: name to a regular expression with one group.
    pub capture: BTreeMap<VarName, String>,
    /// What to read from the output of how far it has come: one group is a percentage, two are n
    /// of m.
    pub progress: Option<String>,
    /// Run it again and again until it exits with 0; the last end is reported.
    pub poll: Option<Poll>,
    /// Its hosts have to prove first that they are the machines that are meant.
    pub prove: bool,
    /// What makes it outlive its link on hosts; none for what ends with it.
    pub durable: Option<Durable>,
    /// What golive does itself instead of running [`Run::line`], which then says it in words.
    pub builtin: Option<Builtin<String>>,
    /// The name of the run on hosts, for the names of temporary files there.
    pub session: Option<SessionId>,
}

/// What belongs to a command that runs on where nobody watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// The name of the run on the host.
    pub session: SessionId,
    /// Earlier attempts whose outcome nobody knows: each has to be over on that host, or be made
    /// unable to begin there, before this one starts.
    pub after: BTreeMap<Place, Vec<Key>>,
    /// The records that hold those attempts, where they were heard of, each once, the earliest
    /// attempt's first: others cannot answer for them. Not where nobody has to ask, because it is
    /// known that those records are gone.
    pub after_in: BTreeMap<Place, Vec<SafeText>>,
    /// Where it was heard to begin: for one that is looked for again.
    pub begun: BTreeMap<Place, Begun>,
    /// The records that were heard of there before it started: others cannot say that it never ran.
    pub records: BTreeMap<Place, SafeText>,
    /// It ends with a reboot of its host.
    pub reboot: bool,
    /// It is being stopped: that is asked of its hosts first.
    pub stop: bool,
}

/// Repetition until true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// How often.
    pub every: Millis,
    /// For how long at most.
    pub within: Millis,
}

impl Run {
    /// The secrets that it is given, each once.
    pub fn secrets(&self) -> BTreeSet<&SecretName> {
        let given = self.env.values().chain(&self.stdin).filter_map(Given::secret);
        given.chain(self.builtin.iter().flat_map(Builtin::secrets)).collect()
    }

    /// Whether it is given any secret: then nothing of what is sent may lie on a disk.
    pub fn has_secrets(&self) -> bool {
        !self.secrets().is_empty()
    }

    /// Digest of what is sent: the command, the environment and the input. Of a secret its name,
    /// never its value: a digest of a short value is as good as the value.
    pub fn payload(&self) -> Digest {
        let mut hasher = crate::base::Hasher::default();
        let mut field = |text: &str| {
            hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        let words = |given: &Given<String>| match given {
            Given::Text(text) => vec![text.clone()],
            // No text that can be sent holds a NUL.
            Given::Secret(name) => vec!["\0secret".to_owned(), name.as_str().to_owned()],
        };
        field(&self.line);
        for (name, value) in &self.env {
            field(name);
            for word in words(value) {
                field(&word);
            }
        }
        field(if self.r#become { "become" } else { "" });
        let nothing = || vec![String::new()];
        for word in self.stdin.as_ref().map_or_else(nothing, words) {
            field(&word);
        }
        hasher.digest()
    }
}
