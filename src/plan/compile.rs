//! Runbook, hosts and variables in, a plan out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::base::{Digest, HostId, Millis, SafeText, StepId, VarName, Zone};
use crate::runbook::{
    Action, Asked, Batch, BatchSize, Builtin, Check, Content, Given, Host, Http, Inventory, Manual,
    Pause, Phase, Playbook, Probe, Quoting, Runbook, Soak, Source, Stage, Step, Undo, UndoSource,
    UndoStage, Verify, Way, suggestion,
};

use super::compare::Later;
use super::model::{
    BatchPlan, CheckPlan, PhasePlan, Plan, PlaybookPlan, ReadyPlan, StepPlan, UndoPlan, UndoStep,
    VerifyPlan, Work,
};
use super::network::Lazy;
use super::text::Text;

/// How long a step without an estimate is taken to take.
const ESTIMATE: Millis = Millis::from_secs(60);
/// The same for work and decisions of people.
const ESTIMATE_OF_PEOPLE: Millis = Millis::from_secs(5 * 60);
/// The least time a command without a timeout may take.
const TIMEOUT_MIN: Millis = Millis::from_secs(10 * 60);

/// What a plan is made from besides the runbook and its hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Values that replace those of `[vars]`.
    pub vars: BTreeMap<VarName, String>,
    /// The text of every script, by the path as written.
    pub scripts: BTreeMap<String, String>,
    /// What is to be uploaded, by the path as written, variables filled in.
    pub contents: BTreeMap<String, Arc<Content>>,
    /// The folder of the runbook, as golive finds it.
    pub folder: String,
}

/// Why a runbook does not become a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A value was given for a variable that the runbook does not have.
    #[error("the runbook has no variable `{name}`; {help}")]
    UnknownVariable {
        /// The variable.
        name: VarName,
        /// What could be meant.
        help: String,
    },
    /// A value was given that a required variable does not take.
    #[error("the value of the variable `{name}` will not do: {why}")]
    BadValue {
        /// The variable.
        name: VarName,
        /// Why.
        why: String,
    },
    /// A step runs on a host that is not in the inventory.
    #[error("step `{step}` runs on `{host}`, which is not in the inventory")]
    UnknownHost {
        /// The step.
        step: StepId,
        /// The host.
        host: HostId,
    },
    /// The text of a script is not there.
    #[error("step `{step}` runs the script `{path}`, which was not read")]
    NoScript {
        /// The step.
        step: StepId,
        /// The path as written.
        path: String,
    },
    /// A template cannot be rendered.
    #[error("{part} cannot be rendered: {reason}")]
    Template {
        /// Of what.
        part: String,
        /// Why.
        reason: String,
    },
}

