//! The processes of a durable step are killed at every named point of the scripts, and at every
//! system call that changes anything; then the step is asked about, and asked for again. A ledger
//! that the step keeps says how often it really ran.
//!
//! By default a sample; all of it with `GOLIVE_TESTS=long`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use golive::exec::durable::Mode;
use tempfile::TempDir;

use crate::durable_host::{Asks, Call, Host, Tally, inside, killat, ledger, lives, long, points};
use crate::sshd::until;

const PROGRAMME: &str = "the supervisor of a step, killed";
const ROWS: usize = 20;

fn expected() -> Vec<u8> {
    (0..ROWS).flat_map(|it| format!("row {it}\n").into_bytes()).collect()
}

fn payload(ledger: &Path) -> Vec<u8> {
    let ledger = ledger.display();
    format!("echo run >>{ledger};cat >/dev/null;i=0;while [ $i -lt {ROWS} ];do echo \"row $i\";i=$((i+1));done;echo oops >&2;exit 5\ninput").into_bytes()
}

/// Nothing of this key runs any more (a tail ends when it finds that nobody listens).
fn quiet(host: &Host, key: &str) {
    let name = format!("run.host/{key}");
    until("all to be quiet", || {
        let any = fs::read_dir("/proc").unwrap().flatten().any(|it| {
            let pid = it.file_name().into_string().unwrap();
            let line = fs::read(it.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            lives(&pid) && line.contains(&name) && !line.contains("tail\0")
        });
        (!any).then_some(())
    });
    let gate = host.gate(key);
    if let (Some(step), Some(supervisor)) = (gate.first(), gate.get(6)) {
        until("step and supervisor to be gone", || {
            (!lives(step) && !lives(supervisor)).then_some(())
        });
    }
}

/// What must hold after a death of a start: asked, asked again, followed. Says what was seen.
fn judge(host: &Host, key: &str, kv: &str, ledger_file: &Path, what: &str) -> String {
    quiet(host, key);
    let ran = ledger(ledger_file);
    let first = host.attach(key, "");
    let again = host.call(Mode::Start, key, kv, &payload(ledger_file));
    let reran = ledger(ledger_file);
    let last = host.attach(key, "");
    let (before, after) = (first.state(), last.state());
    let seen = format!("{before} ran {ran} -> {after} ran {reran}");
    let context = || format!("{what}: {seen}\n{first:?}\n{again:?}\n{last:?}");
    assert!(reran <= 1, "ran twice: {}", context());
    match before.as_str() {
        "ABSENT" | "STAGED" | "error ROOT" | "error ROOTID" => {
            assert_eq!(
                (ran, reran, after.as_str()),
                (0, 1, "EXITED 5"),
                "not begun: {}",
                context()
            );
        }
        "LOST" => assert_eq!((ran, after.as_str()), (reran, "LOST"), "{}", context()),
        "EXITED 5" => assert_eq!((ran, reran), (1, 1), "{}", context()),
        // Killed itself, before or while it ran.
        "EXITED 137" => assert_eq!((ran, after.as_str()), (reran, "EXITED 137"), "{}", context()),
        _ => panic!("{}", context()),
    }
    let whole = expected();
    assert!(whole.starts_with(&last.out), "garbled: {}", context());
    if after == "EXITED 5" {
        // The step's shell may have said that its `cat` was killed.
        assert!(last.out == whole && last.err.ends_with(b"oops\n"), "incomplete: {}", context());
        let mut got = again.out.clone();
        got.extend(host.attach(key, &format!("o={}", again.out.len())).out);
        assert!(got == whole, "the call that was asked again missed some: {}", context());
    }
    seen
}

/// The scenario in which each point lies.
fn scenario(point: &str) -> &'static str {
    match point.trim_end_matches(|it: char| it.is_ascii_digit()) {
        "open" => "new root",
        "start" | "sup" | "run" | "pump" => "start",
        "void" => "void",
        "cancel" => "cancel",
        "close" => "close",
        _ => panic!("no scenario for the point {point}"),
    }
}

