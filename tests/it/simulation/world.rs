//! A night: the queue of what is to happen, and what a moment of it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use golive::base::{Millis, Timestamp};
use golive::engine::Job;
use golive::exec::durable::Line;
use golive::journal::Stamp;
use golive::plan::Plan;

use super::golive::Golive;
use super::hosts::{Chan, Host, Said, Sent, Truth};
use super::luck::{Luck, Trace};
use crate::memdisk::{Image, MemDisk};

/// A mistake that is made on purpose, to see that the simulation finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// What has to be done is done before it is written down.
    EffectFirst,
    /// The next attempt does not ask about the one before it.
    NoAfter,
    /// What was decided is believed before the disk has it.
    NoSync,
    /// A re-attach asks for all bytes again and takes them for new.
    OffsetLost,
    /// A resume starts again what was in flight.
    ResumeRuns,
}

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happening {
    Tick,
    Operate,
    Chaos,
    Resume,
    ToHost(u64, Sent),
    ToClient(u64, Said),
    HostDrops(u64),
    HostLooks(u64),
    Wake(u64, Job),
    Attached(u64, Job),
    StepWrites(usize, u32),
    StepEnds(usize, u32, u8),
    HostUp(usize),
}

/// All of a night.
#[derive(Debug)]
pub(super) struct Night {
    pub(super) luck: Luck,
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) bug: Option<Bug>,
    pub(super) hosts: Vec<Host>,
    pub(super) chans: BTreeMap<u64, Chan>,
    pub(super) truths: BTreeMap<(usize, String), Truth>,
    pub(super) next: u64,
    /// Said never to have run, and never to.
    pub(super) never: BTreeSet<(usize, String)>,
    pub(super) disk: MemDisk,
    /// The disk as it was when this process of golive began.
    pub(super) before: Image,
    pub(super) golive: Option<Golive>,
    /// How many processes of golive there have been.
    pub(super) life: u64,
    /// The last line that was said to be recorded.
    pub(super) acknowledged: u64,
    /// Nobody has asked for anything since the last resume.
    pub(super) untouched: bool,
    /// Faults are over.
    pub(super) calm: bool,
    pub(super) closed: bool,
    /// Effects that are still done before the process dies.
    pub(super) dies_after: Option<usize>,
    /// Of a mistake on purpose: calls are open at once, as the disk takes its time.
    pub(super) instant: bool,
    pub(super) trace: Trace,
    pub(super) broken: Option<String>,
    pub(super) counts: BTreeMap<String, u64>,
}

pub(super) const BEGAN: u64 = 1_800_000_000_000;

impl Night {
    pub(super) fn new(seed: u64, plan: Arc<Plan>, bug: Option<Bug>) -> Self {
        let mut luck = Luck::new(seed);
        let names = plan.hosts.keys().map(ToString::to_string);
        let hosts = names.map(|name| Host::new(&name, &mut luck)).collect();
        Self {
            luck,
            now: 0,
            queue: BTreeMap::new(),
            order: 0,
            plan,
            bug,
            hosts,
            chans: BTreeMap::new(),
            truths: BTreeMap::new(),
            next: 1,
            never: BTreeSet::new(),
            disk: MemDisk::default(),
            before: Image::default(),
            golive: None,
            life: 0,
            acknowledged: 0,
            untouched: false,
            calm: false,
            closed: false,
            dies_after: None,
            instant: false,
            trace: Trace::default(),
            broken: None,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.trace.add(self.now, text);
    }

    pub(super) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Something that must not be.
    pub(super) fn broken(&mut self, text: String) {
        self.say(&format!("BROKEN: {text}"));
        self.broken.get_or_insert(text);
    }

    pub(super) fn at(&mut self, at: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), what);
    }

    pub(super) fn after(&mut self, span: u64, what: Happening) {
        self.at(self.now + span, what);
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_unix_millis(BEGAN + self.now)
    }

    pub(super) fn stamp(&self) -> Stamp {
        let (at, mono) = (self.time(), Millis::new(self.now));
        Stamp { at, wall: at, mono, boot: "boot".to_owned() }
    }

    /// Lives until `until`, or until something is broken.
    pub(super) fn live(&mut self, until: u64) {
        while self.broken.is_none()
            && let Some(((at, _), _)) = self.queue.first_key_value()
            && *at <= until
            && let Some(((at, _), what)) = self.queue.pop_first()
        {
            self.now = at;
            self.happen(what);
            self.take_reports();
        }
        self.now = self.now.max(until);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Tick => {
                self.tick();
                self.after(7_000, Happening::Tick);
            }
            Happening::Operate => {
                self.operate();
                let pause = self.luck.between(300, 12_000);
                if !self.calm {
                    self.after(pause, Happening::Operate);
                }
            }
            Happening::Chaos => {
                if !self.calm {
                    self.chaos();
                    let pause = self.luck.between(2_000, 40_000);
                    self.after(pause, Happening::Chaos);
                }
            }
            Happening::Resume => self.resume(),
            Happening::ToHost(chan, sent) => self.host_hears(chan, sent),
            Happening::ToClient(chan, said) => self.client_hears(chan, said),
            Happening::HostDrops(chan) => self.host_drops(chan),
            Happening::HostLooks(chan) => self.host_looks(chan),
            Happening::Wake(life, job) => self.wake(life, &job),
            Happening::Attached(life, job) => self.attached_ends(life, &job),
            Happening::StepWrites(host, pid) => self.step_writes(host, pid),
            Happening::StepEnds(host, pid, code) => self.step_ends(host, pid, code),
            Happening::HostUp(host) => {
                self.hosts[host].up = true;
                let name = self.hosts[host].name.clone();
                self.say(&format!("{name} is up"));
            }
        }
    }

    /// A fault.
    fn chaos(&mut self) {
        let host = self.luck.pick(self.hosts.len());
        match self.luck.below(100) {
            0..=34 => self.cut(host),
            35..=44 => {
                let span = self.luck.between(1_000, 120_000);
                self.hosts[host].unreachable = self.now + span;
                self.cut(host);
            }
            45..=52 => self.reboot(host),
            53..=58 => self.orphan(host),
            59..=62 => self.wipe(host),
            63..=74 => self.die("killed", false),
            75..=84 => self.die("its machine lost power", true),
            85..=93 => self.doom_disk(),
            _ => self.dies_after = Some(self.luck.pick(3)),
        }
    }
}

/// The two ends of a call's name: which trip's, and which of its lines.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) life: u64,
    pub(super) job: Job,
    pub(super) line: Line,
}