/// Makes the plan. Errors are all told at once.
pub fn compile(
    runbook: &Runbook,
    inventory: &Inventory,
    inputs: &Inputs,
    digest: Digest,
) -> Result<Plan, Vec<PlanError>> {
    let mut compiler = Compiler::new(runbook, inventory, inputs);
    let mut steps = BTreeMap::new();
    let needs = runbook.needs();
    for phase in &runbook.phases {
        for step in &phase.steps {
            let plan = compiler.step(step, Part::Of(phase), &needs);
            steps.insert(step.id.clone(), plan);
        }
    }
    let own = runbook.own_rollback_steps().map(|step| (step, Part::Rollback));
    for (step, part) in own.chain(runbook.playbook_steps().map(|step| (step, Part::Playbook))) {
        let plan = compiler.step(step, part, &needs);
        steps.insert(step.id.clone(), plan);
    }
    let ids = |steps: &[Step]| steps.iter().map(|step| step.id.clone()).collect::<Vec<_>>();
    let plan = Plan {
        digest,
        id: runbook.id.clone(),
        title: compiler.safe("the title", runbook.title.as_str()),
        strategy: runbook.strategy,
        owner: runbook.owner.clone(),
        change: runbook.change.clone(),
        summary: compiler.plain("the summary", &runbook.summary),
        environment: inventory.environment.clone(),
        window: runbook.window.clone(),
        objectives: runbook.objectives.clone(),
        zone: runbook.window.as_ref().map_or(Zone::UTC, |window| window.zone.clone()),
        roles: runbook.roles.clone(),
        phases: runbook.phases.iter().map(|phase| compiler.phase(phase)).collect(),
        order: runbook.forward().map(|step| step.id.clone()).collect(),
        before: ids(&runbook.rollback.before),
        after: ids(&runbook.rollback.after),
        running: runbook.rollback.running,
        triggers: runbook.rollback.triggers.clone(),
        planned: runbook.rollback.planned.clone(),
        playbooks: runbook.playbooks.iter().map(|playbook| compiler.playbook(playbook)).collect(),
        probes: runbook.probes.iter().map(|probe| compiler.probe(probe)).collect(),
        channels: compiler.channels(),
        network: Lazy::default(),
        later: Later::default(),
        hosts: BTreeMap::new(),
        vars: (*compiler.vars).clone(),
        asked: runbook.asked.clone(),
        secrets: runbook.secrets.clone(),
        steps,
    };
    if compiler.errors.is_empty() {
        Ok(Plan { hosts: used_hosts(&plan, inventory), ..plan })
    } else {
        Err(compiler.errors)
    }
}

/// The hosts of the steps, their undos and the probes, and the hosts between.
fn used_hosts(plan: &Plan, inventory: &Inventory) -> BTreeMap<HostId, Host> {
    let mut open: Vec<&HostId> = Vec::new();
    for step in plan.steps.values() {
        open.extend(&step.hosts);
        open.extend(step.read_hosts());
        if let UndoPlan::Undo(undo) = &step.undo {
            open.extend(&undo.hosts);
        }
    }
    for probe in &plan.probes {
        if let Source::Run { on, .. } = &probe.source {
            open.push(on);
        }
    }
    let mut used = BTreeMap::new();
    while let Some(id) = open.pop() {
        let Some((id, host)) = inventory.hosts.get_key_value(id) else { continue };
        if used.insert(id.clone(), host.clone()).is_none() {
            let jumps = host.jump.iter().filter_map(|jump| jump.parse::<HostId>().ok());
            let known = jumps.filter_map(|jump| inventory.hosts.get_key_value(&jump));
            open.extend(known.map(|(id, _)| id));
        }
    }
    used
}

/// Where a step stands in the runbook.
#[derive(Clone, Copy)]
enum Part<'a> {
    Of(&'a Phase),
    Rollback,
    Playbook,
}

impl<'a> Part<'a> {
    const fn phase(self) -> Option<&'a Phase> {
        match self {
            Self::Of(phase) => Some(phase),
            Self::Rollback | Self::Playbook => None,
        }
    }
}

struct Compiler<'a> {
    runbook: &'a Runbook,
    inventory: &'a Inventory,
    inputs: &'a Inputs,
    vars: Arc<BTreeMap<VarName, String>>,
    capturable: BTreeSet<VarName>,
    /// `GL_<NAME>` for every variable.
    env: BTreeMap<String, Text>,
    errors: Vec<PlanError>,
}

impl<'a> Compiler<'a> {
    fn new(runbook: &'a Runbook, inventory: &'a Inventory, inputs: &'a Inputs) -> Self {
        let mut errors = Vec::new();
        let mut vars = runbook.vars.clone();
        let asked = runbook.asked.keys();
        vars.extend(asked.map(|name| (name.clone(), Asked::stands_for(name))));
        for (name, value) in &inputs.vars {
            let refusal = runbook.asked.get(name).and_then(|asked| asked.refuses(value));
            if let Some(why) = refusal {
                errors.push(PlanError::BadValue { name: name.clone(), why });
            } else if let Some(var) = vars.get_mut(name) {
                var.clone_from(value);
            } else {
                let names: Vec<_> = runbook.vars.keys().chain(runbook.asked.keys()).collect();
                let names = names.iter().map(|name| name.as_str());
                let help = suggestion(name.as_str(), names, "it has no variables at all");
                errors.push(PlanError::UnknownVariable { name: name.clone(), help });
            }
        }
        let env = vars.iter().map(|(name, value)| (env_name(name), Text::literal(value))).collect();
        let captures = runbook.steps().flat_map(|step| step.capture.keys().cloned());
        Self {
            runbook,
            inventory,
            inputs,
            capturable: captures.collect(),
            vars: Arc::new(vars),
            env,
            errors,
        }
    }

