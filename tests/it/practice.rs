//! The practice fleet, through real SSH and HTTP.
#![expect(clippy::wildcard_enum_match_arm, reason = "russh's enum, not ours")]

use std::sync::Arc;
use std::time::Duration;

use golive::practice::{FLEET, Fault, Fleet, FleetOptions, PracticeHost, ServiceState, scenario};
use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Sig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A client that trusts one key.
struct Trusting(String);

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                key.fingerprint(HashAlg::Sha256).to_string() == self.0
            }
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

async fn fleet(speed: u32) -> Fleet {
    let hosts: Vec<_> = FLEET.iter().map(|name| name.parse().unwrap()).collect();
    let options = FleetOptions { speed, ..FleetOptions::default() };
    Fleet::start(&hosts, options).await.unwrap()
}

fn host<'a>(fleet: &'a Fleet, name: &str) -> &'a PracticeHost {
    fleet.hosts().iter().find(|host| host.id.as_str() == name).unwrap()
}

async fn connect(fleet: &Fleet, name: &str) -> Handle<Trusting> {
    let host = host(fleet, name);
    let config = client::Config { nodelay: true, ..client::Config::default() };
    let trusting = Trusting(host.hostkey.clone());
    let mut handle = client::connect(Arc::new(config), host.addr, trusting).await.unwrap();
    let key: PrivateKey = fleet.client_key().parse().unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(handle.authenticate_publickey("deploy", key).await.unwrap().success());
    handle
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    out: String,
    err: String,
    status: Option<u32>,
    signal: Option<String>,
}

/// Runs `command` with `input`, and tells what came of it.
async fn run(handle: &Handle<Trusting>, command: &str, input: &str) -> Heard {
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    channel.data_bytes(input.as_bytes().to_vec()).await.unwrap();
    channel.eof().await.unwrap();
    let mut heard = Heard::default();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => heard.out.push_str(&String::from_utf8_lossy(&data)),
            ChannelMsg::ExtendedData { data, .. } => {
                heard.err.push_str(&String::from_utf8_lossy(&data));
            }
            ChannelMsg::ExitStatus { exit_status } => heard.status = Some(exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                heard.signal = Some(format!("{signal_name:?}"));
            }
            _ => {}
        }
    }
    heard
}

