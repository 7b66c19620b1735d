//! One table of what can be written on the command line. Carrying out, completing and the help
//! page are all made from it.

use crate::runbook::nearest;

use super::action::Action;
use super::press::Press;
use super::text::Say;
use super::text::line as words;

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The same as a key: one way to decide it, whichever way it is asked for.
    Key(Action, Press),
    /// The cursor to a step.
    Goto,
    /// Another view, of a step.
    Step,
    /// Hold, and never the end of a hold.
    Hold,
    /// The end of a hold.
    Continue,
    /// A note.
    Note,
    /// How a changed runbook is taken in.
    Reload,
    /// A shell on a host.
    Shell,
}

/// What stands behind a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Step,
    /// A step, or nothing.
    StepOrNothing,
    /// A host, or nothing.
    HostOrNothing,
    /// Words, or nothing.
    Words,
}

impl Takes {
    /// As the help page writes it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Step => words::TAKES_STEP,
            Self::StepOrNothing => words::MAY_TAKE_STEP,
            Self::HostOrNothing => words::MAY_TAKE_HOST,
            Self::Words => words::MAY_TAKE_TEXT,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) word: &'static str,
    /// Other words for it, which old hands type; none of them is offered.
    pub(super) also: &'static [&'static str],
    pub(super) takes: Takes,
    pub(super) what: What,
    /// For the help page and the line itself.
    pub(super) means: Say,
}

const fn order(
    word: &'static str,
    also: &'static [&'static str],
    takes: Takes,
    what: What,
    means: Say,
) -> Order {
    Order { word, also, takes, what, means }
}

const fn key(
    word: &'static str,
    also: &'static [&'static str],
    action: Action,
    means: Say,
) -> Order {
    order(word, also, Takes::Nothing, What::Key(action, Press::Other), means)
}

const fn view(word: &'static str, digit: char, means: Say) -> Order {
    let what = What::Key(Action::View, Press::Char(digit));
    order(word, &[], Takes::Nothing, what, means)
}

/// The table, in the order of the help page.
pub(super) const ORDERS: &[Order] = &[
    view("drive", '1', words::DRIVE),
    order("step", &[], Takes::StepOrNothing, What::Step, words::STEP),
    view("log", '3', words::LOG),
    view("health", '4', words::HEALTH),
    view("timeline", '5', words::TIMELINE),
    view("audit", '6', words::AUDIT),
    view("notes", '7', words::NOTES),
    key("alarms", &["recall"], Action::Recall, words::ALARMS),
    key("playbooks", &[], Action::Playbooks, words::PLAYBOOKS),
    order("goto", &[], Takes::Step, What::Goto, words::GOTO),
    order("hold", &[], Takes::Words, What::Hold, words::HOLD),
    order("continue", &["go-on"], Takes::Nothing, What::Continue, words::CONTINUE),
    order("note", &[], Takes::Words, What::Note, words::NOTE),
    key("ack", &["acknowledge"], Action::Acknowledge, words::ACK),
    key("mute", &[], Action::Mute, words::MUTE),
    key("auto", &[], Action::AutoAdvance, words::AUTO),
    key("stop", &[], Action::StopStep, words::STOP),
    key("rollback", &[], Action::Guard, words::ROLLBACK),
    key("abandon", &[], Action::Abandon, words::ABANDON),
    key("lang", &["language"], Action::Language, words::LANG),
    key("help", &["h"], Action::Help, words::HELP),
    order("reload", &[], Takes::Words, What::Reload, words::RELOAD),
    order("shell", &[], Takes::HostOrNothing, What::Shell, words::SHELL),
    key("quit", &["q", "exit"], Action::Leave, words::QUIT),
];

/// The command of this word.
pub(super) fn find(word: &str) -> Option<&'static Order> {
    ORDERS.iter().find(|order| order.word == word || order.also.contains(&word))
}

/// Which word was meant, perhaps: one that begins so, else one that is spelt nearly so.
pub(super) fn near(word: &str) -> Option<&'static str> {
    let words = || ORDERS.iter().map(|order| order.word);
    let begins = || words().filter(|known| !word.is_empty() && known.starts_with(word));
    match (begins().next(), begins().nth(1)) {
        (Some(only), None) => Some(only),
        (_, _) => nearest(word, words()).or_else(|| begins().next()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keymap::{Spot, binding};
    use super::{ORDERS, What, find, near};

    #[test]
    fn no_word_stands_for_two_commands() {
        for order in ORDERS {
            for word in order.also.iter().chain([&order.word]) {
                let all = ORDERS.iter().filter(|o| o.word == *word || o.also.contains(word));
                assert_eq!(all.count(), 1, "{word}");
                assert_eq!(find(word).map(|found| found.word), Some(order.word));
                let plain = |c: char| c.is_ascii_lowercase() || c == '-';
                assert!(word.chars().all(plain), "{word}");
            }
        }
    }

    #[test]
    fn what_stands_for_a_key_has_one() {
        for order in ORDERS {
            if let What::Key(action, _) = order.what {
                assert!(binding(Spot::List, action).is_some(), "{order:?}");
            }
        }
    }

    #[test]
    fn what_is_near_is_offered() {
        assert_eq!(near("gto"), Some("goto"));
        assert_eq!(near("hodl"), Some("hold"));
        assert_eq!(near("aud"), Some("audit"));
        assert_eq!(near("xyzzy"), None);
        assert_eq!(near(""), None);
    }
}
