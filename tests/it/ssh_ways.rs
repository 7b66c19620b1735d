//! Ways to real hosts: the configuration, jump hosts, refusals, many at once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use golive::exec::ssh::{
    Budget, Command, ErrorKind, HostSpec, LinkState, Options, Pool, SshError, StopSignal,
};

use crate::sshd::{
    Ear, Sshd, configured, eventually, exited, id, me, not_started, pool_for, run_line, signal,
};

#[tokio::test]
async fn the_configuration_is_read_as_ssh_reads_it() {
    let sshd = Sshd::start();
    let included = sshd.write("included", &format!("Match exec true\n  User {}\n", me()));
    let text = format!(
        "Include {}\nHost we?\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}/%%h-is-%h-%r\n",
        included.display(),
        sshd.port,
        sshd.dir.path().display()
    );
    fs::copy(sshd.identity(), sshd.path(&format!("%h-is-127.0.0.1-{}", me()))).unwrap();
    let options = Options { agent: false, ..configured(&sshd, "config", &text) };
    let pool = Pool::new(vec![HostSpec::new(id("web1"), "web")], options);
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
    // A mistake in it is told, not skipped.
    let options = configured(&sshd, "bad", "Host *\n  NoSuchOption yes\n");
    let pool = Pool::new(vec![HostSpec::new(id("web1"), "web")], options);
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(why.to_string().to_lowercase().contains("nosuchoption"), "{why}");
}

/// Known hosts of all these servers in one file.
fn all_known(sshds: &[&Sshd]) -> PathBuf {
    let lines = sshds.iter().map(|s| format!("[127.0.0.1]:{} {}\n", s.port, s.host_key("ed25519")));
    sshds[0].write("all_known", &lines.collect::<String>())
}

#[tokio::test]
async fn jump_hosts_are_gone_through_and_shared() {
    let (target, bastion, second) = (Sshd::start(), Sshd::start(), Sshd::start());
    let known_hosts = Some(vec![all_known(&[&target, &bastion, &second])]);
    let host = |name: &str, sshd: &Sshd, jump: &[&str]| HostSpec {
        jump: jump.iter().map(|&hop| hop.to_owned()).collect(),
        ..sshd.spec(name)
    };
    let hosts = vec![
        host("bastion", &bastion, &[]),
        host("second", &second, &["bastion"]),
        host("web1", &target, &["bastion"]),
        host("web2", &target, &["bastion"]),
        host("deep", &target, &["second"]),
        host("chain", &target, &["bastion", "second"]),
        host("ring1", &target, &["ring2"]),
        host("ring2", &target, &["ring1"]),
        host("lost", &target, &["no-such-alias.invalid"]),
    ];
    let options = Options { known_hosts, ..target.options() };
    let pool = Pool::new(hosts, options);
    for name in ["web1", "web2", "deep", "chain"] {
        let ear = Ear::default();
        let command = Command::new("echo \"$SSH_CONNECTION\"");
        let end = pool.run(&id(name), command, Box::new(ear.clone()), StopSignal::never()).await;
        assert_eq!(exited(&end), 0, "{name}");
    }
    assert_eq!(bastion.connections().len(), 1, "one way to the bastion");
    assert_eq!(second.connections().len(), 1, "and one on through it");
    assert_eq!(target.connections().len(), 4);
    let LinkState::Up { peer, .. } = pool.link(&id("deep")) else { panic!() };
    assert_eq!(peer.via.as_deref(), Some("second"));

    let ring = pool.connect(&id("ring1")).await.unwrap_err();
    assert!(ring.to_string().contains("ring"), "{ring}");
    let lost = pool.connect(&id("lost")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unreachable);
    assert!(lost.to_string().contains("no-such-alias.invalid"), "{lost}");
    // A key of the way that nobody knows is as bad as one of the host.
    let options =
        Options { known_hosts: Some(vec![target.known_hosts("ed25519")]), ..target.options() };
    let pool = Pool::new(
        vec![host("bastion", &bastion, &[]), host("web1", &target, &["bastion"])],
        options,
    );
    let why = pool.connect(&id("web1")).await.unwrap_err();
    assert!(
        matches!(&why, SshError::HostKeyUnknown(trouble) if trouble.host == "bastion"),
        "{why}"
    );
}

