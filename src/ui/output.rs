//! What is known of the output of jobs that have ended, where no line of it is on this screen.
//!
//! The lines on screen are those that came while it was open: after `golive resume` there are none
//! of before. What was recorded of each job tells whether it printed anything.

use crate::engine::{Attempt, End, Job, PlaceEnd};

use super::model::Model;

/// More files are not named.
const FILES_MAX: usize = 3;

/// What is known of output that is not on this screen.
pub(super) enum Printed {
    /// It is recorded that there was none.
    Nothing,
    /// There was some, or nobody knows: the files that hold it, or would.
    Elsewhere(String),
}

/// The jobs of an attempt, with how each ended.
pub(super) fn jobs(attempt: &Attempt) -> impl Iterator<Item = (Job, Option<&PlaceEnd>)> {
    attempt.places.iter().map(|(place, end)| {
        let job = Job { key: attempt.key.clone(), place: place.clone() };
        (job, end.as_ref())
    })
}

impl Model<'_> {
    /// What is known of the output of `jobs`. None while one of them runs, if none of them prints,
    /// and where all that they printed is on this screen.
    pub(super) fn printed(&self, jobs: &[(Job, Option<&PlaceEnd>)]) -> Option<Printed> {
        let mut printing = Vec::new();
        for (job, end) in jobs {
            let end = (*end)?;
            let silent = matches!(end.end, End::Done(_) | End::NotStarted { .. });
            if end.transcript.is_some() || !silent {
                printing.push((job, end.transcript.as_ref().map(|it| it.bytes)));
            }
        }
        if printing.is_empty() {
            return None;
        }
        if printing.iter().all(|(_, bytes)| *bytes == Some(0)) {
            return Some(Printed::Nothing);
        }
        let is_here = |job: &Job| !self.log.last(|it| it == job, u64::MAX, 1).is_empty();
        let away = printing.into_iter().filter(|(job, bytes)| *bytes != Some(0) && !is_here(job));
        let away: Vec<_> = away.map(|(job, _)| format!("output/{job}.log")).collect();
        let mut files = away.iter().take(FILES_MAX).cloned().collect::<Vec<_>>().join(", ");
        if away.len() > FILES_MAX {
            files.extend([" +", (away.len() - FILES_MAX).to_string().as_str()]);
        }
        (!away.is_empty()).then_some(Printed::Elsewhere(files))
    }
}
