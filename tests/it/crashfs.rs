//! The power goes at every operation that a session does on its disk, in three scripted sessions;
//! of what was not synced, any of several parts is left: nothing, all, a torn write, a write with
//! a hole, the operations on one file and not on another. Then the record is read, verified and
//! taken up again.
//!
//! What has to hold: no line that was acknowledged is gone; what is read is a beginning of what
//! was decided; nothing ran of which the record does not know; nothing runs a second time; the
//! inputs are there; and nobody calls the crash tampering.
//!
//! In a further one the disk fails a sync, and the record is written anew.
//!
//! All in this process and in memory. `GOLIVE_TESTS=long` looks at all of it, and lets every
//! resumed session go on to its end; else at one thing left in three and one torn write in
//! twenty-five, and one in sixteen goes on.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use golive::base::{Digest, Millis, SafeText, Timestamp};
use golive::engine::{
    Actor, Command, Effect, End, Event, Genesis, Job, Part, Place, RunKind, RunStage, State,
};
use golive::exec::Report;
use golive::journal::{
    Disk, Entry, Journal, JournalError, Stamp, Stream, Transcript, What, read_all_on, verify_on,
};
use golive::plan::Plan;
use golive::runbook;
use golive::session::{Core, Found, Inputs, SubmitError, fold};

use crate::counts::{counted, is_long};
use crate::histories::{choices, first_start};
use crate::memdisk::{Fault, How, Image, Keep, MemDisk, Op, SECTOR};

const POWER_CUTS: &str = "a disk that loses what was not synced";

const RUNBOOK: &str = r#"
golive = 1
[runbook]
id = "night"
title = "A night on a bad disk"
strategy = "direct"
[hosts.a]
address = "127.0.0.1"
[hosts.b]
address = "127.0.0.2"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "One"
local = "echo one"
estimate = "1s"
timeout = "10m"
undo = { local = "echo undo-one", estimate = "1s" }
[[phase.step]]
id = "two"
title = "Two"
on = ["a", "b"]
run = "echo two"
estimate = "1s"
timeout = "10m"
undo = { run = "echo undo-two", estimate = "1s" }
[[phase.step]]
id = "three"
title = "Three"
local = "echo three"
estimate = "1s"
timeout = "10m"
undo = { local = "echo undo-three", estimate = "1s" }
"#;

/// What a night is made from.
pub(crate) struct Night {
    pub(crate) inputs: Inputs,
    pub(crate) plan: Arc<Plan>,
    pub(crate) found: Found,
}

pub(crate) fn night() -> Night {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, RUNBOOK).unwrap();
    let (inputs, checked) = Inputs::read(&file, &runbook::Options::default()).unwrap();
    assert_eq!(checked.errors().count(), 0);
    let plan = inputs.plan(&checked).unwrap();
    let found = Found { id: "night".parse().unwrap(), dir: PathBuf::from("/state/sessions/night") };
    Night { inputs, plan, found }
}

impl Night {
    pub(crate) fn empty_disk(&self) -> MemDisk {
        MemDisk::with_dir(self.found.dir.parent().unwrap())
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            session: self.found.id.clone(),
            kind: RunKind::Drill,
            version: "0".into(),
            runbook: self.plan.id.clone(),
            title: self.plan.title.clone(),
            plan: self.plan.digest,
            driver: "wei".into(),
            machine: "bastion".into(),
            environment: None,
            overridden: None,
            signer: None,
        }
    }
}

/// A session on a disk in memory with an edge that does nothing but say that it did.
pub(crate) struct Play<'a> {
    night: &'a Night,
    disk: MemDisk,
    pub(crate) core: Core,
    now: Timestamp,
    running: Vec<Job>,
    reports: Vec<Report>,
    /// All that was ever started.
    pub(crate) ledger: BTreeSet<Job>,
    /// Whether a first attempt at step two goes wrong.
    fails: bool,
    pub(crate) twice: Vec<Job>,
}

pub(crate) fn wei() -> Actor {
    Actor::Operator(SafeText::new("wei"))
}

impl<'a> Play<'a> {
    /// Opens the session.
    pub(crate) fn open(night: &'a Night, disk: &MemDisk) -> Option<Self> {
        Self::open_with(night, disk, None)
    }

    /// The same with a folder for when its own fails.
    pub(crate) fn open_with(
        night: &'a Night,
        disk: &MemDisk,
        fallback: Option<&Path>,
    ) -> Option<Self> {
        let shared: Arc<dyn Disk> = disk.shared();
        let mut journal = Journal::create_on(&shared, &night.found.dir, &night.found.id).ok()?;
        if let Some(dir) = fallback {
            journal.fall_back_to(dir).ok();
        }
        night.inputs.pin_on(disk, &night.found).ok()?;
        let state = State::new(Arc::clone(&night.plan));
        Self::begin(night, disk, journal, state, Vec::new(), None, BTreeSet::new())
    }