fn point_trial(base: &Host, point: &str, at: usize) -> String {
    let key = format!("{point}-{at}.2");
    let ledger_file = base.home.join(format!("ledger-{key}"));
    let hit = base.home.join(format!("hit-{key}"));
    let plain = if point.starts_with("open") || point.starts_with("close") {
        base.at(&base.home.join(&key))
    } else {
        base.clone()
    };
    let asks = if at.is_multiple_of(2) || point == "pump1" { Asks::AtOnce } else { Asks::AtTheEnd };
    let mut host = Host { deadly: true, asks, ..plain.clone() };
    host.env = vec![("GLCP".into(), point.into()), ("GLHIT".into(), hit.display().to_string())];
    let kv = format!("digest=d stdin=5 after={point}-{at}.1");
    let what = format!("{} killed at {point}", host.shell);
    // Nobody who has stopped listening may be what it dies of.
    let dies = |call: Call| {
        call.until("the death", |_| hit.exists());
        call.close();
    };
    let seen = match scenario(point) {
        "start" | "new root" => {
            let call = host.begin(Mode::Start, &key, &kv, &payload(&ledger_file));
            if !point.starts_with("pump") {
                // The pump lives on without its supervisor, and waits for its client.
                call.until("the death", |_| hit.exists());
            }
            if point.starts_with("pump") {
                call.until("the end", |it| it.word("end").is_some());
            }
            call.close();
            judge(&plain, &key, &kv, &ledger_file, &what)
        }
        "void" => {
            dies(host.begin(Mode::Attach, &key, "void=1", b""));
            let before = plain.attach(&key, "").state();
            let seen = plain.attach(&key, "void=1").state();
            let start = plain.call(Mode::Start, &key, "digest=d", b"echo run >>never\n");
            assert_eq!(
                (seen.as_str(), start.state().as_str(), start.out.len()),
                ("VOID", "VOID", 0),
                "{what}"
            );
            format!("{before} -> {seen}")
        }
        "cancel" => {
            let line = "trap '' TERM;echo on;while :;do sleep 1;done\n";
            let call = plain.live().begin(Mode::Start, &key, "digest=d", line.as_bytes());
            call.until("the step", |it| it.out == b"on\n");
            dies(host.begin(Mode::Cancel, &key, "grace=0", b""));
            let before = plain.attach_once(&key);
            let heard = plain.call(Mode::Cancel, &key, "grace=0", b"");
            assert_eq!(
                (heard.state().as_str(), heard.value("state", "group")),
                ("EXITED 137", "0".to_owned()),
                "{what}"
            );
            call.finish();
            format!("{before} -> {}", heard.state())
        }
        _ => {
            plain.call(Mode::Start, &key, "digest=d", b"echo on\n");
            dies(host.begin(Mode::Close, "-", "", b""));
            // Half closed is closed to a start, and can be closed again.
            let start = plain.start("other.1", &format!("echo run >>{}", ledger_file.display()));
            assert_eq!(
                (start.state().as_str(), ledger(&ledger_file)),
                ("error CLOSED", 0),
                "{what}"
            );
            assert!(plain.call(Mode::Close, "-", "", b"").word("done").is_some(), "{what}");
            assert_eq!(plain.attach(&key, "").state(), "EXITED 0", "{what}");
            "closed".to_owned()
        }
    };
    let deaths = fs::read_to_string(&hit).unwrap_or_default();
    assert!(deaths.lines().any(|it| it == point), "{what}: nobody came there");
    format!("{point}: {seen}")
}

/// Kills at the named points.
#[test]
fn named_points() {
    if !inside("durable_crash::named_points") {
        return;
    }
    let names: BTreeSet<String> = Mode::ALL.into_iter().flat_map(points).collect();
    assert!(names.len() >= 20, "{names:?}");
    let (shells, times) =
        if long() { (&["dash", "busybox", "bash"][..], 10) } else { (&["dash"][..], 1) };
    for shell in shells {
        let (dir, begun) = (TempDir::new().unwrap(), Instant::now());
        let host = Host::new(dir.path(), shell);
        host.start("first.1", "true");
        let trials: Vec<_> =
            names.iter().flat_map(|name| (0..times).map(move |at| (name, at))).collect();
        let tally = side_by_side(trials.len(), |at| point_trial(&host, trials[at].0, trials[at].1));
        assert_eq!(tally.0.values().sum::<usize>(), names.len() * times);
        let title = format!("{shell}: {} named points, {times} deaths each", names.len());
        tally.print((PROGRAMME, &title), begun);
    }
}

/// Runs trials on two threads; the outcomes, counted.
fn side_by_side(count: usize, trial: impl Fn(usize) -> String + Sync) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return;
                }
                let outcome = trial(at);
                tally.lock().unwrap().add(outcome);
            }
        };
        let both = [scope.spawn(work), scope.spawn(work)];
        for one in both {
            if let Err(panic) = one.join() {
                next.store(count, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        }
    });
    tally.into_inner().unwrap()
}

