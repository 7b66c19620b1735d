//! The hosts, what runs on them, and the network between them and golive.

use golive::engine::{Actor, Verdict};
use golive::exec::durable::{ErrorStream, OutputStream, Over};
use golive::practice::{Act, Call, Launch, Now, Spool, State, Stream, Strength};

use super::luck::Luck;
use super::world::{Happening, Night, Owner};

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) spool: Spool,
    pub(super) up: bool,
    /// No connection is made until then.
    pub(super) unreachable: u64,
    boots: u32,
    booted: u64,
    pids: u32,
    /// How often its records were lost.
    pub(super) wipes: u32,
}

/// What really became of one key on one host.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) launches: u32,
    pub(super) pid: u32,
    pub(super) alive: bool,
    pub(super) deaf: bool,
    /// How often the host had been booted when it began.
    pub(super) boots: u32,
    /// How often the host's records had been lost when it began.
    pub(super) wipes: u32,
    pub(super) code: Option<u8>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

/// What goes to a host.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Bytes(Vec<u8>),
    Close,
}

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Opened,
    Out(Vec<u8>),
    Err(Vec<u8>),
    Status(u8),
    Over(Over),
}

/// A call on its way.
#[derive(Debug)]
pub(super) struct Chan {
    pub(super) owner: Owner,
    pub(super) host: usize,
    pub(super) first: Vec<Vec<u8>>,
    pub(super) out: OutputStream,
    pub(super) err: ErrorStream,
    call: Option<Call>,
    /// The host has ended its side.
    over: bool,
    /// The link is gone; and what was on its way to the host still arrives, late.
    cut: Option<bool>,
    /// The host has refused it.
    refused: bool,
    /// It repeats this one, which golive sent once.
    twin: Option<u64>,
    /// Golive has hung up, or died.
    pub(super) deaf: bool,
    to_host: u64,
    to_client: [u64; 2],
}

impl Host {
    pub(super) fn new(name: &str, luck: &mut Luck) -> Self {
        Self {
            name: name.to_owned(),
            spool: Spool::new("/root/.golive", &format!("{name}-boot-0")),
            up: true,
            unreachable: 0,
            boots: 0,
            booted: 0,
            pids: 100 + u32::try_from(luck.below(900)).unwrap(),
            wipes: 0,
        }
    }

    fn moment(&mut self, now: u64) -> Now {
        self.pids += 1;
        Now { up: (now - self.booted) / 10, pid: self.pids, born: u64::from(self.pids) * 3 }
    }
}

/// The session's name on hosts.
pub(super) const RUN: &str = "night";

/// `a.undo.1` is an attempt at `a`.
fn step_of(key: &str) -> &str {
    key.split('.').next().unwrap()
}

impl Night {
    // ---- the network ------------------------------------------------------------------------

    fn latency(&mut self) -> u64 {
        match self.luck.below(100) {
            0..=79 => self.luck.between(1, 40),
            80..=96 => self.luck.between(40, 900),
            _ if self.calm => 100,
            _ => self.luck.between(900, 45_000),
        }
    }

    /// Opens a call for `owner`; `first` is sent when it is open.
    pub(super) fn open(
        &mut self,
        owner: Owner,
        host: usize,
        nonce: &str,
        first: Vec<Vec<u8>>,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        let wait = self.latency();
        let chan = Chan {
            owner,
            host,
            first,
            out: OutputStream::new(nonce),
            err: ErrorStream::new(nonce),
            call: None,
            over: false,
            cut: None,
            refused: false,
            twin: None,
            deaf: false,
            to_host: self.now,
            to_client: [self.now; 2],
        };
        self.chans.insert(id, chan);
        let reachable = self.hosts[host].up && self.hosts[host].unreachable <= self.now;
        if reachable && self.instant {
            let parts = self.chans.get_mut(&id).map(|chan| std::mem::take(&mut chan.first));
            parts.into_iter().flatten().for_each(|part| self.send(id, Sent::Bytes(part)));
        }
        let said = if reachable {
            Said::Opened
        } else {
            let why = "no route to host".to_owned();
            Said::Over(Over::NotOpened { why, auth: false })
        };
        self.after(wait, Happening::ToClient(id, said));
        id
    }