    /// Takes the session up again from its disk; `ledger` is what really ran.
    pub(crate) fn resume(
        night: &'a Night,
        disk: &MemDisk,
        ledger: BTreeSet<Job>,
    ) -> Result<Option<Self>, JournalError> {
        let (journal, entries, cut) = Journal::open_on(&disk.shared(), &night.found.dir)?;
        let state = fold(&night.plan, &entries);
        Ok(Self::begin(night, disk, journal, state, entries, cut, ledger))
    }

    fn begin(
        night: &'a Night,
        disk: &MemDisk,
        mut journal: Journal,
        state: State,
        entries: Vec<Entry>,
        cut: Option<golive::journal::Recovery>,
        ledger: BTreeSet<Job>,
    ) -> Option<Self> {
        let last = entries.last().map_or_else(Timestamp::default, |entry| entry.at);
        let now = last.after(Millis::from_secs(60));
        journal.keep_room().ok();
        let mut core = Core::new(state, journal, now);
        let opening = core.opening(night.genesis(), entries, cut, now);
        let disk = disk.clone();
        let (running, reports, twice) = (Vec::new(), Vec::new(), Vec::new());
        let mut play =
            Self { night, disk, core, now, running, reports, ledger, fails: false, twice };
        let opened = opening.iter().all(|(by, command)| play.submit(by, command).is_ok());
        opened.then_some(play)
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The last line that was said to be recorded.
    pub(crate) fn acknowledged(&self) -> u64 {
        let of = |op: &Op| if let Op::Acknowledged(seq) = op { Some(*seq) } else { None };
        self.disk.log().iter().filter_map(of).max().unwrap_or(0)
    }

    fn stamp(&mut self) -> Stamp {
        self.now = self.now.after(Millis::from_secs(1));
        Stamp { at: self.now, wall: self.now, mono: Millis::new(1), boot: "boot".to_owned() }
    }

    pub(crate) fn submit(&mut self, by: &Actor, command: &Command) -> Result<(), SubmitError> {
        let stamp = self.stamp();
        let effects = self.core.submit(&stamp, by, command)?;
        self.perform(effects);
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        self.disk.note(Op::Acknowledged(self.core.view(self.now).seq));
        for effect in effects {
            match effect {
                Effect::Run(run) => run.places.iter().for_each(|place| {
                    self.start(Job { key: run.key.clone(), place: place.clone() });
                }),
                Effect::Follow(run) => run.places.iter().for_each(|place| {
                    self.look_for(Job { key: run.key.clone(), place: place.clone() });
                }),
                Effect::Notify { key: Some(key), .. } => {
                    self.start(Job { key, place: Place::Here });
                }
                Effect::LetGo(_)
                | Effect::Stop(_)
                | Effect::Notify { key: None, .. }
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks
                | Effect::WakeAt(_) => {}
            }
        }
    }

    fn start(&mut self, job: Job) {
        self.disk.note(Op::Started(job.clone()));
        if !self.ledger.insert(job.clone()) {
            self.twice.push(job.clone());
        }
        self.running.push(job);
    }

    fn look_for(&mut self, job: Job) {
        if self.ledger.contains(&job) {
            self.running.push(job);
        } else {
            let end = End::NotStarted { why: "it never ran, and never will".into() };
            self.reports.push(Report::Ended { job, end, transcript: None });
        }
    }

    /// What runs longest ends.
    fn finish(&mut self) -> bool {
        if self.reports.is_empty() && !self.running.is_empty() {
            let job = self.running.remove(0);
            let fails = self.fails && job.key.step.as_str() == "two" && job.key.attempt == 1;
            let code = if fails && job.key.part == Part::Action { 3 } else { 0 };
            let unmet = (code != 0).then(|| "not an accepted exit status".into());
            let end = End::Exited { code, unmet, captured: std::collections::BTreeMap::default() };
            let transcript = self.print(&job);
            self.reports.push(Report::Ended { job, end, transcript });
        }
        if self.reports.is_empty() {
            return false;
        }
        let stamp = self.stamp();
        let reports = std::mem::take(&mut self.reports);
        // Every other time what comes next was said ahead, and shares the line.
        if self.ledger.len().is_multiple_of(2) {
            self.core.ahead().give(|view| Some((wei(), first_start(&view.state, view.at)?)));
        }
        let effects = self.core.take_reports(&stamp, reports);
        self.perform(effects);
        true
    }

    fn print(&self, job: &Job) -> Option<golive::engine::Transcript> {
        let disk = self.disk.shared();
        let mut transcript = Transcript::create_on(&disk, &self.night.found.dir, job).ok()?;
        let text = format!("{job} says something, and says it at length\n").repeat(12);
        transcript.write(Stream::Out, text.as_bytes(), self.now).ok()?;
        transcript.write(Stream::Err, b"and this too\n", self.now).ok()?;
        transcript.finish().ok()
    }

    /// One thing more is done; false when there is nothing that can be.
    pub(crate) fn go_on(&mut self) -> bool {
        if self.finish() {
            return true;
        }
        if self.core.state().stage() == RunStage::Preparing {
            return self.submit(&wei(), &Command::Begin).is_ok();
        }
        let chosen =
            choices(self.core.state(), self.now).iter().any(|it| self.submit(&wei(), it).is_ok());
        let held = self.core.state().hold().is_some();
        chosen || (held && self.submit(&wei(), &Command::Continue).is_ok())
    }

    /// So much time passes that everything is looked at once.
    pub(crate) fn wait(&mut self) {
        for _ in 0..10 {
            let stamp = self.stamp();
            let effects = self.core.tick(&stamp, None);
            self.perform(effects);
        }
    }

    /// At most so many things more; whether it came to its end.
    pub(crate) fn go_on_for(&mut self, most: usize) -> bool {
        (0..most).any(|_| !self.go_on()) && self.is_over()
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.core.state().stage(),
            RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned
        )
    }

