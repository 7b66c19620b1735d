//! The shell, seen from outside: scripts in, output and status out.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::{Input, Output, Shell};
use crate::practice::host::{Host, Shared};
use crate::practice::world::World;

fn host(name: &str) -> Arc<Host> {
    let shared = Shared::new(World::new(1, &[]), 1_000);
    Arc::new(Host::new(name, Arc::new(shared)))
}

async fn run_on(host: &Arc<Host>, script: &str, input: &str) -> (u8, String) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let out = Output::Capture(Arc::clone(&kept));
    let process = Arc::new(host.processes.start(script));
    let streams =
        (Input::stream(std::io::Cursor::new(input.as_bytes().to_vec())), out.clone(), out);
    let shell = Shell::new(Arc::clone(host), process, "deploy", streams);
    let status = shell.run(script).await;
    let bytes = kept.lock().unwrap().clone();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// What `script` prints, and its status if that is not 0.
async fn says(script: &str) -> String {
    let (status, text) = run_on(&host("web1"), script, "first line\nsecond line\n").await;
    if status == 0 { text } else { format!("{text}={status}") }
}

#[tokio::test]
async fn words_and_quotes() {
    for (script, said) in [
        ("echo hello   world", "hello world\n"),
        ("echo 'a  b' \"c  d\" e\\ f", "a  b c  d e f\n"),
        ("x='1  2'; echo $x \"$x\" ${x} '$x'", "1 2 1  2 1 2 $x\n"),
        ("echo \"a\"'b'c", "abc\n"),
        ("echo ''", "\n"),
        ("printf '%s|' '' \"\" a; echo", "||a|\n"),
        ("echo a#b # comment", "a#b\n"),
        ("echo a\\\nb", "ab\n"),
        ("echo ~ \"~\"", "/home/deploy ~\n"),
        ("echo $(echo \"in $(echo deep)\")", "in deep\n"),
        ("echo `echo old`", "old\n"),
        ("x=; echo ${x:-empty} ${x-set} ${y-unset} ${x:+no}.", "empty unset .\n"),
        ("p=/a/b.tar.gz; echo ${p##*/} ${p%.gz} ${p%%.*} ${#p}", "b.tar.gz /a/b.tar /a/b 11\n"),
        ("echo $((2 * (3 + 4))) $((7 % 4))", "14 3\n"),
        ("i=3; echo $((i + 1)) $(($i * 2))", "4 6\n"),
        (
            "set -- a 'b c' d; echo $# $2; for x in \"$@\"; do echo [$x]; done",
            "3 b c\n[a]\n[b c]\n[d]\n",
        ),
        ("set -- 1 2 3 4 5 6 7 8 9 10 11; echo ${11} ${12-none}", "11 none\n"),
        ("cat <<E\nx $((1 + 1))\nE\necho end", "x 2\nend\n"),
        ("cat <<'E'\nx $((1 + 1))\nE", "x $((1 + 1))\n"),
        ("cat <<A; cat <<B\n1\nA\n2\nB\necho 3", "1\n2\n3\n"),
    ] {
        assert_eq!(says(script).await, said, "{script}");
    }
}

#[tokio::test]
async fn control_flow() {
    for (script, said) in [
        ("true && echo yes || echo no", "yes\n"),
        ("false && echo yes || echo no", "no\n"),
        ("! false && echo ok", "ok\n"),
        ("false; echo $?", "1\n"),
        ("if [ 1 -lt 2 ]; then echo less; else echo more; fi", "less\n"),
        ("if false; then echo a; elif true; then echo b; fi", "b\n"),
        ("for x in a b c; do [ $x = b ] && continue; echo $x; done", "a\nc\n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; [ $i = 2 ] && break; done", "1\n2\n"),
        ("until true; do echo never; done", ""),
        ("case abc in x*) echo 1 ;; a?c|y) echo 2 ;; *) echo 3 ;; esac", "2\n"),
        ("f() { echo \"$1-$#\"; return 3; }; f a b; echo $?", "a-2\n3\n"),
        ("(x=1; exit 4); echo $? ${x-unset}", "4 unset\n"),
        ("{ echo a; echo b; } | wc -l", "2\n"),
        ("exit 7", "=7"),
        ("set -e; false; echo never", "=1"),
        ("set -e; false || true; if false; then :; fi; ! true; echo on", "on\n"),
        ("set -eu; echo ${nope}", "sh: nope: parameter not set\n=2"),
        ("sh -c 'echo $1 $HOME' x y", "y /home/deploy\n"),
        ("A=1 env | grep ^A=; echo ${A-gone}", "A=1\ngone\n"),
        ("eval 'x=5'; echo $x", "5\n"),
        ("false | true; echo $?; set -o pipefail; false | true; echo $?", "0\n1\n"),
        ("echo in; exec echo last; echo never", "in\nlast\n"),
    ] {
        assert_eq!(says(script).await, said, "{script}");
    }
}

