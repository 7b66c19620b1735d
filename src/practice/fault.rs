//! Faults: what goes wrong on the practice fleet, on purpose.

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::base::{HostId, InvalidSpan, Millis};

/// Something that goes wrong. In a scenario file: `fault = "fail-next"` and its fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// The next commands that begin with `command` fail.
    FailNext {
        /// On this host.
        host: HostId,
        /// The command's first words.
        command: String,
        /// With this exit status.
        #[serde(default = "one")]
        exit: u8,
        /// After printing this to standard error.
        message: String,
        /// So often.
        #[serde(default = "once")]
        times: u32,
    },
    /// Every command takes so much longer.
    Slow {
        /// On this host.
        host: HostId,
        /// By this.
        #[serde(deserialize_with = "span")]
        by: Millis,
    },
    /// The next command that begins with `command` says nothing for a while, then goes on.
    Silent {
        /// On this host.
        host: HostId,
        /// The command's first words.
        command: String,
        /// For so long.
        #[serde(rename = "for", deserialize_with = "span")]
        span: Millis,
    },
    /// Every command prints so many log lines first.
    Noise {
        /// On this host.
        host: HostId,
        /// So many.
        lines: u32,
    },
    /// The host is gone: connections break, new ones are refused.
    HostDown {
        /// This host.
        host: HostId,
    },
    /// The host is back.
    HostUp {
        /// This host.
        host: HostId,
    },
    /// The host boots: everything that runs on it ends, connections break, and after a while it
    /// is there again.
    Reboot {
        /// This host.
        host: HostId,
        /// It is away for so long.
        #[serde(rename = "for", default = "away", deserialize_with = "span")]
        span: Millis,
    },
    /// The connections to the host break once; new ones are welcome. Commands go on.
    LinkCut {
        /// This host.
        host: HostId,
    },
    /// The application on the host fails once its colour has this much of the traffic.
    Unhealthy {
        /// This host.
        host: HostId,
        /// Percent of the traffic.
        above: u8,
    },
    /// A release fails, and is slower.
    BadRelease {
        /// This release.
        version: String,
        /// In so many percent of its requests.
        errors: u8,
        /// By this.
        #[serde(default, deserialize_with = "span")]
        delay: Millis,
    },
    /// The following database stays behind.
    Lag {
        /// By this.
        #[serde(rename = "for", deserialize_with = "span")]
        span: Millis,
    },
    /// Everything is healed.
    Clear,
}

/// A file of faults that is none; the text says what is wrong and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidScenario(String);

/// Reads a scenario: a TOML file of `[[fault]]` tables, each with `at`, the time after the
/// fleet's start (`"30s"`; without it at once), `fault`, its name, and the fault's own keys.
///
/// # Errors
/// When the text is not such a file. A key that no fault knows is an error.
pub fn scenario(text: &str) -> Result<Vec<PlannedFault>, InvalidScenario> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        fault: Vec<toml::Table>,
    }
    let file: File = toml::from_str(text).map_err(|it| InvalidScenario(it.to_string()))?;
    let read = |(index, mut table): (usize, toml::Table)| {
        let wrong = |problem: &str| {
            let number = index + 1;
            InvalidScenario(format!("fault {number} of the scenario: {}", problem.trim_end()))
        };
        let at = match table.remove("at") {
            None => Millis::ZERO,
            Some(at) => {
                let text = at.as_str().ok_or_else(|| wrong("`at` is a time like \"30s\""))?;
                text.parse().map_err(|error: InvalidSpan| wrong(&error.to_string()))?
            }
        };
        let fault = table.try_into().map_err(|error| wrong(&error.to_string()))?;
        Ok(PlannedFault { at, fault })
    };
    file.fault.into_iter().enumerate().map(read).collect()
}

/// A fault, and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// So long after the fleet's start.
    pub at: Millis,
    /// What goes wrong.
    pub fault: Fault,
}

const fn one() -> u8 {
    1
}

