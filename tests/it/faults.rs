//! The fault programme: durable steps over a real `sshd`, while links are cut, stalled and
//! refused, what serves them is killed, stopped and started again, and golive itself goes away
//! and comes back. Whatever happens: no step runs twice, no byte of its output is lost or
//! doubled, and nothing is claimed that a ledger on the host does not bear out.
//!
//! By default a sample; `GOLIVE_TESTS=long` asks for 1,000 breakages. `GOLIVE_SEED=N` repeats a
//! trial by its number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use golive::engine::{Effect, End, Run};
use tokio::runtime::Runtime;

use crate::counts::{counted, is_long};
use crate::durable_desk::{Console, count, digest, durable, job};
use crate::proxy::{Proxy, Way};
use crate::sshd::{Sshd, is_root, signal};

/// Servers at once, each with trials of its own.
const SERVERS: usize = 4;
const BREAKAGES: usize = 4;

/// Luck that can be had again.
struct Luck(u64);

impl Luck {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// Something that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Breakage {
    KillServing,
    EndServing,
    HangServing,
    RestartServer,
    Cut,
    StallThenCut,
    StallUp,
    StallDown,
    Refuse,
    KillGolive,
}

const ALL: [Breakage; 10] = [
    Breakage::KillServing,
    Breakage::EndServing,
    Breakage::HangServing,
    Breakage::RestartServer,
    Breakage::Cut,
    Breakage::StallThenCut,
    Breakage::StallUp,
    Breakage::StallDown,
    Breakage::Refuse,
    Breakage::KillGolive,
];

fn all(sshd: &Sshd, name: &str) {
    for pid in sshd.connections() {
        signal(name, pid);
    }
}

impl Breakage {
    /// Breaks it, for a while.
    fn happen(self, sshd: &Sshd, proxy: &Proxy, luck: &mut Luck) {
        let pause = |luck: &mut Luck| std::thread::sleep(luck.millis(700));
        match self {
            Self::KillServing => all(sshd, "KILL"),
            Self::EndServing => all(sshd, "TERM"),
            Self::HangServing => {
                let hung = sshd.connections();
                for &pid in &hung {
                    signal("STOP", pid);
                }
                pause(luck);
                let end = if luck.below(2) == 0 { "KILL" } else { "CONT" };
                for pid in hung {
                    signal(end, pid);
                }
            }
            Self::RestartServer => {
                if let Some(pid) = sshd.listener() {
                    signal("KILL", pid);
                }
                all(sshd, "KILL");
            }
            Self::Cut => proxy.cut(),
            Self::StallThenCut => {
                proxy.stall(&[Way::Up, Way::Down]);
                pause(luck);
                proxy.cut();
                proxy.pass();
            }
            Self::StallUp | Self::StallDown => {
                proxy.stall(&[if self == Self::StallUp { Way::Up } else { Way::Down }]);
                pause(luck);
                if luck.below(2) == 0 {
                    proxy.cut();
                }
                proxy.pass();
            }
            Self::Refuse => {
                proxy.refuse();
                pause(luck);
                proxy.pass();
            }
            Self::KillGolive => {}
        }
    }
}

/// What a step prints: in little pieces and in bursts, on both streams.
fn step(dir: &Path, trial: usize) -> (String, Vec<u8>, Vec<u8>) {
    let burst = dir.join("burst").display().to_string();
    let bytes = crate::sshd::noise(100_000);
    std::fs::write(&burst, &bytes).unwrap();
    let line = format!(
        "echo run >>{}/ledger.{trial}; i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo out $i; \
         printf 'err %s' $i >&2; case $i in *5) cat {burst}; cat {burst} >&2 ;; esac; sleep 0.02; \
         done; exit $(({trial}%5))",
        dir.display()
    );
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for i in 1..=40 {
        out.extend(format!("out {i}\n").into_bytes());
        err.extend(format!("err {i}").into_bytes());
        if i % 10 == 5 {
            out.extend_from_slice(&bytes);
            err.extend_from_slice(&bytes);
        }
    }
    (line, out, err)
}

/// One golive, that can be killed: all its tasks are gone with its runtime.
struct Golive {
    runtime: Runtime,
    console: Console,
}

impl Golive {
    fn start(sshd: &Sshd, proxy: &Proxy, effect: Effect) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let pool = proxy.pool_with(sshd, |options| {
            options.keepalive = Duration::from_millis(250);
        });
        let console = runtime.block_on(async { Console::new(pool) });
        console.edge.perform(effect);
        Self { runtime, console }
    }

    fn kill(self) {
        let Self { runtime, console } = self;
        runtime.shutdown_background();
        drop(console);
    }
}

