//! Stopping commands on a real host, and losing them.

use std::time::Duration;

use golive::exec::ssh::{
    Command, Group, LinkState, Options, Pool, RunEnd, SshError, Status, StopHandle, stop_pair,
};

use crate::sshd::{
    Ear, Sshd, children, eventually, exited, id, noise, not_started, pool_for, run, run_line, sh,
    signal,
};

/// Runs `line` in the background and waits for its first output.
async fn background(
    pool: &Pool,
    command: Command,
) -> (tokio::task::JoinHandle<RunEnd>, StopHandle, Ear) {
    let (handle, stop) = stop_pair();
    let ear = Ear::default();
    let (pool, output) = (pool.clone(), Box::new(ear.clone()));
    let job = tokio::spawn(async move { pool.run(&id("web1"), command, output, stop).await });
    eventually("its first words", || (!ear.heard().stdout.is_empty()).then_some(())).await;
    (job, handle, ear)
}

#[tokio::test]
async fn a_polite_command_is_stopped_by_term() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let line = "trap 'echo tidied up; exit 9' TERM; echo up; while :; do sleep 0.05; done";
    let (job, stop, ear) = background(&pool, Command::new(line)).await;
    stop.stop(Duration::from_secs(10));
    let RunEnd::Stopped { proof, status } = job.await.unwrap() else { panic!() };
    assert!(proof.gone && !proof.killed && proof.survivors.is_empty(), "{proof:?}");
    assert_eq!(status, Some(Status::Code(9)));
    assert_eq!(ear.out(), "up\ntidied up\n");
}

#[tokio::test]
async fn one_that_ignores_term_is_killed_with_its_children_and_proved_gone() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let line = "trap '' TERM; sleep 31.4159 & echo up; wait; while :; do sleep 31.4159; done";
    let (job, stop, ear) = background(&pool, Command::new(line)).await;
    let group = ear.heard().group.unwrap();
    let sleepers = || {
        let ps = sh("ps", &["-A", "-o", "args="]);
        ps.lines().filter(|line| *line == "sleep 31.4159").count()
    };
    eventually("its children", || (sleepers() > 0).then_some(())).await;
    assert!(!pool.living(&id("web1"), group).await.unwrap().is_empty());
    stop.stop(Duration::from_millis(300));
    let RunEnd::Stopped { proof, status } = job.await.unwrap() else { panic!() };
    assert!(proof.gone && proof.killed && proof.survivors.is_empty(), "{proof:?}");
    assert_eq!(status, Some(Status::Signal("KILL".to_owned())));
    assert_eq!(sleepers(), 0);
    assert!(pool.living(&id("web1"), group).await.unwrap().is_empty());
    // The number alone is not the group: one born at another time is left alone.
    let (job, stop, ear) = background(&pool, Command::new("echo up; sleep 60")).await;
    let group = ear.heard().group.unwrap();
    let stranger = Group { born: Some(1), ..group };
    let proof = pool.stop_group(&id("web1"), stranger, Duration::ZERO, None).await;
    assert!(proof.gone, "{proof:?}");
    assert!(!pool.living(&id("web1"), group).await.unwrap().is_empty(), "it lives on");
    stop.stop(Duration::ZERO);
    assert!(matches!(job.await.unwrap(), RunEnd::Stopped { .. }));
}

#[tokio::test]
async fn a_stop_can_be_hurried() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let (job, stop, _) =
        background(&pool, Command::new("trap '' TERM; echo up; while :; do sleep 1; done")).await;
    stop.stop(Duration::from_hours(1));
    stop.stop(Duration::ZERO);
    let RunEnd::Stopped { proof, .. } = job.await.unwrap() else { panic!() };
    assert!(proof.gone && proof.killed, "{proof:?}");
}

#[tokio::test]
async fn stopping_works_where_no_further_session_is_allowed() {
    let sshd = Sshd::with(&["ed25519"], "MaxSessions 1");
    let pool = sshd.pool();
    let (job, stop, _) = background(&pool, Command::new("echo up; sleep 60")).await;
    stop.stop(Duration::from_secs(10));
    let RunEnd::Stopped { proof, .. } = job.await.unwrap() else { panic!() };
    assert!(proof.gone, "over a connection of its own: {proof:?}");
}

