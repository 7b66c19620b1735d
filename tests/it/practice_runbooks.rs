//! The shipped runbooks: good by every check, and driven there and back on the practice fleet
//! through the program's own SSH client.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use golive::base::{HostId, VarName};
use golive::engine::Reconciled;
use golive::exec::ssh::{
    Command, ConfigSource, HostSpec, Options, Output, Pool, RunEnd, SecretKey, StopSignal, Stream,
    stop_pair,
};
use golive::practice::{FLEET, Fleet, FleetOptions, ServiceState, scenario};
use golive::runbook::{
    Action, Check, Checked, Expect, Quoting, Reconcile, Runbook, SourceFile, Step, UndoSource,
    Verify, check, render,
};

const RUNBOOKS: [&str; 6] = ["blue-green", "canary", "direct", "failover", "parallel", "phased"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks")
}

fn checked(name: &str) -> Checked {
    let read = |path: &str| {
        let text = std::fs::read_to_string(folder().join(path)).map_err(|it| it.to_string())?;
        Ok(SourceFile::new(path, &text))
    };
    let main = read(&format!("{name}.toml")).unwrap();
    check(&main, &mut |path| read(path))
}

#[test]
fn the_shipped_runbooks_have_no_problem_at_all() {
    for name in RUNBOOKS {
        let checked = checked(name);
        assert_eq!(crate::runbook::listing(&checked), "", "{name}.toml");
        let phases = &checked.runbook.as_ref().unwrap().phases;
        let stages: BTreeSet<_> = phases.iter().filter_map(|phase| phase.stage).collect();
        assert_eq!(stages.len(), 8, "{name}.toml does not tell all eight stages: {stages:?}");
        let inventory = checked.inventory;
        assert_eq!(inventory.environment.unwrap().as_str(), "practice");
        let hosts: BTreeSet<_> = inventory.hosts.keys().map(HostId::as_str).collect();
        assert_eq!(hosts, BTreeSet::from(FLEET));
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

impl Output for Heard {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut heard = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        match stream {
            Stream::Stdout => heard.0.extend_from_slice(bytes),
            Stream::Stderr => heard.1.extend_from_slice(bytes),
        }
        Ok(())
    }
}

impl Heard {
    fn text(&self) -> (String, String) {
        let heard = self.0.lock().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&heard.0), text(&heard.1))
    }
}

/// A fleet, the way to it, and what was captured.
struct Night {
    fleet: Fleet,
    pool: Pool,
    values: BTreeMap<VarName, String>,
}

/// The way to the hosts of a practice fleet.
pub(crate) fn pool(fleet: &Fleet) -> Pool {
    let specs = fleet.hosts().iter().map(|host| HostSpec {
        port: Some(host.addr.port()),
        user: Some("deploy".to_owned()),
        hostkey: Some(host.hostkey.clone()),
        ..HostSpec::new(host.id.clone(), host.addr.ip().to_string())
    });
    let options = Options {
        config: ConfigSource::None,
        extra_keys: vec![SecretKey::parse(fleet.client_key()).unwrap()],
        agent: false,
        known_hosts: Some(Vec::new()),
        ..Options::default()
    };
    Pool::new(specs.collect(), options)
}

impl Night {
    async fn new(speed: u32) -> Self {
        let hosts: Vec<_> = FLEET.iter().map(|name| name.parse().unwrap()).collect();
        let options = FleetOptions { speed, ..FleetOptions::default() };
        let fleet = Fleet::start(&hosts, options).await.unwrap();
        let pool = pool(&fleet);
        Self { fleet, pool, values: BTreeMap::new() }
    }

    async fn run(&self, host: &str, line: &str) -> (RunEnd, String, String) {
        let heard = Heard::default();
        let (output, command) = (Box::new(heard.clone()), Command::new(line));
        let end = self.pool.run(&host.parse().unwrap(), command, output, StopSignal::never()).await;
        let (out, err) = heard.text();
        (end, out, err)
    }

    fn render(&self, template: &str) -> String {
        render(template, &self.values, &BTreeSet::new(), Quoting::Shell).unwrap()
    }

    /// Runs `line` on all `hosts` at once; what they print, host by host.
    async fn run_on(&self, hosts: &[HostId], line: &str, expect: &Expect) -> String {
        let runs = hosts.iter().map(|host| self.run(host.as_str(), line));
        let mut all = String::new();
        for (end, out, err) in futures_util::future::join_all(runs).await {
            let good = matches!(end, RunEnd::Exited { code: 0, whole: true });
            assert!(good, "{line}: {end:?}\n{out}{err}");
            if let Some(pattern) = &expect.stdout {
                let pattern = regex::Regex::new(pattern).unwrap();
                let found = out.lines().any(|line| pattern.is_match(line));
                assert!(found, "{line}: no line matches `{pattern}`:\n{out}");
            }
            all.push_str(&out);
        }
        all
    }