    /// Now and then a call arrives twice, the second time late, and nobody hears what is answered.
    ///
    /// Not after a refusal: that the step did not run is then said to people, and SSH itself
    /// delivers no request twice.
    pub(super) fn maybe_twice(&mut self, id: u64, host: usize, parts: &[Vec<u8>]) {
        if !self.luck.percent(5) {
            return;
        }
        let Some(owner) = self.chans.get(&id).map(|chan| chan.owner.clone()) else { return };
        let twin = self.open(owner, host, "twin", Vec::new());
        let wait = self.luck.below(60_000);
        if let Some(chan) = self.chans.get_mut(&twin) {
            (chan.twin, chan.deaf, chan.to_host) = (Some(id), true, self.now + wait);
        }
        for part in parts {
            self.send(twin, Sent::Bytes(part.clone()));
        }
        self.send(twin, Sent::Close);
        self.count("calls repeated");
    }

    pub(super) fn send(&mut self, id: u64, sent: Sent) {
        let wait = self.latency();
        let Some(chan) = self.chans.get_mut(&id) else { return };
        chan.to_host = chan.to_host.max(self.now + wait);
        let at = chan.to_host;
        self.at(at, Happening::ToHost(id, sent));
    }

    fn answer(&mut self, id: u64, said: Said) {
        let wait = self.latency();
        let Some(chan) = self.chans.get_mut(&id) else { return };
        // The two streams have their own pace: a `tail` may lag.
        let [out, err] = &mut chan.to_client;
        let at = (self.now + wait).max(match said {
            Said::Out(_) => *out,
            Said::Err(_) => *err,
            Said::Opened | Said::Status(_) | Said::Over(_) => (*out).max(*err),
        });
        match said {
            Said::Out(_) => *out = at,
            Said::Err(_) => *err = at,
            Said::Opened | Said::Status(_) | Said::Over(_) => (*out, *err) = (at, at),
        }
        self.at(at, Happening::ToClient(id, said));
    }

    /// All connections to a host break; golive and the host notice it in their own time.
    pub(super) fn cut(&mut self, host: usize) {
        let name = self.hosts[host].name.clone();
        self.say(&format!("the links to {name} are cut"));
        self.count("cuts");
        let ids: Vec<u64> = self
            .chans
            .iter()
            .filter(|(_, it)| it.host == host && it.cut.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let (late, noticed, dropped) =
                (self.luck.percent(50), self.luck.below(20_000), self.luck.below(40_000));
            let noticed = if self.luck.percent(60) { 0 } else { noticed };
            let Some(chan) = self.chans.get_mut(&id) else { continue };
            chan.cut = Some(late);
            let opened = chan.first.is_empty();
            let why = "connection reset".to_owned();
            let over = if opened {
                Over::Lost { why, quiet: golive::base::Millis::new(noticed) }
            } else {
                Over::NotOpened { why, auth: false }
            };
            self.after(noticed, Happening::ToClient(id, Said::Over(over)));
            self.after(dropped, Happening::HostDrops(id));
        }
    }

    /// Something arrives at a host.
    pub(super) fn host_hears(&mut self, id: u64, sent: Sent) {
        let Some(chan) = self.chans.get_mut(&id) else { return };
        let host = chan.host;
        if chan.cut == Some(false) || !self.hosts[host].up || chan.over {
            return;
        }
        let twin = chan.twin;
        if twin.and_then(|twin| self.chans.get(&twin)).is_some_and(|it| it.refused) {
            return;
        }
        let Some(chan) = self.chans.get_mut(&id) else { return };
        let call = chan.call.get_or_insert_default();
        let now = self.hosts[host].moment(self.now);
        let spool = &mut self.hosts[host].spool;
        let acts = match sent {
            Sent::Bytes(bytes) => call.feed(spool, now, &bytes),
            Sent::Close => {
                chan.over = true;
                chan.call = None;
                Vec::new()
            }
        };
        self.act(id, acts);
        self.pump(host);
    }

