//! The wire form of the journal: every event there and back, and the bytes of version 1.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use golive::base::{Digest, Millis, SafeText, Timestamp};
use golive::engine::{
    Actor, AlarmId, Begun, Choice, ClockOffset, Confirmed, Difference, Done, Doubt, End, Event,
    Evidence, Fact, Genesis, Health, HostFact, Item, Job, Key, Level, Need, Needed, Outcome, Part,
    Place, Proof, Reading, Reconciled, RunKind, SideRead, Sight, Sync, Transcript, Verdict,
};
use golive::journal::{JOURNAL_FILE, Journal, Stamp, read_all};
use golive::runbook::{Class, Compare};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::{collection, option};

fn id<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9][A-Za-z0-9._-]{0,9}".prop_map(|text| text.parse().unwrap())
}

fn text() -> impl Strategy<Value = SafeText> {
    any::<String>().prop_map(|text| SafeText::new(&text))
}

fn millis() -> impl Strategy<Value = Millis> {
    any::<u64>().prop_map(Millis::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_unix_millis)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<u64>().prop_map(|n| Digest::of(&n.to_be_bytes()))
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        text().prop_map(Actor::Operator),
        Just(Actor::Engine),
        id().prop_map(Actor::Host),
        id().prop_map(Actor::Probe),
        Just(Actor::Clock),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    select(vec![Part::Action, Part::Verify, Part::Compare, Part::Undo, Part::UndoVerify])
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Here), id().prop_map(Place::Host)]
}

fn key() -> impl Strategy<Value = Key> {
    (id(), part(), any::<u32>()).prop_map(|(step, part, attempt)| Key { step, part, attempt })
}

fn job() -> impl Strategy<Value = Job> {
    (key(), place()).prop_map(|(key, place)| Job { key, place })
}

fn doubt() -> impl Strategy<Value = Doubt> {
    select(vec![
        Doubt::Link,
        Doubt::Gone,
        Doubt::Rebooted,
        Doubt::Forgotten,
        Doubt::LetGo,
        Doubt::Unrecorded,
    ])
}

fn sight() -> impl Strategy<Value = Sight> {
    let sync = select(vec![Sync::File, Sync::Full, Sync::None]);
    let told = (text(), text(), text(), sync, any::<bool>());
    let begun = (any::<u32>(), option::of(any::<u64>()), told).prop_map(|(pid, born, told)| {
        let (boot, root, root_id, sync, group) = told;
        Sight::Began(Begun { pid, born, boot, root, root_id, sync, group })
    });
    prop_oneof![
        begun,
        (text(), millis()).prop_map(|(why, proved)| Sight::Lost { why, proved }),
        Just(Sight::Back),
        Just(Sight::Orphan),
        text().prop_map(|why| Sight::Attached { why }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let captured = collection::btree_map(id(), text(), 0..3);
    prop_oneof![
        (any::<i32>(), option::of(text()), captured)
            .prop_map(|(code, unmet, captured)| End::Exited { code, unmet, captured }),
        text().prop_map(|signal| End::Signalled { signal }),
        done().prop_map(|done| End::Done(Box::new(done))),
        option::of(collection::vec(text(), 0..3)).prop_map(|survivors| End::Stopped { survivors }),
        text().prop_map(|why| End::NotStarted { why }),
        (text(), doubt()).prop_map(|(why, doubt)| End::Unknown { why, doubt }),
        millis().prop_map(|after| End::Rebooted { after }),
    ]
}

fn done() -> impl Strategy<Value = Done> {
    let captured = collection::btree_map(id(), text(), 0..3);
    let compared = option::of(reconciled().prop_map(Box::new));
    let parts =
        (text(), option::of(digest()), option::of(text()), any::<bool>(), compared, captured);
    parts.prop_map(|(what, digest, unmet, untouched, reconciled, captured)| Done {
        what,
        digest,
        unmet,
        untouched,
        reconciled,
        captured,
    })
}

fn reconciled() -> impl Strategy<Value = Reconciled> {
    let value = || option::of(text());
    let difference = (text(), value(), value(), value());
    let difference =
        difference.prop_map(|(key, left, right, apart)| Difference { key, left, right, apart });
    let side = || {
        let parts = (id(), any::<u64>(), option::of(digest()));
        parts.prop_map(|(host, bytes, digest)| SideRead { host, bytes, digest })
    };
    let outcome = prop_oneof![
        Just(Outcome::Equal),
        Just(Outcome::Differs),
        text().prop_map(|why| Outcome::Unknown { why }),
    ];
    let compare = prop_oneof![Just(Compare::Exact), Just(Compare::Numeric), Just(Compare::Rows)];
    let table = collection::vec(difference, 0..3);
    let parts = (compare, text(), side(), side(), outcome, any::<[u64; 5]>(), table);
    parts.prop_map(|(compare, how, left, right, outcome, counts, table)| {
        let [count, differ, within, only_left, only_right] = counts;
        Reconciled {
            compare,
            how,
            left,
            right,
            outcome,
            count,
            differ,
            within,
            only_left,
            only_right,
            table,
        }
    })
}

fn transcript() -> impl Strategy<Value = Transcript> {
    let redacted = collection::btree_map(id(), any::<u64>(), 0..3);
    (any::<u64>(), any::<u64>(), digest(), redacted)
        .prop_map(|(bytes, lines, digest, redacted)| Transcript { bytes, lines, digest, redacted })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Succeeded),
        Just(Verdict::Cancelled),
        Just(Verdict::Failed),
        Just(Verdict::TimedOut),
        Just(Verdict::Unknown),
    ]
}

