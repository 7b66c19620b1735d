//! Hosts from an inventory of Ansible's: what `ansible-inventory --list` has printed, and the
//! program itself, played by a stub. The JSON was recorded from ansible-core 2.19 for the
//! inventory beside it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use golive::runbook::{Inventory, Options, SourceFile, check_inventory, line_col};
use golive::session::Inputs;

use crate::cli::{called, folder, program};

const RECORDED: &str = include_str!("runbooks/inventory/ansible.json");
const AS_WRITTEN: &str = include_str!("runbooks/inventory/ansible.ini");

const RUNBOOK: &str = "golive = 1
[runbook]
id = \"shop\"
title = \"Shop\"
strategy = \"direct\"
[[phase]]
id = \"deploy\"
title = \"Deploy\"
[[phase.step]]
id = \"all\"
on = \"@shop\"
run = \"uptime\"
read_only = true
estimate = \"10s\"
timeout = \"1m\"
";

fn read(text: &str) -> (Inventory, Vec<String>) {
    let source = SourceFile::new("hosts.json", text);
    let (inventory, problems) = check_inventory(&source);
    let line = |problem: &golive::runbook::Problem| {
        let (line, column) = line_col(text, problem.at.place.start);
        let help = problem.help.as_deref().unwrap_or("no help");
        format!("{line}:{column} {} [{help}]", problem.message)
    };
    (inventory, problems.iter().map(line).collect())
}

