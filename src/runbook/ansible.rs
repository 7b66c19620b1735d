//! Hosts and groups from what `ansible-inventory --list` prints.
//!
//! | Ansible | golive |
//! |---|---|
//! | `ansible_host`, `ansible_port`, `ansible_user` | `address`, `port`, `user` |
//! | `ansible_ssh_private_key_file` | `identity` |
//! | `-o ProxyJump=…` or `-J …` in `ansible_ssh_common_args` and `ansible_ssh_extra_args` | `jump` |
//! | `ansible_become_method` (`sudo`, `doas`), `ansible_become_user` | `become` |
//! | `golive_environment`, the same for all hosts | `environment` |
//! | `golive_hostkey`, `golive_max_concurrent` | `hostkey`, `max_concurrent` |
//! | groups, with their children | groups |
//!
//! What would change how a host is reached, and is not acted on, is refused, and so is every
//! password: golive would neither use it nor keep it. All other variables are left aside, and are
//! not kept with a session either.

use std::collections::BTreeMap;

use crate::base::{GroupId, HostId, SafeText};

use super::code::Code;
use super::json::{Json, Value, parse};
use super::model::Host;
use super::reader::{At, Reading};
use super::shape_hosts::{HOSTS_MAX, RawInventory, Target, fingerprint};

/// The variables of a host that are read; only these are kept with a session.
pub const ANSIBLE_VARIABLES: &[&str] = &[
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_become_method",
    "ansible_become_user",
    "ansible_connection",
    "golive_environment",
    "golive_hostkey",
    "golive_max_concurrent",
];

/// Passwords, by all their names.
const PASSWORDS: &[&str] = &[
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
    "ansible_sudo_pass",
    "ansible_su_pass",
    "ansible_ssh_private_key_passphrase",
];

/// What changes how a host is reached, and is not acted on.
const NOT_ACTED_ON: &[(&str, &str)] = &[
    (
        "ansible_ssh_args",
        "write a ProxyJump into `ansible_ssh_common_args`, the rest into ~/.ssh/config",
    ),
    ("ansible_ssh_host", "its name of today is `ansible_host`"),
    ("ansible_ssh_port", "its name of today is `ansible_port`"),
    ("ansible_ssh_user", "its name of today is `ansible_user`"),
    ("ansible_ssh_executable", "golive speaks SSH itself: remove it for these hosts"),
    ("ansible_paramiko_proxy_command", "write `-o ProxyJump=HOST` into `ansible_ssh_common_args`"),
];

/// Whether a text is such an inventory: no TOML file begins so.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads the whole of it.
pub(super) fn file(reading: &mut Reading<'_>) -> Option<RawInventory> {
    let source = reading.source;
    let json = match parse(&source.text) {
        Ok(json) => json,
        Err(error) => {
            let message = format!("this is not JSON: {}", error.why);
            let help = "make it with `ansible-inventory --list -i PATH > hosts.json`";
            reading.complain(Code::Syntax, &(error.at..error.at), &message, "", help);
            return None;
        }
    };
    let Some(vars) = json.get("_meta").and_then(|meta| meta.get("hostvars")) else {
        let message = "there is no `_meta` with `hostvars` in it";
        let help = "this has to be what `ansible-inventory --list -i PATH` prints";
        reading.complain(Code::MissingKey, &(0..1), message, "", help);
        return None;
    };
    let mut inventory = RawInventory::default();
    groups(reading, &json, &mut inventory);
    let mut hosts: BTreeMap<&str, (&Json<'_>, Option<&Json<'_>>)> = BTreeMap::new();
    for (_, _, group) in json.entries().filter(|(name, ..)| *name != "_meta") {
        for host in group.get("hosts").map(Json::list).unwrap_or_default() {
            if let Some(name) = host.text() {
                hosts.entry(name).or_insert((host, None));
            }
        }
    }
    for (name, key, vars) in vars.entries() {
        hosts.insert(name, (key, Some(vars)));
    }
    if hosts.len() > HOSTS_MAX {
        let message = format!("{} hosts; the limit is {HOSTS_MAX}", hosts.len());
        let help =
            "give a part of it: `ansible-inventory --list -i PATH --limit GROUP > hosts.json`";
        reading.complain(Code::Limit, &(0..1), &message, "too many", help);
    }
    let mut environment: Option<(&str, &str)> = None;
    for (name, (key, vars)) in hosts.into_iter().take(HOSTS_MAX) {
        let Some(id) = named::<HostId>(reading, "host", key) else { continue };
        if let Some(item) = vars.and_then(|vars| vars.get("golive_environment"))
            && let Some(own) = item.text()
        {
            match environment {
                Some((other, first)) if other != own => {
                    let message = format!("`{name}` is of `{own}`, and `{first}` of `{other}`");
                    let help = "set `golive_environment` once, for the group `all`";
                    reading.complain(Code::Contradiction, &item.span, &message, "", help);
                }
                Some(_) => {}
                None => environment = Some((own, name)),
            }
        }
        let host = host(reading, id, vars);
        inventory.hosts.insert(host.id.clone(), host);
    }
    inventory.environment = environment.map(|(name, _)| SafeText::new(name));
    Some(inventory)
}

