//! Where a run happens: the hosts of its plan, or the practice fleet in their place.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::base::{HostId, SafeText};
use crate::engine::RunKind;
use crate::exec::Secrets;
use crate::exec::ssh::{ConfigSource, HostSpec, NeverAsk, Options, Passphrase, Pool, SecretKey};
use crate::plan::{Plan, Text};
use crate::practice::{self, FleetOptions, PlannedFault};
use crate::runbook::{Host, Source};
use crate::session::may_run;

use super::args::{Fleet, Guard};
use super::exit::Exit;
use super::message::Failure;
use super::screen::Screen;
use super::secrets;

/// The environment of the practice fleet.
const PRACTICE: &str = "practice";

/// Hosts that can be reached, and the plan as it is for them.
#[derive(Debug)]
pub(super) struct Ground {
    /// The hosts.
    pub pool: Pool,
    /// The plan; its digest is that of the inputs, whatever addresses it has.
    pub plan: Arc<Plan>,
    /// The values of its secrets.
    pub secrets: Secrets,
    /// Lives as long as the run.
    fleet: Option<practice::Fleet>,
}

impl Ground {
    /// The hosts as the inventory names them. `ask` is asked for passphrases.
    pub(super) fn real(plan: Arc<Plan>, secrets: Secrets, ask: Arc<dyn Passphrase>) -> Self {
        let specs = plan.hosts.values().map(spec).collect();
        let pool = Pool::new(specs, Options { prompt: ask, ..Options::default() });
        Self { pool, plan, secrets, fleet: None }
    }

    /// The practice fleet under the names of the plan's hosts, and made-up secrets.
    pub(super) async fn practice(
        screen: Screen,
        plan: &Plan,
        args: &Fleet,
    ) -> Result<Self, Failure> {
        let secrets = secrets::made_up(screen, plan);
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(Exit::Failed, format!("the practice fleet {what}: {error}"))
        };
        let faults = args.scenario.as_deref().map(scenario).transpose()?.unwrap_or_default();
        let hosts: Vec<HostId> = plan.hosts.keys().cloned().collect();
        let options = FleetOptions { seed: args.seed, speed: args.speed, faults };
        let fleet = practice::Fleet::start(&hosts, options)
            .await
            .map_err(|error| failed("cannot listen on loopback", &error))?;
        let key = SecretKey::parse(fleet.client_key())
            .map_err(|error| failed("has no usable key", &error))?;
        let plan = dressed(&fleet, plan);
        let options = Options {
            config: ConfigSource::None,
            extra_keys: vec![key],
            agent: false,
            known_hosts: Some(Vec::new()),
            clocks: args.speed <= 1, // Theirs are meant to run ahead.
            prompt: Arc::new(NeverAsk),
            ..Options::default()
        };
        let pool = Pool::new(plan.hosts.values().map(spec).collect(), options);
        Ok(Self { pool, plan: Arc::new(plan), secrets, fleet: Some(fleet) })
    }

    /// Opens the links to all hosts; those that cannot be opened, and why.
    pub(super) async fn warm(&self) -> Vec<String> {
        let hosts = self.plan.hosts.keys();
        let opened = join_all(hosts.map(|host| self.pool.connect(host))).await;
        opened.into_iter().filter_map(|peer| Some(peer.err()?.to_string())).collect()
    }

    /// Another plan of the same run as it is on this ground.
    pub(super) fn dress(&self, plan: &Arc<Plan>) -> Arc<Plan> {
        self.fleet.as_ref().map_or_else(|| Arc::clone(plan), |fleet| Arc::new(dressed(fleet, plan)))
    }

    /// Whether the hosts are the practice fleet, which ends with this process.
    pub(super) const fn is_practice(&self) -> bool {
        self.fleet.is_some()
    }

    /// Says goodbye to the hosts.
    pub(super) async fn leave(self) {
        self.pool.close().await;
        if let Some(fleet) = self.fleet {
            fleet.shutdown().await;
        }
    }
}

