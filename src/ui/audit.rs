//! The last facts of the journal, as lines for people.

use std::collections::VecDeque;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Actor, End, Fact, Job};

use super::text::{self, Lang, Told};

/// Facts kept for the audit view.
pub const FACTS_MAX: usize = 2_000;

/// One fact as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its line in the journal.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: SafeText,
    /// What, in one word.
    pub what: &'static str,
    /// About what; it holds no sign that acts on a terminal.
    pub about: Told,
}

/// The tail of the journal.
#[derive(Clone, Debug, Default)]
pub struct AuditTail {
    lines: VecDeque<AuditLine>,
}

impl AuditTail {
    /// Takes in a fact that is on disk.
    pub fn push(&mut self, seq: u64, at: Timestamp, fact: &Fact) {
        if self.lines.len() == FACTS_MAX {
            self.lines.pop_front();
        }
        let about = |lang| SafeText::new(&text::audit::describe(lang, &fact.event).1).to_string();
        self.lines.push_back(AuditLine {
            seq,
            at,
            who: SafeText::new(fact.by.name()),
            what: text::audit::describe(Lang::En, &fact.event).0,
            about: Told::of(about),
        });
    }

    /// The lines, oldest first.
    pub const fn lines(&self) -> &VecDeque<AuditLine> {
        &self.lines
    }
}

/// What somebody else than the driver says, holds or decides: the driver hears of it at once.
/// None where it is the program's own doing.
pub fn said_elsewhere(fact: &Fact) -> Option<Told> {
    if !matches!(fact.by, Actor::Operator(_)) {
        return None;
    }
    let who = fact.by.name();
    Some(Told::of(|lang| {
        let (what, about) = text::audit::describe(lang, &fact.event);
        format!("{who}: {what} {about}").trim_end().to_owned()
    }))
}

/// How a job ended, in English words.
pub fn end_words(end: &End) -> String {
    text::ends::end(Lang::En, end)
}

/// What is said of a job whose end is in no record.
pub fn unrecorded_end(job: &Job, end: &End) -> Told {
    let job = job.to_string();
    Told::of(|lang| text::ends::unrecorded_end(lang, &job, end))
}
