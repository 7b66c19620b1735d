//! A practice host without its network: files, processes, and the world it shares.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fault::{Blow, Fault, Waiting};
use super::shell::Files;
use super::spool::{Now, Spool};
use super::switch::Switch;
use super::world::World;
use crate::base::{Digest, Millis, Timestamp};

/// What all hosts of a fleet share.
#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    faults: Mutex<Waiting>,
    started: Instant,
    /// The wall clock at the start.
    wall: Timestamp,
    /// The world's time runs so many times faster.
    speed: u32,
    /// Ends all connections and commands.
    pub(super) end: CancellationToken,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(world: World, speed: u32) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(since.as_millis()).unwrap_or(0);
        Self {
            world: Mutex::new(world),
            faults: Mutex::default(),
            started: Instant::now(),
            wall: Timestamp::from_unix_millis(wall),
            speed: speed.max(1),
            end: CancellationToken::new(),
        }
    }

    /// How long the world has been, by the clock.
    pub(super) fn elapsed(&self) -> Millis {
        let real = self.started.elapsed().as_millis();
        Millis::new(u64::try_from(real).unwrap_or(u64::MAX).saturating_mul(u64::from(self.speed)))
    }

    /// The world's wall clock.
    pub(super) fn wall(&self) -> Timestamp {
        self.wall.after(self.elapsed())
    }

    /// Uses the world, brought up to now.
    pub(super) fn world<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        let now = self.elapsed();
        let mut world = locked(&self.world);
        world.advance(now);
        with(&mut world)
    }

    /// The real time that `span` takes in the world.
    pub(super) fn real(&self, span: Millis) -> Duration {
        span.to_std() / self.speed
    }

    /// Waits for `span` of the world's time.
    pub(super) async fn pause(&self, span: Millis) {
        tokio::time::sleep(self.real(span)).await;
    }

    /// Lets a fault that concerns the world or its commands happen.
    pub(super) fn inject(&self, fault: Fault) {
        match fault {
            Fault::FailNext { .. }
            | Fault::Slow { .. }
            | Fault::Silent { .. }
            | Fault::Noise { .. } => locked(&self.faults).add(fault),
            Fault::HostDown { host } => self.world(|world| world.set_up(host.as_str(), false)),
            Fault::HostUp { host } => self.world(|world| world.set_up(host.as_str(), true)),
            Fault::LinkCut { .. } | Fault::Reboot { .. } => {}
            Fault::Unhealthy { host, above } => {
                self.world(|world| world.make_sick(host.as_str(), above));
            }
            Fault::BadRelease { version, errors, delay } => {
                self.world(|world| world.make_bad(&version, errors, delay));
            }
            Fault::Lag { span } => self.world(|world| world.hold_back(span)),
            Fault::Clear => {
                locked(&self.faults).clear();
                self.world(World::heal);
            }
        }
    }

    /// What faults do to `command` on `host`.
    pub(super) fn strike(&self, host: &str, command: &str) -> Vec<Blow> {
        locked(&self.faults).strike(host, command)
    }
}

/// A practice host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) files: Files,
    pub(super) processes: Processes,
    pub(super) shared: Arc<Shared>,
    pub(super) spool: SharedSpool,
    pub(super) switch: Arc<Switch>,
    boot: Mutex<Boot>,
}

/// Which boot of a host this is.
#[derive(Clone, Copy, Debug)]
struct Boot {
    number: u32,
    /// The uptime when the fleet started, or zero, in hundredths of a second.
    up: u64,
    /// When that was, in the world's time.
    since: Millis,
}

impl Boot {
    fn id(self, host: &str) -> String {
        let digest = Digest::of(format!("{host} boot {}", self.number).as_bytes()).to_string();
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        parts.map(|part| digest.get(part).unwrap_or_default()).join("-")
    }
}

/// A host's spool, shared by its calls and its steps.
#[derive(Clone, Debug)]
pub(super) struct SharedSpool {
    spool: Arc<Mutex<Spool>>,
    changes: watch::Sender<()>,
}

impl SharedSpool {
    /// Uses the spool.
    pub(super) fn with<T>(&self, with: impl FnOnce(&mut Spool) -> T) -> T {
        with(&mut locked(&self.spool))
    }

    /// Lets calls look at it again.
    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// What is told of changes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

impl Host {
    pub(super) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let boot = Boot { number: 1, up: 86_421_342, since: shared.elapsed() };
        let spool = Arc::new(Mutex::new(Spool::new("/home/deploy/.golive", &boot.id(name))));
        Self {
            name: name.to_owned(),
            files: Files::new(name),
            processes: Processes::default(),
            switch: Arc::new(Switch::new(&shared.end)),
            shared,
            spool: SharedSpool { spool, changes: watch::Sender::new(()) },
            boot: Mutex::new(boot),
        }
    }

    /// What a call of the durable protocol must know of the moment.
    pub(super) fn now(&self) -> Now {
        let boot = *locked(&self.boot);
        let span = self.shared.elapsed().as_millis().saturating_sub(boot.since.as_millis());
        let pid = self.processes.number();
        Now { up: boot.up.saturating_add(span / 10), pid, born: birth(pid) }
    }