    fn text(&mut self, part: &str, template: &str, quoting: Quoting) -> Text {
        match Text::template(template, &self.vars, &self.capturable, quoting) {
            Ok(text) => text,
            Err(error) => {
                let (part, reason) = (part.to_owned(), error.to_string());
                self.errors.push(PlanError::Template { part, reason });
                Text::literal(template)
            }
        }
    }

    /// A text that is complete as soon as the variables are known.
    fn plain(&mut self, part: &str, template: &str) -> String {
        self.text(part, template, Quoting::Plain).shown().to_owned()
    }

    fn safe(&mut self, part: &str, template: &str) -> SafeText {
        SafeText::new(&self.plain(part, template))
    }

    fn phase(&mut self, phase: &Phase) -> PhasePlan {
        PhasePlan {
            id: phase.id.clone(),
            title: self.safe(&format!("the title of phase `{}`", phase.id), phase.title.as_str()),
            stage: phase.stage,
            steps: phase.steps.iter().map(|step| step.id.clone()).collect(),
        }
    }

    fn playbook(&mut self, playbook: &Playbook) -> PlaybookPlan {
        let part = format!("the title of playbook `{}`", playbook.id);
        PlaybookPlan {
            id: playbook.id.clone(),
            title: self.safe(&part, playbook.title.as_str()),
            on_alarm: playbook.on_alarm.clone(),
            steps: playbook.steps.iter().map(|step| step.id.clone()).collect(),
        }
    }

    fn probe(&mut self, probe: &Probe) -> Probe {
        let part = format!("the source of probe `{}`", probe.id);
        let mut source = probe.source.clone();
        if let Some((url, ask)) = source.asked_mut() {
            *url = self.plain(&part, url);
            for value in ask.headers.values_mut() {
                if let Given::Text(text) = value {
                    *text = self.plain(&part, text);
                }
            }
        }
        match &mut source {
            Source::Prometheus { query, .. } => *query = self.plain(&part, query),
            Source::Metrics { labels, .. } => {
                for value in labels.values_mut() {
                    *value = self.plain(&part, value);
                }
            }
            Source::Tcp { address } => *address = self.plain(&part, address),
            Source::Run { run, .. } => {
                let shown = self.text(&part, run, Quoting::Shell);
                shown.shown().clone_into(run);
            }
            Source::Http { .. } => {}
        }
        Probe { source, ..probe.clone() }
    }

    fn channels(&mut self) -> Vec<crate::runbook::Channel> {
        let mut channels = self.runbook.channels.clone();
        for channel in &mut channels {
            let part = format!("the command of channel `{}`", channel.id);
            if let Way::Command(command) = &mut channel.way {
                let text = self.text(&part, command, Quoting::Shell);
                text.shown().clone_into(command);
            }
        }
        channels
    }

    fn step(
        &mut self,
        step: &Step,
        stands: Part<'_>,
        needs: &BTreeMap<&StepId, Vec<&StepId>>,
    ) -> StepPlan {
        let whole = Arc::clone(&self.vars);
        if step.each.is_some() || !step.with.is_empty() {
            let mut vars = (*whole).clone();
            let each = step.each.iter().map(|each| (&each.name, &each.value));
            let own = each.chain(&step.with);
            vars.extend(own.map(|(name, value)| (name.clone(), value.clone())));
            self.vars = Arc::new(vars);
        }
        let plan = self.step_with_vars(step, stands, needs);
        self.vars = whole;
        plan
    }

