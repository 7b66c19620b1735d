//! The rules of the engine that hold for every plan, every night and every moment to crash.
#![expect(clippy::wildcard_enum_match_arm, reason = "a rule looks at the events that it is about")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use golive::base::{StepId, Timestamp};
use golive::engine::{
    Actor, Choice, Command, Criterion, Effect, Event, Fact, Health, Job, Key, Part, Place,
    RunStage, State, Status, Track, Verdict, advance,
};
use golive::plan::{CheckPlan, Plan, UndoPlan, VerifyPlan, Work};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use crate::histories::{History, Turn, criteria, history, live, read_back, resume};
use crate::plans::{replay, wei};

/// Runs `look` over every turn of many histories.
pub(crate) fn always(cases: u32, look: impl Fn(&Turn<'_>)) {
    lives(cases, |history| {
        live(history, &look);
        Ok(())
    });
}

/// The same nights on every machine; with `PROPTEST_CASES` so many new ones.
pub(crate) fn lives(cases: u32, test: impl Fn(&History) -> TestCaseResult) {
    let hunt = std::env::var("PROPTEST_CASES").is_ok();
    let config =
        ProptestConfig { max_shrink_iters: 2_000, failure_persistence: None, ..Default::default() };
    let mut runner = if hunt {
        TestRunner::new(config)
    } else {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(ProptestConfig { cases, ..config }, rng)
    };
    if let Err(why) = runner.run(&history(), |history| test(&history)) {
        panic!("{why}");
    }
}

pub(crate) fn started(fact: &Fact) -> Option<(&Key, &[Place])> {
    match &fact.event {
        Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places } => {
            Some((key, places))
        }
        _ => None,
    }
}

#[test]
fn rule_1_intent_before_effect() {
    always(64, |turn| {
        let intents: BTreeMap<_, _> = turn.facts.iter().filter_map(started).collect();
        for effect in turn.effects {
            match effect {
                Effect::Run(run) => {
                    assert_eq!(intents.get(&run.key), Some(&run.places.as_slice()));
                    let payload = turn.facts.iter().find_map(|fact| match &fact.event {
                        Event::AttemptStarted { key, payload, .. } if *key == run.key => {
                            Some(*payload)
                        }
                        _ => None,
                    });
                    let wave = |fact: &Fact| matches!(&fact.event, Event::WaveStarted { .. });
                    let payload = payload.or_else(|| {
                        turn.facts.iter().any(wave).then(|| run.payload()) // Said with the first.
                    });
                    assert_eq!(payload, Some(run.payload()), "what was written is what is sent");
                }
                Effect::Notify { key: Some(key), .. } => assert!(intents.contains_key(key)),
                Effect::Stop(key) => {
                    let is_asked = |fact: &Fact| match &fact.event {
                        Event::StopAsked { key: of } | Event::TimeLimitReached { key: of } => {
                            of == key
                        }
                        _ => false,
                    };
                    assert!(turn.facts.iter().any(is_asked), "{key}");
                }
                // Neither starts anything.
                Effect::Follow(run) => assert!(turn.before.in_flight().any(|a| a.key == run.key)),
                Effect::LetGo(job) => assert!(turn.before.in_flight().any(|a| a.key == job.key)),
                Effect::Notify { key: None, .. }
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks
                | Effect::WakeAt(_) => {}
            }
        }
        // And every intent that has places has its effect, or nothing would ever end it.
        for (key, places) in intents.into_iter().filter(|(_, places)| !places.is_empty()) {
            let is_its = |effect: &Effect| match effect {
                Effect::Run(run) => run.key == *key,
                Effect::Notify { key: of, .. } => of.as_ref() == Some(key),
                Effect::Follow(_)
                | Effect::LetGo(_)
                | Effect::Stop(_)
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks
                | Effect::WakeAt(_) => false,
            };
            assert_eq!(turn.effects.iter().filter(|e| is_its(e)).count(), 1, "{key} {places:?}");
        }
    });
}

