//! The power fails the moment a step's effect can be seen: is its gate on the disk? If it were
//! not, the step could run a second time.
//!
//! The root lies on a file system in a file. What that file holds at the moment is what a disk
//! would hold; it is copied, mounted (which replays its journal, as a boot does) and asked, with
//! another boot's id. Needs root and loop devices; only in the long form.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use golive::exec::durable::Mode;
use tempfile::TempDir;

use crate::durable_host::{Host, Tally, inside, ledger, long};
use crate::sshd::{is_root, sh, until};

fn mount(args: &[&str], image: &Path, at: &Path) {
    fs::create_dir_all(at).unwrap();
    let output = Command::new("mount").args(args).arg(image).arg(at).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "power cuts need root and loop devices: {said}");
}

fn unmount(at: &Path) {
    until("the file system to be free", || {
        Command::new("umount").arg(at).output().unwrap().status.success().then_some(())
    });
}

/// A file system that keeps a journal, or writes nothing in place.
struct FileSystem {
    name: &'static str,
    make: &'static str,
    flags: &'static [&'static str],
    /// The smallest that its tools make.
    size: &'static str,
    /// How its copy is mounted beside it: the two have one id.
    copy: &'static str,
}

const EXT4: FileSystem =
    FileSystem { name: "ext4", make: "mkfs.ext4", flags: &["-q", "-F"], size: "24M", copy: "loop" };
const ALL: [FileSystem; 3] = [
    EXT4,
    FileSystem {
        name: "xfs",
        make: "mkfs.xfs",
        flags: &["-q", "-f"],
        size: "300M",
        copy: "loop,nouuid",
    },
    FileSystem {
        name: "btrfs",
        make: "mkfs.btrfs",
        flags: &["-q", "-f", "-m", "single"],
        size: "128M",
        copy: "loop",
    },
];

/// What the step reads as after the cut, and after being asked for again.
fn cut(dir: &Path, file_system: &FileSystem, sync: &str) -> String {
    let image = dir.join("disk");
    let (before, after) = (dir.join("before"), dir.join("after"));
    sh("truncate", &["-s", file_system.size, image.to_str().unwrap()]);
    sh(file_system.make, &[file_system.flags, &[image.to_str().unwrap()]].concat());
    mount(&["-o", "loop"], &image, &before);
    let mut host = Host::new(dir, "dash").at(&before.join("home"));
    // A folder first in the path decides which sync there is.
    let bin = dir.join("sync-bin");
    fs::create_dir_all(&bin).unwrap();
    let fake = |name: &str, text: &str| {
        fs::write(bin.join(name), text).unwrap();
        sh("chmod", &["755", bin.join(name).to_str().unwrap()]);
    };
    match sync {
        "file" => (),
        "dd" => fake("sync", "#!/bin/sh\nexit 1\n"),
        "full" => {
            fake("sync", "#!/bin/sh\n[ $# = 0 ] || exit 1\nexec /bin/sync\n");
            fake("dd", "#!/bin/sh\nexit 1\n");
        }
        _ => {
            fake("sync", "#!/bin/sh\nexit 1\n");
            fake("dd", "#!/bin/sh\nexit 1\n");
        }
    }
    host.path = format!("{}:{}", bin.display(), host.path);
    // The host was greeted long ago: its root is on the disk.
    host.call(Mode::Start, "first.1", "digest=d", b"true\n");
    sh("sync", &["-f", before.to_str().unwrap()]);
    let effect = dir.join("effect");
    let line = format!("echo run >>{};sleep 100\n", effect.display());
    let call = host.begin(Mode::Start, "k.1", "digest=d", line.as_bytes());
    while !effect.exists() {
        std::hint::spin_loop();
    }
    let copy = dir.join("copy");
    sh("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]);
    assert_eq!(
        call.until("the start", |it| it.word("started").is_some()).value("started", "sync"),
        sync
    );
    mount(&["-o", file_system.copy], &copy, &after);
    let boot = dir.join("boot");
    fs::write(&boot, "11111111-2222-3333-4444-555555555555\n").unwrap();
    let mut later = host.at(&after.join("home"));
    let script =
        format!("mount --bind {} /proc/sys/kernel/random/boot_id&&exec \"$@\"", boot.display());
    later.prefix = ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    let state = later.attach("k.1", "").state();
    let again = if state == "REBOOTED" {
        later.start("k.1", &line.replace("sleep 100", "exit 5")).state()
    } else {
        String::new()
    };
    assert!(again.is_empty() || again == "REBOOTED" && ledger(&effect) == 1, "{again}");
    host.cancel("k.1");
    call.finish();
    for at in [&after, &before] {
        unmount(at);
    }
    fs::remove_file(effect).unwrap();
    state
}

#[test]
fn the_gate_is_on_the_disk_before_the_effect() {
    if !inside("durable_power::the_gate_is_on_the_disk_before_the_effect") {
        return;
    }
    let able = is_root() && Path::new("/dev/loop-control").exists();
    let (syncs, times) =
        if long() { (&["file", "dd", "full", "none"][..], 15) } else { (&["file"][..], 1) };
    if !able && !long() {
        println!("power cuts need root and loop devices: only the long form insists on them");
        return;
    }
    assert!(able, "power cuts need root and loop devices; run the long form with them");
    let all = if long() { &ALL[..] } else { &ALL[..1] };
    for (file_system, sync) in all.iter().flat_map(|it| syncs.iter().map(move |sync| (it, *sync))) {
        let (begun, mut tally) = (Instant::now(), Tally::default());
        for _ in 0..times {
            let dir = TempDir::new().unwrap();
            let (state, name) = (cut(dir.path(), file_system, sync), file_system.name);
            // Without a sync there is no such promise; that it then fails shows that this test sees it.
            assert!(sync == "none" || state == "REBOOTED", "{name}, sync={sync}: {state}");
            tally.add(state);
        }
        let kept = tally.0.get("REBOOTED").copied().unwrap_or(0);
        let name = file_system.name;
        let title = match sync {
            "none" => {
                format!("{name}, no sync at all, for comparison: {kept} of {times} gates kept")
            }
            _ => format!("{name}, sync={sync}: the gate is kept"),
        };
        tally.print(("power cuts of a host", &title), begun);
    }
}
