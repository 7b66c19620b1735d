//! The arguments, and the help that begins with examples.

mod of_runbooks;
mod of_sessions;
mod of_voices;
mod values;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::ui::Lang;

use super::exit::Exit;

pub(super) use self::of_runbooks::*;
pub(super) use self::of_sessions::*;
pub(super) use self::of_voices::*;
#[cfg(test)]
pub(super) use self::values::STRATEGIES;
pub(super) use self::values::strategy_name;

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
  golive preflight runbooks/shop.toml          what would not work tonight, found today
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
    /// The language of the console: `auto` takes it from `LC_ALL`, `LC_MESSAGES` or `LANG`
    /// [env: `GOLIVE_LANG`] [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "LANG",
        ignore_case = true,
        help_heading = "Common options"
    )]
    pub lang: Option<LangWish>,
    /// Say only what has to be read
    #[arg(short, long, global = true, help_heading = "Common options")]
    pub quiet: bool,
    /// Show the program's own log, twice: with details; the console writes it to golive.log in
    /// the state directory
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
}

/// Which language the console speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LangWish {
    /// That of the locale.
    Auto,
    /// English.
    En,
    /// Simplified Chinese.
    #[value(name = "zh-CN", alias = "zh")]
    ZhCn,
}

impl LangWish {
    /// The language that was asked for; none: that of the locale.
    pub(super) const fn lang(self) -> Option<Lang> {
        match self {
            Self::Auto => None,
            Self::En => Some(Lang::En),
            Self::ZhCn => Some(Lang::Zh),
        }
    }

    /// What the variable `GOLIVE_LANG` asks for: a tag or the name of a locale. It may be there for
    /// every command of a shell, so one that golive does not know stands in the way of none.
    pub(super) fn of_variable(value: &str) -> Self {
        let name = value.trim().split(['.', '@']).next().unwrap_or_default();
        // Whether the terminal shows Chinese is for whoever asks for it to know.
        match Lang::of_tag(name).unwrap_or_else(|| Lang::of_locale(&format!("{name}.UTF-8"))) {
            Lang::Zh => Self::ZhCn,
            Lang::En if is_english(name) => Self::En,
            Lang::En => Self::Auto, // Any other language, or nothing.
        }
    }
}

fn is_english(name: &str) -> bool {
    name.split(['-', '_']).next().is_some_and(|first| first.eq_ignore_ascii_case("en"))
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
    /// What can be proved before the night: hosts, logins, programs, room, probes, channels;
    /// changes nothing
    #[command(before_help = "\
Examples:
  golive preflight runbooks/shop.toml
  golive preflight runbooks/shop.toml -i inventory/prod.toml --notify-test
  golive preflight runbooks/shop.toml --json > preflight.json      code 4: something must be fixed
")]
    Preflight(PreflightArgs),
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
  golive resume last --headless --edit cutover=fixed.sh --reason 'wrong path' --confirm change
  golive resume last --reload shop.toml --reason 'CHG0031337 was amended'
")]
    Resume(ResumeArgs),
    /// Rolls an open session back without a screen
    #[command(before_help = "\
Examples:
  golive rollback last --plan-only
  golive rollback last --reason \"p99 over 800 ms for 10 minutes\"
  golive rollback last --to data --reason \"the copy is wrong, once more\"
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
    /// Holds a living session from another terminal: nothing new starts
    #[command(before_help = "\
Examples:
  golive hold last
  golive hold last --reason \"the replica lags, wait\"
")]
    Hold(HoldArgs),
    /// Writes a note into the record of a living session from another terminal
    #[command(before_help = "\
Examples:
  golive note last \"switch 4 replaced, traffic is back\"
  golive note last --step copy-orders \"row counts looked at by hand\"
")]
    Note(NoteArgs),
    /// Says that the open alarms of a living session have been seen
    #[command(before_help = "\
Examples:
  golive ack last --name \"Ana Souza\"
")]
    Ack(AckArgs),
    /// Answers at the gate of a living session, for a role, signed with a key of that role
    #[command(before_help = "\
Examples:
  golive vote last go
  golive vote last no-go --gate ready --role dba --words \"lag is 40 s and grows\"
")]
    Vote(VoteArgs),
    /// Agrees, as the second person, that a step may start; signed
    #[command(before_help = "\
Examples:
  golive approve last
  golive approve last --step drop-old --role dba --sign-key ~/.ssh/id_ed25519
")]
    Approve(ApproveArgs),
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
    /// Shows the key of a host that is not known yet; a person compares it, and it is recorded
    #[command(before_help = "\
Examples:
  golive trust web-1.example.com db-1.example.com:2222
  golive trust -i inventory.toml web-1
  golive trust web-1.example.com --fingerprint SHA256:xRk0W9o0vX8JHKKqfLXvRcPqzCWBqLwa7mJTrvXm5dM
")]
    Trust(TrustArgs),
    /// Prints the JSON Schema of a file format, for editors and for checks in CI
    #[command(before_help = "\
Examples:
  golive schema > runbook.schema.json
  golive schema inventory > inventory.schema.json
")]
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t)]
        of: Format,
    },
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

/// The command line, with examples first in every help.
pub(super) fn command() -> clap::Command {
    let after = format!("Exit codes:\n{}", Exit::table());
    let command = Cli::command().help_template(TEMPLATE).after_help(after);
    command.mut_subcommands(|sub| sub.help_template(TEMPLATE))
}
#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{Cli, LangWish, command};

    #[test]
    fn only_the_flag_is_strict_about_a_language() {
        for (value, wish) in [
            ("zh_CN", LangWish::ZhCn),
            ("zh_CN.UTF-8", LangWish::ZhCn),
            ("ZH", LangWish::ZhCn),
            ("zh-cn", LangWish::ZhCn),
            ("en_GB.UTF-8", LangWish::En),
            ("EN", LangWish::En),
            ("auto", LangWish::Auto),
            ("zh_TW.UTF-8", LangWish::Auto),
            ("de", LangWish::Auto),
            ("C.UTF-8", LangWish::Auto),
            ("", LangWish::Auto),
        ] {
            assert_eq!(LangWish::of_variable(value), wish, "{value}");
        }
        let flag = |value: &str| Cli::try_parse_from(["golive", "--lang", value, "demo"]);
        assert_eq!(flag("ZH-cn").unwrap().common.lang, Some(LangWish::ZhCn));
        assert!(flag("de").is_err() && flag("zh_CN.UTF-8").is_err());
    }

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
