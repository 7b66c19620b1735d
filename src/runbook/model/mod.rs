//! The plan as written: a runbook whose every name is known and every value has its type.

mod builtin;
mod channel;
mod objective;
mod probe;
mod reach;
mod reconcile;
mod step;

pub use builtin::*;
pub use channel::*;
pub use objective::*;
pub use probe::*;
pub use reach::*;
pub use reconcile::*;
pub use step::*;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{
    GroupId, HostId, Millis, PhaseId, PlaybookId, ProbeId, RoleId, RunbookId, SafeText, SecretName,
    StepId, Timestamp, VarName, Zone,
};

use super::secret::SecretSource;

/// A runbook that passed the loader. Commands are still templates; see `plan` for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runbook {
    /// Its name.
    pub id: RunbookId,
    /// One line for people.
    pub title: SafeText,
    /// How the new system takes over.
    pub strategy: Strategy,
    /// The team that owns it.
    pub owner: Option<SafeText>,
    /// The change ticket.
    pub change: Option<SafeText>,
    /// Prose, Markdown.
    pub summary: String,
    /// The change window.
    pub window: Option<Window>,
    /// How soon the service is back, and how much data may be lost.
    pub objectives: Objectives,
    /// Who may decide, approve and own steps.
    pub roles: BTreeMap<RoleId, Role>,
    /// Values for templates, as written.
    pub vars: BTreeMap<VarName, String>,
    /// Values that are given when a run starts.
    pub asked: BTreeMap<VarName, Asked>,
    /// Where secret values come from; the values themselves are nowhere in a runbook.
    pub secrets: BTreeMap<SecretName, SecretSource>,
    /// The probes, in the order of the file.
    pub probes: Vec<Probe>,
    /// The phases, in the order of the file.
    pub phases: Vec<Phase>,
    /// What surrounds the derived undo steps.
    pub rollback: Rollback,
    /// Emergency procedures, in the order of the file.
    pub playbooks: Vec<Playbook>,
    /// Where notices go.
    pub channels: Vec<Channel>,
    /// Where the hosts come from.
    pub inventory: InventorySource,
    /// What on golive's own machine may be asked: `host` or `host:port`.
    pub allow: Vec<String>,
}

/// A variable whose value is given when a run starts: by `--var`, or typed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub prompt: SafeText,
    /// A regular expression that the whole value has to match.
    pub pattern: Option<String>,
}

impl Asked {
    /// What stands in the place of the value of `name` until it is given.
    pub fn stands_for(name: &VarName) -> String {
        format!("‹asked at start: {name}›")
    }

    /// Why `value` will not do; nothing if it does.
    pub fn refuses(&self, value: &str) -> Option<String> {
        if value.trim().is_empty() {
            return Some("it is empty".to_owned());
        }
        if value.contains(char::is_control) {
            return Some("it is more than one line of text".to_owned());
        }
        let pattern = self.pattern.as_deref()?;
        let whole = regex::Regex::new(&format!("^(?:{pattern})$")).ok()?;
        (!whole.is_match(value)).then(|| format!("it does not match /{pattern}/"))
    }
}

/// Where the hosts of a runbook come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventorySource {
    /// Written in the runbook itself.
    Inline(Inventory),
    /// A file beside the runbook, by its path as written.
    File(String),
}

/// The hosts, their groups, and the environment they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// `production`, `staging`, `practice` or any other word; none if the file names none.
    pub environment: Option<SafeText>,
    /// The hosts by name.
    pub hosts: BTreeMap<HostId, Host>,
    /// The groups by name, nested groups already resolved to hosts, in the order written.
    pub groups: BTreeMap<GroupId, Vec<HostId>>,
}

/// A machine that steps run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the inventory.
    pub id: HostId,
    /// Address or alias of `~/.ssh/config`.
    pub address: String,
    /// TCP port, if not SSH's own or the alias's.
    pub port: Option<u16>,
    /// Login name, if not the alias's.
    pub user: Option<String>,
    /// Jump hosts, outermost first.
    pub jump: Vec<String>,
    /// A key file that comes before the agent.
    pub identity: Option<String>,
    /// The pinned fingerprint of the host key, `SHA256:…`.
    pub hostkey: Option<String>,
    /// What it has to answer before anything is changed on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<HostProof>,
    /// Prefix for steps that say `become = true`; `sudo -n` by default.
    pub r#become: String,
    /// Sessions on this host at the same time, 1 to 64.
    pub max_concurrent: u8,
}

