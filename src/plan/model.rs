//! What would happen: a runbook with its hosts, its variables and its order resolved.

use std::collections::BTreeMap;

use crate::base::{
    Digest, HostId, Millis, PhaseId, PlaybookId, ProbeId, RoleId, RunbookId, SafeText, SecretName,
    StepId, StreamId, VarName, Zone,
};
use crate::runbook::{
    Asked, Builtin, Channel, Class, Each, Expect, Gate, Given, Host, Http, InFlight, Manual,
    Objectives, Parallel, PlannedReturn, Probe, Retry, Role, SecretSource, Soak, Stage, Strategy,
    Trigger, UndoStage, Window,
};

use super::compare::Later;
use super::network::Lazy;
use super::text::Text;

/// A runbook, resolved. The same inputs always give the same plan; [`Plan::digest`] names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Digest of everything the plan was made from: runbook, inventory, scripts, variables.
    pub digest: Digest,
    /// The runbook's name.
    pub id: RunbookId,
    /// The runbook's title.
    pub title: SafeText,
    /// How the new system takes over.
    pub strategy: Strategy,
    /// The team that owns it.
    pub owner: Option<SafeText>,
    /// The change ticket.
    pub change: Option<SafeText>,
    /// Prose, Markdown.
    pub summary: String,
    /// The environment that the inventory names.
    pub environment: Option<SafeText>,
    /// The change window.
    pub window: Option<Window>,
    /// How soon the service is back, and how much data may be lost.
    pub objectives: Objectives,
    /// The site's zone: the window's, else UTC.
    pub zone: Zone,
    /// All hosts of the inventory that the plan uses.
    pub hosts: BTreeMap<HostId, Host>,
    /// Who may decide, approve and own steps.
    pub roles: BTreeMap<RoleId, Role>,
    /// The variables, overrides applied.
    pub vars: BTreeMap<VarName, String>,
    /// Of these, the ones that are given when a run starts.
    pub asked: BTreeMap<VarName, Asked>,
    /// Where the values of secrets come from. No value is ever in a plan.
    pub secrets: BTreeMap<SecretName, SecretSource>,
    /// The phases in order.
    pub phases: Vec<PhasePlan>,
    /// Every step by name: forward, before and after a rollback, and those of playbooks.
    pub steps: BTreeMap<StepId, StepPlan>,
    /// The forward steps, in the order of the file.
    pub order: Vec<StepId>,
    /// Steps of a rollback before the undo steps.
    pub before: Vec<StepId>,
    /// Steps of a rollback after the undo steps.
    pub after: Vec<StepId>,
    /// What happens to steps in flight when a rollback begins.
    pub running: InFlight,
    /// What proposes a rollback.
    pub triggers: Vec<Trigger>,
    /// After which step the way back is planned.
    pub planned: Option<PlannedReturn>,
    /// Emergency procedures.
    pub playbooks: Vec<PlaybookPlan>,
    /// The probes.
    pub probes: Vec<Probe>,
    /// Where notices go.
    pub channels: Vec<Channel>,
    /// What forecasts walk over; made from the rest when it is first asked for.
    pub network: Lazy,
    /// The plans that may take the place of this one in a run.
    pub later: Later,
}

impl Plan {
    /// The step of this name.
    pub fn step(&self, id: &StepId) -> Option<&StepPlan> {
        self.steps.get(id)
    }

    /// The probe of this name.
    pub fn probe(&self, id: &ProbeId) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.id == *id)
    }

    /// Every request over HTTP of a step or of an undo.
    pub fn http(&self) -> impl Iterator<Item = &Http<Text>> {
        self.steps.values().flat_map(StepPlan::http)
    }

    /// The same, to be changed.
    pub fn http_mut(&mut self) -> impl Iterator<Item = &mut Http<Text>> {
        fn of(work: &mut Work) -> Option<&mut Http<Text>> {
            match work {
                Work::Builtin(builtin) => match builtin.as_mut() {
                    Builtin::Http(http) => Some(http),
                    Builtin::Upload(_) | Builtin::Download(_) | Builtin::Reconcile(_) => None,
                },
                Work::Run(_)
                | Work::Local(_)
                | Work::Manual(_)
                | Work::Gate(_)
                | Work::Soak(_)
                | Work::Notify { .. } => None,
            }
        }
        self.steps.values_mut().flat_map(|step| {
            let (undo, undone) = match &mut step.undo {
                UndoPlan::Undo(undo) => (Some(&mut undo.work), undo.verify.as_mut()),
                UndoPlan::None | UndoPlan::Irreversible(_) => (None, None),
            };
            let own = std::iter::once(&mut step.work).chain(undo).filter_map(of);
            let checks = step.verify.as_mut().into_iter().chain(undone);
            own.chain(checks.filter_map(VerifyPlan::http_mut))
        })
    }

    /// The playbook of this name.
    pub fn playbook(&self, id: &PlaybookId) -> Option<&PlaybookPlan> {
        self.playbooks.iter().find(|playbook| playbook.id == *id)
    }

    /// The playbook that a step belongs to; none for forward steps and those of a rollback.
    pub fn playbook_of(&self, step: &StepId) -> Option<&PlaybookPlan> {
        self.playbooks.iter().find(|playbook| playbook.steps.contains(step))
    }

    /// The step that ends in the checkpoint of this name.
    pub fn checkpoint(&self, name: &SafeText) -> Option<&StepPlan> {
        let mut steps = self.order.iter().filter_map(|id| self.step(id));
        steps.find(|step| step.checkpoint.as_ref() == Some(name))
    }

    /// Whether `id` is a forward step, not one of a rollback's own and none of a playbook.
    pub fn is_forward(&self, id: &StepId) -> bool {
        self.step(id).is_some_and(|step| step.phase.is_some())
    }
}