/// A trial: what broke, and what is wrong about how it ended.
fn trial(
    (sshd, proxy): (&Sshd, &Proxy),
    number: usize,
) -> (Vec<Breakage>, &'static str, Option<String>) {
    let mut luck = Luck(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1).wrapping_mul(0x0b5e_55ed));
    let (line, out, err) = step(sshd.dir.path(), number);
    let run: Run = durable(&format!("t{number}"), 1, &line);
    let job = job(&run);
    let mut golive = Golive::start(sshd, proxy, Effect::Run(Box::new(run.clone())));
    let stop_at = (luck.below(6) == 0).then(|| luck.below(BREAKAGES as u64));
    let mut broken = Vec::new();
    // In most trials it runs before something breaks; in the others its very start is cut.
    if luck.below(4) != 0 {
        let Golive { runtime, console } = &mut golive;
        runtime.block_on(console.begun(&job));
    }
    for nth in 0..BREAKAGES as u64 {
        std::thread::sleep(luck.millis(if nth == 0 { 120 } else { 400 }));
        let breakage = ALL[usize::try_from(luck.below(ALL.len() as u64)).unwrap()];
        broken.push(breakage);
        breakage.happen(sshd, proxy, &mut luck);
        if breakage == Breakage::KillGolive {
            golive.kill();
            let mut run = run.clone();
            if let Some(durable) = &mut run.durable {
                durable.stop = stop_at.is_some_and(|at| at < nth);
            }
            golive = Golive::start(sshd, proxy, Effect::Follow(Box::new(run)));
        }
        if stop_at == Some(nth) {
            golive.console.edge.perform(Effect::Stop(run.key.clone()));
        }
    }
    let Golive { runtime, console } = &mut golive;
    let end = runtime.block_on(console.end(&job));
    let printed = console.shelf.of(&job);
    let ran = count(&sshd.dir.path().join(format!("ledger.{number}")));
    let whole = digest(&printed.out) == digest(&out) && digest(&printed.err) == digest(&err);
    let begins = out.starts_with(&printed.out) && err.starts_with(&printed.err);
    let code = i32::try_from(number % 5).unwrap();
    let (kind, fine) = match &end {
        End::Exited { code: it, .. } => ("exited", *it == code && whole && ran == 1),
        End::NotStarted { .. } => ("not started", ran == 0 && printed.out.is_empty()),
        End::Stopped { survivors: Some(alive) } => {
            ("stopped", alive.is_empty() && begins && ran <= 1 && stop_at.is_some())
        }
        End::Stopped { survivors: None }
        | End::Done(_)
        | End::Signalled { .. }
        | End::Rebooted { .. }
        | End::Unknown { .. } => ("in doubt", false),
    };
    let wrong = (!fine).then(|| {
        let sizes = (printed.out.len(), out.len(), printed.err.len(), err.len());
        format!("trial {number}: {end:?}, ran {ran}, {sizes:?}, stop {stop_at:?}, {broken:?}")
    });
    golive.kill();
    (broken, kind, wrong)
}

#[test]
fn no_fault_runs_a_step_twice_or_loses_a_byte() {
    if !is_root() {
        return; // Without a namespace of its own, a server cannot be started again.
    }
    let trials = if is_long() { 250 } else { 8 };
    let first = std::env::var("GOLIVE_SEED").ok().and_then(|it| it.parse::<usize>().ok());
    let trials = first.map_or(0..trials, |it| it..it + 1);
    let next = AtomicUsize::new(trials.start);
    let work = || {
        let sshd = Sshd::living_again();
        let proxy = Proxy::to(sshd.port);
        let mut found = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if !trials.contains(&number) {
                return found;
            }
            found.push(trial((&sshd, &proxy), number));
        }
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let workers = [(); SERVERS].map(|()| scope.spawn(work));
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (mut kinds, mut ends) = (BTreeMap::new(), BTreeMap::new());
    let mut wrong = Vec::new();
    for (broken, end, violation) in &found {
        for it in broken {
            *kinds.entry(*it).or_insert(0_usize) += 1;
        }
        *ends.entry(*end).or_insert(0_usize) += 1;
        wrong.extend(violation);
    }
    let breakages: usize = kinds.values().sum();
    println!("{} trials, {breakages} breakages {kinds:?}, ends {ends:?}", found.len());
    println!("{} violations", wrong.len());
    counted("faults between golive and a host", "breakages", breakages, wrong.len());
    counted("faults between golive and a host", "steps", found.len(), wrong.len());
    assert_eq!(wrong, Vec::<&String>::new());
}
