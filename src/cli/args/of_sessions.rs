//! The arguments of commands that make or take a session.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::base::StepId;
use crate::engine::RunKind;
use crate::runbook::Class;

use super::super::sign::Sign;

use super::of_runbooks::{Extra, Fleet, Guard};
use super::values::{confirmable, edit, kind};

/// What a run without a screen may do by itself.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct Policy {
    /// Lets steps up to this class start: check or change
    #[arg(long, value_name = "CLASS", value_parser = confirmable)]
    pub confirm: Option<Class>,
    /// Lets this step start, whatever its class; may be repeated
    #[arg(long = "confirm-step", value_name = "ID")]
    pub confirm_steps: Vec<StepId>,
    /// Decides a gate or signs a manual step off: ID=go, ID=go:"reason", ID=no-go:"reason",
    /// ID=done:"words"; may be repeated. A `go` without a reason holds only if every criterion
    /// does. What a role says: ID@ROLE=go, ID@ROLE/PERSON=no-go:"why", ID@ROLE=agree
    #[arg(long = "answer", value_name = "ID=ANSWER", value_parser = super::super::headless::answer)]
    pub answers: Vec<(StepId, super::super::headless::Answer)>,
    /// Waives a criterion of a gate that does not hold: GATE:PROBE=30m:"reason", or for PROBE
    /// `margin` or `rollback_ready`; may be repeated
    #[arg(long = "waive", value_name = "WAIVER", value_parser = super::super::headless::waive)]
    pub waivers: Vec<super::super::headless::Waive>,
    /// What to do when a step fails
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub on_failure: OnFailure,
    /// How long a gate or a step of two people waits for words from other terminals (`golive vote`,
    /// `golive approve`) that the flags do not give
    #[arg(long, value_name = "SPAN")]
    pub wait: Option<crate::base::Millis>,
    /// Why steps that change something may start before the window opens or after it has closed,
    /// and past the latest safe rollback; recorded
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub outside_window: Option<String>,
    /// Prints one JSON object an event
    #[arg(long)]
    pub json: bool,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OnFailure {
    /// Start nothing new and stop.
    #[default]
    Hold,
    /// Roll back.
    Rollback,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct RunArgs {
    /// The runbook
    pub file: PathBuf,
    /// What kind of run: live, rehearsal or drill [default: rehearsal; drill with --practice]
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<RunKind>,
    /// On the practice fleet: no real host is touched
    #[arg(long)]
    pub practice: bool,
    #[command(flatten)]
    pub policy: Policy,
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
#[command(group(clap::ArgGroup::new("why").multiple(true)))]
pub(in crate::cli) struct ResumeArgs {
    /// Its name, the start of it, or `last`
    #[arg(default_value = "last")]
    pub session: String,
    /// Without a screen, with the flags of `golive run`
    #[arg(long)]
    pub headless: bool,
    /// Take it from a driver who is there; needs --reason
    #[arg(long, group = "why")]
    pub take_over: bool,
    /// Why it is taken over, why another host key is right, why a command is edited, or why the
    /// runbook is another; recorded
    #[arg(long, value_name = "TEXT", requires = "why")]
    pub reason: Option<String>,
    /// Edits the command of a step that failed or has not started, for this run only: the text of
    /// FILE takes its place as it stands, no {{ }} is filled in. A failed step is then run again
    /// where it failed, if --confirm or --confirm-step lets its new class start. Needs --headless
    /// and --reason; may be repeated
    #[arg(long, value_name = "STEP=FILE", value_parser = edit, requires = "reason",
        requires = "headless", group = "why")]
    pub edit: Vec<(StepId, PathBuf)>,
    /// Accept the other key that this host showed during the run; needs --reason
    #[arg(long, value_name = "HOST", requires = "reason", group = "why")]
    pub accept_host_key: Vec<crate::base::HostId>,
    /// Goes on by this runbook in the place of its own, with the variables and the inventory that
    /// it was started with. What changes is shown first; what has started has to be the same.
    /// Without --reason it is only shown, and nothing is touched
    #[arg(long, value_name = "FILE", group = "why")]
    pub reload: Option<PathBuf>,
    #[command(flatten)]
    pub policy: Policy,
    #[command(flatten)]
    pub fleet: Fleet,
    /// Who drives now, for the record [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct RollbackArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// Only prints what would be undone, and how long it takes
    #[arg(long, conflicts_with = "reason")]
    pub plan_only: bool,
    /// Why; recorded
    #[arg(long, value_name = "TEXT", required_unless_present = "plan_only")]
    pub reason: Option<String>,
    /// Why it is right past the point of no return; recorded
    #[arg(long, value_name = "TEXT")]
    pub break_glass: Option<String>,
    /// Only back to this checkpoint: the session is then held there, and can go on (exit 6)
    #[arg(long, value_name = "CHECKPOINT")]
    pub to: Option<String>,
    /// Do not ask for two digits; for rehearsals and drills only
    #[arg(long)]
    pub unattended: bool,
    /// Prints one JSON object an event
    #[arg(long)]
    pub json: bool,
    /// Who drives now, for the record [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    #[command(flatten)]
    pub sign: Sign,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct SessionsArgs {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StatusFormat {
    /// One line, for a prompt or a status bar.
    Short,
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct StatusArgs {
    /// Its name, the start of it, or `last`
    #[arg(default_value = "last")]
    pub session: String,
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: StatusFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// A document made from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// The report, Markdown.
    Md,
    /// The record itself, byte for byte.
    Jsonl,
    /// Tables for spreadsheets.
    Csv,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct ExportArgs {
    /// Its name, the start of it, or `last`
    pub session: String,
    /// Which documents
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "md")]
    pub format: Vec<ExportFormat>,
    /// A directory, or a file if it is one document; `-` prints it
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct VerifyArgs {
    /// Its name, the start of it, `last`, or the path of a session's directory
    #[arg(value_name = "SESSION_OR_PATH")]
    pub session: String,
    /// One JSON document
    #[arg(long)]
    pub json: bool,
    /// Who may sign, as `ssh-keygen -Y verify` takes it; without it nobody vouches for a key
    #[arg(long, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,
    /// The one of them who has to have signed
    #[arg(long, value_name = "WHO", requires = "allowed_signers")]
    pub identity: Option<String>,
    /// Compares with what others hold: ssh:HOST (a host of the session, or any), head:DIGITS from a
    /// ticket, or a FILE or directory; may be repeated
    #[arg(long, value_name = "WITNESS")]
    pub witness: Vec<String>,
}