/// A phase of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhasePlan {
    /// Its name.
    pub id: PhaseId,
    /// One line for people.
    pub title: SafeText,
    /// Its stage.
    pub stage: Option<Stage>,
    /// Its steps in order.
    pub steps: Vec<StepId>,
}

/// An emergency procedure of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaybookPlan {
    /// Its name.
    pub id: PlaybookId,
    /// One line for people.
    pub title: SafeText,
    /// The probe whose alarm proposes it.
    pub on_alarm: Option<ProbeId>,
    /// Its steps, one after the other.
    pub steps: Vec<StepId>,
}

/// A step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the runbook")]
pub struct StepPlan {
    /// Its name.
    pub id: StepId,
    /// Its phase; none for a rollback's own steps and those of playbooks.
    pub phase: Option<PhaseId>,
    /// One line for people.
    pub title: SafeText,
    /// What it does.
    pub work: Work,
    /// Where; empty for a step on the operator's machine or in a person's hands.
    pub hosts: Vec<HostId>,
    /// The stream it belongs to; none: it is common to all of them.
    pub stream: Option<StreamId>,
    /// Its hosts in waves.
    pub batch: Option<BatchPlan>,
    /// Steps that have to be over before.
    pub needs: Vec<StepId>,
    /// Run only if this expression holds.
    pub when: Option<String>,
    /// How hard it is to confirm: the computed floor, or more if the author says so.
    pub class: Class,
    /// Why it has that class, in a few words.
    pub class_because: SafeText,
    /// May start without a key press.
    pub auto: bool,
    /// Markdown beside the command.
    pub notes: Option<String>,
    /// The role that owns it.
    pub owner: Option<RoleId>,
    /// How long it should take; [`StepPlan::estimated`] says whether the author wrote it.
    pub estimate: Millis,
    /// Whether the estimate is the author's, not a default.
    pub estimated: bool,
    /// How long it may take before it is stopped; none for steps in a person's hands.
    pub timeout: Option<Millis>,
    /// No output for this long raises an alarm.
    pub silence: Option<Millis>,
    /// When an attempt counts as done.
    pub expect: Expect,
    /// Values taken from the output: name to a regular expression with one group.
    pub capture: BTreeMap<VarName, String>,
    /// How far it says that it has come: one group is a percentage, two are n of m.
    pub progress: Option<String>,
    /// Repetition by itself after a failure.
    pub retry: Option<Retry>,
    /// Polled until true before the step counts as done.
    pub verify: Option<VerifyPlan>,
    /// Probes watched after the action.
    pub soak: Option<Soak<Text>>,
    /// Its inverse.
    pub undo: UndoPlan,
    /// From here on, going back needs a break-glass reason.
    pub point_of_no_return: bool,
    /// A named place to roll back to: the state as it is once this step is over.
    pub checkpoint: Option<SafeText>,
    /// Once it is over, the right to roll back has ended.
    pub commit: bool,
    /// A second person has to agree before it starts.
    pub four_eyes: bool,
    /// Environment of the command: `GL_<NAME>` for every variable, then the step's own.
    pub env: BTreeMap<String, Given<Text>>,
    /// What it reads from standard input.
    pub stdin: Option<Given<Text>>,
    /// Run with the host's `become` prefix.
    pub r#become: bool,
    /// The folder that its commands run in: its action, its undo and what verifies them.
    pub dir: Option<Text>,
    /// The shell that runs its commands, if not `sh`.
    pub shell: Option<String>,
    /// Running it twice is the same as running it once: to repeat it needs no reason.
    pub idempotent: bool,
    /// Its commands outlive the link to their host; not so where it only reads.
    pub detached: bool,
    /// It ends with a reboot of its hosts.
    pub reboot: bool,
    /// May the operator skip it?
    pub skippable: bool,
    /// The stage of the rollback it belongs to, for a rollback's own steps.
    pub stage: Option<UndoStage>,
    /// The value that it is for, if it is one of the steps that a `for_each` makes.
    pub each: Option<Each>,
    /// The step that showed, without changing anything, what this one is going to do.
    pub dry_run: Option<StepId>,
    /// The parameters of the snippet that it comes from.
    pub with: BTreeMap<VarName, String>,
}

