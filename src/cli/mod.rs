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
mod back;
mod check;
mod drive;
mod edit;
mod exit;
mod export;
mod ground;
mod headless;
mod init;
mod input;
mod log;
mod message;
mod overview;
mod plan;
mod preflight;
mod problems;
mod reload;
mod run;
mod screen;
mod secrets;
mod sessions;
mod shell;
mod sign;
mod signals;
mod status;
mod terminal;
mod trust;
mod unrecorded;
mod verify;
mod verify_tell;
mod voices;

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
    match log::start(&cli).and_then(|()| execute(screen, &cli)) {
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

fn execute(screen: Screen, cli: &Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    let Some(command) = &cli.command else {
        return overview::run(screen, common);
    };
    match command {
        Command::Init(args) => init::run(screen, args),
        Command::Check(args) => check::run(screen, args),
        Command::Plan(args) => plan::run(screen, args),
        Command::Preflight(args) => preflight::run(screen, &input::store(common)?, args),
        Command::Run(args) => run::run(screen, input::store(common)?, args),
        Command::Demo(args) => drive::demo(screen, common, args),
        Command::Drive(args) => drive::drive(screen, common, args),
        Command::Rehearse(args) => drive::rehearse(screen, common, args),
        Command::Resume(args) if args.headless => run::resume(screen, input::store(common)?, args),
        Command::Resume(args) => drive::resume(screen, common, args),
        Command::Rollback(args) => run::rollback(screen, input::store(common)?, args),
        Command::Sessions(args) => sessions::run(screen, &input::store(common)?, args),
        Command::Status(args) => status::run(screen, &input::store(common)?, args),
        Command::Hold(args) => voices::hold(screen, &input::store(common)?, args),
        Command::Note(args) => voices::note(screen, &input::store(common)?, args),
        Command::Ack(args) => voices::ack(screen, &input::store(common)?, args),
        Command::Vote(args) => voices::vote(screen, &input::store(common)?, args),
        Command::Approve(args) => voices::approve(screen, &input::store(common)?, args),
        Command::Export(args) => export::run(screen, &input::store(common)?, args),
        Command::Verify(args) => verify::run(screen, &input::store(common)?, args),
        Command::Trust(args) => trust::run(screen, args),
        Command::Schema { of } => shell::schema(screen, *of),
        Command::Completions { shell } => shell::completions(screen, *shell),
        Command::Man => shell::man(screen),
    }
}
