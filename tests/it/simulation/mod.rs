//! Whole nights in one thread and no time: one seed decides everything.
//!
//! Real are the engine, the session's core, the journal and its recovery, the line of conduct of
//! every durable step, the protocol's words in both directions, and the hosts' half as the practice
//! fleet has it. Simulated are the clock, the disk, the network, the steps, and a person who
//! presses plausible keys. Messages are late, calls overtake each other, links break with requests
//! still on their way, hosts reboot, supervisors are killed, hosts lose their records or are made
//! anew, golive dies between any two operations of its disk or between two effects, and its machine
//! loses power.
//!
//! What has to hold: no key runs twice; no attempt runs while another of the same step does on that
//! host; what is said to have succeeded did exit with that status, and all its bytes came; what is
//! said never to have run did not and never does; nothing ran of which the record does not know;
//! what was acknowledged is in the record after every death; nothing starts by itself after a
//! resume; and once the faults are over, every run can be brought to an end and closed.
//!
//! `GOLIVE_TESTS=long` lives through 10,000 nights, else 1,000; `GOLIVE_SEED=n` through night n
//! alone, and prints it.

mod disk;
mod found;
mod golive;
mod hosts;
pub(crate) mod luck;
mod oracle;
mod trips;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use ::golive::plan::Plan;

use crate::counts::counted;

use self::luck::Luck;
use self::world::{Bug, Happening, Night};

/// So long may things go wrong.
const TROUBLE: u64 = 400_000;
/// So many looks of an operator who only wants to end it.
const PATIENCE: u32 = 300;

/// Plans of all shapes, made once.
static PLANS: LazyLock<Vec<Arc<Plan>>> = LazyLock::new(|| (0..24).map(shape).collect());

fn shape(number: u64) -> Arc<Plan> {
    let mut luck = Luck::new(number);
    let mut body = String::new();
    for step in 0..luck.between(2, 5) {
        let hosts = ["\"web1\"", "\"web2\"", "\"web1\", \"web2\"", "\"web1\", \"web2\", \"web3\""];
        let on = hosts[luck.pick(hosts.len())];
        let limit = if luck.percent(50) { "60s" } else { "600s" };
        let _ = writeln!(
            body,
            "[[phase.step]]\nid = \"s{step}\"\nestimate = \"1m\"\nrun = \"do\"\non = [{on}]\ntimeout = \"{limit}\""
        );
        if luck.percent(60) {
            body.push_str("needs = []\n");
        }
        match luck.below(10) {
            0 => body.push_str("retry = { attempts = 2, delay = \"10s\" }\n"),
            1 => body.push_str("retry = { attempts = 3, delay = \"10s\" }\n"),
            2 => body.push_str("reboot = true\n"),
            3 => body.push_str("verify = { run = \"check\", within = \"20s\" }\n"),
            _ => {}
        }
        match luck.below(5) {
            0 => body.push_str("undo = { local = \"undo\" }\n"),
            1 => body.push_str("undo = { manual = { text = \"undo\" } }\n"),
            _ => body.push_str("undo = { run = \"undo\", timeout = \"60s\" }\n"),
        }
    }
    let running = if luck.percent(50) { "finish" } else { "cancel" };
    let _ = writeln!(body, "[rollback]\nrunning = \"{running}\"");
    crate::plans::plan(&body)
}

/// Lives through the night of `seed`.
fn night(seed: u64, bug: Option<Bug>, keep: bool) -> Night {
    let plan = Arc::clone(&PLANS[usize::try_from(seed % 24).unwrap()]);
    let mut night = Night::new(seed, plan, bug);
    night.trace.kept = keep.then(Vec::new);
    night.begin();
    night.at(0, Happening::Tick);
    night.at(100, Happening::Operate);
    night.at(3_000, Happening::Chaos);
    let span = night.luck.between(TROUBLE / 4, TROUBLE);
    night.live(span);
    // The faults are over.
    night.calm = true;
    night.dies_after = None;
    night.disk.fail(None);
    night.say("the faults are over");
    let mut ended = false;
    for _ in 0..PATIENCE {
        let next = night.now + 10_000;
        night.live(next);
        if night.broken.is_some() {
            return night;
        }
        ended = night.finish();
        if ended {
            break;
        }
    }
    if !ended {
        let text = format!("it cannot be brought to an end: {}", night.standing());
        night.broken(text);
    }
    // What was on its way for long arrives.
    let next = night.now + 200_000;
    night.live(next);
    night.check_record();
    night
}