    async fn verify(&self, hosts: &[HostId], verify: Option<&Verify>) {
        let Some(Verify { check: Check::Run(line), .. }) = verify else { return };
        let line = self.render(line);
        self.run_on(hosts, &line, &Expect::default()).await;
    }

    async fn step(&mut self, step: &Step) {
        if let Action::Builtin(builtin) = &step.action
            && let Some(plan) = builtin.reconcile()
        {
            return self.reconcile(plan).await;
        }
        let Action::Run(line) = &step.action else { return };
        self.values.extend(step.each.iter().map(|each| (each.name.clone(), each.value.clone())));
        let out = self.run_on(&step.on, &self.render(line), &step.expect).await;
        for (name, pattern) in &step.capture {
            let found = regex::Regex::new(pattern).unwrap();
            let value = found.captures(out.trim()).unwrap()[1].to_owned();
            self.values.insert(name.clone(), value);
        }
        self.verify(&step.on, step.verify.as_ref()).await;
    }

    async fn reconcile(&self, plan: &Reconcile<String>) {
        let mut sides = Vec::new();
        for (_, side) in plan.sides() {
            let line = self.render(&side.run);
            let hosts = std::slice::from_ref(&side.on);
            sides.push(self.run_on(hosts, &line, &Expect::default()).await);
        }
        let found = Reconciled::of(plan, sides[0].as_bytes(), sides[1].as_bytes());
        assert!(found.is_equal(), "{}: {:?}", found.words(), found.lines(120));
    }

    async fn undo(&self, step: &Step) {
        let UndoSource::Undo(undo) = &step.undo else { return };
        let Action::Run(line) = &undo.action else { panic!("an undo that is no command") };
        let hosts = undo.on.as_ref().unwrap_or(&step.on);
        self.run_on(hosts, &self.render(line), &Expect::default()).await;
        self.verify(hosts, undo.verify.as_ref()).await;
    }

    /// All steps that `take` wants, in order, then their undo from the last to the first, and
    /// the steps after a rollback.
    async fn there_and_back(&mut self, runbook: &Runbook, take: impl Fn(&Step) -> bool) {
        let steps: Vec<_> = runbook.forward().filter(|step| take(step)).collect();
        for step in &steps {
            self.step(step).await;
        }
        for step in steps.iter().rev() {
            self.undo(step).await;
        }
        for step in &runbook.rollback.after {
            self.step(step).await;
        }
    }
}

#[tokio::test]
async fn every_runbook_goes_there() {
    for name in RUNBOOKS {
        let runbook = checked(name).runbook.unwrap();
        let mut night = Night::new(20).await;
        night.values = runbook.vars.clone();
        for step in runbook.forward() {
            night.step(step).await;
        }
        let world = night.fleet.world();
        assert_eq!(world.weights["lb1"], (0, 100), "{name}");
        assert_eq!(world.weights["lb2"], (0, 100), "{name}");
        assert_eq!(world.versions["green1"], "2.0.0", "{name}");
        let primary = if name == "canary" { "db-old" } else { "db-new" };
        assert_eq!(world.primary, primary, "{name}");
        let outage = ["direct", "failover"].contains(&name); // It was just over.
        assert!(world.metrics.errors_bp < 100 || outage, "{name}: {:?}", world.metrics);
    }
}

#[tokio::test]
async fn every_runbook_comes_back() {
    for name in RUNBOOKS {
        let runbook = checked(name).runbook.unwrap();
        let mut night = Night::new(20).await;
        night.values = runbook.vars.clone();
        let before = night.fleet.world();
        night.there_and_back(&runbook, |step| !step.point_of_no_return).await;
        let after = night.fleet.world();
        assert_eq!(after.weights, before.weights, "{name}");
        assert_eq!(after.services, before.services, "{name}");
        assert_eq!(after.versions, before.versions, "{name}");
        assert_eq!(after.primary, before.primary, "{name}");
        assert!(after.rows["db-old/orders"] > before.rows["db-old/orders"], "{name}");
        assert_eq!(after.rows.get("db-new/orders"), None, "{name}");
        assert_eq!(after.services["green1/orders"], ServiceState::Stopped, "{name}");
    }
}