#[test]
fn rule_2_at_most_one_start_of_each_attempt_and_one_end_of_each_job() {
    always(64, |turn| {
        let mut keys = BTreeSet::new();
        let mut places = BTreeSet::new();
        let mut jobs = BTreeSet::new();
        for (_, fact) in turn.journal {
            if let Event::AttemptStarted { key, .. } = &fact.event {
                assert!(keys.insert(key), "{key} was started twice");
            }
            for (key, place) in started(fact)
                .into_iter()
                .flat_map(|(key, places)| places.iter().map(move |place| (key, place)))
            {
                assert!(places.insert((key, place)), "{key} was started twice on {place}");
            }
            if let Event::JobEnded { job, .. } = &fact.event {
                assert!(jobs.insert(job), "{job} ended twice");
                assert!(places.contains(&(&job.key, &job.place)), "{job} ended before it started");
            }
        }
    });
}

#[test]
fn a_wave_starts_only_after_one_that_is_over_and_well_enough() {
    always(64, |turn| {
        turn.each(|before, fact, _| {
            let Event::WaveStarted { key, places } = &fact.event else { return };
            let track = before.track(&key.step);
            let attempt = track.last_action().expect("it is under way");
            assert_eq!((&attempt.key, attempt.to_come.first()), (key, Some(places)), "as planned");
            assert!(attempt.has_ended() && attempt.stopping.is_none(), "{key}");
            let batch = before.plan().step(&key.step).unwrap().batch.as_ref().unwrap();
            assert!(track.bad_places().len() <= batch.max_failures, "{key}");
            assert!(before.hold().is_none() && before.guard().is_none(), "{key}");
            assert_eq!(before.stage(), RunStage::Active, "{key}");
        });
    });
}

fn verify_of(plan: &Plan, step: &StepId, part: Part) -> Option<VerifyPlan> {
    let step = plan.step(step)?;
    match (&step.undo, part.is_undo()) {
        (_, false) => step.verify.clone(),
        (UndoPlan::Undo(undo), true) => undo.verify.clone(),
        (UndoPlan::None | UndoPlan::Irreversible(_), true) => None,
    }
}

/// Whether the last attempt is a verification that held.
fn verified(state: &State, step: &StepId, part: Part) -> bool {
    let track = state.track_of(step, part);
    let Some(last) = track.last() else { return false };
    if !matches!(last.key.part, Part::Verify | Part::UndoVerify) {
        return false;
    }
    match verify_of(state.plan(), step, part).map(|verify| verify.check) {
        Some(CheckPlan::Run(_) | CheckPlan::Http(_)) => {
            let well = |end: &Option<golive::engine::PlaceEnd>| {
                end.as_ref().is_some_and(|end| end.end.verdict() == Verdict::Succeeded)
            };
            !last.places.is_empty() && last.places.values().all(well)
        }
        // At its time; after it a soak may have gone on.
        Some(CheckPlan::Probe(probe)) => {
            matches!(track.status, Status::Soaking { .. } | Status::Succeeded)
                || state.health(&probe) == Health::Healthy
        }
        None => false,
    }
}

fn all_well(track: &Track) -> bool {
    let ends = track.latest_ends();
    let well = |end: Option<&golive::engine::PlaceEnd>| {
        end.is_some_and(|end| end.end.verdict() == Verdict::Succeeded)
    };
    !ends.is_empty() && ends.values().copied().all(well)
}

/// Whether a person's word about a step's part is in the journal.
fn word(journal: &[(Timestamp, Fact)], id: &StepId, of: Part) -> bool {
    journal.iter().any(|(_, fact)| match &fact.event {
        Event::SignedOff { step, part, .. } => step == id && *part == of,
        Event::GateDecided { step, choice, .. } => step == id && *choice == Choice::Go,
        _ => false,
    })
}

