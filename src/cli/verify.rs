//! `golive verify`: what is proven of a record, and what not.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Digest, SafeText, Timestamp};
use crate::engine::{Event, Genesis, RunKind};
use crate::exec::ssh::{HostSpec, Options, Pool};
use crate::journal::{
    self, AllowedSigners, JOURNAL_FILE, Lock, RealDisk, Scrutiny, Verdict, Witness, read,
    verify_with,
};
use crate::session::{Found, Inputs, InputsError, Store, held_by};

use super::args::VerifyArgs;
use super::exit::Exit;
use super::ground::spec;
use super::message::Failure;
use super::run::{asker, on_runtime};
use super::screen::{Ink, Screen};
use super::verify_tell::{document, tell};

/// Whether the pinned texts are those that the session was started from.
#[derive(Debug)]
pub(super) enum Pinned {
    /// They give the plan's digest.
    Same(Digest),
    /// They do not, or cannot be read.
    Wrong(String),
    /// The disk does not give them back.
    Unreadable(String),
    /// The journal does not say what they should give.
    Unknown,
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Findings {
    pub found: Found,
    pub verdict: Verdict,
    pub pinned: Pinned,
    pub kind: Option<RunKind>,
    pub vouching: bool,
    /// The roles of the runbook by the fingerprints of their keys.
    pub roles: BTreeMap<String, Vec<String>>,
    pub exit: Exit,
}

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &VerifyArgs) -> Result<Exit, Failure> {
    let (found, by_name) = find(store, &args.session)?;
    let genesis = genesis(&found);
    let (witnesses, unheard) = witnesses(&found, genesis.as_ref(), &args.witness)?;
    let allowed = args.allowed_signers.as_deref().map(allowed).transpose()?;
    let vouching = allowed.is_some();
    let now = jiff::Timestamp::now().as_millisecond();
    let look = Scrutiny {
        allowed,
        identity: args.identity.clone(),
        witnesses,
        now: Timestamp::from_unix_millis(u64::try_from(now).unwrap_or(0)),
    };
    let verdict = verify_with(&RealDisk, &found.dir, by_name.then_some(&found.id), &look)?;
    screen.say_where_it_goes_on(&found.dir);
    let pinned = pinned(&found, genesis.as_ref());
    let driven = Lock::holder(&found.dir).ok().flatten();
    let intact = verdict.intact && !matches!(pinned, Pinned::Wrong(_));
    let foreign = verdict.is_foreign() && !matches!(pinned, Pinned::Wrong(_));
    let whole = verdict.is_sealed() && verdict.is_signed();
    let unread = !verdict.unreadable.is_empty() || matches!(pinned, Pinned::Unreadable(_));
    let exit = match (intact, whole) {
        _ if foreign => Exit::Usage,
        (false, _) => Exit::Contradicted,
        (true, _) if unread => Exit::Failed,
        (true, _) if !unheard.is_empty() => Exit::Unreachable,
        (true, false) => Exit::Unsealed,
        (true, true) => Exit::Done,
    };
    let kind = genesis.map(|genesis| genesis.kind);
    let roles = roles(&found, &pinned);
    let all = Findings { found, verdict, pinned, kind, vouching, roles, exit };
    for why in &unheard {
        screen.complain(&format!("{} {why}", screen.error_ink(Ink::Yellow, "not heard:")));
    }
    if args.json {
        screen.data(&document(&all))?;
        return Ok(exit);
    }
    screen.text(&tell(screen, &all, driven.as_ref()))?;
    Ok(exit)
}

/// The session of this name, or in this directory; and whether it was found by its name.
fn find(store: &Store, name: &str) -> Result<(Found, bool), Failure> {
    let path = Path::new(name);
    if path.join(JOURNAL_FILE).exists() {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let base = path.file_name().and_then(|base| base.to_str()).unwrap_or("record");
        let id = base.parse().or_else(|_| "record".parse());
        let id = id.map_err(|error| Failure::usage(format!("{error}")))?;
        return Ok((Found { id, dir: path }, false));
    }
    if name.contains('/') {
        let message = format!("{} holds no record: no {JOURNAL_FILE}", SafeText::new(name));
        return Err(Failure::usage(message).help("give a session's directory, or its name"));
    }
    Ok((store.find(name)?, true))
}

fn genesis(found: &Found) -> Option<Genesis> {
    let first = read(&found.dir).ok().and_then(|mut reader| reader.next()?.ok());
    let event = first?.facts.into_iter().next()?.event;
    if let Event::SessionOpened(genesis) = event { Some(genesis) } else { None }
}