/// How a host proves that it is the machine that is meant: a question, and the one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProof {
    /// A command for `sh` that only reads: `cat /etc/machine-id`.
    pub run: String,
    /// What it has to print, blanks around it aside.
    pub equals: String,
}

/// How the new system takes over from the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The old stops, the new starts.
    Direct,
    /// Both run; results are compared.
    Parallel,
    /// One part after the other.
    Phased,
    /// A small share of traffic first.
    Canary,
    /// Two full sets; traffic moves.
    BlueGreen,
    /// The standby takes over.
    Failover,
}

/// The change window, as instants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it opens.
    pub opens: Timestamp,
    /// Everything, a rollback included, has to end by then.
    pub closes: Timestamp,
    /// The site's zone.
    pub zone: Zone,
    /// Amber when the forecast end comes this near to `closes`.
    pub warn: Millis,
    /// Service-protection reserve after `closes`.
    pub protect: Millis,
}

impl Window {
    /// The same window, opening at another time: that of a rehearsal opens when it begins.
    #[must_use]
    pub fn opening_at(&self, opens: Timestamp) -> Self {
        let closes = opens.after(self.closes.since(self.opens));
        Self { opens, closes, zone: self.zone.clone(), ..*self }
    }
}

/// A role and the people in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Names of people.
    pub people: Vec<SafeText>,
    /// How to reach them.
    pub contact: Option<SafeText>,
    /// Fingerprints of the SSH keys that they sign with, `SHA256:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// The stage of a go-live that a phase belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Pre-go-live assessment.
    Assess,
    /// Environment preparation.
    Prepare,
    /// Data migration.
    Migrate,
    /// Deployment.
    Deploy,
    /// User training.
    Train,
    /// Transition of traffic.
    Transition,
    /// Post-go-live monitoring.
    Monitor,
    /// Continuous optimisation.
    Improve,
}

/// A group of steps with a common purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub id: PhaseId,
    /// One line for people.
    pub title: SafeText,
    /// Its stage.
    pub stage: Option<Stage>,
    /// Its steps, in the order of the file.
    pub steps: Vec<Step>,
}

/// How hard a step is to confirm. Ordered: check, change, critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Reads only: `y` runs it.
    Check,
    /// Changes, and has an undo: the full dialog.
    Change,
    /// No undo, loses data, or a point of no return: two digits.
    Critical,
}
/// What surrounds the derived undo steps, and when to think of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    /// What proposes a rollback.
    pub triggers: Vec<Trigger>,
    /// After which step the way back is planned.
    pub planned: Option<PlannedReturn>,
    /// What happens to steps in flight when a rollback begins.
    pub running: InFlight,
    /// Before the undo steps.
    pub before: Vec<Step>,
    /// After the undo steps.
    pub after: Vec<Step>,
}

/// What happens to steps in flight when a rollback begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InFlight {
    /// They are stopped, then undone.
    #[default]
    Cancel,
    /// They run to their end, then are undone.
    Finish,
}

/// A way back that is part of the plan: a drill, or a failover that lasts for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedReturn {
    /// The step that says until when: once it is over, the way back is next.
    pub after: StepId,
    /// Whether the program takes it by itself then; else it proposes it.
    pub auto: bool,
}

/// What proposes a rollback: a probe that has not been well for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The probe.
    pub probe: ProbeId,
    /// How it has to be: `degraded` is met by `failed` too.
    pub state: Ailing,
    /// For how long.
    pub r#for: Millis,
    /// Whether the program rolls back by itself then. Never past a point of no return, never
    /// while a person holds the run.
    pub auto: bool,
}

/// A health that a trigger waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ailing {
    /// Degraded, or failed.
    Degraded,
    /// Failed.
    Failed,
    /// Unknown: no reading.
    Unknown,
}

impl Ailing {
    /// The word of the runbook.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// An emergency procedure: at hand at any time, whatever the run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playbook {
    /// Its name.
    pub id: PlaybookId,
    /// One line for people.
    pub title: SafeText,
    /// The probe whose alarm proposes it.
    pub on_alarm: Option<ProbeId>,
    /// Its steps, one after the other.
    pub steps: Vec<Step>,
}
