//! The judge of host keys beside OpenSSH's: `ssh-keygen -F` finds lines, `ssh` decides.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use golive::exec::ssh::{
    ConfigSource, KnownHostsFile, Options, Pool, RecordedName, RunEnd, SshError, Verdict,
    judge_line,
};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;
use tempfile::TempDir;

use crate::sshd::{Sshd, keygen, me, public, run_line, sh};

/// Keys that no lines were made for by a person: one of each kind.
const KEYS: [&str; 3] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=",
];

/// What `ssh-keygen -F` says of `name`: line number, marker, key.
fn found(file: &Path, name: &str) -> Vec<(usize, String, String)> {
    let output = Command::new("ssh-keygen")
        .args(["-F", name, "-f"])
        .arg(file)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(head) = lines.next() {
        let words: Vec<&str> = head.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "line").unwrap();
        let number = words[at + 1].parse().unwrap();
        let marker = words.get(at + 2).copied().unwrap_or_default();
        let line: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        let key = line[line.len().saturating_sub(2)..].join(" ");
        // It finds lines whose key nobody can read, too; ssh skips them.
        if KEYS.contains(&key.as_str()) {
            found.push((number, marker.to_owned(), key));
        }
    }
    found
}

/// The judgement that follows from the lines that `ssh-keygen -F` found.
fn openssh(file: &Path, name: &str, key: &str) -> (&'static str, Vec<usize>) {
    let found = found(file, name);
    if let Some(line) = found.iter().find(|line| line.1 == "REVOKED" && line.2 == key) {
        return ("revoked", vec![line.0]);
    }
    if let Some(line) = found.iter().find(|line| line.1.is_empty() && line.2 == key) {
        return ("known", vec![line.0]);
    }
    let others: Vec<usize> =
        found.iter().filter(|line| line.1.is_empty()).map(|line| line.0).collect();
    if others.is_empty() { ("unknown", others) } else { ("changed", others) }
}

fn ours(file: &Path, host: &str, port: u16, key: &str) -> (&'static str, Vec<usize>) {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let files = [KnownHostsFile { path: "f".to_owned(), text }];
    match judge_line(&files, &RecordedName::new(host, port), key).unwrap() {
        Verdict::Known(record) => ("known", vec![record.line]),
        Verdict::Unknown => ("unknown", Vec::new()),
        Verdict::Changed(records) => ("changed", records.iter().map(|r| r.line).collect()),
        Verdict::Revoked(record) => ("revoked", vec![record.line]),
    }
}

/// A line of a file: well formed, decorated, or garbage.
fn line() -> impl Strategy<Value = String> {
    let name = select(vec![
        "web1",
        "web2",
        "WEB1",
        "10.0.0.1",
        "[web1]:2222",
        "[web1]:*",
        "web*",
        "w?b1",
        "*",
        "web1.example",
        "*.example",
    ]);
    let names = vec((any::<bool>(), name), 1..3).prop_map(|names| {
        let name = |(no, name): (bool, &str)| format!("{}{name}", if no { "!" } else { "" });
        names.into_iter().map(name).collect::<Vec<_>>().join(",")
    });
    // Not a tab behind a marker: OpenSSH then overlooks the line, and we do not.
    let marker = select(vec!["", "", "", "@revoked ", "@cert-authority "]);
    let blank = select(vec![" ", "\t", "  ", " \t "]);
    let garbage = select(vec![
        "# a comment",
        "",
        "web1",
        "web1 ssh-ed25519",
        "web1 ssh-ed25519 AAAA",
        "@nonsense web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
    ]);
    let good =
        (marker, names, blank, select(KEYS.to_vec())).prop_map(|(marker, names, blank, key)| {
            format!("{marker}{names}{blank}{}", key.replacen(' ', blank, 1))
        });
    proptest::prop_oneof![6 => good, 1 => garbage.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn we_judge_as_the_lines_that_ssh_keygen_finds(
        lines in vec(line(), 0..6),
        hashed in any::<bool>(),
        host in select(vec!["web1", "web2", "10.0.0.1", "web1.example", "other"]),
        port in select(vec![22_u16, 2222]),
        key in select(KEYS.to_vec()),
    ) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("known_hosts");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        if hashed {
            // Hashes the plain names and leaves the rest; it refuses a file with bad lines.
            let path = file.to_str().unwrap();
            Command::new("ssh-keygen").args(["-q", "-H", "-f", path])
                .stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        }
        let written = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut theirs = openssh(&file, &written, key);
        if theirs.0 == "unknown" && port != 22 {
            // ssh looks once more without the port, and takes a match only.
            let bare = openssh(&file, host, key);
            if matches!(bare.0, "known" | "revoked") {
                theirs = bare;
            }
        }
        prop_assert_eq!(ours(&file, host, port, key), theirs);
    }
}