fn named<I: std::str::FromStr<Err: std::fmt::Display>>(
    reading: &mut Reading<'_>,
    kind: &str,
    name: &Json<'_>,
) -> Option<I> {
    let text = name.text().unwrap_or_default();
    text.parse()
        .map_err(|why| {
            let message = format!("this {kind} cannot be named in a runbook: {why}");
            let help = format!("give the {kind} another name in the inventory");
            reading.complain(Code::BadName, &name.span, &message, "", &help);
        })
        .ok()
}

fn groups(reading: &mut Reading<'_>, json: &Json<'_>, inventory: &mut RawInventory) {
    for (name, key, group) in json.entries().filter(|(name, ..)| *name != "_meta") {
        let Some(id) = named::<GroupId>(reading, "group", key) else { continue };
        let mut members = Vec::new();
        for host in group.get("hosts").map(Json::list).unwrap_or_default() {
            // One with a name that will not do is told once, where its variables are.
            if let Some(id) = host.text().and_then(|text| text.parse().ok()) {
                members.push(reading.at(Target::Host(id), &host.span));
            }
        }
        for child in group.get("children").map(Json::list).unwrap_or_default() {
            let Some(id) = child.text().and_then(|text| text.parse::<GroupId>().ok()) else {
                continue;
            };
            // Empty groups are named among the children, and not printed.
            let empty: At<Vec<At<Target>>> = reading.at(Vec::new(), &child.span);
            inventory.groups.entry(id.clone()).or_insert(empty);
            members.push(reading.at(Target::Group(id), &child.span));
        }
        let vars = group.get("vars").into_iter().flat_map(Json::entries);
        for (var, key, _) in vars.filter(|(name, ..)| name.starts_with("ansible_")) {
            let message = format!("`{var}` is a variable of the group `{name}`, not of its hosts");
            let help = "make it without `--export`: then every host has all of its variables";
            reading.complain(Code::BadValue, &key.span, &message, "", help);
        }
        let members = reading.at(members, &key.span);
        inventory.groups.insert(id, members);
    }
}

fn host(reading: &mut Reading<'_>, id: HostId, vars: Option<&Json<'_>>) -> Host {
    let nothing = Json { span: 0..0, value: Value::Null };
    let vars = vars.unwrap_or(&nothing);
    for (name, key, _) in vars.entries() {
        if PASSWORDS.contains(&name) {
            let message =
                format!("`{name}` of `{id}` is a password, and golive takes none from here");
            let help = "use keys or an agent; for sudo, a rule without a password or a step's \
                        `stdin` from [secrets]";
            reading.complain(Code::NotSupported, &key.span, &message, "", help);
        }
        if let Some((_, help)) = NOT_ACTED_ON.iter().find(|(not, _)| *not == name) {
            let message = format!("`{name}` of `{id}` is not acted on");
            reading.complain(Code::UnknownKey, &key.span, &message, "", help);
        }
    }
    if let Some((item, how)) = word(reading, vars, "ansible_connection")
        && !matches!(
            how.as_str(),
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh"
        )
    {
        let message = format!("`{id}` is reached by `{how}`, and golive speaks SSH only");
        let help = "leave it out of this inventory; what runs here is a `local` step";
        reading.complain(Code::BadValue, &item.span, &message, "", help);
    }
    let address = word(reading, vars, "ansible_host").map(|(_, text)| text);
    let port = word(reading, vars, "ansible_port").and_then(|(item, text)| {
        let port = text.parse().ok().filter(|port| *port > 0);
        if port.is_none() {
            let message = format!("`{text}` is no port");
            reading.complain(Code::BadValue, &item.span, &message, "", "a number from 1 to 65535");
        }
        port
    });
    let mut jump = Vec::new();
    for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        if let Some(item) = vars.get(name)
            && let Some(text) = text(reading, name, item)
        {
            jumps(reading, name, item, &text, &mut jump);
        }
    }
    let hostkey = vars.get("golive_hostkey").and_then(|item| {
        let text = reading.at(item.text().unwrap_or_default().to_owned(), &item.span);
        fingerprint(reading, &text, "a host key")
    });
    let sessions = word(reading, vars, "golive_max_concurrent").and_then(|(item, text)| {
        let sessions = text.parse().ok().filter(|sessions| (1..=64).contains(sessions));
        if sessions.is_none() {
            let message = format!("`{text}` is no number of sessions");
            reading.complain(Code::BadValue, &item.span, &message, "", "a number from 1 to 64");
        }
        sessions
    });
    Host {
        address: address.unwrap_or_else(|| id.as_str().to_owned()),
        port,
        user: word(reading, vars, "ansible_user").map(|(_, text)| text),
        jump,
        identity: vars
            .get("ansible_ssh_private_key_file")
            .and_then(|item| text(reading, "ansible_ssh_private_key_file", item)),
        hostkey,
        proof: None,
        r#become: prefix(reading, vars),
        max_concurrent: sessions.unwrap_or(8),
        id,
    }
}

