//! `golive trust`: a person compares a host's key with the host's own, and it is recorded.
//!
//! Nothing else of golive ever records a key, and a key that is recorded already is never replaced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::base::HostId;
use crate::exec::ssh::{ErrorKind, HostSpec, KeyTrouble, Options, Pool, SshError};
use crate::runbook::{ANSIBLE, SourceFile, check_inventory};
use crate::session::read_ansible;

use super::args::TrustArgs;
use super::exit::Exit;
use super::ground::spec;
use super::message::Failure;
use super::run::{asker, on_runtime};
use super::screen::{Ink, Screen};
use super::terminal;

/// Keys that are met on the way to one host: its own, and those of its jump hosts.
const KEYS_MAX: usize = 8;

/// Runs the command.
pub(super) fn run(screen: Screen, args: &TrustArgs) -> Result<Exit, Failure> {
    let mut specs = args.inventory.as_deref().map(inventory).transpose()?.unwrap_or_default();
    let mut hosts = Vec::new();
    for name in &args.hosts {
        let known = specs.iter().find(|spec| spec.id.as_str() == name);
        if let Some(known) = known {
            hosts.push(known.id.clone());
        } else if let Some(file) = &args.inventory {
            return Err(Failure::usage(format!("{} names no host {name}", file.display()))
                .help("without --inventory it is taken for an address, or an alias of ssh"));
        } else {
            let spec = addressed(name, hosts.len())?;
            hosts.push(spec.id.clone());
            specs.push(spec);
        }
    }
    on_runtime(async {
        let known_hosts = args.known_hosts.clone().map(|file| vec![file]);
        let options = Options { prompt: asker(), known_hosts, clocks: false, ..Options::default() };
        let pool = Pool::new(specs, options);
        let mut exit = Exit::Done;
        for (host, name) in hosts.iter().zip(&args.hosts) {
            if let Err(failure) = meet(screen, &pool, (host, name), args).await {
                failure.lines().iter().for_each(|line| screen.complain(line));
                exit = failure.exit;
            }
        }
        pool.close().await;
        Ok(exit)
    })
}

/// The hosts of an inventory.
fn inventory(path: &Path) -> Result<Vec<HostSpec>, Failure> {
    let shown = path.display().to_string();
    let source = match shown.strip_prefix(ANSIBLE) {
        Some(path) => read_ansible(Path::new(path)),
        None => std::fs::read_to_string(path)
            .map(|text| SourceFile::new(&shown, &text))
            .map_err(|error| error.to_string()),
    };
    let source = source
        .map_err(|error| Failure::new(Exit::Invalid, format!("cannot read {shown}: {error}")))?;
    let (inventory, problems) = check_inventory(&source);
    if !problems.is_empty() {
        return Err(Failure::new(Exit::Invalid, format!("{shown} has problems"))
            .help(format!("`golive check {shown}`")));
    }
    Ok(inventory.hosts.values().map(spec).collect())
}

/// `[USER@]HOST[:PORT]`, or an alias of the SSH configuration.
fn addressed(name: &str, number: usize) -> Result<HostSpec, Failure> {
    let (user, rest) = name.rsplit_once('@').map_or((None, name), |(user, it)| (Some(user), it));
    let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port) = match (bracketed, rest.matches(':').count()) {
        (Some((address, port)), _) => (address, port.strip_prefix(':')),
        (None, 1) => rest.split_once(':').map_or((rest, None), |(it, port)| (it, Some(port))),
        (None, _) => (rest, None),
    };
    let port = port.map(str::parse).transpose();
    let port = port.map_err(|_| {
        Failure::usage(format!("`{name}` has no port behind its colon"))
            .help("write [USER@]HOST[:PORT], and an IPv6 address with a port as [ADDRESS]:PORT")
    })?;
    if address.is_empty() || address.starts_with('-') {
        return Err(Failure::usage(format!("`{name}` is no host")));
    }
    let id: Result<HostId, _> = format!("host-{number}").parse();
    let id = id.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    Ok(HostSpec { port, user: user.map(str::to_owned), ..HostSpec::new(id, address) })
}