#[tokio::test]
async fn what_leaves_the_group_does_not_hold_the_stop_up() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    // Keeps the outputs open from another session.
    let line = "setsid sleep 27.1828 & echo up; sleep 60";
    let (job, stop, _) = background(&pool, Command::new(line)).await;
    stop.stop(Duration::from_secs(10));
    let RunEnd::Stopped { proof, .. } = job.await.unwrap() else { panic!() };
    assert!(proof.gone, "{proof:?}");
}

#[tokio::test]
async fn a_stop_before_anything_was_sent_starts_nothing() {
    let sshd = Sshd::start();
    let (handle, stop) = stop_pair();
    handle.stop(Duration::ZERO);
    let end =
        sshd.pool().run(&id("web1"), Command::new("true"), Box::new(Ear::default()), stop).await;
    assert!(matches!(not_started(end), SshError::StoppedBefore { .. }));
    // The same while it waits for a host that does not answer.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool_for(&sshd, |spec, _| spec.port = Some(mute.local_addr().unwrap().port()));
    let (handle, stop) = stop_pair();
    let waiting = pool.clone();
    let job = tokio::spawn(async move {
        waiting.run(&id("web1"), Command::new("true"), Box::new(Ear::default()), stop).await
    });
    eventually("the dial", || (pool.link(&id("web1")) == LinkState::Connecting).then_some(()))
        .await;
    handle.stop(Duration::ZERO);
    assert!(matches!(not_started(job.await.unwrap()), SshError::StoppedBefore { .. }));
}

#[tokio::test]
async fn a_link_that_dies_loses_its_commands_and_they_can_be_found() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    // The step's own doing: it survives its connection.
    let line = "trap '' HUP PIPE; echo up; sleep 60";
    let (job, _stop, _) = background(&pool, Command::new(line)).await;
    let second = tokio::spawn({
        let pool = pool.clone();
        async move { run_line(&pool, "sleep 60").await.0 }
    });
    eventually("both sessions", || {
        let serving = sshd.connections();
        (serving.iter().flat_map(|&pid| children(pid)).count() == 2).then_some(())
    })
    .await;
    signal("KILL", sshd.connections()[0]);
    let RunEnd::Lost { why: SshError::LinkLost { .. }, group: Some(group) } = job.await.unwrap()
    else {
        panic!()
    };
    assert!(matches!(second.await.unwrap(), RunEnd::Lost { .. }));
    assert!(matches!(pool.link(&id("web1")), LinkState::Down { .. }));
    // Over a new connection it is found alive, and stopped for good.
    assert!(!pool.living(&id("web1"), group).await.unwrap().is_empty());
    let proof = pool.stop_group(&id("web1"), group, Duration::from_secs(5), None).await;
    assert!(proof.gone, "{proof:?}");
    assert!(pool.living(&id("web1"), group).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_peer_is_noticed() {
    let sshd = Sshd::start();
    // The same arithmetic as with 5 s: silence times three.
    let pool = pool_for(&sshd, |_, options| options.keepalive = Duration::from_millis(400));
    // One that only reads, and one that has more to send than the dead will ever take.
    let (job, _stop, _) = background(&pool, Command::new("echo up; sleep 60")).await;
    let command = Command { stdin: Some(noise(20_000_000)), ..Command::new("sleep 60") };
    let second = tokio::spawn({
        let pool = pool.clone();
        async move { run(&pool, command).await.0 }
    });
    let serving = sshd.connections();
    eventually("both sessions", || (children(serving[0]).len() == 2).then_some(())).await;
    signal("STOP", serving[0]);
    let end = job.await.unwrap();
    let RunEnd::Lost { why, .. } = &end else { panic!("{end:?}") };
    assert!(why.to_string().contains("sign of life"), "{why}");
    assert!(matches!(second.await.unwrap(), RunEnd::Lost { .. }));
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0, "a new connection");
}

#[test]
fn a_dead_peer_is_noticed_within_fifteen_seconds_by_default() {
    // Interval times the lost signs of life plus one; the arithmetic is proved above.
    assert_eq!(Options::default().keepalive * 3, Duration::from_secs(15));
}
