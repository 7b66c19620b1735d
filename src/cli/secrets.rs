//! The values of secrets: fetched from their sources before anything starts, and shown nowhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::base::SecretName;
use crate::exec::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secrets};
use crate::plan::Plan;
use crate::runbook::{Given, SecretSource};
use crate::session::Inputs;

use super::exit::Exit;
use super::message::Failure;
use super::screen::{Ink, Screen};
use super::terminal;

type Value = Zeroizing<Vec<u8>>;

/// The values of all secrets of the plan. What is wrong is told for all of them at once, before
/// anybody is asked anything.
///
/// # Errors
/// A value cannot be had, or cannot be kept out of the record; exit code 2.
pub(super) fn resolve(screen: Screen, plan: &Plan, inputs: &Inputs) -> Result<Secrets, Failure> {
    if plan.secrets.is_empty() {
        return Ok(Secrets::none());
    }
    // From now on no core dump and no other process of this account sees the memory.
    let behavior = rustix::process::DumpableBehavior::NotDumpable;
    rustix::process::set_dumpable_behavior(behavior).ok();
    let mut values: BTreeMap<SecretName, Value> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, source) in &plan.secrets {
        match fetch(screen, inputs, name, source) {
            Ok(Some(value)) => drop(values.insert(name.clone(), value)),
            Ok(None) if terminal::is_there() => {}
            Ok(None) => wrong.push(format!(
                "secret `{name}` is asked for on the terminal, and there is none: run it on one, or give it another source in the runbook: env, file or command"
            )),
            Err(why) => wrong.push(format!("secret `{name}`: {why}")),
        }
    }
    refuse(&wrong)?;
    let asked = plan.secrets.iter().filter_map(|(name, source)| match source {
        SecretSource::Prompt(question) => Some((name, question)),
        SecretSource::Env(_) | SecretSource::File(_) | SecretSource::Command(_) => None,
    });
    for (name, question) in asked {
        let question = format!("{question} (secret {name}, nothing is shown): ");
        let typed = terminal::hidden(&question)
            .map_err(|error| terminal::unanswered(&error, &format!("secret `{name}`")))?;
        let typed = Zeroizing::new(typed.into_bytes());
        if typed.is_empty() {
            let message = format!("secret `{name}` was left empty: nothing was sent");
            return Err(Failure::new(Exit::Stopped, message));
        }
        values.insert(name.clone(), typed);
    }
    let not_text = not_text(plan, &values);
    let secrets = Secrets::new(values, hidden(plan)).map_err(|unusable| {
        let lines = unusable.iter().map(|(name, why)| {
            let source = plan.secrets.get(name).map_or_else(String::new, SecretSource::words);
            format!("secret `{name}` ({source}): its value {why}")
        });
        failure(&lines.collect::<Vec<_>>())
    })?;
    refuse(&not_text)?;
    refuse(&in_the_open(&secrets, inputs))?;
    Ok(secrets)
}

/// Variables of golive's own environment that hold secrets.
fn hidden(plan: &Plan) -> Vec<String> {
    let hidden = plan.secrets.values().filter_map(|source| match source {
        SecretSource::Env(name) => Some(name.clone()),
        SecretSource::File(_) | SecretSource::Command(_) | SecretSource::Prompt(_) => None,
    });
    hidden.collect()
}

/// How a secret stands before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Its value is there.
    There,
    /// It is asked for when a run starts.
    Asked,
    /// It cannot be had, or cannot be kept out of the record, and why.
    Wrong(String),
}

/// How each secret stands, the values that are there, and what else is wrong; nobody is asked.
pub(super) fn look(
    screen: Screen,
    plan: &Plan,
    inputs: &Inputs,
) -> (Secrets, BTreeMap<SecretName, Stand>, Vec<String>) {
    let mut values: BTreeMap<SecretName, Value> = BTreeMap::new();
    let mut stands = BTreeMap::new();
    for (name, source) in &plan.secrets {
        let stand = match fetch(screen, inputs, name, source) {
            Ok(Some(value)) => {
                values.insert(name.clone(), value);
                Stand::There
            }
            Ok(None) => Stand::Asked,
            Err(why) => Stand::Wrong(why),
        };
        stands.insert(name.clone(), stand);
    }
    let mut wrong = not_text(plan, &values);
    let secrets = loop {
        match Secrets::new(values.clone(), hidden(plan)) {
            Ok(secrets) => break secrets,
            Err(unusable) => {
                let before = values.len();
                for (name, why) in unusable {
                    values.remove(&name);
                    stands.insert(name, Stand::Wrong(format!("its value {why}")));
                }
                if values.len() == before {
                    break Secrets::none();
                }
            }
        }
    };
    wrong.extend(in_the_open(&secrets, inputs));
    (secrets, stands, wrong)
}