    fn close(&mut self) {
        assert!(self.go_on_for(200), "it never ends: {:?}", self.core.state().stage());
        self.submit(&wei(), &Command::Close).unwrap();
    }

    pub(crate) fn roll_back(&mut self) {
        assert!(self.tries_to_roll_back());
    }

    /// Whether it is let.
    pub(crate) fn tries_to_roll_back(&mut self) -> bool {
        let reason = SafeText::new("the business says no");
        self.submit(&wei(), &Command::OpenGuard).is_ok()
            && self
                .submit(&wei(), &Command::RollBack { reason, break_glass: None, to: None })
                .is_ok()
    }
}

/// A session, or a piece of one between two crashes.
struct Piece {
    name: &'static str,
    before: Image,
    acknowledged: u64,
    ledger: BTreeSet<Job>,
    disk: MemDisk,
    /// All lines that were ever decided.
    lines: Vec<Entry>,
}

impl Piece {
    fn of(name: &'static str, night: &Night, start: &Image, disk: MemDisk) -> Self {
        let lines = read_all_on(&disk, &night.found.dir).unwrap();
        let before = start.clone();
        Self { name, before, acknowledged: 0, ledger: BTreeSet::new(), disk, lines }
    }
}

fn pieces(night: &Night) -> Vec<Piece> {
    let nothing = night.empty_disk().image();
    let forward = night.empty_disk();
    Play::open(night, &forward).unwrap().close();
    let back = night.empty_disk();
    let mut play = Play::open(night, &back).unwrap();
    play.fails = true;
    assert!(play.go_on_for(200));
    play.roll_back();
    play.close();
    let crashed = night.empty_disk();
    let mut play = Play::open(night, &crashed).unwrap();
    while !play.running.iter().any(|job| job.key.step.as_str() == "two") {
        assert!(play.go_on());
    }
    let ledger = play.ledger.clone();
    let image = crashed.image();
    let resumed = MemDisk::from_image(&image);
    let mut play = Play::resume(night, &resumed, ledger.clone()).unwrap().unwrap();
    play.close();
    assert!(play.twice.is_empty());
    let first = Piece::of("before a crash", night, &nothing, crashed);
    let second = Piece::of("resumed", night, &image, resumed);
    let acknowledged = u64::try_from(first.lines.len()).unwrap();
    let failing = night.empty_disk();
    let mut play = Play::open(night, &failing).unwrap();
    assert!(play.go_on() && play.go_on());
    // The append, then the sync.
    failing.fail(Some(Fault { at: failing.count() + 1, how: How::Error(5), for_ever: false }));
    let note = Command::Note { step: None, text: "is it well?".to_owned() };
    play.submit(&wei(), &note).unwrap();
    play.close();
    let anew = |it: &golive::engine::Note| it.text.contains("the record was written anew");
    assert!(play.core.state().notes().iter().any(anew));
    vec![
        Piece::of("a failed sync", night, &nothing, failing),
        Piece::of("forward to the close", night, &nothing, forward),
        Piece::of("failure, retry, rollback", night, &nothing, back),
        first,
        Piece { acknowledged, ledger, ..second },
    ]
}

