//! One table of keys. Dispatch, the key bar and the help page are all made from it.

use super::press::Press;
use super::text::keys::{self as words, Words};

pub(super) use super::action::Action;

/// Where the keyboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A view without a dialog, the step list.
    List,
    /// A view without a dialog, the log.
    Log,
    /// A view without a dialog, the timeline.
    Timeline,
    /// A confirmation.
    Confirm,
    /// The choice after a failure.
    Failure,
    /// A go / no-go decision.
    Gate,
    /// A person's work.
    Manual,
    /// The rollback guard.
    Guard,
    /// A text field.
    Text,
    /// Leave or stay.
    Leave,
    /// A list to choose from.
    Pick,
    /// Another command for a step.
    Edit,
    /// Something to read.
    Sheet,
    /// The command line.
    Line,
}

/// Which part of the help a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Safe,
    Step,
    Guarded,
    Log,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) action: Action,
    pub(super) presses: &'static [Press],
    pub(super) group: Group,
    pub(super) spots: &'static [Spot],
    /// What it is called.
    pub(super) words: Words,
}

const VIEWS: &[Spot] = &[Spot::List, Spot::Log, Spot::Timeline];
const TIMELINE: &[Spot] = &[Spot::Timeline];
const ALL: &[Spot] = &[
    Spot::List,
    Spot::Log,
    Spot::Timeline,
    Spot::Confirm,
    Spot::Failure,
    Spot::Gate,
    Spot::Manual,
    Spot::Leave,
    Spot::Pick,
    Spot::Sheet,
    Spot::Edit,
];
const DIALOGS: &[Spot] = &[
    Spot::Confirm,
    Spot::Failure,
    Spot::Gate,
    Spot::Manual,
    Spot::Guard,
    Spot::Text,
    Spot::Leave,
    Spot::Pick,
    Spot::Sheet,
    Spot::Edit,
    Spot::Line,
];
const MOVES: &[Spot] = &[
    Spot::List,
    Spot::Log,
    Spot::Timeline,
    Spot::Confirm,
    Spot::Failure,
    Spot::Gate,
    Spot::Manual,
    Spot::Guard,
    Spot::Pick,
    Spot::Sheet,
    Spot::Edit,
];
const LIST: &[Spot] = &[Spot::List];
const LOG: &[Spot] = &[Spot::Log];
const LINE: &[Spot] = &[Spot::Line];
const FAILURE: &[Spot] = &[Spot::Failure];
const CHOICES: &[Spot] = &[Spot::Failure, Spot::Confirm, Spot::Manual];
const GATE: &[Spot] = &[Spot::Gate];

const fn bind(
    action: Action,
    presses: &'static [Press],
    group: Group,
    spots: &'static [Spot],
    words: Words,
) -> Binding {
    Binding { action, presses, group, spots, words }
}