/// `GET url`, rewritten to the fleet: the status line and the body.
async fn get(fleet: &Fleet, url: &str) -> (String, serde_json::Value) {
    let url = fleet.rewrite(url).unwrap();
    let path = url.strip_prefix(&format!("http://{}", fleet.http_addr())).unwrap();
    let mut stream = tokio::net::TcpStream::connect(fleet.http_addr()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn a_cutover_and_the_way_back() {
    let fleet = fleet(50).await;
    let mut hosts = std::collections::BTreeMap::new();
    for name in FLEET {
        hosts.insert(name, connect(&fleet, name).await);
    }
    let (status, health) = get(&fleet, "http://green1.practice:8080/health").await;
    assert_eq!((status.as_str(), &health["status"]), ("HTTP/1.1 503 Practice", &"stopped".into()));
    for green in ["green1", "green2"] {
        let command = "deploy fetch 2.0.0 && deploy install 2.0.0 && deploy switch 2.0.0 && \
                       svc start orders && smoke";
        let heard = run(&hosts[green], command, "").await;
        assert_eq!(heard.status, Some(0), "{heard:?}");
        assert!(heard.out.contains("48300/48300 kB 100 %"), "{heard:?}");
        assert!(heard.out.contains("5 passed, 0 failed"), "{heard:?}");
        assert!(heard.err.contains("deprecated"), "{heard:?}");
    }
    for weight in ["25", "100"] {
        for lb in ["lb1", "lb2"] {
            let heard = run(&hosts[lb], &format!("lbctl weight green {weight}"), "").await;
            assert_eq!(heard.status, Some(0), "{heard:?}");
        }
    }
    let world = fleet.world();
    assert_eq!(world.weights["lb1"], (0, 100));
    assert_eq!(world.versions["green2"], "2.0.0");
    let (_, metrics) = get(&fleet, "http://lb1/metrics.json").await;
    assert_eq!(metrics["green_share"], 100, "{metrics}");

    let heard = run(&hosts["db-new"], "dbctl schema apply 42", "").await;
    assert_eq!(heard.status, Some(0), "{heard:?}");
    let heard = run(&hosts["db-old"], "dbctl copy --to db-new", "").await;
    assert!(heard.out.contains("100 %"), "{heard:?}");
    let heard = run(
        &hosts["db-new"],
        "dbctl replicate start && dbctl compare && dbctl switchover --to db-new && dbctl status",
        "",
    )
    .await;
    assert_eq!(heard.status, Some(0), "{heard:?}");
    assert_eq!(fleet.world().primary, "db-new");
    let heard = run(&hosts["db-old"], "dbctl switchover --to db-old && dbctl compare", "").await;
    assert_eq!(heard.status, Some(0), "{heard:?}");

    for lb in ["lb1", "lb2"] {
        run(&hosts[lb], "lbctl weight green 0", "").await;
    }
    run(&hosts["green1"], "systemctl stop orders.service", "").await;
    let world = fleet.world();
    assert_eq!(world.weights["lb2"], (100, 0));
    assert_eq!(world.services["green1/orders"], ServiceState::Stopped);
    assert_eq!(world.primary, "db-old");
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_shell_takes_its_script_from_standard_input() {
    let fleet = fleet(1).await;
    let blue = connect(&fleet, "blue1").await;
    let bootstrap = "exec sh -c 'IFS= read -r gl_l;eval \"$gl_l\"'";
    let input = "echo \"at $$\" >&2;echo 'one two';cat;exit 3\nrest of it\n";
    let heard = run(&blue, bootstrap, input).await;
    assert_eq!((heard.out.as_str(), heard.status), ("one two\nrest of it\n", Some(3)));
    assert!(heard.err.starts_with("at 42"), "{heard:?}");
    let heard = run(&blue, "nmap -sS 10.0.0.0/8", "").await;
    assert_eq!(heard.status, Some(127));
    assert_eq!(heard.err, "sh: nmap: not found on the practice fleet\n");
}

#[tokio::test]
async fn a_command_stops_when_it_is_told_to() {
    let fleet = fleet(1).await;
    let blue = connect(&fleet, "blue1").await;
    for (signal, name) in [(Sig::TERM, "TERM"), (Sig::KILL, "KILL")] {
        let mut channel = blue.channel_open_session().await.unwrap();
        channel.exec(true, "echo started; sleep 1000").await.unwrap();
        let mut ended = None;
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { .. } => channel.signal(signal.clone()).await.unwrap(),
                ChannelMsg::ExitSignal { signal_name, .. } => ended = Some(signal_name),
                ChannelMsg::ExitStatus { .. } => panic!("it was not killed"),
                _ => {}
            }
        }
        assert_eq!(format!("{ended:?}"), format!("Some({name})"));
    }
    // From a second session, by its number; then it is gone.
    let mut channel = blue.channel_open_session().await.unwrap();
    channel.exec(true, "echo $$; sleep 1000").await.unwrap();
    let mut ended = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let id: u32 = std::str::from_utf8(&data).unwrap().trim().parse().unwrap();
                let command = format!("kill -s TERM -- -{id}; kill -s 0 -- -{id}; echo $?");
                let heard = run(&blue, &command, "").await;
                assert_eq!(heard.status, Some(0), "{heard:?}");
            }
            ChannelMsg::ExitSignal { signal_name, .. } => ended = Some(signal_name),
            _ => {}
        }
    }
    assert_eq!(format!("{ended:?}"), "Some(TERM)");
    let heard = run(&blue, "ps -A -o pid= -o args= | grep -c 'sleep 1000'", "").await;
    assert_eq!(heard.out, "1\n", "only the one that asks");
}

#[tokio::test]
async fn faults_strike() {
    let fleet = fleet(20).await;
    let lb = connect(&fleet, "lb1").await;
    fleet.inject(Fault::FailNext {
        host: "lb1".parse().unwrap(),
        command: "lbctl weight".to_owned(),
        exit: 22,
        message: "haproxy: socket timeout".to_owned(),
        times: 1,
    });
    let heard = run(&lb, "lbctl weight green 5", "").await;
    let said = (heard.err.as_str(), heard.status);
    assert_eq!(said, ("haproxy: socket timeout\n", Some(22)));
    assert_eq!(run(&lb, "lbctl weight green 5", "").await.status, Some(0));

    let mut channel = lb.channel_open_session().await.unwrap();
    channel.exec(true, "echo on; sleep 1000; echo off").await.unwrap();
    let mut ended = false;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { .. } => {
                fleet.inject(Fault::LinkCut { host: "lb1".parse().unwrap() });
            }
            ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. } => ended = true,
            _ => {}
        }
    }
    assert!(!ended, "a cut link says nothing of the command");
    let lb = connect(&fleet, "lb1").await;
    let heard = run(&lb, "ps -A -o args= | grep -c '^echo on; sleep'", "").await;
    assert_eq!(heard.out, "1\n", "the command goes on");
    fleet.inject(Fault::HostDown { host: "lb1".parse().unwrap() });
    let config = Arc::new(client::Config::default());
    let again = client::connect(config, host(&fleet, "lb1").addr, Trusting(String::new()));
    assert!(again.await.is_err());
    drop(lb);
    assert_eq!(get(&fleet, "http://lb1/health").await.0, "HTTP/1.1 503 Practice");
    fleet.inject(Fault::HostUp { host: "lb1".parse().unwrap() });
    assert_eq!(run(&connect(&fleet, "lb1").await, "lbctl weight", "").await.status, Some(0));
}