#[tokio::test]
async fn the_client_proves_that_a_stopped_command_is_gone() {
    let night = Night::new(1).await;
    let (stop, signal) = stop_pair();
    let heard = Heard::default();
    let (output, command) = (Box::new(heard.clone()), Command::new("echo on; sleep 1000"));
    let host: HostId = "db-old".parse().unwrap();
    let run = night.pool.run(&host, command, output, signal);
    let stopping = async {
        while heard.text().0.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.stop(Duration::from_secs(30));
    };
    let (end, ()) = tokio::join!(run, stopping);
    let RunEnd::Stopped { proof, .. } = end else { panic!("{end:?}") };
    assert!(proof.gone && !proof.killed, "{proof:?}");

    // One that does not listen is killed.
    let (stop, signal) = stop_pair();
    let heard = Heard::default();
    let line = "trap '' TERM; echo on; while :; do sleep 1; done";
    let run = night.pool.run(&host, Command::new(line), Box::new(heard.clone()), signal);
    let stopping = async {
        while heard.text().0.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.stop(Duration::from_millis(200));
    };
    let (end, ()) = tokio::join!(run, stopping);
    let RunEnd::Stopped { proof, .. } = end else { panic!("{end:?}") };
    assert!(proof.gone && proof.killed, "{proof:?}");
}

#[tokio::test]
async fn what_the_client_sends_arrives_as_it_was() {
    let night = Night::new(1).await;
    let mut command = Command::new("echo \"$A\"\ncat\nprintf '%s\\n' 'it'\\''s' >&2");
    command.env = vec![("A".to_owned(), "x'y\nz $HOME".to_owned())];
    command.stdin = Some(b"from stdin\n".to_vec());
    let heard = Heard::default();
    let host: HostId = "blue2".parse().unwrap();
    let output = Box::new(heard.clone());
    let end = night.pool.run(&host, command, output, StopSignal::never()).await;
    assert!(matches!(end, RunEnd::Exited { code: 0, whole: true }), "{end:?}");
    let (out, err) = heard.text();
    assert_eq!((out.as_str(), err.as_str()), ("x'y\nz $HOME\nfrom stdin\n", "it's\n"));
}

#[test]
fn the_shipped_scenarios_can_be_read() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder().join("scenarios")).unwrap() {
        let path = entry.unwrap().path();
        let faults = scenario(&std::fs::read_to_string(&path).unwrap());
        assert!(faults.is_ok_and(|faults| !faults.is_empty()), "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 2);
}

/// The answers that a runbook asks a person for, all of them yes.
fn answers(runbook: &Runbook) -> Vec<String> {
    let answer = |step: &Step| match &step.action {
        Action::Gate(_) => Some(format!("--answer={}=go:all is well", step.id)),
        Action::Manual(_) => Some(format!("--answer={}=done:done and seen", step.id)),
        Action::Run(_)
        | Action::Script(_)
        | Action::Local(_)
        | Action::Soak(_)
        | Action::Notify(_)
        | Action::Builtin(_) => None,
    };
    let critical =
        |step: &Step| step.point_of_no_return.then(|| format!("--confirm-step={}", step.id));
    runbook.forward().flat_map(|step| [answer(step), critical(step)]).flatten().collect()
}

/// Runs a runbook on the practice fleet with the program itself; its exit status and its words.
fn driven(name: &str, more: &[String]) -> (i32, String) {
    let state = tempfile::tempdir().unwrap();
    let path = folder().join(format!("{name}.toml"));
    let output = crate::cli::program(state.path(), &["run", path.to_str().unwrap()])
        .args(["--practice", "--speed", "20", "--confirm", "change"])
        .args(answers(&checked(name).runbook.unwrap()))
        .args(more)
        .output()
        .unwrap();
    let called = crate::cli::called(&output);
    (called.code, format!("{}\n{}", called.out, called.err))
}

#[test]
fn the_program_drives_every_runbook_and_brings_it_back() {
    std::thread::scope(|scope| {
        for name in RUNBOOKS {
            scope.spawn(move || {
                let (code, said) = driven(name, &[]);
                assert_eq!(code, 0, "{name}: {said}");
            });
            scope.spawn(move || {
                // The last change of the night fails, and everything before it is taken back.
                let (host, command) = match name {
                    "phased" => ("db-new", "dbctl switchover"),
                    _ => ("lb2", "lbctl weight green 100"),
                };
                let fault = format!(
                    "[[fault]]\nfault = \"fail-next\"\nhost = \"{host}\"\ncommand = \"{command}\"\n\
                     exit = 22\nmessage = \"no\"\n"
                );
                let dir = crate::cli::folder(&[("fault.toml", &fault)]);
                let scenario = format!("--scenario={}", dir.path().join("fault.toml").display());
                let (code, said) = driven(name, &[scenario, "--on-failure=rollback".to_owned()]);
                assert_eq!(code, 7, "{name}: {said}");
            });
        }
    });
}
