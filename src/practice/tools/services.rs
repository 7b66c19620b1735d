//! `lbctl` and `svc`.

use super::{hundredths, take};
use crate::base::Millis;
use crate::practice::shell::{Ended, Shell};
use crate::practice::world::{Colour, ServiceState};

const LBCTL: &str = "usage: lbctl status | weight [blue|green PERCENT] | drain SERVER | \
    enable SERVER";

/// The load balancer's tool.
pub(super) async fn lbctl(shell: &mut Shell, args: &[&str]) -> Ended {
    let host = shell.host.name.clone();
    let now = shell.host.shared.world(|world| world.weights(&host));
    let (blue, green) = match now {
        Ok(weights) => weights,
        Err(problem) => return shell.complain("lbctl", &problem, 1).await,
    };
    match args {
        ["weight"] => {
            shell.say(&format!("blue {blue}\ngreen {green}\n")).await?;
            Ok(0)
        }
        ["status" | "stats"] => status(shell, &host, (blue, green)).await,
        ["weight", colour, percent] => {
            let colour = match *colour {
                "blue" => Colour::Blue,
                "green" => Colour::Green,
                other => return shell.complain("lbctl", &format!("no pool {other}"), 2).await,
            };
            let Ok(percent) = percent.trim_end_matches('%').parse::<u8>() else {
                return shell.complain("lbctl", "a weight is between 0 and 100", 2).await;
            };
            let old = if colour == Colour::Blue { blue } else { green };
            let name = colour.name();
            shell.say(&format!("{host}: pool {name}: {old} % -> {percent} %\n")).await?;
            take(shell, 350).await;
            let set = shell.host.shared.world(|world| world.set_weight(&host, colour, percent));
            if let Err(problem) = set {
                return shell.complain("lbctl", &problem, 2).await;
            }
            let idle = shell.host.shared.world(|world| {
                let servers = world.servers();
                !servers.iter().any(|(_, it, serves, _)| *it == colour && *serves)
            });
            if idle && percent > 0 {
                let text = format!("{host}: WARNING pool {name} has no server that is up\n");
                shell.err.write(text.as_bytes()).await?;
            }
            take(shell, 450).await;
            let (blue, green) = if colour == Colour::Blue {
                (percent, 100 - percent)
            } else {
                (100 - percent, percent)
            };
            shell.say(&format!("{host}: reloaded without dropping a connection\n")).await?;
            shell.say(&format!("{host}: blue {blue} % green {green} %\n")).await?;
            Ok(0)
        }
        [verb @ ("drain" | "enable"), server] => {
            let out = *verb == "drain";
            let set = shell.host.shared.world(|world| world.drain(&host, server, out));
            if let Err(problem) = set {
                return shell.complain("lbctl", &problem, 2).await;
            }
            if out {
                for left in [41, 12, 3, 0] {
                    shell.say(&format!("{host}: {server}: {left} sessions left\n")).await?;
                    take(shell, 250).await;
                }
            }
            let state = if out { "DRAIN" } else { "UP" };
            shell.say(&format!("{host}: {server} is {state}\n")).await?;
            Ok(0)
        }
        _ => shell.complain("lbctl", LBCTL, 2).await,
    }
}

async fn status(shell: &Shell, host: &str, (blue, green): (u8, u8)) -> Ended {
    let (servers, metrics) = shell.host.shared.world(|world| (world.servers(), world.metrics()));
    let mut text = format!("{host}: blue {blue} % green {green} %\n");
    text.push_str("SERVER    POOL   STATE  ORDERS/MIN\n");
    for (name, colour, serves, load) in servers {
        let state = if serves { "UP" } else { "DOWN" };
        text.extend([format!("{name:<9} {:<6} {state:<6} {load:>10}\n", colour.name())]);
    }
    let errors = hundredths(metrics.errors_bp);
    text.extend([format!("p99 {} ms, errors {errors} %\n", metrics.p99_ms)]);
    shell.say(&text).await?;
    Ok(0)
}