/// Whether `ssh` itself gets past the host key with this file.
fn ssh_accepts(sshd: &Sshd, known_hosts: &Path) -> bool {
    let mut ssh = Command::new("ssh");
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=none",
        "IdentitiesOnly=yes",
        "UpdateHostKeys=no",
    ] {
        ssh.args(["-o", option]);
    }
    ssh.args(["-F", "none", "-p", &sshd.port.to_string(), "-l", &me()]);
    ssh.arg("-i").arg(sshd.identity());
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
    ssh.args(["127.0.0.1", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    ssh.status().unwrap().success()
}

fn pool_with(sshd: &Sshd, known_hosts: &Path) -> Pool {
    let options = Options { known_hosts: Some(vec![known_hosts.to_path_buf()]), ..sshd.options() };
    Pool::new(vec![sshd.spec("web1")], options)
}

async fn we_accept(sshd: &Sshd, known_hosts: &Path) -> bool {
    pool_with(sshd, known_hosts).connect(&"web1".parse().unwrap()).await.is_ok()
}

#[tokio::test]
async fn we_accept_what_ssh_accepts() {
    let sshd = Sshd::with(&["ed25519", "ecdsa", "rsa"], "");
    let port = sshd.port;
    let (ed, ec, rsa) = (sshd.host_key("ed25519"), sshd.host_key("ecdsa"), sshd.host_key("rsa"));
    let other = KEYS[1];
    let name = format!("[127.0.0.1]:{port}");
    let hashed = sshd.write("hashed", &format!("{name} {ed}\n"));
    sh("ssh-keygen", &["-q", "-H", "-f", hashed.to_str().unwrap()]);
    let hashed = fs::read_to_string(hashed).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    let cases = [
        ("plain", format!("{name} {ed}\n")),
        ("hashed", hashed),
        ("only rsa recorded", format!("{name} {rsa}\n")),
        ("only ecdsa recorded", format!("{name} {ec}\n")),
        ("another ed25519 recorded", format!("{name} {other}\n")),
        ("another ed25519 and the rsa", format!("{name} {other}\n{name} {rsa}\n")),
        ("unknown", format!("elsewhere {ed}\n")),
        ("empty", String::new()),
        ("revoked", format!("@revoked * {ed}\n{name} {ed}\n")),
        ("revoked of another kind", format!("@revoked * {rsa}\n{name} {ed}\n")),
        ("wildcard", format!("[127.0.0.*]:{port} {ed}\n")),
        ("negated", format!("[127.0.0.*]:{port},!{name} {ed}\n")),
        ("host without port", format!("127.0.0.1 {ed}\n")),
        ("wrong host without port", format!("127.0.0.1 {other}\n")),
        ("tabs", format!("{name}\t{}\n", ed.replacen(' ', "\t", 1))),
        ("authority that signed nothing", format!("@cert-authority * {other}\n{name} {ed}\n")),
        ("garbled line before", format!("{name} ssh-ed25519 AAAA\n{name} {ed}\n")),
    ];
    for (what, text) in cases {
        let file = sshd.write("case", &text);
        assert_eq!(we_accept(&sshd, &file).await, ssh_accepts(&sshd, &file), "{what}");
    }
}

/// A server whose host key is certified for these principals and this validity.
fn certified(principals: &str, validity: &str, extra: &[&str]) -> (Sshd, TempDir) {
    let authority = TempDir::new().unwrap();
    let ca = keygen(authority.path(), "ca", "ed25519", "");
    let dir = TempDir::new().unwrap();
    let host = keygen(dir.path(), "certified", "ed25519", "");
    let pub_file = format!("{}.pub", host.display());
    let mut args = vec![
        "-q",
        "-s",
        ca.to_str().unwrap(),
        "-I",
        "host",
        "-h",
        "-n",
        principals,
        "-V",
        validity,
    ];
    args.extend(extra);
    args.push(&pub_file);
    sh("ssh-keygen", &args);
    let config = format!("HostKey {0}\nHostCertificate {0}-cert.pub\n", host.display());
    let sshd = Sshd::with(&[], &config);
    fs::copy(ca.with_extension("pub"), sshd.path("ca.pub")).unwrap();
    fs::copy(&pub_file, sshd.path("certified.pub")).unwrap();
    (sshd, dir)
}

#[tokio::test]
async fn host_certificates_count_as_for_ssh() {
    let always = "always:forever";
    let cases = [
        ("the right name", "127.0.0.1", always, &[][..], true),
        ("another name", "elsewhere", always, &[], false),
        ("a pattern", "127.0.0.*", always, &[], false),
        ("expired", "127.0.0.1", "20200101:20210101", &[], false),
        ("a critical option", "127.0.0.1", always, &["-O", "critical:x@example.com"], false),
    ];
    for (what, principals, validity, extra, accepted) in cases {
        let (sshd, _keys) = certified(principals, validity, extra);
        let ca = fs::read_to_string(sshd.path("ca.pub")).unwrap();
        let file = sshd.write("kh", &format!("@cert-authority [127.0.0.1]:* {ca}"));
        assert_eq!(we_accept(&sshd, &file).await, accepted, "{what}");
        assert_eq!(ssh_accepts(&sshd, &file), accepted, "{what}, by ssh");
        let revoked = format!("@revoked * {ca}@cert-authority * {ca}");
        let file = sshd.write("kh", &revoked);
        assert!(!we_accept(&sshd, &file).await, "{what}: a revoked authority");
        // The key in the certificate may be known by itself.
        let key = fs::read_to_string(sshd.path("certified.pub")).unwrap();
        let plain = format!("[127.0.0.1]:{} {key}", sshd.port);
        let file = sshd.write("kh", &format!("@cert-authority * {ca}{plain}"));
        assert!(we_accept(&sshd, &file).await, "{what}: known by itself");
    }
}

async fn refusal(pool: &Pool) -> SshError {
    let (end, ear) = run_line(pool, "echo ran").await;
    let RunEnd::NotStarted { why } = end else { panic!("{end:?}") };
    assert_eq!(ear.out(), "");
    why
}

#[tokio::test]
async fn a_refused_key_says_what_was_seen_and_what_to_do() {
    let sshd = Sshd::start();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let shown = sh("ssh-keygen", &["-lf", sshd.path("host_ed25519.pub").to_str().unwrap()]);
    let fingerprint = shown.split_whitespace().nth(1).unwrap();

    let nothing = sshd.path("no-such-file");
    let why = refusal(&pool_with(&sshd, &nothing)).await;
    let SshError::HostKeyUnknown(trouble) = &why else { panic!("{why}") };
    assert_eq!(trouble.offered.fingerprint, fingerprint);
    let text = why.to_string();
    assert!(text.contains(fingerprint) && text.contains("add this line to"), "{text}");
    // The line that it offers is the line that is wanted.
    let file = sshd.write("trusted", &format!("{}\n", trouble.line));
    assert!(we_accept(&sshd, &file).await);
    assert!(ssh_accepts(&sshd, &file));

    let file = sshd.write("changed", &format!("# one\n{name} {}\n", KEYS[1]));
    let why = refusal(&pool_with(&sshd, &file)).await;
    let SshError::HostKeyChanged(trouble) = &why else { panic!("{why}") };
    assert_eq!(trouble.records[0].line, 2);
    assert!(why.to_string().contains("changed:2"), "{why}");

    let file = sshd.write("revoked", &format!("@revoked * {}\n", sshd.host_key("ed25519")));
    let why = refusal(&pool_with(&sshd, &file)).await;
    assert!(matches!(why, SshError::HostKeyRevoked(_)), "{why}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_an_empty_one() {
    let sshd = Sshd::start();
    // A folder cannot be read as a file, not even by root.
    let folder = sshd.path("folder");
    fs::create_dir(&folder).unwrap();
    let good = sshd.known_hosts("ed25519");
    let options = Options { known_hosts: Some(vec![good, folder]), ..sshd.options() };
    let why = refusal(&Pool::new(vec![sshd.spec("web1")], options)).await;
    assert!(matches!(why, SshError::KnownHosts { .. }), "{why}");
}

#[tokio::test]
async fn the_users_settings_do_not_loosen_the_check() {
    let sshd = Sshd::start();
    for setting in ["no", "accept-new"] {
        let config = sshd.write(
            "config",
            &format!(
                "Host *\n StrictHostKeyChecking {setting}\n UserKnownHostsFile {}\n",
                sshd.path("none").display()
            ),
        );
        let options =
            Options { config: ConfigSource::File(config), known_hosts: None, ..sshd.options() };
        let why = refusal(&Pool::new(vec![sshd.spec("web1")], options)).await;
        assert!(matches!(why, SshError::HostKeyUnknown(_)), "{setting}: {why}");
        assert!(!sshd.path("none").exists(), "nothing is ever learnt");
    }
}

#[tokio::test]
async fn a_pin_goes_before_the_files_and_finds_its_kind() {
    let sshd = Sshd::with(&["ed25519", "ecdsa", "rsa"], "");
    let nothing = sshd.path("no-such-file");
    let print = |kind: &str| {
        let file = sshd.path(&format!("host_{kind}.pub"));
        let text = sh("ssh-keygen", &["-lf", file.to_str().unwrap()]);
        text.split_whitespace().nth(1).unwrap().to_owned()
    };
    let pinned = |pin: &str, file: &Path| {
        let mut spec = sshd.spec("web1");
        spec.hostkey = Some(pin.to_owned());
        let known_hosts = Some(vec![file.to_path_buf()]);
        Pool::new(vec![spec], Options { known_hosts, ..sshd.options() })
    };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let pool = pinned(&print(kind), &nothing);
        let peer = pool.connect(&"web1".parse().unwrap()).await.unwrap();
        assert_eq!(peer.host_key.fingerprint, print(kind));
    }
    let why = refusal(&pinned(&format!("SHA256:{}", "A".repeat(43)), &nothing)).await;
    let SshError::HostKeyChanged(trouble) = &why else { panic!("{why}") };
    assert_eq!(trouble.offered.fingerprint, print("ed25519"));
    // What is revoked stays so.
    let revoked = sshd.write("revoked", &format!("@revoked * {}\n", sshd.host_key("ed25519")));
    let why = refusal(&pinned(&print("ed25519"), &revoked)).await;
    assert!(matches!(why, SshError::HostKeyRevoked(_)), "{why}");
}

#[tokio::test]
async fn several_files_and_an_alias_are_honoured() {
    let sshd = Sshd::start();
    let one = sshd.write("one", "# nothing\n");
    let two = sshd.write("two", &format!("the-alias {}\n", public(&sshd.path("host_ed25519"))));
    let config = sshd.write(
        "config",
        &format!(
            "Host target\n HostName 127.0.0.1\n Port {}\n User {}\n HostKeyAlias the-alias\n\
             \x20IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {} {}\n GlobalKnownHostsFile none\n",
            sshd.port, me(), sshd.identity().display(), one.display(), two.display()
        ),
    );
    let options =
        Options { config: ConfigSource::File(config), known_hosts: None, ..sshd.options() };
    let spec = golive::exec::ssh::HostSpec::new("web1".parse().unwrap(), "target");
    let (end, _) = run_line(&Pool::new(vec![spec], options), "true").await;
    assert!(matches!(end, RunEnd::Exited { code: 0, .. }), "{end:?}");
}