fn health() -> impl Strategy<Value = Health> {
    prop_oneof![
        Just(Health::Healthy),
        Just(Health::Degraded),
        Just(Health::Failed),
        Just(Health::Unknown),
    ]
}

fn reading() -> impl Strategy<Value = Reading> {
    let value = option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO);
    (time(), value, any::<bool>(), text()).prop_map(|(at, value, ok, note)| Reading {
        at,
        value,
        ok,
        note,
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (id(), health(), option::of(reading()), option::of(millis()))
        .prop_map(|(probe, health, reading, age)| Evidence { probe, health, reading, age })
}

fn alarm() -> impl Strategy<Value = AlarmId> {
    prop_oneof![
        id().prop_map(AlarmId::Step),
        id().prop_map(AlarmId::Silent),
        id().prop_map(AlarmId::Probe),
        id().prop_map(AlarmId::Soak),
        id().prop_map(AlarmId::Host),
        id().prop_map(AlarmId::HostKey),
        id().prop_map(AlarmId::HostClock),
        Just(AlarmId::LatestSafe),
        Just(AlarmId::Window),
        id().prop_map(AlarmId::Unseen),
        id().prop_map(AlarmId::Notice),
        Just(AlarmId::Signing),
        Just(AlarmId::Readiness),
        Just(AlarmId::PlannedReturn),
        Just(AlarmId::Rto),
        Just(AlarmId::Rpo),
    ]
}

fn need() -> impl Strategy<Value = Need> {
    let what =
        prop_oneof![Just(Needed::Answer), Just(Needed::Become), id().prop_map(Needed::Check),];
    (place(), what).prop_map(|(place, what)| Need { place, what })
}

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![
        Just(Proof::Ready),
        text().prop_map(Proof::NotReady),
        text().prop_map(Proof::Unknown),
    ]
}

fn host_fact() -> impl Strategy<Value = HostFact> {
    prop_oneof![
        text().prop_map(|key| HostFact::KeySeen { key }),
        (text(), text()).prop_map(|(held, shown)| HostFact::KeyChanged { held, shown }),
        (text(), text(), text()).prop_map(|(held, key, reason)| HostFact::KeyAccepted {
            held,
            key,
            reason
        }),
        (any::<i64>(), millis())
            .prop_map(|(millis, within)| HostFact::Clock(ClockOffset { millis, within })),
    ]
}

fn confirmed() -> impl Strategy<Value = Confirmed> {
    let class = prop_oneof![Just(Class::Check), Just(Class::Change), Just(Class::Critical)];
    prop_oneof![
        Just(Confirmed::ByRule),
        (class, millis()).prop_map(|(class, after)| Confirmed::ByPerson { class, after }),
    ]
}

fn genesis() -> impl Strategy<Value = Genesis> {
    let kind = prop_oneof![Just(RunKind::Live), Just(RunKind::Rehearsal), Just(RunKind::Drill)];
    let texts = (text(), text(), text(), text(), option::of(text()), option::of(text()));
    let signer = option::of(text());
    (id(), kind, id(), digest(), texts, signer).prop_map(
        |(session, kind, runbook, plan, texts, signer)| {
            let (version, title, driver, machine, environment, overridden) = texts;
            Genesis {
                session,
                kind,
                version,
                runbook,
                title,
                plan,
                driver,
                machine,
                environment,
                overridden,
                signer,
            }
        },
    )
}

