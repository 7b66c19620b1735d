//! One reading of a source.

use std::time::Instant;

use regex::Regex;
use reqwest::{Method, Url};
use tokio::net::TcpStream;

use crate::base::HostId;
use crate::exec::names::{Leave, NotAsked};
use crate::exec::shared::Shared;
use crate::exec::ssh::{self, Pool, RunEnd};
use crate::exec::web::{Answer, NoAnswer, Request, Web, millis_since};
use crate::runbook::{Ask, Extract, Probe, Source, authority};

use super::{metrics, prometheus};

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The same for a page of metrics: a busy exporter has thousands.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a source said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// It is content, and this is the value, with words for people.
    Value(f64, String),
    /// It says no itself.
    No(Option<f64>, String),
    /// Nothing that could be judged, and why.
    Nothing(String),
}

/// Reads `probe` once. Takes as long as the other side takes: the limit is the caller's.
pub(super) async fn read(probe: &Probe, pool: &Pool, web: &Web) -> Said {
    let leave = Leave::Only(&probe.allow);
    match &probe.source {
        Source::Http { url, expect_status, value, ask } => {
            match get(web, url, ask, leave, ("*/*", ANSWER_BYTES_MAX)).await {
                Ok(answer) => judge(&answer, *expect_status, value),
                Err(NoAnswer::Failed(why) | NoAnswer::NotReached(why)) => Said::No(None, why),
                Err(NoAnswer::NotAsked(why)) => Said::Nothing(why),
            }
        }
        Source::Prometheus { url, query, ask } => {
            let url = match prometheus::address(url, query) {
                Ok(url) => url,
                Err(why) => return Said::Nothing(why),
            };
            let kind = ("application/json", ANSWER_BYTES_MAX);
            match get(web, url.as_str(), ask, leave, kind).await {
                Ok(answer) if answer.cut => Said::Nothing(too_long(ANSWER_BYTES_MAX)),
                Ok(answer) => match prometheus::value(answer.status, &answer.body) {
                    Ok(value) => Said::Value(value, format!("in {:.0} ms", answer.millis)),
                    Err(why) => Said::Nothing(why),
                },
                Err(
                    NoAnswer::Failed(why) | NoAnswer::NotReached(why) | NoAnswer::NotAsked(why),
                ) => Said::Nothing(why),
            }
        }
        Source::Metrics { url, name, labels, ask } => {
            let kind = (metrics::ACCEPT, PAGE_BYTES_MAX);
            match get(web, url, ask, leave, kind).await {
                Ok(answer) if answer.cut => Said::Nothing(too_long(PAGE_BYTES_MAX)),
                Ok(answer) if answer.status != 200 => Said::Nothing(status_words(&answer, 200)),
                Ok(answer) => {
                    let open = answer.header("content-type").is_some_and(metrics::is_open);
                    match metrics::value(&answer.body, name, labels, open) {
                        Ok(value) => Said::Value(value, format!("in {:.0} ms", answer.millis)),
                        Err(why) => Said::Nothing(why),
                    }
                }
                Err(
                    NoAnswer::Failed(why) | NoAnswer::NotReached(why) | NoAnswer::NotAsked(why),
                ) => Said::Nothing(why),
            }
        }
        Source::Tcp { address } => connect(web, address, leave).await,
        Source::Run { run, on, value } => read_run(pool, run, on, value).await,
    }
}

