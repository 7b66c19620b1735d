//! The edge of a simulated golive: the real line of conduct of every durable step, its calls over
//! the simulated network; and all else, which only begins and ends.

use std::collections::{BTreeMap, BTreeSet};

use golive::base::{Millis, SafeText, StepId};
use golive::engine::{Doubt, Effect, End, Job, Key, Part, Place, Records, Run, Sync};
use golive::exec::durable::{
    Act, Ask, Before, Conduct, Errand, Fate, Heard, Line, Over, Piece, Word,
};
use golive::exec::{Link, Report};

use super::hosts::{RUN, Said, Sent};
use super::world::{Bug, Happening, Night, Owner};

/// Between TERM and KILL.
const GRACE: Millis = Millis::from_secs(5);

/// A durable step on one host.
#[derive(Debug)]
pub(super) struct Trip {
    run: Run,
    host: usize,
    conduct: Conduct,
    lines: BTreeMap<Line, u64>,
    payload: Vec<Vec<u8>>,
    /// The key on the host: its own, but for a mistake on purpose.
    key: String,
    out: Vec<u8>,
    err: Vec<u8>,
    /// The records that were there when it started, where they were heard of.
    records: Option<String>,
    /// The records that its start asked to answer for earlier attempts.
    asked_in: Option<SafeText>,
}

/// What golive knows of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    speaks: bool,
    sync: Option<Sync>,
    records: Option<String>,
    /// Records of which somebody was told that nothing can be asked about a part of a step in them.
    told: BTreeSet<(StepId, Part, SafeText)>,
}

impl Known {
    /// What the record says of a host.
    pub(super) fn recalled(records: &Records) -> Self {
        let (id, sync) = (Some(records.id.to_string()), Some(records.sync));
        Self { records: id, sync, ..Self::default() }
    }
}

impl Night {
    /// Does what has to be done outside; whether the process lived to do all of it.
    pub(super) fn perform(&mut self, effects: Vec<Effect>) -> bool {
        for effect in effects {
            if let Some(left) = &mut self.dies_after {
                if *left == 0 {
                    self.dies_after = None;
                    self.die("killed between two effects", false);
                    return false;
                }
                *left -= 1;
            }
            match effect {
                Effect::Run(run) => {
                    let action = matches!(run.key.part, Part::Action | Part::Undo);
                    if action && self.untouched {
                        self.broken(format!("{} starts by itself after a resume", run.key));
                    }
                    self.depart(&run, false);
                }
                Effect::Follow(run) => {
                    self.count("steps looked for after a death");
                    self.depart(&run, true);
                }
                Effect::LetGo(job) => self.hear(&job, vec![Heard::LetGo]),
                Effect::Stop(key) => self.stop(&key),
                Effect::Notify { key: Some(key), .. } => {
                    self.attach(Job { key, place: Place::Here });
                }
                Effect::Notify { key: None, .. }
                | Effect::WakeAt(_)
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks => {}
            }
        }
        true
    }

    fn depart(&mut self, run: &Run, follow: bool) {
        for place in &run.places {
            let job = Job { key: run.key.clone(), place: place.clone() };
            let (Some(durable), Place::Host(host)) = (&run.durable, place) else {
                self.attach(job);
                continue;
            };
            let host = self.hosts.iter().position(|it| it.name == host.as_str()).unwrap();
            let again = follow && self.bug == Some(Bug::ResumeRuns);
            self.say(&format!("{} {job}", if follow { "look for" } else { "start" }));
            let seed = self.luck.draw();
            let now = self.now;
            let Some(golive) = &mut self.golive else { return };
            let known = golive.known.get(&host).cloned().unwrap_or_default();
            let records = durable.records.get(place).map(ToString::to_string);
            let records =
                if follow { records.or(known.records) } else { known.records.or(records) };
            let before = Before {
                host: self.hosts[host].name.clone(),
                follow: follow && !again,
                begun: durable.begun.get(place).filter(|_| !again).cloned(),
                known: known.speaks,
                reboot: durable.reboot,
                input: true,
                sync: known.sync,
                seed,
            };
            let key = format!("{}{}", run.key, if again { ".again" } else { "" });
            let trip = Trip {
                run: run.clone(),
                host,
                conduct: Conduct::new(before, now),
                lines: BTreeMap::new(),
                payload: Vec::new(),
                key,
                out: Vec::new(),
                err: Vec::new(),
                records,
                asked_in: None,
            };
            golive.trips.insert(job.clone(), trip);
            let first = if durable.stop { Heard::Stop(GRACE) } else { Heard::Time };
            self.hear(&job, vec![first]);
        }
    }

