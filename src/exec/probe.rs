//! Probes: each on its own schedule, with its own time limit, never queued behind another.

use std::time::{Duration, Instant};

use regex::Regex;
use tokio::net::TcpStream;

use crate::base::{HostId, SafeText, Timestamp};
use crate::engine::Reading;
use crate::runbook::{Extract, Probe, Source};

use super::edge::Report;
use super::outbox::Outbox;
use super::shared::Shared;
use super::ssh::{self, Pool, RunEnd};

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What a source said: content or not, the value, and words for people.
struct Said {
    ok: bool,
    value: Option<f64>,
    note: String,
}

impl Said {
    fn no(note: impl Into<String>) -> Self {
        Self { ok: false, value: None, note: note.into() }
    }
}

/// The one HTTP client of a session; making one reads the machine's certificates.
pub(super) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("golive/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Reads `probe` again and again and reports every reading, until the reports are not wanted.
pub(super) async fn watch(
    probe: Probe,
    pool: Pool,
    http: reqwest::Client,
    reports: Outbox,
    now: impl Fn() -> Timestamp + Send,
) {
    let mut ticks = tokio::time::interval(probe.every.to_std());
    // A slow answer shifts the next reading instead of piling up.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::time::sleep(first_delay(&probe)).await;
    loop {
        ticks.tick().await;
        let read = read(&probe, &pool, &http);
        let said = tokio::time::timeout(probe.timeout.to_std(), read)
            .await
            .unwrap_or_else(|_| Said::no(format!("no answer within {}", probe.timeout)));
        let reading = Reading {
            at: now(),
            value: said.value.filter(|value| value.is_finite()),
            ok: said.ok,
            note: SafeText::new(&said.note),
        };
        if !reports.send(Report::Reading { probe: probe.id.clone(), reading }) {
            return;
        }
    }
}

/// Spreads first readings over the start of the interval, the same way each time.
fn first_delay(probe: &Probe) -> Duration {
    let hash = probe
        .id
        .as_str()
        .bytes()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(hash % (probe.every.as_millis() / 4).clamp(1, 500))
}

async fn read(probe: &Probe, pool: &Pool, http: &reqwest::Client) -> Said {
    match &probe.source {
        Source::Http { url, expect_status, value } => {
            read_http(http, url, *expect_status, value).await
        }
        Source::Tcp { address } => {
            let began = Instant::now();
            match TcpStream::connect(address).await {
                Ok(_) => {
                    let millis = millis_since(began);
                    Said {
                        ok: true,
                        value: Some(millis),
                        note: format!("connected in {millis:.0} ms"),
                    }
                }
                Err(error) => Said::no(format!("{address}: {error}")),
            }
        }
        Source::Run { run, on, value } => read_run(pool, run, on, value).await,
    }
}

async fn read_http(http: &reqwest::Client, url: &str, expected: u16, value: &Extract) -> Said {
    let began = Instant::now();
    let mut answer = match http.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return Said::no(root_cause(&error)),
    };
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() < ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
            Ok(_) => break,
            Err(error) => return Said::no(root_cause(&error)),
        }
    }
    let millis = millis_since(began);
    if status != expected {
        let note = format!("HTTP {status}, expected {expected}");
        return Said { ok: false, value: extract(value, millis, f64::from(status), &body), note };
    }
    let value = extract(value, millis, f64::from(status), &body);
    Said { ok: true, value, note: format!("HTTP {status} in {millis:.0} ms") }
}

async fn read_run(pool: &Pool, run: &str, on: &HostId, value: &Extract) -> Said {
    let began = Instant::now();
    let said = Shared::new(Answer::default());
    let command = ssh::Command::new(run);
    match pool.run(on, command, Box::new(said.clone()), ssh::StopSignal::never()).await {
        RunEnd::Exited { code, .. } => Said {
            ok: code == 0,
            value: extract(value, millis_since(began), f64::from(code), &said.look().0),
            note: format!("exit {code}"),
        },
        RunEnd::Signalled { signal, .. } => Said::no(format!("ended by signal {signal}")),
        RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => Said::no(why.to_string()),
        RunEnd::Stopped { .. } => Said::no("stopped"),
        RunEnd::Unrecorded { why, .. } => Said::no(why.to_string()),
    }
}

fn extract(what: &Extract, millis: f64, status: f64, body: &[u8]) -> Option<f64> {
    match what {
        Extract::Latency => Some(millis),
        Extract::Status => Some(status),
        Extract::Json(pointer) => {
            let json: serde_json::Value = serde_json::from_slice(body).ok()?;
            let value = json.pointer(pointer)?;
            let number = || value.as_f64();
            let yes_no = || value.as_bool().map(|yes| f64::from(u8::from(yes)));
            let text = || value.as_str().and_then(|text| text.trim().parse().ok());
            number().or_else(yes_no).or_else(text)
        }
        Extract::Regex(pattern) => {
            let text = String::from_utf8_lossy(body);
            let found = Regex::new(pattern).ok()?.captures(&text)?.get(1)?;
            found.as_str().trim().parse().ok()
        }
    }
}

/// The last cause of an error: the first says only that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn millis_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

/// Keeps the start of an answer.
#[derive(Default)]
struct Answer(Vec<u8>);

impl ssh::Output for Answer {
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
    fn values_are_taken_from_answers() {
        let body = br#"{"p99_ms": 212.5, "up": true, "text": " 7 ", "no": [1]}"#;
        let json = |pointer: &str| extract(&Extract::Json(pointer.to_owned()), 1.0, 200.0, body);
        assert_eq!(json("/p99_ms"), Some(212.5));
        assert_eq!(json("/up"), Some(1.0));
        assert_eq!(json("/text"), Some(7.0));
        assert_eq!(json("/no"), None);
        assert_eq!(json("/missing"), None);
        let load = Extract::Regex(r"^([0-9.]+) ".to_owned());
        assert_eq!(extract(&load, 1.0, 0.0, b"0.42 0.30 0.1 1/99"), Some(0.42));
        assert_eq!(extract(&load, 1.0, 0.0, b"no number"), None);
    }
}
