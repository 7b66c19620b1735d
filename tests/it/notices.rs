//! Notices: tried again, folded, signed, protected, resolved, and never in anybody's way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use golive::base::{ChannelId, SafeText, Timestamp};
use golive::engine::{Effect, End, Event, Key, Mark, Part, RunKind, Signal};
use golive::exec::{Edge, Patience, Report, Secrets};
use golive::runbook::{NoticeEvent, SourceFile, check};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::mailbox::{Guard, MailServer};
use crate::websites::{Authority, Came, Page, Site};

const PATIENCE: Duration = Duration::from_mins(1);

const HEAD: &str = r#"golive = 1
[runbook]
id = "x"
title = "X"
[[phase]]
id = "p"
[[phase.step]]
id = "look"
local = "true"
read_only = true
[secrets]
key = { env = "KEY" }
url = { env = "URL" }
"#;

struct Told {
    channel: String,
    numbers: Vec<u64>,
    tries: u32,
    lost: Option<String>,
}

struct Desk {
    edge: Edge,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Desk {
    /// The channels of `text`; `url` is the value of the secret `url` and of every other.
    fn new(text: &str, url: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let file = dir.path().join("night.toml");
        std::fs::write(&file, format!("{HEAD}{text}")).unwrap();
        let (_, plan) = crate::session::inputs(&file);
        let value = |name: &str| if name == "key" { "the-key-of-nobody" } else { url };
        let secrets = plan.secrets.keys().map(|name| {
            (name.clone(), zeroize::Zeroizing::new(value(name.as_str()).as_bytes().to_vec()))
        });
        let secrets = Secrets::new(secrets.collect(), Vec::new()).unwrap();
        let (sender, reports) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Handle::current();
        let (pool, sinks) = (crate::session::pool(), Arc::new(crate::probes::NoSinks));
        let edge = Edge::new(&plan, pool, sinks, sender, runtime, &secrets).unwrap();
        let edge = edge.with_patience(Patience {
            gather: Duration::from_millis(50),
            delays: [10, 20, 30, 40].map(Duration::from_millis).to_vec(),
            limit: Duration::from_secs(3),
        });
        Self { edge, reports }
    }

    fn tell(
        &self,
        key: Option<Key>,
        channel: &str,
        number: u64,
        text: &str,
        signal: Option<Signal>,
    ) {
        let mark = Mark {
            number,
            session: Some("s-1".parse().unwrap()),
            kind: RunKind::Live,
            at: Timestamp::default(),
            moment: Some(NoticeEvent::Failed),
            signal,
            again: false,
        };
        let channels = vec![channel.parse().unwrap()];
        let (text, mark) = (SafeText::new(text), Box::new(mark));
        self.edge.perform(Effect::Notify { key, channels, text, mark });
    }

    async fn report(&mut self) -> Report {
        let one = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
        one.expect("nothing is ever told").unwrap()
    }

    async fn told(&mut self) -> Told {
        let report = self.report().await;
        let Report::Told { channel, numbers, tries, lost } = report else { panic!("{report:?}") };
        let channel = channel.as_str().to_owned();
        Told { channel, numbers, tries, lost: lost.map(|why| why.as_str().to_owned()) }
    }
}

fn json(came: &Came) -> Value {
    serde_json::from_str(&came.body).unwrap()
}

fn busy(status: u16, headers: &'static str) -> Page {
    Page::Says(status, headers, "not now".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_in_order_and_a_burst_is_one_message() {
    let site = Site::plain().await;
    site.pages("/hook", vec![busy(503, ""), busy(429, "retry-after: 0\r\n"), Page::ok("ok")]);
    let url = format!("http://{}/hook", site.addr);
    let mut desk = Desk::new("[[channel]]\nid = 'ops'\nslack = { secret = 'url' }\n", &url, &[]);
    for number in 1..=3 {
        desk.tell(None, "ops", number, &format!("notice {number}"), None);
    }
    let told = desk.told().await;
    assert_eq!((told.channel.as_str(), told.numbers, told.tries), ("ops", vec![1, 2, 3], 3));
    assert_eq!(told.lost, None);
    desk.tell(None, "ops", 4, &format!("notice 4 of {url}"), None);
    assert_eq!(desk.told().await.numbers, [4]);
    let texts: Vec<_> = site.came().iter().map(|came| json(came)["text"].to_string()).collect();
    let burst = r#""notice 1\nnotice 2\nnotice 3""#;
    // And the address, which is a secret, is in no message.
    assert_eq!(texts, [burst, burst, burst, r#""notice 4 of ‹redacted:url›""#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_get_through_is_given_up_after_five_tries_and_said() {
    let site = Site::plain().await;
    site.page("/busy", busy(500, ""));
    site.page("/gone", Page::Says(404, "", "no_service".to_owned()));
    for (path, tries, words) in [
        ("/busy", 5, "channel ops (slack): HTTP 500: not now"),
        ("/gone", 1, "channel ops (slack): HTTP 404: no_service"),
    ] {
        let url = format!("http://{}{path}", site.addr);
        let mut desk = Desk::new("[[channel]]\nid = 'ops'\nslack = { env = 'X' }\n", &url, &[]);
        desk.tell(None, "ops", 7, "hello", None);
        let told = desk.told().await;
        assert_eq!((told.numbers, told.tries, told.lost.as_deref()), (vec![7], tries, Some(words)));
    }
    assert_eq!(site.came().len(), 6);
    for (url, words) in [
        ("http://hooks.example/x", "is not https://, and would be read"),
        ("not-an-address", "is no address"),
        ("https://169.254.169.254/x", "is not asked: it is a cloud's metadata service"),
    ] {
        let mut desk = Desk::new("[[channel]]\nid = 'ops'\nteams = { env = 'X' }\n", url, &[]);
        desk.tell(None, "ops", 1, "hello", None);
        let told = desk.told().await;
        let lost = told.lost.unwrap();
        assert!(told.tries == 1 && lost.contains(words), "{lost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_tells_waits_for_nobody_and_fails_only_for_good() {
    let site = Site::plain().await;
    site.page("/hang", Page::Hangs);
    site.pages("/busy", vec![busy(503, ""), Page::ok("ok")]);
    site.page("/gone", busy(410, ""));
    let key = || Key { step: "tell".parse().unwrap(), part: Part::Action, attempt: 1 };
    for (path, code) in [("/hang", 0), ("/busy", 0), ("/gone", 1)] {
        let url = format!("http://{}{path}", site.addr);
        let mut desk = Desk::new("[[channel]]\nid = 'ops'\nslack = { env = 'X' }\n", &url, &[]);
        desk.tell(Some(key()), "ops", 1, "hello", None);
        let end = loop {
            if let Report::Ended { end, .. } = desk.report().await {
                break end;
            }
        };
        let End::Exited { code: is, unmet, .. } = end else { panic!("{end:?}") };
        assert_eq!((is, unmet.is_some()), (code, code == 1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_over_its_time_and_body() {
    let site = Site::plain().await;
    site.page("/hook", Page::Says(204, "", String::new()));
    let url = format!("http://{}/hook", site.addr);
    let channel =
        "[[channel]]\nid = 'ops'\nwebhook = { secret = 'url' }\nsign = { secret = 'key' }\n";
    let mut desk = Desk::new(channel, &url, &[]);
    desk.tell(None, "ops", 12, "step a failed", None);
    assert_eq!(desk.told().await.lost, None);
    let came = site.came().remove(0);
    assert_eq!(came.header("golive-notice"), Some("s-1/12"));
    let time = came.header("golive-timestamp").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"the-key-of-nobody").unwrap();
    mac.update(format!("{time}.{}", came.body).as_bytes());
    let hex = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    assert_eq!(came.header("golive-signature"), Some(format!("v1={hex}").as_str()));
    let body = json(&came);
    assert_eq!(body["schema"], "golive.notice/1");
    assert_eq!(body["notices"][0]["text"], "step a failed");
    assert_eq!(body["notices"][0]["moment"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pager_hears_of_the_beginning_and_the_end_of_an_alarm_under_one_key() {
    let site = Site::plain().await;
    site.page("/v2/enqueue", Page::Says(202, "", String::new()));
    let channel = format!(
        "[[channel]]\nid = 'ops'\npagerduty = {{ secret = 'key' }}\nserver = 'http://{}/'\n",
        site.addr
    );
    let mut desk = Desk::new(&channel, "nothing", &[]);
    for (number, over) in [(1, false), (2, true)] {
        let signal = Some(Signal { alarm: "step a".into(), over });
        desk.tell(None, "ops", number, "step a failed", signal);
        assert_eq!(desk.told().await.lost, None);
    }
    let events: Vec<_> = site.came().iter().map(json).collect();
    let of = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let [begin, end] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (of(begin, "event_action"), of(end, "event_action")),
        ("trigger".into(), "resolve".into())
    );
    assert_eq!(
        (of(begin, "dedup_key"), of(end, "dedup_key")),
        ("s-1/step a".into(), "s-1/step a".into())
    );
    assert_eq!(of(begin, "routing_key"), "the-key-of-nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_sent_only_over_a_connection_that_is_protected() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let channel = |server: &MailServer, tls: &str, ca: &str| {
        format!(
            "[[channel]]\nid = 'ops'\nca = '{ca}'\n[channel.email]\nsmtp = 'localhost:{}'\ntls = '{tls}'\nuser = 'night'\npassword = {{ secret = 'key' }}\nfrom = 'Night <night@shop.example>'\nto = ['bridge@shop.example', 'boss@shop.example']\n",
            server.addr.port()
        )
    };
    let files = [("ours.pem", ours.pem.as_str()), ("theirs.pem", theirs.pem.as_str())];
    for (guard, tls) in [(Guard::Starttls, "starttls"), (Guard::Implicit, "implicit")] {
        let server = MailServer::start(&ours, guard, 1).await;
        let mut desk = Desk::new(&channel(&server, tls, "ours.pem"), "nothing", &files);
        desk.tell(None, "ops", 5, "[DRILL] X: step ä failed", None);
        let told = desk.told().await;
        assert_eq!((told.lost, told.tries), (None, 2), "{tls}");
        let safe = server.safe().join("\n");
        // \0night\0the-key-of-nobody
        assert!(safe.contains("AUTH PLAIN AG5pZ2h0AHRoZS1rZXktb2Ytbm9ib2R5"), "{safe}");
        for line in [
            "MAIL FROM:<night@shop.example>",
            "RCPT TO:<bridge@shop.example>",
            "RCPT TO:<boss@shop.example>",
            "Message-ID: <golive.s-1.5@shop.example>",
        ] {
            assert!(safe.contains(line), "no {line} in\n{safe}");
        }
        assert!(safe.contains("Subject: "), "{safe}");
        let open = server.open().join(" ");
        assert!(!open.contains("AUTH") && !open.contains("MAIL"), "{open}");

        let server = MailServer::start(&ours, guard, 0).await;
        let mut desk = Desk::new(&channel(&server, tls, "theirs.pem"), "nothing", &files);
        desk.tell(None, "ops", 6, "hello", None);
        let told = desk.told().await;
        let lost = told.lost.unwrap();
        assert!(lost.contains("channel ops (email)"), "{lost}");
        assert_eq!(server.safe(), Vec::<String>::new(), "{tls}");
        let open = server.open().join(" ");
        assert!(!open.contains("AUTH") && !open.contains("MAIL"), "{open}");
    }
}

#[test]
fn wrong_channels_are_told_with_their_place_and_a_way_out() {
    let channels = r#"
[[channel]]
id = "a"
slack = "https://hooks.slack.com/services/T0/B0/x"
events = ["end"]
[[channel]]
id = "b"
events = ["end"]
[[channel]]
id = "c"
slack = { env = "X" }
teams = { env = "X" }
events = ["end"]
[[channel]]
id = "d"
webhook = { url = "https://x" }
events = ["end"]
[[channel]]
id = "e"
pagerduty = { env = "X" }
server = "http://events.example"
events = ["failed"]
[[channel]]
id = "k"
pagerduty = { env = "X" }
events = ["failed", "start"]
[[channel]]
id = "f"
email = { smtp = "mail.example", from = "x", to = [] }
events = ["end"]
[[channel]]
id = "g"
email = { smtp = "mail.example:25", tls = "none", user = "u", from = "a@b.example", to = "c@d.example" }
events = ["end"]
[[channel]]
id = "h"
slack = { env = "X" }
sign = { env = "Y" }
events = ["finish"]
[[channel]]
id = "i"
command = "cat"
ca = "ca.pem"
events = ["end"]
[[channel]]
id = "j"
slack = { secret = "nobody" }
events = ["end"]
"#;
    let text = format!("{HEAD}{channels}");
    let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
    let told: Vec<_> = checked
        .problems
        .iter()
        .map(|problem| {
            let written = text.get(problem.at.place.span()).unwrap_or_default();
            let help = problem.help.as_deref().unwrap_or_default();
            format!("{} {} @ {written} = {help}", problem.code, problem.message)
        })
        .collect();
    for (code, message, place) in [
        ("G005", "`slack` of channel `a` would stand in the runbook", "\"https://hooks"),
        ("G016", "a channel without a way to anybody", ""),
        ("G016", "a channel with slack and teams", ""),
        ("G006", "`webhook` of channel `d` has no source", "{ url"),
        ("G006", "this is not an HTTPS address", "\"http://events.example\""),
        ("G025", "a pager is told of what needs somebody", "[\"failed\", \"start\"]"),
        ("G006", "this is not the address of a mail server", "\"mail.example\""),
        ("G006", "`x` is no mail address", "\"x\""),
        ("G006", "nobody reads this mail", "[]"),
        ("G025", "mail to mail.example:25 would go for everybody to read", "\"none\""),
        ("G025", "an account is a name and a password", "{ smtp"),
        ("G002", "unknown key `sign` in a channel", "sign"),
        ("G006", "`finish` is none of the words for `events`", "\"finish\""),
        ("G002", "unknown key `ca` in a channel", "ca"),
        ("G015", "secret `nobody`", "\"nobody\""),
    ] {
        let is = |told: &&String| {
            told.starts_with(code) && told.contains(message) && told.contains(&format!("@ {place}"))
        };
        let found = told.iter().find(is);
        assert!(found.is_some(), "no {code} {message} @ {place} in\n{}", told.join("\n"));
        assert!(!found.unwrap().ends_with("= "), "{found:?}");
    }
}

/// A notice under way when golive dies is told again, once, under the same number; one that was
/// delivered is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_under_way_at_a_crash_comes_again_and_no_other_does() {
    let site = Site::plain().await;
    site.page("/quiet", Page::ok("ok"));
    site.page("/hook", Page::Hangs);
    let dir = tempfile::tempdir().unwrap();
    let text = r#"golive = 1
[runbook]
id = "night"
title = "Night"
[[channel]]
id = "well"
webhook = { env = "WELL" }
events = ["start"]
drills = true
[[channel]]
id = "ill"
webhook = { env = "ILL" }
events = ["start"]
drills = true
[[channel]]
id = "live-only"
webhook = { env = "WELL" }
events = ["start"]
[[phase]]
id = "p"
[[phase.step]]
id = "wait"
local = "sleep 600"
read_only = true
"#;
    let file = dir.path().join("night.toml");
    std::fs::write(&file, text).unwrap();
    let golive = |args: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_golive"));
        command.args(args).args(["--state-dir", "state"]).current_dir(dir.path());
        command.env("WELL", format!("http://{}/quiet", site.addr));
        command.env("ILL", format!("http://{}/hook", site.addr));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        command
    };
    let args = ["run", "night.toml", "--kind", "rehearsal", "--confirm", "check", "--session", "s"];
    let mut first = golive(&args).spawn().unwrap();
    let journal = || {
        let found = golive::session::Store::new(dir.path().join("state")).find("s").ok()?;
        golive::journal::read_all(&found.dir).ok()
    };
    let delivered = || {
        let entries = journal().unwrap_or_default();
        let facts = entries.iter().flat_map(|entry| &entry.facts);
        let mut of: BTreeMap<ChannelId, usize> = BTreeMap::new();
        for fact in facts {
            if let Event::NoticeDelivered { channel, numbers, .. } = &fact.event {
                *of.entry(channel.clone()).or_default() += numbers.len();
            }
        }
        of
    };
    let under_way = || site.came().iter().filter(|came| came.path == "/hook").count();
    until("one is delivered, the other under way", || delivered().len() == 1 && under_way() == 1)
        .await;
    first.start_kill().unwrap(); // As the kernel does it: nothing is said.
    first.wait().await.unwrap();

    site.page("/hook", Page::ok("ok"));
    let mut second = golive(&["resume", "s", "--headless"]).spawn().unwrap();
    until("it is delivered", || delivered().len() == 2).await;
    second.wait().await.unwrap();
    let third = golive(&["resume", "s", "--headless"]).output().await.unwrap();
    assert!(third.status.code().is_some(), "{third:?}");

    let came = site.came();
    let of = |path: &str| came.iter().filter(|came| came.path == path).cloned().collect::<Vec<_>>();
    assert_eq!(of("/quiet").len(), 1, "what was delivered came again");
    let hook = of("/hook");
    assert_eq!(hook.len(), 2, "{hook:?}");
    assert_eq!(hook[0].header("golive-notice"), hook[1].header("golive-notice"));
    let notice = |came: &Came| json(came)["notices"][0].clone();
    assert_eq!(
        (&notice(&hook[0])["again"], &notice(&hook[1])["again"]),
        (&false.into(), &true.into())
    );
    let text = notice(&hook[1])["text"].as_str().unwrap().to_owned();
    assert_eq!(text, "[REHEARSAL] Night: the run has begun");
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
