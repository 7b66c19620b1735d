//! A real `sshd` for one test: own port, own host keys, own accounts file, gone with the test.
//!
//! As root it lives in a PID namespace of its own, so that nothing a test signals or leaves
//! behind can be anything of the machine's.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use golive::base::HostId;
use golive::exec::ssh::{
    Command as Run, ConfigSource, Group, HostSpec, Options, Output, Pool, RunEnd, SshError,
    StopSignal, Stream,
};
use tempfile::TempDir;

/// Nothing that a test waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `condition` gives something.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// [`until`], leaving the runtime's thread to others.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a program to its end and gives back what it printed.
pub(crate) fn sh(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a key pair with `ssh-keygen`; returns the path of the secret half.
pub(crate) fn keygen(dir: &Path, name: &str, kind: &str, passphrase: &str) -> PathBuf {
    let path = dir.join(name);
    let file = path.to_str().unwrap();
    sh("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-C", name, "-f", file]);
    path
}

/// The public half beside `secret`, as one line.
pub(crate) fn public(secret: &Path) -> String {
    let mut path = secret.as_os_str().to_owned();
    path.push(".pub");
    fs::read_to_string(path).unwrap().trim().to_owned()
}

pub(crate) fn is_root() -> bool {
    sh("id", &["-u"]).trim() == "0"
}

/// The account that tests log in to: the one they run as.
pub(crate) fn me() -> String {
    sh("id", &["-un"]).trim().to_owned()
}

/// A server that runs until it is dropped.
pub(crate) struct Sshd {
    pub(crate) port: u16,
    pub(crate) dir: TempDir,
    child: Child,
    way: Way,
}

/// How a server is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// Started again whenever it ends.
    LivesAgain,
    /// Without a home for the account, and as root with a `/var/tmp` of its own.
    Homeless,
}

fn is_listener(pid: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.contains("[listener]")
}

impl Sshd {
    /// A server with an ed25519 host key that accepts the key of [`Sshd::identity`].
    pub(crate) fn start() -> Self {
        Self::with(&["ed25519"], "")
    }

    /// One that is started again whenever it ends. As root: it needs a namespace of its own.
    pub(crate) fn living_again() -> Self {
        Self::made(&["ed25519"], "", Way::LivesAgain)
    }

    /// One whose account has no home. As root, what its processes write to `/var/tmp` is in the
    /// folder `var-tmp` of the test.
    pub(crate) fn homeless() -> Self {
        Self::made(&["ed25519"], "SetEnv HOME=/nowhere", Way::Homeless)
    }

    /// A server with host keys of these kinds and further lines of `sshd_config`.
    pub(crate) fn with(host_keys: &[&str], config: &str) -> Self {
        Self::made(host_keys, config, Way::Plain)
    }

    fn made(host_keys: &[&str], config: &str, way: Way) -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        // The first setting of a kind counts.
        let mut text = format!(
            "{config}\nListenAddress 127.0.0.1\nUsePAM no\nStrictModes no\nPidFile none\nPrintMotd no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AuthorizedKeysFile {}\nSetEnv HOME={}\n",
            at("authorized_keys"),
            dir.path().display(), // No start files of the account that runs the tests.
        );
        for kind in host_keys {
            keygen(dir.path(), &format!("host_{kind}"), kind, "");
            writeln!(text, "HostKey {}", at(&format!("host_{kind}"))).unwrap();
        }
        keygen(dir.path(), "user", "ed25519", "");
        fs::copy(at("user.pub"), at("authorized_keys")).unwrap();
        if is_root() {
            fs::create_dir_all("/run/sshd").unwrap(); // Where sshd locks its helper in.
        }
        fs::write(at("sshd_config"), text).unwrap();
        fs::create_dir(at("var-tmp")).unwrap();
        let (port, child) = launch(dir.path(), way);
        let sshd = Self { port, dir, child, way };
        until("the end of the first greeting", || sshd.connections().is_empty().then_some(()));
        sshd
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The key that [`Sshd::start`] lets in.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path("user")
    }

    /// Lets one more public key in.
    pub(crate) fn authorize(&self, line: &str) {
        let path = self.path("authorized_keys");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(line);
        text.push('\n');
        fs::write(path, text).unwrap();
    }

    /// Lets nobody in but this line.
    pub(crate) fn authorize_only(&self, line: &str) {
        fs::write(self.path("authorized_keys"), format!("{line}\n")).unwrap();
    }

    /// The public host key of this kind.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        public(&self.path(&format!("host_{kind}")))
    }

    /// A `known_hosts` file that knows the host key of this kind.
    pub(crate) fn known_hosts(&self, kind: &str) -> PathBuf {
        let text = format!("[127.0.0.1]:{} {}\n", self.port, self.host_key(kind));
        self.write("known_hosts", &text)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// How a pool reaches this server.
    pub(crate) fn spec(&self, id: &str) -> HostSpec {
        HostSpec {
            port: Some(self.port),
            user: Some(me()),
            identity: Some(self.identity()),
            ..HostSpec::new(id.parse().unwrap(), "127.0.0.1")
        }
    }

    /// Options that know this server and nothing of the machine's own settings.
    pub(crate) fn options(&self) -> Options {
        let known = self.path("host_ed25519").exists();
        let known_hosts = known.then(|| self.known_hosts("ed25519"));
        Options {
            config: ConfigSource::None,
            agent: false,
            known_hosts: Some(known_hosts.into_iter().collect()),
            ..Options::default()
        }
    }

    /// A pool with this server as `web1`.
    pub(crate) fn pool(&self) -> Pool {
        Pool::new(vec![self.spec("web1")], self.options())
    }

    /// The processes that serve connections now.
    pub(crate) fn connections(&self) -> Vec<u32> {
        let mut inside =
            if self.namespaced() { children(self.child.id()) } else { vec![self.child.id()] };
        if self.way == Way::LivesAgain {
            // One level deeper; what an earlier listener served is adopted by the shell above.
            inside.extend(self.listener());
        }
        // What a step left behind is adopted by the first process of a namespace, which is sshd.
        let serves = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.starts_with("sshd")) && !is_listener(*pid)
        };
        inside.into_iter().flat_map(children).filter(serves).collect()
    }

    /// The process that takes new connections in; only of a server that lives again.
    pub(crate) fn listener(&self) -> Option<u32> {
        let mut inside = children(self.child.id()).into_iter().flat_map(children);
        inside.find(|&pid| is_listener(pid))
    }

    fn namespaced(&self) -> bool {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.child.id()));
        name.is_ok_and(|name| name.trim() == "unshare")
    }

    /// Ends it; its folder stays.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for pid in self.connections() {
            signal("CONT", pid);
            signal("KILL", pid);
        }
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("sshd on port {}:\n{}", self.port, self.log());
        }
    }
}

