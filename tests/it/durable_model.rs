//! The model of a host's half, on which the practice fleet and the simulation stand, against the
//! half itself: the same requests to both, drawn by lot, and the same words and bytes from both.
//!
//! The half is the shell texts that go to hosts, run by dash. What differs by nature is left out:
//! numbers of processes, times, folders, and the text behind a refusal's code.
//!
//! `GOLIVE_TESTS=long` draws more.

use std::collections::BTreeMap;
use std::time::Instant;

use golive::exec::durable::Mode;
use golive::practice::{Act, Call, Now, Spool, Stream};

use crate::durable_host::{Heard, Host, Tally, inside, long};
use crate::simulation::luck::Luck;

/// A step that ends by itself: what it writes on both streams, and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    out: usize,
    err: usize,
    code: u8,
}

impl Step {
    fn draw(luck: &mut Luck) -> Self {
        let size = |luck: &mut Luck| match luck.below(4) {
            0 => 0,
            1 => luck.pick(9),
            2 => luck.pick(5000),
            _ => luck.pick(200_000),
        };
        let (out, err) = (size(luck), size(luck));
        Self { out, err, code: u8::try_from(luck.below(4)).unwrap() * 7 }
    }

    /// The line that does it.
    fn line(self) -> String {
        let Self { out, err, code } = self;
        let some =
            |count: usize, letter: char| format!("head -c {count} /dev/zero | tr '\\0' {letter}");
        format!("{}; {} >&2; exit {code}\n", some(out, 'o'), some(err, 'e'))
    }
}

/// Which records a request names.
#[derive(Clone, Copy, Debug)]
enum Pin {
    None,
    /// Those that were heard of last.
    Right,
    Wrong,
}

/// One request.
#[derive(Clone, Debug)]
struct Ask {
    mode: Mode,
    key: &'static str,
    words: String,
    pin: Pin,
    step: Step,
}

impl Ask {
    fn draw(luck: &mut Luck) -> Self {
        let keys = ["a.1", "a.2", "b.1", "b.undo.1"];
        let key = keys[luck.pick(keys.len())];
        let offsets = |luck: &mut Luck| {
            let far = [0, 0, 3, 4096, 70_000, 1_000_000];
            format!("o={} e={}", far[luck.pick(far.len())], far[luck.pick(far.len())])
        };
        let (mode, words) = match luck.below(10) {
            0..=3 => {
                let digest = if luck.percent(80) { "d" } else { "other" };
                let after = if key == "a.2" { " after=a.1" } else { "" };
                (Mode::Start, format!("digest={digest} lines=1 stdin=0{after}"))
            }
            4..=7 => {
                let void = luck.below(2);
                (Mode::Attach, format!("{} void={void}", offsets(luck)))
            }
            8 => (Mode::Cancel, "grace=1".to_owned()),
            _ if luck.percent(30) => (Mode::Close, String::new()),
            _ => (Mode::Attach, format!("{} void=0", offsets(luck))),
        };
        let pin = match luck.below(8) {
            0..=4 => Pin::None,
            5..=6 => Pin::Right,
            _ => Pin::Wrong,
        };
        Self { mode, key, words, pin, step: Step::draw(luck) }
    }

    fn words_with(&self, known: Option<&str>) -> String {
        match (self.pin, known) {
            (Pin::Right, Some(id)) => format!("{} rootid={id}", self.words),
            (Pin::Wrong, _) => format!("{} rootid=another", self.words),
            (Pin::None | Pin::Right, _) => self.words.clone(),
        }
    }

    fn payload(&self) -> Vec<u8> {
        if self.mode == Mode::Start { self.step.line().into_bytes() } else { Vec::new() }
    }
}

/// What was said, without what differs by nature.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    lines: Vec<String>,
    out: (usize, u64),
    err: (usize, u64),
}

fn sum(bytes: &[u8]) -> (usize, u64) {
    let sum = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    (bytes.len(), sum)
}

fn said(lines: &[Vec<String>], out: &[u8], err: &[u8]) -> Said {
    let kept = |word: &&String| {
        let name = word.split('=').next().unwrap_or_default();
        !["pid", "born", "boot", "up", "root", "rootid", "sync", "group"].contains(&name)
    };
    let line = |line: &[String]| {
        let count = if line[0] == "error" { 2 } else { line.len() };
        line[..count].iter().filter(kept).cloned().collect::<Vec<_>>().join(" ")
    };
    Said { lines: lines.iter().map(|it| line(it)).collect(), out: sum(out), err: sum(err) }
}

/// The model of one host.
struct Model {
    spool: Spool,
    steps: BTreeMap<Vec<u8>, Step>,
    known: Option<String>,
    pids: u32,
}