#[test]
fn rule_3_no_invented_outcomes() {
    always(96, |turn| {
        turn.each(|before, fact, after| {
            let Event::Settled { step, part, verdict } = &fact.event else { return };
            let track = before.track_of(step, *part);
            let plan = before.plan().step(step).expect("a step of the plan");
            let last_is_thing =
                track.last().is_some_and(|a| matches!(a.key.part, Part::Action | Part::Undo));
            let ends = track.latest_ends();
            let mut verdicts = ends.values().flatten().map(|end| end.end.verdict());
            let doubt = verdicts.any(|verdict| verdict == Verdict::Unknown);
            if last_is_thing && doubt {
                assert_eq!(*verdict, Verdict::Unknown, "{step}: a doubt was hidden");
            }
            if *verdict != Verdict::Succeeded {
                return;
            }
            assert_eq!(after.track_of(step, *part).status, Status::Succeeded);
            let work = match (&plan.undo, part.is_undo()) {
                (UndoPlan::Undo(undo), true) => &undo.work,
                (_, _) => &plan.work,
            };
            let done = match work {
                Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Notify { .. } => {
                    all_well(track) || verified(before, step, *part)
                }
                Work::Manual(_) | Work::Gate(_) => {
                    word(turn.journal, step, *part) || verified(before, step, *part)
                }
                Work::Soak(_) => true,
            };
            assert!(done, "{step} {part:?} succeeded by nobody's word: {track:?}");
            if verify_of(before.plan(), step, *part).is_some() && !matches!(work, Work::Soak(_)) {
                assert!(verified(before, step, *part), "{step} {part:?} is not verified");
            }
            let soak = match (&plan.work, &plan.soak) {
                (Work::Soak(soak), _) | (_, Some(soak)) if !part.is_undo() => Some(soak),
                (_, _) => None,
            };
            if let Some(soak) = soak {
                let Status::Soaking { until } = track.status else { panic!("{step} has no soak") };
                assert!(until <= turn.now, "{step} soaked too short");
                let well = |id: &golive::base::ProbeId| before.health(id) == Health::Healthy;
                assert!(soak.probes.iter().all(well), "{step} soaked in bad health");
            }
        });
    });
}

#[test]
fn rule_3_unknown_is_never_started_again_without_a_persons_reason() {
    always(96, |turn| {
        turn.each(|before, fact, _| {
            let Some((key, places)) = started(fact) else { return };
            let track = before.track_of(&key.step, key.part);
            let ends = track.latest_ends();
            let mut verdicts = ends.values().flatten().map(|end| end.end.verdict());
            let mut doubt = track.status == Status::Unknown
                || verdicts.any(|verdict| verdict == Verdict::Unknown);
            if matches!(fact.event, Event::WaveStarted { .. }) {
                // Earlier attempts were answered for when this one began, a verification settles.
                let attempt = track.last_action().expect("it is under way");
                let mut bad = track.bad_places().into_iter().filter_map(|place| {
                    attempt.places.get(place)?.as_ref().map(|end| end.end.verdict())
                });
                doubt = bad.any(|verdict| verdict == Verdict::Unknown);
            }
            if !doubt || places.is_empty() || !matches!(key.part, Part::Action | Part::Undo) {
                return;
            }
            let Command::Retry { reason: Some(reason), .. } = turn.command else {
                panic!("{key} was started again by {:?}", turn.command)
            };
            assert!(!reason.as_str().trim().is_empty());
            assert!(matches!(fact.by, Actor::Operator(_)));
        });
    });
}

#[test]
fn rule_4_the_state_is_derived_from_what_is_on_disk_at_every_prefix() {
    lives(48, |history| {
        let disk = RefCell::new(State::new(std::sync::Arc::clone(&history.plan)));
        let read = RefCell::new(0);
        let look = |turn: &Turn<'_>| {
            let mut disk = disk.borrow_mut();
            let new = turn.journal.iter().skip(*read.borrow());
            let (times, facts): (Vec<_>, Vec<_>) = new.cloned().unzip();
            assert_eq!(read_back(&facts), facts);
            for (at, Fact { by, event }) in times.into_iter().zip(read_back(&facts)) {
                disk.apply(at, &by, &event);
            }
            *read.borrow_mut() = turn.journal.len();
            assert_eq!(*disk, *turn.after);
        };
        let world = live(history, &look);
        prop_assert_eq!(replay(&world.plan, &world.journal), world.state);
        Ok(())
    });
}

