//! Two plans of the same run, step by step: what a changed runbook would change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{Digest, StepId};
use crate::runbook::{Given, Host};

use super::model::{CheckPlan, Plan, ReadyPlan, StepPlan, UndoPlan, VerifyPlan, Work};
use super::text::Text;

/// The plans that may take the place of a plan in a run, by their digests. They do not tell two
/// plans apart.
#[derive(Clone, Debug, Default)]
pub struct Later(BTreeMap<Digest, Arc<Plan>>);

impl PartialEq for Later {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Later {}

impl Later {
    /// The plan of this digest.
    pub fn get(&self, digest: &Digest) -> Option<&Arc<Plan>> {
        self.0.get(digest)
    }

    /// Adds a plan.
    pub fn insert(&mut self, plan: Arc<Plan>) {
        self.0.insert(plan.digest, plan);
    }
}

/// What became of a step in a changed plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another in some of its keys.
    Changed,
}

/// A step that is not the same in two plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepChange {
    /// Which.
    pub step: StepId,
    /// What became of it.
    pub became: Became,
    /// What of it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl StepChange {
    /// `+ shift`, `- look`, `~ copy: what it does, estimate`.
    pub fn words(&self) -> String {
        match self.became {
            Became::Added => format!("+ {}", self.step),
            Became::Removed => format!("- {}", self.step),
            Became::Changed => format!("~ {}: {}", self.step, self.keys.join(", ")),
        }
    }
}

/// The steps that are not the same, by name.
pub fn changes(old: &Plan, new: &Plan) -> Vec<StepChange> {
    let ids: BTreeSet<&StepId> = old.steps.keys().chain(new.steps.keys()).collect();
    let change = |id: &StepId| {
        let (became, keys) = match (old.step(id), new.step(id)) {
            (Some(old_step), Some(new_step)) => {
                let mut keys = changed_keys(old_step, new_step);
                if place(old, id) != place(new, id) {
                    keys.push("place".to_owned());
                }
                (Became::Changed, keys)
            }
            (None, _) => (Became::Added, Vec::new()),
            (Some(_), None) => (Became::Removed, Vec::new()),
        };
        let same = became == Became::Changed && keys.is_empty();
        (!same).then(|| StepChange { step: id.clone(), became, keys })
    };
    ids.into_iter().filter_map(change).collect()
}

/// What kind of step it is: forward, of the rollback, or of a playbook.
pub fn place(plan: &Plan, id: &StepId) -> String {
    match (plan.playbook_of(id), plan.is_forward(id)) {
        (Some(playbook), _) => format!("playbook {}", playbook.id),
        (None, true) => "forward".to_owned(),
        (None, false) => "rollback".to_owned(),
    }
}

/// The key of [`changed_keys`] for the action itself.
pub const ACTION: &str = "what it does";

/// Keys that may change while a step runs: nothing that is done depends on them.
pub const COSMETIC: [&str; 4] = ["title", "notes", "owner", "estimate"];

/// What of a step is not the same.
pub fn changed_keys(old: &StepPlan, new: &StepPlan) -> Vec<String> {
    let (old, new) = (facets(old), facets(new));
    let pairs = old.into_iter().zip(new);
    pairs.filter(|(old, new)| old.1 != new.1).map(|((key, _), _)| key.to_owned()).collect()
}

/// Whether two hosts of one name are the same machine, reached by the same person.
pub fn is_same_machine(old: &Host, new: &Host) -> bool {
    let of = |host: &Host| {
        let Host { address, port, user, jump, hostkey, proof, .. } = host.clone();
        (address, port, user, jump, hostkey, proof)
    };
    of(old) == of(new)
}

