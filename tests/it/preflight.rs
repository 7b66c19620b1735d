//! `golive preflight` as it is called, against a real `sshd`, websites that are well and not, and
//! a channel that is told: what it finds, what it says, and the code it ends with.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{Called, called, folder, program};
use crate::sshd::{Sshd, keygen, me, sh};
use crate::websites::{Authority, Page, Site};

/// A runbook beside its hosts, and where its state is.
struct Desk {
    dir: TempDir,
    state: TempDir,
}

/// Keys of a host.
struct Keys<'a> {
    pin: &'a str,
    identity: &'a Path,
    more: &'a str,
}

fn pin(sshd: &Sshd) -> String {
    let key = sshd.path("host_ed25519.pub");
    let said = sh("ssh-keygen", &["-lf", key.to_str().unwrap()]);
    said.split_whitespace().nth(1).unwrap().to_owned()
}

fn host(sshd: &Sshd, name: &str, keys: &Keys<'_>) -> String {
    let Keys { pin, identity, more } = keys;
    let pin = if pin.is_empty() { String::new() } else { format!("hostkey = \"{pin}\"\n") };
    format!(
        "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\n{pin}identity = \"{}\"\n{more}\n",
        sshd.port,
        me(),
        identity.display()
    )
}

const HEAD: &str = "golive = 1\n[runbook]\nid = \"night\"\ntitle = \"The night\"\nstrategy = \"direct\"\nenvironment = \"production\"\n";
const STEP: &str =
    "estimate = \"1s\"\ntimeout = \"1m\"\nundo = { run = \"true\", estimate = \"1s\" }\n";

fn step(id: &str, on: &str, rest: &str) -> String {
    format!("[[phase.step]]\nid = \"{id}\"\ntitle = \"Step\"\non = \"{on}\"\n{rest}\n{STEP}")
}

