//! The shape of `[hosts]` and `[groups]`, in a runbook or in an inventory file of its own.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use crate::base::{GroupId, HostId, SafeText};

use super::code::Code;
use super::model::{Host, HostProof, Inventory};
use super::problem::Problem;
use super::reader::{At, Item, Kind, Reading, Table};
use super::shape::key_name;
use super::suggest;

/// More hosts are another kind of tool.
pub(super) const HOSTS_MAX: usize = 500;
/// A longer answer is no proof of identity but a document.
const PROOF_BYTES_MAX: usize = 256;

/// A host or a group, as steps and groups name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Host(HostId),
    Group(GroupId),
}

impl Target {
    fn kind_and_name(&self) -> (Kind, &str) {
        match self {
            Self::Host(host) => (Kind::Host, host.as_str()),
            Self::Group(group) => (Kind::Group, group.as_str()),
        }
    }
}

/// Hosts and groups as written.
#[derive(Debug, Default)]
pub(super) struct RawInventory {
    pub(super) environment: Option<SafeText>,
    pub(super) hosts: BTreeMap<HostId, Host>,
    pub(super) groups: BTreeMap<GroupId, At<Vec<At<Target>>>>,
}

impl RawInventory {
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.groups.is_empty()
    }
}

/// Reads a file that holds an inventory and nothing else.
pub(super) fn file(reading: &mut Reading<'_>, document: &DeTable<'_>) -> RawInventory {
    let end = reading.source.text.len();
    let mut top = Table::document(document, end).called("an inventory file");
    let environment = top.take(reading, "environment").and_then(|item| reading.filled(&item));
    let mut inventory = inventory(reading, &mut top);
    inventory.environment = environment.map(|text| SafeText::new(&text.value));
    top.finish(reading);
    inventory
}

/// Reads `[hosts]` and `[groups]` of a document.
pub(super) fn inventory(reading: &mut Reading<'_>, top: &mut Table<'_>) -> RawInventory {
    let mut inventory = RawInventory::default();
    if let Some(item) = top.take(reading, "hosts") {
        let items = reading.entries(&item, "hosts");
        if items.len() > HOSTS_MAX {
            let message = format!("{} hosts; the limit is {HOSTS_MAX}", items.len());
            reading.complain(
                Code::Limit,
                &item.span(),
                &message,
                "too many",
                "split the inventory",
            );
        }
        for item in items.into_iter().take(HOSTS_MAX) {
            if let Some(host) = host(reading, &item) {
                inventory.hosts.insert(host.id.clone(), host);
            }
        }
    }
    if let Some(item) = top.take(reading, "groups") {
        for item in reading.entries(&item, "groups") {
            let Some(id) = key_name::<GroupId>(reading, Kind::Group, &item) else { continue };
            let members = reading.texts(&item);
            let members = members.into_iter().filter_map(|text| target(reading, text)).collect();
            let members = reading.at(members, &item.span());
            inventory.groups.insert(id, members);
        }
    }
    inventory
}

