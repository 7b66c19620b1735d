//! The tools of the world, as an operator types them: `lbctl`, `svc`, `deploy`, `dbctl`,
//! `smoke`, `curl`, `reboot`. They take their time and print as such tools do; all effects are the
//! world's.

use futures_util::FutureExt as _;

use super::fault::Blow;
use super::host::Host;
use super::shell::{Ended, Shell};
use crate::base::Millis;

mod database;
mod deploy;
mod services;
mod web;

/// What every tool of the world answers to.
const NAMES: [&str; 11] = [
    "lbctl",
    "svc",
    "systemctl",
    "service",
    "deploy",
    "dbctl",
    "smoke",
    "curl",
    "wget",
    "journalctl",
    "reboot",
];

/// Whether `name` is a tool of the world.
pub(super) fn knows(_: &Host, name: &str) -> bool {
    NAMES.contains(&name)
}

/// Runs the tool `name`, if there is one.
pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Option<Ended> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Some(match name {
        "lbctl" => services::lbctl(shell, &args).boxed().await,
        "svc" | "systemctl" | "service" | "journalctl" => {
            services::svc(shell, name, &args).boxed().await
        }
        "deploy" => deploy::deploy(shell, &args).boxed().await,
        "reboot" => reboot(shell).await,
        "dbctl" => database::dbctl(shell, &args).boxed().await,
        "smoke" => web::smoke(shell, &args).boxed().await,
        "curl" | "wget" => web::curl(shell, name, &args).boxed().await,
        _ => return None,
    })
}

/// Boots the host, and with it this very command.
async fn reboot(shell: &Shell) -> Ended {
    shell.say(&format!("{}: going down for a reboot\n", shell.host.name)).await?;
    shell.host.reboot(super::fault::away());
    std::future::pending().await
}

/// Lets faults strike the command `words`; its end, if one ends it.
pub(super) async fn strike(
    shell: &mut Shell,
    words: &[String],
) -> Result<Option<u8>, super::shell::Unwind> {
    let blows = shell.host.shared.strike(&shell.host.name, &words.join(" "));
    for blow in blows {
        match blow {
            Blow::Wait(span) => shell.host.shared.pause(span).await,
            Blow::Noise(lines) => {
                for number in 0..lines {
                    let line = format!("{number:>6} DEBUG pool: connection reused, idle 12 ms\n");
                    shell.err.write(line.as_bytes()).await?;
                }
            }
            Blow::Fail(exit, message) => {
                shell.err.write(format!("{message}\n").as_bytes()).await?;
                return Ok(Some(exit));
            }
        }
    }
    Ok(None)
}

/// Waits for `millis` of the world's time, give or take a fifth.
async fn take(shell: &Shell, millis: u64) {
    let more = shell.host.shared.world(|world| world.roll(millis / 5 + 1));
    shell.host.shared.pause(Millis::new(millis * 9 / 10 + more)).await;
}

/// Hundredths, as a decimal number.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