#[test]
fn hosts_groups_and_the_ways_to_them() {
    let (inventory, problems) = read(RECORDED);
    assert_eq!(problems, [""; 0]);
    assert_eq!(inventory.environment.as_ref().unwrap().as_str(), "staging");
    let host = |name: &str| &inventory.hosts[&name.parse().unwrap()];
    let web2 = host("web2");
    assert_eq!((web2.address.as_str(), web2.port), ("10.0.0.12", Some(2222)));
    assert_eq!(web2.user.as_deref(), Some("deploy"));
    assert_eq!(web2.jump, ["ops@bastion:22"]);
    assert_eq!(web2.identity.as_deref(), Some("~/.ssh/ops"));
    let db = host("db1.example");
    assert_eq!((db.address.as_str(), db.r#become.as_str()), ("db1.example", "sudo -n -u postgres"));
    let group = |name: &str| {
        let hosts = inventory.groups[&name.parse().unwrap()].iter();
        hosts.map(|host| host.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(group("shop"), ["web1", "web2", "db1.example"]);
    assert_eq!(group("all"), ["web1", "web2", "db1.example"]);
    assert_eq!(group("spare"), [""; 0]);
}

#[test]
fn what_would_be_missed_is_refused_where_it_is() {
    let with = |var: &str| {
        RECORDED.replace("\"app_secret\": \"tr0ub4dor\",\n                \"golive_environment\": \"staging\"\n            },\n            \"web2\"", &format!("{var},\n                \"golive_environment\": \"staging\"\n            }},\n            \"web2\""))
    };
    for (var, says, help) in [
        (
            "\"ansible_become_password\": \"hunter2\"",
            "`ansible_become_password` of `web1` is a password",
            "use keys or an agent",
        ),
        ("\"ansible_connection\": \"winrm\"", "`web1` is reached by `winrm`", "SSH"),
        (
            "\"ansible_ssh_args\": \"-C\"",
            "`ansible_ssh_args` of `web1` is not acted on",
            "ProxyJump",
        ),
        (
            "\"ansible_ssh_extra_args\": \"-o StrictHostKeyChecking=no\"",
            "`-o StrictHostKeyChecking=no` in `ansible_ssh_extra_args` is not acted on",
            "ssh/config",
        ),
        (
            "\"ansible_ssh_extra_args\": \"-o ProxyCommand='ssh -W %h:%p b'\"",
            "is not acted on",
            "ProxyJump",
        ),
        ("\"ansible_ssh_extra_args\": \"-J -oProxyCommand=x\"", "is not acted on", "ProxyJump"),
        ("\"ansible_port\": 70000", "`70000` is no port", "65535"),
        ("\"ansible_host\": \"{{ ip }}\"", "`ansible_host` is a template", "the value itself"),
        ("\"ansible_host\": \"-oProxyCommand=x\"", "`ansible_host` cannot be", "begin with `-`"),
        ("\"ansible_become_method\": \"su\"", "by `su`", "doas"),
        ("\"golive_hostkey\": \"MD5:x\"", "not the fingerprint of a host key", "SHA256"),
        ("\"golive_max_concurrent\": 0", "`0` is no number of sessions", "64"),
    ] {
        let (_, problems) = read(&with(var));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = &problems[0];
        assert!(problem.contains(says) && problem.contains(help), "{problem}");
        // The line of the last variable but one of web1, and never the value of a password.
        assert!(problem.starts_with("15:"), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    for (text, says) in [
        ("{\"web\": {\"hosts\": [\"a\"]}}", "1:1 there is no `_meta`"),
        (
            "{\"_meta\": {\"hostvars\": {}}, \"web\": {\"hosts\": [\"a b\"]}}",
            "this host cannot be named",
        ),
        ("{\"_meta\": {\"hostvars\": {}}", "1:27 this is not JSON"),
        (
            "{\"_meta\": {\"hostvars\": {}}, \"web\": {\"vars\": {\"ansible_user\": \"x\"}}}",
            "without `--export`",
        ),
        (
            "{\"_meta\": {\"hostvars\": {}}, \"a\": {\"children\": [\"b\"]}, \"b\": {\"children\": [\"a\"]}}",
            "holds itself",
        ),
        (
            "{\"_meta\": {\"hostvars\": {\"a\": {\"golive_environment\": \"x\"}, \"b\": {\"golive_environment\": \"y\"}}}}",
            "`b` is of `y`, and `a` of `x`",
        ),
    ] {
        let (_, problems) = read(text);
        assert!(problems.iter().any(|problem| problem.contains(says)), "{says}: {problems:?}");
    }
}

/// A program of that name that prints what was recorded, if it is asked as it should be.
fn stub(dir: &Path, does: &str) {
    let path = dir.join("ansible-inventory");
    std::fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_program_is_asked_and_only_what_is_read_is_kept() {
    let dir =
        folder(&[("shop.toml", RUNBOOK), ("hosts.ini", AS_WRITTEN), ("hosts.json", RECORDED)]);
    let path = |name: &str| dir.path().join(name).display().to_string();
    let bin = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let plan = |inventory: &str, path_of_programs: &str| {
        let args = ["plan", &path("shop.toml"), "--inventory", inventory];
        let mut command = program(state.path(), &args);
        let mut called = called(&command.env("PATH", path_of_programs).output().unwrap());
        // As one line, whatever the width.
        let words = called.err.replace('│', " ");
        called.err = words.split_whitespace().collect::<Vec<_>>().join(" ");
        called
    };
    let from_file = plan(&format!("ansible:{}", path("hosts.json")), "/nowhere");
    assert_eq!(from_file.code, 0, "{}", from_file.err);
    assert!(from_file.out.contains("web2"), "{}", from_file.out);

    let ini = format!("ansible:{}", path("hosts.ini"));
    let missing = plan(&ini, "/nowhere");
    assert_eq!(missing.code, 3, "{}", missing.err);
    for part in ["inventory` is not installed here", "reads without Ansible: ansible:hosts.json"] {
        assert!(missing.err.contains(part), "{}", missing.err);
    }
    let whole = format!("{}:/usr/bin:/bin", bin.path().display());
    let json = path("hosts.json");
    stub(
        bin.path(),
        &format!("[ \"$1 $2 $3\" = \"--list -i {}\" ] || exit 9\ncat {json}", path("hosts.ini")),
    );
    let asked = plan(&ini, &whole);
    assert_eq!((asked.code, asked.out), (0, from_file.out), "{}", asked.err);

    stub(bin.path(), "echo 'ERROR! the vault has no key' >&2; exit 4");
    let failed = plan(&ini, &whole);
    assert_eq!(failed.code, 3);
    assert!(failed.err.contains("the vault has no key"), "{}", failed.err);
    assert!(failed.err.contains("exit status: 4"), "{}", failed.err);

    stub(
        bin.path(),
        &format!("sed 's/\"app_secret\": .*/\"ansible_password\": \"hunter2\",/' {json}"),
    );
    let refused = plan(&ini, &whole);
    assert_eq!(refused.code, 3);
    assert!(
        refused.err.contains("is a password") && !refused.err.contains("hunter2"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("hosts.ini:15:17"), "{}", refused.err);
}

#[test]
fn a_runbook_may_name_it_and_a_session_keeps_no_other_variable() {
    let runbook = format!("inventory = \"ansible:hosts.json\"\n{RUNBOOK}");
    let dir = folder(&[("shop.toml", &runbook), ("hosts.json", RECORDED)]);
    let file = dir.path().join("hosts.json");
    let bare = Options { inventory: Some(file.display().to_string()), ..Options::default() };
    let (_, refused) = Inputs::read(&dir.path().join("shop.toml"), &bare).unwrap();
    let said: Vec<_> = refused.errors().map(|problem| problem.message.as_str()).collect();
    assert!(said.iter().any(|it| it.ends_with("is JSON, not TOML")), "{said:?}");
    let (inputs, checked) =
        Inputs::read(&dir.path().join("shop.toml"), &Options::default()).unwrap();
    assert_eq!(checked.errors().count(), 0, "{:?}", checked.problems);
    let kept = &inputs.files["ansible:hosts.json"];
    assert!(!kept.contains("tr0ub4dor") && !kept.contains("profile"), "{kept}");
    let again = inputs.check();
    assert_eq!(again.inventory, checked.inventory);
    assert_eq!(checked.inventory.hosts.len(), 3);
    assert_eq!(inputs.plan(&again).unwrap(), inputs.plan(&checked).unwrap());
}