/// The first of all that a step needs, directly or not, that is not over.
fn not_over(state: &State, step: &StepId) -> Option<StepId> {
    let mut to_see: Vec<_> = state.plan().step(step)?.needs.clone();
    while let Some(need) = to_see.pop() {
        if !state.track(&need).status.is_over() {
            return Some(need);
        }
        to_see.extend(state.plan().step(&need)?.needs.iter().cloned());
    }
    None
}

#[test]
fn rules_5_and_7_a_step_starts_only_when_it_may() {
    always(96, |turn| {
        turn.each(|before, fact, _| {
            let Some((key, _)) = started(fact) else { return };
            let forward = before.plan().is_forward(&key.step) && !key.part.is_undo();
            if before.plan().playbook_of(&key.step).is_some() {
                let open = before.plan().playbook_of(&key.step).map(|playbook| &playbook.id);
                assert!(open.is_some_and(|id| before.playbooks().contains_key(id)), "{key}");
                assert_eq!(not_over(before, &key.step), None, "{key} started early");
                return;
            }
            if !forward {
                assert_eq!(before.stage(), RunStage::RollingBack, "{key}");
                return;
            }
            assert_eq!(before.stage(), RunStage::Active, "{key}");
            assert_eq!(not_over(before, &key.step), None, "{key} started early");
            if key.part != Part::Action {
                return; // A verification follows its action; nothing new begins.
            }
            assert_eq!(before.guard(), None, "{key} started behind the guard");
            let repeated = matches!(turn.command, Command::Retry { .. });
            let taken_up = before.track(&key.step).status != Status::Pending
                && matches!(turn.command, Command::SignOff { .. } | Command::Decide { .. });
            if !repeated && !taken_up {
                assert_eq!(before.hold(), None, "{key} started in a hold");
            }
            let is_wave = matches!(fact.event, Event::WaveStarted { .. }); // Confirmed as a whole.
            if fact.by == Actor::Engine && key.attempt == 1 && !is_wave {
                let plan = before.plan().step(&key.step).expect("a step of the plan");
                assert_eq!(plan.class, golive::runbook::Class::Check, "{key} started by itself");
            }
        });
    });
}

#[test]
fn rule_8_every_event_names_who_caused_it() {
    always(64, |turn| {
        for fact in turn.facts {
            let person = matches!(fact.by, Actor::Operator(_));
            match &fact.event {
                Event::SaidDone { .. }
                | Event::FailureAccepted { .. }
                | Event::SignedOff { .. }
                | Event::GateDecided { .. }
                | Event::Voted { .. }
                | Event::Waived { .. }
                | Event::Approved { .. }
                | Event::StepEdited { .. }
                | Event::Replanned { .. }
                | Event::PlaybookOpened { .. }
                | Event::PlaybookClosed { .. }
                | Event::GuardOpened
                | Event::ShellOpened(_)
                | Event::ShellEnded(_)
                | Event::GuardClosed { .. }
                | Event::Abandoned { .. }
                | Event::StopAsked { .. }
                | Event::Resumed { .. }
                | Event::DriverLeft { .. } => assert!(person, "{fact:?}"),
                Event::RollbackBegan { reason, .. } => {
                    let pulled = reason.as_str().starts_with("trigger: ");
                    assert!(person || (fact.by == Actor::Engine && pulled), "{fact:?}");
                }
                Event::AlarmRaised { .. }
                | Event::Returned { .. }
                | Event::WaiverEnded { .. }
                | Event::WavePaused { .. }
                | Event::WaveStarted { .. }
                | Event::AlarmCleared { .. }
                | Event::RetryPlanned { .. }
                | Event::TimeLimitReached { .. }
                | Event::SoakBreached { .. }
                | Event::RollbackEnded { .. }
                | Event::Completed => assert_eq!(fact.by, Actor::Engine, "{fact:?}"),
                Event::HealthChanged { probe, .. } => {
                    assert!(person || fact.by == Actor::Probe(probe.clone()), "{fact:?}");
                }
                _ => {}
            }
        }
    });
}