impl Desk {
    fn new(parts: &[&str]) -> Self {
        let text: String = parts.iter().copied().collect();
        let dir = folder(&[("night.toml", text.as_str())]);
        Self { dir, state: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("night.toml")
    }

    fn call(&self, flags: &[&str]) -> Called {
        let file = self.file();
        let args: Vec<&str> = ["preflight", file.to_str().unwrap()]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        called(&program(self.state.path(), &args).output().unwrap())
    }

    fn json(&self, flags: &[&str]) -> (i32, Value) {
        let flags: Vec<&str> = flags.iter().copied().chain(["--json"]).collect();
        let called = self.call(&flags);
        let json = serde_json::from_str(&called.out);
        (called.code, json.unwrap_or_else(|_| panic!("{}\n{}", called.out, called.err)))
    }
}

/// Level and words of what was found in a place.
fn found(json: &Value, place: &str, what: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = json["findings"].as_array().unwrap();
    let here = all.iter().filter(|one| one["place"] == place && one["what"] == what);
    here.map(|one| (text(&one["level"]), text(&one["words"]))).collect()
}

fn one(json: &Value, place: &str, what: &str) -> (String, String) {
    let mut found = found(json, place, what);
    assert_eq!(found.len(), 1, "{what} of {place}: {json:#}");
    found.remove(0)
}

const HERE: &str = "[[phase.step]]\nid = \"here\"\ntitle = \"Here\"\nlocal = \"true\"\nread_only = true\nestimate = \"1s\"\ntimeout = \"1m\"\n";
const PHASE: &str = "[[phase]]\nid = \"go\"\ntitle = \"Go\"\n";

#[test]
fn a_night_that_can_begin_is_said_to_be_ready() {
    let sshd = Sshd::with(&["ed25519"], "Subsystem sftp internal-sftp");
    let keys = Keys { pin: &pin(&sshd), identity: &sshd.identity(), more: "become = \"env\"" };
    let upload = format!("upload = {{ from = \"app\", to = \"{}\" }}", sshd.path("app").display());
    let ready = "run = \"sync\"\nundo = { run = \"true\", estimate = \"1s\", ready = { run = \"test -d /\" } }\nestimate = \"1s\"\ntimeout = \"1m\"";
    let desk = Desk::new(&[
        HEAD,
        &host(&sshd, "web1", &keys),
        PHASE,
        &step("stop", "web1", "run = \"ls / | sort\"\nbecome = true"),
        &step("send", "web1", &upload),
        &format!("[[phase.step]]\nid = \"move\"\ntitle = \"Step\"\non = \"web1\"\n{ready}\n"),
    ]);
    std::fs::write(desk.dir.path().join("app"), "bytes").unwrap();
    let (code, json) = desk.json(&[]);
    assert_eq!(json["counts"]["failed"], 0, "{json:#}");
    assert_eq!((code, &json["passed"]), (0, &Value::Bool(true)));
    for what in ["login", "host-key", "become", "sftp", "room", "durable", "clock", "undo-ready"] {
        assert_eq!(one(&json, "web1", what).0, "ok", "{what}: {json:#}");
    }
    assert!(found(&json, "web1", "tools").iter().all(|(level, _)| level == "ok"), "{json:#}");
    assert!(!sshd.path("app").exists() && !sshd.path(".golive").exists(), "nothing was changed");
    assert!(!desk.state.path().join("sessions").read_dir().unwrap().any(|_| true), "no session");
}

#[test]
fn what_has_to_be_put_right_is_code_4_and_says_how() {
    let sshd = Sshd::start();
    let pin = pin(&sshd);
    let own = sshd.identity();
    let stranger = keygen(sshd.dir.path(), "stranger", "ed25519", "");
    let wrong = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDqTOvsLDQN5QYqAbc";
    let host = |name: &str, pin: &str, identity: &Path, more: &str| {
        host(&sshd, name, &Keys { pin, identity, more })
    };
    let mut text = HEAD.to_owned();
    let refused = "become = \"sh -c 'echo sudo: a password is required >&2; exit 1'\"";
    for part in [
        host("become1", &pin, &own, refused),
        host("tool1", &pin, &own, ""),
        host("login1", &pin, &stranger, ""),
        host("key1", wrong, &own, ""),
        host("sftp1", &pin, &own, ""),
        PHASE.to_owned(),
        step("one", "become1", "run = \"true\"\nbecome = true"),
        step("two", "tool1", "run = \"no-such-tool --now\""),
        step("three", "login1", "run = \"true\""),
        step("four", "key1", "run = \"true\""),
        "[[phase.step]]\nid = \"five\"\non = \"sftp1\"\ndownload = { from = \"/etc/hostname\" }\nestimate = \"1s\"\ntimeout = \"1m\"\n".to_owned(),
        step("six", "tool1", "run = \"apt-get install -y late-tool\""),
        step("seven", "tool1", "run = \"late-tool\""),
    ] {
        text.push_str(&part);
    }
    let desk = Desk::new(&[&text]);
    let (code, json) = desk.json(&[]);
    assert_eq!((code, &json["passed"]), (4, &Value::Bool(false)), "{json:#}");
    let failed = |place, what, words: &str| {
        let all = found(&json, place, what);
        let hit = all.iter().any(|(level, said)| level == "failed" && said.contains(words));
        assert!(hit, "{place} {what}: {json:#}");
    };
    failed("become1", "become", "a password is required");
    failed("tool1", "tools", "no-such-tool is not there; step two names it");
    failed("login1", "login", "refused the login");
    failed("key1", "host-key", "HAS CHANGED");
    failed("sftp1", "sftp", "add `Subsystem sftp internal-sftp`");
    let late = found(&json, "tool1", "tools");
    let late = late.iter().find(|(_, words)| words.contains("late-tool")).unwrap();
    assert_eq!(late.0, "warning", "a step before may bring it");
    assert_eq!(one(&json, "login1", "rest").0, "unknown", "what was not looked at is not proved");
    for finding in json["findings"].as_array().unwrap() {
        if finding["level"] == "failed" && finding["what"] == "become" {
            assert!(finding["fix"].as_str().unwrap().contains("without a password"));
        }
    }
}

#[test]
fn a_key_that_nobody_knows_is_told_with_its_fingerprint() {
    let sshd = Sshd::start();
    let identity = sshd.identity();
    let desk = Desk::new(&[
        HEAD,
        &host(&sshd, "new1", &Keys { pin: "", identity: &identity, more: "" }),
        PHASE,
        &step("one", "new1", "run = \"true\""),
    ]);
    let home = tempfile::tempdir().unwrap();
    let file = desk.file();
    let mut command = program(desk.state.path(), &["preflight", file.to_str().unwrap()]);
    let called = called(&command.env("HOME", home.path()).output().unwrap());
    assert_eq!(called.code, 4, "{}\n{}", called.out, called.err);
    let shown = called.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&pin(&sshd)), "{}", called.out);
    assert!(shown.contains("golive trust -i INVENTORY new1"), "{}", called.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_secret_is_in_what_is_found() {
    let sshd = Sshd::start();
    let pin = pin(&sshd);
    let identity = sshd.identity();
    let site = Site::plain().await;
    let echo = "location: /login?token=t0ken-of-nobody\r\n";
    site.page("/", Page::Says(302, echo, String::new()));
    let refused = "become = \"sh -c 'echo no t0ken-of-nobody for you >&2; exit 1'\"";
    let keys = |more| Keys { pin: &pin, identity: &identity, more };
    let ready = "run = \"true\"\nenv = { TOKEN = { secret = \"token\" } }\nundo = { run = \"true\", estimate = \"1s\", ready = { run = \"echo denied: $TOKEN >&2; exit 1\" } }\nestimate = \"1s\"\ntimeout = \"1m\"";
    let desk = Desk::new(&[
        HEAD,
        "[secrets]\ntoken = { file = \"token\" }\n[probes]\nallow = [\"127.0.0.1\"]\n",
        &format!(
            "[[probe]]\nid = \"front\"\nevery = \"5s\"\ntimeout = \"2s\"\nsource = {{ http = \"http://127.0.0.1:{}/\", value = \"status\", bearer = {{ secret = \"token\" }} }}\nfailed = \"> 500\"\n",
            site.addr.port()
        ),
        &host(&sshd, "web1", &keys("")),
        &host(&sshd, "web2", &keys(refused)),
        PHASE,
        &format!("[[phase.step]]\nid = \"move\"\ntitle = \"Step\"\non = \"web1\"\n{ready}\n"),
        &step("two", "web2", "run = \"true\"\nbecome = true"),
    ]);
    std::fs::write(desk.dir.path().join("token"), "t0ken-of-nobody\n").unwrap();
    std::fs::set_permissions(desk.dir.path().join("token"), Permissions::from_mode(0o600)).unwrap();
    let (desk, json) = tokio::task::spawn_blocking(move || {
        let json = desk.json(&[]).1;
        (desk, json)
    })
    .await
    .unwrap();
    for (place, what, words) in [
        ("web1", "undo-ready", "denied: "),
        ("web2", "become", "no "),
        ("front", "reading", "HTTP 302 to /login?token="),
    ] {
        let (_, said) = one(&json, place, what);
        assert!(said.contains(words) && said.contains("token"), "{place}: {said}");
    }
    assert!(!json.to_string().contains("t0ken-of-nobody"), "{json:#}");
    let called = tokio::task::spawn_blocking(move || desk.call(&[])).await.unwrap();
    let shown = format!("{}{}", called.out, called.err);
    assert!(!shown.contains("t0ken-of-nobody"), "{shown}");
}

#[test]
fn a_machine_that_is_not_the_one_meant_is_asked_nothing_else() {
    let sshd = Sshd::with(&["ed25519"], "Subsystem sftp internal-sftp");
    let heard = sshd.path("heard");
    let proof = "proof = { run = \"echo another\", equals = \"this-one\" }";
    let keys = Keys { pin: &pin(&sshd), identity: &sshd.identity(), more: proof };
    let ready = format!(
        "run = \"no-such-tool\"\nenv = {{ TOKEN = {{ secret = \"token\" }} }}\nundo = {{ run = \"true\", estimate = \"1s\", ready = {{ run = \"echo $TOKEN > {}\" }} }}\nestimate = \"1s\"\ntimeout = \"1m\"",
        heard.display()
    );
    let desk = Desk::new(&[
        HEAD,
        "[secrets]\ntoken = { file = \"token\" }\n",
        &host(&sshd, "web1", &keys),
        PHASE,
        &format!("[[phase.step]]\nid = \"move\"\ntitle = \"Step\"\non = \"web1\"\n{ready}\n"),
    ]);
    std::fs::write(desk.dir.path().join("token"), "t0ken-of-nobody\n").unwrap();
    std::fs::set_permissions(desk.dir.path().join("token"), Permissions::from_mode(0o600)).unwrap();
    let (code, json) = desk.json(&[]);
    assert_eq!(code, 4, "{json:#}");
    let (level, words) = one(&json, "web1", "proof");
    assert!(level == "failed" && words.contains("the host said `another`"), "{words}");
    let all = json["findings"].as_array().unwrap().iter().filter(|one| one["place"] == "web1");
    let what: Vec<_> = all.map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["login", "host-key", "proof", "rest"], "{json:#}");
    assert_eq!(one(&json, "web1", "rest").0, "unknown");
    assert!(!heard.exists(), "no secret was handed to it");
}