/// `svc`, `systemctl` and `service`: the verb and the name in either order.
pub(super) async fn svc(shell: &mut Shell, tool: &str, args: &[&str]) -> Ended {
    let words: Vec<&str> = args.iter().copied().filter(|it| !it.starts_with('-')).collect();
    let quiet = args.contains(&"-q") || args.contains(&"--quiet");
    let host = shell.host.name.clone();
    if tool == "journalctl" {
        return journal(shell, &host).await;
    }
    let (verb, name) = match words.as_slice() {
        [name, verb] if tool == "service" => (*verb, *name),
        [verb, name] => (*verb, *name),
        ["status" | "list"] => {
            for name in shell.host.shared.world(|world| world.services(&host)) {
                one_status(shell, &host, &name).await?;
            }
            return Ok(0);
        }
        ["daemon-reload"] => return Ok(0),
        _ => {
            let usage = "usage: svc start|stop|restart|status|is-active|version NAME";
            return shell.complain(tool, usage, 2).await;
        }
    };
    let name = name.trim_end_matches(".service");
    let state = shell.host.shared.world(|world| world.service(&host, name).map(|it| it.state));
    let state = match state {
        Ok(state) => state,
        Err(problem) => return shell.complain(tool, &problem, 5).await,
    };
    match verb {
        "start" => start(shell, &host, name).await,
        "stop" => stop(shell, &host, name, state).await,
        "restart" => {
            if state != ServiceState::Stopped {
                stop(shell, &host, name, state).await?;
            }
            start(shell, &host, name).await
        }
        "reload" | "enable" | "disable" => Ok(0),
        "status" => one_status(shell, &host, name).await,
        "is-active" => {
            if !quiet {
                shell.say(&format!("{}\n", state.name())).await?;
            }
            Ok(if state == ServiceState::Running { 0 } else { 3 })
        }
        "version" => {
            let release = shell
                .host
                .shared
                .world(|world| world.service(&host, name).map(|it| it.release.clone()));
            shell.say(&format!("{}\n", release.ok().flatten().unwrap_or_default())).await?;
            Ok(0)
        }
        other => shell.complain(tool, &format!("unknown verb {other}"), 2).await,
    }
}

async fn start(shell: &Shell, host: &str, name: &str) -> Ended {
    let started = shell.host.shared.world(|world| world.start(host, name));
    if let Err(problem) = started {
        return shell.complain("svc", &format!("{name} failed to start: {problem}"), 1).await;
    }
    shell.say(&format!("{host}: starting {name}\n")).await?;
    for line in ["configuration read", "connected to the database", "warming caches"] {
        take(shell, 450).await;
        shell.say(&format!("{host}: {name}: {line}\n")).await?;
    }
    for _ in 0..40 {
        let (state, release) = shell.host.shared.world(|world| {
            let service = world.service(host, name);
            service.map_or((ServiceState::Stopped, None), |it| (it.state, it.release.clone()))
        });
        match state {
            ServiceState::Running => {
                let release = release.map(|it| format!(" {it}")).unwrap_or_default();
                shell.say(&format!("{host}: {name}{release} is active (running)\n")).await?;
                return Ok(0);
            }
            ServiceState::Starting => take(shell, 250).await,
            ServiceState::Stopped => break,
        }
    }
    shell.complain("svc", &format!("{name} did not become active"), 1).await
}

async fn stop(shell: &Shell, host: &str, name: &str, state: ServiceState) -> Ended {
    if state == ServiceState::Stopped {
        shell.say(&format!("{host}: {name} is not running\n")).await?;
        return Ok(0);
    }
    shell.say(&format!("{host}: stopping {name}, letting requests end\n")).await?;
    take(shell, 800).await;
    if let Err(problem) = shell.host.shared.world(|world| world.stop(host, name)) {
        return shell.complain("svc", &problem, 1).await;
    }
    shell.say(&format!("{host}: {name} is inactive (dead)\n")).await?;
    Ok(0)
}

async fn one_status(shell: &Shell, host: &str, name: &str) -> Ended {
    let service = shell
        .host
        .shared
        .world(|world| world.service(host, name).map(|it| (it.clone(), world.now())));
    let (service, now) = match service {
        Ok(found) => found,
        Err(problem) => return shell.complain("svc", &problem, 4).await,
    };
    let (detail, code) = match service.state {
        ServiceState::Running => ("running", 0),
        ServiceState::Starting => ("start", 3),
        ServiceState::Stopped => ("dead", 3),
    };
    let since: Millis = now.minus(service.since);
    let release = service.release.as_deref().unwrap_or("-");
    let text = format!(
        "* {name}.service on {host}\n   Active: {} ({detail}) since {} s ago\n  Release: {release}\n",
        service.state.name(),
        since.as_secs(),
    );
    shell.say(&text).await?;
    Ok(code)
}

async fn journal(shell: &Shell, host: &str) -> Ended {
    let now = shell.host.shared.wall();
    for (ago, line) in [(9, "pool: 16 connections"), (5, "health check ok"), (1, "health check ok")]
    {
        let at = now.before(Millis::from_secs(ago)).rfc3339();
        shell.say(&format!("{at} {host} orders: {line}\n")).await?;
    }
    Ok(0)
}
