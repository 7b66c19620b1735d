//! `golive init`: a commented starter that works as it stands.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::base::{Millis, Timestamp, Zone};
use crate::runbook::Strategy;
use crate::session::Clock;

use super::args::{InitArgs, strategy_name};
use super::exit::Exit;
use super::message::Failure;
use super::screen::Screen;

const RUNBOOK: &str = include_str!("starter/runbook.toml");
const INVENTORY: &str = include_str!("starter/inventory.toml");
/// The window of a starter opens this much later: long enough to make the runbook one's own.
const AHEAD: Millis = Millis::from_secs(7 * 24 * 3600);

/// The part of the starter that is particular to a strategy.
const fn transition(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Direct => include_str!("starter/direct.toml"),
        Strategy::Parallel => include_str!("starter/parallel.toml"),
        Strategy::Phased => include_str!("starter/phased.toml"),
        Strategy::Canary => include_str!("starter/canary.toml"),
        Strategy::BlueGreen => include_str!("starter/blue-green.toml"),
        Strategy::Failover => include_str!("starter/failover.toml"),
    }
}

/// The starter's files by name, with a window a week after `now`.
fn files(strategy: Strategy, now: Timestamp) -> [(&'static str, String); 2] {
    let day = Zone::UTC.format(now.after(AHEAD), "%Y-%m-%d");
    let databases = "\n[hosts.db-old]\naddress = \"db-old.example.net\"\n\
                     [hosts.db-new]\naddress = \"db-new.example.net\"\n";
    let hosts = if strategy == Strategy::Failover { databases } else { "" };
    let runbook = RUNBOOK
        .replace("@STRATEGY@", strategy_name(strategy))
        .replace("@OPENS@", &format!("{day}T01:00:00"))
        .replace("@CLOSES@", &format!("{day}T05:00:00"))
        .replace("@TRANSITION@", transition(strategy));
    [("runbook.toml", runbook), ("inventory.toml", INVENTORY.replace("@HOSTS@", hosts))]
}

/// Runs the command.
pub(super) fn run(screen: Screen, args: &InitArgs) -> Result<Exit, Failure> {
    let dir = &args.dir;
    let shown = dir.display();
    let files = files(args.strategy, Clock::new(Timestamp::default()).now());
    fs::create_dir_all(dir)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot create {shown}: {error}")))?;
    for (name, _) in &files {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() {
            let message = format!("{} is there already: nothing is overwritten", path.display());
            return Err(Failure::usage(message).help("give another directory"));
        }
    }
    for (name, text) in &files {
        write_new(&dir.join(name), text)?;
    }
    let runbook = dir.join("runbook.toml");
    let runbook = runbook.display();
    screen.say(&format!(
        "{shown}: runbook.toml and inventory.toml written\n\n  \
         golive check {runbook}\n  \
         golive plan {runbook}\n  \
         golive rehearse {runbook} --practice"
    ));
    Ok(Exit::Done)
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || fs::File::create_new(path)?.write_all(text.as_bytes());
    write().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::files;
    use crate::base::Timestamp;
    use crate::cli::args::STRATEGIES;
    use crate::runbook::{SourceFile, check, check_inventory};

    #[test]
    fn every_starter_passes_as_written() {
        for (name, strategy) in STRATEGIES {
            let [(runbook, text), (_, inventory)] = files(strategy, Timestamp::default());
            let hosts = SourceFile::new("inventory.toml", &inventory);
            let checked = check(&SourceFile::new(runbook, &text), &mut |_| Ok(hosts.clone()));
            assert_eq!(checked.problems, [], "{name}");
            assert_eq!(checked.runbook.map(|runbook| runbook.strategy), Some(strategy));
            assert_eq!(check_inventory(&hosts).1, []);
        }
    }
}
