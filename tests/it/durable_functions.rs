//! What durable steps do, in every shell that a host may have as `sh`.

use std::collections::BTreeSet;
use std::fs;

use golive::exec::durable::{Mode, request, words};
use tempfile::TempDir;

use crate::durable_host::{Host, inside, ledger, lives, program};
use crate::sshd::until;

fn functions(shell: &str) {
    if !inside(&format!("durable_functions::{shell}")) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let host = Host::new(dir.path(), shell);
    output_and_code(&host);
    nothing_left_behind(&host);
    offsets(&host);
    input_and_variables(&host);
    void_and_cut_requests(&host);
    outliving_the_call(&host);
    attempts_after_each_other(&host);
    cancelling(&host);
    losing_processes(&host);
    closing(&host);
}

macro_rules! on_each_shell {
    ($($shell:ident)*) => { $(#[test] fn $shell() { functions(stringify!($shell)); })* };
}
on_each_shell!(dash busybox bash ksh93 mksh yash zsh posh);

fn output_and_code(host: &Host) {
    let line = "echo out; echo oops >&2; echo \"$0 $#\"; exit 7";
    let first = host.start("a.1", line);
    assert_eq!(first.state(), "EXITED 7", "{first:?}");
    assert_eq!((&first.out[..], &first.err[..]), (&b"out\nsh 0\n"[..], &b"oops\n"[..]));
    let words: Vec<_> = first.lines.iter().map(|it| it[0].as_str()).collect();
    assert_eq!(words, ["hello", "started", "end"]);
    assert_eq!(
        (first.value("started", "group"), first.value("started", "sync")),
        ("yes".into(), "file".into())
    );
    assert_eq!(host.gate("a.1")[0], first.value("started", "pid"));
    assert_eq!(first.value("hello", "root"), host.root().display().to_string());
    // Again: the same, and not run again. Another step under its name: refused.
    let again = host.start("a.1", line);
    assert_eq!(again.state(), "EXITED 7");
    assert_eq!((&again.out, &again.err), (&first.out, &first.err));
    assert!(again.word("started").is_none() && again.word("done").is_some());
    assert_eq!(again.value("hello", "rootid"), first.value("hello", "rootid"));
    let other = host.call(Mode::Start, "a.1", "digest=e", b"echo other\n");
    assert_eq!((other.state().as_str(), other.out.len()), ("error CONFLICT", 0));
    for (line, code) in [
        ("kill -s KILL $$", "137"),
        ("kill -s TERM $$", "143"),
        ("exit 255", "255"),
        ("exec nonesuch", "127"),
    ] {
        let heard = host.start(&format!("rc.{code}"), line);
        assert_eq!(heard.state(), format!("EXITED {code}"), "{line}: {heard:?}");
    }
}

/// Nothing of ours is left in the shell that becomes the step.
fn nothing_left_behind(host: &Host) {
    let words = words(Mode::Start, str::to_owned);
    let names: BTreeSet<&str> = words[2]
        .split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .filter(|it| it.starts_with("gl_"))
        .filter(|it| *it != "gl_l") // The line of the step itself.
        .collect();
    assert!(names.contains("gl_say") && names.contains("gl_boot"), "{names:?}");
    let names = names.into_iter().collect::<Vec<_>>().join(" ");
    let line = format!(
        "for v in {names};do command -v $v;eval \"[ \\\"\\${{$v+set}}\\\" ]\" && echo variable $v;done;echo $#;kill -s PIPE $$;echo lives"
    );
    let heard = host.start("left.1", &line);
    assert_eq!(String::from_utf8_lossy(&heard.out), "0\n");
    let heard = host.start("left.2", "tr '\\000' '\\012' </proc/$$/environ|grep ^GLKEY");
    assert_eq!(String::from_utf8_lossy(&heard.out), "GLKEY=run.host/left.2\n");
}

fn offsets(host: &Host) {
    let line = "i=0;while [ $i -lt 3000 ];do echo \"line $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\";i=$((i+1));done;echo e >&2";
    let expected: Vec<u8> = (0..3000)
        .flat_map(|it| format!("line {it} xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n").into_bytes())
        .collect();
    let heard = host.start("big.1", line);
    assert_eq!(heard.state(), "EXITED 0");
    assert_eq!(heard.value("end", "out"), expected.len().to_string());
    // A tail that looks once a second may be late; then one asks again with what one has.
    let mut out = heard.out;
    out.extend(host.attach("big.1", &format!("o={}", out.len())).out);
    assert!(out == expected, "{} bytes", out.len());
    for offset in [1, 4095, 4096, 65537, expected.len() - 1, expected.len()] {
        let heard = host.attach("big.1", &format!("o={offset} e=1"));
        assert_eq!(heard.state(), "EXITED 0");
        assert!(heard.out == expected[offset..] && heard.err == b"\n", "from {offset}");
    }
}

fn input_and_variables(host: &Host) {
    let input = b"\0\xff two\nlines \\n $x";
    let mut payload = b"cat;echo \"<$A>\";umask;set;env\n".to_vec();
    payload.extend(input);
    let host = Host { env: vec![("A".into(), "a 'b".into())], ..host.clone() };
    let heard =
        host.call(Mode::Start, "in.1", &format!("digest=d stdin={}", input.len()), &payload);
    let text = String::from_utf8_lossy(&heard.out[input.len()..]).into_owned();
    assert_eq!(heard.out[..input.len()], input[..]);
    assert!(text.starts_with("<a 'b>\n") && text.contains("22\n"), "{text}");
    assert!(text.contains("\nGLKEY=run.host/in.1\n"), "{text}");
    let ours: Vec<_> = text
        .lines()
        .filter(|it| it.starts_with("gl_") && !it.starts_with("gl_l") && !it.starts_with("gl_c"))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    // Signals are as in any command: nothing is ignored. No descriptor of ours is open.
    let heard =
        host.start("sig.1", "grep SigIgn /proc/self/status;ls -l /proc/self/fd|grep -c golive");
    let text = String::from_utf8_lossy(&heard.out).into_owned();
    let ignored = text.split_whitespace().nth(1).unwrap();
    // But for what whoever runs the tests ignores: INT and QUIT, where that is a job of a shell.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let own = u64::from_str_radix(own.trim(), 16).unwrap() & 0b110;
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff & !own, 0, "{text}");
    // Its input and its two outputs; `ls` itself writes to a pipe.
    assert_eq!(text.lines().nth(1), Some("2"), "{text}");
    // Two lines: the first makes another shell take the second.
    let two =
        b"exec env BECAME=yes sh -c 'IFS= read -r gl_l;eval \"$gl_l\"'\necho \"$BECAME\";cat\nrest";
    let heard = host.call(Mode::Start, "two.1", "digest=d lines=2 stdin=4", two);
    assert_eq!((heard.state().as_str(), &heard.out[..]), ("EXITED 0", &b"yes\nrest"[..]));
    secrets(&host);
}

fn secrets(host: &Host) {
    if host.shell == "posh" {
        let heard = host.call(Mode::Start, "sec.1", "digest=d secret=1", b"echo no\n");
        assert_eq!(heard.state(), "error BADREQ", "it has no way to hand them over unseen");
        return;
    }
    let trace = host.home.join("../trace");
    let strace =
        ["strace", "-f", "-y", "-s", "9999", "-e", "trace=write,writev,pwrite64,execve", "-o"];
    let mut prefix: Vec<String> = strace.map(str::to_owned).to_vec();
    prefix.push(trace.display().to_string());
    let watched = Host { prefix, ..host.clone() };
    let (input, kv) = match host.shell.as_str() {
        // What it captures, it keeps in a file of /dev/shm or /tmp.
        "ksh93" => ("", "digest=d secret=1"),
        _ => ("and s3cr3t input", "digest=d secret=1 stdin=16"),
    };
    let step = b"S='s3cr3t \\n \\\\ %s $x `y` -n';export S;cat >/dev/null;echo \"${#S}\"\n";
    let payload = [step, input.as_bytes()].concat();
    let heard = watched.call(Mode::Start, "sec.1", kv, &payload);
    assert_eq!((heard.state().as_str(), &heard.out[..]), ("EXITED 0", &b"25\n"[..]), "{heard:?}");
    let trace = fs::read_to_string(trace).unwrap();
    let shown: Vec<_> = trace.lines().filter(|it| it.contains("s3cr3t")).collect();
    let piped =
        |it: &&&str| it.contains("write") && (it.contains("<pipe:") || it.contains("</dev/null>"));
    assert!(shown.iter().all(|it| piped(&it)), "{shown:#?}");
    assert!(!shown.is_empty(), "the watch saw nothing: {shown:?}");
    let files = program("grep");
    let found =
        std::process::Command::new(files).args(["-r", "s3cr3t"]).arg(&host.home).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    // Too large, with a NUL, cut: refused, and nothing ran.
    for (key, stdin, input) in
        [("sec.2", 5, &b"a\0bcd"[..]), ("sec.3", 70_000, b"x"), ("sec.4", 9, b"short")]
    {
        let mut payload = format!("echo ran >>{}/never\n", host.home.display()).into_bytes();
        payload.extend(input);
        let call =
            host.begin(Mode::Start, key, &format!("digest=d secret=1 stdin={stdin}"), &payload);
        let state = call.close().state();
        // A NUL is a character like any other to zsh.
        if host.shell == "zsh" && key == "sec.2" {
            assert_eq!(host.attach(key, "").state(), "EXITED 0");
            fs::remove_file(host.home.join("never")).unwrap();
            continue;
        }
        assert!(["error TRUNC", "error BADREQ"].contains(&state.as_str()), "{key}: {state}");
        assert_eq!(host.attach(key, "").state(), "ABSENT");
    }
    assert!(!host.home.join("never").exists());
}

fn void_and_cut_requests(host: &Host) {
    assert_eq!(host.attach("v.1", "").state(), "ABSENT");
    assert_eq!(host.attach("v.1", "void=1").state(), "VOID");
    let heard = host.start("v.1", "echo no");
    assert_eq!((heard.state().as_str(), heard.out.len()), ("VOID", 0));
    // Cut within the line, within the input, before the line.
    for (key, kv, payload) in [
        ("t.1", "", &b"echo ran"[..]),
        ("t.2", "stdin=9", b"echo ran\nabc"),
        ("t.3", "", b""),
        ("t.4", "lines=2", b"true\n"),
    ] {
        let call = host.begin(Mode::Start, key, &format!("digest=d {kv}"), payload);
        assert_eq!(call.close().state(), "error TRUNC", "{key}");
        assert!(["ABSENT", "STAGED"].contains(&host.attach(key, "").state().as_str()), "{key}");
        assert_eq!(host.start(key, "echo ran").out, b"ran\n", "{key}");
    }
    for (key, kv) in
        [("../x", ""), (".x", ""), ("-x", ""), ("x", "nonsense=1"), ("x", "o=x"), ("x", "stdin=-1")]
    {
        assert_eq!(
            host.call(Mode::Start, key, kv, b"true\n").state(),
            "error BADREQ",
            "{key} {kv}"
        );
    }
    assert_eq!(host.call(Mode::Attach, "a.1", "rootid=other", b"").state(), "error ROOTID");
    // A start that asks about an earlier attempt is not answered by other records, and leaves no
    // mark in them.
    let other = "digest=d after=pin.1 rootid=other";
    assert_eq!(host.call(Mode::Start, "pin.2", other, b"echo no\n").state(), "error ROOTID");
    assert_eq!(host.attach("pin.1", "").state(), "ABSENT");
    assert_eq!(host.attach("pin.2", "").state(), "ABSENT");
    let id = host.attach("pin.1", "").value("hello", "rootid");
    let own = format!("digest=d after=pin.1 rootid={id}");
    assert_eq!(host.call(Mode::Start, "pin.2", &own, b"echo yes\n").out, b"yes\n");
    assert_eq!(host.attach("pin.1", "").state(), "VOID");
    assert_eq!(
        host.call(Mode::Start, "exp.1", "digest=d exp=1", b"true\n").state(),
        "error EXPIRED"
    );
    assert_eq!(
        host.call(Mode::Start, "exp.1", "digest=d exp=99999999", b"true\n").state(),
        "EXITED 0"
    );
}

fn outliving_the_call(host: &Host) {
    let go = host.home.join("go");
    let line =
        format!("echo one;while [ ! -e {} ];do sleep 0.05;done;echo two;exit 3\n", go.display());
    let call = host.live().begin(Mode::Start, "l.1", "digest=d", line.as_bytes());
    call.until("the first line", |it| it.out == b"one\n");
    // Asked, the host says that the step lives.
    let mut call = call;
    std::io::Write::write_all(call.stdin.as_mut().unwrap(), b"\n").unwrap();
    call.until("proof of life", |it| it.state() == "RUNNING");
    // The client goes away; nothing stays but the supervisor and the step.
    drop(call.stdin.take());
    let gate = host.gate("l.1");
    until("the tails to be gone", || {
        let tails =
            std::process::Command::new("pgrep").args(["-f", "tail .*l[.]1"]).output().unwrap();
        tails.stdout.is_empty().then_some(())
    });
    assert!(lives(&gate[0]) && lives(&gate[6]));
    // A start that is asked again attaches, and so does an attach; both follow to the end.
    let start = host.begin(Mode::Start, "l.1", "digest=d o=2", line.as_bytes());
    let attach = host.begin(Mode::Attach, "l.1", "o=4", b"");
    start.until("the rest", |it| it.out == b"e\n");
    attach.until("a state", |it| it.state() == "RUNNING");
    fs::write(&go, "").unwrap();
    let (start, attach) = (start.finish(), attach.finish());
    assert_eq!((start.state().as_str(), &start.out[..]), ("EXITED 3", &b"e\ntwo\n"[..]));
    assert_eq!((attach.state().as_str(), &attach.out[..]), ("EXITED 3", &b"two\n"[..]));
    assert_eq!(call.close().value("end", "rc"), "3", "the first call heard the end too");
    assert_eq!(host.attach("l.1", "").state(), "EXITED 3");
}

fn attempts_after_each_other(host: &Host) {
    let stop = host.home.join("stop");
    let line = format!("while [ ! -e {} ];do sleep 0.05;done\n", stop.display());
    let call = host.begin(Mode::Start, "n.1", "digest=d", line.as_bytes());
    call.until("the start", |it| it.word("started").is_some());
    let busy = host.call(Mode::Start, "n.3", "digest=d after=n.1,n.2", b"echo third\n");
    assert_eq!(busy.state(), "error BUSY");
    fs::write(stop, "").unwrap();
    assert_eq!(call.finish().state(), "EXITED 0");
    let third = host.call(Mode::Start, "n.3", "digest=d after=n.1,n.2", b"echo third\n");
    assert_eq!((third.state().as_str(), &third.out[..]), ("EXITED 0", &b"third\n"[..]));
    assert_eq!(host.start("n.2", "echo second").state(), "VOID", "and never will run");
}

fn cancelling(host: &Host) {
    assert_eq!(host.cancel("c.0").state(), "VOID", "what has not begun never will");
    let begin = |key: &str, line: &str| {
        let call = host.live().begin(Mode::Start, key, "digest=d", format!("{line}\n").as_bytes());
        call.until("the step", |it| it.out == b"on\n");
        call
    };
    // One that says goodbye.
    let call = begin("c.1", "trap 'echo bye;exit 4' TERM;sleep 100 & echo on;wait;wait");
    let heard = host.cancel("c.1");
    assert_eq!(
        (heard.state().as_str(), heard.value("state", "group")),
        ("EXITED 4", "0".into()),
        "{heard:?}"
    );
    assert_eq!(heard.value("state", "cancel"), "1");
    let heard = call.finish();
    assert_eq!((heard.state().as_str(), &heard.out[..]), ("EXITED 4", &b"on\nbye\n"[..]));
    // One that will not go, with a child that will not either.
    let call =
        begin("c.2", "trap '' TERM;(while :;do sleep 1;done)& echo on;while :;do sleep 1;done");
    let pid = host.gate("c.2")[0].clone();
    let heard = host.cancel("c.2");
    assert_eq!(
        (heard.state().as_str(), heard.value("state", "group")),
        ("EXITED 137", "0".into()),
        "{heard:?}"
    );
    assert!(!lives(&pid));
    assert_eq!(call.finish().state(), "EXITED 137");
    // One whose leader has gone; and one that left the group is named and left alone.
    let call = begin(
        "c.3",
        "sleep 300 >/dev/null 2>&1 & setsid sleep 301 >/dev/null 2>&1 & echo on;exit 5",
    );
    let heard = call.finish();
    assert_eq!(heard.state(), "EXITED 5");
    // It may not be `sleep` yet.
    assert!(heard.word("alive").is_some_and(|it| it.len() == 4), "{heard:?}");
    let heard = host.cancel("c.3");
    assert_eq!(heard.value("state", "group"), "0", "{heard:?}");
    let strayed = heard.word("strayed").map(<[String]>::to_vec).unwrap_or_default();
    assert_eq!(strayed.len(), 4, "{heard:?}");
    assert!(lives(&strayed[1]));
    crate::sshd::signal("KILL", strayed[1].parse().unwrap());
    // One whose leader has gone, and who is left has become no other program.
    let fifo = host.home.join("fifo");
    let line = format!("mkfifo {0};(read x <{0}) >/dev/null 2>&1 & echo on;exit 5", fifo.display());
    let heard = begin("c.5", &line).finish();
    assert!(heard.word("alive").is_some(), "{heard:?}");
    let heard = host.cancel("c.5");
    assert_eq!(
        (heard.state().as_str(), heard.value("state", "group")),
        ("EXITED 5", "0".into()),
        "{heard:?}"
    );
    // With words for another user, the kill goes through them too.
    let words = host.home.join("words");
    let line = format!(
        "exec env A=1 sh -c 'IFS= read -r gl_l;echo \"$gl_l\" >>{};eval \"$gl_l\"'\n",
        words.display()
    );
    let call = begin("c.4", "echo on;sleep 100");
    let heard = host.call(Mode::Cancel, "c.4", "grace=5 become=1", line.as_bytes());
    assert_eq!(heard.state(), "EXITED 143", "{heard:?}");
    let sent = fs::read_to_string(words).unwrap();
    assert_eq!(sent, format!("kill -s TERM -- -{}\n", host.gate("c.4")[0]));
    call.finish();
}

fn losing_processes(host: &Host) {
    let go = host.home.join("go2");
    let line = format!("echo one;while [ ! -e {} ];do sleep 0.05;done;echo two\n", go.display());
    let call = host.live().begin(Mode::Start, "o.1", "digest=d", line.as_bytes());
    call.until("the step", |it| it.out == b"one\n");
    let gate = host.gate("o.1");
    crate::sshd::signal("KILL", gate[6].parse().unwrap());
    until("the end of the supervisor", || (!lives(&gate[6])).then_some(()));
    let follow = host.begin(Mode::Attach, "o.1", "", b"");
    follow.until("a state", |it| it.state() == "ORPHAN");
    assert_eq!(
        host.call(Mode::Start, "o.2", "digest=d after=o.1", b"true\n").state(),
        "error BUSY"
    );
    fs::write(go, "").unwrap();
    let heard = follow.finish();
    assert_eq!((heard.state().as_str(), &heard.out[..]), ("LOST", &b"one\ntwo\n"[..]));
    call.cut();
    let again = host.call(Mode::Start, "o.1", "digest=d", line.as_bytes());
    assert_eq!((again.state().as_str(), &again.out[..]), ("LOST", &b"one\ntwo\n"[..]));
    // The step itself.
    let call = host.live().begin(Mode::Start, "k.1", "digest=d", b"echo on;sleep 100 & wait\n");
    call.until("the step", |it| it.out == b"on\n");
    crate::sshd::signal("KILL", host.gate("k.1")[0].parse().unwrap());
    assert_eq!(call.finish().state(), "EXITED 137");
    assert_eq!(host.cancel("k.1").value("state", "group"), "0");
}

fn closing(host: &Host) {
    let mark = host.home.join("ran");
    let call = host.live().begin(Mode::Start, "z.1", "digest=d", b"echo on;sleep 100\n");
    call.until("the step", |it| it.out == b"on\n");
    assert_eq!(host.call(Mode::Close, "-", "", b"").state(), "error BUSY");
    host.cancel("z.1");
    call.finish();
    let heard = host.call(Mode::Close, "-", "", b"");
    assert!(heard.word("done").is_some(), "{heard:?}");
    assert_eq!(
        host.start("new.1", &format!("echo ran >>{}", mark.display())).state(),
        "error CLOSED"
    );
    assert_eq!(ledger(&mark), 0);
    // Tombstones stay: they say how it was, and hold the gate.
    let heard = host.start("a.1", "echo out; echo oops >&2; echo \"$0 $#\"; exit 7");
    assert_eq!((heard.state().as_str(), heard.out.len()), ("EXITED 7", 0));
    assert_eq!(host.attach("v.1", "").state(), "VOID");
    let left = fs::read_dir(host.root().join("R/run.host")).unwrap();
    for name in left.map(|it| it.unwrap().file_name().into_string().unwrap()) {
        let kept = name == "closed"
            || name == "firm"
            || name.contains(".st.")
            || name.strip_suffix(".x").is_some()
            || name.strip_suffix(".cancel").is_some();
        assert!(kept, "{name}");
    }
}

#[test]
fn every_shell_can_read_every_request() {
    let dir = TempDir::new().unwrap();
    for login in
        ["dash", "bash", "busybox", "ksh93", "mksh", "yash", "zsh", "posh", "csh", "tcsh", "fish"]
    {
        for mode in Mode::ALL {
            let home = dir.path().join(login);
            fs::create_dir_all(&home).unwrap();
            let mut command = std::process::Command::new(program(login));
            if login == "busybox" {
                command.arg("sh");
            }
            let output = command
                .args(["-c", request(mode)])
                .env("HOME", &home)
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                said, "golive-- error BADREQ not a request of this protocol\n",
                "{login} {mode:?}"
            );
        }
    }
}
