//! The command line: arguments in, messages and an exit code out.
//!
//! # Invariants
//!
//! - Data goes to standard output, talk to standard error; nothing else prints.
//! - Every error says what is wrong, where, and how to go on.
//! - Nothing is asked without a terminal: a command that would have to ask ends with code 2 and
//!   names the flag.
//! - Exit codes are a promise ([`Exit`]).
//!
//! # Deliberately absent
//!
//! Nothing is drawn here, and no file of settings is merged: options are passed.

mod args;
mod check;
mod exit;
mod headless;
mod init;
mod input;
mod message;
mod overview;
mod plan;
mod problems;
mod screen;
mod shell;

pub use exit::Exit;
pub use message::Failure;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Cli, Command};
use screen::Screen;

/// Does what the arguments say and returns the exit code.
pub fn main<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    let parsed = args::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data; what is wrong with the arguments is not.
            error.print().ok();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let screen = Screen::new(&cli.common);
    match run(screen, &cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            for line in failure.lines() {
                let (head, rest) = line.split_once(' ').unwrap_or((&line, ""));
                let head = if head == "error:" {
                    screen.error_ink(screen::Ink::Red, head)
                } else {
                    head.to_owned()
                };
                screen.complain(&format!("{head} {rest}"));
            }
            failure.exit.into()
        }
    }
}

fn run(screen: Screen, cli: &Cli) -> Result<Exit, Failure> {
    let Some(command) = &cli.command else {
        return overview::run(screen, &cli.common);
    };
    match command {
        Command::Init(args) => init::run(screen, args),
        Command::Check(args) => check::run(screen, args),
        Command::Plan(args) => plan::run(screen, args),
        Command::Demo(_)
        | Command::Drive(_)
        | Command::Rehearse(_)
        | Command::Run(_)
        | Command::Resume(_)
        | Command::Rollback(_)
        | Command::Sessions(_)
        | Command::Status(_)
        | Command::Export(_)
        | Command::Verify(_) => Err(Failure::usage("soon")),
        Command::Completions { shell } => shell::completions(screen, *shell),
        Command::Man => shell::man(screen),
    }
}