/// The table. The first line that fits the spot and the press wins.
pub(super) const TABLE: &[Binding] = &[
    // Choices inside dialogs come before what the same letter does elsewhere.
    bind(Action::HoldAndLook, &[Press::Char('h')], Group::Step, FAILURE, words::HOLD_AND_LOOK),
    bind(Action::RetryFailed, &[Press::Char('r')], Group::Step, FAILURE, words::RETRY_FAILED),
    bind(Action::RetryAll, &[Press::Char('a')], Group::Step, FAILURE, words::RETRY_ALL),
    bind(Action::Recheck, &[Press::Char('v')], Group::Step, FAILURE, words::RECHECK),
    bind(
        Action::Edit,
        &[Press::Char('e')],
        Group::Step,
        &[Spot::Failure, Spot::Confirm, Spot::Edit],
        words::EDIT,
    ),
    bind(Action::Skip, &[Press::Char('s')], Group::Step, CHOICES, words::SKIP),
    bind(Action::ByHand, &[Press::Char('d')], Group::Step, CHOICES, words::BY_HAND),
    bind(Action::Accept, &[Press::Char('f')], Group::Step, FAILURE, words::ACCEPT),
    bind(Action::Go, &[Press::Char('g')], Group::Step, GATE, words::GO),
    bind(Action::NoGo, &[Press::Char('n')], Group::Step, GATE, words::NO_GO),
    bind(Action::Speaker, &[Press::Char('o')], Group::Step, GATE, words::SPEAKER),
    bind(Action::Waive, &[Press::Char('W')], Group::Step, GATE, words::WAIVE),
    bind(
        Action::Second,
        &[Press::Char('p')],
        Group::Step,
        &[Spot::Confirm, Spot::Manual, Spot::Failure],
        words::SECOND,
    ),
    bind(
        Action::ShutPlaybook,
        &[Press::Char('x')],
        Group::Guarded,
        &[Spot::Pick],
        words::SHUT_PLAYBOOK,
    ),
    bind(
        Action::Checkpoints,
        &[Press::Char('p')],
        Group::Guarded,
        &[Spot::Guard],
        words::CHECKPOINTS,
    ),
    bind(Action::Tick, &[Press::Char(' ')], Group::Step, &[Spot::Gate, Spot::Manual], words::TICK),
    bind(
        Action::HoldAndLeave,
        &[Press::Char('h')],
        Group::Guarded,
        &[Spot::Leave],
        words::HOLD_AND_LEAVE,
    ),
    bind(
        Action::Yes,
        &[Press::Char('y')],
        Group::Step,
        &[Spot::Confirm, Spot::Failure, Spot::Gate, Spot::Manual, Spot::Edit],
        words::YES,
    ),
    bind(
        Action::Full,
        &[Press::Char('v')],
        Group::Step,
        &[Spot::Confirm, Spot::Guard, Spot::Edit],
        words::FULL,
    ),
    bind(
        Action::Words,
        &[Press::Char('w')],
        Group::Guarded,
        &[Spot::Guard, Spot::Edit],
        words::WORDS,
    ),
    bind(Action::Words, &[Press::Char('w')], Group::Step, GATE, words::GO_WORDS),
    bind(Action::Peek, &[Press::Tab], Group::Guarded, &[Spot::Guard], words::PEEK),
    bind(Action::Save, &[Press::Ctrl('s'), Press::F(2)], Group::Safe, &[Spot::Text], words::SAVE),
    bind(Action::Close, &[Press::Char('c')], Group::Guarded, &[Spot::Leave], words::CLOSE),
    // Always safe.
    bind(Action::Open, &[Press::Enter], Group::Step, VIEWS, words::OPEN),
    bind(Action::Open, &[Press::Enter], Group::Step, &[Spot::Pick], words::OPEN_PICK),
    bind(Action::Hold, &[Press::Char('H'), Press::F(8)], Group::Safe, ALL, words::HOLD),
    bind(
        Action::Shell,
        &[Press::Char('!')],
        Group::Guarded,
        &[Spot::List, Spot::Log, Spot::Timeline, Spot::Failure, Spot::Confirm, Spot::Manual],
        words::SHELL,
    ),
    bind(Action::CommandLine, &[Press::Char(':')], Group::Safe, VIEWS, words::COMMAND_LINE),
    bind(Action::CarryOut, &[Press::Enter], Group::Safe, LINE, words::CARRY_OUT),
    bind(Action::Complete, &[Press::Tab], Group::Safe, LINE, words::COMPLETE),
    bind(Action::Older, &[Press::Up], Group::Safe, LINE, words::OLDER),
    bind(Action::Newer, &[Press::Down], Group::Safe, LINE, words::NEWER),
    bind(Action::Hold, &[Press::F(8)], Group::Safe, &[Spot::Text, Spot::Line], words::HOLD_HERE),
    bind(
        Action::Hold,
        &[Press::F(8), Press::Char('H')],
        Group::Safe,
        &[Spot::Guard],
        words::HOLD_HERE,
    ),
    bind(Action::Guard, &[Press::Char('R'), Press::F(9)], Group::Guarded, ALL, words::GUARD),
    bind(
        Action::Guard,
        &[Press::F(9)],
        Group::Guarded,
        &[Spot::Text, Spot::Line],
        words::GUARD_HERE,
    ),
    bind(Action::Back, &[Press::Esc], Group::Safe, DIALOGS, words::BACK),
    bind(Action::Back, &[Press::Esc], Group::Safe, VIEWS, words::BACK_HOME),
    bind(Action::Find, &[Press::Char('/')], Group::Log, VIEWS, words::FIND),
    bind(
        Action::StopStep,
        &[Press::Char('X')],
        Group::Step,
        &[Spot::List, Spot::Log, Spot::Timeline, Spot::Manual],
        words::STOP_STEP,
    ),
    bind(Action::LetGo, &[Press::Char('U')], Group::Step, VIEWS, words::LET_GO),
    bind(Action::Playbooks, &[Press::Char('P')], Group::Guarded, ALL, words::PLAYBOOKS),
    bind(Action::Note, &[Press::Char('N')], Group::Safe, ALL, words::NOTE),
    bind(Action::Help, &[Press::Char('?'), Press::F(1)], Group::Safe, ALL, words::HELP),
    bind(
        Action::Help,
        &[Press::F(1)],
        Group::Safe,
        &[Spot::Text, Spot::Guard, Spot::Line],
        words::HELP,
    ),
    bind(
        Action::View,
        &[
            Press::Char('1'),
            Press::Char('2'),
            Press::Char('3'),
            Press::Char('4'),
            Press::Char('5'),
            Press::Char('6'),
            Press::Char('7'),
        ],
        Group::Safe,
        VIEWS,
        words::VIEW,
    ),
    bind(Action::NextPane, &[Press::Tab], Group::Safe, VIEWS, words::NEXT_PANE),
    bind(Action::PrevPane, &[Press::BackTab], Group::Safe, VIEWS, words::PREV_PANE),
    bind(Action::Zoom, &[Press::Char('z')], Group::Safe, VIEWS, words::ZOOM),
    bind(Action::Up, &[Press::Char('k'), Press::Up], Group::Safe, MOVES, words::UP),
    bind(Action::Down, &[Press::Char('j'), Press::Down], Group::Safe, MOVES, words::DOWN),
    bind(Action::PageUp, &[Press::PageUp, Press::Ctrl('u')], Group::Safe, MOVES, words::PAGE_UP),
    bind(
        Action::PageDown,
        &[Press::PageDown, Press::Ctrl('d')],
        Group::Safe,
        MOVES,
        words::PAGE_DOWN,
    ),
    bind(Action::Top, &[Press::Home, Press::Char('g')], Group::Safe, VIEWS, words::TOP),
    bind(Action::Bottom, &[Press::End, Press::Char('G')], Group::Safe, VIEWS, words::BOTTOM),
    bind(Action::PrevStep, &[Press::Char('[')], Group::Safe, VIEWS, words::PREV_STEP),
    bind(Action::NextStep, &[Press::Char(']')], Group::Safe, VIEWS, words::NEXT_STEP),
    bind(Action::Acknowledge, &[Press::Char('c')], Group::Safe, ALL, words::ACKNOWLEDGE),
    bind(Action::Recall, &[Press::Char('C')], Group::Safe, ALL, words::RECALL),
    bind(Action::Language, &[Press::Char('l')], Group::Safe, ALL, words::LANGUAGE),
    bind(Action::Mute, &[Press::Char('M')], Group::Safe, VIEWS, words::MUTE),
    bind(Action::Redraw, &[Press::Ctrl('l')], Group::Safe, ALL, words::REDRAW),
    bind(Action::AutoAdvance, &[Press::Char('A')], Group::Step, LIST, words::AUTO_ADVANCE),
    bind(Action::TryRecord, &[Press::Char('W')], Group::Safe, VIEWS, words::TRY_RECORD),
    bind(Action::Unrecorded, &[Press::Char('V')], Group::Guarded, VIEWS, words::UNRECORDED),
    bind(Action::Abandon, &[Press::Char('B')], Group::Guarded, LIST, words::ABANDON),
    // The timeline.
    bind(Action::Finer, &[Press::Char('+')], Group::Safe, TIMELINE, words::FINER),
    bind(Action::Coarser, &[Press::Char('-')], Group::Safe, TIMELINE, words::COARSER),
    bind(Action::Earlier, &[Press::Char('<'), Press::Left], Group::Safe, TIMELINE, words::EARLIER),
    bind(Action::Later, &[Press::Char('>'), Press::Right], Group::Safe, TIMELINE, words::LATER),
    bind(Action::OnlyLate, &[Press::Char('d')], Group::Safe, TIMELINE, words::ONLY_LATE),
    // The log.
    bind(Action::FindNext, &[Press::Char('n')], Group::Log, LOG, words::FIND_NEXT),
    bind(Action::FindPrev, &[Press::Char('p')], Group::Log, LOG, words::FIND_PREV),
    bind(Action::OnlyHits, &[Press::Char('&')], Group::Log, LOG, words::ONLY_HITS),
    bind(Action::NextError, &[Press::Char('e')], Group::Log, VIEWS, words::NEXT_ERROR),
    bind(Action::PrevError, &[Press::Char('E')], Group::Log, VIEWS, words::PREV_ERROR),
    bind(Action::Follow, &[Press::Char('f')], Group::Log, VIEWS, words::FOLLOW),
    bind(Action::Wrap, &[Press::Char('w')], Group::Log, VIEWS, words::WRAP),
    bind(Action::TimeForm, &[Press::Char('t')], Group::Log, VIEWS, words::TIME_FORM),
    bind(Action::HostFilter, &[Press::Char('h')], Group::Log, LOG, words::HOST_FILTER),
    bind(Action::AllSteps, &[Press::Char('a')], Group::Log, LOG, words::ALL_STEPS),
    bind(Action::ClearFilter, &[Press::Char('x')], Group::Log, LOG, words::CLEAR_FILTER),
    bind(Action::CopyLine, &[Press::Char('y')], Group::Log, LOG, words::COPY_LINE),
    bind(Action::CopyHits, &[Press::Char('Y')], Group::Log, LOG, words::COPY_HITS),
    bind(Action::Leave, &[Press::Char('q')], Group::Guarded, ALL, words::LEAVE),
];