/// What a step that says `become = true` begins with.
fn prefix(reading: &mut Reading<'_>, vars: &Json<'_>) -> String {
    let method = word(reading, vars, "ansible_become_method");
    let user = word(reading, vars, "ansible_become_user");
    let program = match &method {
        None => "sudo",
        Some((_, method)) if method == "sudo" || method == "ansible.builtin.sudo" => "sudo",
        Some((_, method)) if method == "doas" || method == "community.general.doas" => "doas",
        Some((item, method)) => {
            let message = format!("golive cannot become another user by `{method}`");
            let help = "`sudo` or `doas`; for others write the command into the step";
            reading.complain(Code::BadValue, &item.span, &message, "", help);
            "sudo"
        }
    };
    match user {
        Some((_, user)) if user != "root" => {
            format!("{program} -n -u {}", shlex::try_quote(&user).unwrap_or_default())
        }
        Some(_) | None => format!("{program} -n"),
    }
}

/// A text or a number, as text, without templates in it.
fn text(reading: &mut Reading<'_>, name: &str, item: &Json<'_>) -> Option<String> {
    let text = match &item.value {
        Value::Text(text) => text.clone().into_owned(),
        Value::Number(number) => (*number).to_owned(),
        Value::Null => return None,
        Value::Bool(_) | Value::List(_) | Value::Table(_) => {
            let message = format!("`{name}` is no text");
            reading.complain(Code::WrongType, &item.span, &message, "", "write a text");
            return None;
        }
    };
    if text.contains("{{") || text.contains("{%") {
        let message =
            format!("`{name}` is a template, and `ansible-inventory` does not fill it in");
        let help = "write the value itself; golive works out no templates of Ansible's";
        reading.complain(Code::BadValue, &item.span, &message, "", help);
        return None;
    }
    Some(text)
}

/// The same, where it has to be one word that no program can take for an option.
fn word<'j, 't>(
    reading: &mut Reading<'_>,
    vars: &'j Json<'t>,
    name: &str,
) -> Option<(&'j Json<'t>, String)> {
    let item = vars.get(name)?;
    let text = text(reading, name, item)?;
    let bad = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.starts_with('-') || text.contains(bad) {
        let message = format!("`{name}` cannot be `{text}`");
        let help = "it must not be empty, begin with `-` nor hold blanks";
        reading.complain(Code::BadValue, &item.span, &message, "", help);
        return None;
    }
    Some((item, text))
}

/// The jump hosts of options for `ssh`; any other option would be missed, and is refused.
fn jumps(
    reading: &mut Reading<'_>,
    name: &str,
    item: &Json<'_>,
    text: &str,
    jump: &mut Vec<String>,
) {
    let mut refuse = |what: &str| {
        let message = format!("`{what}` in `{name}` is not acted on");
        let help = "`-o ProxyJump=HOST` is; other options belong into ~/.ssh/config";
        reading.complain(Code::UnknownKey, &item.span, &message, "", help);
    };
    let Some(words) = shlex::split(text) else { return refuse(text) };
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        let mut value =
            |rest: &str| if rest.is_empty() { words.next() } else { Some(rest.to_owned()) };
        let hosts = if let Some(rest) = option.strip_prefix("-J") {
            value(rest)
        } else if let Some(rest) = option.strip_prefix("-o") {
            let whole = value(rest).unwrap_or_default();
            let (key, hosts) = whole.split_once(['=', ' ']).unwrap_or((&whole, ""));
            if !key.trim().eq_ignore_ascii_case("proxyjump") {
                refuse(&format!("{option} {}", if rest.is_empty() { &whole } else { "" }.trim()));
                continue;
            }
            Some(hosts.trim().to_owned())
        } else {
            refuse(&option);
            continue;
        };
        let hosts = hosts.unwrap_or_default();
        let bad = |host: &str| {
            host.is_empty() || host.starts_with('-') || host.contains(char::is_whitespace)
        };
        if hosts.split(',').any(bad) {
            refuse(&option);
            continue;
        }
        if hosts != "none" {
            *jump = hosts.split(',').map(str::to_owned).collect();
        }
    }
}
