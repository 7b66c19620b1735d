//! Steps in a row: the call of the next one is opened while the last one runs, starts nothing by
//! itself, and leaves when somebody needs its place or nobody comes.

use golive::exec::ssh::{Command as Plain, LinkState};

use crate::durable_desk::{Console, code, count, counted, cut, durable, start};
use crate::sshd::{Sshd, eventually, exited, id, run};

/// A server that counts the calls that it has taken.
fn counting(config: &str) -> Sshd {
    let count = "ForceCommand echo call >>$HOME/calls; eval \"$SSH_ORIGINAL_COMMAND\"";
    Sshd::with(&["ed25519"], &format!("{count}\n{config}"))
}

/// Runs one step, which waits for one more call than there were, but not for ever. How many calls
/// there were when it began, and when it ended.
async fn step(sshd: &Sshd, console: &mut Console, round: usize) -> (usize, usize) {
    let (calls, ledger) = (sshd.path("calls"), sshd.path("ledger"));
    let calls = calls.display();
    let line = format!(
        "a=$(wc -l <{calls}); n=0; while [ $(wc -l <{calls}) -le $a ] && [ $n -lt 10 ]; do \
         n=$((n+1)); sleep 0.1; done; echo $a $(wc -l <{calls})"
    );
    let run = durable(&format!("s{round}"), 1, &counted(&ledger, &line));
    let job = start(console, run);
    assert_eq!(code(&console.end(&job).await), 0);
    assert_eq!(console.kinds(&job), ["began"]);
    assert_eq!(count(&ledger), round);
    let out = String::from_utf8(console.shelf.of(&job).out).unwrap();
    let (before, after) = out.trim().split_once(' ').unwrap();
    (before.parse().unwrap(), after.parse().unwrap())
}

/// Runs steps until one of them ends with a call ready behind it; the number of the next round.
async fn with_one_ready(sshd: &Sshd, console: &mut Console, mut round: usize) -> (usize, usize) {
    for _ in 0..20 {
        let (before, after) = step(sshd, console, round).await;
        round += 1;
        if after > before {
            return (round, after);
        }
    }
    panic!("no call was ever got ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_a_row_takes_the_call_that_waits() {
    let sshd = counting("");
    let mut console = Console::new(sshd.pool());
    let mut round = 1;
    for _ in 0..20 {
        let (next, ready) = with_one_ready(&sshd, &mut console, round).await;
        let (before, _) = step(&sshd, &mut console, next).await;
        round = next + 1;
        // Nothing was opened for it. On a slow machine the waiting one may have left by then.
        if before == ready {
            return;
        }
    }
    panic!("no step took a call that waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_leaves_by_itself() {
    let sshd = counting("");
    let mut console = Console::new(sshd.pool());
    with_one_ready(&sshd, &mut console, 1).await;
    eventually("the end of what waited", || {
        let home = sshd.path("calls").parent().unwrap().display().to_string();
        (!processes_of(&home)).then_some(())
    })
    .await;
}

/// Whether a shell that a call of this server began is alive.
fn processes_of(home: &str) -> bool {
    let wanted = format!("HOME={home}");
    let folders = std::fs::read_dir("/proc").unwrap();
    folders.flatten().any(|folder| {
        let environ = std::fs::read(folder.path().join("environ")).unwrap_or_default();
        let mut variables = environ.split(|byte| *byte == 0);
        variables.any(|variable| variable == wanted.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_in_nobodys_way() {
    // One more than the step: for the call that waits, until another command comes.
    let sshd = counting("MaxSessions 2");
    let pool = sshd.pool();
    let mut console = Console::new(pool.clone());
    let (next, _) = with_one_ready(&sshd, &mut console, 1).await;
    let go = sshd.path("go");
    let line = format!("until [ -f {} ]; do sleep 0.1; done", go.display());
    let job = start(&console, durable("long", 1, &line));
    console.begun(&job).await;
    let (end, _) = run(&pool, Plain::new("true")).await;
    assert_eq!(exited(&end), 0);
    std::fs::write(&go, "").unwrap();
    assert_eq!(code(&console.end(&job).await), 0);
    // Where there is only one, none waits, and nothing else changes.
    step(&sshd, &mut console, next).await;
    let sshd = counting("MaxSessions 1");
    let mut console = Console::new(sshd.pool());
    for round in 1..=4 {
        step(&sshd, &mut console, round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_a_lost_link_is_not_asked() {
    let sshd = counting("");
    let pool = sshd.pool();
    let mut console = Console::new(pool.clone());
    let (next, _) = with_one_ready(&sshd, &mut console, 1).await;
    cut(&sshd).await;
    eventually("the end of the link", || {
        (!matches!(pool.link(&id("web1")), LinkState::Up { .. })).then_some(())
    })
    .await;
    step(&sshd, &mut console, next).await;
    step(&sshd, &mut console, next + 1).await;
}
