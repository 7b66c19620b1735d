//! What every form of a plan says, in words.

use crate::base::{HostId, Millis, SafeText, StepId, Timestamp, VarName};
use crate::plan::{
    CheckPlan, Forecast, Plan, ReadyPlan, StepPlan, Text, UndoPlan, VerifyPlan, Work, initial,
    signed,
};
use crate::runbook::{Asked, Breach, Class, Host, Soak, UndoStage};

/// A plan with its times.
#[derive(Debug)]
pub(in crate::cli) struct Facts<'a> {
    pub plan: &'a Plan,
    pub times: Forecast,
    /// When it is taken to begin: as the window opens, or at no particular time.
    pub began: Timestamp,
}

/// One item of the way back from the very end.
#[derive(Debug)]
pub(in crate::cli) struct Back<'a> {
    /// The step that is undone, or the rollback's own step.
    pub step: &'a StepPlan,
    /// Whether it is an undo; otherwise the rollback's own step.
    pub undo: bool,
    pub stage: UndoStage,
    pub takes: Millis,
    pub hosts: &'a [HostId],
    pub work: &'a Work,
    pub verify: Option<&'a VerifyPlan>,
}

impl<'a> Facts<'a> {
    pub(in crate::cli) fn new(plan: &'a Plan) -> Self {
        let began = plan.window.as_ref().map_or_else(Timestamp::default, |window| window.opens);
        Self { plan, times: initial(plan, began), began }
    }

    /// A time of the plan: of the day where there is a window, else since the start.
    pub(in crate::cli) fn time(&self, at: Timestamp) -> String {
        match &self.plan.window {
            Some(window) => window.zone.time(at),
            None => format!("T+{}", at.since(self.began).clock()),
        }
    }

    /// The window in words.
    pub(in crate::cli) fn window(&self) -> Option<String> {
        let window = self.plan.window.as_ref()?;
        let zone = &window.zone;
        let day = |at: Timestamp| zone.format(at, "%Y-%m-%d ");
        let opens = day(window.opens) + &zone.hour_minute(window.opens);
        let same_day = day(window.opens) == day(window.closes);
        let closes = if same_day { String::new() } else { day(window.closes) };
        let closes = closes + &zone.hour_minute(window.closes);
        Some(format!(
            "{} {opens} to {closes} {} ({}), warning threshold {}, service protection {}",
            zone.day(window.opens),
            zone.abbreviations(window.opens, window.closes),
            zone.name(),
            window.warn,
            window.protect,
        ))
    }

    /// How long the run takes as planned.
    pub(in crate::cli) fn takes(&self) -> Millis {
        self.times.planned_end.since(self.began)
    }

    /// What is left of the window at the planned end, in milliseconds.
    pub(in crate::cli) fn margin(&self) -> Option<i64> {
        let window = self.plan.window.as_ref()?;
        Some(signed(self.times.planned_end, window.closes))
    }

    /// How long the recovery takes as planned.
    pub(in crate::cli) fn recovery(&self) -> Option<Millis> {
        let rto = self.plan.objectives.rto.as_ref()?;
        let planned = |id| self.times.steps.get(id).map(|times| times.planned);
        Some(planned(&rto.to)?.end.since(planned(&rto.from)?.start))
    }

    /// The steps that decide when the end is, in the order in which they run.
    pub(in crate::cli) fn critical_path(&self) -> Vec<&StepId> {
        let mut path: Vec<_> = self.times.steps.all().filter(|(_, times)| times.critical).collect();
        path.sort_by_key(|(id, times)| (times.planned.start, self.plan.number(id)));
        path.into_iter().map(|(id, _)| id).collect()
    }

    /// Steps that the author gave no estimate.
    pub(in crate::cli) fn not_estimated(&self) -> Vec<&StepPlan> {
        let steps = self.plan.order.iter().filter_map(|id| self.plan.step(id));
        steps.filter(|step| !step.estimated).collect()
    }