    /// A job that ends with golive.
    fn attach(&mut self, job: Job) {
        let span = self.luck.below(6_000);
        let life = self.life;
        if let Some(golive) = &mut self.golive {
            golive.attached.insert(job.clone(), false);
            self.after(span, Happening::Attached(life, job));
        }
    }

    pub(super) fn attached_ends(&mut self, life: u64, job: &Job) {
        if life != self.life {
            return;
        }
        let stopped = self.golive.as_mut().and_then(|golive| golive.attached.remove(job));
        let Some(stopped) = stopped else { return };
        let exited = |code: i32| End::Exited {
            code,
            unmet: (code != 0).then(|| "not an accepted exit status".into()),
            captured: BTreeMap::new(),
        };
        let end = match self.luck.below(20) {
            _ if stopped => End::Stopped { survivors: Some(Vec::new()) },
            0 | 1 if !self.calm => exited(1),
            2 if !self.calm => End::unknown(Doubt::Link, "the link was lost"),
            _ => exited(0),
        };
        self.report(Report::Ended { job: job.clone(), end, transcript: None });
    }

    fn stop(&mut self, key: &Key) {
        let Some(golive) = &mut self.golive else { return };
        for (_, stopped) in golive.attached.iter_mut().filter(|(job, _)| job.key == *key) {
            *stopped = true;
        }
        let jobs: Vec<Job> = golive.trips.keys().filter(|job| job.key == *key).cloned().collect();
        for job in jobs {
            self.say(&format!("stop {job}"));
            self.hear(&job, vec![Heard::Stop(GRACE)]);
        }
    }

    pub(super) fn wake(&mut self, life: u64, job: &Job) {
        if life == self.life {
            self.hear(job, vec![Heard::Time]);
        }
    }

    /// Hosts that answer are told to those that have given up asking.
    pub(super) fn reach(&mut self) {
        let Some(golive) = &self.golive else { return };
        let idle: Vec<Job> = golive
            .trips
            .iter()
            .filter(|(_, it)| it.conduct.is_idle())
            .map(|(job, _)| job.clone())
            .collect();
        for job in idle {
            self.hear(&job, vec![Heard::Reachable]);
        }
    }

    /// Takes in what happened to a trip, and does what follows.
    fn hear(&mut self, job: &Job, heard: Vec<Heard>) {
        let now = self.now;
        let Some(trip) = self.golive.as_mut().and_then(|golive| golive.trips.get_mut(job)) else {
            return;
        };
        let acts = trip.conduct.hear(heard, now);
        let wake = trip.conduct.wake();
        for act in acts {
            match act {
                Act::Call(line, ask) => self.call(job, line, ask),
                Act::Payload => self.payload(job),
                Act::Want(want) => {
                    let id = self.trip(job).and_then(|trip| trip.lines.get(&Line::Watch).copied());
                    if let Some(id) = id {
                        self.send(id, Sent::Bytes(want.line().into()));
                    }
                }
                Act::HangUp(line) => {
                    if let Some(id) = self.trip(job).and_then(|trip| trip.lines.remove(&line)) {
                        self.hang_up(id);
                    }
                }
                Act::Tell(sight) => {
                    self.say(&format!("{job}: {}", sight.words()));
                    self.report(Report::Sighted { job: job.clone(), sight });
                }
                Act::End(fate) => return self.arrive(job, fate),
            }
        }
        if let Some(at) = wake {
            let life = self.life;
            self.at(at, Happening::Wake(life, job.clone()));
        }
    }