    fn step_with_vars(
        &mut self,
        step: &Step,
        stands: Part<'_>,
        needs: &BTreeMap<&StepId, Vec<&StepId>>,
    ) -> StepPlan {
        let phase = stands.phase();
        let (floor, because) = match stands {
            Part::Of(_) | Part::Playbook => step.floor(),
            Part::Rollback => step.rollback_floor(),
        };
        let raised = step.class.filter(|class| *class > floor);
        let part = format!("step `{}`", step.id);
        let work = self.work(step, &step.action, &part);
        let estimate = step.estimate.unwrap_or_else(|| default_estimate(&work));
        let watching = matches!(work, Work::Soak(_));
        let unknown = step.on.iter().filter(|host| !self.inventory.hosts.contains_key(*host));
        let unknown = unknown.map(|host| (step.id.clone(), host.clone()));
        self.errors.extend(unknown.map(|(step, host)| PlanError::UnknownHost { step, host }));
        StepPlan {
            id: step.id.clone(),
            phase: phase.map(|phase| phase.id.clone()),
            title: self.safe(&format!("the title of {part}"), &step.title),
            hosts: step.on.clone(),
            stream: step.stream.clone(),
            batch: step.batch.as_ref().map(|batch| in_waves(batch, &step.on)),
            needs: needs.get(&step.id).into_iter().flatten().map(|id| (*id).clone()).collect(),
            when: step.when.clone(),
            class: raised.unwrap_or(floor),
            class_because: SafeText::new(raised.map_or(because, |_| "the runbook says so")),
            auto: step.auto,
            notes: step.notes.as_ref().map(|notes| self.plain(&part, notes)),
            owner: step.owner.clone(),
            estimate,
            estimated: step.estimate.is_some() || watching,
            timeout: step.timeout.or_else(|| default_timeout(&work, estimate)),
            silence: step.silence,
            expect: step.expect.clone(),
            capture: step.capture.clone(),
            progress: step.progress.clone(),
            retry: step.retry.clone(),
            verify: step.verify.as_ref().map(|verify| self.verify(verify, &part)),
            soak: step.soak.as_ref().map(|soak| self.soak(soak, &part)),
            undo: self.undo(step, phase, estimate),
            point_of_no_return: step.point_of_no_return,
            checkpoint: step.checkpoint.clone(),
            commit: step.commit,
            four_eyes: step.four_eyes,
            env: self.env(step, &part),
            stdin: step.stdin.as_ref().map(|stdin| self.given(&part, stdin)),
            r#become: step.r#become,
            dir: step.dir.as_ref().map(|dir| self.text(&part, dir, Quoting::Plain)),
            shell: step.shell.clone(),
            idempotent: step.idempotent,
            detached: step.detached && !step.read_only,
            reboot: step.reboot,
            skippable: step.skippable,
            dry_run: step.dry_run.clone(),
            stage: step.stage,
            each: step.each.clone(),
            with: step.with.clone(),
            work,
        }
    }

    fn env(&mut self, step: &Step, part: &str) -> BTreeMap<String, Given<Text>> {
        let each = step.each.iter().map(|each| (&each.name, &each.value)).chain(&step.with);
        let each = each.map(|(name, value)| (env_name(name), Text::literal(value)));
        let vars = self.env.clone().into_iter().chain(each);
        let mut env: BTreeMap<_, _> = vars.map(|(name, text)| (name, Given::Text(text))).collect();
        for (name, value) in &step.env {
            env.insert(name.clone(), self.given(part, value));
        }
        env
    }

    fn given(&mut self, part: &str, given: &Given<String>) -> Given<Text> {
        match given {
            Given::Text(template) => Given::Text(self.text(part, template, Quoting::Plain)),
            Given::Secret(name) => Given::Secret(name.clone()),
        }
    }