/// Events about jobs and steps.
fn work() -> BoxedStrategy<Event> {
    let in_doubt = collection::vec(job(), 0..3);
    let sought = collection::vec(job(), 0..3);
    let places = collection::vec(place(), 0..3);
    let some_places = || collection::vec(place(), 0..3);
    prop_oneof![
        genesis().prop_map(Event::SessionOpened),
        Just(Event::RunBegan),
        (text(), text(), millis(), in_doubt, sought, option::of(text())).prop_map(
            |(driver, machine, away, in_doubt, sought, signer)| Event::Resumed {
                driver,
                machine,
                away,
                in_doubt,
                sought,
                signer,
            }
        ),
        (job(), sight()).prop_map(|(job, sight)| Event::JobSighted { job, sight }),
        text().prop_map(|why| Event::DriverLeft { why }),
        (key(), places, digest(), confirmed()).prop_map(|(key, places, payload, confirmed)| {
            Event::AttemptStarted { key, places, payload, confirmed }
        }),
        (key(), collection::vec(some_places(), 0..3))
            .prop_map(|(key, waves)| Event::WavesPlanned { key, waves }),
        (key(), time()).prop_map(|(key, until)| Event::WavePaused { key, until }),
        (key(), some_places()).prop_map(|(key, places)| Event::WaveStarted { key, places }),
        (job(), end(), option::of(transcript()))
            .prop_map(|(job, end, transcript)| Event::JobEnded { job, end, transcript }),
        key().prop_map(|key| Event::TimeLimitReached { key }),
        key().prop_map(|key| Event::StopAsked { key }),
        (id(), time()).prop_map(|(step, at)| Event::RetryPlanned { step, at }),
        (id(), time()).prop_map(|(step, until)| Event::SoakStarted { step, until }),
        (id(), id(), health()).prop_map(|(step, probe, health)| Event::SoakBreached {
            step,
            probe,
            health
        }),
        (id(), part(), verdict()).prop_map(|(step, part, verdict)| Event::Settled {
            step,
            part,
            verdict
        }),
    ]
    .boxed()
}

/// Events that people cause.
fn people() -> BoxedStrategy<Event> {
    let items = (id(), part()).prop_map(|(step, part)| Item { step, part });
    let choice = prop_oneof![Just(Choice::Go), Just(Choice::NoGo)];
    prop_oneof![
        (id(), text()).prop_map(|(step, reason)| Event::Skipped { step, reason }),
        (id(), part(), text()).prop_map(|(step, part, reason)| Event::SaidDone {
            step,
            part,
            reason
        }),
        (id(), part(), text()).prop_map(|(step, part, reason)| Event::DoneByHand {
            step,
            part,
            reason
        }),
        (id(), part(), text()).prop_map(|(step, part, reason)| Event::FailureAccepted {
            step,
            part,
            reason
        }),
        (id(), part(), text()).prop_map(|(step, part, words)| Event::SignedOff {
            step,
            part,
            words
        }),
        (id(), choice, collection::vec(evidence(), 0..3), option::of(text())).prop_map(
            |(step, choice, evidence, reason)| {
                Event::GateDecided { step, choice, evidence, reason, frozen: None }
            }
        ),
        text().prop_map(|why| Event::Held { why }),
        Just(Event::Continued),
        any::<bool>().prop_map(|on| Event::AutoAdvance { on }),
        Just(Event::GuardOpened),
        text().prop_map(|why| Event::GuardClosed { why }),
        (text(), collection::vec(items, 0..3), option::of(text())).prop_map(
            |(reason, items, break_glass)| Event::RollbackBegan {
                reason,
                items,
                break_glass,
                to: None,
            }
        ),
        any::<bool>().prop_map(|verified| Event::RollbackEnded { verified }),
        Just(Event::AlarmsAcknowledged),
        (option::of(id()), any::<String>()).prop_map(|(step, text)| Event::Noted { step, text }),
        text().prop_map(|reason| Event::Abandoned { reason }),
        text().prop_map(|why| Event::RecordingLost { why }),
        text().prop_map(|reason| Event::RecordingOverridden { reason }),
        (any::<i32>(), any::<u64>(), option::of(text())).prop_map(|(since, facts, reason)| {
            let since = Timestamp::from_unix_millis(u64::from(since.unsigned_abs()));
            Event::RecordedLate { since, facts, reason }
        }),
        Just(Event::Completed),
        Just(Event::Closed),
    ]
    .boxed()
}