/// Made-up values for the practice fleet, and a word about it.
pub(super) fn made_up(screen: Screen, plan: &Plan) -> Secrets {
    if plan.secrets.is_empty() {
        return Secrets::none();
    }
    let names: Vec<_> = plan.secrets.keys().map(SecretName::as_str).collect();
    screen.say(&format!("practice: made-up values for the secrets {}", names.join(", ")));
    Secrets::made_up(plan.secrets.keys().cloned())
}

fn refuse(wrong: &[String]) -> Result<(), Failure> {
    if wrong.is_empty() { Ok(()) } else { Err(failure(wrong)) }
}

fn failure(lines: &[String]) -> Failure {
    let help = format!(
        "nothing was sent. A secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, and is found and taken out of all output"
    );
    Failure::usage(lines.join("\n")).help(help)
}

/// The value as its source has it; none for one that is asked for.
fn fetch(
    screen: Screen,
    inputs: &Inputs,
    name: &SecretName,
    source: &SecretSource,
) -> Result<Option<Value>, String> {
    let value = match source {
        SecretSource::Prompt(_) => return Ok(None),
        SecretSource::Env(variable) => match std::env::var_os(variable) {
            Some(value) => value.into_vec(),
            None => return Err(format!("the variable {variable} is not set: export it first")),
        },
        SecretSource::File(path) => {
            let path = place(inputs, path)?;
            let read = read_file(&path);
            let (value, mode) = read.map_err(|error| format!("{}: {error}", path.display()))?;
            if mode & 0o077 != 0 {
                let path = path.display();
                let warning = screen.error_ink(Ink::Yellow, "warning:");
                screen.complain(&format!(
                    "{warning} secret {name}: others may read {path} (mode {:03o}): chmod 600 {path}",
                    mode & 0o777
                ));
            }
            value
        }
        SecretSource::Command(command) => printed_by(command)?,
    };
    Ok(Some(Zeroizing::new(value)))
}

/// Where a file of a secret is.
fn place(inputs: &Inputs, path: &str) -> Result<PathBuf, String> {
    if let Some(rest) = path.strip_prefix("~/") {
        let home = std::env::var_os("HOME").ok_or("HOME is not set, and `~` stands for it")?;
        return Ok(Path::new(&home).join(rest));
    }
    let beside = Path::new(&inputs.main).parent().unwrap_or(Path::new(""));
    Ok(beside.join(path))
}

/// At most what can be a secret, and a bit: the check says what is too much.
fn read_file(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut bytes = Vec::with_capacity(SECRET_BYTES_MAX + 16);
    file.take(limit()).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

fn limit() -> u64 {
    u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(16)
}

/// What a command prints; it may ask on the terminal, and says what is wrong there.
fn printed_by(command: &str) -> Result<Vec<u8>, String> {
    let input = if terminal::is_there() { Stdio::inherit() } else { Stdio::null() };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start sh: {error}"))?;
    let mut bytes = Vec::with_capacity(SECRET_BYTES_MAX + 16);
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(limit()).read_to_end(&mut bytes);
        read.map_err(|error| format!("cannot read what `{command}` prints: {error}"))?;
    }
    let status = child.wait().map_err(|error| format!("cannot wait for `{command}`: {error}"))?;
    if status.success() { Ok(bytes) } else { Err(format!("`{command}` failed: {status}")) }
}

/// Values that are to be variables and are no text.
fn not_text(plan: &Plan, values: &BTreeMap<SecretName, Value>) -> Vec<String> {
    let given = plan.steps.values().flat_map(|step| step.env.values());
    let in_env: std::collections::BTreeSet<_> = given.filter_map(Given::secret).collect();
    let bad = in_env
        .into_iter()
        .filter(|name| values.get(*name).is_some_and(|value| std::str::from_utf8(value).is_err()));
    bad.map(|name| {
        format!("secret `{name}` is no UTF-8 text, and a step has it in its environment")
    })
    .collect()
}

/// Values that can be read in the runbook itself, which the record keeps word for word.
fn in_the_open(secrets: &Secrets, inputs: &Inputs) -> Vec<String> {
    let vars = inputs.vars.iter().map(|(name, value)| (format!("--var {name}"), value.as_str()));
    let files = inputs.files.iter().map(|(name, text)| (name.clone(), text.as_str()));
    let found = files.chain(vars).filter_map(|(place, text)| {
        let secret = secrets.needles().find(text.as_bytes())?;
        let line = text.lines().position(|line| secrets.needles().find(line.as_bytes()).is_some());
        let line = line.map_or_else(String::new, |line| format!(":{}", line + 1));
        Some(format!(
            "the value of secret `{secret}` stands in {place}{line}, which the record keeps: take it out there, and change it"
        ))
    });
    found.collect()
}
