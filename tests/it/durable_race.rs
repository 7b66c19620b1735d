//! Many starts of one key at once, some of them killed, with and without a void in the middle:
//! the step runs once, or, voided, not at all. By default a few; many with `GOLIVE_TESTS=long`.

use std::time::Instant;

use golive::exec::durable::Mode;
use tempfile::TempDir;

use crate::durable_host::{Host, Tally, inside, ledger, long};

/// Numbers that are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn race(host: &Host, at: usize, dice: &mut Dice) -> String {
    let key = format!("q{at}.1");
    let file = host.home.join(format!("ledger-{at}"));
    let payload = format!("echo run >>{};echo out;exit 5\n", file.display());
    let start = || host.begin(Mode::Start, &key, "digest=d", payload.as_bytes());
    let count = 2 + dice.below(7);
    let mut void = None;
    let mut calls = Vec::new();
    for number in 0..count {
        calls.push(start());
        if at % 2 == 1 && number == count / 2 {
            void = Some(host.begin(Mode::Attach, &key, "void=1", b""));
        }
    }
    let mut heard = Vec::new();
    for call in calls {
        if dice.below(10) < 3 {
            std::thread::sleep(std::time::Duration::from_millis(dice.below(30)));
            call.cut();
        } else {
            heard.push(call.finish());
        }
    }
    let void = void.map(|it| it.finish().state());
    // Whatever became of those, this one comes to an end, and so has the step.
    let last = start().finish();
    let (state, ran) = (last.state(), ledger(&file));
    let context =
        format!("{} race {at}: {state}, ran {ran}, void {void:?}\n{last:?}\n{heard:?}", host.shell);
    assert!(ran <= 1, "ran twice: {context}");
    match state.as_str() {
        "VOID" => assert_eq!(ran, 0, "{context}"),
        "EXITED 5" => assert!(ran == 1 && last.out == b"out\n", "{context}"),
        // The supervisor was killed, or its call.
        "LOST" => assert!(heard.iter().all(|it| it.value("end", "rc").is_empty()), "{context}"),
        // Nobody was killed but calls, and those are not the step.
        _ => panic!("{context}"),
    }
    assert!(void.as_deref() != Some("VOID") || ran == 0, "void, it was said: {context}");
    for one in &heard {
        let said = one.state();
        assert!(said == state || said == "LOST", "one says {said}: {context}");
        assert!(said != "EXITED 5" || one.out == b"out\n", "it missed some: {context}");
    }
    format!("{state} ran {ran}{}", if void.is_some() { ", void between" } else { "" })
}

#[test]
fn one_of_many_starts_wins() {
    if !inside("durable_race::one_of_many_starts_wins") {
        return;
    }
    let times = if long() { 300 } else { 12 };
    for shell in ["dash", "busybox", "bash"] {
        let (dir, begun) = (TempDir::new().unwrap(), Instant::now());
        let host = Host::new(dir.path(), shell);
        let (mut dice, mut tally) = (Dice(20_261_129), Tally::default());
        for at in 0..times {
            tally.add(race(&host, at, &mut dice));
        }
        let title = format!("{shell}: races of 2 to 8 starts, three in ten killed");
        tally.print(("many starts of one key at once", &title), begun);
    }
}
