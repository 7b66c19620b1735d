//! A host without `sshd`: the scripts of durable steps, run by any shell over pipes.
//!
//! What signals runs in a PID namespace of its own: see [`inside`].

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use golive::exec::durable::{EVAL, Mode, words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::counts::counted;
use crate::sshd::until;

/// Whether everything is asked for, however long it takes.
pub(crate) fn long() -> bool {
    std::env::var("GOLIVE_TESTS").is_ok_and(|it| it == "long")
}

/// The tool that kills at a given system call, and buries orphans.
pub(crate) fn killat() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    &BUILT
        .get_or_init(|| {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("killat");
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/killat.c");
            let built = Command::new("cc").args(["-O1", "-o"]).arg(&path).arg(source).output();
            let built = built.expect("a C compiler: apt-get install gcc libc6-dev");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            (dir, path)
        })
        .1
}

/// Whether this is the run of the test inside a PID namespace; if not, there is one now, and it
/// has passed.
pub(crate) fn inside(test: &str) -> bool {
    inside_of(test, &[])
}

/// [`inside`], with further namespaces, as `unshare` takes them.
pub(crate) fn inside_of(test: &str, namespaces: &[&str]) -> bool {
    if std::env::var_os("GOLIVE_INSIDE").is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    if !crate::sshd::is_root() {
        command.arg("-Ur");
    }
    let output = command
        .args(["-pf", "--mount-proc", "--kill-child"])
        .args(namespaces)
        .arg(killat())
        .arg("init")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("GOLIVE_INSIDE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    eprint!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{test} failed inside");
    false
}

/// A home folder and a shell.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) shell: String,
    pub(crate) home: PathBuf,
    /// What the path begins with: a folder with the shell as `sh`.
    pub(crate) path: String,
    pub(crate) env: Vec<(String, String)>,
    /// A command that runs the call.
    pub(crate) prefix: Vec<String>,
    /// Puts code in place of the `#CP` comments.
    pub(crate) deadly: bool,
    /// When its client asks for what a step prints.
    pub(crate) asks: Asks,
}

/// When a client asks for what a step prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// As it asks for the step: the bytes come as they are written.
    AtOnce,
    /// When the step has ended.
    AtTheEnd,
}

/// What a call said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    /// Each answer: its words.
    pub(crate) lines: Vec<Vec<String>>,
    /// The offsets that were asked for.
    from: [usize; 2],
}

impl Heard {
    pub(crate) fn parse(out: &[u8], err: &[u8], nonce: &str, from: [usize; 2]) -> Self {
        let mark = format!("golive-{nonce} out\n");
        let at = out.windows(mark.len()).position(|it| it == mark.as_bytes());
        let out = at.map(|at| out[at + mark.len()..].to_vec()).unwrap_or_default();
        let mut heard = Self { out, from, ..Self::default() };
        let mark = format!("golive-{nonce} ");
        let mut rest = err;
        while let Some(at) = rest.windows(mark.len()).position(|it| it == mark.as_bytes()) {
            let Some(end) = rest[at..].iter().position(|it| *it == b'\n') else { break };
            heard.err.extend(&rest[..at]);
            let line = String::from_utf8_lossy(&rest[at + mark.len()..at + end]).into_owned();
            heard.lines.push(line.split(' ').map(str::to_owned).collect());
            rest = &rest[at + end + 1..];
        }
        heard.err.extend(rest);
        heard
    }

    /// The last answer with this word.
    pub(crate) fn word(&self, word: &str) -> Option<&[String]> {
        self.lines.iter().rev().find(|it| it[0] == word).map(Vec::as_slice)
    }

    /// `k=v` of the last answer with this word.
    pub(crate) fn value(&self, word: &str, name: &str) -> String {
        let found = self.word(word).into_iter().flatten().find_map(|it| {
            it.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        });
        found.unwrap_or_default()
    }

    /// The state that was said last, `EXITED` with its code.
    pub(crate) fn state(&self) -> String {
        let mut state = "-".to_owned();
        for line in &self.lines {
            match (line[0].as_str(), line.get(1)) {
                ("state", Some(said)) => {
                    state.clone_from(said);
                    if state == "EXITED" {
                        state = format!("EXITED {}", self.value("state", "rc"));
                    }
                }
                ("end", _) => state = format!("EXITED {}", self.value("end", "rc")),
                ("error", Some(code)) => state = format!("error {code}"),
                (_, _) => (),
            }
        }
        state
    }

    /// What the call claims to be all there is has come.
    fn complete(&self) -> bool {
        if self.word("done").is_some() || self.word("error").is_some() {
            return true;
        }
        let lost = self
            .word("state")
            .is_some_and(|it| !["RUNNING", "ORPHAN", "ABSENT", "STAGED"].contains(&it[1].as_str()));
        let word = if self.word("end").is_some() {
            "end"
        } else if lost {
            "state"
        } else {
            return false;
        };
        let count = |name: &str| self.value(word, name).parse().unwrap_or(0);
        self.out.len() + self.from[0] >= count("out")
            && self.err.len() + self.from[1] >= count("err")
    }
}

