//! The tamper matrix: every attack on a signed record, alone and against one checkpoint that
//! somebody else holds; found where it can be found, and said to be not where it cannot.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use golive::engine::{Event, Job, RunKind};
use golive::exec::ssh::SigningKey;
use golive::journal::{
    CHECKPOINT_DIR, Checkpoint, Checkpoints, Entry, JOURNAL_FILE, Journal, RealDisk, Scrutiny,
    Stamp, What, read_all, stored, verify_with,
};
use golive::practice::{Fleet, FleetOptions};
use golive::session::Notary;

use crate::cli::{Called, called, golive_in, program};
use crate::counts::counted;
use crate::sshd::PATIENCE;

const SMALL: &str = "tests/it/runbooks/small.toml";
const ALL: [&str; 12] = [
    "--practice",
    "--speed",
    "20",
    "-q",
    "--confirm",
    "change",
    "--confirm-step",
    "all",
    "--answer",
    "ready=go",
    "--answer",
    "sign-off=done:\"seen\"",
];
const WHOLE: i32 = 0;
const CONTRADICTED: i32 = 10;
const NOT_PROVEN: i32 = 15;

fn keygen(dir: &Path, name: &str, kind: &str) -> PathBuf {
    let path = dir.join(name);
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-N", "", "-C", name, "-t", kind, "-f"]).arg(&path);
    assert!(keygen.status().unwrap().success());
    path
}

fn public(key: &Path) -> String {
    fs::read_to_string(key.with_extension("pub")).unwrap().trim().to_owned()
}

