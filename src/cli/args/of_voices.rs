//! The arguments of what is said to a living session from another terminal.

use clap::{Args, ValueEnum};

use crate::base::{RoleId, StepId};
use crate::engine::Choice;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Speaker {
    /// Who says it, for the record [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct HoldArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// Why; recorded
    #[arg(long, value_name = "TEXT", default_value = "asked for at another terminal")]
    pub reason: String,
    #[command(flatten)]
    pub speaker: Speaker,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct NoteArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// What is written down
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub text: String,
    /// About this step
    #[arg(long, value_name = "ID")]
    pub step: Option<StepId>,
    #[command(flatten)]
    pub speaker: Speaker,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct AckArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    #[command(flatten)]
    pub speaker: Speaker,
}

/// A go / no-go answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Say {
    /// Go on.
    Go,
    /// Do not; needs --words.
    NoGo,
}

impl From<Say> for Choice {
    fn from(say: Say) -> Self {
        match say {
            Say::Go => Self::Go,
            Say::NoGo => Self::NoGo,
        }
    }
}

/// Who speaks for which role, and with which key.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Word {
    /// For which role [default: the one of those asked that you are in]
    #[arg(long, value_name = "ROLE")]
    pub role: Option<RoleId>,
    /// In your words; recorded
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub words: String,
    /// The SSH key that signs it: a file, or the SHA256:… of one in the agent or in ~/.ssh
    /// [default: the first at hand of those that the runbook names for the role]
    #[arg(long, value_name = "KEY", env = "GOLIVE_SIGN_KEY")]
    pub sign_key: Option<String>,
    #[command(flatten)]
    pub speaker: Speaker,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct VoteArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// The answer
    #[arg(value_enum)]
    pub choice: Say,
    /// At which gate [default: the one that asks now]
    #[arg(long, value_name = "ID")]
    pub gate: Option<StepId>,
    #[command(flatten)]
    pub word: Word,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ApproveArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// Which step may start [default: the one that waits for a second person]
    #[arg(long, value_name = "ID")]
    pub step: Option<StepId>,
    #[command(flatten)]
    pub word: Word,
}
