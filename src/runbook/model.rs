//! The plan as written: a runbook whose every name is known and every value has its type.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{
    ChannelId, GroupId, HostId, Millis, PhaseId, ProbeId, RoleId, RunbookId, SafeText, SecretName,
    StepId, Timestamp, VarName, Zone,
};

use super::secret::{Given, SecretSource};

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
    /// Who may decide, approve and own steps.
    pub roles: BTreeMap<RoleId, Role>,
    /// Values for templates, as written.
    pub vars: BTreeMap<VarName, String>,
    /// Where secret values come from; the values themselves are nowhere in a runbook.
    pub secrets: BTreeMap<SecretName, SecretSource>,
    /// The probes, in the order of the file.
    pub probes: Vec<Probe>,
    /// The phases, in the order of the file.
    pub phases: Vec<Phase>,
    /// What surrounds the derived undo steps.
    pub rollback: Rollback,
    /// Where notices go.
    pub channels: Vec<Channel>,
    /// Where the hosts come from.
    pub inventory: InventorySource,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// One step as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// One line for people; a template.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// Where, as written: host names and `@groups`, resolved to hosts in order, no host twice.
    pub on: Vec<HostId>,
    /// Steps that have to be over before; none means "the step before in the file".
    pub needs: Option<Vec<StepId>>,
    /// Run only if this expression holds.
    pub when: Option<String>,
    /// The class the author asks for; the program may raise it.
    pub class: Option<Class>,
    /// The author's word that it changes nothing.
    pub read_only: bool,
    /// May start without a key press (class check only).
    pub auto: bool,
    /// Markdown beside the command.
    pub notes: Option<String>,
    /// The role that owns it.
    pub owner: Option<RoleId>,
    /// How long it should take.
    pub estimate: Option<Millis>,
    /// How long it may take.
    pub timeout: Option<Millis>,
    /// No output for this long raises an alarm.
    pub silence: Option<Millis>,
    /// When it counts as done.
    pub expect: Expect,
    /// Values taken from its output: name to a regular expression with one group.
    pub capture: BTreeMap<VarName, String>,
    /// Repetition by itself after a failure.
    pub retry: Option<Retry>,
    /// Polled until true before the step counts as done.
    pub verify: Option<Verify>,
    /// Probes watched after the action, before the step counts as done.
    pub soak: Option<Soak>,
    /// Its inverse.
    pub undo: UndoSource,
    /// From here on, going back needs a break-glass reason.
    pub point_of_no_return: bool,
    /// A named place to roll back to.
    pub checkpoint: Option<SafeText>,
    /// Extra environment; texts are templates.
    pub env: BTreeMap<String, Given<String>>,
    /// What it reads from standard input; a text is a template.
    pub stdin: Option<Given<String>>,
    /// Run with the host's `become` prefix.
    pub r#become: bool,
    /// The folder that its commands run in; a template.
    pub dir: Option<String>,
    /// The shell that runs its commands, if not `sh`.
    pub shell: Option<String>,
    /// Running it twice is the same as running it once.
    pub idempotent: bool,
    /// Its commands outlive the link to their host. `false` is for tiny ones.
    pub detached: bool,
    /// It ends with a reboot of its hosts.
    pub reboot: bool,
    /// May the operator skip it?
    pub skippable: bool,
    /// The stage of a rollback, for steps of `rollback.before` and `rollback.after`.
    pub stage: Option<UndoStage>,
    /// The value that it is for, if it is one of the steps that a `for_each` makes.
    pub each: Option<Each>,
}

/// One of the steps that a `for_each` makes: the same step with its own value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Each {
    /// The step as written: `shift` of `shift.1`.
    pub of: StepId,
    /// Its place in the list of values, from 1.
    pub number: usize,
    /// The variable.
    pub name: VarName,
    /// Its value in this step.
    pub value: String,
}

/// What a step does. Commands are templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A shell command on each target host.
    Run(String),
    /// A local file, sent as the command; the path as written.
    Script(String),
    /// A shell command on the operator's machine.
    Local(String),
    /// A person does it and signs off.
    Manual(Manual),
    /// A go / no-go decision.
    Gate(Gate),
    /// Wait while probes stay healthy.
    Soak(Soak),
    /// Tell people.
    Notify(Notify),
}

/// Work for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manual {
    /// Instructions; a template in the runbook, text in the plan.
    pub text: String,
    /// Items to tick before the sign-off.
    pub checklist: Vec<SafeText>,
}

/// A go / no-go decision and its acceptance criteria.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Probes that have to be healthy.
    pub healthy: Vec<ProbeId>,
    /// The forecast end has to leave at least this much of the window.
    pub margin: Option<Millis>,
    /// Items to tick before GO.
    pub checklist: Vec<SafeText>,
}

/// Watching probes for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soak {
    /// For how long, without a breach.
    pub r#for: Millis,
    /// Which probes; never empty.
    pub probes: Vec<ProbeId>,
    /// What a breach does.
    pub breach: Breach,
}