    fn trip(&mut self, job: &Job) -> Option<&mut Trip> {
        self.golive.as_mut()?.trips.get_mut(job)
    }

    fn payload(&mut self, job: &Job) {
        let Some(trip) = self.trip(job) else { return };
        let parts = std::mem::take(&mut trip.payload);
        let Some(id) = trip.lines.get(&Line::Watch).copied() else { return };
        for part in parts {
            self.send(id, Sent::Bytes(part));
        }
    }

    fn call(&mut self, job: &Job, line: Line, ask: Ask) {
        let nonce = format!("n{}", self.next);
        let (bug, life) = (self.bug, self.life);
        let Some(golive) = &mut self.golive else { return };
        let Some(trip) = golive.trips.get_mut(job) else { return };
        let known = golive.known.get(&trip.host).cloned().unwrap_or_default();
        let durable = trip.run.durable.as_ref();
        let starts = matches!(ask, Ask::Start { .. });
        let after = durable.and_then(|durable| durable.after.get(&job.place));
        let after = after.filter(|_| bug != Some(Bug::NoAfter) && !trip.key.ends_with("again"));
        let after_in = durable.and_then(|durable| durable.after_in.get(&job.place));
        let told =
            |id: &SafeText| known.told.contains(&(job.key.step.clone(), job.key.part, id.clone()));
        let after_in = after_in.filter(|_| starts).and_then(|ids| ids.iter().find(|id| !told(id)));
        if line == Line::Watch {
            trip.asked_in = after_in.cloned();
        }
        let asks = starts && after.is_some_and(|keys| !keys.is_empty());
        let errand = Errand {
            run: RUN.to_owned(),
            key: trip.key.clone(),
            digest: trip.run.payload().to_string().replace(':', "-"),
            step: "gl_c='do';eval \"$gl_c\"\n".to_owned(),
            input: b"abc".to_vec(),
            after: after.cloned().unwrap_or_default(),
            after_in: after_in.map(ToString::to_string),
            records: trip.records.clone(),
            seen: known.records,
            ..Errand::default()
        };
        let ask = match ask {
            Ask::Attach { void, .. } if bug == Some(Bug::OffsetLost) => {
                Ask::Attach { out: 0, err: 0, void }
            }
            Ask::Start { .. } | Ask::Attach { .. } | Ask::Cancel { .. } => ask,
        };
        let new_id = format!("id-{nonce}");
        let sending = errand.sending(ask, &nonce, new_id, trip.conduct.home()).unwrap();
        if starts {
            trip.payload = sending.later;
        }
        let (host, first) = (trip.host, sending.at_once);
        if asks {
            self.count("starts that ask about earlier attempts");
        }
        let owner = Owner { life, job: job.clone(), line };
        let id = self.open(owner, host, &nonce, first);
        if let Some(trip) = self.trip(job) {
            trip.lines.insert(line, id);
        }
    }

    /// Something arrives at golive.
    pub(super) fn client_hears(&mut self, id: u64, said: Said) {
        let cut = self.is_cut(id);
        let Some(chan) = self.chans.get_mut(&id) else { return };
        if chan.deaf || chan.owner.life != self.life || (cut && !matches!(said, Said::Over(_))) {
            return;
        }
        let (job, line, host) = (chan.owner.job.clone(), chan.owner.line, chan.host);
        let mut heard = Vec::new();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        match said {
            Said::Opened => {
                let parts = std::mem::take(&mut chan.first);
                self.maybe_twice(id, host, &parts);
                for part in parts {
                    self.send(id, Sent::Bytes(part));
                }
                self.link(host, None);
                heard.push(Heard::Opened(line));
            }
            Said::Out(bytes) => {
                chan.out.feed(&bytes, |bytes| out.extend_from_slice(bytes));
                if !out.is_empty() {
                    heard.push(Heard::Bytes(out.len() as u64, 0));
                }
            }
            Said::Err(bytes) => chan.err.feed(&bytes, |piece| match piece {
                Piece::Bytes(bytes) => {
                    err.extend_from_slice(bytes);
                    heard.push(Heard::Bytes(0, bytes.len() as u64));
                }
                Piece::Word(word) => heard.push(Heard::Word(line, word)),
            }),
            Said::Status(status) => heard.push(Heard::Status(line, format!("exit code {status}"))),
            Said::Over(over) => {
                chan.deaf = true;
                if let Over::Lost { why, .. } | Over::NotOpened { why, .. } = &over {
                    let why = why.clone();
                    self.link(host, Some(&why));
                }
                if let Some(trip) = self.trip(&job) {
                    trip.lines.remove(&line);
                }
                heard.push(Heard::Over(line, over));
            }
        }
        self.learn(host, &job, line, &heard);
        if let Some(trip) = self.trip(&job) {
            trip.out.extend(out);
            trip.err.extend(err);
        }
        self.hear(&job, heard);
    }