impl StepPlan {
    /// What verifies its action, or its undo where it is about the way back.
    pub fn verification(&self, back: bool) -> Option<&VerifyPlan> {
        match &self.undo {
            UndoPlan::Undo(undo) if back => undo.verify.as_ref(),
            UndoPlan::None | UndoPlan::Irreversible(_) if back => None,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => self.verify.as_ref(),
        }
    }

    /// What is watched of it: after its action, or alone.
    pub fn watched(&self) -> Option<&Soak<Text>> {
        match &self.work {
            Work::Soak(soak) => Some(soak),
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Notify { .. } => self.soak.as_ref(),
        }
    }

    /// What is compared while it is watched.
    pub fn parallel(&self) -> Option<&Parallel<Text>> {
        self.watched()?.parallel.as_deref()
    }

    /// The hosts that it reads besides those that it is done on.
    pub fn read_hosts(&self) -> impl Iterator<Item = &HostId> {
        let parallel = self.parallel().map(|parallel| &parallel.reconcile);
        let sides = parallel.into_iter().flat_map(|it| [&it.left.on, &it.right.on]);
        self.work.read_hosts().into_iter().chain(sides)
    }

    /// Every request over HTTP that it makes: its action, its undo, and what verifies them.
    pub fn http(&self) -> impl Iterator<Item = &Http<Text>> {
        let undo = match &self.undo {
            UndoPlan::Undo(undo) => Some(undo),
            UndoPlan::None | UndoPlan::Irreversible(_) => None,
        };
        let works = std::iter::once(&self.work).chain(undo.map(|undo| &undo.work));
        let checks = self.verify.iter().chain(undo.and_then(|undo| undo.verify.as_ref()));
        let own = works.filter_map(|work| work.builtin()?.http());
        own.chain(checks.filter_map(VerifyPlan::http))
    }

    /// The secrets that its commands are given, each once.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let given = self.env.values().chain(&self.stdin).filter_map(Given::secret);
        let all = given.chain(self.http().flat_map(Http::secrets));
        all.collect::<std::collections::BTreeSet<_>>().into_iter()
    }
}

/// Hosts in waves: the next begins only once the one before is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// The hosts of each wave, in order; every host of the step is in one.
    pub waves: Vec<Vec<HostId>>,
    /// How long to wait between two waves.
    pub pause: Millis,
    /// Whether a person goes on after each wave.
    pub ask: bool,
    /// So many hosts may fail, over all waves, and the next still begins.
    pub max_failures: usize,
}

impl BatchPlan {
    /// The waves in one line: `3 waves of 1, 5, 14 hosts, 5m between, stops after 1 failed`.
    pub fn words(&self) -> String {
        let sizes: Vec<_> = self.waves.iter().map(|wave| wave.len().to_string()).collect();
        let between = match (self.ask, self.pause) {
            (true, _) => ", you go on after each".to_owned(),
            (false, Millis::ZERO) => String::new(),
            (false, pause) => format!(", {pause} between"),
        };
        let stops = self.max_failures + 1;
        let waves = if sizes.len() == 1 { "wave" } else { "waves" };
        format!(
            "{} {waves} of {} hosts{between}, stops when {stops} failed",
            sizes.len(),
            sizes.join(", ")
        )
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A shell command on each target host.
    Run(Text),
    /// A shell command on the operator's machine.
    Local(Text),
    /// golive does it itself.
    Builtin(Box<Builtin<Text>>),
    /// A person does it and signs off.
    Manual(Manual),
    /// A go / no-go decision.
    Gate(Gate),
    /// Wait while probes stay healthy.
    Soak(Soak<Text>),
    /// Tell people.
    Notify {
        /// The channels.
        channels: Vec<crate::base::ChannelId>,
        /// What they are told.
        text: Text,
    },
}

impl Work {
    /// The word of the runbook for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Local(_) => "local",
            Self::Builtin(builtin) => builtin.word(),
            Self::Manual(_) => "manual",
            Self::Gate(_) => "gate",
            Self::Soak(_) => "soak",
            Self::Notify { .. } => "notify",
        }
    }

    /// Whether it is done on hosts, one by one.
    pub fn is_on_hosts(&self) -> bool {
        match self {
            Self::Run(_) => true,
            Self::Builtin(builtin) => builtin.is_on_hosts(),
            Self::Local(_)
            | Self::Manual(_)
            | Self::Gate(_)
            | Self::Soak(_)
            | Self::Notify { .. } => false,
        }
    }

    /// The hosts that it reads besides those that it is done on, left before right.
    pub fn read_hosts(&self) -> Vec<&HostId> {
        let reconcile = self.builtin().and_then(Builtin::reconcile);
        reconcile.map(|it| vec![&it.left.on, &it.right.on]).unwrap_or_default()
    }

    /// What golive does itself, if it is that.
    pub fn builtin(&self) -> Option<&Builtin<Text>> {
        match self {
            Self::Builtin(builtin) => Some(builtin),
            Self::Run(_)
            | Self::Local(_)
            | Self::Manual(_)
            | Self::Gate(_)
            | Self::Soak(_)
            | Self::Notify { .. } => None,
        }
    }

    /// Whether it is a command.
    pub const fn is_command(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Local(_))
    }
}