fn fingerprint(key: &Path) -> String {
    let out = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

/// A signed drill, in a state directory of its own.
struct Record {
    dir: tempfile::TempDir,
    key: PathBuf,
}

impl Record {
    fn with(kind: &str, more: &[&str], agent: Option<&Path>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = keygen(dir.path(), "own", kind);
        let allowed = format!("op@ops namespaces=\"golive-checkpoint\" {}\n", public(&key));
        fs::write(dir.path().join("allowed"), allowed).unwrap();
        let named = if let Some(socket) = agent {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(&key).env("SSH_AUTH_SOCK", socket).stderr(Stdio::null());
            assert!(add.status().unwrap().success());
            fingerprint(&key)
        } else {
            key.display().to_string()
        };
        let mut args = vec!["run", SMALL, "--session", "night", "--sign-key", &named];
        args.extend(ALL.iter().chain(more));
        let mut run = program(dir.path(), &args);
        run.env_remove("GOLIVE_NO_SIGN");
        if let Some(socket) = agent {
            run.env("SSH_AUTH_SOCK", socket);
        }
        let run = called(&run.output().unwrap());
        assert_eq!(run.code, 0, "{}", run.err);
        Self { dir, key }
    }

    fn new() -> Self {
        Self::with("ed25519", &[], None)
    }

    fn session(&self) -> PathBuf {
        self.dir.path().join("sessions/night")
    }

    fn allowed(&self) -> String {
        self.dir.path().join("allowed").display().to_string()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        let (stored, strange) = stored(&RealDisk, &self.session().join(CHECKPOINT_DIR)).unwrap();
        assert!(strange.is_empty());
        stored.iter().map(|it| Checkpoint::parse(&it.text).unwrap()).collect()
    }

    /// The last checkpoint, held elsewhere.
    fn held(&self) -> String {
        let path = self.dir.path().join("held");
        fs::write(&path, self.checkpoints().last().unwrap().text()).unwrap();
        path.display().to_string()
    }

    /// What verify says of the record alone, with the operator's public key known.
    fn alone(&self) -> Called {
        let allowed = self.allowed();
        golive_in(self.dir.path(), &["verify", "night", "--allowed-signers", &allowed])
    }

    fn against(&self, witness: &str) -> Called {
        let allowed = self.allowed();
        let args = ["verify", "night", "--allowed-signers", &allowed, "--witness", witness];
        golive_in(self.dir.path(), &args)
    }

    fn edit(&self, change: impl Fn(&mut Vec<String>)) {
        let path = self.session().join(JOURNAL_FILE);
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }

    /// Writes the journal anew, chained as golive does, with `head` and outputs to fit.
    fn rewrite(&self, change: impl Fn(&mut Vec<Entry>)) {
        let mut entries = read_all(&self.session()).unwrap();
        change(&mut entries);
        for name in [JOURNAL_FILE, "head"] {
            fs::remove_file(self.session().join(name)).unwrap();
        }
        let mut journal = Journal::create(&self.session(), &"night".parse().unwrap()).unwrap();
        let mut jobs = BTreeSet::new();
        for Entry { at, wall, mono, boot, facts, .. } in entries {
            for fact in &facts {
                if let Event::AttemptStarted { key, places, .. } = &fact.event {
                    let job = |place| Job { key: key.clone(), place };
                    jobs.extend(places.iter().cloned().map(|place| job(place).to_string()));
                }
            }
            journal.append(&Stamp { at, wall, mono, boot }, &facts).unwrap();
        }
        for output in fs::read_dir(self.session().join("output")).unwrap() {
            let path = output.unwrap().path();
            if !jobs.contains(path.file_stem().unwrap().to_str().unwrap()) {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn forge(&self) {
        self.rewrite(|entries| {
            let facts = entries.iter_mut().flat_map(|entry| &mut entry.facts);
            let mut forged = false;
            for fact in facts {
                if let Event::GateDecided { reason, .. } = &mut fact.event {
                    *reason = Some("nobody said so".into());
                    forged = true;
                }
            }
            assert!(forged);
        });
    }

    fn drop_checkpoints(&self, from: usize) {
        for number in from..100 {
            for suffix in ["", ".sig"] {
                let name = format!("{CHECKPOINT_DIR}/{number:06}{suffix}");
                fs::remove_file(self.session().join(name)).ok();
            }
        }
    }

    /// Checkpoints of the journal as it is now, signed by `ssh-keygen` with `key`.
    fn sign_anew(&self, key: &Path) {
        self.drop_checkpoints(1);
        let bytes = fs::read(self.session().join(JOURNAL_FILE)).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let mut checkpoints = Checkpoints::open(&RealDisk::shared(), &self.session()).unwrap();
        let checkpoint = Checkpoint {
            session: "night".parse().unwrap(),
            lines: u64::try_from(text.lines().count()).unwrap(),
            bytes: u64::try_from(bytes.len()).unwrap(),
            digest: golive::base::Digest::of(&bytes),
            head: last["seal"].as_str().unwrap().parse().unwrap(),
            prev: None,
            key: None,
        };
        assert_eq!(checkpoints.add(&checkpoint).unwrap(), 1);
        let file = self.session().join(CHECKPOINT_DIR).join("000001");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", "golive-checkpoint", "-f"]).arg(key).arg(&file);
        assert!(sign.stderr(Stdio::null()).status().unwrap().success());
    }
}

/// One row of the matrix.
fn row(name: &str, alone: i32, held: i32, attack: impl Fn(&Record)) {
    let record = Record::new();
    let witness = record.held();
    assert_eq!(record.against(&witness).code, WHOLE, "before: {name}");
    attack(&record);
    let said = record.alone();
    assert_eq!(said.code, alone, "alone: {name}\n{}{}", said.out, said.err);
    let said = record.against(&witness);
    assert_eq!(
        said.code, held,
        "with a checkpoint held elsewhere: {name}\n{}{}",
        said.out, said.err
    );
    let tampering = |side: &str, code: i32| {
        let found = match code {
            CONTRADICTED => "found",
            NOT_PROVEN => "not called proven",
            _ => "cannot be found, as documented",
        };
        counted("tampering with a record", &format!("{side}: {name}: {found}"), 1, 0);
    };
    tampering("record alone", alone);
    tampering("one checkpoint held elsewhere", held);
}

#[test]
fn lines_that_were_touched() {
    let both = |name, attack: &dyn Fn(&mut Vec<String>)| {
        row(name, CONTRADICTED, CONTRADICTED, |record| record.edit(attack));
    };
    both("flip a byte", &|lines| lines[4] = lines[4].replacen("\"at\":\"2", "\"at\":\"3", 1));
    both("delete an event", &|lines| drop(lines.remove(4)));
    both("insert an event", &|lines| lines.insert(6, lines[4].clone()));
    both("swap two events", &|lines| lines.swap(4, 5));
    row("cut the end, keep the checkpoints", CONTRADICTED, CONTRADICTED, |record| {
        record.rewrite(|entries| entries.truncate(entries.len() - 1));
    });
}

#[test]
fn histories_that_were_written_anew() {
    row("rollback to an earlier checkpoint", NOT_PROVEN, CONTRADICTED, |record| {
        // How many there are depends on how fast it went; one stays, and the last goes.
        let all = record.checkpoints();
        let [.., earlier, _] = &all[..] else { panic!("{} checkpoints", all.len()) };
        let lines = usize::try_from(earlier.lines).unwrap();
        record.rewrite(|entries| entries.truncate(lines));
        record.drop_checkpoints(all.len());
    });
    row("linked anew without the key", CONTRADICTED, CONTRADICTED, Record::forge);
    row("the same, every checkpoint deleted", NOT_PROVEN, CONTRADICTED, |record| {
        record.forge();
        record.drop_checkpoints(1);
    });
    row("written and signed anew with the operator's key", WHOLE, CONTRADICTED, |record| {
        record.forge();
        record.sign_anew(&record.key);
    });
    row("written anew and signed with another key", CONTRADICTED, CONTRADICTED, |record| {
        let other = keygen(record.dir.path(), "other", "ed25519");
        record.forge();
        record.sign_anew(&other);
    });
    row("the same, and the record names that key", CONTRADICTED, CONTRADICTED, |record| {
        let other = keygen(record.dir.path(), "other", "ed25519");
        record.rewrite(|entries| {
            let Event::SessionOpened(genesis) = &mut entries[0].facts[0].event else { panic!() };
            let line = public(&other);
            let bare: Vec<&str> = line.split(' ').take(2).collect();
            genesis.signer = Some(bare.join(" ").as_str().into());
        });
        record.sign_anew(&other);
        // Without a file of who may sign there is nothing to compare with, and verify says so.
        let nobody = golive_in(record.dir.path(), &["verify", "night"]);
        assert_eq!(nobody.code, WHOLE, "{}", nobody.out);
        assert!(nobody.out.contains("nobody vouches for it here"), "{}", nobody.out);
        assert!(nobody.out.contains(&fingerprint(&other)), "{}", nobody.out);
    });
}

#[test]
fn what_is_no_attack_on_lines() {
    row("a checkpoint edited", CONTRADICTED, CONTRADICTED, |record| {
        let path = record.session().join(CHECKPOINT_DIR).join("000002");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("head:", "head:0", 1)).unwrap();
    });
    // A crash is told as a crash: nothing is contradicted, and the record is not whole.
    row("a torn tail", NOT_PROVEN, NOT_PROVEN, |record| {
        let path = record.session().join(JOURNAL_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "{\"v\":1,\"seq\":").unwrap();
    });
    row("a drill presented as the real run", CONTRADICTED, CONTRADICTED, |record| {
        let said = record.alone();
        assert!(said.out.contains("night (DRILL)"), "{}", said.out);
        record.rewrite(|entries| {
            let Event::SessionOpened(genesis) = &mut entries[0].facts[0].event else { panic!() };
            genesis.kind = RunKind::Live;
        });
    });
    // A program that never recorded an event signs what it has, and its witnesses hold that: nothing
    // here can show it, and nothing says that it does.
    let record = Record::new();
    record.rewrite(|entries| {
        for entry in &mut *entries {
            entry.facts.retain(|fact| !matches!(fact.event, Event::SignedOff { .. }));
        }
        entries.retain(|entry| !entry.facts.is_empty());
    });
    record.sign_anew(&record.key);
    assert_eq!((record.alone().code, record.against(&record.held()).code), (WHOLE, WHOLE));
}

#[test]
fn a_wrong_clock_is_bounded_by_when_a_witness_heard() {
    let record = Record::new();
    record.rewrite(|entries| {
        let hours = golive::base::Millis::from_secs(3600 * 5);
        for entry in entries {
            entry.wall = entry.wall.after(hours);
        }
    });
    record.sign_anew(&record.key);
    let alone = record.alone();
    assert!(alone.out.contains("clock      no jump"), "alone it cannot be seen: {}", alone.out);
    let witness = record.dir.path().join("witness");
    fs::create_dir(&witness).unwrap();
    fs::copy(record.session().join("checkpoints/000001"), witness.join("000001")).unwrap();
    let first = read_all(&record.session()).unwrap()[0].at;
    fs::write(witness.join("arrived"), format!("000001 {}\n", first.rfc3339())).unwrap();
    let said = record.against(&witness.display().to_string());
    assert!(said.out.contains("came to"), "{}", said.out);
    assert_eq!(said.code, WHOLE, "an anomaly is told, not judged");
}

#[test]
fn a_noted_head_is_a_witness() {
    let record = Record::new();
    let head = record.checkpoints().last().unwrap().head.short();
    let note = format!("head:{head}");
    assert_eq!(record.against(&note).code, WHOLE);
    record.forge();
    record.sign_anew(&record.key);
    assert_eq!((record.alone().code, record.against(&note).code), (WHOLE, CONTRADICTED));
}

/// An agent of the test's own, ended with it.
struct Agent {
    child: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let child = agent.spawn().unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        Self { child, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn ssh_keygen_says_good(record: &Record, number: &str, allowed: &Path, who: &str) -> bool {
    let path = record.session().join(CHECKPOINT_DIR).join(number);
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-q", "-Y", "verify", "-n", "golive-checkpoint", "-I", who, "-f"]).arg(allowed);
    verify.arg("-s").arg(path.with_extension("sig")).stdin(fs::File::open(&path).unwrap());
    verify.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn stock_ssh_keygen_agrees_on_every_kind_of_key_in_an_agent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path());
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let record = Record::with(kind, &[], Some(&agent.socket));
        assert_eq!(record.alone().code, WHOLE, "{kind}");
        for number in 1..=record.checkpoints().len() {
            let allowed = record.dir.path().join("allowed");
            let name = format!("{number:06}");
            assert!(ssh_keygen_says_good(&record, &name, &allowed, "op@ops"), "{kind} {name}");
        }
    }
}

#[test]
fn a_key_that_is_asked_once_certifies_one_that_signs_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path());
    let record = Record::with("ed25519", &["--sign-once"], Some(&agent.socket));
    let said = record.alone();
    assert_eq!(said.code, WHOLE, "{}", said.out);
    assert!(said.out.contains("a key of this session, certified by"), "{}", said.out);
    let checkpoints = record.checkpoints();
    let certified = checkpoints[0].key.clone().unwrap();
    let session = dir.path().join("session");
    fs::write(&session, format!("night {certified}\n")).unwrap();
    let allowed = record.dir.path().join("allowed");
    assert!(ssh_keygen_says_good(&record, "000001", &allowed, "op@ops"));
    for number in 2..=checkpoints.len() {
        assert!(ssh_keygen_says_good(&record, &format!("{number:06}"), &session, "night"));
    }
    // Without the signature that certifies it, the session's key is nobody's.
    fs::remove_file(record.session().join("checkpoints/000001.sig")).unwrap();
    assert_eq!(record.alone().code, CONTRADICTED);
}

#[test]
fn the_readme_needs_nothing_but_stock_tools() {
    let record = Record::new();
    let readme = fs::read_to_string("README.md").unwrap();
    let (_, section) = readme.split_once("## Check a record without golive").unwrap();
    let (_, script) = section.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let run = |script: &str| {
        let mut sh = Command::new("sh");
        sh.args(["-euc", script]).current_dir(record.session());
        let out = sh.env("ALLOWED", record.allowed()).env("WHO", "op@ops").output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (good, said) = run(script);
    assert!(good && said.contains("Good \"golive-checkpoint\" signature for op@ops"), "{said}");
    assert!(said.contains(": OK"), "{said}");
    record.forge();
    assert!(!run(script).0, "a forged journal does not pass");
}

#[test]
fn the_report_says_how_to_check_it_by_hand() {
    let record = Record::new();
    let report =
        golive_in(record.dir.path(), &["export", "night", "--format", "md", "-o", "-"]).out;
    let (_, evidence) = report.rsplit_once("Evidence\n").unwrap();
    let (table, script) = evidence.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let run = || {
        let mut sh = Command::new("sh");
        sh.args(["-euc", script]).current_dir(record.session());
        let out = sh.env("ALLOWED", record.allowed()).env("WHO", "op@ops").output().unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (good, said) = run();
    assert!(good && said.contains("Good \"golive-checkpoint\" signature for op@ops"), "{said}");
    let sums: Vec<_> = said.lines().filter(|line| line.contains("  output/")).collect();
    assert!(!sums.is_empty(), "{said}");
    for line in sums {
        let (sum, file) = line.split_once("  ").unwrap();
        let empty = fs::metadata(record.session().join(file)).unwrap().len() == 0;
        assert!(table.contains(sum) && (empty || table.contains(file)), "{line}\n{table}");
    }
    record.forge();
    assert!(!run().0, "a forged journal does not pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_of_a_session_hold_its_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let (inputs, plan) = crate::session::inputs(Path::new(SMALL));
    let hosts: Vec<_> = plan.hosts.keys().cloned().collect();
    let fleet = Fleet::start(&hosts, FleetOptions::default()).await.unwrap();
    let pool = crate::practice_runbooks::pool(&fleet);
    for host in &hosts {
        pool.connect(host).await.unwrap();
    }
    let start = golive::session::Start {
        inputs,
        plan,
        pool: pool.clone(),
        notary: Some(Notary { key: Some(SigningKey::generate().unwrap()), ..Notary::default() }),
        ..crate::session::request(dir.path(), Path::new(SMALL), None)
    };
    let (found, handle) = golive::session::start(&start).unwrap();
    let held_by_all = async {
        while handle.view().signing.witnesses < hosts.len() {
            handle.settle().await;
        }
    };
    tokio::time::timeout(PATIENCE, held_by_all).await.unwrap();
    for host in &hosts {
        let text = golive::session::held_by(&pool, host, &found.id).await.unwrap();
        let witness = golive::journal::Witness::parse(host.as_str(), &text);
        assert!(!witness.held.is_empty() && !witness.arrived.is_empty(), "{text}");
        assert!(witness.held.iter().all(|held| held.signature.is_some()), "{text}");
        let look = Scrutiny { witnesses: vec![witness], ..Scrutiny::default() };
        let verdict = verify_with(&RealDisk, &found.dir, None, &look).unwrap();
        assert!(verdict.intact, "{:?}", verdict.findings);
        // Lines that came since, such as a host's clock, wait for their checkpoint.
        let (witnessed, covered) = (verdict.evidence.witnessed, verdict.evidence.covered);
        assert!(witnessed > 0 && witnessed == covered, "{witnessed} of {covered}");
        fs::rename(found.path(CHECKPOINT_DIR), dir.path().join("away")).unwrap();
        let gone = verify_with(&RealDisk, &found.dir, None, &look).unwrap();
        assert!(gone.findings.iter().any(|finding| finding.what == What::Witness));
        fs::rename(dir.path().join("away"), found.path(CHECKPOINT_DIR)).unwrap();
    }
    drop(handle);
    pool.close().await;
    fleet.shutdown().await;
}