/// What a breach of a soak does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breach {
    /// The soak stops and the operator chooses.
    #[default]
    Hold,
    /// The same, and rolling back is proposed.
    Rollback,
    /// The step fails.
    Fail,
}

/// A message to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Which channels; never empty.
    pub channels: Vec<ChannelId>,
    /// What; a template in the runbook, text in the plan.
    pub text: String,
}

/// When an attempt counts as done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// Accepted exit statuses.
    pub exit: BTreeSet<i32>,
    /// Exit statuses that are accepted and raise a caution.
    pub warn: BTreeSet<i32>,
    /// A regular expression that standard output has to match.
    pub stdout: Option<String>,
    /// A regular expression that standard error has to match.
    pub stderr: Option<String>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { exit: BTreeSet::from([0]), warn: BTreeSet::new(), stdout: None, stderr: None }
    }
}

/// Repetition by itself after a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 2.
    pub attempts: u32,
    /// Pause between them.
    pub delay: Millis,
}

/// A condition that is polled until it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// What is asked.
    pub check: Check,
    /// How often.
    pub every: Millis,
    /// For how long at most.
    pub within: Millis,
}

/// What a verification asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A command on the step's hosts (on this machine for a local step) that has to exit with 0.
    Run(String),
    /// A probe that has to be healthy.
    Probe(ProbeId),
}

/// The inverse of a step, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoSource {
    /// Nothing is written: fine for a step that changes nothing.
    None,
    /// How to undo it.
    Undo(Box<Undo>),
    /// It cannot be undone, and why.
    Irreversible(SafeText),
}

/// How to undo a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// A `Run`, `Script`, `Local` or `Manual`.
    pub action: Action,
    /// Where, if not on the step's own hosts.
    pub on: Option<Vec<HostId>>,
    /// How long it should take.
    pub estimate: Option<Millis>,
    /// How long it may take.
    pub timeout: Option<Millis>,
    /// Polled until true before the step counts as undone.
    pub verify: Option<Verify>,
    /// Its stage of the rollback.
    pub stage: Option<UndoStage>,
}

/// The five stages of a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoStage {
    /// Stop the new and restore the old environment.
    StopNew,
    /// Restore old code and configuration.
    RestoreCode,
    /// Roll data back to the backup point.
    RestoreData,
    /// Verify the old system.
    Verify,
    /// Notify everyone and record the reasons.
    Notify,
}

/// What surrounds the derived undo steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
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

/// Where notices go: a command on the operator's machine that reads the text from its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// The command; the notice comes on its standard input.
    pub command: String,
    /// Which moments it is told of by itself.
    pub events: BTreeSet<NoticeEvent>,
    /// Is it used in rehearsals and drills too?
    pub drills: bool,
}

/// A moment that channels are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeEvent {
    /// The run starts.
    Start,
    /// A phase is over.
    Phase,
    /// A gate was decided.
    Gate,
    /// A step failed.
    Failed,
    /// A rollback starts or ends.
    Rollback,
    /// The run is over.
    End,
}

/// A health panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its name.
    pub id: ProbeId,
    /// One line for people.
    pub title: SafeText,
    /// How often.
    pub every: Millis,
    /// How long one reading may take.
    pub timeout: Millis,
    /// Where the value comes from.
    pub source: Source,
    /// Unit of the value.
    pub unit: SafeText,
    /// The value is degraded when this holds.
    pub degraded: Option<Threshold>,
    /// The value is failed when this holds.
    pub failed: Option<Threshold>,
    /// How long a worse level has to hold before it counts.
    pub r#for: Millis,
    /// A reading older than this is `unknown`.
    pub stale: Millis,
    /// Grouping on screen.
    pub panel: SafeText,
}

impl Eq for Probe {}

/// Where a reading comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An HTTP GET.
    Http {
        /// The address.
        url: String,
        /// The status that counts as healthy.
        expect_status: u16,
        /// What is measured.
        value: Extract,
    },
    /// A TCP connection: the value is the time to connect.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A command on a host that has to exit with 0.
    Run {
        /// The command.
        run: String,
        /// The host.
        on: HostId,
        /// What is measured.
        value: Extract,
    },
}

/// What is taken from an answer as the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extract {
    /// How long the answer took, in milliseconds.
    Latency,
    /// The HTTP status or exit status.
    Status,
    /// A number in a JSON answer, by JSON pointer.
    Json(String),
    /// The first group of a regular expression, read as a number.
    Regex(String),
}

/// A comparison with a number: `> 250`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub limit: f64,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `==`
    #[serde(rename = "==")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

impl Threshold {
    /// Whether the comparison holds for `value`.
    #[expect(clippy::float_cmp, reason = "the author asked for exact equality by writing `==`")]
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Greater => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Equal => value == self.limit,
            Comparison::NotEqual => value != self.limit,
        }
    }
}
