//! The lamp of the way back: what it needs, what is known of that, when the alarm is raised; and the
//! looks themselves, at hosts that go away and checks that hang.

use std::time::Duration;

use golive::engine::{AlarmId, Command, Lamp, Proof, RunKind, State, Status};
use golive::practice::{Fault, Fleet, FleetOptions};
use golive::session::start;
use proptest::prelude::*;

use crate::night::{AFTER, Night, ONE, change, story, tell};
use crate::plans::{at, wei};
use crate::session::{self, id, night};

/// A step on this machine whose undo needs something.
fn local(id: &str, ready: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\nlocal = \"do {id}\"\nestimate = \"1m\"\n\
         undo = {{ local = \"undo {id}\", ready = {{ {ready} }} }}\n"
    )
}

// ---- what is needed, and the lamp ---------------------------------------------------------------

#[test]
fn what_started_is_needed_and_what_would_start_next_and_nothing_else() {
    story(
        &(change("a", ONE, "") + &change("b", "[\"web2\"]", "become = true") + AFTER),
        "1 wake                         | needs web1 answers
         1 start a                      | run a.1 web1
         2 end a.1.web1 ok              | needs web1 answers, web2 answers, become on web2
         3 skip b not tonight           | needs web1 answers
         4 roll-back enough             | run freeze.1 local",
    );
}

#[test]
fn a_check_that_waits_for_a_value_is_no_need_before_its_step_and_unknown_after_it() {
    story(
        "[[phase.step]]\nid = \"a\"\non = \"web1\"\nrun = \"do a\"\nread_only = true\n\
         estimate = \"1m\"\ncapture = { dump = \"dump=(.*)\" }\n\
         [[phase.step]]\nid = \"b\"\non = \"web1\"\nrun = \"do b\"\nestimate = \"1m\"\n\
         undo = { run = \"undo b\", ready = { run = \"test -e {{ dump }}\" } }\n",
        "1 skip a by hand it was        | needs web1 answers
         2 start b                      | run b.1 web1; needs web1 answers, what the undo of b needs on web1 (waits)
         3 prove web1 answer ready      | lamp unknown: what the undo of b needs on web1: it waits for a captured value",
    );
    story(
        "[[phase.step]]\nid = \"a\"\non = \"web1\"\nrun = \"do a\"\nread_only = true\n\
         estimate = \"1m\"\ncapture = { dump = \"dump=(.*)\" }\n\
         [[phase.step]]\nid = \"b\"\non = \"web1\"\nrun = \"do b\"\nestimate = \"1m\"\n\
         undo = { run = \"undo b\", ready = { run = \"test -e {{ dump }}\" } }\n",
        "1 start a                      | run a.1 web1; needs 
         2 end a.1.web1 ok dump=/d      | needs web1 answers, what the undo of b needs on web1
         3 prove web1 answer ready      | lamp unknown: what the undo of b needs on web1: nobody has looked
         4 prove web1 check:b ready     | lamp ready: all 2 needs",
    );
}

#[test]
fn unknown_is_never_ready_and_the_alarm_tells_of_what_was() {
    story(
        &(local("a", "run = \"test -e /dump\"") + &local("b", "run = \"true\"")),
        "1 wake                         | lamp unknown; quiet
         2 prove here check:a unknown no answer | lamp unknown; quiet; facts: readiness-changed
         3 prove here check:a unknown no answer | facts: 
         4 prove here check:a ready     | lamp ready; quiet
         5 prove here check:a unknown no answer | lamp unknown; alarm the way back is UNKNOWN: it was ready: what the undo of a needs on golive's machine: no answer; by golive alarm-raised
         6 prove here check:a not-ready exit 1 | lamp not ready; alarm is NOT READY: what the undo of a needs on golive's machine: exit 1
         7 prove here check:a ready     | lamp ready; quiet; facts: readiness-changed alarm-cleared
         8 prove web9 answer not-ready who | lamp ready; facts: ",
    );
}

#[test]
fn what_is_not_ready_at_the_first_look_is_told_and_what_nobody_needs_is_not() {
    story(
        &(local("a", "run = \"true\"") + &local("b", "run = \"true\"")),
        "1 prove here check:b not-ready exit 1 | lamp unknown; quiet
         2 prove here check:a not-ready exit 2 | lamp not ready; alarm what the undo of a needs on golive's machine: exit 2
         3 skip a not tonight           | lamp not ready; alarm what the undo of b needs on golive's machine: exit 1
         4 prove here check:b no-more   | lamp unknown: what the undo of b needs on golive's machine: nobody has looked yet; alarm NOT READY
         5 prove here check:b ready     | lamp ready; quiet",
    );
}

