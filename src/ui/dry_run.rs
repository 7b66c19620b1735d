//! What the dry run of a step showed, beside the question whether the real one may run.

use crate::engine::{Part, Status};
use crate::plan::StepPlan;

use super::model::Model;
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
        let of = |job: &crate::engine::Job| Model::is_of(job, id, Part::Action);
        let lines = m.log.last(of, u64::MAX, LINES_MAX + 1);
        if lines.is_empty() {
            self.say_as(Say::NONE, m.to(words::NOTHING_PRINTED), Role::Text);
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