    /// Everything that runs ends at once, the network is gone, and after `down` of the world's
    /// time the host is there again: the same disk, another boot.
    pub(super) fn reboot(self: &Arc<Self>, down: Millis) {
        let id = {
            let mut boot = locked(&self.boot);
            *boot = Boot { number: boot.number + 1, up: 0, since: self.shared.elapsed() };
            boot.id(&self.name)
        };
        // The boot changes first: nobody is left to record how the step ended.
        self.spool.with(|spool| spool.reboot(&id));
        self.processes.end_all();
        self.spool.changed();
        self.shared.world(|world| world.set_up(&self.name, false));
        self.switch.set(false);
        let host = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = host.shared.pause(down) => {}
                () = host.shared.end.cancelled() => {}
            }
            host.shared.world(|world| world.set_up(&host.name, true));
            host.switch.set(true);
        });
    }

    /// What a file of the running system says, where it is no file of the disk.
    pub(super) fn system_file(&self, path: &str) -> Option<String> {
        if path == "/proc/sys/kernel/random/boot_id" {
            return Some(format!("{}\n", locked(&self.boot).id(&self.name)));
        }
        if path == "/proc/uptime" {
            let up = self.now().up;
            return Some(format!("{}.{:02} 3400211.10\n", up / 100, up % 100));
        }
        let id = path.strip_prefix("/proc/")?.strip_suffix("/stat")?;
        self.processes.stat(id.parse().ok()?)
    }
}

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Nothing: are you there?
    Probe,
    /// Hang up.
    Hup,
    /// Interrupt.
    Int,
    /// Stop, please.
    Term,
    /// Stop.
    Kill,
}

impl Signal {
    /// The signal of this name or number; those with no use here are `Probe`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("SIG").unwrap_or(name) {
            "0" => Some(Self::Probe),
            "1" | "HUP" => Some(Self::Hup),
            "2" | "INT" | "3" | "QUIT" => Some(Self::Int),
            "9" | "KILL" => Some(Self::Kill),
            "15" | "TERM" => Some(Self::Term),
            "STOP" | "CONT" | "USR1" | "USR2" | "PIPE" | "CHLD" | "17" | "18" | "19" => {
                Some(Self::Probe)
            }
            _ => None,
        }
    }
}

/// The commands that run on a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Processes(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    last: u32,
    running: BTreeMap<u32, Entry>,
}

#[derive(Debug)]
struct Entry {
    command: String,
    told: watch::Sender<Option<Signal>>,
    deaf: Arc<AtomicBool>,
}

/// When the command of this number was born, in clock ticks.
fn birth(id: u32) -> u64 {
    u64::from(id) + 86_000
}

/// A running command: its number, and what it is told. It leaves the table when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: u32,
    told: watch::Receiver<Option<Signal>>,
    deaf: Arc<AtomicBool>,
    table: Processes,
}

impl Processes {
    /// A number that no command has had.
    pub(super) fn number(&self) -> u32 {
        let mut table = locked(&self.0);
        table.last += 1;
        4_200 + table.last
    }

    /// Enters a command.
    pub(super) fn start(&self, command: &str) -> Process {
        self.enter(self.number(), command)
    }

    /// Enters a command under a number that was kept for it.
    pub(super) fn enter(&self, id: u32, command: &str) -> Process {
        let (sender, told) = watch::channel(None);
        let deaf = Arc::default();
        let mut table = locked(&self.0);
        let command = command.lines().next().unwrap_or_default().chars().take(120).collect();
        table.running.insert(id, Entry { command, told: sender, deaf: Arc::clone(&deaf) });
        Process { id, told, deaf, table: self.clone() }
    }

    /// Tells the command `id` something; false if there is none.
    pub(super) fn signal(&self, id: u32, signal: Signal) -> bool {
        let table = locked(&self.0);
        let Some(entry) = table.running.get(&id) else { return false };
        let ignored = signal == Signal::Term && entry.deaf.load(Ordering::Relaxed);
        if signal != Signal::Probe && !ignored {
            entry.told.send_replace(Some(signal));
        }
        true
    }

    /// Ends every command.
    pub(super) fn end_all(&self) {
        for entry in locked(&self.0).running.values() {
            entry.told.send_replace(Some(Signal::Kill));
        }
    }

    /// The line of `/proc/ID/stat`, if the command `id` runs. Each command leads its own group,
    /// and its number of birth differs from that of every other.
    pub(super) fn stat(&self, id: u32) -> Option<String> {
        let runs = locked(&self.0).running.contains_key(&id);
        let born = birth(id);
        runs.then(|| {
            format!("{id} (sh) S 1 {id} {id} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {born} 2600000 250\n")
        })
    }

    /// The commands that run: number and first line.
    pub(super) fn running(&self) -> Vec<(u32, String)> {
        let table = locked(&self.0);
        table.running.iter().map(|(id, entry)| (*id, entry.command.clone())).collect()
    }
}

impl Process {
    /// Waits until the command is told to end, and says by what.
    pub(super) async fn ended(&self) -> Signal {
        let mut told = self.told.clone();
        let heard = told.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
        match heard {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Makes the command not hear `TERM`, or hear it again.
    pub(super) fn ignore_term(&self, ignore: bool) {
        self.deaf.store(ignore, Ordering::Relaxed);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        locked(&self.table.0).running.remove(&self.id);
    }
}
