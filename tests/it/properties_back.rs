//! The rules of the engine about the way back and about the words of others, for every night.
#![expect(clippy::wildcard_enum_match_arm, reason = "a rule looks at the events that it is about")]

use std::collections::{BTreeMap, BTreeSet};

use golive::base::{StepId, Timestamp};
use golive::engine::{
    Actor, Choice, Command, End, Event, Fact, Item, Key, Part, Place, Return, RunStage, State,
    Status, advance,
};
use golive::plan::{Plan, UndoPlan};

use crate::plans::wei;
use crate::properties::{always, started};

/// Steps of which something may have been done, told from the journal alone, with their times.
fn ran(plan: &Plan, journal: &[(Timestamp, Fact)]) -> BTreeMap<StepId, Timestamp> {
    /// The first start, whether each job may have run, and whether it ran nowhere.
    type Began = (Timestamp, BTreeMap<(Key, Place), bool>, bool);
    let mut open: BTreeMap<StepId, Began> = BTreeMap::new();
    let mut by_hand = BTreeMap::new();
    let mut again: &[StepId] = &[];
    for (at, fact) in journal {
        match &fact.event {
            Event::RollbackBegan { to, .. } => {
                again = to.as_ref().map_or(&[], |to| to.again.as_slice());
            }
            Event::Returned { .. } => {
                open.retain(|step, _| !again.contains(step));
                by_hand.retain(|step, _| !again.contains(step));
            }
            Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places }
                if key.part == Part::Action =>
            {
                let entry = open.entry(key.step.clone()).or_insert((*at, BTreeMap::new(), false));
                entry.2 |= places.is_empty();
                entry.1.extend(places.iter().map(|place| ((key.clone(), place.clone()), true)));
            }
            Event::JobEnded { job, end: End::NotStarted { .. }, .. } => {
                if let Some((_, jobs, _)) = open.get_mut(&job.key.step) {
                    jobs.entry((job.key.clone(), job.place.clone())).and_modify(|may| *may = false);
                }
            }
            Event::SaidDone { step, part: Part::Action, .. }
            | Event::DoneByHand { step, part: Part::Action, .. } => {
                by_hand.entry(step.clone()).or_insert(*at);
            }
            _ => {}
        }
    }
    let mut ran: BTreeMap<_, _> = open
        .iter()
        .filter(|(_, (_, jobs, nowhere))| *nowhere || jobs.values().any(|may| *may))
        .map(|(step, (at, _, _))| (step.clone(), *at))
        .collect();
    for (step, at) in by_hand {
        let first = open.get(&step).map_or(at, |(first, _, _)| *first);
        ran.insert(step, first);
    }
    ran.retain(|step, _| plan.is_forward(step));
    ran
}

#[test]
fn rule_6_a_rollback_undoes_exactly_what_started_and_is_not_undone_newest_first() {
    always(128, |turn| {
        for fact in turn.facts {
            let Event::RollbackBegan { items, to, .. } = &fact.event else { continue };
            let plan = turn.before.plan();
            assert_eq!(turn.before.committed(), None, "the right to roll back had ended");
            let has_undo = |id: &StepId| {
                plan.step(id).is_some_and(|step| matches!(step.undo, UndoPlan::Undo(_)))
            };
            let ran = ran(plan, turn.journal);
            let undone = |id: &StepId| turn.before.undo_track(id).status.is_over();
            let wanted: BTreeSet<_> =
                ran.keys().filter(|id| has_undo(id) && !undone(id)).cloned().collect();
            let undos: Vec<_> = items.iter().filter(|item| item.part == Part::Undo).collect();
            let found: BTreeSet<_> = undos.iter().map(|item| item.step.clone()).collect();
            if let Some(to) = to {
                goes_to_its_checkpoint(turn.before, to, &found, &wanted);
                assert_eq!(undos.len(), items.len(), "a return has no steps of its own");
                continue;
            }
            assert_eq!(found, wanted);
            assert_eq!(undos.len(), found.len(), "an undo is there twice");
            assert!(undos.iter().map(|item| ran[&item.step]).is_sorted_by(|a, b| a >= b));
            let own = items.iter().filter(|item| item.part == Part::Action);
            let own: Vec<_> = own.map(|item| &item.step).collect();
            let theirs: Vec<_> = plan.before.iter().chain(&plan.after).collect();
            assert_eq!(own, theirs);
            assert!(items.iter().take(plan.before.len()).all(|item| item.part == Part::Action));
        }
    });
}