#[test]
fn rule_3_a_persons_word_is_proved_by_the_verification_where_there_is_one() {
    let seen = std::cell::Cell::new(0_u32);
    always(128, |turn| {
        turn.each(|before, fact, after| {
            let Event::DoneByHand { step, part, .. } = &fact.event else { return };
            let plan = before.plan().step(step).expect("a step of the plan");
            let Some(check) = plan.verification(part.is_undo()) else {
                assert!(matches!(fact.by, Actor::Operator(_)), "{fact:?}");
                return;
            };
            seen.set(seen.get() + 1);
            let track = before.track_of(step, *part);
            assert!(track.unproved().is_some(), "{step}: nobody said so");
            let last = track.last().expect("a verification");
            assert_eq!(last.key.part, part.verification(), "{step}: it was not verified");
            let well = |end: &Option<golive::engine::PlaceEnd>| {
                end.as_ref().is_some_and(|end| end.end.verdict() == Verdict::Succeeded)
            };
            assert!(last.places.values().all(well), "{step}: its verification did not hold");
            if let CheckPlan::Probe(probe) = &check.check {
                assert_eq!(before.health(probe), Health::Healthy, "{step}");
            }
            assert_eq!(after.track_of(step, *part).status, Status::DoneByHand);
        });
    });
    assert!(seen.get() > 0, "no night proved a word");
}

#[test]
fn rule_10_unknown_health_holds_a_gate() {
    always(96, |turn| {
        turn.each(|before, fact, _| {
            let Event::GateDecided { step, choice, reason, evidence, .. } = &fact.event else {
                return;
            };
            if reason.is_some() {
                return;
            }
            assert_eq!(*choice, Choice::Go, "a NO-GO has a reason");
            for probe in criteria(before.plan(), step) {
                let criterion = Criterion::Probe(probe.clone());
                if before.waiver(step, &criterion, turn.now).is_some() {
                    continue;
                }
                assert_eq!(before.health(&probe), Health::Healthy);
                let seen = evidence.iter().find(|evidence| evidence.probe == probe);
                assert_eq!(seen.map(|evidence| evidence.health), Some(Health::Healthy));
            }
        });
    });
}

#[test]
fn after_a_crash_at_any_moment_nothing_starts_and_each_job_is_unknown_or_looked_for() {
    always(64, |turn| {
        let state = turn.after;
        let Ok(back) = advance(state, &wei(), &resume(), turn.now) else {
            assert!(state.is_closed());
            return;
        };
        let starts = |effect: &Effect| match effect {
            Effect::Run(_) => true,
            Effect::Notify { key, .. } => key.is_some(),
            Effect::Stop(_)
            | Effect::Follow(_)
            | Effect::LetGo(_)
            | Effect::HoldToKey { .. }
            | Effect::ProbeLinks
            | Effect::WakeAt(_) => false,
        };
        let followed: BTreeSet<_> = back.effects.iter().filter_map(looked_for).flatten().collect();
        assert!(!back.effects.iter().any(starts), "{:?}", back.effects);
        let mut durable = BTreeSet::new();
        for attempt in state.in_flight() {
            let Key { step, part, .. } = &attempt.key;
            let open = attempt.places.iter().filter(|(_, end)| end.is_none());
            let jobs =
                open.map(|(place, _)| Job { key: attempt.key.clone(), place: place.clone() });
            let (kept, gone): (Vec<_>, Vec<_>) = jobs.partition(|job| state.is_durable(job));
            if kept.is_empty() {
                assert_eq!(back.state.track_of(step, *part).status, Status::Unknown);
            }
            assert!(gone.is_empty() || kept.is_empty(), "an attempt is durable or it is not");
            durable.extend(kept);
        }
        assert_eq!(followed, durable);
        // Nor does anything start before a person has said so, however long it takes.
        let later = turn.now.after(golive::base::Millis::from_secs(86_400));
        let later = advance(&back.state, &Actor::Clock, &Command::Wake, later).expect("a wake");
        assert!(!later.effects.iter().any(starts), "{:?}", later.effects);
        if matches!(state.stage(), RunStage::Active | RunStage::RollingBack) {
            let hold = back.state.hold().expect("it is held");
            assert!(matches!(hold.by, Actor::Operator(_)));
        }
    });
}

