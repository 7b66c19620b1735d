//! What a host remembers of steps.

use std::collections::BTreeMap;

/// All that the steps of a host may have written, together.
const BYTES_MAX: usize = 64 << 20;

/// A stream of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a step's key is on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is known of it.
    Absent,
    /// It has come and has not begun.
    Staged,
    /// It runs.
    Running,
    /// It runs, and its supervisor is gone: how it ends will not be known.
    Orphan,
    /// It has ended, and its exit status is the real one.
    Exited,
    /// It never ran and never will.
    Void,
    /// It and its supervisor are gone without an exit status: it may have run.
    Lost,
    /// The host has been booted since: it may have run.
    Rebooted,
}

impl State {
    /// As the protocol writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Absent => "ABSENT",
            Self::Staged => "STAGED",
            Self::Running => "RUNNING",
            Self::Orphan => "ORPHAN",
            Self::Exited => "EXITED",
            Self::Void => "VOID",
            Self::Lost => "LOST",
            Self::Rebooted => "REBOOTED",
        }
    }

    /// Whether nothing can happen to it any more.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Absent | Self::Staged | Self::Running | Self::Orphan => false,
            Self::Exited | Self::Void | Self::Lost | Self::Rebooted => true,
        }
    }
}

/// Who took a key's gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) pid: u32,
    pub(super) born: u64,
    pub(super) boot: String,
    pub(super) digest: String,
    /// A void or a cancel: for nobody.
    pub(super) void: bool,
    supervised: bool,
    alive: bool,
}

/// An exit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) status: u8,
    pub(super) up: u64,
}

/// One key.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) staged: bool,
    pub(super) gate: Option<Gate>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    pub(super) ended: Option<Ended>,
    pub(super) cancelled: bool,
}

#[derive(Clone, Debug, Default)]
struct Run {
    closed: bool,
    keys: BTreeMap<String, Record>,
}

/// What a host remembers of steps: it outlives connections, and boots.
#[derive(Clone, Debug)]
pub struct Spool {
    root: String,
    root_id: Option<String>,
    boot: String,
    runs: BTreeMap<String, Run>,
    bytes: usize,
    launches: BTreeMap<String, u32>,
}

impl Spool {
    /// The spool of a host that was never used, booted as `boot`, with its records under `root`.
    pub fn new(root: &str, boot: &str) -> Self {
        Self {
            root: root.to_owned(),
            root_id: None,
            boot: boot.to_owned(),
            runs: BTreeMap::new(),
            bytes: 0,
            launches: BTreeMap::new(),
        }
    }

    /// Where its records lie.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The host is booted: all that ran is gone, and nothing said how it ended.
    pub fn reboot(&mut self, boot: &str) {
        boot.clone_into(&mut self.boot);
    }

    /// The records are taken away, as a cleaner or a restored disk does.
    pub fn forget(&mut self) {
        self.root_id = None;
        self.runs.clear();
        self.bytes = 0;
    }

    /// How often the step `run/key` was launched, whatever was forgotten since. Above 1, the
    /// promise is broken.
    pub fn launches(&self, run: &str, key: &str) -> u32 {
        self.launches.get(&format!("{run}/{key}")).copied().unwrap_or(0)
    }

    /// How the step `run/key` is.
    pub fn state(&self, run: &str, key: &str) -> State {
        let Some(record) = self.runs.get(run).and_then(|run| run.keys.get(key)) else {
            return State::Absent;
        };
        let Some(gate) = &record.gate else {
            return if record.staged { State::Staged } else { State::Absent };
        };
        if gate.void {
            State::Void
        } else if record.ended.is_some() {
            State::Exited
        } else if gate.boot != self.boot {
            State::Rebooted
        } else if gate.alive && gate.supervised {
            State::Running
        } else if gate.alive {
            State::Orphan
        } else {
            State::Lost
        }
    }

    /// The exit status of `run/key`, if it has one.
    pub fn status(&self, run: &str, key: &str) -> Option<u8> {
        self.record(run, key)?.ended.map(|ended| ended.status)
    }

    /// Adds what the step with the process number `pid` wrote; false when there is no room or no
    /// such step.
    pub fn write(&mut self, pid: u32, stream: Stream, bytes: &[u8]) -> bool {
        if self.bytes + bytes.len() > BYTES_MAX {
            return false;
        }
        let boot = self.boot.clone();
        let Some(record) = self.by_pid(pid, &boot) else { return false };
        match stream {
            Stream::Out => record.out.extend_from_slice(bytes),
            Stream::Err => record.err.extend_from_slice(bytes),
        }
        self.bytes += bytes.len();
        true
    }

