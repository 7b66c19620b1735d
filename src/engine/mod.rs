//! The decider: what may happen next, given what happened so far.
//!
//! [`decide()`] turns a command into events or a [`Refusal`], [`State::apply`] folds an event into
//! the state, [`react()`] says which effects an event asks for; [`advance()`] joins the three.
//!
//! # Invariants
//!
//! - The state is a function of the plan and the events, and of nothing else.
//! - An attempt is started by an event, and every event is on disk before its effects begin.
//! - Nothing whose outcome is unknown is started again without a person and a reason.
//! - Rolling back is reachable from every state; past the point of no return with a reason.
//! - While nothing can be recorded, nothing forward starts, and what runs is not touched; going
//!   back and stopping ask for a typed override, and all of it is recorded late.
//!
//! # Deliberately absent
//!
//! No clock, no disk, no network, no randomness, no async, no logging. Time comes in with each
//! command.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod advance;
mod apply;
mod because;
mod by_hand;
mod clock;
mod command;
mod decide;
mod done;
mod due;
mod edit;
mod effect;
mod event;
mod gate;
mod health;
mod hosts;
mod job;
mod limits;
mod line;
mod notice;
mod objective;
mod parallel;
mod planned;
mod react;
mod readiness;
mod reconcile;
mod refusal;
mod replan;
mod shell;
mod sight;
mod start;
mod state;
mod track;
mod trigger;
mod unrecorded;
mod voice;
mod waves;
mod way_back;

pub use advance::{Advance, advance};
pub use because::{Already, Deed, Standing, StepKind, Unfit};
pub use command::{Command, Gesture, Which};
pub use decide::decide;
pub use done::Done;
pub use edit::Edit;
pub use effect::{Durable, Effect, Poll, Run};
pub use event::{Actor, AlarmId, Confirmed, Event, Genesis, Item, Level, Return, RunKind};
pub use gate::{
    Approval, Choice, Criterion, Evidence, Frozen, GateRecord, Judged, Tally, Voice, Vote,
    WAIVER_MAX, WORD_LASTS, Waiver,
};
pub use health::{Board, Change, Health, Panel, READINGS_MAX, Reading};
pub use hosts::{ClockOffset, HostFact, HostRecord, HostSaid, StoodStill};
pub use job::{End, Job, Key, Part, Place, Transcript, Verdict};
pub use limits::{Overrides, WindowEdge};
pub use notice::{Mark, OpenNotice, Signal};
pub use objective::{Loss, Rpa, Rta, Verdict as Attained};
pub use react::react;
pub use readiness::{Grounds, Known, Lamp, Missing, Need, Needed, Proof, Readiness, Stand, Watch};
pub use reconcile::{DIFFERENCES_MAX, Difference, Outcome, Reconciled, SideRead};
pub use refusal::Refusal;
pub use replan::Replanned;
pub use shell::{ShellEnd, ShellEnded, ShellOpened, ShellRecord};
pub use sight::{Begun, Doubt, OutOfSight, Records, Seen, Sight, Sync};
pub use state::{Alarm, Hold, Note, PlaybookRecord, Rollback, RunStage, State};
pub use track::{Attempt, Claim, PlaceEnd, Status, Stopping, Track, Wave};
pub use unrecorded::{Lost, Overridden};
pub use voice::{Said, Signed};
pub use way_back::{Checkpoint, WayBack, WayBackItem};

/// One event and who caused it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fact {
    /// Who.
    pub by: Actor,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