    fn work(&mut self, step: &Step, action: &Action, part: &str) -> Work {
        match action {
            Action::Run(command) => Work::Run(self.text(part, command, Quoting::Shell)),
            Action::Local(command) => Work::Local(self.text(part, command, Quoting::Shell)),
            Action::Script(path) => {
                let text = self.inputs.scripts.get(path);
                if text.is_none() {
                    let (step, path) = (step.id.clone(), path.clone());
                    self.errors.push(PlanError::NoScript { step, path });
                }
                Work::Run(Text::literal(text.map_or("", String::as_str)))
            }
            Action::Builtin(builtin) => Work::Builtin(Box::new(self.builtin(step, part, builtin))),
            Action::Manual(manual) => Work::Manual(Manual {
                text: self.plain(part, &manual.text),
                checklist: self.checklist(part, &manual.checklist),
                evidence: manual.evidence,
            }),
            Action::Gate(gate) => {
                let checklist = self.checklist(part, &gate.checklist);
                Work::Gate(crate::runbook::Gate { checklist, ..gate.clone() })
            }
            Action::Soak(soak) => Work::Soak(self.soak(soak, part)),
            Action::Notify(notify) => Work::Notify {
                channels: notify.channels.clone(),
                text: self.text(part, &notify.text, Quoting::Plain),
            },
        }
    }

    fn builtin(&mut self, step: &Step, part: &str, builtin: &Builtin<String>) -> Builtin<Text> {
        let quoting = match builtin {
            Builtin::Reconcile(_) => Quoting::Shell, // Its texts are commands.
            Builtin::Upload(_) | Builtin::Download(_) | Builtin::Http(_) => Quoting::Plain,
        };
        let mut text = |template: &String| {
            Ok::<_, std::convert::Infallible>(self.text(part, template, quoting))
        };
        let mut planned = match builtin.try_map(&mut text) {
            Ok(planned) => planned,
            Err(never) => match never {},
        };
        match &mut planned {
            Builtin::Upload(upload) => {
                upload.folder.clone_from(&self.inputs.folder);
                upload.content = self.inputs.contents.get(upload.from.shown()).cloned();
            }
            Builtin::Download(_) | Builtin::Reconcile(_) => {}
            Builtin::Http(http) => {
                http.idempotent = step.idempotent;
                self.request(part, http);
            }
        }
        planned
    }

    /// What a request has besides its own texts.
    fn request(&mut self, part: &str, http: &mut Http<Text>) {
        http.allow.clone_from(&self.runbook.allow);
        for value in http.ask.headers.values_mut() {
            if let Given::Text(text) = value {
                *text = self.plain(part, text);
            }
        }
    }

    fn soak(&mut self, soak: &Soak<String>, part: &str) -> Soak<Text> {
        let mut text = |template: &String| {
            Ok::<_, std::convert::Infallible>(self.text(part, template, Quoting::Shell))
        };
        match soak.try_map(&mut text) {
            Ok(planned) => planned,
            Err(never) => match never {},
        }
    }

    fn checklist(&mut self, part: &str, list: &[SafeText]) -> Vec<SafeText> {
        list.iter().map(|item| self.safe(part, item.as_str())).collect()
    }

    fn verify(&mut self, verify: &Verify, part: &str) -> VerifyPlan {
        let check = match &verify.check {
            Check::Run(command) => CheckPlan::Run(self.text(part, command, Quoting::Shell)),
            Check::Probe(probe) => CheckPlan::Probe(probe.clone()),
            Check::Http(http) => {
                let mut text = |template: &String| {
                    Ok::<_, std::convert::Infallible>(self.text(part, template, Quoting::Plain))
                };
                let mut http = match http.try_map(&mut text) {
                    Ok(http) => http,
                    Err(never) => match never {},
                };
                self.request(part, &mut http);
                CheckPlan::Http(Box::new(http))
            }
        };
        VerifyPlan { check, every: verify.every, within: verify.within }
    }