impl Soak<Text> {
    /// With every text as `fill` says.
    pub fn filled(&self, fill: &mut dyn FnMut(&Text) -> String) -> Soak<String> {
        let mut whole = |text: &Text| Ok::<_, std::convert::Infallible>(fill(text));
        match self.try_map(&mut whole) {
            Ok(filled) => filled,
            Err(never) => match never {},
        }
    }
}

impl Http<Text> {
    /// With every text as `fill` says.
    pub fn filled(&self, fill: &mut dyn FnMut(&Text) -> String) -> Http<String> {
        let mut whole = |text: &Text| Ok::<_, std::convert::Infallible>(fill(text));
        match self.try_map(&mut whole) {
            Ok(filled) => filled,
            Err(never) => match never {},
        }
    }
}

impl Builtin<Text> {
    /// As it can be shown now; `‹captured: name›` stands for values yet to come.
    pub fn shown(&self) -> Builtin<String> {
        self.filled(&mut |text| text.shown().to_owned())
    }

    /// With every text as `fill` says.
    pub fn filled(&self, fill: &mut dyn FnMut(&Text) -> String) -> Builtin<String> {
        let mut whole = |text: &Text| Ok::<_, std::convert::Infallible>(fill(text));
        match self.try_map(&mut whole) {
            Ok(filled) => filled,
            Err(never) => match never {},
        }
    }
}

/// A condition that is polled until it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPlan {
    /// What is asked.
    pub check: CheckPlan,
    /// How often.
    pub every: Millis,
    /// For how long at most.
    pub within: Millis,
}

/// What a verification asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckPlan {
    /// A command that has to exit with 0, on the hosts of the step or of the undo.
    Run(Text),
    /// A probe that has to be healthy.
    Probe(ProbeId),
    /// A request from this machine that has to be answered as it says.
    Http(Box<Http<Text>>),
}

impl VerifyPlan {
    /// The request that it makes, if it makes one.
    pub fn http(&self) -> Option<&Http<Text>> {
        match &self.check {
            CheckPlan::Http(http) => Some(http),
            CheckPlan::Run(_) | CheckPlan::Probe(_) => None,
        }
    }

    /// The same, to be changed.
    fn http_mut(&mut self) -> Option<&mut Http<Text>> {
        match &mut self.check {
            CheckPlan::Http(http) => Some(http),
            CheckPlan::Run(_) | CheckPlan::Probe(_) => None,
        }
    }
}

/// The inverse of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoPlan {
    /// Nothing to undo.
    None,
    /// How to undo it.
    Undo(Box<UndoStep>),
    /// It cannot be undone, and why.
    Irreversible(SafeText),
}

/// How to undo a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoStep {
    /// A `Run`, `Local`, `Builtin` or `Manual`.
    pub work: Work,
    /// Where.
    pub hosts: Vec<HostId>,
    /// How long it should take; the step's own estimate where the author wrote none.
    pub estimate: Millis,
    /// How long it may take; none for a person's work.
    pub timeout: Option<Millis>,
    /// Polled until true before the step counts as undone.
    pub verify: Option<VerifyPlan>,
    /// Its stage of the rollback.
    pub stage: UndoStage,
    /// What has to hold for it to work.
    pub ready: Option<ReadyPlan>,
}

/// What has to hold for an undo to work: asked again and again while there is time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyPlan {
    /// A command that has to exit with 0 and reads only.
    pub run: Text,
    /// What its standard output has to match as well.
    pub stdout: Option<String>,
    /// How often.
    pub every: Millis,
    /// How long it may take.
    pub timeout: Millis,
}
