//! Probes against servers that answer, lie, hang, flood and lead astray.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use golive::base::{ProbeId, Timestamp};
use golive::engine::{Board, Health, Job, Reading};
use golive::exec::{Edge, Report, Secrets, Sink, Sinks};
use golive::plan::Plan;
use golive::runbook::{SourceFile, check};
use tokio::sync::mpsc;

use crate::websites::{Authority, Page, Site};

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct NoSinks;

impl Sinks for NoSinks {
    fn open(&self, _: &Job) -> io::Result<Box<dyn Sink>> {
        Err(io::Error::other("no job runs here"))
    }
}

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
token = { env = "TOKEN" }
"#;

/// The plan of these probes; `files` lie beside the runbook.
fn plan(probes: &str, files: &[(&str, &str)]) -> Arc<Plan> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let file = dir.path().join("night.toml");
    std::fs::write(&file, format!("{HEAD}{probes}")).unwrap();
    crate::session::inputs(&file).1
}

struct Watched {
    _edge: Edge,
    reports: mpsc::UnboundedReceiver<Report>,
    board: Board,
}

fn watch(plan: &Arc<Plan>) -> Watched {
    let value = zeroize::Zeroizing::new(b"t0ken-of-nobody\n".to_vec());
    let secrets = Secrets::new([("token".parse().unwrap(), value)].into(), Vec::new()).unwrap();
    let (sender, reports) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Handle::current();
    let pool = crate::session::pool();
    let mut edge = Edge::new(plan, pool, Arc::new(NoSinks), sender, runtime, &secrets).unwrap();
    edge.watch_health(Timestamp::default);
    Watched { _edge: edge, reports, board: Board::new(plan, Timestamp::default()) }
}

impl Watched {
    async fn next(&mut self) -> (ProbeId, Reading) {
        loop {
            let one = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
            let report = one.expect("no probe says anything").unwrap();
            if let Report::Reading { probe, reading } = report {
                self.board.take(&probe, reading.clone());
                return (probe, reading);
            }
        }
    }

    /// The first reading of each.
    async fn all(&mut self) -> BTreeMap<String, (Health, Reading)> {
        let count = self.board.panels().count();
        let mut all = BTreeMap::new();
        while all.len() < count {
            let (probe, reading) = self.next().await;
            let health = self.board.panel(&probe).unwrap().health;
            all.entry(probe.as_str().to_owned()).or_insert((health, reading));
        }
        all
    }
}

