//! The arguments, and the help that begins with examples.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::base::{SessionId, StepId, VarName};
use crate::engine::RunKind;
use crate::runbook::{Class, Code, Strategy};

use super::exit::Exit;
use super::sign::Sign;

/// The help of every command: what it does, examples, and then the options.
const TEMPLATE: &str = "{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

/// Takes systems live: drives a runbook over SSH, shows health and logs, rolls back with one key.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "golive",
    version,
    max_term_width = 100,
    before_help = "\
Examples:
  golive demo                                  the two-minute show, nothing to set up
  golive init night                            a starter runbook and inventory in ./night
  golive check runbooks/*.toml                 every problem, with its place
  golive plan runbooks/shop.toml               what would happen, hosts and commands resolved
  golive drive runbooks/shop.toml              the live console
  golive rehearse runbooks/shop.toml -i staging.toml
"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(super) struct Common {
    /// Where sessions are kept [default: the XDG state directory + /golive]
    #[arg(
        long,
        global = true,
        env = "GOLIVE_STATE",
        value_name = "DIR",
        help_heading = "Common options"
    )]
    pub state_dir: Option<PathBuf>,
    /// Colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Common options"
    )]
    pub color: ColorWhen,
    /// Only ASCII characters
    #[arg(long, global = true, help_heading = "Common options")]
    pub ascii: bool,
    /// Say only what has to be read
    #[arg(short, long, global = true, help_heading = "Common options")]
    pub quiet: bool,
    /// Show the program's own log, twice: with details; the console writes it to golive.log in
    /// the state directory
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// The two-minute show: a sample runbook on the practice fleet, in the full console
    #[command(before_help = "\
Examples:
  golive demo
  golive demo --strategy direct
")]
    Demo(DemoArgs),
    /// Writes a commented starter: runbook and inventory
    #[command(before_help = "\
Examples:
  golive init night
  golive init night --strategy canary
")]
    Init(InitArgs),
    /// Parses, resolves and lints: every problem with its place, its code and its way out
    #[command(before_help = "\
Examples:
  golive check runbooks/*.toml inventory/prod.toml
  golive check --deny warnings --format github runbooks/*.toml      in CI
  golive check --explain G014
")]
    Check(CheckArgs),
    /// What would happen: commands, hosts, classes, times, undo plan; touches nothing
    #[command(before_help = "\
Examples:
  golive plan runbooks/shop.toml
  golive plan runbooks/shop.toml --var release=2.15.0 --format markdown > plan.md
")]
    Plan(PlanArgs),
    /// The live console
    #[command(before_help = "\
Examples:
  golive drive runbooks/shop.toml
  golive drive runbooks/shop.toml --var ticket=CHG0031337 --driver wei.zhang
")]
    Drive(DriveArgs),
    /// The same console as a rehearsal (other hosts) or a drill (the practice fleet)
    #[command(before_help = "\
Examples:
  golive rehearse runbooks/shop.toml --practice
  golive rehearse runbooks/shop.toml --inventory inventory/staging.toml
")]
    Rehearse(RehearseArgs),
    /// Runs without a screen, for CI, drills and scripts; confirms nothing by itself
    #[command(before_help = "\
Examples:
  golive run runbooks/shop.toml --practice --confirm change --answer ready=go
  golive run runbooks/shop.toml -i staging.toml --confirm check       stops at the first change
  golive run shop.toml --kind live --confirm change --confirm-step drop-old \\
      --answer ready=go:\"all checks green, CHG0031337\" --on-failure rollback --json
")]
    Run(RunArgs),
    /// Takes an open session up again, where it stands
    #[command(before_help = "\
Examples:
  golive resume last
  golive resume 20261129 --headless --confirm change
")]
    Resume(ResumeArgs),
    /// Rolls an open session back without a screen
    #[command(before_help = "\
Examples:
  golive rollback last --plan-only
  golive rollback last --reason \"p99 over 800 ms for 10 minutes\"
")]
    Rollback(RollbackArgs),
    /// Lists the sessions
    #[command(before_help = "\
Examples:
  golive sessions
  golive sessions --json
")]
    Sessions(SessionsArgs),
    /// Where a session stands, from any terminal, without touching it
    #[command(before_help = "\
Examples:
  golive status
  golive status last --format short
")]
    Status(StatusArgs),
    /// Writes the record of a session as documents
    #[command(before_help = "\
Examples:
  golive export last --format md,csv,jsonl -o review/
  golive export last --format md -o report.md
")]
    Export(ExportArgs),
    /// Whether a record is as it was written, and if not, where not
    #[command(before_help = "\
Examples:
  golive verify last
  golive verify last --allowed-signers team.txt --witness ssh:web-1
  golive verify /mnt/archive/20261129-010203-shop-1f3a --witness head:9f3c2e1a55d07b61
")]
    Verify(VerifyArgs),
    /// Prints the completions for a shell
    #[command(before_help = "\
Examples:
  golive completions bash > /etc/bash_completion.d/golive
  golive completions fish > ~/.config/fish/completions/golive.fish
")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page
    #[command(before_help = "\
Examples:
  golive man | man -l -
")]
    Man,
}

/// What is added to a runbook.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Extra {
    /// Replaces a variable of the runbook
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(VarName, String)>,
    /// Replaces the runbook's hosts by those of this inventory
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<String>,
}

/// Who drives, and where it may run.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Guard {
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
pub(super) struct Fleet {
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
pub(super) struct DemoArgs {
    /// Which of the sample runbooks
    #[arg(long, value_name = "STRATEGY", value_enum, default_value_t)]
    pub strategy: DemoStrategy,
    #[command(flatten)]
    pub fleet: Fleet,
    #[command(flatten)]
    pub sign: Sign,
}

/// The strategies that the demo has a runbook for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DemoStrategy {
    /// Two full sets; traffic moves.
    #[default]
    BlueGreen,
    /// A small share of traffic first.
    Canary,
    /// The old stops, the new starts.
    Direct,
}

#[derive(Args, Clone, Debug)]
pub(super) struct InitArgs {
    /// Where to; made if it is not there
    pub dir: PathBuf,
    /// How the new system takes over
    #[arg(long, value_name = "STRATEGY", default_value = "blue-green", value_parser = strategy)]
    pub strategy: Strategy,
}

/// How problems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
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
pub(super) enum Deny {
    /// Warnings count as errors.
    Warnings,
}

#[derive(Args, Clone, Debug)]
pub(super) struct CheckArgs {
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
pub(super) enum PlanFormat {
    /// For people, in a terminal.
    Tree,
    /// One JSON document.
    Json,
    /// For tickets and wikis.
    Markdown,
}

#[derive(Args, Clone, Debug)]
pub(super) struct PlanArgs {
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
pub(super) struct DriveArgs {
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
pub(super) struct RehearseArgs {
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

/// What a run without a screen may do by itself.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Policy {
    /// Lets steps up to this class start: check or change
    #[arg(long, value_name = "CLASS", value_parser = confirmable)]
    pub confirm: Option<Class>,
    /// Lets this step start, whatever its class; may be repeated
    #[arg(long = "confirm-step", value_name = "ID")]
    pub confirm_steps: Vec<StepId>,
    /// Decides a gate or signs a manual step off: ID=go, ID=go:"reason", ID=no-go:"reason",
    /// ID=done:"words"; may be repeated. A `go` without a reason holds only if every criterion
    /// does
    #[arg(long = "answer", value_name = "ID=ANSWER", value_parser = super::headless::answer)]
    pub answers: Vec<(StepId, super::headless::Answer)>,
    /// What to do when a step fails
    #[arg(long, value_name = "WHAT", default_value = "hold")]
    pub on_failure: OnFailure,
    /// Prints one JSON object an event
    #[arg(long)]
    pub json: bool,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OnFailure {
    /// Start nothing new and stop.
    #[default]
    Hold,
    /// Roll back.
    Rollback,
}

#[derive(Args, Clone, Debug)]
pub(super) struct RunArgs {
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
pub(super) struct ResumeArgs {
    /// Its name, the start of it, or `last`
    #[arg(default_value = "last")]
    pub session: String,
    /// Without a screen, with the flags of `golive run`
    #[arg(long)]
    pub headless: bool,
    /// Take it from a driver who is there; needs --reason
    #[arg(long, group = "why")]
    pub take_over: bool,
    /// Why it is taken over, or why another host key is right; recorded
    #[arg(long, value_name = "TEXT", requires = "why")]
    pub reason: Option<String>,
    /// Accept the other key that this host showed during the run; needs --reason
    #[arg(long, value_name = "HOST", requires = "reason", group = "why")]
    pub accept_host_key: Vec<crate::base::HostId>,
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
pub(super) struct RollbackArgs {
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
pub(super) struct SessionsArgs {
    /// One JSON document
    #[arg(long)]
    pub json: bool,
}

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusFormat {
    /// One line, for a prompt or a status bar.
    Short,
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Args, Clone, Debug)]
pub(super) struct StatusArgs {
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
pub(super) enum ExportFormat {
    /// The report, Markdown.
    Md,
    /// The record itself, byte for byte.
    Jsonl,
    /// Tables for spreadsheets.
    Csv,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ExportArgs {
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
pub(super) struct VerifyArgs {
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

/// The command line, with examples first in every help.
pub(super) fn command() -> clap::Command {
    let after = format!("Exit codes:\n{}", Exit::table());
    let command = Cli::command().help_template(TEMPLATE).after_help(after);
    command.mut_subcommands(|sub| sub.help_template(TEMPLATE))
}

fn variable(text: &str) -> Result<(VarName, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    Ok((name, value.to_owned()))
}

/// A name for a session. `last` means another thing wherever sessions are named.
fn session_name(text: &str) -> Result<SessionId, String> {
    if text == "last" {
        return Err("`last` is the last session, whatever its name: choose another".to_owned());
    }
    text.parse().map_err(|error: crate::base::InvalidId| error.to_string())
}

fn kind(text: &str) -> Result<RunKind, String> {
    match text {
        "live" => Ok(RunKind::Live),
        "rehearsal" => Ok(RunKind::Rehearsal),
        "drill" => Ok(RunKind::Drill),
        _ => Err("it is `live`, `rehearsal` or `drill`".to_owned()),
    }
}

fn confirmable(text: &str) -> Result<Class, String> {
    match text {
        "check" => Ok(Class::Check),
        "change" => Ok(Class::Change),
        "critical" => Err("a critical step is confirmed by its name: --confirm-step ID".to_owned()),
        _ => Err("it is `check` or `change`".to_owned()),
    }
}

/// The strategies by their names in a runbook.
pub(super) const STRATEGIES: [(&str, Strategy); 6] = [
    ("direct", Strategy::Direct),
    ("parallel", Strategy::Parallel),
    ("phased", Strategy::Phased),
    ("canary", Strategy::Canary),
    ("blue-green", Strategy::BlueGreen),
    ("failover", Strategy::Failover),
];

fn strategy(text: &str) -> Result<Strategy, String> {
    let found = STRATEGIES.iter().find(|(name, _)| *name == text);
    found.map(|(_, strategy)| *strategy).ok_or_else(|| {
        let names: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// The name of a strategy in a runbook.
pub(super) fn strategy_name(strategy: Strategy) -> &'static str {
    STRATEGIES.iter().find(|(_, it)| *it == strategy).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_help_begins_with_examples() {
        let mut command = command();
        command.build();
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            let help = sub.render_long_help().to_string();
            let (examples, usage) = (help.find("Examples:"), help.find("Usage:"));
            assert!(examples.is_some() && examples < usage, "{help}");
        }
    }
}
