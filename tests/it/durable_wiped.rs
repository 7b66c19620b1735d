//! A host whose memory of the night is gone when golive comes back after a crash: it cannot say that
//! a step never ran there, and what golive knows of it is in the record.

use std::fs;

use golive::base::Timestamp;
use golive::engine::{
    Actor, Begun, Confirmed, Doubt, Effect, End, Event, Job, Key, Part, Place, Sight, State,
};

use crate::durable_desk::{Console, count, counted, durable, start};
use crate::sshd::{Sshd, id};

const ONE: &str = r#"
golive = 1
[runbook]
id = "night"
[hosts.web1]
address = "127.0.0.1"
[[phase]]
id = "p"
[[phase.step]]
id = "one"
on = "web1"
run = "true"
undo = { run = "true" }
"#;

/// The state of a session whose record says that step one has begun so on its host.
fn state(begun: &Begun) -> State {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    fs::write(&file, ONE).unwrap();
    let (_, plan) = crate::session::inputs(&file);
    let mut state = State::new(plan);
    let key = Key { step: "one".parse().unwrap(), part: Part::Action, attempt: 1 };
    let place = Place::Host(id("web1"));
    let events = [
        Event::AttemptStarted {
            key: key.clone(),
            places: vec![place.clone()],
            payload: golive::base::Digest::of(b""),
            confirmed: Confirmed::ByRule,
        },
        Event::JobSighted { job: Job { key, place }, sight: Sight::Began(begun.clone()) },
    ];
    for event in events {
        state.apply(Timestamp::from_unix_millis(1000), &Actor::Engine, &event);
    }
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_making_do_not_say_that_a_step_never_ran() {
    let sshd = Sshd::start();
    let ledger = sshd.path("ledger");
    let mut console = Console::new(sshd.pool());
    let one = start(&console, durable("one", 1, "true"));
    let begun = console.begun(&one).await;
    console.end(&one).await;
    // The second step ran, and golive died before its record had a word of it.
    let run = durable("two", 1, &counted(&ledger, "true"));
    let two = start(&console, run.clone());
    console.end(&two).await;
    drop(console);
    let state = state(&begun);
    let records = state.records_on_hosts();
    assert_eq!(records[&id("web1")].id, begun.root_id);
    assert_eq!(records[&id("web1")].sync, begun.sync);
    // The host is made anew, once without any records and once with those of another night.
    for other_night in [false, true] {
        fs::remove_dir_all(begun.root.as_str()).unwrap();
        if other_night {
            let mut console = Console::new(sshd.pool());
            let job = start(&console, durable("other", 1, "true"));
            console.end(&job).await;
        }
        let mut console = Console::new(sshd.pool());
        console.edge.recall(&state);
        console.edge.perform(Effect::Follow(Box::new(run.clone())));
        let end = console.end(&two).await;
        let End::Unknown { doubt, why } = end else { panic!("{end:?}") };
        assert_eq!(doubt, Doubt::Forgotten, "{why}");
    }
    assert_eq!(count(&ledger), 1);
}