    /// The undo plan, if everything had run: latest start first.
    pub(in crate::cli) fn way_back(&self) -> Vec<Back<'a>> {
        let own = |id: &StepId| {
            let step = self.plan.step(id)?;
            Some(Back {
                step,
                undo: false,
                stage: step.stage.unwrap_or(UndoStage::StopNew),
                takes: step.takes(),
                hosts: &step.hosts,
                work: &step.work,
                verify: step.verify.as_ref(),
            })
        };
        let mut forward: Vec<_> = self.plan.order.iter().collect();
        forward.sort_by_key(|id| {
            let start = self.times.steps.get(id).map(|times| times.planned.start);
            std::cmp::Reverse((start, self.plan.number(id)))
        });
        let undo = |id: &StepId| {
            let step = self.plan.step(id)?;
            let UndoPlan::Undo(undo) = &step.undo else { return None };
            Some(Back {
                step,
                undo: true,
                stage: undo.stage,
                takes: undo.estimate,
                hosts: &undo.hosts,
                work: &undo.work,
                verify: undo.verify.as_ref(),
            })
        };
        let before = self.plan.before.iter().filter_map(own);
        let undos = forward.into_iter().filter_map(undo);
        before.chain(undos).chain(self.plan.after.iter().filter_map(own)).collect()
    }

    /// Steps that cannot be undone, and why.
    pub(in crate::cli) fn irreversible(&self) -> Vec<(&StepPlan, &SafeText)> {
        let steps = self.plan.order.iter().filter_map(|id| self.plan.step(id));
        let why = |step: &'a StepPlan| match &step.undo {
            UndoPlan::Irreversible(why) => Some((step, why)),
            UndoPlan::None | UndoPlan::Undo(_) => None,
        };
        steps.filter_map(why).collect()
    }

    /// Whether the needs of a step are worth a word: they are not just the step before.
    pub(in crate::cli) fn unusual_needs(&self, step: &StepPlan) -> bool {
        let place = self.plan.order.iter().position(|id| *id == step.id);
        let before = place.and_then(|place| place.checked_sub(1));
        let before = before.and_then(|place| self.plan.order.get(place));
        step.needs.iter().collect::<Vec<_>>() != before.into_iter().collect::<Vec<_>>()
    }
}

/// The objectives, in words, with what the plan says of the recovery time.
pub(in crate::cli) fn objectives(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    if let Some(rto) = &facts.plan.objectives.rto {
        let planned = facts.recovery();
        let planned = planned.map_or_else(String::new, |planned| {
            let verdict = if planned > rto.within { "TOO LONG" } else { "within it" };
            format!(", planned {planned}: {verdict}")
        });
        words.push(("RTO", format!("{} from {} to {}{planned}", rto.within, rto.from, rto.to)));
    }
    if let Some(rpo) = &facts.plan.objectives.rpo {
        words.push(("RPO", format!("{}, measured by {}", rpo.within, rpo.measured_by.name())));
    }
    words
}

/// What an undo has to find, in words.
pub(in crate::cli) fn ready(ready: &ReadyPlan) -> String {
    let says = ready.stdout.as_ref();
    let says = says.map_or_else(String::new, |says| format!(", says /{says}/"));
    format!("`{}` exits with 0{says}, every {}", ready.run.shown(), ready.every)
}

/// A class in one word.
pub(in crate::cli) const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Check => "check",
        Class::Change => "change",
        Class::Critical => "critical",
    }
}

/// A stage of a rollback in one word.
pub(in crate::cli) const fn stage_word(stage: UndoStage) -> &'static str {
    match stage {
        UndoStage::StopNew => "stop-new",
        UndoStage::RestoreCode => "restore-code",
        UndoStage::RestoreData => "restore-data",
        UndoStage::Verify => "verify",
        UndoStage::Notify => "notify",
    }
}

/// A span with its sign: `3h03m`, `-12m`.
pub(in crate::cli) fn span(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    format!("{sign}{}", Millis::new(millis.unsigned_abs()))
}

/// Where a piece of work is done.
pub(in crate::cli) fn place(work: &Work, hosts: &[HostId]) -> String {
    match work {
        Work::Run(_) => names(hosts),
        Work::Builtin(builtin) if builtin.is_on_hosts() => names(hosts),
        Work::Builtin(_) if !work.read_hosts().is_empty() => names(&work.read_hosts()),
        Work::Local(_) | Work::Builtin(_) => "this machine".to_owned(),
        Work::Manual(_) | Work::Gate(_) => "a person".to_owned(),
        Work::Soak(_) | Work::Notify { .. } => "golive".to_owned(),
    }
}

/// Names, one after the other.
pub(in crate::cli) fn names<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What each host has to answer before something is changed on it.
pub(super) fn proofs(plan: &Plan) -> Vec<String> {
    let proof = |host: &Host| {
        let proof = host.proof.as_ref()?;
        let (run, equals) = (SafeText::new(&proof.run), SafeText::new(&proof.equals));
        Some(format!("{}: `{run}` says `{equals}`, or nothing is changed there", host.id))
    };
    plan.hosts.values().filter_map(proof).collect()
}

