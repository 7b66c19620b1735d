//! Uploads and downloads against a real `sshd`: what arrives, what is refused, what a lost link
//! leaves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use golive::base::Digest;
use golive::engine::{Done, Effect, End, Job, Run};
use golive::exec::{Secrets, read_content};
use golive::runbook::{Builtin, Download, Upload};

use crate::durable_desk::{Console, durable, job, start};
use crate::proxy::{Proxy, Way};
use crate::sshd::{Sshd, eventually, noise};

const SFTP: &str = "Subsystem sftp internal-sftp";

/// A plan whose host `web1` becomes another account by words that change nothing.
pub(crate) const BECOMING: &str = r#"
golive = 1
[runbook]
id = "becoming"
title = "Becoming"
strategy = "direct"
environment = "test"
[hosts.web1]
address = "127.0.0.1"
become = "env GL_TEST=1"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "One"
run = "true"
on = "web1"
read_only = true
"#;

pub(crate) fn upload(from: &Path, to: &Path, attempt: u32) -> Run {
    let builtin = Builtin::Upload(Upload {
        from: from.display().to_string(),
        to: to.display().to_string(),
        mode: Some(0o640),
        sha256: None,
        folder: String::new(),
        content: Some(Arc::new(read_content(from).unwrap())),
    });
    moved(builtin, attempt)
}

fn moved(builtin: Builtin<String>, attempt: u32) -> Run {
    let session = Some("night-1".parse().unwrap());
    let run = durable("move", attempt, "");
    Run { line: builtin.text(), durable: None, builtin: Some(builtin), session, ..run }
}

fn done(end: End) -> Done {
    let End::Done(done) = end else { panic!("{end:?}") };
    *done
}

fn refused(end: End) -> String {
    let done = done(end);
    assert!(done.untouched && done.unmet.is_some(), "{done:?}");
    done.words()
}

/// Everything below a folder, by path: text, and permission bits.
fn tree(top: &Path) -> BTreeMap<String, (String, u32)> {
    let mut found = BTreeMap::new();
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(top).unwrap().display().to_string();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            found.insert(name, (String::from_utf8(fs::read(&path).unwrap()).unwrap(), mode));
        }
    }
    found
}

struct Desk {
    sshd: Sshd,
    console: Console,
    here: PathBuf,
    there: PathBuf,
}

impl Desk {
    fn with(config: &str) -> Self {
        let sshd = Sshd::with(&["ed25519"], config);
        let (here, there) = (sshd.path("here"), sshd.path("there"));
        fs::create_dir(&here).unwrap();
        fs::create_dir(&there).unwrap();
        let console = Console::new(sshd.pool());
        Self { sshd, console, here, there }
    }

    fn new() -> Self {
        Self::with(SFTP)
    }