/// All that can be left when the power goes after `ops`.
fn what_is_left(before: &Image, ops: &[Op]) -> Vec<(String, Image)> {
    let mut open = Vec::new();
    MemDisk::after_cut(before, ops, |at, op| {
        open.push((at, op.clone()));
        Keep::All
    });
    let cut = |keep: &dyn Fn(usize, &Op) -> Keep| MemDisk::after_cut(before, ops, keep);
    let mut left = vec![("all is left".to_owned(), cut(&|_, _| Keep::All))];
    if open.is_empty() {
        return left;
    }
    left.push(("nothing unsynced is left".to_owned(), cut(&|_, _| Keep::Nothing)));
    let on: BTreeSet<String> = open.iter().filter_map(|(_, op)| op.on()).collect();
    for thing in &on {
        let is_on = |op: &Op| op.on().as_ref() == Some(thing);
        let (only, but) = (
            cut(&|_, op| if is_on(op) { Keep::All } else { Keep::Nothing }),
            cut(&|_, op| if is_on(op) { Keep::Nothing } else { Keep::All }),
        );
        left.push((format!("only what is on {thing} is left"), only));
        left.push((format!("all but what is on {thing} is left"), but));
    }
    for (at, op) in &open {
        let Op::Write(file, offset, bytes) = op else { continue };
        for part in tears(*offset, bytes.len()) {
            let whole = cut(&|it, _| if it == *at { part } else { Keep::All });
            let later = cut(&|it, _| match it.cmp(at) {
                std::cmp::Ordering::Less => Keep::All,
                std::cmp::Ordering::Equal => part,
                std::cmp::Ordering::Greater => Keep::Nothing,
            });
            left.push((format!("a write to file {file} is torn: {part:?}"), whole));
            left.push((format!("the last is a torn write to file {file}: {part:?}"), later));
        }
    }
    left
}

/// How a write can be torn: at each sector, with a hole before each, and after some bytes.
fn tears(offset: u64, len: usize) -> Vec<Keep> {
    let offset = usize::try_from(offset).unwrap();
    let to_sector = SECTOR - offset % SECTOR;
    let sectors: Vec<usize> = (to_sector..len).step_by(SECTOR).collect();
    if offset == 0 && len < SECTOR {
        return Vec::new(); // One sector, written in place: it is there or not.
    }
    let holes = sectors.iter().map(|at| Keep::Hole(*at));
    let bytes = [1, len / 2, len.saturating_sub(1)].into_iter().filter(|at| *at < len);
    sectors.iter().copied().chain(bytes).map(Keep::First).chain(holes).collect()
}

#[derive(Debug, Default)]
struct Tally {
    cuts: usize,
    left: usize,
    looked_at: usize,
    violations: Vec<String>,
}

/// All that the record says was started.
pub(crate) fn told_to_start(lines: &[Entry]) -> BTreeSet<Job> {
    let mut known = BTreeSet::new();
    for fact in lines.iter().flat_map(|entry| &entry.facts) {
        if let Event::AttemptStarted { key, places, .. } = &fact.event {
            known.extend(places.iter().map(|p| Job { key: key.clone(), place: p.clone() }));
        }
    }
    known
}

