//! The lamp of the way back: whether what a rollback needs was proved, in words, and what is
//! missing.

use crate::base::Timestamp;
use crate::engine::{Lamp, RunStage, Stand};

use super::header::short_span;
use super::model::Model;
use super::step::Rows;
use super::text::readiness as words;
use super::text::{self, Say, label};
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
            return (self.to(text::NO_LAMP), Role::Text);
        }
        let lamp = self.readiness.lamp;
        let role = match lamp {
            Lamp::Ready => Role::Text,
            Lamp::Unknown => Role::Caution,
            Lamp::NotReady => Role::Warning,
        };
        (self.to(text::lamp(lamp)), role)
    }

    /// That the way back is not ready, and why; none where it is.
    pub(super) fn not_ready(&self) -> Option<(String, Role)> {
        let (word, role) = self.lamp();
        let lit = self.has_way_back() && self.readiness.lamp != Lamp::Ready;
        let why = || words::why(self.lang, self.readiness);
        lit.then(|| (words::is(self.lang, word, &why()), role))
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
    let age = |at: Timestamp| {
        let span = short_span(m.now.since(at));
        // `05s` is said without its first digit, `00s` with one of them.
        span.strip_prefix('0').map_or(span.clone(), str::to_owned)
    };
    let why = words::why(m.lang, ready);
    if bad.is_empty() {
        let oldest = m.oldest_proof().map(|at| words::oldest(m.lang, &age(at)));
        let said = words::word_why(m.lang, word, &why);
        rows.say_as(label::READY_ASKED, &format!("{said}{}", oldest.unwrap_or_default()), role);
        return;
    }
    let all = ready.stands.len();
    let said = if ready.since.is_none() && ready.lamp == Lamp::NotReady {
        words::word_why(m.lang, word, &why)
    } else {
        words::not_proved(m.lang, word, bad.len(), all)
    };
    rows.say_as(label::READY_ASKED, &said, role);
    let named = if full { bad.len() } else { NAMED };
    for stand in bad.iter().take(named) {
        let since = stand.since.map(|since| m.time(since));
        let said = words::line(m.lang, stand, since.as_deref());
        rows.say_as(Say::NONE, &said, stand_role(stand));
    }
    if bad.len() > named {
        let more = words::more(m.lang, bad.len() - named);
        rows.say_as(Say::NONE, &more, Role::Dim);
    }
}

const fn stand_role(stand: &Stand) -> Role {
    match stand.lamp {
        Lamp::Ready => Role::Text,
        Lamp::Unknown => Role::Caution,
        Lamp::NotReady => Role::Warning,
    }
}
