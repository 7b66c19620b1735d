//! A health panel as written: where its value comes from, and what is wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{HostId, Millis, ProbeId, SafeText, SecretName};

use super::super::secret::Given;

/// A health panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its name.
    pub id: ProbeId,
    /// One line for people.
    pub title: SafeText,
    /// How often.
    pub every: Millis,
    /// How long one reading may take.
    pub timeout: Millis,
    /// Where the value comes from.
    pub source: Source,
    /// Unit of the value.
    pub unit: SafeText,
    /// The value is degraded when this holds.
    pub degraded: Option<Threshold>,
    /// The value is failed when this holds.
    pub failed: Option<Threshold>,
    /// How long a worse level has to hold before it counts.
    pub r#for: Millis,
    /// A reading older than this is `unknown`.
    pub stale: Millis,
    /// Grouping on screen.
    pub panel: SafeText,
    /// What on this machine itself may be asked, as `host` or `host:port`: `[probes] allow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl Eq for Probe {}

/// Where a reading comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An HTTP GET.
    Http {
        /// The address.
        url: String,
        /// The status that counts as healthy.
        expect_status: u16,
        /// What is measured.
        value: Extract,
        /// How it is asked.
        #[serde(default)]
        ask: Ask,
    },
    /// An instant query to a Prometheus server: the value of its one series.
    Prometheus {
        /// The address of the server.
        url: String,
        /// The query, in `PromQL`.
        query: String,
        /// How it is asked.
        #[serde(default)]
        ask: Ask,
    },
    /// One sample of a page of metrics, as exporters serve it.
    Metrics {
        /// The address of the page.
        url: String,
        /// The name of the metric.
        name: String,
        /// Labels that the sample has to have; others do not matter.
        labels: BTreeMap<String, String>,
        /// How it is asked.
        #[serde(default)]
        ask: Ask,
    },
    /// A TCP connection: the value is the time to connect.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A command on a host that has to exit with 0.
    Run {
        /// The command.
        run: String,
        /// The host.
        on: HostId,
        /// What is measured.
        value: Extract,
    },
}

impl Source {
    /// The key that it is written with: what kind of source it is.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Prometheus { .. } => "prometheus",
            Self::Metrics { .. } => "metrics",
            Self::Tcp { .. } => "tcp",
            Self::Run { .. } => "run",
        }
    }

    /// The address and how it is asked, for what is asked over HTTP.
    pub const fn asked(&self) -> Option<(&String, &Ask)> {
        match self {
            Self::Http { url, ask, .. }
            | Self::Prometheus { url, ask, .. }
            | Self::Metrics { url, ask, .. } => Some((url, ask)),
            Self::Tcp { .. } | Self::Run { .. } => None,
        }
    }

    /// The same, to be changed.
    pub const fn asked_mut(&mut self) -> Option<(&mut String, &mut Ask)> {
        match self {
            Self::Http { url, ask, .. }
            | Self::Prometheus { url, ask, .. }
            | Self::Metrics { url, ask, .. } => Some((url, ask)),
            Self::Tcp { .. } | Self::Run { .. } => None,
        }
    }
}

/// How something is asked over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The secret that goes with it as `Authorization: Bearer …`.
    pub bearer: Option<SecretName>,
    /// Other headers, by name.
    pub headers: BTreeMap<String, Given<String>>,
    /// The only authorities that its certificate may come from.
    pub ca: Option<Ca>,
}

impl Ask {
    /// The secrets that go with it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.bearer.iter().chain(self.headers.values().filter_map(Given::secret))
    }
}

/// Certificates of authorities, from a file beside the runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ca {
    /// The file, as written.
    pub file: String,
    /// What is in it: PEM.
    pub pem: String,
}

/// What is taken from an answer as the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extract {
    /// How long the answer took, in milliseconds.
    Latency,
    /// The HTTP status or exit status.
    Status,
    /// A number in a JSON answer, by JSON pointer.
    Json(String),
    /// The first group of a regular expression, read as a number.
    Regex(String),
}

/// A comparison with a number: `> 250`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub limit: f64,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `==`
    #[serde(rename = "==")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

impl Threshold {
    /// Whether the comparison holds for `value`.
    #[expect(clippy::float_cmp, reason = "the author asked for exact equality by writing `==`")]
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Greater => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Equal => value == self.limit,
            Comparison::NotEqual => value != self.limit,
        }
    }
}
