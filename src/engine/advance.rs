//! One command, all that follows from it by itself, and the effects: one line of the journal.

use crate::base::Timestamp;

use super::Fact;
use super::command::Command;
use super::decide::decide;
use super::effect::Effect;
use super::event::Actor;
use super::react::react;
use super::refusal::Refusal;
use super::state::State;

/// More than this many consequences of one command are a bug, not a plan: the largest plan has
/// 2,000 steps, and each can be passed over by its `when` in one go.
const CONSEQUENCES_MAX: usize = 8_192;

/// What a command leads to. Nothing of it is true before `facts` are on disk.
#[derive(Debug)]
pub struct Advance {
    /// What happened, to be journaled as one entry; empty when nothing did.
    pub facts: Vec<Fact>,
    /// The state after it.
    pub state: State,
    /// What has to be done then.
    pub effects: Vec<Effect>,
}

/// Decides `command` and everything that is due after it, as one unit.
pub fn advance(
    state: &State,
    by: &Actor,
    command: &Command,
    now: Timestamp,
) -> Result<Advance, Refusal> {
    let mut events = decide(state, command, now)?;
    let mut advance = Advance { facts: Vec::new(), state: state.clone(), effects: Vec::new() };
    if let Command::Replan { plan, .. } = command {
        advance.state.offer(plan);
    }
    let mut by = by.clone();
    if matches!(command, Command::Wake) {
        by = Actor::Engine;
    }
    while !events.is_empty() {
        for event in events {
            // A hold and an alarm that follow from a report are the program's, not the host's; nor
            // are they a person's whose word cannot be proved.
            let by = match (&event, &by) {
                (super::event::Event::Held { .. }, _)
                    if matches!(command, Command::DoneByHand { .. }) =>
                {
                    Actor::Engine
                }
                (super::event::Event::Held { .. }, Actor::Host(_) | Actor::Probe(_))
                | (
                    super::event::Event::AlarmRaised { .. }
                    | super::event::Event::AlarmCleared { .. },
                    _,
                ) => Actor::Engine,
                (_, by) => by.clone(),
            };
            advance.state.apply(now, &by, &event);
            advance.effects.extend(react(&advance.state, &event));
            advance.facts.push(Fact { by, event });
        }
        if advance.state.closed || advance.facts.len() > CONSEQUENCES_MAX {
            break;
        }
        by = Actor::Engine;
        events = decide(&advance.state, &Command::Wake, now)?;
    }
    Ok(advance)
}
