//! One table of keys. Dispatch, the key bar and the help page are all made from it.

use super::press::Press;

pub(super) use super::action::Action;

/// Where the keyboard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// A view without a dialog, the step list.
    List,
    /// A view without a dialog, the log.
    Log,
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
    /// For the key bar.
    pub(super) short: &'static str,
    /// For the help page.
    pub(super) long: &'static str,
}

const VIEWS: &[Spot] = &[Spot::List, Spot::Log];
const ALL: &[Spot] = &[
    Spot::List,
    Spot::Log,
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
];
const MOVES: &[Spot] = &[
    Spot::List,
    Spot::Log,
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
const FAILURE: &[Spot] = &[Spot::Failure];
const CHOICES: &[Spot] = &[Spot::Failure, Spot::Confirm, Spot::Manual];
const GATE: &[Spot] = &[Spot::Gate];

const fn bind(
    action: Action,
    presses: &'static [Press],
    group: Group,
    spots: &'static [Spot],
    short: &'static str,
    long: &'static str,
) -> Binding {
    Binding { action, presses, group, spots, short, long }
}

/// The table. The first line that fits the spot and the press wins.
pub(super) const TABLE: &[Binding] = &[
    // Choices inside dialogs come before what the same letter does elsewhere.
    bind(
        Action::HoldAndLook,
        &[Press::Char('h')],
        Group::Step,
        FAILURE,
        "hold",
        "after a failure: hold and look",
    ),
    bind(
        Action::RetryFailed,
        &[Press::Char('r')],
        Group::Step,
        FAILURE,
        "retry",
        "after a failure: retry where it failed",
    ),
    bind(
        Action::RetryAll,
        &[Press::Char('a')],
        Group::Step,
        FAILURE,
        "retry all",
        "after a failure: retry on all hosts",
    ),
    bind(
        Action::Recheck,
        &[Press::Char('v')],
        Group::Step,
        FAILURE,
        "check again",
        "after a failure: only verify again",
    ),
    bind(
        Action::Edit,
        &[Press::Char('e')],
        Group::Step,
        &[Spot::Failure, Spot::Confirm, Spot::Edit],
        "edit",
        "edit a step's command for this run; shown, not sent",
    ),
    bind(Action::Skip, &[Press::Char('s')], Group::Step, CHOICES, "skip", "skip, with a reason"),
    bind(
        Action::ByHand,
        &[Press::Char('d')],
        Group::Step,
        CHOICES,
        "by hand",
        "done by hand, with a reason",
    ),
    bind(
        Action::Accept,
        &[Press::Char('f')],
        Group::Step,
        FAILURE,
        "accept",
        "after a failure: accept it, with a reason",
    ),
    bind(Action::Go, &[Press::Char('g')], Group::Step, GATE, "GO", "gate: GO"),
    bind(
        Action::NoGo,
        &[Press::Char('n')],
        Group::Step,
        GATE,
        "NO-GO",
        "gate: NO-GO, with a reason",
    ),
    bind(
        Action::Speaker,
        &[Press::Char('o')],
        Group::Step,
        GATE,
        "who",
        "gate: somebody else of the role speaks",
    ),
    bind(
        Action::Waive,
        &[Press::Char('W')],
        Group::Step,
        GATE,
        "waive",
        "gate: waive a criterion for a while, with a reason",
    ),
    bind(
        Action::Second,
        &[Press::Char('p')],
        Group::Step,
        &[Spot::Confirm, Spot::Manual, Spot::Failure],
        "second person",
        "who agrees, where two have to",
    ),
    bind(
        Action::ShutPlaybook,
        &[Press::Char('x')],
        Group::Guarded,
        &[Spot::Pick],
        "close it",
        "close a playbook",
    ),
    bind(
        Action::Checkpoints,
        &[Press::Char('p')],
        Group::Guarded,
        &[Spot::Guard],
        "checkpoint",
        "in the guard: only back to a checkpoint",
    ),
    bind(
        Action::Tick,
        &[Press::Char(' ')],
        Group::Step,
        &[Spot::Gate, Spot::Manual],
        "tick",
        "tick an item; 1-9 too",
    ),
    bind(
        Action::HoldAndLeave,
        &[Press::Char('h')],
        Group::Guarded,
        &[Spot::Leave],
        "hold and leave",
        "hold and leave",
    ),
    bind(
        Action::Yes,
        &[Press::Char('y')],
        Group::Step,
        &[Spot::Confirm, Spot::Failure, Spot::Gate, Spot::Manual, Spot::Edit],
        "run",
        "inside a dialog: do it",
    ),
    bind(
        Action::Full,
        &[Press::Char('v')],
        Group::Step,
        &[Spot::Confirm, Spot::Guard, Spot::Edit],
        "all of it",
        "every command in full",
    ),
    bind(
        Action::Words,
        &[Press::Char('w')],
        Group::Guarded,
        &[Spot::Guard, Spot::Edit],
        "reason",
        "write the reason",
    ),
    bind(Action::Words, &[Press::Char('w')], Group::Step, GATE, "words", "gate: a GO with words"),
    bind(
        Action::Peek,
        &[Press::Tab],
        Group::Guarded,
        &[Spot::Guard],
        "peek",
        "look behind the guard",
    ),
    bind(
        Action::Save,
        &[Press::Ctrl('s'), Press::F(2)],
        Group::Safe,
        &[Spot::Text],
        "done",
        "finish a text",
    ),
    bind(
        Action::Close,
        &[Press::Char('c')],
        Group::Guarded,
        &[Spot::Leave],
        "close",
        "close a session that is over, and leave",
    ),
    // Always safe.
    bind(
        Action::Open,
        &[Press::Enter],
        Group::Step,
        VIEWS,
        "open",
        "open the step or its dialog; never runs",
    ),
    bind(
        Action::Open,
        &[Press::Enter],
        Group::Step,
        &[Spot::Pick],
        "open",
        "open what is under the cursor; never runs",
    ),
    bind(
        Action::Hold,
        &[Press::Char('H'), Press::F(8)],
        Group::Safe,
        ALL,
        "HOLD",
        "HOLD: start nothing new; again: go on",
    ),
    bind(Action::Hold, &[Press::F(8)], Group::Safe, &[Spot::Text], "HOLD", "HOLD"),
    bind(
        Action::Hold,
        &[Press::F(8), Press::Char('H')],
        Group::Safe,
        &[Spot::Guard],
        "HOLD",
        "HOLD",
    ),
    bind(
        Action::Guard,
        &[Press::Char('R'), Press::F(9)],
        Group::Guarded,
        ALL,
        "ROLLBACK (guarded)",
        "ROLLBACK guard: shows the plan, sends nothing",
    ),
    bind(
        Action::Guard,
        &[Press::F(9)],
        Group::Guarded,
        &[Spot::Text],
        "ROLLBACK (guarded)",
        "ROLLBACK guard",
    ),
    bind(
        Action::Back,
        &[Press::Esc],
        Group::Safe,
        DIALOGS,
        "back",
        "back; never stops a step, never quits",
    ),
    bind(
        Action::Back,
        &[Press::Esc],
        Group::Safe,
        VIEWS,
        "back",
        "to the current step, to the drive view",
    ),
    bind(Action::Find, &[Press::Char('/')], Group::Log, VIEWS, "find", "find in the log"),
    bind(
        Action::StopStep,
        &[Press::Char('X')],
        Group::Step,
        &[Spot::List, Spot::Log, Spot::Manual],
        "stop step",
        "stop the running step: asks first",
    ),
    bind(
        Action::LetGo,
        &[Press::Char('U')],
        Group::Step,
        &[Spot::List, Spot::Log],
        "let go",
        "look no further for a step that runs unseen: asks why first",
    ),
    bind(
        Action::Playbooks,
        &[Press::Char('P')],
        Group::Guarded,
        ALL,
        "playbooks",
        "emergency procedures: shows them, runs nothing",
    ),
    bind(Action::Note, &[Press::Char('N')], Group::Safe, ALL, "note", "write a note"),
    bind(Action::Help, &[Press::Char('?'), Press::F(1)], Group::Safe, ALL, "help", "this help"),
    bind(
        Action::Help,
        &[Press::F(1)],
        Group::Safe,
        &[Spot::Text, Spot::Guard],
        "help",
        "this help",
    ),
    bind(
        Action::View,
        &[
            Press::Char('1'),
            Press::Char('2'),
            Press::Char('3'),
            Press::Char('4'),
            Press::Char('6'),
            Press::Char('7'),
        ],
        Group::Safe,
        VIEWS,
        "views",
        "1 drive 2 step 3 log 4 health 6 audit 7 notes",
    ),
    bind(Action::NextPane, &[Press::Tab], Group::Safe, VIEWS, "next pane", "next pane"),
    bind(Action::PrevPane, &[Press::BackTab], Group::Safe, VIEWS, "pane before", "pane before"),
    bind(
        Action::Zoom,
        &[Press::Char('z')],
        Group::Safe,
        VIEWS,
        "zoom",
        "the pane on the whole screen, and back",
    ),
    bind(Action::Up, &[Press::Char('k'), Press::Up], Group::Safe, MOVES, "up", "up"),
    bind(Action::Down, &[Press::Char('j'), Press::Down], Group::Safe, MOVES, "down", "down"),
    bind(
        Action::PageUp,
        &[Press::PageUp, Press::Ctrl('u')],
        Group::Safe,
        MOVES,
        "page up",
        "page up",
    ),
    bind(
        Action::PageDown,
        &[Press::PageDown, Press::Ctrl('d')],
        Group::Safe,
        MOVES,
        "page down",
        "page down",
    ),
    bind(
        Action::Top,
        &[Press::Home, Press::Char('g')],
        Group::Safe,
        VIEWS,
        "first",
        "to the first",
    ),
    bind(
        Action::Bottom,
        &[Press::End, Press::Char('G')],
        Group::Safe,
        VIEWS,
        "last",
        "to the last",
    ),
    bind(Action::PrevStep, &[Press::Char('[')], Group::Safe, VIEWS, "step before", "step before"),
    bind(Action::NextStep, &[Press::Char(']')], Group::Safe, VIEWS, "next step", "next step"),
    bind(
        Action::Acknowledge,
        &[Press::Char('c')],
        Group::Safe,
        ALL,
        "acknowledge",
        "acknowledge the alarms",
    ),
    bind(Action::Recall, &[Press::Char('C')], Group::Safe, ALL, "recall", "all alarms of this run"),
    bind(Action::Mute, &[Press::Char('M')], Group::Safe, VIEWS, "mute", "no bell for 10 min"),
    bind(Action::Redraw, &[Press::Ctrl('l')], Group::Safe, ALL, "draw again", "draw again"),
    bind(
        Action::AutoAdvance,
        &[Press::Char('A')],
        Group::Step,
        LIST,
        "auto-advance",
        "steps of class check start by themselves, or not",
    ),
    bind(
        Action::TryRecord,
        &[Press::Char('W')],
        Group::Safe,
        VIEWS,
        "record again",
        "nothing is recorded: try again now",
    ),
    bind(
        Action::Unrecorded,
        &[Press::Char('V')],
        Group::Guarded,
        VIEWS,
        "override",
        "nothing is recorded: type that rollback and stop work all the same",
    ),
    bind(
        Action::Abandon,
        &[Press::Char('B')],
        Group::Guarded,
        LIST,
        "abandon",
        "give the run up without a rollback: asks first",
    ),
    // The log.
    bind(Action::FindNext, &[Press::Char('n')], Group::Log, LOG, "next hit", "next hit"),
    bind(Action::FindPrev, &[Press::Char('p')], Group::Log, LOG, "hit before", "hit before"),
    bind(Action::OnlyHits, &[Press::Char('&')], Group::Log, LOG, "only hits", "only the hits"),
    bind(
        Action::NextError,
        &[Press::Char('e')],
        Group::Log,
        VIEWS,
        "next error",
        "next error in the log",
    ),
    bind(Action::PrevError, &[Press::Char('E')], Group::Log, VIEWS, "error before", "error before"),
    bind(Action::Follow, &[Press::Char('f')], Group::Log, VIEWS, "follow", "follow the log again"),
    bind(Action::Wrap, &[Press::Char('w')], Group::Log, VIEWS, "wrap", "wrap long lines, or not"),
    bind(Action::TimeForm, &[Press::Char('t')], Group::Log, VIEWS, "time", "site time, UTC, T+"),
    bind(
        Action::HostFilter,
        &[Press::Char('h')],
        Group::Log,
        LOG,
        "host",
        "one host after the other, then all",
    ),
    bind(Action::AllSteps, &[Press::Char('a')], Group::Log, LOG, "steps", "all steps, or this one"),
    bind(
        Action::ClearFilter,
        &[Press::Char('x')],
        Group::Log,
        LOG,
        "clear",
        "no search, no filter",
    ),
    bind(Action::CopyLine, &[Press::Char('y')], Group::Log, LOG, "copy", "copy the line"),
    bind(Action::CopyHits, &[Press::Char('Y')], Group::Log, LOG, "copy hits", "copy all hits"),
    bind(Action::Leave, &[Press::Char('q')], Group::Guarded, ALL, "leave", "leave: asks first"),
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
        let spots = [Spot::List, Spot::Log, Spot::Confirm, Spot::Failure, Spot::Gate];
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
                    let covered = !matches!(spot, Spot::List | Spot::Log);
                    assert!(reaches || covered, "{binding:?} at {spot:?}");
                }
            }
        }
    }
}