/// Events of probes, hosts and the clock.
fn surroundings() -> BoxedStrategy<Event> {
    let level = prop_oneof![Just(Level::Advisory), Just(Level::Caution), Just(Level::Warning)];
    prop_oneof![
        (id(), health(), health(), option::of(reading())).prop_map(|(probe, was, is, reading)| {
            Event::HealthChanged { probe, was, is, reading }
        }),
        (option::of(millis()), text()).prop_map(|(lost, says)| Event::LossMeasured { lost, says }),
        (need(), option::of(proof()))
            .prop_map(|(need, proof)| Event::ReadinessChanged { need, proof }),
        (alarm(), level, text())
            .prop_map(|(id, level, text)| { Event::AlarmRaised { id, level, text } }),
        alarm().prop_map(|id| Event::AlarmCleared { id }),
        (id(), text(), place()).prop_map(|(name, value, from)| Event::Captured {
            name,
            value,
            from
        }),
        any::<i64>().prop_map(|millis| Event::ClockJumped { millis }),
        (millis(), any::<bool>()).prop_map(|(span, asleep)| Event::StoodStill { span, asleep }),
        (id(), host_fact()).prop_map(|(host, fact)| Event::HostNoted { host, fact }),
        (id(), collection::vec(any::<u64>(), 0..4), any::<u32>()).prop_map(
            |(channel, numbers, tries)| Event::NoticeDelivered { channel, numbers, tries }
        ),
        (id(), collection::vec(any::<u64>(), 0..4), any::<u32>(), text()).prop_map(
            |(channel, numbers, tries, why)| Event::NoticeLost { channel, numbers, tries, why }
        ),
    ]
    .boxed()
}

fn fact() -> impl Strategy<Value = Fact> {
    let event = prop_oneof![work(), people(), surroundings()];
    (actor(), event).prop_map(|(by, event)| Fact { by, event })
}

#[test]
fn every_event_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let session = "night-1".parse().unwrap();
    let mut journal = Journal::create(dir.path(), &session).unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cell = std::cell::RefCell::new(&mut journal);
    let facts = collection::vec(fact(), 1..6);
    runner
        .run(&facts, |facts| {
            let entry = cell.borrow_mut().append(&Stamp::default(), &facts).unwrap();
            prop_assert_eq!(entry.facts, facts);
            Ok(())
        })
        .unwrap();
}