/// How long a practice host takes to boot.
pub(super) const fn away() -> Millis {
    Millis::from_secs(20)
}

const fn once() -> u32 {
    1
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// What a fault does to a command that is about to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// It fails.
    Fail(u8, String),
    /// It waits.
    Wait(Millis),
    /// It prints so many lines.
    Noise(u32),
}

/// The faults that wait for commands.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Fault>);

impl Waiting {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What strikes `command` on `on`. A command that fails meets nothing else.
    pub(super) fn strike(&mut self, on: &str, command: &str) -> Vec<Blow> {
        let mut blows = Vec::new();
        self.0.retain_mut(|fault| match fault {
            Fault::FailNext { host, command: start, exit, message, times } => {
                let hit = host.as_str() == on && begins(command, start) && *times > 0;
                if hit && !blows.iter().any(|blow| matches!(blow, Blow::Fail(..))) {
                    blows.push(Blow::Fail(*exit, message.clone()));
                    *times -= 1;
                }
                *times > 0
            }
            Fault::Silent { host, command: start, span } => {
                let hit = host.as_str() == on && begins(command, start);
                if hit {
                    blows.push(Blow::Wait(*span));
                }
                !hit
            }
            Fault::Slow { host, by } => {
                if host.as_str() == on {
                    blows.push(Blow::Wait(*by));
                }
                true
            }
            Fault::Noise { host, lines } => {
                if host.as_str() == on {
                    blows.push(Blow::Noise(*lines));
                }
                true
            }
            Fault::HostDown { .. }
            | Fault::HostUp { .. }
            | Fault::LinkCut { .. }
            | Fault::Reboot { .. }
            | Fault::Unhealthy { .. }
            | Fault::BadRelease { .. }
            | Fault::Lag { .. }
            | Fault::Clear => false,
        });
        blows
    }
}

/// Whether `command` begins with the words of `start`.
fn begins(command: &str, start: &str) -> bool {
    let rest = command.strip_prefix(start.trim());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::{Blow, Fault, PlannedFault, Waiting, scenario};
    use crate::base::Millis;

    #[test]
    fn faults_strike_the_commands_they_name() {
        let mut waiting = Waiting::default();
        waiting.add(Fault::FailNext {
            host: "lb1".parse().unwrap(),
            command: "lbctl weight".to_owned(),
            exit: 22,
            message: "no".to_owned(),
            times: 1,
        });
        assert!(waiting.strike("lb1", "lbctl weights").is_empty());
        assert!(waiting.strike("lb2", "lbctl weight green 5").is_empty());
        let fail = [Blow::Fail(22, "no".to_owned())];
        assert_eq!(waiting.strike("lb1", "lbctl weight green 5"), fail);
        assert!(waiting.strike("lb1", "lbctl weight green 5").is_empty());
    }

    #[test]
    fn a_scenario_is_toml() {
        let text = r#"
            [[fault]]
            at = "30s"
            fault = "silent"
            host = "db-old"
            command = "dbctl copy"
            for = "20s"
            [[fault]]
            fault = "unhealthy"
            host = "green2"
            above = 50
        "#;
        let faults = scenario(text).unwrap();
        let silent = Fault::Silent {
            host: "db-old".parse().unwrap(),
            command: "dbctl copy".to_owned(),
            span: Millis::from_secs(20),
        };
        assert_eq!(faults[0], PlannedFault { at: Millis::from_secs(30), fault: silent });
        assert_eq!(faults[1].at, Millis::ZERO);
        for (text, problem) in [
            ("[[fault]]\nfault = 'lag'\nfor = '2s'\nhost = 'x'", "unknown field `host`"),
            ("[[fault]]\nfault = 'lag'", "missing field `for`"),
            ("[[fault]]\nfault = 'flood'", "unknown variant `flood`"),
            ("[[fault]]\nfault = 'clear'\nat = 'soon'", "fault 1 of the scenario"),
            ("fault = 1", "invalid type"),
            ("[[fualt]]", "unknown field `fualt`"),
        ] {
            let error = scenario(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
