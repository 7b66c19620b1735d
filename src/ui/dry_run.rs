//! What the dry run of a step showed, beside the question whether the real one may run.

use crate::engine::{Part, Status};
use crate::plan::StepPlan;

use super::audit::end_words;
use super::model::Model;
use super::step::Rows;
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
            let said = format!("{id} is {}: it shows nothing of this step", track.status.word());
            self.say_as("Dry run", &said, Role::Caution);
            return;
        }
        let ends = track.latest_ends().into_iter();
        let ends = ends.filter_map(|(place, end)| Some((place, end?)));
        for (at, (place, end)) in ends.enumerate() {
            let ago = m.now.since(end.at).clock();
            let said =
                format!("{}  {id}  {place}  {}, {ago} ago", m.time(end.at), end_words(&end.end));
            self.say_as(if at == 0 { "Dry run" } else { "" }, &said, Role::Title);
        }
        let of = |job: &crate::engine::Job| Model::is_of(job, id, Part::Action);
        let lines = m.log.last(of, u64::MAX, LINES_MAX + 1);
        if lines.is_empty() {
            self.say_as("", "it printed nothing", Role::Text);
        }
        let more = lines.len() > LINES_MAX;
        let lines: Vec<_> = lines.into_iter().skip(usize::from(more)).collect();
        if more {
            self.say("", &format!("the last {LINES_MAX} lines; all of them are in its log"));
        }
        for (job, line) in lines {
            self.say("", &format!("{} | {}", job.place, line.text));
        }
    }
}