    fn learn(&mut self, host: usize, job: &Job, line: Line, heard: &[Heard]) {
        let Some(golive) = &mut self.golive else { return };
        let asked_in = golive.trips.get(job).filter(|_| line == Line::Watch);
        let asked_in = asked_in.and_then(|trip| trip.asked_in.clone());
        let known = golive.known.entry(host).or_default();
        for heard in heard {
            if let Heard::Word(_, Word::Hello(home)) = heard {
                known.speaks = true;
                known.records = Some(home.root_id.clone());
            }
            if let Heard::Word(_, Word::Error { code, .. }) = heard
                && code == "ROOTID"
            {
                let told = asked_in.clone().map(|id| (job.key.step.clone(), job.key.part, id));
                known.told.extend(told);
            }
            if let Heard::Word(_, Word::Started { sync, .. }) = heard {
                known.sync = Some(*sync);
            }
        }
    }

    fn link(&mut self, host: usize, down: Option<&str>) {
        let link = down.map_or(Link::Up, |why| Link::Down(SafeText::new(why)));
        let host = self.hosts[host].name.parse().unwrap();
        self.report(Report::Link { host, link });
    }

    /// It is known what became of a step.
    fn arrive(&mut self, job: &Job, fate: Fate) {
        let Some(trip) = self.golive.as_mut().and_then(|golive| golive.trips.remove(job)) else {
            return;
        };
        for id in trip.lines.values() {
            self.hang_up(*id);
        }
        self.say(&format!("{job}: {fate:?}"));
        let name = match &fate {
            Fate::Unknown(doubt, _) => format!("fates unknown: {doubt:?}"),
            Fate::NotStarted(_) => "fates not started".to_owned(),
            Fate::Attached(_) => "fates attached".to_owned(),
            Fate::Exited(0) => "fates exited well".to_owned(),
            Fate::Exited(_) => "fates exited badly".to_owned(),
            Fate::NotRebooted => "fates not rebooted".to_owned(),
            Fate::Rebooted(_) => "fates rebooted".to_owned(),
            Fate::Stopped(_) => "fates stopped".to_owned(),
            Fate::LetGo => "fates let go".to_owned(),
        };
        self.count(&name);
        self.check_fate(trip.host, &trip.key, &fate, (&trip.out, &trip.err));
        let end = match fate {
            Fate::Exited(code) => End::Exited {
                code,
                unmet: (code != 0).then(|| "not an accepted exit status".into()),
                captured: BTreeMap::new(),
            },
            Fate::NotRebooted => End::Exited {
                code: 0,
                unmet: Some("its host was not rebooted".into()),
                captured: BTreeMap::new(),
            },
            Fate::Rebooted(after) => End::Rebooted { after },
            Fate::Stopped(survivors) => End::Stopped { survivors },
            Fate::NotStarted(why) | Fate::Attached(why) => {
                End::NotStarted { why: SafeText::new(&why) }
            }
            Fate::Unknown(doubt, why) => End::unknown(doubt, &why),
            Fate::LetGo => return,
        };
        self.report(Report::Ended { job: job.clone(), end, transcript: None });
    }
}
