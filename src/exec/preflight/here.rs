//! The programs that `local` steps run on golive's own machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::StepId;
use crate::engine::Place;
use crate::plan::{Plan, UndoPlan, Work};

use super::survey::{Question, Said, ask};
use super::tools::{Sought, named};
use super::{Area, Finding, Level, Preflight, Tell};

/// Looks for them.
pub(super) async fn look(all: Arc<Preflight>, tell: Tell) {
    let wanted = wanted(&all.plan);
    let questions: Vec<_> = wanted.keys().cloned().map(Question::Tool).collect();
    if questions.is_empty() {
        return;
    }
    let say = |level, words: &str| Finding::new(Area::Here, "tools", "tools", level, words);
    let said = match ask(&all.pool, &Place::Here, None, &questions).await {
        Ok(said) => said,
        Err(why) => {
            tell.send(say(Level::Unknown, &why));
            return;
        }
    };
    let mut there = 0_usize;
    for ((name, (step, sought)), said) in wanted.iter().zip(said) {
        match said {
            Said::Yes => there += 1,
            Said::No(_) if *sought == Sought::Elsewhere => {
                tell.send(say(Level::Unknown, &elsewhere(name, step)));
            }
            Said::No(_) => {
                let words = format!("{name} is not there; step {step} names it");
                let fix = "install it on this machine, write its whole path, or correct the step";
                tell.send(say(Level::Failed, &words).fix(fix));
            }
            Said::Free(..) | Said::Folder(..) | Said::Nothing => {
                tell.send(say(Level::Unknown, &format!("whether {name} is there")));
            }
        }
    }
    if there > 0 {
        let programs = if there == 1 { "program" } else { "programs" };
        tell.send(say(Level::Ok, &format!("{there} {programs} found")));
    }
}

/// That a program was not found, where that says nothing.
pub(super) fn elsewhere(name: &str, step: &StepId) -> String {
    format!("whether {name} is there: step {step} changes where programs are looked for")
}

/// Each program, and the first step that names it.
fn wanted(plan: &Plan) -> BTreeMap<String, (StepId, Sought)> {
    let mut wanted: BTreeMap<String, (StepId, Sought)> = BTreeMap::new();
    let others = plan.steps.keys().filter(|step| !plan.order.contains(step));
    for step in plan.order.iter().chain(others).filter_map(|step| plan.step(step)) {
        let undo = match &step.undo {
            UndoPlan::Undo(undo) => Some(&undo.work),
            UndoPlan::None | UndoPlan::Irreversible(_) => None,
        };
        for work in std::iter::once(&step.work).chain(undo) {
            if let Work::Local(text) = work {
                let own_path = step.env.contains_key("PATH");
                for (tool, sought) in named(text.shown(), step.shell.as_deref(), own_path) {
                    let first = wanted.entry(tool).or_insert_with(|| (step.id.clone(), sought));
                    if first.1 == Sought::Elsewhere && sought == Sought::There {
                        *first = (step.id.clone(), sought); // This one can be told.
                    }
                }
            }
        }
    }
    wanted
}
