//! The kinds of problems: a number that never changes its meaning, a name, and an explanation.

use std::fmt;
use std::str::FromStr;

/// The explanations, one section a code; every example in it is a test.
const EXPLANATIONS: &str = include_str!("codes.md");

/// Whether a problem keeps a runbook from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not; its author should think about it.
    Warning,
}

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal $name:literal,)*) => {
        /// The kind of a problem. Numbers below 100 are errors, the others are warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $name] $variant = $number,)*
        }

        impl Code {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in words: `unknown-key`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }
        }
    };
}

codes! {
    Syntax = 1 "syntax",
    UnknownKey = 2 "unknown-key",
    NotSupported = 3 "not-supported",
    MissingKey = 4 "missing-key",
    WrongType = 5 "wrong-type",
    BadValue = 6 "bad-value",
    BadName = 7 "bad-name",
    BadDuration = 8 "bad-duration",
    BadThreshold = 9 "bad-threshold",
    BadRegex = 10 "bad-regex",
    BadExpression = 11 "bad-expression",
    BadTemplate = 12 "bad-template",
    UndefinedVariable = 13 "undefined-variable",
    Duplicate = 14 "duplicate",
    UnknownName = 15 "unknown-name",
    OneAction = 16 "one-action",
    NeedsCycle = 17 "needs-cycle",
    BadTime = 18 "bad-time",
    CapturedTooLate = 19 "captured-too-late",
    Limit = 20 "limit",
    UnreadableFile = 21 "unreadable-file",
    FormatVersion = 22 "format-version",
    NoTarget = 23 "no-target",
    NoEffect = 24 "no-effect",
    Contradiction = 25 "contradiction",
    QuotedValue = 26 "quoted-value",
    GroupCycle = 27 "group-cycle",
    SecretInTemplate = 28 "secret-in-template",
    NoUndo = 101 "no-undo",
    UndoUnverified = 102 "undo-unverified",
    RollbackTooLong = 103 "rollback-too-long",
    NoEstimate = 104 "no-estimate",
    PlanTooLong = 105 "plan-too-long",
    SecretLiteral = 106 "secret-literal",
    Destructive = 107 "destructive",
    SudoPrompts = 108 "sudo-prompts",
    Unused = 109 "unused",
    NoThreshold = 110 "no-threshold",
    NoDecider = 111 "no-decider",
    Unreachable = 112 "unreachable",
    EmptyRole = 113 "empty-role",
    RollbackUnfinished = 114 "rollback-unfinished",
    NeverEnds = 115 "never-ends",
    NoTimeout = 116 "no-timeout",
    RawValue = 117 "raw-value",
    ReadOnlyDoubt = 118 "read-only-doubt",
    TooManyCritical = 119 "too-many-critical",
    NoWindow = 120 "no-window",
    EmptyPhase = 121 "empty-phase",
    RebootUnverified = 122 "reboot-unverified",
    UndoUnready = 123 "undo-unready",
    SecretInTheOpen = 130 "secret-in-the-open",
    AskingChanges = 131 "asking-changes",
    ChangeReads = 132 "change-reads",
    UnitOfExitCode = 133 "unit-of-exit-code",
}

impl Code {
    /// Does it keep the runbook from being used?
    pub const fn severity(self) -> Severity {
        if self.number() < 100 { Severity::Error } else { Severity::Warning }
    }

    /// What it means, why it matters, a bad and a good example, as Markdown.
    pub fn explain(self) -> &'static str {
        let heading = format!("## {self} ");
        let section = EXPLANATIONS.split_once(heading.as_str()).map_or("", |(_, rest)| rest);
        let body = section.split_once('\n').map_or("", |(_, rest)| rest);
        body.split("\n## ").next().unwrap_or(body).trim()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("G{:03}", self.number()))
    }
}

/// Text that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no problem `{0}`: codes look like G013, names like `undefined-variable`")]
pub struct UnknownCode(String);

impl FromStr for Code {
    type Err = UnknownCode;

    /// Reads `G013`, `g013`, `13` or `undefined-variable`.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let number = text.strip_prefix(['G', 'g']).unwrap_or(text).parse::<u16>().ok();
        let mut all = Self::ALL.iter().copied();
        all.find(|code| Some(code.number()) == number || code.name() == text)
            .ok_or_else(|| UnknownCode(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Severity};

    #[test]
    fn numbers_and_names_read_back() {
        for code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(*code));
            assert_eq!(code.name().parse(), Ok(*code));
        }
        assert_eq!(Code::Unused.severity(), Severity::Warning);
        assert_eq!(Code::Limit.severity(), Severity::Error);
        "G999".parse::<Code>().unwrap_err();
    }
}
