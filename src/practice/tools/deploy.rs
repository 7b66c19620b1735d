//! `deploy`.

use super::take;
use crate::base::Digest;
use crate::practice::shell::{Ended, Shell};

const USAGE: &str = "usage: deploy version | fetch|install|switch|remove VERSION";

/// The deployment tool of the application hosts.
pub(super) async fn deploy(shell: &mut Shell, args: &[&str]) -> Ended {
    let host = shell.host.name.clone();
    match args {
        ["version"] => match shell.host.shared.world(|world| world.release(&host)) {
            Ok(release) => {
                let release = release.unwrap_or_else(|| "none".to_owned());
                shell.say(&format!("{release}\n")).await?;
                Ok(0)
            }
            Err(problem) => shell.complain("deploy", &problem, 1).await,
        },
        ["fetch", version] => fetch(shell, &host, version).await,
        ["install", version] => install(shell, &host, version).await,
        ["switch", version] => {
            if let Err(problem) = shell.host.shared.world(|world| world.switch(&host, version)) {
                return shell.complain("deploy", &problem, 1).await;
            }
            take(shell, 300).await;
            shell.say(&format!("{host}: /opt/orders/current -> {version}\n")).await?;
            let runs = shell.host.shared.world(|world| {
                world.service(&host, "orders").ok().and_then(|it| it.release.clone())
            });
            if runs.is_some_and(|it| it != *version) {
                shell.say(&format!("{host}: takes effect at the next start\n")).await?;
            }
            Ok(0)
        }
        ["remove", version] => {
            if let Err(problem) = shell.host.shared.world(|world| world.remove(&host, version)) {
                return shell.complain("deploy", &problem, 1).await;
            }
            take(shell, 400).await;
            shell.say(&format!("{host}: {version} removed\n")).await?;
            Ok(0)
        }
        _ => shell.complain("deploy", USAGE, 2).await,
    }
}

async fn fetch(shell: &Shell, host: &str, version: &str) -> Ended {
    let size = 48_300;
    shell.say(&format!("{host}: fetching orders-{version}.tar.gz ({size} kB)\n")).await?;
    for percent in [10, 35, 60, 85, 100] {
        take(shell, 280).await;
        let done = size * percent / 100;
        shell.say(&format!("{host}: {done}/{size} kB {percent} %\n")).await?;
    }
    if let Err(problem) = shell.host.shared.world(|world| world.fetch(host, version)) {
        return shell.complain("deploy", &problem, 1).await;
    }
    let sum = Digest::of(version.as_bytes());
    shell.say(&format!("sha256 {sum}  orders-{version}.tar.gz\n")).await?;
    shell.say(&format!("{host}: signature good, signed by release@orders\n")).await?;
    Ok(0)
}

async fn install(shell: &Shell, host: &str, version: &str) -> Ended {
    if let Err(problem) = shell.host.shared.world(|world| world.install(host, version)) {
        return shell.complain("deploy", &problem, 1).await;
    }
    for line in ["unpacked 1,204 files", "configuration rendered", "migrations: none pending"] {
        take(shell, 350).await;
        shell.say(&format!("{host}: {line}\n")).await?;
    }
    shell.err.write(b"warning: setting `legacy_totals` is deprecated since 2.0\n").await?;
    shell.say(&format!("{host}: {version} installed in /opt/orders/{version}\n")).await?;
    Ok(0)
}
