//! What Ansible knows of hosts: asked from `ansible-inventory`, or read from a file that holds
//! what it has printed. Nothing else of Ansible's is run.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::base::SafeText;
use crate::runbook::{ANSIBLE_VARIABLES, SourceFile, ansible_masked};

/// An inventory may have to ask a cloud; longer is a wait for something that does not come.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);
/// More is no inventory of 500 hosts.
const BYTES_MAX: u64 = 8 << 20;

/// The inventory at `path`, as `ansible-inventory --list` has it.
///
/// # Errors
/// Why it cannot be had, in words.
pub fn read_ansible(path: &Path) -> Result<SourceFile, String> {
    let name = path.display().to_string();
    if !path.exists() {
        return Err(format!("{name}: no such file or directory"));
    }
    if path.is_file()
        && let Ok(text) = super::inputs::read_text(path)
        && text.trim_start().starts_with('{')
    {
        return Ok(SourceFile::new(&name, &ansible_masked(&text)));
    }
    let text = ask(path)?;
    Ok(SourceFile::new(&format!("ansible-inventory --list -i {name}"), &ansible_masked(&text)))
}

/// The same with nothing in it that golive does not read: variables may hold secrets, and what is
/// kept with a session is read by many.
pub(super) fn to_keep(text: &str) -> String {
    let Ok(mut whole) = serde_json::from_str::<Value>(text) else { return "{}".to_owned() };
    for (name, group) in whole.as_object_mut().into_iter().flatten() {
        let Some(group) = group.as_object_mut() else { continue };
        if name != "_meta" {
            group.retain(|key, _| key == "hosts" || key == "children");
            continue;
        }
        group.retain(|key, _| key == "hostvars");
        let hosts = group.values_mut().filter_map(Value::as_object_mut);
        for vars in hosts.flat_map(serde_json::Map::values_mut).filter_map(Value::as_object_mut) {
            vars.retain(|name, _| ANSIBLE_VARIABLES.contains(&name.as_str()));
        }
    }
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}

fn ask(path: &Path) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let mut child = Command::new("ansible-inventory")
        .args(["--list", "-i"])
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                "it is no JSON, and `ansible-inventory` is not installed here".to_owned()
            } else {
                format!("`ansible-inventory` cannot be started: {error}")
            }
        })?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (sender, ends) = mpsc::channel();
    let listen = |is_error: bool, pipe: Option<Box<dyn io::Read + Send>>| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = pipe.map(|pipe| pipe.take(BYTES_MAX + 1).read_to_end(&mut bytes));
            let _gone = sender.send((is_error, read.transpose().map(|_| bytes)));
        });
    };
    listen(false, out.map(|pipe| Box::new(pipe) as Box<dyn io::Read + Send>));
    listen(true, err.map(|pipe| Box::new(pipe) as Box<dyn io::Read + Send>));
    let (mut printed, mut said) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        match ends.recv_timeout(ANSWERS_WITHIN) {
            Ok((true, Ok(bytes))) => said = bytes,
            Ok((false, Ok(bytes))) => printed = bytes,
            Ok((_, Err(error))) => return Err(give_up(child, &error.to_string())),
            Err(_) => {
                let secs = ANSWERS_WITHIN.as_secs();
                return Err(give_up(child, &format!("it has not answered within {secs} s")));
            }
        }
    }
    if printed.len() as u64 > BYTES_MAX {
        return Err(give_up(child, "it prints more than 8 MiB"));
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        let mut lines: Vec<_> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        let last = lines.split_off(lines.len().saturating_sub(3)).join("; ");
        return Err(format!("`ansible-inventory` failed ({status}): {}", SafeText::new(&last)));
    }
    String::from_utf8(printed).map_err(|_| "`ansible-inventory` prints no UTF-8 text".to_owned())
}

fn give_up(mut child: Child, why: &str) -> String {
    let ended = child.kill().and_then(|()| child.wait());
    let left = if ended.is_ok() { "" } else { ", and cannot be ended" };
    format!("`ansible-inventory`: {why}{left}")
}
