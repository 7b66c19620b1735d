//! What the dry run of a step showed, beside the question whether the real one may run.

use std::collections::BTreeMap;

use crate::engine::{Attempt, Job, Part, Status};
use crate::plan::StepPlan;

use super::output::{self, Printed};
use super::step::Rows;
use super::text::dry_run as words;
use super::text::{self, Say};
use super::theme::Role;

/// More lines are read in the log.
const LINES_MAX: usize = 20;

impl Rows<'_, '_> {
    /// How the dry run ended, how long ago, and what it printed.
    pub(super) fn dry_run(&mut self, step: &StepPlan) {
        let Some(id) = &step.dry_run else { return };
        let m = self.m;
        let track = m.state.track(id);
        if track.status != Status::Succeeded {
            let said = words::shows_nothing(m.lang, id.as_str(), m.status(track.status));
            self.say_as(words::DRY_RUN, &said, Role::Caution);
            return;
        }
        let ends = track.latest_ends().into_iter();
        let ends = ends.filter_map(|(place, end)| Some((place, end?)));
        for (at, (place, end)) in ends.enumerate() {
            let ago = words::ago(m.lang, &m.now.since(end.at).clock());
            let how = text::ends::end(m.lang, &end.end);
            let said = format!("{}  {id}  {place}  {how}{ago}", m.time(end.at));
            self.say_as(if at == 0 { words::DRY_RUN } else { Say::NONE }, &said, Role::Title);
        }
        // The latest attempt in each place; what an earlier one printed is no longer so.
        let is_action = |attempt: &&Attempt| attempt.key.part == Part::Action;
        let jobs = track.present().iter().filter(is_action).flat_map(output::jobs);
        let jobs: BTreeMap<_, _> = jobs.map(|job| (job.0.place.clone(), job)).collect();
        let jobs: Vec<_> = jobs.into_values().collect();
        let of = |job: &Job| jobs.iter().any(|(it, _)| it == job);
        let lines = m.log.last(of, u64::MAX, LINES_MAX + 1);
        match m.printed(&jobs) {
            None => {}
            Some(Printed::Nothing) => {
                self.say_as(Say::NONE, m.to(words::NOTHING_PRINTED), Role::Text);
            }
            Some(Printed::Elsewhere(files)) => {
                self.say_as(Say::NONE, &words::not_here(m.lang, &files), Role::Caution);
            }
        }
        let more = lines.len() > LINES_MAX;
        let lines: Vec<_> = lines.into_iter().skip(usize::from(more)).collect();
        if more {
            self.say(Say::NONE, &words::last_lines(m.lang, LINES_MAX));
        }
        for (job, line) in lines {
            self.say(Say::NONE, &format!("{} | {}", job.place, line.text));
        }
    }
}