/// A start under `killat`; which processes changed how much, by the names of `killat.c`.
fn traced(
    host: &Host,
    key: &str,
    target: &str,
    how: &str,
    ledger_file: &Path,
) -> (bool, BTreeMap<String, (usize, String)>) {
    let report = host.home.join(format!("report-{key}"));
    let mut watched = host.clone();
    watched.prefix = [
        killat().display().to_string(),
        "trace".into(),
        report.display().to_string(),
        target.into(),
        how.into(),
    ]
    .to_vec();
    let call = watched.begin(Mode::Start, key, "digest=d stdin=5", &payload(ledger_file));
    let killed = || fs::read_to_string(&report).is_ok_and(|it| it.starts_with("killed"));
    // Whoever was killed: if it was the supervisor, nobody says how it ends.
    let lonely = target.starts_with("m:") || how == "t";
    call.until(&format!("a death at {target} {how} or an end"), |it| {
        let said = it.word("end").is_some() || it.word("error").is_some();
        said && (it.out.len() == expected().len() || killed())
            || it.word("error").is_some()
            || killed() && (lonely || said)
    });
    call.close();
    let text =
        until("the report", || fs::read_to_string(&report).ok().filter(|it| it.ends_with("end\n")));
    fs::remove_file(&report).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|it| it.starts_with('m')) {
        let words: Vec<&str> = line.split(' ').collect();
        counts.insert(
            words[0].to_owned(),
            (words[1].parse().unwrap(), words.get(2).map_or("", |it| it).to_owned()),
        );
    }
    (text.starts_with("killed"), counts)
}

fn system_calls(shell: &str) {
    if !inside(&format!("durable_crash::system_calls_{shell}")) {
        return;
    }
    let (dir, begun) = (TempDir::new().unwrap(), Instant::now());
    let host = Host::new(dir.path(), shell);
    host.start("first.1", "true");
    // Bytes that come as they are written, and bytes that are sent at the end.
    for asks in [Asks::AtOnce, Asks::AtTheEnd] {
        let host = Host { asks, ..host.clone() };
        calls_of(&host, begun);
    }
}

fn calls_of(host: &Host, begun: Instant) {
    let shell = host.shell.as_str();
    // What there is to kill: three runs must agree, but for the tails, whose bytes come in pieces.
    let runs: Vec<_> = (0..3)
        .map(|at| {
            traced(
                host,
                &format!("count-{at}-{:?}.1", host.asks),
                "-",
                "p",
                &host.home.join("counted"),
            )
            .1
        })
        .collect();
    let mut most = BTreeMap::new();
    for (name, (count, program)) in runs.iter().flatten() {
        let entry = most.entry(name.clone()).or_insert((0, program.clone()));
        entry.0 = entry.0.max(*count);
    }
    let steady = |name: &str| {
        runs.iter().all(|run| run.get(name).map(|it| it.0) == runs[0].get(name).map(|it| it.0))
    };
    for (name, (_, program)) in &most {
        assert!(steady(name) || program == "tail" || program == "sh", "{name} {program}: {runs:?}");
    }
    let mut targets: Vec<(String, &str, bool)> = Vec::new();
    for (name, (count, _)) in &most {
        for how in ["p", "t"] {
            targets.extend((1..=*count).map(|at| (format!("{name}:{at}"), how, steady(name))));
        }
    }
    let all = targets.len();
    if !long() {
        targets = targets.into_iter().step_by(all / 8).collect();
    }
    let missed = Mutex::new(Vec::new());
    let tally = side_by_side(targets.len(), |at| {
        let (target, how, _) = &targets[at];
        // A process that shares its time with others may do less this time.
        for turn in 0..8 {
            let key = format!("{}-{how}-{turn}-{:?}.1", target.replace(':', "-"), host.asks);
            let ledger_file = host.home.join(format!("ledger-{key}"));
            let (killed, _) = traced(host, &key, target, how, &ledger_file);
            let seen = judge(
                host,
                &key,
                "digest=d stdin=5",
                &ledger_file,
                &format!("{shell} {how} at {target}"),
            );
            if killed {
                return format!("{how} {seen}");
            }
        }
        missed.lock().unwrap().push(target.clone());
        "never came there".to_owned()
    });
    let processes = most.values().map(|it| it.1.as_str()).collect::<Vec<_>>();
    println!(
        "{shell}, bytes {:?}: {} processes {processes:?}, {all} points (p one process, t all), {} tried",
        host.asks,
        most.len(),
        targets.len()
    );
    let title = format!("{shell}: killed at state-changing system calls, {all} points");
    tally.print((PROGRAMME, &title), begun);
    // None left out, but for calls that one of the counting runs had by chance.
    let missed = missed.into_inner().unwrap();
    let unsteady = |it: &String| !steady(it.split(':').next().unwrap());
    assert!(missed.iter().all(unsteady), "never reached: {missed:?}");
    println!("  not reached in 8 turns (chance of the counting runs): {missed:?}");
}

#[test]
fn system_calls_dash() {
    system_calls("dash");
}

#[test]
fn system_calls_busybox() {
    system_calls("busybox");
}

#[test]
fn system_calls_bash() {
    system_calls("bash");
}