/// One event of every kind, always the same.
#[expect(clippy::too_many_lines, reason = "a list of every kind of event")]
fn night() -> Vec<Vec<Fact>> {
    let step = || "shift.1".parse().unwrap();
    let key = || Key { step: step(), part: Part::Action, attempt: 2 };
    let web = || Place::Host("web-1".parse().unwrap());
    let job = || Job { key: key(), place: web() };
    let at = Timestamp::from_unix_millis(1_796_000_005_250);
    let reading = || Reading { at, value: Some(3.25), ok: true, note: "p99 生产".into() };
    let probe = || "latency".parse().unwrap();
    let captured = BTreeMap::from([("lsn".parse().unwrap(), SafeText::new("0/16B3"))]);
    let transcript =
        Transcript { bytes: 27, lines: 2, digest: Digest::of(b"out"), redacted: BTreeMap::new() };
    let by_person = Confirmed::ByPerson { class: Class::Critical, after: Millis::new(2150) };
    let undo = Item { step: step(), part: Part::Undo };
    let li = |event| Fact { by: Actor::Operator("li.wei".into()), event };
    let golive = |event| Fact { by: Actor::Engine, event };
    let genesis = Genesis {
        session: "night-1".parse().unwrap(),
        kind: RunKind::Live,
        version: "0.1.0".into(),
        runbook: "shop".parse().unwrap(),
        title: "The shop moves \u{2192} new".into(),
        plan: Digest::of(b"plan"),
        driver: "li.wei".into(),
        machine: "bastion".into(),
        environment: Some("production".into()),
        overridden: None,
        signer: None,
    };
    vec![
        vec![li(Event::SessionOpened(genesis))],
        vec![li(Event::RunBegan), li(Event::AutoAdvance { on: true })],
        vec![li(Event::AttemptStarted {
            key: key(),
            places: vec![web(), Place::Here],
            payload: Digest::of(b"echo"),
            confirmed: by_person,
        })],
        vec![Fact {
            by: Actor::Host("web-1".parse().unwrap()),
            event: Event::JobEnded {
                job: job(),
                end: End::Exited { code: 0, unmet: None, captured },
                transcript: Some(transcript),
            },
        }],
        vec![
            golive(Event::JobEnded {
                job: job(),
                end: End::Stopped { survivors: Some(vec!["4711 tail".into()]) },
                transcript: None,
            }),
            golive(Event::JobEnded {
                job: job(),
                end: End::Signalled { signal: "KILL".into() },
                transcript: None,
            }),
            golive(Event::JobEnded {
                job: job(),
                end: End::NotStarted { why: "no route".into() },
                transcript: None,
            }),
            golive(Event::JobEnded {
                job: job(),
                end: End::unknown(Doubt::Link, "link lost"),
                transcript: None,
            }),
        ],
        vec![
            golive(Event::Captured {
                name: "lsn".parse().unwrap(),
                value: "0/16B3".into(),
                from: web(),
            }),
            golive(Event::Settled { step: step(), part: Part::Verify, verdict: Verdict::TimedOut }),
            golive(Event::RetryPlanned { step: step(), at }),
        ],
        vec![
            Fact { by: Actor::Clock, event: Event::TimeLimitReached { key: key() } },
            li(Event::StopAsked { key: key() }),
            golive(Event::SoakStarted { step: step(), until: at }),
        ],
        vec![
            Fact {
                by: Actor::Probe(probe()),
                event: Event::HealthChanged {
                    probe: probe(),
                    was: Health::Unknown,
                    is: Health::Degraded,
                    reading: Some(reading()),
                },
            },
            golive(Event::SoakBreached { step: step(), probe: probe(), health: Health::Failed }),
            golive(Event::AlarmRaised {
                id: AlarmId::Probe(probe()),
                level: Level::Caution,
                text: "latency is degraded".into(),
            }),
            li(Event::AlarmsAcknowledged),
            golive(Event::AlarmCleared { id: AlarmId::LatestSafe }),
        ],
        vec![li(Event::GateDecided {
            step: step(),
            choice: Choice::NoGo,
            evidence: vec![Evidence {
                probe: probe(),
                health: Health::Healthy,
                reading: Some(reading()),
                age: Some(Millis::new(1200)),
            }],
            reason: Some("too slow".into()),
            frozen: None,
        })],
        vec![
            li(Event::Skipped { step: step(), reason: "not needed".into() }),
            li(Event::DoneByHand { step: step(), part: Part::Undo, reason: "by hand".into() }),
            li(Event::FailureAccepted {
                step: step(),
                part: Part::Action,
                reason: "harmless".into(),
            }),
            li(Event::SignedOff { step: step(), part: Part::Action, words: "seen".into() }),
        ],
        vec![
            li(Event::Held { why: "wait for the DBA".into() }),
            li(Event::Noted { step: Some(step()), text: "line 1\nline 2 \u{1b}[31m".to_owned() }),
            li(Event::Continued),
            li(Event::GuardOpened),
            li(Event::GuardClosed { why: "escape".into() }),
        ],
        vec![
            li(Event::DriverLeft { why: "the terminal went away".into() }),
            li(Event::Resumed {
                driver: "chen.yu".into(),
                machine: "bastion".into(),
                away: Millis::from_secs(360),
                in_doubt: vec![job()],
                sought: vec![],
                signer: None,
            }),
            Fact { by: Actor::Clock, event: Event::ClockJumped { millis: -2500 } },
        ],
        vec![li(Event::RollbackBegan {
            reason: "error rate".into(),
            items: vec![undo],
            break_glass: Some("agreed with the owner".into()),
            to: None,
        })],
        vec![golive(Event::RollbackEnded { verified: true }), golive(Event::Completed)],
        vec![li(Event::Abandoned { reason: "window over".into() }), li(Event::Closed)],
    ]
}

#[test]
fn version_one_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path(), &"night-1".parse().unwrap()).unwrap();
    for (index, facts) in (0..).zip(night()) {
        let at = Timestamp::from_unix_millis(1_796_000_000_000 + index * 1250);
        let stamp = Stamp {
            at,
            wall: at.after(Millis::new(3)),
            mono: Millis::new(86_400_000 + index * 1250),
            boot: "1ad0c3c2".to_owned(),
        };
        journal.append(&stamp, &facts).unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/journal-v1.jsonl");
    let written = fs::read_to_string(journal.path()).unwrap();
    if std::env::var_os("GOLDEN").is_some() {
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &written).unwrap();
    }
    let kept = fs::read_to_string(&golden).unwrap();
    for (line, (written, kept)) in (1..).zip(written.lines().zip(kept.lines())) {
        assert_eq!(written, kept, "line {line}: a journal of version 1 must stay readable");
    }
    assert_eq!(written, kept);
    // And it reads as what it was made from.
    fs::write(dir.path().join(JOURNAL_FILE), kept).unwrap();
    let read: Vec<_> = read_all(dir.path()).unwrap().into_iter().map(|e| e.facts).collect();
    assert_eq!(read, night());
}