fn pinned(found: &Found, genesis: Option<&Genesis>) -> Pinned {
    let Some(genesis) = genesis else { return Pinned::Unknown };
    match Inputs::pinned(found) {
        Ok(inputs) if inputs.digest() == genesis.plan => match later(found) {
            Ok(()) => Pinned::Same(genesis.plan),
            Err(error) => Pinned::Wrong(error.to_string()),
        },
        Ok(inputs) => Pinned::Wrong(format!(
            "the pinned texts give the plan {}, the session was started from {}",
            inputs.digest().short(),
            genesis.plan.short()
        )),
        Err(error) if error.is_of_the_disk() => Pinned::Unreadable(error.to_string()),
        Err(error) => Pinned::Wrong(error.to_string()),
    }
}

/// Whether the texts of every plan that took the place of the first are there.
fn later(found: &Found) -> Result<(), InputsError> {
    let lines = read(&found.dir).ok().into_iter().flatten().map_while(Result::ok);
    for fact in lines.flat_map(|line| line.facts) {
        if let Event::Replanned { plan, .. } = fact.event {
            Inputs::pinned_beside(&RealDisk, found, plan)?;
        }
    }
    Ok(())
}

/// The roles of the pinned runbook with their people, by the keys that it names.
fn roles(found: &Found, pinned: &Pinned) -> BTreeMap<String, Vec<String>> {
    let mut roles = BTreeMap::<String, Vec<String>>::new();
    let same = matches!(pinned, Pinned::Same(_));
    let inputs = Inputs::pinned(found).ok().filter(|_| same);
    let plan = inputs.and_then(|inputs| inputs.plan(&inputs.check()).ok());
    for (id, role) in plan.iter().flat_map(|plan| &plan.roles) {
        let people: Vec<&str> = role.people.iter().map(SafeText::as_str).collect();
        let people = people.join(", ");
        let name = if people.is_empty() { id.to_string() } else { format!("{id} ({people})") };
        for key in &role.keys {
            roles.entry(key.clone()).or_default().push(name.clone());
        }
    }
    roles
}

fn allowed(path: &Path) -> Result<AllowedSigners, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    AllowedSigners::parse(&text)
        .map_err(|why| Failure::usage(format!("{shown}, {why}")).help("see ssh-keygen(1)"))
}

/// What the witnesses hold, and why some cannot be heard.
fn witnesses(
    found: &Found,
    genesis: Option<&Genesis>,
    named: &[String],
) -> Result<(Vec<Witness>, Vec<String>), Failure> {
    let (mut heard, mut unheard) = (Vec::new(), Vec::new());
    for name in named {
        if let Some(head) = name.strip_prefix("head:") {
            heard.push(Witness::noted(head).map_err(Failure::usage)?);
        } else if let Some(host) = name.strip_prefix("ssh:") {
            match over_ssh(found, genesis, host) {
                Ok(witness) => heard.push(witness),
                Err(why) => unheard.push(why),
            }
        } else {
            let witness = Witness::read(Path::new(name));
            heard.push(witness.map_err(|error| Failure::usage(error.to_string()))?);
        }
    }
    Ok((heard, unheard))
}

/// What `host` holds: a host of the session as its inventory names it, else one as `ssh` knows it.
fn over_ssh(found: &Found, genesis: Option<&Genesis>, host: &str) -> Result<Witness, String> {
    let session = genesis.map_or(&found.id, |genesis| &genesis.session);
    let inputs = Inputs::pinned(found).ok();
    let plan = inputs.and_then(|inputs| inputs.plan(&inputs.check()).ok());
    let known =
        plan.as_ref().and_then(|plan| plan.hosts.values().find(|it| it.id.as_str() == host));
    let spec = if let Some(known) = known {
        spec(known)
    } else {
        let (user, address) =
            host.rsplit_once('@').map_or((None, host), |(user, it)| (Some(user), it));
        let id = address.parse().or_else(|_| "witness".parse());
        let id = id.map_err(|error| format!("{host}: {error}"))?;
        HostSpec { user: user.map(str::to_owned), ..HostSpec::new(id, address) }
    };
    let id = spec.id.clone();
    let mut text = Err(String::new());
    on_runtime(async {
        let pool = Pool::new(vec![spec], Options { prompt: asker(), ..Options::default() });
        text = held_by(&pool, &id, session).await;
        pool.close().await;
        Ok(Exit::Done)
    })
    .map_err(|_| "no runtime".to_owned())?;
    Ok(Witness::parse(host, &text?))
}

/// How many lines nothing was found about.
pub(super) fn good_lines(verdict: &Verdict) -> u64 {
    use std::collections::BTreeSet;
    let bad = verdict.findings.iter().filter(|finding| finding.what != journal::What::Torn);
    let bad: BTreeSet<_> = bad.filter_map(|finding| finding.line).collect();
    verdict.lines.saturating_sub(u64::try_from(bad.len()).unwrap_or(u64::MAX))
}
