//! Hosts as a session knows them: the key each is held to, its clock; and the times in which
//! golive did not run.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use golive::base::{HostId, SafeText};
use golive::engine::{Actor, Command, Effect, Event, HostFact, Part, Status, Which};
use golive::exec::ssh::{HostSpec, Options, Pool};
use golive::session::{Start, View, hold_to_keys, open, start};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cli::golive_in;
use crate::night::{ONE, SOAK, change, story};
use crate::session::{GESTURE, Night, id, request};
use crate::sshd::{Sshd, eventually, pool_for};

// ---- stories ----------------------------------------------------------------------------------

#[test]
fn a_host_is_held_to_its_first_key_until_a_person_accepts_another() {
    let mut night = story(
        &change("a", ONE, ""),
        "1 key web1 A                | facts: host-noted
         2 key web1 A                | facts: 
         2 key nowhere A             | facts: 
         3 accept-key web1 rebuilt   | refused has shown no other key
         4 other-key web1 B          | facts: host-noted alarm-raised; alarm it is held to A, and showed B
         5 other-key web1 B          | facts: 
         6 other-key web1 C          | facts: host-noted alarm-raised; alarm showed C
         7 accept-key web1           | refused accepting another host key needs a reason
         8 accept-key web1 rebuilt   | facts: host-noted alarm-cleared; quiet",
    );
    assert!(matches!(&night.effects[..], [Effect::HoldToKey { key, .. }] if key.as_str() == "C"));
    crate::night::tell(
        &mut night,
        "9 key web1 C                | facts: 
         9 other-key web1 A          | facts: host-noted alarm-raised
         10 key web1 C               | facts: alarm-cleared; quiet",
    );
}

#[test]
fn a_wrong_clock_is_a_caution_and_a_steady_one_is_recorded_once() {
    story(
        &change("a", ONE, ""),
        "1 clock web1 40 3        | facts: host-noted; quiet
         2 clock web1 -300 3      | facts: 
         3 clock web1 700 3       | facts: host-noted
         4 clock web1 2003 3      | facts: host-noted; quiet
         5 clock web1 2600 3      | facts: host-noted alarm-raised; alarm clock of web1 is ahead by 2.6 s
         6 clock web1 2900 3      | facts: 
         7 clock web1 -9000 500   | facts: host-noted alarm-raised; alarm behind by 9.0 s (± 500ms)
         8 clock web1 10 3        | facts: host-noted alarm-cleared; quiet
         9 clock nowhere 9999 3   | facts: ",
    );
}

#[test]
fn no_limit_counts_the_time_in_which_golive_did_not_run() {
    let mut night = story(
        &change("a", ONE, ""),
        "1 start a                | run a.1 web1
         200 wake                 | a:running
         801 slept 600s           | a:running; facts: stood-still",
    );
    assert!(night.effects.contains(&Effect::ProbeLinks));
    crate::night::tell(
        &mut night,
        "802 wake                 | a:running; facts: 
         890 stopped 40s          | a:running; facts: stood-still
         940 wake                 | a:running; facts: ",
    );
    // 300 s of limit, 640 s lost: it is over after second 941.
    night.line("942 wake | stop a.1; a:running; facts: time-limit-reached");
}

#[test]
fn a_soak_is_longer_by_the_sleep_and_waits_for_fresh_readings() {
    story(
        &change("a", ONE, SOAK),
        "1 health p99 healthy
         1 health errors healthy
         2 start a              | run a.1 web1
         3 end a.1.web1 ok      | a:soaking; wake 63
         603 slept 590s         | a:soaking; wake 653
         603 health p99 unknown | a:soaking
         604 wake               | a:soaking
         610 health p99 healthy | a:soaking
         652 wake               | a:soaking
         654 wake               | a:succeeded",
    );
    story(
        &change("a", ONE, SOAK),
        "1 health p99 healthy
         1 health errors healthy
         2 start a              | run a.1 web1
         3 end a.1.web1 ok      | a:soaking
         603 slept 590s         | a:soaking
         603 health p99 unknown | a:soaking
         624 wake               | a:failed; alarm probe p99 is unknown",
    );
}

// ---- a real sshd whose key is swapped ---------------------------------------------------------

