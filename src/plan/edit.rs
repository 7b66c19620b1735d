//! A step with another command than the runbook's, for one run only.

use crate::base::SafeText;
use crate::runbook::{Class, destroys};

use super::model::{Plan, StepPlan, UndoPlan, Work};
use super::text::Text;

/// More pairs of lines than this are not compared one by one.
const PAIRS_MAX: usize = 1 << 20;

/// A line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffLine<'a> {
    /// In both.
    Same(&'a str),
    /// Only in the old text.
    Old(&'a str),
    /// Only in the new text.
    New(&'a str),
}

impl<'a> DiffLine<'a> {
    /// `-`, `+` or a blank.
    pub const fn sign(self) -> char {
        match self {
            Self::Same(_) => ' ',
            Self::Old(_) => '-',
            Self::New(_) => '+',
        }
    }

    /// The line itself.
    pub const fn text(self) -> &'a str {
        match self {
            Self::Same(text) | Self::Old(text) | Self::New(text) => text,
        }
    }
}

/// What changed from `old` to `new`, line by line.
pub fn diff<'a>(old: &'a str, new: &'a str) -> Vec<DiffLine<'a>> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) =
        (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = pairs.take_while(|(old, new)| old == new).count();
    let cut = |lines: &[&'a str]| lines.get(..lines.len() - tail).unwrap_or_default().to_vec();
    let (old_rest, new_rest) = (cut(old_rest), cut(new_rest));
    let mut lines: Vec<_> = old.iter().take(head).map(|line| DiffLine::Same(line)).collect();
    lines.extend(between(&old_rest, &new_rest));
    lines.extend(old.iter().skip(old.len() - tail).map(|line| DiffLine::Same(line)));
    lines
}

/// The longest common lines stay, by the table of their lengths.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<DiffLine<'a>> {
    let width = new.len() + 1;
    let whole = || {
        let old = old.iter().map(|line| DiffLine::Old(line));
        old.chain(new.iter().map(|line| DiffLine::New(line))).collect()
    };
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return whole();
    }
    let mut longest = vec![0_usize; (old.len() + 1) * width];
    let at = |longest: &[usize], i: usize, j: usize| longest.get(i * width + j).copied();
    for (i, line) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let best = if line == other {
                at(&longest, i + 1, j + 1).unwrap_or(0) + 1
            } else {
                at(&longest, i + 1, j).max(at(&longest, i, j + 1)).unwrap_or(0)
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while let (Some(line), Some(other)) = (old.get(i), new.get(j)) {
        if line == other {
            lines.push(DiffLine::Same(line));
            (i, j) = (i + 1, j + 1);
        } else if at(&longest, i + 1, j) >= at(&longest, i, j + 1) {
            lines.push(DiffLine::Old(line));
            i += 1;
        } else {
            lines.push(DiffLine::New(other));
            j += 1;
        }
    }
    lines.extend(old.iter().skip(i).map(|line| DiffLine::Old(line)));
    lines.extend(new.iter().skip(j).map(|line| DiffLine::New(line)));
    lines
}

impl Plan {
    /// The class that a step has with the command `text`, and why. What the author said of their
    /// own command, that it only reads, is not said of another; the class is never lower than it
    /// was.
    pub fn class_with(&self, step: &StepPlan, text: &str) -> (Class, SafeText) {
        let forward = step.phase.is_some() || self.playbook_of(&step.id).is_some();
        let (floor, because) = match &step.undo {
            _ if destroys(text).is_some() => (Class::Critical, "the edited command destroys"),
            UndoPlan::Irreversible(_) => (Class::Critical, "it cannot be undone"),
            _ if !forward => (Class::Change, "an edited step of the rollback"),
            UndoPlan::Undo(_) => (Class::Change, "it was edited, and has an undo"),
            UndoPlan::None => (Class::Critical, "it was edited, and has no undo"),
        };
        if floor > step.class {
            (floor, SafeText::new(because))
        } else {
            (step.class, step.class_because.clone())
        }
    }
}

impl StepPlan {
    /// Puts `text` in the place of the command of the action, or of the undo; false where there
    /// is no command to replace.
    ///
    /// It is sent as it stands: no variable is filled in. What the runbook says of its own
    /// command and not of this one is taken back: a person starts it, and starts it again.
    pub fn replace_command(
        &mut self,
        undo: bool,
        text: &str,
        (class, because): (Class, SafeText),
    ) -> bool {
        let work = match &mut self.undo {
            UndoPlan::Undo(step) if undo => &mut step.work,
            UndoPlan::None | UndoPlan::Irreversible(_) if undo => return false,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => &mut self.work,
        };
        match work {
            Work::Run(old) | Work::Local(old) => *old = Text::literal(text),
            Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Soak(_)
            | Work::Notify { .. } => return false,
        }
        if !undo {
            // A step that only reads runs plainly attached, for running it twice is harmless.
            self.detached |= self.class == Class::Check && matches!(self.work, Work::Run(_));
            self.auto = false;
            self.idempotent = false;
            self.retry = None;
            self.class = class;
            self.class_because = because;
        }
        true
    }

    /// The command of the action, or of the undo, if it is one.
    pub fn command(&self, undo: bool) -> Option<&Text> {
        let work = match &self.undo {
            UndoPlan::Undo(step) if undo => &step.work,
            UndoPlan::None | UndoPlan::Irreversible(_) if undo => return None,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => &self.work,
        };
        match work {
            Work::Run(text) | Work::Local(text) => Some(text),
            Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Soak(_)
            | Work::Notify { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DiffLine, diff};

    fn shown(old: &str, new: &str) -> Vec<String> {
        let sign = |line: DiffLine<'_>| format!("{}{}", line.sign(), line.text());
        diff(old, new).into_iter().map(sign).collect()
    }

    #[test]
    fn a_difference_is_what_changed_and_nothing_else() {
        assert_eq!(shown("a\nb\nc\nd", "a\nx\nc\nd\ne"), [" a", "-b", "+x", " c", " d", "+e"]);
        assert_eq!(shown("a", "a"), [" a"]);
        assert_eq!(shown("", "a\nb"), ["+a", "+b"]);
        assert_eq!(shown("a\na\nb", "a\nb"), [" a", "-a", " b"]);
        let (old, new) = ("x\n".repeat(2_000), "y\n".repeat(2_000));
        assert_eq!(shown(&old, &new).len(), 4_000);
    }

    #[test]
    fn both_texts_can_be_read_from_a_difference() {
        let texts = ["", "a", "a\nb\na", "b\na\nb\nc", "c\nc\na", "a\nb\nc\nd\na"];
        for old in texts {
            for new in texts {
                let lines = diff(old, new);
                let side = |other: char| {
                    let kept = lines.iter().filter(|line| line.sign() != other);
                    kept.map(|line| line.text()).collect::<Vec<_>>().join("\n")
                };
                assert_eq!((side('+').as_str(), side('-').as_str()), (old, new));
            }
        }
    }
}
