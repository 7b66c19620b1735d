//! Durable steps on hosts that are not as they should be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use golive::exec::durable::Mode;
use tempfile::TempDir;

use crate::durable_host::{Host, inside, ledger, lives, program};
use crate::sshd::{is_root, sh, until};

const SHELLS: [&str; 3] = ["dash", "busybox", "bash"];

fn mount(args: &[&str], at: &Path) {
    fs::create_dir_all(at).unwrap();
    let mut all = args.to_vec();
    let at = at.display().to_string();
    all.push(&at);
    sh("mount", &all);
}

fn each(test: &str, body: fn(&Host, &Path)) {
    if !inside(&format!("durable_faults::{test}")) {
        return;
    }
    for shell in SHELLS {
        let dir = TempDir::new().unwrap();
        body(&Host::new(dir.path(), shell), dir.path());
    }
}

/// The same host after a boot.
fn rebooted(host: &Host, dir: &Path) -> Host {
    let boot = dir.join("boot");
    fs::write(&boot, "11111111-2222-3333-4444-555555555555\n").unwrap();
    let script =
        format!("mount --bind {} /proc/sys/kernel/random/boot_id&&exec \"$@\"", boot.display());
    Host {
        prefix: ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec(),
        ..host.clone()
    }
}

#[test]
fn after_a_reboot_nobody_runs_or_is_signalled() {
    each("after_a_reboot_nobody_runs_or_is_signalled", |host, dir| {
        let file = dir.join("ledger");
        let line = format!("echo run >>{};sleep 100", file.display());
        let call = host.begin(Mode::Start, "b.1", "digest=d", format!("{line}\n").as_bytes());
        call.until("the effect", |_| ledger(&file) == 1);
        let pid = host.gate("b.1")[0].clone();
        host.start("done.1", "exit 6");
        let later = rebooted(host, dir);
        assert_eq!(later.attach("b.1", "").state(), "REBOOTED");
        assert_eq!(later.start("b.1", &line).state(), "REBOOTED");
        assert_eq!(later.cancel("b.1").state(), "REBOOTED");
        assert_eq!(later.attach("done.1", "").state(), "EXITED 6", "what had ended is known");
        assert!(lives(&pid) && ledger(&file) == 1, "the number is a stranger's now");
        // The attempt after it may begin: what was before can never run again.
        let next = later.call(Mode::Start, "b.2", "digest=d after=b.1", b"echo on\n");
        assert_eq!((next.state().as_str(), &next.out[..]), ("EXITED 0", &b"on\n"[..]));
        host.cancel("b.1");
        call.finish();
        // A gate without its content, as a power cut before the sync leaves it, is "may have run".
        fs::write(host.file("torn.1", "x"), "").unwrap();
        assert_eq!(host.start("torn.1", "echo no").state(), "REBOOTED");
    });
}

#[test]
fn a_number_that_was_given_again_is_a_stranger() {
    each("a_number_that_was_given_again_is_a_stranger", |host, _| {
        host.start("p.1", "exit 5");
        let mut stranger = Command::new("setsid").args(["sleep", "100"]).spawn().unwrap();
        let mut gate = host.gate("p.1");
        let name = format!("p.1.st.{}.{}", gate[6], gate[7]);
        fs::remove_file(host.file("p.1", "x").with_file_name(name)).unwrap();
        gate[0] = stranger.id().to_string();
        gate[6] = stranger.id().to_string();
        fs::write(host.file("p.1", "x"), gate.join(" ") + "\n").unwrap();
        assert_eq!(host.attach("p.1", "").state(), "LOST");
        assert_eq!(host.cancel("p.1").state(), "LOST");
        assert!(stranger.try_wait().unwrap().is_none(), "it was signalled");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        // A torn exit record is none.
        fs::write(
            host.file("p.1", &format!("st.{}.{}", gate[6], gate[7])),
            "rc=5 out=0 err=1--------\n",
        )
        .unwrap();
        assert_eq!(host.attach("p.1", "").state(), "LOST");
    });
}