/// What is wrong with what a power cut left, if anything.
fn look_at(
    night: &Night,
    piece: &Piece,
    image: &Image,
    acknowledged: u64,
    ledger: &BTreeSet<Job>,
    to_the_end: bool,
) -> Result<(), String> {
    let disk = MemDisk::from_image(image);
    let dir: &Path = &night.found.dir;
    let read = read_all_on(&disk, dir);
    if acknowledged == 0 {
        // Nobody was told that there is a session.
        return if ledger.is_empty() { Ok(()) } else { Err("something ran before all".to_owned()) };
    }
    let read = read.map_err(|error| format!("it cannot be read: {error}"))?;
    let count = read.len();
    if u64::try_from(count).is_ok_and(|count| count < acknowledged) {
        return Err(format!("{acknowledged} lines were acknowledged, {count} are left"));
    }
    if piece.lines.get(..read.len()) != Some(&read[..]) {
        return Err("what is read is no beginning of what was decided".to_owned());
    }
    let known = told_to_start(&read);
    if let Some(unknown) = ledger.difference(&known).next() {
        return Err(format!("{unknown} ran, and the record does not know"));
    }
    let pinned = Inputs::pinned_on(&disk, &night.found);
    let digest: Digest = pinned.map_err(|error| format!("its inputs: {error}"))?.digest();
    if digest != night.plan.digest {
        return Err("its inputs are not those it was started from".to_owned());
    }
    let verdict = |disk: &MemDisk| {
        let verdict = verify_on(disk, dir, Some(&night.found.id)).map_err(|e| e.to_string())?;
        let wrong = verdict.findings.iter().find(|finding| finding.what != What::Torn);
        wrong.map_or(Ok(()), |wrong| Err(format!("called tampering: {wrong}")))
    };
    verdict(&disk)?;
    if verify_on(&disk, dir, None).map_err(|e| e.to_string())?.sealed {
        return Ok(());
    }
    let resumed = Play::resume(night, &disk, ledger.clone());
    let resumed = resumed.map_err(|error| format!("it cannot be taken up: {error}"))?;
    let mut play = resumed.ok_or("it cannot be taken up: its first line is refused")?;
    if to_the_end {
        if !play.go_on_for(200) {
            return Err(format!("it never ends: {:?}", play.core.state().stage()));
        }
    } else {
        play.go_on_for(3);
    }
    if let Some(job) = play.twice.first() {
        return Err(format!("{job} ran twice"));
    }
    verdict(&disk).map_err(|wrong| format!("after it was taken up, {wrong}"))
}

/// Cuts the power in `piece` after every operation from `from` on, `step` apart.
fn cut_everywhere(night: &Night, piece: &Piece, next: &AtomicUsize) -> Tally {
    let ops = piece.disk.log();
    let long = is_long();
    let mut tally = Tally::default();
    let mut seen = BTreeSet::new();
    loop {
        let end = next.fetch_add(1, Ordering::Relaxed);
        if end > ops.len() {
            return tally;
        }
        let (mut acknowledged, mut ledger) = (piece.acknowledged, piece.ledger.clone());
        for op in &ops[..end] {
            if let Op::Acknowledged(seq) = op {
                acknowledged = *seq;
            } else if let Op::Started(job) = op {
                ledger.insert(job.clone());
            }
        }
        tally.cuts += 1;
        for (what, image) in what_is_left(&piece.before, &ops[..end]) {
            tally.left += 1;
            let mut hasher = DefaultHasher::new();
            (&image, acknowledged, &ledger).hash(&mut hasher);
            let hash = hasher.finish();
            let is_torn = what.contains("torn");
            let sample = if is_torn { 25 } else { 3 };
            if !seen.insert(hash) || (!long && !hash.is_multiple_of(sample)) {
                continue;
            }
            tally.looked_at += 1;
            let to_the_end = long || tally.looked_at.is_multiple_of(16);
            let looked = look_at(night, piece, &image, acknowledged, &ledger, to_the_end);
            if let Err(wrong) = looked {
                let after = ops[..end].last().map(word);
                tally.violations.push(format!(
                    "{}: power cut after operation {end} of {} ({after:?}), {what}: {wrong}",
                    piece.name,
                    ops.len()
                ));
            }
        }
    }
}

fn word(op: &Op) -> String {
    if let Op::Write(file, offset, bytes) = op {
        return format!("write {} to file {file} at {offset}", bytes.len());
    }
    format!("{op:?}")
}

#[test]
fn the_power_goes_at_every_operation_and_nothing_is_lost() {
    let night = night();
    let mut all = Tally::default();
    for piece in pieces(&night) {
        let next = AtomicUsize::new(0);
        let tallies = std::thread::scope(|scope| {
            let cut = || cut_everywhere(&night, &piece, &next);
            let (one, two) = (scope.spawn(cut), scope.spawn(cut));
            [one.join().unwrap(), two.join().unwrap()]
        });
        for tally in tallies {
            all.cuts += tally.cuts;
            all.left += tally.left;
            all.looked_at += tally.looked_at;
            all.violations.extend(tally.violations);
        }
    }
    println!(
        "power cuts of golive: {} prefixes, {} things left, {} of them different, {} violations",
        all.cuts,
        all.left,
        all.looked_at,
        all.violations.len()
    );
    let what = format!(
        "power cuts of golive: {} prefixes of its operations, {} things that can be left",
        all.cuts, all.left
    );
    counted(POWER_CUTS, &what, all.looked_at, all.violations.len());
    let some: Vec<_> = all.violations.iter().step_by(1 + all.violations.len() / 12).collect();
    assert!(some.is_empty(), "{} violations, for example {some:#?}", all.violations.len());
    assert!(all.cuts > 300, "{all:?}");
}
