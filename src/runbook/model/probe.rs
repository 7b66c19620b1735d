//! A health panel as written: where its value comes from, and what is wrong with it.

use serde::{Deserialize, Serialize};

use crate::base::{HostId, Millis, ProbeId, SafeText};

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