/// The variables that are given when a run starts: the question, and what is known.
pub(super) fn asked(plan: &Plan) -> Vec<String> {
    let one = |(name, asked): (&VarName, &Asked)| {
        let value = plan.vars.get(name).filter(|value| **value != Asked::stands_for(name));
        let known = match (value, &asked.pattern) {
            (Some(value), _) => SafeText::new(value).to_string(),
            (None, Some(pattern)) => format!("when a run starts, as /{pattern}/"),
            (None, None) => "when a run starts".to_owned(),
        };
        format!("{name} ({}): {known}", asked.prompt)
    };
    plan.asked.iter().map(one).collect()
}

/// What is special about how a step's commands run, each with its word.
pub(super) fn manner(step: &StepPlan) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    found.extend(step.stream.as_ref().map(|stream| ("stream", stream.to_string())));
    found.extend(step.batch.as_ref().map(|batch| ("batch", batch.words())));
    found.extend(step.progress.as_ref().map(|it| ("progress", format!("read from /{it}/"))));
    found.extend(step.dir.as_ref().map(|dir| ("folder", dir.shown().to_owned())));
    found.extend(step.shell.as_ref().map(|shell| ("shell", shell.clone())));
    let given =
        step.env.iter().filter_map(|(name, given)| Some((format!("${name}"), given.secret()?)));
    let input = step.stdin.iter().filter_map(|given| Some(("input".to_owned(), given.secret()?)));
    let secrets: Vec<String> =
        given.chain(input).map(|(to, name)| format!("{name} as {to}")).collect();
    if !secrets.is_empty() {
        found.push(("secrets", secrets.join(", ")));
    }
    let warns: Vec<String> = step.expect.warn.iter().map(ToString::to_string).collect();
    if !warns.is_empty() {
        found.push(("warning", format!("exit {}", warns.join(" or "))));
    }
    if step.reboot {
        let text = "ends with a reboot of each host: its boot id has to change";
        found.push(("reboot", text.to_owned()));
    } else if !step.detached && step.class != Class::Check && matches!(step.work, Work::Run(_)) {
        found.push(("link", "the command ends with the link (detached = false)".to_owned()));
    }
    if step.idempotent {
        found.push(("repeat", "safe".to_owned()));
    }
    found
}

/// The exact command, the instructions or the criteria, line by line and safe to print.
pub(in crate::cli) fn lines_of(work: &Work) -> Vec<String> {
    let text = match work {
        Work::Run(text) | Work::Local(text) => text.shown().to_owned(),
        Work::Builtin(builtin) => builtin.shown().text(),
        Work::Manual(manual) => {
            let items = manual.checklist.iter().map(|item| format!("\n[ ] {item}"));
            format!("{}{}", manual.text.trim_end(), items.collect::<String>())
        }
        Work::Gate(gate) => {
            let mut parts = vec!["go / no-go".to_owned()];
            if !gate.healthy.is_empty() {
                parts.push(format!("healthy: {}", names(&gate.healthy)));
            }
            if let Some(margin) = gate.margin {
                parts.push(format!("margin at least {margin}"));
            }
            let items = gate.checklist.iter().map(|item| format!("\n[ ] {item}"));
            format!("{}{}", parts.join(" · "), items.collect::<String>())
        }
        Work::Soak(watch) => soak(watch),
        Work::Notify { channels, text } => format!("{}: {}", names(channels), text.shown()),
    };
    text.trim_end().lines().map(|line| SafeText::new(line).to_string()).collect()
}

/// A soak in words.
pub(in crate::cli) fn soak(soak: &Soak<Text>) -> String {
    let breach = match soak.breach {
        Breach::Hold => "a breach holds",
        Breach::Rollback => "a breach proposes to roll back",
        Breach::Fail => "a breach fails the step",
    };
    let healthy = match soak.probes.as_slice() {
        [] => String::new(),
        probes => format!(" while healthy: {}", names(probes)),
    };
    let compared = soak.filled(&mut |text| text.shown().to_owned()).parallel.map(|it| {
        format!(" · every {} compares {}", it.every, SafeText::new(&it.reconcile.brief()))
    });
    format!("{}{healthy}{} · {breach}", soak.r#for, compared.unwrap_or_default())
}

/// A verification in words.
pub(in crate::cli) fn verify(verify: &VerifyPlan) -> String {
    let what = match &verify.check {
        CheckPlan::Run(text) => SafeText::new(text.shown().trim_end()).to_string(),
        CheckPlan::Probe(probe) => format!("probe {probe} is healthy"),
        CheckPlan::Http(http) => {
            let words = http.filled(&mut |text| text.shown().to_owned()).words();
            SafeText::new(&words).to_string()
        }
    };
    format!("{what} · every {} within {}", verify.every, verify.within)
}