/// What a stream gave so far, and whether it is at its end.
type Taken = Arc<Mutex<(Vec<u8>, bool)>>;

/// A call that is under way.
pub(crate) struct Call {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    nonce: String,
    from: [usize; 2],
    streams: [Taken; 2],
    readers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// What the step prints is still to be asked for.
    owes: AtomicBool,
}

/// Reads to the end, or, once told to stop, to a moment of silence; then nobody listens any more.
fn reader(
    mut from: impl Read + AsFd + Send + 'static,
    to: Taken,
    stop: Arc<AtomicBool>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        loop {
            let tick = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let ready = poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&tick)).unwrap();
            let count = match (ready, stop.load(Ordering::Relaxed)) {
                (0, false) => continue,
                (0, true) => 0,
                _ => from.read(&mut buffer).unwrap_or(0),
            };
            let mut to = to.lock().unwrap();
            to.0.extend(&buffer[..count]);
            to.1 = count == 0;
            if count == 0 {
                return;
            }
        }
    })
}

impl Call {
    pub(crate) fn heard(&self) -> Heard {
        let [out, err] = &self.streams;
        Heard::parse(&out.lock().unwrap().0, &err.lock().unwrap().0, &self.nonce, self.from)
    }

    /// Both streams are at their end.
    pub(crate) fn over(&self) -> bool {
        self.streams.iter().all(|it| it.lock().unwrap().1)
    }

    /// Waits for something to be heard, or for the end.
    pub(crate) fn until(&self, what: &str, mut fine: impl FnMut(&Heard) -> bool) -> Heard {
        until(what, || {
            let over = self.over();
            let heard = self.heard();
            let asks = match (heard.word("end"), heard.word("state")) {
                _ if heard.complete() => None,
                (Some(_), _) => Some(&b"rest\n"[..]),
                (None, state) => state.map(|_| &b"follow\n"[..]),
            };
            if let Some(asks) = asks.filter(|_| self.owes.swap(false, Ordering::Relaxed)) {
                // It may be dead.
                self.stdin.as_ref().map(|mut stdin| stdin.write_all(asks));
            }
            (over || fine(&heard)).then_some(heard)
        })
    }

    /// Waits until the call has said all, closes it, and waits for it to be gone.
    pub(crate) fn finish(self) -> Heard {
        self.until("the end of the call", Heard::complete);
        self.close()
    }

    /// Closes the call's input, and waits for it to be gone.
    ///
    /// What would not go by itself finds after a while that nobody listens.
    pub(crate) fn close(mut self) -> Heard {
        drop(self.stdin.take());
        let begun = Instant::now();
        until("the end of the call", || {
            let gone = self.child.try_wait().unwrap().is_some();
            if gone || begun.elapsed().as_millis() > 300 {
                self.stop.store(true, Ordering::Relaxed);
            }
            gone.then_some(())
        });
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.heard()
    }

