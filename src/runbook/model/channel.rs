//! Where notices go, as written. Addresses that are as good as a password, and passwords, are names
//! of secrets here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{ChannelId, SecretName};

use super::probe::Ca;

/// Where notices go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    /// How they get there.
    pub way: Way,
    /// The only authorities that its certificate may come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Ca>,
    /// Which moments it is told of by itself.
    pub events: BTreeSet<NoticeEvent>,
    /// Is it used in rehearsals and drills too?
    pub drills: bool,
}

/// How notices get to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A command on the operator's machine reads the text from its input.
    Command(String),
    /// An incoming webhook of Slack, or of what speaks like it.
    Slack(SecretName),
    /// A workflow of Microsoft Teams that takes adaptive cards.
    Teams(SecretName),
    /// Any address that takes JSON.
    Webhook {
        /// The address.
        url: SecretName,
        /// The key that the body is signed with.
        sign: Option<SecretName>,
    },
    /// `PagerDuty`, events version 2: what is raised is also resolved.
    Pagerduty {
        /// The integration key.
        key: SecretName,
        /// The server: that of another region, or of what speaks like it.
        server: String,
    },
    /// Mail.
    Email(Email),
}

impl Way {
    /// The key that it is written with: what kind of channel it is.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Webhook { .. } => "webhook",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Email(_) => "email",
        }
    }

    /// Whether it keeps an alarm open until it is resolved, and so has to hear of both.
    pub const fn keeps_alarms(&self) -> bool {
        matches!(self, Self::Pagerduty { .. })
    }

    /// The secrets that it needs.
    pub fn secrets(&self) -> Vec<&SecretName> {
        match self {
            Self::Command(_) => Vec::new(),
            Self::Slack(url) | Self::Teams(url) => vec![url],
            Self::Webhook { url, sign } => std::iter::once(url).chain(sign).collect(),
            Self::Pagerduty { key, .. } => vec![key],
            Self::Email(email) => email.password.iter().collect(),
        }
    }
}

/// A mailbox and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The server that takes the mail, `host:port`.
    pub smtp: String,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The account, where the server wants one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretName>,
    /// Who writes.
    pub from: String,
    /// Who reads; never empty.
    pub to: Vec<String>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// It begins in the open, and nothing is sent before it is protected.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all: for a server on this machine.
    None,
}

/// A moment that channels are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeEvent {
    /// The run starts.
    Start,
    /// A phase is over.
    Phase,
    /// A gate was decided.
    Gate,
    /// A step failed.
    Failed,
    /// A warning was raised, or its cause is gone.
    Alarm,
    /// A rollback starts or ends.
    Rollback,
    /// The run is over.
    End,
}
