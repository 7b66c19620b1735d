//! What keys can stand for.

/// What keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Hold,
    Guard,
    Back,
    Help,
    View,
    NextPane,
    PrevPane,
    Zoom,
    Up,
    Down,
    Top,
    Bottom,
    PageUp,
    PageDown,
    PrevStep,
    NextStep,
    Find,
    FindNext,
    FindPrev,
    OnlyHits,
    NextError,
    PrevError,
    Follow,
    Wrap,
    TimeForm,
    HostFilter,
    AllSteps,
    ClearFilter,
    CopyLine,
    CopyHits,
    Acknowledge,
    Recall,
    Note,
    Mute,
    Language,
    Redraw,
    Open,
    Yes,
    Full,
    Words,
    Tick,
    Go,
    NoGo,
    Speaker,
    Waive,
    Second,
    Playbooks,
    ShutPlaybook,
    Checkpoints,
    StopStep,
    LetGo,
    AutoAdvance,
    HoldAndLook,
    RetryFailed,
    RetryAll,
    Skip,
    ByHand,
    Accept,
    Recheck,
    Edit,
    Abandon,
    TryRecord,
    Unrecorded,
    Peek,
    Save,
    HoldAndLeave,
    Close,
    Leave,
    Finer,
    Coarser,
    Earlier,
    Later,
    OnlyLate,
    CommandLine,
    Shell,
    CarryOut,
    Complete,
    Older,
    Newer,
}

impl Action {
    /// Whether a key that is held down may repeat it: it moves only the eyes.
    pub(super) const fn may_repeat(self) -> bool {
        matches!(
            self,
            Self::Up
                | Self::Down
                | Self::PageUp
                | Self::PageDown
                | Self::FindNext
                | Self::FindPrev
                | Self::NextError
                | Self::PrevError
                | Self::Finer
                | Self::Coarser
                | Self::Earlier
                | Self::Later
        )
    }
}