    fn local(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.here.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn run(&mut self, run: Run) -> End {
        let job = start(&self.console, run);
        self.console.end(&job).await
    }

    fn said(&self, job: &Job) -> String {
        String::from_utf8(self.console.shelf.of(job).out).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_whole_and_replaces_what_was_there() {
    let mut desk = Desk::new();
    let to = desk.there.join("app 'x'.conf");
    for (attempt, bytes) in [(1, noise(3_000_000)), (2, Vec::new()), (3, b"new\n".to_vec())] {
        let from = desk.local("app.conf", &bytes);
        let end = done(desk.run(upload(&from, &to, attempt)).await);
        assert!(end.unmet.is_none() && end.what.as_str().contains("in place"), "{end:?}");
        assert_eq!(end.digest, Some(Digest::of(&bytes)));
        assert_eq!(fs::read(&to).unwrap(), bytes);
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    let from = desk.here.join("app.conf");
    fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    let again = done(desk.run(upload(&from, &to, 4)).await);
    assert!(again.what.as_str().contains("there already"), "{again:?}");
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(tree(&desk.there).len(), 1, "nothing temporary is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_whole_and_into_one_that_is_there() {
    let mut desk = Desk::new();
    let top = desk.here.join("site");
    for (name, text) in [("site/a", "1"), ("site/sub/b b", "2"), ("site/sub/deep/c", "3")] {
        desk.local(name, text.as_bytes());
    }
    fs::create_dir(top.join("empty")).unwrap();
    let to = desk.there.join("site");
    let end = done(desk.run(upload(&top, &to, 1)).await);
    assert!(end.unmet.is_none(), "{end:?}");
    let expected = |names: &[(&str, &str)]| -> BTreeMap<_, _> {
        names.iter().map(|(name, text)| ((*name).to_owned(), ((*text).to_owned(), 0o640))).collect()
    };
    let all = [("a", "1"), ("sub/b b", "2"), ("sub/deep/c", "3")];
    assert_eq!(tree(&to), expected(&all));
    assert!(to.join("empty").is_dir());
    // Once more, changed: what is there beside it stays.
    fs::write(to.join("other"), "kept").unwrap();
    fs::set_permissions(to.join("other"), fs::Permissions::from_mode(0o640)).unwrap();
    desk.local("site/a", b"new");
    let end = done(desk.run(upload(&top, &to, 2)).await);
    assert!(end.unmet.is_none(), "{end:?}");
    let all = [("a", "new"), ("other", "kept"), ("sub/b b", "2"), ("sub/deep/c", "3")];
    assert_eq!(tree(&to), expected(&all));
    assert_eq!(fs::read_dir(&desk.there).unwrap().count(), 1, "nothing temporary is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_in_place_leaves_everything_as_it_was() {
    let mut desk = Desk::new();
    let from = desk.local("app.conf", b"new\n");
    let no_folder = desk.there.join("no/app.conf");
    let said = refused(desk.run(upload(&from, &no_folder, 1)).await);
    assert!(said.contains("make its folder in a step before"), "{said}");
    let said = refused(desk.run(upload(&from, Path::new("/proc/app.conf"), 2)).await);
    assert!(said.contains("the target is as it was"), "{said}");
    let there = desk.there.clone();
    let said = refused(desk.run(upload(&from, &there, 3)).await);
    assert!(said.contains("is a folder there"), "{said}");
    let link = desk.there.join("link");
    symlink("elsewhere", &link).unwrap();
    let said = refused(desk.run(upload(&from, &link, 4)).await);
    assert!(said.contains("is a symbolic link there"), "{said}");
    // It has changed since it was confirmed.
    let to = desk.there.join("app.conf");
    fs::write(&to, "old\n").unwrap();
    for (attempt, bytes) in [(5, b"longer\n".to_vec()), (6, b"NEW\n".to_vec())] {
        let from = desk.local("app.conf", b"new\n");
        let run = upload(&from, &to, attempt);
        fs::write(&from, bytes).unwrap();
        let said = refused(desk.run(run).await);
        assert!(said.contains("has changed since the plan was made"), "{said}");
        assert_eq!(fs::read(&to).unwrap(), b"old\n");
    }
    assert_eq!(fs::read_dir(&desk.there).unwrap().count(), 2, "nothing temporary is left");
}

/// A file system of 64 KiB, gone with the test.
struct Small(PathBuf);

impl Small {
    fn at(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let arguments = ["-t", "tmpfs", "-o", "size=64k", "golive-test"];
        let mounted = Command::new("mount").args(arguments).arg(path).status().unwrap();
        assert!(mounted.success(), "it cannot be mounted");
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_before_and_during() {
    if !crate::sshd::is_root() {
        return; // No file system of one's own.
    }
    let dir = tempfile::tempdir().unwrap();
    let small = Small::at(&dir.path().join("small"));
    let mut desk = Desk::with("Subsystem sftp internal-sftp -P fsync");
    let to = small.0.join("app");
    fs::write(&to, "old").unwrap();
    let from = desk.local("app", &noise(200_000));
    let said = refused(desk.run(upload(&from, &to, 1)).await);
    assert!(said.contains("no space is left in"), "{said}");
    assert_eq!(tree(&small.0).len(), 1, "nothing temporary is left");
    // A server that does not say how much is free.
    let mut quiet = Desk::with("Subsystem sftp internal-sftp -P statvfs");
    let said = refused(quiet.run(upload(&from, &to, 1)).await);
    assert!(said.contains("failure"), "{said}");
    assert_eq!(fs::read(&to).unwrap(), b"old");
    assert_eq!(tree(&small.0).len(), 1, "nothing temporary is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_means_is_enough() {
    let config = "Subsystem sftp internal-sftp -P posix-rename,fsync,limits,statvfs";
    let mut desk = Desk::with(config);
    let to = desk.there.join("app");
    for (attempt, text) in [(1, "one"), (2, "two")] {
        let from = desk.local("app", text.as_bytes());
        let run = upload(&from, &to, attempt);
        let job = job(&run);
        let end = done(desk.run(run).await);
        assert!(end.unmet.is_none(), "{end:?}");
        assert!(desk.said(&job).contains("offers no fsync"), "{}", desk.said(&job));
        assert_eq!(fs::read_to_string(&to).unwrap(), text);
    }
    // One for files alone: no command, so what arrived is read back.
    let mut desk = Desk::with("Subsystem sftp internal-sftp\nForceCommand internal-sftp");
    let to = desk.there.join("app");
    let from = desk.local("app", &noise(1_000_000));
    let run = upload(&from, &to, 1);
    let job = job(&run);
    let end = done(desk.run(run).await);
    assert!(end.unmet.is_none(), "{end:?}");
    assert!(desk.said(&job).contains("what arrived is read back"), "{}", desk.said(&job));
    assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
}

/// An SFTP server that says that bytes are written, and writes them when the file is closed.
const BUFFERING: &str = r#"#!/usr/bin/env python3
import struct, subprocess, sys, threading
server = subprocess.Popen(
    ["SERVER", "-P", "fsync"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
)
lock, held, swallowed = threading.Lock(), [], set()
def packet(file):
    head = file.read(4)
    return head + file.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None
def send(file, bytes):
    with lock:
        file.write(bytes)
        file.flush()
def answers():
    while (one := packet(out)) is not None:
        number = one[5:9]
        if number in swallowed:
            swallowed.discard(number)
        else:
            send(sys.stdout.buffer, one)
out = open(server.stdout.fileno(), "rb", closefd=False)
threading.Thread(target=answers, daemon=True).start()
while (one := packet(sys.stdin.buffer)) is not None:
    if one[4] == 6:  # A write.
        held.append(one)
        status = bytes([101]) + one[5:9] + struct.pack(">III", 0, 0, 0)
        send(sys.stdout.buffer, struct.pack(">I", len(status)) + status)
        continue
    if one[4] == 4:  # A close.
        swallowed.update(write[5:9] for write in held)
        server.stdin.write(b"".join(held))
        held.clear()
    server.stdin.write(one)
server.stdin.close()
server.wait()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_writes_as_it_closes_is_asked_once_it_has_closed() {
    let server = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server"];
    let server = server.into_iter().chain(["/usr/lib/ssh/sftp-server", "/usr/lib/sftp-server"]);
    let server = server.into_iter().find(|path| Path::new(path).exists()).expect("an SFTP server");
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("buffering");
    fs::write(&program, BUFFERING.replace("SERVER", server)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut desk = Desk::with(&format!("Subsystem sftp {}", program.display()));
    let to = desk.there.join("app");
    let from = desk.local("app", &noise(9 << 20));
    let end = done(desk.run(upload(&from, &to, 1)).await);
    assert!(end.unmet.is_none(), "{end:?}");
    assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sftp_nothing_is_sent() {
    let mut desk = Desk::with("");
    let from = desk.local("app", b"x");
    let to = desk.there.join("app");
    let end = desk.run(upload(&from, &to, 1)).await;
    let said = refused(end);
    assert!(said.contains("add `Subsystem sftp internal-sftp` to its sshd_config"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_puts_it_in_place() {
    let mut desk = Desk::new();
    desk.console = Console::keeping(desk.sshd.pool(), &Secrets::none(), None, BECOMING);
    let to = desk.there.join("it's.conf");
    for (attempt, text) in [(1, "one"), (2, "two")] {
        let from = desk.local("app", text.as_bytes());
        let run = Run { r#become: true, ..upload(&from, &to, attempt) };
        let end = done(desk.run(run).await);
        assert!(end.unmet.is_none(), "{end:?}");
        assert_eq!(fs::read_to_string(&to).unwrap(), text);
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
    let from = desk.here.join("app");
    let again = Run { r#become: true, ..upload(&from, &to, 3) };
    assert!(done(desk.run(again).await).what.as_str().contains("there already"));
    let link = desk.there.join("link");
    symlink("elsewhere", &link).unwrap();
    let run = Run { r#become: true, ..upload(&from, &link, 4) };
    let said = done(desk.run(run).await).words();
    assert!(said.contains("is a symbolic link there"), "{said}");
    assert_eq!(fs::read_dir(&desk.there).unwrap().count(), 2, "nothing temporary is left");
}

/// The temporary file of an upload to `folder`, and its size.
fn temporary(folder: &Path) -> Option<(PathBuf, u64)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.into_iter().find(|path| path.to_string_lossy().contains(".golive-"))?;
    let size = path.metadata().ok()?.len();
    Some((path, size))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_its_link_was_lost() {
    let mut desk = Desk::new();
    let proxy = Proxy::to(desk.sshd.port);
    desk.console = Console::new(proxy.pool(&desk.sshd));
    let bytes = noise(48_000_000);
    let (from, to) = (desk.local("big", &bytes), desk.there.join("big"));
    let run = upload(&from, &to, 1);
    let job = start(&desk.console, run);
    eventually("the start of the file", || {
        temporary(&desk.there).filter(|(_, size)| *size > 1_000_000)
    })
    .await;
    proxy.stall(&[Way::Up]);
    proxy.refuse();
    proxy.cut();
    assert!(temporary(&desk.there).is_some(), "it was faster than the test");
    proxy.pass();
    let end = done(desk.console.end(&job).await);
    assert!(end.unmet.is_none() && end.digest == Some(Digest::of(&bytes)), "{end:?}");
    assert!(desk.said(&job).contains("it goes on there"), "{}", desk.said(&job));
    assert_eq!(Digest::of(&fs::read(&to).unwrap()), Digest::of(&bytes));
    assert_eq!(fs::read_dir(&desk.there).unwrap().count(), 1, "nothing temporary is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_there_and_wrong_is_sent_anew() {
    let mut desk = Desk::new();
    let proxy = Proxy::to(desk.sshd.port);
    desk.console = Console::new(proxy.pool(&desk.sshd));
    let bytes = noise(48_000_000);
    let (from, to) = (desk.local("big", &bytes), desk.there.join("big"));
    fs::write(&to, "old").unwrap();
    let run = upload(&from, &to, 1);
    let key = run.key.clone();
    let job = start(&desk.console, run);
    let (temp, _) = eventually("the start of the file", || {
        temporary(&desk.there).filter(|(_, size)| *size > 1_000_000)
    })
    .await;
    proxy.stall(&[Way::Up]);
    proxy.refuse();
    proxy.cut();
    fs::write(&temp, "something else").unwrap();
    // Stopped while there is no link: the target was never touched.
    desk.console.edge.perform(Effect::Stop(key));
    let end = desk.console.end(&job).await;
    assert!(matches!(&end, End::Stopped { survivors: Some(alive) } if alive.is_empty()), "{end:?}");
    assert_eq!(fs::read(&to).unwrap(), b"old");
    fs::write(&temp, "something else").unwrap();
    proxy.pass();
    // The next attempt has the same temporary name, and does not believe what is there.
    let end = done(desk.run(upload(&from, &to, 2)).await);
    assert!(end.unmet.is_none(), "{end:?}");
    assert_eq!(Digest::of(&fs::read(&to).unwrap()), Digest::of(&bytes));
    assert!(temporary(&desk.there).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_an_upload_is_seen_from_what_is_there() {
    let mut desk = Desk::new();
    let (from, to) = (desk.local("app", b"new"), desk.there.join("app"));
    fs::write(&to, "old").unwrap();
    let lost = upload(&from, &to, 1);
    let lost_job = job(&lost);
    desk.console.edge.perform(Effect::Follow(Box::new(lost)));
    let end = done(desk.console.end(&lost_job).await);
    let said = end.words();
    assert!(end.unmet.is_some() && said.contains("what is there is not what was sent"), "{said}");
    assert_eq!(fs::read(&to).unwrap(), b"old", "a look changes nothing");
    fs::write(&to, "new").unwrap();
    let there = upload(&from, &to, 2);
    let there_job = job(&there);
    desk.console.edge.perform(Effect::Follow(Box::new(there)));
    let end = done(desk.console.end(&there_job).await);
    assert!(end.unmet.is_none(), "{end:?}");
}

fn download(from: &Path, to: Option<&str>, attempt: u32) -> Run {
    let (from, to) = (from.display().to_string(), to.map(str::to_owned));
    moved(Builtin::Download(Download { from, to }), attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_brought_and_no_name_of_a_host_acts() {
    let mut desk = Desk::new();
    let kept = desk.sshd.path("evidence");
    let name = "token".parse().unwrap();
    let value = zeroize::Zeroizing::new(b"hunter2000".to_vec());
    let secrets = Secrets::new([(name, value)].into(), Vec::new()).unwrap();
    let pool = desk.sshd.pool();
    desk.console = Console::keeping(pool, &secrets, Some(&kept), crate::session::THREE);
    let bytes = noise(2_000_000);
    let log = desk.there.join("app.log");
    fs::write(&log, &bytes).unwrap();
    let end = done(desk.run(download(&log, None, 1)).await);
    assert_eq!((end.unmet.as_ref(), end.digest), (None, Some(Digest::of(&bytes))), "{end:?}");
    let file = kept.join("web1/move.1/app.log");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(end.what.as_str().contains("evidence/web1/move.1/app.log"), "{end:?}");
    // A folder with everything that a host may put into it.
    let folder = desk.there.join("all");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("a\u{1b}[2J\n"), "1").unwrap();
    fs::write(folder.join("sub/plain"), "password: hunter2000\n").unwrap();
    symlink("/etc/passwd", folder.join("link")).unwrap();
    let run = download(&folder, Some("all"), 2);
    let job = job(&run);
    let end = done(desk.run(run).await);
    assert!(end.unmet.is_none() && end.what.as_str().contains("2 files"), "{end:?}");
    let found: Vec<_> = tree(&kept.join("web1/move.2")).into_iter().collect();
    let text = |at: usize| (found[at].0.as_str(), found[at].1.0.as_str());
    assert_eq!(text(0), ("all/0-a__2J_", "1"));
    assert_eq!(text(1), ("all/sub/plain", "password: ‹redacted:token›\n"));
    assert_eq!(found.len(), 2);
    assert!(desk.said(&job).contains("link is no file, and left out"), "{}", desk.said(&job));
    for (attempt, from, why) in [(3, "none", "is not there"), (4, "/dev/null", "no ordinary file")]
    {
        let end = done(desk.run(download(Path::new(from), None, attempt)).await);
        assert!(end.words().contains(why), "{end:?}");
        assert!(!kept.join(format!("web1/move.{attempt}")).exists());
    }
}
