//! The shape of a probe's `source`, and of `[probes]`: what may be asked, and how.

use std::collections::BTreeMap;

use crate::base::{HostId, SecretName};

use super::code::Code;
use super::model::{Ask, Ca, Extract, Reach, Source, authority, reach_of};
use super::problem::Problem;
use super::reader::{At, Item, Kind, Reading, Scope, Table};
use super::secret::Given;
use super::shape::template_item;
use super::shape_probe::extract;
use super::shape_secret::given;
use super::template::Quoting;

const SOURCES: [&str; 5] = ["http", "prometheus", "metrics", "tcp", "run"];

/// Reads the source of a probe.
pub(super) fn source(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Source> {
    let mut table = Table::open(reading, item, "the source of a probe", "source")?;
    let named: Vec<_> = SOURCES.into_iter().filter(|key| table.has(key)).collect();
    if named.len() != 1 {
        let message = match named.as_slice() {
            [] => "a source without `http`, `prometheus`, `metrics`, `tcp` or `run`".to_owned(),
            several => format!("a source with {}", several.join(" and ")),
        };
        let help = "write exactly one: { http = \"https://…\" }, { prometheus = \"https://…\", query = \"…\" }, \
                    { metrics = \"http://…/metrics\", name = \"…\" }, { tcp = \"host:port\" } or { run = \"…\", on = \"host\" }";
        reading.complain(Code::OneAction, &item.span(), &message, "one of them is needed", help);
    }
    let source = match named.first() {
        Some(&"http") => http(reading, &mut table),
        Some(&"prometheus") => prometheus(reading, &mut table),
        Some(&"metrics") => metrics(reading, &mut table),
        Some(&"tcp") => tcp(reading, &mut table),
        Some(_) => run(reading, &mut table),
        None => None,
    };
    for key in SOURCES {
        table.take(reading, key);
    }
    table.finish(reading);
    source
}

fn http(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Source> {
    let url = url(reading, table, "http", "for example \"https://shop.example/health\"");
    let status = table.take(reading, "expect_status");
    let status = status.and_then(|item| reading.integer(&item, 100..600)).unwrap_or(200);
    let value = match table.take(reading, "value") {
        Some(item) => extract(reading, &item)?,
        None => Extract::Latency,
    };
    let ask = ask(reading, table);
    let expect_status = u16::try_from(status).unwrap_or(200);
    Some(Source::Http { url: url?, expect_status, value, ask })
}

fn prometheus(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Source> {
    let help = "the address of the server, without /api: \"https://prometheus.example\"";
    let url = url(reading, table, "prometheus", help);
    let query = table.need(reading, "query");
    let query = query.and_then(|item| template_item(reading, &item, &Scope::Vars, Quoting::Plain));
    let ask = ask(reading, table);
    Some(Source::Prometheus { url: url?, query: query?, ask })
}

fn metrics(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Source> {
    let help = "the page of an exporter: \"http://web1.example:9100/metrics\"";
    let url = url(reading, table, "metrics", help);
    let name = table.need(reading, "name");
    let name = name.and_then(|item| metric_name(reading, &item));
    let labels = table.take(reading, "labels").map(|item| labels(reading, &item));
    let ask = ask(reading, table);
    Some(Source::Metrics { url: url?, name: name?, labels: labels.unwrap_or_default(), ask })
}

/// Letters, digits, `_` and, in the names of metrics, `:`; no digit first.
fn is_name(text: &str, colon: bool) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || colon && c == ':';
    text.chars().all(good) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn metric_name(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<String> {
    let text = reading.filled(item)?.value;
    if is_name(&text, true) {
        return Some(text);
    }
    let message = format!("`{text}` is not the name of a metric");
    let help = if text.contains('{') {
        "write the name alone, and what stands in braces under `labels = { … }`"
    } else {
        "as it stands on the page: letters, digits, `_` and `:`"
    };
    reading.complain(Code::BadName, &item.span(), &message, "not a name", help);
    None
}

fn labels(reading: &mut Reading<'_>, item: &Item<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for item in reading.entries(item, "labels") {
        if !is_name(item.key, false) {
            let message = format!("`{}` is not the name of a label", item.key);
            let span = item.key_span.0..item.key_span.1;
            let help = "letters, digits and `_`";
            reading.complain(Code::BadName, &span, &message, "not a name", help);
            continue;
        }
        let Some(text) = reading.text(&item) else { continue };
        labels.insert(item.key.to_owned(), text.value.clone());
        reading.uses_template(text, &Scope::Vars, Some(Quoting::Plain));
    }
    labels
}

/// An address for HTTP that may be asked.
fn url(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    help: &str,
) -> Option<String> {
    url_in(reading, table, key, &Scope::Vars, help)
}

/// The same for an address that may use values of earlier steps.
pub(super) fn url_in(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    scope: &Scope,
    help: &str,
) -> Option<String> {
    let item = table.take(reading, key)?;
    url_of(reading, &item, scope, help)
}

/// The same for an address that stands alone.
pub(super) fn url_of(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    scope: &Scope,
    help: &str,
) -> Option<String> {
    let url = template_item(reading, item, scope, Quoting::Plain)?;
    let web = url.starts_with("http://") || url.starts_with("https://");
    if !web && !url.starts_with("{{") {
        let label = "no http:// or https://";
        let message = "this is not an HTTP address";
        reading.complain(Code::BadValue, &item.span(), message, label, help);
        return None;
    }
    let (host, _) = authority(&url);
    let before = url.split(['?', '#']).next().unwrap_or(&url);
    if before.contains('@') && !before.contains("{{") {
        let message = "a name or password stands in this address";
        let help = "give it as `bearer = { secret = \"…\" }` or in `headers`";
        reading.complain(Code::BadValue, &item.span(), message, "read by many", help);
        return None;
    }
    if host.is_empty() {
        reading.complain(Code::BadValue, &item.span(), "this address has no host", "", help);
        return None;
    }
    may_be_asked(reading, item, &url).then_some(url)
}

fn may_be_asked(reading: &mut Reading<'_>, item: &Item<'_>, address: &str) -> bool {
    let Reach::Never(why) = reach_of(address) else { return true };
    let message = format!("`{}` is never asked: {why}", authority(address).0);
    let help = "ask the service itself, by its name or its address in the network";
    reading.complain(Code::BadValue, &item.span(), &message, "refused", help);
    false
}

fn tcp(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Source> {
    let item = table.take(reading, "tcp")?;
    let address = template_item(reading, &item, &Scope::Vars, Quoting::Plain)?;
    let port = address.rsplit_once(':').map(|(host, port)| (host.is_empty(), port));
    let good = match port {
        Some((no_host, port)) => {
            !no_host && (port.contains("{{") || port.parse::<u16>().is_ok_and(|port| port > 0))
        }
        None => false,
    };
    if !good && !address.contains("{{") {
        let help = "for example \"10.0.0.5:5432\"";
        let message = "this is not a TCP address";
        reading.complain(Code::BadValue, &item.span(), message, "no host:port", help);
        return None;
    }
    may_be_asked(reading, &item, &address).then_some(Source::Tcp { address })
}

fn run(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Source> {
    let item = table.take(reading, "run")?;
    let run = template_item(reading, &item, &Scope::Vars, Quoting::Shell);
    let on = table.need(reading, "on").and_then(|item| reading.filled(&item));
    let on = on.and_then(|text| reading.used_name::<HostId>(Kind::Host, text));
    let value = match table.take(reading, "value") {
        Some(item) => extract(reading, &item)?,
        None => Extract::Status,
    };
    Some(Source::Run { run: run?, on: on?.value, value })
}

pub(super) fn ask(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Ask {
    let bearer = table.take(reading, "bearer").and_then(|item| bearer(reading, &item));
    let mut headers = BTreeMap::new();
    if let Some(item) = table.take(reading, "headers") {
        for item in reading.entries(&item, "headers") {
            headers.extend(header(reading, &item, bearer.is_some()));
        }
    }
    Ask { bearer, headers, ca: ca(reading, table) }
}

/// The certificates of the only authorities that are trusted; the file is read later.
pub(super) fn ca(reading: &mut Reading<'_>, table: &mut Table<'_>) -> Option<Ca> {
    let item = table.take(reading, "ca")?;
    let file = reading.filled(&item)?;
    let path = file.value.clone();
    reading.certificates.push(file);
    Some(Ca { file: path, pem: String::new() })
}

fn bearer(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<SecretName> {
    if item.is_text() {
        let message = "a token would stand in the runbook";
        let help = "declare it under [secrets], and write `bearer = { secret = \"name\" }`";
        reading.complain(Code::WrongType, &item.span(), message, "read by many", help);
        return None;
    }
    match given(reading, item)? {
        Given::Secret(name) => Some(name),
        Given::Text(_) => None,
    }
}

/// Headers that golive itself, or the connection, writes.
const OWN_HEADERS: [&str; 6] =
    ["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "upgrade"];

fn header(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    bearer: bool,
) -> Option<(String, Given<String>)> {
    let span = item.key_span.0..item.key_span.1;
    let name = item.key.to_ascii_lowercase();
    let mark = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(mark) {
        let message = format!("`{}` is not the name of a header", item.key);
        let help = "letters, digits and `-`: `X-Api-Key`";
        reading.complain(Code::BadName, &span, &message, "not a name", help);
        return None;
    }
    if OWN_HEADERS.contains(&name.as_str()) {
        let message = format!("the header `{}` is golive's own", item.key);
        reading.complain(Code::BadValue, &span, &message, "not yours", "remove it");
        return None;
    }
    if name == "authorization" && bearer {
        let message = "`bearer` and the header `authorization` are the same header";
        reading.complain(Code::Contradiction, &span, message, "twice", "remove one of them");
        return None;
    }
    let value: Given<At<String>> = given(reading, item)?;
    let value = match value {
        Given::Secret(name) => Given::Secret(name),
        Given::Text(text) => {
            if name == "authorization" || name == "cookie" {
                let message = format!("the value of `{}` would stand in the runbook", item.key);
                let help = "declare it under [secrets], and write `{ secret = \"name\" }`";
                reading.complain(Code::WrongType, &item.span(), &message, "read by many", help);
                return None;
            }
            if !text.value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
                let message = format!("the value of `{}` cannot be a header's", item.key);
                let help = "one line of plain ASCII";
                reading.complain(Code::BadValue, &item.span(), &message, "", help);
                return None;
            }
            let value = text.value.clone();
            reading.uses_template(text, &Scope::Vars, Some(Quoting::Plain));
            Given::Text(value)
        }
    };
    Some((name, value))
}

/// Reads `[probes]`: what on this machine itself may be asked.
pub(super) fn allow(reading: &mut Reading<'_>, top: &mut Table<'_>) -> Vec<At<String>> {
    let Some(item) = top.take(reading, "probes") else { return Vec::new() };
    let Some(mut table) = Table::open(reading, &item, "the [probes] table", "probes") else {
        return Vec::new();
    };
    let allow = table.need(reading, "allow").map(|item| reading.texts(&item));
    table.finish(reading);
    let mut good = Vec::new();
    for entry in allow.unwrap_or_default() {
        let plain = !entry.value.contains(['/', '@', '*', ' ']);
        let help = "write `host` or `host:port`, as the probe has it: \"localhost:9090\"";
        let message = match reach_of(&entry.value) {
            Reach::Loopback if plain => {
                good.push(entry);
                continue;
            }
            Reach::Network if plain => {
                format!("`{}` needs no leave: only this machine's own addresses do", entry.value)
            }
            Reach::Never(why) => format!("`{}` is never asked: {why}", entry.value),
            Reach::Loopback | Reach::Network => format!("`{}` is no host", entry.value),
        };
        let problem = Problem::new(Code::BadValue, entry.place, &message);
        reading.problems.push(problem.help(help));
    }
    good
}
