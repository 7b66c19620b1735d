//! Names that a runbook gives to things: parsed once, then trusted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A name that is not one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a name: use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`, a letter or digit first"
)]
pub struct InvalidId(String);

fn parse(text: &str) -> Result<Arc<str>, InvalidId> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts_well = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts_well && text.len() <= 64 && text.chars().all(allowed) {
        Ok(text.into())
    } else {
        Err(InvalidId(text.chars().take(80).collect()))
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// The name of a step, unique in its runbook.
    StepId;
    /// The name of a phase, unique in its runbook.
    PhaseId;
    /// The name of a stream: steps of several streams may run side by side.
    StreamId;
    /// The name of a host in the inventory.
    HostId;
    /// The name of a group of hosts; written with a leading `@` where it is used.
    GroupId;
    /// The name of a probe.
    ProbeId;
    /// The name of a playbook: an emergency procedure.
    PlaybookId;
    /// The name of a role that owns steps or decides.
    RoleId;
    /// The name of a notice channel.
    ChannelId;
    /// The name of a variable or of a captured value.
    VarName;
    /// The name of a secret. Its value is never beside it.
    SecretName;
    /// The name of a runbook.
    RunbookId;
    /// The name of one run of a runbook: a sortable time and a random tail.
    SessionId;
}

#[cfg(test)]
mod tests {
    use super::StepId;

    #[test]
    fn a_name_is_parsed_once() {
        assert_eq!("shift.1".parse::<StepId>().unwrap().as_str(), "shift.1");
        for bad in ["", "-x", "a b", "a/b", "a\u{202e}", &"x".repeat(65)] {
            assert!(bad.parse::<StepId>().is_err(), "{bad}");
        }
    }
}
