//! Small plans for tests of the engine, made from TOML by the program's own loader and compiler,
//! and the first moments of a session.

use std::sync::Arc;

use golive::base::{Digest, SafeText, Timestamp};
use golive::engine::{Actor, Advance, Command, Event, Fact, Genesis, RunKind, State, advance};
use golive::plan::{Inputs, Plan, compile};
use golive::runbook::{SourceFile, check};

/// What every small runbook begins with: three hosts, two probes, one channel.
const HEAD: &str = r#"
golive = 1
[runbook]
id = "small"
title = "Small"
strategy = "direct"
owner = "ops"
[roles.lead]
people = ["Wei Zhang"]
[roles.dba]
people = ["Ana Souza", "Bo Li"]
[hosts.web1]
[hosts.web2]
[hosts.web3]
[[probe]]
id = "p99"
source = { tcp = "10.0.0.5:5432" }
degraded = "> 250"
failed = "> 800"
stale = "20s"
[[probe]]
id = "errors"
source = { tcp = "10.0.0.5:5433" }
failed = "> 10"
stale = "20s"
[[channel]]
id = "ops"
command = "tell-ops"
events = ["start", "phase", "gate", "failed", "rollback", "end"]
"#;

/// A plan of one phase with these steps (`[[phase.step]]` and what else a runbook holds).
pub(crate) fn plan(body: &str) -> Arc<Plan> {
    Arc::new(plan_of(&format!("{HEAD}[[phase]]\nid = \"night\"\ntitle = \"The night\"\n{body}")))
}

fn plan_of(text: &str) -> Plan {
    let main = SourceFile::new("small.toml", text);
    let checked = check(&main, &mut |path| Err(format!("no file {path}")));
    let errors: Vec<_> = checked.errors().map(|problem| &problem.message).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    let inputs = Inputs { scripts: checked.scripts, ..Inputs::default() };
    let runbook = checked.runbook.expect("it has no error");
    compile(&runbook, &checked.inventory, &inputs, Digest::of(text.as_bytes()))
        .unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}

/// Who drives in tests.
pub(crate) fn wei() -> Actor {
    Actor::Operator(SafeText::new("Wei Zhang"))
}

/// The moment `secs` seconds after the tests' beginning of time.
pub(crate) fn at(secs: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_800_000_000_000 + secs * 1000)
}

/// The first event of a session.
pub(crate) fn genesis(plan: &Plan, kind: RunKind) -> Genesis {
    Genesis {
        session: "20261129-0100-a1".parse().unwrap(),
        kind,
        version: "0.1.0".into(),
        runbook: plan.id.clone(),
        title: plan.title.clone(),
        plan: plan.digest,
        driver: "Wei Zhang".into(),
        machine: "bastion".into(),
        environment: None,
        overridden: None,
        signer: None,
    }
}

/// Opens a session of `plan` at the beginning of time.
pub(crate) fn open(plan: &Arc<Plan>, kind: RunKind) -> Advance {
    let command = Command::Open(genesis(plan, kind));
    advance(&State::new(Arc::clone(plan)), &wei(), &command, at(0)).expect("a new session opens")
}

/// What is on disk: a fact as its own JSON, read back.
pub(crate) fn written(fact: &Fact) -> Fact {
    let text = serde_json::to_string(fact).expect("a fact can be written");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The state after `journal`, from nothing and from what is on disk.
pub(crate) fn replay(plan: &Arc<Plan>, journal: &[(Timestamp, Fact)]) -> State {
    let mut state = State::new(Arc::clone(plan));
    for (at, fact) in journal {
        let Fact { by, event } = written(fact);
        state.apply(*at, &by, &event);
    }
    state
}

/// The name of an event as it is in the journal.
pub(crate) fn name(event: &Event) -> String {
    let value = serde_json::to_value(event).expect("an event can be written");
    value["ev"].as_str().expect("every event has a name").to_owned()
}