    /// The step with the process number `pid` has ended with `status`, when the host had been up
    /// for `up` hundredths of a second. Its supervisor, if it lives, records that.
    pub fn ended(&mut self, pid: u32, status: u8, up: u64) {
        let boot = self.boot.clone();
        let Some(record) = self.by_pid(pid, &boot) else { return };
        let Some(gate) = &mut record.gate else { return };
        gate.alive = false;
        if gate.supervised {
            gate.supervised = false;
            record.ended = Some(Ended { status, up });
        }
    }

    /// The supervisor of the step with the process number `pid` is killed.
    pub fn orphan(&mut self, pid: u32) {
        let boot = self.boot.clone();
        if let Some(gate) = self.by_pid(pid, &boot).and_then(|record| record.gate.as_mut()) {
            gate.supervised = false;
        }
    }

    /// The step of this process number that runs now.
    fn by_pid(&mut self, pid: u32, boot: &str) -> Option<&mut Record> {
        let records = self.runs.values_mut().flat_map(|run| run.keys.values_mut());
        let mut mine = records.filter(|record| {
            let gate = record.gate.as_ref();
            gate.is_some_and(|it| it.pid == pid && it.boot == boot && it.alive && !it.void)
        });
        mine.next()
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    pub(super) fn root_id(&self) -> Option<&str> {
        self.root_id.as_deref()
    }

    pub(super) fn set_root_id(&mut self, id: &str) {
        self.root_id = Some(id.to_owned());
    }

    pub(super) fn is_closed(&self, run: &str) -> bool {
        self.runs.get(run).is_some_and(|run| run.closed)
    }

    pub(super) fn record(&self, run: &str, key: &str) -> Option<&Record> {
        self.runs.get(run)?.keys.get(key)
    }

    pub(super) fn record_mut(&mut self, run: &str, key: &str) -> &mut Record {
        self.runs.entry(run.to_owned()).or_default().keys.entry(key.to_owned()).or_default()
    }

    /// Takes the gate of `run/key` for nobody, if it is free.
    pub(super) fn bar(&mut self, run: &str, key: &str) {
        let boot = self.boot.clone();
        let record = self.record_mut(run, key);
        record.gate.get_or_insert(Gate {
            pid: 0,
            born: 0,
            boot,
            digest: "-".to_owned(),
            void: true,
            supervised: false,
            alive: false,
        });
    }

    /// Takes the gate of `run/key` for a step; false if it is taken.
    pub(super) fn take(&mut self, run: &str, key: &str, who: (u32, u64), digest: &str) -> bool {
        let boot = self.boot.clone();
        let record = self.record_mut(run, key);
        if record.gate.is_some() {
            return false;
        }
        record.gate = Some(Gate {
            pid: who.0,
            born: who.1,
            boot,
            digest: digest.to_owned(),
            void: false,
            supervised: true,
            alive: true,
        });
        *self.launches.entry(format!("{run}/{key}")).or_default() += 1;
        true
    }

    /// Closes a run; the key that still runs if one does.
    pub(super) fn close(&mut self, run: &str) -> Result<(), (String, State)> {
        let keys = self.runs.get(run).map(|run| run.keys.keys().cloned().collect::<Vec<_>>());
        for key in keys.unwrap_or_default() {
            let state = self.state(run, &key);
            if matches!(state, State::Running | State::Orphan) {
                return Err((key, state));
            }
        }
        let run = self.runs.entry(run.to_owned()).or_default();
        run.closed = true;
        run.keys.retain(|_, record| record.gate.is_some());
        for record in run.keys.values_mut() {
            self.bytes = self.bytes.saturating_sub(record.out.len() + record.err.len());
            record.staged = false;
            record.out = Vec::new();
            record.err = Vec::new();
        }
        Ok(())
    }

    /// The state of `run/key` in the protocol's words.
    pub(super) fn report(&self, run: &str, key: &str) -> String {
        let state = self.state(run, key);
        let record = self.record(run, key);
        let gate = record.and_then(|record| record.gate.as_ref());
        let ended = record.and_then(|record| record.ended);
        let text = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
        format!(
            "state {} pid={} born={} boot={} group={} cancel={} out={} err={} rc={} up={}",
            state.word(),
            text(gate.map(|gate| u64::from(gate.pid))),
            text(gate.map(|gate| gate.born)),
            gate.map_or("", |gate| gate.boot.as_str()),
            u8::from(matches!(state, State::Running | State::Orphan)),
            u8::from(record.is_some_and(|record| record.cancelled)),
            record.map_or(0, |record| record.out.len()),
            record.map_or(0, |record| record.err.len()),
            text(ended.map(|ended| u64::from(ended.status))),
            text(ended.map(|ended| ended.up)),
        )
    }
}