/// Goes to a host until its key, and those on the way, are known.
async fn meet(
    screen: Screen,
    pool: &Pool,
    (host, name): (&HostId, &str),
    args: &TrustArgs,
) -> Result<(), Failure> {
    let mut compared = args.fingerprint.is_empty();
    for _ in 0..KEYS_MAX {
        let trouble = match pool.connect(host).await {
            Ok(peer) => {
                let key = &peer.host_key;
                compare(name, &key.fingerprint, args)?;
                let by = if peer.certified { ", by its certificate" } else { "" };
                screen.text(&format!("{name}: known{by}: {key}\n"))?;
                return Ok(());
            }
            Err(SshError::HostKeyUnknown(trouble)) => trouble,
            // Its key was judged first.
            Err(error) if error.kind() == ErrorKind::Auth && !compared => {
                let message = "its key is known; which one it is shows only to who can log in";
                return Err(Failure::new(Exit::Unreachable, format!("{name}: {message}: {error}")));
            }
            Err(error) if error.kind() == ErrorKind::Auth => {
                screen.text(&format!("{name}: its key is known\n"))?;
                screen.say(&format!("the login is another matter: {error}"));
                return Ok(());
            }
            Err(error) => return Err(Failure::new(Exit::Unreachable, error.to_string())),
        };
        agreed(screen, name, &trouble, args)?;
        compared = true;
        record(Path::new(&trouble.file), &trouble.line).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write {}: {error}", trouble.file))
        })?;
        screen.say(&format!("recorded in {}: {}", trouble.file, trouble.line));
    }
    Err(Failure::new(Exit::Unreachable, format!("{name}: more keys on the way than {KEYS_MAX}")))
}

/// That the key is one that somebody named, if any was named.
fn compare(name: &str, shown: &str, args: &TrustArgs) -> Result<(), Failure> {
    if args.fingerprint.is_empty() || args.fingerprint.iter().any(|named| named == shown) {
        return Ok(());
    }
    let message = format!("{name} shows {shown}, which is no --fingerprint that was given");
    Err(Failure::new(Exit::Unreachable, message)
        .help("ask its owner: either the fingerprint is another one's, or someone stands between"))
}

/// That a person says it is the host's key: by its fingerprint given beforehand, or asked now.
fn agreed(
    screen: Screen,
    name: &str,
    trouble: &KeyTrouble,
    args: &TrustArgs,
) -> Result<(), Failure> {
    let (address, key) = (&trouble.address, &trouble.offered);
    let heading =
        screen.error_ink(Ink::Bold, &format!("{name} ({address}) shows a key that is not known"));
    screen.complain(&heading);
    screen.complain(&format!("  {key}"));
    if trouble.file.is_empty() {
        return Err(Failure::usage("the SSH configuration names no file of known hosts")
            .help("--known-hosts FILE names one"));
    }
    if !args.fingerprint.is_empty() {
        return compare(name, &key.fingerprint, args);
    }
    if !terminal::is_there() {
        return Err(Failure::usage(
            "a host's key is recorded by a person, and there is no terminal",
        )
        .help("--fingerprint SHA256:…, as the host's owner gave it to you"));
    }
    screen.complain("  compare it with what the host's own console prints for");
    screen.complain("  ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub");
    let typed = terminal::ask("is it the same? Type yes to record it: ")
        .map_err(|error| terminal::unanswered(&error, "the key of a host"))?;
    if typed == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Stopped, format!("{name}: nothing was recorded")))
}

/// Adds a line to a file of known hosts; makes the file, for its owner alone, if it is not there.
fn record(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty() && !it.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut text = String::new();
    if path.exists() {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            text.push('\n');
        }
    }
    text.extend([line, "\n"]);
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