    /// The host notices that the client is gone.
    pub(super) fn host_drops(&mut self, id: u64) {
        if let Some(chan) = self.chans.get_mut(&id) {
            chan.over = true;
            chan.call = None;
        }
    }

    pub(super) fn host_looks(&mut self, id: u64) {
        if let Some(host) = self.chans.get(&id).map(|chan| chan.host) {
            self.pump(host);
        }
    }

    /// Lets every call of a host see what has changed.
    pub(super) fn pump(&mut self, host: usize) {
        let ids: Vec<u64> = self
            .chans
            .iter()
            .filter(|(_, it)| it.host == host && it.call.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            loop {
                let now = self.hosts[host].moment(self.now);
                let spool = &self.hosts[host].spool;
                let Some(call) = self.chans.get_mut(&id).and_then(|it| it.call.as_mut()) else {
                    break;
                };
                let acts = call.look(spool, now);
                let wakes = call.wakes().map(|up| self.hosts[host].booted + up * 10);
                if acts.is_empty() {
                    if let Some(at) = wakes.filter(|at| *at > self.now) {
                        self.at(at, Happening::HostLooks(id));
                    }
                    break;
                }
                self.act(id, acts);
            }
        }
    }

    fn act(&mut self, id: u64, acts: Vec<Act>) {
        let Some(host) = self.chans.get(&id).map(|chan| chan.host) else { return };
        for act in acts {
            match act {
                Act::Out(bytes) => self.answer(id, Said::Out(bytes)),
                Act::Err(bytes) => {
                    self.note_refusal(id, &bytes);
                    self.answer(id, Said::Err(bytes));
                }
                Act::Launch(launch) => self.launch(host, launch),
                Act::Signal(pid, strength) => self.signal(host, pid, strength),
                Act::Exit(status) => {
                    self.answer(id, Said::Status(status));
                    let how = format!("exit code {status}");
                    self.answer(id, Said::Over(Over::Closed { how }));
                    self.host_drops(id);
                }
            }
        }
    }

    fn note_refusal(&mut self, id: u64, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some((_, error)) = text.split_once(" error ") else { return };
        let code = error.split(' ').next().unwrap().to_owned();
        self.count(&format!("answers {code}"));
        if let Some(chan) = self.chans.get_mut(&id) {
            chan.refused = true;
        }
    }

    // ---- the steps --------------------------------------------------------------------------

    fn launch(&mut self, host: usize, launch: Launch) {
        let Launch { pid, mark, .. } = launch;
        let key = mark.strip_prefix("night/").unwrap().to_owned();
        let name = self.hosts[host].name.clone();
        self.say(&format!("{name} runs {key} as {pid}"));
        self.count("steps run on hosts");
        if self.never.contains(&(host, key.clone())) {
            self.broken(format!("{key} runs on {name}, and was said never to"));
        }
        let others = self.truths.iter().filter(|((on, other), truth)| {
            *on == host && *other != key && truth.alive && step_of(other) == step_of(&key)
        });
        let others: Vec<String> = others.map(|((_, other), _)| other.clone()).collect();
        for other in others {
            if self.is_known_to_be_forgotten(host, &other) && !self.is_by_rule(&key) {
                self.count("attempts beside one that its host has forgotten");
            } else {
                self.broken(format!("{key} runs on {name} while {other} does"));
            }
        }
        let deaf = self.luck.percent(10);
        let (boots, wipes) = (self.hosts[host].boots, self.hosts[host].wipes);
        let truth = self.truths.entry((host, key.clone())).or_default();
        truth.launches += 1;
        if truth.launches > 1 {
            self.broken(format!("{key} ran twice on {name}"));
            return;
        }
        (truth.pid, truth.alive, truth.deaf) = (pid, true, deaf);
        (truth.boots, truth.wipes) = (boots, wipes);
        let long = if self.luck.percent(30) { 100_000 } else { 8_000 };
        let long = if self.luck.percent(10) { 600_000 } else { long };
        let span = self.luck.below(long);
        for _ in 0..self.luck.below(4) {
            let at = self.luck.below(span + 1);
            self.after(at, Happening::StepWrites(host, pid));
        }
        let code = if self.luck.percent(75) { 0 } else { 3 };
        self.after(span, Happening::StepEnds(host, pid, code));
    }