#[test]
fn an_operator_can_always_bring_a_run_to_an_end_and_close_it() {
    lives(96, |history| {
        let mut world = live(history, &|_| ());
        if world.state.is_closed() {
            return Ok(());
        }
        prop_assert!(world.bring_to_an_end(), "stuck: {:#?}", world.state);
        prop_assert!(world.ask(&wei(), &Command::Close));
        prop_assert!(world.state.is_closed());
        Ok(())
    });
}

#[test]
fn a_wake_that_is_not_needed_changes_nothing() {
    always(48, |turn| {
        if turn.facts.is_empty() || turn.after.is_closed() {
            return;
        }
        let again = advance(turn.after, &Actor::Clock, &Command::Wake, turn.now).expect("a wake");
        assert!(again.facts.is_empty(), "{:?}", again.facts);
    });
}

/// The properties say nothing if the nights are dull.
#[test]
fn the_histories_hold_every_kind_of_event_and_every_status() {
    let seen = RefCell::new(BTreeMap::<String, usize>::new());
    lives(192, |history| {
        let mut here = BTreeSet::new();
        let world = live(history, &|_| ());
        for (_, fact) in &world.journal {
            here.insert(crate::plans::name(&fact.event));
            if let Event::Settled { part, verdict, .. } = &fact.event {
                here.insert(format!("{part:?} {verdict:?}"));
            }
            if let Event::AttemptStarted { key, .. } = &fact.event {
                here.insert(format!("{:?} {}", key.part, key.attempt.min(2)));
            }
        }
        here.insert(format!("{:?}", world.state.stage()));
        for name in here {
            *seen.borrow_mut().entry(name).or_default() += 1;
        }
        Ok(())
    });
    let rich = [
        "Undo 2",
        "Undo Failed",
        "Undo Unknown",
        "UndoVerify 1",
        "Verify 2",
        "Action TimedOut",
        "Action Cancelled",
        "RollingBack",
        "Completed",
        "Abandoned",
        "abandoned",
        "closed",
        "wave-started",
        "wave-paused",
        "waves-planned",
        "done-by-hand",
        "driver-left",
        "failure-accepted",
        "gate-decided",
        "guard-opened",
        "resumed",
        "retry-planned",
        "rollback-ended",
        "signed-off",
        "skipped",
        "soak-breached",
        "soak-started",
        "stop-asked",
        "time-limit-reached",
        "voted",
        "waived",
        "waiver-ended",
        "approved",
        "playbook-opened",
        "playbook-closed",
        "returned",
    ];
    let seen = seen.into_inner();
    let missing: Vec<_> = rich.into_iter().filter(|name| !seen.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} of {seen:#?}");
}

/// The jobs that an effect looks for again.
fn looked_for(effect: &Effect) -> Option<Vec<Job>> {
    if let Effect::Follow(run) = effect {
        let job = |place: &Place| Job { key: run.key.clone(), place: place.clone() };
        Some(run.places.iter().map(job).collect())
    } else {
        None
    }
}