/// A way to a server that can lead to another one: an address that moved, or someone between.
struct Detour {
    port: u16,
    to: Arc<AtomicU16>,
    open: Arc<Mutex<JoinSet<()>>>,
}

impl Detour {
    async fn new(to: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let to = Arc::new(AtomicU16::new(to));
        let open = Arc::new(Mutex::new(JoinSet::new()));
        let (target, ways) = (Arc::clone(&to), Arc::clone(&open));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = target.load(Ordering::SeqCst);
                ways.lock().unwrap().spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await {
                        tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                    }
                });
            }
        });
        Ok(Self { port, to, open })
    }

    fn lead(&self, to: u16) {
        self.to.store(to, Ordering::SeqCst);
        self.open.lock().unwrap().abort_all();
    }
}

const TWO: &str = r#"
golive = 1
[runbook]
id = "two"
title = "Two hosts"
strategy = "direct"
[hosts.web1]
[hosts.web2]
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "One"
on = ["web1", "web2"]
run = "echo one >>DIR/ledger"
detached = false
estimate = "1s"
timeout = "1m"
undo = { run = "true" }
[[phase.step]]
id = "two"
title = "Two"
on = ["web1", "web2"]
run = "echo two >>DIR/ledger"
detached = false
estimate = "1s"
timeout = "1m"
undo = { run = "true" }
"#;

fn host(name: &str) -> HostId {
    name.parse().unwrap()
}

fn why(view: &View, step: &str, place: &str) -> String {
    let attempt = view.state.track(&id(step)).last().unwrap();
    let ends = attempt.places.iter().find(|(it, _)| it.to_string() == place);
    format!("{:?}", ends.unwrap().1.as_ref().unwrap().end)
}

fn begin(dir: &Path, pool: &Pool, resume: bool) -> (golive::session::Found, Night) {
    let file = dir.join("two.toml");
    let sessions = dir.join("state/sessions");
    let recovered = resume.then(|| {
        let session = std::fs::read_dir(sessions).unwrap().next().unwrap().unwrap();
        let id = session.file_name().to_string_lossy().parse().unwrap();
        open(&golive::session::Found { dir: session.path(), id }).unwrap()
    });
    if let Some(recovered) = &recovered {
        hold_to_keys(pool, &recovered.state);
    }
    let asked = Start { pool: pool.clone(), ..request(dir, &file, recovered) };
    let (found, handle) = start(&asked).unwrap();
    let night = Night { dir: tempfile::tempdir().unwrap(), found: found.clone(), handle };
    (found, night)
}