/// Sends a signal to one process of a test.
pub(crate) fn signal(name: &str, pid: u32) {
    // One process, by its own number: never a group.
    assert!(pid > 1);
    Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status().ok();
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Starts sshd on a free port and waits for its greeting.
fn launch(dir: &Path, way: Way) -> (u16, Child) {
    for _ in 0..20 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = if is_root() {
            let mut unshare = Command::new("unshare");
            unshare.args(["-pf", "--mount-proc", "--kill-child"]);
            match way {
                Way::Plain => unshare.arg("/usr/sbin/sshd"),
                Way::LivesAgain => {
                    unshare.args(["sh", "-c", "while :; do /usr/sbin/sshd \"$@\"; done", "sh"])
                }
                Way::Homeless => {
                    let line = "mount --bind \"$0\" /var/tmp && exec /usr/sbin/sshd \"$@\"";
                    unshare.args(["sh", "-c", line]).arg(dir.join("var-tmp"))
                }
            };
            unshare
        } else {
            Command::new("/usr/sbin/sshd")
        };
        command.args(["-D", "-p", &port.to_string()]);
        command.arg("-E").arg(dir.join("log")).arg("-f").arg(dir.join("sshd_config"));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // None: not yet. Some(false): somebody else took the port.
        let up = until("sshd to greet", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            greets(port).unwrap_or(false).then_some(true)
        });
        if up {
            return (port, child);
        }
        let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(log.contains("in use"), "sshd does not start: {log}");
    }
    panic!("no free port");
}

fn greets(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting)?;
    Ok(&greeting == b"SSH-")
}

/// An `ssh-agent` of one test.
pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    child: Child,
}

impl Agent {
    pub(crate) fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("the agent's socket", || socket.exists().then_some(()));
        Self { socket, child }
    }

    pub(crate) fn add(&self, secret: &Path) {
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        let status = Command::new("ssh-add")
            .arg("-q")
            .arg(secret)
            .env("SSH_AUTH_SOCK", &self.socket)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a command printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) group: Option<Group>,
    pub(crate) begun: bool,
}

/// Keeps what a command prints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear(pub Arc<Mutex<Heard>>);

impl Ear {
    pub(crate) fn heard(&self) -> Heard {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.heard().stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.heard().stderr).into_owned()
    }
}

impl Output for Ear {
    fn started(&mut self, group: Option<Group>) {
        let mut heard = self.0.lock().unwrap();
        heard.group = group;
        heard.begun = true;
    }

    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match stream {
            Stream::Stdout => heard.stdout.extend_from_slice(bytes),
            Stream::Stderr => heard.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Runs `command` on `web1` of `pool` to its end.
pub(crate) async fn run(pool: &Pool, command: Run) -> (RunEnd, Ear) {
    let ear = Ear::default();
    let host = "web1".parse().unwrap();
    let end = pool.run(&host, command, Box::new(ear.clone()), StopSignal::never()).await;
    (end, ear)
}

/// Runs a line on `web1` of `pool` to its end.
pub(crate) async fn run_line(pool: &Pool, line: &str) -> (RunEnd, Ear) {
    run(pool, Run::new(line)).await
}

/// A host's name.
pub(crate) fn id(name: &str) -> HostId {
    name.parse().unwrap()
}

/// The code of a command that ended by itself.
#[track_caller]
pub(crate) fn exited(end: &RunEnd) -> u32 {
    let RunEnd::Exited { code, whole: true } = end else { panic!("{end:?}") };
    *code
}

/// `end` is [`RunEnd::NotStarted`]; gives back why.
#[track_caller]
pub(crate) fn not_started(end: RunEnd) -> SshError {
    let RunEnd::NotStarted { why } = end else { panic!("{end:?}") };
    why
}

/// A pool with this server as `web1`, changed.
pub(crate) fn pool_for(sshd: &Sshd, change: impl FnOnce(&mut HostSpec, &mut Options)) -> Pool {
    let (mut spec, mut options) = (sshd.spec("web1"), sshd.options());
    change(&mut spec, &mut options);
    Pool::new(vec![spec], options)
}

/// Options that go by this text of `ssh_config`.
pub(crate) fn configured(sshd: &Sshd, name: &str, text: &str) -> Options {
    let config = ConfigSource::File(sshd.write(name, text));
    Options { config, agent: true, ..sshd.options() }
}

/// Bytes of every value, without a pattern a text tool could survive by luck.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