#[test]
fn what_works_is_not_said_to_fail() {
    let sshd = Sshd::with(&["ed25519"], "Subsystem sftp internal-sftp");
    let keys = Keys { pin: &pin(&sshd), identity: &sshd.identity(), more: "" };
    let to = |name: &str| sshd.path(name).display().to_string();
    let upload = |name: &str| format!("upload = {{ from = \"app\", to = \"{}\" }}", to(name));
    let desk = Desk::new(&[
        HEAD,
        &host(&sshd, "web1", &keys),
        PHASE,
        &step(
            "list",
            "web1",
            "run = 'hosts=(web1 web2); [[ $r =~ ^(web|db)$ ]]'\nshell = \"bash\"",
        ),
        &step("profile", "web1", "run = '. /opt/shop/env.sh; no-such-ctl go'"),
        &step("path", "web1", "run = 'no-such-path go'\nenv = { PATH = \"/opt/shop/bin:/bin\" }"),
        &step("early", "web1", "run = 'sent-later'"),
        &step("send", "web1", &upload("sent-tool")),
        &step("send2", "web1", &upload("sent-later")),
        &step("sent", "web1", "run = 'sent-tool go'"),
    ]);
    std::fs::write(desk.dir.path().join("app"), "bytes").unwrap();
    let (_, json) = desk.json(&[]);
    let tools = found(&json, "web1", "tools");
    let said = |name: &str| {
        let mut said = tools.iter().filter(|(_, words)| words.contains(name));
        let (level, words) = said.next().unwrap_or_else(|| panic!("{name}: {json:#}"));
        (level.as_str(), words.as_str())
    };
    assert_eq!(said("no-such-ctl").0, "unknown", "{json:#}");
    assert!(said("no-such-ctl").1.contains("step profile changes where"), "{json:#}");
    assert_eq!(said("no-such-path").0, "unknown", "{json:#}");
    assert_eq!(said("sent-tool").0, "warning", "{json:#}");
    assert_eq!(said("sent-later").0, "failed", "what comes later is of no use: {json:#}");
    assert!(!tools.iter().any(|(_, words)| words.contains("web")), "{json:#}");
    let (level, words) = one(&json, "web1", "room");
    let both = words.contains(&to("sent-tool")) && words.contains(&to("sent-later"));
    assert!(level == "ok" && both && words.contains("10 B to be uploaded"), "{words}");
}