/// Who is told to accept a key finds it, and both clocks, where the message points to.
fn status_tells(state: &Path, held: &str, shown: &str) {
    let said = golive_in(state, &["status", "last"]).out;
    let line = format!("web1 is held to {held}, and showed {shown}: nothing is sent to it");
    assert!(said.contains(&line), "{said}");
    assert!(said.contains("--accept-host-key web1 --reason"), "{said}");
    assert!(said.contains("clocks     2 of 2 hosts; the furthest is web"), "{said}");
    let json = golive_in(state, &["status", "last", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hosts"][0]["other_key"], shown);
    assert!(json["hosts"][1]["other_key"].is_null() && json["hosts"][1]["clock_ahead"].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_during_a_run_stops_that_host_alone() {
    let (real, other) = (Sshd::start(), Sshd::start());
    let detour = Detour::new(real.port).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let text = TWO.replace("DIR", &dir.path().display().to_string());
    std::fs::write(dir.path().join("two.toml"), text).unwrap();
    let ledger = || std::fs::read_to_string(dir.path().join("ledger")).unwrap();
    // Either key is known for that address: known_hosts would take both.
    let known = real.write(
        "both_keys",
        &format!(
            "[127.0.0.1]:{0} {1}\n[127.0.0.1]:{0} {2}\n[127.0.0.1]:{3} {2}\n",
            detour.port,
            real.host_key("ed25519"),
            other.host_key("ed25519"),
            other.port
        ),
    );
    other.authorize(&crate::sshd::public(&real.identity()));
    let make = || {
        let web1 = HostSpec { port: Some(detour.port), ..real.spec("web1") };
        let web2 = HostSpec { port: Some(other.port), ..real.spec("web2") };
        let options = Options { known_hosts: Some(vec![known.clone()]), ..real.options() };
        Pool::new(vec![web1, web2], options)
    };
    let pool = make();
    let (found, night) = begin(dir.path(), &pool, false);
    night.ask(Command::Begin).await.unwrap();
    night.start("one").await;
    night.settled("one", Status::Succeeded).await;
    let seen = |view: &View| {
        let known = |name| view.state.host(&host(name));
        let whole = |name| known(name).is_some_and(|it| it.key.is_some() && it.clock.is_some());
        whole("web1") && whole("web2")
    };
    night.until("their keys and clocks are recorded", seen).await;

    detour.lead(other.port);
    eventually("the end of the link", || real.connections().is_empty().then_some(())).await;
    night.start("two").await;
    let view = night.settled("two", Status::Failed).await;
    let said = why(&view, "two", "web1");
    assert!(said.contains("NotStarted") && said.contains("CHANGED DURING THIS SESSION"), "{said}");
    assert!(why(&view, "two", "web2").contains("Exited"), "the other host goes on");
    assert_eq!(ledger(), "one\none\ntwo\n");
    let told = |view: &View| {
        let alarms = view.state.open_alarms().into_iter();
        alarms.map(|alarm| alarm.text.to_string()).any(|text| text.contains("HOST KEY OF web1"))
    };
    night.until("an alarm", told).await;
    drop(night);
    while golive::journal::Lock::holder(&found.dir).unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let entries = golive::journal::read_all(&found.dir).unwrap();
    let facts = entries.iter().flat_map(|entry| &entry.facts);
    let changed = facts.into_iter().find_map(|fact| {
        let Event::HostNoted { fact: HostFact::KeyChanged { held, shown }, .. } = &fact.event
        else {
            return None;
        };
        Some((held.to_string(), shown.to_string()))
    });
    let (held, shown) = changed.expect("both fingerprints are in the record");
    assert_ne!(held, shown);
    status_tells(&dir.path().join("state"), &held, &shown);

    // Another process: the record remembers what known_hosts does not.
    let (_, night) = begin(dir.path(), &make(), true);
    let retry = |which| Command::Retry {
        step: id("two"),
        part: Part::Action,
        which,
        gesture: GESTURE,
        reason: Some(SafeText::new("again")),
    };
    night.ask(retry(Which::Failed)).await.unwrap();
    let ended = |view: &View| {
        let track = view.state.track(&id("two"));
        track.status == Status::Failed && track.attempts.len() == 2
    };
    let view = night.until("the second attempt", ended).await;
    assert!(why(&view, "two", "web1").contains("CHANGED DURING THIS SESSION"));
    let reason = SafeText::new("rebuilt, asked Ana");
    let accept = Command::AcceptHostKey { host: host("web1"), reason };
    let by = Actor::Operator(SafeText::new("wei"));
    night.handle.submit(&by, accept).await.unwrap();
    night.ask(retry(Which::Failed)).await.unwrap();
    night.settled("two", Status::Succeeded).await;
    assert_eq!(ledger(), "one\none\ntwo\ntwo\n");
}

// ---- clocks of real hosts ---------------------------------------------------------------------

#[tokio::test]
async fn the_clock_of_a_host_is_measured_when_its_link_is_idle() {
    let bin = tempfile::tempdir().unwrap();
    let config = format!("SetEnv PATH={}:/usr/bin:/bin\n", bin.path().display());
    let sshd = Sshd::with(&["ed25519"], &config);
    // The first setting of a kind counts, so HOME is set here too.
    let pool = pool_for(&sshd, |_, _| {});
    let web1 = host("web1");
    pool.connect(&web1).await.unwrap();
    let (millis, within) = pool.clock(&web1).await.unwrap();
    let near = i64::try_from(within.as_millis()).unwrap() + 50;
    assert!(millis.abs() <= near, "{millis} ± {within}");
    let date = bin.path().join("date");
    let ahead = "#!/bin/sh\n/bin/date -d '+90 seconds' \"$@\"\n";
    std::fs::write(&date, ahead).unwrap();
    std::fs::set_permissions(&date, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (millis, within) = pool.clock(&web1).await.unwrap();
    let near = within.as_millis() + 50;
    assert!(millis.abs_diff(90_000) <= near, "{millis} ± {within}");
}