fn facets(step: &StepPlan) -> [(&'static str, String); 32] {
    [
        (ACTION, work(&step.work)),
        ("on", format!("{:?}", step.hosts)),
        ("undo", undo(&step.undo)),
        ("verify", step.verify.as_ref().map(verify).unwrap_or_default()),
        ("soak", format!("{:?}", step.soak)),
        ("batch", format!("{:?}", step.batch)),
        ("needs", format!("{:?}", step.needs)),
        ("when", format!("{:?}", step.when)),
        ("phase", format!("{:?} {:?}", step.phase, step.stage)),
        ("stream", format!("{:?}", step.stream)),
        ("class", format!("{:?}", step.class)),
        ("auto", step.auto.to_string()),
        ("title", step.title.to_string()),
        ("notes", format!("{:?}", step.notes)),
        ("owner", format!("{:?}", step.owner)),
        ("estimate", format!("{} {}", step.estimate, step.estimated)),
        ("timeout", format!("{:?} {:?}", step.timeout, step.silence)),
        ("expect", format!("{:?}", step.expect)),
        ("capture", format!("{:?} {:?}", step.capture, step.progress)),
        ("retry", format!("{:?} {}", step.retry, step.idempotent)),
        ("point_of_no_return", step.point_of_no_return.to_string()),
        ("checkpoint", format!("{:?}", step.checkpoint)),
        ("commit", step.commit.to_string()),
        ("four_eyes", step.four_eyes.to_string()),
        ("env", env(&step.env)),
        ("stdin", step.stdin.as_ref().map(|given| given.shown().into_owned()).unwrap_or_default()),
        ("become", step.r#become.to_string()),
        ("dir", step.dir.as_ref().map(|dir| dir.shown().to_owned()).unwrap_or_default()),
        ("shell", format!("{:?} {} {}", step.shell, step.detached, step.reboot)),
        ("skippable", step.skippable.to_string()),
        ("dry_run", format!("{:?}", step.dry_run)),
        ("for_each", format!("{:?} {:?}", step.each, step.with)),
    ]
}

fn work(work: &Work) -> String {
    let word = work.word();
    match work {
        Work::Run(text) | Work::Local(text) => format!("{word} {}", text.shown()),
        Work::Builtin(builtin) => format!("{word} {:?}", builtin.shown()),
        Work::Manual(manual) => format!("{word} {manual:?}"),
        Work::Gate(gate) => format!("{word} {gate:?}"),
        Work::Soak(soak) => format!("{word} {soak:?}"),
        Work::Notify { channels, text } => format!("{word} {channels:?} {}", text.shown()),
    }
}

fn undo(undo: &UndoPlan) -> String {
    match undo {
        UndoPlan::None => String::new(),
        UndoPlan::Irreversible(why) => format!("irreversible: {why}"),
        UndoPlan::Undo(step) => {
            let verify = step.verify.as_ref().map(verify);
            let (hosts, timeout, stage) = (&step.hosts, step.timeout, step.stage);
            let ready = step.ready.as_ref().map(|ready| {
                let ReadyPlan { run, stdout, every, timeout } = ready;
                format!("{} {stdout:?} {every:?} {timeout:?}", run.shown())
            });
            let what = work(&step.work);
            format!("{what} {hosts:?} {timeout:?} {verify:?} {ready:?} {stage:?}")
        }
    }
}

fn verify(verify: &VerifyPlan) -> String {
    let VerifyPlan { check, every, within } = verify;
    let check = match check {
        CheckPlan::Run(text) => format!("run {}", text.shown()),
        CheckPlan::Probe(probe) => format!("probe {probe}"),
        CheckPlan::Http(http) => {
            format!("http {:?}", http.filled(&mut |text| text.shown().to_owned()))
        }
    };
    format!("{check} {every} {within}")
}

/// Without the variables, which every step is given: those that it uses are in what it does.
fn env(env: &BTreeMap<String, Given<Text>>) -> String {
    let own = env.iter().filter(|(name, _)| !name.starts_with("GL_"));
    own.map(|(name, value)| format!("{name}={}", value.shown())).collect::<Vec<_>>().join("\n")
}