/// What came of many nights.
#[derive(Default)]
struct Nights {
    lived: u64,
    counts: BTreeMap<String, u64>,
    /// Seeds, and what was broken.
    found: Vec<(u64, String)>,
}

/// Lives through the nights of these seeds, on all processors; up to the first that breaks, if so.
fn many(seeds: std::ops::Range<u64>, bug: Option<Bug>, first_only: bool) -> Nights {
    let next = AtomicU64::new(seeds.start);
    let nights = Mutex::new(Nights::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(4) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let done = first_only && !nights.lock().unwrap().found.is_empty();
                    if seed >= seeds.end || done {
                        return;
                    }
                    let night = night(seed, bug, false);
                    let mut nights = nights.lock().unwrap();
                    nights.lived += 1;
                    for (what, count) in night.counts {
                        *nights.counts.entry(what).or_default() += count;
                    }
                    nights.found.extend(night.broken.map(|why| (seed, why)));
                }
            });
        }
    });
    let mut nights = nights.into_inner().unwrap();
    nights.found.sort();
    nights
}

#[test]
fn every_night_holds() {
    if let Some(seed) = std::env::var("GOLIVE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let night = night(seed, None, true);
        for line in night.trace.kept.iter().flatten() {
            println!("{line}");
        }
        assert_eq!(night.broken, None, "night {seed}");
        return;
    }
    let long = std::env::var("GOLIVE_TESTS").is_ok_and(|how| how == "long");
    let Nights { lived, counts, found } = many(0..if long { 10_000 } else { 1_000 }, None, false);
    println!("{lived} nights, {} violations: {counts:#?}", found.len());
    let nights = usize::try_from(lived).unwrap();
    counted("simulated nights", "nights, one seed each", nights, found.len());
    let first: Vec<_> = found.iter().take(20).collect();
    assert!(found.is_empty(), "{} nights; GOLIVE_SEED=n shows one: {first:#?}", found.len());
    // The nights are not quiet ones.
    for what in [
        "answers BUSY",
        "calls repeated",
        "deaths of golive",
        "fates exited well",
        "fates not started",
        "fates rebooted",
        "fates stopped",
        "fates unknown: Forgotten",
        "fates unknown: Gone",
        "fates unknown: Rebooted",
        "starts that ask about earlier attempts",
        "starts that were said ahead",
        "steps looked for after a death",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count > lived / 100), "{what}: {counts:#?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_night() {
    for seed in 0..20 {
        let [one, two] = [(); 2].map(|()| night(seed, None, false));
        assert_eq!(one.trace.digest(), two.trace.digest(), "seed {seed}");
        assert_eq!(one.trace.lines, two.trace.lines);
        assert!(one.trace.lines > 20, "seed {seed}: {} lines", one.trace.lines);
    }
    assert_ne!(night(0, None, false).trace.digest(), night(24, None, false).trace.digest());
}

/// The simulation is only worth what it finds: each of these mistakes is found, and for its own
/// reason.
#[test]
fn mistakes_made_on_purpose_are_found() {
    for (bug, within, words) in [
        (Bug::EffectFirst, 1_000, &["the record does not know"][..]),
        (Bug::NoAfter, 1_000, &[" runs on "]),
        (Bug::NoSync, 1_000, &["lines that were recorded", "cannot be taken up"]),
        (Bug::OffsetLost, 1_000, &["bytes, of which"]),
        (Bug::ResumeRuns, 1_000, &["the record does not know", " ran", " runs on "]),
    ] {
        let nights = many(0..within, Some(bug), true);
        let Some((seed, why)) = nights.found.first() else {
            panic!("{bug:?} was not found in {within} nights");
        };
        println!("{bug:?}: found by seed {seed}: {why}");
        let what = format!("a mistake made on purpose, {bug:?}, is found by seed {seed}");
        counted("simulated nights", &what, usize::try_from(nights.lived).unwrap(), 0);
        let own = words.iter().any(|word| why.contains(word));
        assert!(own, "{bug:?} was found by seed {seed} for another reason: {why}");
    }
}
