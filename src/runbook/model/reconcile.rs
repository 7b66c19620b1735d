//! Comparing the old system with the new one: two commands that only read, and how far what they
//! print may lie apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{Decimal, HostId};

/// Two outputs that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconcile<T> {
    /// Usually the old system.
    pub left: Side<T>,
    /// Usually the new system.
    pub right: Side<T>,
    /// How they are compared.
    pub compare: Compare,
    /// How far two numbers may lie apart.
    pub tolerance: Tolerance,
}

/// One of two outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side<T> {
    /// The host.
    pub on: HostId,
    /// A command that only reads.
    pub run: T,
}

/// How two outputs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Byte by byte, but for line ends after the last line.
    Exact,
    /// Number by number, in the order in which they were printed.
    Numeric,
    /// Row by row: the first field of a line is the key, the others are values.
    Rows,
}

impl Compare {
    /// The word of the runbook for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Numeric => "numeric",
            Self::Rows => "rows",
        }
    }
}

/// How far two numbers may lie apart and still count as the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tolerance {
    /// Not at all.
    #[default]
    None,
    /// By so much.
    Absolute(Decimal),
    /// By so many percent of the greater of the two, whatever their signs.
    Percent(Decimal),
}

impl Tolerance {
    /// Whether two numbers lie no further apart. No number is rounded for it, and it makes no
    /// difference which of them comes first.
    pub fn allows(&self, one: &Decimal, other: &Decimal) -> bool {
        if one == other {
            return true;
        }
        let apart = one.minus(other).abs();
        match self {
            Self::None => false,
            Self::Absolute(limit) => apart <= *limit,
            Self::Percent(limit) => {
                let greater = one.abs().max(other.abs());
                apart.in_hundredths() <= greater.times(limit)
            }
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("no tolerance"),
            Self::Absolute(limit) => f.pad(&format!("within {limit}")),
            Self::Percent(limit) => f.pad(&format!("within {limit} %")),
        }
    }
}

impl<T> Reconcile<T> {
    /// How it compares, in words: `rows, within 0.1 %`.
    pub fn how(&self) -> String {
        match self.compare {
            Compare::Exact => "exact, every byte".to_owned(),
            Compare::Numeric | Compare::Rows => {
                format!("{}, {}", self.compare.word(), self.tolerance)
            }
        }
    }

    /// The same with `change` done to both commands.
    ///
    /// # Errors
    /// What `change` says.
    pub fn try_map<U, E>(
        &self,
        change: &mut dyn FnMut(&T) -> Result<U, E>,
    ) -> Result<Reconcile<U>, E> {
        let mut side = |side: &Side<T>| Ok(Side { on: side.on.clone(), run: change(&side.run)? });
        Ok(Reconcile {
            left: side(&self.left)?,
            right: side(&self.right)?,
            compare: self.compare,
            tolerance: self.tolerance.clone(),
        })
    }

    /// Both sides, left first, each with its name.
    pub fn sides(&self) -> [(&'static str, &Side<T>); 2] {
        [("left", &self.left), ("right", &self.right)]
    }
}

impl Reconcile<String> {
    /// What it does, fact by fact.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let side = |side: &Side<String>| format!("{}: {}", side.on, side.run.trim_end());
        vec![("Left", side(&self.left)), ("Right", side(&self.right)), ("Compare", self.how())]
    }

    /// It in one line.
    pub fn brief(&self) -> String {
        let side = |side: &Side<String>| format!("{}: {}", side.on, side.run.trim());
        format!("{} against {} ({})", side(&self.left), side(&self.right), self.how())
    }
}

#[cfg(test)]
mod tests {
    use super::Tolerance;
    use crate::base::Decimal;

    fn of(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn the_edge_of_a_tolerance_is_exact() {
        let tenth = Tolerance::Percent(of("0.1"));
        assert!(tenth.allows(&of("1000000000000000000000"), &of("999000000000000000000")));
        assert!(!tenth.allows(&of("1000000000000000000000"), &of("998999999999999999999.99")));
        assert!(tenth.allows(&of("0"), &of("-0.0")));
        assert!(!tenth.allows(&of("0"), &of("0.0001")));
        assert!(!tenth.allows(&of("-5"), &of("5")));
        let cent = Tolerance::Absolute(of("0.01"));
        assert!(cent.allows(&of("0.30"), &of("0.29")));
        assert!(!cent.allows(&of("0.30"), &of("0.2899999999999999999")));
        assert!(Tolerance::None.allows(&of("1.0"), &of("1")));
        assert!(!Tolerance::None.allows(&of("1"), &of("1.00000000000000000001")));
    }
}