/// What `press` does at `spot`.
pub(super) fn lookup(spot: Spot, press: Press) -> Option<Action> {
    let fits = |b: &&Binding| b.spots.contains(&spot) && b.presses.contains(&press);
    TABLE.iter().find(fits).map(|binding| binding.action)
}

/// The line of the table for an action at a spot.
pub(super) fn binding(spot: Spot, action: Action) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| binding.action == action && binding.spots.contains(&spot))
}

/// The names of a binding's keys, as a help page prints them.
pub(super) fn names(binding: &Binding) -> String {
    let names: Vec<String> = binding.presses.iter().map(|press| press.name()).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Action, Press, Spot, TABLE, lookup};

    #[test]
    fn safety_needs_no_letter() {
        let spots =
            [Spot::List, Spot::Log, Spot::Timeline, Spot::Confirm, Spot::Failure, Spot::Gate];
        for spot in spots.into_iter().chain([Spot::Text, Spot::Manual, Spot::Leave, Spot::Sheet]) {
            assert_eq!(lookup(spot, Press::F(8)), Some(Action::Hold), "{spot:?}");
            assert_eq!(lookup(spot, Press::F(9)), Some(Action::Guard), "{spot:?}");
            assert_ne!(lookup(spot, Press::Enter), Some(Action::Yes), "{spot:?}");
        }
        assert_eq!(lookup(Spot::Text, Press::Char('H')), None);
        assert_eq!(lookup(Spot::Guard, Press::Char('1')), None);
    }

    #[test]
    fn every_line_can_be_reached() {
        for binding in TABLE {
            for spot in binding.spots {
                for press in binding.presses {
                    let found = lookup(*spot, *press);
                    let reaches = found == Some(binding.action);
                    // A dialog's own letter may cover a general one; nothing else may.
                    let covered = !matches!(spot, Spot::List | Spot::Log | Spot::Timeline);
                    assert!(reaches || covered, "{binding:?} at {spot:?}");
                }
            }
        }
    }
}