/// A probe, its source, what it says, and in which words.
const CASES: &[(&str, &str, Health, &str)] = &[
    ("latency", "http = 'SITE/ok'", Health::Healthy, "HTTP 200 in"),
    ("json", "http = 'SITE/ok', value = 'json:/p99'", Health::Degraded, "HTTP 200 in"),
    ("regex", "http = 'SITE/ok', value = 'regex: ([0-9]+)'", Health::Degraded, "HTTP 200 in"),
    ("no-pointer", "http = 'SITE/ok', value = 'json:/p50'", Health::Unknown, "nothing at `/p50`"),
    ("no-number", "http = 'SITE/ok', value = 'json:/word'", Health::Unknown, "is no number"),
    ("no-match", "http = 'SITE/ok', value = 'regex:(q+)'", Health::Unknown, "finds nothing"),
    ("no-json", "http = 'SITE/metrics', value = 'json:/a'", Health::Unknown, "is no JSON"),
    ("down", "http = 'SITE/down', value = 'json:/p99'", Health::Failed, "HTTP 503, expected 200"),
    ("redirect", "http = 'SITE/away'", Health::Failed, "HTTP 302 to /secret, not followed"),
    ("moved", "http = 'SITE/away', expect_status = 302", Health::Healthy, "HTTP 302 in"),
    ("loris", "http = 'SITE/trickle'", Health::Failed, "no answer within 2s"),
    ("flood", "http = 'SITE/flood', value = 'regex:(7)'", Health::Unknown, "longer than 64 KiB"),
    ("closed", "tcp = 'CLOSED'", Health::Failed, "refused"),
    ("prom-one", "prometheus = 'SITE/one', query = 'x'", Health::Degraded, "in "),
    ("prom-none", "prometheus = 'SITE/none/', query = 'x'", Health::Unknown, "gives no series"),
    ("prom-many", "prometheus = 'SITE/many', query = 'x'", Health::Unknown, "gives 2 series"),
    ("prom-nan", "prometheus = 'SITE/nan', query = 'x'", Health::Unknown, "the value is NaN"),
    ("prom-gone", "prometheus = 'http://CLOSED', query = 'x'", Health::Unknown, "refused"),
    (
        "sample",
        "metrics = 'SITE/metrics', name = 'load', labels = { cpu = '1' }",
        Health::Healthy,
        "",
    ),
    ("samples", "metrics = 'SITE/metrics', name = 'load'", Health::Unknown, "2 samples of load"),
    ("open", "metrics = 'SITE/open', name = 'load', labels = { cpu = '0' }", Health::Healthy, ""),
    (
        "cut",
        "metrics = 'SITE/cut', name = 'load', labels = { cpu = '0' }",
        Health::Unknown,
        "# EOF",
    ),
    ("html", "metrics = 'SITE/ok', name = 'load'", Health::Unknown, "line 1 of the page"),
    ("floods", "metrics = 'SITE/flood', name = 'load'", Health::Unknown, "longer than 4096 KiB"),
    (
        "refused",
        "http = 'http://{{ there }}/'",
        Health::Unknown,
        "is not asked: it is this machine",
    ),
    ("refused-tcp", "tcp = '{{ there }}'", Health::Unknown, "is not asked: it is this machine"),
    ("metadata", "http = 'http://{{ cloud }}/'", Health::Unknown, "metadata service"),
    ("number", "http = 'http://{{ number }}/'", Health::Unknown, "metadata service"),
    ("file", "http = '{{ file }}'", Health::Unknown, "it is no HTTP address"),
    (
        "token",
        "http = 'SITE/ok', bearer = { secret = 'token' }, headers = { X-Env = 'x' }",
        Health::Healthy,
        "",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_of_four_values_and_what_is_missing_is_never_a_pass() {
    let site = Site::plain().await;
    let prom = |kind: &str, result: &str| {
        Page::ok(&format!(
            r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#
        ))
    };
    let vector = r#"[{"metric":{"a":"1"},"value":[1,"300"]},{"metric":{"a":"2"},"value":[1,"1"]}]"#;
    let page = "# TYPE load gauge\nload{cpu=\"0\"} 0.5\nload{cpu=\"1\"} 9\n";
    let open = "content-type: application/openmetrics-text; version=1.0.0\r\n";
    for (path, page) in [
        ("/ok", Page::ok(r#"{"p99": 300, "word": "slow", "none": null}"#)),
        ("/down", Page::Says(503, "", r#"{"p99": 1}"#.to_owned())),
        ("/away", Page::Says(302, "location: /secret\r\n", String::new())),
        ("/trickle", Page::Trickles),
        ("/flood", Page::Floods),
        ("/one/api/v1/query", prom("vector", r#"[{"metric":{},"value":[1,"300"]}]"#)),
        ("/none/api/v1/query", prom("vector", "[]")),
        ("/many/api/v1/query", prom("vector", vector)),
        ("/nan/api/v1/query", prom("scalar", r#"[1,"NaN"]"#)),
        ("/metrics", Page::ok(page)),
        ("/open", Page::Says(200, open, format!("{page}# EOF\n"))),
        ("/cut", Page::Says(200, open, page.to_owned())),
    ] {
        site.page(path, page);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut text = format!(
        "[probes]\nallow = ['{0}', '{closed}']\n[vars]\nthere = '{1}'\ncloud = '169.254.169.254'\nnumber = '0xa9.254.43518'\nfile = 'file:///etc/passwd'\n",
        site.addr,
        other.local_addr().unwrap()
    );
    for (id, source, ..) in CASES {
        let source = source.replace("SITE", &format!("http://{}", site.addr));
        let source = source.replace("CLOSED", &closed.to_string());
        let slow = ["latency", "moved", "token"].contains(id);
        let judged = if slow { "60000" } else { "250" };
        writeln!(
            text,
            "[[probe]]\nid = '{id}'\nevery = '5s'\ntimeout = '2s'\nsource = {{ {source} }}\ndegraded = '> {judged}'"
        )
        .unwrap();
    }
    let plan = plan(&text, &[]);
    let all = watch(&plan).all().await;
    for (id, _, health, words) in CASES {
        let (is, reading) = &all[*id];
        assert_eq!(is, health, "{id}: {reading:?}");
        assert!(reading.note.as_str().contains(words), "{id}: {reading:?}");
        let missing = reading.ok && reading.value.is_none();
        assert_eq!(missing, *health == Health::Unknown, "{id}: {reading:?}");
    }
    let came = site.came();
    assert!(came.iter().all(|came| came.path != "/secret"), "a redirect was followed");
    assert!(came.iter().all(|came| came.body.is_empty()));
    let token = came.iter().filter_map(|came| came.header("authorization")).collect::<Vec<_>>();
    assert_eq!(token, ["Bearer t0ken-of-nobody"]);
    assert!(came.iter().any(|came| came.header("x-env") == Some("x")));
    let query = came.iter().find(|came| came.path.starts_with("/one/"));
    assert_eq!(query.unwrap().path, "/one/api/v1/query?query=x");
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "this machine was asked without leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_counts_only_from_an_authority_that_is_trusted_and_for_its_name() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = Site::secure(&ours, "localhost").await;
    let other = Site::secure(&ours, "elsewhere.example").await;
    for site in [&good, &other] {
        site.page("/", Page::ok("well"));
    }
    let (good, other) = (good.addr.port(), other.addr.port());
    let text = format!(
        "[probes]\nallow = ['localhost']\n
[[probe]]\nid = 'trusted'\nsource = {{ http = 'https://localhost:{good}/', value = 'status', ca = 'ours.pem' }}
[[probe]]\nid = 'unknown'\nsource = {{ http = 'https://localhost:{good}/', value = 'status' }}
[[probe]]\nid = 'others'\nsource = {{ http = 'https://localhost:{good}/', value = 'status', ca = 'theirs.pem' }}
[[probe]]\nid = 'name'\nsource = {{ http = 'https://localhost:{other}/', value = 'status', ca = 'ours.pem' }}
[[probe]]\nid = 'broken'\nsource = {{ http = 'https://localhost:{good}/', value = 'status', ca = 'broken.pem' }}
"
    );
    let broken = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n";
    let files =
        [("ours.pem", ours.pem.as_str()), ("theirs.pem", &theirs.pem), ("broken.pem", broken)];
    let plan = plan(&text, &files);
    let all = watch(&plan).all().await;
    for (id, health, words) in [
        ("trusted", Health::Healthy, "HTTP 200"),
        ("unknown", Health::Failed, "invalid peer certificate"),
        ("others", Health::Failed, "invalid peer certificate"),
        ("name", Health::Failed, "not valid for name"),
        ("broken", Health::Unknown, "broken.pem"),
    ] {
        let (is, reading) = &all[id];
        assert_eq!(*is, health, "{id}: {reading:?}");
        assert!(reading.note.as_str().contains(words), "{id}: {reading:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_probes_that_hang_do_not_delay_a_hundred_others() {
    let site = Site::plain().await;
    site.page("/hang", Page::Hangs);
    site.page("/flap", Page::ok("1"));
    let mut text = format!("[probes]\nallow = ['{}']\n", site.addr);
    for number in 0..100 {
        for (kind, timeout) in [("hang", "10m"), ("flap", "10m")] {
            writeln!(
                text,
                "[[probe]]\nid = '{kind}-{number}'\nevery = '1s'\ntimeout = '{timeout}'\nsource = {{ http = 'http://{}/{kind}', value = 'status' }}",
                site.addr
            )
            .unwrap();
        }
    }
    let plan = plan(&text, &[]);
    let mut watched = watch(&plan);
    let mut read: BTreeMap<ProbeId, usize> = BTreeMap::new();
    // All of the others come round, again and again, while none of those that hang ends.
    while read.values().filter(|count| **count >= 3).count() < 100 {
        let (probe, reading) = watched.next().await;
        assert!(probe.as_str().starts_with("flap-"), "{probe}: {reading:?}");
        assert_eq!(reading.value, Some(200.0), "{probe}: {reading:?}");
        *read.entry(probe).or_default() += 1;
    }
    // Nobody of them is served before others are.
    let (least, most) = (read.values().min().unwrap(), read.values().max().unwrap());
    assert!(read.len() == 100 && *most <= least + 3, "{least} to {most}");
    let paths: BTreeSet<_> = site.came().into_iter().map(|came| came.path).collect();
    assert_eq!(paths, BTreeSet::from(["/flap".to_owned(), "/hang".to_owned()]));
}

#[test]
fn wrong_sources_are_told_with_their_place_and_a_way_out() {
    let probes = r#"[probes]
allow = ["localhost:9090", "10.0.0.1", "169.254.169.254", "a b", "127.0.0.1"]
[[probe]]
id = "a"
source = { http = "http://169.254.169.254/latest/meta-data", value = "status" }
[[probe]]
id = "b"
source = { prometheus = "http://prom.example:9090" }
[[probe]]
id = "c"
source = { metrics = "http://web1.example:9100/metrics", name = "load{cpu=\"0\"}", labels = { "a-b" = "1" } }
[[probe]]
id = "d"
source = { http = "https://shop.example/", prometheus = "https://prom.example" }
[[probe]]
id = "e"
source = { http = "http://localhost:8080/", value = "status" }
[[probe]]
id = "f"
source = { http = "https://u:p@shop.example/", value = "status" }
[[probe]]
id = "g"
source = { http = "https://shop.example/", value = "status", bearer = "abcdef", headers = { authorization = "x", Host = "y", "a b" = "z" } }
[[probe]]
id = "h"
source = { http = "http://shop.example/", value = "status", bearer = { secret = "token" } }
[[probe]]
id = "i"
source = { http = "https://shop.example/", value = "status", ca = "no.pem" }
[[probe]]
id = "j"
source = { http = "https://shop.example/", value = "status", ca = "key.pem" }
[[probe]]
id = "k"
source = { tcp = "[fe80::1]:22" }
[[probe]]
id = "l"
source = { prometheus = "https://prom.example", query = "up", labels = { a = "b" } }
[[probe]]
id = "m"
source = { tcp = "localhost:9090" }
"#;
    let text = format!("{HEAD}{probes}");
    let checked = check(&SourceFile::new("x.toml", &text), &mut |name| match name {
        "key.pem" => Ok(SourceFile::new("key.pem", "-----BEGIN PRIVATE KEY-----\n")),
        _ => Err("there is no such file".to_owned()),
    });
    let told: Vec<_> = checked
        .problems
        .iter()
        .map(|problem| {
            let text = &checked.sources[&problem.at.place.source].text;
            let written = text.get(problem.at.place.span()).unwrap_or_default();
            let help = problem.help.as_deref().unwrap_or_default();
            format!("{} {} @ {written} = {help}", problem.code, problem.message)
        })
        .collect();
    for (code, message, place) in [
        ("G006", "`10.0.0.1` needs no leave", "\"10"),
        ("G006", "`169.254.169.254` is never asked: it is a cloud's metadata service", "\"169"),
        ("G006", "`169.254.169.254` is never asked", "\"http://169.254.169.254/latest"),
        ("G004", "the source of a probe without `query`", "{ prometheus"),
        ("G007", "is not the name of a metric", "\"load{cpu"),
        ("G007", "`a-b` is not the name of a label", "\"a-b\""),
        ("G016", "a source with http and prometheus", "{ http"),
        ("G024", "`localhost` is the machine that golive runs on", "{ http = \"http://localhost"),
        ("G006", "a name or password stands in this address", "\"https://u:p@"),
        ("G005", "a token would stand in the runbook", "\"abcdef\""),
        ("G005", "the value of `authorization` would stand in the runbook", "\"x\""),
        ("G006", "the header `Host` is golive's own", "Host"),
        ("G007", "`a b` is not the name of a header", "\"a b\""),
        ("G130", "secret `token` would go to shop.example for everybody to read", "{ http"),
        ("G021", "the file `no.pem` cannot be read", "\"no.pem\""),
        ("G006", "`key.pem` holds a private key", "\"key.pem\""),
        ("G006", "`fe80::1` is never asked: it is a link-local address", "\"[fe80::1]:22\""),
        ("G002", "unknown key `labels` in the source of a probe", "labels"),
        ("G109", "no probe asks `127.0.0.1`", "\"127.0.0.1\""),
        ("G110", "probe `l` measures a value and judges it by nothing", ""),
    ] {
        let is = |told: &&String| {
            told.starts_with(code) && told.contains(message) && told.contains(&format!("@ {place}"))
        };
        let found = told.iter().find(is);
        assert!(found.is_some(), "no {code} {message} @ {place} in\n{}", told.join("\n"));
        assert!(!found.unwrap().ends_with("= "), "{found:?}");
    }
    // What is allowed is asked, and says nothing.
    assert!(!told.iter().any(|line| line.contains("`localhost:9090`")), "{told:?}");
}