    /// The link dies: both ends are closed, and nobody waits.
    pub(crate) fn cut(mut self) {
        drop(self.stdin.take());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Code for a `#CP` comment: the process that comes here says so and dies.
fn deadly(source: &str) -> String {
    let line = |line: &str| match line.trim().strip_prefix("#CP ") {
        Some(name) => format!(
            "[ \"${{GLCP-}}\" = {name} ] && {{ echo {name} >>\"$GLHIT\"; sh -c \"kill -s KILL \\$PPID\"; }}\n"
        ),
        None => format!("{line}\n"),
    };
    source.lines().map(line).collect()
}

/// The names of all points at which a mode may die.
pub(crate) fn points(mode: Mode) -> Vec<String> {
    let lines = mode.sources().into_iter().flatten().flat_map(|it| it.lines());
    lines.filter_map(|it| it.trim().strip_prefix("#CP ").map(str::to_owned)).collect()
}

pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin:/sbin";
    let found = path.split(':').map(|it| Path::new(it).join(name)).find(|it| it.exists());
    found.unwrap_or_else(|| panic!("please install {name}: see the list in tests/run.sh"))
}

impl Host {
    /// A home in `dir`, for this shell.
    pub(crate) fn new(dir: &Path, shell: &str) -> Self {
        let home = dir.join(format!("home-{shell}"));
        let bin = dir.join(format!("bin-{shell}"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&bin).unwrap();
        if !bin.join("sh").exists() {
            std::os::unix::fs::symlink(program(shell), bin.join("sh")).unwrap();
        }
        Self {
            shell: shell.to_owned(),
            home,
            path: format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
            env: Vec::new(),
            prefix: Vec::new(),
            deadly: false,
            asks: Asks::AtTheEnd,
        }
    }

    /// Another home folder for the same shell.
    pub(crate) fn at(&self, home: &Path) -> Self {
        fs::create_dir_all(home).unwrap();
        Self { home: home.to_owned(), ..self.clone() }
    }

    /// Whose client sees what a step prints while it runs.
    pub(crate) fn live(&self) -> Self {
        Self { asks: Asks::AtOnce, ..self.clone() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.home.join(".golive")
    }

    /// A file of a key.
    pub(crate) fn file(&self, key: &str, kind: &str) -> PathBuf {
        self.root().join("R/run.host").join(format!("{key}.{kind}"))
    }

    /// The words of the gate.
    pub(crate) fn gate(&self, key: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(key, "x")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn command(&self, mode: Mode) -> Command {
        let mut parts = self.prefix.clone();
        parts.extend(["sh", "-c", EVAL, "sh"].map(str::to_owned));
        parts.extend(words(mode, |it| if self.deadly { deadly(it) } else { it.to_owned() }));
        let mut command = Command::new(self.resolve(&parts[0]));
        command.args(&parts[1..]).env("PATH", &self.path).env("HOME", &self.home);
        command.envs(self.env.iter().cloned());
        command
    }

    fn resolve(&self, name: &str) -> PathBuf {
        let found = self.path.split(':').map(|it| Path::new(it).join(name)).find(|it| it.exists());
        found.unwrap_or_else(|| program(name))
    }

    /// Begins a call and writes its request.
    pub(crate) fn begin(&self, mode: Mode, key: &str, kv: &str, payload: &[u8]) -> Call {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let nonce = format!("{:016x}", CALLS.fetch_add(1, Ordering::Relaxed));
        let mut command = self.command(mode);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let streams = [(); 2].map(|()| Arc::new(Mutex::new((Vec::new(), false))));
        let stop = Arc::new(AtomicBool::new(false));
        let readers = vec![
            reader(child.stdout.take().unwrap(), Arc::clone(&streams[0]), Arc::clone(&stop)),
            reader(child.stderr.take().unwrap(), Arc::clone(&streams[1]), Arc::clone(&stop)),
        ];
        let key = if mode == Mode::Close { "-" } else { key };
        let mut text =
            format!("golive2 {} {nonce} run.host {key} newid=id{nonce} {kv}\n", mode.word())
                .into_bytes();
        text.extend(payload);
        if mode == Mode::Start && self.asks == Asks::AtOnce {
            text.extend(b"follow\n");
        }
        // It may be dead already, or have refused.
        stdin.write_all(&text).and_then(|()| stdin.flush()).ok();
        let from = ["o=", "e="].map(|name| {
            let found = kv.split(' ').find_map(|it| it.strip_prefix(name));
            found.and_then(|it| it.parse().ok()).unwrap_or(0)
        });
        let owes = AtomicBool::new(mode == Mode::Start && self.asks == Asks::AtTheEnd);
        Call { child, stdin: Some(stdin), nonce, from, streams, readers, stop, owes }
    }

    /// A call from beginning to end.
    pub(crate) fn call(&self, mode: Mode, key: &str, kv: &str, payload: &[u8]) -> Heard {
        self.begin(mode, key, kv, payload).finish()
    }

    /// Starts a step of one line.
    pub(crate) fn start(&self, key: &str, line: &str) -> Heard {
        self.call(Mode::Start, key, "digest=d", format!("{line}\n").as_bytes())
    }

    pub(crate) fn attach(&self, key: &str, kv: &str) -> Heard {
        self.call(Mode::Attach, key, kv, b"")
    }

    /// The state, without waiting for an end.
    pub(crate) fn attach_once(&self, key: &str) -> String {
        let call = self.begin(Mode::Attach, key, "", b"");
        call.until("a state", |it| it.word("state").is_some());
        call.close().state()
    }

    pub(crate) fn cancel(&self, key: &str) -> Heard {
        self.call(Mode::Cancel, key, "grace=1", b"")
    }
}

/// How often `word` is a line of a file.
pub(crate) fn ledger(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Whether a process lives (a zombie does not).
pub(crate) fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    state.is_some_and(|it| !matches!(it, Some('Z' | 'X') | None))
}

/// Counts outcomes.
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) HashMap<String, usize>);

impl Tally {
    pub(crate) fn add(&mut self, outcome: String) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// Prints what was seen, and counts it as a row of `programme`: who comes here has found no
    /// violation, since each would have ended its test.
    pub(crate) fn print(&self, (programme, title): (&str, &str), begun: Instant) {
        let total: usize = self.0.values().sum();
        counted(programme, title, total, 0);
        println!("{title}: {total} trials, {} s", begun.elapsed().as_secs());
        let mut lines: Vec<_> = self.0.iter().collect();
        lines.sort();
        for (outcome, count) in lines {
            println!("  {count:5}  {outcome}");
        }
    }
}