#[tokio::test]
async fn planned_faults_come_in_their_time() {
    let text = "[[fault]]\nfault = 'fail-next'\nhost = 'lb1'\ncommand = 'true'\nmessage = 'x'\n\
                [[fault]]\nat = '900h'\nfault = 'host-down'\nhost = 'lb1'";
    let options = FleetOptions { faults: scenario(text).unwrap(), ..FleetOptions::default() };
    let fleet = Fleet::start(&["lb1".parse().unwrap()], options).await.unwrap();
    let lb = connect(&fleet, "lb1").await;
    let heard = run(&lb, "until ! true; do sleep 0.01; done; true && echo once", "").await;
    assert_eq!((heard.out.as_str(), heard.err.as_str()), ("once\n", "x\n"));
}

#[tokio::test]
async fn the_http_server_takes_no_nonsense() {
    let fleet = fleet(1).await;
    for (request, answer) in [
        (b"POST /lb1/health HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 405"),
        (b"\xff\xfe\r\n\r\n".to_vec(), "HTTP/1.1 405"),
        (b"GET /nowhere/health HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 404"),
        (b"GET /lb1/../../etc/passwd HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 404"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 404"),
        (b"GET /lb1/health".to_vec(), "HTTP/1.1 200"),
        (vec![b'x'; 9_000], "HTTP/1.1 405"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(fleet.http_addr()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with(answer), "{text}");
    }
}

#[tokio::test]
async fn strangers_are_refused() {
    let fleet = fleet(1).await;
    let host = host(&fleet, "lb1");
    let config = Arc::new(client::Config::default());
    let wrong = Trusting("SHA256:other".to_owned());
    assert!(client::connect(Arc::clone(&config), host.addr, wrong).await.is_err());
    let mut handle =
        client::connect(config, host.addr, Trusting(host.hostkey.clone())).await.unwrap();
    let other = Fleet::start(&[], FleetOptions::default()).await.unwrap();
    let key: PrivateKey = other.client_key().parse().unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    assert!(!handle.authenticate_publickey("deploy", key).await.unwrap().success());
    assert!(!handle.authenticate_password("deploy", "").await.unwrap().success());
    for url in ["http://example.com/", "https://lb1/", "http://lb1.example/"] {
        assert_eq!(fleet.rewrite(url), None, "{url}");
    }
}

/// A figure of this process, in kB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    figure.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_nobody_reads_holds_up_nobody() {
    // The peak counts from here.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS:");
    let fleet = fleet(1).await;
    let blue = connect(&fleet, "blue1").await;
    let flood = blue.channel_open_session().await.unwrap();
    flood.exec(true, "flood 2000000 100").await.unwrap();
    // The flood fills its window and waits; a second connection does not care.
    let other = connect(&fleet, "blue1").await;
    for _ in 0..20 {
        assert_eq!(run(&other, "echo ok", "").await.out, "ok\n");
    }
    let mut flood = flood;
    let (mut bytes, mut status) = (0_u64, None);
    while let Some(message) = flood.wait().await {
        match message {
            ChannelMsg::Data { data } => bytes += data.len() as u64,
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    assert_eq!((bytes, status), (200_000_000, Some(0)));
    // Much less than the flood, and than what it takes to hold it; other tests take some too.
    let grown = memory("VmHWM:").saturating_sub(before);
    assert!(grown < 150_000, "{grown} kB more");
}

#[tokio::test]
async fn a_fleet_ends_when_it_is_dropped() {
    let fleet = fleet(1).await;
    let blue = connect(&fleet, "blue1").await;
    let addr = host(&fleet, "blue1").addr;
    let mut channel = blue.channel_open_session().await.unwrap();
    channel.exec(true, "sleep 1000").await.unwrap();
    drop(fleet);
    let end = async { while channel.wait().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the session must end");
    let gone = async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the port must close");
}