    fn undo(&mut self, step: &Step, phase: Option<&Phase>, estimate: Millis) -> UndoPlan {
        match &step.undo {
            UndoSource::None => UndoPlan::None,
            UndoSource::Irreversible(why) => UndoPlan::Irreversible(why.clone()),
            UndoSource::Undo(undo) => {
                UndoPlan::Undo(Box::new(self.one_undo(step, undo, phase, estimate)))
            }
        }
    }

    fn one_undo(
        &mut self,
        step: &Step,
        undo: &Undo,
        phase: Option<&Phase>,
        estimate: Millis,
    ) -> UndoStep {
        let part = format!("the undo of step `{}`", step.id);
        let work = self.work(step, &undo.action, &part);
        let estimate = undo.estimate.unwrap_or(estimate);
        // Where a person puts back what a person did, in the same systems, is where it is verified.
        let by_hand = |action: &Action| matches!(action, Action::Manual(_));
        let remote = work.is_on_hosts() || (by_hand(&step.action) && by_hand(&undo.action));
        let hosts = undo.on.as_ref().unwrap_or(&step.on);
        UndoStep {
            hosts: if remote { hosts.clone() } else { Vec::new() },
            estimate,
            timeout: undo.timeout.or_else(|| default_timeout(&work, estimate)),
            verify: undo.verify.as_ref().map(|verify| self.verify(verify, &part)),
            stage: undo.stage.unwrap_or_else(|| undo_stage(phase.and_then(|phase| phase.stage))),
            ready: undo.ready.as_ref().map(|ready| ReadyPlan {
                run: self.text(&part, &ready.run, Quoting::Shell),
                stdout: ready.stdout.clone(),
                every: ready.every,
                timeout: ready.timeout,
            }),
            work,
        }
    }
}

/// The hosts of each wave.
fn in_waves(batch: &Batch, hosts: &[HostId]) -> BatchPlan {
    let mut waves = Vec::new();
    let mut left = hosts;
    let mut sizes = batch.sizes.iter();
    let mut size = BatchSize::Percent(100);
    while !left.is_empty() {
        size = sizes.next().copied().unwrap_or(size);
        let wanted = match size {
            BatchSize::Hosts(wanted) => wanted,
            BatchSize::Percent(percent) => (hosts.len() * percent).div_ceil(100),
        };
        let (wave, rest) = left.split_at(wanted.clamp(1, left.len()));
        waves.push(wave.to_vec());
        left = rest;
    }
    let (pause, ask) = match batch.pause {
        Pause::Time(pause) => (pause, false),
        Pause::Ask => (Millis::ZERO, true),
    };
    BatchPlan { waves, pause, ask, max_failures: batch.max_failures }
}

/// The name under which a command sees a variable.
fn env_name(name: &VarName) -> String {
    format!("GL_{}", name.as_str().to_uppercase().replace(['-', '.'], "_"))
}

const fn default_estimate(work: &Work) -> Millis {
    match work {
        Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Notify { .. } => ESTIMATE,
        Work::Manual(_) | Work::Gate(_) => ESTIMATE_OF_PEOPLE,
        Work::Soak(soak) => soak.r#for,
    }
}

fn default_timeout(work: &Work, estimate: Millis) -> Option<Millis> {
    let generous = Millis::new(estimate.as_millis().saturating_mul(5));
    match work {
        Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Notify { .. } => {
            Some(generous.max(TIMEOUT_MIN))
        }
        Work::Manual(_) | Work::Gate(_) | Work::Soak(_) => None,
    }
}

/// What an undo most likely restores, by what its phase did.
const fn undo_stage(stage: Option<Stage>) -> UndoStage {
    match stage {
        Some(Stage::Migrate) => UndoStage::RestoreData,
        Some(Stage::Transition) => UndoStage::StopNew,
        Some(
            Stage::Assess
            | Stage::Prepare
            | Stage::Deploy
            | Stage::Train
            | Stage::Monitor
            | Stage::Improve,
        )
        | None => UndoStage::RestoreCode,
    }
}