#[test]
fn it_is_a_page_that_a_tired_person_reads() {
    let sshd = Sshd::start();
    let identity = sshd.identity();
    let pin = pin(&sshd);
    let keys = |more| Keys { pin: &pin, identity: &identity, more };
    let refused = "become = \"sh -c 'echo sudo: a password is required >&2; exit 1'\"";
    let desk = Desk::new(&[
        HEAD,
        "[secrets]\ntoken = { env = \"NOT_SET_ANYWHERE\" }\n",
        "[[channel]]\nid = \"ops\"\ncommand = \"cat\"\nevents = [\"end\"]\n",
        &host(&sshd, "db1", &keys(refused)),
        &host(&sshd, "web1", &keys("")),
        PHASE,
        &step("stop", "db1", "run = \"psql -c checkpoint-of-no-such-tool\"\nbecome = true"),
        &step("go", "web1", "run = \"no-such-tool\""),
        &step("look", "web1", "run = \"ls /\"\nenv = { TOKEN = { secret = \"token\" } }"),
    ]);
    let called = desk.call(&[]);
    assert_eq!(called.code, 4, "{}\n{}", called.out, called.err);
    assert!(called.err.contains("nothing is changed"), "{}", called.err);
    let place = |path: &Path| regex::escape(path.to_str().unwrap());
    let mut shown = called.out;
    for (pattern, text) in [
        (place(desk.dir.path()), "DIR"),
        (place(desk.state.path()), "STATE"),
        (place(sshd.dir.path()), "HOME"),
        (r"127\.0\.0\.1:\d+".to_owned(), "ADDRESS"),
        (r"SHA256:\S{43}".to_owned(), "SHA256:KEY"),
        ("plan [0-9a-f]{16}".to_owned(), "plan DIGEST"),
        (r"(ahead|behind) by \d+ ms\s+\(± \S+\)".to_owned(), "ahead by N ms"),
        (r"\d+(\.\d+)? [GMT]i?B".to_owned(), "N GB"),
        (format!(r"\bas {}\b", me()), "as USER"),
        (format!("let {} do", me()), "let USER do"),
    ] {
        shown = regex::Regex::new(&pattern).unwrap().replace_all(&shown, text).into_owned();
    }
    // Where lines are broken depends on the lengths of names: what is said does not.
    let shown = shown.replace("\n                             fix: ", "\n           fix: ");
    let wide = regex::Regex::new(r"\n {29,}").unwrap();
    insta::assert_snapshot!(wide.replace_all(&shown, " "));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_read_once_and_certificates_have_days_left() {
    let authority = Authority::new();
    let (good, old) =
        (Site::secure(&authority, "localhost").await, Site::expired(&authority, "localhost").await);
    let (red, none) = (Site::plain().await, Site::plain().await);
    for site in [&good, &old, &red] {
        site.page("/", Page::ok("{\"p99\": 900}"));
    }
    none.page("/", Page::Hangs);
    let mut text = format!("{HEAD}[probes]\nallow = [\"127.0.0.1\", \"localhost\"]\n");
    let secure = |site: &Site| format!("https://localhost:{}/", site.addr.port());
    let plain = |site: &Site| format!("http://127.0.0.1:{}/", site.addr.port());
    for (name, url, ca, limit) in [
        ("good", secure(&good), ", ca = \"ca.pem\"", 5000),
        ("old", secure(&old), ", ca = \"ca.pem\"", 5000),
        ("red", plain(&red), "", 500),
        ("none", plain(&none), "", 500),
    ] {
        writeln!(
            text,
            "[[probe]]\nid = \"{name}\"\nevery = \"5s\"\ntimeout = \"2s\"\nsource = {{ http = \"{url}\", value = \"json:/p99\"{ca} }}\nfailed = \"> {limit}\""
        )
        .unwrap();
    }
    text.push_str(PHASE);
    text.push_str(HERE);
    let desk = Desk::new(&[&text]);
    std::fs::write(desk.dir.path().join("ca.pem"), &authority.pem).unwrap();
    let (code, json) = tokio::task::spawn_blocking(move || desk.json(&[])).await.unwrap();
    assert_eq!(code, 4, "{json:#}");
    assert_eq!(one(&json, "good", "reading").0, "ok", "{json:#}");
    let (level, words) = one(&json, "good", "certificate");
    assert_eq!(level, "ok", "{words}");
    let (level, words) = one(&json, "old", "reading");
    assert!(level == "failed" && words.contains("expired"), "{words}");
    let (level, words) = one(&json, "red", "reading");
    assert!(level == "warning" && words.contains("900"), "{words}");
    assert_eq!(one(&json, "none", "reading").0, "failed", "{json:#}");
}

#[test]
fn channels_are_told_only_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let heard = dir.path().join("heard");
    let (good, bad) = (format!("cat >> {}", heard.display()), "exit 3");
    let desk = Desk::new(&[
        HEAD,
        &format!("[[channel]]\nid = \"good\"\ncommand = \"{good}\"\nevents = [\"end\"]\n"),
        &format!("[[channel]]\nid = \"bad\"\ncommand = \"{bad}\"\nevents = [\"end\"]\n"),
        PHASE,
        HERE,
    ]);
    let (code, json) = desk.json(&[]);
    assert_eq!((code, one(&json, "good", "notice").0.as_str()), (0, "unknown"), "{json:#}");
    assert!(!heard.exists(), "nobody was told");
    let (code, json) = desk.json(&["--notify-test"]);
    assert_eq!((code, one(&json, "good", "notice").0.as_str()), (4, "ok"), "{json:#}");
    assert_eq!(one(&json, "bad", "notice").0, "failed");
    let told = std::fs::read_to_string(&heard).unwrap();
    assert!(told.starts_with("TEST from golive: The night"), "{told}");
    assert_eq!(told.matches("TEST").count(), 1, "one message");
}

#[test]
fn a_runbook_with_errors_is_code_3() {
    let desk = Desk::new(&[HEAD, "[[phase]]\nid = \"go\"\nno_such_key = 1\n"]);
    let called = desk.call(&[]);
    assert_eq!(called.code, 3, "{}", called.err);
    assert_eq!(called.out, "", "nothing was looked at");
}