    fn truth(&mut self, host: usize, pid: u32) -> Option<(String, &mut Truth)> {
        let mut all = self.truths.iter_mut();
        let found = all.find(|((on, _), it)| *on == host && it.pid == pid && it.alive);
        found.map(|((_, key), truth)| (key.clone(), truth))
    }

    pub(super) fn step_writes(&mut self, host: usize, pid: u32) {
        let stream = if self.luck.percent(70) { Stream::Out } else { Stream::Err };
        let number = self.luck.below(1_000);
        let Some((key, truth)) = self.truth(host, pid) else { return };
        let line = format!("{key} says {number}\n");
        match stream {
            Stream::Out => truth.out.extend_from_slice(line.as_bytes()),
            Stream::Err => truth.err.extend_from_slice(line.as_bytes()),
        }
        let kept = self.hosts[host].spool.write(pid, stream, line.as_bytes());
        assert!(kept || self.is_forgotten(host, &key));
        self.pump(host);
    }

    pub(super) fn step_ends(&mut self, host: usize, pid: u32, code: u8) {
        let Some((key, truth)) = self.truth(host, pid) else { return };
        truth.alive = false;
        truth.code = Some(code);
        let step = self.plan.step(&step_of(&key).parse().unwrap());
        let reboots = step.is_some_and(|step| step.reboot) && !key.contains("undo") && code == 0;
        self.say(&format!("{key} ended with {code} as {pid}"));
        let up = self.hosts[host].moment(self.now).up;
        self.hosts[host].spool.ended(pid, code, up);
        self.pump(host);
        if reboots {
            self.reboot(host);
        }
    }

    fn signal(&mut self, host: usize, pid: u32, strength: Strength) {
        let slow = self.luck.below(800);
        let Some((key, truth)) = self.truth(host, pid) else { return };
        let (code, span) = match strength {
            Strength::Ask if truth.deaf => return self.say(&format!("{key} does not hear TERM")),
            Strength::Ask => (143, slow),
            Strength::Force => (137, 0),
        };
        self.after(span, Happening::StepEnds(host, pid, code));
    }

    // ---- what goes wrong on hosts -----------------------------------------------------------

    pub(super) fn reboot(&mut self, host: usize) {
        let span = self.luck.between(1_000, 60_000);
        let it = &mut self.hosts[host];
        (it.boots, it.booted, it.up) = (it.boots + 1, self.now, false);
        let (name, boots) = (it.name.clone(), it.boots);
        it.spool.reboot(&format!("{name}-boot-{boots}"));
        self.say(&format!("{name} reboots"));
        self.count("reboots");
        for ((on, _), truth) in &mut self.truths {
            if *on == host {
                truth.alive = false;
            }
        }
        self.cut(host);
        for chan in self.chans.values_mut().filter(|chan| chan.host == host) {
            chan.over = true;
            chan.call = None;
        }
        self.after(span, Happening::HostUp(host));
    }

    /// A host loses its records: a cleaner takes them, or it is made anew, and then nothing runs there
    /// any more. The calls under way die with them.
    pub(super) fn wipe(&mut self, host: usize) {
        // What the record does not have of a host, nobody can miss there.
        let heard_of = self.golive.as_ref().is_some_and(|golive| {
            let records = golive.core.state().records_on_hosts();
            records.keys().any(|it| it.as_str() == self.hosts[host].name)
        });
        if !heard_of {
            return;
        }
        let anew = self.luck.percent(50);
        let it = &mut self.hosts[host];
        it.wipes += 1;
        it.spool.forget();
        let how = if anew { "is made anew" } else { "loses its records" };
        let text = format!("{} {how}", it.name);
        self.say(&text);
        self.count(&format!("hosts: {how}"));
        if anew {
            return self.reboot(host);
        }
        self.cut(host);
        for chan in self.chans.values_mut().filter(|chan| chan.host == host) {
            chan.over = true;
            chan.call = None;
        }
    }