impl Model {
    fn now(&mut self) -> Now {
        self.pids += 1;
        Now { up: u64::from(self.pids), pid: self.pids, born: u64::from(self.pids) }
    }

    /// One call as the client of [`Host`] makes it: what a start prints is asked for at the end.
    fn call(&mut self, ask: &Ask, number: usize) -> Said {
        let key = if ask.mode == Mode::Close { "all" } else { ask.key };
        let words = ask.words_with(self.known.as_deref());
        let mode = ask.mode.word();
        let mut text =
            format!("golive2 {mode} n run.host {key} newid=id{number} {words}\n").into_bytes();
        text.extend(ask.payload());
        let (mut call, mut owes) = (Call::default(), ask.mode == Mode::Start);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let now = self.now();
        let mut acts = call.feed(&mut self.spool, now, &text);
        loop {
            let quiet = acts.is_empty();
            for act in acts {
                match act {
                    Act::Out(bytes) => out.extend(bytes),
                    Act::Err(bytes) => err.extend(bytes),
                    Act::Launch(launch) => {
                        let step = self.steps[&launch.input];
                        self.spool.write(launch.pid, Stream::Out, &vec![b'o'; step.out]);
                        self.spool.write(launch.pid, Stream::Err, &vec![b'e'; step.err]);
                        self.spool.ended(launch.pid, step.code, now.up);
                    }
                    Act::Signal(..) | Act::Exit(_) => {}
                }
            }
            let heard = Heard::parse(&out, &err, "n", [0; 2]);
            let asks = match (heard.word("end"), heard.word("state")) {
                (Some(_), _) => Some(&b"rest\n"[..]),
                (None, state) => state.map(|_| &b"follow\n"[..]),
            };
            let now = self.now();
            acts = match asks.filter(|_| quiet && owes && !call.is_over()) {
                Some(asks) => {
                    owes = false;
                    let mut acts = call.feed(&mut self.spool, now, asks);
                    acts.extend(call.look(&self.spool, now));
                    acts
                }
                None => call.look(&self.spool, now),
            };
            if quiet && acts.is_empty() {
                break;
            }
        }
        let now = self.now();
        call.eof(&mut self.spool, now);
        let heard = Heard::parse(&out, &err, "n", [0; 2]);
        if heard.word("hello").is_some() {
            self.known = Some(heard.value("hello", "rootid"));
        }
        said(&heard.lines, &heard.out, &heard.err)
    }
}

#[test]
fn the_model_says_what_the_shell_says() {
    if !inside("durable_model::the_model_says_what_the_shell_says") {
        return;
    }
    let begun = Instant::now();
    let mut tally = Tally::default();
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for seed in 0..if long() { 500 } else { 25 } {
        let mut luck = Luck::new(seed);
        let home = dir.path().join(format!("home-{seed}"));
        let host = Host::new(dir.path(), "dash").at(&home);
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let mut model = Model {
            spool: Spool::new(host.root().to_str().unwrap(), boot.trim()),
            steps: BTreeMap::new(),
            known: None,
            pids: 1,
        };
        let mut known: Option<String> = None;
        let mut history = Vec::new();
        for number in 0..12 {
            if luck.percent(4) {
                std::fs::remove_dir_all(host.root()).ok();
                model.spool.forget();
                history.push("forgotten".to_owned());
            }
            let ask = Ask::draw(&mut luck);
            model.steps.insert(ask.payload(), ask.step);
            let heard =
                host.call(ask.mode, ask.key, &ask.words_with(known.as_deref()), &ask.payload());
            if heard.word("hello").is_some() {
                known = Some(heard.value("hello", "rootid"));
            }
            let real = said(&heard.lines, &heard.out, &heard.err);
            let model = model.call(&ask, number);
            history.push(format!("{ask:?}"));
            if model != real {
                wrong.push(format!("seed {seed}: {history:#?}\n model {model:?}\n shell {real:?}"));
                break; // What follows from it says nothing.
            }
            let last = real.lines.last().cloned().unwrap_or_default();
            let last = last.split(' ').take(2).collect::<Vec<_>>().join(" ");
            let last = last.split('=').next().unwrap_or_default().to_owned();
            tally.add(format!("{} {last}", ask.mode.word()));
        }
    }
    let some = wrong.iter().take(6).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} differ, for example {some}", wrong.len());
    let title =
        ("the host's half", "the model of the host's half against dash, request by request");
    tally.print(title, begun);
    for seen in
        ["start end", "start error CONFLICT", "attach error ROOTID", "cancel done", "close done"]
    {
        assert!(tally.0.keys().any(|it| it.starts_with(seen)), "never {seen}: {tally:?}");
    }
}