#[tokio::test]
async fn streams_and_files() {
    for (script, said) in [
        ("echo a > /tmp/x; echo b >> /tmp/x; cat /tmp/x", "a\nb\n"),
        ("cd /tmp; echo 1 > n; ls; rm n; ls", "n\n"),
        ("echo e >&2 2>/dev/null; echo out 2>&1 | cat", "e\nout\n"),
        ("cat /nope", "cat: /nope: No such file or directory\n=1"),
        ("cat /nope 2>/dev/null || echo missing", "missing\n"),
        ("read -r a b; echo $b; cat", "line\nsecond line\n"),
        ("cat < /dev/null; head -n 1", "first line\n"),
        ("seq 1 100 | grep -c 7", "19\n"),
        ("seq 3 | sort -rn | head -1", "3\n"),
        ("printf 'b\\na\\nb\\n' | sort | uniq -c", "      1 a\n      2 b\n"),
        ("seq 1 5 | tail -n 2", "4\n5\n"),
        ("printf 'a:b:c\\n' | cut -d: -f2", "b\n"),
        ("echo hello | tr a-z A-Z", "HELLO\n"),
        ("echo x | tee /tmp/t | cat; cat /tmp/t", "x\nx\n"),
        (
            "printf abc | sha256sum",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n",
        ),
        (
            "mkdir -p /srv/a; touch /srv/a/1.log /srv/a/2.txt; echo /srv/a/*.log /srv/*.no",
            "/srv/a/1.log /srv/*.no\n",
        ),
        ("cd /srv", "cd: can't cd to /srv\n=2"),
        ("test -f /etc/hostname && cat /etc/hostname", "web1\n"),
        ("rm -rf / && ls / | wc -l", "0\n"),
        ("seq 1 100000000 | head -n 2", "1\n2\n"),
        ("yes | head -n 1", "y\n"),
        ("while true; do echo x; done | head -n 1", "x\n"),
        ("echo ok | base64 | base64 -d", "ok\n"),
    ] {
        assert_eq!(says(script).await, said, "{script}");
    }
}

#[tokio::test]
async fn the_host_is_a_believable_one() {
    for (script, said) in [
        (
            "hostname; whoami; sudo -n whoami; sudo -n -u app whoami; whoami",
            "web1\ndeploy\nroot\napp\ndeploy\n",
        ),
        ("apt-get install x", "sh: apt-get: not found on the practice fleet\n=127"),
        ("command -v grep >/dev/null && echo there; command -v nope || echo none", "there\nnone\n"),
        ("sleep 0.5 && date +%s | grep -q '^1' && echo done", "done\n"),
        ("timeout 1 sleep 100; echo $?", "124\n"),
        ("svc status orders", "svc: Unit orders.service could not be found.\n=5"),
        ("kill -s TERM -- -99999", "kill: (-99999) - No such process\n=1"),
        ("[ -r /proc/$$/stat ] && read -r p rest </proc/$$/stat; [ $p = $$ ] && echo me", "me\n"),
    ] {
        assert_eq!(says(script).await, said, "{script}");
    }
}

#[tokio::test]
async fn everything_is_bounded() {
    for (script, said) in [
        ("x=$(yes)", "more than 1 MiB"),
        ("f() { f; }; f", "nested too deeply"),
        ("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x$x$x; done", "longer than"),
        ("eval 'eval \"$0\"'; while :; do :; done", "two million"),
        ("sleep 100 &", "background jobs"),
        ("yes > /tmp/big", "No space left"),
    ] {
        let text = says(script).await;
        assert!(text.contains(said), "{script}: {text}");
    }
}

#[tokio::test]
async fn a_command_can_be_told_to_end() {
    let host = host("web1");
    let process = Arc::new(host.processes.start("sleep"));
    let (status, _) = run_on(&host, &format!("kill -s TERM -- -{}", process.id), "").await;
    assert_eq!(status, 0);
    assert_eq!(process.ended().await, crate::practice::host::Signal::Term);
    let id = process.id;
    drop(process);
    assert_eq!(run_on(&host, &format!("kill -s 0 -- -{id}"), "").await.0, 1);
}

#[test]
fn no_script_makes_it_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let word = prop::sample::select(vec![
        "echo",
        "x=1",
        "$x",
        "\"$x\"",
        "${x%1}",
        "$(echo a)",
        "|",
        "&&",
        "||",
        ";",
        "\n",
        "if",
        "then",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "{",
        "}",
        "(",
        ")",
        "> /tmp/f",
        "< /tmp/f",
        "'q'",
        "[",
        "]",
        "-n",
        "case",
        "esac",
        "a)",
        ";;",
        "read",
        "y",
        "set",
        "-e",
        "--",
        "$((x+",
        "1))",
        "shift",
        "exit",
        "printf",
        "%s%d\\n",
        "cut",
        "-c",
        "1-",
        "head",
        "-n",
        "3",
        "test",
        "=",
        "!",
        "f()",
        "f",
        "lbctl",
        "dbctl",
        "status",
        "svc",
        "curl",
        "http://lb1/",
        "2>&1",
        "é*",
        "grep",
        "[a",
        "tr",
        "sort",
        "eval",
        "break",
        "return",
        "sudo",
        "env",
        "tail",
        "wc",
        "<<E",
    ]);
    proptest!(|(words in prop::collection::vec(word, 0..14))| {
        let script = words.join(" ");
        let limit = std::time::Duration::from_secs(20);
        runtime.block_on(async {
            let host = host("lb1");
            tokio::time::timeout(limit, run_on(&host, &script, "a b\nc\n")).await
        }).expect("a script of a few words must end");
    });
}
