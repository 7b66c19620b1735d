//! One step as written: what it does, where, when it counts as done, and its inverse.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{
    ChannelId, HostId, Millis, ProbeId, RoleId, SafeText, StepId, StreamId, VarName,
};

use super::super::secret::Given;
use super::{Builtin, Class, Http, Reconcile};

/// One step as written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the runbook")]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// One line for people; a template.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// Where, as written: host names and `@groups`, resolved to hosts in order, no host twice.
    pub on: Vec<HostId>,
    /// The stream it belongs to; none: it is common to all of them.
    pub stream: Option<StreamId>,
    /// A few hosts first, and the others in waves.
    pub batch: Option<Batch>,
    /// Steps that have to be over before; none means "the step before in the same stream".
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
    /// How far it says that it has come: a regular expression with one group, a percentage, or
    /// two, so many of so many.
    pub progress: Option<String>,
    /// Repetition by itself after a failure.
    pub retry: Option<Retry>,
    /// Polled until true before the step counts as done.
    pub verify: Option<Verify>,
    /// Probes watched after the action, before the step counts as done.
    pub soak: Option<Soak<String>>,
    /// Its inverse.
    pub undo: UndoSource,
    /// From here on, going back needs a break-glass reason.
    pub point_of_no_return: bool,
    /// A named place to roll back to: the state as it is once this step is over.
    pub checkpoint: Option<SafeText>,
    /// Once it is over, the right to roll back has ended.
    pub commit: bool,
    /// A second person has to agree before it starts.
    pub four_eyes: bool,
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
    /// The step that showed, without changing anything, what this one is going to do.
    pub dry_run: Option<StepId>,
    /// The parameters of the snippet that it comes from.
    pub with: BTreeMap<VarName, String>,
}

/// Hosts in waves: the next begins only once the one before is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many hosts each wave has; the last holds for all that are left. Never empty.
    pub sizes: Vec<BatchSize>,
    /// How long to wait between two waves.
    pub pause: Pause,
    /// So many hosts may fail, over all waves, and the next still begins.
    pub max_failures: usize,
}

/// How many hosts a wave has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// So many.
    Hosts(usize),
    /// So many of a hundred, rounded up.
    Percent(usize),
}

/// What is between two waves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Some time, or none.
    Time(Millis),
    /// A hold: a person looks, and goes on.
    Ask,
}

impl Step {
    /// Every comparison that it makes, with the key that it is written under.
    pub(in crate::runbook) fn reconciles(&self) -> Vec<(&'static str, &Reconcile<String>)> {
        let (own, alone) = match &self.action {
            Action::Builtin(builtin) => (builtin.reconcile(), None),
            Action::Soak(soak) => (None, Some(soak)),
            Action::Run(_)
            | Action::Script(_)
            | Action::Local(_)
            | Action::Manual(_)
            | Action::Gate(_)
            | Action::Notify(_) => (None, None),
        };
        let own = own.map(|reconcile| ("reconcile", reconcile));
        let soaks = alone.into_iter().chain(&self.soak);
        let parallel = soaks.filter_map(|soak| soak.parallel.as_ref());
        own.into_iter().chain(parallel.map(|it| ("soak", &it.reconcile))).collect()
    }

    /// Every request over HTTP that it makes, with the part of the step that makes it.
    pub(in crate::runbook) fn http(&self) -> Vec<(&'static str, &Http<String>)> {
        fn of(action: &Action) -> Option<&Http<String>> {
            match action {
                Action::Builtin(builtin) => builtin.http(),
                Action::Run(_)
                | Action::Script(_)
                | Action::Local(_)
                | Action::Manual(_)
                | Action::Gate(_)
                | Action::Soak(_)
                | Action::Notify(_) => None,
            }
        }
        let undo = match &self.undo {
            UndoSource::Undo(undo) => Some(undo),
            UndoSource::None | UndoSource::Irreversible(_) => None,
        };
        let action = of(&self.action).map(|http| ("http", http));
        let verify = self.verify.as_ref().and_then(Verify::http).map(|http| ("verify", http));
        let back = undo.and_then(|undo| of(&undo.action)).map(|http| ("undo", http));
        let checked = undo.and_then(|undo| undo.verify.as_ref()).and_then(Verify::http);
        let checked = checked.map(|http| ("undo", http));
        [action, verify, back, checked].into_iter().flatten().collect()
    }