fn host(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Host> {
    let id: HostId = key_name(reading, Kind::Host, item)?;
    let mut table = Table::open(reading, item, "a host", &format!("host {id}"))?;
    let address = table.take(reading, "address").and_then(|item| word(reading, &item));
    let port = table.take(reading, "port").and_then(|item| reading.integer(&item, 1..65_536));
    let user = table.take(reading, "user").and_then(|item| word(reading, &item));
    let jump = table.take(reading, "jump").map(|item| {
        let items = if item.is_text() { vec![item] } else { reading.list(&item, "host names") };
        items.iter().filter_map(|item| word(reading, item)).collect()
    });
    let identity = table.take(reading, "identity").and_then(|item| reading.filled(&item));
    let hostkey = table.take(reading, "hostkey").and_then(|item| reading.filled(&item));
    let hostkey = hostkey.and_then(|text| fingerprint(reading, &text, "a host key"));
    let proof = table.take(reading, "proof").and_then(|item| proof(reading, &item, &id));
    let prefix = table.take(reading, "become").and_then(|item| reading.filled(&item));
    let sessions = table.take(reading, "max_concurrent");
    let sessions = sessions.and_then(|item| reading.integer(&item, 1..65));
    table.finish(reading);
    Some(Host {
        address: address.unwrap_or_else(|| id.as_str().to_owned()),
        port: port.and_then(|port| u16::try_from(port).ok()),
        user,
        jump: jump.unwrap_or_default(),
        identity: identity.map(|text| text.value),
        hostkey,
        proof,
        r#become: prefix.map_or_else(|| "sudo -n".to_owned(), |text| text.value),
        max_concurrent: sessions.and_then(|number| u8::try_from(number).ok()).unwrap_or(8),
        id,
    })
}

/// How the host proves which machine it is.
fn proof(reading: &mut Reading<'_>, item: &Item<'_>, host: &HostId) -> Option<HostProof> {
    let mut table = Table::open(reading, item, "a host's proof", &format!("proof of {host}"))?;
    let run = table.need(reading, "run").and_then(|item| reading.filled(&item));
    let answer = table.need(reading, "equals");
    let equals = answer.and_then(|item| reading.filled(&item));
    table.finish(reading);
    let equals = equals?.value.trim().to_owned();
    if let Some(item) = answer
        && (equals.len() > PROOF_BYTES_MAX || equals.contains(char::is_control))
    {
        let message = format!("`equals` is not one line of at most {PROOF_BYTES_MAX} bytes");
        let help = "let `run` print one short line, such as `cat /etc/machine-id`";
        reading.complain(Code::BadValue, &item.span(), &message, "", help);
        return None;
    }
    Some(HostProof { run: run?.value, equals })
}

/// A text without blanks that no program can take for an option.
fn word(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<String> {
    let text = reading.filled(item)?;
    let bad = |c: char| c.is_whitespace() || c.is_control();
    if text.value.starts_with('-') || text.value.contains(bad) {
        let message = format!("`{}` cannot be `{}`", item.key, text.value);
        let help = "it must not begin with `-` nor hold blanks";
        reading.complain(Code::BadValue, &item.span(), &message, "", help);
        return None;
    }
    Some(text.value)
}

/// A key's fingerprint; `whose` says of which key.
pub(super) fn fingerprint(
    reading: &mut Reading<'_>,
    text: &At<String>,
    whose: &str,
) -> Option<String> {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let digits = text.value.strip_prefix("SHA256:").map(|rest| rest.trim_end_matches('='));
    if digits.is_some_and(|digits| digits.len() == 43 && digits.chars().all(base64)) {
        return Some(text.value.trim_end_matches('=').to_owned());
    }
    let help = "it looks like `SHA256:` and 43 characters; `ssh-keygen -lf KEY.pub` prints it";
    reading.complain(
        Code::BadValue,
        &(text.place.start..text.place.end),
        &format!("this is not the fingerprint of {whose}"),
        "",
        help,
    );
    None
}

/// Hosts and `@groups`, each noted as used.
pub(super) fn targets(reading: &mut Reading<'_>, item: &Item<'_>) -> Vec<At<Target>> {
    let texts = reading.texts(item);
    let targets: Vec<_> = texts.into_iter().filter_map(|text| target(reading, text)).collect();
    for target in &targets {
        let (kind, name) = target.value.kind_and_name();
        reading.used.push((kind, At { value: name.to_owned(), place: target.place.clone() }));
    }
    targets
}

fn target(reading: &mut Reading<'_>, mut text: At<String>) -> Option<At<Target>> {
    let value = if let Some(group) = text.value.strip_prefix('@') {
        text.value = group.to_owned();
        Target::Group(reading.name(&text)?)
    } else {
        Target::Host(reading.name(&text)?)
    };
    Some(At { value, place: text.place })
}

/// Resolves nested groups. Groups that hold themselves are problems.
pub(super) fn resolve(raw: &RawInventory, problems: &mut Vec<Problem>) -> Inventory {
    let mut groups = BTreeMap::new();
    for (id, members) in &raw.groups {
        problems.extend(members.value.iter().filter_map(|member| unknown(raw, member)));
        let mut path = vec![id.clone()];
        let mut hosts = Vec::new();
        if expand(raw, members, &mut path, &mut hosts).is_err() {
            let path: Vec<_> = path.iter().map(|group| format!("@{group}")).collect();
            let message = format!("group `{id}` holds itself: {}", path.join(" → "));
            let problem = Problem::new(Code::GroupCycle, members.place.clone(), &message);
            problems.push(problem.label("a circle").help("take one of them out of the circle"));
            hosts.clear();
        }
        groups.insert(id.clone(), hosts);
    }
    Inventory { environment: raw.environment.clone(), hosts: raw.hosts.clone(), groups }
}

fn unknown(raw: &RawInventory, member: &At<Target>) -> Option<Problem> {
    let (kind, name) = member.value.kind_and_name();
    let (known, help) = match &member.value {
        Target::Host(host) => {
            let names = raw.hosts.keys().map(HostId::as_str);
            (raw.hosts.contains_key(host), suggest::help(name, names, "add it under [hosts]"))
        }
        Target::Group(group) => {
            let names = raw.groups.keys().map(GroupId::as_str);
            (raw.groups.contains_key(group), suggest::help(name, names, "add it under [groups]"))
        }
    };
    let message = format!("there is no {} `{name}`", kind.word());
    let problem = Problem::new(Code::UnknownName, member.place.clone(), &message);
    (!known).then(|| problem.label("unknown").help(&help))
}

/// Nested deeper is a mistake.
const GROUP_DEPTH_MAX: usize = 16;

fn expand(
    raw: &RawInventory,
    members: &At<Vec<At<Target>>>,
    path: &mut Vec<GroupId>,
    hosts: &mut Vec<HostId>,
) -> Result<(), ()> {
    for member in &members.value {
        match &member.value {
            Target::Host(host) => push_once(hosts, host),
            Target::Group(group) => {
                let circle = path.contains(group) || path.len() >= GROUP_DEPTH_MAX;
                path.push(group.clone());
                if circle {
                    return Err(());
                }
                if let Some(members) = raw.groups.get(group) {
                    expand(raw, members, path, hosts)?;
                }
                path.pop();
            }
        }
    }
    Ok(())
}

/// The hosts that `targets` mean, in order, no host twice. Unknown names are left out; they are
/// problems already.
pub(super) fn hosts_of(inventory: &Inventory, targets: &[At<Target>]) -> Vec<HostId> {
    let mut hosts = Vec::new();
    for target in targets {
        match &target.value {
            Target::Host(host) => push_once(&mut hosts, host),
            Target::Group(group) => {
                for host in inventory.groups.get(group).into_iter().flatten() {
                    push_once(&mut hosts, host);
                }
            }
        }
    }
    let known: BTreeSet<_> = inventory.hosts.keys().collect();
    hosts.retain(|host| known.contains(host));
    hosts
}

fn push_once(hosts: &mut Vec<HostId>, host: &HostId) {
    if !hosts.contains(host) {
        hosts.push(host.clone());
    }
}
