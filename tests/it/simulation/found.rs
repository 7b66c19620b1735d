//! What the simulation has found, each told again in a few words, whatever becomes of its seed.

use golive::base::Millis;
use golive::engine::Sync;
use golive::exec::durable::{
    Act, Ask, Before, Conduct, Fate, Heard, Home, Line, Process, Standing, Word,
};

fn home(boot: &str) -> Word {
    let (root, root_id) = ("/root/.golive".to_owned(), "id".to_owned());
    Word::Hello(Home { root, root_id, boot: boot.to_owned() })
}

/// Seed 14: a step that reboots its host ran past its limit while the host was away; the answer to
/// the stop came from the new boot, and the step was said not to have rebooted its host.
#[test]
fn a_stop_that_comes_after_the_reboot_finds_it() {
    let before =
        Before { host: "web1".to_owned(), known: true, reboot: true, seed: 1, ..Before::default() };
    let mut conduct = Conduct::new(before, 0);
    assert_eq!(
        conduct.hear([Heard::Time], 0),
        [Act::Call(Line::Watch, Ask::Start { whole: true })]
    );
    let process = Process { pid: Some(7), born: Some(70), boot: "one".to_owned() };
    let started = Word::Started { process: process.clone(), group: true, sync: Sync::File };
    for word in [home("one"), started] {
        conduct.hear([Heard::Word(Line::Watch, word)], 10);
    }
    let grace = Millis::from_secs(5);
    assert!(
        conduct
            .hear([Heard::Stop(grace)], 60_000)
            .contains(&Act::Call(Line::Stop, Ask::Cancel { grace }))
    );
    let ended = Word::State { standing: Standing::Exited, process, code: Some(0), out: 0, err: 0 };
    let mut acts = Vec::new();
    for word in [home("two"), ended, Word::Done] {
        acts.extend(conduct.hear([Heard::Word(Line::Stop, word)], 90_000));
    }
    assert_eq!(acts.last(), Some(&Act::End(Fate::Rebooted(Millis::from_secs(90)))));
}

/// Seed 1775 of 10,000: the bytes of a step that had ended lagged behind the words about it, time
/// after time, and were said to be gone from the host.
#[test]
fn bytes_that_are_late_are_not_gone() {
    let before = Before { host: "web1".to_owned(), follow: true, seed: 1, ..Before::default() };
    let mut conduct = Conduct::new(before, 0);
    let attach = Ask::Attach { out: 0, err: 0, void: true };
    assert_eq!(conduct.hear([Heard::Time], 0), [Act::Call(Line::Watch, attach)]);
    conduct.hear([Heard::Opened(Line::Watch)], 10);
    let process = Process { pid: Some(7), born: Some(70), boot: "one".to_owned() };
    let ended = Word::State { standing: Standing::Exited, process, code: Some(0), out: 5, err: 0 };
    for word in [home("one"), ended, Word::Done] {
        conduct.hear([Heard::Word(Line::Watch, word)], 20);
    }
    assert_eq!(conduct.hear([Heard::Time], 20_000), []);
    assert_eq!(
        conduct.hear([Heard::Bytes(5, 0)], 20_000),
        [Act::HangUp(Line::Watch), Act::End(Fate::Exited(0))]
    );
}