#[test]
fn what_the_link_says_counts_at_once() {
    story(
        &(change("a", ONE, "") + &change("b", "[\"web2\"]", "")),
        "1 prove web1 answer ready      | lamp ready: the 1 need
         2 link web1 down               | lamp not ready: web1 cannot be reached; alarm the way back is NOT READY: web1 cannot be reached
         3 prove web1 answer not-ready it cannot be reached: web1: refused | alarm NOT READY: web1 cannot be reached
         4 link web1 up                 | lamp not ready
         5 prove web1 answer ready      | lamp ready; quiet
         6 key web1 ed25519-one
         7 other-key web1 ed25519-two   | lamp not ready: web1 shows another host key",
    );
}

#[test]
fn nobody_has_looked_after_a_resume() {
    let night = story(
        &change("a", ONE, ""),
        "1 prove web1 answer ready      | lamp ready
         2 start a                      | run a.1 web1
         3 end a.1.web1 ok              | a:succeeded; completed; lamp ready: the 1 need
         4 resume                       | lamp unknown: web1: nobody has looked yet
         5 prove web1 answer ready      | lamp ready
         6 close                        | lamp ready: there is nothing to undo",
    );
    assert_eq!(night.state.rollback_ready().stands, []);
}

#[test]
fn past_the_point_of_no_return_and_after_a_commit_it_is_not_ready() {
    story(
        &(change("a", ONE, "point_of_no_return = true") + &change("b", ONE, "commit = true")),
        "1 prove-all ready
         1 start a                      | run a.1 web1
         2 end a.1.web1 ok              | lamp not ready: past the point of no return, a
         3 start b                      | run b.1 web1
         4 end b.1.web1 ok              | completed; lamp not ready: b has ended the right to roll back",
    );
}

#[test]
fn on_the_way_back_what_is_undone_is_needed_no_more() {
    let mut night =
        Night::open(&(change("a", ONE, "") + &change("b", "[\"web2\"]", "")), RunKind::Live);
    tell(
        &mut night,
        "1 begin
         1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         2 start b                      | run b.1 web2
         3 end b.1.web2 ok
         4 prove-all ready
         5 roll-back enough             | run b.undo.1 web2; needs web1 answers, web2 answers
         6 end b.undo.1.web2 ok         | run a.undo.1 web1; needs web1 answers
         7 end a.undo.1.web1 ok         | rolled-back",
    );
    assert!(night.state.back_needs().is_empty());
}

/// The state after these proofs of what a way back over three hosts needs.
fn after(proofs: &[Option<u8>], down: bool) -> (State, Vec<Option<u8>>) {
    let body = change("a", "[\"web1\", \"web2\", \"web3\"]", "become = true");
    let mut night = Night::open(&body, RunKind::Live);
    night.ask(&wei(), &Command::Begin, at(0)).unwrap();
    let needs: Vec<_> = night.state.back_needs().into_keys().collect();
    let given: Vec<_> = needs.iter().enumerate().map(|(n, _)| proofs[n % proofs.len()]).collect();
    for (need, given) in needs.into_iter().zip(&given) {
        let proof = match given {
            None => continue,
            Some(0) => Proof::Ready,
            Some(1) => Proof::NotReady("no".into()),
            Some(_) => Proof::Unknown("who knows".into()),
        };
        night.ask(&wei(), &Command::Proved { need, proof: Some(proof) }, at(1)).unwrap();
    }
    if down {
        let (host, down) = ("web2".parse().unwrap(), Some("no route".into()));
        night.ask(&wei(), &Command::Link { host, down }, at(2)).unwrap();
    }
    (night.state, given)
}

proptest! {
    #[test]
    fn the_lamp_is_ready_exactly_if_every_need_was_proved(
        proofs in prop::collection::vec(prop::option::of(0_u8..3), 1..7),
        down: bool,
    ) {
        let (state, given) = after(&proofs, down);
        let lamp = state.rollback_ready().lamp;
        let all = given.iter().all(|given| *given == Some(0)) && !down;
        prop_assert_eq!(lamp == Lamp::Ready, all);
        let missing = down || given.contains(&Some(1));
        prop_assert_eq!(lamp == Lamp::NotReady, missing);
        // No alarm without something that was seen, and none while all is well.
        let alarm = state.open_alarms().iter().any(|alarm| alarm.id == AlarmId::Readiness);
        prop_assert!(!alarm || !all);
        prop_assert!(alarm || !given.contains(&Some(1)));
    }
}