    /// Every request over HTTP that it makes, to be changed.
    pub(in crate::runbook) fn http_mut(&mut self) -> Vec<&mut Http<String>> {
        fn of(action: &mut Action) -> Option<&mut Http<String>> {
            match action {
                Action::Builtin(builtin) => match builtin.as_mut() {
                    Builtin::Http(http) => Some(http),
                    Builtin::Upload(_) | Builtin::Download(_) | Builtin::Reconcile(_) => None,
                },
                Action::Run(_)
                | Action::Script(_)
                | Action::Local(_)
                | Action::Manual(_)
                | Action::Gate(_)
                | Action::Soak(_)
                | Action::Notify(_) => None,
            }
        }
        fn checked(verify: &mut Verify) -> Option<&mut Http<String>> {
            match &mut verify.check {
                Check::Http(http) => Some(http),
                Check::Run(_) | Check::Probe(_) => None,
            }
        }
        let (undo, undone) = match &mut self.undo {
            UndoSource::Undo(undo) => (Some(&mut undo.action), undo.verify.as_mut()),
            UndoSource::None | UndoSource::Irreversible(_) => (None, None),
        };
        let own = std::iter::once(&mut self.action).chain(undo).filter_map(of);
        own.chain(self.verify.as_mut().into_iter().chain(undone).filter_map(checked)).collect()
    }
}

impl Verify {
    /// The request that it makes, if it makes one.
    pub fn http(&self) -> Option<&Http<String>> {
        match &self.check {
            Check::Http(http) => Some(http),
            Check::Run(_) | Check::Probe(_) => None,
        }
    }
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
    /// golive does it itself.
    Builtin(Box<Builtin<String>>),
    /// A person does it and signs off.
    Manual(Manual),
    /// A go / no-go decision.
    Gate(Gate),
    /// Wait while probes stay healthy.
    Soak(Soak<String>),
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
    /// Whether the sign-off has to say where the evidence is, or what it was.
    #[serde(default)]
    pub evidence: bool,
}

/// A go / no-go decision and its acceptance criteria.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Roles that are asked, in this order; none: one person decides alone.
    #[serde(default)]
    pub poll: Vec<RoleId>,
    /// How many of them have to say GO.
    #[serde(default)]
    pub require: Require,
    /// Probes that have to be healthy.
    pub healthy: Vec<ProbeId>,
    /// The forecast end has to leave at least this much of the window.
    pub margin: Option<Millis>,
    /// A rollback begun now has to find what it needs.
    #[serde(default)]
    pub rollback_ready: bool,
    /// Items to tick before GO.
    pub checklist: Vec<SafeText>,
}

/// How many of the roles that a gate asks have to say GO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// Every one: a single NO-GO stops it.
    #[default]
    All,
    /// So many of them.
    AtLeast(usize),
}

impl Require {
    /// How many of `asked` have to say GO.
    pub const fn of(self, asked: usize) -> usize {
        match self {
            Self::All => asked,
            Self::AtLeast(number) => number,
        }
    }
}

/// Watching probes for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soak<T> {
    /// For how long, without a breach.
    pub r#for: Millis,
    /// Which probes; empty only where two systems are compared.
    pub probes: Vec<ProbeId>,
    /// What a breach does.
    pub breach: Breach,
    /// Two systems that are compared while it lasts.
    pub parallel: Option<Box<Parallel<T>>>,
}

/// Two systems that are compared on a schedule: at the beginning of a soak, then every so often,
/// and at its end. A difference, or nothing to compare, is a breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parallel<T> {
    /// From the beginning of a comparison to the beginning of the next.
    pub every: Millis,
    /// What is compared.
    pub reconcile: Reconcile<T>,
}

impl<T> Soak<T> {
    /// The same with `change` done to every text.
    ///
    /// # Errors
    /// What `change` says.
    pub fn try_map<U, E>(&self, change: &mut dyn FnMut(&T) -> Result<U, E>) -> Result<Soak<U>, E> {
        let parallel = match &self.parallel {
            None => None,
            Some(parallel) => Some(Box::new(Parallel {
                every: parallel.every,
                reconcile: parallel.reconcile.try_map(change)?,
            })),
        };
        Ok(Soak { r#for: self.r#for, probes: self.probes.clone(), breach: self.breach, parallel })
    }
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
    /// A request from this machine that has to be answered as it says.
    Http(Box<Http<String>>),
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
    /// A `Run`, `Script`, `Local`, `Builtin` or `Manual`.
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
    /// What has to hold for it to work: looked at while there is time.
    pub ready: Option<Ready>,
}

/// What has to hold for an undo to work, asked again and again while nothing is undone yet: that the
/// backup is there and is the one that was made, that the old release is installed still.
///
/// It has to read only. It runs where a verification of the undo would, ends with its link, and
/// takes no place from a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// A command that has to exit with 0; a template.
    pub run: String,
    /// What its standard output has to match as well.
    pub stdout: Option<String>,
    /// How often.
    pub every: Millis,
    /// How long it may take; what takes longer is not known.
    pub timeout: Millis,
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