/// A return undoes what started once its checkpoint was reached, and what is not over.
fn goes_to_its_checkpoint(
    before: &State,
    to: &Return,
    found: &BTreeSet<StepId>,
    wanted: &BTreeSet<StepId>,
) {
    let point = before.plan().checkpoint(&to.checkpoint).expect("it is in the plan");
    let reached = before.track(&point.id).settled.expect("it was reached");
    assert!(found.is_subset(wanted));
    assert!(!found.contains(&point.id) && !to.again.contains(&point.id));
    for id in wanted.difference(found) {
        let track = before.track(id);
        let began = track.started.or(track.settled).expect("it ran");
        assert!(*id == point.id || (track.status.is_over() && began < reached), "{id} stays");
    }
}

#[test]
fn a_return_to_a_checkpoint_leaves_a_run_that_can_go_on() {
    always(96, |turn| {
        turn.each(|before, fact, after| {
            let Event::Returned { checkpoint } = &fact.event else { return };
            let to = before.rollback().and_then(|rollback| rollback.to.clone());
            let to = to.expect("a return was under way");
            assert_eq!(to.checkpoint, *checkpoint);
            assert_eq!(after.stage(), RunStage::Active);
            assert_eq!(after.rollback(), None);
            for id in &to.again {
                assert_eq!(after.track(id).status, Status::Pending, "{id}");
                assert!(!after.track(id).may_have_run(), "{id}");
            }
            let point = after.plan().checkpoint(checkpoint).expect("it is in the plan");
            assert!(after.track(&point.id).status.is_over());
        });
    });
}

#[test]
fn four_eyes_and_polls_are_kept() {
    always(96, |turn| {
        turn.each(|before, fact, _| {
            if let Some((key, _)) = started(fact)
                && key.part == Part::Action
                && before.plan().step(&key.step).is_some_and(|step| step.four_eyes)
                && !matches!(fact.by, Actor::Engine)
            {
                let approval = before.approval(&key.step, turn.now).expect("somebody agreed");
                assert_ne!(approval.voice.person, *before.driver());
            }
            if let Event::GateDecided { step, choice: Choice::Go, .. } = &fact.event {
                assert!(before.tally(step, turn.now).is_go(), "{step} went without its poll");
            }
        });
    });
}

#[test]
fn rule_6_rolling_back_is_possible_from_every_state_and_goes_on_past_a_failed_undo() {
    always(64, |turn| {
        let state = turn.after;
        let roll_back = Command::RollBack {
            reason: "enough".into(),
            break_glass: Some("we know what we do".into()),
            to: None,
        };
        let begun = matches!(state.stage(), RunStage::RollingBack | RunStage::RolledBack { .. });
        let something = !ran(state.plan(), turn.journal).is_empty();
        let ended = state.rollback().is_none() && state.committed().is_some();
        let possible = !state.is_closed() && !begun && something && !ended;
        let back = advance(state, &wei(), &roll_back, turn.now);
        assert_eq!(back.is_ok(), possible, "{:?}", back.err());
        if state.stage() == RunStage::RollingBack && state.hold().is_none() {
            // It never just waits: something is in flight.
            let items = &state.rollback().expect("it began").items;
            let in_flight =
                |item: &Item| state.track_of(&item.step, item.part).status.is_in_flight();
            let forward = |id: &StepId| state.track(id).status.is_in_flight();
            assert!(items.iter().any(in_flight) || state.plan().order.iter().any(forward));
        }
        turn.each(|before, fact, _| {
            if !matches!(fact.event, Event::RollbackEnded { .. }) {
                return;
            }
            for item in &before.rollback().expect("it began").items {
                let status = before.track_of(&item.step, item.part).status;
                let pointless = !before.track(&item.step).may_have_run();
                assert!(status.is_over() || pointless, "{item:?} is {status:?}");
            }
        });
    });
}