async fn get(
    web: &Web,
    url: &str,
    ask: &Ask,
    leave: Leave<'_>,
    (accept, limit): (&str, usize),
) -> Result<Answer, NoAnswer> {
    let url = Url::parse(url).map_err(|error| NoAnswer::NotAsked(format!("{url}: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NoAnswer::NotAsked(format!("{url} is not asked: it is no HTTP address")));
    }
    let mut headers = Vec::new();
    if !ask.headers.contains_key("accept") {
        headers.push(("accept", accept.to_owned()));
    }
    let (method, body) = (Method::GET, None);
    web.ask(Request { method, url, ask, leave, headers, body, limit }).await
}

fn too_long(limit: usize) -> String {
    format!("the answer is longer than {} KiB", limit / 1024)
}

fn status_words(answer: &Answer, expected: u16) -> String {
    let status = answer.status;
    match answer.header("location").filter(|_| (300..400).contains(&status)) {
        Some(to) => format!("HTTP {status} to {to}, not followed; expected {expected}"),
        None => format!("HTTP {status}, expected {expected}"),
    }
}

fn judge(answer: &Answer, expected: u16, what: &Extract) -> Said {
    let (status, millis) = (f64::from(answer.status), answer.millis);
    let value = extract(what, millis, status, &answer.body);
    if answer.status != expected {
        return Said::No(value.ok(), status_words(answer, expected));
    }
    let from_body = match what {
        Extract::Json(_) | Extract::Regex(_) => true,
        Extract::Latency | Extract::Status => false,
    };
    match value {
        _ if from_body && answer.cut => Said::Nothing(too_long(ANSWER_BYTES_MAX)),
        Ok(value) => Said::Value(value, format!("HTTP {} in {millis:.0} ms", answer.status)),
        Err(why) => Said::Nothing(why),
    }
}

async fn connect(web: &Web, address: &str, leave: Leave<'_>) -> Said {
    let began = Instant::now();
    let (host, Some(port)) = authority(address) else {
        return Said::Nothing(format!("{address} is no `host:port`"));
    };
    let addresses = match web.names().checked(&host, port, leave).await {
        Ok(addresses) => addresses,
        Err(NotAsked::Refused(why)) => return Said::Nothing(why),
        Err(NotAsked::NoName(why)) => return Said::No(None, why),
    };
    match TcpStream::connect(addresses.as_slice()).await {
        Ok(_) => {
            let millis = millis_since(began);
            Said::Value(millis, format!("connected in {millis:.0} ms"))
        }
        Err(error) => Said::No(None, format!("{address}: {error}")),
    }
}

async fn read_run(pool: &Pool, run: &str, on: &HostId, value: &Extract) -> Said {
    let began = Instant::now();
    let said = Shared::new(Printed::default());
    let command = ssh::Command::new(run);
    match pool.run(on, command, Box::new(said.clone()), ssh::StopSignal::never()).await {
        RunEnd::Exited { code, .. } => {
            let value = extract(value, millis_since(began), f64::from(code), &said.look().0);
            match value {
                Ok(value) if code == 0 => Said::Value(value, "exit 0".to_owned()),
                Err(why) if code == 0 => Said::Nothing(why),
                value => Said::No(value.ok(), format!("exit {code}")),
            }
        }
        RunEnd::Signalled { signal, .. } => Said::No(None, format!("ended by signal {signal}")),
        // The way to the host is broken: of what runs on it nothing is known.
        RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => Said::Nothing(why.to_string()),
        RunEnd::Stopped { .. } => Said::Nothing("stopped".to_owned()),
        RunEnd::Unrecorded { why, .. } => Said::Nothing(why.to_string()),
    }
}

/// The value, or why there is none.
fn extract(what: &Extract, millis: f64, status: f64, body: &[u8]) -> Result<f64, String> {
    match what {
        Extract::Latency => Ok(millis),
        Extract::Status => Ok(status),
        Extract::Json(pointer) => {
            let json: serde_json::Value = serde_json::from_slice(body)
                .map_err(|error| format!("the answer is no JSON: {error}"))?;
            let value = json
                .pointer(pointer)
                .ok_or_else(|| format!("the answer has nothing at `{pointer}`"))?;
            let number = || value.as_f64();
            let yes_no = || value.as_bool().map(|yes| f64::from(u8::from(yes)));
            let text = || value.as_str().and_then(|text| text.trim().parse().ok());
            let found = number().or_else(yes_no).or_else(text);
            found.ok_or_else(|| format!("what is at `{pointer}` is no number"))
        }
        Extract::Regex(pattern) => {
            let text = String::from_utf8_lossy(body);
            let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
            let found = regex.captures(&text).and_then(|found| found.get(1));
            let found = found.ok_or("the regular expression finds nothing in the answer")?;
            found.as_str().trim().parse().map_err(|_| {
                "what the regular expression finds in the answer is no number".to_owned()
            })
        }
    }
}

/// Keeps the start of what a command prints.
#[derive(Default)]
struct Printed(Vec<u8>);

impl ssh::Output for Printed {
    fn chunk(&mut self, stream: ssh::Stream, bytes: &[u8]) -> std::io::Result<()> {
        if stream == ssh::Stream::Stdout {
            let room = ANSWER_BYTES_MAX.saturating_sub(self.0.len());
            self.0.extend(bytes.iter().take(room));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::extract;
    use crate::runbook::Extract;

    #[test]
    fn values_are_taken_from_answers_or_it_is_said_why_not() {
        let body = br#"{"p99_ms": 212.5, "up": true, "text": " 7 ", "no": [1], "null": null}"#;
        let json = |pointer: &str| extract(&Extract::Json(pointer.to_owned()), 1.0, 200.0, body);
        assert_eq!(json("/p99_ms"), Ok(212.5));
        assert_eq!(json("/up"), Ok(1.0));
        assert_eq!(json("/text"), Ok(7.0));
        assert_eq!(json("/no"), Err("what is at `/no` is no number".to_owned()));
        assert_eq!(json("/null"), Err("what is at `/null` is no number".to_owned()));
        assert_eq!(json("/missing"), Err("the answer has nothing at `/missing`".to_owned()));
        let cut = extract(&Extract::Json("/a".to_owned()), 1.0, 200.0, br#"{"a": 1"#);
        assert!(cut.unwrap_err().starts_with("the answer is no JSON"));
        let load = Extract::Regex(r"^([0-9.]+) ".to_owned());
        assert_eq!(extract(&load, 1.0, 0.0, b"0.42 0.30 0.1 1/99"), Ok(0.42));
        extract(&load, 1.0, 0.0, b"no number").unwrap_err();
        let word = Extract::Regex("([a-z]+)".to_owned());
        extract(&word, 1.0, 0.0, b"words").unwrap_err();
    }
}
