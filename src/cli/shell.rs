//! What golive prints for other programs: `golive schema`, `golive completions` and `golive man`.

use crate::runbook::{INVENTORY_SCHEMA, RUNBOOK_SCHEMA};

use super::args::{Format, command};
use super::exit::Exit;
use super::message::Failure;
use super::screen::Screen;

/// Prints the JSON Schema of a file format.
pub(super) fn schema(screen: Screen, of: Format) -> Result<Exit, Failure> {
    screen.data(match of {
        Format::Runbook => RUNBOOK_SCHEMA,
        Format::Inventory => INVENTORY_SCHEMA,
    })?;
    Ok(Exit::Done)
}

/// Prints the completions for `shell`.
pub(super) fn completions(screen: Screen, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "golive", &mut script);
    screen.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Prints the manual page: golive itself, then every command.
pub(super) fn man(screen: Screen) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot make the manual page: {error}"))
    };
    let mut command = command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let man = clap_mangen::Man::new(sub.clone());
        man.render_name_section(&mut page).map_err(failed)?;
        man.render_synopsis_section(&mut page).map_err(failed)?;
        man.render_options_section(&mut page).map_err(failed)?;
    }
    screen.data(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
