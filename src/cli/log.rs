//! The program's own log, for whoever asks for it with `-v`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::args::{Cli, Command};
use super::exit::Exit;
use super::input;
use super::message::Failure;

/// Where the log goes while the terminal belongs to the console.
const FILE: &str = "golive.log";

/// Starts the log: on standard error, or in a file where a console would be disturbed.
pub(super) fn start(cli: &Cli) -> Result<(), Failure> {
    let level = match cli.common.verbose {
        0 => return Ok(()),
        1 => "warn,golive=info",
        2 => "info,golive=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(true);
    if takes_the_terminal(cli.command.as_ref()) {
        let dir = input::store(&cli.common)?.sessions_dir();
        let file = dir.parent().map_or_else(|| FILE.into(), |root| root.join(FILE));
        let opened = open(&file).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot open {}: {error}", file.display()))
        })?;
        log.with_ansi(false).with_writer(Mutex::new(opened)).try_init().ok();
    } else {
        log.with_ansi(false).with_writer(io::stderr).try_init().ok();
    }
    Ok(())
}

/// Whether the command draws on the terminal.
const fn takes_the_terminal(command: Option<&Command>) -> bool {
    match command {
        Some(Command::Demo(_) | Command::Drive(_) | Command::Rehearse(_)) => true,
        Some(Command::Resume(args)) => !args.headless,
        Some(
            Command::Init(_)
            | Command::Check(_)
            | Command::Plan(_)
            | Command::Preflight(_)
            | Command::Run(_)
            | Command::Rollback(_)
            | Command::Sessions(_)
            | Command::Status(_)
            | Command::Hold(_)
            | Command::Note(_)
            | Command::Ack(_)
            | Command::Vote(_)
            | Command::Approve(_)
            | Command::Export(_)
            | Command::Verify(_)
            | Command::Trust(_)
            | Command::Schema { .. }
            | Command::Completions { .. }
            | Command::Man,
        )
        | None => false,
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
