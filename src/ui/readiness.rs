//! The lamp of the way back: whether what a rollback needs was proved, in words, and what is
//! missing.

use crate::base::{SafeText, Timestamp};
use crate::engine::{Lamp, RunStage, Stand};

use super::header::short_span;
use super::model::Model;
use super::step::Rows;
use super::text;
use super::theme::Role;

/// So many of what is missing are named before the rest is only counted.
const NAMED: usize = 4;

impl Model<'_> {
    /// Whether there is a way back that could be ready.
    fn has_way_back(&self) -> bool {
        let walks = match self.state.stage() {
            RunStage::Active | RunStage::RollingBack => true,
            RunStage::Completed => !self.state.is_closed(),
            RunStage::Preparing | RunStage::RolledBack { .. } | RunStage::Abandoned => false,
        };
        walks && self.state.committed().is_none()
    }

    /// The lamp in one or two words: never told by its colour alone.
    pub(super) fn lamp(&self) -> (&'static str, Role) {
        if !self.has_way_back() {
            return (text::NO_LAMP, Role::Text);
        }
        let lamp = self.readiness.lamp;
        let role = match lamp {
            Lamp::Ready => Role::Text,
            Lamp::Unknown => Role::Caution,
            Lamp::NotReady => Role::Warning,
        };
        (text::lamp(lamp), role)
    }

    /// That the way back is not ready, and why; none where it is.
    pub(super) fn not_ready(&self) -> Option<(String, Role)> {
        let (word, role) = self.lamp();
        let lit = self.has_way_back() && self.readiness.lamp != Lamp::Ready;
        lit.then(|| (format!(". It is {word}: {}", self.readiness.why), role))
    }

    /// How old the oldest proof is of what is ready.
    fn oldest_proof(&self) -> Option<Timestamp> {
        let ready = self.readiness.stands.iter().filter(|stand| stand.lamp == Lamp::Ready);
        ready.filter_map(|stand| self.proved.get(&stand.need).copied()).min()
    }
}

/// What is known of the readiness of the way back, and everything that is missing.
pub(super) fn rows(rows: &mut Rows<'_, '_>, full: bool) {
    let m = rows.m;
    if !m.has_way_back() {
        return;
    }
    let ready = m.readiness;
    let (word, role) = m.lamp();
    let bad: Vec<_> = ready.stands.iter().filter(|it| it.lamp != Lamp::Ready).collect();
    let age = |at: Timestamp| short_span(m.now.since(at)).trim_start_matches('0').to_owned();
    if bad.is_empty() {
        let oldest = m.oldest_proof().map(|at| format!(", the oldest proof is {} old", age(at)));
        let said = format!("{word}: {}{}", ready.why, oldest.unwrap_or_default());
        rows.say_as("Ready?", &said, role);
        return;
    }
    let all = ready.stands.len();
    let said = if ready.since.is_none() && ready.lamp == Lamp::NotReady {
        format!("{word}: {}", ready.why)
    } else {
        format!("{word}: {} of {all} needs are not proved", bad.len())
    };
    rows.say_as("Ready?", &said, role);
    let named = if full { bad.len() } else { NAMED };
    for stand in bad.iter().take(named) {
        rows.say_as("", &stand_words(stand, m), stand_role(stand));
    }
    if bad.len() > named {
        rows.say_as("", &format!("and {} more: v shows all of it", bad.len() - named), Role::Dim);
    }
}

const fn stand_role(stand: &Stand) -> Role {
    match stand.lamp {
        Lamp::Ready => Role::Text,
        Lamp::Unknown => Role::Caution,
        Lamp::NotReady => Role::Warning,
    }
}

fn stand_words(stand: &Stand, m: &Model<'_>) -> String {
    let since = stand.since.map(|since| format!(" (since {})", m.time(since)));
    let why: &SafeText = &stand.why;
    format!("{} {}: {why}{}", text::lamp(stand.lamp), stand.need.words(), since.unwrap_or_default())
}