/// A plan as it is on the practice fleet: its addresses in the place of the real ones.
fn dressed(fleet: &practice::Fleet, plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.environment = Some(SafeText::new(PRACTICE));
    for host in fleet.hosts() {
        if let Some(own) = plan.hosts.get_mut(&host.id) {
            own.address = host.addr.ip().to_string();
            own.port = Some(host.addr.port());
            own.hostkey = Some(host.hostkey.clone());
            if let Some(proof) = &mut own.proof {
                // The real machine's answer is not to be had here.
                "hostname".clone_into(&mut proof.run);
                host.id.as_str().clone_into(&mut proof.equals);
            }
            own.user = Some("practice".to_owned());
            own.jump.clear();
            own.identity = None;
        }
    }
    for probe in &mut plan.probes {
        if let Source::Http { url, .. } = &mut probe.source
            && let Some(inside) = fleet.rewrite(url)
        {
            *url = inside;
            // The fleet is on this machine, and the operator asked for it.
            probe.allow.push(fleet.http_addr().to_string());
        }
    }
    for http in plan.http_mut() {
        if let Some(inside) = fleet.rewrite(http.url.shown()) {
            http.url = Text::literal(&inside);
            http.allow.push(fleet.http_addr().to_string());
        }
    }
    // Made-up addresses lead nowhere: who is told over the network is not told of practice.
    plan.channels.retain(|channel| channel.way.secrets().is_empty());
    plan
}

/// A host of a plan, to be reached.
pub(super) fn spec(host: &Host) -> HostSpec {
    HostSpec {
        port: host.port,
        user: host.user.clone(),
        jump: host.jump.clone(),
        identity: host.identity.as_ref().map(Into::into),
        hostkey: host.hostkey.clone(),
        proof: host.proof.clone(),
        max_concurrent: usize::from(host.max_concurrent),
        ..HostSpec::new(host.id.clone(), host.address.as_str())
    }
}

fn scenario(path: &std::path::Path) -> Result<Vec<PlannedFault>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Invalid, format!("cannot read {shown}: {error}")))?;
    practice::scenario(&text)
        .map_err(|error| Failure::new(Exit::Invalid, format!("{shown}: {error}")))
}

/// The plan with its environment known, and the reason why it may differ from what `kind` wants.
pub(super) fn allow(
    plan: Arc<Plan>,
    kind: RunKind,
    guard: &Guard,
) -> Result<(Arc<Plan>, Option<SafeText>), Failure> {
    let mut plan = plan;
    if let Some(named) = &guard.environment {
        let named = SafeText::new(named);
        match &plan.environment {
            Some(known) if *known != named => {
                let message = format!("the inventory says `{known}`, --environment says `{named}`");
                return Err(Failure::usage(message).help("leave --environment out"));
            }
            Some(_) => {}
            None => plan = Arc::new(Plan { environment: Some(named), ..(*plan).clone() }),
        }
    }
    let reason = guard.override_environment.as_deref().map(str::trim);
    match (may_run(kind, plan.environment.as_ref()), reason) {
        (Ok(()), _) => Ok((plan, None)),
        (Err(_), Some(reason)) if !reason.is_empty() && plan.environment.is_some() => {
            Ok((plan, Some(SafeText::new(reason))))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Who drives: the option, else the login name; behind `sudo` the one of the person.
pub(super) fn driver(option: Option<&str>) -> SafeText {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let named = named.iter().filter_map(|name| std::env::var(name).ok());
    let named = option.map(str::to_owned).into_iter().chain(named);
    let mut named = named.filter(|name| !name.trim().is_empty());
    SafeText::new(&named.next().unwrap_or_else(account))
}

/// The account's name, else its number.
fn account() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = accounts.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()));
    let name = own.and_then(|line| line.split(':').next());
    name.map_or_else(|| format!("uid {uid}"), str::to_owned)
}