// ---- looks ---------------------------------------------------------------------------------------

const FLEET: &str = r#"
golive = 1
[runbook]
id = "lamp"
title = "Lamp"
[hosts.blue1]
[hosts.green1]
become = "false"
[[phase]]
id = "p"
[[phase.step]]
id = "dump"
on = "blue1"
run = "echo 7 > /tmp/dump"
undo = { run = "rm /tmp/dump", ready = { run = "cat /tmp/dump", stdout = "^7$", every = "5s" } }
[[phase.step]]
id = "turn"
on = "green1"
run = "true"
undo = { run = "true" }
become = true
"#;

fn is(view: &golive::session::View, lamp: Lamp, why: &str) -> bool {
    let ready = view.state.rollback_ready();
    ready.lamp == lamp && ready.why.as_str().contains(why)
}

fn rings(view: &golive::session::View) -> bool {
    view.state.open_alarms().iter().any(|alarm| alarm.id == AlarmId::Readiness)
}

#[tokio::test]
async fn a_lost_host_turns_the_lamp_and_raises_the_alarm() {
    let hosts = ["blue1", "green1"].map(|name| name.parse().unwrap());
    let fleet = Fleet::start(&hosts, FleetOptions::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, FLEET).unwrap();
    let mut request = session::request(dir.path(), &file, None);
    request.pool = crate::practice_runbooks::pool(&fleet);
    let (found, handle) = start(&request).unwrap();
    let night = session::Night { dir, found, handle };
    night.ask(Command::Begin).await.unwrap();
    // Before the first step the dump is not there, and everybody is told so.
    let not_there =
        |view: &_| is(view, Lamp::NotReady, "the undo of dump needs on blue1") && rings(view);
    night.until("the dump is missed", not_there).await;
    night.start("dump").await;
    night.settled("dump", Status::Succeeded).await;
    // What comes next runs as somebody else, which does not work there.
    let become_fails = |view: &_| is(view, Lamp::NotReady, "become on green1: exit 1");
    night.until("become does not work", become_fails).await;
    night.ask(Command::Skip { step: id("turn"), reason: "not tonight".into() }).await.unwrap();
    let view = night.until("all is there", |view| is(view, Lamp::Ready, "") && !rings(view)).await;
    assert!(!view.proved.is_empty());

    let host: golive::base::HostId = "blue1".parse().unwrap();
    fleet.inject(Fault::HostDown { host: host.clone() });
    let lost = |view: &_| is(view, Lamp::NotReady, "blue1 cannot be reached") && rings(view);
    night.until("the host is missed", lost).await;
    fleet.inject(Fault::HostUp { host });
    night.until("it is back", |view| is(view, Lamp::Ready, "") && !rings(view)).await;
    drop(night);
    fleet.shutdown().await;
}

const HANGS: &str = r#"
golive = 1
[runbook]
id = "hangs"
title = "Hangs"
[[phase]]
id = "p"
[[phase.step]]
id = "one"
local = "true"
undo = { local = "true", ready = { run = "echo $$ >> DIR/looks; sleep 1000; true", timeout = "1s", every = "5s" } }
[[phase.step]]
id = "two"
local = "true"
undo = { local = "true" }
"#;

#[tokio::test]
async fn a_look_that_hangs_delays_no_step_is_unknown_and_leaves_nothing_behind() {
    let night = night(HANGS);
    night.ask(Command::Begin).await.unwrap();
    let looks = night.dir.path().join("looks");
    while std::fs::read_to_string(&looks).unwrap_or_default().trim().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    night.start("one").await;
    night.settled("one", Status::Succeeded).await;
    night.start("two").await;
    night.settled("two", Status::Succeeded).await;
    let hangs = |view: &_| is(view, Lamp::Unknown, "no answer within 1s");
    night.until("it hangs", hangs).await;
    let first: i32 =
        std::fs::read_to_string(&looks).unwrap().lines().next().unwrap().parse().unwrap();
    let lives = || std::path::Path::new(&format!("/proc/{first}")).exists();
    while lives() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It is not said again and again.
    let view = night.handle.view();
    let said = view
        .tail
        .iter()
        .filter(|line| matches!(line.fact.event, golive::engine::Event::ReadinessChanged { .. }));
    assert_eq!(said.count(), 1);
}
