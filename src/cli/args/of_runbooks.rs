//! The arguments of commands that take a runbook.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::base::{SessionId, VarName};
use crate::runbook::{Code, Strategy};

use super::super::sign::Sign;

use super::values::{session_name, strategy, variable};

/// A file format that has a schema.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// A runbook
    #[default]
    Runbook,
    /// An inventory file
    Inventory,
}

/// What is added to a runbook.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct Extra {
    /// Replaces a variable of the runbook
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(VarName, String)>,
    /// Replaces the runbook's hosts by those of this inventory; ansible:PATH takes what Ansible
    /// knows, from `ansible-inventory` or a file of what it prints
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<String>,
}

/// Who drives, and where it may run.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct Guard {
    /// Who drives, for the record [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    /// Why this kind of run is right on hosts of this environment; recorded
    #[arg(long, value_name = "REASON")]
    pub override_environment: Option<String>,
    /// The environment, where the inventory names none
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// A name for the session, in place of one made from the time
    #[arg(long, value_name = "ID", value_parser = session_name)]
    pub session: Option<SessionId>,
}

/// How the practice fleet is to be.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Fleet {
    /// Decides all that is luck on the practice fleet
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// The practice fleet's time runs so many times faster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub speed: u32,
    /// What goes wrong on the practice fleet, and when
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct DemoArgs {
    /// Which of the sample runbooks
    #[arg(long, value_name = "STRATEGY", value_parser = strategy, default_value = "blue-green")]
    pub strategy: Strategy,
    #[command(flatten)]
    pub fleet: Fleet,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct InitArgs {
    /// Where to; made if it is not there
    pub dir: PathBuf,
    /// How the new system takes over
    #[arg(long, value_name = "STRATEGY", default_value = "blue-green", value_parser = strategy)]
    pub strategy: Strategy,
}

/// How problems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CheckFormat {
    /// With the lines themselves, for people.
    Human,
    /// One JSON document.
    Json,
    /// Annotations of a GitHub workflow.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// What to be strict about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Deny {
    /// Warnings count as errors.
    Warnings,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct CheckArgs {
    /// Runbooks and inventories
    #[arg(required_unless_present = "explain", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How problems are told
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: CheckFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// What to be strict about
    #[arg(long, value_name = "WHAT")]
    pub deny: Option<Deny>,
    /// Says what a code means, and shows a bad and a good example
    #[arg(long, value_name = "CODE", conflicts_with = "files")]
    pub explain: Option<Code>,
    #[command(flatten)]
    pub extra: Extra,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PlanFormat {
    /// For people, in a terminal.
    Tree,
    /// One JSON document.
    Json,
    /// For tickets and wikis.
    Markdown,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct PlanArgs {
    /// The runbook
    pub file: PathBuf,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    pub format: PlanFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    #[command(flatten)]
    pub extra: Extra,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct PreflightArgs {
    /// The runbook
    pub file: PathBuf,
    /// Sends one message to each channel, marked as a test
    #[arg(long)]
    pub notify_test: bool,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub extra: Extra,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct DriveArgs {
    /// The runbook
    pub file: PathBuf,
    #[command(flatten)]
    pub extra: Extra,
    #[command(flatten)]
    pub guard: Guard,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct RehearseArgs {
    /// The runbook
    pub file: PathBuf,
    /// As a drill on the practice fleet: no real host is touched
    #[arg(long)]
    pub practice: bool,
    #[command(flatten)]
    pub fleet: Fleet,
    #[command(flatten)]
    pub extra: Extra,
    #[command(flatten)]
    pub guard: Guard,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct TrustArgs {
    /// HOST, USER@HOST or HOST:PORT, an alias of your SSH configuration, or a host of --inventory
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    /// Takes the hosts, and the ways to them, from this inventory; ansible:PATH too
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The key is right if it is this one, and nothing is asked: SHA256:…; may be repeated
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Vec<String>,
    /// The file that it is recorded in [default: the one of your SSH configuration]
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
}