#[test]
fn a_root_that_is_not_ours_alone_is_refused() {
    each("a_root_that_is_not_ours_alone_is_refused", |host, dir| {
        host.start("a.1", "true");
        let mode =
            |mode| fs::set_permissions(host.root(), fs::Permissions::from_mode(mode)).unwrap();
        for bad in [0o755, 0o770, 0o702] {
            mode(bad);
            for asked in [Mode::Start, Mode::Attach, Mode::Cancel, Mode::Close] {
                assert_eq!(
                    host.call(asked, "a.1", "", b"echo no\n").state(),
                    "error ROOT",
                    "{bad:o}"
                );
            }
        }
        mode(0o700);
        assert_eq!(host.attach("a.1", "").state(), "EXITED 0");
        let other = host.at(&dir.join("other"));
        symlink(host.root(), other.root()).unwrap();
        assert_eq!(other.start("a.2", "echo no").state(), "error ROOT", "a link");
        if is_root() {
            let squatted = host.at(&dir.join("squatted"));
            fs::create_dir(squatted.root()).unwrap();
            fs::set_permissions(squatted.root(), fs::Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(squatted.root(), Some(1234), None).unwrap();
            assert_eq!(squatted.start("a.1", "echo no").state(), "error ROOT", "another user's");
        }
        // Wiped: a client that knows its id is told so; nothing runs under a name it may have used.
        let id = host.attach("a.1", "").value("hello", "rootid");
        fs::remove_dir_all(host.root()).unwrap();
        let kv = format!("digest=d rootid={id}");
        assert_eq!(host.call(Mode::Start, "a.1", &kv, b"echo no\n").state(), "error ROOTID");
    });
}

#[test]
fn a_full_disk_starts_nothing_or_keeps_the_code() {
    each("a_full_disk_starts_nothing_or_keeps_the_code", |host, dir| {
        let mut seen = Vec::new();
        for free in 0..12 {
            let small = dir.join(format!("small-{free}"));
            mount(&["-t", "tmpfs", "-o", "mode=700,size=128k", "tmpfs"], &small);
            let full = host.at(&small.join("home"));
            full.start("first.1", "true");
            let fill = vec![b'x'; 4096];
            let mut files = 0;
            while fs::write(small.join(format!("fill-{files}")), &fill).is_ok() {
                files += 1;
            }
            for number in 0..=free {
                fs::remove_file(small.join(format!("fill-{number}"))).ok();
            }
            let file = dir.join(format!("ledger-{free}"));
            // Its input is more than a page.
            let mut payload =
                format!("echo run >>{};head -c 200000 /dev/zero;exit 7\n", file.display())
                    .into_bytes();
            payload.extend([b'i'; 5000]);
            let heard = full.call(Mode::Start, "k.1", "digest=d stdin=5000", &payload);
            let (state, ran) = (heard.state(), ledger(&file));
            let fine = matches!(
                (state.as_str(), ran),
                ("error NOSPC" | "error TRUNC", 0) | ("EXITED 7", 1)
            );
            assert!(fine, "{} {free}: {state}, ran {ran}: {heard:?}", host.shell);
            if ran == 0 {
                assert!(["ABSENT", "STAGED"].contains(&full.attach("k.1", "").state().as_str()));
            }
            seen.push(state);
            sh("umount", &["-l", small.to_str().unwrap()]);
        }
        assert!(
            seen.iter().any(|it| it.starts_with("error")) && seen.iter().any(|it| it == "EXITED 7"),
            "{seen:?}"
        );
        // So do too few inodes.
        for inodes in 8..24 {
            let small = dir.join(format!("inodes-{inodes}"));
            mount(&["-t", "tmpfs", "-o", &format!("mode=700,nr_inodes={inodes}"), "tmpfs"], &small);
            let file = dir.join(format!("ledger-i{inodes}"));
            let heard = host
                .at(&small.join("home"))
                .start("k.1", &format!("echo run >>{};exit 7", file.display()));
            let (state, ran) = (heard.state(), ledger(&file));
            let fine = state.starts_with("error") && ran == 0 || state == "EXITED 7" && ran == 1;
            assert!(fine, "{} {inodes} inodes: {state}, ran {ran}: {heard:?}", host.shell);
            sh("umount", &["-l", small.to_str().unwrap()]);
        }
    });
}

/// A folder with only these programs.
fn only(dir: &Path, name: &str, extra: &[&str]) -> PathBuf {
    let bin = dir.join(name);
    fs::create_dir_all(&bin).unwrap();
    for tool in [
        "ls", "ln", "mkdir", "rm", "id", "head", "cat", "sleep", "wc", "sync", "dd", "tail",
        "grep", "tr", "find",
    ]
    .iter()
    .chain(extra)
    {
        symlink(program(tool), bin.join(tool)).ok();
    }
    bin
}

#[test]
fn tools_that_are_missing_are_done_without() {
    each("tools_that_are_missing_are_done_without", |host, dir| {
        let with = |bin: &Path, home: &str| Host {
            path: format!("{}:{}", host.path.split(':').next().unwrap(), bin.display()),
            ..host.at(&dir.join(home))
        };
        for (name, extra, group) in [("perl", &["perl"][..], "yes"), ("nothing", &[], "no")] {
            let poor = with(&only(dir, name, extra), name);
            let heard = poor.start("k.1", "echo on;exit 3");
            assert_eq!(
                (heard.state().as_str(), &heard.out[..]),
                ("EXITED 3", &b"on\n"[..]),
                "{name}: {heard:?}"
            );
            assert_eq!(heard.value("started", "group"), group, "{name}");
            // Without a group of its own only the leader can be stopped, and is.
            let call =
                poor.live().begin(Mode::Start, "k.2", "digest=d", b"echo on;exec sleep 100\n");
            call.until("the step", |it| it.out == b"on\n");
            assert_eq!(poor.cancel("k.2").state(), "EXITED 143", "{name}");
            call.finish();
        }
        // No way to follow a file: the bytes come when they are asked for.
        let bin = only(dir, "no-follow", &["setsid"]);
        fs::remove_file(bin.join("tail")).unwrap();
        fs::write(
            bin.join("tail"),
            "#!/bin/sh\ncase $* in *-f*) exit 1;;esac;exec /usr/bin/tail \"$@\"\n",
        )
        .unwrap();
        fs::set_permissions(bin.join("tail"), fs::Permissions::from_mode(0o755)).unwrap();
        let poor = with(&bin, "no-follow-home");
        let call = poor.begin(Mode::Start, "k.1", "digest=d", b"echo on;exit 3\n");
        call.until("the end", |it| it.word("end").is_some());
        assert_eq!(call.close().state(), "EXITED 3");
        assert_eq!(poor.attach("k.1", "o=1").out, b"n\n");
        // No sync of any kind: said so.
        let bin = only(dir, "no-sync", &["setsid"]);
        fs::remove_file(bin.join("sync")).unwrap();
        fs::remove_file(bin.join("dd")).unwrap();
        assert_eq!(
            with(&bin, "no-sync-home").start("k.1", "true").value("started", "sync"),
            "none"
        );
        // No hard links: nothing runs.
        let bin = only(dir, "no-links", &["setsid"]);
        let poor = with(&bin, "no-links-home");
        poor.start("k.0", "true");
        fs::remove_file(bin.join("ln")).unwrap();
        let file = dir.join("no-links-ledger");
        assert_eq!(
            poor.start("k.1", &format!("echo run >>{}", file.display())).state(),
            "error NOLINK"
        );
        assert_eq!(ledger(&file), 0);
    });
}

#[test]
fn a_home_that_cannot_be_written_is_done_without() {
    each("a_home_that_cannot_be_written_is_done_without", |host, dir| {
        // The machine's own folder stays out of this.
        let var_tmp = dir.join("var-tmp");
        fs::create_dir(&var_tmp).unwrap();
        mount(&["--bind", var_tmp.to_str().unwrap()], Path::new("/var/tmp"));
        let home = dir.join("read-only");
        mount(&["-t", "tmpfs", "-o", "ro", "tmpfs"], &home);
        let poor = Host { home: home.clone(), ..host.clone() };
        let heard = poor.start("k.1", "echo on");
        let root = heard.value("hello", "root");
        assert!(heard.state() == "EXITED 0" && root.starts_with("/var/tmp/golive-"), "{heard:?}");
        assert_eq!(poor.attach("k.1", "").state(), "EXITED 0", "found again");
        // Pinned, it is the one that counts; where it is not, nothing starts.
        let pinned = host.call(Mode::Start, "k.1", &format!("digest=d root={root}"), b"echo on\n");
        assert!(pinned.word("started").is_none() && pinned.state() == "EXITED 0");
        let blank = Host { home: dir.join("a home with blanks"), ..host.clone() };
        fs::create_dir(&blank.home).unwrap();
        assert_eq!(blank.attach("k.1", "").value("hello", "root"), root);
        if is_root() {
            fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
            assert_eq!(poor.start("k.2", "echo no").state(), "error ROOT", "squatted");
        }
        sh("umount", &["/var/tmp"]);
        sh("umount", &[home.to_str().unwrap()]);
    });
}

#[test]
fn a_host_without_proc_starts_nothing_and_says_what_is_missing() {
    each("a_host_without_proc_starts_nothing_and_says_what_is_missing", |host, dir| {
        host.start("a.1", "exit 5");
        let script = "mount -t tmpfs none /proc&&exec \"$@\"";
        let prefix = ["unshare", "-m", "sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        let blind = Host { prefix, ..host.clone() };
        let file = dir.join("ledger");
        let line = format!("echo run >>{}", file.display());
        for poor in [&blind, &blind.at(&dir.join("new"))] {
            let heard = poor.start("k.1", &line);
            let words = heard.word("error").unwrap_or_default().join(" ");
            assert!(words.starts_with("error IDENT ") && words.contains("mount /proc"), "{words}");
            assert!(poor.attach("k.1", "void=1").state().starts_with("error "), "{poor:?}");
        }
        assert_eq!(ledger(&file), 0);
        assert_eq!(host.start("k.1", &line).state(), "EXITED 0", "once it is mounted");
    });
}

#[test]
fn a_step_whose_processes_are_hidden_is_not_called_gone() {
    if !is_root() {
        return; // Nobody else can become another user.
    }
    each("a_step_whose_processes_are_hidden_is_not_called_gone", |host, dir| {
        sh("mount", &["-o", "remount,hidepid=2", "/proc"]);
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&host.home, Some(65534), None).unwrap();
        // An account that may become another, as by `sudo`, and may not see or signal it.
        let account = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=+setuid",
            "--ambient-caps=+setuid",
        ];
        let host = Host { prefix: account.map(str::to_owned).to_vec(), ..host.live() };
        let words = "exec setpriv --reuid=1234 --inh-caps=-all --ambient-caps=-all sh -c 'IFS= read -r gl_l;eval \"$gl_l\"'";
        let payload = format!("{words}\necho on;exec sleep 100\n");
        let call = host.begin(Mode::Start, "h.1", "digest=d lines=2", payload.as_bytes());
        call.until("the step", |it| it.out == b"on\n");
        let gate = host.gate("h.1");
        assert_eq!(host.attach_once("h.1"), "RUNNING");
        crate::sshd::signal("KILL", gate[6].parse().unwrap());
        until("the end of the supervisor", || (!lives(&gate[6])).then_some(()));
        assert_eq!(host.attach_once("h.1"), "ORPHAN", "nobody may say that it is gone");
        let next = host.call(Mode::Start, "h.2", "digest=d after=h.1", b"echo no\n");
        assert_eq!(next.state(), "error BUSY");
        let heard = host.cancel("h.1");
        assert_eq!(heard.value("state", "group"), "1", "{heard:?}");
        let alive = heard.word("alive").unwrap_or_default().join(" ");
        assert_eq!(alive, format!("alive {} ? of another user, hidden", gate[0]));
        call.cut();
        crate::sshd::signal("KILL", gate[0].parse().unwrap());
        until("the end of the step", || (!lives(&gate[0])).then_some(()));
        assert_eq!(host.attach("h.1", "").state(), "LOST");
    });
}