    /// The supervisor of a step is killed.
    pub(super) fn orphan(&mut self, host: usize) {
        let alive = self.truths.iter().find(|((on, _), truth)| *on == host && truth.alive);
        let Some(((_, key), truth)) = alive else { return };
        let (key, pid) = (key.clone(), truth.pid);
        self.say(&format!("{key} loses its supervisor"));
        self.hosts[host].spool.orphan(pid);
        self.pump(host);
    }

    /// Whether the host was booted since `key` began there.
    pub(super) fn was_booted(&self, host: usize, key: &str) -> bool {
        let truth = self.truths.get(&(host, key.to_owned()));
        truth.is_some_and(|truth| truth.boots != self.hosts[host].boots)
    }

    /// Whether the host has lost its records since `key` began there.
    pub(super) fn is_forgotten(&self, host: usize, key: &str) -> bool {
        let truth = self.truths.get(&(host, key.to_owned()));
        truth.is_some_and(|truth| truth.wipes != self.hosts[host].wipes)
    }

    /// Whether a step's own `retry` has started `key`: nobody has judged that it may.
    fn is_by_rule(&self, key: &str) -> bool {
        let Some(golive) = &self.golive else { return false };
        let state = golive.core.state();
        let mut attempts = state.plan().steps.keys().flat_map(|id| &state.track(id).attempts);
        let attempt = attempts.find(|it| it.key.to_string() == key);
        attempt.is_some_and(|it| !matches!(it.by, Actor::Operator(_)))
    }

    /// Whether it is so, and golive says of `key` nothing but that it does not know: whoever goes on
    /// then goes on by his own judgement.
    fn is_known_to_be_forgotten(&self, host: usize, key: &str) -> bool {
        let Some(golive) = self.golive.as_ref().filter(|_| self.is_forgotten(host, key)) else {
            return false;
        };
        let state = golive.core.state();
        let tracks = state.plan().steps.keys();
        let tracks = tracks.flat_map(|id| [state.track(id), state.undo_track(id)]);
        let mut attempts = tracks.flat_map(|track| &track.attempts);
        let name = &self.hosts[host].name;
        attempts.find(|it| it.key.to_string() == key).is_some_and(|attempt| {
            let place = attempt.places.iter().find(|(place, _)| place.to_string() == *name);
            place
                .and_then(|(_, end)| end.as_ref())
                .is_some_and(|it| it.end.verdict() == Verdict::Unknown)
        })
    }

    /// How the host sees `key`.
    pub(super) fn stands(&self, host: usize, key: &str) -> State {
        self.hosts[host].spool.state(RUN, key)
    }

    pub(super) fn hang_up(&mut self, id: u64) {
        if let Some(chan) = self.chans.get_mut(&id) {
            chan.deaf = true;
        }
        self.send(id, Sent::Close);
    }

    /// The process of golive is gone, and with it its ends of all calls.
    pub(super) fn hang_up_all(&mut self) {
        let ids: Vec<u64> =
            self.chans.iter().filter(|(_, it)| !it.deaf).map(|(id, _)| *id).collect();
        for id in ids {
            let late = self.luck.percent(50);
            let span = self.luck.below(30_000);
            if let Some(chan) = self.chans.get_mut(&id) {
                chan.deaf = true;
                chan.cut.get_or_insert(late);
            }
            self.after(span, Happening::HostDrops(id));
        }
    }

    pub(super) fn is_cut(&self, id: u64) -> bool {
        self.chans.get(&id).is_none_or(|chan| chan.cut.is_some())
    }
}