#[tokio::test]
async fn proxy_jump_and_proxy_command_of_the_configuration_work() {
    let (target, bastion) = (Sshd::start(), Sshd::start());
    let known = all_known(&[&target, &bastion]);
    let common = format!(
        "Host *\n  User {}\n  HostName 127.0.0.1\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
        me(),
        known.display()
    );
    let door = |name: &str, sshd: &Sshd| {
        format!("Host {name}\n  Port {}\n  IdentityFile {}\n", sshd.port, sshd.identity().display())
    };
    // bash can open a TCP connection by itself; both ways are copied until one ends.
    let relay =
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3; kill $!' # {}", "%h");
    for (name, way) in
        [("jump", "ProxyJump the-bastion".to_owned()), ("command", format!("ProxyCommand {relay}"))]
    {
        let text = format!(
            "{}  {way}\n{}{common}",
            door("target", &target),
            door("the-bastion", &bastion)
        );
        let options =
            Options { known_hosts: None, agent: false, ..configured(&target, name, &text) };
        let pool = Pool::new(vec![HostSpec::new(id("web1"), "target")], options);
        let (end, ear) = run_line(&pool, "echo through").await;
        assert_eq!((exited(&end), ear.out().as_str()), (0, "through\n"), "{name}");
    }
    assert_eq!(bastion.log().matches("Accepted publickey").count(), 1);
    // A command that fails is quoted.
    let text =
        format!("{}  ProxyCommand echo wrong door >&2; exit 1\n{common}", door("target", &target));
    let options =
        Options { known_hosts: None, agent: false, ..configured(&target, "broken", &text) };
    let why = not_started(
        run_line(&Pool::new(vec![HostSpec::new(id("web1"), "target")], options), "true").await.0,
    );
    assert!(why.to_string().contains("wrong door"), "{why}");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_not_started() {
    let sshd = Sshd::start();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pool = pool_for(&sshd, |spec, _| spec.port = Some(free));
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(matches!(why, SshError::Connect { .. }), "{why}");
    assert_eq!(why.kind(), ErrorKind::Unreachable);

    let pool = pool_for(&sshd, |spec, _| spec.address = "no-such-host.invalid".to_owned());
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(matches!(why, SshError::Resolve { .. }), "{why}");

    let why = not_started(
        sshd.pool()
            .run(&id("nobody"), Command::new("true"), Box::new(Ear::default()), StopSignal::never())
            .await,
    );
    assert!(matches!(why, SshError::NoSuchHost { .. }), "{why}");
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_out_of_budget() {
    let sshd = Sshd::start();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = pool_for(&sshd, |spec, options| {
        spec.port = Some(mute.local_addr().unwrap().port());
        options.budgets.banner = Duration::from_millis(300);
    });
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(matches!(why, SshError::Timeout { budget: Budget::Banner, .. }), "{why}");
    // One that speaks something else is quoted.
    let chatty = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = chatty.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = chatty.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let why =
        not_started(run_line(&pool_for(&sshd, |spec, _| spec.port = Some(port)), "true").await.0);
    assert!(why.to_string().contains("HTTP/1.1 400"), "{why}");
}

// Many at once.

#[tokio::test]
async fn eight_jobs_get_through_a_server_that_allows_two_sessions() {
    let sshd = Sshd::with(&["ed25519"], "MaxSessions 2");
    let pool = sshd.pool();
    let jobs = (0..8).map(|n| {
        let pool = pool.clone();
        async move {
            let (end, ear) = run_line(&pool, &format!("sleep 0.1; echo {n}")).await;
            (exited(&end), ear.out())
        }
    });
    for (n, (code, out)) in futures_util::future::join_all(jobs).await.into_iter().enumerate() {
        assert_eq!((code, out), (0, format!("{n}\n")));
    }
    assert_eq!(sshd.connections().len(), 1);
    // And over and over: no place leaks.
    for _ in 0..12 {
        assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
    }
}

#[tokio::test]
async fn a_wide_fan_out_survives_max_startups() {
    let sshd = Sshd::with(&["ed25519"], "MaxStartups 2:60:4");
    let hosts: Vec<_> = (0..24).map(|n| format!("host{n}")).collect();
    let pool = Pool::new(hosts.iter().map(|name| sshd.spec(name)).collect(), sshd.options());
    let jobs = hosts.iter().map(|name| {
        let (pool, host) = (pool.clone(), id(name));
        async move {
            pool.run(&host, Command::new("true"), Box::new(Ear::default()), StopSignal::never())
                .await
        }
    });
    for end in futures_util::future::join_all(jobs).await {
        assert_eq!(exited(&end), 0);
    }
    assert!(sshd.log().contains("MaxStartups"), "some were dropped, else nothing is proved");
}

#[tokio::test]
async fn links_tell_their_state_and_are_opened_before_they_are_needed() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let host = id("web1");
    let mut changes = pool.changes();
    assert_eq!(pool.link(&host), LinkState::Idle);
    pool.warm(&host);
    pool.warm(&host);
    assert_eq!(changes.recv().await.unwrap().state, LinkState::Connecting);
    let LinkState::Up { peer, .. } = changes.recv().await.unwrap().state else { panic!() };
    assert_eq!(peer.cipher, "aes256-gcm@openssh.com");
    assert!(peer.server.starts_with("OpenSSH_"), "{peer:?}");
    assert!(peer.kex.contains("25519"), "{peer:?}");
    assert_eq!(peer.host_key.algorithm, "ssh-ed25519");
    assert_eq!(sshd.connections().len(), 1);
    // It dies idle, and says so; the next command opens it anew.
    signal("KILL", sshd.connections()[0]);
    let LinkState::Down { .. } = changes.recv().await.unwrap().state else { panic!() };
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
    assert!(matches!(pool.link(&host), LinkState::Up { .. }));
    pool.close().await;
    eventually("the goodbye", || sshd.connections().is_empty().then_some(())).await;
}
